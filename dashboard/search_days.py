"""Days as people write them in a search box, in both languages. Pure."""

import re
from datetime import date, timedelta

from dashboard import search_values
from dashboard.search_values import Names, NoneMeant

# In the order of the week.
_WEEKDAYS: Names = {
    "monday": ("понедельник",),
    "tuesday": ("вторник",),
    "wednesday": ("среда",),
    "thursday": ("четверг",),
    "friday": ("пятница",),
    "saturday": ("суббота",),
    "sunday": ("воскресенье",),
}
_DAYS_BACK = {"today": 0, "yesterday": 1}
_NAMED: Names = {**_WEEKDAYS, "today": ("сегодня",), "yesterday": ("вчера",)}
# A month is told by three letters; behind them stand no others than those of its name.
_MONTHS = (
    ("january", "январь", "января"),
    ("february", "февраль", "февраля"),
    ("march", "март", "марта"),
    ("april", "апрель", "апреля"),
    ("may", "май", "мая"),
    ("june", "июнь", "июня"),
    ("july", "июль", "июля"),
    ("august", "август", "августа"),
    ("september", "сентябрь", "сентября"),
    ("october", "октябрь", "октября"),
    ("november", "ноябрь", "ноября"),
    ("december", "декабрь", "декабря"),
)
_DAYS_AGO = re.compile(r"(\d{1,4})[dд]")
_YEARS = range(1970, 3000)
_MONTH = re.compile(r"\d{4}-\d{2}")
_DAY_FIRST = re.compile(r"(?P<day>\d{1,2})(?P<mark>[./-])(?P<month>\d{1,2})(?P=mark)(?P<year>\d{4}|\d{2})")
_WITH_MONTH = re.compile(r"(?P<day>\d{1,2}) (?P<month>[^\W\d_]{3,})\.?(?: (?P<year>\d{4}))?")
# 29 February comes back within so many years.
_LONGEST_WAIT_YEARS = 8


def first_and_last(value: str, today: date) -> tuple[date, date]:
    """The first and the last day of what was named in small letters: a day, or a month. Raises ValueError."""
    is_month = _MONTH.fullmatch(value)
    try:
        first = date.fromisoformat(f"{value}-01") if is_month else _day(value, today)
    except OverflowError as problem:
        raise ValueError(value) from problem
    if first.year not in _YEARS:
        raise ValueError(value)
    return first, (first + timedelta(days=31)).replace(day=1) - timedelta(days=1) if is_month else first


def _day(value: str, today: date) -> date:
    if ago := _DAYS_AGO.fullmatch(value):
        return today - timedelta(days=int(ago[1]))
    if found := _DAY_FIRST.fullmatch(value):
        year = int(found["year"]) + (2000 if len(found["year"]) == 2 else 0)
        return date(year, int(found["month"]), int(found["day"]))
    if found := _WITH_MONTH.fullmatch(value):
        day, month = int(found["day"]), month_of(found["month"])
        return date(int(found["year"]), month, day) if found["year"] else _latest(day, month, today)
    if value[:1].isdigit():
        return date.fromisoformat(value)
    return _named(value, today)


def month_of(name: str) -> int:
    """The number of the month that bears this name or begins so. Raises ValueError."""
    for number, names in enumerate(_MONTHS, start=1):
        if len(name) >= 3 and any(one.startswith(name.rstrip(".")) for one in names):
            return number
    raise ValueError(name)


def _latest(day: int, month: int, today: date) -> date:
    """The day of that name that was last, today included."""
    for year in range(today.year, today.year - _LONGEST_WAIT_YEARS - 1, -1):
        try:
            found = date(year, month, day)
        except ValueError:
            continue
        if found <= today:
            return found
    raise ValueError(f"{day}.{month}")


def _named(value: str, today: date) -> date:
    """A weekday not after today, today or yesterday, by the beginning of its name."""
    try:
        name = search_values.meant(value, _NAMED)
    except NoneMeant as problem:
        raise ValueError(value) from problem
    if name in _DAYS_BACK:
        return today - timedelta(days=_DAYS_BACK[name])
    return today - timedelta(days=(today.weekday() - list(_WEEKDAYS).index(name)) % 7)
