"""Merging what the bank shows: every way a fact can come in, and what each of them may change."""

import json
from datetime import timedelta

import pytest
from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError

from dashboard import anomalies, ledger, reads
from dashboard.models import Anomaly, Payment, PaymentSession, Refund
from dashboard.sandbox.ledger import Refund as BankRefund
from tests.bench.databases import on_both
from tests.bench.refund_desk import RefundDesk
from tests.bench.wire import (
    REFUND,
    STATUS,
    Json,
    before_answer,
    edited,
    error,
    lose_request,
    meanwhile,
    refunds_in,
    refuse_connection,
    replay,
)


def accepted(refund_desk: RefundDesk, amount_minor: int = 10_00) -> Refund:
    """A refund of ours that the bank has carried out, in a session of 100.00."""
    reference = refund_desk.ask_and_send(refund_desk.paid_session(100_00), amount_minor)
    refund_desk.run_for(minutes=2)
    refund = refund_desk.refund(reference)
    assert refund.state == "accepted"
    return refund


def at_bank(refund_desk: RefundDesk, refund: Refund) -> BankRefund:
    return next(each for each in refund_desk.bank_refunds(refund.session_id) if each.id == refund.bank_id)


def events(refund_desk: RefundDesk) -> int:
    return len(refund_desk.journal())


# The session and its payments


def test_a_read_fills_the_session(refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_50, customer="client-17")
    session = refund_desk.read(session_id)
    payment = refund_desk.bank_payments(session_id)[0]
    assert (session.status, session.currency, session.captured_minor) == ("accepted", "rub", 100_50)
    assert (session.customer_reference, session.method) == ("client-17", "card")
    assert (session.card_brand, session.card_last4, session.rrn) == ("visa", "4242", payment.rrn)
    assert session.confirmed_at == session.read_at == refund_desk.clock.now()
    assert json.loads(session.fields)["id"] == session_id


def test_several_payments_are_captured_together(refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00, 250_00, 5_00)
    refund_desk.bank_payments(session_id)[2].status = "failed"
    assert refund_desk.read(session_id).captured_minor == 350_00


def test_a_payment_once_succeeded_stays_succeeded(refund_desk: RefundDesk) -> None:
    """A payment with a chargeback under way is shown as `in_progress`."""
    session_id = refund_desk.paid_session(100_00)
    refund_desk.read(session_id)
    refund_desk.bank_payments(session_id)[0].status = "in_progress"
    assert refund_desk.read(session_id).captured_minor == 100_00
    with refund_desk.desk.read() as session:
        assert session.query(Payment).one().status == "succeeded"


