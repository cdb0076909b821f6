"""What is kept for a time only goes when the time is over, on record, and nothing that is still needed."""

import json
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event, text

from dashboard import retention, sign_ins, signing_in, webhook_inbox, worker
from dashboard.models import Guess, Mail, SignIn, WebhookDelivery
from tests.bench.databases import on_postgresql, on_sqlite
from tests.bench.refund_desk import PASSWORD, RefundDesk
from tests.bench.simulated import SimulatedClock


def told(refund_desk: RefundDesk) -> list[tuple[str, str, dict[str, Any]]]:
    entries = [entry for entry in refund_desk.journal() if entry.action.startswith("retention:")]
    return [(entry.actor, entry.action, json.loads(entry.data)) for entry in entries]


def bodies(refund_desk: RefundDesk) -> list[bytes | None]:
    with refund_desk.desk.read() as session:
        return [row.body for row in session.query(WebhookDelivery).order_by(WebhookDelivery.id)]


@pytest.fixture
def session_id(refund_desk: RefundDesk) -> str:
    """A session with a refund, told of by a webhook on the first of March 2026."""
    session_id = refund_desk.paid_session(100_00)
    refund_desk.ask_and_send(session_id, 10_00)
    refund_desk.deliver(refund_desk.wire.webhook_now(session_id))
    return session_id


def test_a_body_goes_when_its_days_are_over(refund_desk: RefundDesk, session_id: str, clock: SimulatedClock) -> None:
    [body] = bodies(refund_desk)
    clock.advance_to(datetime(2026, 3, 1, tzinfo=UTC) + timedelta(days=401) - timedelta(seconds=1))
    assert retention.tidy(refund_desk.desk) == 0
    assert bodies(refund_desk) == [body]
    clock.advance(1)
    assert retention.tidy(refund_desk.desk) == 1
    assert bodies(refund_desk) == [None]
    assert told(refund_desk) == [("worker", "retention:webhook_bodies", {"before": "2026-03-02", "count": 1})]
    assert retention.tidy(refund_desk.desk) == 0
    assert len(told(refund_desk)) == 1, "where nothing goes nothing is recorded"


def test_the_row_and_its_digest_stay(refund_desk: RefundDesk, session_id: str, clock: SimulatedClock) -> None:
    before = refund_desk.delivery(1)
    clock.advance(days=500)
    retention.tidy(refund_desk.desk)
    after = refund_desk.delivery(1)
    for name in (
        "digest",
        "type",
        "session_id",
        "times_seen",
        "applied_at",
        "problem",
        "first_seen_at",
        "last_seen_at",
    ):
        assert getattr(after, name) == getattr(before, name), name


