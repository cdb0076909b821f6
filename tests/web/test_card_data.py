"""Card numbers in whatever the bank may send, by every way in: four digits of them are left, wherever one looks."""

import copy
import json
import logging
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dashboard.bank131.allowlist import without_card_numbers
from dashboard.bank131.card_numbers import passes_luhn
from dashboard.bank131.objects import parse_webhook
from tests.bench.databases import on_sqlite
from tests.bench.refund_desk import RefundDesk, order
from tests.bench.wire import (
    REFUND,
    STATUS,
    Json,
    answered,
    bad_gateway,
    cut_short,
    edited,
    error,
    lose_answer,
    refuse_connection,
)
from tests.web.browser import Browser
from tests.web.conftest import Auth
from tests.web.tables import dump

NUMBERS = {
    "visa": "4242424242424242",
    "visa, short": "4222222222222",
    "mastercard": "5555555555554444",
    "mir": "2200770212727079",
    "maestro, long": "6304000000000000000",
    "amex": "378282246310005",
    "unionpay": "6200000000000005",
    "diners": "36227206271667",
    "jcb": "3566002020360505",
}
ALL = list(NUMBERS.values())
# What joins the groups of a number for the eye.
_JOINS = re.compile(
    "[\\s\u00a0\u00ad\u034f\u200b-\u200f\u2010-\u2015\u2060\ufeff\ufffd-]|\\\\u00a0|\\\\u2011|\\\\u200b"
)
# By these money is decided and rows are found; the bank's own never are card numbers.
KEPT = {"id", "status", "currency", "amount", "created_at", "updated_at", "finished_at", "is_chargeback", "type"}

Post = Callable[[bytes], int]


def spelt(number: str) -> Iterator[str]:
    groups = [number[at : at + 4] for at in range(0, len(number), 4)]
    yield from (number, " ".join(groups), "-".join(groups), "\u00a0".join(groups), "\u2011".join(groups))
    yield from (f"pan={number};exp=12/29;cvc=123", f"card{number}x", "\u200b".join(groups))


# Each number in one spelling, each spelling with some number.
SPELT = [list(spelt(number))[at % 8] for at, number in enumerate(ALL)]


def planted(value: Any, spelling: str, name: str = "") -> Any:
    """The JSON with this text in every string that is free to hold one, and with fields and names of its own."""
    if isinstance(value, dict):
        more = {
            "pan": spelling,
            spelling: "a name",
            "number": min(map(int, traces_in(spelling))),
            "nested": [{"deep": [spelling]}],
            "metadata": {"note": spelling, spelling: 1, "json": json.dumps({"card": spelling}), "list": [spelling]},
            "error": {"code": spelling, "description": f"card {spelling} is blocked"},
            "customer": {"reference": spelling, "contacts": [{"phone": spelling}]},
            "payment_details": {
                "type": "card",
                "card": {"brand": spelling, "last4": spelling, "bin": spelling, "number": spelling},
            },
            "transaction_info": {"rrn": spelling, "arn": spelling, "auth_code": spelling, "fp_message_id": spelling},
            "next_action": spelling,
            "card": {"number": spelling},
        }
        return {**{key: planted(item, spelling, key) for key, item in value.items()}, **more}
    if isinstance(value, list):
        return [planted(item, spelling, name) for item in value]
    return spelling if isinstance(value, str) and name not in KEPT else value


def plant(spelling: str) -> Callable[[Json], None]:
    """For an answer on its way."""

    def change(session: Json) -> None:
        whole = planted(session, spelling)
        session.clear()
        session.update(whole)

    return change


def misplaced(spelling: str) -> Callable[[Json], None]:
    """A card number where something of another kind has to stand, so that nothing can be read."""

    def change(session: Json) -> None:
        payment = session["acquiring_payments"][0]
        for name in ("status", "amount_details", "created_at", "is_chargeback"):
            broken = {**copy.deepcopy(payment), "id": f"pm_{name}", name: spelling}
            session["acquiring_payments"].append(broken)
            session["acquiring_payments"].append(
                {**payment, "id": f"pm_r_{name}", "refunds": [{**broken, "id": f"rf_{name}"}]}
            )
        session["acquiring_payments"].append({**payment, "id": f"pm {spelling}"})
        session["acquiring_payments"].append(
            {**payment, "id": "pm_c", "amount_details": {"amount": 1, "currency": spelling}}
        )

    return change


def traces_in(text: str) -> set[str]:
    """The card numbers that stand in a text, however they are spelt."""
    plain = _JOINS.sub("", text)
    return {number for number in ALL if number in plain or number in text}


@pytest.fixture
def post(client: Browser, sign: Callable[[bytes], str]) -> Post:
    def post(body: bytes) -> int:
        return client.ask("POST", "/webhooks/bank131", data=body, headers={"X-PARTNER-SIGN": sign(body)}).status

    return post


