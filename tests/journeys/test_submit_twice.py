"""However often a form is sent, one refund is made."""

import pytest
from playwright.sync_api import Error, Page, expect

from tests.journeys import steps
from tests.journeys.commands import OPERATOR, Installation
from tests.journeys.windows import Windows


def expect_one_refund(page: Page, demo: Installation, session_id: str, reference: str) -> None:
    """One in the history, and one at the bank once it has ended."""
    page.goto(f"/refunds/?session={session_id}")
    assert steps.references(page) == [reference]
    steps.expect_status(steps.row(page, reference), "accepted")
    assert demo.bank.amounts_of(session_id) == [(1_500, "accepted")]


def open_confirmation(page: Page, demo: Installation, customer: str) -> str:
    session_id = demo.bank.paid_session(customer)
    page.goto(f"/sessions/{session_id}/refund")
    steps.fill_and_check(page, "15")
    return session_id


@pytest.mark.parametrize("has_javascript", [True, False])
def test_double_click(demo: Installation, windows: Windows, has_javascript: bool) -> None:
    page = windows.of(demo, OPERATOR, java_script_enabled=has_javascript)
    session_id = open_confirmation(page, demo, "double-clicked")

    steps.confirm_button(page).dblclick(no_wait_after=True)

    reference = steps.reference_of(page)
    looking = windows.of(demo, OPERATOR)
    expect_one_refund(looking, demo, session_id, reference)


def test_reload_of_the_confirmation_and_back(demo: Installation, windows: Windows) -> None:
    page = windows.of(demo, OPERATOR)
    session_id = open_confirmation(page, demo, "reloaded")
    page.wait_for_url("**&of_form=*")
    page.reload()
    expect(page.locator("[name=amount]")).to_have_value("15.00")
    steps.check_form(page)
    expect(steps.confirm_button(page)).to_be_visible()
    page.wait_for_url("**&of_form=*")
    steps.confirm_button(page).click()
    reference = steps.reference_of(page)

    page.go_back()

    assert steps.reference_of(page) == reference
    expect(page.locator(".notice").first).to_contain_text("This form has made the refund below already")
    expect_one_refund(page, demo, session_id, reference)


def test_back_without_javascript(demo: Installation, windows: Windows) -> None:
    """Chromium does not show the answer to a form again by itself; whoever wants it sends the form once more."""
    page = windows.of(demo, OPERATOR, java_script_enabled=False)
    session_id = open_confirmation(page, demo, "gone-back")
    steps.confirm_button(page).click()
    reference = steps.reference_of(page)
    with pytest.raises(Error, match="ERR_CACHE_MISS"):
        page.go_back()
    page.wait_for_url("chrome-error://**")
    page.reload()

    assert steps.reference_of(page) == reference
    expect_one_refund(windows.of(demo, OPERATOR), demo, session_id, reference)


def test_the_same_form_in_a_second_tab(demo: Installation, windows: Windows) -> None:
    page = windows.of(demo, OPERATOR, java_script_enabled=False)
    session_id = open_confirmation(page, demo, "two-tabs")
    with page.context.expect_page() as opened:
        steps.confirm_button(page).click(modifiers=["Control"])
    reference = steps.reference_of(opened.value)

    steps.confirm_button(page).click()

    assert steps.reference_of(page) == reference
    expect_one_refund(windows.of(demo, OPERATOR), demo, session_id, reference)
