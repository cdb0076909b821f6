"""Webhooks: stored once and for good, applied apart from that, each failing alone."""

import hashlib
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import OperationalError

from dashboard import webhook_inbox, worker
from dashboard.models import PaymentSession, WebhookDelivery
from tests.bench.blocked import wait_until_blocked
from tests.bench.databases import on_both, on_postgresql
from tests.bench.refund_desk import RefundDesk
from tests.bench.wire import STATUS, Json, lose_request

pytestmark = on_both


def sent_and_decided(refund_desk: RefundDesk, status: str = "accepted") -> tuple[str, bytes]:
    """A refund of ours that the bank has just ended: its reference, and the webhook that says so."""
    reference = refund_desk.ask_and_send(refund_desk.paid_session(100_00), 10_00)
    refund = refund_desk.refund(reference)
    refund_desk.bank.decide_refund(refund.bank_id or "", status)
    return reference, refund_desk.wire.last_webhook(refund.session_id)


def deliveries(refund_desk: RefundDesk) -> list[WebhookDelivery]:
    with refund_desk.desk.read() as session:
        return list(session.scalars(select(WebhookDelivery).order_by(WebhookDelivery.id)))


def poison(refund_desk: RefundDesk) -> bytes:
    """A webhook that no code can take in: the database refuses what it leads to."""
    _, body = sent_and_decided(refund_desk)
    with refund_desk.desk.write() as tx:
        tx.execute(text(POISON[tx.get_bind().dialect.name]))
    return body


POISON = {
    "sqlite": "CREATE TRIGGER poison BEFORE UPDATE OF state ON refunds BEGIN SELECT RAISE(ABORT, 'poison'); END",
    "postgresql": "ALTER TABLE refunds ADD CONSTRAINT poison CHECK (state <> 'accepted') NOT VALID",
}


@pytest.fixture
def no_poison_left(refund_desk: RefundDesk, database: str) -> object:
    yield
    if database == "postgresql":
        with refund_desk.desk.write() as tx:
            tx.execute(text("ALTER TABLE refunds DROP CONSTRAINT IF EXISTS poison"))


# Stored


def test_a_delivery_is_kept_as_it_came(refund_desk: RefundDesk) -> None:
    _, body = sent_and_decided(refund_desk)
    delivery_id = webhook_inbox.store(refund_desk.desk, body)
    delivery = refund_desk.delivery(delivery_id)
    now = refund_desk.clock.now()
    assert (delivery.body, delivery.digest) == (body, hashlib.sha256(body).hexdigest())
    assert (delivery.first_seen_at, delivery.last_seen_at, delivery.times_seen) == (now, now, 1)
    assert (delivery.applied_at, delivery.next_try_at) == (None, now)
    assert refund_desk.journal()[-1].subject == f"webhook:{delivery.digest}"


def test_the_same_body_again_is_counted_not_kept_twice(refund_desk: RefundDesk) -> None:
    reference, body = sent_and_decided(refund_desk)
    first = refund_desk.deliver(body)
    actions = refund_desk.actions(reference)
    refund_desk.clock.advance(60)
    assert refund_desk.deliver(body) == first
    [delivery] = deliveries(refund_desk)
    assert (delivery.times_seen, delivery.last_seen_at) == (2, refund_desk.clock.now())
    assert refund_desk.actions(reference) == actions, "applied once"


def test_two_of_the_same_at_once_are_one(refund_desk: RefundDesk) -> None:
    _, body = sent_and_decided(refund_desk)
    start = threading.Barrier(4)

    def deliver() -> int:
        start.wait(10)
        return webhook_inbox.store(refund_desk.desk, body)

    with ThreadPoolExecutor(4) as pool:
        ids = {future.result(60) for future in [pool.submit(deliver) for _ in range(4)]}
    [delivery] = deliveries(refund_desk)
    assert ids == {delivery.id}
    assert delivery.times_seen == 4


def test_one_never_applied_is_armed_again(refund_desk: RefundDesk) -> None:
    _, body = sent_and_decided(refund_desk)
    delivery_id = webhook_inbox.store(refund_desk.desk, body)
    with refund_desk.desk.write() as tx:
        delivery = tx.get_one(WebhookDelivery, delivery_id)
        delivery.failures, delivery.next_try_at = 9, None
    webhook_inbox.store(refund_desk.desk, body)
    assert refund_desk.delivery(delivery_id).next_try_at == refund_desk.clock.now()


