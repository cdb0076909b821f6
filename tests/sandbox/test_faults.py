"""Faults on request: which of them carry the call out, and what comes back."""

import json

import pytest

from dashboard.sandbox.control import FAULT_KINDS, ControlError, checked_fault
from dashboard.sandbox.ledger import Fault


@pytest.mark.parametrize(
    ("kind", "carried_out"),
    [
        ("drop_request", False),
        ("drop_response", True),
        ("http_500", False),
        ("html_502", True),
        ("truncate", True),
        ("slow", True),
        ("forget_key", True),
    ],
)
def test_every_kind_says_whether_the_refund_is_made(bank, merchant, paid, kind, carried_out):
    session_id = paid()
    bank.add_fault(Fault("session/refund", kind))

    merchant.refund(session_id, 1)

    assert len(list(bank.ledger.refunds())) == carried_out
    assert bank.ledger.faults == []


@pytest.mark.parametrize("kind", ["drop_request", "drop_response"])
def test_a_dropped_connection_carries_no_byte(bank, merchant, paid, kind):
    bank.add_fault(Fault("session/refund", kind))

    answer = merchant.refund(paid(), 1).raw

    assert answer.dropped
    assert answer.body == b""


def test_http_500_has_an_error_body(bank, merchant, paid):
    bank.add_fault(Fault("session/refund", "http_500"))

    answer = merchant.refund(paid(), 1)

    assert (answer.status, answer.code) == (500, "internal_error")


def test_html_502_is_a_web_page(bank, merchant, paid):
    bank.add_fault(Fault("session/refund", "html_502"))

    answer = merchant.refund(paid(), 1)

    assert (answer.status, answer.raw.content_type, answer.data) == (502, "text/html", None)
    assert answer.body.startswith(b"<html>")


def test_a_truncated_answer_is_no_json(bank, merchant, paid):
    session_id = paid()
    bank.add_fault(Fault("session/status", "truncate"))

    answer = merchant.call("session/status", {"session_id": session_id})

    whole = merchant.call("session/status", {"session_id": session_id})
    assert answer.status == 200
    assert answer.body == whole.body[: len(whole.body) // 2]
    with pytest.raises(ValueError, match=r"Expecting|Unterminated"):
        json.loads(answer.body)


def test_slow_says_how_long(bank, merchant, paid):
    session_id = paid()
    bank.add_fault(Fault("session/refund", "slow", delay_ms=1_500))

    answer = merchant.refund(session_id, 1)

    assert answer.data["status"] == "ok"
    assert answer.raw.delay_s == 1.5


def test_a_fault_waits_for_its_method_and_its_session(bank, merchant, paid):
    one, other = paid(), paid()
    bank.add_fault(Fault("session/refund", "http_500", session=one))

    assert merchant.call("session/status", {"session_id": one}).status == 200
    assert merchant.refund(other, 1).status == 200
    assert merchant.call("session/refund", b"{").status == 400
    assert merchant.refund(one, 1).status == 500
    assert merchant.refund(one, 1).status == 200


def test_it_comes_as_often_as_was_asked(bank, merchant, paid):
    session_id = paid()
    bank.add_fault(Fault("session/status", "http_500", times=2))

    statuses = [merchant.call("session/status", {"session_id": session_id}).status for _ in range(3)]

    assert statuses == [500, 500, 200]


def test_several_faults_come_in_the_order_they_were_added(bank, merchant, paid):
    session_id = paid()
    bank.add_fault(Fault("session/status", "html_502"))
    bank.add_fault(Fault("session/status", "http_500"))

    statuses = [merchant.call("session/status", {"session_id": session_id}).status for _ in range(3)]

    assert statuses == [502, 500, 200]


def test_they_can_be_forgotten(bank, merchant, paid):
    bank.add_fault(Fault("session/status", "http_500", times=100))
    bank.clear_faults()

    assert merchant.call("session/status", {"session_id": paid()}).status == 200


@pytest.mark.parametrize("kind", FAULT_KINDS)
def test_a_good_fault_is_read(kind):
    document = {"method": "session/refund", "session": "ps_1", "kind": kind, "times": 3, "delay_ms": 20}

    assert checked_fault(document) == Fault("session/refund", kind, "ps_1", 3, 20)


@pytest.mark.parametrize(
    "wrong",
    [
        {"method": "session/destroy"},
        {"method": None},
        {"kind": "explode"},
        {"kind": []},
        {"session": 7},
        {"times": 0},
        {"times": "1"},
        {"times": True},
        {"delay_ms": -1},
        {"delay_ms": 1.5},
        {"delay_ms": 10**9},
        {"colour": "red"},
    ],
)
def test_a_bad_fault_is_refused(wrong):
    with pytest.raises(ControlError) as caught:
        checked_fault({"method": "session/refund", "kind": "slow", **wrong})

    assert caught.value.http_status == 400
    assert next(iter(wrong)) in str(caught.value)
