"""What has to happen right after the database was put back from a backup, before anything is sent."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import or_, select, update

from dashboard import ledger, refund_rules
from dashboard.desk import Books
from dashboard.journal import WriteSession
from dashboard.models import Installation, PaymentSession, Refund

# Of these nobody can know what was sent of them after the backup was made.
_MAY_HAVE_BEEN_SENT = frozenset({refund_rules.QUEUED, refund_rules.SENDING, refund_rules.UNKNOWN})


@dataclass(frozen=True)
class Restored:
    """What was done: refunds put under review, and sessions of which a read was asked for."""

    at: datetime
    under_review: int
    to_read: int


def after_restore(books: Books, actor: str) -> Restored:
    """Pause sending, let people look at every refund that may have been sent since, have open sessions read."""
    with books.write() as tx:
        now = tx.clock.now()
        sessions, refunds = _lock_open(tx)
        doubtful = [one for one in refunds if not one.review]
        for refund in doubtful:
            ledger.flag_review(tx, refund, "restored")
        for session in sessions:
            ledger.ask_read(session, now)
        _pause(tx, actor, now)
        done = Restored(now, len(doubtful), len(sessions))
        counts = {"under_review": done.under_review, "to_read": done.to_read}
        tx.record(actor, "installation:restored", "installation", **counts)
    return done


def _lock_open(tx: WriteSession) -> tuple[Sequence[PaymentSession], Sequence[Refund]]:
    """Sessions with a refund that is open or under review, and the refunds that may have been sent, locked in order."""
    is_open = or_(Refund.state.in_(refund_rules.OPEN), Refund.review != "")
    ids = select(Refund.session_id).where(is_open)
    query = select(PaymentSession).where(PaymentSession.id.in_(ids)).order_by(PaymentSession.id)
    sessions = tx.scalars(query.with_for_update(key_share=True)).all()
    doubtful = select(Refund).where(Refund.state.in_(_MAY_HAVE_BEEN_SENT)).order_by(Refund.id)
    return sessions, tx.scalars(doubtful.with_for_update()).all()


def _pause(tx: WriteSession, actor: str, now: datetime) -> None:
    tx.execute(update(Installation).values(restored_at=now, sending_paused_at=now, sending_paused_why="restored"))
    tx.record(actor, "sending:paused", "installation", why="restored")
