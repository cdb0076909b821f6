"""The history taken along as a table: every refund that fits the filters, newest first, however many there are.

Each row is as it was when it was read, some at a time, so that no transaction is open while a file is sent. Refunds
are ordered by when they were asked for, which never changes: none is in a file twice, and none asked for before it was
begun is left out unless it ceased to fit meanwhile.

How far a file is stands in a table, for whoever takes it: what is there has been written, and no more is said.
"""

import re
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import select, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from dashboard import history, history_counts
from dashboard.desk import Books
from dashboard.history import Row
from dashboard.history_filters import Filters
from dashboard.journal import WriteSession
from dashboard.models import Export, Person, Refund

BATCH = 1000
MOVED_EVERY_S = 1.0
# Refunds are handed on before they are in a piece, and what packs pieces holds some of the last one back.
PIECES_BEHIND = 2
QUIET_AFTER = timedelta(minutes=1)

FINISHED = "finished"
BROKEN_OFF = "broken_off"
WRITING = "writing"
# Nothing was written for a while: whoever takes it is slow, or the server has died over it.
QUIET = "quiet"

_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# How far a file is can be told a second later too.
_SHORT_WAIT_MS = 200


@dataclass
class Taken:
    """One file while it is taken. `rows_read`: refunds handed on to be written. `rows_done`: surely sent."""

    id: str
    actor: str
    kind: str
    filters: Filters
    zone: ZoneInfo
    rows_read: int = 0
    rows_done: int = 0
    has_ended: bool = False


def is_id(text: str) -> bool:
    """Whether a file can be known by this: a UUID as programs write one."""
    return _ID.fullmatch(text) is not None


def begin(
    books: Books,
    person: Person,
    kind: str,
    filters: Filters,
    zone: ZoneInfo,
    arguments: dict[str, str],
    export_id: str = "",
) -> Taken:
    """Put on record that somebody takes refunds along. Raises BadFilter, BadTerm.

    `kind`: what is made of them. `arguments`: the filters as in an address. `export_id`: what the file is to be known
    by, see `is_id`; where it is empty, or known already, another one is made.
    """
    with books.read() as session:
        total = history_counts.in_all(session, filters, zone)
    now = books.clock.now()
    with books.write() as tx:
        is_known = not export_id or tx.get(Export, export_id) is not None
        taken = Taken(books.new_id() if is_known else export_id, person.email, kind, filters, zone)
        row = Export(
            id=taken.id, person_id=person.id, kind=kind, rows_total=total, rows_done=0, begun_at=now, moved_at=now
        )
        tx.add(row)
        tx.flush()
        tx.record(taken.actor, "export:made", "refunds", kind=kind, filters=arguments)
    return taken


def note_paper(books: Books, actor: str, reference: str) -> None:
    """Put on record that somebody takes one refund along on paper. Raises LookupError for none of this reference."""
    with books.write() as tx:
        if tx.scalars(select(Refund.id).where(Refund.reference == reference)).first() is None:
            raise LookupError(reference)
        tx.record(actor, "export:made", f"refund:{reference}", kind="paper")


def rows(books: Books, taken: Taken) -> Iterator[Row]:
    """The refunds that fit, with days of the zone."""
    before, is_more = "", True
    while is_more:
        with books.read() as session:
            page = history.page(session, taken.filters, taken.zone, before, BATCH)
        yield from page.rows
        taken.rows_read += len(page.rows)
        before, is_more = page.older, bool(page.older)


def to_the_end(books: Books, taken: Taken, pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The file's pieces. How far it is is noted, at most once a second, and on record that the last was sent."""
    behind = deque([0] * PIECES_BEHIND, PIECES_BEHIND)
    moved_at_s = books.clock.monotonic()
    for piece in pieces:
        rows_read = taken.rows_read
        yield piece
        taken.rows_done = behind[0]
        behind.append(rows_read)
        if books.clock.monotonic() - moved_at_s >= MOVED_EVERY_S:
            _move(books, taken)
            moved_at_s = books.clock.monotonic()
    taken.rows_done = taken.rows_read
    _end(books, taken, FINISHED)


def break_off(books: Books, taken: Taken) -> None:
    """Put on record that no more of the file is sent, unless all of it was."""
    if not taken.has_ended:
        _end(books, taken, BROKEN_OFF)


def _move(books: Books, taken: Taken) -> None:
    """Not worth waiting for: where somebody else is writing for long, the next time has to do."""
    with suppress(OperationalError), books.write(_SHORT_WAIT_MS) as tx:
        _keep(tx, taken, books.clock.now())


def _end(books: Books, taken: Taken, how: str) -> None:
    now = books.clock.now()
    with books.write() as tx:
        _keep(tx, taken, now, ended_at=now, how=how)
        tx.record(taken.actor, f"export:{how}", "refunds", kind=taken.kind, rows=taken.rows_done)
    taken.has_ended = True


def _keep(tx: WriteSession, taken: Taken, now: datetime, **end: datetime | str) -> None:
    values = {"rows_done": taken.rows_done, "moved_at": now, **end}
    tx.execute(update(Export).where(Export.id == taken.id).values(values))


@dataclass(frozen=True)
class Progress:
    """How far a file is. `total`: how many refunds it will have, where that is known. `state`: one of the four."""

    done: int
    total: int | None
    state: str


def progress(session: Session, export_id: str, person: Person, now: datetime) -> Progress | None:
    """Of a file of this person's; None where there is none of this id."""
    found = session.get(Export, export_id)
    if found is None or found.person_id != person.id:
        return None
    waiting = QUIET if now - found.moved_at > QUIET_AFTER else WRITING
    return Progress(found.rows_done, _total(found), found.how or waiting)


def _total(export: Export) -> int | None:
    """Some may have begun to fit since they were counted: what is wrong is not said."""
    total = export.rows_total
    return None if total is None or total < export.rows_done else total
