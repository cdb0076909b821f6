"""Serves the sandbox bank until it is told to stop."""

import _thread
import fcntl
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import SystemRandom
from types import FrameType
from wsgiref.types import WSGIApplication

from werkzeug.serving import WSGIRequestHandler, make_server

from dashboard.bank131.signature import KeyFormatError, load_private_key, load_public_key, sign, verify
from dashboard.clock import Clock, SystemClock
from dashboard.sandbox.app import create_sandbox_app
from dashboard.sandbox.bank import SandboxBank
from dashboard.sandbox.courier import Courier, Gate
from dashboard.sandbox.keys import SandboxKeys, prepare_data_dir
from dashboard.sandbox.ledger import BrokenLedger, SqliteStore
from dashboard.sandbox.scenes import seed_scenes

LEDGER_NAME = "sandbox.sqlite3"
LOCK_NAME = "sandbox.lock"


class SandboxStartError(Exception):
    """The sandbox cannot start; the text is one clear line."""


@dataclass(frozen=True)
class RunningSandbox:
    url: str
    keys: SandboxKeys
    bank: SandboxBank
    gate: Gate


def run_sandbox(
    *,
    host: str = "127.0.0.1",
    port: int,
    data_dir: Path,
    webhook_url: str | None,
    announce: Callable[[str], None],
    scenes: bool = True,
) -> None:
    """Serve until SIGTERM or SIGINT, then end within two seconds; call it from the main thread.

    Tells project, paths and URL through `announce`, the URL last, once calls are answered. With `scenes`, an
    empty ledger is filled with the sample sessions first. Raises SandboxStartError.
    """
    stop = threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        # Whoever is interrupted may just hold the event's lock, and would wait for itself.
        _thread.start_new_thread(stop.set, ())

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    with running_sandbox(host=host, port=port, data_dir=data_dir, webhook_url=webhook_url, scenes=scenes) as sandbox:
        for line in _greeting(sandbox):
            announce(line)
        stop.wait()


@contextmanager
def running_sandbox(
    *, host: str = "127.0.0.1", port: int = 0, data_dir: Path, webhook_url: str | None, scenes: bool = False
) -> Iterator[RunningSandbox]:
    """A sandbox that answers on `url` while the block runs (port 0: any free one). Raises SandboxStartError."""
    with ExitStack() as stack:
        keys = _prepared(data_dir)
        stack.enter_context(_sole_owner(data_dir))
        listener = stack.enter_context(_listening(host, port))
        clock, gate = SystemClock(), Gate()
        bank = _opened(keys, data_dir, webhook_url, clock, stack)
        if scenes:
            seed_scenes(bank)
        _serve(stack, create_sandbox_app(bank, gate=gate, clock=clock, keys=keys), listener)
        courier = Courier(bank, gate, clock=clock)
        courier.start()
        stack.callback(courier.stop)
        yield RunningSandbox(_url(listener), keys, bank, gate)


def _opened(keys: SandboxKeys, data_dir: Path, webhook_url: str | None, clock: Clock, stack: ExitStack) -> SandboxBank:
    try:
        store = SqliteStore(data_dir / LEDGER_NAME)
        stack.callback(store.close)
        return open_bank(keys, webhook_url=webhook_url, store=store, clock=clock)
    except (BrokenLedger, KeyFormatError) as fault:
        raise SandboxStartError(f"The sandbox cannot use the folder {data_dir}: {fault}") from fault


def _serve(stack: ExitStack, app: WSGIApplication, listener: socket.socket) -> None:
    host, port = listener.getsockname()[:2]
    descriptor = os.dup(listener.fileno())
    server = make_server(host, port, app, threaded=True, request_handler=_QuietHandler, fd=descriptor)
    serving = threading.Thread(target=partial(server.serve_forever, 0.05), name="sandbox-http", daemon=True)
    serving.start()
    stack.callback(server.server_close)
    stack.callback(server.shutdown)


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def open_bank(keys: SandboxKeys, *, webhook_url: str | None, store: SqliteStore | None, clock: Clock) -> SandboxBank:
    """The bank over its ledger, with real signatures. Raises BrokenLedger and KeyFormatError."""
    merchant_public = load_public_key(keys.merchant_public_path.read_bytes())
    bank_private = load_private_key(keys.bank_private_path.read_bytes())
    return SandboxBank(
        clock=clock,
        random=SystemRandom(),
        verify=partial(verify, [merchant_public]),
        sign=partial(sign, bank_private),
        project=keys.project,
        webhook_url=webhook_url,
        store=store,
    )


def _greeting(sandbox: RunningSandbox) -> list[str]:
    keys = sandbox.keys
    return [
        f"Project                 {keys.project}",
        f"Merchant's private key  {keys.merchant_private_path}",
        f"Bank's public key       {keys.bank_public_path}",
        f"Webhooks go to          {sandbox.bank.webhook_url or 'nobody (no webhook URL given)'}",
        f"Sandbox bank            {sandbox.url}",
    ]


class _QuietHandler(WSGIRequestHandler):
    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass


@contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except OSError as fault:
            raise SandboxStartError(f"The sandbox cannot listen on {host}:{port}: {fault.strerror}") from fault
        listener.listen(128)
        yield listener


def _prepared(data_dir: Path) -> SandboxKeys:
    try:
        return prepare_data_dir(data_dir)
    except (OSError, KeyFormatError) as fault:
        raise SandboxStartError(f"The sandbox cannot use the folder {data_dir}: {fault}") from fault


@contextmanager
def _sole_owner(data_dir: Path) -> Iterator[None]:
    with (data_dir / LOCK_NAME).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as fault:
            raise SandboxStartError(f"Another sandbox is running on the folder {data_dir}") from fault
        yield
