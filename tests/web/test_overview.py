"""The first page: what needs somebody now, a day and a week in figures, the latest refunds, what is wrong here."""

from datetime import timedelta
from typing import Any

import pytest

from dashboard import figures as figures_module
from dashboard import ledger, restore, sending, worker
from dashboard.models import PaymentSession
from tests.bench.databases import on_both, on_sqlite
from tests.bench.refund_desk import RefundDesk
from tests.bench.simulated import START
from tests.bench.wire import REFUND, error, lose_request
from tests.web.browser import Browser
from tests.web.conftest import Auth
from tests.web.made_up import MadeUp
from tests.web.page import Element


def figures(page: Element) -> dict[str, list[str]]:
    """Each line, of today and of seven days."""
    lines = page.one("table", id="figures").one("tbody").all("tr")
    return {line.one("th").text: [cell.text for cell in line.all("td")] for line in lines}


def links(page: Element, label: str) -> list[str]:
    (line,) = [one for one in page.one(id="figures").one("tbody").all("tr") if one.one("th").text == label]
    return [one["href"] for one in line.all("a")]


def needs(page: Element) -> dict[str, str]:
    """What needs somebody, as it reads, and where it leads."""
    return {one.text: one["href"] for one in page.one("ul", id="needs").all("a")}


@on_sqlite
def test_an_empty_desk_says_where_to_begin(operator: Browser) -> None:
    page = operator.page("/")
    assert "Nothing needs you." in page.text
    assert "No refunds yet" in page.text
    assert page.all("ol") == []
    assert figures(page) == {
        "Asked for here": ["0", "0"],
        "Accepted, of those that ended and were not undone": ["–", "–"],
        "Time to accepted, median": ["–", "–"],
        "Time to accepted, slowest": ["–", "–"],
    }
    assert {link["href"] for link in page.all("a", _class="btn btn-quiet")} == {"/sessions/"}


# What needs somebody


def test_each_thing_that_needs_somebody_leads_to_exactly_what_it_counts(
    in_berlin: None, auth: Auth, made_up: MadeUp
) -> None:
    made_up.session("ps_1")
    unknown = made_up.refund(made_up.session("ps_2"), state="unknown")
    review = [made_up.refund("ps_1", state="declined", review="contradiction", at=START - timedelta(days=9))]
    waits = [made_up.refund("ps_1", state="awaiting_approval") for _ in range(2)]
    oldest = START.replace(hour=22, minute=59) - timedelta(days=6)
    ageing = [made_up.refund("ps_1", state="in_progress", at=oldest)]
    made_up.refund("ps_1", state="in_progress", at=oldest + timedelta(minutes=1))
    made_up.refund("ps_1", state="accepted", at=oldest)
    week_begins = START.replace(hour=23) - timedelta(days=7)
    badly = [
        made_up.refund("ps_1", state="declined", at=week_begins),
        made_up.refund("ps_1", state="refused"),
    ]
    made_up.refund("ps_1", state="declined", at=week_begins - timedelta(seconds=1))
    made_up.refund("ps_1", state="cancelled")
    approver = auth.login("approver")
    found = needs(approver.page("/"))
    assert list(found) == [
        "2 Waiting for approval",
        "1 Outcome unknown",
        "1 Under review",
        "1 Open for more than 5 days",
        "2 Declined or refused, of those asked for in 7 days today 1",
    ]
    led_to = [sorted(approver.get(href).references) for href in found.values()]
    assert led_to == [sorted(each) for each in (waits, [unknown], review, ageing, badly)]
    assert "2 Waiting for approval" not in needs(auth.login("operator").page("/"))


