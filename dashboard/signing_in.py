"""Signing in: limits, then the password, then a sign-in."""

from dashboard import guessing, passwords, people, sign_ins
from dashboard.desk import Books
from dashboard.models import Person


class WrongSignIn(Exception):
    """No such account, wrong password or disabled: one answer for all, so that nobody can probe."""


def sign_in(books: Books, email: str, password: str, address: str) -> str:
    """Check a password and answer with the token of a new sign-in. Raises WrongSignIn, TooManyAttempts.

    What is over a limit is turned away before the password is looked at.
    """
    email = email.strip().lower()
    with books.read() as session:
        guessing.check(session, books, guessing.buckets_of(email, address))
        person = people.find(session, email)
    is_right = passwords.fits(password, person.password_hash if person else None)
    if person is None or not is_right or person.disabled_at is not None:
        _count_failure(books, email, person, address)
        raise WrongSignIn
    with books.write() as tx:
        guessing.forget_failures(tx, email)
        token = sign_ins.start(tx, person)
        tx.record(person.email, "login:succeeded", f"person:{person.id}", address=address)
    return token


def _count_failure(books: Books, email: str, person: Person | None, address: str) -> None:
    with books.write() as tx:
        guessing.count_failure(tx, guessing.buckets_of(email, address))
        subject = f"person:{person.id}" if person else "person:unknown"
        tx.record("nobody", "login:failed", subject, email=email[:254], address=address)
