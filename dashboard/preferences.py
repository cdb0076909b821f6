"""How somebody wants to see the desk; what they did not choose is up to their browser, the desk and the system."""

from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from dashboard.desk import Books
from dashboard.languages import LANGUAGES
from dashboard.models import Person

THEMES = ("light", "dark")
# Whether keys of one letter do something, which gets in the way of those who speak to their computer.
KEYS_OFF = "off"


class BadPreference(ValueError):
    """No such language, zone, theme or choice of keys."""


@lru_cache
def zones() -> list[str]:
    """Every place whose clock the system knows, such as `Europe/Moscow`, and `UTC`."""
    places = [name for name in available_timezones() if "/" in name and not name.startswith(("Etc/", "SystemV/"))]
    return ["UTC", *sorted(places)]


def choose(books: Books, person: Person, *, language: str, timezone: str, theme: str, keys: str) -> None:
    """Keep what somebody chose for themselves; an empty text chooses nothing. Raises BadPreference."""
    if language not in {"", *LANGUAGES} or theme not in {"", *THEMES} or keys not in {"", KEYS_OFF}:
        raise BadPreference
    if timezone not in {"", *zones()}:
        raise BadPreference
    with books.write() as tx:
        account = tx.get_one(Person, person.id)
        account.language, account.timezone = language or None, timezone or None
        account.theme, account.keys = theme or None, keys or None


def zone_of(person: Person | None, otherwise: ZoneInfo) -> ZoneInfo:
    """The chosen zone; the other one where none was, or where this system no longer knows it."""
    if person is None or not person.timezone:
        return otherwise
    try:
        return ZoneInfo(person.timezone)
    except (ZoneInfoNotFoundError, ValueError):
        return otherwise
