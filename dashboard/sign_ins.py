"""Open sign-ins: who is signed in where, and how that ends."""

import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, delete, func, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from dashboard.desk import Books
from dashboard.journal import WriteSession
from dashboard.models import HalfSignIn, Person, SignIn
from dashboard.signing import token_digest

LONGEST = timedelta(hours=12)
LONGEST_HALF = timedelta(minutes=5)
PROOF_HOLDS = timedelta(minutes=5)
LONGEST_BROWSER = 300
SEEN_STEP = timedelta(minutes=1)
SEEN_STEPS_AT_LEAST = 15
# A page does not wait for this; the next one notes it as well.
SEEN_LOCK_WAIT_MS = 50
_NAME_LENGTH = 16


@dataclass(frozen=True)
class Found:
    """An open sign-in and whose it is."""

    sign_in: SignIn
    person: Person


def start(tx: WriteSession, person: Person, address: str = "", browser: str = "") -> str:
    """A new sign-in of this person; answers with its token, of which only a digest is kept.

    `browser` is what it calls itself (its User-Agent).
    """
    token, now = secrets.token_urlsafe(32), tx.clock.now()
    started = SignIn(
        token_digest=token_digest(token), person_id=person.id, started_at=now, last_seen_at=now, proved_at=now
    )
    started.address, started.browser = address, browser[:LONGEST_BROWSER]
    tx.add(started)
    return token


# Looking


def find(books: Books, token: str) -> Found | None:
    """The sign-in behind a token, as long as it holds: not ended, idle or too old, the account not disabled."""
    with books.read() as session:
        query = select(SignIn, Person).join(Person, SignIn.person_id == Person.id)
        is_open = is_open_at(books.clock.now(), books.config.idle)
        row = session.execute(
            query.where(SignIn.token_digest == token_digest(token), *is_open, Person.disabled_at.is_(None))
        ).one_or_none()
    return Found(*row) if row else None


def those_that_hold(books: Books, tokens: Collection[str]) -> frozenset[str]:
    """Those of these tokens whose sign-ins hold, as `find` would say of each."""
    by_digest = {token_digest(token): token for token in tokens}
    is_open = is_open_at(books.clock.now(), books.config.idle)
    with books.read() as session:
        query = select(SignIn.token_digest).join(Person, SignIn.person_id == Person.id)
        found = query.where(SignIn.token_digest.in_(by_digest), *is_open, Person.disabled_at.is_(None))
        return frozenset(by_digest[digest] for digest in session.scalars(found))


def whose(books: Books, token: str) -> Person | None:
    """Whose sign-in this is, as long as it holds."""
    found = find(books, token)
    return found.person if found else None


def was_of(session: Session, token: str) -> str | None:
    """The id of the person whose sign-in this is or was, as far as that is still kept."""
    found = session.get(SignIn, token_digest(token))
    return found.person_id if found else None


def ends_at(sign_in: SignIn, idle: timedelta) -> datetime:
    """When it ends if nobody does anything."""
    return min(sign_in.last_seen_at + idle, sign_in.started_at + LONGEST)


def open_ones(session: Session, person_id: str, now: datetime, idle: timedelta) -> Sequence[SignIn]:
    """The browsers in which somebody is signed in, the latest first."""
    query = select(SignIn).where(SignIn.person_id == person_id, *is_open_at(now, idle))
    return session.scalars(query.order_by(SignIn.started_at.desc(), SignIn.token_digest)).all()


def last_started(session: Session) -> dict[str, datetime]:
    """By account, when it was last signed in to, as far as that is still kept."""
    query = select(SignIn.person_id, func.max(SignIn.started_at).label("started_at")).group_by(SignIn.person_id)
    return {row.person_id: row.started_at for row in session.execute(query)}


def is_open_at(now: datetime, idle: timedelta) -> tuple[ColumnElement[bool], ...]:
    """What is true of the sign-ins that hold at a moment."""
    return SignIn.ended_at.is_(None), SignIn.last_seen_at > now - idle, SignIn.started_at > now - LONGEST


# Going on


def seen_step(idle: timedelta) -> timedelta:
    """How exactly it is noted when somebody last did something: to the minute, and better for a short idle time."""
    return min(SEEN_STEP, idle / SEEN_STEPS_AT_LEAST)


def note_seen(books: Books, sign_in: SignIn) -> None:
    """Its person has just done something. A busy database is no reason to keep anybody waiting: then it is not noted.

    `sign_in` is brought up to date.
    """
    now = books.clock.now()
    if now - sign_in.last_seen_at < seen_step(books.config.idle):
        return
    is_still_open = (SignIn.token_digest == sign_in.token_digest, SignIn.ended_at.is_(None))
    try:
        with books.write(SEEN_LOCK_WAIT_MS) as tx:
            tx.execute(update(SignIn).where(*is_still_open).values(last_seen_at=now))
    except SQLAlchemyError:
        return
    sign_in.last_seen_at = now


