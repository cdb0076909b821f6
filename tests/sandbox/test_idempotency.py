"""`X-PARTNER-IDEMPOTENCY-KEY`: a key used twice is refused, not answered with the first answer."""

import pytest

from dashboard.sandbox.ledger import Fault


def refund_count(bank):
    return len(list(bank.ledger.refunds()))


def test_a_key_used_twice_is_refused(bank, merchant, paid):
    session_id = paid()
    assert merchant.refund(session_id, 1, key="k").data["status"] == "ok"

    repeat = merchant.refund(session_id, 1, key="k")

    assert (repeat.status, repeat.code) == (400, "idempotency_key_already_exists")
    assert refund_count(bank) == 1


def test_whatever_the_method_and_the_session(merchant, paid):
    first, second = paid(), paid()
    merchant.refund(first, 1, key="k")

    assert merchant.refund(second, 1, key="k").code == "idempotency_key_already_exists"
    assert merchant.call("session/create", {}, key="k").code == "idempotency_key_already_exists"
    assert merchant.call("session/status", {"session_id": first}, key="k").code == "idempotency_key_already_exists"


def test_without_a_key_or_with_another_one_it_is_a_new_refund(bank, merchant, paid):
    session_id = paid()
    for key in ("k", None, None, "K"):
        assert merchant.refund(session_id, 1, key=key).data["status"] == "ok"

    assert refund_count(bank) == 4


def test_a_call_that_changed_nothing_does_not_use_its_key(bank, merchant, paid):
    session_id = paid(1_000)
    merchant.refund(session_id, 1_001, key="k")
    merchant.call("session/status", {"session_id": session_id}, key="k")
    merchant.call("session/refund", b"{", key="k")
    merchant.call("session/refund", {"session_id": session_id}, key="k", **{"X-PARTNER-SIGN": "AAAA"})

    assert merchant.refund(session_id, 1_000, key="k").data["status"] == "ok"
    assert refund_count(bank) == 1


@pytest.mark.parametrize(("kind", "used"), [("drop_request", False), ("http_500", False), ("drop_response", True)])
def test_a_fault_uses_the_key_only_when_the_call_was_carried_out(bank, merchant, paid, kind, used):
    session_id = paid()
    bank.add_fault(Fault("session/refund", kind))
    merchant.refund(session_id, 1, key="k")

    repeat = merchant.refund(session_id, 1, key="k")

    assert (repeat.code == "idempotency_key_already_exists") is used
    assert refund_count(bank) == 1


def test_a_bank_that_forgets_the_key_carries_the_repeat_out(bank, merchant, paid):
    session_id = paid()
    bank.add_fault(Fault("session/refund", "forget_key"))
    merchant.refund(session_id, 1, key="k")

    assert merchant.refund(session_id, 1, key="k").data["status"] == "ok"
    assert merchant.refund(session_id, 1, key="k").code == "idempotency_key_already_exists"
    assert refund_count(bank) == 2


def test_forgetting_works_for_a_key_that_was_used_before(bank, merchant, paid):
    session_id = paid()
    merchant.refund(session_id, 1, key="k")
    bank.add_fault(Fault("session/refund", "forget_key"))

    assert merchant.refund(session_id, 1, key="k").data["status"] == "ok"
    assert refund_count(bank) == 2
