"""Running it: the web server, the worker, and several of our own processes as one."""

import ctypes
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication
from gunicorn.util import parse_address

from dashboard import bank_window, collector, db, mail, worker
from dashboard.app import bank_client, create_app, create_desk, letter_writer
from dashboard.config import Config
from dashboard.desk import Books
from dashboard.slow_clients import ImpatientWorker

log = logging.getLogger(__name__)

STOP_WITHIN_S = 3.5
BESIDE_ENDS_WITHIN_S = 2.0
LOOK_EVERY_S = 0.2
_PR_SET_PDEATHSIG = 1
_IN_MEMORY = "/dev/shm"  # noqa: S108 (a heartbeat file of gunicorn's, which makes its own name)


class CannotListen(Exception):
    """Nobody can listen at an address; str() says why in one line."""


def check_bind(bind: str) -> None:
    """Whether the web server could listen there; HOST:PORT is looked at before anything starts. Raises CannotListen."""
    try:
        address = parse_address(bind)
    except (RuntimeError, ValueError) as problem:
        raise CannotListen(f"{bind} is no address to listen on: it must look like 127.0.0.1:8131") from problem
    if isinstance(address, tuple):
        check_free(*address)


def check_free(host: str, port: int) -> None:
    """Whether a port of this machine is free. Raises CannotListen."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except (OSError, OverflowError) as problem:
        why = problem.strerror if isinstance(problem, OSError) else "there is no such port"
        raise CannotListen(f"Nothing can listen on {host}:{port}: {why}") from problem


class _Gunicorn(BaseApplication):  # type: ignore[misc]
    """Gunicorn without a command line: our settings, and the app made anew in each worker process."""

    def __init__(self, config: Config, bind: str) -> None:
        self._config = config
        self._bind = bind
        super().__init__()

    def load_config(self) -> None:
        settings: dict[str, Any] = {
            "bind": self._bind,
            "workers": self._config.web_processes,
            "worker_class": ImpatientWorker,
            "threads": self._config.web_threads,
            # More than there are threads would wait unseen behind open live pages.
            "worker_connections": self._config.web_threads,
            "graceful_timeout": 2,
            "timeout": 60,
            "keepalive": 0,
            "worker_tmp_dir": _IN_MEMORY if os.path.isdir(_IN_MEMORY) else None,
            "control_socket_disable": True,
            # How many proxies are believed is DASHBOARD_PROXY_HOPS's to say, also for those on this machine.
            "forwarded_allow_ips": "",
            "limit_request_line": 4094,
            "limit_request_fields": 100,
            "limit_request_field_size": 8190,
            "loglevel": "warning",
        }
        for name, value in settings.items():
            if name in self.cfg.settings:
                self.cfg.set(name, value)

    def load(self) -> Flask:
        return create_app(self._config)


def serve_web(config: Config, bind: str) -> None:
    """Serve the pages until told to stop."""
    _Gunicorn(config, bind).run()


def run_worker(config: Config) -> None:
    """Work until SIGTERM or SIGINT; what is under way is finished first, what is beside it only if it is quick."""
    stop = _stop_on_signals()
    bank = bank_client(config)
    engine = db.open_engine(config.database_url)
    try:
        desk = create_desk(config, engine, bank)
        with bank_window.open_to_pages(bank, config), _done_beside(desk, stop):
            worker.run(desk, stop, letter_writer(desk) if config.has_mail else None)
    finally:
        engine.dispose()


@contextmanager
def _done_beside(books: Books, stop: threading.Event) -> Iterator[None]:
    """What delays no refund, each in a thread of its own. What it leaves half done is taken up by another worker."""
    duties = {mail.run: books.config.has_mail, collector.run: books.config.has_collector}
    threads = [
        threading.Thread(target=duty, args=(books, stop), name=duty.__module__, daemon=True)
        for duty, is_wanted in duties.items()
        if is_wanted
    ]
    for thread in threads:
        thread.start()
    yield
    ends_at_s = time.monotonic() + BESIDE_ENDS_WITHIN_S
    for thread in threads:
        thread.join(max(0.0, ends_at_s - time.monotonic()))


# Several processes as one


def run_together(
    commands: Sequence[Sequence[str]],
    environ: Mapping[str, str],
    *,
    is_ready: Callable[[], bool] = lambda: True,
    when_ready: Callable[[], None] = lambda: None,
) -> int:
    """Run `dashboard` commands side by side until SIGTERM or SIGINT, or until one of them ends; then end all.

    Answers with the exit code: 0 after a signal, 1 when one ended by itself.
    """
    stop = _stop_on_signals()
    children = [_start(command, environ) for command in commands]
    announced = False
    try:
        while not stop.wait(LOOK_EVERY_S):
            ended = [command[0] for command, child in zip(commands, children, strict=True) if child.poll() is not None]
            if ended:
                log.error("%s ended by itself, so everything is stopped; nothing is lost", ", ".join(ended))
                return 1
            if not announced and is_ready():
                when_ready()
                announced = True
        return 0
    finally:
        _end(children)


def _stop_on_signals() -> threading.Event:
    stop = threading.Event()

    def told_to_stop(_signal: int, _frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, told_to_stop)
    return stop


def _start(command: Sequence[str], environ: Mapping[str, str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "dashboard.cli", *command],
        env=dict(environ),
        preexec_fn=_die_with_parent if sys.platform == "linux" else None,
    )


def _die_with_parent() -> None:
    """A killed parent leaves no orphans that hold its ports."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _end(children: Sequence[subprocess.Popen[bytes]]) -> None:
    for child in children:
        child.terminate()
    ends_at_s = time.monotonic() + STOP_WITHIN_S
    for child in children:
        try:
            child.wait(max(0.0, ends_at_s - time.monotonic()))
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
