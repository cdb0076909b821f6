"""A sandbox bank under a clock that only the test moves, a merchant who signs for real, and a webhook receiver."""

import json
import random
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from dashboard.bank131.signature import load_private_key, sign, verify
from dashboard.sandbox.bank import PROJECT, SandboxBank
from dashboard.sandbox.faults import Answer
from dashboard.sandbox.ledger import Store
from dashboard.sandbox.scenes import new_session
from dashboard.sandbox.server import RunningSandbox, running_sandbox

WEBHOOK_URL = "http://merchant.test/webhooks"


class TestClock:
    """Time stands still until the test moves it."""

    __test__ = False

    def __init__(self) -> None:
        self.at = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return self.at.timestamp()

    def sleep(self, duration_s: float) -> None:
        self.at += timedelta(seconds=duration_s)


class Merchant:
    """Someone who has the bank's documentation and a private key."""

    def __init__(self, bank: SandboxBank, private_key: rsa.RSAPrivateKey) -> None:
        self.bank = bank
        self.private_key = private_key

    def call(
        self, method: str, request: object, *, version: int = 1, key: str | None = None, **headers: str
    ) -> SimpleNamespace:
        """The answer: `status` (HTTP), `body` (bytes), `data` (JSON or None), and the Answer as `raw`."""
        body = request if isinstance(request, bytes) else json.dumps(request).encode()
        sent = {**self.signed(body), **headers}
        if key is not None:
            sent["X-PARTNER-IDEMPOTENCY-KEY"] = key
        return unpacked(self.bank.call(version, method, sent, body))

    def signed(self, body: bytes) -> dict[str, str]:
        return {"X-PARTNER-PROJECT": PROJECT, "X-PARTNER-SIGN": sign(self.private_key, body)}

    def refund(
        self, session_id: str, amount: int | None = None, currency: str = "rub", **rest: object
    ) -> SimpleNamespace:
        key = rest.pop("key", None)
        details = {} if amount is None else {"amount_details": {"amount": amount, "currency": currency}}
        return self.call("session/refund", {"session_id": session_id, **details, **rest}, key=key)

    def status(self, session_id: str) -> dict:
        return self.call("session/status", {"session_id": session_id}).data["session"]


def unpacked(answer: Answer) -> SimpleNamespace:
    try:
        data = json.loads(answer.body)
    except ValueError:
        data = None
    code = data["error"]["code"] if isinstance(data, dict) and "error" in data else None
    return SimpleNamespace(status=answer.status, body=answer.body, data=data, code=code, raw=answer)


@pytest.fixture(scope="session")
def merchant_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture(scope="session")
def bank_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture
def clock() -> TestClock:
    return TestClock()


@pytest.fixture
def make_bank(clock, merchant_key, bank_key) -> Callable[..., SandboxBank]:
    def make(store: Store | None = None, webhook_url: str | None = WEBHOOK_URL) -> SandboxBank:
        return SandboxBank(
            clock=clock,
            random=random.Random(131),
            verify=partial(verify, [merchant_key.public_key()]),
            sign=partial(sign, bank_key),
            webhook_url=webhook_url,
            store=store,
        )

    return make


@pytest.fixture
def bank(make_bank) -> SandboxBank:
    return make_bank()


@pytest.fixture
def merchant(bank, merchant_key) -> Merchant:
    return Merchant(bank, merchant_key)


@pytest.fixture
def paid(bank) -> Callable[..., str]:
    """A paid session's id; its own webhook is out of the way already."""

    def pay(amount: int = 100_000, currency: str = "rub", **rest: object) -> str:
        session = new_session(bank, {"amount": amount, "currency": currency, **rest})
        for delivery in bank.take_due_webhooks(bank.now()):
            bank.webhook_done(delivery.id, 200)
        return session.id

    return pay


@pytest.fixture
def webhooks(bank, clock) -> Callable[..., list[dict]]:
    """What is delivered now, each answered with `status`; decisions that are due are carried out first."""

    def take(status: int | None = 200) -> list[dict]:
        bank.advance(clock.now())
        taken = bank.take_due_webhooks(clock.now())
        for webhook in taken:
            bank.webhook_done(webhook.id, status)
        return [json.loads(webhook.body) for webhook in taken]

    return take


class Receiver:
    """A merchant's webhook endpoint; `answers` are the HTTP statuses to come, 200 once they are used up."""

    def __init__(self) -> None:
        self.received: list[SimpleNamespace] = []
        self.answers: list[int] = []
        self.blocked = threading.Event()
        self.blocked.set()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/webhooks"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def wait_for(self, count: int, timeout_s: float = 5.0) -> list[SimpleNamespace]:
        until(lambda: len(self.received) >= count, timeout_s, f"{count} webhooks, not {len(self.received)}")
        return self.received

    def close(self) -> None:
        self.blocked.set()
        self._server.shutdown()
        self._server.server_close()

    def _handler(receiver) -> type[BaseHTTPRequestHandler]:  # noqa: N805
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.received.append(
                    SimpleNamespace(
                        body=body,
                        data=json.loads(body),
                        signature=self.headers["X-PARTNER-SIGN"],
                        content_type=self.headers["Content-Type"],
                        at=time.monotonic(),
                    )
                )
                receiver.blocked.wait(10)
                self.send_response(receiver.answers.pop(0) if receiver.answers else 200)
                self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def do_GET(self) -> None:
                """A page that a redirect would lead to."""
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        return Handler


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    opened = Receiver()
    yield opened
    opened.close()


@pytest.fixture
def serve(tmp_path) -> Iterator[Callable[..., RunningSandbox]]:
    """Start a real sandbox server; all of them end with the test."""
    opened = []

    def start(data_dir: Path | None = None, webhook_url: str | None = None, **rest: bool) -> RunningSandbox:
        block = running_sandbox(
            data_dir=data_dir or tmp_path / "sandbox", webhook_url=webhook_url, **{"scenes": False, **rest}
        )
        opened.append(block)
        return block.__enter__()

    yield start
    for block in reversed(opened):
        block.__exit__(None, None, None)


@pytest.fixture
def server(serve) -> RunningSandbox:
    return serve()


def until(condition: Callable[[], object], timeout_s: float, what: str) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"not within {timeout_s} s: {what}")
        time.sleep(0.005)


@pytest.fixture
def eventually() -> Callable[..., None]:
    return until


@pytest.fixture
def signed_headers() -> Callable[..., dict[str, str]]:
    """Headers for a body, signed with the merchant's key out of the data folder."""

    def headers(sandbox: RunningSandbox, body: bytes) -> dict[str, str]:
        key = load_private_key(sandbox.keys.merchant_private_path.read_bytes())
        return {"X-PARTNER-PROJECT": sandbox.keys.project, "X-PARTNER-SIGN": sign(key, body)}

    return headers


@pytest.fixture
def openssl_verifies(tmp_path) -> Callable[..., bool]:
    """Whether the openssl binary accepts a raw signature over a body."""

    def check(public_key: Path, body: bytes, signature: bytes) -> bool:
        (tmp_path / "body").write_bytes(body)
        (tmp_path / "signature").write_bytes(signature)
        command = ["openssl", "dgst", "-sha256", "-verify", public_key, "-signature", "signature", "body"]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, check=False).returncode == 0

    return check
