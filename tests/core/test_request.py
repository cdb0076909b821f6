"""Asking for a refund: what is offered, what is held, and that one form makes one refund."""

import hashlib
import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError

from dashboard import refunds
from dashboard.bank131.client import BankError, NeverReached
from dashboard.form_token import FormToken, seal
from dashboard.models import PaymentSession, Refund
from dashboard.refunds import RequestRefused
from tests.bench.databases import on_both
from tests.bench.refund_desk import RefundDesk, order
from tests.bench.wire import REFUND, STATUS, edited, error, lose_request, meanwhile, refuse_connection

pytestmark = on_both


def refused(refund_desk: RefundDesk, session_id: str, token: str, what: refunds.RefundOrder) -> RequestRefused:
    with pytest.raises(RequestRefused) as caught:
        refund_desk.submit(session_id, token, what)
    return caught.value


def test_a_partial_refund_is_made_and_held(refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    person = refund_desk.person()
    now = refund_desk.clock.now()

    token = refund_desk.form(session_id)
    reference = refund_desk.submit(session_id, token, order(10_50, comment="by phone"))

    refund = refund_desk.refund(reference)
    assert (refund.state, refund.origin, refund.counts, refund.review) == ("queued", "here", True, "")
    assert (refund.amount_minor, refund.currency, refund.in_full) == (10_50, "rub", False)
    assert (refund.asked_by_id, refund.asked_at) == (person.id, now)
    assert (refund.reason, refund.comment, refund.form_token) == ("customer_request", "by phone", token)
    assert refund.undo_until == refund.next_send_at == now + refund_desk.desk.config.undo
    assert (refund.bank_url, refund.project) == (refund_desk.desk.bank.url, refund_desk.desk.bank.project)
    session = refund_desk.session(session_id)
    assert (session.captured_minor, session.committed_minor) == (100_00, 10_50)


def test_the_exact_bytes_to_send_are_kept_and_their_digest_journalled(refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session()
    reference = refund_desk.ask(session_id, 10_50)
    body = refund_desk.refund(reference).body
    assert body is not None
    assert json.loads(body) == {
        "session_id": session_id,
        "amount_details": {"amount": 1050, "currency": "rub"},
        "metadata": {"reference": reference},
    }
    entry = refund_desk.journal(f"refund:{reference}")[0]
    assert (entry.action, entry.actor) == ("refund:requested", "operator@desk.test")
    assert json.loads(entry.data)["body_digest"] == hashlib.sha256(body).hexdigest()
    assert refund_desk.wire.reached[-1].method == STATUS, "asking must not send"


def test_in_full_goes_without_an_amount(refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    refund = refund_desk.refund(refund_desk.ask(session_id))
    assert (refund.in_full, refund.amount_minor) == (True, 100_00)
    assert "amount_details" not in json.loads(refund.body or b"")


def test_all_that_is_left_goes_with_its_amount(refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    refund_desk.ask(session_id, 30_00)
    refund = refund_desk.refund(refund_desk.ask(session_id))
    assert (refund.in_full, refund.amount_minor) == (False, 70_00)
    assert json.loads(refund.body or b"")["amount_details"] == {"amount": 70_00, "currency": "rub"}


def test_the_largest_remainder_is_all_that_one_refund_of_several_payments_takes(refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00, 250_00)
    offer_token = refund_desk.form(session_id)
    offer = refund_desk.offer(session_id)
    assert (offer.captured_minor, offer.refundable_minor, offer.in_full) == (350_00, 250_00, False)
    assert refused(refund_desk, session_id, offer_token, order(250_01)).code == "too_much"
    refund = refund_desk.refund(refund_desk.submit(session_id, offer_token, order()))
    assert (refund.in_full, refund.amount_minor) == (False, 250_00)


def test_mixed_currencies_leave_nothing_to_refund(refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00, 100_00)
    refund_desk.bank_payments(session_id)[1].currency = "usd"
    assert refused(refund_desk, session_id, refund_desk.form(session_id), order(1)).code == "nothing_left"


@pytest.mark.parametrize("status", ["in_progress", "pending", "failed"])
def test_what_was_not_paid_cannot_be_refunded(refund_desk: RefundDesk, status: str) -> None:
    session_id = refund_desk.paid_session()
    refund_desk.bank_payments(session_id)[0].status = status
    problem = refused(refund_desk, session_id, refund_desk.form(session_id), order(1))
    assert (problem.code, problem.left_minor) == ("nothing_left", 0)


def test_too_much_says_what_is_left(refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    refund_desk.ask(session_id, 30_00)
    problem = refused(refund_desk, session_id, refund_desk.form(session_id), order(70_01))
    assert (problem.code, problem.left_minor) == ("too_much", 70_00)
    assert len(refund_desk.refunds(session_id)) == 1


@pytest.mark.parametrize(
    ("kind", "amount_minor"), [("partial", None), ("partial", 0), ("partial", -1), ("full", 0), ("half", 50_00)]
)
def test_an_order_that_means_nothing_cannot_be_made(kind: str, amount_minor: int | None) -> None:
    with pytest.raises(ValueError, match="refund"):
        order(amount_minor, kind=kind)


# The form's token


def test_a_used_form_answers_with_its_refund(refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    token = refund_desk.form(session_id)
    first = refund_desk.submit(session_id, token, order(10_00))
    calls = len(refund_desk.wire.calls)
    assert refund_desk.submit(session_id, token, order(20_00)) == first
    assert len(refund_desk.wire.calls) == calls, "nobody has to be asked for that"
    assert len(refund_desk.refunds(session_id)) == 1


def test_a_used_form_answers_with_its_refund_even_when_the_bank_is_away(refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    token = refund_desk.form(session_id)
    first = refund_desk.submit(session_id, token, order())
    refund_desk.send(first)
    refund_desk.wire.next(STATUS, refuse_connection)
    assert refund_desk.submit(session_id, token, order()) == first


def test_a_form_used_while_this_one_asked_the_bank_counts(refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    token = refund_desk.form(session_id)
    made: list[str] = []
    refund_desk.wire.next(STATUS, meanwhile(lambda: made.append(refund_desk.submit(session_id, token, order(10_00)))))
    assert refund_desk.submit(session_id, token, order(10_00)) == made[0]
    assert len(refund_desk.refunds(session_id)) == 1


def test_an_outdated_form_makes_nothing(refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    first, second = refund_desk.form(session_id), refund_desk.form(session_id)
    refund_desk.submit(session_id, first, order(10_00))
    problem = refused(refund_desk, session_id, second, order(10_00))
    assert (problem.code, problem.left_minor) == ("outdated", 90_00)


def test_refunds_made_elsewhere_outdate_a_form_too(refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    token = refund_desk.form(session_id)
    refund_desk.bank.refund_here(session_id, 5_00)
    assert refused(refund_desk, session_id, token, order(10_00)).code == "outdated"


def test_a_cancelled_refund_outdates_a_form_too(refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    token = refund_desk.form(session_id)
    refund_desk.cancel(refund_desk.ask(session_id, 5_00))
    assert refused(refund_desk, session_id, token, order(10_00)).code == "outdated"


def test_in_full_means_what_was_shown(refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    token = refund_desk.form(session_id)
    assert refused(refund_desk, session_id, token, order(99_00, kind="full")).code == "outdated"
    assert refund_desk.submit(session_id, token, order(100_00, kind="full"))


@pytest.mark.parametrize("part", ["person", "session", "key", "text"])
def test_a_form_made_for_something_else_is_refused(refund_desk: RefundDesk, part: str) -> None:
    session_id, other = refund_desk.paid_session(), refund_desk.paid_session()
    refund_desk.read(session_id)
    secrets = refund_desk.desk.config.secret_keys
    person_id = refund_desk.person().id
    tokens = {
        "person": seal(FormToken("somebody else", session_id, 0, "", "n"), secrets),
        "session": seal(FormToken(person_id, other, 0, "", "n"), secrets),
        "key": seal(FormToken(person_id, session_id, 0, "", "n"), (secrets[0] + "x",)),
        "text": seal(FormToken(person_id, session_id, 0, "", "n"), secrets)[1:],
    }
    assert refused(refund_desk, session_id, tokens[part], order(1_00)).code == "forged_form"


# The fresh look


def test_the_bank_is_asked_before_anything_is_held(refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    token = refund_desk.form(session_id)
    refund_desk.wire.next(STATUS, refuse_connection)
    with pytest.raises(NeverReached):
        refund_desk.submit(session_id, token, order(10_00))
    assert refund_desk.session(session_id).committed_minor == 0


def test_a_session_that_the_bank_does_not_know_gets_no_refund(refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    token = refund_desk.form(session_id)
    refund_desk.wire.next(STATUS, error("session_not_found"))
    with pytest.raises(BankError):
        refund_desk.submit(session_id, token, order(10_00))
    assert refund_desk.refunds(session_id) == []


def test_no_refund_is_made_while_one_is_unknown(refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    refund_desk.wire.next(REFUND, lose_request)
    assert refund_desk.refund(refund_desk.ask_and_send(session_id, 10_00)).state == "unknown"
    problem = refused(refund_desk, session_id, refund_desk.form(session_id), order(10_00))
    assert (problem.code, problem.left_minor) == ("unknown_open", 90_00)


def test_a_refund_can_be_made_behind_one_that_is_queued(refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    first, second = refund_desk.ask(session_id, 10_00), refund_desk.ask(session_id, 20_00)
    refund_desk.run_for(minutes=5)
    assert [refund_desk.refund(each).state for each in (first, second)] == ["accepted", "accepted"]
    assert sorted(refund.amount_minor for refund in refund_desk.bank_refunds(session_id)) == [10_00, 20_00]


# Two at once


def both(first: Callable[[], Any], second: Callable[[], Any]) -> list[Any]:
    """Run the two at the same time; answer with what each returned or raised."""
    start = threading.Barrier(2)

    def run(verb: Callable[[], Any]) -> Any:
        start.wait(10)
        try:
            return verb()
        except RequestRefused as problem:
            return problem.code

    with ThreadPoolExecutor(2) as pool:
        return [future.result(60) for future in [pool.submit(run, first), pool.submit(run, second)]]


def test_of_two_who_ask_for_60_of_100_at_once_one_gets_it(refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100)
    persons = [refund_desk.person(email=f"{number}@desk.test") for number in (1, 2)]
    tokens = [refund_desk.form(session_id, person) for person in persons]
    verbs = [
        lambda token=token, person=person: refund_desk.submit(session_id, token, order(60), person)
        for token, person in zip(tokens, persons, strict=True)
    ]
    outcomes = both(*verbs)
    assert sum(outcome in {"outdated", "too_much"} for outcome in outcomes) == 1, outcomes
    assert [refund.amount_minor for refund in refund_desk.refunds(session_id)] == [60]
    assert refund_desk.session(session_id).committed_minor == 60


def test_one_form_submitted_twice_at_once_makes_one_refund(refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100)
    person = refund_desk.person()
    token = refund_desk.form(session_id)
    outcomes = both(*[lambda: refund_desk.submit(session_id, token, order(30), person)] * 2)
    assert outcomes == [refund_desk.refunds(session_id)[0].reference] * 2
    assert len(refund_desk.refunds(session_id)) == 1


def test_the_database_itself_holds_back_what_is_not_there(refund_desk: RefundDesk) -> None:
    """The last line of defence: the sum in the session's row, changed by one conditional UPDATE."""
    session_id = refund_desk.paid_session(100)
    token = refund_desk.form(session_id)

    with refund_desk.desk.write() as tx:
        tx.get_one(PaymentSession, session_id).committed_minor = 50
    with refund_desk.desk.write() as tx, pytest.raises(RequestRefused) as caught:
        refunds._hold(tx, tx.get_one(PaymentSession, session_id), 51)
    assert (caught.value.code, caught.value.left_minor) == ("too_much", 50)
    assert refund_desk.submit(session_id, token, order(100)), "a read brings the sum up to date"


def test_the_database_itself_takes_one_refund_of_a_form(refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    refund_desk.ask(session_id, 10_00)
    columns = [column for column in Refund.__table__.columns if column.key != "id"]
    with refund_desk.desk.read() as session:
        [made] = session.execute(select(*columns)).mappings()
    with pytest.raises(IntegrityError), refund_desk.desk.write() as tx:
        tx.execute(insert(Refund).values({**made, "reference": refund_desk.desk.new_id()}))


def test_nothing_is_asked_for_while_part_of_the_bank_s_answer_cannot_be_read(refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    token = refund_desk.form(session_id)

    def an_unknown_status(session: dict[str, Any]) -> None:
        refund = {"id": "rf_9", "status": "half_done", "amount_details": {"amount": 9000, "currency": "rub"}}
        session["acquiring_payments"][0]["refunds"] = [refund]

    refund_desk.wire.next(STATUS, edited(an_unknown_status), edited(an_unknown_status))
    assert refused(refund_desk, session_id, token, order(60_00)).code == "not_whole"
    assert refund_desk.refunds(session_id) == []
    assert refund_desk.session(session_id).committed_minor == 0

    refund_desk.wire.next(STATUS, edited(an_unknown_status))
    assert refund_desk.submit(session_id, token, order(60_00))
