"""A double click, a reload, the back button, a second tab: one form makes one refund."""

import threading
from concurrent.futures import ThreadPoolExecutor

from flask import Flask

from tests.bench.refund_desk import RefundDesk
from tests.bench.wire import STATUS, refuse_connection
from tests.web.browser import Browser
from tests.web.conftest import Auth


def filled_in(browser: Browser, session_id: str, **fields: str) -> dict[str, str]:
    path = f"/sessions/{session_id}/refund"
    form = browser.page(path).form(path)
    return {**form.fields, "kind": "partial", "amount": "10.00", "reason": "other", "confirm": "yes", **fields}


def test_sent_twice_it_lands_on_the_first_refund(operator: Browser, refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    fields = filled_in(operator, session_id)
    first, second = (operator.post(f"/sessions/{session_id}/refund", fields) for _ in range(2))
    assert first.status == second.status == 303
    assert first.location == second.location
    assert len(refund_desk.refunds(session_id)) == 1


def test_even_when_the_second_says_something_else(operator: Browser, refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    fields = filled_in(operator, session_id)
    first = operator.post(f"/sessions/{session_id}/refund", fields)
    for other in (
        {"amount": "20.00"},
        {"amount": "ten"},
        {"kind": "full"},
        {"kind": ""},
        {"reason": ""},
        {"comment": "x" * 600},
        {"confirm": ""},
    ):
        again = operator.post(f"/sessions/{session_id}/refund", {**fields, **other})
        assert (again.status, again.location) == (303, first.location), other
    assert [refund.amount_minor for refund in refund_desk.refunds(session_id)] == [10_00]


def test_even_when_the_bank_is_away_by_then(operator: Browser, refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    fields = filled_in(operator, session_id)
    first = operator.post(f"/sessions/{session_id}/refund", fields)
    refund_desk.wire.next(STATUS, refuse_connection)
    assert operator.post(f"/sessions/{session_id}/refund", fields).location == first.location


def test_even_when_everything_is_refunded_by_then(operator: Browser, refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(10_00)
    fields = filled_in(operator, session_id)
    first = operator.post(f"/sessions/{session_id}/refund", fields)
    refund_desk.run_for(minutes=5)
    assert operator.post(f"/sessions/{session_id}/refund", fields).location == first.location
    assert len(refund_desk.bank_refunds(session_id)) == 1


def test_an_undone_refund_is_not_made_again_by_a_reload(operator: Browser, refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    fields = filled_in(operator, session_id)
    first = operator.post(f"/sessions/{session_id}/refund", fields)
    operator.post(f"{first.location}/cancel")
    assert operator.post(f"/sessions/{session_id}/refund", fields).location == first.location
    assert [refund.state for refund in refund_desk.refunds(session_id)] == ["cancelled"]


def test_two_tabs_of_one_person_make_one_refund_and_a_question(operator: Browser, refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    one, other = filled_in(operator, session_id), filled_in(operator, session_id)
    assert one["form_token"] != other["form_token"]
    assert operator.post(f"/sessions/{session_id}/refund", one).status == 303
    second = operator.post(f"/sessions/{session_id}/refund", other)
    assert second.status == 409
    assert "operator@desk.test asked for a refund of 10.00 RUB." in second.page.notices[0]
    assert len(refund_desk.refunds(session_id)) == 1


def test_a_tab_of_another_person_that_was_given_the_form_lands_there_too(
    operator: Browser, auth: Auth, refund_desk: RefundDesk
) -> None:
    session_id = refund_desk.paid_session(100_00)
    fields = filled_in(operator, session_id)
    first = operator.post(f"/sessions/{session_id}/refund", fields)
    del fields["csrf_token"]
    answer = auth.login("approver").post(f"/sessions/{session_id}/refund", fields)
    assert (answer.status, answer.location) == (303, first.location)


def test_a_double_click_makes_one_refund(app: Flask, auth: Auth, refund_desk: RefundDesk) -> None:
    """Two requests at the same moment, in two threads, as a server takes them."""
    session_id = refund_desk.paid_session(100_00)
    browsers = [auth.login(), auth.login()]
    fields = filled_in(browsers[0], session_id)
    del fields["csrf_token"]
    for browser in browsers:
        browser.csrf_token()
    start = threading.Barrier(2)

    def click(browser: Browser) -> str | None:
        start.wait(10)
        return browser.post(f"/sessions/{session_id}/refund", fields).location

    with ThreadPoolExecutor(2) as pool:
        locations = set(pool.map(click, browsers))
    (refund,) = refund_desk.refunds(session_id)
    assert locations == {f"/refunds/{refund.reference}"}
