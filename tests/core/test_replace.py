"""A new refund in the place of one that two people have closed as never made."""

import json

import pytest

from dashboard import refunds
from dashboard.refunds import RefundOrder, RequestRefused
from tests.bench.databases import on_sqlite
from tests.bench.refund_desk import RefundDesk
from tests.bench.reviews import NEVER_MADE, decide, not_found
from tests.bench.wire import REFUND, error


def abandoned(refund_desk: RefundDesk) -> tuple[str, str]:
    """A session and the reference of its abandoned refund."""
    refund = decide(refund_desk, not_found(refund_desk), NEVER_MADE)
    assert refund.state == "abandoned"
    return refund.session_id, refund.reference


def replacing(reference: str, amount_minor: int = 10_00) -> RefundOrder:
    return RefundOrder("partial", amount_minor, "customer_request", "", reference)


def replace(refund_desk: RefundDesk, session_id: str, reference: str) -> str:
    return refund_desk.submit(session_id, refund_desk.form(session_id), replacing(reference))


def refused(refund_desk: RefundDesk, session_id: str, reference: str) -> str:
    with pytest.raises(RequestRefused) as caught:
        replace(refund_desk, session_id, reference)
    return caught.value.code


def test_a_replacement_is_a_new_refund_linked_to_the_old_one(refund_desk: RefundDesk) -> None:
    session_id, old = abandoned(refund_desk)
    new = replace(refund_desk, session_id, old)
    made = refund_desk.refund(new)
    assert (made.replaces_id, made.state) == (refund_desk.refund(old).id, "queued")
    assert made.reference != old
    requested = refund_desk.journal(f"refund:{new}")[0]
    assert json.loads(requested.data)["replaces"] == old
    told = refund_desk.journal(f"refund:{old}")[-1]
    assert (told.action, told.actor, json.loads(told.data)) == (
        "refund:replaced",
        "operator@desk.test",
        {"by": new},
    )
    refund_desk.run_for(minutes=5)
    assert refund_desk.refund(new).state == "accepted"
    assert refund_desk.wire.sent(new)[0].key == new, "under a key of its own"
    assert refund_desk.session(session_id).committed_minor == 10_00


def test_one_form_makes_one_replacement(refund_desk: RefundDesk) -> None:
    session_id, old = abandoned(refund_desk)
    token = refund_desk.form(session_id)
    assert [refund_desk.submit(session_id, token, replacing(old)) for _ in range(2)] == [
        refund_desk.refunds(session_id)[-1].reference
    ] * 2
    assert len(refund_desk.refunds(session_id)) == 2


def test_one_refund_has_one_replacement(refund_desk: RefundDesk) -> None:
    session_id, old = abandoned(refund_desk)
    new = replace(refund_desk, session_id, old)
    assert refused(refund_desk, session_id, old) == "cannot_replace"
    refund_desk.run_for(minutes=5)
    assert refund_desk.refund(new).state == "accepted"
    assert refused(refund_desk, session_id, old) == "cannot_replace"
    assert len(refund_desk.refunds(session_id)) == 2
    assert refund_desk.ask(session_id, 10_00), "a refund of its own can still be asked for"


@pytest.mark.parametrize("how", ["cancelled", "refused", "declined", "abandoned"])
def test_a_replacement_that_came_to_nothing_has_taken_no_place(refund_desk: RefundDesk, how: str) -> None:
    session_id, old = abandoned(refund_desk)
    if how == "refused":
        refund_desk.wire.next(REFUND, error("authentication_error"))
    if how == "abandoned":
        refund_desk.wire.next(REFUND, error("idempotency_key_already_exists", 400))
    new = replace(refund_desk, session_id, old)
    if how == "cancelled":
        refund_desk.cancel(new)
    else:
        refund_desk.send(new)
    if how == "declined":
        refund_desk.bank.decide_refund(refund_desk.bank_refunds(session_id)[0].id, "declined")
        refund_desk.read(session_id)
    if how == "abandoned":
        refund_desk.run_for(hours=1)
        decide(refund_desk, refund_desk.refund(new), NEVER_MADE)
    assert refund_desk.refund(new).state == how
    again = replace(refund_desk, session_id, old)
    assert refund_desk.refund(again).replaces_id == refund_desk.refund(new).replaces_id


@on_sqlite
@pytest.mark.parametrize("state", ["queued", "accepted", "cancelled", "unknown to us"])
def test_only_what_was_abandoned_is_replaced(refund_desk: RefundDesk, state: str) -> None:
    session_id = refund_desk.paid_session(100_00)
    reference = refund_desk.ask(session_id, 10_00)
    if state == "accepted":
        refund_desk.run_for(minutes=5)
    if state == "cancelled":
        refund_desk.cancel(reference)
    assert refund_desk.refund(reference).state == (state if state != "unknown to us" else "queued")
    target = "00000000-0000-4000-8000-00000000ffff" if state == "unknown to us" else reference
    assert refused(refund_desk, session_id, target) == "cannot_replace"
    assert len(refund_desk.refunds(session_id)) == 1
    assert refund_desk.session(session_id).committed_minor == (0 if state == "cancelled" else 10_00)


