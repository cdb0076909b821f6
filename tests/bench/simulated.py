"""Time and identifiers that only the test moves."""

import itertools
import threading
import uuid
from datetime import UTC, datetime, timedelta

START = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)


class SimulatedClock:
    """Stands still until it is moved; `sleep` moves it. Safe to share between threads."""

    def __init__(self, at: datetime = START) -> None:
        self._at = at
        self._elapsed_s = 0.0
        self._lock = threading.Lock()

    def now(self) -> datetime:
        with self._lock:
            return self._at

    def monotonic(self) -> float:
        with self._lock:
            return self._elapsed_s

    def sleep(self, duration_s: float) -> None:
        self.advance(duration_s)

    def advance(self, duration_s: float = 0.0, **parts: float) -> datetime:
        """Move on by seconds, or by the parts that a timedelta takes (`minutes=5`); answers with the new time."""
        step = timedelta(seconds=duration_s, **parts)
        assert step >= timedelta(0), "time only moves forward"
        with self._lock:
            self._at += step
            self._elapsed_s += step.total_seconds()
            return self._at

    def shift(self, duration_s: float) -> None:
        """Move the wall clock alone: on, as on a host that was suspended, or back, as when it is put right."""
        with self._lock:
            self._at += timedelta(seconds=duration_s)

    def advance_to(self, moment: datetime) -> None:
        """Move on to a moment; nothing happens if it has passed."""
        self.advance(max(0.0, (moment - self.now()).total_seconds()))


class CountedIds:
    """UUID texts in a row: 00000000-0000-4000-8000-000000000001, …2, …"""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()

    def __call__(self) -> str:
        with self._lock:
            number = next(self._numbers)
        return str(uuid.UUID(int=(0x4 << 76) | (0x8 << 60) | number))