@on_sqlite
def test_a_fact_that_does_not_fit_needs_somebody_until_it_is_acknowledged(
    auth: Auth, refund_desk: RefundDesk, made_up: MadeUp
) -> None:
    session_id = made_up.session("ps_1")
    with refund_desk.desk.write() as tx:
        ledger.note_anomaly(tx, tx.get_one(PaymentSession, session_id), None, "over_captured", "")
    operator = auth.login()
    ((text, href),) = needs(operator.page("/")).items()
    assert (text, href) == ("1 Facts that do not fit", "/review/#odd-title")
    review = operator.page(href.partition("#")[0])
    assert review.one(id="odd-title").text == "Does not fit"
    (fact,) = review.one("table", id="odd").all("a", class_="row-link")
    operator.post(fact["href"], {"comment": "the bank knows"})
    assert "Nothing needs you." in operator.page("/").text


def test_what_needs_somebody_is_on_top(operator: Browser, refund_desk: RefundDesk, made_up: MadeUp) -> None:
    refund_desk.wire.next(REFUND, lose_request)
    unknown = refund_desk.ask_and_send(refund_desk.paid_session(100_00), 10_00)
    review = made_up.refund(made_up.session("ps_1"), state="declined", review="contradiction")
    made_up.refund("ps_1", state="accepted")
    needing = operator.page("/").one("table", id="needs-you")
    assert sorted(needing.references) == sorted([unknown, review])


@on_sqlite
def test_the_latest_refunds_are_below(operator: Browser, made_up: MadeUp) -> None:
    made_up.session("ps_1")
    made = [made_up.refund("ps_1", at=START - timedelta(hours=12 - number)) for number in range(12)]
    page = operator.page("/")
    assert page.one("table", id="latest").references == list(reversed(made))[:10]
    assert page.all("table", id="needs-you") == []


# In figures


@on_both
def test_today_and_seven_days_are_told_in_the_dashboards_zone(
    in_berlin: None, operator: Browser, made_up: MadeUp
) -> None:
    made_up.session("ps_1")
    minute = timedelta(minutes=1)
    midnight = START.replace(hour=23) - timedelta(days=1)
    today = [
        made_up.refund("ps_1", amount_minor=100_50, took=2 * minute),
        made_up.refund("ps_1", at=midnight, amount_minor=20_00, took=5 * minute),
        made_up.refund("ps_1", amount_minor=1_500, currency="jpy", took=timedelta(hours=1, seconds=30)),
    ]
    not_accepted = [made_up.refund("ps_1", state=state, amount_minor=7_00) for state in ("declined", "queued")]
    slowest = made_up.refund("ps_1", at=midnight - minute, amount_minor=9_00, took=timedelta(days=400, hours=2))
    made_up.refund("ps_1", at=midnight - timedelta(days=6, seconds=1), amount_minor=1)
    first_of_week = made_up.refund("ps_1", at=midnight - timedelta(days=6), amount_minor=80, took=minute)
    page = operator.page("/")
    assert figures(page) == {
        "Asked for here": ["5", "7"],
        "Accepted, RUB": ["120.50", "130.30"],
        "Accepted, JPY": ["1,500", "1,500"],
        "Accepted, of those that ended and were not undone": ["3 of 4 75%", "5 of 6 83%"],
        "Time to accepted, median": ["5 min", "5 min"],
        "Time to accepted, slowest": ["1 hr", "400 days 2 hr"],
    }

    def led_to(label: str, which: int) -> set[str]:
        return set(operator.get(links(page, label)[which]).references)

    assert led_to("Asked for here", 0) == {*today, *not_accepted}
    assert led_to("Asked for here", 1) == {*today, *not_accepted, slowest, first_of_week}
    assert led_to("Accepted, RUB", 0) == set(today[:2])
    assert led_to("Accepted, RUB", 1) == {*today[:2], slowest, first_of_week}
    assert led_to("Accepted, JPY", 1) == {today[2]}
    assert led_to("Accepted, of those that ended and were not undone", 0) == set(today)
    slowest_links = links(page, "Time to accepted, slowest")
    assert slowest_links == [f"/refunds/{today[2]}", f"/refunds/{slowest}"]


