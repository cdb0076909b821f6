"""What people do on the pages, and what they see there.

Whoever works on a page has it in front: in a tab behind, Chromium takes a second for every click.
"""

from playwright.sync_api import Locator, Page, expect

from tests.journeys.commands import PASSWORD
from tests.journeys.waiting import eventually

SEEN_WITHIN_S = 15.0


def sign_in(page: Page, email: str, password: str = PASSWORD) -> None:
    page.goto("/login")
    fill_sign_in(page, email, password)
    expect(page.locator("form[action$='/logout']")).to_be_visible()


def fill_sign_in(page: Page, email: str, password: str = PASSWORD) -> None:
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()


def search(page: Page, words: str) -> Locator:
    """Look for sessions with the box that every page has, until something is found; the links to them."""
    found = page.locator("main tbody a[href*='/sessions/']")

    def look() -> int:
        page.locator("[data-finder]").fill(words)
        page.locator("[data-finder]").press("Enter")
        page.wait_for_url("**/sessions/?q=*")
        return found.count()

    eventually(look, SEEN_WITHIN_S, f"{words} is found")
    return found


# Refunding


def fill_form(page: Page, amount: str | None, reason: str = "goods_returned", comment: str = "") -> None:
    """Fill in the form of a session; no amount means all of it."""
    page.bring_to_front()
    page.locator(f"[name=kind][value={'full' if amount is None else 'partial'}]").check()
    if amount is not None:
        page.locator("[name=amount]").fill(amount)
    page.locator("[name=reason]").select_option(reason)
    page.locator("[name=comment]").fill(comment)


def check_form(page: Page) -> None:
    """Go from the form to whatever it leads to."""
    page.bring_to_front()
    page.get_by_role("button", name="Check and confirm").click()


def fill_and_check(page: Page, amount: str | None, **rest: str) -> None:
    """Go from the form to the confirmation."""
    fill_form(page, amount, **rest)
    check_form(page)
    expect(confirm_button(page)).to_be_visible()


def confirm_button(page: Page) -> Locator:
    return page.locator("button[name=confirm][value=yes]")


def refund(page: Page, session_id: str, amount: str | None, **rest: str) -> str:
    """Refund from the form to the refund's page; its reference."""
    page.goto(f"/sessions/{session_id}/refund")
    fill_and_check(page, amount, **rest)
    confirm_button(page).click()
    return reference_of(page)


def reference_of(page: Page) -> str:
    """The refund whose page it is, as soon as it is one."""
    page.wait_for_url("**/refunds/*-*-*-*-*")
    return page.url.rpartition("/")[2]


# Looking


def subject(page: Page) -> Locator:
    """The refund itself on its own page."""
    return page.locator("[data-refund]").first


def row(page: Page, reference: str) -> Locator:
    """A refund's row in a table."""
    return page.locator(f"tr[data-refund='{reference}']")


def expect_status(refund_or_row: Locator, *statuses: str) -> None:
    """See one status after the other."""
    for status in statuses:
        expect(refund_or_row).to_have_attribute("data-status", status)


def references(page: Page) -> list[str]:
    """The refunds that the table shows, from top to bottom."""
    rows = page.locator("tbody tr[data-refund]")
    return [str(reference) for reference in rows.evaluate_all("rows => rows.map(row => row.dataset.refund)")]


def expect_live(page: Page) -> None:
    expect(page.locator("[data-freshness]")).to_have_attribute("data-state", "live")


def mark(*pages: Page) -> None:
    """Leave something on the pages that only a reload or another address would wipe off."""
    for page in pages:
        page.evaluate("window.untouched = true")


def expect_not_reloaded(*pages: Page) -> None:
    for page in pages:
        assert page.evaluate("window.untouched === true"), f"{page.url} was loaded again"
