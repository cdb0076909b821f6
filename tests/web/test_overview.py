"""The first page: what needs somebody now, today in figures, the latest refunds, what is wrong with the desk."""

from datetime import timedelta

from dashboard import restore, sending, worker
from tests.bench.databases import on_sqlite
from tests.bench.refund_desk import RefundDesk
from tests.bench.simulated import START
from tests.bench.wire import REFUND, error, lose_request
from tests.web.browser import Browser
from tests.web.conftest import Auth
from tests.web.made_up import MadeUp
from tests.web.page import Element


def figures(page: Element) -> dict[str, str]:
    cells = page.one("section", aria_label="Today").all("div", _class="figure-cell")
    return {cell.one("dt").text: cell.one("dd").text for cell in cells}


@on_sqlite
def test_an_empty_desk_says_where_to_begin(operator: Browser) -> None:
    page = operator.page("/")
    assert "Nothing needs you" in page.text
    assert "No refunds yet" in page.text
    assert figures(page) == {"Open": "0", "Awaiting approval": "0", "Asked today": "0"}
    assert page.one("a", _class="btn btn-quiet")["href"] == "/sessions/"


def test_what_needs_somebody_is_on_top(operator: Browser, refund_desk: RefundDesk, made_up: MadeUp) -> None:
    refund_desk.wire.next(REFUND, lose_request)
    unknown = refund_desk.ask_and_send(refund_desk.paid_session(100_00), 10_00)
    review = made_up.refund(made_up.session("ps_1"), state="declined", review="contradiction")
    made_up.refund("ps_1", state="accepted")
    needing = operator.page("/").one("table", id="needs-you")
    assert sorted(needing.references) == sorted([unknown, review])


def test_the_latest_refunds_are_below(operator: Browser, made_up: MadeUp) -> None:
    made_up.session("ps_1")
    made = [made_up.refund("ps_1", at=START - timedelta(hours=12 - number)) for number in range(12)]
    assert operator.page("/").one("table", id="latest").references == list(reversed(made))[:10]


def test_today_is_counted_and_summed_in_the_dashboards_zone(
    in_berlin: None, operator: Browser, made_up: MadeUp
) -> None:
    made_up.session("ps_1")
    made_up.refund("ps_1", at=START, amount_minor=100_50)
    made_up.refund("ps_1", at=START, amount_minor=20_00)
    made_up.refund("ps_1", at=START, state="declined", amount_minor=5_00)
    made_up.refund("ps_1", at=START, state="queued", amount_minor=7_00)
    midnight = START.replace(hour=23) - timedelta(days=1)
    made_up.refund("ps_1", at=midnight, amount_minor=1)
    made_up.refund("ps_1", at=midnight - timedelta(seconds=1), amount_minor=9_00)
    page = operator.page("/")
    assert figures(page) == {
        "Open": "1",
        "Awaiting approval": "0",
        "Asked today": "5",
        "Of these accepted": "120.51 RUB",
    }
    links = [one["href"] for one in page.one("section", aria_label="Today").all("a")]
    assert links == [
        "/refunds/?status=open",
        "/refunds/?status=awaiting_approval",
        "/refunds/?from=2026-03-01&to=2026-03-01",
        "/refunds/?status=accepted&from=2026-03-01&to=2026-03-01",
    ]
    assert len(operator.get(links[2]).references) == 5
    assert len(operator.get(links[3]).references) == 3


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
