"""Who else has the refund form of a session open: shown to people, who can ask each other. It stops nothing."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import and_, delete, exists, or_, select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from dashboard.db import insert_unless_there
from dashboard.desk import Books
from dashboard.models import OpenForm, Person, Refund

LATELY = timedelta(minutes=10)
LOCK_WAIT_MS = 200

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Opened:
    """Who opened the form, and when."""

    email: str
    at: datetime


def note(books: Books, session_id: str, person: Person) -> None:
    """Somebody opens the form, and what nobody has sent for long is forgotten. A busy database is no reason to wait."""
    now = books.clock.now()
    is_over = OpenForm.opened_at < now - LATELY
    is_mine = and_(OpenForm.session_id == session_id, OpenForm.person_id == person.id)
    opened = {"session_id": session_id, "person_id": person.id, "opened_at": now}
    try:
        with books.write(LOCK_WAIT_MS) as tx:
            tx.execute(delete(OpenForm).where(or_(is_over, is_mine)))
            insert_unless_there(tx, OpenForm, opened)
    except OperationalError:
        log.warning("it could not be noted who has the refund form of %s open", session_id)


def of_others(session: Session, session_id: str, person: Person, now: datetime) -> Sequence[Opened]:
    """The others who opened it lately and have not sent it since, the latest first."""
    has_sent = exists().where(
        Refund.session_id == session_id,
        Refund.asked_by_id == OpenForm.person_id,
        Refund.asked_at >= OpenForm.opened_at,
    )
    query = (
        select(Person.email, OpenForm.opened_at)
        .join(Person, Person.id == OpenForm.person_id)
        .where(OpenForm.session_id == session_id, OpenForm.person_id != person.id)
        .where(OpenForm.opened_at > now - LATELY, ~has_sent)
        .order_by(OpenForm.opened_at.desc(), Person.email)
    )
    return [Opened(email, at) for email, at in session.execute(query)]
