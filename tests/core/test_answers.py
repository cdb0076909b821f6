"""What an answer to a send is evidence of, and that it never speaks for another attempt."""

import json
import threading
from datetime import timedelta

import pytest

from dashboard import sending
from dashboard.models import Installation
from tests.bench.refund_desk import RefundDesk
from tests.bench.wire import (
    REFUND,
    STATUS,
    Fault,
    Json,
    answered,
    bad_gateway,
    before_answer,
    cut_short,
    edited,
    error,
    lose_answer,
    lose_request,
    meanwhile,
    refunds_in,
    refuse_connection,
)


def empty_session(refund_desk: RefundDesk, session_id: str) -> Fault:
    """The good answer of a bank that shows the session without any refund."""
    return answered(200, refund_desk.wire.answer_now(session_id).body)


# What an attempt ends in


@pytest.mark.parametrize(
    ("fault", "outcome", "state"),
    [
        (refuse_connection, "never_connected", "queued"),
        (lose_request, "unclear", "unknown"),
        (lose_answer, "unclear", "unknown"),
        (bad_gateway, "unclear", "unknown"),
        (cut_short, "unclear", "unknown"),
        (answered(301, b""), "unclear", "unknown"),
        (answered(200, b""), "unclear", "unknown"),
        (answered(200, b'{"status": "ok"}'), "unclear", "unknown"),
        (answered(200, b'{"status": "error"}'), "unclear", "unknown"),
        (error("internal_error", 500), "unclear", "unknown"),
        (error("try_later", 503), "unclear", "unknown"),
        *((error("try_later", status), "unclear", "unknown") for status in (408, 409, 425, 429)),
        (error("idempotency_key_already_exists", 400), "key_exists", "unknown"),
        (error("idempotency_key_already_exists", 200), "key_exists", "unknown"),
        (error("refund_amount_exceeded"), "definite_error", "unknown"),
        (error("refund_amount_exceeded", 400), "definite_error", "unknown"),
        (error("authentication_error", 401), "auth_error", "refused"),
        (error("authorization_error", 403), "auth_error", "refused"),
        (error("authentication_error", 500), "unclear", "unknown"),
    ],
)
def test_what_becomes_of_a_clean_attempt(refund_desk: RefundDesk, fault: Fault, outcome: str, state: str) -> None:
    session_id = refund_desk.paid_session(100_00)
    reference = refund_desk.ask(session_id, 10_00)
    refund_desk.clock.advance(5)
    refund_desk.wire.next(REFUND, fault)
    sending.send(refund_desk.desk, reference)
    [attempt] = refund_desk.attempts(reference)
    refund = refund_desk.refund(reference)
    assert (attempt.outcome, refund.state) == (outcome, state)
    assert attempt.answered_at == refund_desk.clock.now()
    assert refund_desk.session(session_id).committed_minor == (0 if state == "refused" else 10_00)


def test_what_the_bank_answered_is_kept(refund_desk: RefundDesk) -> None:
    reference = refund_desk.ask(refund_desk.paid_session())
    refund_desk.wire.next(REFUND, error("activity_count_exceeded", 400, "Too often today"))
    refund_desk.send(reference)
    [attempt] = refund_desk.attempts(reference)
    assert (attempt.http_status, attempt.error_code) == (400, "activity_count_exceeded")
    assert attempt.error_description == "Too often today"
    [entry] = [entry for entry in refund_desk.journal(f"refund:{reference}") if entry.action == "attempt:ended"]
    assert entry.actor == "bank"
    data = json.loads(entry.data)
    assert data["error_code"] == "activity_count_exceeded"
    assert data["digest"] == attempt.answer_digest


def test_a_used_key_is_kept_by_its_code(refund_desk: RefundDesk) -> None:
    reference = refund_desk.ask(refund_desk.paid_session())
    refund_desk.wire.next(REFUND, error("idempotency_key_already_exists", 400))
    refund_desk.send(reference)
    assert refund_desk.attempts(reference)[0].error_code == "idempotency_key_already_exists"


def test_a_bank_that_cannot_be_reached_is_tried_again_later_and_later(refund_desk: RefundDesk) -> None:
    reference = refund_desk.ask(refund_desk.paid_session())
    refund_desk.wire.next(REFUND, refuse_connection, refuse_connection, refuse_connection)
    waits = []
    for _ in range(3):
        refund = refund_desk.send(reference)
        assert refund.next_send_at is not None
        waits.append((refund.next_send_at - refund_desk.clock.now()).total_seconds())
        refund_desk.clock.advance_to(refund.next_send_at)
    refund_desk.work()
    assert waits == [1, 2, 4]
    assert refund_desk.refund(reference).state == "in_progress"
    assert [attempt.outcome for attempt in refund_desk.attempts(reference)] == [*["never_connected"] * 3, "answered"]


