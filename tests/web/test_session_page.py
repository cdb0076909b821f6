"""One payment session: fresh from the bank, or the last known state with a warning."""

import json
from datetime import UTC, datetime

import pytest
from sqlalchemy import update

from dashboard.models import Refund
from dashboard.sandbox import scenes
from tests.bench.databases import on_sqlite
from tests.bench.refund_desk import RefundDesk
from tests.bench.wire import (
    REFUND,
    STATUS,
    Json,
    bad_gateway,
    cut_short,
    edited,
    error,
    lose_answer,
    lose_request,
    refuse_connection,
)
from tests.web.browser import Browser
from tests.web.conftest import Auth
from tests.web.page import Element


def figures(page: Element) -> dict[str, str]:
    """Captured, refunded, on its way, can still be refunded."""
    cells = page.one(id="session-summary").all("div", _class="figure-cell")
    return {cell.one("dt").text: cell.one("dd").text for cell in cells}


# Fresh


def test_every_look_asks_the_bank(operator: Browser, refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(1_000_50)
    assert figures(operator.page(f"/sessions/{session_id}")) == {
        "Captured": "1,000.50 RUB",
        "Refunded": "0.00 RUB",
        "On its way": "0.00 RUB",
        "Can still be refunded": "1,000.50 RUB",
    }
    refund_desk.bank.refund_here(session_id, 300_00)
    assert figures(operator.page(f"/sessions/{session_id}"))["Can still be refunded"] == "700.50 RUB"
    assert [call.method for call in refund_desk.wire.calls] == [STATUS, STATUS]


def test_refunds_of_all_kinds_are_summed_up(operator: Browser, refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(1_000_00)
    refund_desk.ask_and_send(session_id, 100_00)
    refund_desk.run_for(minutes=5)
    refund_desk.bank.refund_here(session_id, 20_00)
    refund_desk.bank.charge_back(session_id, 5_00)
    refund_desk.ask(session_id, 40_00)
    refund_desk.cancel(refund_desk.ask(session_id, 3_00))
    page = operator.page(f"/sessions/{session_id}")
    assert figures(page) == {
        "Captured": "1,000.00 RUB",
        "Refunded": "125.00 RUB",
        "On its way": "40.00 RUB",
        "Can still be refunded": "835.00 RUB",
    }
    assert sorted(row["data-status"] for row in page.rows) == [
        "accepted",
        "accepted",
        "accepted",
        "cancelled",
        "queued",
    ]
    assert sorted(row.all("td")[-1].text for row in page.rows) == [
        "At the bank",
        "Chargeback",
        "operator@desk.test",
        "operator@desk.test",
        "operator@desk.test",
    ]
    assert page.one("a", href=f"/refunds/?session={session_id}")


@on_sqlite
def test_payments_are_shown_with_what_traces_them(operator: Browser, refund_desk: RefundDesk) -> None:
    scene = scenes.Scene(1, "client-17", 100_000, metadata={"order": "1009"}, second_amount_minor=250_000)
    session_id = scenes.add_scene(refund_desk.bank, scene).id
    page = operator.page(f"/sessions/{session_id}")
    assert page.one(id="payments-title").text == "Payments"
    for payment in refund_desk.bank_payments(session_id):
        text = page.one("main").text
        for words in (payment.id, payment.rrn, payment.arn, payment.auth_code):
            assert words is not None
            assert words in text
    assert '{"order": "1009"}' in page.one("main").text
    assert "client-17" in page.one("main").text
    assert figures(page)["Captured"] == "3,500.00 RUB"
    assert figures(page)["Can still be refunded"] == "2,500.00 RUB", "one refund takes from one payment"


@on_sqlite
@pytest.mark.parametrize(
    ("currency", "amount_minor", "shown"),
    [("rub", 1_050, "10.50 RUB"), ("jpy", 18_000, "18,000 JPY"), ("tonc", 350_000_000, "350,000,000 TONC")],
)
def test_amounts_have_the_decimals_of_their_currency(
    operator: Browser, refund_desk: RefundDesk, currency: str, amount_minor: int, shown: str
) -> None:
    session_id = refund_desk.paid_session(amount_minor, currency=currency)
    assert figures(operator.page(f"/sessions/{session_id}"))["Captured"] == shown


@on_sqlite
@pytest.mark.parametrize(
    ("details", "words"),
    [
        (scenes.card("mir", "7703", "220070"), "Mir ··7703"),
        (scenes.fast_payment("44"), "Faster payment"),
        ({"type": "internet_banking", "internet_banking": {}}, "Internet banking"),
        (scenes.wallet("yoomoney", "4100***8712"), "Wallet"),
        ({"type": "recurrent", "recurrent": {"initiator": "merchant"}}, "Recurring card"),
    ],
)
def test_what_was_paid_with_is_said_in_words(
    operator: Browser, refund_desk: RefundDesk, details: Json, words: str
) -> None:
    session_id = scenes.add_scene(refund_desk.bank, scenes.Scene(1, "client-1", 100, details=details)).id
    assert words in operator.page(f"/sessions/{session_id}").one("main").text


@on_sqlite
def test_the_banks_fields_are_there_folded_away(operator: Browser, refund_desk: RefundDesk) -> None:
    scene = scenes.Scene(1, "client-17", 100_000, email="client17@example.org")
    session_id = scenes.add_scene(refund_desk.bank, scene).id
    fold = next(
        one for one in operator.page(f"/sessions/{session_id}").all("details") if "As the bank sent it" in one.text
    )
    assert fold.get("open") is None
    fields = json.loads("".join(fold.one("pre")._texts()))
    assert fields["id"] == session_id
    payment = fields["acquiring_payments"][0]
    assert payment["payment_details"] == {"type": "card", "card": {"brand": "visa", "last4": "4242"}}
    assert payment["customer"] == {"reference": "client-17"}, "no contacts"


# May it be refunded?


def refund_link(page: Element, session_id: str) -> list[Element]:
    return page.all("a", href=f"/sessions/{session_id}/refund")


@on_sqlite
def test_an_operator_is_offered_a_refund_and_a_viewer_is_not(
    operator: Browser, viewer: Browser, refund_desk: RefundDesk
) -> None:
    session_id = refund_desk.paid_session(100_00)
    assert refund_link(operator.page(f"/sessions/{session_id}"), session_id)
    page = viewer.page(f"/sessions/{session_id}")
    assert not refund_link(page, session_id)
    assert page.notices == []


def test_why_it_cannot_be_refunded_is_said(operator: Browser, refund_desk: RefundDesk) -> None:
    unknown = refund_desk.paid_session(100_00)
    refund_desk.wire.next(REFUND, lose_request)
    refund_desk.ask_and_send(unknown, 10_00)
    everything = refund_desk.paid_session(100_00)
    refund_desk.ask(everything)
    unpaid = refund_desk.paid_session()
    refund_desk.bank_payments(unpaid)[0].status = "failed"
    mixed = refund_desk.paid_session(100_00, 100_00)
    refund_desk.bank_payments(mixed)[1].currency = "usd"
    for session_id, sentence in (
        (everything, "Nothing is left to refund: all of it was given back or is on its way."),
        (unpaid, "Nothing was paid in this session, so nothing can be refunded."),
        (unknown, "The outcome of an earlier refund is not known yet."),
        (mixed, "Its payments cannot be refunded from here: ask the bank."),
    ):
        page = operator.page(f"/sessions/{session_id}")
        assert sentence in page.notices[0]
        assert not refund_link(page, session_id)


# The bank cannot be asked


def test_the_last_known_state_is_shown_with_a_warning(operator: Browser, refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    operator.page(f"/sessions/{session_id}")
    refund_desk.bank.refund_here(session_id, 30_00)
    refund_desk.clock.advance(minutes=5)
    for fault in (refuse_connection, lose_answer, bad_gateway, cut_short, error("x", 500)):
        refund_desk.wire.next(STATUS, fault)
        page = operator.page(f"/sessions/{session_id}")
        (notice,) = page.notices
        assert notice == (
            "The bank could not be asked just now "
            "Shown is the state it was in at 1 Mar 09:00:00. Refunds are not affected, but this page may be behind. "
            "Reload it in a minute."
        )
        assert figures(page)["Can still be refunded"] == "100.00 RUB"
        assert not refund_link(page, session_id), "it would be refused"
    assert operator.page(f"/sessions/{session_id}").notices == [], "the next look is fresh again"


@on_sqlite
def test_what_another_bank_shows_under_its_number_is_not_taken_for_the_session(
    operator: Browser, refund_desk: RefundDesk
) -> None:
    session_id = refund_desk.paid_session(100_00)
    refund_desk.ask_and_send(session_id, 10_00)
    with refund_desk.desk.write() as tx:
        tx.execute(update(Refund).values(project="another_project"))
    refund_desk.wire.echo = "nothing"
    refund_desk.clock.advance(minutes=5)
    page = operator.page(f"/sessions/{session_id}")
    assert page.notices[0].startswith("The bank that is set shows another session under this number")
    assert "which may be old" in page.notices[0]
    assert not refund_link(page, session_id)
    refund_desk.wire.echo = "object"
    assert refund_link(operator.page(f"/sessions/{session_id}"), session_id)


@on_sqlite
@pytest.mark.parametrize("code", ["authentication_error", "session_not_found"])
def test_a_bank_that_refuses_is_not_said_to_be_away(operator: Browser, refund_desk: RefundDesk, code: str) -> None:
    session_id = refund_desk.paid_session(100_00)
    operator.page(f"/sessions/{session_id}")
    refund_desk.wire.next(STATUS, error(code, 401, "Who are you?"))
    page = operator.page(f"/sessions/{session_id}")
    assert page.notices[0].startswith(f"The bank refuses to show this session: {code} Who are you?")


def test_known_from_a_webhook_alone_and_the_bank_away(operator: Browser, refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    refund_desk.deliver(refund_desk.wire.webhook_now(session_id, "payment_finished"))
    refund_desk.wire.next(STATUS, refuse_connection)
    page = operator.page(f"/sessions/{session_id}")
    assert len(page.notices) == 1
    assert set(figures(page).values()) == {"not read yet"}
    assert "Nothing was paid" not in page.one("main").text
    assert not refund_link(page, session_id)
    assert figures(operator.page(f"/sessions/{session_id}"))["Captured"] == "100.00 RUB"


def test_one_that_nobody_knows(operator: Browser, refund_desk: RefundDesk) -> None:
    for session_id, fault, status in (
        ("ps_999999", None, 404),
        ("ps_999999", error("session_not_found"), 404),
        ("ps_999999", refuse_connection, 503),
        ("ps_999999", lose_answer, 503),
        ("ps_999999", error("authorization_error", 403), 503),
        ("anything", None, 404),
        ("with%20space", None, 404),
        ("%D1%8F", None, 404),
        ("x" * 101, None, 404),
    ):
        refund_desk.wire.next(STATUS, *([fault] if fault else []))
        page = operator.page(f"/sessions/{session_id}", status)
        assert page.one("h1").text == ("Not found" if status == 404 else "The bank cannot be reached right now")


# What does not fit


def test_part_of_the_answer_that_cannot_be_read_is_said(operator: Browser, refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    refund_desk.bank.refund_here(session_id, 10_00)

    def garble(session: Json) -> None:
        session["acquiring_payments"][0]["refunds"][0]["status"] = "sideways"

    refund_desk.wire.next(STATUS, edited(garble), edited(garble))
    (notice,) = operator.page(f"/sessions/{session_id}").notices
    assert notice.startswith("Does not fit Could not be read. Part of what the bank shows could not be read:")
    assert "sideways" in notice


def test_more_refunded_than_paid_is_said(operator: Browser, refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    refund_desk.ask_and_send(session_id)
    refund_desk.bank.charge_back(session_id, 50_00)
    page = operator.page(f"/sessions/{session_id}")
    assert "More is refunded or on its way than was paid." in page.notices[0]
    assert figures(page)["Can still be refunded"] == "0.00 RUB"


# Moments


@on_sqlite
def test_moments_to_the_second_say_their_year_when_it_is_another(auth: Auth, refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    reference = refund_desk.ask(session_id, 10_00)
    refund_desk.clock.advance_to(datetime(2027, 1, 2, tzinfo=UTC))
    page = auth.login().page(f"/refunds/{reference}")
    assert "1 Mar 2026 09:00:00" in page.one(id="refund-detail").text
