"""What people type into a search box: words, and terms such as `status:declined amount:>15000 since:monday`.

Pure: it says what was asked for and refuses what cannot be meant. A name that is none of these belongs to a word.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from functools import partial
from typing import Any

from dashboard import money, refund_rules, search_days, search_values
from dashboard.search_values import Names, NoneMeant

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

LONGEST = 200
OPEN = "open"
NEEDS_PEOPLE = "needs_you"
STATUSES = (*refund_rules.STATES, OPEN, NEEDS_PEOPLE)
HERE = "here"
ORIGINS = (HERE, "bank", "chargeback")
SIGNS = ("=", ">", ">=", "<", "<=")
ME = ("me", "я")
# Several of these can be asked for: a refund has any of the statuses and is within all of the amounts. Any other once.
_MANY = ("status", "amount")

_PIECE = re.compile(r'(?P<name>\w+):(?P<value>"[^"]*"|\S*)|"(?P<words>[^"]*)"|(?P<word>\S+)')
_RANGE = re.compile(r"(?P<low>.+?)\.\.(?P<high>.+)")
_MONEY = re.compile(r"(?P<numbers>.*?)\s*(?P<code>[a-z]{3})?")

# Blanks between thousands, as people and this desk write them: they part no words there.
_THIN_BLANKS = re.compile(r"(?<=\d)[\u00a0\u2007\u2009\u202f](?=\d{3}(?!\d))")
_NO_BREAKS = re.compile(r"[\u00a0\u2007\u2009\u202f]")
_QUOTED = re.compile(r'("[^"]*")')
_NUMBER = r"(?:\d{1,3}(?: \d{3})+(?!\d)(?:[.,]\d+)?|\d+(?:[.,'’_]\d+)*)"
_NUMBER_ALONE = re.compile(rf"(?!0\d){_NUMBER}")
_CODE = r"(?P<code> ?[A-Za-z]{3})?"
_AMOUNT_TERM = re.compile(
    rf"(?<!\S)(?:(?i:amount|сумма)): ?(?P<amount>[<>=]* ?{_NUMBER}(?: ?\.\. ?{_NUMBER})?){_CODE}(?!\S)"
)
_BARE_AMOUNT = re.compile(rf"(?<!\S)(?P<amount>{_NUMBER}){_CODE}(?!\S)")
# What is written like this is an amount without a currency, too: 1500.00, 1,500.00, 1 500,00.
_SURELY_AMOUNT = re.compile(r"(?:\d+|\d{1,3}(?:[ .,'’_]\d{3})+)[.,]\d\d")
_DAY_TERM = re.compile(
    r"(?<!\S)(?P<name>since|until|с|по):(?P<day>\d{1,2} (?P<month>[^\W\d_]{3,}\.?)(?: (?:19|20)\d\d)?)(?!\S)",
    re.IGNORECASE,
)
# As screens and papers show a card: Visa ··4242, •• 4242, **** **** **** 4242.
_CARD = re.compile(
    rf"(?:(?<!\S)|(?<=:))(?:(?:{'|'.join(search_values.CARDS)}) ?)?[·•∙●*][·•∙●* ]*(\d{{4}})(?=[.,;)]?(?:\s|$))",
    re.IGNORECASE,
)

# What a value has to look like where it is none of a list.
_SHAPES = {
    "card": re.compile(r"[0-9]{4}|[^\W\d]+( [^\W\d]+)*"),
    "currency": re.compile(r"[a-z]{3,4}"),
}
_ANYTHING = re.compile(r".*", re.DOTALL)


class BadTerm(ValueError):
    """A term that cannot be meant: its name, what stood after the colon, and why.

    `why`: empty, or one of `twice` (it was asked for before), `backwards` (its end comes before its beginning),
    `apart` (no value fits all that was asked of it), `several` (it begins the names of several values) and `long`
    (all that was typed is too long).
    """

    def __init__(self, name: str, value: str, why: str = "") -> None:
        super().__init__(f"{name}:{value}")
        self.name = name
        self.value = value
        self.why = why


@dataclass(frozen=True)
class Bound:
    """A limit for amounts in major units, whatever the currency. `sign`: one of `=`, `>`, `>=`, `<`, `<=`."""

    sign: str
    value: Decimal

    def __str__(self) -> str:
        return f"{self.sign}{self.value.normalize():f}"


@dataclass(frozen=True)
class Asked:
    """What was typed, understood. Empty texts, tuples and None do not narrow; days are included.

    `by`: an e-mail address, or its beginning where it has no `@`. `reason`: the beginning of a code.
    `card`: its last four digits or its brand, by the code of `search_values.BRANDS` where it has one.
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


