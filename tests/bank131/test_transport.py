"""One HTTP exchange, over real sockets on loopback, with servers that misbehave in every way."""

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dashboard.bank131.transport import (
    MAX_ANSWER_BYTES,
    HttpAnswer,
    NeverConnected,
    NoAnswer,
    RequestsTransport,
    _Call,
)
from tests.bench.tls import server_context, write_certificate
from tests.journeys.waiting import eventually

READS_WITHIN_S = 5.0
TIMEOUT_S = 0.3
PATIENCE_S = 5.0

TLS_GREETING = b"\x16\x03"

Script = Callable[[socket.socket], None]


class Server:
    """Takes connections on loopback and plays a script on each; keeps what it received."""

    def __init__(self, script: Script, tls: ssl.SSLContext | None = None) -> None:
        self.received: list[bytes] = []
        self._closed = threading.Event()
        self._script = script
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def url(self, scheme: str = "http") -> str:
        return f"{scheme}://127.0.0.1:{self.port}/api/v1/session/status"

    def close(self) -> None:
        self._closed.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()

    def connections(self, number: int) -> list[bytes]:
        """What came over each connection, once there have been so many."""
        deadline_s = time.monotonic() + PATIENCE_S
        while len(self.received) < number and time.monotonic() < deadline_s:
            self._closed.wait(0.005)
        return self.received

    def _serve(self) -> None:
        while not self._closed.is_set():
            with contextlib.suppress(OSError):
                connection, _ = self._listener.accept()
                with connection:
                    self._play(connection)

    def _play(self, connection: socket.socket) -> None:
        connection.settimeout(PATIENCE_S)
        received = b""
        try:
            if self._tls:
                connection = self._tls.wrap_socket(connection, server_side=True)
            received = _request(connection)
        finally:
            self.received.append(received)
        with connection:
            self._script(connection)


def _request(connection: socket.socket) -> bytes:
    """One whole request, or as much as came before the other side closed."""
    received = b""
    while not _is_whole(received):
        part = connection.recv(65536)
        if not part:
            break
        received += part
    return received


def _is_whole(received: bytes) -> bool:
    if received.startswith(TLS_GREETING):
        return True
    head, end, body = received.partition(b"\r\n\r\n")
    length = next((line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), b":0")
    return bool(end) and len(body) >= int(length.split(b":")[1])


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    servers: list[Server] = []

    def started(script: Script, tls: ssl.SSLContext | None = None) -> Server:
        servers.append(Server(script, tls))
        return servers[-1]

    yield started
    for server in servers:
        server.close()


def answers(raw: bytes) -> Script:
    return lambda connection: connection.sendall(raw)


def drips(opening: bytes, drop: bytes) -> Script:
    """Sends the opening, then a drop every 20 ms for as long as anybody listens."""
    return pours(opening, drop, pause_s=0.02)


def pours(opening: bytes, drop: bytes, pause_s: float = 0) -> Script:
    def script(connection: socket.socket) -> None:
        connection.sendall(opening)
        deadline_s = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline_s:
            connection.sendall(drop)
            time.sleep(pause_s)

    return script


def says_nothing(connection: socket.socket) -> None:
    connection.recv(1)


