"""The whole job without a mouse: find, refund, approve, take along; and the search box that completes what is typed."""

from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.journeys import steps
from tests.journeys.commands import APPROVER, OPERATOR, Installation
from tests.journeys.waiting import eventually
from tests.journeys.windows import Windows

# Past all links of a full page of rows.
MOST_TABS = 300
SEEN_WITHIN_S = 15.0


def at_home(page: Page) -> Page:
    page.goto("/")
    return page


def press(page: Page, *keys: str) -> None:
    page.bring_to_front()
    for key in keys:
        page.keyboard.press(key)


def tab_to(page: Page, target: Locator) -> None:
    """Go on by Tab until it has the focus, which has to be seen wherever it is."""
    page.bring_to_front()
    for _ in range(MOST_TABS):
        page.keyboard.press("Tab")
        if target.evaluate("element => element === document.activeElement"):
            break
    expect(target).to_be_focused()
    seen = (
        "element => { const s = getComputedStyle(element); return s.outlineStyle !== 'none' || s.boxShadow !== 'none' }"
    )
    assert target.evaluate(seen), "nothing shows where the focus is"


def find_session(page: Page, customer: str) -> None:
    """From anywhere to the page of the one session of a customer."""

    def look() -> int:
        press(page, "/")
        page.keyboard.type(customer)
        press(page, "Enter")
        page.wait_for_url("**/sessions/?q=*")
        return page.locator("main tbody tr").count()

    eventually(look, SEEN_WITHIN_S, f"the session of {customer}")
    press(page, "j", "Enter")
    page.wait_for_url("**/sessions/ps_*")


def refund(page: Page, amount: str) -> str:
    """From a session's page to the refund's; its reference."""
    press(page, "r")
    page.wait_for_url("**/refund")
    tab_to(page, page.locator("[name=kind]:checked"))
    if not page.locator("[name=kind][value=partial]").is_checked():
        press(page, "ArrowDown")
    tab_to(page, page.locator("[name=amount]"))
    page.keyboard.type(amount)
    tab_to(page, page.locator("[name=reason]"))
    page.keyboard.type("Goods")
    tab_to(page, page.get_by_role("button", name="Check and confirm"))
    press(page, "Enter")
    tab_to(page, steps.confirm_button(page))
    press(page, "Enter")
    return steps.reference_of(page)


def test_refund_approval_and_export_with_the_keyboard_alone(
    demo: Installation, windows: Windows, tmp_path: Path
) -> None:
    session_id = demo.bank.paid_session("by-keyboard", 2_500_000)
    operator, approver = at_home(windows.of(demo, OPERATOR)), at_home(windows.of(demo, APPROVER))
    find_session(operator, "by-keyboard")
    reference = refund(operator, "12500")
    steps.expect_status(steps.subject(operator), "awaiting_approval")

    press(approver, "g", "a")
    approver.wait_for_url("**/approvals/")
    expect(steps.row(approver, reference)).to_be_visible()
    press(approver, "j")
    while not steps.row(approver, reference).locator(".row-link").evaluate("link => link === document.activeElement"):
        press(approver, "j")
    press(approver, "Enter")
    tab_to(approver, approver.get_by_role("link", name="Look at it"))
    press(approver, "Enter")
    tab_to(approver, approver.get_by_role("button", name="Approve 12,500.00 RUB"))
    press(approver, "Enter")

    for page in (approver, operator):
        steps.expect_status(steps.subject(page), "accepted")
    assert demo.bank.amounts_of(session_id) == [(1_250_000, "accepted")]
    press(operator, "g", "r")
    operator.wait_for_url("**/refunds/")
    tab_to(operator, operator.get_by_role("button", name="As a table (CSV)"))
    with operator.expect_download() as begun:
        press(operator, "Enter")
    begun.value.save_as(tmp_path / "refunds.csv")
    assert reference in (tmp_path / "refunds.csv").read_text()


@pytest.fixture
def page(demo: Installation, windows: Windows) -> Page:
    return at_home(windows.of(demo, OPERATOR))