def test_what_never_connected_does_not_count_as_sent(refund_desk: RefundDesk) -> None:
    """The reads and the time limit of a second send start with the first send that may have arrived."""
    reference = refund_desk.ask(refund_desk.paid_session())
    refund_desk.wire.next(REFUND, refuse_connection)
    assert refund_desk.send(reference).sent_at is None
    refund_desk.clock.advance(hours=5)
    sent_at = refund_desk.clock.now()
    assert refund_desk.send(reference).sent_at == sent_at
    refund_desk.clock.advance(30)
    refund_desk.work()
    assert refund_desk.session(refund_desk.refund(reference).session_id).next_read_at == sent_at + timedelta(seconds=60)


# Adoption


@pytest.mark.parametrize("echo", ["object", "string"])
def test_an_answer_that_shows_our_reference_is_adopted(refund_desk: RefundDesk, echo: str) -> None:
    refund_desk.wire.echo = echo
    session_id = refund_desk.paid_session(100_00)
    refund = refund_desk.refund(refund_desk.ask_and_send(session_id, 10_00))
    [at_bank] = refund_desk.bank_refunds(session_id)
    assert (refund.state, refund.bank_id, refund.bank_status) == ("in_progress", at_bank.id, "in_progress")
    assert (refund.bank_amount_minor, refund.payment_id) == (10_00, refund_desk.bank_payments(session_id)[0].id)
    [entry] = [each for each in refund_desk.journal(f"refund:{refund.reference}") if each.action == "refund:adopted"]
    assert json.loads(entry.data)["known_by"] == "reference"
    assert echoes(refund_desk)


def test_the_direct_answer_of_a_bank_that_gives_no_reference_back_is_adopted(refund_desk: RefundDesk) -> None:
    refund_desk.wire.echo = "nothing"
    session_id = refund_desk.paid_session(100_00)
    refund_desk.bank.refund_here(session_id, 10_00)
    refund_desk.bank.charge_back(session_id, 10_00)
    refund = refund_desk.refund(refund_desk.ask_and_send(session_id, 10_00))
    assert (refund.state, refund.bank_id) == ("in_progress", refund_desk.bank_refunds(session_id)[-1].id)
    assert not echoes(refund_desk)
    refund_desk.run_for(minutes=5)
    assert refund_desk.refund(refund.reference).state == "accepted"


@pytest.mark.parametrize("other", ["same amount", "other amount", "with metadata", "chargeback", "other currency"])
def test_only_one_new_match_in_a_direct_answer_is_ours(refund_desk: RefundDesk, other: str) -> None:
    refund_desk.wire.echo = "nothing"
    session_id = refund_desk.paid_session(100_00)
    reference = refund_desk.ask(session_id, 10_00)

    def add_another(session: Json) -> None:
        ours = refunds_in(session)[0]
        changes: dict[str, Json] = {
            "same amount": {},
            "other amount": {"amount_details": {"amount": 11_00, "currency": "rub"}},
            "with metadata": {"metadata": "by hand"},
            "chargeback": {"is_chargeback": True},
            "other currency": {"amount_details": {"amount": 10_00, "currency": "usd"}},
        }
        session["acquiring_payments"][0]["refunds"].append({**ours, "id": "rf_other", **changes[other]})

    refund_desk.wire.next(REFUND, edited(add_another))
    refund_desk.clock.advance(5)
    sending.send(refund_desk.desk, reference)
    refund = refund_desk.refund(reference)
    if other == "same amount":
        assert (refund.state, refund.bank_id) == ("unknown", None)
    else:
        assert (refund.state, refund.bank_id) == ("in_progress", refund_desk.bank_refunds(session_id)[0].id)
    assert len(refund_desk.refunds(session_id)) == 1, "an answer makes no rows"


def test_where_something_could_not_be_read_no_match_is_the_only_one(refund_desk: RefundDesk) -> None:
    refund_desk.wire.echo = "nothing"
    reference = refund_desk.ask(refund_desk.paid_session(100_00), 10_00)

    def add_unreadable(session: Json) -> None:
        session["acquiring_payments"][0]["refunds"].append({"id": "rf_other", "status": "on_hold"})

    refund_desk.wire.next(REFUND, edited(add_unreadable))
    refund_desk.clock.advance(5)
    sending.send(refund_desk.desk, reference)
    assert (refund_desk.refund(reference).state, refund_desk.refund(reference).bank_id) == ("unknown", None)


def test_a_bank_that_has_shown_a_reference_always_will(refund_desk: RefundDesk) -> None:
    """One that echoed before and does not now shows somebody else's refund."""
    session_id = refund_desk.paid_session(100_00)
    refund_desk.ask_and_send(session_id, 10_00)
    refund_desk.run_for(minutes=5)
    reference = refund_desk.ask(session_id, 20_00)
    refund_desk.wire.echo = "nothing"
    refund_desk.clock.advance(5)
    sending.send(refund_desk.desk, reference)
    assert (refund_desk.refund(reference).state, refund_desk.refund(reference).bank_id) == ("unknown", None)


