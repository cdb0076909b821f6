"""The journal as auditors read it: filters, pages of the entries that fit, newest first, and exports of all of them.

Entries are numbered without gaps, so a time is turned into a number by looking ever closer, and every filter is a walk
along one index from there: a page costs the same at a thousand entries and at a million.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from dashboard import journal, people
from dashboard.desk import Books
from dashboard.history_filters import BadFilter, start_of
from dashboard.models import JournalEntry

PAGE_SIZE = 100
LONGEST_FILTER = 200
MOST_SUGGESTED = 200
LOOKS_AT = 16
# Hosts may write at once, each with a clock of its own: no two are further apart.
CLOCKS_DIFFER_BY = timedelta(days=1)

_SUBJECT_KINDS = ("refund", "session", "person", "webhook")
_ACTION = re.compile(r"[a-z_]+:[a-z_]+")


@dataclass(frozen=True)
class Filters:
    """What the journal is narrowed to. Empty texts and None do not narrow; dates are inclusive, in the desk's zone.

    `subject`: as an entry has it, or a reference, session, webhook's digest or person's address alone.
    """

    actor: str = ""
    action: str = ""
    subject: str = ""
    date_from: date | None = None
    date_to: date | None = None

    def __bool__(self) -> bool:
        return self != Filters()

    def check(self) -> None:
        """Raises BadFilter, with the name of what cannot be used."""
        for name in ("actor", "action", "subject"):
            if len(getattr(self, name)) > LONGEST_FILTER:
                raise BadFilter(name)
        if self.action and not _ACTION.fullmatch(self.action):
            raise BadFilter("action")
        if self.date_from and self.date_to and self.date_from > self.date_to:
            raise BadFilter("to")


@dataclass(frozen=True)
class Page:
    """Entries, newest first, and the number before which older ones follow (None: there are none)."""

    entries: Sequence[JournalEntry]
    older: int | None


def page(session: Session, filters: Filters, zone: ZoneInfo, before: int | None = None, size: int = PAGE_SIZE) -> Page:
    """One page of the journal. Raises BadFilter."""
    query = select(JournalEntry).where(*conditions(session, filters, zone))
    if before is not None:
        query = query.where(JournalEntry.seq < before)
    found = session.scalars(query.order_by(JournalEntry.seq.desc()).limit(size + 1)).all()
    return Page(found[:size], found[size - 1].seq if len(found) > size else None)


def conditions(session: Session, filters: Filters, zone: ZoneInfo) -> list[ColumnElement[bool]]:
    """The filters as conditions on JournalEntry. Raises BadFilter."""
    filters.check()
    return [*_by_texts(session, filters), *_by_time(session, filters, zone)]


def _by_texts(session: Session, filters: Filters) -> Iterator[ColumnElement[bool]]:
    if filters.subject:
        subjects = _subjects(session, filters.subject)
        yield JournalEntry.subject == subjects[0] if len(subjects) == 1 else JournalEntry.subject.in_(subjects)
    for column, text in ((JournalEntry.actor, _actor(filters.actor)), (JournalEntry.action, filters.action)):
        if text:
            # What has a subject is few; an index of the other columns would find more.
            yield (column.concat("") if filters.subject else column) == text


def _actor(text: str) -> str:
    return text.lower() if "@" in text else text


def _subjects(session: Session, text: str) -> list[str]:
    """All that a text may stand for."""
    if ":" in text:
        return [text]
    person = people.find(session, text) if "@" in text else None
    named = [f"person:{person.id}"] if person else []
    return [text, *(f"{kind}:{text}" for kind in _SUBJECT_KINDS), *named]


def _by_time(session: Session, filters: Filters, zone: ZoneInfo) -> Iterator[ColumnElement[bool]]:
    """Exact by what the entries say; where to look is found by their numbers, with room for clocks that differ."""
    if filters.date_from:
        start = start_of(filters.date_from, zone)
        yield JournalEntry.at >= journal.timestamp(start)
        yield JournalEntry.seq >= first_since(session, start - CLOCKS_DIFFER_BY)
    if filters.date_to:
        end = start_of(filters.date_to + timedelta(days=1), zone)
        yield JournalEntry.at < journal.timestamp(end)
        first_beyond = first_since(session, end + CLOCKS_DIFFER_BY)
        if first_beyond <= journal.head_seq(session):
            yield JournalEntry.seq < first_beyond


def first_since(session: Session, moment: datetime) -> int:
    """The number of the first entry of this moment or later; the one after the last if there is none.

    Each look is at some entries, evenly apart, and leaves those between two of them for the next one.
    """
    text = journal.timestamp(moment)
    low, high = 1, journal.head_seq(session) + 1
    while low < high:
        places = range(low, high, max(1, (high - low) // LOOKS_AT))
        found = session.execute(select(JournalEntry.seq, JournalEntry.at).where(JournalEntry.seq.in_(places))).all()
        low = max((entry.seq + 1 for entry in found if entry.at < text), default=low)
        high = min((entry.seq for entry in found if entry.at >= text and entry.seq >= low), default=high)
        if not found or places.step == 1:
            break
    return low


def known_actions(session: Session) -> list[str]:
    """Every action that the journal has, as far as they are few; each is one step along the index."""
    return list(_distinct(session, JournalEntry.action))


def known_actors(session: Session) -> list[str]:
    """Everybody who stands in the journal as an actor, as far as they are few."""
    return list(_distinct(session, JournalEntry.actor))


def _distinct(session: Session, column: InstrumentedAttribute[str]) -> Iterator[str]:
    last = ""
    for _ in range(MOST_SUGGESTED):
        found = session.scalar(select(column).where(column > last).order_by(column).limit(1))
        if found is None:
            return
        yield found
        last = found


# Exports


@dataclass(frozen=True)
class Export:
    """What goes into an export: the entries that fit, up to the head (seq, hash) that the journal had then."""

    filters: Filters
    rows: int
    head: tuple[int, str]


def begin_export(books: Books, actor: str, kind: str, filters: Filters) -> Export:
    """Put on record that somebody takes entries out of the journal; its own entry is not among them. Raises BadFilter.

    `kind`: what is made of them. The journal only grows, so they can be read one after another afterwards.
    """
    with books.read() as session:
        head = journal.last_entry(session)
        rows = _count(session, filters, books.config.timezone, head[0])
    with books.write() as tx:
        tx.record(actor, "export:made", "journal", kind=kind, filters=as_texts(filters), rows=rows, up_to=head[0])
    return Export(filters, rows, head)


def _count(session: Session, filters: Filters, zone: ZoneInfo, up_to: int) -> int:
    if not filters:
        return up_to
    wanted = conditions(session, filters, zone)
    return session.scalars(select(func.count()).where(JournalEntry.seq <= up_to, *wanted)).one()


def as_texts(filters: Filters) -> dict[str, str]:
    """The filters that are set, as they stand in an address."""
    names = {"date_from": "from", "date_to": "to"}
    return {names.get(name, name): str(value) for name, value in vars(filters).items() if value}


def entries_of(books: Books, export: Export) -> Iterator[JournalEntry]:
    """The entries of an export, oldest first, some at a time; no transaction is open while they are written out."""
    with books.read() as session:
        wanted = conditions(session, export.filters, books.config.timezone)
    query = select(JournalEntry).where(JournalEntry.seq <= export.head[0], *wanted)
    query = query.order_by(JournalEntry.seq).limit(journal.BATCH)
    last = 0
    while True:
        with books.read() as session:
            found = session.scalars(query.where(JournalEntry.seq > last)).all()
        yield from found
        if len(found) < journal.BATCH:
            return
        last = found[-1].seq
