"""Signing in through an OpenID provider: a real one, in a process of its own."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from joserfc.jwk import KeySet, RSAKey
from sqlalchemy import select

from dashboard import doctor, guessing, people, sign_ins, single_sign_on
from dashboard.config import Config
from dashboard.doctor import Finding
from dashboard.models import Guess, KeptForm
from tests.bench.databases import on_sqlite
from tests.bench.openid_provider import CLIENT_ID, CLIENT_SECRET, Provider, running_provider
from tests.bench.refund_desk import PASSWORD, RefundDesk
from tests.bench.simulated import SimulatedClock
from tests.journeys.commands import free_port
from tests.web.browser import Answer, Browser
from tests.web.conftest import Auth
from tests.web.page import Element
from tests.web.second_factors import add_app
from tests.web.test_redirects import led_astray

ANNA = "anna@desk.test"
SWITCHED_OFF = {f"DASHBOARD_OIDC_{name}": "" for name in ("ISSUER", "CLIENT_ID", "CLIENT_SECRET", "ROLES")}


@pytest.fixture(scope="session")
def running() -> Iterator[Provider]:
    with running_provider(free_port()) as provider:
        yield provider


@pytest.fixture
def provider(running: Provider) -> Provider:
    """It tells the truth until told otherwise, and Anna may work here."""
    running.lie()
    running.person("anna")
    return running


@pytest.fixture
def clock() -> SimulatedClock:
    """The provider goes by the time of day."""
    return SimulatedClock(datetime.now(UTC))


@pytest.fixture
def more(request: pytest.FixtureRequest) -> dict[str, str]:
    """Settings beside those of every test here."""
    given: dict[str, str] = getattr(request, "param", {})
    return given


def with_settings(**settings: str) -> pytest.MarkDecorator:
    named = {f"DASHBOARD_{name}": value for name, value in settings.items()}
    return pytest.mark.parametrize("more", [named], indirect=True, ids=[""])


@pytest.fixture
def environ(environ: dict[str, str], provider: Provider, more: dict[str, str]) -> dict[str, str]:
    return {
        **environ,
        "DASHBOARD_PUBLIC_URL": "http://localhost:8781",
        "DASHBOARD_OIDC_ISSUER": provider.url,
        "DASHBOARD_OIDC_CLIENT_ID": CLIENT_ID,
        "DASHBOARD_OIDC_CLIENT_SECRET": CLIENT_SECRET,
        "DASHBOARD_OIDC_ROLES": "finance-ops=operator,finance-leads=approver,it=admin",
        **more,
    }


def leave(browser: Browser, target: str = "") -> str:
    """Press the button; answers with the address at the provider that the page leads to."""
    answer = browser.post("/login/sso", {"next": target})
    assert answer.status == 200, answer.text
    return str(answer.page.one("main").all("a", rel="noreferrer")[0]["href"])


def come_back(browser: Browser, address: str) -> Answer:
    parts = urlsplit(address)
    answer = browser.get(f"{parts.path}?{parts.query}")
    browser.forget_csrf_token()
    return answer


def sign_in(browser: Browser, provider: Provider, subject: str = "anna", target: str = "") -> Answer:
    return come_back(browser, provider.sign_in(leave(browser, target), subject))


def told(refund_desk: RefundDesk) -> list[tuple[str, str, dict[str, Any]]]:
    return [(entry.actor, entry.action, json.loads(entry.data)) for entry in refund_desk.journal()]


def test_whoever_has_a_role_signs_in_and_has_an_account_then(
    client: Browser, provider: Provider, refund_desk: RefundDesk
) -> None:
    answer = sign_in(client, provider, target="/refunds/?q=x")
    assert (answer.status, answer.location) == (303, "/refunds/?q=x")
    assert ANNA in client.page("/").form("/logout").text
    [added, bound, signed_in] = told(refund_desk)
    assert added == ("oidc", "person:added", {"email": ANNA, "role": "operator"})
    assert bound == (
        "oidc", "person:identity_bound", {"email": ANNA, "issuer": provider.url, "identity": "anna"}
    )  # fmt: skip
    assert signed_in == (ANNA, "login:succeeded", {"address": "127.0.0.1", "by": "oidc"})


@on_sqlite
def test_what_the_provider_is_asked(client: Browser, provider: Provider) -> None:
    """PKCE, state and nonce are new each time; where to come back to is what the settings say, whoever asks."""
    led_astray(client)
    first, second = (parse_qs(urlsplit(leave(client)).query) for _ in range(2))
    assert {
        name: first.get(name) for name in ("response_type", "client_id", "redirect_uri", "code_challenge_method")
    } == {
        "response_type": ["code"],
        "client_id": [CLIENT_ID],
        "redirect_uri": ["http://localhost:8781/login/sso/callback"],
        "code_challenge_method": ["S256"],
    }
    assert set(first["scope"][0].split()) == {"openid", "email", "profile"}
    assert "prompt" not in first
    for name in ("state", "nonce", "code_challenge"):
        assert len(first[name][0]) >= 43
        assert first[name] != second[name]


@on_sqlite
def test_the_secret_goes_to_the_provider_alone(client: Browser, provider: Provider) -> None:
    page = client.post("/login/sso", {})
    assert CLIENT_SECRET not in page.text
    sign_in(client, provider)
    asked = provider.asked()[-1]
    assert asked["authorization"].startswith("Basic ")
    assert asked["code_verifier"]
    assert asked["redirect_uri"] == "http://localhost:8781/login/sso/callback"


@on_sqlite
def test_the_page_on_the_way_leads_on_by_itself_and_only_there(client: Browser, provider: Provider) -> None:
    page = client.post("/login/sso", {}).page
    [refresh] = page.all("meta", **{"http-equiv": "refresh"})
    assert refresh["content"].startswith(f"0; url={provider.url}/oauth2/authorize?")


@on_sqlite
def test_the_highest_role_of_all_groups_counts(client: Browser, provider: Provider, refund_desk: RefundDesk) -> None:
    provider.person("anna", groups=["x", "finance-leads", "finance-ops"])
    sign_in(client, provider)
    assert role_of(refund_desk) == "approver"


def role_of(refund_desk: RefundDesk, email: str = ANNA) -> str:
    with refund_desk.desk.read() as session:
        found = people.find(session, email)
    assert found is not None
    return found.role


def test_another_group_is_another_role_from_the_next_sign_in_on(
    client: Browser, provider: Provider, refund_desk: RefundDesk
) -> None:
    sign_in(client, provider)
    provider.person("anna", groups="finance-leads")
    other = Browser(client.client.application)
    sign_in(other, provider)
    changed = {"email": ANNA, "was": "operator", "now": "approver"}
    assert ("oidc", "person:role_changed", changed) in told(refund_desk)
    assert other.get("/approvals/").status == 200
    assert (client.get("/").location or "").startswith("/login"), "what was open with the old role is over"
    sign_in(other, provider)
    assert [action for _, action, _ in told(refund_desk)].count("person:role_changed") == 1


@on_sqlite
@pytest.mark.parametrize("groups", [["nobodys"], [], None, {"finance-ops": True}, [["finance-ops"]], "Finance-ops"])
def test_without_a_role_nobody_is_let_in(
    client: Browser, provider: Provider, refund_desk: RefundDesk, groups: Any
) -> None:
    provider.person("anna", groups=groups)
    answer = sign_in(client, provider)
    assert answer.status == 403
    assert "none of your groups there has a role" in answer.page.notices[0]
    [(actor, action, data)] = told(refund_desk)
    assert (actor, action, data["why"]) == ("nobody", "login:failed", "no_role")
    assert (client.get("/").location or "").startswith("/login")


@on_sqlite
def test_whoever_loses_the_role_is_not_let_in_any_more(
    client: Browser, provider: Provider, refund_desk: RefundDesk
) -> None:
    sign_in(client, provider)
    provider.person("anna", groups=[])
    assert sign_in(Browser(client.client.application), provider).status == 403


def test_an_account_that_was_there_is_bound_to_whoever_has_its_address(
    client: Browser, provider: Provider, refund_desk: RefundDesk
) -> None:
    known = refund_desk.person("operator", ANNA)
    provider.person("anna", email="Anna@Desk.test")
    assert sign_in(client, provider).status == 303
    with refund_desk.desk.read() as session:
        assert [person.id for person in people.everybody(session)] == [known.id]
    assert "Bound to somebody at the sign-in service" in client.get("/account/").text


@on_sqlite
@pytest.mark.parametrize("claims", [{"email_verified": False}, {"email_verified": None}, {"email_verified": "true"},
                                    {"email": None}, {"email": ["anna@desk.test"]}])  # fmt: skip
def test_an_address_that_is_not_verified_opens_nothing(
    client: Browser, provider: Provider, refund_desk: RefundDesk, claims: dict[str, Any]
) -> None:
    refund_desk.person("operator", ANNA)
    provider.person("anna", **claims)
    answer = sign_in(client, provider)
    assert (answer.status, "has not verified your e-mail address" in answer.page.notices[0]) == (403, True)
    assert "person:identity_bound" not in [action for _, action, _ in told(refund_desk)]


@on_sqlite
def test_another_address_at_the_provider_is_still_the_same_account_and_nobody_elses(
    client: Browser, provider: Provider, auth: Auth, refund_desk: RefundDesk
) -> None:
    admin = auth.person("admin")
    sign_in(client, provider)
    provider.person("anna", email=admin.email)
    again = Browser(client.client.application)
    assert sign_in(again, provider).status == 303
    assert ANNA in again.page("/").form("/logout").text
    assert role_of(refund_desk, admin.email) == "admin"


def test_whoever_gets_the_address_of_somebody_else_does_not_get_the_account(
    client: Browser, provider: Provider, refund_desk: RefundDesk
) -> None:
    sign_in(client, provider)
    provider.person("mallory", email=ANNA, groups=["it"])
    answer = sign_in(Browser(client.client.application), provider, "mallory")
    assert (answer.status, "belongs to somebody else" in answer.page.notices[0]) == (403, True)
    assert role_of(refund_desk) == "operator"
    assert told(refund_desk)[-1][2]["why"] == "other_identity"


@on_sqlite
@pytest.mark.parametrize("is_bound", [True, False])
def test_a_disabled_account_stays_disabled(
    client: Browser, provider: Provider, refund_desk: RefundDesk, is_bound: bool
) -> None:
    if is_bound:
        sign_in(client, provider)
    else:
        refund_desk.person("operator", ANNA)
    people.disable(refund_desk.desk, ANNA, actor="test")
    answer = sign_in(Browser(client.client.application), provider)
    assert (answer.status, answer.page.notices) == (403, ["Your account at this desk is disabled. Ask an admin."])


def test_the_last_admin_is_not_made_less(client: Browser, provider: Provider, refund_desk: RefundDesk) -> None:
    provider.person("anna", groups="it")
    assert sign_in(client, provider).status == 303
    provider.person("anna", groups="finance-ops")
    answer = sign_in(Browser(client.client.application), provider)
    assert (answer.status, "the last admin" in answer.page.notices[0]) == (403, True)
    assert role_of(refund_desk) == "admin"
    assert client.get("/people/").status == 200
    refund_desk.person("admin")
    assert sign_in(Browser(client.client.application), provider).status == 303
    assert role_of(refund_desk) == "operator"


@on_sqlite
def test_what_is_no_address_here_makes_no_account(client: Browser, provider: Provider, refund_desk: RefundDesk) -> None:
    provider.person("anna", email="an na@desk.test")
    assert sign_in(client, provider).status == 403
    assert told(refund_desk)[-1][2]["why"] == "bad_address"


# What proves nothing


def is_refused(answer: Answer, browser: Browser, refund_desk: RefundDesk) -> bool:
    assert (browser.get("/").location or "").startswith("/login"), "nobody is signed in"
    assert told(refund_desk) == []
    return answer.status == 422 and len(answer.page.notices) == 1


def in_s(offset_s: int) -> int:
    """A time as tokens tell it, so many seconds from now."""
    return int(datetime.now(UTC).timestamp()) + offset_s


LIES: dict[str, dict[str, Any]] = {
    "unsigned": {"key": "none"},
    "foreign key": {"key": "foreign"},
    "public key": {"key": "public"},
    "another nonce": {"claims": {"nonce": "another"}},
    "no nonce": {"claims": {"nonce": None}},
    "another aud": {"claims": {"aud": "another desk"}},
    "no aud": {"claims": {"aud": None}},
    "several aud": {"claims": {"aud": [CLIENT_ID, "another desk"]}},
    "another azp": {"claims": {"azp": "another desk"}},
    "another iss": {"claims": {"iss": "https://evil.test"}},
    "no iss": {"claims": {"iss": None}},
    "run out": {"claims": {"exp": in_s(-3600)}},
    "never runs out": {"claims": {"exp": None}},
    "of the future": {"claims": {"iat": in_s(36_000)}},
    "of no time": {"claims": {"iat": None}},
    "no sub": {"claims": {"sub": None}},
    "empty sub": {"claims": {"sub": ""}},
    "two subs": {"claims": {"sub": ["anna"]}},
    "long sub": {"claims": {"sub": "a" * 300}},
    "another at_hash": {"claims": {"at_hash": "of another token"}},
    "another sender": {"iss": "https://evil.test"},
    "no sender": {"metadata": {"authorization_response_iss_parameter_supported": True}},
    "another person": {"claims": {"groups": None}, "userinfo": {"sub": "somebody else"}},
}


@on_sqlite
@pytest.mark.parametrize("lies", LIES.values(), ids=list(LIES))
def test_a_lie_is_not_believed(
    client: Browser, provider: Provider, refund_desk: RefundDesk, lies: dict[str, Any]
) -> None:
    provider.lie(**lies)
    assert is_refused(sign_in(client, provider), client, refund_desk)


@on_sqlite
@pytest.mark.parametrize(
    "truth",
    [
        {"claims": {"aud": [CLIENT_ID]}},
        {"claims": {"aud": [CLIENT_ID, "another desk"], "azp": CLIENT_ID}},
        {"claims": {"email": None, "email_verified": None, "groups": None}},
        {"header": {"typ": "JWT"}},
    ],
    ids=["one audience", "two audiences", "claims beside", "a type"],
)
def test_what_is_good_is_believed(client: Browser, provider: Provider, truth: dict[str, Any]) -> None:
    provider.lie(**truth)
    assert sign_in(client, provider).status == 303


@on_sqlite
def test_clocks_may_differ_a_little(client: Browser, provider: Provider) -> None:
    provider.lie(claims={"exp": in_s(600), "iat": in_s(20)})
    assert sign_in(client, provider).status == 303


@on_sqlite
def test_an_address_is_verified_where_it_stands(client: Browser, provider: Provider, refund_desk: RefundDesk) -> None:
    """An address of the ID token's is not verified by what is said elsewhere of perhaps another one."""
    refund_desk.person("operator", "bert@desk.test")
    lies = {"claims": {"email": "bert@desk.test", "email_verified": None, "groups": None}}
    provider.lie(**lies)
    assert sign_in(client, provider).status == 403


