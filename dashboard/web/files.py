"""Files to be kept: how many somebody takes is counted, and each is sent piece by piece."""

from collections.abc import Iterable

from flask import Response

from dashboard import guessing
from dashboard.db import db
from dashboard.web.access import desk, person
from dashboard.web.reader import zone


def count_file() -> None:
    """Count a file that is about to be taken. Raises TooManyAttempts, which becomes a page."""
    limit = guessing.by_reader(person().id)
    db.session.rollback()
    guessing.reserve(desk(), limit)


def file_answer(content: bytes | Iterable[bytes], kind: str, name: str) -> Response:
    """A file to be kept, sent piece by piece; its name begins with the day of the desk's zone."""
    name = f"{desk().clock.now().astimezone(zone()):%Y-%m-%d}-{name}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(content, content_type=kind, headers=headers)
