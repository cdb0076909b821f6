"""Recovering an unknown outcome: absence proved twice, one more send at most, review, and what turns up late."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from dashboard import reads, sending
from dashboard.bank131.client import BankError
from dashboard.models import Anomaly, Refund
from tests.bench.databases import on_sqlite
from tests.bench.refund_desk import RefundDesk
from tests.bench.wire import (
    REFUND,
    STATUS,
    Fault,
    Json,
    answered,
    edited,
    error,
    lose_answer,
    lose_request,
    meanwhile,
    refuse_connection,
    replay,
)

LEASE_S = 35
QUIET_S = 900
A_BIT_S = 0.001

key_exists = error("idempotency_key_already_exists", 400)
definite = error("refund_amount_exceeded")


def unknown(refund_desk: RefundDesk, *faults: Fault, amount_minor: int = 10_00) -> Refund:
    """A refund whose sends end so, the first of them now."""
    session_id = refund_desk.paid_session(100_00)
    reference = refund_desk.ask(session_id, amount_minor)
    refund_desk.clock.advance(5)
    refund_desk.wire.next(REFUND, *(faults or (lose_request,)))
    sending.send(refund_desk.desk, reference)
    refund = refund_desk.refund(reference)
    assert refund.state == "unknown"
    return refund


def reads_of(refund_desk: RefundDesk, since: datetime) -> list[float]:
    """The moments of the reads, in seconds since then."""
    calls = [call for call in refund_desk.wire.calls if call.method == STATUS and call.at >= since]
    return [(call.at - since).total_seconds() for call in calls]


# What is found


def test_a_refund_that_was_made_is_found_by_its_reference_and_never_sent_again(refund_desk: RefundDesk) -> None:
    refund = unknown(refund_desk, lose_answer)
    refund_desk.work()
    found = refund_desk.refund(refund.reference)
    assert (found.state, found.bank_id) == ("in_progress", refund_desk.bank_refunds(refund.session_id)[0].id)
    refund_desk.run_for(hours=30)
    assert refund_desk.refund(refund.reference).state == "accepted"
    assert len(refund_desk.wire.sent(refund.reference)) == 1


def test_reads_start_at_once(refund_desk: RefundDesk) -> None:
    refund = unknown(refund_desk)
    since = refund_desk.clock.now()
    refund_desk.run_for(300)
    assert reads_of(refund_desk, since)[:5] == [0, 0, 30, 60, 120]
    assert refund_desk.refund(refund.reference).state == "unknown"


def test_it_stays_committed(refund_desk: RefundDesk) -> None:
    refund = unknown(refund_desk)
    refund_desk.run_for(600)
    assert refund_desk.session(refund.session_id).committed_minor == 10_00
    assert refund_desk.offer(refund.session_id).refundable_minor == 90_00


def test_a_webhook_finds_it_too(refund_desk: RefundDesk) -> None:
    refund = unknown(refund_desk, lose_answer)
    refund_desk.bank.decide_refund(refund_desk.bank_refunds(refund.session_id)[0].id, "accepted")
    refund_desk.deliver(refund_desk.wire.last_webhook(refund.session_id))
    assert refund_desk.refund(refund.reference).state == "accepted"


# Absence and its timing


def absences(refund_desk: RefundDesk, refund: Refund) -> tuple[datetime | None, datetime | None]:
    now = refund_desk.refund(refund.reference)
    return now.absence_1_at, now.absence_2_at


def read_after(refund_desk: RefundDesk, refund: Refund, moment: datetime) -> None:
    refund_desk.clock.advance_to(moment)
    reads.read_session(refund_desk.desk, refund.session_id)


def test_a_read_within_the_lease_and_the_quiet_period_proves_nothing(refund_desk: RefundDesk) -> None:
    refund = unknown(refund_desk)
    [attempt] = refund_desk.attempts(refund.reference)
    provable = attempt.lease_until + refund_desk.desk.config.quiet
    read_after(refund_desk, refund, provable)
    assert absences(refund_desk, refund) == (None, None)
    read_after(refund_desk, refund, provable + timedelta(microseconds=1))
    assert absences(refund_desk, refund) == (provable + timedelta(microseconds=1), None)


def test_a_read_counts_from_its_start(refund_desk: RefundDesk) -> None:
    """The bank may have made up its answer as soon as it was asked."""
    refund = unknown(refund_desk)
    [attempt] = refund_desk.attempts(refund.reference)
    refund_desk.clock.advance_to(attempt.lease_until + refund_desk.desk.config.quiet)
    refund_desk.wire.next(STATUS, meanwhile(lambda: refund_desk.clock.advance(10)))
    reads.read_session(refund_desk.desk, refund.session_id)
    assert absences(refund_desk, refund) == (None, None)


def test_the_second_proof_takes_a_third_of_the_quiet_period(refund_desk: RefundDesk) -> None:
    refund = unknown(refund_desk)
    [attempt] = refund_desk.attempts(refund.reference)
    first = attempt.lease_until + refund_desk.desk.config.quiet + timedelta(seconds=1)
    read_after(refund_desk, refund, first)
    read_after(refund_desk, refund, first + timedelta(seconds=QUIET_S / 3 - A_BIT_S))
    assert absences(refund_desk, refund) == (first, None)
    second = first + timedelta(seconds=QUIET_S / 3)
    read_after(refund_desk, refund, second)
    assert absences(refund_desk, refund) == (first, second)
    assert refund_desk.refund(refund.reference).next_send_at == second


def test_both_proofs_are_read_as_soon_as_they_can_be_had(refund_desk: RefundDesk) -> None:
    refund = unknown(refund_desk)
    since = refund_desk.clock.now()
    refund_desk.run_for(LEASE_S + QUIET_S + QUIET_S / 3 + 1)
    moments = reads_of(refund_desk, since)
    assert LEASE_S + QUIET_S + A_BIT_S in moments
    assert any(abs(moment - (LEASE_S + QUIET_S + QUIET_S / 3 + 2 * A_BIT_S)) < 0.01 for moment in moments)
    assert len(refund_desk.wire.sent(refund.reference)) == 1
    assert len(refund_desk.attempts(refund.reference)) == 2


def test_after_a_definite_error_ten_seconds_are_enough(refund_desk: RefundDesk) -> None:
    refund = unknown(refund_desk, definite)
    answered_at = refund_desk.clock.now()
    reads.read_session(refund_desk.desk, refund.session_id)
    assert absences(refund_desk, refund) == (None, None), "it has to start after the answer"
    first = answered_at + timedelta(milliseconds=1)
    read_after(refund_desk, refund, first)
    read_after(refund_desk, refund, first + timedelta(seconds=9.999))
    assert absences(refund_desk, refund) == (first, None)
    assert refund_desk.refund(refund.reference).state == "unknown", "one look does not decide about money"
    read_after(refund_desk, refund, first + timedelta(seconds=10))
    ended = refund_desk.refund(refund.reference)
    assert (ended.state, ended.counts, ended.next_send_at) == ("refused", False, None)
    assert refund_desk.session(refund.session_id).committed_minor == 0


def test_a_definite_error_ends_by_itself_within_seconds_and_is_never_sent_again(refund_desk: RefundDesk) -> None:
    refund = unknown(refund_desk, definite)
    refund_desk.run_for(11)
    assert refund_desk.refund(refund.reference).state == "refused"
    refund_desk.run_for(hours=30)
    assert refund_desk.actions(refund.reference)[-3:] == ["refund:absent", "refund:absent", "refund:refused"]
    assert len(refund_desk.attempts(refund.reference)) == 1


@pytest.mark.parametrize("flaw", ["unreadable", "stale", "failed"])
def test_only_a_good_whole_read_proves_absence(refund_desk: RefundDesk, flaw: str) -> None:
    session_id = refund_desk.paid_session(100_00)
    before = refund_desk.wire.answer_now(session_id)
    refund_desk.bank.refund_here(session_id, 1_00)
    reference = refund_desk.ask(session_id, 10_00)
    refund_desk.clock.advance(5)
    refund_desk.wire.next(REFUND, lose_request)
    sending.send(refund_desk.desk, reference)
    refund = refund_desk.refund(reference)

    def spoil(session: Json) -> None:
        session["acquiring_payments"][0]["refunds"].append({"id": "rf_x", "status": "on_hold"})

    flaws = {"unreadable": edited(spoil), "stale": replay(before), "failed": lose_request}
    refund_desk.clock.advance(hours=1)
    refund_desk.wire.next(STATUS, flaws[flaw])
    if flaw == "failed":
        with pytest.raises(reads.BankError):
            reads.read_session(refund_desk.desk, session_id)
    else:
        reads.read_session(refund_desk.desk, session_id)
    assert absences(refund_desk, refund) == (None, None)
    reads.read_session(refund_desk.desk, session_id)
    assert absences(refund_desk, refund) == (refund_desk.clock.now(), None)


def without_key(session: Json) -> None:
    del session["acquiring_payments"]


def with_null(session: Json) -> None:
    session["acquiring_payments"] = None


def with_none(session: Json) -> None:
    session["acquiring_payments"] = []


def without_the_first(session: Json) -> None:
    del session["acquiring_payments"][0]


@pytest.mark.parametrize("strip", [without_key, with_null, with_none, without_the_first])
def test_a_read_that_lacks_a_known_payment_proves_no_absence(
    refund_desk: RefundDesk, strip: Callable[[Json], None]
) -> None:
    """What such a bank hides may be the refund itself, and it may have forgotten its key."""
    session_id = refund_desk.paid_session(100_00, 5_00)
    reference = refund_desk.ask(session_id, 10_00)
    refund_desk.clock.advance(5)
    refund_desk.wire.next(REFUND, lose_answer)
    sending.send(refund_desk.desk, reference)
    refund_desk.wire.next(STATUS, *[edited(strip)] * 40)
    refund_desk.bank.ledger.used_keys.clear()
    refund_desk.run_for(minutes=40)
    assert absences(refund_desk, refund_desk.refund(reference)) == (None, None)
    refund_desk.wire.forget_faults()
    refund_desk.run_for(hours=3)
    assert (refund_desk.refund(reference).state, len(refund_desk.bank_refunds(session_id))) == ("accepted", 1)


def test_a_session_that_stays_in_part_unreadable_leaves_it_to_people_in_the_end(refund_desk: RefundDesk) -> None:
    refund = unknown(refund_desk, lose_request)
    refund_desk.bank.refund_here(refund.session_id, 1_00)
    refund_desk.bank_refunds(refund.session_id)[0].status = "on_hold"
    refund_desk.run_for(hours=6)
    assert (refund_desk.refund(refund.reference).review, absences(refund_desk, refund)) == ("", (None, None))
    refund_desk.run_for(hours=2)
    after = refund_desk.refund(refund.reference)
    assert (after.state, after.review) == ("unknown", "no_proof")
    assert refund_desk.session(refund.session_id).committed_minor == 10_00


def test_another_banks_word_proves_nothing(refund_desk: RefundDesk) -> None:
    refund = unknown(refund_desk, error("refund_amount_exceeded"))
    with refund_desk.desk.write() as tx:
        tx.get_one(Refund, refund.id).project = "another_project"
    refund_desk.run_for(hours=3)
    after = refund_desk.refund(refund.reference)
    assert (after.state, after.review) == ("unknown", "other_bank"), "so people have to look"
    assert absences(refund_desk, refund) == (None, None)
    assert refund_desk.session(refund.session_id).committed_minor == refund.amount_minor


def test_a_bank_that_knows_nothing_of_it_leaves_another_banks_refund_to_people(refund_desk: RefundDesk) -> None:
    refund = unknown(refund_desk)
    with refund_desk.desk.write() as tx:
        tx.get_one(Refund, refund.id).project = "another_project"
    refund_desk.wire.next(STATUS, lose_request, *[error("session_not_found")] * 10)
    refund_desk.work()
    assert refund_desk.refund(refund.reference).review == "", "it could not be asked"
    refund_desk.run_for(5)
    assert refund_desk.refund(refund.reference).review == "other_bank"


@pytest.mark.parametrize("how", ["read", "webhook"])
def test_what_another_bank_shows_under_the_same_number_is_not_taken_in(refund_desk: RefundDesk, how: str) -> None:
    """Both banks number their sessions and refunds in a row."""
    refund_desk.bank.change_settings({"decide": "manual"})
    session_id = refund_desk.paid_session(100_00)
    reference = refund_desk.ask_and_send(session_id, 10_00)
    with refund_desk.desk.write() as tx:
        tx.get_one(Refund, refund_desk.refund(reference).id).project = "another_project"
    before = refund_desk.session(session_id)
    payment = refund_desk.bank_payments(session_id)[0]
    payment.amount_minor = 900_00
    payment.refunds[0].status, payment.refunds[0].metadata = "accepted", {"reference": "somebody else's"}
    if how == "read":
        reads.read_session(refund_desk.desk, session_id)
    else:
        refund_desk.deliver(refund_desk.wire.webhook_now(session_id))
    after = refund_desk.session(session_id)
    assert refund_desk.refund(reference).state == "in_progress"
    assert (after.captured_minor, after.committed_minor, after.fields) == (100_00, 10_00, before.fields)
    assert after.read_at == before.read_at
    assert (after.read_problem == reads.OTHER_BANK) == (how == "read")


def test_what_came_to_nothing_ties_a_session_to_no_bank(refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    reference = refund_desk.ask(session_id, 10_00)
    refund_desk.cancel(reference)
    with refund_desk.desk.write() as tx:
        tx.get_one(Refund, refund_desk.refund(reference).id).project = "another_project"
    assert reads.read_session(refund_desk.desk, session_id)
    assert refund_desk.session(session_id).read_problem is None


def test_our_reference_shows_that_it_is_the_same_bank_under_another_name(refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    reference = refund_desk.ask_and_send(session_id, 10_00)
    with refund_desk.desk.write() as tx:
        tx.get_one(Refund, refund_desk.refund(reference).id).bank_url = "https://its-old-name.test"
    refund_desk.run_for(minutes=5)
    assert refund_desk.refund(reference).state == "accepted"


def strange(session: Json) -> None:
    session["status"] = "partially_refunded"


@on_sqlite
@pytest.mark.parametrize("answer", [edited(strange), answered(200, b"{"), error("no_such_session", 404)])
def test_reads_that_are_answered_but_never_good_leave_it_to_people_in_the_end(
    refund_desk: RefundDesk, answer: Fault
) -> None:
    refund = unknown(refund_desk, lose_answer)
    refund_desk.wire.next(STATUS, *[answer] * 500)
    refund_desk.run_for(hours=6)
    assert refund_desk.refund(refund.reference).review == ""
    refund_desk.run_for(hours=1)
    after = refund_desk.refund(refund.reference)
    assert (after.state, after.review) == ("unknown", "no_proof")
    assert refund_desk.session(refund.session_id).committed_minor == 10_00
    refund_desk.wire.forget_faults()
    refund_desk.run_for(hours=1)
    found = refund_desk.refund(refund.reference)
    assert (found.state, found.review) == ("accepted", ""), "what turns up ends it"


@on_sqlite
@pytest.mark.usefixtures("unhurried")
@pytest.mark.parametrize("answer", [lose_request, refuse_connection, answered(502, b"<html>"), error("internal", 503)])
def test_an_outage_alone_brings_nobody_in(refund_desk: RefundDesk, answer: Fault) -> None:
    refund = unknown(refund_desk, lose_answer)
    refund_desk.wire.next(STATUS, *[answer] * 500)
    refund_desk.run_for(minutes=5)
    refund_desk.run_in_steps(7, hours=1)
    after = refund_desk.refund(refund.reference)
    assert (after.state, after.review) == ("unknown", "")
    refund_desk.wire.forget_faults()
    refund_desk.run_for(minutes=5)
    assert refund_desk.refund(refund.reference).state == "accepted"


@on_sqlite
def test_an_outage_of_more_than_a_day_does(refund_desk: RefundDesk) -> None:
    refund = unknown(refund_desk, lose_answer)
    refund_desk.wire.next(STATUS, *[refuse_connection] * 20)
    for hours, review in ((23, ""), (2, "no_proof")):
        refund_desk.clock.advance(hours=hours)
        refund_desk.work()
        after = refund_desk.refund(refund.reference)
        assert (after.state, after.review, after.counts) == ("unknown", review, True)
    refund_desk.wire.forget_faults()
    refund_desk.run_for(minutes=5)
    assert refund_desk.refund(refund.reference).state == "accepted"


def facts_of(refund_desk: RefundDesk, session_id: str) -> list[tuple[str, int, bool]]:
    """Kind, refund and whether it is over."""
    with refund_desk.desk.read() as session:
        found = session.scalars(select(Anomaly).where(Anomaly.session_id == session_id))
        return [(one.kind, one.refund_id, one.over_at is not None) for one in found]


@on_sqlite
@pytest.mark.parametrize("state", ["in_progress", "error"])
@pytest.mark.parametrize("why", ["denied", "foreign"])
def test_a_refund_whose_session_is_not_shown_for_long_is_told_of_until_it_is(
    refund_desk: RefundDesk, why: str, state: str
) -> None:
    refund_desk.bank.change_settings({"decide": "manual"})
    session_id = refund_desk.paid_session(100_00)
    reference = refund_desk.ask_and_send(session_id, 10_00)
    refund_desk.bank_refunds(session_id)[0].status = state
    refund_desk.read(session_id)
    assert refund_desk.refund(reference).state == state
    if why == "foreign":
        with refund_desk.desk.write() as tx:
            tx.get_one(Refund, refund_desk.refund(reference).id).project = "another_project"
        refund_desk.wire.echo = "nothing"
    else:
        refund_desk.wire.next(STATUS, *[error("session_not_found")] * 20)
    for hours, facts in ((5, []), (2, [("unread", 0, False)]), (2, [("unread", 0, False)])):
        refund_desk.clock.advance(hours=hours)
        refund_desk.work()
        assert facts_of(refund_desk, session_id) == facts
    assert refund_desk.refund(reference).review == "", "no choice could end it"
    refund_desk.wire.forget_faults()
    refund_desk.wire.echo = "object"
    refund_desk.read(session_id)
    assert facts_of(refund_desk, session_id) == [("unread", 0, True)]


# How often a read that fails is tried again


def status_calls(refund_desk: RefundDesk, **parts: int) -> int:
    before = sum(call.method == STATUS for call in refund_desk.wire.calls)
    refund_desk.run_for(**parts)
    return sum(call.method == STATUS for call in refund_desk.wire.calls) - before


@on_sqlite
@pytest.mark.parametrize("why", ["denied", "foreign"])
def test_a_session_that_the_bank_does_not_show_as_ours_is_read_when_somebody_asks_anew(
    refund_desk: RefundDesk, why: str
) -> None:
    session_id = refund_desk.paid_session(100_00)
    reference = refund_desk.ask_and_send(session_id, 10_00)
    refund_desk.run_for(minutes=1)
    assert refund_desk.refund(reference).state == "accepted"
    if why == "foreign":
        with refund_desk.desk.write() as tx:
            tx.get_one(Refund, refund_desk.refund(reference).id).project = "another_project"
        refund_desk.bank_refunds(session_id)[0].metadata = None
    else:
        refund_desk.wire.next(STATUS, *[error("session_not_found")] * 500)
    assert 48 <= status_calls(refund_desk, hours=72) < 72, "looks that are due after its end are not lost at once"
    assert refund_desk.session(session_id).next_read_at is None
    refund_desk.deliver(refund_desk.wire.webhook_now(session_id))
    assert status_calls(refund_desk, hours=48) == 1


@on_sqlite
def test_a_denied_read_costs_no_look_at_what_has_ended(refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    reference = refund_desk.ask_and_send(session_id, 10_00)
    refund_desk.run_for(minutes=1)
    refund_desk.wire.next(STATUS, error("session_not_found"))
    with pytest.raises(BankError):
        refund_desk.read(session_id)
    refund_desk.bank.change_settings({"webhooks": "off"})
    refund_desk.bank.decide_refund(refund_desk.refund(reference).bank_id or "", "declined", force=True)
    refund_desk.run_for(hours=25)
    assert refund_desk.refund(reference).review == "contradiction"


@on_sqlite
def test_a_read_that_somebody_asked_for_meanwhile_is_not_dropped_with_a_denied_one(refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    refund_desk.read(session_id)
    refund_desk.deliver(refund_desk.wire.webhook_now(session_id))
    refund_desk.wire.next(STATUS, error("session_not_found"))
    with pytest.raises(BankError):
        refund_desk.read(session_id)
    assert status_calls(refund_desk, minutes=1) == 1


@on_sqlite
@pytest.mark.parametrize(
    ("answer", "hours", "at_least", "at_most"),
    [(error("session_not_found"), 8, 15, 22), (lose_request, 1, 55, 70)],
    ids=["answered", "outage"],
)
def test_answers_of_no_use_are_asked_for_once_an_hour_and_an_outage_ends_unnoticed_for_a_minute(
    refund_desk: RefundDesk, answer: Fault, hours: int, at_least: int, at_most: int
) -> None:
    refund_desk.bank.change_settings({"decide": "manual"})
    refund_desk.ask_and_send(refund_desk.paid_session(100_00), 10_00)
    refund_desk.wire.next(STATUS, *[answer] * 5000)
    assert at_least <= status_calls(refund_desk, hours=hours) <= at_most


def test_a_webhook_proves_no_absence(refund_desk: RefundDesk) -> None:
    refund = unknown(refund_desk)
    refund_desk.clock.advance(hours=1)
    refund_desk.deliver(refund_desk.wire.webhook_now(refund.session_id))
    assert absences(refund_desk, refund) == (None, None)


# Sent once more


def test_it_is_sent_once_more_with_the_same_bytes_and_key(refund_desk: RefundDesk) -> None:
    refund = unknown(refund_desk)
    refund_desk.run_for(hours=1)
    assert refund_desk.refund(refund.reference).state == "accepted"
    calls = [call for call in refund_desk.wire.calls if call.method == REFUND]
    assert [call.body for call in calls] == [refund.body] * 2
    assert [call.key for call in calls] == [refund.reference] * 2
    assert [attempt.is_resend for attempt in refund_desk.attempts(refund.reference)] == [False, True]
    assert "refund:resend_planned" in refund_desk.actions(refund.reference)


@pytest.mark.parametrize(
    ("faults", "state", "review"),
    [
        ((lose_request, lose_request), "unknown", "not_found"),
        ((lose_request, answered(502, b"")), "unknown", "not_found"),
        ((lose_request, key_exists), "unknown", "not_found"),
        ((key_exists,), "unknown", "not_found"),
        ((lose_request, definite), "refused", ""),
        ((error("authentication_error", 503),), "accepted", ""),
    ],
)
def test_how_it_ends(refund_desk: RefundDesk, faults: tuple[Fault, ...], state: str, review: str) -> None:
    refund = unknown(refund_desk, *faults)
    refund_desk.run_for(hours=30)
    ended = refund_desk.refund(refund.reference)
    assert (ended.state, ended.review) == (state, review)
    sent = [call for call in refund_desk.wire.calls if call.method == REFUND]
    assert len(sent) == (2 if state == "accepted" else len(faults))


def test_a_second_send_that_never_connected_was_none(refund_desk: RefundDesk) -> None:
    refund = unknown(refund_desk, lose_request, refuse_connection)
    refund_desk.run_for(hours=2)
    assert refund_desk.refund(refund.reference).state == "accepted"
    assert len(refund_desk.wire.sent(refund.reference)) == 1
    outcomes = [attempt.outcome for attempt in refund_desk.attempts(refund.reference)]
    assert outcomes == ["unclear", "never_connected", "answered"]


def test_a_new_attempt_discards_earlier_proofs(refund_desk: RefundDesk) -> None:
    refund = unknown(refund_desk, lose_request, lose_request)
    refund_desk.run_for(LEASE_S + QUIET_S + QUIET_S / 3 + 1)
    second = refund_desk.attempts(refund.reference)[1]
    assert absences(refund_desk, refund) == (None, None)
    read_after(refund_desk, refund, second.lease_until + refund_desk.desk.config.quiet)
    assert absences(refund_desk, refund) == (None, None)


def test_it_is_not_sent_again_after_too_long(refund_desk: RefundDesk) -> None:
    refund = unknown(refund_desk)
    refund_desk.clock.advance(hours=6)
    refund_desk.run_for(hours=1)
    ended = refund_desk.refund(refund.reference)
    assert (ended.state, ended.review, ended.next_send_at) == ("unknown", "not_found", None)
    assert refund_desk.wire.sent(refund.reference) == []


def test_the_time_for_it_can_run_out_while_sending_is_paused(refund_desk: RefundDesk) -> None:
    refund = unknown(refund_desk)
    sending.pause(refund_desk.desk, "admin@desk.test", "wait")
    refund_desk.run_for(hours=7)
    assert refund_desk.refund(refund.reference).next_send_at is not None
    sending.resume(refund_desk.desk, "admin@desk.test")
    refund_desk.run_for(hours=1)
    assert refund_desk.refund(refund.reference).review == "not_found"
    assert refund_desk.wire.sent(refund.reference) == []


@pytest.mark.parametrize("turns_up", ["ours", "stranger", "chargeback"])
def test_the_conditions_are_looked_at_again_right_before(refund_desk: RefundDesk, turns_up: str) -> None:
    refund = unknown(refund_desk)
    sending.pause(refund_desk.desk, "admin@desk.test", "wait")
    refund_desk.run_for(hours=1)
    sending.resume(refund_desk.desk, "admin@desk.test")
    if turns_up == "ours":
        refund_desk.bank.refund_here(refund.session_id, 10_00, {"reference": refund.reference})
    elif turns_up == "stranger":
        refund_desk.bank.refund_here(refund.session_id, 10_00)
    else:
        refund_desk.bank.charge_back(refund.session_id, 95_00)
    refund_desk.work()
    sent = refund_desk.wire.sent(refund.reference)
    now = refund_desk.refund(refund.reference)
    expected = {
        "ours": ("accepted", ""),
        "stranger": ("unknown", "stranger"),
        "chargeback": ("unknown", "no_longer_fits"),
    }
    assert (now.state, now.review) == expected[turns_up]
    assert sent == []
    assert len(refund_desk.attempts(refund.reference)) == 1


def test_one_that_fails_its_last_look_is_tried_again(refund_desk: RefundDesk) -> None:
    refund = unknown(refund_desk)
    sending.pause(refund_desk.desk, "admin@desk.test", "wait")
    refund_desk.run_for(hours=1)
    sending.resume(refund_desk.desk, "admin@desk.test")
    refund_desk.wire.next(STATUS, lose_request)
    refund_desk.work()
    assert refund_desk.refund(refund.reference).state == "unknown"
    refund_desk.run_for(minutes=5)
    assert refund_desk.refund(refund.reference).state == "accepted"


def test_the_time_for_a_second_send_counts_from_the_first_one(refund_desk: RefundDesk) -> None:
    refund = unknown(refund_desk, lose_request, refuse_connection)
    refund_desk.run_for(hours=1)
    assert refund_desk.refund(refund.reference).sent_at == refund.sent_at


def test_without_two_proofs_it_is_not_sent_again_whatever_the_plan_says(refund_desk: RefundDesk) -> None:
    refund = unknown(refund_desk)
    with refund_desk.desk.write() as tx:
        tx.get_one(Refund, refund.id).next_send_at = refund_desk.clock.now()
    sending.send(refund_desk.desk, refund.reference)
    assert len(refund_desk.attempts(refund.reference)) == 1
    assert refund_desk.refund(refund.reference).state == "unknown"


# Strangers


def test_a_stranger_means_review_and_no_second_send(refund_desk: RefundDesk) -> None:
    refund = unknown(refund_desk)
    refund_desk.bank.refund_here(refund.session_id, 10_00)
    refund_desk.run_for(hours=30)
    now = refund_desk.refund(refund.reference)
    assert (now.state, now.review, now.absence_1_at) == ("unknown", "stranger", None)
    assert refund_desk.wire.sent(refund.reference) == []
    elsewhere = refund_desk.refunds(refund.session_id)[1]
    assert (elsewhere.origin, elsewhere.state) == ("bank", "accepted")
    assert {(refund.reference, "may_be_ours"), (elsewhere.reference, "may_be_ours")} <= refund_desk.anomalies(
        refund.session_id
    )


def test_a_stranger_with_another_reference_is_one_too(refund_desk: RefundDesk) -> None:
    refund = unknown(refund_desk)
    elsewhere = {"reference": "5f0c7a31-93b4-4a44-8f27-3d8b1d1f2a10"}
    refund_desk.bank.refund_here(refund.session_id, 3_00, elsewhere)
    refund_desk.work()
    assert refund_desk.refund(refund.reference).review == "stranger"
    assert refund_desk.anomalies(refund.session_id) == set(), "it cannot be ours"


def test_what_was_there_before_the_send_is_no_stranger(refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    refund_desk.bank.refund_here(session_id, 10_00)
    reference = refund_desk.ask(session_id, 10_00)
    refund_desk.wire.next(REFUND, lose_request)
    refund_desk.run_for(hours=1)
    assert (refund_desk.refund(reference).state, refund_desk.refund(reference).review) == ("accepted", "")


def test_a_chargeback_is_no_stranger(refund_desk: RefundDesk) -> None:
    refund = unknown(refund_desk)
    refund_desk.bank.charge_back(refund.session_id, 10_00)
    refund_desk.run_for(hours=1)
    now = refund_desk.refund(refund.reference)
    assert (now.state, now.review) == ("accepted", "")


def test_a_stranger_that_comes_after_an_attempt_that_never_connected_is_none(refund_desk: RefundDesk) -> None:
    """The baseline is that of the first attempt that may have arrived."""
    session_id = refund_desk.paid_session(100_00)
    reference = refund_desk.ask(session_id, 10_00)
    refund_desk.wire.next(REFUND, refuse_connection, lose_request)
    refund_desk.send(reference)
    refund_desk.bank.refund_here(session_id, 10_00)
    refund_desk.run_for(hours=1)
    now = refund_desk.refund(reference)
    assert (now.state, now.review) == ("accepted", "")


@pytest.mark.parametrize("doubt", ["stranger", "not_found"])
def test_what_turns_up_in_the_end_settles_the_doubt(refund_desk: RefundDesk, doubt: str) -> None:
    refund = unknown(refund_desk, key_exists)
    if doubt == "stranger":
        refund_desk.bank.refund_here(refund.session_id, 5_00)
    refund_desk.run_for(hours=1)
    assert refund_desk.refund(refund.reference).review == doubt
    refund_desk.bank.refund_here(refund.session_id, 10_00, {"reference": refund.reference})
    refund_desk.run_for(hours=2)
    now = refund_desk.refund(refund.reference)
    assert (now.state, now.review) == ("accepted", "")
    assert "refund:review_over" in refund_desk.actions(refund.reference)


def test_a_bank_that_gives_no_reference_back_leaves_a_lost_answer_to_people(refund_desk: RefundDesk) -> None:
    refund_desk.wire.echo = "nothing"
    refund = unknown(refund_desk, lose_answer)
    refund_desk.run_for(hours=30)
    now = refund_desk.refund(refund.reference)
    assert (now.state, now.review) == ("unknown", "stranger")
    assert len(refund_desk.wire.sent(refund.reference)) == 1


def test_under_review_it_is_still_read(refund_desk: RefundDesk) -> None:
    refund = unknown(refund_desk, key_exists)
    refund_desk.run_for(hours=2)
    assert refund_desk.refund(refund.reference).review == "not_found"
    since = refund_desk.clock.now()
    refund_desk.run_for(hours=3)
    assert len(reads_of(refund_desk, since)) == 3


def test_a_review_blocks_its_session_and_no_other(refund_desk: RefundDesk) -> None:
    refund = unknown(refund_desk, key_exists)
    other_id = refund_desk.paid_session(50_00)
    other = refund_desk.ask(other_id)
    refund_desk.run_for(hours=2)
    assert refund_desk.refund(other).state == "accepted"
    [entry] = [each for each in refund_desk.journal(f"refund:{refund.reference}") if each.action == "refund:review"]
    assert json.loads(entry.data)["why"] == "not_found"


def test_a_read_that_began_before_the_second_send_misses_nothing(refund_desk: RefundDesk) -> None:
    """It comes late, and cannot show yet what the second send made."""
    refund_desk.bank.change_settings({"decide": "manual"})
    session_id = refund_desk.paid_session(100_00)
    refund_desk.wire.next(REFUND, lose_request)
    reference = refund_desk.ask_and_send(session_id, 10_00)
    refund_desk.run_for(minutes=19)
    assert refund_desk.refund(reference).state == "unknown"
    started_at, reading = refund_desk.clock.now(), refund_desk.desk.bank.status(session_id)
    refund_desk.run_for(minutes=10)
    assert refund_desk.refund(reference).state == "in_progress"
    with refund_desk.desk.write() as tx:
        assert not reads.take_read(tx, refund_desk.desk, reading, started_at).is_whole
    assert (reference, "missing") not in refund_desk.anomalies(session_id)
