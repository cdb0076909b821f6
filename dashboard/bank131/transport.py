"""One HTTP exchange with the bank: a fresh connection, one request, one deadline over all of it.

Two outcomes without an answer are kept apart, since money hangs on the difference: `NeverConnected`, where not
one byte can have reached the bank, and `NoAnswer`, where nobody knows. When in doubt it is `NoAnswer`.
"""

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, cast

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool

MAX_ANSWER_BYTES = 1024 * 1024
_CHUNK_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """An HTTP status and the whole body that came with it."""

    status: int
    body: bytes


class NeverConnected(Exception):
    """No connection was made, so nothing was sent: refused, no such name, or not connected in time."""


class NoAnswer(Exception):
    """No whole answer came, and the request may have been received and acted on."""


class Transport(Protocol):
    def __call__(self, url: str, headers: Mapping[str, str], body: bytes, timeout_s: float) -> HttpAnswer:
        """POST these exact bytes once and return the answer, whatever its status.

        `timeout_s` bounds the whole exchange. Raises NeverConnected or NoAnswer, nothing else.
        """


class RequestsTransport:
    """POST with requests: no retries, no redirects, no cookies, no proxies or passwords from the environment.

    TLS certificates are verified against the common authorities, or against those in the file `ca_file`. A server that
    asks for a certificate is shown the one in `client_certificate_file` (PEM, with its key).
    Answers longer than MAX_ANSWER_BYTES are NoAnswer.
    """

    def __init__(
        self,
        *,
        ca_file: str | None = None,
        client_certificate_file: str | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ca_file = ca_file
        self._client_certificate_file = client_certificate_file
        self._monotonic = monotonic

    def __call__(self, url: str, headers: Mapping[str, str], body: bytes, timeout_s: float) -> HttpAnswer:
        call = _Call(timeout_s, self._monotonic)
        try:
            with call, _session(call, self._ca_file) as session:
                session.cert = self._client_certificate_file
                return _answer(session, call, url, dict(headers), body)
        except (NeverConnected, NoAnswer):
            raise
        except Exception as error:
            raise call.no_answer(error) from error


def _answer(session: requests.Session, call: "_Call", url: str, headers: dict[str, str], body: bytes) -> HttpAnswer:
    with session.post(
        url, data=body, headers=headers, timeout=call.timeout_s, allow_redirects=False, stream=True
    ) as answer:
        return HttpAnswer(answer.status_code, _whole_body(answer, call))


def _whole_body(answer: requests.Response, call: "_Call") -> bytes:
    body = bytearray()
    for chunk in answer.iter_content(_CHUNK_BYTES):
        body += chunk
        if len(body) > MAX_ANSWER_BYTES:
            raise NoAnswer(f"the answer is longer than {MAX_ANSWER_BYTES} bytes")
    call.check()
    return bytes(body)


def _session(call: "_Call", ca_file: str | None) -> requests.Session:
    session = _WithoutRedirects()
    session.trust_env = False
    session.verify = ca_file or True
    session.headers.clear()
    session.mount("http://", _OneCallAdapter(call))
    session.mount("https://", _OneCallAdapter(call))
    return session


class _Call:
    """The deadline of one exchange. At the deadline its connection is shut down, so that every read ends."""

    def __init__(self, timeout_s: float, monotonic: Callable[[], float]) -> None:
        self.timeout_s = timeout_s
        self._monotonic = monotonic
        self._deadline_s = monotonic() + timeout_s
        self._lifeline: socket.socket | None = None
        self._watchdog: threading.Timer | None = None
        self._ended = False

    def __enter__(self) -> "_Call":
        return self

    def __exit__(self, *_: object) -> None:
        if self._watchdog:
            self._watchdog.cancel()
            self._watchdog.join()
        if self._lifeline:
            self._lifeline.close()

    def remaining_s(self) -> float:
        return self._deadline_s - self._monotonic()

    def is_over(self) -> bool:
        return self._ended or self.remaining_s() <= 0

    def check(self) -> None:
        """Raises NoAnswer past the deadline."""
        if self.is_over():
            raise self.no_answer()

    def no_answer(self, error: Exception | None = None) -> NoAnswer:
        if error is None or self.is_over():
            return NoAnswer(f"no whole answer within {self.timeout_s:g} s")
        if isinstance(error, requests.exceptions.SSLError):
            return NoAnswer("the TLS connection failed: the server could not prove who it is, or broke off")
        return NoAnswer(f"the connection failed: {type(error).__name__}")

    def connect(self, host: str, port: int) -> socket.socket:
        """The one connection of this call, watched from now on. Raises NeverConnected or NoAnswer.

        Looking up a name cannot be interrupted. The deadline is therefore looked at once more when the
        connection stands: past it, the connection is dropped before anything has been sent.
        """
        if self._lifeline:
            raise NoAnswer("the connection was lost")
        connection = self._first_that_connects(_addresses(host, port))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._watch(connection)
        if self.is_over():
            connection.close()
            raise self._too_late()
        return connection

    def _first_that_connects(self, addresses: list[tuple[Any, ...]]) -> socket.socket:
        errors: list[OSError] = []
        for family, kind, protocol, _, address in addresses:
            remaining_s = self.remaining_s()
            if remaining_s <= 0:
                raise self._too_late()
            connection = socket.socket(family, kind, protocol)
            connection.settimeout(remaining_s)
            try:
                connection.connect(address)
                return connection
            except OSError as error:
                connection.close()
                errors.append(error)
        raise _why_not_connected(errors)

    def _too_late(self) -> NeverConnected:
        return NeverConnected(f"not connected within {self.timeout_s:g} s")

    def _watch(self, connection: socket.socket) -> None:
        # A duplicate of the socket: TLS replaces the first one, and a closed one's number may be used again.
        self._lifeline = connection.dup()
        self._watchdog = threading.Timer(self.remaining_s(), self._end, [self._lifeline])
        self._watchdog.daemon = True
        self._watchdog.start()

    def _end(self, lifeline: socket.socket) -> None:
        self._ended = True
        with contextlib.suppress(OSError):
            lifeline.shutdown(socket.SHUT_RDWR)


def _addresses(host: str, port: int) -> list[tuple[Any, ...]]:
    try:
        return list(socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM))
    except (OSError, UnicodeError) as error:
        raise NeverConnected(f"no address is known for {host}") from error