@on_sqlite
def test_a_refund_of_another_session_is_not_replaced(refund_desk: RefundDesk) -> None:
    _, old = abandoned(refund_desk)
    assert refused(refund_desk, refund_desk.paid_session(100_00), old) == "cannot_replace"


@on_sqlite
def test_a_replacement_is_not_sent_once_the_first_one_has_turned_up(refund_desk: RefundDesk) -> None:
    session_id, reference = abandoned(refund_desk)
    second = replace(refund_desk, session_id, reference)
    refund_desk.bank.refund_here(session_id, 10_00, {"reference": reference})
    after = refund_desk.send(second)
    assert (after.state, after.review) == ("queued", "replaced_one_made")
    assert len(refund_desk.bank_refunds(session_id)) == 1
    refund_desk.cancel(second)
    assert refund_desk.refund(second).state == "cancelled"


def twice_abandoned(refund_desk: RefundDesk) -> tuple[str, str, str]:
    """A session, an abandoned refund, and one in its place that was abandoned too."""
    session_id, first = abandoned(refund_desk)
    refund_desk.wire.next(REFUND, error("idempotency_key_already_exists", 400))
    second = replace(refund_desk, session_id, first)
    refund_desk.send(second)
    refund_desk.run_for(hours=1)
    assert decide(refund_desk, refund_desk.refund(second), NEVER_MADE).state == "abandoned"
    return session_id, first, second


@on_sqlite
def test_the_replacement_of_a_replacement_is_not_sent_once_the_very_first_one_has_turned_up(
    refund_desk: RefundDesk,
) -> None:
    session_id, first, second = twice_abandoned(refund_desk)
    third = replace(refund_desk, session_id, second)
    refund_desk.bank.refund_here(session_id, 10_00, {"reference": first})
    after = refund_desk.send(third)
    assert (after.state, after.review) == ("queued", "replaced_one_made")
    assert len(refund_desk.bank_refunds(session_id)) == 1


@on_sqlite
def test_a_replacement_is_not_sent_once_another_of_the_same_refund_has_turned_up(refund_desk: RefundDesk) -> None:
    session_id, first = abandoned(refund_desk)
    refund_desk.wire.next(REFUND, error("no_money"))
    second = replace(refund_desk, session_id, first)
    refund_desk.send(second)
    refund_desk.run_for(minutes=5)
    assert refund_desk.refund(second).state == "refused"
    third = replace(refund_desk, session_id, first)
    refund_desk.bank.refund_here(session_id, 10_00, {"reference": second})
    assert refund_desk.send(third).review == "replaced_one_made"
    assert len(refund_desk.bank_refunds(session_id)) == 1


@on_sqlite
def test_a_replacement_of_a_replacement_leaves_nothing_to_replace(refund_desk: RefundDesk) -> None:
    session_id, first, second = twice_abandoned(refund_desk)
    third = replace(refund_desk, session_id, first)
    assert refused(refund_desk, session_id, second) == "cannot_replace"
    refund_desk.cancel(third)
    assert replace(refund_desk, session_id, second), "what came to nothing has taken no place"


@on_sqlite
def test_a_replacement_is_not_sent_once_something_came_up_that_may_be_the_first_one(refund_desk: RefundDesk) -> None:
    """This bank gives no reference back."""
    session_id, first = abandoned(refund_desk)
    second = replace(refund_desk, session_id, first)
    refund_desk.bank.refund_here(session_id, 10_00)
    after = refund_desk.send(second)
    assert (after.state, after.review) == ("queued", "replaced_one_made")
    assert (first, "may_be_ours") in refund_desk.anomalies(session_id)
    assert len(refund_desk.bank_refunds(session_id)) == 1


@on_sqlite
def test_what_was_known_when_it_was_closed_does_not_keep_its_replacement_back(refund_desk: RefundDesk) -> None:
    refund = not_found(refund_desk)
    refund_desk.bank.refund_here(refund.session_id, 20_00)
    refund_desk.read(refund.session_id)
    assert decide(refund_desk, refund, NEVER_MADE).state == "abandoned"
    second = replace(refund_desk, refund.session_id, refund.reference)
    refund_desk.send(second)
    refund_desk.run_for(minutes=5)
    assert refund_desk.refund(second).state == "accepted"


def test_what_may_be_offered(refund_desk: RefundDesk) -> None:
    session_id, old = abandoned(refund_desk)
    rows = refund_desk.refunds(session_id)
    assert refunds.can_be_replaced(refund_desk.refund(old), rows)
    replace(refund_desk, session_id, old)
    assert not refunds.can_be_replaced(refund_desk.refund(old), refund_desk.refunds(session_id))
