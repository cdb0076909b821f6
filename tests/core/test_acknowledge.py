"""A person looks at a fact that fits no rule, and says so."""

import json

import pytest
from sqlalchemy import select

from dashboard import anomalies, ledger
from dashboard.anomalies import NotAcknowledged, name_of
from dashboard.models import Anomaly, Person
from tests.bench.databases import on_both, on_sqlite
from tests.bench.refund_desk import RefundDesk
from tests.bench.reviews import THAT_ONE, at_once, decide, first, second, with_stranger


def anomaly_of(refund_desk: RefundDesk, refund_id: int) -> Anomaly:
    with refund_desk.desk.read() as session:
        return session.scalars(select(Anomaly).where(Anomaly.refund_id == refund_id)).one()


def acknowledge(refund_desk: RefundDesk, person: Person, name: str, comment: str = "seen") -> None:
    anomalies.acknowledge(refund_desk.desk, person, name, comment)


def refused(refund_desk: RefundDesk, person: Person, name: str, comment: str) -> NotAcknowledged:
    with pytest.raises(NotAcknowledged) as caught:
        acknowledge(refund_desk, person, name, comment)
    return caught.value


def test_who_has_seen_it_when_and_what_they_say_is_kept(refund_desk: RefundDesk) -> None:
    refund, elsewhere = with_stranger(refund_desk)
    anomaly = anomaly_of(refund_desk, refund.id)
    assert (anomaly.acknowledged_at, anomaly.acknowledged_by_id, anomaly.comment) == (None, None, None)
    acknowledge(refund_desk, first(refund_desk), name_of(anomaly), " the shop made it \n")
    seen = anomaly_of(refund_desk, refund.id)
    assert (seen.acknowledged_at, seen.acknowledged_by_id) == (refund_desk.clock.now(), first(refund_desk).id)
    assert seen.comment == "the shop made it"
    entry = refund_desk.journal(f"refund:{refund.reference}")[-1]
    assert (entry.action, entry.actor) == ("anomaly:acknowledged", "first@desk.test")
    told = {"kind": "may_be_ours", "detail": elsewhere.bank_id, "comment": "the shop made it"}
    assert json.loads(entry.data) == told
    assert anomaly_of(refund_desk, elsewhere.id).acknowledged_at is None, "one at a time"
    assert refund_desk.refund(refund.reference).review == "stranger", "it decides nothing"


