"""Real time: from a decision to the webhook at the merchant's door, over a real socket."""

import base64
import json
import threading
import time

import pytest
import requests

from dashboard.sandbox import courier
from dashboard.sandbox.scenes import new_session


@pytest.fixture
def sandbox(serve, receiver):
    return serve(webhook_url=receiver.url)


@pytest.fixture
def session_id(sandbox, receiver):
    with sandbox.gate:
        made = new_session(sandbox.bank, {"amount": 1_000}).id
    receiver.wait_for(1)
    receiver.received.clear()
    return made


def charge_back(sandbox, session_id, amount=1):
    with sandbox.gate:
        sandbox.bank.charge_back(session_id, amount)


def test_openssl_verifies_the_signature_of_a_webhook(sandbox, session_id, receiver, openssl_verifies):
    charge_back(sandbox, session_id)

    (webhook,) = receiver.wait_for(1)

    signature = base64.b64decode(webhook.signature, validate=True)
    assert openssl_verifies(sandbox.keys.bank_public_path, webhook.body, signature)
    assert not openssl_verifies(sandbox.keys.bank_public_path, webhook.body + b" ", signature)
    assert webhook.content_type == "application/json"


def test_a_webhook_arrives_within_milliseconds_of_its_event(sandbox, session_id, receiver):
    delays_s = []
    for count in range(1, 11):
        charge_back(sandbox, session_id)
        started = time.monotonic()
        receiver.wait_for(count)
        delays_s.append(receiver.received[-1].at - started)

    assert sorted(delays_s)[5] < 0.05


def test_a_refund_ends_by_itself(sandbox, session_id, receiver, signed_headers):
    with sandbox.gate:
        sandbox.bank.change_settings({"decide_after_ms": 30})
    body = json.dumps({"session_id": session_id}).encode()
    requests.post(f"{sandbox.url}/api/v1/session/refund", data=body, headers=signed_headers(sandbox, body), timeout=10)

    (webhook,) = receiver.wait_for(1)

    assert webhook.data["type"] == "payment_refunded"
    assert webhook.data["session"]["acquiring_payments"][0]["refunds"][0]["status"] == "accepted"


@pytest.mark.parametrize("status", [500, 302])
def test_what_is_not_answered_with_200_comes_again(sandbox, session_id, receiver, status):
    receiver.answers = [status]
    charge_back(sandbox, session_id)

    first, second = receiver.wait_for(2)

    assert first.body == second.body
    assert 0.9 < second.at - first.at < 2.0


def test_a_merchant_who_hangs_blocks_nobody_else(sandbox, session_id, receiver):
    receiver.blocked.clear()

    for amount in range(1, 5):
        charge_back(sandbox, session_id, amount)

    assert len(receiver.wait_for(4, timeout_s=2)) == 4


def test_nobody_listening_is_no_answer(serve, eventually):
    sandbox = serve(webhook_url="http://127.0.0.1:9/webhooks")
    with sandbox.gate:
        new_session(sandbox.bank, {})

    def failed():
        with sandbox.gate:
            (delivery,) = sandbox.bank.ledger.deliveries.values()
            return delivery.attempts == 1 and not delivery.under_way and delivery.due_at

    eventually(failed, 3, "the first attempt has failed")
    (delivery,) = sandbox.bank.ledger.deliveries.values()
    assert (delivery.state, delivery.http_status) == ("waiting", None)


def test_no_proxy_of_the_environment_is_asked(monkeypatch, sandbox, session_id, receiver):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    charge_back(sandbox, session_id)

    assert len(receiver.wait_for(1)) == 1


def test_no_more_are_under_way_than_allowed(bank, paid, clock, eventually):
    session_id = paid()
    gate, let_go, at_once = courier.Gate(), threading.Event(), []

    def post(webhook):
        at_once.append(webhook.id)
        let_go.wait(5)
        return 200

    for _ in range(courier.MOST_AT_ONCE + 4):
        bank.charge_back(session_id, 1)
    worker = courier.Courier(bank, gate, clock=clock, post=post)
    worker.start()
    eventually(lambda: len(at_once) == courier.MOST_AT_ONCE, 3, "as many as allowed")
    with gate:
        assert bank.next_due() is not None
    let_go.set()
    eventually(lambda: len(at_once) == courier.MOST_AT_ONCE + 4, 3, "the rest follows")
    worker.stop()
