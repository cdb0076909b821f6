"""Two people decide that a refund is one that came up at the bank: our row takes its place."""

import json
from datetime import UTC
from typing import Any

import pytest
from sqlalchemy import inspect, select

from dashboard import anomalies, history, resolutions, restore
from dashboard.history_filters import Filters
from dashboard.journal import head_seq, timestamp
from dashboard.models import Anomaly, Refund, SearchTerm
from dashboard.snapshots import Merge
from tests.bench.databases import on_sqlite
from tests.bench.refund_desk import RefundDesk
from tests.bench.reviews import (
    NEVER_MADE,
    THAT_ONE,
    confirm,
    decide,
    first,
    odd_fact_of,
    propose,
    refused,
    resolution,
    second,
    shows_another_amount,
    with_stranger,
)
from tests.bench.wire import STATUS, Json, edited, meanwhile


def that_one(refund_desk: RefundDesk, refund: Refund, elsewhere: Refund) -> Refund:
    return decide(refund_desk, refund, THAT_ONE, elsewhere.bank_id)


def test_our_row_takes_its_place(refund_desk: RefundDesk) -> None:
    refund, elsewhere = with_stranger(refund_desk)
    assert refund_desk.session(refund.session_id).committed_minor == 20_00
    ours = that_one(refund_desk, refund, elsewhere)
    assert (ours.state, ours.review, ours.counts, ours.origin) == ("accepted", "", True, "here")
    assert (ours.bank_id, ours.payment_id) == (elsewhere.bank_id, elsewhere.payment_id)
    assert (ours.bank_amount_minor, ours.bank_currency, ours.amount_minor) == (10_00, "rub", 10_00)
    assert (ours.bank_status, ours.bank_finished_at) == (elsewhere.bank_status, elsewhere.bank_finished_at)
    assert (ours.rrn, ours.ended_at, ours.next_send_at) == (elsewhere.rrn, refund_desk.clock.now(), None)
    assert [one.reference for one in refund_desk.refunds(refund.session_id)] == [refund.reference]
    assert refund_desk.session(refund.session_id).committed_minor == 10_00


def test_the_journal_tells_it_of_both(refund_desk: RefundDesk) -> None:
    refund, elsewhere = with_stranger(refund_desk)
    resolution_id = propose(refund_desk, refund, THAT_ONE, elsewhere.bank_id)
    confirm(refund_desk, resolution_id)
    merged = refund_desk.journal(f"refund:{elsewhere.reference}")[-1]
    assert (merged.action, merged.actor) == ("refund:merged", "second@desk.test")
    data = json.loads(merged.data)
    assert (data["into"], data["bank_id"]) == (refund.reference, elsewhere.bank_id)

    told = refund_desk.journal(f"refund:{refund.reference}")
    assert [entry.action for entry in told][-6:] == [
        "resolution:proposed",
        "resolution:confirmed",
        "anomaly:acknowledged",
        "refund:adopted",
        "refund:review_over",
        "refund:accepted",
    ]
    assert [entry.actor for entry in told][-6:-1] == ["first@desk.test"] + ["second@desk.test"] * 4
    adopted = json.loads(told[-3].data)
    assert (adopted["known_by"], adopted["bank_id"]) == ("people", elsewhere.bank_id)
    assert (adopted["source"], len(adopted["digest"])) == ("read", 64)
    over = json.loads(told[-2].data)
    assert (over["why"], over["resolution"]) == ("stranger", resolution_id)
    assert json.loads(told[-1].data)["was"] == "unknown"


def test_lists_that_people_look_at_lose_the_row(refund_desk: RefundDesk) -> None:
    refund, elsewhere = with_stranger(refund_desk)
    with refund_desk.desk.read() as session:
        since = head_seq(session)
    that_one(refund_desk, refund, elsewhere)
    with refund_desk.desk.read() as session:
        changes = history.changes(session, Filters(), UTC, since)
        found = [row.reference for row in history.page(session, Filters(q=elsewhere.bank_id or ""), UTC).rows]
        terms = session.scalars(select(SearchTerm.term).where(SearchTerm.refund_id == elsewhere.id)).all()
    assert elsewhere.reference in changes.gone
    assert [row.reference for row in changes.rows] == [refund.reference]
    assert found == [refund.reference], "its bank id finds ours"
    assert terms == []


