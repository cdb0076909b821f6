"""The worker: what it claims, what it does, and that any number of them get along."""

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import select, text

from dashboard import ledger, sending, webhook_inbox, worker
from dashboard.desk import Desk
from dashboard.models import PaymentSession, Refund, WebhookDelivery, WorkerBeat
from dashboard.worker import Work
from tests.bench.blocked import wait_until_blocked
from tests.bench.databases import on_both, on_postgresql
from tests.bench.refund_desk import RefundDesk
from tests.bench.wire import REFUND, STATUS, Crash, Fault, crash_after, crash_before, lose_request, meanwhile

pytestmark = on_both


def wait_for(condition: Callable[[], object], within_s: float = 30) -> None:
    deadline_s = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline_s, "it did not come to that"
        time.sleep(0.01)


# Claims


def test_nothing_is_due_on_an_empty_desk(desk: Desk) -> None:
    assert worker.due_work(desk, 10) == []


def test_each_kind_of_work_is_found(refund_desk: RefundDesk) -> None:
    stuck = refund_desk.ask(refund_desk.paid_session())
    refund_desk.clock.advance(5)
    refund_desk.wire.next(REFUND, crash_before)
    with pytest.raises(Crash):
        sending.send(refund_desk.desk, stuck)
    refund_desk.clock.advance(60)
    session_id = refund_desk.paid_session()
    queued = refund_desk.ask(session_id)
    delivery_id = webhook_inbox.store(refund_desk.desk, refund_desk.wire.webhook_now(session_id))
    other_id = refund_desk.paid_session()
    refund_desk.deliver(refund_desk.wire.webhook_now(other_id))
    refund_desk.clock.advance(5)
    assert worker.due_work(refund_desk.desk, 10) == [
        Work("apply", str(delivery_id)),
        Work("expire", stuck),
        Work("send", queued),
        Work("read", other_id),
    ]


