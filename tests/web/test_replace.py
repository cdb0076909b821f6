"""A refund closed as never made is asked for again, as a new one linked to it."""

from typing import Any

from dashboard import refunds
from dashboard.models import Refund
from tests.bench.databases import on_sqlite
from tests.bench.refund_desk import RefundDesk
from tests.bench.reviews import NEVER_MADE, decide, not_found
from tests.bench.wire import STATUS, refuse_connection
from tests.web.browser import Answer, Browser


def abandoned(refund_desk: RefundDesk) -> Refund:
    return decide(refund_desk, not_found(refund_desk), NEVER_MADE)


def button(browser: Browser, reference: str) -> str:
    """Where "Refund it again" leads to."""
    (link,) = [one for one in browser.page(f"/refunds/{reference}").all("a") if one.text == "Refund it again"]
    return link["href"]


def fill_in(browser: Browser, old: Refund, **more: str) -> Answer:
    """From the button to the form's answer."""
    path = f"/sessions/{old.session_id}/refund"
    form = browser.page(button(browser, old.reference)).form(path)
    return browser.post(path, {**form.fields, "reason": "other", **more})


def confirmed(browser: Browser, old: Refund, answer: Answer) -> Answer:
    path = f"/sessions/{old.session_id}/refund"
    return browser.post(path, {**answer.page.form(path).fields, "confirm": "yes"})


def test_from_the_button_to_the_new_refund_and_back(operator: Browser, refund_desk: RefundDesk) -> None:
    old = abandoned(refund_desk)
    answer = fill_in(operator, old)
    assert answer.status == 200
    assert f"In place of {old.reference[:8]}" in answer.page.one("main").text
    made = confirmed(operator, old, answer)
    assert made.status == 303
    new = (made.location or "").removeprefix("/refunds/")
    assert refund_desk.refund(new).replaces_id == old.id
    assert refund_desk.refund(new).amount_minor == 10_00
    links = [one["href"] for one in operator.page(f"/refunds/{new}").one(id="refund-detail").all("a")]
    assert f"/refunds/{old.reference}" in links
    page = operator.page(f"/refunds/{old.reference}")
    assert f"/refunds/{new}" in [one["href"] for one in page.one(id="refund-detail").all("a")]
    assert "Refund it again" not in page.text, "once is enough"
    assert "can be refunded again" not in page.text
    assert "It has been asked for again" in page.one("p", _class="next-step").text


@on_sqlite
def test_one_whose_successor_came_to_nothing_can_be_refunded_again(operator: Browser, refund_desk: RefundDesk) -> None:
    old = abandoned(refund_desk)
    made = confirmed(operator, old, fill_in(operator, old))
    refunds.cancel(refund_desk.desk, refund_desk.person(), (made.location or "").removeprefix("/refunds/"))
    page = operator.page(f"/refunds/{old.reference}")
    assert "The amount can be refunded again." in page.one("p", _class="next-step").text
    assert "Refund it again" in page.text


@on_sqlite
def test_every_error_keeps_what_it_replaces(operator: Browser, refund_desk: RefundDesk) -> None:
    old = abandoned(refund_desk)
    path = f"/sessions/{old.session_id}/refund"
    wrong: list[dict[str, Any]] = [{"amount": "ten"}, {"reason": ""}, {"amount": "1000"}, {"form_token": "forged"}]
    for fields in wrong:
        answer = fill_in(operator, old, **fields)
        assert (fields, answer.status) == (fields, 422)
        assert answer.page.form(path).fields["replaces"] == old.reference
    fields = operator.page(button(operator, old.reference)).form(path).fields
    refund_desk.wire.next(STATUS, refuse_connection)
    answer = operator.post(path, {**fields, "reason": "other"})
    assert (answer.status, answer.page.form(path).fields["replaces"]) == (503, old.reference)
    back = next(one["href"] for one in fill_in(operator, old).page.all("a") if one.text == "Go back")
    assert operator.page(back).form(path).fields["replaces"] == old.reference


@on_sqlite
def test_what_cannot_be_replaced_is_said_before_and_after(operator: Browser, refund_desk: RefundDesk) -> None:
    old = abandoned(refund_desk)
    address, answer = button(operator, old.reference), fill_in(operator, old)
    assert confirmed(operator, old, fill_in(operator, old)).status == 303
    refund_desk.run_for(minutes=5)
    (new,) = [one.reference for one in refund_desk.refunds(old.session_id) if one.replaces_id]
    late = confirmed(operator, old, answer)
    assert late.status == 409
    for page in (late.page, operator.page(address, 409)):
        assert page.notices[0].startswith("It cannot be asked for in place of another The refund that this one was to")
        assert "has been asked for again already. Nothing was sent" in page.notices[0]
        assert page.all("form", action=f"/sessions/{old.session_id}/refund") == [], "it could only fail"
        links = {one.text: one["href"] for one in page.one("main").all("a")}
        assert links["The refund asked for in its place"] == f"/refunds/{new}"
        assert links["The refund to replace"] == f"/refunds/{old.reference}"
    assert len(refund_desk.refunds(old.session_id)) == 2
    form = operator.page(links["Ask for an ordinary refund"]).form(f"/sessions/{old.session_id}/refund")
    assert "replaces" not in form.fields
    assert (form.fields["kind"], form.fields["amount"]) == ("partial", "10.00")


@on_sqlite
def test_an_ordinary_one_is_not_offered_where_nothing_is_left(operator: Browser, refund_desk: RefundDesk) -> None:
    old = abandoned(refund_desk)
    address = button(operator, old.reference)
    assert confirmed(operator, old, fill_in(operator, old)).status == 303
    refund_desk.run_for(minutes=5)
    refund_desk.ask_and_send(old.session_id, 90_00)
    page = operator.page(address, 409)
    assert "has been asked for again already" in page.notices[0]
    assert "Ask for an ordinary refund" not in page.one("main").text


@on_sqlite
def test_one_that_is_no_refund_of_the_session_is_not_replaced(operator: Browser, refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    page = operator.page(f"/sessions/{session_id}/refund?replaces=no-such", 409)
    assert "is not closed as never made. Nothing was sent." in page.notices[0]
    assert "/refunds/no-such" not in [one["href"] for one in page.all("a")]


@on_sqlite
def test_only_those_who_may_refund_are_offered_it(viewer: Browser, refund_desk: RefundDesk) -> None:
    old = abandoned(refund_desk)
    assert "Refund it again" not in viewer.page(f"/refunds/{old.reference}").text


@on_sqlite
def test_an_ordinary_form_replaces_nothing(operator: Browser, refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    form = operator.page(f"/sessions/{session_id}/refund").form(f"/sessions/{session_id}/refund")
    assert "replaces" not in form.fields
