"""The bank's way in: a signature over the raw bytes, kept before it is believed, applied at once if it can be."""

import hashlib
import json
from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from flask import Flask
from sqlalchemy import event, text
from sqlalchemy.exc import OperationalError

from dashboard import webhook_inbox
from dashboard.bank131.signature import sign as sign_with
from dashboard.db import db, writing_engine
from dashboard.models import PaymentSession
from tests.bench.databases import on_sqlite
from tests.bench.refund_desk import RefundDesk
from tests.web.browser import Browser
from tests.web.tables import dump

PATH = "/webhooks/bank131"
ONE_MIB = 1024 * 1024

Deliver = Callable[..., int]


@pytest.fixture
def deliver(client: Browser, sign: Callable[[bytes], str]) -> Deliver:
    """Send a body as the bank does; answers with the HTTP status."""

    def deliver(body: bytes, signature: str | None = None, **options: Any) -> int:
        headers = {"X-PARTNER-SIGN": sign(body) if signature is None else signature}
        return client.ask("POST", PATH, data=body, headers=headers, content_type="application/json", **options).status

    return deliver


@pytest.fixture
def body(refund_desk: RefundDesk) -> bytes:
    """A webhook that tells of an accepted refund of ours, which is in progress here."""
    session_id = refund_desk.paid_session(100_00)
    refund_desk.ask_and_send(session_id, 10_00)
    refund_desk.bank.advance(refund_desk.bank.next_due() or refund_desk.clock.now())
    return refund_desk.wire.last_webhook(session_id)


def the_refund(refund_desk: RefundDesk) -> str:
    """The state of the one refund there is."""
    with refund_desk.desk.read() as session:
        (session_id,) = session.scalars(db.select(PaymentSession.id))
    (refund,) = refund_desk.refunds(session_id)
    return refund.state


# Good ones


def test_it_is_kept_and_applied_at_once(deliver: Deliver, body: bytes, refund_desk: RefundDesk) -> None:
    assert the_refund(refund_desk) == "in_progress"
    calls = len(refund_desk.wire.calls)
    assert deliver(body) == 200
    assert the_refund(refund_desk) == "accepted"
    delivery = refund_desk.delivery(1)
    assert (delivery.body, delivery.digest) == (body, hashlib.sha256(body).hexdigest())
    assert (delivery.type, delivery.times_seen, delivery.problem) == ("payment_refunded", 1, None)
    assert delivery.applied_at == delivery.first_seen_at == refund_desk.clock.now()
    assert len(refund_desk.wire.calls) == calls, "no bank call while the bank waits"


def test_any_delivery_asks_for_a_read(deliver: Deliver, body: bytes, refund_desk: RefundDesk) -> None:
    deliver(body)
    session = refund_desk.session(json.loads(body)["session"]["id"])
    assert session.read_wanted_at == session.next_read_at == refund_desk.clock.now()


@on_sqlite
def test_it_needs_neither_sign_in_nor_csrf_token_and_sets_no_cookie(
    client: Browser, sign: Callable[[bytes], str], body: bytes
) -> None:
    response = client.client.post(PATH, data=body, headers={"X-PARTNER-SIGN": sign(body)})
    assert (response.status_code, response.data) == (200, b"")
    assert "Set-Cookie" not in response.headers


@pytest.mark.parametrize(
    "spelling",
    [
        lambda data: json.dumps(data, indent=3, ensure_ascii=True).encode(),
        lambda data: b"\n\t " + json.dumps(data, ensure_ascii=False, separators=(" ,", " :")).encode() + b"\r\n",
        lambda data: json.dumps(data).replace("payment_refunded", "payment\\u005frefunded").encode(),
        lambda data: json.dumps(dict(reversed(data.items()))).encode(),
    ],
)
@on_sqlite
def test_the_signature_is_over_the_raw_bytes(
    deliver: Deliver, body: bytes, refund_desk: RefundDesk, spelling: Callable[[Any], bytes]
) -> None:
    spelt = spelling(json.loads(body))
    assert spelt != body
    assert deliver(spelt) == 200
    assert the_refund(refund_desk) == "accepted"
    assert refund_desk.delivery(1).body == spelt