def test_a_term_is_completed_and_searched_for(page: Page) -> None:
    box, options = page.locator("[data-finder]"), page.get_by_role("option")
    press(page, "/")
    expect(options.first).to_contain_text("status:")
    page.keyboard.type("sta")
    expect(options).to_have_count(1)
    press(page, "ArrowDown", "Enter")
    expect(box).to_have_value("status:")
    page.keyboard.type("decl")
    expect(options).to_have_text(["status:declinedDeclined"])
    press(page, "ArrowDown", "Tab")
    expect(box).to_have_value("status:declined ")
    expect(box).to_be_focused()
    page.keyboard.type("amount:>5")
    press(page, "Enter")
    page.wait_for_url("**/refunds/?q=*")
    expect(box).to_have_value("status:declined amount:>5")


def test_the_keys_are_shown_and_close_again(page: Page) -> None:
    keys = page.get_by_role("dialog", name="Keys")
    press(page, "?")
    expect(keys).to_be_visible()
    press(page, "g", "r")
    expect(page).to_have_url(f"{page.url}")
    press(page, "Escape")
    expect(keys).to_be_hidden()
    press(page, "g", "s")
    page.wait_for_url("**/sessions/")
    press(page, "/")
    page.keyboard.type("jk?gr")
    expect(page.locator("[data-finder]")).to_have_value("jk?gr")
    expect(keys).to_be_hidden()


def test_they_work_where_another_alphabet_is_set(page: Page) -> None:
    """On a Russian keyboard the key with J on it says "о"."""
    typed = """([key, code, shiftKey]) =>
      document.body.dispatchEvent(new KeyboardEvent("keydown", { key, code, shiftKey, bubbles: true }))"""
    page.evaluate(typed, [",", "Slash", True])
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    press(page, "Escape")
    page.evaluate(typed, ["п", "KeyG", False])
    page.evaluate(typed, ["к", "KeyR", False])
    page.wait_for_url("**/refunds/")
    page.evaluate(typed, [".", "Slash", False])
    expect(page.locator("[data-finder]")).to_be_focused()


def test_switched_off_they_do_nothing(page: Page) -> None:
    page.goto("/account/")
    page.get_by_label("Keys of one letter").select_option("off")
    page.get_by_role("button", name="See it like this").click()
    expect(page.locator("body")).to_have_attribute("data-keys", "off")
    page.locator("h1").click()
    press(page, "/", "?", "g", "r")
    expect(page.locator("[data-finder]")).not_to_be_focused()
    expect(page).to_have_url(f"{page.url}")
    page.get_by_label("Keys of one letter").select_option("")
    page.get_by_role("button", name="See it like this").click()
    expect(page.locator("body")).not_to_have_attribute("data-keys", "off")


def test_terms_are_asked_for_again_after_an_answer_that_was_none(page: Page, windows: Windows) -> None:
    windows.guard.forgive("503")
    box, options = page.locator("[data-finder]"), page.get_by_role("option")
    page.route("**/find/terms", lambda route: route.fulfill(status=503, body="busy"))
    with page.expect_response("**/find/terms"):
        press(page, "/")
    page.unroute("**/find/terms")
    press(page, "Escape")
    box.blur()
    press(page, "/")
    expect(options.first).to_contain_text("status:")


def test_what_is_copied_from_the_screens_leads_back_to_it(page: Page) -> None:
    page.goto("/refunds/")
    row = page.locator("main tbody tr").first
    shown, card = (row.locator(cell).first.inner_text() for cell in (".amount", "td:has-text('··')"))
    row.locator("a").first.click()
    page.wait_for_url("**/refunds/*-*")
    address, short = page.url, page.locator(".mono").first.inner_text()
    for pasted in (address, short, f" {short.upper()} "):
        look_for(page, pasted)
        page.wait_for_url(address)
    for pasted in (shown, f"amount:{shown} {card}", f"{shown} {card}"):
        look_for(page, pasted)
        page.wait_for_url("**/refunds/?q=*")
        expect(page.locator(f"main tbody a[href$='{address.rpartition('/')[2]}']").first).to_be_visible()


def look_for(page: Page, text: str) -> None:
    page.goto("/")
    page.locator("[data-finder]").fill(text)
    press(page, "Enter")
