"""What the streams of one process share: whatever moves wakes all of them, and what they all ask then is asked once."""

import logging
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Hashable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from dashboard import live_viewers, sign_ins
from dashboard.desk import Books

log = logging.getLogger(__name__)

MOST_ANSWERS = 64
NOTE_EVERY_S = 5.0


class SharedAnswers:
    """Answers by what was asked: the first who asks finds it out, the others wait for that.

    What is asked has to name the moment too, or an answer would hold for ever.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._answers: OrderedDict[Hashable, Future[Any]] = OrderedDict()

    def get(self, asked: Hashable, find_out: Callable[[], Any]) -> Any:
        with self._lock:
            known = self._answers.get(asked)
            answer: Future[Any] = known or self._answers.setdefault(asked, Future())
            while len(self._answers) > MOST_ANSWERS:
                self._answers.popitem(last=False)
        if known is None:
            self._find_out(asked, answer, find_out)
        return answer.result()

    def _find_out(self, asked: Hashable, answer: "Future[Any]", find_out: Callable[[], Any]) -> None:
        try:
            answer.set_result(find_out())
        except BaseException as problem:
            with self._lock:
                self._answers.pop(asked, None)
            answer.set_exception(problem)


class Audience:
    """Who watches, and whether they are still signed in."""

    def __init__(self, books: Books) -> None:
        self._books = books
        self._lock = threading.Lock()
        self._tokens: Counter[str] = Counter()
        self._process_id = ""
        self._note_at_s = 0.0
        self.answers = SharedAnswers()

    @contextmanager
    def joined(self, token: str) -> Iterator[None]:
        """Watch with this sign-in."""
        with self._lock:
            self._tokens[token] += 1
        try:
            yield
        finally:
            with self._lock:
                self._tokens[token] -= 1
                self._tokens += Counter()

    def note(self) -> None:
        """Put on record how many watch, at most once in some seconds, by whichever stream comes first."""
        now_s = time.monotonic()
        with self._lock:
            if now_s < self._note_at_s:
                return
            self._note_at_s = now_s + NOTE_EVERY_S
            self._process_id = self._process_id or self._books.new_id()
            viewers = self._tokens.total()
        try:
            live_viewers.note(self._books, self._process_id, viewers)
        except SQLAlchemyError as problem:
            log.info("how many watch could not be noted: %s", problem)

    def is_signed_in(self, token: str, head: int) -> bool:
        """Whether a sign-in holds, with the journal at this position: its end moves that, idling shows each second."""
        there: frozenset[str] = self.answers.get(("signed in", head, int(time.monotonic())), self._who_is_signed_in)
        # Whoever has joined since is not in it yet.
        return token in there or sign_ins.find(self._books, token) is not None

    def _who_is_signed_in(self) -> frozenset[str]:
        with self._lock:
            tokens = list(self._tokens)
        return sign_ins.those_that_hold(self._books, tokens)
