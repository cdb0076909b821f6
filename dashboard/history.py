"""The history of refunds: filters, pages, and the rows that changed since a moment of the journal.

One place for the list, its live rows and exports. Pages are keyset pages and count no further than MOST_COUNTED, so
that a page costs the same at a thousand refunds and at ten million. A page's ids are found
first, from the refunds' indexes alone, where the database has little choice; then the rows of these ids.
"""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Select, and_, exists, false, func, literal_column, or_, select, true
from sqlalchemy.orm import Session, aliased

from dashboard import journal, keyset, money, refund_counts, refund_rules, search, search_language, search_values
from dashboard.models import PaymentSession, Person, Refund
from dashboard.models.refunds import IS_OPEN, NEEDS_SOMEBODY
from dashboard.search_language import Asked, Bound

_NEWEST_FIRST = (Refund.asked_at.desc(), Refund.id.desc())

PAGE_SIZE = 50
MOST_CHANGES = 200
MOST_COUNTED = 1000
MOST_IN_ALL = 2_000_000

# How pages show a reference in short, or more of it.
_BEGINNING = re.compile(r"[0-9a-f]{8}(-[0-9a-f-]{0,27})?")
_FIRST_UUID = "00000000-0000-0000-0000-000000000000"
_LAST_UUID = "ffffffff-ffff-ffff-ffff-ffffffffffff"

OPEN = search_language.OPEN
NEEDS_PEOPLE = search_language.NEEDS_PEOPLE


class BadFilter(ValueError):
    """A filter that cannot be used; `field` is its name."""

    def __init__(self, field: str) -> None:
        super().__init__(field)
        self.field = field


class NoDay(BadFilter):
    """No day is left: the first that is asked for comes after the last."""

    def __init__(self, first: date, last: date) -> None:
        super().__init__("to")
        self.first = first
        self.last = last


@dataclass(frozen=True)
class Filters:
    """What the history is narrowed to. Empty texts and None do not narrow.

    `status`: a state of a refund, `open` or `needs_you`. Dates are inclusive, in the dashboard's zone.
    `q`: what was typed into a search box, of whose language `today` and `me`, the reader's address, are the
    other half. `operator`: an e-mail address.
    """

    session: str = ""
    status: str = ""
    date_from: date | None = None
    date_to: date | None = None
    q: str = ""
    operator: str = ""
    origin: str = ""
    today: date = field(default=date.max, compare=False)
    me: str = field(default="", compare=False)

    def __bool__(self) -> bool:
        return self != Filters()


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


class Count(NamedTuple):
    """How many refunds; `is_more`: counting ended there."""

    number: int
    is_more: bool = False


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
    asked = _asked(filters)
    wanted = _conditions_but_words(filters, asked, zone)
    if before:
        wanted.append(keyset.older_than(before, Refund.asked_at, Refund.id))
    ids = search.newest(session, search.REFUNDS, wanted, _words(asked), size + 1)
    rows = _read(session, _rows_query().where(Refund.id.in_(ids)).order_by(*_NEWEST_FIRST)) if ids else []
    older = rows[size - 1].sort_key if len(rows) > size else ""
    return Page(rows[:size], older)


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


def count_few(session: Session, filters: Filters, zone: ZoneInfo) -> int:
    """How many refunds fit filters that leave few; counting ends at MOST_COUNTED. Raises BadFilter, BadTerm."""
    some = select(Refund.id).where(*conditions(filters, zone)).limit(MOST_COUNTED).subquery()
    return session.scalars(select(func.count()).select_from(some)).one()


def count(session: Session, status: str) -> int:
    """How many refunds have one of the statuses that stay few; counting ends at MOST_COUNTED."""
    return counts(session, status)[status]


def counts(session: Session, *statuses: str) -> dict[str, int]:
    """The same for several statuses at once."""
    found = session.execute(_counts_query(statuses)).one()
    return dict(zip(statuses, found, strict=True))


