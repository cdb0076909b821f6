"""The index of sessions: found by every key that people have in hand, filtered by status, looked up at the bank."""

from collections.abc import Callable
from datetime import timedelta
from urllib.parse import urlencode

import pytest

from dashboard import session_index
from dashboard.sandbox import scenes
from tests.bench.databases import on_sqlite
from tests.bench.refund_desk import RefundDesk
from tests.bench.simulated import START
from tests.bench.wire import STATUS, error, lose_answer, refuse_connection
from tests.web.browser import Answer, Browser
from tests.web.made_up import MadeUp


def found(answer: Answer) -> list[str]:
    """Ids of the sessions in the list, from the top."""
    assert answer.status == 200, answer.location
    links = answer.page.one("main").all("a", _class="row-link row-link-id id-link")
    return [link["href"].removeprefix("/sessions/") for link in links]


def search(browser: Browser, q: str, **more: str) -> Answer:
    return browser.get(f"/sessions/?{urlencode({'q': q, **more})}")


@pytest.fixture
def shop(refund_desk: RefundDesk) -> str:
    """A session with a refund of ours, known here, among others; its id."""
    scene = scenes.Scene(
        1,
        "client-17",
        100_000,
        details=scenes.card("mir", "7703", "220070"),
        metadata={"order": "A-1009", "delivery": "Курьер", "note": "left at the door"},
    )
    session_id = scenes.add_scene(refund_desk.bank, scene).id
    refund_desk.ask_and_send(session_id, 10_00)
    refund_desk.run_for(minutes=5)
    other = scenes.add_scene(refund_desk.bank, scenes.Scene(2, "client-18", 5_000, metadata="order 55")).id
    refund_desk.read(other)
    return session_id


KEYS: dict[str, Callable[[RefundDesk, str], str | None]] = {
    "session id": lambda desk, session_id: session_id,
    "payment id": lambda desk, session_id: desk.bank_payments(session_id)[0].id,
    "refund id": lambda desk, session_id: desk.bank_refunds(session_id)[0].id,
    "our reference": lambda desk, session_id: desk.refunds(session_id)[0].reference,
    "customer": lambda desk, session_id: "client-17",
    "customer in capitals": lambda desk, session_id: "CLIENT-17",
    "last four": lambda desk, session_id: "7703",
    "payment's RRN": lambda desk, session_id: desk.bank_payments(session_id)[0].rrn,
    "refund's RRN": lambda desk, session_id: desk.bank_refunds(session_id)[0].rrn,
    "ARN": lambda desk, session_id: desk.bank_payments(session_id)[0].arn,
    "word of the metadata": lambda desk, session_id: "door",
    "Russian word of it": lambda desk, session_id: "курьер",
    "its order number": lambda desk, session_id: "A-1009",
    "beginning of a word": lambda desk, session_id: "deliv",
    "several words": lambda desk, session_id: "7703 client-17 door",
    "words in quotes": lambda desk, session_id: '"left at the door"',
}


def test_a_session_is_found_by_every_key(operator: Browser, refund_desk: RefundDesk, shop: str) -> None:
    for name, key in KEYS.items():
        q = key(refund_desk, shop)
        assert q, name
        assert found(search(operator, q)) == [shop], name


def test_all_words_have_to_be_there(operator: Browser, shop: str) -> None:
    assert found(search(operator, "client-17 55")) == []
    assert found(search(operator, "order client-18")) != [shop]
    assert len(found(search(operator, "client"))) == 2


def test_without_words_there_is_everything_newest_first(operator: Browser, made_up: MadeUp) -> None:
    for number in range(3):
        made_up.session(f"ps_{number}", at=START + timedelta(hours=number))
    assert found(operator.get("/sessions/")) == ["ps_2", "ps_1", "ps_0"]


@on_sqlite
def test_a_row_shows_who_how_much_and_what_is_left(operator: Browser, refund_desk: RefundDesk, shop: str) -> None:
    row = search(operator, shop).page.one("main").one("tbody").one("tr").text
    for words in ("Accepted", "1,000.00 RUB", "990.00 RUB", shop, "client-17", "Mir ··7703"):
        assert words in row


def test_status_narrows(operator: Browser, refund_desk: RefundDesk) -> None:
    ids = {
        status: refund_desk.read(
            scenes.add_scene(refund_desk.bank, scenes.Scene(1, "client-1", 100, status=status)).id
        ).id
        for status in ("accepted", "in_progress", "cancelled", "error", "created")
    }
    for status, session_id in ids.items():
        assert found(operator.get(f"/sessions/?status={status}")) == [session_id]
    assert found(search(operator, "client-1", status="error")) == [ids["error"]]
    assert found(search(operator, "client-2", status="error")) == []
    page = operator.page("/sessions/?q=client-1&status=error")
    assert page.one("form", action="/sessions/", _class="search-line").fields == {"q": "client-1", "status": "error"}


