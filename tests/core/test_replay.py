"""The journal read back: it tells of all that the tables hold, and whatever was changed behind its back shows."""

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from dashboard import replay, resolutions
from dashboard.db import snapshot_engine
from dashboard.models import Installation, JournalEntry
from dashboard.refunds import RefundOrder
from tests.bench.databases import on_both
from tests.bench.refund_desk import RefundDesk
from tests.bench.reviews import NEVER_MADE, THAT_ONE, decide, not_found, propose, second, with_stranger
from tests.bench.wire import REFUND, lose_request


def differences(refund_desk: RefundDesk) -> list[str]:
    with refund_desk.desk.read() as session:
        return differences_in(session)


def differences_in(session: Session) -> list[str]:
    told = replay.Replay()
    for entry in session.scalars(select(JournalEntry).order_by(JournalEntry.seq)):
        told.take(entry)
    return list(replay.differences(session, told))


def differences_after(refund_desk: RefundDesk, by_hand: str) -> list[str]:
    """What shows once that has been done to the tables, which are as before afterwards: one desk is enough for all."""
    with refund_desk.desk.write() as tx:
        with tx.begin_nested() as change:
            tx.execute(text(by_hand))
            found = differences_in(tx)
            change.rollback()
        assert differences_in(tx) == []
    return found


@pytest.fixture
def busy_desk(refund_desk: RefundDesk) -> RefundDesk:
    """A desk with one refund of each kind: done here, made at the bank, charged back, of unknown outcome."""
    session_id = refund_desk.paid_session(100_00)
    refund_desk.ask_and_send(session_id, 10_00)
    refund_desk.bank.refund_here(session_id, 5_00)
    refund_desk.bank.charge_back(session_id, 90_00)
    refund_desk.run_for(60)
    refund_desk.wire.next(REFUND, lose_request)
    refund_desk.ask_and_send(refund_desk.paid_session(50_00), 20_00)
    return refund_desk


@pytest.fixture
def decided_desk(refund_desk: RefundDesk) -> RefundDesk:
    """A desk on which people have decided on this and that, and asked for a replacement."""
    abandoned = decide(refund_desk, not_found(refund_desk), NEVER_MADE)
    taken, elsewhere = with_stranger(refund_desk, amount_minor=11_00)
    decide(refund_desk, taken, THAT_ONE, elsewhere.bank_id)
    waiting = not_found(refund_desk)
    resolutions.reject(refund_desk.desk, second(refund_desk), propose(refund_desk, waiting, NEVER_MADE), "no")
    propose(refund_desk, waiting, NEVER_MADE)
    again = RefundOrder("partial", 10_00, "other", "", abandoned.reference)
    refund_desk.submit(abandoned.session_id, refund_desk.form(abandoned.session_id), again)
    return refund_desk


def test_what_people_decide_is_told_too(decided_desk: RefundDesk) -> None:
    assert differences(decided_desk) == []


DECISIONS_BY_HAND = (
    (
        "UPDATE resolutions SET decided_by_id = 'p' WHERE choice = 'never_made' AND state = 'confirmed'",
        "decided_by is ",
    ),
    ("UPDATE resolutions SET proposed_by_id = 'p' WHERE state = 'proposed'", "proposed_by is "),
    (
        "UPDATE resolutions SET state = 'withdrawn' WHERE state = 'proposed'",
        ": state is withdrawn in the tables, proposed by the journal",
    ),
    (
        "UPDATE resolutions SET choice = 'stands' WHERE state = 'rejected'",
        ": choice is stands in the tables, never_made by the journal",
    ),
    (
        (
            "UPDATE resolutions SET refund_id = (SELECT id FROM refunds WHERE replaces_id IS NOT NULL)"
            " WHERE state = 'rejected'"
        ),
        ": reference is ",
    ),
    ("UPDATE resolutions SET bank_id = 'rf_9' WHERE choice = 'that_one'", "bank_id is rf_9 in the tables"),
    ("UPDATE resolutions SET candidate = '{}' WHERE state = 'proposed'", "{}"),
    ("UPDATE resolutions SET strangers = '[\"rf_9\"]' WHERE state = 'proposed'", "rf_9"),
    ("DELETE FROM resolutions WHERE state = 'rejected'", "is missing in the tables"),
    ("UPDATE refunds SET replaces_id = NULL", "replaces is nothing in the tables"),
    ("UPDATE anomalies SET acknowledged_at = NULL", ": acknowledged is no in the tables, yes by the journal"),
    (
        "UPDATE anomalies SET acknowledged_at = found_at WHERE kind = 'amount_differs'",
        ": acknowledged is yes in the tables, no by the journal",
    ),
)


@on_both
def test_a_decision_that_was_changed_by_hand_shows(decided_desk: RefundDesk) -> None:
    somebody = decided_desk.person()
    for by_hand, said in DECISIONS_BY_HAND:
        found = differences_after(decided_desk, by_hand.replace("'p'", f"'{somebody.id}'"))
        assert any(said in line for line in found), (by_hand, found)


def test_the_tables_are_what_the_journal_tells_of(busy_desk: RefundDesk) -> None:
    assert "over_captured" in {kind for _, kind in busy_desk.anomalies("ps_3201")}
    assert differences(busy_desk) == []