def counts_by_status(session: Session, filters: Filters, zone: ZoneInfo, statuses: Sequence[str]) -> dict[str, Count]:
    """How many refunds of each of these statuses fit the other filters; the empty status stands for all of them.

    Without other filters they are exact, but for those that need people; within some, counting ends at MOST_COUNTED.
    None are told where something is searched for that no index counts. Raises BadFilter, BadTerm.
    """
    if not search_language.is_indexed(_asked(filters)):
        return {}
    if replace(filters, status=""):
        of_each = [conditions(replace(filters, status=status), zone) for status in statuses]
        found = session.execute(_counting(of_each)).one()
        return {status: _bounded(number) for status, number in zip(statuses, found, strict=True)}
    by_state = refund_counts.by_state(session)
    kept = {state: Count(number) for state, number in by_state.items()}
    kept[""] = Count(by_state.total())
    kept[OPEN] = Count(sum(by_state[state] for state in refund_rules.OPEN))
    kept[NEEDS_PEOPLE] = _bounded(count(session, NEEDS_PEOPLE))
    return {status: kept.get(status, Count(0)) for status in statuses}


def _bounded(number: int) -> Count:
    return Count(number, is_more=number >= MOST_COUNTED)


def total(session: Session, filters: Filters, zone: ZoneInfo) -> int | None:
    """How many refunds fit, where an index says so; None beyond MOST_IN_ALL, too. Raises BadFilter, BadTerm."""
    if not search_language.is_indexed(_asked(filters)):
        return None
    some = select(Refund.id).where(*conditions(filters, zone)).limit(MOST_IN_ALL + 1).subquery()
    found = session.execute(select(func.count()).select_from(some)).scalar_one()
    return found if found <= MOST_IN_ALL else None


@lru_cache(maxsize=16)
def _counts_query(statuses: tuple[str, ...]) -> Select[Any]:
    return _counting([[_by_status(status)] for status in statuses])


def _counting(of_each: Sequence[Sequence[ColumnElement[bool]]]) -> Select[Any]:
    """Counts up to MOST_COUNTED, a column for each of these conditions."""
    some = [select(Refund.id).where(*wanted).limit(MOST_COUNTED).subquery() for wanted in of_each]
    return select(*(select(func.count()).select_from(each).scalar_subquery() for each in some))


# Filters as SQL


def conditions(filters: Filters, zone: ZoneInfo) -> list[ColumnElement[bool]]:
    """The filters as conditions on Refund. Raises BadFilter, BadTerm."""
    asked = _asked(filters)
    return [*_conditions_but_words(filters, asked, zone), *map(search.REFUNDS.has, _words(asked))]


def _asked(filters: Filters) -> Asked:
    return search_language.parse(filters.q, filters.today, filters.me)


def _words(asked: Asked) -> list[str]:
    """Also those of what is asked of one column that has no index of its own: they are looked up in that of words."""
    digits = asked.card if asked.card.isdigit() else ""
    return search.words_of(f"{asked.words} {digits} {asked.customer}")


def _conditions_but_words(filters: Filters, asked: Asked, zone: ZoneInfo) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    found += [Refund.session_id == session for session in (filters.session, asked.session) if session]
    is_alone = not (filters.operator or filters.origin or asked.by or asked.made)
    if filters.status:
        found.append(_by_status(filters.status, is_alone=is_alone))
    if asked.statuses:
        found.append(or_(*(_by_status(status, is_alone=is_alone) for status in asked.statuses)))
    found += [_by_origin(origin, filters.operator) for origin in (filters.origin, asked.made) if origin]
    first, last = _days(filters, asked)
    found += [Refund.asked_at >= start_of(first, zone)] if first else []
    found += [Refund.asked_at < _end_of(last, zone)] if last else []
    if filters.operator:
        person = select(Person.id).where(Person.email == filters.operator.strip().lower())
        found.append(Refund.asked_by_id == person.scalar_subquery())
    return found + list(_by_columns(asked))


def _days(filters: Filters, asked: Asked) -> tuple[date | None, date | None]:
    """The first and the last day that both the filters and the search box leave. Raises NoDay."""
    first = max((day for day in (filters.date_from, asked.since) if day), default=None)
    last = min((day for day in (filters.date_to, asked.until) if day), default=None)
    if first and last and first > last:
        raise NoDay(first, last)
    return first, last


