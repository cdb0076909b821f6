"""An installation of real processes that can be killed at any time and are started again at once."""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil

from dashboard import bank_window, migrations
from dashboard.clock import SystemClock
from dashboard.config import read_config
from dashboard.db import open_engine
from dashboard.desk import Books, journal_key
from dashboard.wiring import bank_client
from tests.bench.postgresql import running_postgresql
from tests.journeys.bank import Bank
from tests.journeys.commands import PATIENCE_S, READY_WITHIN_S, bank_settings, environ_with, free_port
from tests.journeys.waiting import answers, eventually

QUICK = {
    "DASHBOARD_UNDO_SECONDS": "0.3",
    "DASHBOARD_QUIET_SECONDS": "0.5",
    "DASHBOARD_POLL_SECONDS": "0.2",
    "DASHBOARD_WEB_THREADS": "16",
    "DASHBOARD_LIVE_STREAMS": "2",
    "DASHBOARD_WORKER_THREADS": "4",
    "BANK131_TIMEOUT_SECONDS": "1",
}
WORKER = "worker"
WEB = "web"
BANK = "bank"
DATABASE = "database"
LOOK_EVERY_S = 0.02


def children_of(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def kill_group(leader: int) -> None:
    """SIGKILL for a process group and whatever its leader started; over when nothing of it holds a port any more."""
    children = children_of(leader)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)
    eventually(lambda: not any(map(_is_alive, children)), PATIENCE_S, "what was killed is gone")


def _is_alive(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


class Part:
    """One command. What it says goes to `log_file`, one life after the other; `is_ready` says whether it works."""

    def __init__(
        self, kind: str, settings: Mapping[str, str], log_file: Path, is_ready: Callable[[], bool], *arguments: str
    ) -> None:
        self.kind = kind
        self.log_file = log_file
        self.is_ready = is_ready
        self._environ = environ_with(settings)
        self._command = [sys.executable, "-m", "dashboard.cli", *arguments]
        self.start()

    def start(self) -> None:
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                self._command,
                env=self._environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.log_file.parent,
                start_new_session=True,
            )
        self.started_at_s = time.monotonic()

    def children(self) -> list[psutil.Process]:
        return children_of(self.process.pid)

    def kill(self) -> None:
        kill_group(self.process.pid)
        self.process.wait()

    def kill_child(self) -> bool:
        """SIGKILL for one process that the command started, which has to notice by itself; whether there was one."""
        for child in self.children()[-1:]:
            child.kill()
            return True
        return False

    def log(self) -> str:
        return self.log_file.read_text(errors="replace")


class Postgresql:
    """A PostgreSQL server that keeps its data and its port when it crashes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = free_port()
        self._running = ExitStack()
        self.start()
        self.server.run("postgres", "CREATE DATABASE desk")

    def start(self) -> None:
        self.server = self._running.enter_context(running_postgresql(self._folder, self._port))

    @property
    def url(self) -> str:
        return self.server.url("desk")

    def crash(self) -> None:
        """An immediate shutdown, which writes nothing down; then a start that recovers from the log."""
        os.kill(self._postmaster().pid, signal.SIGQUIT)
        self.close()
        self.start()

    def kill_backend(self) -> bool:
        """SIGKILL for one connection's process: the server ends all others and recovers by itself."""
        backends = [process for process in self._postmaster().children() if _is_of_a_client(process)]
        for backend in backends[:1]:
            backend.kill()
        return bool(backends)

    def close(self) -> None:
        self._running.close()

    def _postmaster(self) -> psutil.Process:
        return psutil.Process(int((self._folder / "data" / "postmaster.pid").read_text().split()[0]))


def _is_of_a_client(process: psutil.Process) -> bool:
    try:
        return " desk 127.0.0.1" in " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return False


