"""The real commands, each of which kills itself at a named point of its work: SIGKILL, nothing is tidied up.

A point is the moment before or after a commit of one of our write transactions, or a call to the bank. Its place is
the function that makes it, and, where that matters, the one that this was called by.
"""

import itertools
import os
import signal
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from types import FrameType
from typing import Any

from sqlalchemy import event

from dashboard import cli
from dashboard.bank131.transport import HttpAnswer, RequestsTransport
from dashboard.bank_window import Window
from dashboard.journal import WriteSession
from tests.journeys.commands import environ_with
from tests.journeys.waiting import answers, eventually
from tests.processes.forked import forkserver
from tests.processes.installation import Installation, kill_group

BEFORE = "before"
AFTER = "after"
COMMIT = "commit"
STATUS = "session/status"
REFUND = "session/refund"
VERBS = (
    *("sending", "reads", "refunds", "webhook_inbox", "worker"),
    *("resolutions", "anomalies", "restore", "approvals", "limits", "collector"),
)
MET_WITHIN_S = 30.0


@dataclass(frozen=True)
class Point:
    """`command`: `worker`, `web` or `db`. `what`: COMMIT or the bank's method. `place`, `under`: `module.function`."""

    command: str
    when: str
    what: str
    place: str
    under: str = ""

    def __str__(self) -> str:
        of = f" of {self.place}" + (f" for {self.under}" if self.under else "")
        return f"{self.command} {self.when} the {self.what}{of}"


def places(frame: FrameType | None) -> Iterator[str]:
    """The verbs at work in this thread, the innermost first, as `module.function`."""
    while frame is not None:
        package, _, module = frame.f_globals.get("__name__", "").partition(".")
        if package == "dashboard" and module in VERBS:
            yield f"{module}.{frame.f_code.co_name}"
        frame = frame.f_back


class Death:
    """Kills this process when one of its points comes, once for each: `marks` are the files that say it has come."""

    def __init__(self, marks: Mapping[Point, Path]) -> None:
        self._marks = marks

    def pass_by(self, when: str, what: str) -> None:
        at_work = list(places(sys._getframe(1)))
        for point, mark in self._marks.items():
            is_there = (point.when, point.what, point.place) == (when, what, *at_work[:1])
            if is_there and point.under in ["", *at_work] and _is_new(mark):
                os.kill(os.getpid(), signal.SIGKILL)

    def arm(self) -> None:
        event.listen(WriteSession, "before_commit", lambda _session: self.pass_by(BEFORE, COMMIT))
        event.listen(WriteSession, "after_commit", lambda _session: self.pass_by(AFTER, COMMIT))
        call = RequestsTransport.__call__

        def watched(transport: RequestsTransport, url: str, *rest: Any) -> HttpAnswer:
            method = "/".join(url.split("/")[-2:])
            self.pass_by(BEFORE, method)
            try:
                return call(transport, url, *rest)
            finally:
                self.pass_by(AFTER, method)

        RequestsTransport.__call__ = watched  # type: ignore[method-assign]
        self._watch_window()

    def _watch_window(self) -> None:
        """A web server's calls to the bank: a worker makes them in its place."""
        ask = Window.ask

        def watched(window: Window, *question: Any) -> HttpAnswer:
            self.pass_by(BEFORE, STATUS)
            try:
                return ask(window, *question)
            finally:
                self.pass_by(AFTER, STATUS)

        Window.ask = watched  # type: ignore[method-assign]


def _is_new(mark: Path) -> bool:
    try:
        os.close(os.open(mark, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True


def _live(settings: Mapping[str, str], log_file: Path, arguments: Sequence[str], death: Death) -> None:
    os.setsid()
    log = os.open(log_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(log, stream)
    environ = environ_with(settings)
    os.environ.clear()
    os.environ.update(environ)
    death.arm()
    cli.main(list(arguments), prog_name="dashboard")


class Life:
    """One life of a command, which ends at the first of some points that it comes to.

    It is a process of its own, forked from one that has imported everything: that takes a tenth of the time.
    """

    numbers = itertools.count(1)

    def __init__(
        self, settings: Mapping[str, str], folder: Path, command: str, arguments: Sequence[str], points: Iterable[Point]
    ) -> None:
        self._marks = {point: folder / f"met-{next(self.numbers)}" for point in points}
        lived = (dict(settings), folder / f"{command}.log", [command, *arguments], Death(self._marks))
        self.process: ForkServerProcess = forkserver().Process(target=_live, args=lived)
        self.process.start()

    @classmethod
    @contextmanager
    def begun(
        cls,
        settings: Mapping[str, str],
        folder: Path,
        command: str,
        arguments: Sequence[str] = (),
        points: Iterable[Point] = (),
    ) -> Iterator["Life"]:
        """It is over when the block is, whatever happens there."""
        life = cls(settings, folder, command, arguments, points)
        try:
            yield life
        finally:
            if life.process.pid and life.process.is_alive():
                kill_group(life.process.pid)
            life.process.join()

    def has_come_to(self, point: Point) -> bool:
        return self._marks[point].exists()

    @property
    def was_killed(self) -> bool:
        return self.process.exitcode == -signal.SIGKILL


@contextmanager
def life_of(installation: Installation, command: str, points: Sequence[Point] = ()) -> Iterator[Life]:
    """A web server answers when this begins. `db` says that the database was put back."""
    url = installation.urls[0]
    arguments = {"web": ["--bind", url.rpartition("/")[2]], "db": ["restored"]}.get(command, [])
    with Life.begun(installation.settings, installation.folder, command, arguments, points) as life:
        if command == "web":
            eventually(lambda: answers(f"{url}/healthz"), MET_WITHIN_S, "a web server")
        yield life
