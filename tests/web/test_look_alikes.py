"""Before money moves: what this refund may be a second one of."""

from datetime import timedelta

from sqlalchemy import update

from dashboard.look_alikes import MOST
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


def warning_lines(browser: Browser, session_id: str, amount: str = "10,50") -> list[str]:
    [notice] = [
        each
        for each in checked(browser, session_id, amount=amount).page.one("main").all("div")
        if "notice" in (each.get("class") or "").split()
    ]
    return [line.text for line in notice.all("li")]


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
    assert "The same amount" not in warnings(operator, session_id, "10,51"), "another amount is another refund"


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


@on_both
def test_another_amount_to_such_a_card_is_one_calm_line(operator: Browser, refund_desk: RefundDesk) -> None:
    first = paid(refund_desk, "client-17", "1111")
    reference = refund_desk.ask(first, 20_00)
    told = (
        "Another amount was refunded to a card with the same last digits lately, or is about to be: 1 refund, "
        "20.00 RUB. See"
    )
    assert f"{told} {reference[:8]}" in warnings(operator, first), "also in the same session"
    other = paid(refund_desk, "client-18", "1111")
    assert f"{told} {reference[:8]}" in warnings(operator, other)
    [link] = checked(operator, other, amount="10.50").page.all("a", href=f"/refunds/{reference}")
    assert link.text == reference[:8]
    assert warnings(operator, paid(refund_desk, "client-17", "2222")) == "", "a customer's other cards are no matter"
    assert "another one meant" in warnings(operator, other, "20"), "the same amount is told of as it was"
    assert "nother amount" not in warnings(operator, other, "20"), "and only so"


@on_both
def test_many_other_amounts_are_one_line_below_the_graver_ones(operator: Browser, refund_desk: RefundDesk) -> None:
    session_id = paid(refund_desk)
    refund_desk.ask(session_id, 20_00)
    same = refund_desk.ask(session_id, 10_50)
    newest = refund_desk.ask(session_id, 5_00)
    in_dollars = refund_desk.ask(session_id, 7_00)
    refund_desk.is_made_up = True
    with refund_desk.desk.write() as tx:
        of_dollars = {"currency": "usd", "asked_at": START - timedelta(days=6)}
        tx.execute(update(Refund).where(Refund.reference == in_dollars).values(**of_dollars))
    refund_desk.bank.charge_back(session_id, 1_00)
    grave, chargeback, calm = warning_lines(operator, session_id)
    assert same[:8] in grave
    assert "chargeback" in chargeback
    assert calm == (
        "Other amounts were refunded to a card with the same last digits lately, or are about to be: 3 refunds, "
        f"at most 20.00 RUB, 7.00 USD. The newest: {newest[:8]}"
    )
    page = checked(operator, session_id, amount="10.50").page
    assert [len(page.all("a", href=f"/refunds/{one}")) for one in (same, newest, in_dollars)] == [1, 1, 0]


@on_sqlite
def test_what_went_back_to_another_card_or_not_at_all_is_no_other_amount(
    operator: Browser, refund_desk: RefundDesk
) -> None:
    session_id = paid(refund_desk, "client-17", "1111")
    refund_desk.cancel(refund_desk.ask(session_id, 20_00))
    refund_desk.ask(paid(refund_desk, "client-17", "2222"), 20_00)
    assert warnings(operator, session_id) == ""
    refund_desk.ask(session_id, 20_00)
    with refund_desk.desk.write() as tx:
        tx.execute(update(Refund).values(asked_at=START - timedelta(days=7)))
    assert warnings(operator, session_id) == ""


@on_sqlite
def test_a_payment_without_a_card_has_no_card_in_common(operator: Browser, refund_desk: RefundDesk) -> None:
    session_id = paid(refund_desk, last4="")
    refund_desk.ask(session_id, 20_00)
    refund_desk.ask(paid(refund_desk, "client-18", last4=""), 20_00)
    assert warnings(operator, session_id) == ""


@on_sqlite
def test_that_there_are_more_than_are_shown_is_said_and_those_of_the_session_come_first(
    operator: Browser, refund_desk: RefundDesk
) -> None:
    session_id = paid(refund_desk, "client-17", "1111")
    refund_desk.ask(session_id, 10_50)
    refund_desk.run_for(minutes=5)
    elsewhere = paid(refund_desk, "client-18", "1111")
    for _ in range(MOST - 1):
        refund_desk.ask(elsewhere, 10_50)
    more = "There are more refunds of the same amount like these than are shown here."
    lines = warning_lines(operator, session_id)
    assert (len(lines), more in lines) == (MOST, False)
    refund_desk.ask(elsewhere, 10_50)
    lines = warning_lines(operator, session_id)
    assert (len(lines), lines[-1]) == (MOST + 1, more)
    assert lines[0].startswith("The same amount of this session"), "though it is the oldest"


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
