"""Guards between a person's wish and the refund that waits to be sent."""

from tests.mutation.mutant import POSTGRESQL, Edit, without, without_both

REFUNDS = "dashboard/refunds.py"
LEDGER = "dashboard/ledger.py"
TOKEN = "dashboard/form_token.py"
TABLE = "dashboard/models/refunds.py"
FIRST_SHAPE = "dashboard/migrations/versions/0001_start.py"

FORM_PAGE = "dashboard/web/refund_form.py"

REPLACE = "core/test_replace.py"
REQUEST = "core/test_request.py"
CONFIRM = "web/test_refund_confirm.py"

_LOOKS_AGAIN = """\
        reference = made_with(tx, token_text)
        if reference is not None:
            return reference
        if payment_session is None:
"""

_FORM = (
    without(
        "a used form is looked up first",
        "a reload while the bank is away says that nothing was made",
        Edit(
            REFUNDS,
            "    if reference is not None:\n        return reference\n    if is_left",
            "    if is_left",
        ),
        f"{REQUEST}::test_a_used_form_answers_with_its_refund_even_when_the_bank_is_away",
    ),
    without(
        "a used form is looked up again under the lock",
        "of two clicks at once the second one fails",
        Edit(REFUNDS, _LOOKS_AGAIN, "        if payment_session is None:\n"),
        f"{REQUEST}::test_a_form_used_while_this_one_asked_the_bank_counts",
    ),
    without(
        "who goes back to a used form comes to its refund",
        "they find the form filled in as if nothing had been asked for, and send it once more",
        Edit(FORM_PAGE, "form.form_token.data or request.args.get(_OPENED)", "form.form_token.data"),
        f"{CONFIRM}::test_going_back_once_it_is_made_leads_to_the_refund",
    ),
    without_both(
        "a form's token is unique in the table",
        "one form makes two refunds",
        (
            Edit(
                TABLE, "form_token: Mapped[str | None] = mapped_column(unique=True)", "form_token: Mapped[str | None]"
            ),
            Edit(FIRST_SHAPE, '        sa.UniqueConstraint("form_token", name=op.f("uq_refunds_form_token")),\n', ""),
        ),
        f"{REQUEST}::test_the_database_itself_takes_one_refund_of_a_form",
    ),
    without(
        "a form is sealed",
        "anybody makes up forms of other people",
        Edit(
            TOKEN,
            "serializer(secret_keys, _SALT).loads(text)",
            "serializer(secret_keys, _SALT).loads_unsafe(text)[1]",
        ),
        f"{REQUEST}::test_a_form_made_for_something_else_is_refused",
    ),
    without(
        "a form is one person's",
        "a refund is asked for in somebody else's name",
        Edit(
            REFUNDS,
            "if (token.person_id, token.session_id) != (person_id, session_id):",
            "if token.session_id != session_id:",
        ),
        f"{REQUEST}::test_a_form_made_for_something_else_is_refused",
    ),
    without(
        "a form is for one session",
        "a form of one session refunds another",
        Edit(
            REFUNDS,
            "if (token.person_id, token.session_id) != (person_id, session_id):",
            "if token.person_id != person_id:",
        ),
        f"{REQUEST}::test_a_form_made_for_something_else_is_refused",
    ),
    without(
        "a form knows which refunds there were",
        "two people refund the same thing, each without having seen the other's",
        Edit(REFUNDS, "if token.refunds_mark != offer.refunds_mark:", "if False:"),
        f"{REQUEST}::test_an_outdated_form_makes_nothing",
    ),
    without(
        "a form knows more than a number of refunds",
        "a form is taken for up to date because one refund has gone and another come",
        Edit(REFUNDS, "if token.refunds_mark != offer.refunds_mark:", "if token.refunds_known != offer.refunds_known:"),
        "core/test_restored.py::test_the_form_of_a_refund_that_nobody_remembers_makes_no_second_one",
    ),
)

