"""Guards of single sign-on: who is believed, and whose account it is."""

from tests.mutation.mutant import Edit, without, without_both

OPENID = "dashboard/openid.py"
VERBS = "dashboard/single_sign_on.py"
PAGES = "dashboard/web/single_sign_on.py"
TESTS = "web/test_single_sign_on.py"


def lie(name: str) -> str:
    return f"{TESTS}::test_a_lie_is_not_believed[{name}-sqlite]"


MUTANTS = (
    without_both(
        "an answer belongs to the browser that asked",
        "a link signs somebody in to an account that is not theirs",
        (
            Edit(OPENID, " or not secrets.compare_digest(visit.state.encode(), state.encode()):", ":"),
            Edit(PAGES, 'if brought and brought["visit"]["state"] == request.args.get("state"):', "if brought:"),
        ),
        f"{TESTS}::test_an_answer_counts_in_the_browser_that_asked",
        f"{TESTS}::test_a_forged_state_is_refused_and_what_was_begun_can_go_on",
    ),
    without(
        "what a browser keeps of a visit works once",
        "an address from its history signs in anew",
        Edit(PAGES, "        session.pop(VISIT)\n", ""),
        f"{TESTS}::test_an_answer_that_was_refused_is_not_tried_again",
    ),
    without(
        "a visit to the provider is soon over",
        "a browser left on the way waits for a sign-in for ever",
        Edit(OPENID, "if not is_young or visit.issuer", "if visit.issuer"),
        f"{TESTS}::test_ten_minutes_are_enough",
    ),
    without(
        "a token is for this visit: its nonce",
        "a token that was overheard signs in anew",
        Edit(OPENID, '            "nonce": visit.nonce,\n', ""),
        lie("another nonce"),
    ),
    without_both(
        "a token is for this desk",
        "whoever runs another client of the provider signs in as anybody",
        (
            Edit(OPENID, '            "aud": {"essential": True, "value": config.oidc_client_id},\n', ""),
            Edit(OPENID, '"client_id": config.oidc_client_id,\n            "access', '"access'),
        ),
        lie("another aud"),
    ),
    without(
        "a token for several is for this desk",
        "a token that another client was given signs in here",
        Edit(OPENID, '"client_id": config.oidc_client_id,\n            "access', '"access'),
        lie("several aud"),
    ),
    without(
        "a token is of this provider",
        "a token of another one with the same keys signs in",
        Edit(OPENID, '            "iss": {"essential": True, "value": config.oidc_issuer},\n', ""),
        lie("another iss"),
    ),
    without(
        "tokens are signed",
        "anybody makes tokens",
        Edit(OPENID, 'ALGORITHMS = ("RS256",', 'ALGORITHMS = ("none", "HS256", "RS256",'),
        lie("unsigned"),
    ),
    without(
        "tokens run out",
        "a token from a log opens the desk for ever",
        Edit(OPENID, "leeway=LEEWAY_S", "leeway=10**9"),
        lie("run out"),
    ),
    without(
        "answers of another issuer are refused",
        "one provider's code is taken to another",
        Edit(OPENID, "        self._check_sender(metadata, answer)\n", ""),
        lie("another sender"),
    ),
    without(
        "the provider tells of one person",
        "the groups of somebody else give a role",
        Edit(OPENID, 'if more.get("sub") != claims["sub"]:', "if False:"),
        lie("another person"),
    ),
    without(
        "PKCE binds a code to its visit",
        "whoever gets hold of a code signs in with it",
        Edit(OPENID, '            code_challenge_method="S256",\n', ""),
        f"{TESTS}::test_what_the_provider_is_asked",
    ),
    without(
        "a provider is the one that was named",
        "another one that answers there decides who signs in",
        Edit(OPENID, 'if found.get("issuer") != issuer:', "if False:"),
        f"{TESTS}::test_a_provider_that_cannot_be_used_is_out_of_reach",
    ),
    without_both(
        "redirects of the provider are not followed",
        "the desk's secret goes to another host",
        (
            Edit(OPENID, '"allow_redirects": False', '"allow_redirects": True'),
            Edit(OPENID, "return None\n\n\ndef _whole", "return super().get_redirect_target(resp)\n\n\ndef _whole"),
        ),
        f"{TESTS}::test_a_redirect_of_the_provider_is_not_followed",
    ),
    without(
        "no proxy of the environment is used",
        "whoever sets a variable reads the desk's secret",
        Edit(OPENID, "        self.trust_env = False\n", ""),
        f"{TESTS}::test_proxies_of_the_environment_are_not_used",
    ),
    without(
        "only a verified address counts",
        "whoever types an admin's address at the provider is that admin",
        Edit(OPENID, 'isinstance(email, str) and claims.get("email_verified") is True', "isinstance(email, str)"),
        f"{TESTS}::test_an_address_that_is_not_verified_opens_nothing",
    ),
    without(
        "an address is verified where it stands",
        "one address is verified, and another one opens an account",
        Edit(OPENID, '{"email_verified"} if "email" in claims else set()', "set()"),
        f"{TESTS}::test_an_address_is_verified_where_it_stands",
    ),
    without(
        "an account belongs to one person at the provider",
        "whoever is given somebody's address there gets the account",
        Edit(VERBS, '        raise NotLetIn("other_identity")\n', "        return person\n"),
        f"{TESTS}::test_whoever_gets_the_address_of_somebody_else_does_not_get_the_account",
    ),
    without(
        "whoever has no role is not let in",
        "everybody whom the provider knows sees the refunds",
        Edit(VERBS, '        raise NotLetIn("no_role")\n', '        return "viewer"\n'),
        f"{TESTS}::test_without_a_role_nobody_is_let_in",
    ),
    without(
        "proving it again is proving it now",
        "whoever finds an open desk is proved by the provider's own sign-in",
        Edit(VERBS, "identity.proved_at is None or identity.proved_at < begun_at - PROVED_EARLIER", "False"),
        f"{TESTS}::test_what_does_not_prove_it_does_nothing_and_gives_all_back",
    ),
    without(
        "proving it again is done by the same person",
        "whoever finds an open desk proves that they are themselves",
        Edit(VERBS, "known is None or known.person_id != person.id", "known is None"),
        f"{TESTS}::test_what_does_not_prove_it_does_nothing_and_gives_all_back",
    ),
    without(
        "a factor here is asked for after the provider",
        "whoever takes the account there over gets in without the phone",
        Edit(VERBS, "        if factors.has_any(tx, person.id):\n", "        if person.disabled_at:\n"),
        f"{TESTS}::test_whoever_has_a_second_factor_here_is_asked_for_it",
    ),
    without(
        "single sign-on alone means no passwords",
        "an old password goes round the provider",
        Edit("dashboard/web/people.py", "    if desk().config.oidc_only:\n", "    if False:\n"),
        f"{TESTS}::test_where_there_is_single_sign_on_alone_no_password_opens_anything",
    ),
    without(
        "single sign-on alone means no password proves it",
        "an old password goes round the provider before what matters",
        Edit("dashboard/proving.py", " and not books.config.oidc_only", ""),
        f"{TESTS}::test_where_there_is_single_sign_on_alone_a_password_proves_nothing",
    ),
)  # fmt: skip
