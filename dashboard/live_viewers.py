"""How many people look at live pages, in all web processes together."""

from datetime import datetime, timedelta

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from dashboard.desk import Books
from dashboard.models import LiveViewers

# A process that serves any says so more often than this.
HOLDS_FOR = timedelta(seconds=20)
LOCK_WAIT_MS = 200


def note(books: Books, process_id: str, viewers: int) -> None:
    """Say how many one process serves, and forget processes long gone. Raises SQLAlchemyError rather than wait."""
    now = books.clock.now()
    with books.write(lock_wait_ms=LOCK_WAIT_MS) as tx:
        tx.merge(LiveViewers(process_id=process_id, viewers=viewers, at=now))
        tx.execute(delete(LiveViewers).where(LiveViewers.at < now - timedelta(hours=1)))


def total(session: Session, now: datetime) -> int:
    """Live pages that are open now, give or take those opened and closed in the last seconds."""
    lately = LiveViewers.at > now - HOLDS_FOR
    return session.scalars(select(func.coalesce(func.sum(LiveViewers.viewers), 0)).where(lately)).one()
