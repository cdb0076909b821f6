"""The window through which pages look at the bank: a worker asks in their place, since it alone has the private key.

One question goes through it, what a session is like, and back comes the bank's answer, byte for byte. Nothing else can
be asked there, and nothing is signed for anybody.

Workers and web servers of one machine meet in a folder. Every worker has a socket of its own there, whose name says of
which bank it is. A question is JSON, `{"session_id": "…", "timeout_s": 10.0}`, up to the end of what is said. An answer
is a line of JSON, `{"status": 200, "bytes": 1234}` and after it the body, or `{"never_reached": "why"}`, or
`{"unclear": "why"}`. Whatever else comes is no word of the bank's: `NotAsked`.
"""

import hashlib
import json
import logging
import os
import secrets
import socket
import socketserver
import stat
import struct
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
    NotAsked,
    OutcomeUnknown,
    Reading,
    reading,
    server_url,
)
from dashboard.bank131.objects import is_identifier
from dashboard.bank131.transport import MAX_ANSWER_BYTES, HttpAnswer
from dashboard.config import Config

log = logging.getLogger(__name__)

MOST_AT_ONCE = 64
MAX_QUESTION_BYTES = 1024
QUESTION_WITHIN_S = 2.0
# What the way through the worker may take on top of the bank's own time.
WAY_S = 2.0
LEFTOVER_AFTER_S = 60.0
ROOT = 0
_HEAD_BYTES = 4096
_PEER = struct.Struct("3i")


class UnusableFolder(Exception):
    """Nobody can meet there, or others could put themselves in between; str() says why in one line."""


def folder_of(config: Config) -> Path:
    """Where workers and web servers meet: what is set, or a folder of this user's. Raises UnusableFolder."""
    if config.run_folder is not None:
        return config.run_folder
    try:
        return Path(tempfile.gettempdir()) / f"refund-desk-{os.geteuid()}"
    except FileNotFoundError as problem:
        raise UnusableFolder(f"there is no folder for temporary files: {problem.strerror}") from problem


def check_folder(folder: Path) -> int:
    """The user whose workers may be believed there. Raises UnusableFolder if others could answer in their place."""
    found = _folder(folder)
    if found.st_mode & stat.S_IWOTH:
        raise UnusableFolder(f"{folder} can be written to by everybody")
    if found.st_uid not in {ROOT, os.geteuid()}:
        # Whoever can make a folder there can make one that looks like the worker's.
        above = _folder(folder.parent)
        if above.st_uid not in {ROOT, os.geteuid()} or above.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise UnusableFolder(f"{folder} belongs to another user, and everybody could have made it")
    return found.st_uid


def _folder(path: Path) -> os.stat_result:
    try:
        found = path.stat(follow_symlinks=False)
    except OSError as problem:
        raise UnusableFolder(f"{path}: {problem.strerror}") from problem
    if not stat.S_ISDIR(found.st_mode):
        raise UnusableFolder(f"{path} is no folder")
    return found


def sockets_of(config: Config) -> list[Path]:
    """The sockets of workers for the same bank, be they at work or not. Raises UnusableFolder."""
    folder = folder_of(config)
    check_folder(folder)
    return list(folder.glob(f"{_name(config)}-*.sock"))


def _name(config: Config) -> str:
    """Sockets of the same bank, project and submerchant have names that begin alike."""
    about = json.dumps([server_url(config.bank_url), config.project, config.submerchant, config.api_version])
    return hashlib.sha256(about.encode()).hexdigest()[:12]


def _whole(connection: socket.socket, ends_at_s: float, most_bytes: int) -> bytes:
    """All that the other side says. Raises OSError, also where that is too much or takes too long."""
    said = bytearray()
    while True:
        connection.settimeout(max(ends_at_s - time.monotonic(), 0.001))
        part = connection.recv(64 * 1024)
        if not part:
            return bytes(said)
        said += part
        if len(said) > most_bytes:
            raise OSError("too much was said")


# The pages' side


class Window:
    """The bank as pages have it: like a BankClient, but for `status` alone. Raises ValueError for a bad address."""

    def __init__(self, config: Config) -> None:
        self.url = server_url(config.bank_url)
        self.project = config.project
        self._config = config

    def problem(self) -> str | None:
        """Why nothing can be asked here, in one line; None: a worker of this machine was there."""
        try:
            folder, found = folder_of(self._config), sockets_of(self._config)
        except UnusableFolder as problem:
            return str(problem)
        return None if found else f"there is none in {folder}"

    def status(self, session_id: str, timeout_s: float | None = None) -> Reading:
        """The payment session as the bank has it now. Raises BankError; NotAsked where no worker could be."""
        most_s = min(timeout_s or self._config.timeout_s, self._config.timeout_s)
        return reading(self.ask(session_id, most_s), session_id)

    def refund(self, body: bytes, idempotency_key: str) -> Reading:
        """Raises PermissionError: pages never send anything."""
        raise PermissionError("only a worker sends refunds")

    def ask(self, session_id: str, timeout_s: float) -> HttpAnswer:
        """What the bank says about a session, through any worker. Raises NeverReached, OutcomeUnknown."""
        ends_at_s = time.monotonic() + timeout_s + WAY_S
        question = json.dumps({"session_id": session_id, "timeout_s": timeout_s}).encode()
        why = NotAsked("no worker is running on this machine, and it alone may talk to the bank")
        for path in self._sockets():
            # To look twice does no harm: a worker may have ended between the question and its answer.
            try:
                return _answer(_exchange(path, question, ends_at_s))
            except NotAsked as problem:
                why = problem
        raise why

    def _sockets(self) -> list[Path]:
        try:
            found = sockets_of(self._config)
        except UnusableFolder as problem:
            raise NotAsked(f"no worker can be found on this machine: {problem}") from problem
        return secrets.SystemRandom().sample(found, len(found))


