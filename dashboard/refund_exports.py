"""The history taken along as a table: every refund that fits the filters, newest first, however many there are.

Each row is as it was when it was read, some at a time, so that no transaction is open while a file is sent. Refunds
are ordered by when they were asked for, which never changes: none is in a file twice, and none asked for before it was
begun is left out unless it ceased to fit meanwhile.
"""

from collections.abc import Iterator
from zoneinfo import ZoneInfo

from sqlalchemy import select

from dashboard import history
from dashboard.desk import Books
from dashboard.history import Filters, Row
from dashboard.models import Refund

BATCH = 1000


def begin(books: Books, actor: str, kind: str, filters: dict[str, str]) -> None:
    """Put on record that somebody takes refunds along. `kind`: what is made of them; `filters`: as in an address."""
    with books.write() as tx:
        tx.record(actor, "export:made", "refunds", kind=kind, filters=filters)


def note_paper(books: Books, actor: str, reference: str) -> None:
    """Put on record that somebody takes one refund along on paper. Raises LookupError for none of this reference."""
    with books.write() as tx:
        if tx.scalars(select(Refund.id).where(Refund.reference == reference)).first() is None:
            raise LookupError(reference)
        tx.record(actor, "export:made", f"refund:{reference}", kind="paper")


def rows(books: Books, actor: str, kind: str, filters: Filters, zone: ZoneInfo) -> Iterator[Row]:
    """The refunds that fit, with days of the zone. That all were read, and how many, is put on record as well."""
    count, before, is_more = 0, "", True
    while is_more:
        with books.read() as session:
            page = history.page(session, filters, zone, before, BATCH)
        yield from page.rows
        count, before = count + len(page.rows), page.older
        is_more = bool(before)
    with books.write() as tx:
        tx.record(actor, "export:finished", "refunds", kind=kind, rows=count)
