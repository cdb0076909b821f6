"""The real web server against clients that no browser is: slow, too large, malformed, or saying what they are not."""

import contextlib
import re
import socket
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
import requests

from dashboard import people
from tests.processes.installation import Installation, running_bank

THREADS = 8
PATIENCE_S = 30.0
EMAIL, PASSWORD = "operator@desk.test", "a password of the tests"


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    settings = {"DASHBOARD_WEB_THREADS": str(THREADS), "DASHBOARD_LIVE_STREAMS": "2", "DASHBOARD_PROXY_HOPS": "1"}
    with running_bank(tmp_path_factory.mktemp("server"), "sqlite", **settings) as running:
        people.add(running.books, EMAIL, "operator", PASSWORD, actor="test")
        running.add_web(running.urls[0])
        running.await_ready()
        yield running


@pytest.fixture(scope="module")
def url(installation: Installation) -> str:
    return installation.urls[0]


def connect(url: str) -> socket.socket:
    parts = urlsplit(url)
    return socket.create_connection((parts.hostname or "", parts.port or 0), timeout=PATIENCE_S)


def answer_to(url: str, sent: bytes) -> bytes:
    """All that comes back for these bytes."""
    received = b""
    with connect(url) as client, contextlib.suppress(ConnectionError):
        client.sendall(sent)
        while part := client.recv(65536):
            received += part
    return received


def status_of(answer: bytes) -> int:
    found = re.match(rb"HTTP/1\.[01] (\d{3}) ", answer)
    return int(found[1]) if found else 0


def signed_in(url: str) -> requests.Session:
    browser = requests.Session()
    page = browser.get(f"{url}/login", timeout=PATIENCE_S).text
    token = re.search(r'name="csrf_token"[^>]* value="([^"]+)"', page)
    assert token is not None
    fields = {"csrf_token": token[1], "email": EMAIL, "password": PASSWORD}
    assert browser.post(f"{url}/login", fields, timeout=PATIENCE_S, allow_redirects=False).status_code == 303
    return browser


# Slow ones

HEADERS_WITHOUT_AN_END = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: "
BODY_WITHOUT_AN_END = (
    b"POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    b"Content-Length: 5000\r\n\r\nemail="
)
CHUNKS_WITHOUT_AN_END = (
    b"POST /webhooks/bank131 HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n800\r\n{"
)


# First, while nobody else's connections are still being closed: a crowd is waited for less.
def test_who_is_slow_is_turned_away_and_who_has_sent_everything_is_waited_for(
    installation: Installation, url: str
) -> None:
    """One that sends a byte now and then holds its thread no longer than one that sends none; a live page goes on."""
    # The bank tells of its sessions all at once, as soon as somebody listens: a crowd for a moment.
    installation.bank.await_webhooks(*installation.samples)
    stream = signed_in(url).get(f"{url}/live", stream=True, timeout=PATIENCE_S)
    assert stream.status_code == 200
    began_at, answer = time.monotonic(), b""
    with contextlib.ExitStack() as stack:
        slow = stack.enter_context(connect(url))
        slow.sendall(BODY_WITHOUT_AN_END)
        slow.settimeout(0.3)
        while time.monotonic() - began_at < PATIENCE_S and not answer:
            with contextlib.suppress(TimeoutError):
                answer = slow.recv(65536)
            slow.sendall(b"x")
        took_s = time.monotonic() - began_at
    assert status_of(answer) == 400
    assert 5 < took_s < 20
    lines = stream.iter_lines()
    assert next(line for line in lines if line) is not None
    heard_at = time.monotonic()
    assert next(line for line in lines if line) is not None
    assert time.monotonic() - heard_at < 10
    stream.close()