def test_what_cannot_be_used_is_told(operator: Browser) -> None:
    for query in ("status=lost", "status=succeeded", "before=x", "before=20260301090000000000"):
        answer = operator.get(f"/sessions/?{query}")
        assert answer.status == 400
        assert "no session status" in answer.text or "does not exist" in answer.text


def test_pages_hold_every_session_once(operator: Browser, made_up: MadeUp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_index.page, "__defaults__", ("", 4))
    for number in range(10):
        made_up.session(f"ps_{number}", customer="anna" if number % 2 else "boris", at=START)
    pages, path = [], "/sessions/?q=anna"
    while path:
        answer = operator.get(path)
        pages.append(found(answer))
        older = answer.page.all("a", rel="next")
        path = older[0]["href"] if older else ""
    assert pages == [["ps_9", "ps_7", "ps_5", "ps_3"], ["ps_1"]]


# Looked up at the bank


def test_an_exact_id_that_is_not_known_is_looked_up(operator: Browser, refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    answer = search(operator, f" {session_id} ")
    assert (answer.status, answer.location) == (302, f"/sessions/{session_id}")
    assert found(search(operator, session_id)) == [session_id], "now it is known"
    assert len(refund_desk.wire.calls) == 1


def test_also_when_others_begin_like_it(operator: Browser, refund_desk: RefundDesk, made_up: MadeUp) -> None:
    session_id = refund_desk.paid_session(100_00)
    made_up.session(f"{session_id}0")
    assert search(operator, session_id).location == f"/sessions/{session_id}"


@on_sqlite
def test_also_with_a_status_chosen(operator: Browser, refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    assert search(operator, session_id, status="cancelled").location == f"/sessions/{session_id}"


def test_the_beginning_of_an_id_finds_those_that_are_known(operator: Browser, made_up: MadeUp) -> None:
    made_up.session("ps_70010")
    assert found(search(operator, "ps_7001")) == ["ps_70010"]


@on_sqlite
def test_nobody_knows_it(operator: Browser, refund_desk: RefundDesk) -> None:
    page = search(operator, "ps_999999").page
    assert "Nothing found" in page.one(data_empty=True).text
    assert page.notices == []
    assert [call.method for call in refund_desk.wire.calls] == [STATUS]


def test_what_is_no_session_id_is_not_asked_for(operator: Browser, refund_desk: RefundDesk) -> None:
    for q in ("client-17", "4242", "pm_1237001", "rf_101", "ps_1 ps_2", "ps_ü", "order ps_1"):
        assert found(search(operator, q)) == []
    assert refund_desk.wire.calls == []


@on_sqlite
def test_a_bank_that_cannot_be_asked_is_said(operator: Browser, refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    for fault in (refuse_connection, lose_answer, error("authentication_error", 401), error("x", 500)):
        refund_desk.wire.next(STATUS, fault)
        answer = search(operator, session_id)
        assert answer.status == 200
        assert "The bank could not be asked" in answer.page.notices[0]


# Hearsay


def test_a_session_from_a_webhook_alone_shows_no_sums_that_nobody_has_confirmed(
    operator: Browser, refund_desk: RefundDesk
) -> None:
    session_id = refund_desk.paid_session(100_00)
    refund_desk.deliver(refund_desk.wire.webhook_now(session_id, "payment_finished"))
    row = operator.page("/sessions/").one("main").one("tbody").one("tr")
    assert session_id in row.text
    assert "0.00" not in row.text
    refund_desk.work()
    assert "100.00 RUB" in operator.page("/sessions/").one("main").one("tbody").one("tr").text


@on_sqlite
def test_a_session_that_the_bank_denies_is_not_listed(operator: Browser, refund_desk: RefundDesk) -> None:
    """Its webhook was signed by the bank's key, which signs for other merchants too."""
    session_id = refund_desk.paid_session(100_00)
    body = refund_desk.wire.webhook_now(session_id, "payment_finished")
    del refund_desk.bank.ledger.sessions[session_id]
    refund_desk.deliver(body)
    refund_desk.work()
    assert found(operator.get("/sessions/")) == []
    assert operator.get(f"/sessions/{session_id}").status == 404