def test_one_applied_before_asks_for_a_read_again(refund_desk: RefundDesk) -> None:
    reference, body = sent_and_decided(refund_desk)
    refund_desk.deliver(body)
    refund_desk.run_for(60)
    calls = len(refund_desk.wire.calls)
    delivery_id = webhook_inbox.store(refund_desk.desk, body)
    assert refund_desk.delivery(delivery_id).next_try_at is None
    refund_desk.work()
    assert [call.method for call in refund_desk.wire.calls[calls:]] == [STATUS]
    assert refund_desk.refund(reference).state == "accepted"


# Applied


def test_it_is_applied_without_any_call_to_the_bank(refund_desk: RefundDesk) -> None:
    reference, body = sent_and_decided(refund_desk)
    calls = len(refund_desk.wire.calls)
    delivery = refund_desk.delivery(refund_desk.deliver(body))
    refund = refund_desk.refund(reference)
    assert (refund.state, len(refund_desk.wire.calls)) == ("accepted", calls)
    assert (delivery.applied_at, delivery.next_try_at) == (refund_desk.clock.now(), None)
    assert (delivery.type, delivery.session_id, delivery.problem) == ("payment_refunded", refund.session_id, None)


def test_applying_is_on_record_with_what_it_was_about(refund_desk: RefundDesk) -> None:
    reference, body = sent_and_decided(refund_desk)
    refund_desk.deliver(body)
    [entry] = [each for each in refund_desk.journal() if each.action == "webhook:applied"]
    data = json.loads(entry.data)
    assert (data["type"], data["refunds"]) == ("payment_refunded", [reference])
    assert data["digest"] == hashlib.sha256(body).hexdigest()


def test_every_delivery_asks_for_one_read(refund_desk: RefundDesk) -> None:
    _, body = sent_and_decided(refund_desk)
    other = json.dumps({**json.loads(body), "type": "payment_finished"}).encode()
    calls = len(refund_desk.wire.calls)
    refund_desk.deliver(body)
    refund_desk.deliver(other)
    refund_desk.work()
    assert [call.method for call in refund_desk.wire.calls[calls:]] == [STATUS]


def test_it_is_applied_once_whoever_comes(refund_desk: RefundDesk) -> None:
    _, body = sent_and_decided(refund_desk)
    delivery_id = refund_desk.deliver(body)
    entries = len(refund_desk.journal())
    webhook_inbox.apply(refund_desk.desk, delivery_id)
    assert len(refund_desk.journal()) == entries


def test_what_the_web_process_left_over_is_the_workers(refund_desk: RefundDesk) -> None:
    reference, body = sent_and_decided(refund_desk)
    webhook_inbox.store(refund_desk.desk, body)
    refund_desk.work()
    assert refund_desk.refund(reference).state == "accepted"


@pytest.mark.parametrize("status", ["declined", "error"])
def test_every_end_comes_by_webhook(refund_desk: RefundDesk, status: str) -> None:
    reference, body = sent_and_decided(refund_desk, status)
    refund_desk.deliver(body)
    assert refund_desk.refund(reference).state == status


def test_the_second_version_of_the_api_is_understood(refund_desk: RefundDesk) -> None:
    reference, body = sent_and_decided(refund_desk)
    data: Json = json.loads(body)
    data["session"]["payment_list"] = data["session"].pop("acquiring_payments")
    refund_desk.deliver(json.dumps(data).encode())
    assert refund_desk.refund(reference).state == "accepted"


# Of an unknown session


