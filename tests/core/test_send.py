"""Sending: the last look, the committed attempt, the lease, and everything that keeps a refund from going out."""

import json
from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import case, update
from sqlalchemy.exc import IntegrityError

from dashboard import pauses, restore, sending, worker
from dashboard.config import GRACE_S
from dashboard.models import Refund
from tests.bench.commits import AFTER, BEFORE, at_each_commit
from tests.bench.databases import on_both, on_sqlite
from tests.bench.refund_desk import RefundDesk
from tests.bench.wire import (
    REFUND,
    STATUS,
    Crash,
    Fault,
    Json,
    answered,
    crash_after,
    crash_before,
    edited,
    error,
    lose_request,
    meanwhile,
    replay,
)


def test_it_is_not_sent_before_the_time_for_undoing_is_over(refund_desk: RefundDesk) -> None:
    reference = refund_desk.ask(refund_desk.paid_session())
    refund_desk.clock.advance(4.999)
    assert refund_desk.work() == []
    sending.send(refund_desk.desk, reference)
    assert refund_desk.refund(reference).state == "queued"
    assert refund_desk.wire.sent(reference) == []
    refund_desk.clock.advance(0.001)
    refund_desk.work()
    assert refund_desk.refund(reference).state == "in_progress"


def test_the_stored_bytes_go_out_with_the_reference_as_key(refund_desk: RefundDesk) -> None:
    reference = refund_desk.ask(refund_desk.paid_session(100_00), 33_33)
    body = refund_desk.refund(reference).body
    refund_desk.send(reference)
    [call] = refund_desk.wire.sent(reference)
    assert (call.body, call.key) == (body, reference)
    assert call.timeout_s == refund_desk.desk.config.timeout_s


