"""How many pages of one process may wait for the bank at once: a slow bank leaves threads for everything else."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from flask import Flask, current_app

from dashboard.bank131.client import NotAsked
from dashboard.config import Config

WAIT_S = 0.2
# People wait for a page; the worker has the whole deadline.
PAGE_TIMEOUT_S = 10.0


def init_app(app: Flask, config: Config) -> None:
    """Half of the threads that live pages leave may wait for the bank."""
    app.extensions["bank_seats"] = threading.BoundedSemaphore(max(1, (config.web_threads - config.live_streams) // 2))


@contextmanager
def bank_seat() -> Iterator[None]:
    """One call to the bank on behalf of a page. Raises NotAsked when too many are under way."""
    seats = current_app.extensions["bank_seats"]
    if not seats.acquire(timeout=WAIT_S):
        raise NotAsked("too many pages are asking the bank at this moment")
    try:
        yield
    finally:
        seats.release()
