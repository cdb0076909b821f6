"""One page of every family, in a demo with something on each of them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from playwright.sync_api import Page, expect

from tests.journeys import steps
from tests.journeys.commands import ADMIN, APPROVER, OPERATOR, Installation
from tests.journeys.windows import Windows

UNDER_REVIEW_WITHIN_MS = 60_000


@dataclass(frozen=True)
class Family:
    """A page: its name, who looks at it (or nobody), its address with `{names}` of what was made, what is done."""

    name: str
    who: str
    address: str
    act: Callable[[Page], None] = lambda page: None


def confirm(page: Page) -> None:
    steps.fill_form(page, "10 000", comment="The second lamp came broken")
    page.locator("form[data-keep] .btn-primary").click()
    expect(steps.confirm_button(page)).to_be_visible()


def confirm_what_looks_alike(page: Page) -> None:
    steps.fill_form(page, "12 000")
    page.locator("form[data-keep] .btn-primary").click()
    expect(steps.confirm_button(page)).to_be_visible()


def take_paper(page: Page) -> None:
    page.locator("form[action$='/paper'] button").click()
    expect(page.locator("article.paper")).to_be_visible()


def show_keys(page: Page) -> None:
    page.keyboard.press("?")
    expect(page.locator("dialog.keys")).to_be_visible()


def begin_a_term(page: Page) -> None:
    page.locator("[data-finder]").fill("")
    page.locator("[data-finder]").focus()
    expect(page.get_by_role("option").first).to_be_visible()


FAMILIES = (
    Family("sign-in", "", "/login"),
    Family("link", "", "/link"),
    Family("overview", OPERATOR, "/"),
    Family("sessions", OPERATOR, "/sessions/?q=gallery"),
    Family("sessions-none", OPERATOR, "/sessions/?q=nothing:like-it"),
    Family("session", OPERATOR, "/sessions/{session}"),
    Family("refund-form", OPERATOR, "/sessions/{session}/refund"),
    Family("refund-confirm", OPERATOR, "/sessions/{session}/refund", confirm),
    Family("refund-confirm-alike", OPERATOR, "/sessions/{large}/refund", confirm_what_looks_alike),
    Family("refunds", OPERATOR, "/refunds/"),
    Family("refunds-completion", OPERATOR, "/refunds/", begin_a_term),
    Family("refunds-keys", OPERATOR, "/refunds/", show_keys),
    Family("refunds-mistake", OPERATOR, "/refunds/?q=status:gone"),
    Family("refunds-filtered", OPERATOR, "/refunds/?status=accepted&q=gallery"),
    Family("refund", OPERATOR, "/refunds/{refund}"),
    Family("refund-paper", OPERATOR, "/refunds/{refund}", take_paper),
    Family("refund-unknown", OPERATOR, "/refunds/{unknown}"),
    Family("review", APPROVER, "/review/"),
    Family("review-refund", APPROVER, "/refunds/{unknown}/review"),
    Family("approvals", APPROVER, "/approvals/"),
    Family("approval", APPROVER, "/refunds/{waiting}/approval"),
    Family("limits", ADMIN, "/limits/"),
    Family("journal", ADMIN, "/journal/"),
    Family("account", OPERATOR, "/account/"),
    Family("factors", OPERATOR, "/factors/"),
    Family("people", ADMIN, "/people/"),
    Family("person", ADMIN, "/people/{person}"),
    Family("invite", ADMIN, "/people/invite"),
    Family("not-found", OPERATOR, "/refunds/no-such-refund"),
)


def make_something(demo: Installation, windows: Windows) -> dict[str, str]:
    """Refunds: one accepted, one whose outcome could not be found out, two that wait for approval; their names."""
    session_id = demo.bank.paid_session("gallery", amount_minor=1_234_500)
    page = windows.of(demo, OPERATOR)
    reference = steps.refund(page, session_id, "1 234,56", comment="The second lamp came broken")
    steps.expect_status(steps.subject(page), "accepted")
    lost_id = demo.bank.paid_session("gallery-lost")
    demo.bank.fail_next("drop_request", lost_id, times=2)
    unknown = steps.refund(page, lost_id, "25")
    expect(page.locator("#refund-detail")).to_contain_text("Not found at the bank.", timeout=UNDER_REVIEW_WITHIN_MS)
    large_id = demo.bank.paid_session("gallery-large", amount_minor=4_500_000)
    steps.refund(page, large_id, "12 000")
    waiting = steps.refund(page, large_id, "12 000", comment="The third lamp came broken too")
    keep_a_search(page)
    admin = windows.of(demo, ADMIN)
    admin.goto("/people/")
    person = admin.get_by_role("link", name=OPERATOR).get_attribute("href") or ""
    return {
        "session": session_id,
        "refund": reference,
        "unknown": unknown,
        "large": large_id,
        "waiting": waiting,
        "person": person.rpartition("/")[2],
    }


def keep_a_search(page: Page) -> None:
    page.goto("/refunds/?q=amount:>1000+since:monday")
    page.locator(".view-new summary").click()
    page.locator("#view-name").fill("Large ones of this week")
    page.locator("#view-name").press("Enter")
    expect(page.locator(".view")).to_be_visible()


@contextmanager
def opened(
    demo: Installation, windows: Windows, family: Family, names: dict[str, str], **options: str
) -> Iterator[Page]:
    """The page, loaded; `options` are the window's, such as `color_scheme`."""
    page = windows.of(demo, family.who, **options) if family.who else windows.anonymous(demo, **options)
    page.goto(family.address.format(**names))
    expect(page.locator("h1").first).to_be_visible()
    family.act(page)
    yield page
    page.context.close()
