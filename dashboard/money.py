"""Amounts: integers of minor units inside, text as people write it outside. No float anywhere."""

import re

from iso4217 import Currency

MAX_AMOUNT_MINOR = 10**15 - 1

_GROUPING = re.compile(r"[\s'’_\u00a0\u2009\u202f]")
_PLAIN = re.compile(r"(?P<whole>\d+)(?:[.](?P<fraction>\d*))?", re.ASCII)


class BadAmount(ValueError):
    """What was typed is no amount of this currency; `code` says why.

    One of `empty`, `not_a_number`, `too_many_decimals`, `not_positive`, `too_large`, `no_major_units`.
    """

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def exponent(currency: str) -> int | None:
    """Digits after the point by ISO 4217, 2 for `rub`; None where the standard lists none."""
    try:
        digits = Currency(currency.upper()).exponent
    except ValueError:
        return None
    return None if digits is None else int(digits)


def parse_amount(text: str, currency: str) -> int:
    """Minor units of an amount as people type it: `1234.56`, `1 234,56`, `1,234.56`, `1.234,56`.

    A lone comma or point is the decimal mark (`1,234` with two decimals is refused rather than guessed at).
    Raises BadAmount.
    """
    digits = exponent(currency)
    if digits is None:
        raise BadAmount("no_major_units")
    plain = _with_decimal_point(_GROUPING.sub("", text))
    if not plain:
        raise BadAmount("empty")
    found = _PLAIN.fullmatch(plain)
    if not found:
        raise BadAmount("not_positive" if plain.startswith("-") else "not_a_number")
    fraction = found["fraction"] or ""
    if len(fraction) > digits:
        raise BadAmount("too_many_decimals")
    amount_minor: int = int(found["whole"][:30]) * 10**digits + int(fraction.ljust(digits, "0") or 0)
    if amount_minor == 0:
        raise BadAmount("not_positive")
    if amount_minor > MAX_AMOUNT_MINOR or len(found["whole"]) > 30:
        raise BadAmount("too_large")
    return amount_minor


def _with_decimal_point(text: str) -> str:
    """`1,234.56`, `1.234,56` and `1234,56` all to `1234.56`; what fits no pattern is left as it is."""
    if re.fullmatch(r"\d{1,3}(,\d{3})+\.\d*", text, re.ASCII):
        return text.replace(",", "")
    if re.fullmatch(r"\d{1,3}(\.\d{3})+,\d*", text, re.ASCII):
        return text.replace(".", "").replace(",", ".")
    return text.replace(",", ".") if text.count(",") == 1 and "." not in text else text


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