def test_a_session_heard_of_for_the_first_time_is_indexed_and_read(refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    refund_desk.bank.refund_here(session_id, 5_00)
    refund_desk.deliver(refund_desk.wire.last_webhook(session_id))
    assert refund_desk.session(session_id).confirmed_at is None
    assert refund_desk.refunds(session_id) == []
    refund_desk.work()
    session = refund_desk.session(session_id)
    assert (session.captured_minor, session.committed_minor) == (100_00, 5_00)


def test_a_webhook_about_refunds_of_a_session_nobody_read_is_flagged(refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    refund_desk.bank.refund_here(session_id, 5_00)
    delivery = refund_desk.delivery(refund_desk.deliver(refund_desk.wire.last_webhook(session_id)))
    assert delivery.problem == "its refunds wait for a read of ours: the session was not known"


def test_a_first_payment_webhook_is_nothing_odd(refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    body = refund_desk.wire.webhook_now(session_id, "payment_finished")
    assert refund_desk.delivery(refund_desk.deliver(body)).problem is None


def test_an_unconfirmed_session_changes_no_refund(refund_desk: RefundDesk) -> None:
    """The bank's key may sign other merchants' webhooks: a session of theirs is none of ours."""
    reference, body = sent_and_decided(refund_desk)
    refund = refund_desk.refund(reference)
    with refund_desk.desk.write() as tx:
        tx.get_one(PaymentSession, refund.session_id).confirmed_at = None
    refund_desk.deliver(body)
    assert refund_desk.refund(reference).state == "in_progress"


# Odd ones


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"", "not JSON"),
        (b"\xff\x00", "not UTF-8"),
        (b"[]", "not a JSON object"),
        (b"{}", "no type"),
        (b'{"type": "payment_refunded"}', "not a JSON object"),
        (b'{"type": "payment_refunded", "session": {"id": "ps_1", "status": "odd"}}', "unknown status"),
    ],
)
def test_what_cannot_be_read_is_kept_and_flagged(refund_desk: RefundDesk, body: bytes, problem: str) -> None:
    delivery = refund_desk.delivery(refund_desk.deliver(body))
    assert delivery.problem is not None
    assert problem in delivery.problem
    assert (delivery.body, delivery.next_try_at) == (body, None)
    assert refund_desk.journal()[-1].action == "webhook:unreadable"


