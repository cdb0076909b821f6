"""The window through which pages look at the bank: a worker asks in their place, since it alone has the private key.

One question goes through it, what a session is like, and back comes the bank's answer, byte for byte. Nothing that
moves money can be asked, and nothing gets signed: whoever takes over a web server has no key and no pen.

Workers and web servers of one machine meet in a folder. Every worker has a socket of its own there. A question is a
line of JSON, `{"session_id": "…", "timeout_s": 10.0}`. An answer is a line of JSON, `{"status": 200}` or
`{"never_reached": "why"}` or `{"unclear": "why"}`, and after it, in the first case, the body.
"""

import hashlib
import json
import logging
import os
import random
import socket
import socketserver
import stat
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from dashboard.bank131.client import (
    MAX_TIMEOUT_S,
    BankClient,
    NeverReached,
    OutcomeUnknown,
    Reading,
    reading,
    server_url,
)
from dashboard.bank131.objects import is_identifier
from dashboard.bank131.transport import MAX_ANSWER_BYTES, HttpAnswer
from dashboard.config import Config

log = logging.getLogger(__name__)

MAX_QUESTION_BYTES = 1024
MOST_AT_ONCE = 64
QUESTION_WITHIN_S = 2.0
# What the way through the worker may take on top of the bank's own time.
WAY_S = 2.0
_HEAD_BYTES = 4096
_SUFFIX = ".sock"
ROOT = 0


class UnusableFolder(Exception):
    """Nobody can meet there, or others could put themselves in between; str() says why in one line."""


def of(config: Config) -> "Window":
    """The bank that the settings name, as pages have it. Raises ValueError."""
    return Window(folder_of(config), url=config.bank_url, project=config.project, timeout_s=config.timeout_s)


def folder_of(config: Config) -> Path:
    """Where workers and web servers meet: what is set, or a folder of this user's for this database."""
    if config.run_folder is not None:
        return config.run_folder
    name = hashlib.sha256(config.database_url.encode()).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"refund-desk-{os.geteuid()}-{name}"


def check_folder(folder: Path) -> None:
    """Raises UnusableFolder if somebody else could answer in a worker's place, or if there is no folder."""
    try:
        found = folder.stat(follow_symlinks=False)
    except OSError as problem:
        raise UnusableFolder(f"{folder}: {problem.strerror}") from problem
    if not stat.S_ISDIR(found.st_mode):
        raise UnusableFolder(f"{folder} is no folder")
    if found.st_uid not in {ROOT, os.geteuid()} and not found.st_mode & stat.S_ISGID:
        raise UnusableFolder(f"{folder} belongs to another user, and is not kept for a group (chmod g+s)")
    if found.st_mode & stat.S_IWOTH:
        raise UnusableFolder(f"{folder} can be written to by everybody")


# The pages' side


class Window:
    """The bank as pages have it: like a BankClient, but for `status` alone."""

    def __init__(self, folder: Path, *, url: str, project: str, timeout_s: float) -> None:
        self.url = server_url(url)
        self.project = project
        self._folder = folder
        self._timeout_s = timeout_s

    def status(self, session_id: str, timeout_s: float | None = None) -> Reading:
        """The payment session as the bank has it now. Raises BankError; NeverReached where no worker is there."""
        most_s = min(timeout_s or self._timeout_s, self._timeout_s)
        return reading(self.ask(session_id, most_s), session_id)

    def refund(self, body: bytes, idempotency_key: str) -> Reading:
        """Raises PermissionError: pages never send anything."""
        raise PermissionError("only a worker sends refunds")

    def ask(self, session_id: str, timeout_s: float) -> HttpAnswer:
        """What the bank says about a session. Raises NeverReached, OutcomeUnknown."""
        ends_at_s = time.monotonic() + timeout_s + WAY_S
        question = json.dumps({"session_id": session_id, "timeout_s": timeout_s}).encode() + b"\n"
        with self._connected(timeout_s) as worker:
            try:
                worker.sendall(question)
                head, _, body = _whole(worker, ends_at_s).partition(b"\n")
            except OSError as problem:
                raise OutcomeUnknown(f"the worker did not answer: {problem}") from problem
        return _answer(head, body)

    @contextmanager
    def _connected(self, timeout_s: float) -> Iterator[socket.socket]:
        """A connection to any of the workers: one that was killed leaves its socket behind."""
        for path in self._sockets():
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            with connection:
                connection.settimeout(timeout_s)
                try:
                    connection.connect(str(path))
                except OSError:
                    continue
                yield connection
                return
        raise NeverReached("no worker is running on this machine, and it alone may talk to the bank")

    def _sockets(self) -> list[Path]:
        try:
            check_folder(self._folder)
        except UnusableFolder as problem:
            raise NeverReached(f"no worker can be found on this machine: {problem}") from problem
        found = list(self._folder.glob(f"*{_SUFFIX}"))
        return random.sample(found, len(found))


