"""What is kept for a time only: raw bodies of webhooks, ended sign-ins, who got mail, how far files
were. Journal and digests stay.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, delete, or_, select, update

from dashboard import ledger
from dashboard.desk import Books
from dashboard.journal import WriteSession
from dashboard.models import Export, Guess, Mail, Notice, SignIn, WebhookDelivery
from dashboard.sign_ins import LONGEST as LONGEST_SIGN_IN

BATCH = 500
KEEP_EXPORTS_DAYS = 1


def tidy(books: Books, batch: int = BATCH) -> int:
    """Remove what is older than it is kept, at most a batch of each kind; how many rows that were. Each is recorded."""
    webhooks = first_day_kept(books, books.config.keep_webhooks_days)
    sign_ins = first_day_kept(books, books.config.keep_sign_ins_days)
    exports = first_day_kept(books, KEEP_EXPORTS_DAYS)
    return (
        remove(books, "webhook_bodies", webhooks, _old_bodies(webhooks).limit(batch), _forget_bodies)
        + remove(books, "sign_ins", sign_ins, _old_sign_ins(sign_ins).limit(batch), _forget_sign_ins)
        + remove(books, "guesses", sign_ins, _old_guesses(sign_ins).limit(batch), _forget_guesses)
        + remove(books, "mails", sign_ins, _old_mails(sign_ins).limit(batch), _forget_mails)
        + remove(books, "exports", exports, _old_exports(exports).limit(batch), _forget_exports)
    )


def first_day_kept(books: Books, days: int) -> datetime:
    """The beginning of a day in UTC: whole days are kept, and whole days go."""
    return (books.clock.now() - timedelta(days=days)).replace(hour=0, minute=0, second=0, microsecond=0)


def remove(
    books: Books, what: str, before: datetime, old: Select[Any], forget: Callable[[WriteSession, Sequence[Any]], None]
) -> int:
    """Remove a batch of what is old, and record it; how many rows.

    Nobody waits for this, and it waits for nobody: what is locked is left for the next time.
    """
    with books.read() as session:
        if session.scalars(old.limit(1)).first() is None:
            return 0
    with books.write() as tx:
        keys = tx.scalars(old.with_for_update(skip_locked=True)).all()
        if keys:
            forget(tx, keys)
            day = before.date().isoformat()
            tx.record(ledger.WORKER, f"retention:{what}", "installation", count=len(keys), before=day)
    return len(keys)


def _old_bodies(before: datetime) -> Select[Any]:
    """Of deliveries that have been applied: one that has not needs its body."""
    is_done = and_(WebhookDelivery.applied_at.is_not(None), WebhookDelivery.next_try_at.is_(None))
    is_old = and_(WebhookDelivery.body.is_not(None), WebhookDelivery.last_seen_at < before)
    return select(WebhookDelivery.id).where(is_old, is_done).order_by(WebhookDelivery.last_seen_at)


def _forget_bodies(tx: WriteSession, ids: Sequence[Any]) -> None:
    tx.execute(update(WebhookDelivery).where(WebhookDelivery.id.in_(ids)).values(body=None))


def _old_sign_ins(before: datetime) -> Select[Any]:
    return select(SignIn.token_digest).where(or_(SignIn.ended_at < before, _ran_out(before)))


def _ran_out(before: datetime) -> ColumnElement[bool]:
    return SignIn.started_at < before - LONGEST_SIGN_IN


def _forget_sign_ins(tx: WriteSession, digests: Sequence[Any]) -> None:
    tx.execute(delete(SignIn).where(SignIn.token_digest.in_(digests)))


def _old_guesses(before: datetime) -> Select[Any]:
    return select(Guess.bucket).where(Guess.began_at < before)


def _forget_guesses(tx: WriteSession, buckets: Sequence[Any]) -> None:
    tx.execute(delete(Guess).where(Guess.bucket.in_(buckets)))


def _old_mails(before: datetime) -> Select[Any]:
    """Those that nobody sends any more too, where mail was set up once and is not now."""
    return select(Mail.id).where(Mail.queued_at < before, Mail.holds_until < before)


def _forget_mails(tx: WriteSession, ids: Sequence[Any]) -> None:
    tx.execute(update(Notice).where(Notice.mail_id.in_(ids)).values(mail_id=None))
    tx.execute(delete(Mail).where(Mail.id.in_(ids)))


def _old_exports(before: datetime) -> Select[Any]:
    return select(Export.id).where(Export.moved_at < before)


def _forget_exports(tx: WriteSession, ids: Sequence[Any]) -> None:
    tx.execute(delete(Export).where(Export.id.in_(ids)))
