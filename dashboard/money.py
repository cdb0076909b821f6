"""Amounts: integers of minor units inside, text as people write it outside. No float anywhere."""

import re
from decimal import Decimal
from functools import lru_cache

from iso4217 import Currency

MAX_AMOUNT_MINOR = 10**15 - 1

# `1234`, `1234.56`, `1234,56`; then the same with one and the same mark before every three digits.
_PLAIN = re.compile(r"(?P<whole>\d+)(?:[.,](?P<fraction>\d*))?", re.ASCII)
_GROUPED = re.compile(
    r"(?P<whole>\d{1,3}(?P<mark>[ \u00a0\u2009\u202f'’_.,])\d{3}(?:(?P=mark)\d{3})*)"
    r"(?:(?!(?P=mark))[.,](?P<fraction>\d*))?",
    re.ASCII,
)
_MAX_WHOLE_DIGITS = 30


# Without decimals a lone mark before three digits can only stand between thousands.
_ONE_GROUP = re.compile(r"[0-9]{1,3}[.,][0-9]{3}")


class BadAmount(ValueError):
    """What was typed is no amount of this currency; `code` says why.

    One of `empty`, `not_a_number`, `too_many_decimals`, `not_positive`, `too_large`, `no_major_units`.
    """

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@lru_cache(maxsize=1)
def currencies_by_exponent() -> dict[int, list[str]]:
    """All currencies of ISO 4217 that have a minor unit or none, by their digits after the point."""
    found: dict[int, list[str]] = {}
    for currency in Currency:
        if currency.exponent is not None:
            found.setdefault(int(currency.exponent), []).append(currency.code.lower())
    return found


@lru_cache(maxsize=256)
def exponent(currency: str) -> int | None:
    """Digits after the point by ISO 4217, 2 for `rub`; None where the standard lists none."""
    try:
        digits = Currency(currency.upper()).exponent
    except ValueError:
        return None
    return None if digits is None else int(digits)


def parse_amount(text: str, currency: str) -> int:
    """Minor units of an amount as people type it: `1234.56`, `1 234,56`, `1,234.56`, `1.234,56`, `1,234,567`.

    A lone comma or point is the decimal mark (`1,234` with two decimals is refused rather than guessed at;
    with none it is 1234),
    and marks between the thousands have to stand where thousands end (`10 50` is refused).
    Raises BadAmount.
    """
    digits = exponent(currency)
    if digits is None:
        raise BadAmount("no_major_units")
    whole, fraction = _parts(text.strip())
    if digits == 0 and _ONE_GROUP.fullmatch(text.strip()):
        whole, fraction = whole + fraction, ""
    if len(fraction) > digits:
        raise BadAmount("too_many_decimals")
    if len(whole) > _MAX_WHOLE_DIGITS:
        raise BadAmount("too_large")
    amount_minor = int(whole + fraction.ljust(digits, "0"))
    if amount_minor == 0:
        raise BadAmount("not_positive")
    if amount_minor > MAX_AMOUNT_MINOR:
        raise BadAmount("too_large")
    return amount_minor


def parse_number(text: str, currency: str = "") -> Decimal:
    """A number of major units of this or whatever currency, as people type it: zero too.

    A lone group is thousands, unless the currency has thousandths. Raises BadAmount.
    """
    whole, fraction = _parts(text.strip())
    if _ONE_GROUP.fullmatch(text.strip()) and exponent(currency) != 3:
        whole, fraction = whole + fraction, ""
    if len(whole) > _MAX_WHOLE_DIGITS:
        raise BadAmount("too_large")
    return Decimal(f"{whole}.{fraction or 0}")


def _parts(text: str) -> tuple[str, str]:
    """The digits before and after the decimal mark. Raises BadAmount."""
    if not text:
        raise BadAmount("empty")
    found = _match(text)
    if not found:
        raise BadAmount("not_positive" if text[0] in "-−" and _match(text[1:]) else "not_a_number")
    return re.sub(r"\D", "", found["whole"]), found["fraction"] or ""


def _match(text: str) -> re.Match[str] | None:
    return _PLAIN.fullmatch(text) or _GROUPED.fullmatch(text)


def major(amount_minor: int, currency: str) -> str:
    """`100050`, `rub` -> `1000.50`; the minor units as they are where ISO 4217 does not list the currency."""
    digits = exponent(currency)
    if not digits:
        return str(amount_minor)
    sign, number = ("-", -amount_minor) if amount_minor < 0 else ("", amount_minor)
    return f"{sign}{number // 10**digits}.{number % 10**digits:0{digits}d}"


def format_amount(amount_minor: int, currency: str, group: str = ",", point: str = ".") -> str:
    """`100050`, `rub` -> `1,000.50`, without the currency."""
    whole, _, fraction = major(amount_minor, currency).partition(".")
    grouped = f"{int(whole):,}".replace(",", group)
    if whole.startswith("-") and not grouped.startswith("-"):
        grouped = f"-{grouped}"
    return f"{grouped}{point}{fraction}" if fraction else grouped
