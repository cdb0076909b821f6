"""Who may do what: a viewer looks, and nobody who is signed out sees anything."""

import pytest
from playwright.sync_api import expect

from tests.journeys import steps
from tests.journeys.commands import OPERATOR, VIEWER, Installation
from tests.journeys.windows import Windows


def test_a_viewer_sees_everything_and_cannot_refund(demo: Installation, windows: Windows) -> None:
    session_id = demo.bank.paid_session("for-a-viewer")
    page = windows.of(demo, VIEWER)
    page.goto(f"/sessions/{session_id}")
    expect(page.locator("#session-summary")).to_contain_text("1,000.00")
    expect(page.locator(f"a[href$='/sessions/{session_id}/refund']")).to_have_count(0)

    page.goto(f"/sessions/{session_id}/refund")

    expect(page.get_by_role("heading", name="Your role does not allow this")).to_be_visible()
    expect(page.locator("main")).to_contain_text("No money has moved.")
    page.goto("/")
    csrf_token = page.locator("[name=csrf_token]").first.input_value()
    fields = {"csrf_token": csrf_token, "kind": "full", "reason": "other", "confirm": "yes"}
    assert page.request.post(f"/sessions/{session_id}/refund", form=fields).status == 403
    assert demo.bank.refunds_of(session_id) == []


@pytest.mark.parametrize(
    "path", ["/", "/sessions/", "/sessions/ps_3201", "/refunds/", "/refunds/x", "/journal/", "/no"]
)
def test_nobody_signed_out_sees_anything(demo: Installation, windows: Windows, path: str) -> None:
    page = windows.anonymous(demo)

    page.goto(path)

    expect(page).to_have_title("Sign in · Refund desk")
    assert page.locator("main").inner_text().split() == [
        "Refund",
        "desk",
        "Sign",
        "in",
        "E-mail",
        "Password",
        "Sign",
        "in",
    ]


def test_signing_in_leads_to_the_page_that_was_asked_for(demo: Installation, windows: Windows) -> None:
    page = windows.anonymous(demo)
    page.goto("/refunds/?status=declined")
    steps.fill_sign_in(page, OPERATOR, "a wrong password")
    expect(page.get_by_role("alert")).to_contain_text("The e-mail address or the password is not right.")

    steps.fill_sign_in(page, OPERATOR)

    expect(page.locator("h1")).to_have_text("Refunds")
    assert page.url == f"{demo.url}/refunds/?status=declined"
