"""Whether somebody may still do what they came for: looked up again where it is done."""

from sqlalchemy.orm import Session

from dashboard import roles
from dashboard.models import Person


def still_hold(session: Session, person_id: str | None, permission: str) -> bool:
    """An account that was disabled or has lost its role since, maybe because it was stolen, may do nothing any more."""
    person = session.get(Person, person_id, populate_existing=True) if person_id else None
    return person is not None and may(person, permission)


def may(person: Person, permission: str) -> bool:
    """The same for an account that was just read."""
    return person.disabled_at is None and roles.may(person.role, permission)
