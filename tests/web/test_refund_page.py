"""The page of one refund: what it is, how it stands, what happens next."""

import pytest
from sqlalchemy import update

from dashboard import refund_rules
from dashboard.models import Refund
from dashboard.refunds import RefundOrder
from tests.bench.databases import on_sqlite
from tests.bench.refund_desk import RefundDesk
from tests.bench.reviews import STANDS, contradicted, decide
from tests.bench.wire import REFUND, STATUS, edited, error, lose_answer, lose_request, refuse_connection
from tests.web.browser import Browser
from tests.web.made_up import MadeUp
from tests.web.page import Element


def detail(browser: Browser, reference: str) -> Element:
    return browser.page(f"/refunds/{reference}").one(id="refund-detail")


def next_step(element: Element) -> str:
    return element.one("p", _class="next-step").text


def facts(element: Element) -> dict[str, str]:
    terms = [one.text for one in element.all("dt")]
    return dict(zip(terms, [one.text for one in element.all("dd")], strict=True))


@on_sqlite
def test_the_first_element_with_a_refund_is_the_refund_itself(operator: Browser, refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    reference = refund_desk.ask(session_id, 10_50)
    first = operator.page(f"/refunds/{reference}").all(data_refund=True)[0]
    assert (first["data-refund"], first["data-status"], first["data-session"]) == (reference, "queued", session_id)


def test_it_shows_all_that_is_known(operator: Browser, refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00, customer="client-17")
    person = refund_desk.person()
    token = refund_desk.form(session_id)
    order = refund_desk_order()
    reference = refund_desk.submit(session_id, token, order, person)
    refund_desk.run_for(minutes=5)
    (bank_refund,) = refund_desk.bank_refunds(session_id)
    shown = detail(operator, reference)
    assert shown.one("h1").text == "Refund of 10.50 RUB"
    assert shown.one(data_announce=True).text == "Accepted"
    assert facts(shown) == {
        "Asked": "1 Mar 09:00:00 · operator@desk.test",
        "Finished": "1 Mar 09:00:05",
        "Session": session_id,
        "Customer": "client-17",
        "Paid with": "Visa ··4242",
        "Part of the payment": "of 100.00 RUB",
        "Reason": "Goods returned",
        "Comment": "by phone",
        "Refund at the bank": bank_refund.id,
        "Payment": refund_desk.bank_payments(session_id)[0].id,
        "RRN": bank_refund.rrn,
        "Our reference": reference,
    }


def refund_desk_order() -> RefundOrder:
    return RefundOrder("partial", 10_50, "goods_returned", "by phone")


@on_sqlite
def test_before_it_is_sent_there_is_nothing_at_the_bank(operator: Browser, refund_desk: RefundDesk) -> None:
    reference = refund_desk.ask(refund_desk.paid_session(100_00))
    shown = facts(detail(operator, reference))
    assert shown["Refund at the bank"] == "none yet"
    assert shown["Part of the payment"] == "in full"
    assert {"Payment", "RRN", "Finished", "Comment"} & set(shown) == set()


@on_sqlite
def test_every_state_says_what_it_means_for_the_money(operator: Browser, made_up: MadeUp) -> None:
    for number, state in enumerate(refund_rules.STATES):
        reference = made_up.refund(made_up.session(f"ps_{number}"), state=state)
        shown = detail(operator, reference)
        assert shown["data-status"] == state
        assert len(next_step(shown)) > 30
        assert "_" not in next_step(shown)


@on_sqlite
def test_an_unknown_outcome_is_said_to_be_unknown(operator: Browser, refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    refund_desk.wire.next(REFUND, lose_request)
    reference = refund_desk.ask_and_send(session_id, 10_00)
    shown = detail(operator, reference)
    assert shown.one(data_announce=True).text == "Outcome unknown"
    assert "no answer came that can be relied on" in next_step(shown)
    assert "Do not refund it a second time." in next_step(shown)


@on_sqlite
def test_while_a_refusal_is_made_sure_of_the_banks_words_are_shown(operator: Browser, refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    refund_desk.wire.next(REFUND, error("amount_less_allowed_provider", description="Too small"))
    reference = refund_desk.ask_and_send(session_id, 10_00)
    shown = detail(operator, reference)
    assert shown.one(data_announce=True).text == "Outcome unknown"
    assert next_step(shown) == (
        "The bank answered: amount_less_allowed_provider Too small. Two reads will make sure that it made no refund; "
        "the amount stays held till then."
    )
    refund_desk.run_for(minutes=5)
    shown = detail(operator, reference)
    assert shown.one(data_announce=True).text == "Refused"
    assert "The amount can be refunded again." in next_step(shown)


@on_sqlite
def test_a_bank_that_was_never_reached_is_not_in_doubt(operator: Browser, refund_desk: RefundDesk) -> None:
    """Queued is said, and why: nobody has to wonder whether the processor was ever called."""
    session_id = refund_desk.paid_session(100_00)
    refund_desk.wire.next(REFUND, refuse_connection)
    reference = refund_desk.ask_and_send(session_id, 10_00)
    page = operator.page(f"/refunds/{reference}")
    assert page.one(data_announce=True).text == "Queued"
    assert "The bank was not reached, nothing was sent" in " ".join(page.timeline)


@on_sqlite
def test_one_under_review_says_why(operator: Browser, refund_desk: RefundDesk) -> None:
    reference = contradicted(refund_desk).reference
    page = operator.page(f"/refunds/{reference}")
    assert page.one(data_announce=True).text == "Declined Needs you"
    assert next_step(page) == "Accepted and declined. The bank said both accepted and declined."
    (notice,) = page.notices
    assert notice == (
        "Does not fit Accepted and declined. The bank said both accepted and declined. "
        "Shown is what it said first. Acknowledge"
    )
    assert ">" not in page.notices[0]


@on_sqlite
@pytest.mark.parametrize("words", [("accepted", "declined"), ("declined", "accepted")])
def test_one_that_the_bank_contradicted_is_never_said_to_be_done(
    operator: Browser, refund_desk: RefundDesk, words: tuple[str, str]
) -> None:
    refund = decide(refund_desk, contradicted(refund_desk, words=words), STANDS)
    assert (refund.state, refund.review, refund.bank_status) == (words[0], "", words[1])
    shown = detail(operator, refund.reference)
    assert shown.one(data_announce=True).text == words[0].capitalize()
    assert next_step(shown).startswith(
        f"The bank said first that it was {words[0]}, and later that it was {words[1]}. Which of the two is true "
        "is not known here, so the amount stays held. Ask the bank;"
    )
    assert facts(shown)["The bank's last word"] == words[1].capitalize()


@on_sqlite
def test_one_that_the_bank_contradicted_twice_shows_what_it_says_now(
    operator: Browser, refund_desk: RefundDesk
) -> None:
    refund = contradicted(refund_desk, words=("accepted", "declined"))
    refund_desk.bank.decide_refund(refund.bank_id or "", "accepted", force=True)
    refund_desk.read(refund.session_id)
    page = operator.page(f"/refunds/{refund.reference}")
    assert facts(page.one(id="refund-detail"))["The bank's last word"] == "Accepted"
    assert page.timeline[0] == "The bank says now that it is accepted, read from the bank"


@on_sqlite
def test_a_last_word_that_is_the_state_is_not_said_twice(operator: Browser, refund_desk: RefundDesk) -> None:
    reference = refund_desk.ask_and_send(refund_desk.paid_session(100_00), 10_00)
    refund_desk.run_for(minutes=5)
    assert refund_desk.refund(reference).bank_status == "accepted"
    shown = detail(operator, reference)
    assert next_step(shown) == "Done. The bank has given the money back."
    assert "The bank's last word" not in facts(shown)


@on_sqlite
def test_another_amount_at_the_bank_is_shown_beside_ours(operator: Browser, refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    reference = refund_desk.ask_and_send(session_id, 10_50)

    def more(session: dict[str, object]) -> None:
        session["acquiring_payments"][0]["refunds"][0]["amount_details"]["amount"] = 20_00  # type: ignore[index]

    refund_desk.wire.next(STATUS, edited(more))
    refund_desk.read(session_id)
    page = operator.page(f"/refunds/{reference}")
    assert facts(page.one(id="refund-detail"))["Amount at the bank"] == "20.00 RUB"
    (notice,) = page.notices
    assert notice == (
        "Does not fit Another amount at the bank. The bank's amount is not the one that was asked for: 20.00 RUB. "
        "Acknowledge"
    )


@pytest.mark.parametrize(("kind", "asked"), [("refund_here", "At the bank"), ("charge_back", "Chargeback")])
def test_one_made_elsewhere_has_a_page_too(operator: Browser, refund_desk: RefundDesk, kind: str, asked: str) -> None:
    session_id = refund_desk.paid_session(100_00)
    getattr(refund_desk.bank, kind)(session_id, 10_00)
    refund_desk.read(session_id)
    (refund,) = refund_desk.refunds(session_id)
    page = operator.page(f"/refunds/{refund.reference}")
    shown = page.one(id="refund-detail")
    assert shown["data-refund"] == refund.reference
    assert facts(shown)["Asked"].endswith(asked)
    assert facts(shown)["Reason"] == "–"
    assert page.all("button", id="undo") == []


@on_sqlite
def test_it_follows_itself_from_where_it_was_read(operator: Browser, refund_desk: RefundDesk) -> None:
    reference = refund_desk.ask(refund_desk.paid_session(100_00), 10_00)
    columns = operator.page(f"/refunds/{reference}").one(data_live_url=True)
    assert columns["data-live-url"] == f"/live?of_refund={reference}"
    assert columns["data-parts"].split() == ["refund-detail", "timeline"]
    assert int(columns["data-cursor"]) == refund_desk.journal()[-1].seq


@on_sqlite
def test_an_answer_that_was_lost_is_found_by_reading(operator: Browser, refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    refund_desk.wire.next(REFUND, lose_answer)
    reference = refund_desk.ask_and_send(session_id, 10_00)
    assert detail(operator, reference)["data-status"] == "in_progress"
    refund_desk.run_for(minutes=5)
    assert detail(operator, reference)["data-status"] == "accepted"


# For the customer


def customer_text(browser: Browser, reference: str) -> str:
    folds = [
        one for one in detail(browser, reference).all("details") if one.one("summary").text == "Text for the customer"
    ]
    return folds[0].one("pre").text if folds else ""


@pytest.mark.parametrize(
    ("state", "beginning"),
    [
        ("accepted", "We have returned 10.00 RUB to you (Visa ··4242)"),
        ("in_progress", "Your refund of 10.00 RUB (Visa ··4242) of 1 Mar 2026 is in hand."),
        ("unknown", "Your refund of 10.00 RUB (Visa ··4242) of 1 Mar 2026 is in hand."),
        ("error", "Your refund of 10.00 RUB (Visa ··4242) of 1 Mar 2026 is in hand."),
        ("declined", "The refund of 10.00 RUB (Visa ··4242) of 1 Mar 2026 did not go through"),
        ("refused", "The refund of 10.00 RUB (Visa ··4242) of 1 Mar 2026 did not go through"),
    ],
)
@on_sqlite
def test_a_text_for_the_customer_says_what_is_sure_and_no_more(
    operator: Browser, made_up: MadeUp, state: str, beginning: str
) -> None:
    reference = made_up.refund(made_up.session("ps_1"), state=state)
    text = customer_text(operator, reference)
    assert text.startswith(beginning)
    assert text.endswith(f"Our number of this refund: {reference}.")
    page = operator.page(f"/refunds/{reference}")
    assert page.one("pre", id="for-customer").text == text
    assert page.one("button", data_copy="#for-customer").text == "Copy"
    assert any("copy.js" in (script.get("src") or "") for script in page.all("script"))
    for internal in ("comment", "operator@desk.test", "Outcome unknown"):
        assert internal not in text


@on_sqlite
@pytest.mark.parametrize("state", ["accepted", "declined"])
def test_what_two_people_still_have_to_decide_is_in_hand(operator: Browser, made_up: MadeUp, state: str) -> None:
    reference = made_up.refund(made_up.session("ps_1"), state=state, review="contradiction")
    assert "is in hand" in customer_text(operator, reference)


@on_sqlite
@pytest.mark.parametrize(
    ("state", "origin"),
    [
        ("cancelled", "here"),
        ("abandoned", "here"),
        ("rejected", "here"),
        ("queued", "here"),
        ("awaiting_approval", "here"),
        ("accepted", "chargeback"),
    ],
)
def test_there_is_none_where_nothing_goes_back_from_us(
    operator: Browser, made_up: MadeUp, state: str, origin: str
) -> None:
    reference = made_up.refund(made_up.session("ps_1"), state=state, origin=origin)
    assert customer_text(operator, reference) == ""


@on_sqlite
@pytest.mark.parametrize(
    ("change", "expected"),
    [({"contradicted": True}, ""), ({"bank_amount_minor": 9_00, "bank_currency": "rub"}, "in hand")],
)
def test_what_the_bank_says_otherwise_is_not_called_returned(
    operator: Browser, made_up: MadeUp, refund_desk: RefundDesk, change: dict[str, object], expected: str
) -> None:
    reference = made_up.refund(made_up.session("ps_1"))
    with refund_desk.desk.write() as tx:
        tx.execute(update(Refund).where(Refund.reference == reference).values(**change))
    text = customer_text(operator, reference)
    assert "returned" not in text
    assert expected in text


@on_sqlite
@pytest.mark.parametrize(("state", "leads_on"), [("declined", True), ("refused", True), ("accepted", False)])
def test_where_the_bank_made_none_it_leads_to_another_one(
    operator: Browser, viewer: Browser, made_up: MadeUp, state: str, leads_on: bool
) -> None:
    reference = made_up.refund(made_up.session("ps_1"), state=state)
    form = "/sessions/ps_1/refund"
    assert bool(operator.page(f"/refunds/{reference}").all("a", href=form)) == leads_on
    assert not viewer.page(f"/refunds/{reference}").all("a", href=form)
