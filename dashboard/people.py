"""Accounts and signing in."""

import hashlib
import math
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError
from sqlalchemy import ColumnElement, delete, func, select, update
from sqlalchemy.orm import Session

from dashboard import roles
from dashboard.bank131.hidden_characters import is_hidden
from dashboard.desk import Books
from dashboard.journal import WriteSession
from dashboard.models import Person, SignIn, SignInFailure

SHORTEST_PASSWORD = 10
LONGEST_PASSWORD = 1000
LONGEST_SIGN_IN = timedelta(hours=12)
WINDOW = timedelta(minutes=5)
ACCOUNT_FAILURES = 10
ADDRESS_FAILURES = 50

_hasher = PasswordHasher()
# Checked for unknown accounts, so that they take the same time as known ones.
_NOBODY = _hasher.hash("nobody has this password")


class BadAccount(ValueError):
    """The account cannot be made or changed; str() says why in one line."""


class LastAdmin(BadAccount):
    """Without this account nobody could look after accounts any more."""


class WrongSignIn(Exception):
    """No such account, wrong password or disabled: one answer for all, so that nobody can probe."""


class TooManyAttempts(Exception):
    """Wait `retry_after_s` seconds before the next attempt."""

    def __init__(self, retry_after_s: int) -> None:
        super().__init__(f"too many attempts, wait {retry_after_s} s")
        self.retry_after_s = retry_after_s


def add(books: Books, email: str, role: str, password: str, *, actor: str) -> None:
    """Make an account. Raises BadAccount."""
    email = email.strip().lower()
    if "@" not in email or len(email) > 254 or any(map(is_hidden, email)) or " " in email or not email.isprintable():
        raise BadAccount(f"{email!r} is no e-mail address")
    _check_role(role)
    password_hash = _hash(password)
    with books.write() as tx:
        if find(tx, email) is not None:
            raise BadAccount(f"{email} has an account already")
        person = Person(
            id=books.new_id(), email=email, password_hash=password_hash, role=role, created_at=books.clock.now()
        )
        tx.add(person)
        tx.record(actor, "person:added", f"person:{person.id}", email=email, role=role)


def set_password(books: Books, email: str, password: str, *, actor: str) -> None:
    """Give an account this password and end its sign-ins, also where it had the same. Raises BadAccount."""
    password_hash = _hash(password)
    with books.write() as tx:
        person = _account(tx, email)
        person.password_hash = password_hash
        _end_sign_ins(tx, person)
        tx.record(actor, "person:password_set", f"person:{person.id}")


# Each of these answers with whether something was changed; what is so already is not recorded a second time.


def disable(books: Books, email: str, *, actor: str) -> bool:
    """Let an account sign in no more, and end its sign-ins. Raises BadAccount, also for the last enabled admin."""
    with books.write() as tx:
        person = _account(tx, email)
        if person.disabled_at is not None:
            return False
        _keep_an_admin(tx, person)
        person.disabled_at = tx.clock.now()
        _end_sign_ins(tx, person)
        tx.record(actor, "person:disabled", f"person:{person.id}", email=person.email)
    return True


def enable(books: Books, email: str, *, actor: str) -> bool:
    """Let an account sign in again; its old sign-ins stay ended. Raises BadAccount."""
    with books.write() as tx:
        person = _account(tx, email)
        if person.disabled_at is None:
            return False
        person.disabled_at = None
        tx.record(actor, "person:enabled", f"person:{person.id}", email=person.email)
    return True


def change_role(books: Books, email: str, role: str, *, actor: str) -> bool:
    """Give an account another role and end its sign-ins. Raises BadAccount, also for the last enabled admin."""
    _check_role(role)
    with books.write() as tx:
        person = _account(tx, email)
        was = person.role
        if was == role:
            return False
        _keep_an_admin(tx, person)
        person.role = role
        _end_sign_ins(tx, person)
        tx.record(actor, "person:role_changed", f"person:{person.id}", email=person.email, was=was, now=role)
    return True


def sign_out_everywhere(books: Books, email: str, *, actor: str) -> bool:
    """End every open sign-in of an account; it may sign in anew. Raises BadAccount."""
    with books.write() as tx:
        person = _account(tx, email)
        ended = _end_sign_ins(tx, person)
        if ended:
            tx.record(actor, "person:signed_out", f"person:{person.id}", email=person.email, ended=ended)
    return ended > 0


def _account(tx: WriteSession, email: str) -> Person:
    """The account, with all accounts locked: two at once must not each leave the other as the last admin."""
    query = select(Person).order_by(Person.id).with_for_update(key_share=True)
    wanted = email.strip().lower()
    for person in tx.scalars(query.execution_options(populate_existing=True)):
        if person.email == wanted:
            return person
    raise BadAccount(f"{wanted!r} has no account")


def _keep_an_admin(tx: WriteSession, person: Person) -> None:
    admins = tx.scalars(select(Person.id).where(Person.role == "admin", Person.disabled_at.is_(None))).all()
    if list(admins) == [person.id]:
        raise LastAdmin(f"{person.email} is the last admin who can sign in: make another one first")