def test_another_amount_is_told_and_the_larger_one_held(refund_desk: RefundDesk) -> None:
    refund, elsewhere = with_stranger(refund_desk, amount_minor=12_50)
    ours = that_one(refund_desk, refund, elsewhere)
    assert (ours.amount_minor, ours.bank_amount_minor) == (10_00, 12_50)
    assert refund_desk.session(refund.session_id).committed_minor == 12_50
    assert (refund.reference, "amount_differs") in refund_desk.anomalies(refund.session_id)
    [entry] = [one for one in refund_desk.journal(f"refund:{refund.reference}") if one.action == "refund:bank_amount"]
    data = json.loads(entry.data)
    assert (entry.actor, data["amount_minor"], data["currency"]) == ("bank", 12_50, "rub")


def test_one_that_was_declined_gives_the_amount_back(refund_desk: RefundDesk) -> None:
    refund, elsewhere = with_stranger(refund_desk, status="in_progress")
    refund_desk.bank_refunds(refund.session_id)[0].status = "declined"
    ours = that_one(refund_desk, refund, elsewhere)
    assert (ours.state, ours.counts) == ("declined", False)
    assert refund_desk.session(refund.session_id).committed_minor == 0


def test_what_was_contradicted_stays_so(refund_desk: RefundDesk) -> None:
    refund, elsewhere = with_stranger(refund_desk)
    refund_desk.bank_refunds(refund.session_id)[0].status = "declined"
    ours = that_one(refund_desk, refund, elsewhere)
    assert (ours.state, ours.bank_status) == ("accepted", "declined")
    assert (ours.contradicted, ours.counts, ours.review) == (True, True, "contradiction")
    assert refund_desk.anomalies(refund.session_id) == {
        (refund.reference, "may_be_ours"),
        (refund.reference, "contradiction"),
    }


def test_what_was_odd_about_it_is_odd_about_ours(refund_desk: RefundDesk) -> None:
    refund, elsewhere = with_stranger(refund_desk)
    shows_another_amount(refund_desk, refund.session_id, 11_00)
    assert (elsewhere.reference, "amount_differs") in refund_desk.anomalies(refund.session_id)
    that_one(refund_desk, refund, elsewhere)
    with refund_desk.desk.read() as session:
        rows = session.scalars(select(Anomaly).order_by(Anomaly.id)).all()
    told = {(one.refund_id, one.kind, one.detail, one.acknowledged_at is not None) for one in rows}
    assert told == {
        (refund.id, "may_be_ours", elsewhere.bank_id, True),
        (refund.id, "amount_differs", "1100 rub", False),
    }
    [answered] = [one for one in rows if one.acknowledged_at]
    assert answered.comment == "so do I", "in the words of the one who confirmed"


def facts_of(refund_desk: RefundDesk, refund: Refund, kind: str) -> list[Anomaly]:
    with refund_desk.desk.read() as session:
        query = select(Anomaly).where(Anomaly.refund_id == refund.id, Anomaly.kind == kind)
        return list(session.scalars(query.order_by(Anomaly.id)))


def test_what_somebody_had_looked_at_there_stays_looked_at(refund_desk: RefundDesk) -> None:
    refund, elsewhere = with_stranger(refund_desk)
    shows_another_amount(refund_desk, refund.session_id, 11_00)
    (fact,) = facts_of(refund_desk, elsewhere, "amount_differs")
    anomalies.acknowledge(refund_desk.desk, first(refund_desk), anomalies.name_of(fact), "a fee, says the bank")
    seen_at = refund_desk.clock.now()
    refund_desk.clock.advance(60)
    that_one(refund_desk, refund, elsewhere)
    (fact,) = facts_of(refund_desk, refund, "amount_differs")
    assert (fact.acknowledged_at, fact.acknowledged_by_id) == (seen_at, first(refund_desk).id)
    assert fact.comment == "a fee, says the bank"
    entries = refund_desk.journal(f"refund:{refund.reference}")
    entry = [one for one in entries if one.action == "anomaly:acknowledged"][-1]
    told = json.loads(entry.data)
    assert (entry.actor, told["by"], told["since"]) == ("second@desk.test", "first@desk.test", timestamp(seen_at))
    assert (told["kind"], told["detail"], told["comment"]) == ("amount_differs", "1100 rub", "a fee, says the bank")


