"""What cannot be used is said beside it, and everything that was typed stays."""

import pytest
from playwright.sync_api import Page, expect

from tests.journeys import steps
from tests.journeys.commands import OPERATOR, Installation
from tests.journeys.windows import Windows


@pytest.fixture
def page(demo: Installation, windows: Windows, bad_input_session: str) -> Page:
    page = windows.of(demo, OPERATOR)
    page.goto(f"/sessions/{bad_input_session}/refund")
    return page


@pytest.fixture(scope="session")
def bad_input_session(demo: Installation) -> str:
    return demo.bank.paid_session("bad-input", 123_456)


@pytest.mark.parametrize(
    ("amount", "said"),
    [
        ("", "Type the amount to refund"),
        ("1234.57", "at most 1,234.56"),
        ("9" * 40, "too large"),
    ],
)
def test_an_amount_that_cannot_be_refunded(
    page: Page, demo: Installation, bad_input_session: str, amount: str, said: str
) -> None:
    steps.fill_form(page, amount, reason="other", comment="kept <as> it is & more")

    with page.expect_response(lambda answer: answer.request.method == "POST") as answered:
        steps.check_form(page)

    assert answered.value.status == 422
    expect(page.locator("main")).to_contain_text(said)
    expect(page.locator("[name=amount]")).to_have_attribute("aria-invalid", "true")
    expect(page.locator("[name=amount]")).to_have_value(amount)
    expect(page.locator("[name=kind][value=partial]")).to_be_checked()
    expect(page.locator("[name=reason]")).to_have_value("other")
    expect(page.locator("[name=comment]")).to_have_value("kept <as> it is & more")
    assert demo.bank.refunds_of(bad_input_session) == []


def test_no_reason(page: Page) -> None:
    steps.fill_form(page, "1", reason="")

    steps.check_form(page)

    expect(page.locator("main")).to_contain_text("Choose a reason.")
    expect(page.locator("[name=amount]")).to_have_value("1")


def test_a_comment_longer_than_the_page_allows(page: Page) -> None:
    page.locator("[name=comment]").evaluate("comment => comment.removeAttribute('maxlength')")
    steps.fill_form(page, "1", comment="x" * 501)

    steps.check_form(page)

    expect(page.locator("main")).to_contain_text("At most 500 characters.")
    expect(page.locator("[name=comment]")).to_have_value("x" * 501)


@pytest.mark.parametrize("amount", ["1 000,5"])
def test_amounts_as_people_write_them(page: Page, amount: str) -> None:
    steps.fill_form(page, amount)
    expect(page.locator("output")).to_contain_text("234.06 RUB")

    steps.check_form(page)

    expect(steps.confirm_button(page)).to_contain_text("1,000.50 RUB")


def test_what_is_left_is_told_while_typing(page: Page) -> None:
    steps.fill_form(page, None)
    expect(page.locator("output")).to_have_text("0.00 RUB")
    expect(page.locator("p.amount-whole").first).to_have_text("1,234.56 RUB")
    expect(page.get_by_label("Amount")).to_be_hidden()
    steps.fill_form(page, "1234.57")
    expect(page.locator(".amount-whole")).to_have_count(3)
    expect(page.locator(".amount-whole").filter(visible=True)).to_have_count(0)
    expect(page.locator("output")).to_contain_text("More than can still be refunded")
    steps.fill_form(page, "0.56")
    expect(page.locator("output")).to_have_text("1,234.00 RUB")