@pytest.mark.parametrize(
    "beginning",
    [b"", HEADERS_WITHOUT_AN_END, BODY_WITHOUT_AN_END, CHUNKS_WITHOUT_AN_END],
    ids=["nothing", "headers", "body", "chunks"],
)
def test_slow_clients_do_not_keep_others_waiting(url: str, beginning: bytes) -> None:
    """Three times as many as there are threads; those that are turned away stay away."""
    with contextlib.ExitStack() as stack:
        slow = [stack.enter_context(connect(url)) for _ in range(3 * THREADS)]
        for client in slow:
            client.sendall(beginning)
        began_at = time.monotonic()
        assert requests.get(f"{url}/healthz", timeout=PATIENCE_S).status_code == 200
        assert time.monotonic() - began_at < 12


# Too large or malformed

TOO_LARGE = 70 * 1024


def chunked(path: str, size: int) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    chunks = b"".join(b"1000\r\n" + b"x" * 4096 + b"\r\n" for _ in range(size // 4096))
    return head.encode() + b"Transfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n"


def sized(path: str, size: int) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    return head.encode() + f"Content-Length: {size}\r\n\r\n".encode() + b"x" * size


@pytest.mark.parametrize("spelt", [chunked, sized])
@pytest.mark.parametrize(("path", "size"), [("/login", TOO_LARGE), ("/webhooks/bank131", 1024 * 1024 + 4096)])
def test_a_body_that_is_too_large_is_refused(url: str, spelt: object, path: str, size: int) -> None:
    assert callable(spelt)
    assert status_of(answer_to(url, spelt(path, size))) == 413


@pytest.mark.parametrize(
    ("request_bytes", "statuses"),
    [
        (b"GET /?q=" + b"x" * 5000 + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", {400, 414}),
        (b"GET /login HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Long: " + b"x" * 9000 + b"\r\n\r\n", {400, 431}),
        (
            b"GET /login HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            + b"".join(b"X-%d: 1\r\n" % number for number in range(120))
            + b"\r\n",
            {400, 431},
        ),
        (b"POST /login HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", {400}),
        (b"POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nabcde", {400}),
        (b"GET /login HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: evil.test\r\n\r\n", {400}),
        (b"GET /login HTTP/1.1\r\nHost : 127.0.0.1\r\n\r\n", {400}),
        (b"GET /login\r\n\r\n", {400}),
    ],
)
def test_a_request_that_can_be_read_in_two_ways_or_is_too_long_is_refused(
    url: str, request_bytes: bytes, statuses: set[int]
) -> None:
    assert status_of(answer_to(url, request_bytes)) in statuses


@pytest.mark.parametrize(
    "method", ["TRACE /login", "TRACK /login", "CONNECT evil.test:443", "DEBUG /", "GET http://evil.test/"]
)
def test_what_is_for_proxies_and_debuggers_is_refused(url: str, method: str) -> None:
    answer = answer_to(url, f"{method} HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Secret: abracadabra\r\n\r\n".encode())
    assert status_of(answer) in {302, 400, 405, 501}
    assert b"abracadabra" not in answer
    assert b"evil.test" not in answer


# Saying what they are not


def test_which_headers_of_a_proxy_count_is_said_by_the_number_of_hops_alone(url: str) -> None:
    """This proxy stands on the same machine and says nothing of HTTPS in the one header that counts."""
    plain = requests.get(f"{url}/login", headers={"X-Forwarded-Ssl": "on"}, timeout=PATIENCE_S)
    assert "secure" not in plain.headers["Set-Cookie"].lower()
    https = requests.get(f"{url}/login", headers={"X-Forwarded-Proto": "http, https"}, timeout=PATIENCE_S)
    assert https.headers["Set-Cookie"].startswith("__Host-refund_desk=")
    http = requests.get(f"{url}/login", headers={"X-Forwarded-Proto": "https, http"}, timeout=PATIENCE_S)
    assert http.headers["Set-Cookie"].startswith("refund_desk=")


def test_the_server_does_not_say_what_it_is_made_of(url: str) -> None:
    for path in ("/login", "/nowhere", "/static/app.css", "/healthz"):
        headers = requests.get(f"{url}{path}", timeout=PATIENCE_S, allow_redirects=False).headers
        assert not re.search(r"\d", headers.get("Server", ""))
        assert "X-Powered-By" not in headers