def test_what_is_claimed_is_not_claimed_again_until_the_claim_lapses(refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session()
    reference = refund_desk.ask(session_id)
    webhook_inbox.store(refund_desk.desk, refund_desk.wire.webhook_now(session_id))
    other_id = refund_desk.paid_session()
    refund_desk.deliver(refund_desk.wire.webhook_now(other_id))
    refund_desk.clock.advance(5)
    claimed = worker.due_work(refund_desk.desk, 10)
    assert len(claimed) == 3
    assert worker.due_work(refund_desk.desk, 10) == []
    refund_desk.clock.advance(worker.CLAIM_MARGIN_S + 2 * refund_desk.desk.config.timeout_s - 0.001)
    assert worker.due_work(refund_desk.desk, 10) == []
    refund_desk.clock.advance(0.001)
    assert sorted(work.kind for work in worker.due_work(refund_desk.desk, 10)) == ["apply", "read", "send"]
    assert refund_desk.refund(reference).state == "queued"


def test_no_more_is_claimed_than_asked_for(refund_desk: RefundDesk) -> None:
    references = [refund_desk.ask(refund_desk.paid_session()) for _ in range(3)]
    refund_desk.clock.advance(5)
    assert [work.key for work in worker.due_work(refund_desk.desk, 2)] == references[:2]
    assert [work.key for work in worker.due_work(refund_desk.desk, 2)] == references[2:]


def test_what_is_in_the_way_is_not_even_claimed(refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    first, second = refund_desk.ask(session_id, 10_00), refund_desk.ask(session_id, 20_00)
    refund_desk.clock.advance(5)
    refund_desk.wire.next(REFUND, lose_request)
    sending.send(refund_desk.desk, first)
    assert not any(work.kind == "send" for work in worker.due_work(refund_desk.desk, 10))
    assert refund_desk.refund(second).next_send_at == refund_desk.clock.now()


def test_while_sending_is_paused_the_rest_goes_on(refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session()
    refund_desk.ask(session_id)
    sending.pause(refund_desk.desk, "admin@desk.test", "wait")
    webhook_inbox.store(refund_desk.desk, refund_desk.wire.webhook_now(session_id))
    refund_desk.clock.advance(5)
    assert {work.kind for work in refund_desk.work()} == {"apply", "read"}


@on_postgresql
def test_two_workers_share_what_is_due(refund_desk: RefundDesk) -> None:
    """Each skips what the other has locked, and neither waits."""
    for _ in range(4):
        refund_desk.ask(refund_desk.paid_session())
    refund_desk.clock.advance(5)
    now = refund_desk.clock.now()
    until = now + timedelta(seconds=70)
    with refund_desk.desk.write() as first, refund_desk.desk.write(500) as second:
        one = list(worker._claim(first, {worker.SEND}, now, until, 2))
        other = list(worker._claim(second, {worker.SEND}, now, until, 10))
    assert (len(one), len(other)) == (2, 2)
    assert {work.key for work in one}.isdisjoint({work.key for work in other})


@on_postgresql
def test_a_claim_does_not_wait_for_whoever_holds_a_session(refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session()
    refund_desk.ask(session_id)
    refund_desk.deliver(refund_desk.wire.webhook_now(session_id))
    other_id = refund_desk.paid_session()
    refund_desk.deliver(refund_desk.wire.webhook_now(other_id))
    refund_desk.clock.advance(5)
    with refund_desk.desk.write() as holder:
        holder.execute(select(PaymentSession).where(PaymentSession.id == session_id).with_for_update()).all()
        holder.execute(select(Refund).where(Refund.session_id == session_id).with_for_update()).all()
        assert worker.due_work(refund_desk.desk, 10) == [Work("read", other_id)]


@on_postgresql
def test_a_claim_skips_what_a_verb_is_at_work_on(refund_desk: RefundDesk) -> None:
    reference = refund_desk.ask(refund_desk.paid_session())
    refund_desk.clock.advance(5)
    with refund_desk.desk.write() as tx:
        ledger.lock_by_reference(tx, reference)
        assert worker.due_work(refund_desk.desk, 10) == []
    assert worker.due_work(refund_desk.desk, 10) == [Work("send", reference)]


def test_two_workers_never_send_twice(refund_desk: RefundDesk) -> None:
    references = [refund_desk.ask(refund_desk.paid_session(100_00), 10_00) for _ in range(8)]
    references += [refund_desk.ask(refund_desk.refund(references[0]).session_id, 1_00) for _ in range(3)]
    refund_desk.clock.advance(5)
    until_s = time.monotonic() + 60

    def work_on() -> None:
        while any(refund.state == "queued" for refund in map(refund_desk.refund, references)):
            assert time.monotonic() < until_s
            work = worker.due_work(refund_desk.desk, 3)
            for one in work:
                worker.carry_out(refund_desk.desk, one)
            if not work:
                # One put off, behind another of its session, is due a second later.
                refund_desk.clock.advance(0.01)

    with ThreadPoolExecutor(3) as pool:
        for future in [pool.submit(work_on) for _ in range(3)]:
            future.result(90)
    assert [len(refund_desk.wire.sent(reference)) for reference in references] == [1] * 11
    assert {refund_desk.refund(reference).state for reference in references} == {"in_progress"}


def test_a_claim_that_lapsed_while_its_worker_was_slow_does_no_harm(refund_desk: RefundDesk) -> None:
    """The first worker hangs in its last look for so long that a second one takes the refund on."""
    reference = refund_desk.ask(refund_desk.paid_session())
    refund_desk.clock.advance(5)

    def second_worker() -> None:
        refund_desk.clock.advance(worker.CLAIM_MARGIN_S + 2 * refund_desk.desk.config.timeout_s)
        refund_desk.work()

    refund_desk.wire.next(STATUS, meanwhile(second_worker))
    refund_desk.work()
    assert len(refund_desk.wire.sent(reference)) == len(refund_desk.attempts(reference)) == 1


# Carrying out


def test_a_bank_that_does_not_answer_a_read_is_part_of_life(
    refund_desk: RefundDesk, caplog: pytest.LogCaptureFixture
) -> None:
    session_id = refund_desk.paid_session()
    refund_desk.wire.next(STATUS, lose_request)
    refund_desk.deliver(refund_desk.wire.webhook_now(session_id))
    assert refund_desk.work() == [Work("read", session_id)]
    assert f"session {session_id} could not be read: the bank did not answer" in caplog.text
    assert refund_desk.session(session_id).next_read_at == refund_desk.clock.now() + timedelta(seconds=1)


@pytest.mark.parametrize("moment", [crash_before, crash_after])
def test_a_worker_that_dies_over_a_read_leaves_it_to_another(refund_desk: RefundDesk, moment: Fault) -> None:
    session_id = refund_desk.paid_session()
    refund_desk.deliver(refund_desk.wire.webhook_now(session_id))
    refund_desk.wire.next(STATUS, moment)
    with pytest.raises(Crash):
        refund_desk.work()
    refund_desk.run_for(75)
    assert refund_desk.session(session_id).confirmed_at is not None
    assert len(refund_desk.wire.calls) == 2


# Signs of life


def test_a_beat_tells_when_a_worker_was_last_alive(desk: Desk, refund_desk: RefundDesk) -> None:
    worker.beat(desk, "one")
    refund_desk.clock.advance(30)
    worker.beat(desk, "one")
    with desk.read() as session:
        assert [(beat.worker_id, beat.at) for beat in session.scalars(select(WorkerBeat))] == [
            ("one", refund_desk.clock.now())
        ]


def test_workers_long_gone_are_forgotten(desk: Desk, refund_desk: RefundDesk) -> None:
    worker.beat(desk, "old")
    refund_desk.clock.advance(3601)
    worker.beat(desk, "new")
    with desk.read() as session:
        assert list(session.scalars(select(WorkerBeat.worker_id))) == ["new"]


@on_postgresql
def test_two_workers_forget_the_same_one(desk: Desk, refund_desk: RefundDesk) -> None:
    worker.beat(desk, "old")
    refund_desk.clock.advance(3601)
    with ThreadPoolExecutor(1) as pool:
        with desk.write() as tx:
            tx.execute(text("DELETE FROM worker_beats WHERE worker_id = 'old'"))
            other = pool.submit(worker.beat, desk, "new")
            wait_until_blocked(desk)
        other.result(30)


# The loop, in real time


def test_the_loop_does_all_of_it_and_ends_when_told(refund_desk: RefundDesk) -> None:
    references = [refund_desk.ask(refund_desk.paid_session()) for _ in range(5)]
    refund_desk.clock.advance(5)
    stop = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        loop = pool.submit(worker.run, refund_desk.desk, stop)
        wait_for(lambda: {refund_desk.refund(each).state for each in references} == {"in_progress"})
        stop.set()
        loop.result(10)
    with refund_desk.desk.read() as session:
        assert session.scalars(select(WorkerBeat)).one().at == refund_desk.clock.now()


def test_what_is_under_way_is_finished_before_it_ends(refund_desk: RefundDesk) -> None:
    reference = refund_desk.ask(refund_desk.paid_session())
    refund_desk.clock.advance(5)
    stop, called, go_on = threading.Event(), threading.Event(), threading.Event()

    def hang() -> None:
        called.set()
        assert go_on.wait(30)

    refund_desk.wire.next(REFUND, meanwhile(hang))
    with ThreadPoolExecutor(1) as pool:
        loop = pool.submit(worker.run, refund_desk.desk, stop)
        assert called.wait(30)
        stop.set()
        assert not loop.done()
        go_on.set()
        loop.result(30)
    assert refund_desk.refund(reference).state == "in_progress"


def test_a_failure_does_not_end_the_loop(refund_desk: RefundDesk, caplog: pytest.LogCaptureFixture) -> None:
    session_id = refund_desk.paid_session()
    refund_desk.deliver(refund_desk.wire.webhook_now(session_id))
    other_id = refund_desk.paid_session()
    refund_desk.deliver(refund_desk.wire.webhook_now(other_id))

    def fail() -> None:
        raise ZeroDivisionError

    refund_desk.wire.next(STATUS, meanwhile(fail))
    stop = threading.Event()
    with caplog.at_level(logging.ERROR), ThreadPoolExecutor(1) as pool:
        loop = pool.submit(worker.run, refund_desk.desk, stop)
        wait_for(lambda: len(refund_desk.wire.calls) == 2)
        wait_for(lambda: any(refund_desk.session(each).confirmed_at for each in (session_id, other_id)))
        stop.set()
        loop.result(30)
    assert "failed, it will be tried again" in caplog.text


def test_a_database_that_is_away_does_not_end_the_loop(
    refund_desk: RefundDesk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    reference = refund_desk.ask(refund_desk.paid_session())
    refund_desk.clock.advance(5)
    due_work = worker.due_work
    failures: list[int] = []

    def away_at_first(desk: Desk, limit: int) -> list[Work]:
        if len(failures) < 2:
            failures.append(1)
            raise ConnectionError
        return due_work(desk, limit)

    monkeypatch.setattr(worker, "due_work", away_at_first)
    stop = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        loop = pool.submit(worker.run, refund_desk.desk, stop)
        wait_for(lambda: refund_desk.refund(reference).state == "in_progress")
        stop.set()
        loop.result(30)
    assert "the database could not be asked for work" in caplog.text


def test_deliveries_come_first(refund_desk: RefundDesk) -> None:
    """They cost no call, and what they say may spare one."""
    session_id = refund_desk.paid_session()
    reference = refund_desk.ask(session_id)
    refund_desk.bank.refund_here(session_id, 100_00, {"reference": reference})
    webhook_inbox.store(refund_desk.desk, refund_desk.wire.last_webhook(session_id))
    refund_desk.clock.advance(5)
    refund_desk.work()
    assert refund_desk.refund(reference).state == "accepted"
    with refund_desk.desk.read() as session:
        assert session.scalars(select(WebhookDelivery)).one().applied_at is not None
    assert refund_desk.wire.sent(reference) == []