@on_sqlite
def test_what_was_made_elsewhere_and_what_was_undone_are_nobodys_figures(operator: Browser, made_up: MadeUp) -> None:
    """A chargeback was not asked for, and a refund that was undone in time did not fail."""
    made_up.session("ps_1")
    accepted = made_up.refund("ps_1", amount_minor=10_00)
    for origin in ("bank", "chargeback"):
        made_up.refund("ps_1", origin=origin, amount_minor=500_00)
    undone = made_up.refund("ps_1", state="cancelled")
    page = operator.page("/")
    found = figures(page)
    assert (found["Asked for here"], found["Accepted, RUB"]) == (["2", "2"], ["10.00", "10.00"])
    assert found["Accepted, of those that ended and were not undone"] == ["1 of 1 100%"] * 2
    assert set(operator.get(links(page, "Asked for here")[0]).references) == {accepted, undone}
    assert operator.get(links(page, "Accepted, RUB")[0]).references == [accepted]


@on_sqlite
def test_a_currency_in_which_nothing_was_asked_for_here_has_no_picture(operator: Browser, made_up: MadeUp) -> None:
    made_up.refund(made_up.session("ps_1"), currency="eur", origin="bank")
    made_up.refund(made_up.session("ps_2"), currency="rub")
    page = operator.page("/")
    assert page.all(id="amounts-rub")
    assert not page.all(id="amounts-eur")


@on_sqlite
def test_a_currency_that_cannot_be_searched_for_is_told_without_a_link(operator: Browser, made_up: MadeUp) -> None:
    made_up.refund(made_up.session("ps_1"), currency="token20")
    page = operator.page("/")
    assert figures(page)["Accepted, TOKEN20"] == ["1,000", "1,000"]
    assert links(page, "Accepted, TOKEN20") == []
    assert all("href" not in one.attributes for one in page.one(id="amounts-token20").all("a"))


# Kept for a minute


