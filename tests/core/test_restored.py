"""Right after the database was put back from a backup: nothing is sent that may have been sent since."""

import json
import sqlite3
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from click.testing import CliRunner
from sqlalchemy import event, select, update

from dashboard import cli, links, pauses, resolutions, restore, sending, sign_ins, signing_in
from dashboard.models import Installation, PaymentSession
from dashboard.refunds import CannotCancel, RequestRefused
from tests.bench.command_line import set_to
from tests.bench.databases import on_sqlite
from tests.bench.refund_desk import PASSWORD, RefundDesk, order
from tests.bench.reviews import NEVER_MADE, THAT_ONE, decide, not_found, propose, refused, sending_one
from tests.bench.wire import (
    REFUND,
    STATUS,
    error,
    lose_answer,
    lose_request,
    meanwhile,
    refuse_connection,
)

ACTOR = "command line"
LEASE_S = 35


def installation(refund_desk: RefundDesk) -> Installation:
    with refund_desk.desk.read() as session:
        return session.scalars(select(Installation)).one()


def test_what_it_does(refund_desk: RefundDesk) -> None:
    accepted = refund_desk.ask_and_send(refund_desk.paid_session(100_00), 10_00)
    refund_desk.run_for(minutes=5)
    in_progress = refund_desk.ask_and_send(refund_desk.paid_session(100_00), 10_00)
    refund_desk.wire.next(REFUND, lose_request)
    unknown = refund_desk.ask_and_send(refund_desk.paid_session(100_00), 10_00)
    being_sent = sending_one(refund_desk, refund_desk.paid_session(100_00))
    queued = refund_desk.ask(refund_desk.paid_session(100_00), 10_00)
    undone = refund_desk.ask(refund_desk.paid_session(100_00), 10_00)
    refund_desk.cancel(undone)

    refund_desk.clock.advance(1)
    done = restore.after_restore(refund_desk.desk, ACTOR)
    now = refund_desk.clock.now()
    assert (done.at, done.under_review, done.to_read) == (now, 3, 4)
    states = {"queued": queued, "sending": being_sent, "unknown": unknown}
    for state, reference in states.items():
        refund = refund_desk.refund(reference)
        assert (refund.state, refund.review, refund.counts) == (state, "restored", True)
    for reference in (accepted, in_progress, undone):
        assert refund_desk.refund(reference).review == ""
    facts = installation(refund_desk)
    assert (facts.restored_at, facts.sending_paused_at, facts.sending_paused_why) == (now, now, "restored")
    for reference in (queued, being_sent, unknown, in_progress):
        session = refund_desk.session(refund_desk.refund(reference).session_id)
        assert (session.next_read_at, session.read_wanted_at) == (now, now)
    for reference in (accepted, undone):
        session = refund_desk.session(refund_desk.refund(reference).session_id)
        assert session.next_read_at is None or session.next_read_at > now
    told = [entry for entry in refund_desk.journal("installation") if entry.actor == ACTOR]
    assert [entry.action for entry in told] == ["sending:paused", "installation:restored"]
    assert json.loads(told[-1].data) == {"under_review": 3, "to_read": 4, "outdated": 0, "read_later": 2}
    for reference in states.values():
        review = [one for one in refund_desk.journal(f"refund:{reference}") if one.action == "refund:review"]
        assert [json.loads(one.data)["why"] for one in review] == ["restored"]


def test_who_was_under_review_before_stays_so_for_the_same_reason(refund_desk: RefundDesk) -> None:
    """Nothing under review is ever sent, so nothing was since."""
    refund = not_found(refund_desk)
    done = restore.after_restore(refund_desk.desk, ACTOR)
    assert (done.under_review, done.to_read) == (0, 1)
    assert refund_desk.refund(refund.reference).review == "not_found"


def test_nothing_of_it_is_sent_even_when_sending_goes_on(refund_desk: RefundDesk) -> None:
    refund_desk.wire.next(REFUND, lose_request)
    unknown = refund_desk.ask_and_send(refund_desk.paid_session(100_00), 10_00)
    queued = refund_desk.ask(refund_desk.paid_session(100_00), 10_00)
    refund_desk.clock.advance(0.001)
    restore.after_restore(refund_desk.desk, ACTOR)
    refund_desk.run_for(minutes=20)
    sending.resume(refund_desk.desk, ACTOR)
    refund_desk.run_for(hours=30)
    for state, reference in (("unknown", unknown), ("queued", queued)):
        assert refund_desk.wire.sent(reference) == []
        refund = refund_desk.refund(reference)
        assert (refund.state, refund.review) == (state, "restored")


