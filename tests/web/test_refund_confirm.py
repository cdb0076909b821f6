"""The confirmation: the whole of it once more, in one form, before money moves."""

import pytest

from dashboard.db import db
from tests.bench.databases import on_sqlite
from tests.bench.refund_desk import RefundDesk
from tests.bench.wire import STATUS, meanwhile, refuse_connection
from tests.web.browser import Answer, Browser
from tests.web.conftest import Auth
from tests.web.page import Element

TYPED = {"kind": "partial", "amount": "10,50", "reason": "goods_returned", "comment": "two lines\r\nby phone"}


def checked(browser: Browser, session_id: str, **fields: str) -> Answer:
    """Fill in the form and send it for the first time."""
    path = f"/sessions/{session_id}/refund"
    return browser.post(path, {**browser.page(path).form(path).fields, **TYPED, **fields})


def confirmation(answer: Answer, session_id: str) -> Element:
    assert answer.status == 200, answer.page.field_errors
    return answer.page.form(f"/sessions/{session_id}/refund")


def test_it_is_one_form_that_carries_everything_hidden(operator: Browser, refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    form = confirmation(checked(operator, session_id), session_id)
    inputs = form.all("input")
    assert {one["type"] for one in inputs} == {"hidden"}
    assert [one["name"] for one in inputs] == ["csrf_token", "form_token", "kind", "amount", "reason", "comment"]
    assert form.all("select") == form.all("textarea") == []
    button = form.one("button")
    assert (button["type"], button["name"], button["value"]) == ("submit", "confirm", "yes")
    fields = form.fields
    assert (fields["kind"], fields["amount"], fields["reason"]) == ("partial", "10.50", "goods_returned")
    assert fields["comment"] == "two lines\nby phone"


@on_sqlite
def test_it_repeats_session_customer_card_and_amount(operator: Browser, refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00, customer="client-17")
    page = checked(operator, session_id).page.one("main")
    assert "10.50 RUB goes back to client-17, Visa ··4242." in page.text
    assert page.one("button", name="confirm").text == "Refund 10.50 RUB"
    for words in (session_id, "of 100.00", "89.50 RUB", "Goods returned", "two lines by phone"):
        assert words in page.text
    assert "You can undo it for 5 seconds after you send it." in page.text


@on_sqlite
def test_going_back_keeps_what_was_typed(operator: Browser, refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    page = checked(operator, session_id).page
    before = page.form(f"/sessions/{session_id}/refund").fields["form_token"]
    fields = operator.page(back(page)).form(f"/sessions/{session_id}/refund").fields
    assert fields["form_token"] != before, "another refund is no change of the one before"
    assert (fields["kind"], fields["amount"], fields["reason"]) == ("partial", "10.50", "goods_returned")
    assert fields["comment"].strip() == "two lines\nby phone"


def back(page: Element) -> str:
    (address,) = [link["href"] for link in page.all("a") if link.text == "Go back"]
    return address


def address(answer: Answer) -> str:
    """The one that the page takes for Back and reload, with a script."""
    assert any("address.js" in script["src"] for script in answer.page.all("script"))
    return answer.page.one(data_address=True)["data-address"]


@on_sqlite
def test_its_reload_leads_to_the_form_with_what_was_typed(operator: Browser, refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    again = address(checked(operator, session_id))
    fields = operator.page(again).form(f"/sessions/{session_id}/refund").fields
    assert (fields["kind"], fields["amount"], fields["reason"]) == ("partial", "10.50", "goods_returned")
    assert fields["comment"].strip() == "two lines\nby phone"
    assert refund_desk.refunds(session_id) == []


@on_sqlite
def test_going_back_once_it_is_made_leads_to_the_refund(operator: Browser, refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    answer = checked(operator, session_id)
    form = confirmation(answer, session_id)
    made = operator.post(form["action"], {**form.fields, "confirm": "yes"}).location
    back = operator.get(address(answer))
    assert (back.status, back.location) == (303, made)
    told = (
        "This form has made the refund below already; nothing more was sent. For another refund start from the session."
    )
    assert told in operator.page(made or "").notices
    assert len(refund_desk.refunds(session_id)) == 1


@on_sqlite
def test_a_form_that_is_shown_again_can_be_gone_back_to_as_well(operator: Browser, refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    path = f"/sessions/{session_id}/refund"
    answer = checked(operator, session_id, amount="ten", replaces="")
    assert answer.status == 422
    assert operator.page(address(answer)).form(path).fields["amount"] == "ten"
    assert not operator.page(path).all(data_address=True)
    assert not checked(operator, session_id, comment="x" * 501).page.all(data_address=True), "too long for an address"
    form = answer.page.form(path)
    made = operator.post(path, {**form.fields, "amount": "10", "confirm": "yes"}).location
    assert operator.get(address(answer)).location == made


@on_sqlite
def test_nobody_else_reads_the_comment_on_the_way_back(operator: Browser, auth: Auth, refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    address = back(checked(operator, session_id).page)
    assert "phone" not in address
    somebody_else = auth.login("operator", "other@desk.test")
    for answer in (somebody_else.page(address), operator.page(address.replace("typed=", "typed=A"))):
        assert "The comment could not be brought back: write it anew." in answer.text
        assert answer.form(f"/sessions/{session_id}/refund").fields["comment"] == ""


@on_sqlite
def test_going_back_while_the_bank_is_away_keeps_it_too(operator: Browser, refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    address = back(checked(operator, session_id).page)
    refund_desk.wire.next(STATUS, refuse_connection)
    fields = operator.page(address, 503).form(f"/sessions/{session_id}/refund").fields
    assert (fields["amount"], fields["comment"].strip()) == ("10.50", "two lines\nby phone")
    assert operator.post(f"/sessions/{session_id}/refund", fields).status == 200


@on_sqlite
def test_no_comment_is_taken_from_an_address(operator: Browser, refund_desk: RefundDesk) -> None:
    path = f"/sessions/{refund_desk.paid_session(100_00)}/refund"
    fields = operator.page(f"{path}?reason=other&comment=typed+before").form(path).fields
    assert (fields["reason"], fields["comment"]) == ("other", "")


@on_sqlite
def test_no_transaction_is_open_while_the_bank_is_called(operator: Browser, refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    open_ones: list[bool] = []

    def look() -> None:
        open_ones.append(db.session().in_transaction())

    refund_desk.wire.next(STATUS, *[meanwhile(look)] * 4)
    answer = checked(operator, session_id)
    operator.get("/sessions/?q=ps_999999")
    answer = operator.post(
        f"/sessions/{session_id}/refund", {**confirmation(answer, session_id).fields, "confirm": "yes"}
    )
    assert answer.status == 303
    assert open_ones == [False] * 4


@on_sqlite
def test_a_full_refund_is_made_only_of_the_amount_that_was_confirmed(
    operator: Browser, refund_desk: RefundDesk
) -> None:
    session_id = refund_desk.paid_session(300_00, currency="tonc")
    shown = checked(operator, session_id, kind="full", amount="")
    assert "In the smallest units of TONC, as the bank counts them." in shown.page.one("main").text
    form = confirmation(shown, session_id)
    assert form.fields["amount"] == "30000"
    for amount, status in (("abc", 422), ("1e4", 422), ("29999", 409)):
        answer = operator.post(f"/sessions/{session_id}/refund", {**form.fields, "amount": amount, "confirm": "yes"})
        assert (answer.status, refund_desk.refunds(session_id)) == (status, []), amount
    assert operator.post(f"/sessions/{session_id}/refund", {**form.fields, "confirm": "yes"}).status == 303


def test_nothing_is_made_by_looking(operator: Browser, refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    checked(operator, session_id)
    assert refund_desk.refunds(session_id) == []
    assert refund_desk.session(session_id).committed_minor == 0


@on_sqlite
def test_the_whole_payment_is_said_to_be(operator: Browser, refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    answer = checked(operator, session_id, kind="full", amount="")
    assert confirmation(answer, session_id).fields["amount"] == "100.00"
    assert "100.00 RUB in full" in answer.page.one("main").text
    assert "Left after this refund 0.00 RUB" in answer.page.one("main").text


@pytest.fixture
def without_undo(environ: dict[str, str]) -> None:
    """Refunds go at once. Ask for it before the app."""
    environ["DASHBOARD_UNDO_SECONDS"] = "0"


@on_sqlite
def test_without_time_to_undo_it_says_so(without_undo: None, operator: Browser, refund_desk: RefundDesk) -> None:
    answer = checked(operator, refund_desk.paid_session(100_00))
    assert "It cannot be undone once the bank has it." in answer.page.one("main").text


def test_confirming_leads_to_the_refund(operator: Browser, refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    form = confirmation(checked(operator, session_id), session_id)
    answer = operator.post(form["action"], {**form.fields, "confirm": "yes"})
    (refund,) = refund_desk.refunds(session_id)
    assert (answer.status, answer.location) == (303, f"/refunds/{refund.reference}")
    assert (refund.amount_minor, refund.reason, refund.comment) == (10_50, "goods_returned", "two lines\nby phone")
    assert (refund.state, refund.form_token) == ("queued", form.fields["form_token"])
    page = operator.page(answer.location or "")
    assert page.all(data_refund=True)[0]["data-refund"] == refund.reference


@on_sqlite
def test_a_form_sent_with_its_confirmation_at_once_is_enough(operator: Browser, refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    answer = checked(operator, session_id, confirm="yes")
    assert answer.status == 303
    assert [refund.amount_minor for refund in refund_desk.refunds(session_id)] == [10_50]


@on_sqlite
@pytest.mark.parametrize("confirm", ["", "no", "YES", "on", "1"])
def test_only_yes_confirms(operator: Browser, refund_desk: RefundDesk, confirm: str) -> None:
    session_id = refund_desk.paid_session(100_00)
    assert checked(operator, session_id, confirm=confirm).status == 200
    assert refund_desk.refunds(session_id) == []


@on_sqlite
def test_the_bank_is_asked_once_more_and_only_once(operator: Browser, refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    form = confirmation(checked(operator, session_id), session_id)
    before = len(refund_desk.wire.calls)
    operator.post(form["action"], {**form.fields, "confirm": "yes"})
    assert [call.method for call in refund_desk.wire.calls[before:]] == [STATUS]


# Something changed in between


def changed(operator: Browser, session_id: str, form: Element) -> tuple[Answer, str]:
    """Confirm a form that is out of date: the answer and what it says has changed."""
    answer = operator.post(form["action"], {**form.fields, "confirm": "yes"})
    assert answer.status == 409
    (notice,) = answer.page.notices
    assert notice.startswith("Something changed since you opened this form")
    assert notice.endswith("Nothing was sent. Look again at what is left.")
    again = answer.page.form(form["action"]).fields
    assert {**again, "amount": ""} != {**form.fields, "amount": ""}, "it has a token of its own"
    for name in ("kind", "amount", "reason", "comment"):
        assert again[name] == form.fields[name], "what was typed is kept"
    return answer, notice


def test_a_colleague_was_quicker(operator: Browser, refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    form = confirmation(checked(operator, session_id), session_id)
    refund_desk.ask(session_id, 30_00, refund_desk.person(email="ann@desk.test"))
    answer, notice = changed(operator, session_id, form)
    assert "ann@desk.test asked for a refund of 30.00\u00a0RUB." in notice.replace("30.00 RUB", "30.00\u00a0RUB")
    assert "70.00 RUB" in answer.page.one("fieldset").text
    assert len(refund_desk.refunds(session_id)) == 1


@on_sqlite
def test_a_colleague_undid_what_they_had_asked_for(operator: Browser, refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    form = confirmation(checked(operator, session_id), session_id)
    refund_desk.cancel(refund_desk.ask(session_id, 30_00, refund_desk.person(email="ann@desk.test")))
    _, notice = changed(operator, session_id, form)
    assert "and undid it." in notice


def test_the_bank_made_a_refund_and_took_a_chargeback(operator: Browser, refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    form = confirmation(checked(operator, session_id), session_id)
    refund_desk.bank.refund_here(session_id, 5_00)
    refund_desk.bank.charge_back(session_id, 20_00)
    _, notice = changed(operator, session_id, form)
    assert "A refund of 5.00 RUB was made at the bank." in notice
    assert "A chargeback of 20.00 RUB came in." in notice


def test_everything_turned_out_to_be_something_else(operator: Browser, refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    form = confirmation(checked(operator, session_id, kind="full"), session_id)
    refund_desk.bank_payments(session_id)[0].amount_minor = 90_00
    _, notice = changed(operator, session_id, form)
    assert "What can be refunded is not what it was when you opened the form." in notice
    assert refund_desk.refunds(session_id) == []


def test_sent_again_after_a_look_it_is_made(operator: Browser, refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    form = confirmation(checked(operator, session_id), session_id)
    refund_desk.ask(session_id, 30_00)
    answer, _ = changed(operator, session_id, form)
    fields = answer.page.form(form["action"]).fields
    assert operator.post(form["action"], {**fields, "confirm": "yes"}).status == 303
    assert [refund.amount_minor for refund in refund_desk.refunds(session_id)] == [30_00, 10_50]
