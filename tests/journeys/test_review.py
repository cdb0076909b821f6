"""A refund that the desk cannot decide on: two people do, and it is asked for again."""

import re

from playwright.sync_api import Page, expect

from tests.journeys import steps
from tests.journeys.commands import APPROVER, OPERATOR, Installation
from tests.journeys.windows import Windows

# Two sends, each with its lease, the quiet period and two proofs of absence.
UNDER_REVIEW_WITHIN_MS = 60_000


def test_two_people_close_a_refund_as_never_made_and_it_is_asked_for_again(
    demo: Installation, windows: Windows
) -> None:
    session_id = demo.bank.paid_session("never-made")
    demo.bank.fail_next("drop_request", session_id, times=2)
    first, second = windows.of(demo, OPERATOR), windows.of(demo, APPROVER)
    reference = steps.refund(first, session_id, "25")
    expect(first.locator("#refund-detail")).to_contain_text("Not found at the bank.", timeout=UNDER_REVIEW_WITHIN_MS)
    steps.expect_status(steps.subject(first), "unknown")

    watching = first.context.new_page()
    watching.goto(f"/refunds/{reference}")
    steps.expect_live(watching)
    steps.mark(watching)
    propose_never_made(first)
    expect(watching.locator(".decide")).to_contain_text("operator@demo.test proposes: The bank never made it.")
    expect_still_held(second, session_id)
    confirm_from_the_queue(second, reference)
    for page in (second, watching):
        steps.expect_status(steps.subject(page), "abandoned")
    steps.expect_not_reloaded(watching)
    new = ask_again(second, reference)

    steps.expect_status(steps.subject(second), "accepted")
    assert demo.bank.amounts_of(session_id) == [(2_500, "accepted")]
    second.get_by_role("link", name=reference[:8]).first.click()
    steps.expect_status(steps.subject(second), "abandoned")
    expect(second.locator(f"#refund-detail a[href$='{new}']")).to_be_visible()
    assert demo.run("journal", "verify").stdout.startswith("The journal is whole: ")


def propose_never_made(page: Page) -> None:
    """From the refund's page; nothing is to be confirmed by oneself."""
    page.bring_to_front()
    page.locator(".decide").get_by_role("link", name="Review").click()
    expect(page.locator("main")).to_contain_text("What the bank shows now")
    page.get_by_label(re.compile("The bank never made it")).check()
    page.get_by_label("Comment").fill("The bank's support has no trace of it, ticket 4711")
    page.get_by_role("button", name="Propose").click()
    expect(page.locator("main")).to_contain_text("Proposed. A second person has to agree")
    expect(page.get_by_role("button", name="Withdraw the proposal")).to_be_visible()
    expect(page.get_by_role("button", name="Confirm")).to_have_count(0)


def expect_still_held(page: Page, session_id: str) -> None:
    page.bring_to_front()
    page.goto(f"/sessions/{session_id}")
    expect(page.locator("#session-summary")).to_contain_text("Can still be refunded975.00 RUB")


def confirm_from_the_queue(page: Page, reference: str) -> None:
    """By way of the navigation, on a fresh look at the bank."""
    page.get_by_role("link", name=re.compile("^Review")).first.click()
    steps.row(page, reference).locator(".row-link").click()
    expect(page.locator("#decision")).to_contain_text("ticket 4711")
    expect(page.locator("#decision")).to_contain_text("25.00 RUB is free again")
    page.get_by_role("button", name="Confirm").click()
    expect(page.locator("main")).to_contain_text("Decided: two people agree.")


def ask_again(page: Page, reference: str) -> str:
    """With the button, the form filled in already, to the new refund; its reference."""
    page.get_by_role("link", name="Refund it again").click()
    expect(page.locator("main")).to_contain_text(f"A new refund in place of {reference[:8]}")
    expect(page.locator("[name=amount]")).to_have_value("25.00")
    steps.check_form(page)
    steps.confirm_button(page).click()
    return steps.reference_of(page)
