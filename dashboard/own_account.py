"""What people do with their own accounts: another password, ending sign-ins, and seeing what was done to them."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from dashboard import guessing, journal, passwords, people, sign_ins
from dashboard.desk import Books
from dashboard.models import JournalEntry, Person

SIGNED_IN = "login:succeeded"
# What somebody else, or whoever had a link, may have done to get into an account.
TAKING_OVER = (
    *("person:reset_started", "person:password_set_by_link", "person:password_set", "factor:reset"),
    "person:identity_bound",
)
TOLD = (
    *TAKING_OVER,
    *("person:added", "person:invited", "person:password_changed", "person:role_changed"),
    "person:identity_unbound",
    *("person:disabled", "person:enabled", "person:signed_out", "person:others_signed_out"),
    *("factor:app_added", "factor:app_removed", "factor:passkey_added", "factor:passkey_removed"),
    *("factor:codes_made", "factor:code_used"),
)
MOST_TOLD = 20


class WrongPassword(Exception):
    """The old password is not right, or was just changed."""


@dataclass(frozen=True)
class Told:
    """Something that was done to an account; `action` and `data` are the journal's."""

    at: datetime
    actor: str
    action: str
    data: dict[str, Any]


def change_password(books: Books, person: Person, token: str, old: str, new: str) -> str | None:
    """Change one's own password, end all other sign-ins, and go on with another token: the answer.

    None: this sign-in has ended as well meanwhile.

    Raises WrongPassword, BadPassword, TooManyAttempts.
    """
    passwords.check(new, person.email, books.config.leaked_passwords_file)
    limit = guessing.by_account("own-password", person.id)
    guessing.reserve(books, limit)
    if not passwords.fits(old, person.password_hash):
        with books.write() as tx:
            tx.record(person.email, "person:password_not_changed", f"person:{person.id}", why="wrong_password")
        raise WrongPassword
    password_hash = passwords.hash_of(new)
    with books.write() as tx:
        account = people.locked(tx, person.email)
        if account.password_hash != person.password_hash:
            raise WrongPassword
        guessing.forgive(tx, limit)
        people.give_password(tx, account, password_hash)
        fresh = sign_ins.renew(tx, token, books.config.idle, is_proved=False)
        sign_ins.end_all(tx, account, books.config.idle, but=fresh or "")
        tx.record(account.email, "person:password_changed", f"person:{account.id}")
    return fresh


def end_others(books: Books, person: Person, token: str) -> int:
    """Sign oneself out everywhere but here; answers with how many sign-ins that ended."""
    with books.write() as tx:
        ended = sign_ins.end_all(tx, person, books.config.idle, but=token)
        if ended:
            tx.record(person.email, "person:others_signed_out", f"person:{person.id}", ended=ended)
    return ended


def told(session: Session, person: Person, actions: Sequence[str] = TOLD, most: int = MOST_TOLD) -> list[Told]:
    """What the journal tells of an account, the newest first."""
    query = select(JournalEntry).where(JournalEntry.subject == f"person:{person.id}", JournalEntry.action.in_(actions))
    entries = session.scalars(query.order_by(JournalEntry.seq.desc()).limit(most))
    return [Told(journal.read_timestamp(one.at), one.actor, one.action, json.loads(one.data)) for one in entries]


def since_last_sign_in(session: Session, person: Person) -> list[Told]:
    """How the password was reset between the last sign-in and the one before, by whomever; the newest first.

    Whoever signs in for the first time has only set a password.
    """
    found = told(session, person, (SIGNED_IN, *TAKING_OVER))[1:]
    before = next((number for number, one in enumerate(found) if one.action == SIGNED_IN), None)
    return found[:before] if before is not None or len(found) >= MOST_TOLD - 1 else []
