"""Before money moves: what this refund may be a second one of."""

from datetime import timedelta

from sqlalchemy import update

from dashboard.models import Refund
from dashboard.sandbox import scenes
from tests.bench.databases import on_both, on_sqlite
from tests.bench.refund_desk import RefundDesk
from tests.web.browser import Browser
from tests.web.made_up import START
from tests.web.test_refund_confirm import checked

ASKED = "1 Mar 09:00"


def paid(refund_desk: RefundDesk, customer: str = "client-17", last4: str = "1111") -> str:
    session_id = refund_desk.paid_session(100_00, customer=customer)
    refund_desk.bank_payments(session_id)[0].details = scenes.card("visa", last4, "424242")
    return session_id


def warnings(browser: Browser, session_id: str, amount: str = "10,50") -> str:
    answer = checked(browser, session_id, amount=amount)
    assert answer.status == 200, answer.page.field_errors
    return " ".join(
        notice.text for notice in answer.page.one("main").all("div") if "notice" in (notice.get("class") or "")
    )


@on_both
def test_the_same_amount_of_the_same_session(operator: Browser, refund_desk: RefundDesk) -> None:
    session_id = paid(refund_desk)
    reference = refund_desk.ask(session_id, 10_50)
    told = warnings(operator, session_id)
    assert f"Is another one meant? {reference[:8]}" in told
    [link] = checked(operator, session_id, amount="10.50").page.all("a", href=f"/refunds/{reference}")
    assert link.text == reference[:8]
    assert (
        f"The same amount of this session was refunded lately, or is about to be: {ASKED} (operator@desk.test)." in told
    )
    assert warnings(operator, session_id, "10,51") == "", "another amount is another refund"


@on_sqlite
def test_the_same_amount_to_the_same_customer(operator: Browser, refund_desk: RefundDesk) -> None:
    first = paid(refund_desk, "client-17", "1111")
    refund_desk.ask(first, 10_50)
    told = warnings(operator, paid(refund_desk, "client-17", "2222"))
    assert (
        f"was refunded to this customer lately, or is about to be: session {first}, {ASKED} (operator@desk.test)."
        in told
    )
    assert warnings(operator, paid(refund_desk, "client-18", "2222")) == ""


@on_sqlite
def test_the_same_amount_to_such_a_card(operator: Browser, refund_desk: RefundDesk) -> None:
    first = paid(refund_desk, "client-17", "1111")
    refund_desk.ask(first, 10_50)
    told = warnings(operator, paid(refund_desk, "client-18", "1111"))
    assert f"to a card with the same last digits lately, or is about to be: session {first}, {ASKED}" in told


@on_sqlite
def test_what_gave_nothing_back_and_what_is_long_ago_is_not_told(operator: Browser, refund_desk: RefundDesk) -> None:
    session_id = paid(refund_desk)
    undone = refund_desk.ask(session_id, 10_50)
    refund_desk.cancel(undone)
    assert warnings(operator, session_id) == ""
    refund_desk.ask(session_id, 10_50)
    with refund_desk.desk.write() as tx:
        tx.execute(update(Refund).where(Refund.reference != undone).values(asked_at=START - timedelta(days=7)))
    assert warnings(operator, session_id) == ""


@on_sqlite
def test_a_chargeback_is_told_of(operator: Browser, refund_desk: RefundDesk) -> None:
    session_id = paid(refund_desk)
    assert warnings(operator, session_id) == ""
    refund_desk.bank.charge_back(session_id, 20_00)
    told = warnings(operator, session_id, "20")
    assert "The same amount" not in told, "it is told of once"
    assert "There is a chargeback in this session: the customer gets money back through their own bank already." in told


@on_sqlite
def test_it_stops_nothing(operator: Browser, refund_desk: RefundDesk) -> None:
    session_id = paid(refund_desk)
    refund_desk.ask(session_id, 10_50)
    path = f"/sessions/{session_id}/refund"
    fields = checked(operator, session_id).page.form(path).fields
    assert operator.post(path, {**fields, "confirm": "yes"}).status == 303
    assert [one.amount_minor for one in refund_desk.refunds(session_id)] == [10_50, 10_50]