def where_it_stands(refund_desk: RefundDesk, browser: Browser, log: str, session_ids: list[str]) -> dict[str, set[str]]:
    """By place: every table, the files of the database, all pages, the log."""
    found = {name: traces_in(repr(rows)) for name, rows in dump(refund_desk.desk).items()}
    # Bytes are shown with escapes there; what stands in them is looked at as it is.
    found["webhook bodies"] = {
        number
        for row in dump(refund_desk.desk)["webhook_deliveries"]
        for number in traces_in(row[2].decode(errors="replace"))
    }
    if refund_desk.desk.engine.dialect.name == "sqlite":
        file = Path(str(refund_desk.desk.engine.url.database))
        for each in file.parent.glob(f"{file.name}*"):
            found[each.name] = traces_in(each.read_bytes().decode(errors="replace"))
    references = [refund.reference for session_id in session_ids for refund in refund_desk.refunds(session_id)]
    paths = ["/", "/sessions/", "/refunds/", "/refunds/rows?since=0", "/review/", "/journal/", "/people/"]
    paths += [f"/sessions/{session_id}" for session_id in session_ids]
    paths += [f"/sessions/{session_id}/refund" for session_id in session_ids]
    paths += [
        address for reference in references for address in (f"/refunds/{reference}", f"/refunds/{reference}/review")
    ]
    for path in paths:
        answer = browser.get(path)
        found[path] = traces_in(f"{answer.text} {answer.response.headers}")
    found["log"] = traces_in(log)
    return {place: numbers for place, numbers in found.items() if numbers}


def test_the_numbers_are_card_numbers() -> None:
    assert all(passes_luhn(number) for number in ALL)
    assert traces_in(f"a 4242 4242\u00a04242\u20114242 b {ALL[2]}c") == {ALL[0], ALL[2]}


@on_sqlite
def test_none_of_an_answer_is_kept_shown_or_logged(
    auth: Auth, refund_desk: RefundDesk, caplog: pytest.LogCaptureFixture
) -> None:
    """Reads and sends, good and bad, with a number in everything that is free to hold one."""
    caplog.set_level(logging.DEBUG)
    admin, session_ids = auth.login("admin"), []
    for spelling in SPELT:
        session_ids.append(refund_desk.paid_session(100_00))
        refund_desk.wire.next(STATUS, edited(plant(spelling)))
        token = refund_desk.form(session_ids[-1])
        refund_desk.submit(session_ids[-1], token, order(10_00))
        refund_desk.wire.next(STATUS, edited(plant(spelling)))
        refund_desk.wire.next(REFUND, edited(plant(spelling)))
        refund_desk.run_for(10)
        refund_desk.wire.next(STATUS, edited(misplaced(spelling)))
        refund_desk.read(session_ids[-1])
    assert where_it_stands(refund_desk, admin, caplog.text, session_ids) == {}
    assert "•••• 4242" in admin.get(f"/sessions/{session_ids[0]}").text


