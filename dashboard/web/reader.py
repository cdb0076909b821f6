"""Whoever reads a page: their language, time zone and colours."""

from contextlib import AbstractContextManager
from datetime import datetime
from typing import cast
from zoneinfo import ZoneInfo

from babel.dates import get_timezone_gmt
from flask import Flask, current_app, g, request
from flask_babel import Babel, force_locale, get_locale, refresh

from dashboard import preferences
from dashboard.desk import Desk
from dashboard.languages import LANGUAGES
from dashboard.models import Person

_READER = "reader"


def init_app(app: Flask, desk: Desk) -> None:
    """Speak to everybody as they chose, else as their browser asks, else as the desk is set."""
    Babel(app, default_locale=desk.config.language, locale_selector=language, timezone_selector=lambda: str(zone()))
    app.jinja_env.globals.update(page_language=language, page_theme=theme, page_zone=zone_words)


def welcome(person: Person) -> None:
    """From here on this request speaks to this person. An error page must not have to ask the database for it."""
    setattr(g, _READER, person)
    refresh()


def language() -> str:
    """`en` or `ru`."""
    person = _reader()
    if person is not None and person.language:
        return person.language
    return request.accept_languages.best_match(LANGUAGES) or _desk().config.language


def zone() -> ZoneInfo:
    """The zone in which dates are shown and filtered."""
    return preferences.zone_of(_reader(), _desk().config.timezone)


def theme() -> str:
    """`light` or `dark`, or nothing where the system decides."""
    person = _reader()
    return (person.theme or "") if person is not None else ""


def zone_words() -> str:
    """`Europe/Moscow, UTC+03:00`."""
    now: datetime = _desk().clock.now().astimezone(zone())
    return f"{zone().key}, {get_timezone_gmt(now, width='iso8601', locale=get_locale(), return_z=False)}"


def in_language(chosen: str | None) -> AbstractContextManager[None]:
    """Texts made meanwhile are in the language of whoever will read them; the desk's where they chose none."""
    return cast("AbstractContextManager[None]", force_locale(chosen or _desk().config.language))


def _reader() -> Person | None:
    return cast("Person | None", g.get(_READER))


def _desk() -> Desk:
    return cast(Desk, current_app.extensions["desk"])
