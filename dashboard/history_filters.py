"""What the history of refunds is narrowed to: the filters of its form and the terms of its search box, as SQL."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, and_, exists, false, func, literal_column, or_, select, true
from sqlalchemy.orm import aliased

from dashboard import money, search, search_language, search_values
from dashboard.models import PaymentSession, Person, Refund
from dashboard.models.refunds import IS_OPEN, NEEDS_SOMEBODY
from dashboard.search_language import Asked, Bound


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

    `status`: a state of a refund, `open` or `needs_you`. Dates are inclusive, in the reader's zone.
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


def conditions(filters: Filters, zone: ZoneInfo) -> list[ColumnElement[bool]]:
    """The filters as conditions on Refund. Raises BadFilter, BadTerm."""
    of_columns, words = columns_and_words(filters, zone)
    return [*of_columns, *map(search.REFUNDS.has, words)]


def columns_and_words(filters: Filters, zone: ZoneInfo) -> tuple[list[ColumnElement[bool]], list[str]]:
    """The same apart: conditions on Refund, and what has to be looked up in its index of words."""
    asked = _asked(filters)
    return _conditions_but_words(filters, asked, zone), _words(asked)


def is_indexed(filters: Filters) -> bool:
    """Whether the database can count what fits without looking at each refund. Raises BadTerm."""
    return search_language.is_indexed(_asked(filters))


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
        found.append(by_status(filters.status, is_alone=is_alone))
    if asked.statuses:
        found.append(or_(*(by_status(status, is_alone=is_alone) for status in asked.statuses)))
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
_FEW = {search_language.OPEN: IS_OPEN, search_language.NEEDS_PEOPLE: f"({NEEDS_SOMEBODY})"}


def by_status(status: str, *, is_alone: bool = True) -> ColumnElement[bool]:
    """Refunds of a status, which may stand for several states. `is_alone`: no other filter leaves few. BadFilter."""
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
