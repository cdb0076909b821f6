"""Who else has the refund form of a session open is told before money moves, and stops nothing."""

import pytest

from tests.bench.databases import on_both, on_sqlite
from tests.bench.refund_desk import RefundDesk
from tests.web.browser import Browser
from tests.web.conftest import Auth
from tests.web.page import Element
from tests.web.test_look_alikes import warnings
from tests.web.test_refund_confirm import checked

OTHER = "approver@desk.test"


@pytest.fixture
def approver(auth: Auth) -> Browser:
    return auth.login("approver")


def opened(browser: Browser, session_id: str) -> str:
    return browser.page(f"/sessions/{session_id}/refund").one("main").text


@on_both
def test_whoever_comes_second_is_told_on_the_form_and_before_sending(
    operator: Browser, approver: Browser, refund_desk: RefundDesk
) -> None:
    session_id = refund_desk.paid_session(100_00)
    assert "opened the refund form" not in opened(approver, session_id)
    told = f"{OTHER} opened the refund form of this session at 1 Mar 09:00 and has not sent it. Ask them first."
    assert told in opened(operator, session_id)
    assert told in warnings(operator, session_id)
    assert "operator@desk.test opened" in opened(approver, session_id), "each is told of the other"
    assert "opened" not in opened(operator, refund_desk.paid_session(100_00)), "only of this session"


def meanwhile(browser: Browser, page: Element) -> list[str]:
    """What the page is told when it asks by itself."""
    assert any("others.js" in script["src"] for script in page.all("script"))
    return browser.page(page.one(aria_live="polite", data_others_url=True)["data-others-url"]).notices


def told_at_first(page: Element) -> list[str]:
    return page.one(data_others_url=True).notices


@on_both
def test_whoever_comes_first_is_told_while_the_page_is_open(
    operator: Browser, approver: Browser, refund_desk: RefundDesk, auth: Auth
) -> None:
    session_id = refund_desk.paid_session(100_00)
    path = f"/sessions/{session_id}/refund"
    form, confirmation = operator.page(path), checked(operator, session_id).page
    assert meanwhile(operator, form) == meanwhile(operator, confirmation) == []
    second = approver.page(path)
    assert meanwhile(approver, second) == told_at_first(second) != []
    assert told_at_first(form) == told_at_first(confirmation) == []
    for page in (form, confirmation):
        [told] = meanwhile(operator, page)
        assert told.startswith(f"Meanwhile {OTHER} opened the refund form of this session at 1 Mar 09:00 and has not ")
    refund_desk.ask(session_id, 10_00, person=auth.person("approver"))
    for page in (form, confirmation):
        assert meanwhile(operator, page) == [f"Meanwhile {OTHER} asked for a refund of 10.00 RUB."]
    after = operator.page(path)
    assert meanwhile(operator, after) == told_at_first(after) == []


@on_sqlite
def test_asking_what_others_do_opens_nothing(operator: Browser, approver: Browser, refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    operator.page(f"/sessions/{session_id}")
    address = f"/sessions/{session_id}/refund/others"
    assert operator.page(address).text == operator.page(f"{address}?refunds=x").text == ""
    assert "opened" not in opened(approver, session_id)
    operator.page("/sessions/ps_none/refund/others", 404)


@on_both
def test_a_form_is_told_of_as_long_as_its_page_is_there(
    operator: Browser, approver: Browser, refund_desk: RefundDesk
) -> None:
    session_id = refund_desk.paid_session(100_00)
    page = approver.page(f"/sessions/{session_id}/refund")
    for _ in range(3):
        refund_desk.clock.advance(minutes=9)
        meanwhile(approver, page)
    assert f"{OTHER} opened the refund form of this session at 1 Mar 09:00" in opened(operator, session_id)
    refund_desk.clock.advance(minutes=10)
    assert OTHER not in opened(operator, session_id)


@on_sqlite
def test_what_was_sent_or_is_long_ago_is_not_told(
    operator: Browser, approver: Browser, refund_desk: RefundDesk, auth: Auth
) -> None:
    session_id = refund_desk.paid_session(100_00)
    opened(approver, session_id)
    refund_desk.clock.advance(minutes=9)
    assert OTHER in opened(operator, session_id)
    refund_desk.clock.advance(minutes=2)
    assert OTHER not in opened(operator, session_id)
    opened(approver, session_id)
    refund_desk.ask(session_id, 10_00, person=auth.person("approver"))
    assert f"{OTHER} opened" not in opened(operator, session_id)


@on_sqlite
def test_the_form_is_there_all_the_same(operator: Browser, approver: Browser, refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    opened(approver, session_id)
    page = operator.page(f"/sessions/{session_id}/refund")
    assert page.one("input", name="form_token")["value"]
