"""Refunds that one person alone may not send: limits, a second person's word, and what the database holds of it."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier

import pytest
from sqlalchemy import text, update
from sqlalchemy.exc import DBAPIError

from dashboard import approvals, journal, limits, links, people, replay, restore
from dashboard.approvals import ApprovalRefused
from dashboard.bank131.client import BankError
from dashboard.desk import journal_key
from dashboard.limit_rules import ANY_CURRENCY, BadLimit, Limit
from dashboard.models import Approval, PaymentSession, Person, Refund
from dashboard.refunds import CannotCancel, RequestRefused
from tests.bench.databases import on_both
from tests.bench.refund_desk import RefundDesk, order
from tests.bench.wire import STATUS, lose_request, meanwhile

pytestmark = on_both


def set_limit(refund_desk: RefundDesk, limit: Limit, currency: str = "rub") -> None:
    limits.put(refund_desk.desk, currency, limit, actor="admin@desk.test")


@pytest.fixture
def approver(refund_desk: RefundDesk) -> Person:
    return refund_desk.person("approver")


@pytest.fixture
def waiting(refund_desk: RefundDesk) -> str:
    """A refund of 60.00 out of 100.00 that somebody else has to approve; its reference."""
    set_limit(refund_desk, Limit(50_00))
    return refund_desk.ask(refund_desk.paid_session(100_00), 60_00)


def approval(refund_desk: RefundDesk, reference: str) -> Approval | None:
    with refund_desk.desk.read() as session:
        return session.get(Approval, refund_desk.refund(reference).id)


def refused(act: Callable[[], None]) -> str:
    with pytest.raises(ApprovalRefused) as caught:
        act()
    return caught.value.code


# Asking


def test_above_the_limit_it_waits_and_holds_its_amount(refund_desk: RefundDesk, waiting: str) -> None:
    refund = refund_desk.refund(waiting)
    assert (refund.state, refund.next_send_at, refund.undo_until) == ("awaiting_approval", None, None)
    assert refund_desk.session(refund.session_id).committed_minor == 60_00
    refund_desk.run_for(hours=30)
    assert refund_desk.refund(waiting).state == "awaiting_approval"
    assert refund_desk.wire.sent(waiting) == []
    assert refund_desk.bank_refunds(refund.session_id) == []


def test_up_to_the_limit_it_goes_at_once(refund_desk: RefundDesk) -> None:
    set_limit(refund_desk, Limit(50_00))
    reference = refund_desk.ask_and_send(refund_desk.paid_session(100_00), 50_00)
    assert refund_desk.refund(reference).state == "in_progress"
    assert approval(refund_desk, reference) is None


def test_a_full_refund_is_weighed_by_what_is_left(refund_desk: RefundDesk) -> None:
    set_limit(refund_desk, Limit(99_99))
    assert refund_desk.refund(refund_desk.ask(refund_desk.paid_session(100_00))).state == "awaiting_approval"


def test_above_the_highest_limit_nobody_may(refund_desk: RefundDesk) -> None:
    set_limit(refund_desk, Limit(10_00, 50_00))
    session_id = refund_desk.paid_session(100_00)
    with pytest.raises(RequestRefused) as caught:
        refund_desk.ask(session_id, 50_01)
    assert (caught.value.code, caught.value.left_minor) == ("not_allowed", 50_00)
    assert refund_desk.refunds(session_id) == []
    assert refund_desk.session(session_id).committed_minor == 0


@pytest.mark.parametrize("how", ["disabled", "role"])
def test_whoever_may_not_ask_any_more_does_not(refund_desk: RefundDesk, how: str) -> None:
    """The right is looked up again under the lock: the bank's answer can take its time."""
    session_id, person = refund_desk.paid_session(), refund_desk.person()
    token = refund_desk.form(session_id, person)

    def lose_right() -> None:
        if how == "disabled":
            people.disable(refund_desk.desk, person.email, actor="admin@desk.test")
        else:
            people.change_role(refund_desk.desk, person.email, "viewer", actor="admin@desk.test")

    refund_desk.wire.next(STATUS, meanwhile(lose_right))
    with pytest.raises(RequestRefused) as caught:
        refund_desk.submit(session_id, token, order(1_00), person)
    assert caught.value.code == "no_right"
    assert refund_desk.refunds(session_id) == []


