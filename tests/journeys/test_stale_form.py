"""A form that was opened before something changed: told so, nothing sent, nothing that was typed lost."""

from playwright.sync_api import Page, expect

from tests.journeys import steps
from tests.journeys.commands import APPROVER, OPERATOR, Installation
from tests.journeys.windows import Windows


def expect_told_and_kept(page: Page, session_id: str) -> None:
    page.wait_for_url(f"**/sessions/{session_id}/refund?*")
    expect(page.locator("main")).to_contain_text("Something changed since you opened this form")
    expect(page.locator("main")).to_contain_text("Nothing was sent")
    expect(page.locator("main")).to_contain_text("900.00 RUB")
    expect(page.locator("[name=amount]")).to_have_value("950")
    expect(page.locator("[name=comment]")).to_have_value("typed before")
    expect(page.locator("[name=reason]")).to_have_value("other")


def test_the_form_says_what_changed_and_can_be_sent_again(demo: Installation, windows: Windows) -> None:
    session_id = demo.bank.paid_session("stale-form")
    first = windows.of(demo, OPERATOR)
    second = first.context.new_page()
    second.goto(f"/sessions/{session_id}/refund")
    steps.fill_form(second, "950", reason="other", comment="typed before")
    first_reference = steps.refund(first, session_id, "100")

    steps.check_form(second)

    expect_told_and_kept(second, session_id)
    steps.check_form(second)
    expect(second.locator("main")).to_contain_text("at most 900.00")
    second.locator("[name=amount]").fill("900")
    steps.check_form(second)
    steps.confirm_button(second).click()
    second_reference = steps.reference_of(second)
    first.goto(f"/refunds/?session={session_id}")
    assert steps.references(first) == [second_reference, first_reference]


def test_whoever_has_the_form_open_is_told_who_opens_it_after_them(demo: Installation, windows: Windows) -> None:
    session_id = demo.bank.paid_session("opened-by-two")
    first, second = windows.of(demo, OPERATOR), windows.of(demo, APPROVER)
    first.goto(f"/sessions/{session_id}/refund")
    steps.fill_form(first, "950", reason="other", comment="typed before")
    comment = first.locator("[name=comment]")
    comment.focus()
    where = comment.bounding_box()

    second.goto(f"/sessions/{session_id}/refund")
    first.bring_to_front()

    told = first.locator(".meanwhile")
    expect(told).to_contain_text(f"{APPROVER} opened the refund form of this session")
    expect(comment).to_be_focused()
    expect(comment).to_have_value("typed before")
    assert comment.bounding_box() == where, "nothing moved"
    steps.refund(second, session_id, "100")
    first.bring_to_front()
    expect(told).to_contain_text(f"{APPROVER} asked for a refund of 100.00 RUB.")


def test_a_confirmation_that_was_open_sends_nothing(demo: Installation, windows: Windows) -> None:
    session_id = demo.bank.paid_session("stale-confirmation")
    first = windows.of(demo, OPERATOR)
    second = first.context.new_page()
    second.goto(f"/sessions/{session_id}/refund")
    steps.fill_and_check(second, "950", reason="other", comment="typed before")
    reference = steps.refund(first, session_id, "100")

    steps.confirm_button(second).click()

    expect(second.locator("[name=amount]")).to_be_visible()
    second.locator("[name=amount]").fill("950")
    expect_told_and_kept(second, session_id)
    first.goto(f"/refunds/?session={session_id}")
    assert steps.references(first) == [reference]
    steps.expect_status(steps.row(first, reference), "accepted")
    assert demo.bank.amounts_of(session_id) == [(10_000, "accepted")]