def test_an_unreadable_one_still_asks_for_a_read_of_the_session_it_names(refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session()
    refund_desk.read(session_id)
    refund_desk.deliver(json.dumps({"type": "new", "session": {"id": session_id, "status": "odd"}}).encode())
    assert refund_desk.session(session_id).next_read_at == refund_desk.clock.now()


def test_an_unknown_type_is_flagged_and_taken_in_all_the_same(refund_desk: RefundDesk) -> None:
    reference, body = sent_and_decided(refund_desk)
    data = {**json.loads(body), "type": "refund_reversed"}
    delivery = refund_desk.delivery(refund_desk.deliver(json.dumps(data).encode()))
    assert (delivery.type, delivery.problem) == ("refund_reversed", "unknown type refund_reversed")
    assert refund_desk.refund(reference).state == "accepted"


def test_odd_characters_do_no_harm(refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session()
    refund_desk.bank_payments(session_id)[0].metadata = {"note": "nul \x00, half a pair \ud800, \U0001f600"}
    refund_desk.bank_payments(session_id)[0].customer = {"reference": "a\x00b"}
    body = json.dumps(json.loads(refund_desk.wire.webhook_now(session_id)), ensure_ascii=True).encode()
    assert refund_desk.delivery(refund_desk.deliver(body)).problem is None
    refund_desk.work()
    assert refund_desk.session(session_id).captured_minor == 100_00


def test_very_long_metadata_does_no_harm(refund_desk: RefundDesk) -> None:
    """A body may be 1 MiB: a hundred thousand words, more than one statement can take."""
    session_id = refund_desk.paid_session()
    refund_desk.bank_payments(session_id)[0].metadata = " ".join(f"word{number}" for number in range(80_000))
    refund_desk.deliver(refund_desk.wire.webhook_now(session_id, "payment_finished"))
    refund_desk.bank_payments(session_id)[0].metadata = " ".join(f"other{number}" for number in range(80_000))
    refund_desk.read(session_id)
    assert refund_desk.session(session_id).captured_minor == 100_00


# Failures


@pytest.mark.usefixtures("no_poison_left")
def test_a_poisonous_one_backs_off_alone(refund_desk: RefundDesk) -> None:
    delivery_id = webhook_inbox.store(refund_desk.desk, poison(refund_desk))
    waits = []
    for _ in range(8):
        with pytest.raises(Exception, match="poison"):
            webhook_inbox.apply(refund_desk.desk, delivery_id)
        delivery = refund_desk.delivery(delivery_id)
        assert delivery.next_try_at is not None
        waits.append((delivery.next_try_at - refund_desk.clock.now()).total_seconds())
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60]
    assert (delivery.failures, delivery.applied_at) == (8, None)
    assert "poison" in (delivery.problem or "")
    other_id = refund_desk.paid_session()
    refund_desk.deliver(refund_desk.wire.webhook_now(other_id, "payment_finished"))
    assert refund_desk.session(other_id).status == "accepted"


@pytest.mark.usefixtures("no_poison_left")
def test_what_it_had_changed_is_undone_but_the_delivery_stays(refund_desk: RefundDesk) -> None:
    body = poison(refund_desk)
    delivery_id = webhook_inbox.store(refund_desk.desk, body)
    entries = len(refund_desk.journal())
    with pytest.raises(Exception, match="poison"):
        webhook_inbox.apply(refund_desk.desk, delivery_id)
    assert len(refund_desk.journal()) == entries
    assert refund_desk.delivery(delivery_id).body == body


def held_up(refund_desk: RefundDesk, delivery_id: int) -> float:
    """Try to apply it while another transaction holds its locks; how many seconds until it gave up."""
    started_s = time.monotonic()
    with pytest.raises(OperationalError):
        webhook_inbox.apply(refund_desk.desk, delivery_id)
    return time.monotonic() - started_s


def test_the_web_process_gives_up_after_half_a_second_of_waiting(refund_desk: RefundDesk) -> None:
    reference, body = sent_and_decided(refund_desk)
    delivery_id = webhook_inbox.store(refund_desk.desk, body)
    with refund_desk.desk.write() as tx:
        tx.execute(select(WebhookDelivery).where(WebhookDelivery.id == delivery_id).with_for_update()).one()
        waited_s = held_up(refund_desk, delivery_id)
    assert 0.4 < waited_s < 3
    delivery = refund_desk.delivery(delivery_id)
    assert (delivery.failures, delivery.next_try_at) == (0, refund_desk.clock.now()), "nothing is wrong with it"
    refund_desk.work()
    assert refund_desk.refund(reference).state == "accepted"


@on_postgresql
def test_it_gives_up_on_the_sessions_lock_too(refund_desk: RefundDesk) -> None:
    reference, body = sent_and_decided(refund_desk)
    delivery_id = webhook_inbox.store(refund_desk.desk, body)
    session_id = refund_desk.refund(reference).session_id
    with refund_desk.desk.write() as tx:
        tx.execute(select(PaymentSession).where(PaymentSession.id == session_id).with_for_update()).one()
        assert 0.4 < held_up(refund_desk, delivery_id) < 3


@pytest.mark.usefixtures("no_poison_left")
def test_one_that_failed_here_while_it_was_applied_elsewhere_is_done(refund_desk: RefundDesk) -> None:
    """Its failure is written down only if nobody has applied it in the meantime."""
    _, body = sent_and_decided(refund_desk)
    delivery_id = refund_desk.deliver(body)
    webhook_inbox._put_off(refund_desk.desk, delivery_id, "too late")
    delivery = refund_desk.delivery(delivery_id)
    assert (delivery.next_try_at, delivery.failures, delivery.problem) == (None, 0, None)


@on_postgresql
def test_a_failure_is_not_written_over_what_another_has_applied(refund_desk: RefundDesk) -> None:
    _, body = sent_and_decided(refund_desk)
    delivery_id = webhook_inbox.store(refund_desk.desk, body)
    with ThreadPoolExecutor(1) as pool:
        with refund_desk.desk.write() as tx:
            webhook_inbox._apply(tx, refund_desk.desk, delivery_id)
            failed = pool.submit(webhook_inbox._put_off, refund_desk.desk, delivery_id, "lock timeout")
            wait_until_blocked(refund_desk.desk)
        failed.result(60)
    delivery = refund_desk.delivery(delivery_id)
    assert (delivery.next_try_at, delivery.failures) == (None, 0)


def test_a_claim_on_what_is_applied_already_ends(refund_desk: RefundDesk) -> None:
    _, body = sent_and_decided(refund_desk)
    delivery_id = webhook_inbox.store(refund_desk.desk, body)
    claimed = worker.due_work(refund_desk.desk, 10)
    webhook_inbox.apply(refund_desk.desk, delivery_id)
    with refund_desk.desk.write() as tx:
        tx.get_one(WebhookDelivery, delivery_id).next_try_at = refund_desk.clock.now()
    for work in claimed:
        worker.carry_out(refund_desk.desk, work)
    assert refund_desk.delivery(delivery_id).next_try_at is None


def test_a_worker_that_cannot_read_leaves_the_webhooks_word(refund_desk: RefundDesk) -> None:
    reference, body = sent_and_decided(refund_desk)
    refund_desk.wire.next(STATUS, *[lose_request] * 5)
    refund_desk.deliver(body)
    refund_desk.work()
    assert refund_desk.refund(reference).state == "accepted"
