"""One page of every family, in a demo with something on each of them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from playwright.sync_api import Page, expect

from tests.journeys import steps
from tests.journeys.commands import ADMIN, APPROVER, OPERATOR, Installation
from tests.journeys.windows import Windows

UNDER_REVIEW_WITHIN_MS = 60_000


@dataclass(frozen=True)
class Family:
    """A page: its name, who looks at it (nobody: signed out), and its address, with `{names}` of what was made."""

    name: str
    who: str
    address: str


FAMILIES = (
    Family("sign-in", "", "/login"),
    Family("overview", OPERATOR, "/"),
    Family("sessions", OPERATOR, "/sessions/?q=gallery"),
    Family("sessions-none", OPERATOR, "/sessions/?q=nothing-like-it"),
    Family("session", OPERATOR, "/sessions/{session}"),
    Family("refund-form", OPERATOR, "/sessions/{session}/refund"),
    Family("refunds", OPERATOR, "/refunds/"),
    Family("refunds-filtered", OPERATOR, "/refunds/?status=accepted&q=gallery"),
    Family("refund", OPERATOR, "/refunds/{refund}"),
    Family("refund-unknown", OPERATOR, "/refunds/{unknown}"),
    Family("review", APPROVER, "/review/"),
    Family("review-refund", APPROVER, "/refunds/{unknown}/review"),
    Family("approvals", APPROVER, "/approvals/"),
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
    """A session with a refund that was accepted, and one whose outcome the desk could not find out; their names."""
    session_id = demo.bank.paid_session("gallery", amount_minor=1_234_500)
    page = windows.of(demo, OPERATOR)
    reference = steps.refund(page, session_id, "1 234,56", comment="The second lamp came broken")
    steps.expect_status(steps.subject(page), "accepted")
    lost_id = demo.bank.paid_session("gallery-lost")
    demo.bank.fail_next("drop_request", lost_id, times=2)
    unknown = steps.refund(page, lost_id, "25")
    expect(page.locator("#refund-detail")).to_contain_text("Not found at the bank.", timeout=UNDER_REVIEW_WITHIN_MS)
    admin = windows.of(demo, ADMIN)
    admin.goto("/people/")
    person = admin.get_by_role("link", name=OPERATOR).get_attribute("href") or ""
    return {"session": session_id, "refund": reference, "unknown": unknown, "person": person.rpartition("/")[2]}


@contextmanager
def opened(
    demo: Installation, windows: Windows, family: Family, names: dict[str, str], **options: str
) -> Iterator[Page]:
    """The page, loaded; `options` are the window's, such as `color_scheme`."""
    page = windows.of(demo, family.who, **options) if family.who else windows.anonymous(demo, **options)
    page.goto(family.address.format(**names))
    expect(page.locator("h1").first).to_be_visible()
    yield page
    page.context.close()