def _exchange(path: Path, question: bytes, ends_at_s: float) -> bytes:
    """What the worker at this socket says to a question. Raises NotAsked."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(max(ends_at_s - time.monotonic(), 0.001))
            connection.connect(str(path))
            _check_peer(connection, path.parent)
            connection.sendall(question)
            connection.shutdown(socket.SHUT_WR)
            return _whole(connection, ends_at_s, MAX_ANSWER_BYTES + _HEAD_BYTES)
    except (OSError, UnusableFolder) as problem:
        raise NotAsked(f"the worker at {path.name} could not be asked: {problem}") from problem


def _check_peer(connection: socket.socket, folder: Path) -> None:
    """Whoever is let into the folder could listen there; believed are its owner and ourselves."""
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size)
    _pid, user, _group = _PEER.unpack(credentials)
    if user not in {ROOT, os.geteuid(), check_folder(folder)}:
        raise UnusableFolder(f"user {user} listens there, who is no worker")


def _answer(said: bytes) -> HttpAnswer:
    head, _, body = said.partition(b"\n")
    try:
        told = json.loads(head)
        if told.get("bytes") == len(body) and isinstance(told["status"], int):
            return HttpAnswer(told["status"], body)
        never_reached, unclear = told.get("never_reached"), told.get("unclear")
    except (ValueError, KeyError, AttributeError, RecursionError) as problem:
        raise NotAsked("the worker ended before it had answered") from problem
    if never_reached is not None:
        raise NeverReached(str(never_reached))
    if unclear is not None:
        raise OutcomeUnknown(str(unclear))
    raise NotAsked("the worker's answer is not whole")


# The worker's side


@contextmanager
def open_to_pages(bank: BankClient, config: Config) -> Iterator[None]:
    """Answer pages while the block runs. Raises UnusableFolder."""
    with _listening(bank, config) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.2}, daemon=True)
        thread.start()
        try:
            yield
        finally:
            server.path.unlink(missing_ok=True)
            server.shutdown()
            thread.join()


def _listening(bank: BankClient, config: Config) -> "_Server":
    folder = folder_of(config)
    name = f"{_name(config)}-{uuid4().hex[:12]}.sock"
    being_made, path = folder / f".{name}", folder / name
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        check_folder(folder)
        _tidy(folder)
        server = _Server(being_made, path, bank)
        # The folder says who gets in; a socket is found under its name only once somebody listens.
        being_made.chmod(0o660)
        being_made.rename(path)
    except OSError as problem:
        raise UnusableFolder(f"{folder}: {problem.strerror or problem}") from problem
    return server


def _tidy(folder: Path) -> None:
    """Take away what workers that were killed have left."""
    for path in [*folder.glob("*.sock"), *folder.glob(".*.sock")]:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe, suppress(OSError):
            probe.settimeout(QUESTION_WITHIN_S)
            try:
                probe.connect(str(path))
            except ConnectionRefusedError:
                if time.time() - path.stat().st_mtime > LEFTOVER_AFTER_S:
                    path.unlink()


class _Server(socketserver.ThreadingUnixStreamServer):
    """A worker's end. A question has a seat from the moment that it is let in; who finds none is turned away."""

    daemon_threads = True
    request_queue_size = MOST_AT_ONCE

    def __init__(self, being_made: Path, path: Path, bank: BankClient) -> None:
        self.bank = bank
        self.path = path
        self._seats = threading.BoundedSemaphore(MOST_AT_ONCE)
        self._is_lost = False
        super().__init__(str(being_made), _Question)

    def verify_request(self, request: object, client_address: object) -> bool:
        return self._seats.acquire(blocking=False)

    def process_request_thread(self, request: socket.socket, client_address: object) -> None:  # type: ignore[override]
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._seats.release()

    def service_actions(self) -> None:
        if not self._is_lost and not self.path.exists():
            self._is_lost = True
            log.error("%s was taken away: pages cannot look at the bank through this worker; restart it", self.path)

    def handle_error(self, request: object, client_address: object) -> None:
        log.exception("a page's question could not be answered")


class _Question(socketserver.BaseRequestHandler):
    server: _Server
    request: socket.socket

    def handle(self) -> None:
        with suppress(OSError):
            said = _whole(self.request, time.monotonic() + QUESTION_WITHIN_S, MAX_QUESTION_BYTES)
            answer = self._answer(said)
            self.request.settimeout(WAY_S)
            self.request.sendall(answer)

    def _answer(self, said: bytes) -> bytes:
        question = _read_question(said)
        if question is None:
            return _head(unclear="the worker did not understand the question")
        try:
            answer = self.server.bank.ask_status(*question)
        except NeverReached as problem:
            return _head(never_reached=str(problem))
        except OutcomeUnknown as problem:
            return _head(unclear=str(problem))
        return _head(status=answer.status, bytes=len(answer.body)) + answer.body


def _read_question(said: bytes) -> tuple[str, float] | None:
    """The session and the time there is; None where it is no question."""
    try:
        asked = json.loads(said)
        session_id, timeout_s = asked["session_id"], float(asked["timeout_s"])
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        return None
    is_question = isinstance(session_id, str) and is_identifier(session_id) and 0 < timeout_s <= MAX_TIMEOUT_S
    return (session_id, timeout_s) if is_question else None


def _head(**fields: object) -> bytes:
    return json.dumps(fields).encode() + b"\n"