@on_sqlite
def test_a_provider_that_names_itself_in_its_answers_is_believed_by_that_name(
    client: Browser, provider: Provider
) -> None:
    provider.lie(metadata={"authorization_response_iss_parameter_supported": True}, iss=provider.url)
    assert sign_in(client, provider).status == 303


@on_sqlite
@with_settings(OIDC_ROLE_CLAIM="realm_access.roles")
def test_groups_may_be_nested(client: Browser, provider: Provider, refund_desk: RefundDesk) -> None:
    provider.person("anna", realm_access={"roles": ["finance-ops"]}, groups=["it"])
    assert sign_in(client, provider).status == 303
    assert role_of(refund_desk) == "operator"


@on_sqlite
def test_an_answer_counts_in_the_browser_that_asked(
    client: Browser, provider: Provider, refund_desk: RefundDesk
) -> None:
    """Or somebody could be signed in to an account that is not theirs, by a link."""
    victim = Browser(client.client.application)
    address = provider.sign_in(leave(client), "anna")
    assert is_refused(come_back(victim, address), victim, refund_desk)
    leave(victim)
    assert is_refused(come_back(victim, address), victim, refund_desk), "not even when it has asked for another one"
    assert come_back(client, address).status == 303


@on_sqlite
@pytest.mark.parametrize("state", ["", "forged", None])
def test_a_forged_state_is_refused_and_what_was_begun_can_go_on(
    client: Browser, provider: Provider, refund_desk: RefundDesk, state: str | None
) -> None:
    address = provider.sign_in(leave(client), "anna")
    query = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()} | {"state": state}
    sent = {name: value for name, value in query.items() if value is not None}
    assert is_refused(Answer(client.client.get("/login/sso/callback", query_string=sent)), client, refund_desk)
    assert come_back(client, address).status == 303