_OFFER = (
    without(
        "the bank is asked before a refund is made",
        "a refund rests on what was true some time ago",
        Edit(REFUNDS, "if not reads.read_whole_session(desk, session_id):", "if False:"),
        f"{REQUEST}::test_the_bank_is_asked_before_anything_is_held",
    ),
    without(
        "no refund on a look that is not whole",
        "a refund that could not be read is given back a second time",
        Edit(
            REFUNDS,
            "if not reads.read_whole_session(desk, session_id):",
            "if reads.read_whole_session(desk, session_id) is None:",
        ),
        f"{REQUEST}::test_nothing_is_asked_for_while_part_of_the_bank_s_answer_cannot_be_read",
    ),
    without(
        "an open unknown refuses a request",
        "people ask again for what may have been made",
        Edit(REFUNDS, "if offer.unknown_open:", "if False:"),
        f"{REQUEST}::test_no_refund_is_made_while_one_is_unknown",
    ),
    without(
        "in full means what was shown",
        "a person confirms one amount, another is refunded",
        Edit(REFUNDS, 'if order.kind == "full" and amount_minor != left_minor:', "if False:"),
        f"{REQUEST}::test_in_full_means_what_was_shown",
    ),
    without(
        "not more than is left",
        "more than one payment brought is asked for",
        Edit(REFUNDS, "if amount_minor > left_minor:", "if False:"),
        f"{REQUEST}::test_the_largest_remainder_is_all_that_one_refund_of_several_payments_takes",
    ),
    without(
        "the database holds back what is not there",
        "two transactions that know nothing of each other commit the same money",
        Edit(
            REFUNDS,
            "            PaymentSession.captured_minor - PaymentSession.committed_minor >= amount_minor,\n",
            "",
        ),
        f"{REQUEST}::test_the_database_itself_holds_back_what_is_not_there",
    ),
    without(
        "what is held is held in the session's row",
        "the second of two that together are too much is let through",
        Edit(
            REFUNDS,
            "committed_minor=PaymentSession.committed_minor + amount_minor",
            "committed_minor=PaymentSession.committed_minor",
        ),
        f"{REQUEST}::test_a_partial_refund_is_made_and_held",
    ),
    without(
        "the session is locked while a refund is made",
        "two who ask at once decide on the same remainder",
        Edit(
            REFUNDS,
            "payment_session = ledger.lock_session(tx, session_id)",
            "payment_session = tx.get(PaymentSession, session_id)",
        ),
        "core/test_db.py::test_whoever_decides_about_a_session_has_it_locked",
        database=POSTGRESQL,
    ),
)

_LEDGER = (
    without(
        "the committed sum is counted anew",
        "money of a cancelled refund stays held, that of a new one is not",
        Edit(LEDGER, "session.committed_minor = committed_minor(refunds)", "committed_minor(refunds)"),
        "core/test_cancel.py::test_a_queued_refund_is_undone_and_its_money_free_again",
    ),
    without(
        "the larger amount is held",
        "the bank pays back more than was asked for, and the rest is offered again",
        Edit(LEDGER, "return max(refund.amount_minor, refund.bank_amount_minor)", "return refund.amount_minor"),
        "core/test_snapshots.py::test_the_larger_amount_is_held_when_the_banks_differs",
    ),
    without(
        "over captured is told",
        "more was paid back than was captured, in silence",
        Edit(
            LEDGER,
            "is_over = session.confirmed_at and session.committed_minor > session.captured_minor",
            "is_over = False",
        ),
        "core/test_snapshots.py::test_more_than_was_captured_is_recorded_with_an_anomaly",
    ),
    without(
        "over captured is over once it is not so any more",
        "people are told of a payment that was never given back too much",
        Edit(LEDGER, "    end_anomalies(tx, session, refund_rules.OVER_CAPTURED, told)\n", ""),
        "core/test_snapshots.py::test_what_is_within_the_payment_again_is_over_it_no_longer",
    ),
)

_REPLACEMENT = (
    without(
        "only what was abandoned is replaced",
        "a refund that is under way is made a second time",
        Edit(REFUNDS, "return refund.state == refund_rules.ABANDONED and not taken", "return not taken"),
        f"{REPLACE}::test_only_what_was_abandoned_is_replaced",
    ),
    without(
        "a refund is replaced once",
        "two refunds take the place of one",
        Edit(
            REFUNDS,
            "return refund.state == refund_rules.ABANDONED and not taken",
            "return refund.state == refund_rules.ABANDONED",
        ),
        f"{REPLACE}::test_one_refund_has_one_replacement",
    ),
)

MUTANTS = (*_FORM, *_OFFER, *_LEDGER, *_REPLACEMENT)
