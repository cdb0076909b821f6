"""Two people decide that a refund was never made."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest
from sqlalchemy import update
from sqlalchemy.exc import IntegrityError

from dashboard import ledger, links, resolutions
from dashboard.bank131.client import BankError
from dashboard.models import Person, Refund, Resolution
from dashboard.models.resolutions import WITHDRAWN
from tests.bench.blocked import wait_until_blocked
from tests.bench.databases import on_both, on_postgresql, on_sqlite
from tests.bench.refund_desk import RefundDesk
from tests.bench.reviews import (
    NEVER_MADE,
    STANDS,
    THAT_ONE,
    WHY,
    at_once,
    confirm,
    contradicted,
    decide,
    first,
    not_found,
    propose,
    refused,
    resolution,
    resolutions_of,
    second,
    with_stranger,
)
from tests.bench.simulated import START
from tests.bench.wire import REFUND, STATUS, Json, edited, lose_request, meanwhile, refuse_connection


def test_two_people_end_it_and_its_amount_is_free(refund_desk: RefundDesk) -> None:
    refund = not_found(refund_desk)
    resolution_id = propose(refund_desk, refund, NEVER_MADE)
    waiting = refund_desk.refund(refund.reference)
    assert (waiting.state, waiting.review, waiting.counts) == ("unknown", "not_found", True)
    assert refund_desk.session(refund.session_id).committed_minor == 10_00, "held until the second has agreed"

    confirm(refund_desk, resolution_id)
    ended = refund_desk.refund(refund.reference)
    assert (ended.state, ended.review, ended.counts) == ("abandoned", "", False)
    assert (ended.ended_at, ended.next_send_at) == (refund_desk.clock.now(), None)
    assert refund_desk.session(refund.session_id).committed_minor == 0
    assert refund_desk.offer(refund.session_id).refundable_minor == 100_00


def test_who_said_what_when_and_on_which_read_is_on_record(refund_desk: RefundDesk) -> None:
    refund = not_found(refund_desk)
    proposed_at = refund_desk.clock.now()
    resolution_id = propose(refund_desk, refund, NEVER_MADE)
    refund_desk.clock.advance(60)
    confirm(refund_desk, resolution_id)
    row = resolution(refund_desk, resolution_id)
    assert (row.state, row.choice, row.bank_id) == ("confirmed", "never_made", None)
    assert (row.proposed_by_id, row.proposed_at, row.propose_comment) == (first(refund_desk).id, proposed_at, WHY)
    assert (row.decided_by_id, row.decided_at) == (second(refund_desk).id, refund_desk.clock.now())
    assert row.decide_comment == "so do I"

    proposed, confirmed, over, abandoned = refund_desk.journal(f"refund:{refund.reference}")[-4:]
    assert (proposed.action, proposed.actor) == ("resolution:proposed", "first@desk.test")
    assert (confirmed.action, confirmed.actor) == ("resolution:confirmed", "second@desk.test")
    for entry, comment in ((proposed, WHY), (confirmed, "so do I")):
        data = json.loads(entry.data)
        assert (data["resolution"], data["choice"], data["bank_id"]) == (resolution_id, "never_made", None)
        assert (data["comment"], data["source"], data["strangers"]) == (comment, "read", [])
        assert len(data["digest"]) == 64
    assert (over.action, over.actor) == ("refund:review_over", "second@desk.test")
    assert (abandoned.action, abandoned.actor) == ("refund:abandoned", "second@desk.test")
    assert json.loads(abandoned.data)["was"] == "unknown"


def test_each_of_the_two_rests_on_a_fresh_read(refund_desk: RefundDesk) -> None:
    refund = not_found(refund_desk)
    calls = len(refund_desk.wire.calls)
    resolution_id = propose(refund_desk, refund, NEVER_MADE)
    assert [call.method for call in refund_desk.wire.calls[calls:]] == [STATUS]
    confirm(refund_desk, resolution_id)
    assert [call.method for call in refund_desk.wire.calls[calls:]] == [STATUS, STATUS]


def test_without_a_read_nothing_is_decided(refund_desk: RefundDesk) -> None:
    refund = not_found(refund_desk)
    refund_desk.wire.next(STATUS, refuse_connection)
    with pytest.raises(BankError):
        propose(refund_desk, refund, NEVER_MADE)
    resolution_id = propose(refund_desk, refund, NEVER_MADE)
    refund_desk.wire.next(STATUS, lose_request)
    with pytest.raises(BankError):
        confirm(refund_desk, resolution_id)
    assert refund_desk.refund(refund.reference).state == "unknown"
    assert resolution(refund_desk, resolution_id).state == "proposed"
    assert refund_desk.session(refund.session_id).read_failures == 1


def test_one_person_cannot_do_it_alone(refund_desk: RefundDesk) -> None:
    refund = not_found(refund_desk)
    resolution_id = propose(refund_desk, refund, NEVER_MADE)
    calls = len(refund_desk.wire.calls)
    assert refused(lambda: confirm(refund_desk, resolution_id, first(refund_desk))).code == "same_person"
    assert len(refund_desk.wire.calls) == calls
    assert refund_desk.refund(refund.reference).state == "unknown"


@on_sqlite
def test_whom_one_of_them_has_just_let_in_is_no_second_person(refund_desk: RefundDesk) -> None:
    refund = not_found(refund_desk)
    resolution_id = propose(refund_desk, refund, NEVER_MADE)
    links.start_reset(refund_desk.desk, second(refund_desk).email, actor=first(refund_desk).email)
    assert refused(lambda: confirm(refund_desk, resolution_id)).code == "not_two_people"
    assert refund_desk.refund(refund.reference).state == "unknown"
    refund_desk.clock.advance(hours=24)
    confirm(refund_desk, resolution_id)
    assert refund_desk.refund(refund.reference).state == "abandoned"


@pytest.mark.parametrize("change", [{"disabled_at": START}, {"role": "viewer"}])
@on_sqlite
def test_one_who_may_not_decide_any_more_is_none_of_the_two(
    refund_desk: RefundDesk, change: dict[str, str | datetime]
) -> None:
    refund = not_found(refund_desk)
    resolution_id = propose(refund_desk, refund, NEVER_MADE)
    with refund_desk.desk.write() as tx:
        tx.execute(update(Person).where(Person.id == first(refund_desk).id).values(**change))
    assert refused(lambda: confirm(refund_desk, resolution_id)).code == "proposer_gone"
    assert refund_desk.refund(refund.reference).state == "unknown"
    assert resolution(refund_desk, resolution_id).state == "outdated"


@pytest.mark.parametrize("change", [{"disabled_at": START}, {"role": "viewer"}])
@on_sqlite
def test_whoever_may_not_decide_any_more_confirms_nothing(
    refund_desk: RefundDesk, change: dict[str, str | datetime]
) -> None:
    """The bank's answer can take its time."""
    refund = not_found(refund_desk)
    resolution_id = propose(refund_desk, refund, NEVER_MADE)
    confirmer = second(refund_desk)

    def lose_right() -> None:
        with refund_desk.desk.write() as tx:
            tx.execute(update(Person).where(Person.id == confirmer.id).values(**change))

    refund_desk.wire.next(STATUS, meanwhile(lose_right))
    assert refused(lambda: confirm(refund_desk, resolution_id, confirmer)).code == "no_right"
    assert refund_desk.refund(refund.reference).state == "unknown"
    assert resolution(refund_desk, resolution_id).state == "proposed"


