"""Second factors: which ones somebody has, and how they are added and taken away.

The first one brings ten recovery codes along; they go with the last one. Whoever has none signs in with the password
alone.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, exists, func, select, update
from sqlalchemy.orm import Session

from dashboard import passkeys, recovery_codes, rights, sealing, totp
from dashboard.desk import Books
from dashboard.journal import WriteSession
from dashboard.models import AuthenticatorApp, Passkey, Person

LONGEST_NAME = 60
MOST_PASSKEYS = 20


class CannotAdd(Exception):
    """Nothing was added. `why`: `wrong_code`, `ran_out`, `too_late`, `there_already`, `too_many` or `not_good`."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


@dataclass(frozen=True)
class Factors:
    """What somebody has beside the password."""

    app: AuthenticatorApp | None
    passkeys: Sequence[Passkey]
    codes_left: int

    @property
    def is_any(self) -> bool:
        return self.app is not None or bool(self.passkeys)


def of(session: Session, person_id: str) -> Factors:
    """What this account has."""
    found = select(Passkey).where(Passkey.person_id == person_id).order_by(Passkey.added_at, Passkey.id)
    return Factors(
        session.get(AuthenticatorApp, person_id),
        session.scalars(found).all(),
        recovery_codes.left(session, [person_id]).get(person_id, 0),
    )


def has_any(session: Session, person_id: str) -> bool:
    """Whether a password alone does not open this account."""
    in_either = exists().where(AuthenticatorApp.person_id == person_id) | exists().where(Passkey.person_id == person_id)
    return bool(session.scalar(select(in_either)))


def kinds(session: Session) -> dict[str, list[str]]:
    """By account, `passkey` and `app`, as far as they are there."""
    found: dict[str, list[str]] = defaultdict(list)
    for person_id in session.scalars(select(Passkey.person_id).distinct()):
        found[person_id].append("passkey")
    for person_id in session.scalars(select(AuthenticatorApp.person_id)):
        found[person_id].append("app")
    return dict(found)


# An authenticator app


def new_app_secret(books: Books, person: Person) -> tuple[str, str]:
    """A secret for an app that is not added yet, and the same sealed, to come back with the first code."""
    secret = totp.new_secret()
    return secret, sealing.seal_as_text(secret, books.config.secret_keys, _to_add(person.id))


def app_secret(books: Books, person: Person, sealed: str) -> str:
    """The secret that was shown to this person. Raises CannotAdd."""
    try:
        return sealing.unseal_text(sealed, books.config.secret_keys, _to_add(person.id))
    except sealing.CannotUnseal as problem:
        raise CannotAdd("too_late") from problem


def add_app(books: Books, person: Person, sealed: str, code: str) -> list[str]:
    """Add the app that shows this code; answers with recovery codes if it is the first factor. Raises CannotAdd."""
    secret, now = app_secret(books, person, sealed), books.clock.now()
    step = totp.step_of(secret, plain(code), now, books.config.app_code_grace_s)
    if step is None:
        raise CannotAdd(_why_none(secret, plain(code), now))
    kept = sealing.seal(secret, books.config.secret_keys, to_use(person.id))
    with books.write() as tx:
        rights.hold(tx, person.id)
        if tx.get(AuthenticatorApp, person.id) is not None:
            raise CannotAdd("there_already")
        is_first = not has_any(tx, person.id)
        app = AuthenticatorApp(person_id=person.id, secret=kept, last_step=step, added_at=now, last_used_at=now)
        tx.add(app)
        tx.record(person.email, "factor:app_added", f"person:{person.id}")
        return _first_codes(tx, person) if is_first else []


def use_code(tx: WriteSession, books: Books, app: AuthenticatorApp, code: str) -> str | None:
    """Use up a code of the app; None, or why that cannot be: `wrong_code`, `ran_out`, `used_code`.

    Raises sealing.CannotUnseal.

    Compared and set in one statement: of two who send the same code at once, one is late.
    """
    secret = sealing.unseal(app.secret, books.config.secret_keys, to_use(app.person_id))
    now = tx.clock.now()
    step = totp.step_of(secret, code, now, books.config.app_code_grace_s)
    if step is None:
        return _why_none(secret, code, now)
    unused = (AuthenticatorApp.person_id == app.person_id, AuthenticatorApp.last_step < step)
    used: Any = tx.execute(update(AuthenticatorApp).where(*unused).values(last_step=step, last_used_at=now))
    return None if used.rowcount == 1 else "used_code"


def _why_none(secret: str, code: str, now: datetime) -> str:
    """Of the steps around, the one that has ended alone is told: its code opens nothing any more."""
    return "ran_out" if totp.has_just_run_out(secret, code, now) else "wrong_code"