def test_a_currency_without_limits_has_those_of_all_others(refund_desk: RefundDesk) -> None:
    set_limit(refund_desk, Limit(0), ANY_CURRENCY)
    set_limit(refund_desk, Limit(None), "rub")
    dollars, roubles = refund_desk.paid_session(100_00, currency="usd"), refund_desk.paid_session(100_00)
    assert refund_desk.refund(refund_desk.ask(dollars, 1)).state == "awaiting_approval"
    assert refund_desk.refund(refund_desk.ask(roubles, 1_00)).state == "queued"
    limits.remove(refund_desk.desk, "rub", actor="admin@desk.test")
    assert refund_desk.refund(refund_desk.ask(roubles, 1_00)).state == "awaiting_approval"


def test_beyond_what_one_may_send_a_day_somebody_has_to_approve(refund_desk: RefundDesk) -> None:
    set_limit(refund_desk, Limit(alone_a_day_minor=100_00))
    states = [refund_desk.refund(refund_desk.ask(refund_desk.paid_session(), 40_00)).state for _ in range(3)]
    assert states == ["queued", "queued", "awaiting_approval"]
    other = refund_desk.person("operator", "olga@desk.test")
    assert refund_desk.refund(refund_desk.ask(refund_desk.paid_session(), 40_00, other)).state == "queued"
    refund_desk.clock.advance(hours=24)
    assert refund_desk.refund(refund_desk.ask(refund_desk.paid_session(), 40_00)).state == "queued"


def test_what_was_undone_or_approved_does_not_count_into_the_day(
    refund_desk: RefundDesk, waiting: str, approver: Person
) -> None:
    approvals.approve(refund_desk.desk, approver, waiting)
    set_limit(refund_desk, Limit(alone_a_day_minor=100_00))
    undone = refund_desk.ask(refund_desk.paid_session(), 100_00)
    refund_desk.cancel(undone)
    assert refund_desk.refund(refund_desk.ask(refund_desk.paid_session(), 100_00)).state == "queued"


# Approving


def test_approved_it_is_sent_as_it_was_asked_for(refund_desk: RefundDesk, waiting: str, approver: Person) -> None:
    approvals.approve(refund_desk.desk, approver, waiting, "  looked at it  ")
    refund = refund_desk.refund(waiting)
    assert refund.state == "queued"
    assert refund.undo_until == refund.next_send_at == refund_desk.clock.now() + refund_desk.desk.config.undo
    said = approval(refund_desk, waiting)
    assert said is not None
    assert (said.decision, said.decided_by_id, said.comment) == ("approved", approver.id, "looked at it")
    assert refund_desk.send(waiting).state == "in_progress"
    assert [request.body for request in refund_desk.wire.sent(waiting)] == [refund.body]
    entry = next(one for one in refund_desk.journal(f"refund:{waiting}") if one.action == "refund:queued")
    data = json.loads(entry.data)
    assert (entry.actor, data["was"], data["comment"]) == (approver.email, "awaiting_approval", "looked at it")
    assert (data["session"], data["amount_minor"], data["currency"]) == (refund.session_id, 60_00, "rub")


def test_an_approved_one_can_still_be_undone(refund_desk: RefundDesk, waiting: str, approver: Person) -> None:
    approvals.approve(refund_desk.desk, approver, waiting)
    refund_desk.cancel(waiting)
    refund_desk.run_for(hours=1)
    assert refund_desk.wire.sent(waiting) == []


def test_approving_twice_is_approving_once(refund_desk: RefundDesk, waiting: str, approver: Person) -> None:
    approvals.approve(refund_desk.desk, approver, waiting)
    refund_desk.send(waiting)
    approvals.approve(refund_desk.desk, approver, waiting)
    assert refund_desk.actions(waiting).count("refund:queued") == 1
    assert len(refund_desk.wire.sent(waiting)) == 1