@on_both
def test_the_database_itself_takes_no_confirmation_by_one_person(refund_desk: RefundDesk) -> None:
    refund = not_found(refund_desk)
    resolution_id = propose(refund_desk, refund, NEVER_MADE)
    for decided_by_id in (first(refund_desk).id, None):
        change = update(Resolution).where(Resolution.id == resolution_id)
        with pytest.raises(IntegrityError), refund_desk.desk.write() as tx:
            tx.execute(change.values(state="confirmed", decided_by_id=decided_by_id))


@pytest.mark.parametrize("comment", ["", " \n"])
@on_sqlite
def test_a_proposal_says_why(refund_desk: RefundDesk, comment: str) -> None:
    refund = not_found(refund_desk)
    desk, person = refund_desk.desk, first(refund_desk)
    verb: Callable[[], object] = lambda: resolutions.propose(desk, person, refund.reference, NEVER_MADE, None, comment)  # noqa: E731
    assert refused(verb).code == "comment_missing"


def test_what_people_know_of_nothing_is_no_refund(refund_desk: RefundDesk) -> None:
    desk, person = refund_desk.desk, first(refund_desk)
    with pytest.raises(LookupError):
        resolutions.propose(desk, person, "no-such-reference", NEVER_MADE, None, WHY)
    with pytest.raises(LookupError):
        resolutions.confirm(desk, person, "131")