def resets(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")


def post(url: str, transport: RequestsTransport | None = None, *, timeout_s: float = PATIENCE_S) -> HttpAnswer:
    send = transport or RequestsTransport()
    return send(url, {"Content-Type": "application/json", "X-PARTNER-SIGN": "c2ln"}, b'{"a":  1}', timeout_s)


@contextlib.contextmanager
def in_time(limit_s: float = TIMEOUT_S + 2) -> Iterator[None]:
    started_s = time.monotonic()
    yield
    assert time.monotonic() - started_s < limit_s


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


def test_the_exact_bytes_are_sent_once_and_the_answer_comes_back(serve: Callable[..., Server]) -> None:
    server = serve(answers(OK))
    assert post(server.url()) == HttpAnswer(200, b"{}")
    [request] = server.received
    head, _, body = request.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    assert lines[0] == b"POST /api/v1/session/status HTTP/1.1"
    assert {b"Content-Type: application/json", b"X-PARTNER-SIGN: c2ln", b"Content-Length: 9"} <= set(lines)
    assert body == b'{"a":  1}'
    assert not any(line.lower().startswith((b"cookie:", b"authorization:", b"expect:")) for line in lines)


def test_every_call_has_a_connection_of_its_own(serve: Callable[..., Server]) -> None:
    server = serve(answers(OK))
    transport = RequestsTransport()
    assert [post(server.url(), transport).status for _ in range(3)] == [200, 200, 200]
    assert len(server.received) == 3


@pytest.mark.parametrize("status", [201, 204, 400, 401, 404, 409, 429, 500, 503])
def test_every_status_is_an_answer_and_nothing_is_tried_again(serve: Callable[..., Server], status: int) -> None:
    raw = f"HTTP/1.1 {status} x\r\nRetry-After: 0\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode()
    server = serve(answers(raw))
    assert post(server.url()) == HttpAnswer(status, b"")
    assert len(server.received) == 1


def test_html_from_a_gateway_is_an_answer(serve: Callable[..., Server]) -> None:
    server = serve(answers(b"HTTP/1.1 502 x\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>"))
    assert post(server.url()) == HttpAnswer(502, b"<html>")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_an_answer_and_is_not_followed(serve: Callable[..., Server], status: int) -> None:
    elsewhere = serve(answers(OK))
    raw = f"HTTP/1.1 {status} x\r\nLocation: {elsewhere.url()}\r\nContent-Length: 4\r\n\r\nmove".encode()
    assert post(serve(answers(raw)).url()) == HttpAnswer(status, b"move")
    assert elsewhere.received == []


def test_a_redirect_with_an_endless_body_is_cut_like_any_other(serve: Callable[..., Server]) -> None:
    server = serve(pours(b"HTTP/1.1 302 x\r\nLocation: /\r\n\r\n", b"x" * 65536))
    with in_time(), pytest.raises(NoAnswer, match="longer than"):
        post(server.url())


def test_chunks_are_put_together(serve: Callable[..., Server]) -> None:
    raw = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n"
    assert post(serve(answers(raw)).url()).body == b"{}"


def test_an_answer_of_the_greatest_length_is_read(serve: Callable[..., Server]) -> None:
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {MAX_ANSWER_BYTES}\r\n\r\n".encode()
    server = serve(answers(head + b"x" * MAX_ANSWER_BYTES))
    assert len(post(server.url()).body) == MAX_ANSWER_BYTES


def test_a_longer_answer_is_none(serve: Callable[..., Server]) -> None:
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {MAX_ANSWER_BYTES + 1}\r\n\r\n".encode()
    server = serve(answers(head + b"x" * (MAX_ANSWER_BYTES + 1)))
    with pytest.raises(NoAnswer, match="longer than"):
        post(server.url())


def test_proxies_and_passwords_of_the_environment_are_not_used(
    serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    proxy, server = serve(answers(OK)), serve(answers(OK))
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login somebody password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    assert post(server.url()).status == 200
    assert proxy.received == []
    assert b"authorization" not in server.received[0].lower()


def test_a_refused_connection_was_never_made() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(NeverConnected, match="refused"):
        post(f"http://127.0.0.1:{port}/")


def test_an_unknown_name_was_never_connected_to(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_such_name(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", no_such_name)
    with pytest.raises(NeverConnected, match=r"no address is known for bank\.test"):
        post("https://bank.test/")


def test_a_connection_not_made_in_time_was_never_made() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener, contextlib.ExitStack() as stack:
        _fill_backlog(listener, stack)
        with in_time(), pytest.raises(NeverConnected, match="in time"):
            post(f"http://127.0.0.1:{listener.getsockname()[1]}/", timeout_s=TIMEOUT_S)


def _fill_backlog(listener: socket.socket, stack: contextlib.ExitStack) -> None:
    """Connect until nobody is let in any more."""
    for _ in range(100):
        waiting = stack.enter_context(socket.socket())
        waiting.settimeout(0.1)
        try:
            waiting.connect(listener.getsockname())
        except TimeoutError:
            return
    pytest.fail("the backlog never filled")


def test_all_addresses_of_a_name_share_one_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener, contextlib.ExitStack() as stack:
        _fill_backlog(listener, stack)
        _resolve_to(monkeypatch, [listener.getsockname()] * 10)
        with in_time(), pytest.raises(NeverConnected):
            post("http://bank.test/", timeout_s=TIMEOUT_S)


def _resolve_to(monkeypatch: pytest.MonkeyPatch, addresses: list[Any]) -> None:
    found = [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", address) for address in addresses]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)


def test_the_next_address_is_tried_when_one_refuses(
    serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(answers(OK))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        dead_port = listener.getsockname()[1]
    _resolve_to(monkeypatch, [("127.0.0.1", dead_port), ("127.0.0.1", server.port)])
    assert post("http://bank.test/").status == 200


@pytest.mark.parametrize(
    ("errors", "expected"),
    [
        ([ConnectionRefusedError()], NeverConnected),
        ([TimeoutError()], NeverConnected),
        ([ConnectionRefusedError(), OSError(101, "Network is unreachable")], NeverConnected),
        ([OSError(101, "Network is unreachable")], NoAnswer),
        ([OSError(113, "No route to host")], NoAnswer),
        ([ConnectionResetError(104, "Connection reset by peer")], NoAnswer),
        ([PermissionError(13, "Permission denied")], NoAnswer),
    ],
)
def test_which_failed_connections_were_certainly_never_made(
    monkeypatch: pytest.MonkeyPatch, errors: list[OSError], expected: type[Exception]
) -> None:
    failures = iter(errors)

    class FailingSocket(socket.socket):
        def connect(self, _: object) -> None:
            raise next(failures)

    _resolve_to(monkeypatch, [("127.0.0.1", 1)] * len(errors))
    monkeypatch.setattr(socket, "socket", FailingSocket)
    with pytest.raises(expected):
        post("http://bank.test/")


class JumpingClock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def test_after_a_slow_look_up_of_the_name_nothing_is_sent(
    serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, clock = serve(answers(OK)), JumpingClock()

    def slow_look_up(*_: object, **__: object) -> list[Any]:
        clock.now_s += 60
        return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", ("127.0.0.1", server.port))]

    monkeypatch.setattr(socket, "getaddrinfo", slow_look_up)
    with pytest.raises(NeverConnected, match="not connected within 30 s"):
        post("http://bank.test/", RequestsTransport(monotonic=clock), timeout_s=30)
    assert server.received == []


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_connection_that_stands_too_late_carries_not_one_byte(
    serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    server, clock = serve(answers(OK)), JumpingClock()

    class SlowSocket(socket.socket):
        def connect(self, address: Any) -> None:
            super().connect(address)
            clock.now_s += 60

    monkeypatch.setattr(socket, "socket", SlowSocket)
    with pytest.raises(NeverConnected, match="not connected within 30 s"):
        post(server.url(scheme), RequestsTransport(monotonic=clock), timeout_s=30)
    assert server.connections(1) == [b""]


def test_what_the_look_up_took_is_taken_off_the_time_to_connect(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = JumpingClock()
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener, contextlib.ExitStack() as stack:
        _fill_backlog(listener, stack)
        address = listener.getsockname()

        def slow_look_up(*_: object, **__: object) -> list[Any]:
            clock.now_s += 29.8
            return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", address)]

        monkeypatch.setattr(socket, "getaddrinfo", slow_look_up)
        with in_time(), pytest.raises(NeverConnected):
            post("http://bank.test/", RequestsTransport(monotonic=clock), timeout_s=30)


def test_a_handshake_that_ends_too_late_is_followed_by_nothing(
    serve: Callable[..., Server],
    tls: ssl.SSLContext,
    certificate_file: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server, clock = serve(answers(OK), tls), JumpingClock()
    shake_hands = ssl.SSLSocket.do_handshake

    def slow_handshake(connection: ssl.SSLSocket) -> None:
        shake_hands(connection)
        clock.now_s += 60

    monkeypatch.setattr(ssl.SSLSocket, "do_handshake", slow_handshake)
    transport = RequestsTransport(ca_file=str(certificate_file), monotonic=clock)
    with pytest.raises(NoAnswer, match="within 30 s"):
        post(server.url("https"), transport, timeout_s=30)
    assert server.connections(1) == [b""]


def test_a_second_connection_of_one_call_is_never_made(serve: Callable[..., Server]) -> None:
    server = serve(answers(OK))
    with _Call(TIMEOUT_S, time.monotonic) as call:
        call.connect("127.0.0.1", server.port).close()
        with pytest.raises(NoAnswer, match="lost"):
            call.connect("127.0.0.1", server.port)


HEAD = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    "script",
    [
        pytest.param(says_nothing, id="never answers"),
        pytest.param(drips(b"", b"H"), id="drips a status line"),
        pytest.param(drips(HEAD, b"X-Header: 1\r\n"), id="drips headers"),
        pytest.param(drips(b"", b"HTTP/1.1 100 Continue\r\n\r\n"), id="drips interim answers"),
        pytest.param(drips(HEAD + b"Content-Length: 100000\r\n\r\n", b"x"), id="drips a body"),
        pytest.param(drips(HEAD + b"\r\n{}", b" "), id="drips a body of no known length"),
        pytest.param(drips(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"), id="drips chunks"),
    ],
)
def test_the_deadline_covers_the_whole_call(serve: Callable[..., Server], script: Script) -> None:
    server = serve(script)
    with in_time(), pytest.raises(NoAnswer, match=r"no whole answer within 0\.3 s"):
        post(server.url(), timeout_s=TIMEOUT_S)
    # On a busy machine the server may come to read what was sent only when nobody waits for it any more.
    eventually(lambda: server.received, READS_WITHIN_S, "the server has read the call")
    assert len(server.received) == 1


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"", id="closes at once"),
        pytest.param(b"HTTP/1.1 20", id="half a status line"),
        pytest.param(b"nonsense\r\n\r\n", id="no HTTP"),
        pytest.param(HEAD + b"Content-Length: 100\r\n\r\n{}", id="truncated body"),
        pytest.param(HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\n{}", id="truncated chunk"),
        pytest.param(HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n", id="no last chunk"),
        pytest.param(HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", id="no chunk length"),
        pytest.param(HEAD + b"Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}", id="no gzip"),
        pytest.param(HEAD + b"X: " + b"x" * 100_000 + b"\r\n\r\n", id="endless header"),
        pytest.param(HEAD + b"X: 1\r\n" * 1000 + b"\r\n", id="too many headers"),
    ],
)
def test_a_broken_answer_is_none(serve: Callable[..., Server], raw: bytes) -> None:
    server = serve(answers(raw))
    with pytest.raises(NoAnswer, match="the connection failed"):
        post(server.url())
    assert len(server.received) == 1


def test_a_reset_is_no_answer(serve: Callable[..., Server]) -> None:
    server = serve(resets)
    with pytest.raises(NoAnswer, match="the connection failed"):
        post(server.url())
    assert len(server.received) == 1


@pytest.fixture(scope="module")
def certificate_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def tls(certificate_file: Path) -> ssl.SSLContext:
    return server_context(certificate_file)


def test_tls_with_a_trusted_certificate(
    serve: Callable[..., Server], tls: ssl.SSLContext, certificate_file: Path
) -> None:
    server = serve(answers(OK), tls)
    assert post(server.url("https"), RequestsTransport(ca_file=str(certificate_file))) == HttpAnswer(200, b"{}")


def test_an_untrusted_certificate_is_no_answer(
    serve: Callable[..., Server], tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch, certificate_file: Path
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate_file))
    monkeypatch.setenv("CURL_CA_BUNDLE", str(certificate_file))
    server = serve(answers(OK), tls)
    with pytest.raises(NoAnswer, match="TLS"):
        post(server.url("https"))
    assert server.connections(1) == [b""]


def test_a_certificate_for_another_name_is_no_answer(
    serve: Callable[..., Server], tls: ssl.SSLContext, certificate_file: Path
) -> None:
    server = serve(answers(OK), tls)
    with pytest.raises(NoAnswer, match="TLS"):
        post(f"https://localhost:{server.port}/", RequestsTransport(ca_file=str(certificate_file)))
    assert server.connections(1) == [b""]


def test_a_server_without_tls_is_no_answer(serve: Callable[..., Server]) -> None:
    with pytest.raises(NoAnswer, match="TLS"):
        post(serve(answers(OK)).url("https"))


def test_the_deadline_covers_the_handshake_of_tls(serve: Callable[..., Server]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, in_time(), pytest.raises(NoAnswer, match="within"):
        post(f"https://127.0.0.1:{silent.getsockname()[1]}/", timeout_s=TIMEOUT_S)


@pytest.mark.parametrize("script", [says_nothing, drips(HEAD, b"X-Header: 1\r\n"), drips(HEAD + b"\r\n{}", b" ")])
def test_the_deadline_covers_the_whole_call_over_tls(
    serve: Callable[..., Server], tls: ssl.SSLContext, certificate_file: Path, script: Script
) -> None:
    server = serve(script, tls)
    with in_time(), pytest.raises(NoAnswer, match="no whole answer within"):
        post(server.url("https"), RequestsTransport(ca_file=str(certificate_file)), timeout_s=TIMEOUT_S)


def test_no_thread_and_no_connection_is_left_behind(serve: Callable[..., Server]) -> None:
    server = serve(says_nothing)
    before = threading.active_count()
    with pytest.raises(NoAnswer):
        post(server.url(), timeout_s=TIMEOUT_S)
    assert threading.active_count() == before
