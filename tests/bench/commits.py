"""What happens around the commits of a desk: something in the way before, or a process that dies after."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy import event

from dashboard.journal import WriteSession

BEFORE = "before_commit"
AFTER = "after_commit"


@contextmanager
def at_each_commit(when: str, happens: Callable[[], object]) -> Iterator[None]:
    """While the block runs, something happens BEFORE or AFTER each commit of a write; it may raise."""

    def listener(_session: WriteSession) -> None:
        happens()

    event.listen(WriteSession, when, listener)
    try:
        yield
    finally:
        event.remove(WriteSession, when, listener)