def test_one_that_is_not_applied_keeps_its_body(
    refund_desk: RefundDesk, session_id: str, clock: SimulatedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting = webhook_inbox.store(refund_desk.desk, refund_desk.wire.webhook_now(session_id) + b" ")
    clock.advance(days=500)
    retention.tidy(refund_desk.desk)
    assert refund_desk.delivery(waiting).body is not None
    webhook_inbox.apply(refund_desk.desk, waiting)
    assert refund_desk.delivery(waiting).applied_at is not None
    retention.tidy(refund_desk.desk)
    assert bodies(refund_desk) == [None, None]


def test_one_that_came_again_lately_is_kept_from_then(
    refund_desk: RefundDesk, session_id: str, clock: SimulatedClock
) -> None:
    [body] = bodies(refund_desk)
    assert body is not None
    clock.advance(days=390)
    refund_desk.deliver(body)
    clock.advance(days=100)
    retention.tidy(refund_desk.desk)
    assert bodies(refund_desk) == [body]


def test_one_that_comes_again_when_its_body_is_gone_asks_for_a_read(
    refund_desk: RefundDesk, session_id: str, clock: SimulatedClock
) -> None:
    [body] = bodies(refund_desk)
    assert body is not None
    clock.advance(days=500)
    refund_desk.work()
    retention.tidy(refund_desk.desk)
    refund_desk.deliver(body)
    assert refund_desk.session(session_id).read_wanted_at == clock.now()
    delivery = refund_desk.delivery(1)
    assert (delivery.body, delivery.times_seen, delivery.next_try_at) == (None, 2, None)


def test_many_go_in_small_batches(refund_desk: RefundDesk, session_id: str, clock: SimulatedClock) -> None:
    for number in range(4):
        refund_desk.deliver(refund_desk.wire.webhook_now(session_id) + b" " * (number + 1))
    clock.advance(days=500)
    assert [retention.tidy(refund_desk.desk, batch=2) for _ in range(4)] == [2, 2, 1, 0]
    assert [data["count"] for _actor, _action, data in told(refund_desk)] == [2, 2, 1]


@pytest.fixture
def short(environ: dict[str, str]) -> None:
    """Things are kept for a few days. Ask for it before the desk."""
    environ.update(DASHBOARD_KEEP_WEBHOOKS_DAYS="3", DASHBOARD_KEEP_SIGN_INS_DAYS="1")


def test_the_days_are_a_setting(short: None, refund_desk: RefundDesk) -> None:
    refund_desk.deliver(b"{}")
    refund_desk.clock.advance(days=5)
    retention.tidy(refund_desk.desk)
    assert bodies(refund_desk) == [None]


@pytest.fixture
def signed_in(refund_desk: RefundDesk) -> list[str]:
    """In the afternoon: three people, of whom one has signed out, one has not, and one could not sign in."""
    refund_desk.clock.advance(hours=6)
    tokens = []
    for email in ("out@desk.test", "in@desk.test"):
        refund_desk.person(email=email)
        tokens.append(signing_in.sign_in(refund_desk.desk, email, PASSWORD, "127.0.0.1"))
    sign_ins.end(refund_desk.desk, tokens[0])
    with pytest.raises(signing_in.WrongSignIn):
        signing_in.sign_in(refund_desk.desk, "nobody@desk.test", "wrong", "127.0.0.2")
    return tokens


def kept_sign_ins(refund_desk: RefundDesk) -> tuple[int, int]:
    with refund_desk.desk.read() as session:
        return session.query(SignIn).count(), session.query(Guess).count()


def test_sign_ins_that_are_over_go_and_what_was_guessed_too(
    refund_desk: RefundDesk, signed_in: list[str], clock: SimulatedClock
) -> None:
    clock.advance(days=90)
    retention.tidy(refund_desk.desk)
    assert kept_sign_ins(refund_desk) == (2, 3)
    clock.advance(days=1)
    retention.tidy(refund_desk.desk)
    assert kept_sign_ins(refund_desk) == (1, 0), "the other one ran out in the night"
    clock.advance(days=1)
    retention.tidy(refund_desk.desk)
    assert kept_sign_ins(refund_desk) == (0, 0)
    before = [(action, data["before"], data["count"]) for _actor, action, data in told(refund_desk)]
    assert before == [
        ("retention:sign_ins", "2026-03-02", 1),
        ("retention:guesses", "2026-03-02", 3),
        ("retention:sign_ins", "2026-03-03", 1),
    ]


@on_sqlite
def test_an_open_sign_in_stays(short: None, refund_desk: RefundDesk) -> None:
    refund_desk.person()
    refund_desk.clock.advance(days=30)
    token = signing_in.sign_in(refund_desk.desk, "operator@desk.test", PASSWORD, "127.0.0.1")
    refund_desk.clock.advance(minutes=14)
    retention.tidy(refund_desk.desk)
    assert sign_ins.whose(refund_desk.desk, token) is not None


@on_postgresql
def test_what_is_locked_is_left_for_the_next_time(
    refund_desk: RefundDesk, session_id: str, clock: SimulatedClock
) -> None:
    clock.advance(days=500)
    with refund_desk.desk.write() as tx:
        tx.execute(text("SELECT id FROM webhook_deliveries FOR UPDATE"))
        assert retention.tidy(refund_desk.desk) == 0
    assert told(refund_desk) == []
    assert retention.tidy(refund_desk.desk) == 1


@on_sqlite
def test_old_bodies_are_found_among_those_that_are_kept(refund_desk: RefundDesk) -> None:
    """Not among all that have ever come."""
    asked: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, _many: bool) -> None:
        asked.append((statement, parameters))

    engine = refund_desk.desk.engine
    event.listen(engine, "before_cursor_execute", note)
    retention.tidy(refund_desk.desk)
    event.remove(engine, "before_cursor_execute", note)
    [(statement, parameters)] = [one for one in asked if "webhook_deliveries" in one[0]]
    with engine.connect() as connection:
        plan = str(connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).fetchall())
    assert "ix_webhook_deliveries_body_kept" in plan


@on_sqlite
def test_the_worker_does_it_by_itself(refund_desk: RefundDesk, session_id: str, clock: SimulatedClock) -> None:
    clock.advance(days=500)
    stop = threading.Event()
    thread = threading.Thread(target=worker.run, args=(refund_desk.desk, stop))
    thread.start()
    done = threading.Event()
    for _ in range(200):
        if bodies(refund_desk) == [None]:
            break
        done.wait(0.05)
    stop.set()
    thread.join(30)
    assert bodies(refund_desk) == [None]


def test_who_got_mail_is_forgotten_with_their_sign_ins(refund_desk: RefundDesk, clock: SimulatedClock) -> None:
    desk, person, now = refund_desk.desk, refund_desk.person(), clock.now()
    with desk.write() as tx:
        for next_try_at, holds_for in ((None, 0), (now, 1), (now, 200)):
            until = now + timedelta(days=holds_for)
            tx.add(Mail(person_id=person.id, kind="test", queued_at=now, holds_until=until, next_try_at=next_try_at))
    clock.advance(days=89)
    assert retention.tidy(desk) == 0
    clock.advance(days=3)
    assert retention.tidy(desk) == 2, "that nobody sends it any more does not keep one either"
    with desk.read() as session:
        [left] = session.query(Mail)
        assert left.holds_until > clock.now()
    assert told(refund_desk) == [("worker", "retention:mails", {"before": "2026-03-03", "count": 2})]
