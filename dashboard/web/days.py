"""Days in an address."""

from collections.abc import Mapping
from datetime import date

from flask import abort
from flask_babel import gettext as _

FIRST_YEAR, LAST_YEAR = 1970, 2999


def day_in(arguments: Mapping[str, str], name: str) -> date | None:
    """The day that an address names, None where it names none; 400 for what is no day."""
    text = arguments.get(name, "").strip()
    if not text:
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = date.min
    if day.isoformat() != text or not FIRST_YEAR <= day.year <= LAST_YEAR:
        abort(400, _("%(text)s is no date. Write it like 2026-03-31.", text=text[:40]))
    return day
