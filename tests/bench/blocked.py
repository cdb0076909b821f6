"""Waiting for another connection to wait for a lock."""

import time

from sqlalchemy import text

from dashboard.desk import Desk

_WAITING = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")


def wait_until_blocked(desk: Desk) -> None:
    """Until some connection to a PostgreSQL database waits for a lock."""
    deadline_s = time.monotonic() + 30
    while time.monotonic() < deadline_s:
        with desk.read() as session:
            if session.scalar(_WAITING):
                return
        time.sleep(0.01)
    raise AssertionError("nobody waits for a lock")
