"""The bank's answer is lost: the desk says that it does not know, keeps the money held, and finds out."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.journeys import steps
from tests.journeys.commands import OPERATOR, Installation
from tests.journeys.windows import Windows


@pytest.fixture
def page(demo: Installation, windows: Windows) -> Page:
    return windows.of(demo, OPERATOR)


@pytest.mark.parametrize("fault", ["drop_response", "html_502", "truncate"])
def test_a_refund_that_the_bank_has_made_is_found_by_reading(page: Page, demo: Installation, fault: str) -> None:
    session_id = demo.bank.paid_session(f"unknown-{fault}")
    demo.bank.fail_next(fault, session_id)

    with demo.bank.behaving(webhooks="off"):
        steps.refund(page, session_id, "25")
        steps.mark(page)
        steps.expect_status(steps.subject(page), "accepted")

    told = page.locator("#timeline")
    for sentence in ("No answer that can be relied on", "The outcome is not known"):
        expect(told).to_contain_text(sentence)
    expect(told).to_contain_text(re.compile(r"The bank has it as rf_\d+, read from the bank"))
    steps.expect_not_reloaded(page)
    assert demo.bank.amounts_of(session_id) == [(2_500, "accepted")]


def test_unknown_is_said_while_it_lasts_and_what_is_queued_behind_it_waits(page: Page, demo: Installation) -> None:
    session_id = demo.bank.paid_session("unknown-for-long")
    demo.run("sending", "pause")
    both = {steps.refund(page, session_id, "25"), steps.refund(page, session_id, "25")}
    session, history = page.context.new_page(), page.context.new_page()
    session.goto(f"/sessions/{session_id}")
    history.goto(f"/refunds/?status=unknown&session={session_id}")
    steps.expect_live(session)
    steps.mark(session, history)
    demo.bank.fail_next("http_500", session_id)

    demo.run("sending", "resume")

    unknown = expect_unknown(session, history)
    (waiting,) = both - {unknown}
    expect_waiting(page, session, waiting)
    expect_nothing_more_can_be_asked(page.context.new_page(), session_id)
    page.get_by_role("button", name="Undo").click()
    steps.expect_status(steps.subject(page), "cancelled")
    steps.expect_status(steps.row(session, waiting), "cancelled")
    steps.expect_status(steps.row(session, unknown), "accepted")
    expect(steps.row(history, unknown)).to_have_count(0)
    expect(session.locator("#timeline")).to_contain_text("Sent to the bank again, attempt 2, the same bytes")
    steps.expect_not_reloaded(session, history)
    assert demo.bank.amounts_of(session_id) == [(2_500, "accepted")]


def expect_unknown(session: Page, history: Page) -> str:
    """One of the two has an unknown outcome, here and there, and holds its money; its reference."""
    row = session.locator("tr[data-refund][data-status=unknown]")
    expect(row).to_contain_text("Outcome unknown")
    reference = str(row.get_attribute("data-refund"))
    expect(steps.row(history, reference)).to_contain_text("Outcome unknown")
    expect(session.locator("#session-summary")).to_contain_text("On its way50.00 RUB")
    expect(session.locator("#session-summary")).to_contain_text("Refunded0.00 RUB")
    return reference


def expect_waiting(page: Page, session: Page, reference: str) -> None:
    """The refund behind it, in the table and on its own page."""
    steps.expect_status(steps.row(session, reference), "queued")
    expect(steps.row(session, reference)).to_contain_text("Queued, waiting")
    page.goto(f"/refunds/{reference}")
    expect(page.locator("#refund-detail")).to_contain_text("Queued, waiting")
    expect(page.locator("#refund-detail")).to_contain_text("It waits until another refund of this session is settled")


def expect_nothing_more_can_be_asked(page: Page, session_id: str) -> None:
    page.goto(f"/sessions/{session_id}/refund")
    expect(page.get_by_role("alert")).to_contain_text(
        "The outcome of an earlier refund of this session is not known yet"
    )
    expect(page.locator("[name=amount]")).to_have_count(0)