def test_a_reference_on_a_refund_known_by_its_id_shows_that_the_bank_gives_it_back(refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    refund_desk.wire.echo = "nothing"
    refund_desk.ask_and_send(session_id, 10_00)
    refund_desk.wire.echo = "object"
    refund_desk.read(session_id)
    assert echoes(refund_desk)


def test_a_good_answer_that_shows_nothing_new_leaves_it_unknown(refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    reference = refund_desk.ask(session_id, 10_00)
    refund_desk.wire.next(REFUND, empty_session(refund_desk, session_id))
    refund_desk.send(reference)
    assert refund_desk.refund(reference).state == "unknown"
    assert refund_desk.attempts(reference)[0].outcome == "answered"


def test_the_answer_may_already_show_the_end(refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    reference = refund_desk.ask(session_id, 10_00)

    def accept(session: Json) -> None:
        refunds_in(session)[0]["status"] = "accepted"

    refund_desk.wire.next(REFUND, edited(accept))
    refund = refund_desk.send(reference)
    assert (refund.state, refund.ended_at) == ("accepted", refund_desk.clock.now())


# Clean and unclean

UNTIL_SENT_AGAIN_S = 5 + 35 + 900 + 300 + 1


def sent_again(refund_desk: RefundDesk, fault: Fault) -> str:
    """A refund whose first send was lost, that was proved absent twice, and whose second send ended so."""
    reference = refund_desk.ask(refund_desk.paid_session(100_00), 10_00)
    refund_desk.wire.next(REFUND, lose_request, fault)
    refund_desk.run_for(UNTIL_SENT_AGAIN_S)
    assert [attempt.is_resend for attempt in refund_desk.attempts(reference)] == [False, True]
    return reference


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        (refuse_connection, "never_connected"),
        (lose_request, "unclear"),
        (error("authentication_error", 401), "auth_error"),
        (error("refund_amount_exceeded"), "definite_error"),
        (error("idempotency_key_already_exists", 400), "key_exists"),
    ],
)
def test_after_a_send_that_may_have_arrived_every_answer_leaves_it_unknown(
    refund_desk: RefundDesk, fault: Fault, outcome: str
) -> None:
    reference = sent_again(refund_desk, fault)
    refund = refund_desk.refund(reference)
    assert (refund_desk.attempts(reference)[1].outcome, refund.state) == (outcome, "unknown")
    assert refund.absence_2_at is None, "a new attempt discards earlier proofs"


def test_attempts_that_never_connected_leave_the_next_one_clean(refund_desk: RefundDesk) -> None:
    reference = refund_desk.ask(refund_desk.paid_session())
    refund_desk.wire.next(REFUND, refuse_connection, refuse_connection, error("authentication_error", 401))
    refund_desk.run_for(30)
    assert refund_desk.refund(reference).state == "refused"


# Late answers


def expired_before(refund_desk: RefundDesk, reference: str, then: Fault | None = None) -> Fault:
    """The lease runs out while the answer is on its way, and another worker notices."""

    def expire() -> None:
        refund_desk.clock.advance(60)
        sending.expire_sending(refund_desk.desk, reference)
        assert refund_desk.refund(reference).state == "unknown"

    return before_answer(expire, then)


def test_a_good_answer_after_the_lease_is_still_adopted(refund_desk: RefundDesk) -> None:
    reference = refund_desk.ask(refund_desk.paid_session())
    refund_desk.wire.next(REFUND, expired_before(refund_desk, reference))
    assert refund_desk.send(reference).state == "in_progress"


@pytest.mark.parametrize(
    "fault", [refuse_connection, error("authentication_error", 401), error("refund_amount_exceeded"), lose_request]
)
def test_any_other_answer_after_the_lease_leaves_it_unknown(refund_desk: RefundDesk, fault: Fault) -> None:
    reference = refund_desk.ask(refund_desk.paid_session())
    refund_desk.clock.advance(5)
    refund_desk.wire.next(REFUND, expired_before(refund_desk, reference, fault))
    sending.send(refund_desk.desk, reference)
    assert refund_desk.refund(reference).state == "unknown"
    assert refund_desk.attempts(reference)[0].outcome is not None


def state_when_the_first_answer_came_late(refund_desk: RefundDesk, late: Fault | None) -> tuple[str, str]:
    """The first call hangs until the second one is under way; the state right after it, and the reference."""
    reference = refund_desk.ask(refund_desk.paid_session(100_00), 10_00)
    refund_desk.clock.advance(5)
    set_out, go_on = threading.Event(), threading.Event()
    states: list[str] = []

    def hang() -> None:
        set_out.set()
        assert go_on.wait(60)

    def finish_first() -> None:
        assert refund_desk.refund(reference).state == "sending"
        go_on.set()
        first.join(60)
        states.append(refund_desk.refund(reference).state)

    refund_desk.wire.next(REFUND, meanwhile(hang, late), meanwhile(finish_first, lose_request))
    first = threading.Thread(target=sending.send, args=(refund_desk.desk, reference))
    first.start()
    assert set_out.wait(60)
    refund_desk.run_for(UNTIL_SENT_AGAIN_S)
    return states[0], reference


@pytest.mark.parametrize(
    "late", [refuse_connection, error("authentication_error", 401), error("refund_amount_exceeded"), lose_request]
)
def test_a_late_answer_does_not_speak_for_the_attempt_under_way(refund_desk: RefundDesk, late: Fault) -> None:
    state, reference = state_when_the_first_answer_came_late(refund_desk, late)
    assert state == "sending"
    assert refund_desk.refund(reference).state == "unknown"


def test_a_late_good_answer_is_adopted_while_the_next_attempt_is_under_way(refund_desk: RefundDesk) -> None:
    state, reference = state_when_the_first_answer_came_late(refund_desk, None)
    assert state == "in_progress"
    refund_desk.run_for(hours=1)
    assert refund_desk.refund(reference).state == "accepted"
    assert refund_desk.refund(reference).review == ""


# Wrong keys


def test_wrong_keys_pause_sending_with_an_alarm(refund_desk: RefundDesk) -> None:
    session_id, other_id = refund_desk.paid_session(), refund_desk.paid_session()
    first, other = refund_desk.ask(session_id), refund_desk.ask(other_id)
    refund_desk.wire.next(REFUND, error("authorization_error", 403), error("authorization_error", 403))
    refund_desk.clock.advance(5)
    sending.send(refund_desk.desk, first)
    [entry] = refund_desk.journal("installation")
    assert (entry.action, json.loads(entry.data)) == ("sending:paused", {"why": "keys:authorization_error"})
    refund_desk.run_for(hours=1)
    assert refund_desk.refund(other).state == "queued"
    assert len([call for call in refund_desk.wire.calls if call.method == REFUND]) == 1


def test_wrong_keys_seen_before_the_send_stop_all_sending_and_refuse_nothing(refund_desk: RefundDesk) -> None:
    reference = refund_desk.ask(refund_desk.paid_session())
    refund_desk.wire.next(STATUS, error("authentication_error", 401))
    assert refund_desk.send(reference).state == "queued"
    assert "refund:put_off" in refund_desk.actions(reference)
    assert [entry.action for entry in refund_desk.journal("installation")] == ["sending:paused"]
    refund_desk.run_for(minutes=2)
    assert refund_desk.refund(reference).state == "queued"
    sending.resume(refund_desk.desk, "operator@desk.test")
    refund_desk.run_for(minutes=2)
    assert refund_desk.refund(reference).state == "accepted"


def test_a_bank_that_cannot_be_asked_is_told_once_in_a_row(refund_desk: RefundDesk) -> None:
    reference = refund_desk.ask(refund_desk.paid_session())
    refund_desk.wire.next(STATUS, refuse_connection, refuse_connection, refuse_connection)
    refund_desk.send(reference)
    refund_desk.run_for(minutes=2)
    assert refund_desk.actions(reference).count("refund:put_off") == 1
    assert refund_desk.refund(reference).state == "accepted"


# Evidence in any order


def test_a_webhook_may_come_before_the_answer(refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    reference = refund_desk.ask(session_id, 10_00)

    def decide_and_deliver() -> None:
        refund_desk.bank.decide_refund(refund_desk.bank_refunds(session_id)[0].id, "accepted")
        refund_desk.deliver(refund_desk.wire.last_webhook(session_id))
        assert refund_desk.refund(reference).state == "accepted"

    refund_desk.wire.next(REFUND, before_answer(decide_and_deliver))
    refund_desk.send(reference)
    assert (refund_desk.refund(reference).state, refund_desk.refund(reference).review) == ("accepted", "")


def test_an_answer_to_another_session_proves_nothing(refund_desk: RefundDesk) -> None:
    session_id, other_id = refund_desk.paid_session(), refund_desk.paid_session()
    reference = refund_desk.ask(session_id)
    refund_desk.wire.next(REFUND, answered(200, refund_desk.wire.answer_now(other_id).body))
    refund_desk.send(reference)
    assert refund_desk.refund(reference).state == "unknown"
    assert refund_desk.attempts(reference)[0].outcome == "unclear"


def echoes(refund_desk: RefundDesk) -> bool:
    with refund_desk.desk.read() as session:
        return session.get_one(Installation, 1).bank_echoes_reference
