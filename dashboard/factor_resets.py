"""Taking somebody's second factors away when they are lost: two admins do it together.

Whoever has one admin's account must not be able to open another account with its password alone.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from dashboard import factors, people, rights, roles, sign_ins, two_people
from dashboard.desk import Books
from dashboard.journal import WriteSession
from dashboard.models import FactorReset, Person
from dashboard.models.factors import ASKED, CONFIRMED, OUTDATED, WITHDRAWN

HOLDS = timedelta(days=1)
LONGEST_WHY = 500


class CannotReset(Exception):
    """Why not.

    `why`: `nothing`, `asked_already`, `decided`, `same_person`, `for_oneself`, `no_right`, `not_two_people`,
    `outdated`.
    """

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


def open_one(session: Session, person_id: str, now: datetime) -> FactorReset | None:
    """What one admin has asked for this account, and nobody has decided yet."""
    query = select(FactorReset).where(FactorReset.person_id == person_id, FactorReset.state == ASKED)
    return session.scalars(query.where(FactorReset.asked_at > now - HOLDS)).one_or_none()


def open_ones(session: Session, now: datetime) -> Sequence[FactorReset]:
    """All that wait for a second admin, the oldest first."""
    query = select(FactorReset).where(FactorReset.state == ASKED, FactorReset.asked_at > now - HOLDS)
    return session.scalars(query.order_by(FactorReset.asked_at)).all()


def may_anybody_confirm(session: Session, person_id: str, asked_by_id: str) -> bool:
    """Whether there is an admin for the second step: neither the one who asks nor the one whom it is about."""
    admins = select(Person.id).where(Person.role == "admin", Person.disabled_at.is_(None))
    return session.scalar(admins.where(Person.id.not_in({person_id, asked_by_id})).limit(1)) is not None


def ask(books: Books, asker: Person, person_id: str, why: str) -> None:
    """The first step. Raises CannotReset."""
    with books.write() as tx:
        person = rights.hold(tx, person_id)
        if not factors.has_any(tx, person_id):
            raise CannotReset("nothing")
        for old in _asked(tx, person_id):
            if old.asked_at > tx.clock.now() - HOLDS:
                raise CannotReset("asked_already")
            old.state = OUTDATED
        tx.flush()
        reset = FactorReset(
            id=books.new_id(),
            person_id=person_id,
            asked_by_id=asker.id,
            asked_at=tx.clock.now(),
            why=why,
            state=ASKED,
        )
        tx.add(reset)
        tx.record(asker.email, "factor:reset_asked", f"person:{person_id}", email=person.email, reset=reset.id, why=why)


def confirm(books: Books, decider: Person, person_id: str, reset_id: str) -> None:
    """The second step: everything but the password is gone, and every sign-in has ended. Raises CannotReset."""
    with books.write() as tx:
        reset = _to_decide(tx, person_id, reset_id)
        person = tx.get_one(Person, person_id)
        if decider.id == reset.asked_by_id:
            raise CannotReset("same_person")
        if decider.id == person_id:
            raise CannotReset("for_oneself")
        if not rights.still_hold(tx, decider.id, roles.MANAGE_PEOPLE):
            raise CannotReset("no_right")
        if not two_people.are_two(tx, decider.id, reset.asked_by_id, tx.clock.now()):
            raise CannotReset("not_two_people")
        is_outdated = not _may_still_ask(tx, reset) or not factors.has_any(tx, person_id)
        if is_outdated:
            reset.state = OUTDATED
            tx.record(decider.email, "factor:reset_outdated", f"person:{person_id}", email=person.email, reset=reset.id)
        else:
            _decide(tx, reset, decider, CONFIRMED)
            _take_all(tx, books, person)
            tx.record(decider.email, "factor:reset", f"person:{person_id}", email=person.email, reset=reset.id)
    if is_outdated:
        raise CannotReset("outdated")


def withdraw(books: Books, decider: Person, person_id: str, reset_id: str) -> None:
    """Take it back, or say no to it. Raises CannotReset."""
    with books.write() as tx:
        reset = _to_decide(tx, person_id, reset_id)
        _decide(tx, reset, decider, WITHDRAWN)
        tx.record(decider.email, "factor:reset_withdrawn", f"person:{person_id}", reset=reset.id)


def by_command(books: Books, email: str, *, actor: str) -> bool:
    """What whoever has the server's command line may do alone; whether there was anything to take away.

    Raises people.BadAccount.
    """
    with books.write() as tx:
        found = people.find(tx, email)
        if found is None:
            raise people.BadAccount(f"{email.strip().lower()!r} has no account")
        person = rights.hold(tx, found.id)
        for reset in _asked(tx, person.id):
            reset.state = OUTDATED
        is_changed = _take_all(tx, books, person)
        if is_changed:
            tx.record(actor, "factor:reset", f"person:{person.id}", email=person.email)
    return is_changed


def _take_all(tx: WriteSession, books: Books, person: Person) -> bool:
    is_changed = factors.take_all(tx, person.id)
    if is_changed:
        sign_ins.end_all(tx, person, books.config.idle)
    return is_changed


def _asked(tx: WriteSession, person_id: str) -> Sequence[FactorReset]:
    query = select(FactorReset).where(FactorReset.person_id == person_id, FactorReset.state == ASKED)
    return tx.scalars(query.with_for_update()).all()


def _to_decide(tx: WriteSession, person_id: str, reset_id: str) -> FactorReset:
    rights.hold(tx, person_id)
    for reset in _asked(tx, person_id):
        if reset.id == reset_id and reset.asked_at > tx.clock.now() - HOLDS:
            return reset
    raise CannotReset("decided")


def _decide(tx: WriteSession, reset: FactorReset, decider: Person, state: str) -> None:
    reset.state, reset.decided_by_id, reset.decided_at = state, decider.id, tx.clock.now()


def _may_still_ask(tx: WriteSession, reset: FactorReset) -> bool:
    asker = tx.get_one(Person, reset.asked_by_id)
    return asker.disabled_at is None and roles.may(asker.role, roles.MANAGE_PEOPLE)
