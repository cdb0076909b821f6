"""Webhooks: what is sent when, how long the bank tries, and every way in which one can go astray."""

import json
from datetime import timedelta

import pytest

from dashboard.bank131.signature import verify
from dashboard.sandbox.control import ControlError
from dashboard.sandbox.scenes import new_session

WEBHOOK_URL = "http://merchant.test/webhooks"


def kinds(webhooks):
    return [webhook["type"] for webhook in webhooks]


def amounts(webhooks):
    """For each webhook, the refunded amounts that it shows."""
    return [[r["amount_details"]["amount"] for r in w["session"]["acquiring_payments"][0]["refunds"]] for w in webhooks]


def test_it_is_signed_over_its_bytes_with_the_banks_key(bank, paid, bank_key):
    bank.charge_back(paid(), 1)

    (webhook,) = bank.take_due_webhooks(bank.now())

    assert webhook.url == WEBHOOK_URL
    assert webhook.headers["Content-Type"] == "application/json"
    signature = webhook.headers["X-PARTNER-SIGN"]
    assert verify([bank_key.public_key()], webhook.body, signature)
    assert not verify([bank_key.public_key()], webhook.body + b" ", signature)


def test_it_speaks_the_version_of_the_merchants_calls(merchant, paid, webhooks, clock):
    session_id = paid()
    merchant.call("session/refund", {"session_id": session_id}, version=2)
    clock.sleep(1)

    (webhook,) = webhooks()

    assert "payment_list" in webhook["session"]
    assert "acquiring_payments" not in webhook["session"]


def test_one_under_way_is_not_taken_twice(bank, paid):
    bank.charge_back(paid(), 1)

    assert len(bank.take_due_webhooks(bank.now())) == 1
    assert bank.take_due_webhooks(bank.now()) == []
    assert bank.next_due() is None


def test_the_number_taken_at_once_can_be_limited(bank, paid):
    session_id = paid()
    for _ in range(3):
        bank.charge_back(session_id, 1)

    assert [w.id for w in bank.take_due_webhooks(bank.now(), 2)] == ["wh_2", "wh_3"]
    assert [w.id for w in bank.take_due_webhooks(bank.now(), 2)] == ["wh_4"]


@pytest.mark.parametrize("status", [None, 500, 404, 302, 201])
def test_it_is_tried_at_growing_intervals_and_given_up_after_half_an_hour(bank, paid, clock, status):
    bank.charge_back(paid(), 1)
    start, attempts = clock.now(), []
    while (due := bank.next_due()) and len(attempts) < 20:
        clock.at = due
        (webhook,) = bank.take_due_webhooks(due)
        attempts.append(((due - start) / timedelta(seconds=1), webhook.attempt, webhook.body))
        bank.webhook_done(webhook.id, status)

    assert [at for at, _, _ in attempts] == [0, 1, 3, 7, 15, 31, 63, 127, 255, 511, 1023]
    assert [number for _, number, _ in attempts] == list(range(1, 12))
    assert len({body for _, _, body in attempts}) == 1
    assert bank.ledger.deliveries[webhook.id].state == "given_up"


def test_a_late_success_ends_the_attempts(bank, paid, clock):
    bank.charge_back(paid(), 1)
    for status in (500, None, 200):
        clock.at = bank.next_due()
        (webhook,) = bank.take_due_webhooks(clock.now())
        bank.webhook_done(webhook.id, status)

    assert bank.next_due() is None
    assert bank.ledger.deliveries[webhook.id].state == "delivered"


def test_a_repeated_attempt_shows_the_session_as_it_was(bank, paid, webhooks, clock):
    session_id = paid()
    bank.charge_back(session_id, 1)
    webhooks(status=500)
    bank.charge_back(session_id, 2)
    clock.sleep(1)

    assert sorted(amounts(webhooks())) == [[1], [1, 2]]


def test_off_loses_it_for_good(bank, paid, webhooks, clock):
    session_id = paid()
    bank.change_settings({"webhooks": "off"})
    bank.charge_back(session_id, 1)
    bank.change_settings({"webhooks": "on"})

    clock.sleep(3_600)
    assert webhooks() == []