def _why_not_connected(errors: list[OSError]) -> NeverConnected | NoAnswer:
    for error in errors:
        if isinstance(error, ConnectionRefusedError):
            return NeverConnected("the connection was refused")
        if isinstance(error, TimeoutError):
            return NeverConnected("the connection was not made in time")
    return NoAnswer(f"the connection failed: {errors[-1].strerror}")


class _WithoutRedirects(requests.Session):
    """Requests reads a redirect's whole body even when it is not to be followed; here it never sees one."""

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        return None


class _OneCallAdapter(HTTPAdapter):
    """Has every connection made by the call, under its deadline."""

    def __init__(self, call: _Call) -> None:
        self._call = call
        super().__init__(max_retries=0)

    def get_connection_with_tls_context(self, *args: Any, **options: Any) -> HTTPConnectionPool:
        pool = cast(HTTPConnectionPool, super().get_connection_with_tls_context(*args, **options))
        pool.ConnectionCls = _HttpsConnection if pool.scheme == "https" else _HttpConnection
        pool.conn_kw["call"] = self._call
        return pool


class _HttpConnection(HTTPConnection):
    def __init__(self, *args: Any, call: _Call, **options: Any) -> None:
        self._call = call
        super().__init__(*args, **options)

    def _new_conn(self) -> socket.socket:
        return self._call.connect(self._dns_host, self.port)

    def send(self, data: Any) -> None:
        self._call.check()
        super().send(data)


class _HttpsConnection(_HttpConnection, HTTPSConnection):
    pass