# Ending


def end(books: Books, token: str) -> None:
    """End a sign-in, wherever its cookie may be."""
    with books.write() as tx:
        found = tx.get(SignIn, token_digest(token))
        if found is not None and found.ended_at is None:
            found.ended_at = books.clock.now()
            person = tx.get_one(Person, found.person_id)
            tx.record(person.email, "login:ended", f"person:{person.id}")


def end_all(tx: WriteSession, person: Person, idle: timedelta, but: str = "") -> int:
    """End every sign-in of a person but the one with this token; answers with how many were open till now."""
    now, kept = tx.clock.now(), token_digest(but)
    were_open = [one for one in open_ones(tx, person.id, now, idle) if one.token_digest != kept]
    # Also those that were idle for too long: another setting must not bring them back.
    its_own = (SignIn.person_id == person.id, SignIn.token_digest != kept)
    tx.execute(update(SignIn).where(*its_own, SignIn.ended_at.is_(None)).values(ended_at=now))
    tx.execute(delete(HalfSignIn).where(HalfSignIn.person_id == person.id))
    return len(were_open)


def end_one(books: Books, person: Person, name: str) -> bool:
    """End one sign-in of this person by its name; answers with whether it was open till now."""
    with books.write() as tx:
        found = [one for one in open_ones(tx, person.id, books.clock.now(), books.config.idle) if name_of(one) == name]
        for one in found:
            one.ended_at = books.clock.now()
            tx.record(person.email, "login:ended", f"person:{person.id}")
    return bool(found)


def name_of(sign_in: SignIn) -> str:
    """How a sign-in is called in addresses: nobody can make its token of it."""
    return sign_in.token_digest[:_NAME_LENGTH]


def name_of_token(token: str) -> str:
    """The same for the sign-in that a token opens."""
    return token_digest(token)[:_NAME_LENGTH]


def is_of(sign_in: SignIn, token: str) -> bool:
    """Whether it is the sign-in of this token."""
    return sign_in.token_digest == token_digest(token)


# Who is there, proved once more


def is_proved(books: Books, token: str) -> bool:
    """Whether somebody has proved in this sign-in who they are, a short time ago; signing in counts."""
    with books.read() as session:
        found = session.get(SignIn, token_digest(token))
    return found is not None and found.proved_at is not None and found.proved_at > books.clock.now() - PROOF_HOLDS


def renew(tx: WriteSession, token: str, idle: timedelta, *, is_proved: bool) -> str | None:
    """The same sign-in under another token: the old one opens nothing any more. None: it has ended.

    `is_proved`: its person has just proved who they are.
    """
    renewed, now = secrets.token_urlsafe(32), tx.clock.now()
    same = (SignIn.token_digest == token_digest(token), *is_open_at(now, idle))
    values: dict[str, Any] = {"token_digest": token_digest(renewed), "renewed_from": token_digest(token)}
    if is_proved:
        values["proved_at"] = now
    result: Any = tx.execute(update(SignIn).where(*same).values(values))
    return renewed if result.rowcount == 1 else None


def was_renewed(books: Books, token: str) -> bool:
    """Whether the sign-in that had this token goes on under another one, which the browser has, or is just getting."""
    with books.read() as session:
        query = select(SignIn.token_digest).where(SignIn.renewed_from == token_digest(token))
        is_open = is_open_at(books.clock.now(), books.config.idle)
        return session.scalar(query.where(*is_open).limit(1)) is not None


# Half signed in: the password was right, and nothing is open yet


def start_half(tx: WriteSession, person: Person) -> str:
    """Remember that somebody's password was right; answers with a token that is good for the next step alone."""
    token, now = secrets.token_urlsafe(32), tx.clock.now()
    tx.execute(delete(HalfSignIn).where(HalfSignIn.started_at <= now - LONGEST_HALF))
    tx.add(HalfSignIn(token_digest=token_digest(token), person_id=person.id, started_at=now))
    return token


def whose_half(session: Session, token: str, now: datetime) -> Person | None:
    """Whose password was right a short time ago, unless the account was disabled since."""
    query = select(Person).join(HalfSignIn, HalfSignIn.person_id == Person.id)
    is_this_one = HalfSignIn.token_digest == token_digest(token)
    is_young = HalfSignIn.started_at > now - LONGEST_HALF
    return session.scalars(query.where(is_this_one, is_young, Person.disabled_at.is_(None))).one_or_none()


def end_half(tx: WriteSession, token: str) -> bool:
    """Take the step; whether nobody else has taken it before."""
    result: Any = tx.execute(delete(HalfSignIn).where(HalfSignIn.token_digest == token_digest(token)))
    return bool(result.rowcount == 1)
