"""Guards around refunds that one person alone may not send."""

from tests.mutation.mutant import POSTGRESQL, Edit, without

APPROVALS = "dashboard/approvals.py"
LIMITS = "dashboard/limits.py"
RIGHTS = "dashboard/rights.py"
SHAPE = "dashboard/migrations/versions/0003_approvals.py"

BY = "core/test_approvals.py"
RULES = "core/test_limit_rules.py"
PAST = f"{BY}::test_no_statement_leads_past_the_second_person"

_LIMITS = (
    without(
        "above a limit somebody else has to approve",
        "one person alone sends whatever they like",
        Edit(
            "dashboard/limit_rules.py",
            "return NEEDS_APPROVAL if is_beyond_day or _is_above(",
            "return NEEDS_APPROVAL if is_beyond_day and _is_above(",
        ),
        f"{RULES}::test_what_the_limits_say",
    ),
    without(
        "above the highest limit nobody may",
        "two people together send any amount",
        Edit("dashboard/refunds.py", "    if verdict == limit_rules.NOT_ALLOWED:\n", "    if False:\n"),
        f"{BY}::test_above_the_highest_limit_nobody_may",
    ),
    without(
        "what was sent within the day counts",
        "a large sum is sent alone in small parts",
        Edit(LIMITS, "        Refund.asked_at > now - DAY,\n", "        Refund.asked_at > now,\n"),
        f"{BY}::test_beyond_what_one_may_send_a_day_somebody_has_to_approve",
    ),
    without(
        "a currency without limits has those of all others",
        "a limit is got round in another currency",
        Edit(
            LIMITS,
            "session.get(RefundLimit, currency) or session.get(RefundLimit, ANY_CURRENCY)",
            "session.get(RefundLimit, currency)",
        ),
        f"{BY}::test_a_currency_without_limits_has_those_of_all_others",
    ),
    without(
        "two refunds of one person are weighed one after another",
        "two at once both fit into what is left of the day",
        Edit(
            RIGHTS,
            "select(Person).where(Person.id == person_id).with_for_update(key_share=True)",
            "select(Person).where(Person.id == person_id)",
        ),
        "processes/test_races.py::test_two_at_once_do_not_both_fit_into_the_day",
        database=POSTGRESQL,
    ),
)

_SECOND_PERSON = (
    without(
        "nobody approves their own refund",
        "one person alone sends whatever they like",
        Edit(APPROVALS, "    if refund.asked_by_id == person.id:\n", "    if False:\n"),
        f"{BY}::test_nobody_approves_their_own",
    ),
    without(
        "an approver's right is looked up under the lock",
        "an account that was taken away goes on approving",
        Edit(APPROVALS, "    if not rights.still_hold(session, person.id, roles.APPROVE):\n", "    if False:\n"),
        f"{BY}::test_whoever_may_not_approve_any_more_does_not",
    ),
    without(
        "what a disabled account asked for is not approved",
        "a stolen account's refunds go out after it was disabled",
        Edit(APPROVALS, "    if is_asker_needed and not rights.still_hold(", "    if False and not rights.still_hold("),
        f"{BY}::test_what_a_disabled_account_asked_for_is_not_approved_but_can_be_rejected",
    ),
    without(
        "whom the asker has let in is no second person",
        "one person with two accounts sends whatever they like",
        Edit(APPROVALS, "    if is_asker_needed and not two_people.", "    if False and not two_people."),
        f"{BY}::test_whom_the_asker_has_just_let_in_is_no_second_person",
    ),
    without(
        "whom the proposer has let in does not confirm",
        "one person with two accounts frees an amount and pays it again",
        Edit("dashboard/resolutions.py", "    if not two_people.are_two(", "    if False and not two_people.are_two("),
        "core/test_resolve_never_made.py::test_whom_one_of_them_has_just_let_in_is_no_second_person",
    ),
    without(
        "whoever loosened a limit is held to the old one",
        "one admin takes the limit away and sends whatever they like",
        Edit("dashboard/limits.py", "[of_currency(session, currency), *before]", "[of_currency(session, currency)]"),
        f"{BY}::test_whoever_loosened_a_limit_is_held_to_the_old_one_for_a_day",
    ),
    without(
        "whoever lets in who loosens a limit is held to the old one",
        "an admin makes an admin who takes the limit away, and sends whatever they like",
        Edit(
            "dashboard/two_people.py",
            "    return not _led_back(session, email, now).isdisjoint(",
            "    return not {email}.isdisjoint(",
        ),
        f"{BY}::test_whoever_lets_somebody_in_is_held_to_what_these_loosened",
    ),
    without(
        "a limit is not loosened by way of all others",
        "one admin frees all other currencies, gives one of them limits of its own and sends whatever they like",
        Edit("dashboard/limits.py", "    if before or session.get(", "    if session.get("),
        f"{BY}::test_whoever_loosened_a_limit_is_held_to_the_old_one_for_a_day",
    ),
    without(
        "accounts are looked through for who stands behind them",
        "one person with three accounts sends whatever they like",
        Edit(
            "dashboard/two_people.py",
            "        to_ask = _who_let_in(session, to_ask, since) - found\n",
            "        to_ask = set()\n",
        ),
        f"{BY}::test_accounts_that_may_be_one_person_s_are_not_two",
    ),
    without(
        "an asker's right is looked up under the lock",
        "an account that was taken away goes on refunding",
        Edit(
            "dashboard/refunds.py",
            "    if not rights.may(rights.hold(tx, seen.id), roles.REQUEST_REFUND):\n",
            "    if not rights.hold(tx, seen.id):\n",
        ),
        f"{BY}::test_whoever_may_not_ask_any_more_does_not",
    ),
    without(
        "what is forbidden by now is not approved",
        "a limit is lowered, and what was asked for before goes out",
        Edit(APPROVALS, "    if limit_rules.is_forbidden(", "    if False and limit_rules.is_forbidden("),
        f"{BY}::test_what_the_limits_forbid_by_now_is_not_approved",
    ),
    without(
        "an approval rests on a fresh look",
        "more goes back than is left",
        Edit(APPROVALS, "    if not fits(", "    if False and not fits("),
        f"{BY}::test_what_the_bank_shows_since_is_taken_in_first",
    ),
    without(
        "nothing is approved beside one of unknown outcome",
        "what may be paid already is approved a second time",
        Edit(APPROVALS, "    if any(one.state == refund_rules.UNKNOWN for one in others):\n", "    if False:\n"),
        f"{BY}::test_beside_one_of_unknown_outcome_nothing_is_approved",
    ),
    without(
        "nothing is approved that a backup brought back",
        "what was approved and sent after the backup is sent again",
        Edit(APPROVALS, "    if refund.review:\n", "    if False:\n"),
        f"{BY}::test_put_back_from_a_backup_it_is_not_approved",
    ),
    without(
        "nothing is rejected that a backup brought back",
        "what the bank has already is called rejected, and its amount is asked for again",
        Edit(APPROVALS, "    if not refund_rules.may_undo(refund.state, refund.review):\n", "    if False:\n"),
        f"{BY}::test_put_back_from_a_backup_it_is_not_rejected_by_one_alone",
    ),
    without(
        "what one has said another does not say again",
        "a refund that was rejected is approved afterwards",
        Edit(
            APPROVALS,
            '!= (person.id, decision):\n        raise ApprovalRefused("decided")',
            "!= (person.id, decision):\n        return False",
        ),
        f"{BY}::test_rejected_it_ends_with_a_reason_and_its_money_is_free",
    ),
)