def test_two_people_at_once_approve_it_once(refund_desk: RefundDesk, waiting: str, approver: Person) -> None:
    other = refund_desk.person("approver", "anna@desk.test")
    first = meanwhile(lambda: approvals.approve(refund_desk.desk, other, waiting))
    refund_desk.wire.next(STATUS, first)
    assert refused(lambda: approvals.approve(refund_desk.desk, approver, waiting)) == "decided"
    assert refund_desk.actions(waiting).count("refund:queued") == 1


def test_nobody_approves_their_own(refund_desk: RefundDesk) -> None:
    set_limit(refund_desk, Limit(0))
    admin = refund_desk.person("admin")
    reference = refund_desk.ask(refund_desk.paid_session(), 1_00, admin)
    assert refused(lambda: approvals.approve(refund_desk.desk, admin, reference)) == "same_person"
    assert refused(lambda: approvals.reject(refund_desk.desk, admin, reference, "mine")) == "same_person"
    assert refund_desk.refund(reference).state == "awaiting_approval"


def test_whoever_may_not_approve_any_more_does_not(refund_desk: RefundDesk, waiting: str, approver: Person) -> None:
    """The right is looked up again under the lock: the bank's answer can take its time."""

    def lose_right() -> None:
        people.change_role(refund_desk.desk, approver.email, "operator", actor="admin@desk.test")

    refund_desk.wire.next(STATUS, meanwhile(lose_right))
    assert refused(lambda: approvals.approve(refund_desk.desk, approver, waiting)) == "no_right"
    assert refused(lambda: approvals.reject(refund_desk.desk, approver, waiting, "no")) == "no_right"
    assert refund_desk.refund(waiting).state == "awaiting_approval"


def test_what_a_disabled_account_asked_for_is_not_approved_but_can_be_rejected(
    refund_desk: RefundDesk, waiting: str, approver: Person
) -> None:
    people.disable(refund_desk.desk, "operator@desk.test", actor="admin@desk.test")
    assert refused(lambda: approvals.approve(refund_desk.desk, approver, waiting)) == "asker_gone"
    approvals.reject(refund_desk.desk, approver, waiting, "the account was stolen")
    assert refund_desk.refund(waiting).state == "rejected"


@pytest.mark.parametrize("how", ["invited", "role", "reset", "enabled"])
def test_whom_the_asker_has_just_let_in_is_no_second_person(refund_desk: RefundDesk, how: str) -> None:
    """One person with two accounts is not two. After a day others have had the time to see it."""
    desk, admin, email = refund_desk.desk, refund_desk.person("admin"), "second@desk.test"
    set_limit(refund_desk, Limit(0))
    if how == "invited":
        links.invite(desk, email, "approver", actor=admin.email)
    else:
        refund_desk.person("operator" if how == "role" else "approver", email)
    if how == "role":
        people.change_role(desk, email, "approver", actor=admin.email)
    elif how == "reset":
        links.start_reset(desk, email, actor=admin.email)
    elif how == "enabled":
        people.disable(desk, email, actor="somebody@desk.test")
        people.enable(desk, email, actor=admin.email)
    second = refund_desk.person("approver", email)
    by_admin = refund_desk.ask(refund_desk.paid_session(), 1_00, admin)
    by_operator = refund_desk.ask(refund_desk.paid_session(), 1_00)
    assert refused(lambda: approvals.approve(desk, second, by_admin)) == "not_two_people"
    approvals.approve(desk, second, by_operator)
    refund_desk.clock.advance(hours=24)
    approvals.approve(desk, second, by_admin)
    assert refund_desk.refund(by_admin).state == "queued"


@pytest.mark.parametrize(
    "let_in",
    [
        [("approver@desk.test", "operator@desk.test")],
        [("operator@desk.test", "third@desk.test"), ("third@desk.test", "approver@desk.test")],
        [("third@desk.test", "operator@desk.test"), ("third@desk.test", "approver@desk.test")],
    ],
    ids=["the approver has let the asker in", "by way of a third", "a third has let in both"],
)
def test_accounts_that_may_be_one_person_s_are_not_two(
    refund_desk: RefundDesk, waiting: str, approver: Person, let_in: list[tuple[str, str]]
) -> None:
    refund_desk.person(email="third@desk.test")
    for actor, email in let_in:
        links.start_reset(refund_desk.desk, email, actor=actor)
    assert refused(lambda: approvals.approve(refund_desk.desk, approver, waiting)) == "not_two_people"
    assert refund_desk.refund(waiting).state == "awaiting_approval"
    refund_desk.clock.advance(hours=24)
    approvals.approve(refund_desk.desk, approver, waiting)


