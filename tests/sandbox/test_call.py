"""Every call: project, signature, method, JSON; which errors come with which HTTP status."""

import json

import pytest

from dashboard.sandbox.bank import PROJECT


def test_a_signed_call_is_answered_with_the_session(merchant, paid):
    session_id = paid(100_050, customer="client-17", metadata="order 55")

    answer = merchant.call("session/status", {"session_id": session_id})

    assert answer.status == 200
    assert answer.data["status"] == "ok"
    session = answer.data["session"]
    assert session["id"] == session_id
    assert session["status"] == "accepted"
    assert session["created_at"] == "2026-03-01T08:59:56.000000Z"
    payment = session["acquiring_payments"][0]
    assert payment["status"] == "succeeded"
    assert payment["customer"] == {"reference": "client-17"}
    assert payment["amount_details"] == {"amount": 100_050, "currency": "rub"}
    assert payment["payment_details"]["card"]["last4"] == "4242"
    assert payment["metadata"] == "order 55"
    assert len(payment["transaction_info"]["rrn"]) == 12
    assert "refunds" not in payment


def test_version_2_names_the_payments_otherwise_and_differs_in_nothing_else(merchant, paid):
    session_id = paid()

    first = merchant.call("session/status", {"session_id": session_id}, version=1).data["session"]
    second = merchant.call("session/status", {"session_id": session_id}, version=2).data["session"]

    assert second.pop("payment_list") == first.pop("acquiring_payments")
    assert first == second


def test_a_signature_over_other_bytes_is_refused(bank, merchant, paid):
    session_id = paid()
    body = json.dumps({"session_id": session_id}).encode()

    for signature in (None, "", "AAAA", "not base64!"):
        headers = {"X-PARTNER-PROJECT": PROJECT} | ({"X-PARTNER-SIGN": signature} if signature is not None else {})
        answer = bank.call(1, "session/status", headers, body)
        assert answer.status == 401
        assert json.loads(answer.body)["error"]["code"] == "authentication_error"

    assert merchant.call("session/status", body, **merchant.signed(body + b" ")).code == "authentication_error"
    assert merchant.call("session/status", body, **merchant.signed(body)).status == 200


def test_another_project_is_refused_even_with_a_good_signature(merchant, paid):
    answer = merchant.call("session/status", {"session_id": paid()}, **{"X-PARTNER-PROJECT": "somebody_else"})

    assert (answer.status, answer.code) == (403, "authorization_error")


def test_header_names_are_taken_in_any_case(bank, merchant, paid):
    body = json.dumps({"session_id": paid()}).encode()
    headers = {name.title(): value for name, value in merchant.signed(body).items()}

    assert list(headers) == ["X-Partner-Project", "X-Partner-Sign"]
    assert bank.call(1, "session/status", headers, body).status == 200


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b'"ps_1"', b"null", b'{"session_id": NaN}', b"\xff", b"[" * 100_000 + b"]" * 100_000],
)
def test_a_body_that_is_no_json_object_is_a_bad_request(merchant, body):
    answer = merchant.call("session/status", body)

    assert (answer.status, answer.code) == (400, "bad_request")


@pytest.mark.parametrize("session_id", [None, "", 7, ["ps_1"]])
def test_a_session_id_is_needed(merchant, session_id):
    answer = merchant.call("session/status", {"session_id": session_id})

    assert (answer.status, answer.code) == (400, "validation_error")


def test_an_unknown_session_is_a_business_error(merchant):
    answer = merchant.call("session/status", {"session_id": "ps_1"})

    assert (answer.status, answer.code) == (200, "session_not_found")
    assert answer.data["status"] == "error"
    assert answer.data["error"]["description"]


def test_an_unknown_method_is_not_found(merchant):
    answer = merchant.call("session/destroy", {})

    assert (answer.status, answer.code) == (404, "unknown_method")


def test_unknown_fields_are_ignored(merchant, paid):
    session_id = paid()

    assert merchant.call("session/status", {"session_id": session_id, "novelty": [1]}).status == 200