def test_what_compares_with_another_amount_is_another_fact(refund_desk: RefundDesk) -> None:
    refund, elsewhere = with_stranger(refund_desk, amount_minor=12_00)
    shows_another_amount(refund_desk, refund.session_id, 11_00)
    (fact,) = facts_of(refund_desk, elsewhere, "amount_differs")
    anomalies.acknowledge(refund_desk.desk, first(refund_desk), anomalies.name_of(fact), "one less than it was")
    that_one(refund_desk, refund, elsewhere)
    told = {fact.detail: fact.acknowledged_at for fact in facts_of(refund_desk, refund, "amount_differs")}
    assert told == {"1100 rub": None, "1200 rub": None}


def test_nobody_s_words_become_another_s(refund_desk: RefundDesk) -> None:
    refund, elsewhere = with_stranger(refund_desk)
    resolution_id = propose(refund_desk, refund, THAT_ONE, elsewhere.bank_id)
    resolutions.confirm(refund_desk.desk, second(refund_desk), resolution_id)
    answered = odd_fact_of(refund_desk, refund)
    assert (answered.acknowledged_by_id, answered.comment) == (second(refund_desk).id, "")
    [entry] = [one for one in refund_desk.journal(f"refund:{refund.reference}") if one.action == "anomaly:acknowledged"]
    assert (entry.actor, json.loads(entry.data)["comment"]) == ("second@desk.test", "")


def test_another_one_that_comes_up_before_the_second_agrees_may_be_it(refund_desk: RefundDesk) -> None:
    refund, elsewhere = with_stranger(refund_desk)
    resolution_id = propose(refund_desk, refund, THAT_ONE, elsewhere.bank_id)
    refund_desk.bank.refund_here(refund.session_id, 10_00)
    assert refused(lambda: confirm(refund_desk, resolution_id)).code == "outdated"
    assert resolution(refund_desk, resolution_id).state == "outdated"
    assert refund_desk.refund(refund.reference).bank_id is None
    assert that_one(refund_desk, refund, elsewhere).bank_id == elsewhere.bank_id


@pytest.mark.parametrize("now", [{"status": "declined"}, {"amount_minor": 40_00}])
def test_what_the_bank_says_of_it_between_the_two_ends_the_proposal(
    refund_desk: RefundDesk, now: dict[str, str | int]
) -> None:
    """The first one agreed to something else."""
    refund, elsewhere = with_stranger(refund_desk, status="in_progress")
    resolution_id = propose(refund_desk, refund, THAT_ONE, elsewhere.bank_id)
    for name, value in now.items():
        setattr(refund_desk.bank_refunds(refund.session_id)[-1], name, value)
    assert refused(lambda: confirm(refund_desk, resolution_id)).code == "outdated"
    assert resolution(refund_desk, resolution_id).state == "outdated"
    assert (refund_desk.refund(refund.reference).bank_id, refund_desk.refund(refund.reference).counts) == (None, True)
    assert that_one(refund_desk, refund, elsewhere).bank_id == elsewhere.bank_id


def test_it_goes_on_from_there(refund_desk: RefundDesk) -> None:
    """The bank's later word is about ours; nothing is made anew."""
    refund, elsewhere = with_stranger(refund_desk, status="in_progress")
    assert that_one(refund_desk, refund, elsewhere).state == "in_progress"
    refund_desk.bank.decide_refund(elsewhere.bank_id or "", "accepted")
    refund_desk.deliver(refund_desk.wire.webhook_now(refund.session_id))
    refund_desk.run_for(hours=30)
    [only] = refund_desk.refunds(refund.session_id)
    assert (only.reference, only.state) == (refund.reference, "accepted")
    assert len(refund_desk.attempts(refund.reference)) == 1


def test_it_frees_the_session(refund_desk: RefundDesk) -> None:
    refund, elsewhere = with_stranger(refund_desk)
    that_one(refund_desk, refund, elsewhere)
    next_one = refund_desk.ask(refund.session_id, 90_00)
    refund_desk.run_for(minutes=5)
    assert refund_desk.refund(next_one).state == "accepted"


# Which one it may be


