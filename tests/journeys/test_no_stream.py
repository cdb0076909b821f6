"""When the server has no stream left for a page, the page asks every few seconds instead."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import requests
from playwright.sync_api import Page, expect

from tests.journeys import steps
from tests.journeys.commands import OPERATOR, Installation
from tests.journeys.windows import Windows

MORE_THAN_THERE_ARE = 100


@contextmanager
def every_stream_taken(demo: Installation, page: Page) -> Iterator[None]:
    """Hold as many streams open as the server serves, under the sign-in of a page."""
    cookies = {str(each["name"]): str(each["value"]) for each in page.context.cookies()}
    with ExitStack() as stack:
        for _ in range(MORE_THAN_THERE_ARE):
            answer = requests.get(f"{demo.url}/live", cookies=cookies, stream=True, timeout=10)
            stack.callback(answer.close)
            if answer.status_code == 503:
                break
        assert answer.status_code == 503
        yield


def test_every_live_page_catches_up(demo: Installation, windows: Windows) -> None:
    windows.guard.forgive("status of 503")
    session_id = demo.bank.paid_session("no-stream")
    page = windows.of(demo, OPERATOR)
    history, session = page.context.new_page(), page.context.new_page()
    with every_stream_taken(demo, page):
        history.goto(f"/refunds/?session={session_id}")
        session.goto(f"/sessions/{session_id}")
        reference = steps.refund(page, session_id, "12.34")
        steps.mark(page, history, session)
        for refund in (steps.subject(page), steps.row(history, reference), steps.row(session, reference)):
            steps.expect_status(refund, "accepted")
        expect(history.locator("#status-tabs")).to_contain_text("All 1")
        expect(history.locator("#status-tabs")).to_contain_text("Accepted 1")
        expect(session.locator("#session-summary")).to_contain_text("Can still be refunded987.66 RUB")
        expect(session.locator("#timeline")).to_contain_text("Accepted by the bank")
        for live in (page, history, session):
            expect(live.locator("[data-freshness]")).to_contain_text("Checked every few seconds")
        steps.expect_not_reloaded(page, history, session)
