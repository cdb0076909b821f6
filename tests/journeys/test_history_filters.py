"""The history narrowed by session and status: exactly the right rows, also of those that come and go by themselves."""

import pytest
from playwright.sync_api import Page, expect

from tests.journeys import steps
from tests.journeys.commands import OPERATOR, Installation
from tests.journeys.waiting import eventually
from tests.journeys.windows import Windows

PAGE_SIZE = 50
SEEN_WITHIN_S = 15.0


def expect_references(page: Page, references: list[str]) -> None:
    """See exactly these rows, from top to bottom."""
    eventually(lambda: steps.references(page) == references, SEEN_WITHIN_S, f"exactly {references} on {page.url}")


def statuses(page: Page) -> set[str]:
    rows = page.locator("tbody tr[data-refund]")
    return {str(status) for status in rows.evaluate_all("rows => rows.map(row => row.dataset.status)")}


@pytest.fixture
def page(demo: Installation, windows: Windows) -> Page:
    return windows.of(demo, OPERATOR)


def refund_and_end(page: Page, demo: Installation, session_id: str, amount: str, status: str) -> str:
    """A refund that has ended so, with the bank deciding by hand."""
    reference = steps.refund(page, session_id, amount)
    steps.expect_status(steps.subject(page), "in_progress")
    demo.bank.decide(demo.bank.await_refund(session_id), status)
    steps.expect_status(steps.subject(page), status)
    return reference


def test_session_and_status_show_exactly_their_rows(page: Page, demo: Installation) -> None:
    one, other = demo.bank.paid_session("filtered-1"), demo.bank.paid_session("filtered-2")
    with demo.bank.behaving(decide="manual"):
        accepted = refund_and_end(page, demo, one, "1", "accepted")
        declined = refund_and_end(page, demo, one, "2", "declined")
        elsewhere = refund_and_end(page, demo, other, "3", "declined")

    def shows(query: str) -> list[str]:
        page.goto(f"/refunds/?{query}")
        return steps.references(page)

    assert shows(f"session={one}") == [declined, accepted]
    assert shows(f"session={other}") == [elsewhere]
    assert shows(f"session={one}&status=declined") == [declined]
    assert shows(f"session={one}&status=accepted") == [accepted]
    assert shows(f"session={other}&status=accepted") == []
    expect(page.locator("[data-empty]")).to_be_visible()
    shown = shows("status=declined")
    assert [reference for reference in shown if reference in {accepted, declined, elsewhere}] == [elsewhere, declined]
    assert statuses(page) == {"declined"}


def test_rows_enter_and_leave_as_they_change(page: Page, demo: Installation) -> None:
    session_id, other = demo.bank.paid_session("live-filter-1"), demo.bank.paid_session("live-filter-2")
    running, done, elsewhere = (page.context.new_page() for _ in range(3))
    running.goto(f"/refunds/?session={session_id}&status=in_progress")
    done.goto(f"/refunds/?session={session_id}&status=accepted")
    elsewhere.goto(f"/refunds/?session={other}")
    tables = (running, done, elsewhere)
    for table in tables:
        steps.expect_live(table)
        expect(table.locator("[data-empty]")).to_be_visible()
    steps.mark(*tables)
    with demo.bank.behaving(decide="manual"):
        reference = steps.refund(page, session_id, "4")
        expect_references(running, [reference])
        expect(running.locator("[data-empty]")).to_be_hidden()
        assert steps.references(done) == []

        demo.bank.decide(demo.bank.await_refund(session_id), "accepted")

    expect_references(done, [reference])
    expect_references(running, [])
    expect(running.locator("[data-empty]")).to_be_visible()
    for table in (running, done):
        expect(table.locator("#status-tabs a", has_text="Accepted").locator(".count")).to_have_text("1")
    marker = steps.refund(page, other, "5")
    expect_references(elsewhere, [marker])
    steps.expect_not_reloaded(*tables)


def test_a_row_on_an_older_page_changes_where_it_stands(page: Page, demo: Installation) -> None:
    session_id = demo.bank.paid_session("long-history")
    newest, older = page.context.new_page(), page.context.new_page()
    with demo.bank.behaving(decide="manual"):
        reference = steps.refund(page, session_id, "4")
        refund_id = demo.bank.await_refund(session_id)
        for _ in range(PAGE_SIZE):
            demo.bank.charge_back(session_id, 1)
        demo.bank.await_webhooks(session_id)
        steps.expect_status(steps.subject(page), "in_progress")
        open_two_pages(newest, older, session_id)
        shown_on_newest = steps.references(newest)
        assert steps.references(older) == [reference]

        demo.bank.decide(refund_id, "accepted")

    steps.expect_status(steps.row(older, reference), "accepted")
    demo.bank.charge_back(session_id, 2)
    expect(older.locator("[data-newer]")).to_contain_text("1")
    eventually(
        lambda: len(steps.references(newest)) == PAGE_SIZE + 1, SEEN_WITHIN_S, "the newest row on the first page"
    )
    assert steps.references(newest)[1:] == shown_on_newest
    assert steps.references(older) == [reference]
    steps.expect_not_reloaded(newest, older)


def open_two_pages(newest: Page, older: Page, session_id: str) -> None:
    """The newest fifty of a session, and the page before, once all have arrived."""

    def has_arrived() -> int:
        older.goto(f"/refunds/?session={session_id}")
        return older.locator("a[data-older]").count()

    eventually(has_arrived, SEEN_WITHIN_S, "more than one page of history")
    newest.goto(older.url)
    older.locator("a[data-older]").click()
    older.wait_for_url("**before=*")
    for table in (newest, older):
        steps.expect_live(table)
    steps.mark(newest, older)