# When it is open


def test_only_once_absence_could_be_proved(refund_desk: RefundDesk) -> None:
    refund, _ = with_stranger(refund_desk)
    [attempt] = refund_desk.attempts(refund.reference)
    provable = attempt.lease_until + refund_desk.desk.config.quiet * 4 / 3
    for moment in (refund_desk.clock.now(), provable):
        refund_desk.clock.advance_to(moment)
        problem = refused(lambda: propose(refund_desk, refund, NEVER_MADE))
        assert (problem.code, problem.since) == ("not_open_yet", provable)
    refund_desk.clock.advance_to(provable + timedelta(microseconds=1))
    assert decide(refund_desk, refund, NEVER_MADE).state == "abandoned"


def test_the_read_has_to_start_after_that_moment(refund_desk: RefundDesk) -> None:
    refund, _ = with_stranger(refund_desk)
    [attempt] = refund_desk.attempts(refund.reference)
    refund_desk.clock.advance_to(attempt.lease_until + refund_desk.desk.config.quiet * 4 / 3)
    refund_desk.wire.next(STATUS, meanwhile(lambda: refund_desk.clock.advance(10)))
    assert refused(lambda: propose(refund_desk, refund, NEVER_MADE)).code == "not_open_yet"


def unreadable(session: Json) -> None:
    session["acquiring_payments"][0]["refunds"].append({"id": "rf_x", "status": "on_hold"})


def test_a_read_that_is_not_whole_bears_nothing_out(refund_desk: RefundDesk) -> None:
    refund, _ = with_stranger(refund_desk)
    refund_desk.clock.advance(hours=1)
    refund_desk.wire.next(STATUS, edited(unreadable), edited(unreadable))
    assert refused(lambda: propose(refund_desk, refund, NEVER_MADE)).code == "not_whole"
    refund_desk.wire.next(STATUS, edited(unreadable))
    resolution_id = propose(refund_desk, refund, NEVER_MADE)

    refund_desk.wire.next(STATUS, edited(unreadable), edited(unreadable))
    assert refused(lambda: confirm(refund_desk, resolution_id)).code == "not_whole"
    assert resolution(refund_desk, resolution_id).state == "proposed", "it can be looked at again"
    confirm(refund_desk, resolution_id)
    assert refund_desk.refund(refund.reference).state == "abandoned"


def test_a_read_that_lacks_the_payment_decides_nothing(refund_desk: RefundDesk) -> None:
    refund = not_found(refund_desk)
    refund_desk.bank.refund_here(refund.session_id, 10_00, {"reference": refund.reference})

    def strip(session: Json) -> None:
        session["acquiring_payments"] = []

    refund_desk.wire.next(STATUS, edited(strip), edited(strip))
    assert refused(lambda: propose(refund_desk, refund, NEVER_MADE)).code == "not_whole"
    assert refund_desk.refund(refund.reference).state == "unknown"


def test_a_stranger_does_not_forbid_it_and_is_named(refund_desk: RefundDesk) -> None:
    refund, elsewhere = with_stranger(refund_desk)
    refund_desk.clock.advance(hours=1)
    look = resolutions.look(refund_desk.desk, refund.reference)
    assert (look.choices, look.strangers, look.is_shown) == ((NEVER_MADE, THAT_ONE), (elsewhere.bank_id,), False)
    assert decide(refund_desk, refund, NEVER_MADE).state == "abandoned"
    told = [json.loads(entry.data).get("strangers") for entry in refund_desk.journal(f"refund:{refund.reference}")]
    assert told.count([elsewhere.bank_id]) == 2
    assert refund_desk.session(refund.session_id).committed_minor == 10_00, "the one made elsewhere"


def test_what_bears_our_reference_forbids_it_even_where_it_was_taken_for_another_s(refund_desk: RefundDesk) -> None:
    refund, elsewhere = with_stranger(refund_desk)
    refund_desk.clock.advance(hours=1)
    resolution_id = propose(refund_desk, refund, NEVER_MADE)

    refund_desk.bank_refunds(refund.session_id)[0].metadata = {"reference": refund.reference}
    assert refused(lambda: confirm(refund_desk, resolution_id)).code == "outdated"
    assert refused(lambda: propose(refund_desk, refund, NEVER_MADE)).code == "choice_not_open"
    assert resolutions.look(refund_desk.desk, refund.reference).is_shown
    assert decide(refund_desk, refund, THAT_ONE, elsewhere.bank_id).bank_id == elsewhere.bank_id


