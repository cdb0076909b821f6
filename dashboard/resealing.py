"""All that the database keeps sealed, sealed again: after the secret key was changed, or the cipher."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from dashboard import factors, mail, sealing, single_sign_on
from dashboard.desk import Books
from dashboard.models import AuthenticatorApp, KeptForm, Mail

BATCH = 100


@dataclass(frozen=True)
class Kept:
    """One column that is sealed, `what` it is called in the journal, and for what the rows of a person are sealed."""

    what: str
    column: InstrumentedAttribute[Any]
    key: InstrumentedAttribute[Any]
    purpose: Callable[[str], str]

    def after(self, last: Any, batch: int) -> Select[Any]:
        """The next rows, in the order of their keys; `last` is None at the beginning."""
        query = select(self.column.class_).where(self.column.is_not(None))
        query = query if last is None else query.where(self.key > last)
        return query.order_by(self.key).limit(batch)


KEPT = (
    Kept("authenticator_apps", AuthenticatorApp.secret, AuthenticatorApp.person_id, factors.to_use),
    Kept("mails", Mail.letter, Mail.id, mail.sealed_to),
    Kept("kept_forms", KeptForm.fields, KeptForm.token_digest, single_sign_on.kept_for),
)


@dataclass(frozen=True)
class Resealed:
    """Of one kind: how many were sealed again, and how many no key that is set opens."""

    what: str
    count: int
    lost: int


def reseal(books: Books, actor: str, batch: int = BATCH) -> list[Resealed]:
    """Seal again with the present key what was sealed otherwise, a batch at a time; each batch is recorded.

    What no key opens is left as it is. It can be run again, and beside everything else.
    """
    return [_reseal(books, actor, kept, batch) for kept in KEPT]


def left(session: Session, secret_keys: tuple[str, ...]) -> int:
    """How many are still sealed otherwise than they would be now, and can be opened."""
    return sum(
        not sealing.is_up_to_date(sealed, secret_keys, purpose) and _opened(sealed, secret_keys, purpose) is not None
        for kept in KEPT
        for sealed, purpose in _all_of(session, kept)
    )


def _all_of(session: Session, kept: Kept) -> Iterator[tuple[bytes, str]]:
    person_id = kept.column.class_.person_id
    for sealed, owner in session.execute(select(kept.column, person_id).where(kept.column.is_not(None))):
        yield sealed, kept.purpose(owner)


def _reseal(books: Books, actor: str, kept: Kept, batch: int) -> Resealed:
    count, lost, last = 0, 0, None
    while True:
        with books.write() as tx:
            rows = tx.scalars(kept.after(last, batch).with_for_update()).all()
            if not rows:
                return Resealed(kept.what, count, lost)
            done = [_seal_again(books, kept, row) for row in rows]
            if any(done):
                tx.record(actor, "installation:resealed", "installation", what=kept.what, count=done.count(True))
        count, lost = count + done.count(True), lost + done.count(None)
        last = getattr(rows[-1], kept.key.key)


def _seal_again(books: Books, kept: Kept, row: Any) -> bool | None:
    """Whether that was needed; None: it cannot be opened."""
    keys, purpose, sealed = books.config.secret_keys, kept.purpose(row.person_id), getattr(row, kept.column.key)
    if sealing.is_up_to_date(sealed, keys, purpose):
        return False
    text = _opened(sealed, keys, purpose)
    if text is None:
        return None
    setattr(row, kept.column.key, sealing.seal(text, keys, purpose))
    return True


def _opened(sealed: bytes, secret_keys: tuple[str, ...], purpose: str) -> str | None:
    try:
        return sealing.unseal(sealed, secret_keys, purpose)
    except sealing.CannotUnseal:
        return None
