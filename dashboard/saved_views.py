"""Searches of the history that somebody keeps under a name."""

from collections.abc import Mapping, Sequence
from urllib.parse import urlencode

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from dashboard.desk import Books
from dashboard.models import Person, SavedView

LONGEST_NAME = 40
MOST = 20


class BadView(ValueError):
    """It cannot be kept; `code` says why: `no_name`, `long_name`, `too_many`."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def of_person(session: Session, person: Person) -> Sequence[SavedView]:
    """Those of one person, by name."""
    return session.scalars(
        select(SavedView).where(SavedView.person_id == person.id).order_by(SavedView.name, SavedView.id)
    ).all()


def keep(books: Books, person: Person, name: str, arguments: Mapping[str, str]) -> bool:
    """Keep the filters of an address under a name; one of that name has them from now on. Raises BadView.

    Whether another search of that name lost its place by this.
    """
    name = " ".join(name.split())
    if not name:
        raise BadView("no_name")
    if len(name) > LONGEST_NAME:
        raise BadView("long_name")
    of_this_person = SavedView.person_id == person.id
    with books.write() as tx:
        # Locked, so that two at once neither count past each other nor meet in the same name.
        tx.get_one(Person, person.id, with_for_update=True)
        known = tx.scalars(select(SavedView).where(of_this_person, SavedView.name == name)).one_or_none()
        if known is not None:
            was, known.arguments = known.arguments, urlencode(arguments)
            return was != known.arguments
        if tx.execute(select(func.count()).where(of_this_person)).scalar_one() >= MOST:
            raise BadView("too_many")
        tx.add(SavedView(person_id=person.id, name=name, arguments=urlencode(arguments)))
    return False


def forget(books: Books, person: Person, view_id: int) -> str | None:
    """What it searched for, as arguments of an address; None where there was no such one of this person's."""
    with books.write() as tx:
        mine = delete(SavedView).where(SavedView.id == view_id, SavedView.person_id == person.id)
        return tx.scalars(mine.returning(SavedView.arguments)).first()