def _end_sign_ins(tx: WriteSession, person: Person) -> int:
    now = tx.clock.now()
    open_ones = (SignIn.person_id == person.id, *_is_open(now))
    result: Any = tx.execute(update(SignIn).where(*open_ones).values(ended_at=now))
    return int(result.rowcount)


def _is_open(now: datetime) -> tuple[ColumnElement[bool], ...]:
    return SignIn.ended_at.is_(None), SignIn.started_at > now - LONGEST_SIGN_IN


def _check_role(role: str) -> None:
    if role not in roles.ROLES:
        raise BadAccount(f"{role!r} is no role; the roles are {', '.join(roles.ROLES)}")


def _hash(password: str) -> str:
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        raise BadAccount(f"the password needs {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters")
    return _hasher.hash(password)


def find(session: Session, email: str) -> Person | None:
    """The account with this address, whatever its case."""
    return session.scalars(select(Person).where(Person.email == email.strip().lower())).one_or_none()


def everybody(session: Session) -> Sequence[Person]:
    """All accounts, by their addresses."""
    return session.scalars(select(Person).order_by(Person.email)).all()


def open_sign_ins(session: Session, person_id: str, now: datetime) -> Sequence[SignIn]:
    """The browsers in which somebody is signed in, the latest first."""
    query = select(SignIn).where(SignIn.person_id == person_id, *_is_open(now))
    return session.scalars(query.order_by(SignIn.started_at.desc())).all()


def last_signed_in(session: Session) -> dict[str, datetime]:
    """By account, when it was last signed in to, as far as that is still kept."""
    query = select(SignIn.person_id, func.max(SignIn.started_at).label("started_at")).group_by(SignIn.person_id)
    return {row.person_id: row.started_at for row in session.execute(query)}


def sign_in(books: Books, email: str, password: str, address: str) -> str:
    """Check a password and answer with the token of a new sign-in. Raises WrongSignIn, TooManyAttempts.

    Failures are counted by account and by network address, in the database, so that the limits hold
    across processes; what is over the limit is turned away before the password is looked at.
    """
    email = email.strip().lower()
    buckets = {f"account:{email[:254]}": ACCOUNT_FAILURES, f"address:{address}": ADDRESS_FAILURES}
    with books.read() as session:
        _check_limits(session, books, buckets)
        person = find(session, email)
    if is_password_of(person, password) and person is not None and person.disabled_at is None:
        return _start_sign_in(books, person, address, buckets)
    _record_failure(books, email, person, address, list(buckets))
    raise WrongSignIn


def _check_limits(session: Session, books: Books, buckets: dict[str, int]) -> None:
    now = books.clock.now()
    for bucket, most in buckets.items():
        recent = (SignInFailure.bucket == bucket, SignInFailure.at > now - WINDOW)
        count, first_at = session.execute(select(func.count(), func.min(SignInFailure.at)).where(*recent)).one()
        if count >= most:
            raise TooManyAttempts(math.ceil((first_at + WINDOW - now).total_seconds()))


def is_password_of(person: Person | None, password: str) -> bool:
    """Whether this is the person's password; for nobody it takes the same time and is never right."""
    try:
        return _hasher.verify(person.password_hash if person else _NOBODY, password[:LONGEST_PASSWORD])
    except (VerifyMismatchError, VerificationError, InvalidHashError):
        return False


def _start_sign_in(books: Books, person: Person, address: str, buckets: dict[str, int]) -> str:
    token = secrets.token_urlsafe(32)
    now = books.clock.now()
    with books.write() as tx:
        tx.execute(delete(SignInFailure).where(SignInFailure.bucket == next(iter(buckets))))
        tx.execute(delete(SignIn).where(SignIn.person_id == person.id, SignIn.started_at <= now - LONGEST_SIGN_IN))
        tx.add(SignIn(token_digest=_digest(token), person_id=person.id, started_at=now))
        tx.record(person.email, "login:succeeded", f"person:{person.id}", address=address)
    return token


def signed_in(books: Books, token: str) -> Person | None:
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


def sign_out(books: Books, token: str) -> None:
    """End a sign-in, wherever its cookie may be."""
    with books.write() as tx:
        found = tx.get(SignIn, _digest(token))
        if found is not None and found.ended_at is None:
            found.ended_at = books.clock.now()
            person = tx.get_one(Person, found.person_id)
            tx.record(person.email, "login:ended", f"person:{person.id}")


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _record_failure(books: Books, email: str, person: Person | None, address: str, buckets: list[str]) -> None:
    now = books.clock.now()
    with books.write() as tx:
        tx.execute(delete(SignInFailure).where(SignInFailure.at <= now - WINDOW))
        tx.add_all(SignInFailure(bucket=bucket, at=now) for bucket in buckets)
        subject = f"person:{person.id}" if person else "person:unknown"
        tx.record("nobody", "login:failed", subject, email=email[:254], address=address)