def test_whom_the_server_s_command_line_has_let_in_are_two(
    refund_desk: RefundDesk, waiting: str, approver: Person
) -> None:
    for email in ("operator@desk.test", "approver@desk.test"):
        links.start_reset(refund_desk.desk, email, actor="command line")
    approvals.approve(refund_desk.desk, approver, waiting)
    assert refund_desk.refund(waiting).state == "queued"


# The fresh look


def test_what_the_bank_shows_since_is_taken_in_first(refund_desk: RefundDesk, waiting: str, approver: Person) -> None:
    """Somebody refunded at the bank meanwhile: what is left does not hold this one any more."""
    session_id = refund_desk.refund(waiting).session_id
    refund_desk.bank.refund_here(session_id, 50_00)
    assert refused(lambda: approvals.approve(refund_desk.desk, approver, waiting)) == "no_longer_fits"
    assert refund_desk.refund(waiting).state == "awaiting_approval"
    assert len(refund_desk.refunds(session_id)) == 2


def test_what_the_limits_forbid_by_now_is_not_approved(refund_desk: RefundDesk, waiting: str, approver: Person) -> None:
    set_limit(refund_desk, Limit(50_00, 59_99))
    assert refused(lambda: approvals.approve(refund_desk.desk, approver, waiting)) == "not_allowed"
    approvals.reject(refund_desk.desk, approver, waiting, "too much")


def test_without_the_bank_nothing_is_approved(refund_desk: RefundDesk, waiting: str, approver: Person) -> None:
    refund_desk.wire.next(STATUS, lose_request)
    with pytest.raises(BankError):
        approvals.approve(refund_desk.desk, approver, waiting)
    assert refund_desk.refund(waiting).state == "awaiting_approval"


def test_beside_one_of_unknown_outcome_nothing_is_approved(
    refund_desk: RefundDesk, waiting: str, approver: Person
) -> None:
    session_id = refund_desk.refund(waiting).session_id
    small = refund_desk.ask(session_id, 10_00)
    refund_desk.wire.next("session/refund", lose_request)
    assert refund_desk.send(small).state == "unknown"
    assert refused(lambda: approvals.approve(refund_desk.desk, approver, waiting)) == "unknown_open"


def test_put_back_from_a_backup_it_is_not_approved(refund_desk: RefundDesk, waiting: str, approver: Person) -> None:
    """It may have been approved and sent after the backup was made."""
    restore.after_restore(refund_desk.desk, "admin@desk.test")
    assert refund_desk.refund(waiting).review == "restored"
    refund_desk.clock.advance(days=2)
    assert refused(lambda: approvals.approve(refund_desk.desk, approver, waiting)) == "under_review"


def test_put_back_from_a_backup_it_is_not_rejected_by_one_alone(
    refund_desk: RefundDesk, waiting: str, approver: Person
) -> None:
    """The bank may have it already: to call it rejected would be untrue, and its amount is not free."""
    restore.after_restore(refund_desk.desk, "admin@desk.test")
    assert refused(lambda: approvals.reject(refund_desk.desk, approver, waiting, "no")) == "under_review"
    refund = refund_desk.refund(waiting)
    assert (refund.state, refund.review, refund.counts) == ("awaiting_approval", "restored", True)
    assert refund_desk.session(refund.session_id).committed_minor == 60_00


# Whoever sets the limits


