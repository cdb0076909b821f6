"""What follows when the database was put back from a backup, before anything is asked for or sent again.

What was asked for and sent after the backup is known to the bank alone, and may still be on its way there.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, delete, func, literal, literal_column, or_, select, type_coerce, update
from sqlalchemy.orm import Session

from dashboard import ledger, pauses, refund_counts, refund_rules
from dashboard.config import BooksConfig
from dashboard.db import UtcDateTime
from dashboard.desk import Books
from dashboard.journal import WriteSession
from dashboard.models import HalfSignIn, Installation, Link, PaymentSession, Refund, Resolution, SignIn
from dashboard.models.resolutions import OUTDATED, PROPOSED

# Of these nobody can know what was sent of them after the backup was made.
_MAY_HAVE_BEEN_SENT = frozenset(
    {refund_rules.AWAITING_APPROVAL, refund_rules.QUEUED, refund_rules.SENDING, refund_rules.UNKNOWN}
)
# Older sessions are hardly ever refunded. Of the others one after another is read, so many a second.
_YOUNG = timedelta(days=365)
READS_A_SECOND = 2
_IS_OPEN = or_(Refund.state.in_(refund_rules.OPEN), Refund.review != "")
# It is changed by a statement of its own alone: what else is not written yet can wait.
_RESTORED_AT = select(Installation.restored_at).execution_options(autoflush=False)


@dataclass(frozen=True)
class Restored:
    """What was done: refunds put under review, sessions of which a read was asked for, open proposals ended, young
    sessions that are read later, one after another: refunds may have been asked for since that nobody here knows of.

    `not_before`: no refund is asked for or sent until then.
    """

    at: datetime
    not_before: datetime
    under_review: int
    to_read: int
    outdated: int
    read_later: int


def after_restore(books: Books, actor: str, problem: str = "") -> Restored:
    """Pause sending, let people look at every refund that may have been sent since, have open sessions read.

    `problem` is what was found wrong with the backup and accepted; it is put on record.
    Whatever was ended since then and is not ended in the backup, ends: proposals, and everybody's sign-ins.
    """
    with books.write() as tx:
        now = tx.clock.now()
        sessions, refunds = _lock_open(tx)
        doubtful = [one for one in refunds if not one.review]
        for refund in doubtful:
            ledger.flag_review(tx, refund, "restored")
        for session in sessions:
            ledger.ask_read(session, now)
        outdated = _outdate_proposals(tx, actor)
        _end_sign_ins(tx)
        refund_counts.put_right(tx)
        not_before = now + books.config.lease + books.config.quiet
        read_later = _plan_reads(tx, not_before)
        _pause(tx, actor, now)
        done = Restored(now, not_before, len(doubtful), len(sessions), outdated, read_later)
        counts = {"under_review": done.under_review, "to_read": done.to_read, "outdated": outdated}
        counts["read_later"] = read_later
        accepted = {"accepted": problem} if problem else {}
        tx.record(actor, "installation:restored", "installation", **counts, **accepted)
    return done


def _lock_open(tx: WriteSession) -> tuple[Sequence[PaymentSession], Sequence[Refund]]:
    """Sessions with a refund that is open or under review, and the refunds that may have been sent, locked in order."""
    ids = select(Refund.session_id).where(_IS_OPEN)
    query = select(PaymentSession).where(PaymentSession.id.in_(ids)).order_by(PaymentSession.id)
    sessions = tx.scalars(query.with_for_update(key_share=True)).all()
    doubtful = select(Refund).where(Refund.state.in_(_MAY_HAVE_BEEN_SENT)).order_by(Refund.id)
    return sessions, tx.scalars(doubtful.with_for_update()).all()


def _plan_reads(tx: WriteSession, start: datetime) -> int:
    """Have every session read that is young enough, the newest first, so many a second from then on.

    What was asked for after the backup has no row here, and may be in any of them: also in one that was paid since.
    """
    place = func.row_number().over(order_by=(PaymentSession.created_at.desc(), PaymentSession.id.desc()))
    may_be_ours = or_(PaymentSession.confirmed_at.is_not(None), PaymentSession.denied_at.is_(None))
    young = select(PaymentSession.id, place.label("place")).where(
        PaymentSession.created_at > start - _YOUNG, may_be_ours
    )
    row = young.subquery()
    due = _seconds_after(tx, start, row.c.place // READS_A_SECOND + 1)
    is_later = or_(PaymentSession.next_read_at.is_(None), PaymentSession.next_read_at > due)
    plan = update(PaymentSession).where(PaymentSession.id == row.c.id, is_later).values(next_read_at=due)
    result: Any = tx.execute(plan, execution_options={"synchronize_session": False})
    return int(result.rowcount)


def _seconds_after(tx: WriteSession, start: datetime, seconds: ColumnElement[int]) -> ColumnElement[Any]:
    """A moment in terms of the database, as its columns keep moments; on SQLite to the second."""
    moment = literal(start, UtcDateTime())
    if tx.get_bind().dialect.name == "sqlite":
        text = func.strftime("%Y-%m-%d %H:%M:%S", moment, func.printf("+%d seconds", seconds)).concat(".000000")
        return type_coerce(text, UtcDateTime())
    return moment + seconds * literal_column("interval '1 second'")


def _outdate_proposals(tx: WriteSession, actor: str) -> int:
    """End every open proposal: it may have been taken back, or decided on otherwise, since the backup."""
    query = select(Resolution, Refund).join(Refund, Refund.id == Resolution.refund_id)
    query = query.where(Resolution.state == PROPOSED).order_by(Resolution.refund_id)
    proposals = tx.execute(query.with_for_update(of=Resolution)).all()
    for proposal, refund in proposals:
        ledger.end_proposal(tx, refund, proposal, OUTDATED, actor)
    return len(proposals)


def _end_sign_ins(tx: WriteSession) -> None:
    """And the links with which somebody could set a password: one that was used since is good again in the backup."""
    for opening in (SignIn, Link):
        tx.execute(update(opening).where(opening.ended_at.is_(None)).values(ended_at=tx.clock.now()))
    tx.execute(delete(HalfSignIn))


def _pause(tx: WriteSession, actor: str, now: datetime) -> None:
    tx.execute(update(Installation).values(restored_at=now))
    pauses.add(tx, actor, pauses.RESTORED)


# What has to be waited for


def last_send_until(session: Session, config: BooksConfig) -> datetime | None:
    """Until then a call sent before the last restore may be answered; None: there was no restore."""
    restored_at = session.scalars(_RESTORED_AT).one()
    return restored_at and restored_at + config.lease


def may_arrive_until(session: Session, config: BooksConfig, now: datetime) -> datetime | None:
    """Until then the bank may carry out what was sent before the last restore; None: that is past.

    Earlier, a session that is read may lack a refund that nobody here remembers, and it could be paid twice.
    """
    last_send = last_send_until(session, config)
    until = last_send and last_send + config.quiet
    return until if until is not None and now <= until else None


def unread(session: Session) -> Sequence[str]:
    """The sessions with open refunds that have had no good read since the last restore."""
    restored_at = session.scalars(_RESTORED_AT).one()
    if restored_at is None:
        return ()
    is_unread = or_(PaymentSession.read_at.is_(None), PaymentSession.read_at < restored_at)
    query = select(PaymentSession.id).where(is_unread, PaymentSession.id.in_(select(Refund.session_id).where(_IS_OPEN)))
    return session.scalars(query.order_by(PaymentSession.id)).all()