def _whole(connection: socket.socket, ends_at_s: float) -> bytes:
    """All that is said until the other side hangs up. Raises OSError."""
    said = bytearray()
    while True:
        connection.settimeout(max(ends_at_s - time.monotonic(), 0.001))
        part = connection.recv(64 * 1024)
        if not part:
            return bytes(said)
        said += part
        if len(said) > MAX_ANSWER_BYTES + _HEAD_BYTES:
            raise OSError("it says too much")


def _answer(head: bytes, body: bytes) -> HttpAnswer:
    try:
        told = json.loads(head)
        if "status" in told:
            return HttpAnswer(int(told["status"]), body)
        never_reached, unclear = told.get("never_reached"), told.get("unclear")
    except (ValueError, TypeError, AttributeError) as problem:
        raise OutcomeUnknown("the worker ended before it had answered") from problem
    if never_reached is not None:
        raise NeverReached(str(never_reached))
    raise OutcomeUnknown(str(unclear))


# The worker's side


@contextmanager
def open_to_pages(bank: BankClient, folder: Path) -> Iterator[None]:
    """Answer pages while the block runs. Raises UnusableFolder."""
    server, path = _listening(bank, folder)
    with server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.2}, daemon=True)
        thread.start()
        try:
            yield
        finally:
            path.unlink(missing_ok=True)
            server.shutdown()
            thread.join()


def _listening(bank: BankClient, folder: Path) -> tuple["_Server", Path]:
    name = uuid4().hex[:12]
    being_made, path = folder / f"{name}.new", folder / f"{name}{_SUFFIX}"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        check_folder(folder)
        _tidy(folder)
        server = _Server(being_made, bank)
        # The folder says who gets in; a socket is found under its name only once somebody listens.
        being_made.chmod(0o660)
        being_made.rename(path)
    except OSError as problem:
        raise UnusableFolder(f"{folder}: {problem.strerror or problem}") from problem
    return server, path


def _tidy(folder: Path) -> None:
    """Take away what workers that were killed have left."""
    for path in folder.glob(f"*{_SUFFIX}"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe, suppress(OSError):
            probe.settimeout(QUESTION_WITHIN_S)
            try:
                probe.connect(str(path))
            except ConnectionRefusedError:
                path.unlink(missing_ok=True)


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    request_queue_size = MOST_AT_ONCE

    def __init__(self, path: Path, bank: BankClient) -> None:
        self.bank = bank
        self.seats = threading.BoundedSemaphore(MOST_AT_ONCE)
        super().__init__(str(path), _Question)

    def handle_error(self, request: object, client_address: object) -> None:
        log.exception("a page's question could not be answered")


class _Question(socketserver.StreamRequestHandler):
    server: _Server
    timeout = QUESTION_WITHIN_S

    def handle(self) -> None:
        with suppress(OSError):
            session_id, timeout_s = _read_question(self.rfile.readline(MAX_QUESTION_BYTES))
            for part in self._answer(session_id, timeout_s):
                self.wfile.write(part)

    def _answer(self, session_id: str | None, timeout_s: float) -> Iterator[bytes]:
        if session_id is None:
            yield _head(unclear="the worker did not understand the question")
        elif not self.server.seats.acquire(blocking=False):
            yield _head(never_reached="too many pages are asking the bank at this moment")
        else:
            try:
                answer = self.server.bank.ask_status(session_id, timeout_s)
                yield _head(status=answer.status)
                yield answer.body
            except NeverReached as problem:
                yield _head(never_reached=str(problem))
            except OutcomeUnknown as problem:
                yield _head(unclear=str(problem))
            finally:
                self.server.seats.release()


def _read_question(line: bytes) -> tuple[str | None, float]:
    """The session and the time there is; no session where it is no question."""
    try:
        asked = json.loads(line)
        session_id, timeout_s = asked["session_id"], float(asked["timeout_s"])
    except (ValueError, TypeError, KeyError):
        return None, 0.0
    is_question = isinstance(session_id, str) and is_identifier(session_id) and 0 < timeout_s <= MAX_TIMEOUT_S
    return (session_id if is_question else None), timeout_s


def _head(**fields: object) -> bytes:
    return json.dumps(fields).encode() + b"\n"
