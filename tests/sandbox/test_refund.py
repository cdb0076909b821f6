"""`session/refund`: what is given back, what is refused, and how a refund ends."""

import json
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dashboard.clock import SystemClock
from dashboard.sandbox.bank import PROJECT, SandboxBank
from dashboard.sandbox.scenes import Scene, add_scene


def only_refund(session):
    (payment,) = session["acquiring_payments"]
    (refund,) = payment["refunds"]
    return refund


@pytest.mark.parametrize("metadata", [{"reference": "5f0c"}, '{"reference":"5f0c"}', "order", 7, [1, {"a": None}], 0])
def test_a_refund_is_in_progress_first_and_echoes_its_metadata(merchant, paid, metadata):
    session_id = paid(100_050)
    before = merchant.status(session_id)

    answer = merchant.refund(session_id, 1_050, metadata=metadata)

    session = answer.data["session"]
    assert session["status"] == "in_progress"
    assert session["updated_at"] == before["updated_at"]
    refund = only_refund(session)
    assert refund.pop("id").startswith("rf_")
    assert refund == {
        "status": "in_progress",
        "created_at": "2026-03-01T09:00:00.000000Z",
        "amount_details": {"amount": 1_050, "currency": "rub"},
        "metadata": metadata,
    }


def test_it_is_accepted_after_a_while_and_a_webhook_shows_the_whole_session(merchant, paid, webhooks, clock):
    session_id = paid()
    merchant.refund(session_id, 1_050)

    clock.sleep(0.799)
    assert webhooks() == []
    clock.sleep(0.001)
    (webhook,) = webhooks()

    assert webhook == {"type": "payment_refunded", "session": merchant.status(session_id)}
    session = webhook["session"]
    assert session["status"] == "accepted"
    refund = only_refund(session)
    assert refund["status"] == "accepted"
    assert refund["finished_at"] == "2026-03-01T09:00:00.800000Z"
    assert refund["transaction_info"]["rrn"] != session["acquiring_payments"][0]["transaction_info"]["rrn"]


def test_several_refunds_until_nothing_is_left(merchant, paid):
    session_id = paid(1_000)

    assert merchant.refund(session_id, 600).data["status"] == "ok"
    assert merchant.refund(session_id, 401).code == "refund_amount_exceeded"
    assert merchant.refund(session_id, 400).data["status"] == "ok"
    assert merchant.refund(session_id, 1).code == "nothing_to_refund"
    assert merchant.refund(session_id).code == "nothing_to_refund"
    assert len(merchant.status(session_id)["acquiring_payments"][0]["refunds"]) == 2


def test_without_an_amount_all_of_it_is_refunded(merchant, paid):
    session = merchant.refund(paid(100_050, "usd")).data["session"]

    assert only_refund(session)["amount_details"] == {"amount": 100_050, "currency": "usd"}


def test_without_an_amount_nothing_may_have_been_refunded_before(merchant, paid):
    session_id = paid(1_000)
    merchant.refund(session_id, 1)

    assert merchant.refund(session_id).code == "refund_amount_exceeded"


def test_the_currency_is_compared_whatever_its_case(merchant, paid):
    session_id = paid(1_000)

    assert merchant.refund(session_id, 1, "usd").code == "currency_mismatch"
    assert merchant.refund(session_id, 1, "RUB").data["status"] == "ok"


@pytest.mark.parametrize("amount", [0, -1, 1.5, 10.0, "10", True, None, [], 10**16])
def test_an_amount_that_is_no_positive_integer_is_refused(bank, merchant, paid, amount):
    session_id = paid()
    request = {"session_id": session_id, "amount_details": {"amount": amount, "currency": "rub"}}

    answer = merchant.call("session/refund", request)

    assert (answer.status, answer.code) == (400, "validation_error")
    assert not list(bank.ledger.refunds())


@pytest.mark.parametrize("status", ["created", "in_progress", "cancelled", "error"])
def test_a_session_without_a_successful_payment_gives_nothing_back(merchant, paid, status):
    assert merchant.refund(paid(status=status), 1).code == "payment_not_refundable"