@on_sqlite
@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "application/x-www-form-urlencoded", ""])
def test_whatever_it_is_called(
    client: Browser, sign: Callable[[bytes], str], body: bytes, refund_desk: RefundDesk, content_type: str
) -> None:
    headers = {"X-PARTNER-SIGN": sign(body), "Content-Type": content_type}
    assert client.ask("POST", PATH, data=body, headers=headers).status == 200
    assert the_refund(refund_desk) == "accepted"


@on_sqlite
def test_a_body_that_comes_in_pieces_is_put_together(
    client: Browser, sign: Callable[[bytes], str], body: bytes, refund_desk: RefundDesk
) -> None:
    """Without a length, as a server hands on a chunked body."""
    environ = {"wsgi.input": BytesIO(body), "wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"}
    headers = {"X-PARTNER-SIGN": sign(body)}
    assert client.ask("POST", PATH, headers=headers, environ_overrides=environ).status == 200
    assert the_refund(refund_desk) == "accepted"


# Bad ones


def flipped(body: bytes) -> Iterator[bytes]:
    for place in (*range(0, len(body), 97), len(body) - 1):
        for bit in (0x01, 0x20, 0x80):
            yield body[:place] + bytes([body[place] ^ bit]) + body[place + 1 :]


def test_one_flipped_byte_of_the_body_changes_nothing(
    deliver: Deliver, sign: Callable[[bytes], str], body: bytes, refund_desk: RefundDesk
) -> None:
    signature, before = sign(body), dump(refund_desk.desk)
    bodies = [*flipped(body), b"", body[:-1], body + b" ", body + b"\n", b"\xef\xbb\xbf" + body, body.upper()]
    assert {deliver(changed, signature) for changed in bodies} == {401}
    assert dump(refund_desk.desk) == before


def test_one_flipped_byte_of_the_signature_changes_nothing(
    deliver: Deliver, sign: Callable[[bytes], str], body: bytes, refund_desk: RefundDesk
) -> None:
    good, before = sign(body), dump(refund_desk.desk)
    swapped = [good[:place] + ("A" if good[place] != "A" else "B") + good[place + 1 :] for place in range(0, 340, 13)]
    odd = ["", "-", good[:-1], good[:-4], good + "=", good + good, f"{good[:20]} {good[20:]}", good.lower(), "é" * 344]
    for signature in [*swapped, *odd, good.replace("+", "-").replace("/", "_") + "!"]:
        assert deliver(body, signature) == 401, signature
    assert dump(refund_desk.desk) == before


def test_a_missing_signature_changes_nothing(client: Browser, body: bytes, refund_desk: RefundDesk) -> None:
    before = dump(refund_desk.desk)
    answer = client.ask("POST", PATH, data=body)
    assert (answer.status, answer.text) == (401, "bad signature\n")
    assert dump(refund_desk.desk) == before


@on_sqlite
def test_the_merchants_own_key_is_not_the_banks(deliver: Deliver, body: bytes, refund_desk: RefundDesk) -> None:
    before = dump(refund_desk.desk)
    ours = refund_desk.desk.bank._private_key
    assert deliver(body, sign_with(ours, body)) == 401
    assert dump(refund_desk.desk) == before


@on_sqlite
@pytest.mark.parametrize("is_chunked", [False, True])
def test_a_body_over_one_mib_is_refused_unread(
    client: Browser, sign: Callable[[bytes], str], refund_desk: RefundDesk, *, is_chunked: bool
) -> None:
    before = dump(refund_desk.desk)
    for size, status in ((ONE_MIB + 1, 413), (ONE_MIB, 200)):
        body = b'{"type": "x"}'.ljust(size)
        headers = {"X-PARTNER-SIGN": sign(body)}
        if is_chunked:
            environ = {"wsgi.input": BytesIO(body), "wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"}
            answer = client.ask("POST", PATH, headers=headers, environ_overrides=environ)
        else:
            answer = client.ask("POST", PATH, data=body, headers=headers)
        assert answer.status == status
        if status == 413:
            assert dump(refund_desk.desk) == before


