"""Chargebacks: started by the payer's bank (a control call), or over the API as the SDK's demo does."""

import pytest

from dashboard.sandbox.control import ControlError


def only_refund(session):
    (payment,) = session["acquiring_payments"]
    (refund,) = payment["refunds"]
    return refund


def test_a_chargeback_is_finished_and_announced_at_once(bank, merchant, paid, webhooks):
    session_id = paid(1_000)

    bank.charge_back(session_id, 600)

    (webhook,) = webhooks()
    assert webhook == {"type": "payment_refunded", "session": merchant.status(session_id)}
    refund = only_refund(webhook["session"])
    assert refund["is_chargeback"] is True
    assert (refund["status"], refund["amount_details"]["amount"]) == ("accepted", 600)
    assert "metadata" not in refund
    assert merchant.refund(session_id, 401).code == "refund_amount_exceeded"
    assert merchant.refund(session_id, 400).data["status"] == "ok"


def test_it_may_take_more_than_is_left(bank, merchant, paid):
    session_id = paid(1_000)
    merchant.refund(session_id, 900)

    bank.charge_back(session_id, 1_000)

    assert merchant.refund(session_id, 1).code == "nothing_to_refund"


@pytest.mark.parametrize("amount", [0, -5, 1.5, "10", None, True])
def test_an_amount_that_is_none_is_refused(bank, paid, amount):
    session_id = paid()

    with pytest.raises(ControlError, match="amount is a whole number") as caught:
        bank.charge_back(session_id, amount)
    assert caught.value.http_status == 400
    assert not list(bank.ledger.refunds())


def test_only_a_paid_session_can_be_charged_back(bank, paid):
    with pytest.raises(ControlError, match="no successful payment") as caught:
        bank.charge_back(paid(status="created"), 1)
    assert caught.value.http_status == 409
    with pytest.raises(ControlError, match="There is no session ps_9") as caught:
        bank.charge_back("ps_9", 1)
    assert caught.value.http_status == 404


def test_over_the_api_the_payment_shows_in_progress_until_it_is_done(merchant, paid, webhooks, clock):
    session_id = paid(1_000)

    session = merchant.call("session/chargeback", {"session_id": session_id}).data["session"]
    assert (session["status"], session["acquiring_payments"][0]["status"]) == ("in_progress", "in_progress")
    assert only_refund(session)["is_chargeback"] is True

    clock.sleep(0.8)
    (webhook,) = webhooks()
    assert webhook["session"]["acquiring_payments"][0]["status"] == "succeeded"
    assert only_refund(webhook["session"])["status"] == "accepted"


def test_a_refund_made_at_the_bank_comes_without_a_reference(bank, merchant, paid, webhooks):
    session_id = paid(1_000)

    bank.refund_here(session_id, 400)

    (webhook,) = webhooks()
    refund = only_refund(webhook["session"])
    assert refund["status"] == "accepted"
    assert "metadata" not in refund
    assert "is_chargeback" not in refund
    with pytest.raises(ControlError, match="Only 600 is left"):
        bank.refund_here(session_id, 601)
