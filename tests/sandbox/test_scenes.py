"""The sample sessions: enough variety to see every screen, made once."""

import json

import pytest

from dashboard.sandbox import limits
from dashboard.sandbox.control import ControlError
from dashboard.sandbox.scenes import SCENES, new_session, seed_scenes


@pytest.fixture
def sessions(bank):
    seed_scenes(bank)
    return list(bank.ledger.sessions.values())


def payments(sessions):
    return [payment for session in sessions for payment in session.payments]


def test_they_are_made_once_and_only_in_an_empty_ledger(bank):
    assert seed_scenes(bank) == len(SCENES) >= 20
    assert seed_scenes(bank) == 0
    assert len(bank.ledger.sessions) == len(SCENES)


def test_each_with_a_payment_is_announced(bank, sessions, webhooks):
    announced = {webhook["session"]["id"] for webhook in webhooks()}

    assert announced == {session.id for session in sessions if session.payments}


def test_they_are_varied(sessions):
    paid = payments(sessions)

    assert {session.status for session in sessions} == {"created", "in_progress", "accepted", "cancelled", "error"}
    assert {payment.currency for payment in paid} == {"rub", "usd", "eur", "jpy", "tonc"}
    assert {payment.details["type"] for payment in paid} == {
        "card",
        "faster_payment_system",
        "internet_banking",
        "wallet",
        "recurrent",
    }
    assert sum(payment.customer["reference"] == "client-17" for payment in paid) >= 3
    assert any(len(session.payments) == 2 for session in sessions)
    assert any(isinstance(payment.metadata, dict) for payment in paid)
    assert any("<b>" in str(payment.metadata) for payment in paid)
    assert any("طلب" in str(payment.metadata) for payment in paid)


def test_one_was_partly_refunded_and_one_charged_back(sessions):
    refunds = [(payment, refund) for payment in payments(sessions) for refund in payment.refunds]

    assert [refund.is_chargeback for _, refund in refunds] == [True, False]
    assert [limits.left_of(payment) for payment, _ in refunds] == [0, 550_000]
    assert all(payment.finished_at < refund.created_at for payment, refund in refunds)


def test_all_of_them_lie_in_the_past_oldest_first(bank, sessions):
    times = [session.created_at for session in sessions]

    assert times == sorted(times)
    assert times[-1] < bank.now()


def test_the_control_call_fills_in_what_is_left_out(bank, merchant):
    session_id = new_session(bank, {}).id

    payment = merchant.status(session_id)["acquiring_payments"][0]
    assert payment["amount_details"] == {"amount": 100_000, "currency": "rub"}
    assert payment["payment_details"]["type"] == "card"


def test_it_takes_every_field(bank, merchant):
    session = new_session(
        bank,
        {
            "amount": 5,
            "currency": "USD",
            "customer": "client-2",
            "status": "accepted",
            "method": "card",
            "card": {"brand": "mir", "last4": "0019"},
            "metadata": {"order": 1},
            "email": "a@example.org",
        },
    )

    payment = merchant.status(session.id)["acquiring_payments"][0]
    assert payment["amount_details"] == {"amount": 5, "currency": "usd"}
    assert payment["customer"] == {"reference": "client-2", "contacts": [{"email": "a@example.org"}]}
    assert payment["payment_details"]["card"]["last4"] == "0019"
    assert payment["metadata"] == {"order": 1}


@pytest.mark.parametrize(
    "wrong",
    [
        {"amount": 0},
        {"amount": "5"},
        {"amount": 5.0},
        {"currency": "roubles"},
        {"currency": 7},
        {"customer": ""},
        {"customer": 17},
        {"status": "paid"},
        {"method": "cash"},
        {"card": "visa"},
        {"card": {"last4": "42"}},
        {"colour": "red"},
    ],
)
def test_a_bad_field_makes_no_session(bank, wrong):
    with pytest.raises(ControlError) as caught:
        new_session(bank, wrong)

    assert caught.value.http_status == 400
    assert not bank.ledger.sessions
    assert bank.next_due() is None


def test_what_it_shows_is_ascii_json_whatever_the_text(bank):
    session = new_session(bank, {"customer": "клиент ☎", "metadata": "\ud800"})

    body = bank.ledger.sessions[session.id].last_webhook
    assert body.isascii()
    assert json.loads(body)["session"]["acquiring_payments"][0]["customer"]["reference"] == "клиент ☎"
