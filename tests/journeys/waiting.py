"""Waiting for a condition, with an end."""

import time
from collections.abc import Callable

import requests

LOOK_EVERY_S = 0.02
ANSWERS_WITHIN_S = 10.0


def eventually(condition: Callable[[], object], within_s: float, what: str) -> None:
    """Look again and again until it is so; fail when the time is over."""
    ends_at_s = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > ends_at_s:
            raise AssertionError(f"not within {within_s:g} s: {what}")
        time.sleep(LOOK_EVERY_S)


def answers(url: str) -> bool:
    """Whether a GET is answered with 200."""
    try:
        return requests.get(url, timeout=ANSWERS_WITHIN_S).status_code == 200
    except requests.RequestException:
        return False
