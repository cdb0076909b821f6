"""How many refunds are in each state, as the database counts them itself, however many there are."""

from collections import Counter

from sqlalchemy import delete, func, insert, literal, select, union_all
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


def gather(books: Books, most: int = BATCH) -> int:
    """Add up at most so many rows of counts, so that reading them stays quick; how many those were.

    What another worker adds up just now is left to it.
    """
    with books.read() as session:
        if session.scalars(select(RefundCount.id).offset(FEW).limit(1)).first() is None:
            return 0
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