@on_sqlite
def test_an_answer_works_once(client: Browser, provider: Provider, refund_desk: RefundDesk) -> None:
    before = len(provider.asked())
    address = provider.sign_in(leave(client), "anna")
    assert come_back(client, address).status == 303
    client.sign_out()
    client.forget_csrf_token()
    assert come_back(client, address).status == 422
    assert len(provider.asked()) == before + 1, "the provider is not even asked"


@on_sqlite
def test_an_answer_that_was_refused_is_not_tried_again(client: Browser, provider: Provider) -> None:
    provider.person("anna", groups=[])
    before = len(provider.asked())
    address = provider.sign_in(leave(client), "anna")
    assert [come_back(client, address).status for _ in range(2)] == [403, 422]
    assert len(provider.asked()) == before + 1


@on_sqlite
def test_a_code_works_once_at_the_provider_whatever_the_browser_keeps(
    client: Browser, provider: Provider, refund_desk: RefundDesk
) -> None:
    address = provider.sign_in(leave(client), "anna")
    with client.client.session_transaction() as cookie:
        kept = dict(cookie)
    assert come_back(client, address).status == 303
    thief = Browser(client.client.application)
    with thief.client.session_transaction() as cookie:
        cookie.update(kept)
    assert come_back(thief, address).status == 422


