"""Signing out in one tab ends all of them: open pages say so by themselves."""

import requests
from playwright.sync_api import expect

from tests.journeys import steps
from tests.journeys.commands import OPERATOR, Installation
from tests.journeys.windows import Windows


def test_every_open_tab_asks_to_sign_in_again(demo: Installation, windows: Windows) -> None:
    session_id = demo.bank.paid_session("signed-out")
    page = windows.anonymous(demo)
    steps.sign_in(page, OPERATOR)
    reference = steps.refund(page, session_id, "1")
    history, session = page.context.new_page(), page.context.new_page()
    history.goto("/refunds/")
    session.goto(f"/sessions/{session_id}")
    tab = page.context.new_page()
    tab.goto("/")
    for live in (page, history, session):
        steps.expect_live(live)

    tab.get_by_role("button", name="Sign out").click()

    for live, target in ((page, f"/refunds/{reference}"), (history, "/refunds/"), (session, f"/sessions/{session_id}")):
        expect(live).to_have_title("Sign in · Refund desk")
        expect(live.locator("[name=next]")).to_have_value(target)
    steps.fill_sign_in(history, OPERATOR)
    steps.expect_live(history)


def test_the_cookie_of_before_opens_nothing(demo: Installation, windows: Windows) -> None:
    page = windows.anonymous(demo)
    steps.sign_in(page, OPERATOR)
    cookies = {str(each["name"]): str(each["value"]) for each in page.context.cookies()}
    assert requests.get(f"{demo.url}/refunds/", cookies=cookies, timeout=10, allow_redirects=False).status_code == 200

    page.get_by_role("button", name="Sign out").click()

    expect(page).to_have_title("Sign in · Refund desk")
    for path, status in (("/refunds/", 302), ("/live", 401), ("/refunds/rows?since=0", 401)):
        answer = requests.get(f"{demo.url}{path}", cookies=cookies, timeout=10, allow_redirects=False)
        assert answer.status_code == status, path
