"""Signing in: limits, then the password, then a sign-in, or half of one where a second factor is awaited."""

import re

from dashboard import factors, guessing, passwords, people, rights, sign_ins
from dashboard.bank131.card_numbers import mask_card_numbers
from dashboard.desk import Books
from dashboard.journal import WriteSession
from dashboard.models import Person


class WrongSignIn(Exception):
    """No such account, wrong password or disabled: one answer for all, so that nobody can probe."""


class FactorNeeded(Exception):
    """The first step is right, and the account has a second factor: `half_token` is for `proving.finish_sign_in`."""

    def __init__(self, half_token: str) -> None:
        super().__init__()
        self.half_token = half_token


def sign_in(books: Books, email: str, password: str, address: str, *, browser: str = "", known_as: str = "") -> str:
    """Check a password and answer with the token of a new sign-in.

    Raises WrongSignIn, TooManyAttempts, FactorNeeded.

    What is over a limit is turned away before the password is looked at. `known_as`: the name of a browser in which
    this account was signed in to before; it is limited for itself.
    """
    email = email.strip().lower()
    by_account = guessing.by_browser("password", known_as) if known_as else guessing.by_account("password", email)
    # Somebody who guesses at the same address must not keep out a browser that is known here.
    others = [] if known_as else [guessing.by_address("password", address)]
    guessing.reserve(books, by_account, *others)
    with books.read() as session:
        person = people.find(session, email)
    is_right = passwords.fits(password, person.password_hash if person else "")
    if person is None or not is_right or person.disabled_at is not None:
        _record_failure(books, email, person, address)
        raise WrongSignIn
    renewed_hash = passwords.hash_of(password) if passwords.is_outdated(person.password_hash) else None
    with books.write() as tx:
        account = _check_unchanged(tx, person, password)
        if renewed_hash is not None and account.password_hash == person.password_hash:
            account.password_hash = renewed_hash
            tx.record("nobody", "person:password_hashed_anew", f"person:{person.id}")
        guessing.forgive(tx, by_account)
        guessing.give_back(tx, *others)
        half_token = start_half(tx, person, address) if factors.has_any(tx, person.id) else None
        if half_token is None:
            token = sign_ins.start(tx, person, address, browser)
            tx.record(person.email, "login:succeeded", f"person:{person.id}", address=address)
    if half_token is not None:
        raise FactorNeeded(half_token)
    return token


def _check_unchanged(tx: WriteSession, seen: Person, password: str) -> Person:
    """Looking at a password takes its time: meanwhile it may have been changed, or the account disabled."""
    person = rights.hold(tx, seen.id)
    if person.disabled_at is not None:
        raise WrongSignIn
    # Of two sign-ins at once the other one may have hashed it anew.
    if person.password_hash != seen.password_hash and not passwords.fits(password, person.password_hash):
        raise WrongSignIn
    return person


def start_half(tx: WriteSession, person: Person, address: str) -> str:
    """Half a sign-in of somebody who has a second factor: answers with its token."""
    tx.record("nobody", "login:factor_asked", f"person:{person.id}", email=person.email, address=address)
    return sign_ins.start_half(tx, person)


def _record_failure(books: Books, email: str, person: Person | None, address: str) -> None:
    with books.write() as tx:
        subject = f"person:{person.id}" if person else "person:unknown"
        # People type their password into the first field: what is no address is kept nowhere.
        is_address = re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", email)
        said = mask_card_numbers(email[:254]) if is_address else ""
        tx.record("nobody", "login:failed", subject, email=said, address=address)