@on_sqlite
def test_a_code_of_another_visit_is_worth_nothing(client: Browser, provider: Provider, refund_desk: RefundDesk) -> None:
    """PKCE: whoever has got hold of somebody's code cannot use it in a visit of their own."""
    stolen = parse_qs(urlsplit(provider.sign_in(leave(client), "anna")).query)["code"][0]
    thief = Browser(client.client.application)
    own = parse_qs(urlsplit(leave(thief)).query)["state"][0]
    answer = come_back(thief, f"/login/sso/callback?code={stolen}&state={own}")
    assert is_refused(answer, thief, refund_desk)


@on_sqlite
def test_ten_minutes_are_enough(client: Browser, provider: Provider, refund_desk: RefundDesk) -> None:
    address = provider.sign_in(leave(client), "anna")
    refund_desk.clock.advance(minutes=10)
    answer = come_back(client, address)
    assert is_refused(answer, client, refund_desk)
    assert "took too long" in answer.page.notices[0]


@on_sqlite
def test_who_is_turned_away_there_is_told_so(client: Browser, provider: Provider, refund_desk: RefundDesk) -> None:
    state = parse_qs(urlsplit(leave(client, "/refunds/")).query)["state"][0]
    answer = come_back(client, f"/login/sso/callback?error=access_denied&state={state}")
    assert is_refused(answer, client, refund_desk)
    assert "did not let you through" in answer.page.notices[0]
    assert answer.page.form("/login/sso").fields["next"] == "/refunds/"