def test_one_that_was_being_sent_becomes_unknown_and_is_found(refund_desk: RefundDesk) -> None:
    reference = sending_one(refund_desk, refund_desk.paid_session(100_00))
    restore.after_restore(refund_desk.desk, ACTOR)
    refund_desk.run_for(1)
    refund = refund_desk.refund(reference)
    assert (refund.state, refund.review) == ("in_progress", ""), "found by its reference"


def test_one_that_was_being_sent_and_is_not_found_waits_for_people(refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    reference = sending_one(refund_desk, session_id)
    refund_desk.bank_payments(session_id)[0].refunds.clear()
    restore.after_restore(refund_desk.desk, ACTOR)
    refund = refund_desk.refund(reference)
    assert refused(lambda: propose(refund_desk, refund, NEVER_MADE)).code == "not_in_review", "it may still arrive"
    refund_desk.run_for(hours=1)
    refund_desk.read(session_id)
    refund = refund_desk.refund(reference)
    assert (refund.state, refund.review, refund.absence_1_at) == ("unknown", "restored", None)
    assert decide(refund_desk, refund, NEVER_MADE).state == "abandoned"


def test_one_that_is_refused_meanwhile_needs_nobody(refund_desk: RefundDesk) -> None:
    """Nobody could decide on it, and nothing more of its session would ever be sent."""
    session_id = refund_desk.paid_session(100_00)
    reference = refund_desk.ask(session_id, 10_00)
    refund_desk.clock.advance(5)
    restored = meanwhile(lambda: restore.after_restore(refund_desk.desk, ACTOR), error("authentication_error", 401))
    refund_desk.wire.next(REFUND, restored)
    sending.send(refund_desk.desk, reference)
    refund = refund_desk.refund(reference)
    assert (refund.state, refund.review) == ("refused", "")
    assert refund_desk.actions(reference)[-2:] == ["refund:refused", "refund:review_over"]


# A backup from before the send


def roll_back(refund_desk: RefundDesk, happens: Callable[[], object]) -> None:
    """What happens is forgotten here afterwards, though not by the bank: the database is put back as it was."""
    path = refund_desk.desk.engine.url.database or ""
    with sqlite3.connect(path) as live, sqlite3.connect(":memory:") as backup:
        live.backup(backup)
        happens()
        refund_desk.desk.engine.dispose()
        backup.backup(live)
    restore.after_restore(refund_desk.desk, ACTOR)


@on_sqlite
@pytest.mark.parametrize("echo", ["object", "nothing"])
def test_a_refund_that_was_sent_after_the_backup_is_never_sent_again(refund_desk: RefundDesk, echo: str) -> None:
    refund_desk.wire.echo = echo
    session_id = refund_desk.paid_session(100_00)
    reference = refund_desk.ask(session_id, 10_00)
    roll_back(refund_desk, lambda: refund_desk.send(reference))
    assert refund_desk.refund(reference).state == "queued"
    assert len(refund_desk.bank_refunds(session_id)) == 1
    refund_desk.run_for(minutes=20)
    sending.resume(refund_desk.desk, ACTOR)
    refund_desk.run_for(hours=30)
    refund = refund_desk.refund(reference)
    if echo == "object":
        assert (refund.state, refund.review) == ("accepted", "")
    else:
        assert (refund.state, refund.review) == ("queued", "restored"), "which one it is has to be said by people"
        elsewhere = refund_desk.refunds(session_id)[-1]
        assert decide(refund_desk, refund, THAT_ONE, elsewhere.bank_id).state == "accepted"
    assert len(refund_desk.bank_refunds(session_id)) == 1
    assert [one.reference for one in refund_desk.refunds(session_id)] == [reference]
    assert refund_desk.session(session_id).committed_minor == 10_00


@on_sqlite
def test_two_that_were_sent_are_told_apart_by_people_and_none_is_taken_twice(refund_desk: RefundDesk) -> None:
    refund_desk.wire.echo = "nothing"
    session_id = refund_desk.paid_session(100_00)
    references = [refund_desk.ask(session_id, 10_00), refund_desk.ask(session_id, 10_00)]
    roll_back(refund_desk, lambda: [refund_desk.send(one) and refund_desk.run_for(minutes=1) for one in references])
    refund_desk.run_for(minutes=1)
    ours = [refund_desk.refund(one) for one in references]
    made = [refund.bank_id for refund in refund_desk.refunds(session_id) if refund.origin == "bank"]
    assert len(made) == 2
    proposals = [propose(refund_desk, refund, THAT_ONE, made[0]) for refund in ours]
    resolutions.confirm(refund_desk.desk, refund_desk.person(), proposals[0])
    verb = lambda: resolutions.confirm(refund_desk.desk, refund_desk.person(), proposals[1])  # noqa: E731
    assert refused(verb).code == "outdated"
    decide(refund_desk, ours[1], THAT_ONE, made[1])
    assert [one.bank_id for one in refund_desk.refunds(session_id)] == made
    assert refund_desk.session(session_id).committed_minor == 20_00


# What people may do


def test_what_was_proposed_in_the_backup_is_decided_by_nobody(refund_desk: RefundDesk) -> None:
    """It may have been taken back since."""
    refund = not_found(refund_desk)
    resolution_id = propose(refund_desk, refund, NEVER_MADE)
    assert restore.after_restore(refund_desk.desk, ACTOR).outdated == 1
    refund_desk.run_for(minutes=30)
    verb = lambda: resolutions.confirm(refund_desk.desk, refund_desk.person(), resolution_id)  # noqa: E731
    assert refused(verb).code == "outdated"
    [told] = [one for one in refund_desk.journal(f"refund:{refund.reference}") if one.action == "resolution:outdated"]
    assert (told.actor, json.loads(told.data)["resolution"]) == (ACTOR, resolution_id)
    assert decide(refund_desk, refund_desk.refund(refund.reference), NEVER_MADE).state == "abandoned"


@on_sqlite
def test_what_was_proposed_after_the_backup_names_nothing_any_more(refund_desk: RefundDesk) -> None:
    """A page with that proposal may still be open; confirming there must not decide another one."""
    first, other = not_found(refund_desk), not_found(refund_desk, amount_minor=77_00)
    forgotten: list[str] = []
    roll_back(refund_desk, lambda: forgotten.append(propose(refund_desk, first, NEVER_MADE)))
    refund_desk.run_for(minutes=30)
    propose(refund_desk, other, NEVER_MADE)
    for verb in (resolutions.reject, resolutions.withdraw, resolutions.confirm):
        with pytest.raises(LookupError):
            verb(refund_desk.desk, refund_desk.person(), forgotten[0], "I agree")
    assert [refund_desk.refund(each.reference).state for each in (first, other)] == ["unknown", "unknown"]


def test_it_cannot_be_undone_by_one_person(refund_desk: RefundDesk) -> None:
    reference = refund_desk.ask(refund_desk.paid_session(100_00), 10_00)
    restore.after_restore(refund_desk.desk, ACTOR)
    with pytest.raises(CannotCancel) as caught:
        refund_desk.cancel(reference)
    assert caught.value.state == "queued"
    assert refund_desk.refund(reference).state == "queued"


def test_a_queued_one_was_never_made_once_the_last_send_before_the_restore_is_past(refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    refund = refund_desk.refund(refund_desk.ask(session_id, 10_00))
    done = restore.after_restore(refund_desk.desk, ACTOR)
    since = done.at + timedelta(seconds=LEASE_S) + refund_desk.desk.config.quiet * 4 / 3
    refund_desk.clock.advance_to(since)
    problem = refused(lambda: propose(refund_desk, refund, NEVER_MADE))
    assert (problem.code, problem.since) == ("not_open_yet", since)
    refund_desk.clock.advance(0.001)
    ended = decide(refund_desk, refund, NEVER_MADE)
    assert (ended.state, ended.review, ended.counts, ended.next_send_at) == ("abandoned", "", False, None)
    assert refund_desk.session(session_id).committed_minor == 0
    entry = refund_desk.journal(f"refund:{refund.reference}")[-1]
    assert (entry.action, json.loads(entry.data)["was"]) == ("refund:abandoned", "queued")
    refund_desk.run_for(1)
    sending.resume(refund_desk.desk, ACTOR)
    refund_desk.run_for(hours=30)
    assert refund_desk.bank_refunds(session_id) == []


def test_an_unknown_one_waits_for_that_too(refund_desk: RefundDesk) -> None:
    refund_desk.wire.next(REFUND, lose_request)
    reference = refund_desk.ask_and_send(refund_desk.paid_session(100_00), 10_00)
    refund_desk.clock.advance(minutes=15)
    done = restore.after_restore(refund_desk.desk, ACTOR)
    refund_desk.clock.advance(minutes=5)
    problem = refused(lambda: propose(refund_desk, refund_desk.refund(reference), NEVER_MADE))
    assert problem.since == done.at + timedelta(seconds=LEASE_S) + refund_desk.desk.config.quiet * 4 / 3


# Who was signed in


@on_sqlite
def test_whoever_signed_out_after_the_backup_is_not_signed_in_again(refund_desk: RefundDesk) -> None:
    """Nor is anybody whose account or password was changed since."""
    refund_desk.person()
    token = signing_in.sign_in(refund_desk.desk, "operator@desk.test", PASSWORD, "127.0.0.1")
    roll_back(refund_desk, lambda: sign_ins.end(refund_desk.desk, token))
    assert sign_ins.whose(refund_desk.desk, token) is None
    again = signing_in.sign_in(refund_desk.desk, "operator@desk.test", PASSWORD, "127.0.0.1")
    assert sign_ins.whose(refund_desk.desk, again) is not None


@on_sqlite
def test_links_given_out_before_are_over(refund_desk: RefundDesk) -> None:
    started = links.start_reset(refund_desk.desk, refund_desk.person().email, actor="test")
    roll_back(refund_desk, lambda: links.use(refund_desk.desk, started.token, "quite another one"))
    with pytest.raises(links.LinkOver):
        links.use(refund_desk.desk, started.token, "quite another one")


# Sending stays paused


def test_an_incident_is_still_one_after_the_restore(refund_desk: RefundDesk) -> None:
    sending.pause(refund_desk.desk, "b@desk.test", "customers are paid twice")
    refund_desk.clock.advance(60)
    restore.after_restore(refund_desk.desk, ACTOR)
    with refund_desk.desk.read() as session:
        assert pauses.reasons(session) == ["customers are paid twice", pauses.RESTORED]


def test_sending_goes_on_only_when_every_open_session_was_read_again(refund_desk: RefundDesk) -> None:
    sessions = [refund_desk.paid_session(100_00) for _ in range(3)]
    for session_id in sessions[:2]:
        refund_desk.ask(session_id, 10_00)
    refund_desk.read(sessions[2])
    refund_desk.clock.advance(0.001)
    restore.after_restore(refund_desk.desk, ACTOR)
    assert left_by_resume(refund_desk) == 2
    refund_desk.read(sessions[0])
    assert left_by_resume(refund_desk) == 1
    refund_desk.wire.next(STATUS, refuse_connection, refuse_connection)
    refund_desk.work()
    assert left_by_resume(refund_desk) == 1, "a read that failed was none"
    refund_desk.clock.advance(minutes=20)
    assert left_by_resume(refund_desk) == 1
    assert installation(refund_desk).sending_paused_at is not None
    refund_desk.run_for(5)
    sending.resume(refund_desk.desk, ACTOR)
    assert installation(refund_desk).sending_paused_at is None


def left_by_resume(refund_desk: RefundDesk) -> int:
    with pytest.raises(sending.CannotResume) as caught:
        sending.resume(refund_desk.desk, ACTOR)
    return len(caught.value.left)


def not_before(refund_desk: RefundDesk) -> datetime:
    """When all that was sent before the restore has arrived, or never will."""
    restored_at = installation(refund_desk).restored_at
    assert restored_at is not None
    return restored_at + timedelta(seconds=LEASE_S) + refund_desk.desk.config.quiet


def test_sending_goes_on_only_when_nothing_sent_before_can_still_arrive(refund_desk: RefundDesk) -> None:
    restore.after_restore(refund_desk.desk, ACTOR)
    refund_desk.clock.advance_to(not_before(refund_desk))
    with pytest.raises(sending.CannotResume) as caught:
        sending.resume(refund_desk.desk, ACTOR)
    assert (caught.value.left, caught.value.since) == ([], not_before(refund_desk))
    refund_desk.clock.advance(0.001)
    sending.resume(refund_desk.desk, ACTOR)
    assert installation(refund_desk).sending_paused_at is None


@on_sqlite
def test_what_was_asked_for_after_the_backup_and_arrives_late_is_not_paid_twice(refund_desk: RefundDesk) -> None:
    """Nobody here remembers it, and the bank does not show it yet: whoever asks for it again has to wait."""
    session_id = refund_desk.paid_session(100_00)
    form = refund_desk.form(session_id)
    roll_back(refund_desk, lambda: None)
    for again in (form, refund_desk.form(session_id)):
        with pytest.raises(RequestRefused) as caught:
            refund_desk.submit(session_id, again, order(30_00))
        assert (caught.value.code, caught.value.since) == ("just_restored", not_before(refund_desk))
    refund_desk.clock.advance_to(not_before(refund_desk))
    refund_desk.bank.refund_here(session_id, 30_00, {"reference": refund_desk.desk.new_id()})
    with pytest.raises(RequestRefused) as caught:
        refund_desk.submit(session_id, form, order(30_00))
    assert caught.value.code == "just_restored"
    refund_desk.clock.advance(0.001)
    with pytest.raises(RequestRefused) as caught:
        refund_desk.submit(session_id, form, order(30_00))
    assert caught.value.code == "outdated", "it is shown to them first"
    assert [one.amount_minor for one in refund_desk.bank_refunds(session_id)] == [30_00]


@on_sqlite
def test_the_form_of_a_refund_that_nobody_remembers_makes_no_second_one(refund_desk: RefundDesk) -> None:
    """As many refunds are known as when it was opened, and they are others."""
    session_id = refund_desk.paid_session(100_00)
    refund_desk.read(session_id)
    refund_desk.person()
    forms = []

    def happens() -> None:
        refund_desk.cancel(refund_desk.ask(session_id, 10_00))
        forms.append(refund_desk.form(session_id))
        refund_desk.submit(session_id, forms[0], order(10_00))
        refund_desk.run_for(minutes=1)

    roll_back(refund_desk, happens)
    refund_desk.run_for(minutes=20)
    sending.resume(refund_desk.desk, ACTOR)
    with pytest.raises(RequestRefused) as caught:
        refund_desk.submit(session_id, forms[0], order(10_00))
    assert caught.value.code == "outdated"
    assert len(refund_desk.bank_refunds(session_id)) == 1


@on_sqlite
def test_what_was_made_twice_and_is_forgotten_is_told(refund_desk: RefundDesk) -> None:
    """Two of the bank's refunds share a reference that nobody here knows any more."""
    session_id = refund_desk.paid_session(100_00)
    roll_back(refund_desk, lambda: None)
    forgotten = {"reference": refund_desk.desk.new_id()}
    for _ in range(2):
        refund_desk.bank.refund_here(session_id, 10_00, forgotten)
    refund_desk.read(session_id)
    rows = refund_desk.refunds(session_id)
    assert [(one.origin, one.review) for one in rows] == [("bank", "")] * 2
    told = refund_desk.anomalies(session_id)
    assert {(one.reference, "duplicate") for one in rows} <= set(told)


def test_a_session_whose_refunds_need_people_is_open_too(refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    reference = refund_desk.ask_and_send(session_id, 10_00)
    refund_desk.run_for(minutes=5)
    refund_desk.bank.refund_here(session_id, 10_00, {"reference": reference})
    refund_desk.read(session_id)
    assert {refund.state for refund in refund_desk.refunds(session_id)} == {"accepted"}
    refund_desk.clock.advance(0.001)
    restore.after_restore(refund_desk.desk, ACTOR)
    assert left_by_resume(refund_desk) == 1


@on_sqlite
def test_what_was_asked_for_after_the_backup_is_found_wherever_it_is(refund_desk: RefundDesk) -> None:
    """Even in a session that has no refund in the backup, and without anybody looking at it."""
    session_id = refund_desk.paid_session(100_00)
    refund_desk.read(session_id)
    roll_back(refund_desk, lambda: refund_desk.ask_and_send(session_id, 10_00))
    refund_desk.run_for(hours=1)
    assert [refund.bank_id for refund in refund_desk.refunds(session_id)] == [
        refund_desk.bank_refunds(session_id)[0].id
    ]
    assert refund_desk.session(session_id).committed_minor == 10_00


@on_sqlite
def test_what_was_asked_for_in_a_session_that_was_paid_after_the_backup_is_found_too(refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    [payment] = refund_desk.bank_payments(session_id)
    payment.status = "pending"
    refund_desk.read(session_id)
    assert refund_desk.session(session_id).captured_minor == 0

    def paid_and_given_back() -> None:
        payment.status = "succeeded"
        refund_desk.ask_and_send(session_id, 10_00)

    roll_back(refund_desk, paid_and_given_back)
    refund_desk.run_for(hours=1)
    session = refund_desk.session(session_id)
    assert (session.captured_minor, session.committed_minor) == (100_00, 10_00)


@on_sqlite
def test_whoever_was_read_while_calls_from_before_could_arrive_is_read_again(refund_desk: RefundDesk) -> None:
    """What was asked for after the backup and arrives late is found even where somebody had looked already."""
    seen_early = refund_desk.paid_session(100_00)
    waiting = refund_desk.ask(refund_desk.paid_session(100_00), 10_00)
    restore.after_restore(refund_desk.desk, ACTOR)
    refund_desk.run_for(minutes=5)
    refund_desk.read(seen_early)
    sessions = (seen_early, refund_desk.refund(waiting).session_id)
    for session_id in sessions:
        refund_desk.bank.refund_here(session_id, 30_00)
    refund_desk.run_for(minutes=11)
    for session_id in sessions:
        session = refund_desk.session(session_id)
        assert session.read_at is not None
        assert session.read_at > not_before(refund_desk)
        assert session.committed_minor >= 30_00
        assert session.next_read_at is None or session.next_read_at > refund_desk.clock.now()


@on_sqlite
def test_it_locks_sessions_before_the_installation(refund_desk: RefundDesk) -> None:
    """As workers do: two that lock the same in different orders wait for each other."""
    refund_desk.read(refund_desk.paid_session(100_00))
    statements: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        statements.append(statement.split("SET", maxsplit=1)[0].strip())

    engine = refund_desk.desk.engine
    event.listen(engine, "before_cursor_execute", note)
    restore.after_restore(refund_desk.desk, ACTOR)
    event.remove(engine, "before_cursor_execute", note)
    written = [one for one in statements if one in {"UPDATE payment_sessions", "UPDATE installation"}]
    assert written == sorted(written, reverse=True)
    assert set(written) == {"UPDATE payment_sessions", "UPDATE installation"}


def test_other_paid_sessions_are_read_the_newest_first_and_not_all_at_once(refund_desk: RefundDesk) -> None:
    paid = [refund_desk.paid_session(100_00) for _ in range(5)]
    for session_id in paid:
        refund_desk.read(session_id)
    with refund_desk.desk.write() as tx:
        for age, session_id in enumerate(paid):
            tx.get_one(PaymentSession, session_id).created_at = refund_desk.clock.now() - timedelta(days=100 * age)
        tx.get_one(PaymentSession, paid[2]).next_read_at = soon = refund_desk.clock.now() + timedelta(seconds=7)
    assert restore.after_restore(refund_desk.desk, ACTOR).read_later == 3
    planned = [refund_desk.session(session_id).next_read_at for session_id in paid]
    start = not_before(refund_desk)
    seconds_later = [start + timedelta(seconds=number) for number in range(4)]
    assert planned == [seconds_later[1], seconds_later[2], soon, seconds_later[3], None]
    refund_desk.clock.advance_to(start + timedelta(milliseconds=1))
    sending.resume(refund_desk.desk, ACTOR)
    assert refund_desk.session(paid[3]).next_read_at is not None, "nobody waits for them"


def test_what_is_asked_for_later_does_not_hold_it_up(refund_desk: RefundDesk) -> None:
    restore.after_restore(refund_desk.desk, ACTOR)
    refund_desk.clock.advance(minutes=20)
    reference = refund_desk.ask(refund_desk.paid_session(100_00), 10_00)
    refund_desk.run_for(minutes=1)
    assert refund_desk.refund(reference).state == "queued"
    sending.resume(refund_desk.desk, ACTOR)
    refund_desk.run_for(minutes=5)
    assert refund_desk.refund(reference).state == "accepted"


def test_an_installation_that_was_never_restored_resumes_at_once(refund_desk: RefundDesk) -> None:
    refund_desk.ask(refund_desk.paid_session(100_00), 10_00)
    with refund_desk.desk.write() as tx:
        for session in tx.scalars(select(PaymentSession)):
            session.read_at = None
    sending.pause(refund_desk.desk, ACTOR, "wait")
    sending.resume(refund_desk.desk, ACTOR)
    assert installation(refund_desk).sending_paused_at is None


def test_one_lost_answer_is_still_adopted_by_its_webhook(refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    reference = refund_desk.ask(session_id, 10_00)
    refund_desk.clock.advance(5)
    refund_desk.wire.next(REFUND, lose_answer)
    sending.send(refund_desk.desk, reference)
    restore.after_restore(refund_desk.desk, ACTOR)
    refund_desk.deliver(refund_desk.wire.webhook_now(session_id))
    refund = refund_desk.refund(reference)
    assert (refund.state, refund.review) == ("in_progress", "")


# The command


@on_sqlite
def test_the_command_says_what_it_did(refund_desk: RefundDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    refund_desk.ask(refund_desk.paid_session(100_00), 10_00)
    set_to(monkeypatch, refund_desk.desk.config)
    result = CliRunner().invoke(cli.main, ["db", "restored"])
    assert result.exit_code == 0
    assert result.output.splitlines()[-8:] == [
        "Sending is paused.",
        "Refunds that may have been sent since the backup, now to be decided on by people: 1",
        "Sessions that the worker reads again: 1",
        "Proposals that were open in the backup, now to be made anew: 0",
        "Other sessions of the last year, read one after another from the time below on: 0",
        "Everybody has to sign in again. Accounts and passwords are those of the backup: look at them first.",
        f"Nothing more is asked for or sent before {not_before(refund_desk):%Y-%m-%d %H:%M:%S} UTC.",
        "Start everything; `dashboard sending resume` works then, once all of these sessions have been read.",
    ]
    result = CliRunner().invoke(cli.main, ["sending", "resume"])
    assert result.exit_code == 1
    assert result.output.splitlines()[1:3] == [
        "The database was put back from a backup, and sending stays paused.",
        f"What was sent before may still arrive at the bank until {not_before(refund_desk):%Y-%m-%d %H:%M:%S} UTC.",
    ]
    assert "have still to be read again: 1\nps_3201\n" in result.output
    assert installation(refund_desk).sending_paused_why == "restored"


@on_sqlite
def test_the_command_can_leave_out_what_the_bank_does_not_show(
    refund_desk: RefundDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    session_id = refund_desk.paid_session(100_00)
    refund_desk.ask(session_id, 10_00)
    refund_desk.clock.advance(0.001)
    restore.after_restore(refund_desk.desk, ACTOR)
    with refund_desk.desk.write() as tx:
        tx.execute(update(Installation).values(restored_at=refund_desk.clock.now() - timedelta(days=1)))
        tx.execute(update(PaymentSession).values(read_at=None))
    set_to(monkeypatch, refund_desk.desk.config)
    refused = CliRunner().invoke(cli.main, ["sending", "resume", "--without-reading", "ps_other"])
    assert (refused.exit_code, "arrive" in refused.output, session_id in refused.output) == (1, False, True)
    result = CliRunner().invoke(cli.main, ["sending", "resume", "--without-reading", session_id])
    assert (result.exit_code, "\nEnded: restored\nSending goes on.\n" in result.output) == (0, True)
    assert json.loads(refund_desk.journal("installation")[-1].data) == {
        "ended": ["restored"],
        "without_reading": [session_id],
    }


@on_sqlite
def test_the_command_names_all_that_hold_it_up_and_can_leave_out_all_of_them(
    refund_desk: RefundDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    sessions = [refund_desk.paid_session(100_00) for _ in range(7)]
    for session_id in sessions:
        refund_desk.ask(session_id, 10_00)
    refund_desk.clock.advance(0.001)
    restore.after_restore(refund_desk.desk, ACTOR)
    set_to(monkeypatch, refund_desk.desk.config)
    with pytest.raises(sending.CannotResume) as too_early:
        sending.resume(refund_desk.desk, ACTOR, without_reading_any=True)
    assert (too_early.value.left, too_early.value.since) == ([], not_before(refund_desk))
    with refund_desk.desk.write() as tx:
        tx.execute(update(Installation).values(restored_at=refund_desk.clock.now() - timedelta(days=1)))
        tx.execute(update(PaymentSession).values(read_at=None))
    lines = CliRunner().invoke(cli.main, ["sending", "resume"]).output.splitlines()
    assert [line for line in lines if line.startswith("ps_")] == sorted(sessions)
    assert CliRunner().invoke(cli.main, ["sending", "resume", "--without-reading-any"]).exit_code == 0
    resumed = json.loads(refund_desk.journal("installation")[-1].data)
    assert resumed == {"ended": ["restored"], "without_reading": sorted(sessions)}