@on_sqlite
def test_none_of_an_error_is_kept_shown_or_logged(
    auth: Auth, refund_desk: RefundDesk, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    admin, session_ids = auth.login("admin"), []
    pan = ALL[0]
    html = f"<html><body>502 for card {pan}</body></html>".encode()
    errors = (
        error(pan, description=f"card {pan} is blocked"),
        error("too_much", description=" ".join(re.findall("....", pan))),
        error(f"authentication_error {pan}", 401, pan),
        answered(502, html),
        answered(200, html),
        answered(200, json.dumps({"status": pan, "session": {"id": "ps_1", "status": pan}}).encode()),
        answered(200, json.dumps({"status": "ok", "session": {"id": f"ps {pan}", "status": "accepted"}}).encode()),
        answered(200, json.dumps({"status": "ok", pan: pan})[:-3].encode()),
        answered(200, f'{{"status": "ok", "{pan}": 1, "{pan}": 2}}'.encode()),
        bad_gateway,
        cut_short,
        lose_answer,
        refuse_connection,
    )
    for fault in errors:
        session_ids.append(refund_desk.paid_session(100_00))
        refund_desk.ask(session_ids[-1], 10_00)
        refund_desk.wire.next(REFUND, fault)
        refund_desk.run_for(6)
        refund_desk.wire.next(STATUS, fault)
        refund_desk.run_for(31)
        refund_desk.wire.next(STATUS, fault)
        assert admin.get(f"/sessions/{session_ids[-1]}").status == 200
        refund_desk.wire.forget_faults()
    assert where_it_stands(refund_desk, admin, caplog.text, session_ids) == {}


def test_none_of_a_webhook_is_kept_shown_or_logged(
    auth: Auth, refund_desk: RefundDesk, post: Post, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither in the table of raw bodies, of sessions known and unknown, readable and not, signed and not."""
    caplog.set_level(logging.DEBUG)
    admin, session_ids = auth.login("admin"), []
    for spelling in SPELT:
        session_id = refund_desk.paid_session(100_00)
        shown = json.loads(refund_desk.wire.webhook_now(session_id))
        unreadable = copy.deepcopy(shown)
        misplaced(spelling)(unreadable["session"])
        for body in (
            json.dumps(planted(shown, spelling)).encode(),
            json.dumps(planted(shown, spelling), ensure_ascii=False, indent=1).encode(),
            json.dumps(unreadable).encode(),
        ):
            assert post(body) == 200
        session_ids.append(session_id)
    pan = ALL[0]
    odd = (
        f'{{"type": "{pan}", "session": {{"id": "ps_1", "status": "accepted"}}}}'.encode(),
        f'{{"type": "payment_refunded", "session": "{pan}"}}'.encode(),
        f'{{"type": "payment_refunded", "session": {{"id": "card {pan}", "status": "{pan}"}}}}'.encode(),
        f"not JSON: {pan}".encode(),
        b"\xff\xfe " + " ".join(re.findall("....", pan)).encode(),
        f'{{"{pan}": 1, "{pan}": 2}}'.encode(),
        pan.encode(),
        f'["{pan}"]'.encode(),
    )
    for body in odd:
        assert post(body) == 200
    assert Browser(admin.client.application).ask("POST", "/webhooks/bank131", data=odd[0]).status == 401
    refund_desk.run_for(minutes=1)
    assert where_it_stands(refund_desk, admin, caplog.text, session_ids) == {}


REFUSAL = "CREATE TRIGGER poison BEFORE {what} BEGIN SELECT RAISE(ABORT, 'poison'); END"


@on_sqlite
@pytest.mark.parametrize(
    ("what", "status", "said"),
    [
        ("INSERT ON webhook_deliveries", 503, "a webhook could not be kept"),
        ("UPDATE OF customer_reference ON payment_sessions", 200, "is left to the worker"),
    ],
)
def test_a_webhook_that_cannot_be_kept_or_applied_says_nothing_of_it(
    refund_desk: RefundDesk, post: Post, caplog: pytest.LogCaptureFixture, what: str, status: int, said: str
) -> None:
    """The error that a database gives names, unless told otherwise, what was to be written."""
    caplog.set_level(logging.DEBUG)
    session_id = refund_desk.paid_session(100_00)
    secret = "a customer who is nobody's business"
    shown = json.loads(refund_desk.wire.webhook_now(session_id))
    shown["session"]["acquiring_payments"][0]["customer"] = {"reference": secret}
    with refund_desk.desk.write() as tx:
        tx.connection().exec_driver_sql(REFUSAL.format(what=what))
    assert post(json.dumps({**shown, "pan": ALL[0]}).encode()) == status
    assert said in caplog.text
    assert "poison" in caplog.text
    assert traces_in(caplog.text) == set()
    assert secret not in caplog.text


# What the table of raw bodies keeps


def test_a_body_without_a_card_number_is_kept_as_it_came(refund_desk: RefundDesk) -> None:
    body = refund_desk.wire.webhook_now(refund_desk.paid_session(100_00))
    for spelling in (body, b"\n " + body + b" ", b"no JSON", b"\xff\xfe", b"[]", b'{"a": 1, "a": 2}', b""):
        assert without_card_numbers(spelling) == spelling


@pytest.mark.parametrize("spelling", [*SPELT, *spelt(ALL[1])])
def test_what_is_masked_says_the_same_as_what_came(refund_desk: RefundDesk, spelling: str) -> None:
    refund_desk.ask_and_send(refund_desk.paid_session(100_00), 10_00)
    session_id = refund_desk.paid_session(100_00)
    refund_desk.ask_and_send(session_id, 10_00)
    shown = json.loads(refund_desk.wire.webhook_now(session_id))
    body = json.dumps(planted(shown, spelling)).encode()
    kept = without_card_numbers(body)
    assert traces_in(kept.decode()) == set()
    assert parse_webhook(kept) == parse_webhook(body)
    assert parse_webhook(kept).session is not None


def test_ids_and_amounts_that_look_like_card_numbers_decide_as_they_are(refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    refund_desk.ask_and_send(session_id, 10_00)
    shown = json.loads(refund_desk.wire.webhook_now(session_id))
    payment = shown["session"]["acquiring_payments"][0]
    shown["session"]["id"] = f"ps_{ALL[0]}"
    payment["id"], payment["amount_details"]["amount"] = f"pm_{ALL[2]}", int(ALL[1])
    payment["refunds"][0]["id"], payment["customer"] = ALL[3], {"reference": ALL[4]}
    body = json.dumps(shown).encode()
    assert without_card_numbers(body) != body
    assert parse_webhook(without_card_numbers(body)) == parse_webhook(body)