def is_indexed(asked: Asked) -> bool:
    """Whether all that is asked for stands in the indexes of the refunds."""
    rest = replace(asked, statuses=(), since=None, until=None, by="", session="", made="")
    return rest == Asked()


def has_terms(text: str) -> bool:
    """Whether something is asked for, rightly or wrongly, that is more than words."""
    return any(_name_in(piece) for piece in _PIECE.finditer(_with_terms_whole(text)))


def unknown_names(text: str) -> list[str]:
    """What stands before a colon as the name of a term does, and is none: each once. A word may have a colon, too."""
    pieces = [piece for piece in _PIECE.finditer(_with_terms_whole(text)) if _looks_like_term(piece)]
    return list(dict.fromkeys(piece["name"] for piece in pieces if _name_in(piece) is None))


def _looks_like_term(piece: re.Match[str]) -> bool:
    """Whether letters stand before its colon and a value behind, which is not the rest of an address."""
    name, value = piece["name"] or "", (piece["value"] or "").strip('"')
    return name.replace("_", "").isalpha() and value != "" and not value.startswith("//")


def parse(text: str, today: date, me: str = "") -> Asked:
    """Understand what was typed, on this day, by the person of this address. Raises BadTerm."""
    if len(text) > LONGEST:
        raise BadTerm("", text, "long")
    asked, words, named = Asked(), [], set[str]()
    for piece in _PIECE.finditer(_with_terms_whole(text)):
        name = _name_in(piece)
        if name is None:
            words.append(piece["words"] or piece[0])
            continue
        if name in named and name not in _MANY:
            raise BadTerm(name, piece["value"], "twice")
        named.add(name)
        asked = _with_term(asked, name, _value_of(name, piece["value"]), today, me)
    if asked.since and asked.until and asked.since > asked.until:
        raise BadTerm("since", asked.since.isoformat(), "backwards")
    if _are_apart(asked.bounds):
        raise BadTerm("amount", " ".join(map(str, asked.bounds)), "apart")
    return replace(asked, words=" ".join(words))


def plain_amount(text: str) -> str | None:
    """The number that was typed alone, as the term `amount:` takes it, where it can be an amount; None for all else.

    `12 990`, `12,990` and `12990` are the same one. A zero before other digits makes it a number of something else.
    """
    number = _THIN_BLANKS.sub("", text).strip()
    if not _NUMBER_ALONE.fullmatch(number):
        return None
    try:
        value = money.parse_number(number)
    except money.BadAmount:
        return None
    return f"{value.normalize():f}" if 0 < value <= money.MAX_AMOUNT_MINOR else None


def with_plain_cards(text: str) -> str:
    """The same with the last four digits alone where a card stands as screens show it: `Visa ··4242` -> `4242`."""
    return _CARD.sub(r"\1", _NO_BREAKS.sub(" ", text))


# What has blanks in it and is one all the same


def _with_terms_whole(text: str) -> str:
    """The same with quotes around what is one value in spite of its blanks, and amounts by the name of their term."""
    text = _outside_quotes(_THIN_BLANKS.sub("", text), with_plain_cards)
    for pattern, written in ((_AMOUNT_TERM, _amount_term), (_BARE_AMOUNT, _bare_amount), (_DAY_TERM, _day_term)):
        text = _outside_quotes(text, partial(pattern.sub, written))
    return text


def _outside_quotes(text: str, change: Callable[[str], str]) -> str:
    parts = _QUOTED.split(text)
    return "".join(part if place % 2 else change(part) for place, part in enumerate(parts))


def _amount_term(found: re.Match[str]) -> str:
    # Small letters may be the next word, which three of a currency's are too often: all, try, top.
    return _as_term(found, _currency_of(found, may_be_small=not found.string[found.end() :].strip()))


def _bare_amount(found: re.Match[str]) -> str:
    is_surely = _SURELY_AMOUNT.fullmatch(found["amount"]) is not None
    currency = _currency_of(found, may_be_small=is_surely or found[0] == found.string.strip())
    return _as_term(found, currency) if is_surely or currency else found[0]


def _currency_of(found: re.Match[str], *, may_be_small: bool) -> str:
    """The letters behind an amount, with the blank before them, where they are its currency."""
    code = found["code"] or ""
    return code if _is_currency(code) and (may_be_small or code.isupper()) else ""