@on_sqlite
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
def test_other_methods_do_nothing(client: Browser, refund_desk: RefundDesk, method: str) -> None:
    before = dump(refund_desk.desk)
    assert client.ask(method, PATH).status in {302, 400, 401, 405}
    assert dump(refund_desk.desk) == before


# Keys change


@pytest.fixture
def next_key(environ: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> rsa.RSAPrivateKey:
    """The bank is about to change its key. Ask for it before the app."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    file = tmp_path_factory.mktemp("next") / "next.pem"
    file.write_bytes(
        key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    environ["BANK131_PUBLIC_KEY_NEXT_FILE"] = str(file)
    return key


@on_sqlite
def test_while_the_bank_changes_keys_both_are_good(
    next_key: rsa.RSAPrivateKey, deliver: Deliver, body: bytes, refund_desk: RefundDesk
) -> None:
    assert deliver(body) == 200
    assert deliver(body + b" ", sign_with(next_key, body + b" ")) == 200
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    assert deliver(body + b"  ", sign_with(other, body + b"  ")) == 401


@on_sqlite
def test_a_key_that_nobody_set_is_no_key(deliver: Deliver, body: bytes) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    assert deliver(body, sign_with(key, body)) == 401


# Again


def test_the_same_body_twice_is_one_delivery(deliver: Deliver, body: bytes, refund_desk: RefundDesk) -> None:
    assert deliver(body) == 200
    refund_desk.work()
    before = len(refund_desk.journal())
    refund_desk.clock.advance(60)
    assert deliver(body) == 200
    delivery = refund_desk.delivery(1)
    assert (delivery.times_seen, delivery.last_seen_at) == (2, refund_desk.clock.now())
    assert [entry.action for entry in refund_desk.journal()[before:]] == ["webhook:received"]
    assert refund_desk.session(json.loads(body)["session"]["id"]).next_read_at == refund_desk.clock.now()


def test_an_old_one_that_comes_late_takes_nothing_back(deliver: Deliver, refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    reference = refund_desk.ask_and_send(session_id, 10_00)
    in_progress = refund_desk.wire.webhook_now(session_id)
    refund_desk.run_for(minutes=5)
    assert refund_desk.refund(reference).state == "accepted"
    assert deliver(in_progress) == 200
    assert refund_desk.refund(reference).state == "accepted"
    assert refund_desk.refund(reference).review == ""


def test_one_never_applied_is_armed_again(
    deliver: Deliver, body: bytes, refund_desk: RefundDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(webhook_inbox, "_take_in", fail)
        assert deliver(body) == 200
    assert refund_desk.delivery(1).applied_at is None
    assert deliver(body) == 200
    assert refund_desk.delivery(1).applied_at is not None
    assert the_refund(refund_desk) == "accepted"


def fail(*_: object) -> None:
    raise ZeroDivisionError("a defect of ours")


# What cannot be read or believed


UNREADABLE = (
    b"",
    b"{}",
    b"[]",
    b"null",
    b"not json",
    b"\xff\xfe",
    b'{"type": "payment_refunded"}',
    b'{"type": "payment_refunded", "session": {"id": "ps_1", "status": "sideways"}}',
    b'{"type": 1, "session": {}}',
    b"[" * 20_000,
    b'{"a": ' + b"9" * 5000 + b"}",
    b'{"type": "x", "session": {"id": "ps_\\u0000", "status": "accepted"}}',
)


def test_signed_but_unreadable_is_kept_and_flagged(deliver: Deliver, refund_desk: RefundDesk) -> None:
    for number, odd in enumerate(UNREADABLE, start=1):
        assert deliver(odd) == 200, odd[:50]
        delivery = refund_desk.delivery(number)
        assert delivery.body == odd
        assert delivery.applied_at is not None
        assert delivery.problem
        assert refund_desk.journal()[-1].action == "webhook:unreadable"
    assert dump(refund_desk.desk)["payment_sessions"] == []


def test_an_unknown_type_is_taken_in_and_flagged(deliver: Deliver, body: bytes, refund_desk: RefundDesk) -> None:
    assert deliver(body.replace(b"payment_refunded", b"payment_celebrated")) == 200
    delivery = refund_desk.delivery(1)
    assert (delivery.type, delivery.problem) == ("payment_celebrated", "unknown type payment_celebrated")
    assert the_refund(refund_desk) == "accepted"


def test_a_session_that_we_never_read_gets_no_refunds_from_it(deliver: Deliver, refund_desk: RefundDesk) -> None:
    """The bank's key may sign what is another merchant's."""
    session_id = refund_desk.paid_session(100_00)
    refund_desk.bank.refund_here(session_id, 10_00)
    assert deliver(refund_desk.wire.last_webhook(session_id)) == 200
    session = refund_desk.session(session_id)
    assert (session.confirmed_at, session.captured_minor) == (None, 0)
    assert refund_desk.refunds(session_id) == []
    assert session.next_read_at == refund_desk.clock.now()
    refund_desk.work()
    assert [refund.amount_minor for refund in refund_desk.refunds(session_id)] == [10_00]


@on_sqlite
def test_both_versions_of_the_api_are_read(deliver: Deliver, body: bytes, refund_desk: RefundDesk) -> None:
    assert deliver(body.replace(b'"acquiring_payments"', b'"payment_list"')) == 200
    assert the_refund(refund_desk) == "accepted"


# The database has a bad day


@pytest.fixture
def full_disk(app: Flask, database: str, refund_desk: RefundDesk) -> Iterator[None]:
    """Whatever is written fails, as on a full or read-only disk."""
    url = app.config["SQLALCHEMY_DATABASE_URI"]
    with app.app_context():
        engine = db.engine
    statement = (
        "CREATE TRIGGER full_disk BEFORE INSERT ON webhook_deliveries BEGIN SELECT RAISE(ABORT, 'disk is full'); END"
        if database == "sqlite"
        else f'ALTER DATABASE "{url.rpartition("/")[2]}" SET default_transaction_read_only = on'
    )
    with writing_engine(engine).connect() as connection:
        connection.execute(text(statement))
        connection.commit()
    engine.dispose()
    yield
    repair = (
        "DROP TRIGGER full_disk"
        if database == "sqlite"
        else f'ALTER DATABASE "{url.rpartition("/")[2]}" RESET default_transaction_read_only'
    )
    with writing_engine(engine).connect() as connection:
        if database != "sqlite":
            connection.execute(text("SET TRANSACTION READ WRITE"))
        connection.execute(text(repair))
        connection.commit()
    engine.dispose()


def test_what_cannot_be_kept_is_answered_with_503(
    body: bytes, full_disk: None, deliver: Deliver, refund_desk: RefundDesk
) -> None:
    before = dump(refund_desk.desk)
    assert deliver(body) == 503
    assert dump(refund_desk.desk) == before


def test_a_commit_that_fails_is_answered_with_503(
    app: Flask, body: bytes, deliver: Deliver, refund_desk: RefundDesk
) -> None:
    with app.app_context():
        engine = db.engine

    def break_down(_connection: object) -> None:
        raise OperationalError("COMMIT", {}, Exception("the connection is lost"))

    before = dump(refund_desk.desk)
    event.listen(engine, "commit", break_down)
    try:
        assert deliver(body) == 503
    finally:
        event.remove(engine, "commit", break_down)
    assert dump(refund_desk.desk) == before
    assert deliver(body) == 200, "it comes again, and nothing is lost"
    assert the_refund(refund_desk) == "accepted"


def test_kept_but_not_applied_is_200_and_left_to_the_worker(
    body: bytes, deliver: Deliver, refund_desk: RefundDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(webhook_inbox, "_take_in", fail)
        assert deliver(body) == 200
    delivery = refund_desk.delivery(1)
    assert (delivery.applied_at, delivery.failures) == (None, 1)
    assert delivery.problem == "ZeroDivisionError: a defect of ours"
    assert the_refund(refund_desk) == "in_progress"
    refund_desk.run_for(2)
    assert the_refund(refund_desk) == "accepted"
