"""Whoever reads a page: their language, time zone and colours."""

from contextlib import AbstractContextManager
from typing import cast
from zoneinfo import ZoneInfo

from flask import Flask, current_app, g, request
from flask_babel import Babel, force_locale, refresh

from dashboard import preferences
from dashboard.desk import Desk
from dashboard.languages import LANGUAGES
from dashboard.models import Person

_READER = "reader"


def init_app(app: Flask, desk: Desk) -> None:
    """Speak to everybody as they chose, else as their browser asks, else as the desk is set."""
    Babel(app, default_locale=desk.config.language, locale_selector=language, timezone_selector=lambda: str(zone()))
    app.jinja_env.globals.update(page_language=language, page_theme=theme, page_zone=zone_words, page_keys=has_keys)


def welcome(person: Person) -> None:
    """From here on this request speaks to this person. An error page must not have to ask the database for it."""
    setattr(g, _READER, person)
    refresh()


def language() -> str:
    """`en` or `ru`."""
    person = _reader()
    if person is not None and person.language:
        return person.language
    of_desk = _desk().config.language
    # Whoever takes any language is answered in the first of these.
    return request.accept_languages.best_match([of_desk, *(LANGUAGES.keys() - {of_desk})]) or of_desk


def zone() -> ZoneInfo:
    """The zone in which dates are shown and filtered."""
    return preferences.zone_of(_reader(), _desk().config.timezone)


def theme() -> str:
    """`light` or `dark`, or nothing where the system decides."""
    person = _reader()
    return (person.theme or "") if person is not None else ""


def has_keys() -> bool:
    """Whether keys of one letter do something."""
    person = _reader()
    return person is None or person.keys != preferences.KEYS_OFF


def zone_words() -> str:
    """`Europe/Moscow, UTC+03:00`."""
    return f"{zone().key}, UTC{_desk().clock.now().astimezone(zone()).isoformat()[-6:]}"


def in_language(chosen: str | None) -> AbstractContextManager[None]:
    """Texts made meanwhile are in the language of whoever will read them; the desk's where they chose none."""
    return cast("AbstractContextManager[None]", force_locale(chosen or _desk().config.language))


def _reader() -> Person | None:
    return cast("Person | None", g.get(_READER))


def _desk() -> Desk:
    return cast(Desk, current_app.extensions["desk"])
