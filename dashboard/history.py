"""The history of refunds: pages, and the rows that changed since a moment of the journal.

One place for the list, its live rows and exports. Pages are keyset pages, so that a page costs the same at a thousand
refunds and at ten million. A page's ids are found first, from the refunds' indexes alone, where the database has
little choice; then the rows of these ids.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Select, and_, exists, func, or_, select
from sqlalchemy.orm import Session

from dashboard import journal, keyset, refund_rules, search
from dashboard.history_filters import Filters, columns_and_words, conditions
from dashboard.models import PaymentSession, Person, Refund

_NEWEST_FIRST = (Refund.asked_at.desc(), Refund.id.desc())

PAGE_SIZE = 50
MOST_CHANGES = 200

# How pages show a reference in short, or more of it.
_BEGINNING = re.compile(r"[0-9a-f]{8}(-[0-9a-f-]{0,27})?")
_FIRST_UUID = "00000000-0000-0000-0000-000000000000"
_LAST_UUID = "ffffffff-ffff-ffff-ffff-ffffffffffff"


class Row(NamedTuple):
    """One refund with what the list shows of its session. Amounts in minor units.

    `status`: the state, or `waiting` for a queued refund behind one that is unknown or under review.
    `bank_status`: what the bank said last. `contradicted`: it said both accepted and declined.
    """

    id: int
    reference: str
    status: str
    review: str
    session_id: str
    amount_minor: int
    currency: str
    captured_minor: int
    customer_reference: str | None
    card_brand: str | None
    card_last4: str | None
    method: str | None
    reason: str
    comment: str
    asked_by: str | None
    origin: str
    created_at: datetime
    bank_id: str | None
    payment_id: str | None
    rrn: str | None
    bank_amount_minor: int | None
    bank_currency: str | None
    finished_at: datetime | None
    bank_status: str | None
    contradicted: bool

    @property
    def is_full(self) -> bool:
        return self.amount_minor == self.captured_minor

    @property
    def sort_key(self) -> str:
        """Orders rows as the list does when compared as text."""
        return keyset.cursor(self.created_at, self.id)


@dataclass(frozen=True)
class Page:
    """Rows, newest first, and the cursor of the page of older ones (empty: there are none)."""

    rows: list[Row]
    older: str


@dataclass(frozen=True)
class Changes:
    """What became of the history since a moment of the journal: rows that match, references that do not any more.

    `is_too_much`: more changed than is worth sending; load the page again. `cursor`: where to go on.
    """

    rows: list[Row]
    gone: list[str]
    cursor: int
    is_too_much: bool = False


def page(session: Session, filters: Filters, zone: ZoneInfo, before: str = "", size: int = PAGE_SIZE) -> Page:
    """One page of the history. `before`: the cursor of a page. Raises BadFilter, BadTerm, keyset.BadCursor."""
    wanted, words = columns_and_words(filters, zone)
    if before:
        wanted.append(keyset.older_than(before, Refund.asked_at, Refund.id))
    ids = search.newest(session, search.REFUNDS, wanted, words, size + 1)
    rows = _read(session, _rows_query().where(Refund.id.in_(ids)).order_by(*_NEWEST_FIRST)) if ids else []
    older = rows[size - 1].sort_key if len(rows) > size else ""
    return Page(rows[:size], older)


def is_any(session: Session, filters: Filters, zone: ZoneInfo) -> bool:
    """Whether any refund is within the filters. Raises BadFilter, BadTerm."""
    return session.scalars(select(Refund.id).where(*conditions(filters, zone)).limit(1)).first() is not None


def changes(session: Session, filters: Filters, zone: ZoneInfo, since: int) -> Changes:
    """Rows changed by journal entries after `since`, within the filters."""
    cursor, subjects = journal.subjects_since(session, since)
    references = {subject.removeprefix("refund:") for subject in subjects if subject.startswith("refund:")}
    if len(references) > MOST_CHANGES:
        return Changes([], [], cursor, is_too_much=True)
    if not references:
        return Changes([], [], cursor)
    affected = _with_neighbours(session, references)
    query = _rows_query().where(Refund.reference.in_(affected), *conditions(filters, zone))
    rows = _read(session, query.order_by(Refund.asked_at, Refund.id))
    gone = sorted(affected - {row.reference for row in rows})
    return Changes(rows, gone, cursor)


def _with_neighbours(session: Session, references: set[str]) -> set[str]:
    """These refunds, and the queued ones of their sessions, which may have begun or ceased to wait."""
    sessions = select(Refund.session_id).where(Refund.reference.in_(references))
    queued = select(Refund.reference).where(Refund.state == refund_rules.QUEUED, Refund.session_id.in_(sessions))
    return references | set(session.scalars(queued))


def one(session: Session, reference: str) -> Row | None:
    """The row of one refund."""
    rows = _read(session, _rows_query().where(Refund.reference == reference))
    return rows[0] if rows else None


def references_of(session: Session, text: str) -> list[str]:
    """The reference of the refund that an id, the beginning of a reference or an RRN belongs to; two if to several.

    An id is ours or the bank's, in capital or small letters. All of it is looked up by an index.
    """
    for wanted in _bearing(session, text):
        if found := session.scalars(select(Refund.reference).where(wanted).limit(2)).all():
            return list(found)
    return []


def _bearing(session: Session, text: str) -> Iterator[ColumnElement[bool]]:
    small = text.lower()
    yield or_(Refund.reference.in_({text, small}), Refund.bank_id == text)
    if _BEGINNING.fullmatch(small):
        # Whole ones are in the same order in every collation, which their beginnings are not.
        yield Refund.reference.between(small + _FIRST_UUID[len(small) :], small + _LAST_UUID[len(small) :])
    if ids := [refund_id for _, refund_id in search.bearers(session, text) if refund_id]:
        yield and_(Refund.id.in_(ids), or_(func.lower(Refund.bank_id) == small, func.lower(Refund.rrn) == small))


def askers(session: Session) -> list[str]:
    """The addresses of everybody who has asked for a refund."""
    has_asked = exists(select(Refund.id).where(Refund.asked_by_id == Person.id))
    return list(session.scalars(select(Person.email).where(has_asked).order_by(Person.email)))


def of_session(session: Session, session_id: str) -> list[Row]:
    """All refunds of a session, newest first."""
    query = _rows_query().where(Refund.session_id == session_id)
    return _read(session, query.order_by(*_NEWEST_FIRST))


def rows_of(session: Session, ids: Sequence[int]) -> list[Row]:
    """The rows of those of these refunds that are still there, in their order."""
    found = {row.id: row for row in _read(session, _rows_query().where(Refund.id.in_(ids)))} if ids else {}
    return [found[each] for each in ids if each in found]


# Rows

# In the order of a row's fields.
_COLUMNS: tuple[Any, ...] = (
    Refund.id,
    Refund.reference,
    Refund.state,
    Refund.review,
    Refund.session_id,
    Refund.amount_minor,
    Refund.currency,
    PaymentSession.captured_minor,
    PaymentSession.customer_reference,
    PaymentSession.card_brand,
    PaymentSession.card_last4,
    PaymentSession.method,
    Refund.reason,
    Refund.comment,
    Person.email,
    Refund.origin,
    Refund.asked_at,
    Refund.bank_id,
    Refund.payment_id,
    Refund.rrn,
    Refund.bank_amount_minor,
    Refund.bank_currency,
    Refund.bank_finished_at,
    Refund.bank_status,
    Refund.contradicted,
)


def _rows_query() -> Select[Any]:
    columns: Select[Any] = select(*_COLUMNS)
    return columns.join(PaymentSession, PaymentSession.id == Refund.session_id).outerjoin(
        Person, Person.id == Refund.asked_by_id
    )


def _read(session: Session, query: Select[Any]) -> list[Row]:
    found = [Row._make(each) for each in session.execute(query)]
    held_up = _held_up(session, {row.session_id for row in found if row.status == refund_rules.QUEUED})
    if not held_up:
        return found
    return [row._replace(status="waiting") if _is_held_up(row, held_up) else row for row in found]


def _is_held_up(row: Row, session_ids: set[str]) -> bool:
    return row.status == refund_rules.QUEUED and row.session_id in session_ids


def _held_up(session: Session, session_ids: set[str]) -> set[str]:
    """Of these sessions, those in which something keeps queued refunds from being sent."""
    if not session_ids:
        return set()
    in_the_way = or_(Refund.state == refund_rules.UNKNOWN, Refund.review != "")
    query = select(Refund.session_id).where(Refund.session_id.in_(session_ids), in_the_way)
    return set(session.scalars(query))
