"""Every page family loads without a word in the console, and asks nothing of another host."""

from playwright.sync_api import Page, expect

from tests.journeys import steps
from tests.journeys.commands import ADMIN, OPERATOR, PASSWORD, Installation
from tests.journeys.windows import Windows


def test_every_page_family(demo: Installation, windows: Windows) -> None:
    session_id = demo.bank.paid_session("quiet")
    page = windows.of(demo, OPERATOR)
    reference = steps.refund(page, session_id, "1")
    paths = (
        "/",
        "/sessions/",
        "/sessions/?q=client-17",
        "/sessions/?q=nothing-like-it",
        f"/sessions/{session_id}",
        f"/sessions/{session_id}/refund",
        "/refunds/",
        "/refunds/?status=needs_you",
        f"/refunds/{reference}",
        "/review/",
        "/journal/",
        "/refunds/no-such-refund",
        "/refunds/?status=nonsense",
        f"{demo.bank.url}/",
    )

    for path in paths:
        page.goto(path, wait_until="networkidle" if page.locator("[data-live-url]").count() == 0 else "load")
        expect(page.locator("h1").first).to_be_visible()


def test_looking_after_accounts_on_a_wide_and_a_narrow_page(demo: Installation, windows: Windows) -> None:
    demo.run("user", "add", "looked-after@demo.test", "--role", "viewer", "--password-stdin", stdin=PASSWORD + "\n")
    page = windows.just_signed_in(demo, ADMIN)
    for width in (1440, 390):
        page.set_viewport_size({"width": width, "height": 844})
        page.goto("/people/")
        page.get_by_role("link", name="looked-after@demo.test").click()
        for act in ("Disable the account", "Enable the account", "Sign out everywhere", "Change the role"):
            with page.expect_navigation():
                page.get_by_role("button", name=act).click()
            expect(page.locator(".notice")).to_have_count(1)


def test_samples_of_every_kind_of_payment(demo: Installation, windows: Windows) -> None:
    page = windows.of(demo, OPERATOR)
    page.goto("/sessions/")
    links = page.locator("main tbody a[href*='/sessions/']")
    addresses = [str(address) for address in links.evaluate_all("links => links.map(link => link.href)")]
    assert len(addresses) > 20
    for address in addresses[-24:]:
        page.goto(address)
        expect(page.locator("#session-summary")).to_be_visible()


def test_the_favicon_is_served(demo: Installation, windows: Windows) -> None:
    page = windows.anonymous(demo)
    page.goto("/login")
    assert is_served(page, str(page.locator("link[rel=icon]").get_attribute("href")))


def is_served(page: Page, address: str) -> bool:
    answer = page.request.get(address)
    return answer.status == 200 and answer.headers["content-type"].startswith("image/")
