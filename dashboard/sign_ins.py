"""Open sign-ins: who is signed in where, and how that ends."""

import hashlib
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, delete, func, select, update
from sqlalchemy.orm import Session

from dashboard.desk import Books
from dashboard.journal import WriteSession
from dashboard.models import HalfSignIn, Person, SignIn

LONGEST = timedelta(hours=12)
LONGEST_HALF = timedelta(minutes=5)
PROOF_HOLDS = timedelta(minutes=5)


def start(tx: WriteSession, person: Person) -> str:
    """A new sign-in of this person; answers with its token, of which only a digest is kept."""
    token, now = secrets.token_urlsafe(32), tx.clock.now()
    tx.execute(delete(SignIn).where(SignIn.person_id == person.id, SignIn.started_at <= now - LONGEST))
    tx.add(SignIn(token_digest=_digest(token), person_id=person.id, started_at=now, proved_at=now))
    return token


def whose(books: Books, token: str) -> Person | None:
    """Whose sign-in this is, as long as it holds: not ended, not too old, the account not disabled."""
    with books.read() as session:
        query = select(Person).join(SignIn, SignIn.person_id == Person.id)
        return session.scalars(
            query.where(
                SignIn.token_digest == _digest(token),
                *_is_open(books.clock.now()),
                Person.disabled_at.is_(None),
            )
        ).one_or_none()


def end(books: Books, token: str) -> None:
    """End a sign-in, wherever its cookie may be."""
    with books.write() as tx:
        found = tx.get(SignIn, _digest(token))
        if found is not None and found.ended_at is None:
            found.ended_at = books.clock.now()
            person = tx.get_one(Person, found.person_id)
            tx.record(person.email, "login:ended", f"person:{person.id}")


def end_all(tx: WriteSession, person: Person) -> int:
    """End every open sign-in of a person; answers with how many there were."""
    now = tx.clock.now()
    open_ones = (SignIn.person_id == person.id, *_is_open(now))
    result: Any = tx.execute(update(SignIn).where(*open_ones).values(ended_at=now))
    tx.execute(delete(HalfSignIn).where(HalfSignIn.person_id == person.id))
    return int(result.rowcount)


def open_ones(session: Session, person_id: str, now: datetime) -> Sequence[SignIn]:
    """The browsers in which somebody is signed in, the latest first."""
    query = select(SignIn).where(SignIn.person_id == person_id, *_is_open(now))
    return session.scalars(query.order_by(SignIn.started_at.desc())).all()


def last_started(session: Session) -> dict[str, datetime]:
    """By account, when it was last signed in to, as far as that is still kept."""
    query = select(SignIn.person_id, func.max(SignIn.started_at).label("started_at")).group_by(SignIn.person_id)
    return {row.person_id: row.started_at for row in session.execute(query)}


# Who is there, proved once more


def is_proved(books: Books, token: str) -> bool:
    """Whether somebody has proved in this sign-in who they are, a short time ago; signing in counts."""
    with books.read() as session:
        found = session.get(SignIn, _digest(token))
    return found is not None and found.proved_at is not None and found.proved_at > books.clock.now() - PROOF_HOLDS


def renew(tx: WriteSession, token: str) -> str | None:
    """The same sign-in, proved now, under another token: the old one opens nothing any more. None: it has ended."""
    renewed, now = secrets.token_urlsafe(32), tx.clock.now()
    same = (SignIn.token_digest == _digest(token), *_is_open(now))
    values = {"token_digest": _digest(renewed), "proved_at": now, "renewed_from": _digest(token)}
    result: Any = tx.execute(update(SignIn).where(*same).values(values))
    return renewed if result.rowcount == 1 else None


def was_renewed(books: Books, token: str) -> bool:
    """Whether the sign-in that had this token goes on under another one, which the browser has, or is just getting."""
    with books.read() as session:
        query = select(SignIn.token_digest).where(SignIn.renewed_from == _digest(token))
        return session.scalar(query.where(*_is_open(books.clock.now())).limit(1)) is not None


# Half signed in: the password was right, and nothing is open yet


def start_half(tx: WriteSession, person: Person) -> str:
    """Remember that somebody's password was right; answers with a token that is good for the next step alone."""
    token, now = secrets.token_urlsafe(32), tx.clock.now()
    tx.execute(delete(HalfSignIn).where(HalfSignIn.started_at <= now - LONGEST_HALF))
    tx.add(HalfSignIn(token_digest=_digest(token), person_id=person.id, started_at=now))
    return token


def whose_half(session: Session, token: str, now: datetime) -> Person | None:
    """Whose password was right a short time ago, unless the account was disabled since."""
    query = select(Person).join(HalfSignIn, HalfSignIn.person_id == Person.id)
    is_this_one = HalfSignIn.token_digest == _digest(token)
    is_young = HalfSignIn.started_at > now - LONGEST_HALF
    return session.scalars(query.where(is_this_one, is_young, Person.disabled_at.is_(None))).one_or_none()


def end_half(tx: WriteSession, token: str) -> bool:
    """Take the step; whether nobody else has taken it before."""
    result: Any = tx.execute(delete(HalfSignIn).where(HalfSignIn.token_digest == _digest(token)))
    return bool(result.rowcount == 1)


def _is_open(now: datetime) -> tuple[ColumnElement[bool], ...]:
    return SignIn.ended_at.is_(None), SignIn.started_at > now - LONGEST


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
