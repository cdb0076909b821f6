"""Undoing a refund before it is sent, and the race against the send."""

import json
from datetime import timedelta

import pytest

from dashboard.refunds import CannotCancel
from tests.bench.refund_desk import RefundDesk
from tests.bench.wire import REFUND, STATUS, before_answer, lose_request, meanwhile, refuse_connection


def test_a_queued_refund_is_undone_and_its_money_free_again(refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    reference = refund_desk.ask(session_id, 40_00)
    refund_desk.cancel(reference)
    refund = refund_desk.refund(reference)
    assert (refund.state, refund.counts, refund.next_send_at) == ("cancelled", False, None)
    assert refund.ended_at == refund_desk.clock.now()
    assert refund_desk.session(session_id).committed_minor == 0
    entry = refund_desk.journal(f"refund:{reference}")[-1]
    assert (entry.action, entry.actor) == ("refund:cancelled", "operator@desk.test")
    assert json.loads(entry.data) == {"was": "queued"}


def test_what_was_undone_is_never_sent(refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session()
    reference = refund_desk.ask(session_id)
    refund_desk.cancel(reference)
    refund_desk.run_for(hours=30)
    assert refund_desk.bank_refunds(session_id) == []
    assert refund_desk.wire.sent(reference) == []


def test_undoing_twice_says_what_it_is(refund_desk: RefundDesk) -> None:
    reference = refund_desk.ask(refund_desk.paid_session())
    refund_desk.cancel(reference)
    with pytest.raises(CannotCancel) as caught:
        refund_desk.cancel(reference)
    assert caught.value.state == "cancelled"
    assert refund_desk.actions(reference).count("refund:cancelled") == 1


def test_an_unknown_reference_is_no_refund(refund_desk: RefundDesk) -> None:
    with pytest.raises(LookupError):
        refund_desk.cancel("00000000-0000-4000-8000-00000000ffff")


def test_it_can_be_undone_as_long_as_nothing_was_sent(refund_desk: RefundDesk) -> None:
    """The time for undoing is over, but the bank could not be reached."""
    reference = refund_desk.ask(refund_desk.paid_session())
    refund_desk.wire.next(REFUND, refuse_connection)
    assert refund_desk.send(reference).state == "queued"
    refund_desk.cancel(reference)
    refund_desk.run_for(hours=1)
    assert refund_desk.wire.sent(reference) == []


def test_undone_during_the_last_look_it_is_not_sent(refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session()
    reference = refund_desk.ask(session_id)
    refund_desk.wire.next(STATUS, meanwhile(lambda: refund_desk.cancel(reference)))
    refund = refund_desk.send(reference)
    assert (refund.state, refund_desk.attempts(reference)) == ("cancelled", [])
    assert refund_desk.bank_refunds(session_id) == []


@pytest.mark.parametrize("moment", [meanwhile, before_answer])
def test_while_it_is_being_sent_it_is_too_late(refund_desk: RefundDesk, moment: type) -> None:
    reference = refund_desk.ask(refund_desk.paid_session())

    def undo() -> None:
        with pytest.raises(CannotCancel) as caught:
            refund_desk.cancel(reference)
        assert caught.value.state == "sending"

    refund_desk.wire.next(REFUND, moment(undo))
    assert refund_desk.send(reference).state == "in_progress"


def test_an_unknown_outcome_cannot_be_undone(refund_desk: RefundDesk) -> None:
    refund_desk.wire.next(REFUND, lose_request)
    reference = refund_desk.ask_and_send(refund_desk.paid_session())
    with pytest.raises(CannotCancel) as caught:
        refund_desk.cancel(reference)
    assert caught.value.state == "unknown"


def test_a_refund_that_waits_behind_an_unknown_one_can_be_undone(refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    first, second = refund_desk.ask(session_id, 10_00), refund_desk.ask(session_id, 20_00)
    refund_desk.wire.next(REFUND, lose_request)
    refund_desk.send(first)
    refund_desk.run_for(minutes=1)
    assert [refund_desk.refund(each).state for each in (first, second)] == ["unknown", "queued"]
    refund_desk.cancel(second)
    assert refund_desk.session(session_id).committed_minor == 10_00


def test_undoing_frees_what_waited_for_people(refund_desk: RefundDesk) -> None:
    """A refund that no longer fits is under review; undone, it holds up its session no more."""
    session_id = refund_desk.paid_session(100_00)
    first, second = refund_desk.ask(session_id, 80_00), refund_desk.ask(session_id, 10_00)
    refund_desk.bank.charge_back(session_id, 50_00)
    refund_desk.clock.advance_to(refund_desk.clock.now() + timedelta(seconds=5))
    refund_desk.work()
    assert refund_desk.refund(first).review == "no_longer_fits"
    assert refund_desk.refund(second).state == "queued"
    refund_desk.cancel(first)
    refund_desk.run_for(minutes=5)
    assert refund_desk.refund(first).review == ""
    assert refund_desk.refund(second).state == "accepted"
