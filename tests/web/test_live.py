"""The live stream: what changed, within the page's filters, as long as somebody who may see it looks."""

import threading
import time
from collections.abc import Callable

import pytest
from flask import Flask
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from dashboard import history, people, sending
from dashboard.db import db
from dashboard.web import live
from dashboard.web.live import HeadWatch
from tests.bench.databases import on_postgresql, on_sqlite
from tests.bench.refund_desk import PASSWORD, RefundDesk
from tests.bench.wire import REFUND, lose_request
from tests.web.browser import Browser
from tests.web.conftest import Auth
from tests.web.page import read_page
from tests.web.stream import WITHIN_S, Event, Stream
from tests.web.test_metrics import figures

pytestmark = pytest.mark.usefixtures("_quick_looks")


@pytest.fixture
def _quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Streams look around often, and their thread goes when nobody waits any more."""
    monkeypatch.setattr(live, "HEARTBEAT_S", 0.02)
    monkeypatch.setattr(live, "LOOK_EVERY_S", 0.005)
    monkeypatch.setattr(live, "REST_S", 0.002)
    monkeypatch.setattr(live, "LINGER_S", 0.0)


def watching() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "head-watch"]


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + WITHIN_S
    while not is_so():
        assert time.monotonic() < deadline_s, "it does not come about"
        time.sleep(0.005)


def head(refund_desk: RefundDesk) -> int:
    return refund_desk.journal()[-1].seq


def rows(told: list[Event]) -> dict[str, str]:
    """Reference -> status of the rows told of, `gone` for a tombstone."""
    return {event.data["reference"]: status_of(event) for event in told if event.name == "row"}


def status_of(event: Event) -> str:
    html = event.data["html"]
    return "gone" if html is None else read_page(f"<table><tbody>{html}</tbody></table>").one("tr")["data-status"]


# Rows


def test_a_refund_is_told_of_at_each_step(operator: Browser, refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    refund_desk.read(session_id)
    with Stream(operator, f"?since={head(refund_desk)}") as stream:
        assert stream.round() == []
        reference = refund_desk.ask(session_id, 10_00)
        assert rows(stream.news()) == {reference: "queued"}
        refund_desk.send(reference)
        assert rows(stream.news()) == {reference: "in_progress"}
        refund_desk.bank.advance(refund_desk.bank.next_due() or refund_desk.clock.now())
        refund_desk.deliver(refund_desk.wire.last_webhook(session_id))
        assert rows(stream.news()) == {reference: "accepted"}


def test_the_tabs_count_along(operator: Browser, refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    with Stream(operator, f"?since={head(refund_desk)}&status=queued") as stream:
        refund_desk.ask(session_id, 10_00)
        [told] = [event for event in stream.news() if event.name == "detail"]
    tabs = read_page(told.data["html"]["status-tabs"]).one("nav", id="status-tabs")
    assert [tab.text for tab in tabs.all("a")][:4] == ["All 1", "Needs you 0", "Open 1", "Accepted 0"]


@on_sqlite
def test_what_is_done_in_this_process_is_told_at_once(
    operator: Browser, refund_desk: RefundDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Webhooks come in this way, and what people ask for: the next look would be long in coming."""
    monkeypatch.setattr(live, "LOOK_EVERY_S", 2 * WITHIN_S)
    reference = refund_desk.ask(refund_desk.paid_session(100_00), 10_00)
    with Stream(operator, f"?since={head(refund_desk)}") as stream:
        assert stream.round() == []
        assert stream.round() == []
        operator.post(f"/refunds/{reference}/cancel")
        assert rows(stream.news()) == {reference: "cancelled"}
    operator.sign_out()
    wait_until(lambda: not watching())


@on_sqlite
def test_what_is_shared_is_not_told_to_somebody_else(operator: Browser, auth: Auth, refund_desk: RefundDesk) -> None:
    """Of two who look at the same moment at what is `by:me` each is told of their own."""
    session_id = refund_desk.paid_session(100_00)
    refund_desk.read(session_id)
    address = f"?q=by:me&since={head(refund_desk)}"
    with Stream(operator, address) as mine, Stream(auth.login("approver"), address) as theirs:
        assert mine.round() == theirs.round() == []
        reference = refund_desk.ask(session_id, 10_00, auth.person("approver"))
        assert rows(mine.news()) == {reference: "gone"}
        assert rows(theirs.news()) == {reference: "queued"}


