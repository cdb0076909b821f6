"""A refund that one person may not send alone: asked for, seen live by whoever may approve it, approved or rejected."""

import pytest
from playwright.sync_api import Page, expect

from tests.journeys import steps
from tests.journeys.commands import APPROVER, OPERATOR, Installation
from tests.journeys.windows import Windows

TOO_MUCH_MINOR = 2_500_000
WIDTHS = [1440, 390]


def ask(page: Page, session_id: str) -> str:
    """For 12,500.00 of 25,000.00; the refund's reference."""
    page.goto(f"/sessions/{session_id}/refund")
    steps.fill_and_check(page, "12 500", comment="Two chairs came back")
    expect(page.locator("main")).to_contain_text("somebody else has to approve it before anything is sent")
    steps.confirm_button(page).click()
    return steps.reference_of(page)


def look(page: Page, reference: str) -> None:
    """From the queue to the fresh look."""
    page.bring_to_front()
    page.locator(f"tr[data-refund='{reference}'] .row-link").click()
    page.get_by_role("link", name="Look at it").click()
    expect(page.locator("main")).to_contain_text("Two chairs came back")


@pytest.mark.parametrize("width", WIDTHS)
def test_somebody_else_approves_it(demo: Installation, windows: Windows, width: int) -> None:
    session_id = demo.bank.paid_session("two-chairs", TOO_MUCH_MINOR)
    operator, approver = windows.of(demo, OPERATOR), windows.of(demo, APPROVER)
    approver.set_viewport_size({"width": width, "height": 900})
    approver.goto("/approvals/")
    steps.expect_live(approver)
    steps.mark(approver)

    reference = ask(operator, session_id)

    expect(approver.locator(f"tr[data-refund='{reference}']")).to_be_visible()
    steps.expect_not_reloaded(approver)
    steps.expect_status(steps.subject(operator), "awaiting_approval")
    assert demo.bank.refunds_of(session_id) == []
    look(approver, reference)
    approver.get_by_role("button", name="Approve 12,500.00 RUB").click()

    for page in (approver, operator):
        steps.expect_status(steps.subject(page), "accepted")
    expect(operator.locator("#timeline")).to_contain_text("approver@demo.test approved it")
    assert demo.bank.amounts_of(session_id) == [(1_250_000, "accepted")]


def test_somebody_else_rejects_it_with_a_reason(demo: Installation, windows: Windows) -> None:
    session_id = demo.bank.paid_session("two-chairs-again", TOO_MUCH_MINOR)
    operator, approver = windows.of(demo, OPERATOR), windows.of(demo, APPROVER)
    reference = ask(operator, session_id)
    approver.goto("/approvals/")
    look(approver, reference)
    approver.get_by_role("button", name="Reject").click()
    expect(approver.locator("main")).to_contain_text("Write down why.")
    approver.get_by_label("Comment").fill("They came back last week already")
    approver.get_by_role("button", name="Reject").click()

    steps.expect_status(steps.subject(approver), "rejected")
    steps.expect_status(steps.subject(operator), "rejected")
    expect(operator.locator("#timeline")).to_contain_text("approver@demo.test rejected it")
    assert demo.bank.refunds_of(session_id) == []


def test_nobody_approves_their_own(demo: Installation, windows: Windows) -> None:
    session_id = demo.bank.paid_session("own-chairs", TOO_MUCH_MINOR)
    approver = windows.of(demo, APPROVER)
    reference = ask(approver, session_id)
    approver.goto(f"/refunds/{reference}/approval")
    expect(approver.locator("main")).to_contain_text("You asked for it yourself")
    expect(approver.get_by_role("button", name="Approve")).to_have_count(0)
    approver.get_by_role("link", name="To the refund").click()
    approver.get_by_role("button", name="Undo").click()
    steps.expect_status(steps.subject(approver), "cancelled")
