"""How money and moments are written for people, as template filters."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache

from babel import Locale
from babel.numbers import format_compact_decimal, get_decimal_symbol, get_group_symbol
from babel.units import format_unit
from flask import Flask
from flask_babel import format_date, format_datetime, format_decimal, format_percent, get_locale, gettext
from num2words import num2words

from dashboard import money
from dashboard.bank131.hidden_characters import unturned
from dashboard.counting import Count
from dashboard.own_account import Told
from dashboard.review_queue import OddFact
from dashboard.web import browsers, wording
from dashboard.web.access import desk
from dashboard.web.reader import zone

# From here on an amount is spelled out before it moves.
LARGE_MAJOR = 10_000

_THIN_SPACE = "\u202f"
_UNITS = (("day", 86_400), ("hour", 3600), ("minute", 60), ("second", 1))
_SPACES = {"\n", "\u00a0", _THIN_SPACE}


def init_app(app: Flask) -> None:
    """Offer the filters to templates."""
    filters = (
        amount,
        amount_in_words,
        beside_amount,
        compact_amount,
        day,
        duration,
        moment,
        moment_day,
        moment_seconds,
        moment_utc,
        number,
        share,
        unturned,
    )
    app.jinja_env.filters.update({each.__name__: each for each in filters})
    app.jinja_env.filters["numberformat"] = number
    app.jinja_env.filters["counted"] = count_text
    app.jinja_env.filters["reason_text"] = wording.reason
    app.jinja_env.filters.update(review_name=wording.review_name, anomaly_name=wording.anomaly_name)
    app.jinja_env.filters["odd_fact_text"] = _odd_fact_text
    app.jinja_env.filters["mail_problem"] = wording.mail_problem
    app.jinja_env.filters.update(browser_name=browsers.browser_name, told_text=_told_text)
    app.jinja_env.globals["choice_name"] = wording.choice_name


def _told_text(told: Told) -> str:
    return wording.told(told.action, told.data)


def _odd_fact_text(fact: OddFact) -> str:
    text = wording.over_anomaly if fact.over_at else wording.anomaly
    return text(fact.kind, fact.detail)


def amount(amount_minor: int, currency: str) -> str:
    """`100050`, `rub` -> `1,000.50`, one unbroken run of text, without the currency."""
    return money.format_amount(amount_minor, currency, *_marks(get_locale()))


@lru_cache
def _marks(locale: Locale) -> tuple[str, str]:
    """What a language puts between thousands, and before the fraction."""
    group = get_group_symbol(locale)
    return _THIN_SPACE if group.isspace() else group, get_decimal_symbol(locale)


def amount_with_currency(amount_minor: int, currency: str) -> str:
    """`1,000.50 RUB`, for sentences."""
    return f"{amount(amount_minor, currency)}\u00a0{currency.upper()}"


def amount_in_words(amount_minor: int, currency: str) -> str:
    """`1250050`, `rub` -> `twelve thousand five hundred RUB 50/100`: a digit too many is heard where it is not seen."""
    whole, _, fraction = money.major(amount_minor, currency).partition(".")
    words = f"{num2words(int(whole), lang=str(get_locale()))} {currency.upper()}"
    return f"{words} {fraction}/1{'0' * len(fraction)}" if fraction else words


def beside_amount(amount_minor: int, currency: str) -> str:
    """In words where a digit too many is easily overlooked, and of what it is a number where nobody here knows."""
    digits = money.exponent(currency)
    if digits is None:
        return gettext("In the smallest units of %(currency)s, as the bank counts them.", currency=currency.upper())
    return amount_in_words(amount_minor, currency) if amount_minor >= LARGE_MAJOR * 10**digits else ""


def compact_amount(amount_minor: int, currency: str) -> str:
    """`150000000`, `rub` -> `1.5M`, for the edge of a picture; without the currency."""
    major = Decimal(money.major(amount_minor, currency))
    return format_compact_decimal(major, locale=get_locale(), fraction_digits=1)


def share(percent: int) -> str:
    """`93%`."""
    return format_percent(percent / 100)


def duration(length: timedelta) -> str:
    """`4 min 12 sec`: its largest unit and the next one, rounded down."""
    left = max(0, int(length.total_seconds()))
    largest = next((place for place, (_unit, size_s) in enumerate(_UNITS) if left >= size_s), len(_UNITS) - 1)
    parts: list[str] = []
    for unit, size_s in _UNITS[largest : largest + 2]:
        count, left = divmod(left, size_s)
        if count or not parts:
            parts.append(format_unit(count, unit, "short", locale=get_locale()))
    return " ".join(parts)


def moment(at: datetime) -> str:
    """`24 Nov 14:59` in the reader's zone, with the year when it is not this one."""
    return format_datetime(at, f"{_day_pattern(at)} HH:mm")


def moment_seconds(at: datetime) -> str:
    """`24 Nov 14:59:12` in the reader's zone, with the year when it is not this one."""
    return format_datetime(at, f"{_day_pattern(at)} HH:mm:ss")


def day(one: date) -> str:
    """`24 Nov`."""
    return format_date(one, "d MMM", rebase=False)


def moment_day(at: datetime) -> str:
    """`24 Nov 2026`, the day in the reader's zone."""
    return format_datetime(at, "d MMM y")


def _day_pattern(at: datetime) -> str:
    this_year = desk().clock.now().astimezone(zone()).year
    return "d MMM" if at.astimezone(zone()).year == this_year else "d MMM y"


def moment_utc(at: datetime) -> str:
    """`2026-11-24 11:59:12 UTC`, the same for everybody."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def count_text(count: Count) -> str:
    """A count, with a sign when there are more than were counted."""
    return f"{number(count.number)}+" if count.is_more else number(count.number)


def number(value: int) -> str:
    """A count, grouped as the reader's language does."""
    return format_decimal(value)


def visible(text: str) -> str:
    """A text as it is, but with codes in the place of what would turn or hide it."""
    return "".join(one if one.isprintable() or one in _SPACES else ascii(one)[1:-1] for one in text)