@pytest.mark.parametrize(
    "how",
    [
        "set higher",
        "removed",
        "removed for all others",
        "by who let them in",
        "given limits of its own",
        "all others first",
    ],
)
def test_whoever_loosened_a_limit_is_held_to_the_old_one_for_a_day(refund_desk: RefundDesk, how: str) -> None:
    desk, admin = refund_desk.desk, refund_desk.person("admin")
    currency = "*" if how in {"removed for all others", "given limits of its own", "all others first"} else "rub"
    limits.put(desk, currency, Limit(0), actor="other-admin@desk.test")
    if how == "set higher":
        limits.put(desk, currency, Limit(90_00), actor=admin.email)
    elif how == "given limits of its own":
        limits.put(desk, "rub", Limit(90_00), actor=admin.email)
    elif how == "all others first":
        limits.remove(desk, "*", actor=admin.email)
        limits.put(desk, "rub", Limit(90_00), actor=admin.email)
    else:
        limits.remove(desk, currency, actor=admin.email)
    asker = refund_desk.person("operator", "puppet@desk.test") if how == "by who let them in" else admin
    if asker is not admin:
        links.start_reset(desk, asker.email, actor=admin.email)
    assert refund_desk.refund(refund_desk.ask(refund_desk.paid_session(), 1_00, asker)).state == "awaiting_approval"
    assert refund_desk.refund(refund_desk.ask(refund_desk.paid_session(), 1_00)).state == "queued", "others are free"
    refund_desk.clock.advance(hours=24)
    assert refund_desk.refund(refund_desk.ask(refund_desk.paid_session(), 1_00, asker)).state == "queued"


def test_whoever_lets_somebody_in_is_held_to_what_these_loosened(refund_desk: RefundDesk) -> None:
    desk, admin = refund_desk.desk, refund_desk.person("admin")
    limits.put(desk, "rub", Limit(0), actor="other-admin@desk.test")
    puppet = refund_desk.person("admin", "puppet@desk.test")
    links.start_reset(desk, puppet.email, actor=admin.email)
    limits.remove(desk, "rub", actor=puppet.email)
    another = refund_desk.person("operator", "another@desk.test")
    links.start_reset(desk, another.email, actor=admin.email)
    for asker in (admin, puppet, another):
        assert refund_desk.refund(refund_desk.ask(refund_desk.paid_session(), 1_00, asker)).state == "awaiting_approval"
    assert refund_desk.refund(refund_desk.ask(refund_desk.paid_session(), 1_00)).state == "queued", "others are free"


def test_whoever_loosened_a_limit_approves_up_to_the_old_one(
    refund_desk: RefundDesk, waiting: str, approver: Person
) -> None:
    limits.put(refund_desk.desk, "rub", Limit(0, 59_99), actor="other-admin@desk.test")
    limits.put(refund_desk.desk, "rub", Limit(0), actor=approver.email)
    assert refused(lambda: approvals.approve(refund_desk.desk, approver, waiting)) == "held_to_old_limit"
    approvals.approve(refund_desk.desk, refund_desk.person("approver", "another@desk.test"), waiting)


def test_whoever_loosened_a_limit_is_told_that_the_old_one_holds_for_them(refund_desk: RefundDesk) -> None:
    desk, admin = refund_desk.desk, refund_desk.person("admin")
    limits.put(desk, "rub", Limit(0, 50_00), actor="other-admin@desk.test")
    limits.remove(desk, "rub", actor=admin.email)
    with pytest.raises(RequestRefused, match="held_to_old_limit"):
        refund_desk.ask(refund_desk.paid_session(), 60_00, admin)
    assert refund_desk.refund(refund_desk.ask(refund_desk.paid_session(), 60_00)).state == "queued"


def test_limits_of_others_that_were_loosened_hold_nobody_where_a_currency_has_its_own(refund_desk: RefundDesk) -> None:
    desk, admin = refund_desk.desk, refund_desk.person("admin")
    limits.put(desk, "*", Limit(0), actor="other-admin@desk.test")
    limits.put(desk, "rub", Limit(90_00), actor="other-admin@desk.test")
    limits.remove(desk, "*", actor=admin.email)
    assert refund_desk.refund(refund_desk.ask(refund_desk.paid_session(), 1_00, admin)).state == "queued"


# Rejecting and undoing


