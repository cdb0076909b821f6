"""Guards of second factors: each proof counts once, for one sign-in, for one person."""

from tests.mutation.mutant import Edit, without, without_both

FACTORS = "dashboard/factors.py"
PROVING = "dashboard/proving.py"
PASSKEYS = "dashboard/passkeys.py"
SIGN_INS = "dashboard/sign_ins.py"
RESETS = "dashboard/factor_resets.py"
STEP_UP = "dashboard/web/step_up.py"

TEST_SECOND_STEP = "web/test_second_step.py"
TEST_APP_CODES = "web/test_app_codes.py"
TEST_STEP_UP = "web/test_step_up.py"
TEST_FACTORS = "web/test_factors.py"
TEST_RESETS = "web/test_factor_resets.py"

MUTANTS = (
    without(
        "a code of an app counts once",
        "whoever looked over a shoulder signs in with it too",
        Edit(FACTORS, ", AuthenticatorApp.last_step < step)", ", AuthenticatorApp.last_step < step + 2)"),
        f"{TEST_SECOND_STEP}::test_of_two_who_send_the_same_code_at_once_one_is_signed_in",
    ),
    without(
        "without grace a code of an app counts for its own step",
        "a code that was read off a screen is good for a minute more than the installation allows",
        Edit("dashboard/totp.py", "int(step_now) - 1] if into_s < grace_s else []", "int(step_now) - 1]"),
        f"{TEST_APP_CODES}::test_without_grace_a_code_lives_for_thirty_seconds",
    ),
    without(
        "a code that is still to come is not told from others",
        "whoever guesses learns which code opens the account in a moment",
        Edit("dashboard/totp.py", "// STEP_S - 1, code)", "// STEP_S + 1, code)"),
        f"{TEST_APP_CODES}::test_the_code_that_comes_next_is_a_guess_like_any_other",
    ),
    without(
        "a password alone opens no account with a second factor",
        "a stolen password is enough",
        Edit(
            "dashboard/signing_in.py", "if factors.has_any(tx, person.id) else None", "if person.disabled_at else None"
        ),
        f"{TEST_SECOND_STEP}::test_with_an_app_the_password_alone_opens_nothing",
    ),
    without(
        "half a sign-in is taken once",
        "two sign-ins come of one password",
        Edit(PROVING, "if not sign_ins.end_half(tx, half_token):", "if False:"),
        f"{TEST_SECOND_STEP}::test_both_tokens_of_before_are_dead_afterwards",
    ),
    without(
        "half a sign-in is soon over",
        "a browser left at the second page waits for a code for ever",
        Edit(
            SIGN_INS, "is_young = HalfSignIn.started_at > now - LONGEST_HALF", "is_young = HalfSignIn.started_at <= now"
        ),
        f"{TEST_SECOND_STEP}::test_half_a_sign_in_holds_for_five_minutes",
    ),
    without(
        "what ends all sign-ins ends half ones",
        "a thief who knows the old password goes on after a new one was set",
        Edit(SIGN_INS, "    tx.execute(delete(HalfSignIn).where(HalfSignIn.person_id == person.id))\n", ""),
        f"{TEST_SECOND_STEP}::test_it_ends_with_what_ends_every_sign_in",
    ),
    without(
        "an answer counts for the sign-in that asked",
        "a passkey's answer that was overheard opens another sign-in",
        Edit(PASSKEYS, "(told_purpose, told_bound) != (purpose, _mark(bound_to))", "told_purpose != purpose"),
        f"{TEST_SECOND_STEP}::test_an_answer_counts_for_the_sign_in_that_asked_alone",
    ),
    without(
        "a key that counts backwards is refused",
        "a copied key goes unnoticed",
        Edit(PASSKEYS, "        raise CopiedKey\n", "        pass\n"),
        f"{TEST_SECOND_STEP}::test_a_key_that_counts_backwards_is_refused",
    ),
    without(
        "guesses of codes are limited",
        "a machine tries all million codes",
        Edit(PROVING, "        guessing.turn_away_if_full(tx, books, limit)\n", "        pass\n"),
        f"{TEST_SECOND_STEP}::test_wrong_codes_are_counted_apart_from_passwords",
    ),
    without(
        "codes guessed elsewhere keep out no open sign-in",
        "whoever knows a password keeps its owner from approving anything",
        Edit(
            PROVING,
            'guessing.by_proof("sign-in", sign_ins.name_of_token(token))',
            'guessing.by_proof("account", person_id)',
        ),
        f"{TEST_SECOND_STEP}::test_nor_a_sign_in_that_is_open",
    ),
    without(
        "a recovery code counts once",
        "a code that was read off paper opens the account again and again",
        Edit(
            "dashboard/recovery_codes.py",
            ", RecoveryCode.used_at.is_(None))\n    result",
            ", RecoveryCode.made_at.is_not(None))\n    result",
        ),
        f"{TEST_SECOND_STEP}::test_a_recovery_code_works_once",
    ),
    without(
        "proving makes a new token",
        "a token that was stolen before is good for what was proved after",
        Edit(SIGN_INS, '= {"token_digest": token_digest(renewed), ', "= {"),
        f"{TEST_STEP_UP}::test_proving_makes_a_new_token_and_the_old_one_is_dead",
    ),
    without(
        "a proof is soon stale",
        "whoever finds an open desk does what matters",
        Edit(SIGN_INS, "found.proved_at > books.clock.now() - PROOF_HOLDS", "found.proved_at <= books.clock.now()"),
        f"{TEST_STEP_UP}::test_the_same_request_goes_on_with_all_that_was_posted",
    ),
    without(
        "the password is no proof for whoever has a factor",
        "a stolen password and an open desk are enough",
        Edit(PROVING, "            if factors.has_any(tx, person_id):", "            if not is_password:"),
        f"{TEST_STEP_UP}::test_whoever_has_a_factor_is_asked_for_it_and_not_for_the_password",
    ),
    without(
        "removing a factor asks who is there",
        "whoever finds an open desk takes the second factor away",
        Edit(
            "dashboard/web/factors.py",
            "    answer = step_up.ask_unless_fresh(what)\n",
            "    answer = None\n",
        ),
        f"{TEST_FACTORS}::test_removing_needs_a_fresh_proof",
    ),
    without(
        "ending sign-ins asks who is there",
        "whoever finds an open desk shuts its owner out of all others",
        Edit(
            "dashboard/web/account.py",
            'if answer := step_up.ask_unless_fresh(_("You are signing yourself out everywhere else.")):',
            "if answer := None:",
        ),
        "web/test_account.py::test_ending_them_asks_once_more_who_is_there",
    ),
    without(
        "recovery codes are long enough for a quick digest",
        "whoever has the table tries codes until one fits",
        Edit("dashboard/recovery_codes.py", "_GROUPS, _GROUP_LENGTH = 6, 4", "_GROUPS, _GROUP_LENGTH = 4, 4"),
        "core/test_recovery_codes.py::test_a_code_has_enough_chance_for_a_quick_digest",
    ),
    without(
        "a wrong old password is on record",
        "nobody notices that somebody guesses with a stolen cookie",
        Edit(
            "dashboard/own_account.py",
            "person.password_hash):\n        with books.write() as tx:",
            "person.password_hash):\n        raise WrongPassword\n        with books.write() as tx:",
        ),
        "web/test_account.py::test_the_old_one_cannot_be_guessed_with_a_stolen_cookie",
    ),
    without_both(
        "another admin confirms a reset",
        "one admin's account opens every other account",
        (
            Edit(
                RESETS,
                '        if decider.id == reset.asked_by_id:\n            raise CannotReset("same_person")\n',
                "",
            ),
            Edit(
                "dashboard/migrations/versions/0004_factors.py",
                "decided_by_id IS NOT NULL AND decided_by_id <> asked_by_id",
                "decided_by_id IS NOT NULL",
            ),
        ),
        f"{TEST_RESETS}::test_whoever_asked_cannot_confirm",
    ),
    without(
        "an admin's right to reset is looked up under the lock",
        "an account that was taken away goes on resetting others",
        Edit(RESETS, "        if not rights.still_hold(tx, decider.id, roles.MANAGE_PEOPLE):\n", "        if False:\n"),
        f"{TEST_RESETS}::test_whoever_is_no_admin_any_more_confirms_nothing",
    ),
    without(
        "the database itself wants two for a reset",
        "a defect in the pages lets one do it alone",
        Edit(
            "dashboard/migrations/versions/0004_factors.py",
            "decided_by_id IS NOT NULL AND decided_by_id <> asked_by_id",
            "decided_by_id IS NOT NULL",
        ),
        f"{TEST_RESETS}::test_the_database_itself_refuses_what_is_not_two_people",
    ),
    without(
        "an admin whom the asker has just made is no second one",
        "one admin opens somebody else's account past the second factor",
        Edit(RESETS, "        if not two_people.are_two(", "        if False and not two_people.are_two("),
        f"{TEST_RESETS}::test_an_admin_whom_the_asker_may_have_made_confirms_nothing",
    ),
    without_both(
        "nobody confirms a reset for themselves",
        "whoever has an admin's password gets past the second factor with one accomplice's click",
        (
            Edit(RESETS, '        if decider.id == person_id:\n            raise CannotReset("for_oneself")\n', ""),
            Edit(
                "dashboard/migrations/versions/0004_factors.py",
                "state <> 'confirmed' OR decided_by_id <> person_id",
                "state <> 'confirmed' OR person_id IS NOT NULL",
            ),
        ),
        f"{TEST_RESETS}::test_nobody_confirms_for_themselves",
    ),
)
