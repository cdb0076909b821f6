"""Nobody is there: the page warns, can be told to wait, and gives back what was typed after signing in again."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.journeys import steps
from tests.journeys.commands import APPROVER, OPERATOR, PASSWORD, Installation, running_demo
from tests.journeys.windows import Windows

LIVES_FOR_S = 12


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """A demo where nobody may be idle for longer than some seconds."""
    minutes = str(LIVES_FOR_S / 60)
    with running_demo(tmp_path_factory.mktemp("hasty"), DASHBOARD_IDLE_MINUTES=minutes) as installation:
        yield installation


@pytest.fixture
def page(hasty: Installation, windows: Windows) -> Page:
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


def test_one_is_warned_and_can_stay(page: Page) -> None:
    bar = page.locator(".idle-bar")
    expect(bar).to_be_hidden()
    expect(bar).to_be_visible()
    expect(bar).to_contain_text("You will be signed out in 0:0")
    expect(page.locator("#announcer")).to_have_text(f"You will be signed out in 0:0{LIVES_FOR_S // 2}.")

    bar.get_by_role("button", name="Stay signed in").click()

    expect(bar).to_be_hidden()
    expect_typed(page)
    steps.check_form(page)
    expect(steps.confirm_button(page)).to_be_visible()


def test_whoever_types_is_there(page: Page) -> None:
    expect(page.locator(".idle-bar")).to_be_visible()
    page.locator("[name=comment]").press_sequentially("ence")
    expect(page.locator(".idle-bar")).to_be_hidden()


def test_what_was_typed_comes_back_after_signing_in_again(page: Page) -> None:
    address = page.url
    expect(page).to_have_title("Sign in · Refund desk")

    steps.fill_sign_in(page, OPERATOR)

    expect(page.locator("[data-given-back]")).to_be_visible()
    assert page.url == address
    expect_typed(page)
    steps.check_form(page)
    expect(steps.confirm_button(page)).to_be_visible()
    page.reload()
    page.goto(address)
    expect(page.locator("[name=amount]")).to_have_value("")


def test_it_comes_back_from_the_confirmation_too(page: Page) -> None:
    steps.check_form(page)
    expect(steps.confirm_button(page)).to_be_visible()
    expect(page).to_have_title("Sign in · Refund desk")

    steps.fill_sign_in(page, OPERATOR)

    expect_typed(page)


def test_nobody_else_gets_it(page: Page) -> None:
    expect(page).to_have_title("Sign in · Refund desk")

    steps.fill_sign_in(page, APPROVER, PASSWORD)

    expect(page.locator("[name=comment]")).to_have_value("")
    expect(page.locator("[data-given-back]")).to_be_hidden()


def test_signing_out_leaves_nothing_behind(page: Page) -> None:
    address = page.url
    page.get_by_role("button", name="Sign out").click()
    expect(page).to_have_title("Sign in · Refund desk")
    assert page.evaluate("sessionStorage.length") == 0

    steps.fill_sign_in(page, OPERATOR)
    page.goto(address)

    expect(page.locator("[name=comment]")).to_have_value("")