def test_rejected_it_ends_with_a_reason_and_its_money_is_free(
    refund_desk: RefundDesk, waiting: str, approver: Person
) -> None:
    assert refused(lambda: approvals.reject(refund_desk.desk, approver, waiting, "  ")) == "comment_missing"
    approvals.reject(refund_desk.desk, approver, waiting, "asked for twice")
    approvals.reject(refund_desk.desk, approver, waiting, "asked for twice")
    refund = refund_desk.refund(waiting)
    assert (refund.state, refund.counts) == ("rejected", False)
    assert refund_desk.session(refund.session_id).committed_minor == 0
    assert refused(lambda: approvals.approve(refund_desk.desk, approver, waiting)) == "decided"
    refund_desk.run_for(hours=30)
    assert refund_desk.wire.sent(waiting) == []


def test_who_asked_can_take_it_back(refund_desk: RefundDesk, waiting: str, approver: Person) -> None:
    refund_desk.cancel(waiting)
    assert refused(lambda: approvals.approve(refund_desk.desk, approver, waiting)) == "not_waiting"
    with pytest.raises(CannotCancel):
        refund_desk.cancel(waiting)


def test_one_that_needs_nobody_is_not_approved(refund_desk: RefundDesk, approver: Person) -> None:
    reference = refund_desk.ask(refund_desk.paid_session(), 1_00)
    assert refused(lambda: approvals.approve(refund_desk.desk, approver, reference)) == "not_waiting"
    with pytest.raises(LookupError):
        approvals.approve(refund_desk.desk, approver, "00000000-0000-4000-8000-00000000ffff")


# What the database itself refuses


SELF_APPROVAL = "UPDATE approvals SET decision = 'approved', decided_by_id = asked_by_id, decided_at = :now"
PAST_APPROVAL = [
    "UPDATE refunds SET state = 'queued', next_send_at = :now, undo_until = :now",
    "UPDATE refunds SET state = 'sending'",
    "DELETE FROM approvals",
    "UPDATE approvals SET refund_id = refund_id + 1000",
    "UPDATE approvals SET amount_minor = 1",
    "UPDATE approvals SET asked_by_id = (SELECT id FROM people WHERE email = 'approver@desk.test')",
    "UPDATE approvals SET decision = 'approved'",
    (
        "UPDATE approvals SET decision = 'rejected', decided_by_id = (SELECT id FROM people"
        " WHERE email = 'approver@desk.test'), decided_at = :now"
    ),
    "UPDATE refunds SET asked_by_id = (SELECT id FROM people WHERE email = 'approver@desk.test')",
    "UPDATE refunds SET amount_minor = amount_minor + 1",
    "UPDATE refunds SET currency = 'usd'",
    "UPDATE refunds SET body = NULL, origin = 'bank'",
    "DELETE FROM refunds",
    SELF_APPROVAL,
]


@pytest.mark.parametrize("statement", PAST_APPROVAL)
def test_no_statement_leads_past_the_second_person(
    refund_desk: RefundDesk, waiting: str, approver: Person, statement: str
) -> None:
    values = {"now": refund_desk.clock.now()} if ":now" in statement else {}
    with pytest.raises(DBAPIError), refund_desk.desk.write() as tx:
        tx.execute(text(statement), values)
    assert refund_desk.refund(waiting).state == "awaiting_approval"
    assert approval(refund_desk, waiting) is not None


def test_what_was_said_is_not_changed_afterwards(refund_desk: RefundDesk, waiting: str, approver: Person) -> None:
    approvals.reject(refund_desk.desk, approver, waiting, "no")
    for change in ({"decision": "approved"}, {"comment": "yes"}):
        with pytest.raises(DBAPIError), refund_desk.desk.write() as tx:
            tx.execute(update(Approval).values(**change))
    with pytest.raises(DBAPIError), refund_desk.desk.write() as tx:
        tx.execute(update(Refund).values(state="queued"))
    assert refund_desk.refund(waiting).state == "rejected"


