"""Nobody is there: the page warns, can be told to wait, and gives back what was typed after signing in again."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.journeys import steps
from tests.journeys.commands import APPROVER, OPERATOR, PASSWORD, Installation, running_demo
from tests.journeys.waiting import eventually
from tests.journeys.windows import Windows

LIVES_FOR_S = 12


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """A demo where nobody may be idle for longer than some seconds."""
    minutes = str(LIVES_FOR_S / 60)
    with running_demo(tmp_path_factory.mktemp("hasty"), DASHBOARD_IDLE_MINUTES=minutes) as installation:
        yield installation


def begin(hasty: Installation, windows: Windows) -> Page:
    """Somebody has begun to fill in a refund form."""
    windows.guard.forgive("401")
    page = windows.anonymous(hasty)
    steps.sign_in(page, OPERATOR)
    page.goto(f"/sessions/{hasty.bank.paid_session('idle')}/refund")
    steps.fill_form(page, "12.34", comment="half a sent")
    return page


def expect_typed(page: Page) -> None:
    expect(page.locator("[name=amount]")).to_have_value("12.34")
    expect(page.locator("[name=kind][value=partial]")).to_be_checked()
    expect(page.locator("[name=reason]")).to_have_value("goods_returned")
    expect(page.locator("[name=comment]")).to_have_value("half a sent")


def expect_given_back(page: Page) -> None:
    expect(page.locator("[data-given-back]")).to_be_visible()
    expect_typed(page)


def expect_sealed(page: Page) -> None:
    """What was typed lies in the tab, and nothing of it can be read there."""
    kept = "JSON.stringify({...sessionStorage})"
    eventually(lambda: "sealed" in str(page.evaluate(kept)), steps.SEEN_WITHIN_S, "something sealed to lie in the tab")
    lying = str(page.evaluate(kept))
    assert [word for word in ("12.34", "partial", "goods_returned", "half a sent", "comment") if word in lying] == []


def test_one_is_warned_and_can_stay(hasty: Installation, windows: Windows) -> None:
    page = begin(hasty, windows)
    bar = page.locator(".idle-bar")
    expect(bar).to_be_hidden()
    expect(bar).to_be_visible()
    expect(bar).to_contain_text("You will be signed out in 0:0")
    expect(page.locator("#announcer")).to_have_text(f"You will be signed out in 0:0{LIVES_FOR_S // 2}.")

    bar.get_by_role("button", name="Stay signed in").click()

    expect(bar).to_be_hidden()
    expect_typed(page)
    expect(bar).to_be_visible()
    page.locator("[name=comment]").press("End")
    expect(bar).to_be_hidden()
    expect(page.locator("[name=comment]")).to_have_value("half a sent")
    steps.check_form(page)
    expect(steps.confirm_button(page)).to_be_visible()


def test_what_was_typed_comes_back_after_signing_in_again_to_whoever_typed_it(
    hasty: Installation, windows: Windows
) -> None:
    on_form, on_confirmation, left_to_another = (begin(hasty, windows) for _ in range(3))
    address = on_form.url
    steps.check_form(on_confirmation)
    expect(steps.confirm_button(on_confirmation)).to_be_visible()
    expect_sealed(on_confirmation)
    with on_confirmation.expect_request("**/account/kept"):
        expect(on_confirmation.locator(".idle-bar")).to_be_visible()
    for page in (on_form, on_confirmation, left_to_another):
        expect(page).to_have_title("Sign in · Refund desk")
        expect_sealed(page)

    steps.fill_sign_in(on_form, OPERATOR)

    expect_given_back(on_form)
    assert on_form.url == address
    steps.check_form(on_form)
    expect(steps.confirm_button(on_form)).to_be_visible()
    on_form.reload()
    on_form.goto(address)
    expect(on_form.locator("[name=amount]")).to_have_value("")

    steps.fill_sign_in(on_confirmation, OPERATOR)

    expect_given_back(on_confirmation)

    steps.fill_sign_in(left_to_another, APPROVER, PASSWORD)

    expect(left_to_another.locator("[name=comment]")).to_have_value("")
    expect(left_to_another.locator("[data-given-back]")).to_be_hidden()


def test_what_cannot_be_sealed_is_not_kept(hasty: Installation, windows: Windows) -> None:
    windows.guard.forgive("ERR_FAILED")
    page = begin(hasty, windows)
    expect_sealed(page)
    page.route("**/account/kept", lambda route: route.abort())
    page.goto(f"/sessions/{hasty.bank.paid_session('never-sealed')}/refund")
    with page.expect_event("requestfailed"):
        steps.fill_form(page, "12.34", comment="half a sent")
    assert page.evaluate("sessionStorage.length") == 0


def test_signing_out_leaves_nothing_behind(hasty: Installation, windows: Windows) -> None:
    page = begin(hasty, windows)
    address = page.url
    expect_sealed(page)
    page.get_by_role("button", name="Sign out").click()
    expect(page).to_have_title("Sign in · Refund desk")
    assert page.evaluate("sessionStorage.length") == 0

    steps.fill_sign_in(page, OPERATOR)
    page.goto(address)

    expect(page.locator("[name=comment]")).to_have_value("")
