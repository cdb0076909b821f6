"""Payment sessions, payments, refunds and webhooks, from the bank's JSON."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.bank131.objects import (
    PAYMENT_STATUSES,
    REFUND_STATUSES,
    SESSION_STATUSES,
    Amount,
    Payment,
    PaymentSession,
    Refund,
    UnreadableObject,
    Webhook,
    parse_session,
    parse_webhook,
)
from dashboard.money import MAX_AMOUNT_MINOR

Json = dict[str, Any]
Changed = Callable[..., Json]

REFERENCE = "5f0c7a31-93b4-4a44-8f27-3d8b1d1f2a10"


def at(hour: int, second: int = 0, *, day: int = 1) -> datetime:
    return datetime(2026, 3, day, hour, 0, second, tzinfo=UTC)


def the_refund(session: PaymentSession) -> Refund:
    [(_, refund)] = session.refunds
    return refund


def test_the_documented_example(session_json: Json) -> None:
    refund = Refund(
        id="rf_301",
        status="in_progress",
        created_at=at(12, day=4),
        finished_at=None,
        amount=Amount(1050, "rub"),
        metadata={"reference": REFERENCE},
        is_chargeback=False,
        rrn=None,
    )
    payment = Payment(
        id="pm_9001",
        status="succeeded",
        created_at=at(9),
        finished_at=at(9, 4),
        amount=Amount(100050, "rub"),
        customer_reference="client-17",
        method="card",
        card_brand="visa",
        card_last4="4242",
        rrn="123456789012",
        arn="24011346294000100000001",
        auth_code="A1B2C3",
        metadata="order 55",
        refunds=(refund,),
    )
    session = parse_session(session_json)
    assert session == PaymentSession(
        id="ps_7001",
        status="in_progress",
        created_at=at(9),
        updated_at=at(9),
        finished_at=None,
        payments=(payment,),
        next_action=None,
        error_code=None,
        error_description=None,
        unreadable=(),
        named=frozenset({"pm_9001", "rf_301"}),
    )
    assert session.refunds == ((payment, refund),)


def test_names_of_version_two(session_json: Json) -> None:
    expected = parse_session(session_json)
    session_json["payment_list"] = session_json.pop("acquiring_payments")
    assert parse_session(session_json) == expected


def test_both_names_at_once(session_json: Json) -> None:
    expected = parse_session(session_json)
    session_json["payment_list"] = session_json["acquiring_payments"]
    assert parse_session(session_json) == expected
    session_json["payment_list"] = [session_json["acquiring_payments"][0] | {"id": "pm_9002", "refunds": []}]
    assert [payment.id for payment in parse_session(session_json).payments] == ["pm_9001", "pm_9002"]


def test_payouts_and_unknown_fields_are_ignored(session_json: Json) -> None:
    expected = parse_session(session_json)
    payout = {"id": "po_1", "status": "succeeded", "refunds": [{"id": "rf_9", "status": "accepted"}]}
    session_json |= {"payments": [payout], "payout_list": [payout], "new_field": {"a": 1}}
    session_json["acquiring_payments"][0]["new_field"] = [1]
    session_json["acquiring_payments"][0]["refunds"][0]["new_field"] = None
    assert parse_session(session_json) == expected


def test_a_session_just_created() -> None:
    session = parse_session({"id": "ps_1", "status": "created"})
    assert (session.payments, session.refunds, session.unreadable) == ((), (), ())


def test_what_the_session_says_besides() -> None:
    error = {"code": "3DS_error", "description": "not\nconfirmed 4242424242424242"}
    session = parse_session({"id": "ps_1", "status": "error", "next_action": "capture", "error": error})
    assert session.next_action == "capture"
    assert (session.error_code, session.error_description) == ("3DS_error", "not confirmed •••• 4242")


@pytest.mark.parametrize("status", sorted(SESSION_STATUSES))
def test_documented_session_statuses(session_json: Json, status: str) -> None:
    assert parse_session(session_json | {"status": status}).status == status


@pytest.mark.parametrize("status", sorted(PAYMENT_STATUSES))
def test_documented_payment_statuses(with_payment: Changed, status: str) -> None:
    assert parse_session(with_payment(status=status)).payments[0].status == status


@pytest.mark.parametrize("status", sorted(REFUND_STATUSES))
def test_documented_refund_statuses(with_refund: Changed, status: str) -> None:
    assert the_refund(parse_session(with_refund(status=status))).status == status


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (None, "not a JSON object"),
        ([], "not a JSON object"),
        ("ps_1", "not a JSON object"),
        ({"status": "created"}, "no usable id: missing"),
        ({"id": "", "status": "created"}, "no usable id"),
        ({"id": 7001, "status": "created"}, "no usable id: 7001"),
        ({"id": "ps 1", "status": "created"}, "no usable id"),
        ({"id": "ps_é", "status": "created"}, "no usable id"),
        ({"id": "ps_1\n", "status": "created"}, "no usable id"),
        ({"id": "p" * 101, "status": "created"}, "no usable id"),
        ({"id": "ps_1"}, "unknown status: missing"),
        ({"id": "ps_1", "status": "paid"}, "unknown status: 'paid'"),
        ({"id": "ps_1", "status": "CREATED"}, "unknown status"),
        ({"id": "ps_1", "status": ["created"]}, "unknown status"),
        ({"id": "ps_1", "status": {}}, "unknown status"),
    ],
)
def test_a_session_that_cannot_be_read(data: object, reason: str) -> None:
    with pytest.raises(UnreadableObject, match=reason):
        parse_session(data)


UNREADABLE_AMOUNTS: list[object] = [
    None,
    {},
    [],
    1050,
    {"amount": 1050},
    {"currency": "rub"},
    {"amount": 10.0, "currency": "rub"},
    {"amount": "1050", "currency": "rub"},
    {"amount": True, "currency": "rub"},
    {"amount": 0, "currency": "rub"},
    {"amount": -1, "currency": "rub"},
    {"amount": MAX_AMOUNT_MINOR + 1, "currency": "rub"},
    {"amount": 1050, "currency": ""},
    {"amount": 1050, "currency": "₽₽₽"},
    {"amount": 1050, "currency": 643},
]


@pytest.mark.parametrize("amount_details", UNREADABLE_AMOUNTS)
def test_an_amount_that_cannot_be_read_is_named(
    with_refund: Changed, with_payment: Changed, amount_details: object
) -> None:
    session = parse_session(with_refund(amount_details=amount_details))
    assert session.refunds == ()
    [line] = session.unreadable
    assert line.startswith("refund rf_301: ")
    session = parse_session(with_payment(amount_details=amount_details))
    assert session.payments == ()
    assert session.unreadable[-1].startswith("payment pm_9001: ")


@pytest.mark.parametrize("currency", ["rub", "RUB", "Rub"])
def test_currencies_are_one_whatever_their_case(with_refund: Changed, currency: str) -> None:
    session = parse_session(with_refund(amount_details={"amount": 1, "currency": currency}))
    assert the_refund(session).amount == Amount(1, "rub")


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"status": "reversed"}, "refund rf_301: unknown status: 'reversed'"),
        ({"status": None}, "refund rf_301: unknown status: missing"),
        ({"status": "x" * 500}, "refund rf_301: unknown status: '" + "x" * 59),
        ({"id": None}, "refund without id: no usable id: missing"),
        ({"id": "4242 4242 4242 4242"}, "refund without id: no usable id: '•••• 4242'"),
        ({"is_chargeback": "true"}, "refund rf_301: is_chargeback is neither true nor false: 'true'"),
        ({"is_chargeback": 1}, "refund rf_301: is_chargeback is neither true nor false: 1"),
    ],
)
def test_a_refund_that_cannot_be_read_is_named(with_refund: Changed, change: Json, line: str) -> None:
    session = parse_session(with_refund(**change))
    assert session.refunds == ()
    assert session.unreadable == (line,)
    assert [payment.id for payment in session.payments] == ["pm_9001"]


def test_an_unreadable_payment_is_named_and_the_others_are_read(session_json: Json) -> None:
    good = session_json["acquiring_payments"][0]
    session_json["acquiring_payments"] = [None, good | {"id": "pm_1", "status": "authorized"}, good]
    session = parse_session(session_json)
    assert [payment.id for payment in session.payments] == ["pm_9001"]
    assert session.unreadable == (
        "payment without id: the payment is not a JSON object",
        "payment pm_1: unknown status: 'authorized'",
    )


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"status": "reversed"}, {"pm_9001", "rf_301"}),
        ({"id": None}, {"rf_301"}),
        ({"refunds": [{"id": "rf_1"}, {"id": 7}, None, {}]}, {"pm_9001", "rf_1"}),
        ({"refunds": {"id": "rf_1"}}, {"pm_9001"}),
    ],
)
def test_ids_are_kept_of_what_cannot_be_read_too(with_payment: Changed, change: Json, named: set[str]) -> None:
    assert parse_session(with_payment(**change)).named == named


def test_ids_of_version_two_are_kept_too() -> None:
    session = parse_session({"id": "ps_1", "status": "created", "payment_list": [{"id": "pm_1"}, "pm_2"]})
    assert session.named == {"pm_1"}


@pytest.mark.parametrize("odd", [{}, "none", 0, False, {"0": {}}])
def test_a_list_that_is_no_list_is_named(session_json: Json, with_payment: Changed, odd: object) -> None:
    assert parse_session(with_payment(refunds=odd)).unreadable == ("refunds: not a list",)
    assert parse_session(session_json | {"acquiring_payments": odd}).unreadable == ("acquiring_payments: not a list",)
    assert parse_session({"id": "ps_1", "status": "created", "payment_list": odd}).unreadable == (
        "payment_list: not a list",
    )


def test_a_list_that_is_null_is_empty(session_json: Json) -> None:
    session_json["acquiring_payments"][0]["refunds"] = None
    session = parse_session(session_json)
    assert (session.refunds, session.unreadable) == ((), ())


def test_identical_twins_are_one(session_json: Json) -> None:
    expected = parse_session(session_json)
    payment = session_json["acquiring_payments"][0]
    payment["refunds"] = payment["refunds"] * 2
    session_json["acquiring_payments"] = [payment, payment]
    assert parse_session(session_json) == expected


def test_refunds_with_one_id_that_differ_are_not_believed(session_json: Json) -> None:
    payment = session_json["acquiring_payments"][0]
    [refund] = payment["refunds"]
    payment["refunds"] = [refund, refund | {"status": "declined"}, refund | {"id": "rf_302"}]
    session = parse_session(session_json)
    assert the_refund(session).id == "rf_302"
    assert session.unreadable == ("refund rf_301: comes more than once with different content",)


def test_payments_with_one_id_that_differ_are_not_believed(session_json: Json) -> None:
    payment = session_json["acquiring_payments"][0]
    session_json["payment_list"] = [payment | {"status": "failed"}]
    session = parse_session(session_json)
    assert session.payments == ()
    assert session.unreadable == ("payment pm_9001: comes more than once with different content",)


def test_a_refund_under_two_payments_is_not_believed(session_json: Json) -> None:
    payment = session_json["acquiring_payments"][0]
    session_json["acquiring_payments"].append(payment | {"id": "pm_9002"})
    session = parse_session(session_json)
    assert [payment.id for payment in session.payments] == ["pm_9001", "pm_9002"]
    assert session.refunds == ()
    assert session.unreadable == ("refund rf_301: stands under more than one payment",)


def test_a_chargeback(with_refund: Changed) -> None:
    session = parse_session(with_refund(is_chargeback=True, metadata=None))
    assert the_refund(session).is_chargeback is True
    assert the_refund(session).reference is None


@pytest.mark.parametrize(
    ("metadata", "reference"),
    [
        ({"reference": REFERENCE}, REFERENCE),
        ({"reference": REFERENCE, "more": [1]}, REFERENCE),
        ({"reference": REFERENCE.upper()}, REFERENCE),
        (json.dumps({"reference": REFERENCE}), REFERENCE),
        (f' {{"reference" : "{REFERENCE}"}} ', REFERENCE),
        ({"reference": "42424242-4242-4242-8242-424242424242"}, "42424242-4242-4242-8242-424242424242"),
        (None, None),
        ("order 55", None),
        (REFERENCE, None),
        (json.dumps(REFERENCE), None),
        (55, None),
        ([REFERENCE], None),
        ({"Reference": REFERENCE}, None),
        ({"reference": None}, None),
        ({"reference": 55}, None),
        ({"reference": "order 55"}, None),
        ({"reference": REFERENCE + "0"}, None),
        ({"reference": REFERENCE + "\n"}, None),
        ({"reference": REFERENCE.replace("-", "")}, None),
        ({"reference": {"reference": REFERENCE}}, None),
        (f'{{"reference": "{REFERENCE}", "reference": "{REFERENCE}"}}', None),
        ("[" * 100_000, None),
        ('{"reference": NaN}', None),
    ],
)
def test_the_reference_of_a_refund(with_refund: Changed, metadata: object, reference: str | None) -> None:
    assert the_refund(parse_session(with_refund(metadata=metadata))).reference == reference


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2018-05-27T02:03:00.000000Z", datetime(2018, 5, 27, 2, 3, tzinfo=UTC)),
        ("2018-05-27T02:03:00.123456Z", datetime(2018, 5, 27, 2, 3, 0, 123456, tzinfo=UTC)),
        ("2018-05-27T05:03:00+03:00", datetime(2018, 5, 27, 2, 3, tzinfo=UTC)),
        ("2018-05-27T02:03:00", None),
        ("2018-05-27", None),
        ("27.05.2018 02:03:00", None),
        ("0001-01-01T00:00:00+23:59", None),
        ("0001-01-01T00:00:00Z", None),
        ("1999-12-31T23:59:59.999999Z", None),
        ("2000-01-01T00:00:00Z", datetime(2000, 1, 1, tzinfo=UTC)),
        ("2100-01-01T02:59:59+03:00", datetime(2099, 12, 31, 23, 59, 59, tzinfo=UTC)),
        ("2100-01-01T00:00:00Z", None),
        ("9999-12-31T23:59:59.000000Z", None),
        ("\ud800", None),
        ("", None),
        (1527386580, None),
        ({}, None),
        (None, None),
    ],
)
def test_times(with_refund: Changed, text: object, time: datetime | None) -> None:
    refund = the_refund(parse_session(with_refund(created_at=text, finished_at=text)))
    assert (refund.created_at, refund.finished_at) == (time, time)
    for found in (refund.created_at, refund.finished_at):
        assert found is None or found.tzinfo is UTC


@pytest.mark.parametrize(
    ("details", "method", "brand", "last4"),
    [
        ({"type": "card", "card": {"brand": "mir", "last4": "4242"}}, "card", "mir", "4242"),
        ({"type": "card", "card": {"last4": "4242424242424242"}}, "card", None, "4242"),
        ({"type": "secured_card", "secured_card": {"brand": "mir", "last4": 42}}, "secured_card", "mir", "42"),
        ({"type": "recurrent", "recurrent": {"token": "t"}}, "recurrent", None, None),
        ({"type": "faster_payment_system", "faster_payment_system": {}}, "faster_payment_system", None, None),
        ({"type": "internet_banking", "internet_banking": "x"}, "internet_banking", None, None),
        ({"type": 7, "card": []}, "7", None, None),
        ({}, None, None, None),
        ("card", None, None, None),
        (None, None, None, None),
    ],
)
def test_ways_of_paying(
    with_payment: Changed, details: object, method: str | None, brand: str | None, last4: str | None
) -> None:
    [payment] = parse_session(with_payment(payment_details=details)).payments
    assert (payment.method, payment.card_brand, payment.card_last4) == (method, brand, last4)


def test_text_for_people_is_one_short_line_without_card_numbers(with_payment: Changed) -> None:
    traces = {"rrn": 123456789012, "arn": "", "auth_code": ["x"]}
    customer = {"reference": "a\nb\t\x1b\u202e4242 4242 4242 4242 " + "x" * 300}
    metadata = {"pan": "4242424242424242"}
    session = with_payment(transaction_info=traces, customer=customer, metadata=metadata)
    [payment] = parse_session(session).payments
    assert payment.customer_reference == ("a b \ufffd\ufffd•••• 4242 " + "x" * 300)[:254] + "…"
    assert (payment.rrn, payment.arn, payment.auth_code) == ("123456789012", None, None)
    assert payment.metadata == {"pan": "•••• 4242"}


@pytest.mark.parametrize("odd", ["text", 7, [], True])
def test_parts_of_another_shape_are_as_good_as_missing(with_payment: Changed, odd: object) -> None:
    [payment] = parse_session(with_payment(customer=odd, transaction_info=odd, payment_details=odd)).payments
    assert payment.customer_reference is payment.rrn is payment.method is None


def webhook_body(kind: object, session: object) -> bytes:
    return json.dumps({"type": kind, "session": session}).encode()


@pytest.mark.parametrize("kind", ["payment_refunded", "payment_finished", "something_new"])
def test_a_webhook(session_json: Json, kind: str) -> None:
    webhook = parse_webhook(webhook_body(kind, session_json))
    assert webhook == Webhook(kind, parse_session(session_json), "ps_7001")


def test_a_webhook_whose_session_cannot_be_read_still_names_it(session_json: Json) -> None:
    webhook = parse_webhook(webhook_body("payment_refunded", session_json | {"status": "paid"}))
    assert (webhook.session, webhook.session_id) == (None, "ps_7001")
    assert webhook.problem == "unknown status: 'paid'"


@pytest.mark.parametrize("session", [None, "ps_7001", [], {}, {"id": 7}])
def test_a_webhook_without_a_session(session: object) -> None:
    webhook = parse_webhook(webhook_body("payment_refunded", session))
    assert (webhook.session, webhook.session_id) == (None, None)
    assert webhook.problem


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "not JSON"),
        (b"\xff", "not UTF-8"),
        (b"[]", "not a JSON object"),
        (b"{}", "no type"),
        (webhook_body(None, {}), "no type"),
        (webhook_body("", {}), "no type"),
        (webhook_body(" ", {}), "no type"),
        (webhook_body(["payment_refunded"], {}), "no type"),
    ],
)
def test_what_is_no_webhook(body: bytes, reason: str) -> None:
    with pytest.raises(UnreadableObject, match=reason):
        parse_webhook(body)


NAMES = [
    "id", "status", "created_at", "acquiring_payments", "payment_list", "refunds", "amount_details", "amount",
    "currency", "metadata", "reference", "is_chargeback", "customer", "payment_details", "type", "card", "last4",
    "transaction_info", "error", "session",
]  # fmt: skip
leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["in_progress", "accepted", "succeeded", "ps_1", "rub", '{"reference": 1}', "2026-03-01T09Z"])
)
json_values = st.recursive(
    leaves,
    lambda values: st.lists(values, max_size=3) | st.dictionaries(st.sampled_from(NAMES), values, max_size=8),
    max_leaves=25,
)


def parsed_or_refused(parse: Callable[[Any], object], value: object) -> object:
    try:
        return parse(value)
    except UnreadableObject as refused:
        return str(refused)


@given(json_values)
def test_any_json_value_is_a_session_or_refused(value: object) -> None:
    assert parsed_or_refused(parse_session, value)


@given(st.binary(max_size=50) | json_values.map(json.dumps).map(str.encode))
def test_any_body_is_a_webhook_or_refused(body: bytes) -> None:
    assert parsed_or_refused(parse_webhook, body)


@given(st.lists(json_values, max_size=4), st.sampled_from(["acquiring_payments", "payment_list"]))
def test_every_payment_of_a_list_is_read_or_named(values: list[object], name: str) -> None:
    items = [value | {"id": f"pm_{n}"} if isinstance(value, dict) else value for n, value in enumerate(values)]
    session = parse_session({"id": "ps_1", "status": "in_progress", name: items})
    named = [line for line in session.unreadable if line.startswith("payment ")]
    assert len(session.payments) + len(named) == len(items)


@given(st.lists(json_values, max_size=4))
def test_every_refund_of_a_list_is_read_or_named(values: list[object]) -> None:
    amount = {"amount_details": {"amount": 1, "currency": "rub"}}
    items = [
        {"status": "accepted", **amount, **value, "id": f"rf_{n}"} if isinstance(value, dict) else value
        for n, value in enumerate(values)
    ]
    payment = {"id": "pm_1", "status": "succeeded", **amount, "refunds": items}
    session = parse_session({"id": "ps_1", "status": "in_progress", "payment_list": [payment]})
    assert len(session.refunds) + len(session.unreadable) == len(items)
