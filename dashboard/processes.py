"""Our processes: where they can listen, how they are told to stop, and several of them as one."""

import _thread
import ctypes
import logging
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from types import FrameType

from gunicorn.util import parse_address

log = logging.getLogger(__name__)

STOP_WITHIN_S = 3.5
LOOK_EVERY_S = 0.2
_PR_SET_PDEATHSIG = 1


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
    stop = stop_on_signals()
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


def stop_on_signals() -> threading.Event:
    """An event that SIGTERM and SIGINT set."""
    stop = threading.Event()

    def told_to_stop(_signal: int, _frame: FrameType | None) -> None:
        # Whoever is interrupted may just hold the event's lock, and would wait for itself.
        _thread.start_new_thread(stop.set, ())

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
