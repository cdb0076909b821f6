"""Links that let somebody set a password: once, for an hour. An admin starts one; it is mailed or handed over.

Only a digest of the token is kept. A new link for the same person ends the older one.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.orm import Session

from dashboard import mail, passwords, people, sign_ins
from dashboard.config import BooksConfig
from dashboard.desk import Books
from dashboard.journal import WriteSession
from dashboard.models import Link, Person
from dashboard.signing import token_digest

HOLDS_FOR = timedelta(hours=1)


class LinkOver(Exception):
    """There is no such link, or it was used, replaced, or is too old: one answer for all."""


@dataclass(frozen=True)
class Started:
    """A link just made: whose it is and in which language they read, its token, and until when it holds."""

    person_id: str
    email: str
    token: str
    until: datetime
    language: str | None


# Writes the mail with a link.
LetterWriter = Callable[[Started], mail.Letter]


def invite(books: Books, email: str, role: str, *, actor: str, write: LetterWriter | None = None) -> Started:
    """Make an account without a password, and a link to set one; `write` makes a mail of it. Raises BadAccount."""
    with books.write() as tx:
        person = people.make(tx, books.new_id(), email, role, password_hash="")
        started = _start(tx, books.config, person, actor, write)
        tx.record(actor, "person:invited", f"person:{person.id}", email=person.email, role=role)
    return started


def start_reset(books: Books, email: str, *, actor: str, write: LetterWriter | None = None) -> Started:
    """Make a link to set another password; the old one is good until it is used. Raises BadAccount."""
    with books.write() as tx:
        person = people.locked(tx, email)
        if person.disabled_at is not None:
            raise people.BadAccount(f"{person.email} is disabled: enable the account first")
        started = _start(tx, books.config, person, actor, write)
        tx.record(actor, "person:reset_started", f"person:{person.id}", email=person.email)
    return started


def whose(session: Session, token: str, now: datetime) -> Person | None:
    """Who may set a password with this link, as long as it holds."""
    query = select(Person).join(Link, Link.person_id == Person.id)
    return session.scalars(query.where(*_holds(token, now), Person.disabled_at.is_(None))).one_or_none()


def use(books: Books, token: str, password: str) -> None:
    """Set a password with a link, and end all sign-ins. Of two at once one does. Raises LinkOver, BadPassword."""
    with books.read() as session:
        found = whose(session, token, books.clock.now())
    if found is None:
        raise LinkOver
    passwords.check(password, found.email, books.config.leaked_passwords_file)
    password_hash = passwords.hash_of(password)
    with books.write() as tx:
        person = people.locked(tx, found.email)
        made_by = _take(tx, token)
        if made_by is None or person.disabled_at is not None:
            raise LinkOver
        people.give_password(tx, person, password_hash)
        sign_ins.end_all(tx, person, books.config.idle)
        tx.record(person.email, "person:password_set_by_link", f"person:{person.id}", started_by=made_by)


def _start(tx: WriteSession, config: BooksConfig, person: Person, actor: str, write: LetterWriter | None) -> Started:
    token, now = secrets.token_urlsafe(32), tx.clock.now()
    tx.flush()
    people.end_links(tx, person)
    tx.add(Link(token_digest=token_digest(token), person_id=person.id, made_by=actor, made_at=now))
    started = Started(person.id, person.email, token, now + HOLDS_FOR, person.language)
    if write is not None:
        mail.put(tx, config, person, mail.PASSWORD_LINK, write(started), started.until)
    return started


def _take(tx: WriteSession, token: str) -> str | None:
    """Use the link up; answers with who made it, or None where there was nothing to use."""
    now = tx.clock.now()
    taken: Any = tx.execute(update(Link).where(*_holds(token, now)).values(ended_at=now))
    return tx.get_one(Link, token_digest(token)).made_by if taken.rowcount == 1 else None


def _holds(token: str, now: datetime) -> tuple[ColumnElement[bool], ...]:
    return Link.token_digest == token_digest(token), Link.ended_at.is_(None), Link.made_at > now - HOLDS_FOR
