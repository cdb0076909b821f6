"""Two people decide that odd facts stand as they are: nothing of the money changes, and the session is free again."""

import pytest

from tests.bench.refund_desk import RefundDesk
from tests.bench.reviews import NEVER_MADE, STANDS, confirm, decide, propose, refused
from tests.bench.wire import Json, edited


def contradicted(refund_desk: RefundDesk, session_id: str) -> str:
    reference = refund_desk.ask_and_send(session_id, 10_00)
    [bank_refund] = refund_desk.bank_refunds(session_id)
    for status in ("accepted", "declined"):
        refund_desk.bank.decide_refund(bank_refund.id, status, force=status == "declined")
        refund_desk.read(session_id)
    return reference


def doubled(refund_desk: RefundDesk, session_id: str) -> str:
    reference = refund_desk.ask_and_send(session_id, 10_00)
    refund_desk.bank.refund_here(session_id, 10_00, {"reference": reference})
    refund_desk.read(session_id)
    return reference


@pytest.mark.parametrize("make", [contradicted, doubled])
def test_the_flag_ends_and_the_facts_stay(refund_desk: RefundDesk, make: type) -> None:
    session_id = refund_desk.paid_session(100_00)
    make(refund_desk, session_id)
    before = refund_desk.refunds(session_id)
    committed_minor, anomalies = refund_desk.session(session_id).committed_minor, refund_desk.anomalies(session_id)
    for refund in before:
        assert refund.review in {"contradiction", "duplicate"}
        after = decide(refund_desk, refund, STANDS)
        assert after.review == ""
        facts = ("state", "counts", "contradicted", "bank_id", "bank_status", "amount_minor", "bank_amount_minor")
        assert [getattr(after, name) for name in facts] == [getattr(refund, name) for name in facts]
        assert refund_desk.actions(refund.reference)[-3:] == [
            "resolution:proposed",
            "resolution:confirmed",
            "refund:review_over",
        ]
    assert refund_desk.session(session_id).committed_minor == committed_minor
    assert refund_desk.anomalies(session_id) == anomalies


@pytest.mark.parametrize("make", [contradicted, doubled])
def test_until_then_its_session_waits_and_then_goes_on(refund_desk: RefundDesk, make: type) -> None:
    session_id = refund_desk.paid_session(100_00)
    make(refund_desk, session_id)
    behind = refund_desk.ask(session_id, 30_00)
    refund_desk.run_for(hours=1)
    assert refund_desk.refund(behind).state == "queued"
    for refund in refund_desk.refunds(session_id):
        if refund.review:
            decide(refund_desk, refund, STANDS)
    refund_desk.run_for(hours=30)
    assert refund_desk.refund(behind).state == "accepted"
    assert [refund.review for refund in refund_desk.refunds(session_id) if refund.review] == []


def test_a_contradiction_behind_another_review_is_looked_at_next_and_once(refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    reference = doubled(refund_desk, session_id)
    ours = refund_desk.refund(reference)
    refund_desk.bank.decide_refund(ours.bank_id or "", "accepted", force=True)
    refund_desk.read(session_id)
    proposed = propose(refund_desk, ours, STANDS)
    refund_desk.bank.decide_refund(ours.bank_id or "", "declined", force=True)
    confirm(refund_desk, proposed)
    ours = refund_desk.refund(reference)
    assert (ours.contradicted, ours.review) == (True, "contradiction")
    assert refund_desk.actions(reference)[-2:] == ["refund:review_over", "refund:review"]
    assert decide(refund_desk, ours, STANDS).review == ""
    refund_desk.bank.refund_here(session_id, 10_00, {"reference": reference})
    refund_desk.read(session_id)
    assert refund_desk.refund(reference).review == "duplicate"
    refund_desk.clock.advance(60)
    assert decide(refund_desk, ours, STANDS).review == "", "that was let stand before"


def test_it_can_be_decided_while_part_of_the_session_cannot_be_read(refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    refund = refund_desk.refund(contradicted(refund_desk, session_id))

    def unreadable(session: Json) -> None:
        session["acquiring_payments"][0]["refunds"].append({"id": "rf_x", "status": "on_hold"})

    refund_desk.wire.next("session/status", *[edited(unreadable)] * 4)
    assert decide(refund_desk, refund, STANDS).review == ""


def test_nothing_else_is_open(refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    refund = refund_desk.refund(contradicted(refund_desk, session_id))
    assert refused(lambda: propose(refund_desk, refund, NEVER_MADE)).code == "choice_not_open"
    assert refused(lambda: propose(refund_desk, refund, STANDS, "rf_1")).code == "choice_not_open"