def test_of_two_payments_one_has_to_hold_all_of_a_refund(bank, merchant):
    session_id = add_scene(bank, Scene(1, "client-1", 1_000, second_amount_minor=2_500)).id

    assert merchant.refund(session_id).code == "amount_details_required"
    assert merchant.refund(session_id, 2_501).code == "refund_amount_exceeded"
    assert merchant.refund(session_id, 2_000).data["status"] == "ok"
    assert merchant.refund(session_id, 1_001).code == "refund_amount_exceeded"
    assert merchant.refund(session_id, 1_000).data["status"] == "ok"
    first, second = merchant.status(session_id)["acquiring_payments"]
    assert [r["amount_details"]["amount"] for r in first["refunds"]] == [1_000]
    assert [r["amount_details"]["amount"] for r in second["refunds"]] == [2_000]


def test_a_declined_refund_frees_its_amount(bank, merchant, paid, webhooks, clock):
    bank.change_settings({"decide": "declined", "decide_after_ms": 100})
    session_id = paid(1_000)
    merchant.refund(session_id, 1_000)
    assert merchant.refund(session_id, 1).code == "nothing_to_refund"

    clock.sleep(0.1)
    (webhook,) = webhooks()

    refund = only_refund(webhook["session"])
    assert (refund["status"], refund["finished_at"]) == ("declined", "2026-03-01T09:00:00.100000Z")
    assert "transaction_info" not in refund
    assert merchant.refund(session_id, 1_000).data["status"] == "ok"


def test_a_refund_in_error_stays_reserved_and_can_end_later(bank, merchant, paid, webhooks, clock):
    bank.change_settings({"decide": "error"})
    session_id = paid(1_000)
    refund_id = only_refund(merchant.refund(session_id, 1_000).data["session"])["id"]
    clock.sleep(1)

    (webhook,) = webhooks()
    refund = only_refund(webhook["session"])
    assert refund["status"] == "error"
    assert "finished_at" not in refund
    assert merchant.refund(session_id, 1).code == "nothing_to_refund"

    bank.decide_refund(refund_id, "accepted")
    (webhook,) = webhooks()
    assert only_refund(webhook["session"])["status"] == "accepted"


def test_in_manual_mode_nothing_happens_by_itself(bank, merchant, paid, webhooks, clock):
    bank.change_settings({"decide": "manual"})
    session_id = paid()
    refund_id = only_refund(merchant.refund(session_id, 1).data["session"])["id"]

    clock.sleep(86_400)
    assert webhooks() == []
    assert bank.next_due() is None

    bank.decide_refund(refund_id, "declined")
    assert [webhook["type"] for webhook in webhooks()] == ["payment_refunded"]


def test_how_a_refund_ends_is_settled_when_it_is_asked_for(bank, merchant, paid, webhooks, clock):
    session_id = paid()
    merchant.refund(session_id, 1)
    bank.change_settings({"decide": "declined", "decide_after_ms": 60_000})

    clock.sleep(0.8)

    (webhook,) = webhooks()
    assert only_refund(webhook["session"])["status"] == "accepted"


@settings(max_examples=60, deadline=None)
@given(
    amounts=st.lists(st.integers(1, 700), max_size=12),
    decisions=st.lists(st.sampled_from(["accepted", "declined", "error"]), min_size=12, max_size=12),
)
def test_never_more_than_was_paid_is_given_back(amounts, decisions):
    bank = SandboxBank(clock=SystemClock(), random=Random(1), verify=lambda *_: True, sign=lambda _: "signed")
    session_id = add_scene(bank, Scene(1, "client-1", 1_000)).id
    for amount, decision in zip(amounts, decisions, strict=False):
        bank.change_settings({"decide": decision, "decide_after_ms": 0})
        request = {"session_id": session_id, "amount_details": {"amount": amount, "currency": "rub"}}
        bank.call(1, "session/refund", {"X-PARTNER-PROJECT": PROJECT}, json.dumps(request).encode())
        bank.advance(bank.now())

    refunds = [refund for _, _, refund in bank.ledger.refunds()]
    assert sum(refund.amount_minor for refund in refunds if refund.status != "declined") <= 1_000
    assert refunds or not amounts
