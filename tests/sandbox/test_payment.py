"""Setting the scene over the API alone, as a merchant with the bank's documentation would."""

import pytest

CARD = {
    "type": "card",
    "card": {
        "type": "bank_card",
        "bank_card": {
            "number": "4242424242424242",
            "expiration_month": "12",
            "expiration_year": "31",
            "security_code": "087",
        },
    },
}
REQUEST = {
    "payment_details": CARD,
    "amount_details": {"amount": 10_000, "currency": "RUB"},
    "customer": {"reference": "lucky", "contacts": [{"email": "lucky@example.org"}]},
    "metadata": {"order": 55},
    "payment_options": {"return_url": "http://merchant.test/"},
}


def with_card(number):
    return {
        **REQUEST,
        "payment_details": {"type": "card", "card": {"type": "bank_card", "bank_card": {"number": number}}},
    }


def test_one_call_creates_and_starts_a_payment_and_a_webhook_tells_its_end(merchant, webhooks, clock):
    answer = merchant.call("session/init/payment", REQUEST)

    started = answer.data["session"]
    assert started["status"] == "in_progress"
    assert started["acquiring_payments"][0]["status"] == "in_progress"
    assert webhooks() == []

    clock.sleep(0.8)
    (webhook,) = webhooks()
    assert webhook["type"] == "payment_finished"
    session = webhook["session"]
    assert session == merchant.status(started["id"])
    assert session["status"] == "accepted"
    payment = session["acquiring_payments"][0]
    assert payment["status"] == "succeeded"
    assert payment["finished_at"] == "2026-03-01T09:00:00.800000Z"
    assert payment["amount_details"] == {"amount": 10_000, "currency": "rub"}
    assert payment["customer"] == REQUEST["customer"]
    assert payment["metadata"] == {"order": 55}
    assert payment["payment_options"] == REQUEST["payment_options"]


def test_card_numbers_and_security_codes_are_not_kept(bank, merchant):
    merchant.call("session/init/payment", REQUEST)

    (session,) = bank.ledger.sessions.values()
    assert session.payments[0].details == {
        "type": "card",
        "card": {"brand": "visa", "last4": "4242", "bin": "424242"},
    }
    assert "4242424242424242" not in repr(session)
    assert "087" not in repr(session)


def test_create_then_start_fills_in_what_create_left_out(merchant, webhooks, clock):
    created = merchant.call("session/create", {"amount_details": REQUEST["amount_details"]}).data["session"]
    assert created["status"] == "created"
    assert "acquiring_payments" not in created

    missing = merchant.call("session/start/payment", {"session_id": created["id"]})
    assert (missing.status, missing.code) == (400, "validation_error")
    assert "customer, payment_details missing" in missing.data["error"]["description"]

    rest = {name: REQUEST[name] for name in ("payment_details", "customer")}
    started = merchant.call("session/start/payment", {"session_id": created["id"], **rest})
    assert started.data["session"]["status"] == "in_progress"
    again = merchant.call("session/start/payment", {"session_id": created["id"], **rest})
    assert again.code == "session_already_started"

    clock.sleep(0.8)
    assert [webhook["type"] for webhook in webhooks()] == ["payment_finished"]


@pytest.mark.parametrize(
    ("number", "code"),
    [("4000000000000002", "activity_count_exceeded"), ("4242424242424243", "card_number_does_not_exist")],
)
def test_a_card_can_be_declined(merchant, webhooks, clock, number, code):
    merchant.call("session/init/payment", with_card(number))

    clock.sleep(0.8)
    (webhook,) = webhooks()
    assert webhook["session"]["status"] == "cancelled"
    payment = webhook["session"]["acquiring_payments"][0]
    assert (payment["status"], payment["error"]["code"]) == ("failed", code)
    assert merchant.refund(webhook["session"]["id"]).code == "payment_not_refundable"


@pytest.mark.parametrize("kind", ["faster_payment_system", "internet_banking", "wallet"])
def test_other_ways_to_pay(merchant, kind):
    answer = merchant.call("session/init/payment", {**REQUEST, "payment_details": {"type": kind, kind: {"a": 1}}})

    payment = answer.data["session"]["acquiring_payments"][0]
    assert payment["payment_details"] == {"type": kind, kind: {"a": 1}}


