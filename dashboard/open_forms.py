"""Who else has the refund form of a session open: shown to people, who can ask each other. It stops nothing."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, delete, exists, func, or_, select, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from dashboard.db import insert_unless_there
from dashboard.desk import Books
from dashboard.journal import WriteSession
from dashboard.models import OpenForm, Person, Refund

LATELY = timedelta(minutes=10)
# A page says so every few seconds; not each time is worth a write.
NOTED_EVERY = timedelta(minutes=1)
LOCK_WAIT_MS = 200

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Opened:
    """Who opened the form, and when."""

    email: str
    at: datetime


# Without JavaScript a page says nothing.
_last_seen = func.coalesce(OpenForm.seen_at, OpenForm.opened_at)


def note(books: Books, session_id: str, person: Person) -> None:
    """Somebody opens the form, and what nobody has seen for long is forgotten. A busy database is no reason to wait."""
    now = books.clock.now()
    is_over = _last_seen < now - LATELY
    opened = {"session_id": session_id, "person_id": person.id, "opened_at": now}
    with _noting(books, session_id) as tx:
        tx.execute(delete(OpenForm).where(or_(is_over, _is_of(session_id, person))))
        insert_unless_there(tx, OpenForm, opened)


def note_still_open(books: Books, session_id: str, person: Person) -> None:
    """A page says that the form, or the confirmation that it led to, is still in front of somebody."""
    now = books.clock.now()
    is_old = and_(_is_of(session_id, person), _last_seen <= now - NOTED_EVERY)
    with books.read() as session:
        if session.scalars(select(OpenForm.session_id).where(is_old)).first() is None:
            return
    with _noting(books, session_id) as tx:
        tx.execute(update(OpenForm).where(is_old).values(seen_at=now))


@contextmanager
def _noting(books: Books, session_id: str) -> Iterator[WriteSession]:
    try:
        with books.write(LOCK_WAIT_MS) as tx:
            yield tx
    except OperationalError:
        log.warning("it could not be noted who has the refund form of %s open", session_id)


def _is_of(session_id: str, person: Person) -> ColumnElement[bool]:
    return and_(OpenForm.session_id == session_id, OpenForm.person_id == person.id)


def of_others(session: Session, session_id: str, person: Person, now: datetime) -> Sequence[Opened]:
    """The others in front of whom it was lately and who have not sent it since, the latest first."""
    has_sent = exists().where(
        Refund.session_id == session_id,
        Refund.asked_by_id == OpenForm.person_id,
        Refund.asked_at >= OpenForm.opened_at,
    )
    query = (
        select(Person.email, OpenForm.opened_at)
        .join(Person, Person.id == OpenForm.person_id)
        .where(OpenForm.session_id == session_id, OpenForm.person_id != person.id)
        .where(_last_seen > now - LATELY, ~has_sent)
        .order_by(OpenForm.opened_at.desc(), Person.email)
    )
    return [Opened(email, at) for email, at in session.execute(query)]