def remove_app(books: Books, person: Person) -> bool:
    """Take the app away; whether there was one."""
    with books.write() as tx:
        rights.hold(tx, person.id)
        gone: Any = tx.execute(delete(AuthenticatorApp).where(AuthenticatorApp.person_id == person.id))
        if gone.rowcount:
            tx.record(person.email, "factor:app_removed", f"person:{person.id}")
            _forget_codes_after_last(tx, person.id)
    return bool(gone.rowcount)


def plain(code: str) -> str:
    """A code as apps show it, without the spaces that people type with it."""
    return "".join(code.split())


def _to_add(person_id: str) -> str:
    return f"to add:{person_id}"


def to_use(person_id: str) -> str:
    """For what the secret of this person's app is sealed."""
    return f"to use:{person_id}"


# Passkeys


def add_passkey(books: Books, person: Person, name: str, challenge: str, answer: str) -> list[str]:
    """Add the passkey that the browser made; recovery codes as for an app. Raises CannotAdd."""
    now = books.clock.now()
    try:
        made = passkeys.read_added(books.config, person.id, challenge, answer, now)
    except passkeys.TooLate as problem:
        raise CannotAdd("too_late") from problem
    except passkeys.BadPasskey as problem:
        raise CannotAdd("not_good") from problem
    with books.write() as tx:
        rights.hold(tx, person.id)
        _check_room(tx, person.id, made.credential_id)
        is_first = not has_any(tx, person.id)
        tx.add(
            Passkey(
                id=books.new_id(),
                person_id=person.id,
                credential_id=made.credential_id,
                public_key=made.public_key,
                sign_count=made.sign_count,
                transports=made.transports,
                name=name,
                added_at=now,
                last_used_at=now,
            )
        )
        tx.record(person.email, "factor:passkey_added", f"person:{person.id}", name=name)
        return _first_codes(tx, person) if is_first else []


def _check_room(tx: WriteSession, person_id: str, credential_id: str) -> None:
    if tx.scalar(select(Passkey.id).where(Passkey.credential_id == credential_id)) is not None:
        raise CannotAdd("there_already")
    number = tx.scalar(select(func.count()).select_from(Passkey).where(Passkey.person_id == person_id)) or 0
    if number >= MOST_PASSKEYS:
        raise CannotAdd("too_many")


def use_passkey(tx: WriteSession, books: Books, person_id: str, bound_to: str, challenge: str, answer: str) -> None:
    """Take a signature of one of somebody's passkeys for a proof. Raises passkeys.BadPasskey."""
    credential_id, now = passkeys.credential_id_in(answer), tx.clock.now()
    theirs = (Passkey.person_id == person_id, Passkey.credential_id == credential_id)
    passkey = tx.scalars(select(Passkey).where(*theirs)).one_or_none()
    if passkey is None:
        raise passkeys.BadPasskey
    known = passkey.sign_count
    sign_count = passkeys.read_proof(books.config, bound_to, passkey, challenge, answer, now)
    same = (Passkey.id == passkey.id, Passkey.sign_count == known)
    used: Any = tx.execute(update(Passkey).where(*same).values(sign_count=sign_count, last_used_at=now))
    if used.rowcount != 1:
        raise passkeys.CopiedKey


def remove_passkey(books: Books, person: Person, passkey_id: str) -> bool:
    """Take one of somebody's passkeys away; whether it was there."""
    with books.write() as tx:
        rights.hold(tx, person.id)
        passkey = tx.get(Passkey, passkey_id)
        if passkey is None or passkey.person_id != person.id:
            return False
        tx.delete(passkey)
        tx.flush()
        tx.record(person.email, "factor:passkey_removed", f"person:{person.id}", name=passkey.name)
        _forget_codes_after_last(tx, person.id)
    return True


# Recovery codes, and all of it at once


def new_codes(books: Books, person: Person) -> list[str]:
    """Ten new recovery codes in the place of the old ones; none for somebody without a factor."""
    with books.write() as tx:
        rights.hold(tx, person.id)
        return _first_codes(tx, person) if has_any(tx, person.id) else []


def take_all(tx: WriteSession, person_id: str) -> bool:
    """Take everything away that somebody has beside the password; whether there was anything."""
    kinds_kept = (AuthenticatorApp, Passkey)
    gone: list[Any] = [tx.execute(delete(kind).where(kind.person_id == person_id)) for kind in kinds_kept]
    recovery_codes.forget(tx, person_id)
    return any(each.rowcount for each in gone)


def _first_codes(tx: WriteSession, person: Person) -> list[str]:
    codes = recovery_codes.issue(tx, person.id)
    tx.record(person.email, "factor:codes_made", f"person:{person.id}", number=len(codes))
    return codes


def _forget_codes_after_last(tx: WriteSession, person_id: str) -> None:
    if not has_any(tx, person_id):
        recovery_codes.forget(tx, person_id)
