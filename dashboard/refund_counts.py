"""How many refunds are in each state, as the database counts them itself, however many there are."""

from collections import Counter

from sqlalchemy import delete, func, insert, literal, select, text, union_all
from sqlalchemy.orm import Session

from dashboard.desk import Books
from dashboard.journal import WriteSession
from dashboard.models import Refund, RefundCount

BATCH = 5000
# As many rows are read in no time, and are not worth a write.
FEW = 100


def by_state(session: Session) -> Counter[str]:
    """How many refunds are in each state."""
    query = select(RefundCount.state, func.sum(RefundCount.delta)).group_by(RefundCount.state)
    return Counter({state: int(count) for state, count in session.execute(query)})


def gather(books: Books, batch: int = BATCH) -> None:
    """Add the rows of counts up, so many at a time, until few are left, so that reading them stays quick."""
    while not _are_few(books):
        # What another worker adds up just now is left to it.
        if _add_up(books, batch) < batch:
            return


def _are_few(books: Books) -> bool:
    with books.read() as session:
        return session.scalars(select(RefundCount.id).offset(FEW).limit(1)).first() is None


def _add_up(books: Books, most: int) -> int:
    with books.write() as tx:
        some = select(RefundCount).order_by(RefundCount.id).limit(most)
        rows = tx.scalars(some.with_for_update(skip_locked=True)).all()
        counted: Counter[str] = Counter()
        for row in rows:
            counted[row.state] += row.delta
        tx.execute(delete(RefundCount).where(RefundCount.id.in_([row.id for row in rows])))
        tx.add_all(RefundCount(state=state, delta=delta) for state, delta in counted.items() if delta)
    return len(rows)


def put_right(tx: WriteSession) -> None:
    """Count all refunds anew: a database that was put back in parts may have counted some twice, or not at all."""
    if tx.get_bind().dialect.name == "postgresql":
        # Two at once would both put right what both have seen.
        tx.execute(text("LOCK TABLE refund_counts IN SHARE ROW EXCLUSIVE MODE"))
    there = select(Refund.state.label("state"), literal(1).label("delta"))
    counted = select(RefundCount.state, -RefundCount.delta)
    # One statement sees one moment.
    both = union_all(there, counted).subquery()
    off = func.sum(both.c.delta)
    tx.execute(
        insert(RefundCount).from_select(
            ["state", "delta"], select(both.c.state, off).group_by(both.c.state).having(off != 0)
        )
    )
