"""Limits against guessing, and against taking very much along.

A guess is counted before it is looked at, so that many at once cannot pass the limit.

Counts are rows of the database: they hold for every process.
"""

import math
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any

from sqlalchemy import case, delete, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from dashboard.desk import Books
from dashboard.journal import WriteSession
from dashboard.models import Guess

WINDOW = timedelta(minutes=5)
ACCOUNT_FAILURES = 10
ADDRESS_FAILURES = 50
PROOF_FAILURES = 5
FILES = 30
# Whoever is given an IPv6 address is given all of its network.
IPV6_PREFIX = 64
LONGEST_SUBJECT = 254


class TooManyAttempts(Exception):
    """Wait `retry_after_s` seconds before the next attempt."""

    def __init__(self, retry_after_s: int) -> None:
        super().__init__(f"too many attempts, wait {retry_after_s} s")
        self.retry_after_s = retry_after_s


@dataclass(frozen=True)
class Limit:
    """`most` guesses within the window. `kind` says what is guessed and what they are counted by, `subject` whose."""

    kind: str
    subject: str
    most: int

    @property
    def bucket(self) -> str:
        return f"{self.kind}:{self.subject[:LONGEST_SUBJECT]}"


def by_account(what: str, account: str) -> Limit:
    """Guesses of `what` (`password`, …) at one account."""
    return Limit(f"{what}:account", account, ACCOUNT_FAILURES)


def by_browser(what: str, browser: str) -> Limit:
    """Guesses of `what` from a browser that the account was signed in to before."""
    return Limit(f"{what}:browser", browser, ACCOUNT_FAILURES)


def by_proof(where: str, name: str) -> Limit:
    """Guesses of a second factor, apart from passwords: whoever is asked for one knew the password.

    `where`: at an `account`, from a known `browser`, or in an open `sign-in`, by its name.
    """
    return Limit(f"proof:{where}", name, PROOF_FAILURES)


def by_reader(person_id: str) -> Limit:
    """Files that somebody takes along: no guesses, but whoever came to a sign-in may try to empty the desk."""
    return Limit("file:account", person_id, FILES)


def by_address(what: str, address: str) -> Limit:
    """Guesses of `what` from one network address, at whichever account."""
    return Limit(f"{what}:address", network_of(address), ADDRESS_FAILURES)


def network_of(address: str) -> str:
    """What an address is counted as: itself, or its network for IPv6; other text stays as it is."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address):
        mapped = parsed.ipv4_mapped
        return str(mapped or ip_network((int(parsed), IPV6_PREFIX), strict=False))
    return str(parsed)


def reserve(books: Books, *limits: Limit) -> None:
    """Count a guess in each of these, unless one of them is full: then in none. Raises TooManyAttempts."""
    ordered = sorted(limits, key=lambda limit: limit.bucket)
    with books.read() as session:
        for limit in ordered:
            turn_away_if_full(session, books, limit)
    with books.write() as tx:
        _forget_old(tx)
        for limit in ordered:
            if not count(tx, limit):
                turn_away_if_full(tx, books, limit)


def forgive(tx: WriteSession, *limits: Limit) -> None:
    """Begin anew with these: what was guessed there was right in the end."""
    tx.execute(delete(Guess).where(Guess.bucket.in_([limit.bucket for limit in limits])))


def give_back(tx: WriteSession, *limits: Limit) -> None:
    """The guess just counted was right; those before it stay counted."""
    was_counted = (Guess.bucket.in_([limit.bucket for limit in limits]), Guess.count > 0)
    tx.execute(update(Guess).where(*was_counted).values(count=Guess.count - 1))


def count(tx: WriteSession, limit: Limit) -> bool:
    """Count a guess, unless it is full; whether it was counted.

    One statement counts and compares, so that two at once cannot both take the last place.
    """
    now = tx.clock.now()
    insert: Any = sqlite.insert if tx.get_bind().dialect.name == "sqlite" else postgresql.insert
    statement = insert(Guess).values(bucket=limit.bucket, began_at=now, count=1)
    is_old = Guess.began_at <= now - WINDOW
    counted = statement.on_conflict_do_update(
        index_elements=[Guess.bucket],
        set_={
            "count": case((is_old, 1), else_=Guess.count + 1),
            "began_at": case((is_old, statement.excluded.began_at), else_=Guess.began_at),
        },
        where=or_(is_old, Guess.count < limit.most),
    )
    return tx.execute(counted.returning(Guess.count)).first() is not None


def turn_away_if_full(session: Session, books: Books, limit: Limit) -> None:
    """Raises TooManyAttempts."""
    now = books.clock.now()
    is_full = (Guess.bucket == limit.bucket, Guess.count >= limit.most, Guess.began_at > now - WINDOW)
    began_at = session.scalars(select(Guess.began_at).where(*is_full)).one_or_none()
    if began_at is not None:
        raise TooManyAttempts(math.ceil((began_at + WINDOW - now).total_seconds()))


def _forget_old(tx: WriteSession) -> None:
    """What is just being counted by somebody else is left to them."""
    old = select(Guess.bucket).where(Guess.began_at <= tx.clock.now() - WINDOW).with_for_update(skip_locked=True)
    tx.execute(delete(Guess).where(Guess.bucket.in_(old)))