@on_sqlite
def test_a_row_comes_as_the_page_shows_it(operator: Browser, refund_desk: RefundDesk) -> None:
    refund_desk.ask(refund_desk.paid_session(100_00), 10_00)
    with Stream(operator, "?since=0") as stream:
        event, tabs = stream.news()
    assert (event.name, tabs.name) == ("row", "detail")
    (shown,) = operator.page("/refunds/").rows
    assert read_page(f"<table><tbody>{event.data['html']}</tbody></table>").one("tr") == shown
    assert event.data["at"] == shown["data-at"]


def test_only_what_is_within_the_filters_is_told(operator: Browser, refund_desk: RefundDesk) -> None:
    wanted, other = refund_desk.paid_session(100_00), refund_desk.paid_session(100_00)
    first, second = refund_desk.ask(wanted, 10_00), refund_desk.ask(other, 10_00)
    start = head(refund_desk)
    refund_desk.cancel(first)
    refund_desk.cancel(second)
    for query, expected in (
        (f"session={wanted}", {first: "cancelled", second: "gone"}),
        ("status=cancelled", {first: "cancelled", second: "cancelled"}),
        ("status=queued", {first: "gone", second: "gone"}),
        (f"q={other}", {first: "gone", second: "cancelled"}),
    ):
        with Stream(operator, f"?since={start}&{query}") as stream:
            assert rows(stream.news()) == expected, query