@on_sqlite
def test_figures_that_took_long_are_shown_for_a_minute_and_say_so(
    operator: Browser, refund_desk: RefundDesk, made_up: MadeUp, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = figures_module.groups

    def slowly(*arguments: Any) -> object:
        refund_desk.clock.advance(0.2)
        return read(*arguments)

    def shown() -> tuple[str, bool]:
        page = operator.page("/")
        return figures(page)["Asked for here"][0], "as of 1 Mar 09:00" in page.text

    monkeypatch.setattr(figures_module, "groups", slowly)
    made_up.session("ps_1")
    made_up.refund("ps_1")
    operator.page("/")
    made_up.refund("ps_1")
    refund_desk.clock.advance(59.7)
    assert shown() == ("1", True)
    operator.post("/account/preferences", {"language": "", "timezone": "Asia/Tokyo", "theme": ""})
    assert shown() == ("2", False), "the days of another zone are others"
    operator.post("/account/preferences", {"language": "", "timezone": "", "theme": ""})
    refund_desk.clock.advance(0.2)
    assert figures(operator.page("/"))["Asked for here"] == ["2", "2"]


@on_sqlite
def test_figures_that_took_no_time_are_always_those_of_now(operator: Browser, made_up: MadeUp) -> None:
    made_up.session("ps_1")
    for count in ("1", "2"):
        made_up.refund("ps_1")
        page = operator.page("/")
        assert figures(page)["Asked for here"][0] == count
        assert "as of" not in page.text


# While it is open


def test_whoever_asks_again_is_answered_only_where_something_moved(operator: Browser, refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    refund_desk.read(session_id)
    root = operator.page("/").one(data_parts=True)
    assert (root["data-live-url"], root["data-parts-url"]) == ("/live?of=overview", "/")
    cursor = int(root["data-cursor"])
    answer = operator.get(f"/?since={cursor}")
    assert (answer.status, answer.text) == (204, "")
    assert operator.get(f"/?since={cursor + 1}").status == 205, "the journal was put back"
    refund_desk.ask(session_id, 10_00)
    page = operator.page(f"/?since={cursor}")
    assert figures(page)["Asked for here"][0] == "1"
    assert int(page.one(data_parts=True)["data-cursor"]) > cursor


@on_sqlite
@pytest.mark.parametrize("since", ["", "-1", "1.5", "\u0661", "9" * 19, "soon"])
def test_what_is_no_position_is_refused(operator: Browser, since: str) -> None:
    assert operator.get("/", query_string={"since": since}).status == 400


@on_sqlite
def test_each_part_is_there_before_there_is_anything_to_show_in_it(operator: Browser, made_up: MadeUp) -> None:
    """What is not on the page cannot be replaced."""
    empty = operator.page("/")
    parts = empty.one(data_parts=True)["data-parts"].split()
    assert len(parts) == 8
    assert [part for part in parts if "hidden" in empty.one(id=part).attributes] == ["as-of", "needing-panel"]
    made_up.session("ps_1")
    made_up.refund("ps_1", state="unknown")
    full = operator.page("/")
    assert [part for part in parts if full.one(id=part) == empty.one(id=part)] == ["topnav", "as-of", "notices"]


# What is wrong with the desk


def test_a_worker_that_does_not_run_is_said(operator: Browser, refund_desk: RefundDesk) -> None:
    assert "The worker is not running" in operator.page("/").notices[0]
    worker.beat(refund_desk.desk, "worker-1")
    assert operator.page("/").notices == []
    refund_desk.clock.advance(31)
    assert "No money is lost." in operator.page("/").notices[0]


@on_sqlite
def test_paused_sending_is_said_with_its_reason(operator: Browser, refund_desk: RefundDesk) -> None:
    worker.beat(refund_desk.desk, "worker-1")
    sending.pause(refund_desk.desk, "ann@desk.test", "the bank is doing maintenance")
    (notice,) = operator.page("/").notices
    assert notice == (
        "Sending is paused No refund is sent until somebody resumes it. Reason: the bank is doing maintenance"
    )
    sending.pause(refund_desk.desk, "bob@desk.test", "new keys")
    (notice,) = operator.page("/").notices
    assert notice.endswith("Reason: the bank is doing maintenance · new keys")
    sending.resume(refund_desk.desk, "ann@desk.test")
    assert operator.page("/").notices == []


def test_paused_by_a_restore_says_what_is_left_to_be_read(auth: Auth, refund_desk: RefundDesk) -> None:
    """And so does the form of a new refund."""
    worker.beat(refund_desk.desk, "worker-1")
    session_id = refund_desk.paid_session(100_00)
    refund_desk.ask(session_id, 10_00)
    refund_desk.ask(refund_desk.paid_session(100_00), 10_00)
    refund_desk.clock.advance(1)
    restore.after_restore(refund_desk.desk, "command line")
    operator = auth.login()
    (notice,) = operator.page("/").notices
    assert "2 sessions with open refunds have still to be read again; sending cannot be resumed before." in notice
    refund_desk.clock.advance(1)
    form = operator.page(f"/sessions/{session_id}/refund", 409)
    assert "1 session with an open refund has still to be read again" in " ".join(form.notices)
    refund_desk.work()
    (notice,) = operator.page("/").notices
    assert "sending can be resumed after" in notice
    assert "Every open session has been read again." in notice
    refund_desk.clock.advance(minutes=20)
    worker.beat(refund_desk.desk, "worker-1")
    (notice,) = operator.page("/").notices
    assert "resumed after" not in notice


@on_sqlite
def test_keys_that_the_bank_does_not_take_are_said(operator: Browser, refund_desk: RefundDesk) -> None:
    worker.beat(refund_desk.desk, "worker-1")
    refund_desk.wire.next(REFUND, error("authentication_error", 401))
    refund_desk.ask_and_send(refund_desk.paid_session(100_00), 10_00)
    worker.beat(refund_desk.desk, "worker-1")
    (notice,) = operator.page("/").notices
    assert "The bank did not accept our signature or project (authentication_error)." in notice
