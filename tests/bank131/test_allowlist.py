"""What may be kept of the bank's JSON."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.bank131.allowlist import MAX_DEPTH, allowlisted, last_four, masked
from dashboard.bank131.card_numbers import passes_luhn

Json = dict[str, Any]

DOCUMENTED_NAMES = [
    "id", "status", "type", "session", "acquiring_payments", "payment_list", "refunds", "metadata", "error",
    "code", "description", "customer", "reference", "payment_details", "card", "brand", "last4", "amounts",
    "amount_details", "amount", "currency", "transaction_info", "rrn", "is_chargeback",
]  # fmt: skip

card_like_text = st.text("0123456789 -x", max_size=40) | st.text(max_size=10)
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.sampled_from([4242424242424242, -378282246310005, 4222222222222.0, 10**3000])
    | st.floats()
    | card_like_text,
    lambda values: (
        st.lists(values, max_size=3)
        | st.dictionaries(st.sampled_from(DOCUMENTED_NAMES) | card_like_text, values, max_size=5)
    ),
    max_leaves=15,
)


def test_the_documented_example_loses_its_personal_data_and_nothing_else(session_json: Json) -> None:
    expected = json.loads(json.dumps(session_json))
    payment = expected["acquiring_payments"][0]
    del payment["customer"]["contacts"]
    payment["payment_details"]["card"] = {"brand": "visa", "last4": "4242"}
    assert allowlisted(session_json) == expected


def test_names_of_version_two(session_json: Json) -> None:
    session_json["payment_list"] = session_json.pop("acquiring_payments")
    kept: Any = allowlisted(session_json)
    assert kept["payment_list"][0]["refunds"][0]["id"] == "rf_301"


def test_an_answer_and_a_webhook_are_kept_with_their_frame(session_json: Json) -> None:
    session = allowlisted(session_json)
    assert allowlisted({"status": "ok", "session": session_json}) == {"status": "ok", "session": session}
    webhook = {"type": "payment_refunded", "session": session_json, "sent_from": "host-7"}
    assert allowlisted(webhook) == {"type": "payment_refunded", "session": session}
    error = {"status": "error", "error": {"code": "authentication_error", "description": "no", "trace": "x"}}
    assert allowlisted(error) == {
        "status": "error",
        "error": {"code": "authentication_error", "description": "no"},
    }


def test_unknown_fields_and_payouts_are_left_out(session_json: Json) -> None:
    expected = allowlisted(session_json)
    session_json |= {"payments": [{"id": "po_1"}], "payout_list": [{"id": "po_2"}], "risk": {"score": 5}}
    session_json["acquiring_payments"][0] |= {"ip": "203.0.113.7", "payment_metadata": "x"}
    session_json["acquiring_payments"][0]["refunds"][0]["operator"] = "somebody"
    session_json["acquiring_payments"][0]["payment_details"]["faster_payment_system"] = {"phone": "79161234567"}
    assert allowlisted(session_json) == expected


@pytest.mark.parametrize("odd", ["text", 7, [["nested"]], {"surname": "Smith"}, True])
def test_personal_data_cannot_hide_in_a_field_of_another_shape(with_payment: Callable[..., Json], odd: object) -> None:
    kept: Any = allowlisted(with_payment(customer=odd, payment_details=odd, id=[odd], error=odd, refunds=odd))
    payment = kept["acquiring_payments"][0]
    assert payment["id"] is None
    assert payment["customer"] in (None, {})
    assert payment["payment_details"] in (None, {})
    assert payment["error"] in (None, {})
    assert payment["refunds"] in (None, [None])


def test_card_numbers_are_masked_wherever_they_stand(with_refund: Callable[..., Json]) -> None:
    kept: Any = allowlisted(
        with_refund(
            id="rf_4242424242424242",
            metadata={
                "4242 4242 4242 4242": [4242424242424242, -4242424242424242, 4242424242424242.0],
                "note": {"deep": ["paid with 4242-4242-4242-4242"]},
                "order": 424242,
            },
        )
    )
    refund = kept["acquiring_payments"][0]["refunds"][0]
    assert refund["id"] == "rf_•••• 4242"
    assert refund["metadata"] == {
        "•••• 4242": ["•••• 4242", "-•••• 4242", "•••• 4242.0"],
        "note": {"deep": ["paid with •••• 4242"]},
        "order": 424242,
    }


@pytest.mark.parametrize(
    ("given_value", "kept"),
    [
        ("4242", "4242"),
        ("4242424242424242", "4242"),
        ("*** 4242", "4242"),
        ("424242******4242", "4242"),
        ("4242 4242 4242 4242", "4242"),
        ("4222-2222-2222-2", "2222"),
        ("4242 exp=1229 cvc=0123", None),
        ("cvc 123", None),
        (4242, "4242"),
        ("42", "42"),
        (None, None),
        (True, None),
        (["4242"], None),
    ],
)
def test_the_last_four_are_never_more_than_four(
    with_payment: Callable[..., Json], given_value: object, kept: str | None
) -> None:
    session = with_payment(payment_details={"type": "card", "card": {"last4": given_value}})
    shown: Any = allowlisted(session)
    assert shown["acquiring_payments"][0]["payment_details"]["card"]["last4"] == kept
    assert last_four(given_value) == kept


def test_what_is_nested_too_deeply_is_cut_off() -> None:
    deep: object = "bottom"
    for _ in range(5000):
        deep = [deep]
    text = json.dumps(masked(deep))
    assert "bottom" not in text
    assert text.count("[") == MAX_DEPTH


@pytest.mark.parametrize("data", [None, 7, "text", [], [{"id": "ps_1"}]])
def test_nothing_is_kept_of_what_is_no_object(data: object) -> None:
    assert allowlisted(data) == {}


@given(json_values)
def test_no_card_number_comes_out(value: object) -> None:
    for kept in (allowlisted(value), allowlisted({"acquiring_payments": [{"metadata": value}]}), masked(value)):
        text = repr(kept)
        assert not any(passes_luhn(run) for run in re.findall(r"(?<!\d)\d{13,19}(?!\d)", text))


@given(json_values)
def test_what_comes_out_is_json_and_stays_as_it_is(value: object) -> None:
    kept = allowlisted(value)
    assert allowlisted(kept) == kept
    assert allowlisted({"metadata": value}) == {}