def test_the_attempt_is_committed_before_the_call(refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    refund_desk.bank.refund_here(session_id, 1_00)
    reference = refund_desk.ask(session_id, 10_00)
    known = refund_desk.refunds(session_id)[0].bank_id
    seen: list[Refund] = []
    refund_desk.wire.next(REFUND, meanwhile(lambda: seen.append(refund_desk.refund(reference))))
    refund_desk.send(reference)
    [attempt] = refund_desk.attempts(reference)
    now = refund_desk.clock.now()
    assert (seen[0].state, seen[0].sent_at) == ("sending", now)
    assert (attempt.number, attempt.is_resend, attempt.started_at) == (1, False, now)
    assert attempt.lease_until == now + timedelta(seconds=GRACE_S + refund_desk.desk.config.timeout_s)
    assert json.loads(attempt.baseline) == [known]


def test_no_transaction_is_open_while_the_bank_is_called(refund_desk: RefundDesk) -> None:
    reference = refund_desk.ask(refund_desk.paid_session())
    idle: list[int] = []

    def look() -> None:
        idle.append(refund_desk.desk.engine.pool.checkedout())  # type: ignore[attr-defined]

    refund_desk.wire.next(STATUS, meanwhile(look))
    refund_desk.wire.next(REFUND, meanwhile(look))
    refund_desk.send(reference)
    assert idle == [0, 0]


# The last look


def test_without_a_good_read_nothing_is_sent(refund_desk: RefundDesk) -> None:
    reference = refund_desk.ask(refund_desk.paid_session())
    waits = []
    for _ in range(9):
        refund_desk.wire.next(STATUS, lose_request)
        refund = refund_desk.send(reference)
        assert (refund.state, refund_desk.attempts(reference)) == ("queued", [])
        assert refund.next_send_at is not None
        waits.append((refund.next_send_at - refund_desk.clock.now()).total_seconds())
        refund_desk.clock.advance_to(refund.next_send_at)
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    refund_desk.work()
    assert refund_desk.refund(reference).state == "in_progress"


@pytest.mark.parametrize("code", ["session_not_found", "authentication_error"])
def test_a_read_that_the_bank_refuses_is_no_good_read(refund_desk: RefundDesk, code: str) -> None:
    reference = refund_desk.ask(refund_desk.paid_session())
    refund_desk.wire.next(STATUS, error(code))
    assert refund_desk.send(reference).state == "queued"
    assert refund_desk.attempts(reference) == []


def test_a_read_that_is_not_wholly_readable_is_no_good_read(refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    refund_desk.bank.refund_here(session_id, 1_00)
    reference = refund_desk.ask(session_id, 10_00)

    def spoil(session: Json) -> None:
        session["acquiring_payments"][0]["refunds"].append({"id": "rf_new", "status": "on_hold"})

    refund_desk.wire.next(STATUS, edited(spoil))
    refund = refund_desk.send(reference)
    assert (refund.state, refund.review, refund_desk.attempts(reference)) == ("queued", "", [])
    refund_desk.run_for(minutes=2)
    assert refund_desk.refund(reference).state == "accepted"


def test_a_stale_read_is_no_good_read(refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    before = refund_desk.wire.answer_now(session_id)
    refund_desk.bank.refund_here(session_id, 95_00)
    refund_desk.read(session_id)
    reference = refund_desk.ask(session_id, 5_00)
    refund_desk.wire.next(STATUS, replay(before))
    refund = refund_desk.send(reference)
    assert (refund.state, refund_desk.attempts(reference)) == ("queued", [])
    refund_desk.run_for(minutes=2)
    assert refund_desk.refund(reference).state == "accepted"


def test_what_is_at_the_bank_already_is_adopted_instead_of_sent(refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    reference = refund_desk.ask(session_id, 10_00)
    refund_desk.bank.refund_here(session_id, 10_00, {"reference": reference})
    refund = refund_desk.send(reference)
    assert (refund.state, refund.bank_id) == ("accepted", refund_desk.bank_refunds(session_id)[0].id)
    assert refund_desk.wire.sent(reference) == []


def test_what_no_longer_fits_is_for_people_to_look_at(refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    reference = refund_desk.ask(session_id, 60_00)
    refund_desk.bank.charge_back(session_id, 50_00)
    refund = refund_desk.send(reference)
    assert (refund.state, refund.review, refund.next_send_at) == ("queued", "no_longer_fits", None)
    refund_desk.run_for(hours=30)
    assert refund_desk.wire.sent(reference) == []
    assert (None, "over_captured") in refund_desk.anomalies(session_id)


@pytest.mark.parametrize("change", ["second payment", "larger payment"])
def test_in_full_is_not_sent_when_it_would_mean_something_else(refund_desk: RefundDesk, change: str) -> None:
    """Without an amount the bank decides how much: what was asked for has to be all there is."""
    session_id = refund_desk.paid_session(100_00)
    reference = refund_desk.ask(session_id)
    payments = refund_desk.bank_payments(session_id)
    if change == "second payment":
        second = refund_desk.bank_payments(refund_desk.paid_session(100_00))
        payments.append(second.pop())
    else:
        payments[0].amount_minor = 150_00
    refund = refund_desk.send(reference)
    assert (refund.state, refund.review) == ("queued", "no_longer_fits")
    assert refund_desk.wire.sent(reference) == []


@pytest.mark.parametrize("what", ["bank_url", "project"])
def test_what_was_asked_of_another_bank_is_never_sent(refund_desk: RefundDesk, what: str) -> None:
    reference = refund_desk.ask(refund_desk.paid_session())
    with refund_desk.desk.write() as tx:
        setattr(tx.get_one(Refund, refund_desk.refund(reference).id), what, "https://elsewhere.test")
    calls = len(refund_desk.wire.calls)
    refund = refund_desk.send(reference)
    assert (refund.state, refund.review) == ("queued", "other_bank")
    refund_desk.run_for(hours=30)
    assert [call for call in refund_desk.wire.calls[calls:] if call.method == REFUND] == []


def test_what_was_undone_meanwhile_is_not_put_under_review(refund_desk: RefundDesk) -> None:
    reference = refund_desk.ask(refund_desk.paid_session())
    with refund_desk.desk.write() as tx:
        tx.get_one(Refund, refund_desk.refund(reference).id).bank_url = "https://elsewhere.test"
    refund_desk.cancel(reference)
    sending.send(refund_desk.desk, reference)
    assert refund_desk.refund(reference).review == ""


# One at a time


def test_a_session_has_one_refund_under_way_at_most(refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    first, second = refund_desk.ask(session_id, 10_00), refund_desk.ask(session_id, 20_00)
    refund_desk.clock.advance(10)
    refund_desk.wire.next(REFUND, meanwhile(lambda: sending.send(refund_desk.desk, second)))
    sending.send(refund_desk.desk, first)
    assert [refund_desk.refund(each).state for each in (first, second)] == ["in_progress", "queued"]
    assert refund_desk.attempts(second) == []
    refund_desk.run_for(minutes=5)
    assert [refund_desk.refund(each).state for each in (first, second)] == ["accepted", "accepted"]


@on_both
def test_sending_one_refund_twice_at_once_sends_it_once(refund_desk: RefundDesk) -> None:
    reference = refund_desk.ask(refund_desk.paid_session())
    refund_desk.clock.advance(10)
    refund_desk.wire.next(STATUS, meanwhile(lambda: sending.send(refund_desk.desk, reference)))
    sending.send(refund_desk.desk, reference)
    assert len(refund_desk.wire.sent(reference)) == len(refund_desk.attempts(reference)) == 1


def test_nothing_of_a_session_is_sent_while_people_have_to_look_at_it(refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    first, second = refund_desk.ask(session_id, 80_00), refund_desk.ask(session_id, 10_00)
    refund_desk.bank.charge_back(session_id, 50_00)
    refund_desk.send(first)
    assert refund_desk.refund(first).review
    sending.send(refund_desk.desk, second)
    assert (refund_desk.refund(second).state, refund_desk.refund(second).review) == ("queued", "")
    refund_desk.run_for(hours=2)
    assert refund_desk.wire.sent(second) == []


def test_what_came_under_review_after_it_was_claimed_is_not_sent(refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session()
    reference = refund_desk.ask(session_id)
    refund_desk.clock.advance(5)
    claimed = worker.due_work(refund_desk.desk, 10)
    restore.after_restore(refund_desk.desk, "command line")
    refund_desk.clock.advance(minutes=20)
    refund_desk.read(session_id)
    sending.resume(refund_desk.desk, "command line")
    for work in claimed:
        worker.carry_out(refund_desk.desk, work)
    assert (refund_desk.refund(reference).state, refund_desk.refund(reference).review) == ("queued", "restored")
    assert refund_desk.attempts(reference) == []


@on_both
def test_the_database_itself_takes_one_open_send_of_a_session(refund_desk: RefundDesk) -> None:
    """Behind the rule: whatever goes wrong in it, no second refund of the session sets out."""
    session_id = refund_desk.paid_session(100_00)
    first, second = refund_desk.ask(session_id, 10_00), refund_desk.ask(session_id, 20_00)
    for one, other in (("sending", "sending"), ("sending", "unknown"), ("unknown", "unknown")):
        states = case((Refund.reference == first, one), (Refund.reference == second, other))
        with pytest.raises(IntegrityError), refund_desk.desk.write() as tx:
            tx.execute(update(Refund).where(Refund.session_id == session_id).values(state=states))


# Commits and crashes


def expect_not_sent(refund_desk: RefundDesk, reference: str) -> None:
    [attempt] = refund_desk.attempts(reference)
    assert (attempt.outcome, refund_desk.refund(reference).state) == ("never_connected", "queued")
    assert refund_desk.wire.sent(reference) == []


def expect_not_sent_when(refund_desk: RefundDesk, dawdle: Callable[[], None]) -> str:
    """Something takes its time between the commit of the attempt and the call."""
    reference = refund_desk.ask(refund_desk.paid_session())
    refund_desk.clock.advance(5)

    def once() -> None:
        if refund_desk.wire.calls[-1].method == STATUS and not refund_desk.attempts(reference)[0].outcome:
            dawdle()

    with at_each_commit(AFTER, once):
        sending.send(refund_desk.desk, reference)
    expect_not_sent(refund_desk, reference)
    return reference


def test_after_the_host_was_suspended_nothing_is_sent(refund_desk: RefundDesk) -> None:
    expect_not_sent_when(refund_desk, lambda: refund_desk.clock.shift(GRACE_S + 0.001))


def test_after_a_commit_during_which_the_clock_was_set_back_nothing_is_sent(refund_desk: RefundDesk) -> None:
    def slow() -> None:
        refund_desk.clock.advance(GRACE_S + 0.001)
        refund_desk.clock.shift(-GRACE_S)

    expect_not_sent_when(refund_desk, slow)


def test_after_a_slow_commit_nothing_is_sent(refund_desk: RefundDesk) -> None:
    reference = expect_not_sent_when(refund_desk, lambda: refund_desk.clock.advance(GRACE_S + 0.001))
    refund_desk.run_for(minutes=5)
    assert refund_desk.refund(reference).state == "accepted"
    assert len(refund_desk.wire.sent(reference)) == 1


class ConnectionLost(Exception):
    """The commit may or may not have gone through."""


@pytest.mark.parametrize("when", [BEFORE, AFTER])
def test_after_a_commit_that_raised_nothing_is_sent(refund_desk: RefundDesk, when: str) -> None:
    reference = refund_desk.ask(refund_desk.paid_session())
    refund_desk.clock.advance(5)

    def lose_connection() -> None:
        raise ConnectionLost

    with at_each_commit(when, lose_connection), pytest.raises(ConnectionLost):
        sending.send(refund_desk.desk, reference)
    assert refund_desk.wire.sent(reference) == []
    assert refund_desk.refund(reference).state == ("queued" if when == BEFORE else "sending")
    refund_desk.run_for(hours=2)
    assert refund_desk.refund(reference).state == "accepted"
    assert len(refund_desk.wire.sent(reference)) == 1


@pytest.mark.parametrize("moment", [crash_before, crash_after])
def test_a_process_that_died_while_sending_leaves_an_unknown_outcome(refund_desk: RefundDesk, moment: Fault) -> None:
    session_id = refund_desk.paid_session()
    reference = refund_desk.ask(session_id)
    refund_desk.clock.advance(5)
    refund_desk.wire.next(REFUND, moment)
    with pytest.raises(Crash):
        sending.send(refund_desk.desk, reference)
    [attempt] = refund_desk.attempts(reference)
    refund_desk.clock.advance_to(attempt.lease_until)
    refund_desk.work()
    sending.expire_sending(refund_desk.desk, reference)
    assert refund_desk.refund(reference).state == "sending", "its lease is not over yet"
    refund_desk.clock.advance(0.001)
    due = worker.due_work(refund_desk.desk, 10)
    assert worker.Work("expire", reference) in due
    sending.expire_sending(refund_desk.desk, reference)
    assert refund_desk.refund(reference).state == "unknown"
    refund_desk.run_for(hours=2)
    assert refund_desk.refund(reference).state == "accepted"
    assert len(refund_desk.bank_refunds(session_id)) == len(refund_desk.wire.sent(reference)) == 1


def test_expiring_leaves_alone_what_is_no_longer_being_sent(refund_desk: RefundDesk) -> None:
    reference = refund_desk.ask_and_send(refund_desk.paid_session())
    refund_desk.clock.advance(hours=1)
    sending.expire_sending(refund_desk.desk, reference)
    assert refund_desk.refund(reference).state == "in_progress"


# Pausing


def test_while_sending_is_paused_nothing_goes_out(refund_desk: RefundDesk) -> None:
    reference = refund_desk.ask(refund_desk.paid_session())
    sending.pause(refund_desk.desk, "admin@desk.test", "bank asked for it")
    refund_desk.run_for(hours=1)
    sending.send(refund_desk.desk, reference)
    assert (refund_desk.refund(reference).state, refund_desk.attempts(reference)) == ("queued", [])
    sending.resume(refund_desk.desk, "admin@desk.test")
    refund_desk.run_for(minutes=5)
    assert refund_desk.refund(reference).state == "accepted"


def test_every_pause_is_on_record_and_what_a_resume_ends(refund_desk: RefundDesk) -> None:
    for verb in (sending.pause, sending.pause):
        verb(refund_desk.desk, "admin@desk.test", "holidays")
    for verb in (sending.resume, sending.resume):
        verb(refund_desk.desk, "admin@desk.test")
    entries = refund_desk.journal("installation")
    assert [(entry.action, entry.actor) for entry in entries] == [
        ("sending:paused", "admin@desk.test"),
        ("sending:paused", "admin@desk.test"),
        ("sending:resumed", "admin@desk.test"),
    ]
    assert [json.loads(entry.data) for entry in entries[1:]] == [{"why": "holidays"}, {"ended": ["holidays"]}]


def test_every_reason_for_a_pause_stands_until_it_is_resumed(refund_desk: RefundDesk) -> None:
    sending.pause(refund_desk.desk, "a@desk.test", "new keys")
    refund_desk.clock.advance(60)
    sending.pause(refund_desk.desk, "b@desk.test", "incident:\ndo not resume")
    reasons = ["new keys", "incident: do not resume"]
    with refund_desk.desk.read() as session:
        assert pauses.reasons(session) == reasons
    assert [(entry.actor, json.loads(entry.data)["why"]) for entry in refund_desk.journal("installation")] == [
        ("a@desk.test", reasons[0]),
        ("b@desk.test", reasons[1]),
    ]
    assert sending.resume(refund_desk.desk, "a@desk.test") == reasons
    with refund_desk.desk.read() as session:
        assert (pauses.is_paused(session), pauses.reasons(session)) == (False, [])
    assert json.loads(refund_desk.journal("installation")[-1].data) == {"ended": reasons}


def test_what_is_being_sent_when_sending_is_paused_is_carried_to_its_end(refund_desk: RefundDesk) -> None:
    reference = refund_desk.ask(refund_desk.paid_session())
    pause = meanwhile(lambda: sending.pause(refund_desk.desk, "admin@desk.test", "now"))
    refund_desk.wire.next(REFUND, pause)
    assert refund_desk.send(reference).state == "in_progress"


@pytest.mark.usefixtures("unhurried")
def test_a_session_that_is_shown_in_part_only_holds_a_refund_up_and_in_the_end_goes_to_people(
    refund_desk: RefundDesk,
) -> None:
    session_id = refund_desk.paid_session(100_00)
    reference = refund_desk.ask(session_id, 10_00)
    refund_desk.bank.refund_here(session_id, 1_00)
    refund_desk.bank_refunds(session_id)[0].status = "on_hold"
    refund_desk.run_for(minutes=sending.MOST_LOOKS + 10)
    refund_desk.run_in_steps(4, hours=1)
    refund_desk.run_for(minutes=10)
    waiting = refund_desk.refund(reference)
    assert (waiting.state, waiting.review, waiting.next_send_at is None) == ("queued", "", False)
    refund_desk.run_for(minutes=5)
    after = refund_desk.refund(reference)
    assert (after.state, after.review, after.next_send_at) == ("queued", "not_whole", None)
    assert refund_desk.attempts(reference) == []
    refund_desk.cancel(reference)
    assert refund_desk.refund(reference).state == "cancelled"


@on_sqlite
@pytest.mark.usefixtures("unhurried")
@pytest.mark.parametrize(
    ("answer", "review"),
    [
        (answered(200, b"{"), "not_whole"),
        (error("no_such_session", 404), "not_whole"),
        (lose_request, ""),
        (answered(502, b"<html>"), ""),
    ],
)
def test_a_session_that_is_never_shown_goes_to_people_in_the_end_unless_the_bank_is_down(
    refund_desk: RefundDesk, answer: Fault, review: str
) -> None:
    reference = refund_desk.ask(refund_desk.paid_session(100_00), 10_00)
    refund_desk.wire.next(STATUS, *[answer] * 500)
    refund_desk.run_for(minutes=sending.MOST_LOOKS + 10)
    refund_desk.run_in_steps(4, hours=1)
    refund_desk.run_for(minutes=10)
    assert (refund_desk.refund(reference).state, refund_desk.refund(reference).review) == ("queued", "")
    refund_desk.run_for(minutes=5)
    after = refund_desk.refund(reference)
    assert (after.state, after.review, after.next_send_at is None) == ("queued", review, review != "")
    assert refund_desk.attempts(reference) == []
    refund_desk.cancel(reference)
    assert refund_desk.refund(reference).state == "cancelled"


@pytest.mark.parametrize("spoil", [lambda body: body.replace(b"1000", b"9000"), lambda body: body[:-1]])
def test_bytes_that_do_not_say_what_was_asked_for_are_never_sent(
    refund_desk: RefundDesk, spoil: Callable[[bytes], bytes]
) -> None:
    refund_desk.is_tampered = True
    session_id = refund_desk.paid_session(100_00)
    reference = refund_desk.ask(session_id, 10_00)
    with refund_desk.desk.write() as tx:
        refund = tx.get_one(Refund, refund_desk.refund(reference).id)
        refund.body = spoil(refund.body or b"")
    after = refund_desk.send(reference)
    assert (after.state, after.review) == ("queued", "body_changed")
    assert refund_desk.bank_refunds(session_id) == []