_DATABASE = (
    without(
        "the database holds that two people are two",
        "one person approves their own refund by SQL",
        Edit(SHAPE, 'sa.CheckConstraint("decided_by_id <> asked_by_id"', 'sa.CheckConstraint("1 = 1"'),
        PAST,
    ),
    without(
        "the database sends nothing past an approval",
        "a refund is called queued by SQL, and the worker sends it",
        Edit(
            SHAPE,
            '("UPDATE OF state ON refunds", f"{_GOES_OUT} AND',
            '("UPDATE OF state ON refunds", f"1 = 0 AND {_GOES_OUT} AND',
        ),
        PAST,
    ),
    without(
        "the database keeps what was asked under an approval",
        "another amount is approved than was asked for",
        Edit(SHAPE, '", f"({kept}) AND {_HAS_ONE}"', '", f"1 = 0 AND ({kept}) AND {_HAS_ONE}"'),
        PAST,
    ),
    without(
        "the database keeps what an approval is of",
        "an approval is moved to a larger refund",
        Edit(SHAPE, 'f"OLD.decision IS NOT NULL OR {asked}"', '"OLD.decision IS NOT NULL"'),
        PAST,
    ),
    without(
        "the database keeps what was said",
        "what was rejected is made to have been approved",
        Edit(SHAPE, 'f"OLD.decision IS NOT NULL OR {asked}"', "asked"),
        f"{BY}::test_what_was_said_is_not_changed_afterwards",
    ),
    without(
        "an approval fits its refund",
        "one is made up for a refund that nobody asked about",
        Edit(SHAPE, '("INSERT ON approvals", _OF_ANOTHER_REFUND)', '("INSERT ON approvals", "1 = 0")'),
        f"{BY}::test_an_approval_is_of_its_refund_alone",
    ),
    without(
        "approvals are read back",
        "one is made up in the tables, and verify finds nothing",
        Edit(
            "dashboard/replay.py",
            '    yield from _compared("approval", _approval_rows(session), replay.approvals)\n',
            "",
        ),
        f"{BY}::test_an_approval_made_up_in_the_tables_is_found",
    ),
)

_MORE = (
    without(
        "limits are read back",
        "a limit is lifted in the tables, and verify finds nothing",
        Edit("dashboard/replay.py", '    yield from _compared("limits of", _limit_rows(session), replay.limits)\n', ""),
        f"{BY}::test_limits_changed_behind_the_desk_are_found",
    ),
)

MUTANTS = (*_LIMITS, *_SECOND_PERSON, *_DATABASE, *_MORE)
