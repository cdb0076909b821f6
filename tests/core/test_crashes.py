"""The process dies at any point of a refund's life: before and after every commit, before and after every call."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta

import pytest

from dashboard.models import PaymentSession, Refund
from tests.bench.commits import AFTER, BEFORE, at_each_commit
from tests.bench.databases import on_sqlite
from tests.bench.refund_desk import RefundDesk, order
from tests.bench.wire import REFUND, Crash, Fault, error, lose_answer, lose_request, refuse_connection


class Bomb:
    """Goes off, once, at a point of the run; `points` says how many there were."""

    def __init__(self, at: int) -> None:
        self.at = at
        self.points = 0

    def tick(self) -> None:
        self.points += 1
        if self.points == self.at:
            raise Crash


@contextmanager
def armed(refund_desk: RefundDesk, at: int) -> Iterator[Bomb]:
    bomb = Bomb(at)
    with ExitStack() as stack:
        stack.enter_context(at_each_commit(BEFORE, bomb.tick))
        stack.enter_context(at_each_commit(AFTER, bomb.tick))
        refund_desk.wire.watch = bomb.tick
        yield bomb
        refund_desk.wire.watch = lambda: None


def restarted_after_a_crash(*verbs: Callable[[], object]) -> None:
    """Do one after another; what was cut off by the crash is done again."""
    for verb in verbs:
        try:
            verb()
        except Crash:
            verb()


def live_through(refund_desk: RefundDesk, faults: list[Fault], crash_at: int) -> tuple[int, Refund]:
    """One refund's life with a crash at that point; how many points there were, and what became of it."""
    person, session_id = refund_desk.person(), refund_desk.paid_session(100_00)
    token = refund_desk.form(session_id)
    refund_desk.wire.next(REFUND, *faults)

    def ask() -> None:
        refund_desk.submit(session_id, token, order(10_00), person)

    def webhook() -> None:
        if refund_desk.bank_refunds(session_id):
            refund_desk.deliver(refund_desk.wire.webhook_now(session_id))

    def pass_time() -> None:
        refund_desk.run_for(6)

    with armed(refund_desk, crash_at) as bomb:
        restarted_after_a_crash(ask, pass_time, webhook, pass_time, webhook)
    refund_desk.run_until(lambda: is_settled(refund_desk, session_id), refund_desk.clock.now() + timedelta(hours=2))
    refund_desk.wire.forget_faults()
    lay_aside(refund_desk, session_id)
    [refund] = refund_desk.refunds(session_id)
    return bomb.points, refund


def lay_aside(refund_desk: RefundDesk, session_id: str) -> None:
    """Its last looks would only take time from the next round."""
    with refund_desk.desk.write() as tx:
        tx.get_one(PaymentSession, session_id).next_read_at = None


def is_settled(refund_desk: RefundDesk, session_id: str) -> bool:
    [refund] = refund_desk.refunds(session_id)
    return refund.ended_at is not None or bool(refund.review)


def sweep(refund_desk: RefundDesk, faults: list[Fault], state: str, review: str, in_bank: int, every: int = 1) -> None:
    points, crash_at = 1, 0
    while crash_at < points:
        crash_at += every
        points_now, refund = live_through(refund_desk, faults, crash_at)
        points = max(points, points_now)
        where = f"crashed at point {crash_at} of {points}"
        assert (refund.state, refund.review) == (state, review), where
        assert len(refund_desk.bank_refunds(refund.session_id)) == in_bank, where
        held_minor = 0 if state == "refused" else 10_00
        assert refund_desk.session(refund.session_id).committed_minor == held_minor, where
    assert points > 15


def test_wherever_it_dies_the_refund_is_made_once_and_its_end_is_known(refund_desk: RefundDesk) -> None:
    sweep(refund_desk, [], "accepted", "", 1)


@on_sqlite
@pytest.mark.parametrize(
    ("faults", "state", "review", "in_bank"),
    [
        ([lose_answer], "accepted", "", 1),
        ([lose_request, lose_request], "unknown", "not_found", 0),
        ([refuse_connection, lose_answer], "accepted", "", 1),
        ([error("refund_amount_exceeded")] * 2, "refused", "", 0),
    ],
    ids=["answer lost", "requests lost", "not reached at first", "said no"],
)
def test_wherever_it_dies_on_a_bad_day_the_truth_is_told(
    refund_desk: RefundDesk, faults: list[Fault], state: str, review: str, in_bank: int
) -> None:
    sweep(refund_desk, faults, state, review, in_bank, every=2)