class Installation:
    """`parts`: what is running. `urls`: where the web servers listen; the bank's webhooks go to the first.

    `settings`: for commands beside it. `books`: its tables, to look at. `samples`: the sessions that the bank has
    from the beginning. `ended`: parts that ended by themselves.
    """

    def __init__(
        self,
        stack: ExitStack,
        folder: Path,
        urls: Sequence[str],
        settings: Mapping[str, str],
        postgresql: Postgresql | None,
    ) -> None:
        self.folder = folder
        self.urls = urls
        self.settings = settings
        self.postgresql = postgresql
        self.parts: list[Part] = []
        self.ended: Counter[str] = Counter()
        self.bank = Bank(int(settings["BANK131_URL"].rpartition(":")[2]))
        self._stack = stack
        self._add_bank()
        self.samples = [session["id"] for session in self.bank.get("ledger")["sessions"]]
        self.books = stack.enter_context(_books(settings))

    def _add_bank(self) -> None:
        is_ready = _answering(f"{self.bank.url}/control/settings")
        data = str(self.folder / "bank")
        port = self.bank.url.rpartition(":")[2]
        webhooks = f"{self.urls[0]}/webhooks/bank131"
        self._add(BANK, "bank", is_ready, "sandbox", "--port", port, "--data", data, "--webhook-url", webhooks)
        self.await_ready()

    def add_web(self, url: str) -> None:
        host_and_port = url.rpartition("/")[2]
        name = f"web-{host_and_port.rpartition(':')[2]}"
        self._add(WEB, name, _answering(f"{url}/healthz"), "web", "--bind", host_and_port)

    def add_worker(self) -> None:
        name = f"worker-{len(self.of(WORKER))}"
        self._add(WORKER, name, _answering(f"{self.urls[0]}/readyz"), "worker")

    def _add(self, kind: str, name: str, is_ready: Callable[[], bool], *arguments: str) -> None:
        part = Part(kind, self.settings, self.folder / f"{name}.log", is_ready, *arguments)
        self._stack.callback(part.kill)
        self.parts.append(part)

    def of(self, kind: str) -> list[Part]:
        return [part for part in self.parts if part.kind == kind]

    def revive(self) -> None:
        """Start again what has ended, as an init system does."""
        for part in self.parts:
            if part.process.poll() is not None:
                self.ended[part.kind] += 1
                part.start()

    def watch(self, condition: Callable[[], object], within_s: float, what: str) -> None:
        """Wait for a condition, and keep everything running meanwhile."""

        def watched() -> object:
            self.revive()
            return condition()

        eventually(watched, within_s, what)

    def await_ready(self) -> None:
        self.watch(lambda: all(part.is_ready() for part in self.parts), READY_WITHIN_S, "everything is at work")


@contextmanager
def running_bank(folder: Path, database: str, **more_settings: str) -> Iterator[Installation]:
    """A sandbox bank and a new database of this kind. A web server may be added, and sees the bank without a worker."""
    with _running_bank(folder, database, webs=1, **more_settings) as installation:
        config = read_config(installation.settings)
        with bank_window.open_to_pages(bank_client(config), config):
            yield installation


@contextmanager
def _running_bank(folder: Path, database: str, webs: int, **more_settings: str) -> Iterator[Installation]:
    with ExitStack() as stack:
        postgresql = stack.enter_context(_postgresql()) if database == "postgresql" else None
        urls = [f"http://127.0.0.1:{free_port()}" for _ in range(webs)]
        settings = {
            "DASHBOARD_DATABASE_URL": postgresql.url if postgresql else f"sqlite:///{folder / 'desk.sqlite3'}",
            "DASHBOARD_SECRET_KEY": "a secret key for storms: 0123456789 abcdefghij",
            "DASHBOARD_PUBLIC_URL": urls[0],
            **bank_settings(free_port(), folder / "bank"),
            **QUICK,
            **more_settings,
        }
        yield Installation(stack, folder, urls, settings, postgresql)


@contextmanager
def running_installation(
    folder: Path, database: str, *, webs: int = 1, workers: int = 1, **more_settings: str
) -> Iterator[Installation]:
    """A sandbox bank, a new database, and so many web servers and workers, all at work."""
    with _running_bank(folder, database, webs=webs, **more_settings) as installation:
        for url in installation.urls:
            installation.add_web(url)
        for _ in range(workers):
            installation.add_worker()
        installation.await_ready()
        yield installation


@contextmanager
def _postgresql() -> Iterator[Postgresql]:
    with tempfile.TemporaryDirectory(prefix="dashboard-storm-") as folder:
        postgresql = Postgresql(Path(folder))
        try:
            yield postgresql
        finally:
            postgresql.close()


@contextmanager
def _books(settings: Mapping[str, str]) -> Iterator[Books]:
    """The database with its tables and people in it."""
    config = read_config(settings)
    engine = open_engine(config.database_url)
    try:
        migrations.upgrade(engine, journal_key(config))
        books = Books(config=config, clock=SystemClock(), new_id=lambda: str(uuid.uuid4()), engine=engine)
        yield books
    finally:
        engine.dispose()


def _answering(url: str) -> Callable[[], bool]:
    return lambda: answers(url)
