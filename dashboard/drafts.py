"""What somebody has typed and not sent: it lies in their browser, sealed, until they have signed in again."""

from datetime import datetime, timedelta

from dashboard import sealing
from dashboard.desk import Books
from dashboard.models import Person

HOLDS_FOR = timedelta(hours=12)
# Sealed and written as text it is a third longer, and has to fit into a form.
MOST_BYTES = 32 * 1024


class DraftOver(Exception):
    """It is too old, was changed, or somebody else typed it: one answer for all."""


def seal(books: Books, person: Person, typed: str) -> str:
    """Sealed text that `unseal` opens for the same person alone, as long as it holds."""
    text = f"{books.clock.now().isoformat()} {typed}"
    return sealing.seal_as_text(text, books.config.secret_keys, _typed_by(person))


def unseal(books: Books, person: Person, sealed: str) -> str:
    """What was typed. Raises DraftOver."""
    try:
        text = sealing.unseal_text(sealed, books.config.secret_keys, _typed_by(person))
    except sealing.CannotUnseal as problem:
        raise DraftOver from problem
    sealed_at, _space, typed = text.partition(" ")
    if books.clock.now() - datetime.fromisoformat(sealed_at) >= HOLDS_FOR:
        raise DraftOver
    return typed


def _typed_by(person: Person) -> str:
    return f"typed by:{person.id}"
