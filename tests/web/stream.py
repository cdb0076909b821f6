"""A live page's stream of events, read as a browser reads it."""

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

from tests.web.browser import Browser

WITHIN_S = 10.0

T = TypeVar("T")


@dataclass(frozen=True)
class Event:
    name: str
    data: Any
    id: int | None


class Stream:
    """Close it when it is done with; so does a `with` block. It is served in a thread of its own, as servers do."""

    def __init__(self, browser: Browser, query: str = "", headers: dict[str, str] | None = None) -> None:
        self._thread = ThreadPoolExecutor(1)
        self.response = self._do(lambda: browser.client.get(f"/live{query}", headers=headers or {}, buffered=False))
        self.status = self.response.status_code
        self._chunks = iter(self.response.iter_encoded())
        self._events = _parsed(iter(lambda: self._do(lambda: next(self._chunks, b"")), b""))

    def __enter__(self) -> "Stream":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _do(self, what: Callable[[], T]) -> T:
        return self._thread.submit(what).result(2 * WITHIN_S)

    def close(self) -> None:
        self._do(self.response.close)
        self._thread.shutdown()

    def round(self) -> list[Event]:
        """What is told at one look, without the word on freshness that ends it; with it the stream's end."""
        told: list[Event] = []
        for event in self._events:
            if event.name == "freshness":
                return told
            told.append(event)
        return [*told, Event("end", None, None)]

    def news(self) -> list[Event]:
        """What is told at the next look that has something to tell."""
        deadline_s = time.monotonic() + WITHIN_S
        while time.monotonic() < deadline_s:
            if told := self.round():
                return told
        raise AssertionError("nothing was told")

    def next_freshness(self) -> Event:
        return next(event for event in self._events if event.name == "freshness")


def _parsed(chunks: Iterator[bytes]) -> Iterator[Event]:
    buffer = ""
    for chunk in chunks:
        buffer += chunk.decode()
        while "\n\n" in buffer:
            block, _, buffer = buffer.partition("\n\n")
            fields = dict(line.partition(": ")[::2] for line in block.split("\n"))
            if "event" in fields:
                number = fields.get("id")
                yield Event(fields["event"], json.loads(fields["data"]), int(number) if number else None)
