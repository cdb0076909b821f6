"""What people type into a search box: words, and terms such as `status:declined amount:>15000 since:monday`.

Pure: it says what was asked for and refuses what cannot be meant. A name that is none of these belongs to a word.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from dashboard import money, refund_rules

# The name of a term -> how it is called in Russian.
NAMES: Mapping[str, str] = {
    "status": "статус",
    "amount": "сумма",
    "currency": "валюта",
    "since": "с",
    "until": "по",
    "by": "кто",
    "customer": "клиент",
    "card": "карта",
    "reason": "причина",
    "session": "сессия",
    "made": "где",
}
_NAMED = {alias: name for name, other in NAMES.items() for alias in (name, other)}

OPEN = "open"
NEEDS_PEOPLE = "needs_you"
STATUSES = (*refund_rules.STATES, OPEN, NEEDS_PEOPLE)
HERE = "here"
ORIGINS = (HERE, "bank", "chargeback")
SIGNS = ("=", ">", ">=", "<", "<=")
ME = ("me", "я")
# These narrow together; any other term can be asked for once.
_MANY = ("status", "amount")

_PIECE = re.compile(r'(?P<name>\w+):(?P<value>"[^"]*"|\S*)|"(?P<words>[^"]*)"|(?P<word>\S+)')
_RANGE = re.compile(r"(?P<low>.+?)\.\.(?P<high>.+)")
# What is written like this is an amount: 1500.00, 1,500.00, 1 500,00.
_SURELY_AMOUNT = re.compile(r"(?:\d+|\d{1,3}(?:[.,'’_]\d{3})+)[.,]\d\d")
# Blanks between thousands, as people and this desk write them: they part no words there.
_THIN_BLANKS = re.compile(r"(?<=\d)[\u00a0\u2009\u202f](?=\d{3}(?!\d))")
_GROUPED = re.compile(r"(?:(?<=[:<>=])|(?<!\S)|(?<=\.\.))\d{1,3}(?: \d{3})+[.,]\d\d(?![^\s.])")
_GROUPED_AFTER_NAME = re.compile(r"\b(?:amount|сумма):[<>=]*\d{1,3}(?: \d{3})+(?!\d)", re.IGNORECASE)
_WEEKDAYS = (
    ("monday", "понедельник"),
    ("tuesday", "вторник"),
    ("wednesday", "среда"),
    ("thursday", "четверг"),
    ("friday", "пятница"),
    ("saturday", "суббота"),
    ("sunday", "воскресенье"),
)
_DAYS_AGO = re.compile(r"(\d{1,4})[dд]")
_DAYS_BACK = {"today": 0, "сегодня": 0, "yesterday": 1, "вчера": 1}
_YEARS = range(1970, 3000)
_MONTH = re.compile(r"\d{4}-\d{2}")

# What a value has to look like where it is none of a list.
_SHAPES = {
    "card": re.compile(r"[0-9]{4}|[^\W\d]+( [^\W\d]+)*"),
    "currency": re.compile(r"[a-z]{3,4}"),
    "made": re.compile("|".join(ORIGINS)),
}
_ANYTHING = re.compile(r".*", re.DOTALL)


class BadTerm(ValueError):
    """A term that cannot be meant: its name, what stood after the colon, and whether it was asked for before."""

    def __init__(self, name: str, value: str, *, is_twice: bool = False) -> None:
        super().__init__(f"{name}:{value}")
        self.name = name
        self.value = value
        self.is_twice = is_twice


@dataclass(frozen=True)
class Bound:
    """A limit for amounts in major units, whatever the currency. `sign`: one of `=`, `>`, `>=`, `<`, `<=`."""

    sign: str
    value: Decimal


@dataclass(frozen=True)
class Asked:
    """What was typed, understood. Empty texts, tuples and None do not narrow; days are included.

    `by`: an e-mail address, or its beginning where it has no `@`. `reason`: the beginning of a code.
    `card`: its last four digits or its brand.
    """

    words: str = ""
    statuses: tuple[str, ...] = ()
    bounds: tuple[Bound, ...] = ()
    currency: str = ""
    since: date | None = None
    until: date | None = None
    by: str = ""
    customer: str = ""
    card: str = ""
    reason: str = ""
    session: str = ""
    made: str = ""


def has_terms(text: str) -> bool:
    """Whether something is asked for, rightly or wrongly, that is more than words."""
    pieces = _PIECE.finditer(_without_blanks_in_numbers(text))
    return any(_name_in(piece) or _SURELY_AMOUNT.fullmatch(piece["word"] or "") for piece in pieces)


def parse(text: str, today: date, me: str = "") -> Asked:
    """Understand what was typed, on this day, by the person of this address. Raises BadTerm."""
    asked, words, named = Asked(), [], set[str]()
    for piece in _PIECE.finditer(_without_blanks_in_numbers(text)):
        name = _name_in(piece)
        if name is not None:
            if name in named and name not in _MANY:
                raise BadTerm(name, piece["value"], is_twice=True)
            named.add(name)
            asked = _with_term(asked, name, _value_of(name, piece["value"]), today, me)
        elif piece["word"] and _SURELY_AMOUNT.fullmatch(piece["word"]):
            asked = _with_term(asked, "amount", piece["word"], today, me)
        else:
            words.append(piece["words"] or piece[0])
    return replace(asked, words=" ".join(words))


def _without_blanks_in_numbers(text: str) -> str:
    text = _THIN_BLANKS.sub("", text)
    for numbers in (_GROUPED_AFTER_NAME, _GROUPED):
        text = numbers.sub(lambda found: found[0].replace(" ", ""), text)
    return text


def _name_in(piece: re.Match[str]) -> str | None:
    return _NAMED.get((piece["name"] or "").lower())


def _value_of(name: str, text: str) -> str:
    value = text.strip('"').strip()
    # Ids tell small letters from capital ones.
    value = value if name == "session" else value.lower()
    if not value:
        raise BadTerm(name, "")
    return value


def _with_term(asked: Asked, name: str, value: str, today: date, me: str) -> Asked:
    match name:
        case "status":
            return replace(asked, statuses=(*asked.statuses, *_statuses(value)))
        case "amount":
            return replace(asked, bounds=(*asked.bounds, *_bounds(value)))
        case "since":
            return replace(asked, since=_days(name, value, today)[0])
        case "until":
            return replace(asked, until=_days(name, value, today)[1])
        case "by":
            return replace(asked, by=me if me and value in ME else value)
        case "reason":
            return replace(asked, reason=_reason(value))
    if not _SHAPES.get(name, _ANYTHING).fullmatch(value):
        raise BadTerm(name, value)
    as_it_is: dict[str, Any] = {name: value}
    return replace(asked, **as_it_is)


def _statuses(value: str) -> tuple[str, ...]:
    statuses = tuple(one.replace("-", "_") for one in value.split(","))
    if not set(statuses) <= set(STATUSES):
        raise BadTerm("status", value)
    return statuses


def _reason(value: str) -> str:
    code = value.replace("-", "_").replace(" ", "_")
    if not any(reason.startswith(code) for reason in refund_rules.REASONS):
        raise BadTerm("reason", value)
    return code


def _bounds(value: str) -> tuple[Bound, ...]:
    try:
        if between := _RANGE.fullmatch(value):
            return Bound(">=", money.parse_number(between["low"])), Bound("<=", money.parse_number(between["high"]))
        number = value.lstrip("<>=")
        sign = value.removesuffix(number) or "="
        if sign not in SIGNS:
            raise BadTerm("amount", value)
        return (Bound(sign, money.parse_number(number)),)
    except money.BadAmount as problem:
        raise BadTerm("amount", value) from problem


def _days(name: str, value: str, today: date) -> tuple[date, date]:
    """The first and the last day of what was named: a day, a weekday not after today, days ago, a month."""
    try:
        is_month = _MONTH.fullmatch(value)
        first = date.fromisoformat(f"{value}-01") if is_month else _day(value, today)
    except (ValueError, OverflowError) as problem:
        raise BadTerm(name, value) from problem
    if first.year not in _YEARS:
        raise BadTerm(name, value)
    return first, (first + timedelta(days=31)).replace(day=1) - timedelta(days=1) if is_month else first


def _day(value: str, today: date) -> date:
    for weekday, names in enumerate(_WEEKDAYS):
        if value in names:
            return today - timedelta(days=(today.weekday() - weekday) % 7)
    if value in _DAYS_BACK:
        return today - timedelta(days=_DAYS_BACK[value])
    if ago := _DAYS_AGO.fullmatch(value):
        return today - timedelta(days=int(ago[1]))
    return date.fromisoformat(value)
