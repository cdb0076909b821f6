"""The ledger file: what was answered is there after a restart, and what was due still happens."""

import sqlite3
from dataclasses import asdict

import pytest

from dashboard.sandbox.ledger import BrokenLedger, Fault, SqliteStore


def contents(bank):
    ledger = bank.ledger
    return {
        "sessions": {name: asdict(session) for name, session in ledger.sessions.items()},
        "deliveries": {name: {**asdict(d), "under_way": False} for name, d in ledger.deliveries.items()},
        "keys": ledger.used_keys,
        "faults": ledger.faults,
        "settings": ledger.settings,
        "counters": ledger.counters,
        "last_announced": ledger.last_announced,
    }


@pytest.fixture
def path(tmp_path):
    return tmp_path / "sandbox.sqlite3"


@pytest.fixture
def bank(make_bank, path):
    return make_bank(SqliteStore(path))


def test_a_new_start_finds_everything(bank, merchant, paid, make_bank, path, clock):
    session_id = paid(1_000, "usd", metadata={"paid_at": "2026", "list": [1, None]})
    merchant.refund(session_id, 100, "usd", metadata={"reference": "r"}, key="k")
    merchant.call("session/create", {"amount_details": {"amount": 5, "currency": "eur"}})
    bank.charge_back(session_id, 300)
    bank.change_settings({"webhooks": "reversed", "lose_next": 2})
    bank.add_fault(Fault("session/refund", "slow", session_id, 3, 40))
    clock.sleep(0.5)

    reopened = make_bank(SqliteStore(path))

    assert contents(reopened) == contents(bank)
    assert reopened.next_due() == bank.next_due()
    assert len(contents(bank)["deliveries"]) == 2


def test_what_was_due_happens_after_the_restart(merchant, paid, make_bank, path, clock):
    session_id = paid(1_000)
    merchant.refund(session_id, 100)
    clock.sleep(600)

    reopened = make_bank(SqliteStore(path))
    assert reopened.advance(clock.now()) == 1
    (webhook,) = reopened.take_due_webhooks(clock.now())
    assert b'"status":"accepted"' in webhook.body


def test_a_payment_under_way_goes_on_after_the_restart(bank, merchant, make_bank, path, clock):
    created = merchant.call(
        "session/create",
        {
            "amount_details": {"amount": 5, "currency": "eur"},
            "customer": {"reference": "c"},
            "payment_details": {"type": "wallet"},
        },
    )
    reopened = make_bank(SqliteStore(path))
    merchant.bank = reopened
    merchant.call("session/start/payment", {"session_id": created.data["session"]["id"]})

    again = make_bank(SqliteStore(path))
    clock.sleep(1)
    again.advance(clock.now())

    (session,) = again.ledger.sessions.values()
    assert (session.status, session.payments[0].amount_minor) == ("accepted", 5)


def test_a_webhook_that_was_under_way_is_sent_again(bank, paid, make_bank, path, clock):
    bank.charge_back(paid(), 1)
    (first,) = bank.take_due_webhooks(clock.now())
    bank.ledger.changed(bank.ledger.deliveries[first.id])
    bank.ledger.flush()

    reopened = make_bank(SqliteStore(path))

    (again,) = reopened.take_due_webhooks(clock.now())
    assert again.body == first.body


def test_ids_are_never_given_twice(bank, make_bank, path):
    first = bank.new_id("rf")
    bank.ledger.flush()

    assert make_bank(SqliteStore(path)).new_id("rf") != first


def test_a_used_key_stays_used(merchant, paid, make_bank, path):
    session_id = paid()
    merchant.refund(session_id, 1, key="k")
    merchant.bank = make_bank(SqliteStore(path))

    assert merchant.refund(session_id, 1, key="k").code == "idempotency_key_already_exists"


def test_sessions_keep_their_order_beyond_a_digit(bank, paid, make_bank, path):
    bank.ledger.counters["ps"] = 9_998
    ids = [paid() for _ in range(3)]

    assert list(make_bank(SqliteStore(path)).ledger.sessions) == ids == ["ps_9999", "ps_10000", "ps_10001"]


def test_forgotten_deliveries_leave_the_file(bank, paid, webhooks, path):
    session_id = paid()
    for _ in range(230):
        bank.charge_back(session_id, 1)
        webhooks()

    with sqlite3.connect(path) as connection:
        (count,) = connection.execute("SELECT count(*) FROM document WHERE kind = 'delivery'").fetchone()
    connection.close()
    assert count == len(bank.ledger.deliveries)


def test_a_file_of_another_kind_is_said_so(path):
    path.write_bytes(b"these are no sqlite pages, but there are enough of them to be read as one" * 20)

    with pytest.raises(BrokenLedger, match="is no ledger of this sandbox"):
        SqliteStore(path)


def test_a_damaged_document_is_said_so(bank, paid, make_bank, path):
    paid()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE document SET text = '{}' WHERE kind = 'session'")
    connection.close()

    with pytest.raises(BrokenLedger, match="cannot be read"):
        make_bank(SqliteStore(path))


def test_in_memory_it_works_the_same(make_bank):
    bank = make_bank(SqliteStore(":memory:"))
    bank.change_settings({"decide": "declined"})

    assert bank.ledger.settings.decide == "declined"
