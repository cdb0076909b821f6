"""How many refunds are in each state: counted by the database, whoever changes one, and quick to read."""

from collections import Counter

import pytest
from sqlalchemy import delete, func, select, text, update

from dashboard import refund_counts, restore
from dashboard.models import PaymentSession, Refund, RefundCount
from tests.bench.databases import on_both
from tests.bench.refund_desk import RefundDesk
from tests.bench.wire import REFUND, lose_request

pytestmark = on_both


def counted(refund_desk: RefundDesk) -> Counter[str]:
    with refund_desk.desk.read() as session:
        return +refund_counts.by_state(session)


def rows(refund_desk: RefundDesk) -> int:
    with refund_desk.desk.read() as session:
        return session.scalars(select(func.count()).select_from(RefundCount)).one()


def test_each_step_of_a_refund_is_counted(refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    assert counted(refund_desk) == {}
    reference = refund_desk.ask(session_id, 10_00)
    refund_desk.ask(refund_desk.paid_session(100_00), 10_00)
    assert counted(refund_desk) == {"queued": 2}
    refund_desk.wire.next(REFUND, lose_request)
    refund_desk.send(reference)
    assert counted(refund_desk) == {"in_progress": 1, "unknown": 1}


def test_what_is_rolled_back_is_not_counted(refund_desk: RefundDesk) -> None:
    reference = refund_desk.ask(refund_desk.paid_session(100_00), 10_00)
    with refund_desk.desk.write() as tx:
        tx.execute(update(Refund).where(Refund.reference == reference).values(state="unknown"))
        tx.rollback()
    assert counted(refund_desk) == {"queued": 1}


def test_rows_that_go_and_states_that_stay_are_counted_for_what_they_are(refund_desk: RefundDesk) -> None:
    kept, gone = (refund_desk.ask(refund_desk.paid_session(100_00), 10_00) for _ in range(2))
    refund_desk.is_tampered = True
    with refund_desk.desk.write() as tx:
        tx.execute(update(Refund).values(state="queued"))
        assert tx.scalars(select(func.count()).select_from(RefundCount)).one() == 2
        tx.execute(delete(Refund).where(Refund.reference == gone))
    assert counted(refund_desk) == {"queued": 1}
    assert refund_desk.refund(kept).state == "queued"


def test_many_rows_are_added_up_and_few_are_left_alone(
    refund_desk: RefundDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        refund_desk.ask_and_send(refund_desk.paid_session(100_00), 10_00)
    before, many = counted(refund_desk), rows(refund_desk)
    refund_counts.gather(refund_desk.desk)
    assert rows(refund_desk) == many
    monkeypatch.setattr(refund_counts, "FEW", 2)
    refund_counts.gather(refund_desk.desk, batch=4)
    assert counted(refund_desk) == before
    assert rows(refund_desk) <= 4
    refund_counts.gather(refund_desk.desk)
    assert counted(refund_desk) == before
    assert rows(refund_desk) == len(before)


@pytest.mark.parametrize(
    "harm", ["DELETE FROM refund_counts", "INSERT INTO refund_counts (state, delta) VALUES ('queued', 3), ('error', 1)"]
)
def test_a_restore_counts_anew(refund_desk: RefundDesk, harm: str) -> None:
    refund_desk.ask(refund_desk.paid_session(100_00), 10_00)
    refund_desk.ask_and_send(refund_desk.paid_session(100_00), 10_00)
    before = counted(refund_desk)
    with refund_desk.desk.write() as tx:
        tx.execute(text(harm))
    assert counted(refund_desk) != before
    restore.after_restore(refund_desk.desk, "test")
    assert counted(refund_desk) == before
    with refund_desk.desk.read() as session:
        assert session.scalars(select(func.count()).select_from(PaymentSession)).one() == 2