def _as_term(found: re.Match[str], currency: str) -> str:
    """As it was where the amount goes on in letters."""
    rest = (found["code"] or "").removeprefix(currency)
    return f'amount:"{found["amount"]}{currency}"{rest}' if rest[:1] in ("", " ") else found[0]


def _day_term(found: re.Match[str]) -> str:
    try:
        search_days.month_of(found["month"].lower())
    except ValueError:
        return found[0]
    return f'{found["name"]}:"{found["day"]}"'


def _is_currency(code: str) -> bool:
    return money.exponent(code.strip()) is not None


# Terms


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
            return _with_amount(asked, value)
        case "currency":
            return _with_currency(asked, value)
        case "since" | "until":
            return _with_day(asked, name, value, today)
        case "by":
            return replace(asked, by=me if me and value in ME else value)
        case "reason":
            return replace(asked, reason=_reason(value))
        case "made":
            return replace(asked, made=_meant(name, value, search_values.ORIGINS))
        case "card":
            value = _card(value)
    if not _SHAPES.get(name, _ANYTHING).fullmatch(value):
        raise BadTerm(name, value)
    as_it_is: dict[str, Any] = {name: value}
    return replace(asked, **as_it_is)


def _card(value: str) -> str:
    """The last four digits, or the brand by the beginning of a name of its; what is not listed as it is."""
    value = with_plain_cards(value)
    if any(mark.isdecimal() for mark in value):
        return value
    try:
        return search_values.meant(value, search_values.BRANDS)
    except NoneMeant as problem:
        if problem.is_several:
            raise BadTerm("card", value, "several") from problem
        return value


def _statuses(value: str) -> tuple[str, ...]:
    parts = value.split(",")
    if not all(parts):
        raise BadTerm("status", value)
    return tuple(_meant("status", part, search_values.STATUSES) for part in parts)


def _reason(value: str) -> str:
    code = value.replace("-", "_").replace(" ", "_")
    if any(reason.startswith(code) for reason in refund_rules.REASONS):
        return code
    return _meant("reason", value, search_values.REASONS)


def _meant(name: str, value: str, names: Names) -> str:
    try:
        return search_values.meant(value, names)
    except NoneMeant as problem:
        raise BadTerm(name, value, "several" if problem.is_several else "") from problem


def _with_amount(asked: Asked, value: str) -> Asked:
    found = _MONEY.fullmatch(value)
    code = (found["code"] or "") if found else ""
    if found is None or (code and not _is_currency(code)):
        raise BadTerm("amount", value)
    asked = replace(asked, bounds=(*asked.bounds, *_bounds(value, found["numbers"], code)))
    return _with_currency(asked, code) if code else asked


def _with_currency(asked: Asked, code: str) -> Asked:
    if not _SHAPES["currency"].fullmatch(code):
        raise BadTerm("currency", code)
    if asked.currency not in ("", code):
        raise BadTerm("currency", code, "twice")
    return replace(asked, currency=code)


def _bounds(value: str, numbers: str, currency: str) -> tuple[Bound, ...]:
    try:
        if between := _RANGE.fullmatch(numbers):
            low, high = (money.parse_number(between[end], currency) for end in ("low", "high"))
            if low > high:
                raise BadTerm("amount", value, "backwards")
            return Bound(">=", low), Bound("<=", high)
        number = numbers.lstrip("<>=")
        sign = numbers.removesuffix(number) or "="
        if sign not in SIGNS:
            raise BadTerm("amount", value)
        return (Bound(sign, money.parse_number(number, currency)),)
    except money.BadAmount as problem:
        raise BadTerm("amount", value) from problem


def _are_apart(bounds: tuple[Bound, ...]) -> bool:
    """Whether no amount is within all of them."""
    least = max(((bound.value, bound.sign == ">") for bound in bounds if "<" not in bound.sign), default=None)
    most = min(((bound.value, bound.sign != "<") for bound in bounds if ">" not in bound.sign), default=None)
    if least is None or most is None:
        return False
    return least[0] > most[0] or (least[0] == most[0] and (least[1] or not most[1]))


def _with_day(asked: Asked, name: str, value: str, today: date) -> Asked:
    try:
        first, last = search_days.first_and_last(value, today)
    except ValueError as problem:
        raise BadTerm(name, value) from problem
    return replace(asked, since=first) if name == "since" else replace(asked, until=last)