@on_sqlite
@pytest.mark.parametrize("choice", [STANDS, "something else"])
def test_other_choices_are_not_open(refund_desk: RefundDesk, choice: str) -> None:
    refund = not_found(refund_desk)
    assert refused(lambda: propose(refund_desk, refund, choice)).code == "choice_not_open"


@on_sqlite
def test_never_made_names_no_bank_refund(refund_desk: RefundDesk) -> None:
    refund = not_found(refund_desk)
    assert refused(lambda: propose(refund_desk, refund, NEVER_MADE, "rf_1")).code == "choice_not_open"


@on_sqlite
@pytest.mark.parametrize("state", ["queued", "in_progress", "accepted", "unknown", "cancelled"])
def test_a_refund_that_needs_nobody_is_not_decided_on(refund_desk: RefundDesk, state: str) -> None:
    session_id = refund_desk.paid_session(100_00)
    reference = refund_desk.ask(session_id, 10_00)
    if state == "cancelled":
        refund_desk.cancel(reference)
    elif state != "queued":
        refund_desk.wire.next(REFUND, *([lose_request] if state == "unknown" else []))
        refund_desk.send(reference)
    if state == "accepted":
        refund_desk.run_for(minutes=5)
    refund = refund_desk.refund(reference)
    assert refund.state == state
    for choice in (NEVER_MADE, STANDS):
        assert refused(lambda choice=choice: propose(refund_desk, refund, choice)).code == "not_in_review"
    assert refund_desk.refund(reference).state == state


