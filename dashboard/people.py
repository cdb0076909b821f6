"""Accounts: who may sign in, and as what."""

from collections.abc import Callable, Sequence
from pathlib import Path

from sqlalchemy import and_, exists, literal, or_, select, update
from sqlalchemy.orm import Session

from dashboard import mail, passwords, roles, sign_ins
from dashboard.bank131.hidden_characters import is_hidden
from dashboard.config import BooksConfig
from dashboard.desk import Books
from dashboard.journal import WriteSession
from dashboard.models import FederatedIdentity, Link, Person


class BadAccount(ValueError):
    """The account cannot be made or changed; str() says why in one line."""


class LastAdmin(BadAccount):
    """Without this account nobody could look after accounts any more."""


# What a new password has to be like: raises BadPassword. Takes the password, the person's address and the list
# of leaked ones.
Check = Callable[[str, str, Path | None], None]


def add(books: Books, email: str, role: str, password: str, *, actor: str, check: Check = passwords.check) -> None:
    """Make an account. Raises BadAccount, BadPassword."""
    check(password, email, books.config.leaked_passwords_file)
    password_hash = passwords.hash_of(password)
    with books.write() as tx:
        person = make(tx, books.new_id(), email, role, password_hash)
        tx.record(actor, "person:added", f"person:{person.id}", email=person.email, role=role)


def make(tx: WriteSession, person_id: str, email: str, role: str, password_hash: str) -> Person:
    """A new account, not on record yet; without a hash nobody can sign in to it. Raises BadAccount."""
    email = email.strip().lower()
    name, _at, domain = email.rpartition("@")
    is_visible = email.isprintable() and " " not in email and not any(map(is_hidden, email))
    if not name or not domain or len(email) > 254 or not is_visible:
        raise BadAccount(f"{email!r} is no e-mail address")
    _check_role(role)
    if find(tx, email) is not None:
        raise BadAccount(f"{email} has an account already")
    person = Person(id=person_id, email=email, password_hash=password_hash, role=role, created_at=tx.clock.now())
    tx.add(person)
    return person


def set_password(books: Books, email: str, password: str, *, actor: str, check: Check = passwords.check) -> None:
    """Give an account this password and end its sign-ins, also where it had the same.

    Raises BadAccount, BadPassword.
    """
    check(password, email, books.config.leaked_passwords_file)
    password_hash = passwords.hash_of(password)
    with books.write() as tx:
        person = locked(tx, email)
        give_password(tx, person, password_hash)
        sign_ins.end_all(tx, person, books.config.idle)
        tx.record(actor, "person:password_set", f"person:{person.id}")


def give_password(tx: WriteSession, person: Person, password_hash: str) -> None:
    """Another password in the place of the old one, and no more links; sign-ins and record are the caller's."""
    person.password_hash = password_hash
    person.password_changed_at = tx.clock.now()
    end_links(tx, person)


def end_links(tx: WriteSession, person: Person) -> None:
    """Nobody sets a password of this account with a link that was given out till now, and none is mailed any more."""
    tx.execute(update(Link).where(Link.person_id == person.id, Link.ended_at.is_(None)).values(ended_at=tx.clock.now()))
    mail.drop(tx, person, mail.PASSWORD_LINK)


# Each of these answers with whether something was changed; what is so already is not recorded a second time.


def disable(books: Books, email: str, *, actor: str) -> bool:
    """Let an account sign in no more, and end its sign-ins. Raises BadAccount, also for the last enabled admin."""
    with books.write() as tx:
        person = locked(tx, email)
        if person.disabled_at is not None:
            return False
        _keep_an_admin(tx, person, books.config)
        person.disabled_at = tx.clock.now()
        sign_ins.end_all(tx, person, books.config.idle)
        end_links(tx, person)
        tx.record(actor, "person:disabled", f"person:{person.id}", email=person.email)
    return True


def enable(books: Books, email: str, *, actor: str) -> bool:
    """Let an account sign in again; its old sign-ins stay ended. Raises BadAccount."""
    with books.write() as tx:
        person = locked(tx, email)
        if person.disabled_at is None:
            return False
        person.disabled_at = None
        tx.record(actor, "person:enabled", f"person:{person.id}", email=person.email)
    return True


def change_role(books: Books, email: str, role: str, *, actor: str) -> bool:
    """Give an account another role and end its sign-ins. Raises BadAccount, also for the last enabled admin."""
    _check_role(role)
    with books.write() as tx:
        person = locked(tx, email)
        was = person.role
        if was == role:
            return False
        _keep_an_admin(tx, person, books.config)
        person.role = role
        sign_ins.end_all(tx, person, books.config.idle)
        tx.record(actor, "person:role_changed", f"person:{person.id}", email=person.email, was=was, now=role)
    return True


def sign_out_everywhere(books: Books, email: str, *, actor: str) -> bool:
    """End every open sign-in of an account; it may sign in anew. Raises BadAccount."""
    with books.write() as tx:
        person = locked(tx, email)
        ended = sign_ins.end_all(tx, person, books.config.idle)
        if ended:
            tx.record(actor, "person:signed_out", f"person:{person.id}", email=person.email, ended=ended)
    return ended > 0


def locked(tx: WriteSession, email: str) -> Person:
    """The account, with all accounts locked: two at once must not each leave the other as the last admin."""
    query = select(Person).order_by(Person.id).with_for_update(key_share=True)
    wanted = email.strip().lower()
    for person in tx.scalars(query.execution_options(populate_existing=True)):
        if person.email == wanted:
            return person
    raise BadAccount(f"{wanted!r} has no account")


def _keep_an_admin(tx: WriteSession, person: Person, config: BooksConfig) -> None:
    at_provider = exists().where(
        FederatedIdentity.person_id == Person.id, FederatedIdentity.issuer == (config.oidc_issuer or None)
    )
    by_password = and_(Person.password_hash != "", literal(not config.oidc_only))
    can_sign_in = (Person.disabled_at.is_(None), or_(by_password, at_provider))
    admins = tx.scalars(select(Person.id).where(Person.role == "admin", *can_sign_in)).all()
    if list(admins) == [person.id]:
        raise LastAdmin(f"{person.email} is the last admin who can sign in: make another one first")


def _check_role(role: str) -> None:
    if role not in roles.ROLES:
        raise BadAccount(f"{role!r} is no role; the roles are {', '.join(roles.ROLES)}")


def find(session: Session, email: str) -> Person | None:
    """The account with this address, whatever its case."""
    return session.scalars(select(Person).where(Person.email == email.strip().lower())).one_or_none()


def everybody(session: Session) -> Sequence[Person]:
    """All accounts, by their addresses."""
    return session.scalars(select(Person).order_by(Person.email)).all()