def test_twice_sends_the_same_bytes_twice(bank, paid):
    session_id = paid()
    bank.change_settings({"webhooks": "twice"})
    bank.charge_back(session_id, 1)

    first, second = bank.take_due_webhooks(bank.now())

    assert first.body == second.body
    assert first.id != second.id


def test_late_comes_late(bank, paid, webhooks, clock):
    session_id = paid()
    bank.change_settings({"webhooks": "late", "webhook_late_ms": 5_000})
    bank.charge_back(session_id, 1)

    clock.sleep(4.999)
    assert webhooks() == []
    clock.sleep(0.001)
    assert kinds(webhooks()) == ["payment_refunded"]


def test_reversed_delivers_the_second_before_the_first(bank, paid, webhooks):
    session_id = paid()
    bank.change_settings({"webhooks": "reversed"})
    bank.charge_back(session_id, 1)
    assert webhooks() == []
    bank.charge_back(session_id, 2)

    assert amounts(webhooks()) == [[1, 2]]
    assert amounts(webhooks()) == [[1]]


def test_reversed_holds_nothing_for_longer_than_two_seconds(bank, paid, webhooks, clock):
    session_id = paid()
    bank.change_settings({"webhooks": "reversed"})
    bank.charge_back(session_id, 1)

    clock.sleep(1.999)
    assert webhooks() == []
    clock.sleep(0.001)
    assert amounts(webhooks()) == [[1]]


@pytest.mark.parametrize("mode", ["late", "reversed"])
def test_on_sends_what_was_held_back(bank, paid, webhooks, mode):
    session_id = paid()
    bank.change_settings({"webhooks": mode})
    bank.charge_back(session_id, 1)
    assert webhooks() == []

    bank.change_settings({"webhooks": "on"})

    assert amounts(webhooks()) == [[1]]


def test_the_next_one_alone_can_be_lost(bank, paid, webhooks):
    session_id = paid()
    bank.change_settings({"lose_next": 1})
    bank.charge_back(session_id, 1)
    bank.charge_back(session_id, 2)

    assert amounts(webhooks()) == [[1, 2]]
    assert bank.ledger.settings.lose_next == 0


@pytest.mark.parametrize("mode", ["on", "off", "late"])
def test_the_last_one_can_be_sent_again_byte_for_byte(bank, paid, mode):
    session_id, other = paid(), paid()
    bank.charge_back(session_id, 1)
    (first,) = bank.take_due_webhooks(bank.now())
    bank.webhook_done(first.id, 200)
    bank.change_settings({"webhooks": mode})

    bank.resend_webhook(session_id)
    bank.resend_webhook()
    of_session, last_of_all = bank.take_due_webhooks(bank.now())
    assert of_session.body == last_of_all.body == first.body

    bank.resend_webhook(other)
    (webhook,) = bank.take_due_webhooks(bank.now())
    assert json.loads(webhook.body)["session"]["id"] == other


def test_a_lost_one_can_be_sent_again(bank, paid, webhooks):
    session_id = paid()
    bank.change_settings({"webhooks": "off"})
    bank.charge_back(session_id, 7)
    bank.resend_webhook(session_id)

    assert amounts(webhooks()) == [[7]]


def test_there_must_be_something_to_send_again(bank, make_bank, paid):
    for wrong, status in (("ps_9", 404), (paid(status="created"), 409)):
        with pytest.raises(ControlError) as caught:
            bank.resend_webhook(wrong)
        assert caught.value.http_status == status
    with pytest.raises(ControlError, match="There is no session"):
        make_bank().resend_webhook()


def test_without_a_url_nothing_is_queued(make_bank, clock):
    bank = make_bank(webhook_url=None)
    session_id = new_session(bank, {}).id
    bank.charge_back(session_id, 1)

    assert bank.next_due() is None
    assert bank.take_due_webhooks(clock.now()) == []
    with pytest.raises(ControlError, match="without a webhook URL"):
        bank.resend_webhook(session_id)


def test_finished_ones_are_forgotten_in_the_end(bank, paid, webhooks):
    session_id = paid()
    for _ in range(230):
        bank.charge_back(session_id, 1)
        webhooks()

    assert len(bank.ledger.deliveries) == 201
    assert "wh_1" not in bank.ledger.deliveries