@on_sqlite
def test_one_that_no_longer_fits_and_was_never_sent_is_undone_not_decided_on(refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    reference = refund_desk.ask(session_id, 80_00)
    refund_desk.bank.charge_back(session_id, 50_00)
    refund = refund_desk.send(reference)
    assert (refund.state, refund.review) == ("queued", "no_longer_fits")
    assert refused(lambda: propose(refund_desk, refund, NEVER_MADE)).code == "not_in_review"
    refund_desk.cancel(reference)
    assert refund_desk.refund(reference).state == "cancelled"


def test_one_that_no_longer_fits_and_may_have_been_sent_is_decided_on(refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    refund_desk.wire.next(REFUND, lose_request)
    reference = refund_desk.ask_and_send(session_id, 10_00)
    refund_desk.bank.charge_back(session_id, 95_00)
    refund_desk.run_for(hours=1)
    refund = refund_desk.refund(reference)
    assert (refund.state, refund.review) == ("unknown", "no_longer_fits")
    assert decide(refund_desk, refund, NEVER_MADE).state == "abandoned"
    assert refund_desk.session(session_id).committed_minor == 95_00


def set_to_another_project(refund_desk: RefundDesk, refund: Refund, project: str = "another project") -> None:
    """As seen from the refund, the desk is."""
    with refund_desk.desk.write() as tx:
        tx.get_one(Refund, refund.id).project = project


@on_sqlite
def test_nothing_is_decided_on_what_another_bank_shows(refund_desk: RefundDesk) -> None:
    refund, elsewhere = with_stranger(refund_desk)
    refund_desk.run_for(hours=1)
    set_to_another_project(refund_desk, refund)
    for choice, bank_id in ((NEVER_MADE, None), (THAT_ONE, elsewhere.bank_id)):
        assert refused(lambda what=(choice, bank_id): propose(refund_desk, refund, *what)).code == "other_bank"
    set_to_another_project(refund_desk, refund, refund_desk.desk.bank.project)
    resolution_id = propose(refund_desk, refund, NEVER_MADE)
    set_to_another_project(refund_desk, refund)
    assert refused(lambda: confirm(refund_desk, resolution_id)).code == "other_bank"
    set_to_another_project(refund_desk, refund, refund_desk.desk.bank.project)
    confirm(refund_desk, resolution_id)
    assert refund_desk.refund(refund.reference).state == "abandoned"


@on_sqlite
def test_that_the_facts_stand_can_be_said_of_another_bank_s_refund_too(refund_desk: RefundDesk) -> None:
    refund = contradicted(refund_desk)
    set_to_another_project(refund_desk, refund)
    assert decide(refund_desk, refund, STANDS).review == ""


@on_sqlite
def test_a_read_of_another_bank_says_that_it_is_one(refund_desk: RefundDesk) -> None:
    refund = not_found(refund_desk)
    assert not resolutions.look(refund_desk.desk, refund.reference).is_other_bank
    set_to_another_project(refund_desk, refund)
    assert resolutions.look(refund_desk.desk, refund.reference).is_other_bank


@on_sqlite
def test_a_row_made_elsewhere_is_no_other_bank_s(refund_desk: RefundDesk) -> None:
    _refund, elsewhere = with_stranger(refund_desk)
    assert elsewhere.bank_url is None
    assert not resolutions.look(refund_desk.desk, elsewhere.reference).is_other_bank


# Several at once


def test_a_second_proposal_waits_until_the_first_is_decided(refund_desk: RefundDesk) -> None:
    refund, elsewhere = with_stranger(refund_desk)
    refund_desk.clock.advance(hours=1)
    resolution_id = propose(refund_desk, refund, NEVER_MADE)
    assert propose(refund_desk, refund, NEVER_MADE) == resolution_id, "a second click, a second tab"
    for choice, bank_id, person in (
        (THAT_ONE, elsewhere.bank_id, first(refund_desk)),
        (NEVER_MADE, None, second(refund_desk)),
    ):
        verb: Callable[[], object] = lambda c=choice, b=bank_id, p=person: propose(refund_desk, refund, c, b, p)  # noqa: E731
        assert refused(verb).code == "proposal_open"
    assert resolutions_of(refund_desk, refund) == ["proposed"]


@on_both
def test_of_two_proposals_at_once_one_stands(refund_desk: RefundDesk) -> None:
    refund = not_found(refund_desk)
    people = first(refund_desk), second(refund_desk)
    outcomes = at_once(*(lambda who=who: propose(refund_desk, refund, NEVER_MADE, None, who) for who in people))
    assert outcomes.count("proposal_open") == 1
    assert resolutions_of(refund_desk, refund) == ["proposed"]


@on_both
def test_one_person_from_two_tabs_at_once_is_one_person(refund_desk: RefundDesk) -> None:
    refund = not_found(refund_desk)
    who = first(refund_desk)
    outcomes = at_once(*[lambda: propose(refund_desk, refund, NEVER_MADE, None, who)] * 2)
    assert outcomes[0] == outcomes[1]
    assert at_once(*[lambda: confirm(refund_desk, outcomes[0], who)] * 2) == ["same_person"] * 2
    assert refund_desk.refund(refund.reference).state == "unknown"


@on_both
def test_of_two_who_confirm_at_once_one_does(refund_desk: RefundDesk) -> None:
    refund = not_found(refund_desk)
    resolution_id = propose(refund_desk, refund, NEVER_MADE)
    people = [refund_desk.person(email=f"{name}@desk.test") for name in ("second", "third")]
    outcomes = at_once(*(lambda who=who: confirm(refund_desk, resolution_id, who) for who in people))
    assert sorted(outcomes, key=str) == [None, "decided"]
    assert refund_desk.actions(refund.reference).count("refund:abandoned") == 1


def test_confirming_twice_is_confirming_once(refund_desk: RefundDesk) -> None:
    refund = not_found(refund_desk)
    resolution_id = propose(refund_desk, refund, NEVER_MADE)
    who = second(refund_desk)
    assert at_once(*[lambda: confirm(refund_desk, resolution_id, who)] * 2) == [None, None]
    confirm(refund_desk, resolution_id, who)
    assert refund_desk.actions(refund.reference).count("resolution:confirmed") == 1


def test_a_confirmation_that_another_overtakes_says_so(refund_desk: RefundDesk) -> None:
    refund = not_found(refund_desk)
    resolution_id = propose(refund_desk, refund, NEVER_MADE)
    third = refund_desk.person(email="third@desk.test")
    refund_desk.wire.next(STATUS, meanwhile(lambda: confirm(refund_desk, resolution_id, third)))
    assert refused(lambda: confirm(refund_desk, resolution_id)).code == "decided"
    assert resolution(refund_desk, resolution_id).decided_by_id == third.id


@on_postgresql
def test_a_rejection_that_waited_sees_what_was_decided_meanwhile(refund_desk: RefundDesk) -> None:
    refund = not_found(refund_desk)
    resolution_id = propose(refund_desk, refund, NEVER_MADE)
    desk, person, other = refund_desk.desk, first(refund_desk), second(refund_desk)
    with ThreadPoolExecutor(1) as pool:
        with desk.write() as tx:
            ledger.lock_session(tx, refund.session_id)
            late = pool.submit(refused, lambda: resolutions.reject(desk, other, resolution_id, "no"))
            wait_until_blocked(desk)
            row, proposal = tx.get_one(Refund, refund.id), tx.get_one(Resolution, resolution_id)
            resolutions._decide(tx, row, proposal, WITHDRAWN, person, "")
        assert late.result(60).code == "decided"
    assert resolutions_of(refund_desk, refund) == ["withdrawn"]


# What turns up meanwhile


@pytest.mark.parametrize("source", ["webhook", "read", "the confirmation's own read"])
def test_it_turns_up_before_the_second_agrees(refund_desk: RefundDesk, source: str) -> None:
    refund = not_found(refund_desk)
    resolution_id = propose(refund_desk, refund, NEVER_MADE)
    refund_desk.bank.refund_here(refund.session_id, 10_00, {"reference": refund.reference})
    if source == "webhook":
        refund_desk.deliver(refund_desk.wire.webhook_now(refund.session_id))
    elif source == "read":
        refund_desk.read(refund.session_id)
    by_then = "proposed" if source.startswith("the") else "outdated"
    assert resolution(refund_desk, resolution_id).state == by_then, "nobody is left to decide on what is settled"
    assert refused(lambda: confirm(refund_desk, resolution_id)).code == "outdated"
    assert resolution(refund_desk, resolution_id).state == "outdated"
    assert refund_desk.refund(refund.reference).state == "accepted"
    assert refund_desk.actions(refund.reference).count("resolution:outdated") == 1
    assert refused(lambda: propose(refund_desk, refund, NEVER_MADE)).code == "not_in_review"


@pytest.mark.parametrize("source", ["webhook", "read", "the confirmation's own read"])
def test_a_stranger_comes_up_before_the_second_agrees(refund_desk: RefundDesk, source: str) -> None:
    """The lost request is carried out late, at a bank that does not give references back."""
    refund_desk.wire.echo = "nothing"
    refund = not_found(refund_desk)
    resolution_id = propose(refund_desk, refund, NEVER_MADE)
    refund_desk.bank.refund_here(refund.session_id, 10_00)
    if source == "webhook":
        refund_desk.deliver(refund_desk.wire.webhook_now(refund.session_id))
    elif source == "read":
        refund_desk.read(refund.session_id)
    assert refused(lambda: confirm(refund_desk, resolution_id)).code == "outdated"
    assert (resolution(refund_desk, resolution_id).state, resolution(refund_desk, resolution_id).strangers) == (
        "outdated",
        "[]",
    )
    assert refund_desk.refund(refund.reference).state == "unknown"
    assert refund_desk.session(refund.session_id).committed_minor == 20_00
    told = [one for one in refund_desk.journal(f"refund:{refund.reference}") if one.action == "resolution:outdated"]
    [elsewhere] = refund_desk.bank_refunds(refund.session_id)
    data = json.loads(told[-1].data)
    assert (len(told), data["strangers"], len(data["digest"])) == (1, [elsewhere.id], 64)
    assert decide(refund_desk, refund, NEVER_MADE).state == "abandoned", "both know of it now"


def test_it_turns_up_by_webhook_while_the_second_asks_the_bank(refund_desk: RefundDesk) -> None:
    """The read was answered before the refund was there; the webhook comes in between."""
    refund = not_found(refund_desk)
    resolution_id = propose(refund_desk, refund, NEVER_MADE)
    before = refund_desk.wire.answer_now(refund.session_id)

    def arrive() -> None:
        refund_desk.bank.refund_here(refund.session_id, 10_00, {"reference": refund.reference})
        refund_desk.deliver(refund_desk.wire.webhook_now(refund.session_id))

    refund_desk.wire.next(STATUS, meanwhile(arrive, lambda _carry_out: before))
    assert refused(lambda: confirm(refund_desk, resolution_id)).code == "outdated"
    assert refund_desk.refund(refund.reference).state == "accepted"
    assert refund_desk.session(refund.session_id).committed_minor == 10_00


def test_it_turns_up_after_all(refund_desk: RefundDesk) -> None:
    """Two people were wrong: money moved, and it is told."""
    refund = not_found(refund_desk)
    decide(refund_desk, refund, NEVER_MADE)
    refund_desk.bank.refund_here(refund.session_id, 10_00, {"reference": refund.reference})
    refund_desk.run_for(hours=1)
    made = refund_desk.refund(refund.reference)
    assert (made.state, made.counts) == ("accepted", True)
    assert (refund.reference, "made_after_end") in refund_desk.anomalies(refund.session_id)
    assert refund_desk.session(refund.session_id).committed_minor == 10_00


def test_it_frees_what_waited_behind_it(refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    behind: list[str] = []
    refund_desk.wire.next(REFUND, meanwhile(lambda: behind.append(refund_desk.ask(session_id, 20_00)), lose_request))
    reference = refund_desk.ask_and_send(session_id, 10_00)
    refund_desk.bank.refund_here(session_id, 1_00)
    refund_desk.run_for(hours=1)
    assert [refund_desk.refund(one).state for one in (reference, *behind)] == ["unknown", "queued"]
    decide(refund_desk, refund_desk.refund(reference), NEVER_MADE)
    refund_desk.run_for(minutes=5)
    assert refund_desk.refund(behind[0]).state == "accepted"


def test_it_is_looked_for_twice_more(refund_desk: RefundDesk) -> None:
    refund = not_found(refund_desk)
    decide(refund_desk, refund, NEVER_MADE)
    since = refund_desk.clock.now()
    refund_desk.run_for(hours=30)
    later = [call.at - since for call in refund_desk.wire.calls if call.method == STATUS and call.at > since]
    assert later == [timedelta(minutes=35), timedelta(hours=24)]
    assert len(refund_desk.attempts(refund.reference)) == 1


# Disagreeing


def test_a_second_person_disagrees(refund_desk: RefundDesk) -> None:
    refund = not_found(refund_desk)
    resolution_id = propose(refund_desk, refund, NEVER_MADE)
    reject = lambda person, comment: resolutions.reject(refund_desk.desk, person, resolution_id, comment)  # noqa: E731
    assert refused(lambda: reject(second(refund_desk), " ")).code == "comment_missing"
    assert refused(lambda: reject(first(refund_desk), "no")).code == "same_person"
    reject(second(refund_desk), "the bank is still looking")
    row = resolution(refund_desk, resolution_id)
    assert (row.state, row.decided_by_id) == ("rejected", second(refund_desk).id)
    assert row.decide_comment == "the bank is still looking"
    entry = refund_desk.journal(f"refund:{refund.reference}")[-1]
    assert (entry.action, entry.actor) == ("resolution:rejected", "second@desk.test")
    assert json.loads(entry.data)["comment"] == "the bank is still looking"
    assert refund_desk.refund(refund.reference).review == "not_found"
    assert refused(lambda: confirm(refund_desk, resolution_id)).code == "decided"
    assert refused(lambda: reject(second(refund_desk), "no")).code == "decided"
    assert decide(refund_desk, refund, NEVER_MADE).state == "abandoned", "it can be proposed again"
    assert resolutions_of(refund_desk, refund) == ["rejected", "confirmed"]


def test_whoever_proposed_takes_it_back(refund_desk: RefundDesk) -> None:
    refund = not_found(refund_desk)
    resolution_id = propose(refund_desk, refund, NEVER_MADE)
    withdraw = lambda person: resolutions.withdraw(refund_desk.desk, person, resolution_id)  # noqa: E731
    assert refused(lambda: withdraw(second(refund_desk))).code == "not_yours"
    withdraw(first(refund_desk))
    assert resolution(refund_desk, resolution_id).state == "withdrawn"
    assert refund_desk.journal(f"refund:{refund.reference}")[-1].action == "resolution:withdrawn"
    assert refused(lambda: withdraw(first(refund_desk))).code == "decided"
    assert refused(lambda: confirm(refund_desk, resolution_id)).code == "decided"
    assert refund_desk.refund(refund.reference).state == "unknown"


def test_taken_back_while_the_second_asks_the_bank_it_is_not_carried_out(refund_desk: RefundDesk) -> None:
    refund = not_found(refund_desk)
    resolution_id = propose(refund_desk, refund, NEVER_MADE)
    who = first(refund_desk)
    refund_desk.wire.next(STATUS, meanwhile(lambda: resolutions.withdraw(refund_desk.desk, who, resolution_id)))
    assert refused(lambda: confirm(refund_desk, resolution_id)).code == "decided"
    assert refund_desk.refund(refund.reference).state == "unknown"