@on_sqlite
def test_without_a_position_it_begins_now(operator: Browser, refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    refund_desk.ask(session_id, 10_00)
    with Stream(operator) as stream:
        assert stream.round() == []
        later = refund_desk.ask(session_id, 20_00)
        assert later in rows(stream.news())


def test_after_a_break_it_goes_on_where_it_was(operator: Browser, refund_desk: RefundDesk) -> None:
    """The browser says which event it saw last; that counts for more than the address it began with."""
    session_id = refund_desk.paid_session(100_00)
    first = refund_desk.ask(session_id, 10_00)
    with Stream(operator, "?since=0") as stream:
        assert rows(stream.round()) == {first: "queued"}
        last = stream.next_freshness().id
    assert last == head(refund_desk)
    refund_desk.cancel(first)
    with Stream(operator, "?since=0", {"Last-Event-ID": str(last)}) as stream:
        assert rows(stream.round()) == {first: "cancelled"}
    with Stream(operator, "?since=0", {"Last-Event-ID": str(head(refund_desk))}) as stream:
        assert stream.round() == []


@on_sqlite
@pytest.mark.parametrize("odd", ["x", "-1", "1.5", "9" * 25, "٣"])
def test_a_position_that_is_none_is_now(operator: Browser, refund_desk: RefundDesk, odd: str) -> None:
    refund_desk.ask(refund_desk.paid_session(100_00), 10_00)
    with Stream(operator, f"?since={odd}") as stream:
        assert stream.status == 200
        assert [event.name for event in stream.round()] in ([], ["row"])


def test_a_position_beyond_the_head_means_reload_and_the_end(operator: Browser, refund_desk: RefundDesk) -> None:
    """The database was set back, or is another one."""
    with Stream(operator, f"?since={head(refund_desk) + 1}") as stream:
        assert [event.name for event in stream.round()] == ["reload", "end"]


@on_sqlite
def test_too_much_at_once_means_reload(
    operator: Browser, refund_desk: RefundDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "MOST_CHANGES", 2)
    session_id = refund_desk.paid_session(100_00)
    for _ in range(3):
        refund_desk.ask(session_id, 10_00)
    with Stream(operator, "?since=0") as stream:
        assert [event.name for event in stream.round()] == ["reload"]


def test_what_a_long_journal_holds_comes_bit_by_bit(operator: Browser, refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    with refund_desk.desk.write() as tx:
        for number in range(1200):
            tx.record("test", "login:failed", "person:nobody", number=number)
    reference = refund_desk.ask(session_id, 10_00)
    with Stream(operator, "?since=0") as stream:
        assert rows(stream.news()) == {reference: "queued"}


# One refund, one session


def test_a_refunds_page_gets_its_parts_anew(operator: Browser, refund_desk: RefundDesk) -> None:
    reference = refund_desk.ask(refund_desk.paid_session(100_00), 10_00)
    with Stream(operator, f"?of_refund={reference}&since={head(refund_desk)}") as stream:
        assert stream.round() == []
        refund_desk.cancel(reference)
        (event,) = stream.news()
    assert event.name == "detail"
    page = operator.page(f"/refunds/{reference}")
    for part, html in event.data["html"].items():
        assert read_page(html).one(id=part) == page.one(id=part)
    assert set(event.data["html"]) == set(page.one(data_parts=True)["data-parts"].split())


@on_sqlite
def test_what_one_may_not_do_is_not_in_the_parts(viewer: Browser, refund_desk: RefundDesk) -> None:
    reference = refund_desk.ask(refund_desk.paid_session(100_00), 10_00)
    with Stream(viewer, f"?of_refund={reference}&since=0") as stream:
        (event,) = stream.news()
    assert "undo-form" not in event.data["html"]["refund-detail"]


def test_a_refund_that_begins_to_wait_is_told_of(operator: Browser, refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    first, waiting = refund_desk.ask(session_id, 10_00), refund_desk.ask(session_id, 20_00)
    refund_desk.wire.next(REFUND, lose_request)
    with Stream(operator, f"?of_refund={waiting}&since={head(refund_desk)}") as stream:
        refund_desk.send(first)
        (event,) = stream.news()
    assert "Queued, waiting" in event.data["html"]["refund-detail"]


@on_sqlite
def test_other_refunds_do_not_disturb_it(operator: Browser, refund_desk: RefundDesk) -> None:
    reference = refund_desk.ask(refund_desk.paid_session(100_00), 10_00)
    other = refund_desk.paid_session(100_00)
    with Stream(operator, f"?of_refund={reference}&since={head(refund_desk)}") as stream:
        refund_desk.ask(other, 10_00)
        position = head(refund_desk)
        assert stream.round() == []
        wait_until(lambda: stream.next_freshness().id == position)


def test_a_sessions_page_gets_rows_and_figures(operator: Browser, refund_desk: RefundDesk) -> None:
    session_id, other = refund_desk.paid_session(100_00), refund_desk.paid_session(100_00)
    operator.page(f"/sessions/{session_id}")
    with Stream(operator, f"?of_session={session_id}&since={head(refund_desk)}") as stream:
        refund_desk.ask(other, 20_00)
        reference = refund_desk.ask(session_id, 10_00)
        told = stream.news()
        while not rows(told):
            told = stream.news()
    assert rows(told) == {reference: "queued"}, "nothing of another session, not even a tombstone"
    parts = told[-1].data["html"]
    page = operator.page(f"/sessions/{session_id}")
    for part in ("session-summary", "timeline"):
        assert read_page(parts[part]).one(id=part) == page.one(id=part)


@on_sqlite
def test_a_sessions_figures_change_with_what_the_bank_shows(operator: Browser, refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    operator.page(f"/sessions/{session_id}")
    with Stream(operator, f"?of_session={session_id}&since={head(refund_desk)}") as stream:
        refund_desk.bank_payments(session_id)[0].amount_minor = 120_00
        refund_desk.read(session_id)
        (event,) = stream.news()
    assert "120.00" in event.data["html"]["session-summary"]


def test_the_overview_is_told_that_something_moved_and_not_who_signed_in(
    operator: Browser, auth: Auth, refund_desk: RefundDesk
) -> None:
    session_id = refund_desk.paid_session(100_00)
    refund_desk.read(session_id)
    with Stream(operator, f"?of=overview&since={head(refund_desk)}") as stream:
        auth.login("approver")
        position = head(refund_desk)
        assert stream.round() == []
        wait_until(lambda: stream.next_freshness().id == position)
        refund_desk.ask(session_id, 10_00)
        assert [(event.name, event.data) for event in stream.news()] == [("moved", {})]
        sending.pause(refund_desk.desk, "ann@desk.test", "new keys")
        assert [event.name for event in stream.news()] == ["moved"]


def test_an_approvals_page_is_told_that_its_session_moved_and_of_no_other(
    operator: Browser, refund_desk: RefundDesk
) -> None:
    session_id, other = refund_desk.paid_session(100_00), refund_desk.paid_session(100_00)
    reference = refund_desk.ask(session_id, 10_00)
    with Stream(operator, f"?of_approval={reference}&since={head(refund_desk)}") as stream:
        refund_desk.ask(other, 10_00)
        position = head(refund_desk)
        assert stream.round() == []
        wait_until(lambda: stream.next_freshness().id == position)
        refund_desk.cancel(reference)
        assert [(event.name, event.data) for event in stream.news()] == [("moved", {})]
        refund_desk.ask(session_id, 20_00)
        assert [event.name for event in stream.news()] == ["moved"]


@on_sqlite
@pytest.mark.parametrize(
    "query", [f"?{of}=00000000-0000-4000-8000-00000000ffff" for of in ("of_refund", "of_approval", "of_session")]
)
def test_what_does_not_exist_has_no_stream(operator: Browser, query: str) -> None:
    assert operator.get(f"/live{query}").status == 404


# Freshness


def test_it_says_how_long_ago_the_last_webhook_came(operator: Browser, refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    with Stream(operator) as stream:
        assert stream.next_freshness().data == {"webhook_age_s": None}
        refund_desk.deliver(refund_desk.wire.webhook_now(session_id))
        refund_desk.clock.advance(12)
        wait_until(lambda: stream.next_freshness().data == {"webhook_age_s": 12})


@on_sqlite
def test_an_idle_stream_shows_that_it_is_alive(operator: Browser) -> None:
    with Stream(operator) as stream:
        assert len({stream.next_freshness().id for _ in range(3)}) == 1


@on_sqlite
def test_that_it_is_open_is_among_the_figures(operator: Browser, client: Browser) -> None:
    with Stream(operator) as stream:
        wait_until(lambda: stream.round() == [] and figures(client)["live_viewers", ""] == 1)


@on_sqlite
def test_news_do_not_wait_for_the_heartbeat(
    operator: Browser, refund_desk: RefundDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "HEARTBEAT_S", 60.0)
    session_id = refund_desk.paid_session(100_00)
    refund_desk.read(session_id)
    with Stream(operator, f"?since={head(refund_desk)}") as stream:
        assert stream.round() == []
        reference = refund_desk.ask(session_id, 10_00)
        began_s = time.monotonic()
        assert rows(stream.news()) == {reference: "queued"}
        assert time.monotonic() - began_s < WITHIN_S


# Who looks


def ends(stream: Stream) -> bool:
    return [event.name for event in stream.news()] == ["reload", "end"]


def test_it_ends_with_the_sign_in(auth: Auth) -> None:
    browser = auth.login()
    with Stream(browser) as stream:
        assert stream.round() == []
        browser.sign_out()
        assert ends(stream)


def test_it_is_taken_up_again_when_the_sign_in_goes_on_under_another_token(auth: Auth, refund_desk: RefundDesk) -> None:
    """Whoever proves in another window who they are is not thrown out of this one."""
    browser = auth.login()
    with Stream(browser) as stream:
        assert stream.round() == []
        refund_desk.clock.advance(minutes=5)
        assert browser.post("/factors/codes", {"proof_password": PASSWORD}).status == 303
        assert [event.name for event in stream.news()] == ["end"]
    with Stream(browser) as again:
        assert again.round() == []
        browser.sign_out()
        assert ends(again)


@on_sqlite
def test_it_ends_when_the_account_is_disabled(operator: Browser, refund_desk: RefundDesk) -> None:
    with Stream(operator) as stream:
        assert stream.round() == []
        with refund_desk.desk.write() as tx:
            person = people.find(tx, "operator@desk.test")
            assert person is not None
            person.disabled_at = refund_desk.clock.now()
        assert ends(stream)


def test_nothing_is_told_to_who_has_just_signed_out(auth: Auth, refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    browser = auth.login()
    with Stream(browser) as stream:
        assert stream.round() == []
        browser.sign_out()
        refund_desk.ask(session_id, 10_00)
        assert ends(stream)


@on_sqlite
@pytest.mark.usefixtures("as_idle_as_usual")
def test_it_does_not_keep_a_sign_in_alive(auth: Auth, refund_desk: RefundDesk) -> None:
    with Stream(auth.login()) as stream:
        for _ in range(5):
            assert stream.round() == []
            refund_desk.clock.advance(59, minutes=2)
        refund_desk.clock.advance(minutes=1)
        assert ends(stream)


@on_sqlite
def test_a_viewer_may_look_and_a_stranger_may_not(viewer: Browser, client: Browser) -> None:
    with Stream(viewer) as stream:
        assert stream.status == 200
    assert client.get("/live").status == 401


@on_sqlite
def test_it_ends_by_itself_after_a_while_so_that_a_new_one_begins(
    operator: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "LONGEST_STREAM_S", 0.05)
    with Stream(operator) as stream:
        told = [event.name for event in stream.news()]
    assert told == ["end"]


@on_sqlite
def test_its_headers_keep_it_flowing(operator: Browser) -> None:
    with Stream(operator, headers={"Accept-Encoding": "gzip, br"}) as stream:
        headers = stream.response.headers
        assert headers["Content-Type"].startswith("text/event-stream")
        assert headers["X-Accel-Buffering"] == "no"
        assert headers["Cache-Control"] == "no-store"
        assert "Content-Encoding" not in headers
        assert stream.round() == []


# Seats


@pytest.fixture
def two_seats(environ: dict[str, str]) -> None:
    environ["DASHBOARD_LIVE_STREAMS"] = "2"


@pytest.fixture
def no_seats(environ: dict[str, str]) -> None:
    environ["DASHBOARD_LIVE_STREAMS"] = "0"


@on_sqlite
def test_over_the_cap_there_is_none_until_one_is_left(two_seats: None, operator: Browser) -> None:
    streams = [Stream(operator) for _ in range(2)]
    answer = operator.get("/live")
    assert (answer.status, answer.response.headers["Retry-After"]) == (503, "5")
    assert operator.get("/refunds/").status == 200, "ordinary requests are served"
    assert streams[0].round() == []
    streams[0].close()
    with Stream(operator) as third:
        assert third.status == 200
    streams[1].close()


@on_sqlite
def test_no_way_of_leaving_keeps_a_seat(two_seats: None, auth: Auth, refund_desk: RefundDesk) -> None:
    browser = auth.login()
    for _ in range(5):
        Stream(browser).close()
        with Stream(browser) as begun:
            begun.round()
        with Stream(browser, "?since=999999999") as ended:
            ended.round()
        browser.ask("HEAD", "/live").response.close()
        assert browser.get("/live?status=lost").status == 400
        assert browser.get("/live?of_refund=lost").status == 404
    with Stream(browser) as one, Stream(browser) as two:
        assert one.status == two.status == 200


@on_sqlite
def test_without_seats_there_are_no_streams(no_seats: None, operator: Browser) -> None:
    assert operator.get("/live").status == 503


@on_postgresql
def test_between_looks_no_transaction_is_open(app: Flask, operator: Browser) -> None:
    with app.app_context(), Stream(operator) as stream:
        assert stream.round() == []
        idle = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in %'"
        with db.engine.connect() as connection:
            assert connection.execute(text(idle)).scalar_one() == 0
        assert db.engine.pool.status().endswith("Current Checked out connections: 0")


# What follows the head for all of them


@on_sqlite
def test_the_thread_that_follows_the_head_goes_with_the_last_stream(operator: Browser) -> None:
    with Stream(operator) as stream:
        stream.round()
        stream.round()
    wait_until(lambda: not watching())
    with Stream(operator) as stream:
        assert [stream.round() for _ in range(3)] == [[], [], []]


class BrokenDatabase:
    """Cannot be read at first, then can."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.looks = 0

    def __call__(self) -> int:
        self.looks += 1
        if self.looks <= self.failures:
            raise OperationalError("SELECT", {}, Exception("gone"))
        return 7


def test_a_database_that_is_away_for_a_while_is_said_once_and_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    database = BrokenDatabase(failures=5)
    assert HeadWatch(database).wait_beyond(0, WITHIN_S) == 7
    assert [record.message for record in caplog.records] == ["the head of the journal cannot be read"]


def test_who_waits_in_vain_gets_the_head_that_is(caplog: pytest.LogCaptureFixture) -> None:
    watch = HeadWatch(lambda: 7)
    assert watch.wait_beyond(0, WITHIN_S) == 7
    assert watch.wait_beyond(7, 0.02) == 7
    assert caplog.records == []