BY_HAND = (
    (
        "UPDATE refunds SET state = 'declined' WHERE state = 'accepted' AND origin = 'here'",
        ": state is declined in the tables, accepted by the journal",
    ),
    ("UPDATE refunds SET counts = false WHERE origin = 'bank'", ": counts is no in the tables, yes by the journal"),
    (
        "UPDATE refunds SET amount_minor = 1 WHERE origin = 'here' AND state = 'accepted'",
        ": amount_minor is 1 in the tables, 1000 by the journal",
    ),
    ("UPDATE refunds SET bank_amount_minor = 7 WHERE origin = 'bank'", "bank_amount_minor is 7 in the tables"),
    (
        "UPDATE refunds SET bank_currency = 'usd' WHERE origin = 'bank'",
        ": bank_currency is usd in the tables, rub by the journal",
    ),
    (
        "UPDATE refunds SET origin = 'chargeback' WHERE origin = 'bank'",
        ": origin is chargeback in the tables, bank by the journal",
    ),
    (
        "UPDATE refunds SET session_id = 'ps_3202' WHERE origin = 'bank'",
        ": session_id is ps_3202 in the tables, ps_3201 by the journal",
    ),
    (
        "UPDATE refunds SET reason = 'fraud' WHERE state = 'unknown'",
        ": reason is fraud in the tables, ",
    ),
    ("UPDATE refunds SET bank_id = 'rf_9' WHERE origin = 'bank'", "bank_id is rf_9 in the tables"),
    (
        "UPDATE refunds SET review = 'stranger' WHERE state = 'unknown'",
        ": review is stranger in the tables, empty by the journal",
    ),
    (
        "UPDATE refunds SET contradicted = true WHERE origin = 'bank'",
        ": contradicted is yes in the tables, no by the journal",
    ),
    (
        "UPDATE refunds SET currency = 'usd' WHERE state = 'unknown'",
        ": currency is usd in the tables, rub by the journal",
    ),
    (
        (
            "UPDATE refunds SET body = (SELECT body FROM refunds WHERE origin = 'here' AND state = 'accepted')"
            " WHERE state = 'unknown'"
        ),
        ": body_digest is ",
    ),
    (
        "UPDATE refunds SET comment = 'another' WHERE state = 'unknown'",
        ": comment is another in the tables, empty by the journal",
    ),
    ("DELETE FROM refunds WHERE origin = 'bank'", "is missing in the tables"),
    ("UPDATE refunds SET reference = 'another' WHERE origin = 'bank'", "the journal does not tell of it"),
    ("UPDATE payment_sessions SET committed_minor = 0 WHERE id = 'ps_3202'", "committed amount of session ps_3202"),
    ("UPDATE payment_sessions SET captured_minor = 1 WHERE id = 'ps_3202'", "captured amount of session ps_3202"),
    (
        "UPDATE attempts SET outcome = 'never_connected' WHERE outcome = 'unclear'",
        "outcome is never_connected in the tables",
    ),
    ("DELETE FROM attempts", "attempt"),
    ("DELETE FROM anomalies", "anomaly ps_3201 over_captured"),
    ("UPDATE installation SET sending_paused_at = '2026-03-01 09:00:00'", "sending is paused in the tables"),
)


@on_both
def test_whatever_was_changed_by_hand_shows(busy_desk: RefundDesk) -> None:
    for by_hand, said in BY_HAND:
        found = differences_after(busy_desk, by_hand)
        assert any(said in line for line in found), (by_hand, found)


def test_only_what_differs_is_named_and_always_in_one_line(refund_desk: RefundDesk) -> None:
    refund_desk.is_tampered = True
    reference = refund_desk.ask(refund_desk.paid_session(), 1_00)
    with refund_desk.desk.write() as tx:
        tx.execute(text("UPDATE refunds SET currency = 'u\nd', review = 'stranger'"))
    (line,) = differences(refund_desk)
    assert line == (
        f"refund {reference}: currency is 'u\\nd' in the tables, rub by the journal; "
        "review is stranger in the tables, empty by the journal"
    )


@pytest.mark.parametrize("forged", ["is missing in the tables", "x\nrefund y", "x\x1b[2K", "\u202ex", ""])
def test_a_name_that_was_changed_by_hand_passes_for_nothing_else(refund_desk: RefundDesk, forged: str) -> None:
    refund_desk.is_tampered = True
    session_id = refund_desk.paid_session(100_00)
    refund_desk.bank.charge_back(session_id, 60_00)
    refund_desk.bank.charge_back(session_id, 60_00)
    refund_desk.read(session_id)
    with refund_desk.desk.write() as tx:
        tx.execute(text("UPDATE anomalies SET detail = :forged"), {"forged": forged})
        tx.execute(text("UPDATE refunds SET reference = :forged WHERE bank_id = 'rf_101'"), {"forged": forged})
    lines = differences(refund_desk)
    assert f"refund {forged!r} is in the tables, the journal does not tell of it" in lines
    name = f"anomaly {session_id} over_captured {forged!r}"
    assert f"{name} is in the tables, the journal does not tell of it" in lines
    assert all(line.isprintable() for line in lines)


def test_an_entry_that_cannot_follow_is_named(refund_desk: RefundDesk) -> None:
    refund_desk.is_tampered = True
    reference = refund_desk.ask(refund_desk.paid_session(), 1_00)
    with refund_desk.desk.write() as tx:
        tx.record("somebody", "refund:accepted", f"refund:{reference}", was="in_progress")
    with pytest.raises(replay.BadEntry, match=r"entry \d+ \(refund:accepted\) does not follow"):
        differences(refund_desk)


def test_a_snapshot_sees_one_moment_however_long_it_takes(refund_desk: RefundDesk) -> None:
    query = select(Installation.sending_paused_why)
    with Session(snapshot_engine(refund_desk.desk.engine)) as session:
        assert session.scalars(query).one() is None
        with refund_desk.desk.write() as tx:
            tx.get_one(Installation, 1).sending_paused_why = "meanwhile"
        assert session.scalars(query.execution_options(populate_existing=True)).one() is None
