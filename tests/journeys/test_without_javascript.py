"""Everything works with plain forms; a reload shows what has changed."""

from playwright.sync_api import expect

from tests.journeys import steps
from tests.journeys.commands import OPERATOR, Installation
from tests.journeys.waiting import eventually
from tests.journeys.windows import Windows


def test_a_whole_refund(demo: Installation, windows: Windows) -> None:
    session_id = demo.bank.paid_session("no-javascript")
    page = windows.anonymous(demo, java_script_enabled=False)
    steps.sign_in(page, OPERATOR)
    steps.search(page, "no-javascript").click()
    page.get_by_role("link", name="Refund", exact=True).click()
    steps.fill_and_check(page, "1 000,00", comment="without a script")
    steps.confirm_button(page).click()
    reference = steps.reference_of(page)
    advice = page.locator("[data-freshness] noscript")
    expect(advice).to_be_visible()
    assert advice.inner_text() == "Reload the page to see changes"

    def is_accepted() -> bool:
        page.reload()
        return steps.subject(page).get_attribute("data-status") == "accepted"

    eventually(is_accepted, steps.SEEN_WITHIN_S, "accepted after a reload")
    page.goto(f"/refunds/?session={session_id}&status=accepted")
    assert steps.references(page) == [reference]
    assert demo.bank.amounts_of(session_id) == [(100_000, "accepted")]


def test_filters_and_folds(demo: Installation, windows: Windows) -> None:
    session_id = demo.bank.paid_session("no-javascript-2")
    demo.bank.charge_back(session_id, 700)
    page = windows.of(demo, OPERATOR, java_script_enabled=False)
    page.goto("/refunds/")
    page.locator("summary", has_text="Session").click()
    page.locator("#filter-session").fill(session_id)
    page.locator("#filter-session").press("Enter")
    page.wait_for_url(f"**session={session_id}**")

    def is_shown() -> bool:
        page.reload()
        return len(steps.references(page)) == 1

    eventually(is_shown, steps.SEEN_WITHIN_S, "the chargeback and nothing else after a reload")
    page.goto(f"/sessions/{session_id}")
    page.get_by_text("As the bank sent it").click()
    expect(page.locator("pre", has_text='"acquiring_payments"')).to_be_visible()