def test_descriptive_fields_follow_the_newer_snapshot(refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    old = refund_desk.wire.answer_now(session_id)
    refund_desk.clock.advance(60)
    bank_session = refund_desk.bank.ledger.sessions[session_id]
    bank_session.updated_at = refund_desk.clock.now()
    bank_session.payments[0].customer = {"reference": "client-2"}
    refund_desk.read(session_id)
    refund_desk.wire.next(STATUS, replay(old))
    assert refund_desk.read(session_id).customer_reference == "client-2"


def test_what_is_dated_far_ahead_is_no_newer_than_what_we_read(refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    refund_desk.read(session_id)
    told = json.loads(hearsay(session_id, 900_00))
    told["session"]["updated_at"] = "2099-01-01T00:00:00+00:00"
    refund_desk.deliver(json.dumps(told).encode())
    refund_desk.clock.advance(60)
    [payment] = json.loads(refund_desk.read(session_id).fields)["acquiring_payments"]
    assert payment["amount_details"]["amount"] == 100_00


def test_of_two_snapshots_of_one_age_the_later_read_describes(refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    late = refund_desk.wire.answer_now(session_id)
    refund_desk.bank_payments(session_id)[0].customer = {"reference": "client-2"}

    def newer_read() -> None:
        refund_desk.clock.advance(1)
        reads.read_session(refund_desk.desk, session_id)

    refund_desk.wire.next(STATUS, meanwhile(newer_read, replay(late)))
    assert refund_desk.read(session_id).customer_reference == "client-2"


def test_nothing_is_journalled_when_nothing_differs(refund_desk: RefundDesk) -> None:
    refund = accepted(refund_desk)
    before = events(refund_desk)
    for _ in range(3):
        refund_desk.read(refund.session_id)
    assert events(refund_desk) == before


# Hearsay


def hearsay(session_id: str, amount_minor: int, status: str = "succeeded", **more: object) -> bytes:
    """A webhook about a session that no read of ours has confirmed."""
    payment = {
        "id": "pm_hearsay",
        "status": status,
        "amount_details": {"amount": amount_minor, "currency": "rub"},
        **more,
    }
    at = "2026-03-01T08:00:00.000000Z"
    session = {"id": session_id, "status": "accepted", "created_at": at, "acquiring_payments": [payment]}
    return json.dumps({"type": "payment_finished", "session": session}).encode()


def test_a_webhook_confirms_and_captures_nothing(refund_desk: RefundDesk) -> None:
    refund_desk.deliver(hearsay("ps_999", 100_00))
    session = refund_desk.session("ps_999")
    assert (session.confirmed_at, session.captured_minor) == (None, 0)
    assert session.status == "accepted", "it does fill the index"


def test_our_own_read_decides_what_was_captured_whatever_a_webhook_said_before(refund_desk: RefundDesk) -> None:
    """The bank's key may sign other merchants' webhooks: here one claims more, from a far future."""
    session_id = refund_desk.paid_session(100_00)
    told = json.loads(refund_desk.wire.webhook_now(session_id))
    told["session"]["updated_at"] = "2099-01-01T00:00:00.000000Z"
    told["session"]["acquiring_payments"][0]["amount_details"] = {"amount": 999_00, "currency": "usd"}
    told["session"]["acquiring_payments"][0]["customer"] = {"reference": "somebody"}
    refund_desk.deliver(json.dumps(told).encode())
    session = refund_desk.read(session_id)
    assert (session.captured_minor, session.currency, session.customer_reference) == (100_00, "rub", "client-1")
    assert refund_desk.offer(session_id).refundable_minor == 100_00


def test_a_payment_that_succeeded_by_hearsay_alone_is_what_our_read_shows(refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    refund_desk.deliver(refund_desk.wire.webhook_now(session_id, "payment_finished"))
    refund_desk.bank_payments(session_id)[0].status = "failed"
    refund_desk.clock.advance(1)
    refund_desk.read(session_id)
    with refund_desk.desk.read() as session:
        assert session.query(Payment).one().status == "failed"
    assert refund_desk.offer(session_id).refundable_minor == 0


def test_a_webhook_does_not_change_what_was_captured(refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    refund_desk.read(session_id)
    told = json.loads(refund_desk.wire.webhook_now(session_id))
    told["session"]["acquiring_payments"][0]["amount_details"]["amount"] = 999_00
    refund_desk.deliver(json.dumps(told).encode())
    assert refund_desk.session(session_id).captured_minor == 100_00
    assert refund_desk.offer(session_id).refundable_minor == 100_00


def test_a_payment_that_only_a_webhook_tells_of_is_not_captured(refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    refund_desk.read(session_id)
    told = json.loads(refund_desk.wire.webhook_now(session_id))
    payments = told["session"]["acquiring_payments"]
    payments.append({**payments[0], "id": "pm_hearsay", "amount_details": {"amount": 999_00, "currency": "rub"}})
    refund_desk.deliver(json.dumps(told).encode())
    assert refund_desk.session(session_id).captured_minor == 100_00
    assert refund_desk.offer(session_id).refundable_minor == 100_00


def test_a_session_that_the_bank_denies_is_laid_aside_until_heard_of_again(refund_desk: RefundDesk) -> None:
    refund_desk.deliver(hearsay("ps_999", 100_00))
    refund_desk.run_for(hours=30)
    session = refund_desk.session("ps_999")
    assert session.denied_at is not None
    assert session.next_read_at is None
    asked = len(refund_desk.wire.calls)
    refund_desk.deliver(hearsay("ps_999", 200_00))
    refund_desk.run_for(hours=1)
    assert len(refund_desk.wire.calls) == asked + 1


def test_a_denied_read_of_a_confirmed_session_is_tried_again(refund_desk: RefundDesk) -> None:
    reference = refund_desk.ask_and_send(refund_desk.paid_session(100_00), 10_00)
    refund_desk.wire.next(STATUS, error("session_not_found"))
    refund_desk.run_for(minutes=2)
    assert refund_desk.refund(reference).state == "accepted"


# Refunds made elsewhere


def test_a_read_makes_rows_for_what_was_made_elsewhere(refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    made_at = refund_desk.clock.now() - timedelta(minutes=10)
    refund_desk.bank.refund_here(session_id, 20_00, at=made_at)
    refund_desk.bank.charge_back(session_id, 5_00)
    session = refund_desk.read(session_id)
    refund, chargeback = refund_desk.refunds(session_id)
    assert (refund.origin, refund.state, refund.amount_minor, refund.counts) == ("bank", "accepted", 20_00, True)
    assert (refund.asked_at, refund.asked_by_id, refund.body) == (made_at, None, None)
    assert (chargeback.origin, chargeback.state, chargeback.amount_minor) == ("chargeback", "accepted", 5_00)
    assert (session.committed_minor, refund_desk.anomalies(session_id)) == (25_00, set())
    assert refund_desk.actions(refund.reference) == ["refund:found"]
    assert {each.bank_id for each in (refund, chargeback)} == {each.id for each in refund_desk.bank_refunds(session_id)}


@pytest.mark.parametrize("status", ["in_progress", "accepted", "declined", "error"])
def test_a_row_made_elsewhere_has_the_banks_status(refund_desk: RefundDesk, status: str) -> None:
    session_id = refund_desk.paid_session(100_00)
    refund_desk.bank.refund_here(session_id, 20_00)
    refund_desk.bank_refunds(session_id)[0].status = status
    session = refund_desk.read(session_id)
    [refund] = refund_desk.refunds(session_id)
    assert (refund.state, refund.bank_status, refund.counts) == (status, status, status != "declined")
    assert session.committed_minor == (0 if status == "declined" else 20_00)
    assert (refund.ended_at is None) == (status in {"in_progress", "error"})


def test_a_webhook_never_makes_a_row_but_asks_for_a_read(refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    refund_desk.read(session_id)
    refund_desk.bank.refund_here(session_id, 20_00)
    refund_desk.deliver(refund_desk.wire.last_webhook(session_id))
    assert refund_desk.refunds(session_id) == []
    refund_desk.work()
    assert [refund.origin for refund in refund_desk.refunds(session_id)] == ["bank"]


def test_an_answer_makes_no_row_either(refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    reference = refund_desk.ask(session_id, 10_00)
    refund_desk.clock.advance(5)
    refund_desk.wire.next(REFUND, meanwhile(lambda: refund_desk.bank.charge_back(session_id, 5_00)))
    refund_desk.send(reference)
    [ours, chargeback] = refund_desk.refunds(session_id)
    assert (ours.state, chargeback.origin) == ("in_progress", "chargeback"), "the read that was asked for made it"


def test_while_one_is_being_sent_a_refund_without_reference_has_to_wait(refund_desk: RefundDesk) -> None:
    """It could be ours, not told apart yet: the bank has it, its answer is on the way."""
    refund_desk.wire.echo = "nothing"
    session_id = refund_desk.paid_session(100_00)
    reference = refund_desk.ask(session_id, 10_00)

    def somebody_looks() -> None:
        session = refund_desk.read(session_id)
        assert len(refund_desk.refunds(session_id)) == 1
        assert session.next_read_at == refund_desk.clock.now() + timedelta(seconds=1)

    refund_desk.wire.next(REFUND, before_answer(somebody_looks))
    assert refund_desk.send(reference).state == "in_progress"
    refund_desk.run_for(minutes=2)
    [ours] = refund_desk.refunds(session_id)
    assert (ours.state, refund_desk.anomalies(session_id)) == ("accepted", set())


def test_while_one_is_being_sent_other_new_refunds_do_get_rows(refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    refund_desk.bank.refund_here(session_id, 1_00)
    reference = refund_desk.ask(session_id, 10_00)

    def somebody_looks() -> None:
        refund_desk.bank.charge_back(session_id, 2_00)
        refund_desk.bank.refund_here(session_id, 3_00, {"reference": "5f0c7a31-93b4-4a44-8f27-3d8b1d1f2a10"})
        refund_desk.read(session_id)
        assert [each.amount_minor for each in refund_desk.refunds(session_id)] == [1_00, 10_00, 2_00, 3_00]

    refund_desk.wire.next(REFUND, meanwhile(somebody_looks))
    assert refund_desk.send(reference).state == "in_progress"


def test_a_second_refund_under_our_reference_counts_and_is_for_people(refund_desk: RefundDesk) -> None:
    refund = accepted(refund_desk)
    refund_desk.bank.refund_here(refund.session_id, 10_00, {"reference": refund.reference})
    session = refund_desk.read(refund.session_id)
    first, second = refund_desk.refunds(refund.session_id)
    assert (first.review, second.review) == ("duplicate", "duplicate")
    assert (second.origin, second.counts, session.committed_minor) == ("bank", True, 20_00)
    assert refund_desk.anomalies(session.id) == {(first.reference, "duplicate"), (second.reference, "duplicate")}


@on_both
@pytest.mark.parametrize("column", ["bank_id", "reference"])
def test_the_database_itself_takes_one_row_of_a_refund(refund_desk: RefundDesk, column: str) -> None:
    refund = accepted(refund_desk)
    refund_desk.bank.refund_here(refund.session_id, 5_00)
    refund_desk.read(refund.session_id)
    _, elsewhere = refund_desk.refunds(refund.session_id)
    with pytest.raises(IntegrityError), refund_desk.desk.write() as tx:
        tx.execute(update(Refund).where(Refund.id == elsewhere.id).values({column: getattr(refund, column)}))


def test_one_that_may_be_ours_marks_both(refund_desk: RefundDesk) -> None:
    refund = accepted(refund_desk)
    refund_desk.bank.refund_here(refund.session_id, 10_00)
    refund_desk.read(refund.session_id)
    _, other = refund_desk.refunds(refund.session_id)
    expected = {(refund.reference, "may_be_ours"), (other.reference, "may_be_ours")}
    assert refund_desk.anomalies(refund.session_id) == expected
    assert refund_desk.refund(refund.reference).review == ""


def test_one_that_came_when_nothing_had_connected_cannot_be_ours(refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    reference = refund_desk.ask(session_id, 10_00)
    refund_desk.wire.next(REFUND, refuse_connection)
    refund_desk.send(reference)
    refund_desk.bank.refund_here(session_id, 10_00)
    refund_desk.read(session_id)
    assert refund_desk.anomalies(session_id) == set()


def test_one_from_before_any_send_cannot_be_ours(refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    refund_desk.bank.refund_here(session_id, 10_00)
    refund_desk.ask_and_send(session_id, 10_00)
    refund_desk.run_for(minutes=5)
    assert refund_desk.anomalies(session_id) == set()


# What the bank says of a refund that is known


def test_a_status_that_comes_late_changes_nothing(refund_desk: RefundDesk) -> None:
    reference = refund_desk.ask_and_send(refund_desk.paid_session(100_00), 10_00)
    session_id = refund_desk.refund(reference).session_id
    early = refund_desk.wire.webhook_now(session_id)
    refund_desk.run_for(minutes=2)
    before = refund_desk.actions(reference)
    refund_desk.deliver(early)
    assert refund_desk.refund(reference).state == "accepted"
    assert refund_desk.actions(reference) == before


@pytest.mark.parametrize("status", ["accepted", "declined", "error"])
def test_the_bank_ends_a_refund(refund_desk: RefundDesk, status: str) -> None:
    reference = refund_desk.ask_and_send(refund_desk.paid_session(100_00), 10_00)
    refund = refund_desk.refund(reference)
    refund_desk.bank.decide_refund(refund.bank_id or "", status)
    session = refund_desk.read(refund.session_id)
    refund = refund_desk.refund(reference)
    assert (refund.state, refund.bank_status) == (status, status)
    assert session.committed_minor == (0 if status == "declined" else 10_00)
    assert refund.bank_finished_at == at_bank(refund_desk, refund).finished_at
    assert refund.rrn == at_bank(refund_desk, refund).rrn


def test_an_error_is_not_final(refund_desk: RefundDesk) -> None:
    reference = refund_desk.ask_and_send(refund_desk.paid_session(100_00), 10_00)
    refund = refund_desk.refund(reference)
    for status, state in (("error", "error"), ("in_progress", "error"), ("declined", "declined")):
        at_bank(refund_desk, refund).status = status
        refund_desk.read(refund.session_id)
        assert refund_desk.refund(reference).state == state


@pytest.mark.parametrize(("first", "then"), [("accepted", "declined"), ("declined", "accepted")])
@pytest.mark.parametrize("source", ["read", "webhook"])
def test_a_contradiction_keeps_the_state_and_holds_the_money(
    refund_desk: RefundDesk, first: str, then: str, source: str
) -> None:
    reference = refund_desk.ask_and_send(refund_desk.paid_session(100_00), 10_00)
    refund = refund_desk.refund(reference)
    for status in (first, then):
        refund_desk.bank.decide_refund(refund.bank_id or "", status, force=True)
        if source == "read":
            refund_desk.read(refund.session_id)
        else:
            refund_desk.deliver(refund_desk.wire.last_webhook(refund.session_id))
    refund = refund_desk.refund(reference)
    assert (refund.state, refund.bank_status, refund.review) == (first, then, "contradiction")
    assert (refund.counts, refund.contradicted) == (True, True)
    assert refund_desk.session(refund.session_id).committed_minor == 10_00
    assert refund_desk.anomalies(refund.session_id) == {(reference, "contradiction")}


def test_a_contradiction_is_told_once_and_counts_for_good(refund_desk: RefundDesk) -> None:
    refund = accepted(refund_desk)
    refund_desk.bank.decide_refund(refund.bank_id or "", "declined", force=True)
    refund_desk.read(refund.session_id)
    before = events(refund_desk)
    refund_desk.read(refund.session_id)
    assert events(refund_desk) == before
    with refund_desk.desk.write() as tx:
        ledger.end_review(tx, tx.get_one(Refund, refund.id), "people")
    for status in ("accepted", "declined"):
        refund_desk.bank.decide_refund(refund.bank_id or "", status, force=True)
        refund_desk.read(refund.session_id)
        now = refund_desk.refund(refund.reference)
        assert (now.state, now.counts, now.review) == ("accepted", True, "")


def test_of_what_the_bank_contradicts_its_last_word_is_kept_and_told(refund_desk: RefundDesk) -> None:
    refund = accepted(refund_desk)
    told = []
    for status in ("declined", "accepted", "declined"):
        refund_desk.bank.decide_refund(refund.bank_id or "", status, force=True)
        for _twice in range(2):
            refund_desk.read(refund.session_id)
        assert refund_desk.refund(refund.reference).bank_status == status
        told.append(refund_desk.actions(refund.reference)[-1])
    assert told == ["anomaly:contradiction", "refund:bank_word", "refund:bank_word"]
    entry = refund_desk.journal(f"refund:{refund.reference}")[-1]
    assert (entry.actor, json.loads(entry.data)["status"], json.loads(entry.data)["source"]) == (
        "bank",
        "declined",
        "read",
    )


@pytest.mark.parametrize("late", ["in_progress", "error"])
def test_a_word_of_lower_rank_that_comes_late_is_not_the_last(refund_desk: RefundDesk, late: str) -> None:
    refund = accepted(refund_desk)
    at_bank(refund_desk, refund).status = late
    refund_desk.read(refund.session_id)
    now = refund_desk.refund(refund.reference)
    assert (now.state, now.bank_status) == ("accepted", "accepted")


def test_a_word_from_an_older_snapshot_is_not_the_last(refund_desk: RefundDesk) -> None:
    refund = accepted(refund_desk)
    at_bank(refund_desk, refund).status = "declined"

    def older(session: Json) -> None:
        session["updated_at"] = "2020-01-01T00:00:00+00:00"

    refund_desk.wire.next(STATUS, edited(older))
    refund_desk.read(refund.session_id)
    now = refund_desk.refund(refund.reference)
    assert (now.state, now.bank_status, now.contradicted) == ("accepted", "accepted", True)


@pytest.mark.parametrize("end", ["cancelled", "refused"])
@pytest.mark.parametrize("status", ["in_progress", "accepted", "declined"])
def test_what_the_bank_made_after_our_end_is_taken_in(refund_desk: RefundDesk, end: str, status: str) -> None:
    session_id = refund_desk.paid_session(100_00)
    reference = refund_desk.ask(session_id, 10_00)
    if end == "cancelled":
        refund_desk.cancel(reference)
    else:
        refund_desk.wire.next(REFUND, error("authentication_error", 401))
        refund_desk.send(reference)
    assert refund_desk.refund(reference).state == end
    refund_desk.bank.refund_here(session_id, 10_00, {"reference": reference})
    refund_desk.bank_refunds(session_id)[0].status = status
    refund_desk.read(session_id)
    refund = refund_desk.refund(reference)
    assert (refund.state, refund.counts) == (status, status != "declined")
    assert (reference, "made_after_end") in refund_desk.anomalies(session_id)
    assert (refund.ended_at is None) == (status == "in_progress")
    assert refund_desk.wire.sent(reference) == []


def test_the_larger_amount_is_held_when_the_banks_differs(refund_desk: RefundDesk) -> None:
    for theirs, held in ((12_00, 12_00), (8_00, 10_00)):
        refund = accepted(refund_desk, 10_00)
        at_bank(refund_desk, refund).amount_minor = theirs
        session = refund_desk.read(refund.session_id)
        now = refund_desk.refund(refund.reference)
        assert (now.amount_minor, now.bank_amount_minor, session.committed_minor) == (10_00, theirs, held)
        assert refund_desk.anomalies(session.id) == {(refund.reference, "amount_differs")}


def test_an_amount_that_is_ours_again_differs_no_longer(refund_desk: RefundDesk) -> None:
    refund = accepted(refund_desk, 10_00)
    for theirs, over in ((8_00, {False}), (12_00, {True, False}), (10_00, {True})):
        at_bank(refund_desk, refund).amount_minor = theirs
        refund_desk.read(refund.session_id)
        with refund_desk.desk.read() as session:
            facts = session.scalars(select(Anomaly).where(Anomaly.kind == "amount_differs")).all()
        assert {fact.over_at is not None for fact in facts} == over


def test_another_currency_is_another_amount(refund_desk: RefundDesk) -> None:
    refund = accepted(refund_desk, 10_00)
    at_bank(refund_desk, refund).currency = "usd"
    refund_desk.read(refund.session_id)
    assert refund_desk.refund(refund.reference).bank_currency == "usd"
    assert refund_desk.anomalies(refund.session_id) == {(refund.reference, "amount_differs")}


def test_more_than_was_captured_is_recorded_with_an_anomaly(refund_desk: RefundDesk) -> None:
    refund = accepted(refund_desk, 60_00)
    refund_desk.bank.charge_back(refund.session_id, 70_00)
    session = refund_desk.read(refund.session_id)
    assert (session.captured_minor, session.committed_minor) == (100_00, 130_00)
    assert (None, "over_captured") in refund_desk.anomalies(session.id)
    assert refund_desk.offer(session.id).refundable_minor == 0


def test_what_is_within_the_payment_again_is_over_it_no_longer(refund_desk: RefundDesk) -> None:
    refund = accepted(refund_desk, 60_00)
    for theirs, is_over in ((110_00, False), (60_00, True), (110_00, False)):
        at_bank(refund_desk, refund).amount_minor = theirs
        refund_desk.read(refund.session_id)
        with refund_desk.desk.read() as session:
            [fact] = session.scalars(select(Anomaly).where(Anomaly.kind == "over_captured"))
        assert (fact.over_at is not None) == is_over


def test_what_cannot_be_read_is_flagged_once(refund_desk: RefundDesk) -> None:
    refund = accepted(refund_desk)

    def spoil(session: Json) -> None:
        session["acquiring_payments"][0]["refunds"].append({"id": "rf_new", "status": "on_hold"})

    refund_desk.wire.next(STATUS, edited(spoil), edited(spoil))
    refund_desk.read(refund.session_id)
    refund_desk.read(refund.session_id)
    flagged = [entry for entry in refund_desk.journal() if entry.action == "anomaly:unreadable"]
    assert [json.loads(entry.data)["detail"] for entry in flagged] == ["refund rf_new: unknown status: 'on_hold'"]
    assert len(refund_desk.refunds(refund.session_id)) == 1


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        ([{}] * 60, ["refund without id: no usable id: missing"]),
        ([{"id": f"rf_{n}"} for n in range(60)], [f"refund rf_{n}: unknown status: missing" for n in range(50)]),
    ],
)
def test_of_many_that_cannot_be_read_each_is_told_once_and_no_more_than_fifty(
    refund_desk: RefundDesk, parts: list[Json], told: list[str]
) -> None:
    """Each takes a look into the books while everybody else waits."""
    session_id = refund_desk.paid_session(100_00)
    refund_desk.read(session_id)
    webhook = json.loads(refund_desk.wire.webhook_now(session_id))
    webhook["session"]["acquiring_payments"][0]["refunds"] = parts
    refund_desk.deliver(json.dumps(webhook).encode())
    flagged = [entry for entry in refund_desk.journal() if entry.action == "anomaly:unreadable"]
    more = ["more than 50 parts"] if len(told) > 1 else []
    assert [json.loads(entry.data)["detail"] for entry in flagged] == told + more


def test_the_rest_of_a_snapshot_counts_though_a_part_cannot_be_read(refund_desk: RefundDesk) -> None:
    reference = refund_desk.ask_and_send(refund_desk.paid_session(100_00), 10_00)

    def spoil(session: Json) -> None:
        refunds_in(session)[0]["status"] = "accepted"
        session["acquiring_payments"][0]["refunds"].append({"id": "rf_new", "status": "on_hold"})

    refund_desk.wire.next(STATUS, edited(spoil))
    refund_desk.read(refund_desk.refund(reference).session_id)
    assert refund_desk.refund(reference).state == "accepted"


def test_what_is_missing_from_a_snapshot_stays(refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    old = refund_desk.wire.answer_now(session_id)
    reference = refund_desk.ask_and_send(session_id, 10_00)
    refund_desk.wire.next(STATUS, replay(old))
    session = refund_desk.read(session_id)
    assert refund_desk.refund(reference).state == "in_progress"
    assert session.committed_minor == 10_00


def test_what_stays_missing_is_an_anomaly(refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    reference = refund_desk.ask_and_send(session_id, 10_00)
    refund_desk.run_for(60)
    refund_desk.bank_payments(session_id)[0].refunds.clear()
    refund_desk.read(session_id)
    assert refund_desk.anomalies(session_id) == set(), "an answer may lag behind"
    refund_desk.clock.advance(900)
    refund_desk.read(session_id)
    refund_desk.read(session_id)
    assert refund_desk.anomalies(session_id) == {(reference, "missing")}
    assert refund_desk.refund(reference).state == "accepted"


def test_a_webhook_that_comes_late_makes_nothing_missing(refund_desk: RefundDesk) -> None:
    """What it does not show may have been made after it was written."""
    session_id = refund_desk.paid_session(100_00)
    early = refund_desk.wire.webhook_now(session_id)
    refund_desk.ask_and_send(session_id, 10_00)
    refund_desk.run_for(hours=1)
    refund_desk.deliver(early)
    assert refund_desk.anomalies(session_id) == set()


def test_a_captured_payment_that_stays_missing_is_an_anomaly(refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00, 50_00)
    gone = refund_desk.bank_payments(session_id)[0]
    refund_desk.read(session_id)
    refund_desk.bank_payments(session_id).remove(gone)
    refund_desk.clock.advance(900)
    assert not reads.read_session(refund_desk.desk, session_id)
    assert refund_desk.anomalies(session_id) == set(), "an answer may lag behind"
    refund_desk.clock.advance(1)
    refund_desk.read(session_id)
    refund_desk.read(session_id)
    assert refund_desk.anomalies(session_id) == {(None, "missing")}
    [told] = [entry for entry in refund_desk.journal() if entry.action == "anomaly:missing"]
    assert json.loads(told.data)["detail"] == gone.id
    assert refund_desk.session(session_id).captured_minor == 150_00


@pytest.mark.parametrize("what", ["refund", "payment"])
def test_what_is_shown_but_cannot_be_read_is_not_gone(refund_desk: RefundDesk, what: str) -> None:
    refund = accepted(refund_desk)
    [payment] = refund_desk.bank_payments(refund.session_id)
    (at_bank(refund_desk, refund) if what == "refund" else payment).status = "reversed"
    refund_desk.clock.advance(hours=1)
    assert not reads.read_session(refund_desk.desk, refund.session_id)
    assert refund_desk.anomalies(refund.session_id) == {(None, "unreadable")}


@pytest.mark.parametrize("status", ["pending", "failed"])
def test_a_payment_that_was_never_captured_may_go_again(refund_desk: RefundDesk, status: str) -> None:
    session_id = refund_desk.paid_session(100_00, 50_00)
    failed = refund_desk.bank_payments(session_id)[0]
    failed.status = status
    refund_desk.read(session_id)
    refund_desk.bank_payments(session_id).remove(failed)
    refund_desk.clock.advance(hours=1)
    assert reads.read_session(refund_desk.desk, session_id)
    assert refund_desk.anomalies(session_id) == set()


# What was told before, and is over


def acknowledge(refund_desk: RefundDesk, session_id: str) -> None:
    """Somebody looks at the one fact about the session or its refunds."""
    anomalies.acknowledge(
        refund_desk.desk, refund_desk.person(), anomalies.name_of(told(refund_desk, session_id)), "seen"
    )


def told(refund_desk: RefundDesk, session_id: str) -> Anomaly:
    with refund_desk.desk.read() as session:
        return session.scalars(select(Anomaly).where(Anomaly.session_id == session_id)).one()


def times_told(refund_desk: RefundDesk) -> int:
    return sum(entry.action in {"anomaly:missing", "anomaly:unreadable"} for entry in refund_desk.journal())


@pytest.mark.parametrize("what", ["refund", "payment"])
@pytest.mark.parametrize("seen", ["while it is gone", "when it is back"])
def test_what_goes_a_second_time_is_told_again(refund_desk: RefundDesk, what: str, seen: str) -> None:
    session_id = accepted(refund_desk).session_id if what == "refund" else refund_desk.paid_session(100_00)
    payments = refund_desk.bank_payments(session_id)
    there = payments[0].refunds if what == "refund" else payments
    refund_desk.read(session_id)
    refund_desk.clock.advance(hours=1)
    [kept] = there
    there.clear()
    refund_desk.read(session_id)
    if seen == "while it is gone":
        acknowledge(refund_desk, session_id)
        refund_desk.read(session_id)
        assert told(refund_desk, session_id).acknowledged_at is not None, "it simply goes on"
    there.append(kept)
    refund_desk.read(session_id)
    if seen == "when it is back":
        acknowledge(refund_desk, session_id)
        refund_desk.read(session_id)
    fact = told(refund_desk, session_id)
    assert fact.acknowledged_at is not None
    assert times_told(refund_desk) == 1
    refund_desk.clock.advance(60)
    there.clear()
    refund_desk.read(session_id)
    refund_desk.read(session_id)
    again = told(refund_desk, session_id)
    assert (again.id, again.found_at) == (fact.id, refund_desk.clock.now())
    assert (again.acknowledged_at, again.acknowledged_by_id, again.comment) == (None, None, None)
    assert times_told(refund_desk) == 2
    acknowledge(refund_desk, session_id)
    refund_desk.read(session_id)
    assert told(refund_desk, session_id).acknowledged_at is not None


def test_what_goes_a_second_time_before_anybody_looked_is_one_fact(refund_desk: RefundDesk) -> None:
    session_id = accepted(refund_desk).session_id
    refund_desk.clock.advance(hours=1)
    [payment] = refund_desk.bank_payments(session_id)
    [kept] = payment.refunds
    for _ in range(2):
        payment.refunds.clear()
        refund_desk.read(session_id)
        payment.refunds.append(kept)
        refund_desk.read(session_id)
    assert times_told(refund_desk) == 1


def on_hold(session: Json) -> None:
    session["acquiring_payments"][0]["refunds"].append({"id": "rf_new", "status": "on_hold"})


def test_what_cannot_be_read_a_second_time_is_told_again(refund_desk: RefundDesk) -> None:
    session_id = accepted(refund_desk).session_id
    refund_desk.wire.next(STATUS, edited(on_hold), edited(on_hold))
    refund_desk.read(session_id)
    acknowledge(refund_desk, session_id)
    refund_desk.read(session_id)
    assert told(refund_desk, session_id).acknowledged_at is not None, "it simply goes on"
    refund_desk.read(session_id)
    refund_desk.wire.next(STATUS, edited(on_hold))
    refund_desk.read(session_id)
    assert told(refund_desk, session_id).acknowledged_at is None
    assert times_told(refund_desk) == 2


def test_what_an_old_copy_does_not_have_is_not_readable_again(refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    old = refund_desk.wire.answer_now(session_id)
    refund_desk.ask_and_send(session_id, 10_00)
    refund_desk.wire.next(STATUS, edited(on_hold), replay(old), edited(on_hold))
    refund_desk.read(session_id)
    acknowledge(refund_desk, session_id)
    refund_desk.read(session_id)
    refund_desk.read(session_id)
    assert told(refund_desk, session_id).acknowledged_at is not None


# The reading schedule


def plan(refund_desk: RefundDesk, session_id: str, since: object, duration_s: float) -> list[float]:
    start = refund_desk.clock.now()
    calls = len(refund_desk.wire.calls)
    refund_desk.run_for(duration_s)
    return [(call.at - start).total_seconds() for call in refund_desk.wire.calls[calls:] if call.method == STATUS]


def test_an_open_refund_is_read_ever_more_rarely(refund_desk: RefundDesk) -> None:
    refund_desk.bank.change_settings({"decide": "manual"})
    reference = refund_desk.ask_and_send(refund_desk.paid_session())
    moments = plan(refund_desk, refund_desk.refund(reference).session_id, None, 300 * 30)
    assert [moment / 30 for moment in moments] == [1, 2, 4, 10, 30, 150, 270]


@pytest.mark.parametrize("status", ["accepted", "declined"])
def test_what_has_ended_is_read_twice_more(refund_desk: RefundDesk, status: str) -> None:
    reference = refund_desk.ask_and_send(refund_desk.paid_session())
    refund = refund_desk.refund(reference)
    refund_desk.bank.decide_refund(refund.bank_id or "", status)
    refund_desk.deliver(refund_desk.wire.last_webhook(refund.session_id))
    moments = plan(refund_desk, refund.session_id, None, 3 * 24 * 3600)
    assert moments[0] == 0, "the webhook asked for one"
    assert [moment for moment in moments if moment > 60] == [35 * 60, 24 * 3600]


def test_what_was_undone_needs_no_reads(refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session()
    refund_desk.cancel(refund_desk.ask(session_id))
    refund_desk.read(session_id)
    assert plan(refund_desk, session_id, None, 3 * 24 * 3600) == []


def test_a_session_without_refunds_is_not_read_by_itself(refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session()
    refund_desk.read(session_id)
    assert plan(refund_desk, session_id, None, 3 * 24 * 3600) == []


def test_a_failed_read_is_tried_again_later_and_later(refund_desk: RefundDesk) -> None:
    reference = refund_desk.ask_and_send(refund_desk.paid_session())
    session_id = refund_desk.refund(reference).session_id
    refund_desk.wire.next(STATUS, *[lose_request] * 3)
    assert plan(refund_desk, session_id, None, 40) == [30, 31, 33, 37]
    assert refund_desk.refund(reference).state == "accepted"
    session = refund_desk.session(session_id)
    assert (session.read_failures, session.read_problem) == (0, None)


def test_a_failed_read_says_why(refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session()
    refund_desk.read(session_id)
    refund_desk.wire.next(STATUS, lose_request)
    with pytest.raises(reads.BankError):
        refund_desk.read(session_id)
    session = refund_desk.session(session_id)
    assert (session.read_failures, session.next_read_at) == (1, None)
    assert session.read_problem == "the bank did not answer: no whole answer within 30 s"


def test_a_read_asked_for_while_another_is_under_way_is_made(refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session()
    refund_desk.read(session_id)
    refund_desk.deliver(refund_desk.wire.webhook_now(session_id))
    refund_desk.clock.advance(1)

    def another() -> None:
        refund_desk.clock.advance(1)
        refund_desk.deliver(refund_desk.wire.webhook_now(session_id, "action_required"))

    refund_desk.wire.next(STATUS, meanwhile(another))
    calls = len(refund_desk.wire.calls)
    refund_desk.run_for(60)
    assert len(refund_desk.wire.calls) - calls == 2


def test_a_session_row_is_made_once(refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session()
    refund_desk.wire.next(STATUS, before_answer(lambda: refund_desk.read(session_id)))
    refund_desk.read(session_id)
    with refund_desk.desk.read() as session:
        assert session.query(PaymentSession).count() == 1
