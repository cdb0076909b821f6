"""Sending paused and resumed from the command line."""

from playwright.sync_api import expect

from tests.journeys import steps
from tests.journeys.commands import OPERATOR, VIEWER, Installation
from tests.journeys.windows import Windows


def test_nothing_is_sent_until_it_is_resumed(demo: Installation, windows: Windows) -> None:
    session_id = demo.bank.paid_session("paused")
    page = windows.of(demo, OPERATOR)
    demo.run("sending", "pause", "--why", "the bank has asked us to")
    overview = page.context.new_page()
    overview.goto("/")
    expect(overview.locator("main")).to_contain_text("Sending is paused")
    expect(overview.locator("main")).to_contain_text("the bank has asked us to")
    undone, sent = (steps.refund(page, session_id, amount) for amount in ("1", "2"))
    expect(page.locator("[data-seconds-left]")).to_have_text("")
    steps.expect_status(steps.subject(page), "queued")
    assert demo.bank.refunds_of(session_id) == []
    steps.mark(page)

    expect_no_undo_for_a_viewer(windows, demo, undone)
    undo(windows, demo, undone)
    demo.run("sending", "resume")

    steps.expect_status(steps.subject(page), "accepted")
    assert page.url.endswith(sent)
    steps.expect_not_reloaded(page)
    assert demo.bank.amounts_of(session_id) == [(200, "accepted")]
    overview.goto("/")
    expect(overview.locator("main")).not_to_contain_text("Sending is paused")


def expect_no_undo_for_a_viewer(windows: Windows, demo: Installation, reference: str) -> None:
    page = windows.of(demo, VIEWER)
    page.goto(f"/refunds/{reference}")
    steps.expect_status(steps.subject(page), "queued")
    expect(page.get_by_role("button", name="Undo")).to_have_count(0)
    csrf_token = page.locator("[name=csrf_token]").first.input_value()
    assert page.request.post(f"/refunds/{reference}/cancel", form={"csrf_token": csrf_token}).status == 403


def undo(windows: Windows, demo: Installation, reference: str) -> None:
    """Long after the time that was promised: what was not sent can still be undone."""
    page = windows.of(demo, OPERATOR)
    page.goto(f"/refunds/{reference}")
    page.get_by_role("button", name="Undo").click()
    steps.expect_status(steps.subject(page), "cancelled")