@pytest.mark.parametrize(
    "broken",
    [
        {"amount_details": {"amount": 0, "currency": "rub"}},
        {"amount_details": {"amount": -1, "currency": "rub"}},
        {"amount_details": {"amount": 1.5, "currency": "rub"}},
        {"amount_details": {"amount": "100", "currency": "rub"}},
        {"amount_details": {"amount": True, "currency": "rub"}},
        {"amount_details": {"amount": 10**16, "currency": "rub"}},
        {"amount_details": {"amount": 100}},
        {"amount_details": {"amount": 100, "currency": "₽"}},
        {"amount_details": 100},
        {"customer": {"name": "lucky"}},
        {"customer": "lucky"},
        {"payment_details": {"card": {}}},
        {"payment_details": {"type": "card", "card": {"bank_card": {"number": "42"}}}},
        {"payment_details": {"type": "card", "card": "4242424242424242"}},
        {"payment_details": "card"},
    ],
)
def test_a_bad_request_makes_no_session(bank, merchant, broken):
    answer = merchant.call("session/init/payment", {**REQUEST, **broken})

    assert (answer.status, answer.code) == (400, "validation_error")
    assert not bank.ledger.sessions


def test_confirm(bank, merchant, webhooks, clock):
    bank.change_settings({"payments": "confirm"})
    session_id = merchant.call("session/init/payment", REQUEST).data["session"]["id"]
    assert merchant.call("session/confirm", {"session_id": session_id}).code == "nothing_to_confirm"

    clock.sleep(0.8)
    (webhook,) = webhooks()
    assert (webhook["type"], webhook["session"]["next_action"]) == ("ready_to_confirm", "confirm")

    confirmed = merchant.call("session/confirm", {"session_id": session_id}).data["session"]
    assert "next_action" not in confirmed
    clock.sleep(0.8)
    (webhook,) = webhooks()
    assert (webhook["type"], webhook["session"]["status"]) == ("payment_finished", "accepted")


def test_capture_of_a_part(bank, merchant, webhooks, clock):
    bank.change_settings({"payments": "capture"})
    session_id = merchant.call("session/init/payment", REQUEST).data["session"]["id"]
    clock.sleep(0.8)
    assert [webhook["type"] for webhook in webhooks()] == ["ready_to_capture"]

    for amount, currency, code in ((10_001, "rub", "capture_amount_exceeded"), (1, "usd", "currency_mismatch")):
        refused = merchant.call(
            "session/capture",
            {"session_id": session_id, "amount_details": {"amount": amount, "currency": currency}},
        )
        assert refused.code == code
    merchant.call("session/capture", {"session_id": session_id, "amount_details": {"amount": 4_000, "currency": "rub"}})

    clock.sleep(0.8)
    (webhook,) = webhooks()
    assert webhook["session"]["acquiring_payments"][0]["amount_details"]["amount"] == 4_000
    assert merchant.refund(session_id, 4_001).code == "refund_amount_exceeded"


def test_cancel_instead_of_capture(bank, merchant, webhooks, clock):
    bank.change_settings({"payments": "capture"})
    session_id = merchant.call("session/init/payment", REQUEST).data["session"]["id"]
    clock.sleep(0.8)
    webhooks()

    merchant.call("session/cancel", {"session_id": session_id})

    (webhook,) = webhooks()
    assert (webhook["type"], webhook["session"]["status"]) == ("payment_finished", "cancelled")
    assert merchant.call("session/capture", {"session_id": session_id}).code == "nothing_to_capture"
    assert merchant.call("session/cancel", {"session_id": session_id}).code == "nothing_to_cancel"


def test_cancel_of_a_session_that_was_never_started(merchant):
    session_id = merchant.call("session/create", {}).data["session"]["id"]

    assert merchant.call("session/cancel", {"session_id": session_id}).data["session"]["status"] == "cancelled"
    assert merchant.call("session/start/payment", {**REQUEST, "session_id": session_id}).code == (
        "session_already_started"
    )