def _by_columns(asked: Asked) -> Iterator[ColumnElement[bool]]:
    """What is asked for in the words of the search box alone."""
    if asked.by:
        is_whole = "@" in asked.by
        is_this = Person.email == asked.by if is_whole else Person.email.startswith(asked.by, autoescape=True)
        people = select(Person.id).where(is_this)
        yield Refund.asked_by_id.in_(people)
    if asked.currency:
        yield Refund.currency == asked.currency
    if asked.reason:
        yield Refund.reason.startswith(asked.reason, autoescape=True)
    yield from map(_by_amount, asked.bounds)
    if asked.card:
        is_this_brand = func.lower(PaymentSession.card_brand).in_(sorted(search_values.spellings(asked.card)))
        is_this = PaymentSession.card_last4 == asked.card if asked.card.isdigit() else is_this_brand
        yield Refund.session_id.in_(select(PaymentSession.id).where(is_this))
    if asked.customer:
        # Looked at row by row, of those that have its words: nothing but these has an index.
        is_theirs = (PaymentSession.id == Refund.session_id, *map(_has_customer, asked.customer.split()))
        yield exists(select(PaymentSession.id).where(*is_theirs).offset(0))


def _has_customer(word: str) -> ColumnElement[bool]:
    # A PostgreSQL whose locale is C knows no small letters but the Latin ones.
    ways = {word, word.capitalize(), word.upper()}
    customer = PaymentSession.customer_reference
    return or_(customer.icontains(word, autoescape=True), *(customer.contains(way, autoescape=True) for way in ways))


def _by_amount(bound: Bound) -> ColumnElement[bool]:
    """An amount in major units, which is another number of minor ones in a currency without hundredths."""
    by_digits = money.currencies_by_exponent()
    groups = [(digits, Refund.currency.in_(currencies)) for digits, currencies in by_digits.items()]
    listed = [currency for currencies in by_digits.values() for currency in currencies]
    groups.append((0, Refund.currency.not_in(listed)))
    return or_(*(and_(_compared(bound, digits), currencies) for digits, currencies in groups))


def _compared(bound: Bound, digits: int) -> ColumnElement[bool]:
    exact = min(bound.value.scaleb(digits), Decimal(money.MAX_AMOUNT_MINOR + 1))
    least, most = math.ceil(exact), math.floor(exact)
    match bound.sign:
        case ">":
            return Refund.amount_minor > most
        case ">=":
            return Refund.amount_minor >= least
        case "<":
            return Refund.amount_minor < least
        case "<=":
            return Refund.amount_minor <= most
    return Refund.amount_minor == most if least == most else false()


# In the very words of the partial indexes, which serve nothing else.
_FEW = {OPEN: IS_OPEN, NEEDS_PEOPLE: f"({NEEDS_SOMEBODY})"}


def _by_status(status: str, *, is_alone: bool = True) -> ColumnElement[bool]:
    if status not in search_language.STATUSES:
        raise BadFilter("status")
    if status not in _FEW:
        return Refund.state == status
    if is_alone:
        return literal_column(_FEW[status])
    # Met first, and the other filters then: SQLite would rather go through all that an operator ever asked for.
    few = aliased(Refund)
    return Refund.id.in_(select(few.id).where(literal_column(_FEW[status])))


def _by_origin(origin: str, operator: str) -> ColumnElement[bool]:
    if origin not in search_language.ORIGINS:
        raise BadFilter("origin")
    if operator:
        # Whatever an operator asked for was made here, and no index has to be searched to know it.
        return true() if origin == search_language.HERE else false()
    return Refund.origin == origin


def start_of(day: date, zone: ZoneInfo) -> datetime:
    """The moment at which a day of the zone begins."""
    return datetime.combine(day, time.min, zone).astimezone(UTC)


def _end_of(day: date, zone: ZoneInfo) -> datetime:
    return start_of(day + timedelta(days=1), zone)


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