def test_one_of_the_session_itself(refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    refund_desk.bank.refund_here(session_id, 60_00)
    refund_desk.read(session_id)
    refund_desk.bank.charge_back(session_id, 60_00)
    refund_desk.read(session_id)
    anomaly = anomaly_of(refund_desk, 0)
    acknowledge(refund_desk, first(refund_desk), name_of(anomaly))
    entry = refund_desk.journal(f"session:{session_id}")[-1]
    assert (entry.action, json.loads(entry.data)["kind"]) == ("anomaly:acknowledged", "over_captured")
    refund_desk.run_for(hours=30)
    assert anomaly_of(refund_desk, 0).acknowledged_at is not None, "the same fact is not told again"


def test_once_is_enough_and_nobody_s_second_comment_seems_kept(refund_desk: RefundDesk) -> None:
    refund, _ = with_stranger(refund_desk)
    anomaly = anomaly_of(refund_desk, refund.id)
    acknowledge(refund_desk, first(refund_desk), name_of(anomaly), "mine")
    seen_at = refund_desk.clock.now()
    refund_desk.clock.advance(60)
    acknowledge(refund_desk, first(refund_desk), name_of(anomaly), " mine\n")
    for person, comment in ((first(refund_desk), "a second thought"), (second(refund_desk), "mine")):
        problem = refused(refund_desk, person, name_of(anomaly), comment)
        assert (problem.code, problem.by, problem.at) == ("acknowledged", "first@desk.test", seen_at)
    assert anomaly_of(refund_desk, refund.id).comment == "mine"
    assert refund_desk.actions(refund.reference).count("anomaly:acknowledged") == 1


def test_a_decision_leaves_what_somebody_had_said(refund_desk: RefundDesk) -> None:
    """Whether the two may be the same is answered by the decision; here a third person had spoken before."""
    refund, elsewhere = with_stranger(refund_desk)
    third = refund_desk.person(email="third@desk.test")
    acknowledge(refund_desk, third, name_of(anomaly_of(refund_desk, refund.id)), "the shop made it")
    decide(refund_desk, refund, THAT_ONE, elsewhere.bank_id)
    seen = anomaly_of(refund_desk, refund.id)
    assert (seen.acknowledged_by_id, seen.comment) == (third.id, "the shop made it")
    assert refund_desk.actions(refund.reference).count("anomaly:acknowledged") == 1


@on_both
def test_of_two_at_once_one_has_seen_it(refund_desk: RefundDesk) -> None:
    refund, _ = with_stranger(refund_desk)
    anomaly = anomaly_of(refund_desk, refund.id)
    people = first(refund_desk), second(refund_desk)
    outcomes = at_once(*(lambda who=who: acknowledge(refund_desk, who, name_of(anomaly)) for who in people))
    assert sorted(outcomes, key=str) == [None, "acknowledged"]
    assert refund_desk.actions(refund.reference).count("anomaly:acknowledged") == 1


@pytest.mark.parametrize("comment", ["", "  \n"])
def test_it_takes_a_comment(refund_desk: RefundDesk, comment: str) -> None:
    refund, _ = with_stranger(refund_desk)
    anomaly = anomaly_of(refund_desk, refund.id)
    assert refused(refund_desk, first(refund_desk), name_of(anomaly), comment).code == "comment_missing"
    assert anomaly_of(refund_desk, refund.id).acknowledged_at is None


@on_sqlite
def test_a_page_kept_open_means_no_fact_that_got_the_same_number_since(refund_desk: RefundDesk) -> None:
    refund, elsewhere = with_stranger(refund_desk)
    gone = anomaly_of(refund_desk, elsewhere.id)
    decide(refund_desk, refund, THAT_ONE, elsewhere.bank_id)
    with refund_desk.desk.write() as tx:
        session, refunds, _ = ledger.lock_by_reference(tx, refund.reference)
        ledger.note_anomaly(tx, session, ledger.the_refund(refunds, refund.reference), "duplicate", "rf_another")
    with refund_desk.desk.read() as session:
        another = session.scalars(select(Anomaly).where(Anomaly.kind == "duplicate")).one()
    assert another.id == gone.id
    with pytest.raises(LookupError):
        acknowledge(refund_desk, first(refund_desk), name_of(gone))
    acknowledge(refund_desk, first(refund_desk), name_of(another))


@pytest.mark.parametrize("name", ["", "x", "²-0", "9" * 30, "1", "1-0000000000000000"])
def test_a_name_that_is_none_finds_nothing(refund_desk: RefundDesk, name: str) -> None:
    with_stranger(refund_desk)
    with pytest.raises(LookupError):
        acknowledge(refund_desk, first(refund_desk), name)


def test_there_has_to_be_one(refund_desk: RefundDesk) -> None:
    with pytest.raises(LookupError):
        acknowledge(refund_desk, first(refund_desk), "131-0")


def test_another_fact_of_the_same_kind_is_told_again(refund_desk: RefundDesk) -> None:
    refund, _ = with_stranger(refund_desk)
    acknowledge(refund_desk, first(refund_desk), name_of(anomaly_of(refund_desk, refund.id)))
    with refund_desk.desk.write() as tx:
        session, refunds, _ = ledger.lock_by_reference(tx, refund.reference)
        ours = ledger.the_refund(refunds, refund.reference)
        ledger.note_anomaly(tx, session, ours, "may_be_ours", "rf_another")
    with refund_desk.desk.read() as session:
        query = select(Anomaly.acknowledged_at.is_(None)).where(Anomaly.refund_id == refund.id)
        assert sorted(session.scalars(query)) == [False, True]