@on_sqlite
def test_new_keys_of_the_provider_are_looked_up(
    client: Browser, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those known are of another pair, as after a change."""
    sign_in(client, provider)
    known = client.client.application.extensions["openid"]
    known._keys = KeySet([RSAKey.generate_key(2048, private=False)])
    assert sign_in(Browser(client.client.application), provider).status == 303


# Out of reach


@on_sqlite
@pytest.mark.parametrize(
    "lies",
    [
        {"metadata": {"issuer": "https://evil.test"}},
        {"metadata": {"token_endpoint": "http://evil.test/token"}},
        {"metadata": {"authorization_endpoint": "javascript:alert(1)"}},
        {"metadata": {"jwks_uri": None}},
        {"moved": "http://127.0.0.1:1"},
    ],
    ids=str,
)
def test_a_provider_that_cannot_be_used_is_out_of_reach(
    client: Browser, provider: Provider, lies: dict[str, Any]
) -> None:
    provider.lie(**lies)
    answer = client.post("/login/sso", {"next": "/journal/"})
    assert answer.status == 503
    assert "cannot be reached" in answer.page.notices[0]
    assert answer.page.form("/login").fields["next"] == "/journal/", "a password still does"


@on_sqlite
def test_a_redirect_of_the_provider_is_not_followed(client: Browser, provider: Provider) -> None:
    """Not even to where all would be well."""
    provider.lie(moved=f"{provider.url}/moved")
    assert client.post("/login/sso", {}).status == 503


@on_sqlite
def test_a_provider_that_goes_away_meanwhile(client: Browser, provider: Provider, auth: Auth) -> None:
    address = provider.sign_in(leave(client), "anna")
    provider.lie(moved="http://127.0.0.1:1")
    assert come_back(client, address).status == 503
    assert client.sign_in(auth.person().email, PASSWORD).status == 303


@on_sqlite
@with_settings(OIDC_ISSUER="http://127.0.0.1:1")
def test_nobody_is_there(client: Browser) -> None:
    assert client.post("/login/sso", {}).status == 503


@on_sqlite
def test_a_provider_that_was_away_is_asked_again_five_seconds_later(
    client: Browser, provider: Provider, refund_desk: RefundDesk
) -> None:
    """Nobody can have every thread wait for it."""
    provider.lie(moved="http://127.0.0.1:1")
    assert client.post("/login/sso", {}).status == 503
    provider.lie()
    assert client.post("/login/sso", {}).status == 503
    refund_desk.clock.advance(5)
    assert sign_in(client, provider).status == 303


@on_sqlite
def test_proxies_of_the_environment_are_not_used(
    client: Browser, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("no_proxy", "")
    answer = client.post("/login/sso", {})
    assert answer.status == 200


@on_sqlite
@pytest.mark.parametrize("more", [{}, {"DASHBOARD_OIDC_ONLY": "yes"}], indirect=True, ids=["beside", "only"])
def test_check_says_whether_it_answers(config: Config, provider: Provider) -> None:
    """Without it nobody can sign in, unless passwords do as well."""
    said = f"The OpenID provider {provider.url}"
    assert Finding(f"{said} answers.", is_fatal=False) in list(doctor.findings(config))
    provider.lie(moved="http://127.0.0.1:1")
    [finding] = [each for each in doctor.findings(config) if each.line.startswith(said)]
    assert ("cannot be used" in finding.line, finding.is_fatal) == (True, config.oidc_only)


# Beside passwords and second factors


@on_sqlite
@pytest.mark.parametrize("more", [{"DASHBOARD_OIDC_ONLY": "yes"}], indirect=True)
def test_where_there_is_single_sign_on_alone_no_password_opens_anything(
    client: Browser, provider: Provider, auth: Auth
) -> None:
    assert not client.page("/login").all("input", name="password")
    answer = client.sign_in(auth.person().email, PASSWORD)
    assert (answer.status, answer.page.notices) == (403, ["Passwords do not open this desk. Use single sign-on."])
    assert sign_in(client, provider).status == 303


@on_sqlite
def test_both_ways_stand_on_the_page_and_lead_back(client: Browser) -> None:
    page = client.page("/login?next=/journal/")
    assert page.form("/login/sso").fields["next"] == page.form("/login").fields["next"] == "/journal/"


@on_sqlite
@pytest.mark.parametrize("more", [SWITCHED_OFF], indirect=True, ids=["off"])
def test_without_a_provider_nothing_of_it_is_there(client: Browser, operator: Browser) -> None:
    assert "sso" not in client.get("/login").text
    assert client.post("/login/sso").status == 404
    assert client.get("/login/sso/callback?state=x&code=y").status == 404
    assert operator.post("/login/sso/again?to=/").status == 404


@on_sqlite
def test_whoever_has_a_second_factor_here_is_asked_for_it(
    client: Browser, provider: Provider, refund_desk: RefundDesk
) -> None:
    """Whoever takes an account over at the provider has not taken over the phone."""
    sign_in(client, provider)
    added = add_app(client, refund_desk.clock)
    other = Browser(client.client.application)
    answer = sign_in(other, provider, target="/journal/")
    assert (answer.status, answer.location) == (303, "/login/second-step?next=/journal/")
    assert (other.get("/").location or "").startswith("/login")
    other.forget_csrf_token()
    assert other.post("/login/second-step", {"next": "/journal/", "proof_code": added.codes[0]}).location == "/journal/"


@on_sqlite
@pytest.mark.parametrize("target", ["//evil.test/", "https://evil.test/", "/\\evil.test"])
def test_a_foreign_target_leads_to_the_overview(client: Browser, provider: Provider, target: str) -> None:
    assert sign_in(client, provider, target=target).location == "/"


@on_sqlite
def test_answers_that_are_no_good_are_limited(client: Browser, provider: Provider, refund_desk: RefundDesk) -> None:
    with refund_desk.desk.write() as tx:
        for _ in range(50):
            guessing.count(tx, guessing.by_address("sso", "127.0.0.1"))
    before = len(provider.asked())
    answer = sign_in(client, provider)
    assert (answer.status, answer.response.headers["Retry-After"]) == (429, "300")
    assert len(provider.asked()) == before
    refund_desk.clock.advance(minutes=5)
    for _ in range(2):
        assert sign_in(client, provider).status == 303
    with refund_desk.desk.read() as session:
        assert session.scalars(select(Guess.count)).all() == [0]


@on_sqlite
def test_unbound_by_the_command_line_somebody_else_may_be_bound(
    client: Browser, provider: Provider, refund_desk: RefundDesk
) -> None:
    sign_in(client, provider)
    assert single_sign_on.unbind(refund_desk.desk, ANNA, actor="command line")
    assert not single_sign_on.unbind(refund_desk.desk, ANNA, actor="command line")
    assert (client.get("/").location or "").startswith("/login")
    provider.person("new-anna", email=ANNA)
    assert sign_in(client, provider, "new-anna").status == 303
    assert ("command line", "person:identity_unbound", {"email": ANNA}) in told(refund_desk)


# Proving it once more

SENT = {"email": "new@desk.test", "role": "viewer"}


@pytest.fixture
def admin(client: Browser, provider: Provider, refund_desk: RefundDesk) -> Browser:
    """Somebody who signed in through the provider five minutes ago."""
    provider.person("anna", groups="it")
    sign_in(client, provider)
    refund_desk.clock.advance(minutes=5)
    return client


def leave_again(browser: Browser, page: Element) -> str:
    """Press the button of the page that asks who is there."""
    form = page.form("/people/invite")
    [button] = [each for each in form.all("button") if each.get("formaction")]
    answer = browser.post(button["formaction"], form.fields)
    assert answer.status == 200
    return str(answer.page.one("main").all("a", rel="noreferrer")[0]["href"])


def made(refund_desk: RefundDesk) -> bool:
    with refund_desk.desk.read() as session:
        return people.find(session, SENT["email"]) is not None


def test_proving_goes_by_way_of_the_provider_and_on_with_all_that_was_sent(
    admin: Browser, provider: Provider, refund_desk: RefundDesk
) -> None:
    page = admin.post("/people/invite", SENT).page
    assert not page.all("input", name="proof_password"), "there is none"
    address = leave_again(admin, page)
    asked = parse_qs(urlsplit(address).query)
    assert (asked["prompt"], asked["max_age"]) == (["login"], ["0"])
    provider.lie(claims={"auth_time": int(refund_desk.clock.now().timestamp())})
    back = come_back(admin, provider.sign_in(address, "anna"))
    assert (back.status, made(refund_desk)) == (200, False)
    assert {name: back.page.form("/people/invite").fields[name] for name in SENT} == SENT
    assert told(refund_desk)[-1] == (ANNA, "factor:proved", {"factor": "provider", "address": "127.0.0.1"})
    assert admin.post("/people/invite", back.page.form("/people/invite").fields).status == 200
    assert made(refund_desk)


@on_sqlite
@pytest.mark.parametrize(
    ("subject", "auth_time", "words"),
    [
        ("anna", -300, "did not ask you to sign in afresh"),
        ("anna", None, "did not ask you to sign in afresh"),
        ("bert", 0, "Somebody else has signed in"),
    ],
)
def test_what_does_not_prove_it_does_nothing_and_gives_all_back(
    admin: Browser, provider: Provider, refund_desk: RefundDesk, subject: str, auth_time: Any, words: str
) -> None:
    provider.person("bert", groups="it")
    sign_in(Browser(admin.client.application), provider, "bert")
    now = int(refund_desk.clock.now().timestamp())
    provider.lie(claims={"auth_time": now + auth_time if isinstance(auth_time, int) else auth_time})
    address = leave_again(admin, admin.post("/people/invite", SENT).page)
    back = come_back(admin, provider.sign_in(address, subject))
    assert (back.status, words in back.page.notices[0]) == (422, True)
    assert told(refund_desk)[-1][1] == "factor:failed"
    again = admin.post("/people/invite", back.page.form("/people/invite").fields)
    assert (again.status, made(refund_desk)) == (200, False)
    assert {name: again.page.form("/people/invite").fields[name] for name in SENT} == SENT


@on_sqlite
def test_what_was_sent_comes_back_to_whoever_sent_it_and_once(
    admin: Browser, provider: Provider, refund_desk: RefundDesk
) -> None:
    address = leave_again(admin, admin.post("/people/invite", SENT).page)
    with admin.client.session_transaction() as cookie:
        kept = cookie["provider_visit"]["again"]
    with refund_desk.desk.read() as session:
        [row] = session.scalars(select(KeptForm)).all()
    assert b"new@desk.test" not in row.fields
    assert kept not in row.token_digest
    assert single_sign_on.take_form(refund_desk.desk, refund_desk.person("viewer"), kept) is None
    come_back(admin, provider.sign_in(address, "anna"))
    with refund_desk.desk.read() as session:
        assert session.scalars(select(KeptForm)).all() == []


@on_sqlite
def test_a_provider_that_is_away_keeps_nothing_back(
    admin: Browser, provider: Provider, refund_desk: RefundDesk
) -> None:
    page = admin.post("/people/invite", SENT).page
    refund_desk.clock.advance(minutes=6)
    provider.lie(moved="http://127.0.0.1:1")
    form = page.form("/people/invite")
    [button] = [each for each in form.all("button") if each.get("formaction")]
    answer = admin.post(button["formaction"], form.fields)
    assert answer.status == 503
    assert {name: answer.page.form("/people/invite").fields[name] for name in SENT} == SENT


@on_sqlite
def test_a_factor_here_goes_first(admin: Browser, provider: Provider, refund_desk: RefundDesk) -> None:
    provider.lie(claims={"auth_time": int(refund_desk.clock.now().timestamp())})
    back = come_back(admin, provider.sign_in(leave_again(admin, admin.post("/people/invite", SENT).page), "anna"))
    assert back.status == 200
    added = add_app(admin, refund_desk.clock)
    refund_desk.clock.advance(minutes=5)
    form = admin.post("/people/invite", SENT).page.form("/people/invite")
    assert not [each for each in form.all("button") if each.get("formaction")]
    assert admin.post("/login/sso/again?to=/people/invite", SENT).status == 404
    admin.post("/people/invite", {**SENT, "proof_code": added.codes[0]})
    assert made(refund_desk)


@on_sqlite
def test_whoever_has_a_password_alone_is_not_sent_away(operator: Browser, provider: Provider) -> None:
    assert operator.post("/login/sso/again?to=/people/invite", SENT).status == 404


@on_sqlite
@pytest.mark.parametrize("more", [{"DASHBOARD_OIDC_ONLY": "yes"}], indirect=True, ids=["only"])
def test_where_there_is_single_sign_on_alone_a_password_proves_nothing(admin: Browser, refund_desk: RefundDesk) -> None:
    people.set_password(refund_desk.desk, ANNA, PASSWORD, actor="test")
    provider_of_admin = Browser(admin.client.application)
    with refund_desk.desk.write() as tx:
        person = people.find(tx, ANNA)
        assert person is not None
        token = sign_ins.start(tx, person)
    provider_of_admin.be(token)
    refund_desk.clock.advance(minutes=5)
    page = provider_of_admin.post("/people/invite", SENT).page
    assert not page.all("input", name="proof_password")
    assert provider_of_admin.post("/people/invite", {**SENT, "proof_password": PASSWORD}).status == 422
    assert not made(refund_desk)
