"""Ending a refund by hand, and the settings that end it otherwise."""

from dataclasses import asdict

import pytest

from dashboard.sandbox.control import ControlError


@pytest.fixture
def open_refund(bank, merchant, paid):
    bank.change_settings({"decide": "manual"})
    merchant.refund(paid(1_000), 400)
    (found,) = bank.ledger.refunds()
    return found[2]


@pytest.mark.parametrize("status", ["accepted", "declined", "error"])
def test_each_ending_is_announced_at_once(bank, open_refund, webhooks, status):
    bank.decide_refund(open_refund.id, status)

    (webhook,) = webhooks()
    assert webhook["type"] == "payment_refunded"
    assert webhook["session"]["status"] == "accepted"
    assert webhook["session"]["acquiring_payments"][0]["refunds"][0]["status"] == status


def test_a_final_one_stays_unless_it_is_forced(bank, open_refund, webhooks):
    bank.decide_refund(open_refund.id, "declined")
    webhooks()

    with pytest.raises(ControlError, match="is declined already") as caught:
        bank.decide_refund(open_refund.id, "accepted")
    assert caught.value.http_status == 409
    assert open_refund.status == "declined"
    assert webhooks() == []

    bank.decide_refund(open_refund.id, "accepted", force=True)
    assert open_refund.status == "accepted"
    assert len(webhooks()) == 1


def test_a_decision_by_hand_comes_before_the_one_that_was_due(bank, merchant, paid, webhooks, clock):
    merchant.refund(paid(), 1)
    (found,) = bank.ledger.refunds()
    bank.decide_refund(found[2].id, "declined")
    clock.sleep(10)

    assert len(webhooks()) == 1
    assert found[2].status == "declined"


@pytest.mark.parametrize("status", ["in_progress", "", None, 7, ["accepted"]])
def test_an_unknown_status_is_refused(bank, open_refund, status):
    with pytest.raises(ControlError, match="status is one of accepted, declined, error") as caught:
        bank.decide_refund(open_refund.id, status)
    assert caught.value.http_status == 400


def test_an_unknown_refund_is_not_found(bank):
    with pytest.raises(ControlError, match="There is no refund rf_9") as caught:
        bank.decide_refund("rf_9", "accepted")
    assert caught.value.http_status == 404


def test_settings_change_what_is_named_and_keep_the_rest(bank):
    bank.change_settings({"decide": "declined", "decide_after_ms": 5})
    bank.change_settings({"webhooks": "late"})

    assert asdict(bank.ledger.settings) == {
        "decide": "declined",
        "decide_after_ms": 5,
        "webhooks": "late",
        "webhook_late_ms": 10_000,
        "payments": "finish",
        "lose_next": 0,
    }


@pytest.mark.parametrize(
    "wrong",
    [
        {"decide": "perhaps"},
        {"decide": ["accepted"]},
        {"webhooks": True},
        {"payments": ""},
        {"decide_after_ms": -1},
        {"decide_after_ms": "800"},
        {"decide_after_ms": 0.5},
        {"webhook_late_ms": 10**12},
        {"lose_next": None},
        {"colour": "red"},
    ],
)
def test_a_bad_setting_changes_nothing(bank, wrong):
    before = asdict(bank.ledger.settings)

    with pytest.raises(ControlError, match=next(iter(wrong))) as caught:
        bank.change_settings({"decide": "declined", **wrong})

    assert caught.value.http_status == 400
    assert asdict(bank.ledger.settings) == before


def test_decisions_are_carried_out_in_the_order_of_their_times(bank, merchant, paid, webhooks, clock):
    session_id = paid(1_000)
    for amount, after_ms in ((100, 3_000), (200, 1_000), (300, 2_000)):
        bank.change_settings({"decide_after_ms": after_ms})
        merchant.refund(session_id, amount)
    clock.sleep(60)

    assert bank.advance(clock.now()) == 3
    accepted = [
        {
            r["amount_details"]["amount"]
            for r in webhook["session"]["acquiring_payments"][0]["refunds"]
            if r["status"] == "accepted"
        }
        for webhook in webhooks()
    ]
    assert accepted == [{200}, {200, 300}, {100, 200, 300}]
