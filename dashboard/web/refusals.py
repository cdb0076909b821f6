"""What is refused, in the log: who asked for what from where, but no more lines in a minute than somebody reads."""

import logging
import threading
from collections.abc import Callable
from datetime import datetime, timedelta

from flask import Flask, Response, current_app, g, request

from dashboard.bank131.objects import one_line
from dashboard.clock import Clock

log = logging.getLogger(__name__)

MOST_LINES = 60
WITHIN = timedelta(minutes=1)
# Values that cannot be used, rules that forbid it, links that are over, too much or too often. What a role may not do,
# forms without a good token, forged hosts and bad signatures are told where they are found.
_TOLD = frozenset({400, 405, 409, 410, 413, 415, 422, 429})
_EXTENSION = "refusals"


class Sparing:
    """Lines of the log, at most `MOST_LINES` in a minute; how many were left out is told with the next one."""

    def __init__(self, write: Callable[..., None]) -> None:
        self._write = write
        self._lock = threading.Lock()
        self._began_at: datetime | None = None
        self._count = 0

    def tell(self, now: datetime, line: str, *parts: object) -> None:
        with self._lock:
            left_out = self._begin(now)
            self._count += 1
            is_over = self._count > MOST_LINES
        if left_out:
            self._write("%d more were refused in the minute before", left_out)
        if not is_over:
            self._write(line, *parts)

    def _begin(self, now: datetime) -> int:
        """Begin another minute if this one is over; answers with how many lines it left out."""
        if self._began_at is not None and timedelta() <= now - self._began_at < WITHIN:
            return 0
        left_out, self._began_at, self._count = max(0, self._count - MOST_LINES), now, 0
        return left_out


def init_app(app: Flask, clock: Clock) -> None:
    """Tell of every refusal of this app."""
    app.extensions[_EXTENSION] = Sparing(log.warning), clock
    app.after_request(_tell_of_status)


def tell(line: str, *parts: object) -> None:
    """One refusal, in words of its own; `parts` are put into the line as logging does."""
    g.is_refusal_told = True
    sparing, clock = current_app.extensions[_EXTENSION]
    sparing.tell(clock.now(), line, *parts)


def path() -> str:
    """What was asked for, fit for a line of the log."""
    return one_line(request.path)


def _tell_of_status(response: Response) -> Response:
    if response.status_code in _TOLD and not g.get("is_refusal_told"):
        tell("%d for %s %s by %s from %s", response.status_code, request.method, path(), _who(), request.remote_addr)
    return response


def _who() -> str:
    """Nobody is looked up for this: a page may stand without a database."""
    return str(getattr(g.get("_login_user"), "email", "nobody"))
