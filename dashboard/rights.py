"""Whether somebody may still do what they came for, and does one thing at a time: looked up where it is done."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from dashboard import roles
from dashboard.journal import WriteSession
from dashboard.models import Person


def still_hold(session: Session, person_id: str | None, permission: str) -> bool:
    """An account that was disabled or has lost its role since, maybe because it was stolen, may do nothing any more."""
    person = session.get(Person, person_id, populate_existing=True) if person_id else None
    return person is not None and may(person, permission)


def may(person: Person, permission: str) -> bool:
    """The same for an account that was just read."""
    return person.disabled_at is None and roles.may(person.role, permission)


def hold(tx: WriteSession, person_id: str) -> Person:
    """The account as it is now, locked: what one person does, and what is done to them, happens one after the other."""
    query = select(Person).where(Person.id == person_id).with_for_update(key_share=True)
    return tx.scalars(query.execution_options(populate_existing=True)).one()