@on_sqlite
def test_which_ones_may_be_it(refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    refund_desk.bank.refund_here(session_id, 1_00)
    refund, elsewhere = with_stranger(refund_desk, session_id)
    refund_desk.bank.charge_back(session_id, 2_00)
    refund_desk.bank.refund_here(session_id, 3_00, {"reference": "5f0c7a31-93b4-4a44-8f27-3d8b1d1f2a10"})
    refund_desk.bank.refund_here(session_id, 4_00, {"note": "by phone"})
    before, _, chargeback, another_s, noted = refund_desk.bank_refunds(session_id)
    look = resolutions.look(refund_desk.desk, refund.reference)
    assert [one.bank_id for one in look.candidates] == [elsewhere.bank_id, noted.id]
    assert set(look.strangers) == {elsewhere.bank_id, noted.id, another_s.id}
    [candidate, _] = look.candidates
    assert (candidate.reference, candidate.state) == (elsewhere.reference, "accepted")
    assert (candidate.amount_minor, candidate.currency, candidate.made_at) == (10_00, "rub", elsewhere.asked_at)
    for bank_id in (before.id, chargeback.id, another_s.id, "rf_none", None):
        verb = lambda one=bank_id: propose(refund_desk, refund, THAT_ONE, one)  # noqa: E731
        assert refused(verb).code == "choice_not_open", bank_id


@pytest.mark.parametrize(("hours", "is_offered"), [(1.01, False), (0.99, True)])
def test_what_was_made_long_before_a_restored_one_was_asked_for_is_not_it(
    refund_desk: RefundDesk, hours: float, is_offered: bool
) -> None:
    session_id = refund_desk.paid_session(100_00)
    refund_desk.bank.refund_here(session_id, 10_00)
    refund_desk.clock.advance(hours=hours)
    refund_desk.read(session_id)
    refund = refund_desk.refund(refund_desk.ask(session_id, 10_00))
    refund_desk.bank.refund_here(session_id, 10_00)
    restore.after_restore(refund_desk.desk, "command line")
    before, since = (one.id for one in refund_desk.bank_refunds(session_id))
    look = resolutions.look(refund_desk.desk, refund.reference)
    assert [one.bank_id for one in look.candidates] == [before] * is_offered + [since]
    assert look.strangers == (*[before] * is_offered, since)


@on_sqlite
def test_another_currency_is_not_it(refund_desk: RefundDesk) -> None:
    refund, elsewhere = with_stranger(refund_desk)

    def in_dollars(session: Json) -> None:
        session["acquiring_payments"][0]["refunds"][0]["amount_details"]["currency"] = "usd"

    refund_desk.wire.next(STATUS, edited(in_dollars))
    assert refused(lambda: propose(refund_desk, refund, THAT_ONE, elsewhere.bank_id)).code == "choice_not_open"


def test_it_needs_no_quiet_period_but_a_whole_read(refund_desk: RefundDesk) -> None:
    refund, elsewhere = with_stranger(refund_desk)

    def unreadable(session: Json) -> None:
        session["acquiring_payments"][0]["refunds"].append({"id": "rf_x", "status": "on_hold"})

    refund_desk.wire.next(STATUS, edited(unreadable), edited(unreadable))
    assert refused(lambda: propose(refund_desk, refund, THAT_ONE, elsewhere.bank_id)).code == "not_whole"
    assert that_one(refund_desk, refund, elsewhere).state == "accepted"


def test_one_that_the_bank_no_longer_shows_is_not_taken(refund_desk: RefundDesk) -> None:
    refund, elsewhere = with_stranger(refund_desk)
    resolution_id = propose(refund_desk, refund, THAT_ONE, elsewhere.bank_id)
    refund_desk.bank_payments(refund.session_id)[0].refunds.clear()
    assert refused(lambda: confirm(refund_desk, resolution_id)).code == "not_whole", "a known one is missing"
    assert refund_desk.refund(refund.reference).bank_id is None


def test_what_was_over_of_the_other_row_is_told_again_of_ours_when_it_comes_back(refund_desk: RefundDesk) -> None:
    refund, elsewhere = with_stranger(refund_desk)
    [payment] = refund_desk.bank_payments(refund.session_id)
    kept = list(payment.refunds)
    refund_desk.clock.advance(hours=1)
    payment.refunds.clear()
    refund_desk.read(refund.session_id)
    with refund_desk.desk.read() as session:
        of_it = select(Anomaly).where(Anomaly.refund_id == elsewhere.id, Anomaly.kind == "missing")
        name = anomalies.name_of(session.scalars(of_it).one())
    anomalies.acknowledge(refund_desk.desk, second(refund_desk), name, "the bank is looking for it")
    payment.refunds.extend(kept)
    decide(refund_desk, refund, THAT_ONE, elsewhere.bank_id)
    payment.refunds.clear()
    refund_desk.read(refund.session_id)
    with refund_desk.desk.read() as session:
        of_ours = select(Anomaly.acknowledged_at).where(Anomaly.refund_id == refund.id, Anomaly.kind == "missing")
        assert session.scalars(of_ours).all() == [None]


def test_an_amount_that_differed_from_the_other_row_alone_is_not_told_of_ours(refund_desk: RefundDesk) -> None:
    refund, elsewhere = with_stranger(refund_desk, amount_minor=9_00)
    refund_desk.bank_refunds(refund.session_id)[-1].amount_minor = 10_00
    refund_desk.read(refund.session_id)
    assert (elsewhere.reference, "amount_differs") in refund_desk.anomalies(refund.session_id)
    after = decide(refund_desk, refund, THAT_ONE, elsewhere.bank_id)
    assert (after.amount_minor, after.bank_amount_minor) == (10_00, 10_00)
    assert (refund.reference, "amount_differs") not in refund_desk.anomalies(refund.session_id)


def test_one_that_turns_out_to_be_another_s_is_not_taken(refund_desk: RefundDesk) -> None:
    refund, elsewhere = with_stranger(refund_desk)
    resolution_id = propose(refund_desk, refund, THAT_ONE, elsewhere.bank_id)
    reference = "5f0c7a31-93b4-4a44-8f27-3d8b1d1f2a10"
    refund_desk.bank_refunds(refund.session_id)[0].metadata = {"reference": reference}
    assert refused(lambda: confirm(refund_desk, resolution_id)).code == "outdated"
    assert resolution(refund_desk, resolution_id).state == "outdated"
    assert refund_desk.journal(f"refund:{refund.reference}")[-1].action == "resolution:outdated"
    assert len(refund_desk.refunds(refund.session_id)) == 2


@pytest.mark.parametrize("answer", ["before", "after"])
def test_ours_turns_up_by_webhook_while_the_second_asks_the_bank(refund_desk: RefundDesk, answer: str) -> None:
    refund, elsewhere = with_stranger(refund_desk)
    resolution_id = propose(refund_desk, refund, THAT_ONE, elsewhere.bank_id)
    before = refund_desk.wire.answer_now(refund.session_id)

    def arrive() -> None:
        refund_desk.bank.refund_here(refund.session_id, 10_00, {"reference": refund.reference})
        refund_desk.deliver(refund_desk.wire.webhook_now(refund.session_id))

    refund_desk.wire.next(STATUS, meanwhile(arrive, (lambda _: before) if answer == "before" else None))
    assert refused(lambda: confirm(refund_desk, resolution_id)).code == "outdated"
    assert {one.state for one in refund_desk.refunds(refund.session_id)} == {"accepted"}
    assert refund_desk.session(refund.session_id).committed_minor == 20_00


def test_the_row_that_went_leaves_nothing_that_points_to_it(refund_desk: RefundDesk) -> None:
    """A contradicted row made elsewhere that was proposed to stand: its resolutions go with it, its proposal ends."""
    refund, elsewhere = with_stranger(refund_desk)
    refund_desk.bank_refunds(refund.session_id)[0].status = "declined"
    refund_desk.read(refund.session_id)
    about_it = propose(refund_desk, elsewhere, "stands")
    that_one(refund_desk, refund, elsewhere)
    row = resolution(refund_desk, about_it)
    assert (row.state, row.refund_id) == ("outdated", refund.id)
    with refund_desk.desk.read() as session:
        assert session.get(Refund, elsewhere.id) is None
    assert decide(refund_desk, refund, "stands").review == ""


@on_sqlite
def test_never_made_is_no_word_about_a_row_made_elsewhere(refund_desk: RefundDesk) -> None:
    _, elsewhere = with_stranger(refund_desk)
    for choice, bank_id in ((NEVER_MADE, None), (THAT_ONE, elsewhere.bank_id)):
        verb = lambda c=choice, b=bank_id: propose(refund_desk, elsewhere, c, b, first(refund_desk))  # noqa: E731
        assert refused(verb).code == "not_in_review"


def test_facts_that_went_with_the_row_are_not_taken_for_known_ones(
    refund_desk: RefundDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the same transaction too: a fact like one that has just been deleted has to be told."""
    refund, elsewhere = with_stranger(refund_desk)
    remove, left = resolutions._remove, []

    def remove_and_look(merge: Merge, *rest: Any) -> list[Anomaly]:
        removed = remove(merge, *rest)
        left.extend(one for one in merge.session.anomalies if inspect(one).was_deleted)
        return removed

    monkeypatch.setattr(resolutions, "_remove", remove_and_look)
    assert that_one(refund_desk, refund, elsewhere).state == "accepted"
    assert left == []
