"""Signing in: limits, then the password, then a sign-in."""

from dashboard import guessing, passwords, people, sign_ins
from dashboard.desk import Books
from dashboard.models import Person


class WrongSignIn(Exception):
    """No such account, wrong password or disabled: one answer for all, so that nobody can probe."""


def sign_in(books: Books, email: str, password: str, address: str, *, browser: str = "", known_as: str = "") -> str:
    """Check a password and answer with the token of a new sign-in. Raises WrongSignIn, TooManyAttempts.

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
    with books.write() as tx:
        guessing.forgive(tx, by_account)
        guessing.give_back(tx, *others)
        token = sign_ins.start(tx, person, address, browser)
        tx.record(person.email, "login:succeeded", f"person:{person.id}", address=address)
    return token


def _record_failure(books: Books, email: str, person: Person | None, address: str) -> None:
    with books.write() as tx:
        subject = f"person:{person.id}" if person else "person:unknown"
        tx.record("nobody", "login:failed", subject, email=email[:254], address=address)
