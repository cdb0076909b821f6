"""Days in an address."""

from collections.abc import Mapping
from datetime import date

FIRST_YEAR, LAST_YEAR = 1970, 2999


class BadDay(ValueError):
    """What stands in the place of a day; str() is that."""


def day_in(arguments: Mapping[str, str], name: str) -> date | None:
    """The day that an address names, None where it names none. Raises BadDay."""
    text = arguments.get(name, "").strip()
    if not text:
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = date.min
    if day.isoformat() != text or not FIRST_YEAR <= day.year <= LAST_YEAR:
        raise BadDay(text)
    return day