def test_an_approval_is_of_its_refund_alone(refund_desk: RefundDesk, waiting: str, approver: Person) -> None:
    """Neither made up for a refund that waits for nobody, nor decided from the start."""
    small = refund_desk.refund(refund_desk.ask(refund_desk.paid_session(), 1_00))
    of_small = {
        "refund_id": small.id,
        "session_id": small.session_id,
        "amount_minor": small.amount_minor,
        "currency": small.currency,
        "asked_by_id": small.asked_by_id,
    }
    with pytest.raises(DBAPIError), refund_desk.desk.write() as tx:
        tx.add(Approval(**of_small))


def test_an_approval_made_up_in_the_tables_is_found(refund_desk: RefundDesk, waiting: str, approver: Person) -> None:
    """The database cannot know who writes to it; the journal does."""
    with refund_desk.desk.write() as tx:
        changes = {"decision": "approved", "decided_by_id": approver.id, "decided_at": refund_desk.clock.now()}
        tx.execute(update(Approval).values(**changes))
    told = replay.Replay()
    with refund_desk.desk.read() as session:
        journal.verify(session, journal_key(refund_desk.desk.config), watch=told.take)
        found = list(replay.differences(session, told))
    assert [line.partition(":")[0] for line in found] == [f"approval {waiting}"]
    refund_desk.is_tampered = True


# Limits


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE refund_limits SET at_once_up_to_minor = NULL",
        "DELETE FROM refund_limits",
        "INSERT INTO refund_limits (currency, at_once_up_to_minor) VALUES ('usd', 100)",
    ],
)
def test_limits_changed_behind_the_desk_are_found(refund_desk: RefundDesk, statement: str) -> None:
    set_limit(refund_desk, Limit(50_00))
    with refund_desk.desk.write() as tx:
        tx.execute(text(statement))
    told = replay.Replay()
    with refund_desk.desk.read() as session:
        journal.verify(session, journal_key(refund_desk.desk.config), watch=told.take)
        found = list(replay.differences(session, told))
    assert len(found) == 1
    assert found[0].startswith("limits of ")
    refund_desk.is_tampered = True


def test_limits_are_on_record(refund_desk: RefundDesk) -> None:
    set_limit(refund_desk, Limit(10_00, 50_00))
    set_limit(refund_desk, Limit(10_00, 50_00))
    set_limit(refund_desk, replace(Limit(10_00, 50_00), alone_a_day_minor=0))
    assert limits.remove(refund_desk.desk, "rub", actor="admin@desk.test")
    assert not limits.remove(refund_desk.desk, "rub", actor="admin@desk.test")
    entries = refund_desk.journal("limit:rub")
    assert [entry.action for entry in entries] == ["limit:set", "limit:set", "limit:removed"]
    changed = json.loads(entries[1].data)
    assert (changed["was"]["alone_a_day_minor"], changed["now"]["alone_a_day_minor"]) == (None, 0)
    assert {entry.actor for entry in entries} == {"admin@desk.test"}


def test_two_who_set_the_first_limits_at_once_both_do(refund_desk: RefundDesk) -> None:
    together = Barrier(2)

    def put(amount_minor: int) -> bool:
        together.wait(30)
        return limits.put(refund_desk.desk, "usd", Limit(amount_minor), actor="admin@desk.test")

    for _ in range(5):
        with ThreadPoolExecutor(2) as pool:
            assert list(pool.map(put, (1, 2))) == [True, True]
        limits.remove(refund_desk.desk, "usd", actor="admin@desk.test")


def test_limits_that_mean_nothing_are_not_set(refund_desk: RefundDesk) -> None:
    with pytest.raises(BadLimit):
        set_limit(refund_desk, Limit(2, 1))
    with refund_desk.desk.read() as session:
        assert limits.all_of_them(session) == []


def test_the_session_counts_what_waits(refund_desk: RefundDesk, waiting: str) -> None:
    session_id = refund_desk.refund(waiting).session_id
    with pytest.raises(RequestRefused) as caught:
        refund_desk.ask(session_id, 40_01)
    assert (caught.value.code, caught.value.left_minor) == ("too_much", 40_00)
    with refund_desk.desk.read() as session:
        assert session.get_one(PaymentSession, session_id).committed_minor == 60_00
