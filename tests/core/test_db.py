"""Transactions: readers cannot write, writers wait for each other and decide on what is there now."""

import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, delete, insert, select, text, update
from sqlalchemy.exc import DatabaseError, OperationalError, StatementError
from sqlalchemy.orm import Session

from dashboard import anomalies, db, ledger, reads, refunds, resolutions, sending, webhook_inbox
from dashboard.db import LOCK_WAIT_MS, engine_options, insert_unless_there, open_engine, writing_engine
from dashboard.desk import Desk
from dashboard.journal import WriteSession
from dashboard.models import Anomaly, Attempt, PaymentSession, Refund, Resolution, WebhookDelivery, WorkerBeat
from tests.bench.blocked import wait_until_blocked
from tests.bench.databases import on_both, on_postgresql, on_sqlite
from tests.bench.refund_desk import RefundDesk, order
from tests.bench.reviews import THAT_ONE, first, odd_fact_of, propose, second, with_stranger

pytestmark = on_both

NOW = datetime(2026, 3, 1, 9, 0, 0, 123456, tzinfo=UTC)

WRITES = [
    insert(WorkerBeat).values(worker_id="w", at=NOW),
    update(WorkerBeat).values(at=NOW),
    delete(WorkerBeat),
]


def setting(engine: Engine, name: str, *, write: bool = True) -> object:
    with (writing_engine(engine) if write else engine).connect() as connection:
        return connection.execute(text(name)).scalar()


@pytest.mark.parametrize("statement", WRITES, ids=["insert", "update", "delete"])
def test_a_write_in_a_read_transaction_fails(desk: Desk, statement: object) -> None:
    with desk.read() as session, pytest.raises(DatabaseError, match=r"read-?only"):
        session.execute(statement)  # type: ignore[call-overload]


def test_what_was_changed_in_a_reader_cannot_be_committed(desk: Desk) -> None:
    with desk.read() as session:
        session.add(WorkerBeat(worker_id="w", at=NOW))
        with pytest.raises(DatabaseError, match=r"read-?only"):
            session.commit()


def test_a_reader_after_a_writer_is_a_reader_again(desk: Desk) -> None:
    """Both use one pool: a connection must not keep what its last user was allowed."""
    for number in range(3):
        with desk.write() as tx:
            tx.add(WorkerBeat(worker_id=f"w{number}", at=NOW))
        with desk.read() as session, pytest.raises(DatabaseError, match=r"read-?only"):
            session.execute(WRITES[0])
    with desk.read() as session:
        assert len(session.scalars(select(WorkerBeat)).all()) == 3


def test_a_write_block_that_fails_changes_nothing(desk: Desk) -> None:
    def write_and_fail() -> None:
        with desk.write() as tx:
            tx.add(WorkerBeat(worker_id="w", at=NOW))
            tx.flush()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_and_fail()
    with desk.read() as session:
        assert session.scalars(select(WorkerBeat)).all() == []


def test_a_time_comes_back_as_it_was_in_utc(desk: Desk) -> None:
    moscow = NOW.astimezone(timezone(timedelta(hours=3)))
    with desk.write() as tx:
        tx.add(WorkerBeat(worker_id="w", at=moscow))
    with desk.read() as session:
        at = session.get_one(WorkerBeat, "w").at
    assert at == NOW
    assert at.utcoffset() == timedelta(0)


def test_a_time_without_a_zone_is_refused(desk: Desk) -> None:
    with pytest.raises(StatementError, match="without a zone"), desk.write() as tx:
        tx.add(WorkerBeat(worker_id="w", at=NOW.replace(tzinfo=None)))


def test_adding_a_row_that_is_there_changes_nothing(desk: Desk) -> None:
    for hour in (1, 2):
        with desk.write() as tx:
            insert_unless_there(tx, WorkerBeat, {"worker_id": "w", "at": NOW + timedelta(hours=hour)})
    with desk.read() as session:
        assert session.get_one(WorkerBeat, "w").at == NOW + timedelta(hours=1)


# Locks


def test_a_writer_decides_on_what_the_one_before_it_left(refund_desk: RefundDesk) -> None:
    """Ten writers that each read, think and add one: no update is lost."""
    session_id = refund_desk.paid_session()
    refund_desk.read(session_id)

    def add_one() -> None:
        with refund_desk.desk.write() as tx:
            session = ledger.lock_session(tx, session_id)
            assert session is not None
            session.read_failures += 1

    with ThreadPoolExecutor(5) as pool:
        for future in [pool.submit(add_one) for _ in range(10)]:
            future.result(60)
    assert refund_desk.session(session_id).read_failures == 10


def test_a_row_read_before_it_was_locked_is_read_again(refund_desk: RefundDesk) -> None:
    """READ COMMITTED: the lock may have waited for somebody who changed the row."""
    reference = refund_desk.ask(refund_desk.paid_session())
    session_id = refund_desk.refund(reference).session_id
    if refund_desk.desk.engine.dialect.name == "sqlite":
        with refund_desk.desk.write() as tx:
            tx.get_one(PaymentSession, session_id).read_failures = 7
            assert ledger.lock_session(tx, session_id).read_failures == 7  # type: ignore[union-attr]
        return
    with refund_desk.desk.write() as tx:
        stale = tx.get_one(PaymentSession, session_id)
        with ThreadPoolExecutor(1) as pool:
            pool.submit(change_from_outside, refund_desk.desk, session_id).result(60)
        assert stale.read_failures == 0
        assert ledger.lock_session(tx, session_id) is stale
        assert stale.read_failures == 7
        assert ledger.refunds_of(tx, session_id)[0].state == "queued"


def change_from_outside(desk: Desk, session_id: str) -> None:
    with desk.write() as tx:
        tx.get_one(PaymentSession, session_id).read_failures = 7


@on_postgresql
def test_refunds_and_attempts_read_before_they_were_locked_are_read_again(refund_desk: RefundDesk) -> None:
    reference = refund_desk.ask_and_send(refund_desk.paid_session())
    refund, [attempt] = refund_desk.refund(reference), refund_desk.attempts(reference)

    def change() -> None:
        with refund_desk.desk.write() as other:
            other.get_one(Refund, refund.id).send_failures = 7
            other.get_one(Attempt, attempt.id).error_description = "changed"

    with refund_desk.desk.write() as tx:
        stale, stale_attempt = tx.get_one(Refund, refund.id), tx.get_one(Attempt, attempt.id)
        with ThreadPoolExecutor(1) as pool:
            pool.submit(change).result(60)
        assert (stale.send_failures, stale_attempt.error_description) == (0, None)
        assert ledger.refunds_of(tx, refund.session_id)[0].send_failures == 7
        assert ledger.attempts_of(tx, refund.session_id)[refund.id][0].error_description == "changed"


def is_locked(desk: Desk, session_id: str) -> bool:
    found = text("SELECT 1 FROM payment_sessions WHERE id = :id FOR NO KEY UPDATE NOWAIT")
    try:
        with desk.write() as tx:
            assert tx.execute(found, {"id": session_id}).scalar() == 1
    except OperationalError:
        return True
    return False


@on_postgresql
def test_whoever_decides_about_a_session_has_it_locked(
    refund_desk: RefundDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each verb, at the moment at which it counts what is held, before it has written to the session's row."""
    session_id = refund_desk.paid_session(100_00)
    token = refund_desk.form(session_id)
    held: list[bool] = []

    def watched(verb: Callable[..., None]) -> Callable[..., None]:
        def look_and_do(tx: Session, session: PaymentSession, what: Any) -> None:
            held.append(is_locked(refund_desk.desk, session.id))
            verb(tx, session, what)

        return look_and_do

    monkeypatch.setattr(ledger, "recount", watched(ledger.recount))
    monkeypatch.setattr(refunds, "_hold", watched(refunds._hold))
    verbs: dict[str, Callable[[], object]] = {
        "read": lambda: refund_desk.read(session_id),
        "request": lambda: refund_desk.submit(session_id, token, order(10_00)),
        "webhook": lambda: refund_desk.deliver(refund_desk.wire.webhook_now(session_id)),
        "cancel": lambda: refund_desk.cancel(refund_desk.refunds(session_id)[0].reference),
    }
    for name, verb in verbs.items():
        held.clear()
        verb()
        assert held, name
        assert all(held), name


@on_postgresql
@pytest.mark.parametrize("verb", ["reject", "withdraw", "acknowledge"])
def test_what_people_end_without_a_read_is_ended_with_the_session_locked(
    refund_desk: RefundDesk, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    """They write nothing to the session's row: only a lock of its own is seen here."""
    refund, _ = with_stranger(refund_desk)
    decide = deciding(refund_desk, refund, verb)
    held: list[bool] = []
    record = WriteSession.record

    def look_and_record(tx: WriteSession, *what: str, **data: Any) -> None:
        held.append(is_locked(refund_desk.desk, refund.session_id))
        record(tx, *what, **data)

    monkeypatch.setattr(WriteSession, "record", look_and_record)
    decide()
    assert held == [True]


def deciding(refund_desk: RefundDesk, refund: Refund, verb: str) -> Callable[[], object]:
    """What a person is about to do about a refund under review, with whatever has to be there before."""
    desk, proposer, other = refund_desk.desk, first(refund_desk), second(refund_desk)
    stranger = refund_desk.refunds(refund.session_id)[-1].bank_id
    if verb == "propose":
        return lambda: propose(refund_desk, refund, THAT_ONE, stranger)
    if verb == "acknowledge":
        fact = odd_fact_of(refund_desk, refund)
        return lambda: anomalies.acknowledge(desk, other, anomalies.name_of(fact), "known")
    proposal_id = propose(refund_desk, refund, THAT_ONE, stranger)
    verbs: dict[str, Callable[[], object]] = {
        "confirm": lambda: resolutions.confirm(desk, other, proposal_id),
        "reject": lambda: resolutions.reject(desk, other, proposal_id, "no"),
        "withdraw": lambda: resolutions.withdraw(desk, proposer, proposal_id),
    }
    return verbs[verb]


@on_postgresql
@pytest.mark.parametrize("verb", ["propose", "confirm", "reject", "withdraw", "acknowledge"])
def test_what_people_decide_takes_its_locks_in_the_same_order(refund_desk: RefundDesk, verb: str) -> None:
    """The holder of the session locks all that a merge may: refunds, attempts, what was proposed, odd facts."""
    refund, _ = with_stranger(refund_desk)
    decide = deciding(refund_desk, refund, verb)
    desk = refund_desk.desk
    with ThreadPoolExecutor(1) as pool:
        with desk.write() as tx:
            ledger.lock_session(tx, refund.session_id)
            waits = pool.submit(decide)
            wait_until_blocked(desk)
            assert len(ledger.refunds_of(tx, refund.session_id)) == 2
            ledger.attempts_of(tx, refund.session_id)
            for table in (Resolution, Anomaly):
                tx.scalars(select(table).where(table.session_id == refund.session_id).with_for_update()).all()
        waits.result(60)


@on_postgresql
@pytest.mark.parametrize("verb", ["cancel", "read", "send", "webhook", "decide"])
def test_locks_are_taken_in_one_order(refund_desk: RefundDesk, verb: str) -> None:
    """Whoever waits for a session holds nothing that belongs to it: its holder is about to lock that."""
    session_id = refund_desk.paid_session(100_00)
    reference = refund_desk.ask(session_id, 10_00)
    desk, person = refund_desk.desk, refund_desk.person()
    delivery_id = webhook_inbox.store(desk, refund_desk.wire.webhook_now(session_id))
    verbs: dict[str, Callable[[], object]] = {
        "cancel": lambda: refunds.cancel(desk, person, reference),
        "read": lambda: reads.read_session(desk, session_id),
        "send": lambda: sending.send(desk, reference),
        "webhook": lambda: webhook_inbox.apply(desk, delivery_id, LOCK_WAIT_MS),
        "decide": lambda: resolutions.look(desk, reference),
    }
    with ThreadPoolExecutor(1) as pool:
        with desk.write() as tx:
            ledger.lock_session(tx, session_id)
            waits = pool.submit(verbs[verb])
            wait_until_blocked(desk)
            assert len(ledger.refunds_of(tx, session_id)) == 1
            ledger.attempts_of(tx, session_id)
        waits.result(60)


@on_postgresql
def test_a_delivery_is_locked_before_its_session(refund_desk: RefundDesk) -> None:
    """As `store` does it, when the bank sends again what was applied before."""
    session_id = refund_desk.paid_session()
    refund_desk.read(session_id)
    desk = refund_desk.desk
    delivery_id = webhook_inbox.store(desk, refund_desk.wire.webhook_now(session_id))
    with ThreadPoolExecutor(1) as pool:
        with desk.write() as tx:
            tx.get_one(WebhookDelivery, delivery_id, with_for_update=True)
            waits = pool.submit(webhook_inbox.apply, desk, delivery_id, LOCK_WAIT_MS)
            wait_until_blocked(desk)
            ledger.lock_session(tx, session_id)
        waits.result(60)


def gives_up(desk: Desk, verb: Callable[[Session], object], wait_ms: int) -> None:
    with pytest.raises(OperationalError), desk.write(wait_ms) as tx:
        verb(tx)


def test_waiting_for_a_lock_ends(refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session()
    refund_desk.read(session_id)
    with refund_desk.desk.write() as tx:
        ledger.lock_session(tx, session_id)
        waiter = threading.Thread(
            target=gives_up, args=(refund_desk.desk, lambda other: ledger.lock_session(other, session_id), 50)
        )
        waiter.start()
        waiter.join(30)
        assert not waiter.is_alive()


def test_readers_do_not_wait_for_a_writer(refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session()
    refund_desk.read(session_id)
    with refund_desk.desk.write() as tx:
        locked = ledger.lock_session(tx, session_id)
        assert locked is not None
        locked.status = "error"
        tx.flush()
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(refund_desk.session, session_id).result(5).status == "accepted"


# Set-up


@on_sqlite
def test_sqlite_is_set_up_for_money(engine: Engine) -> None:
    assert setting(engine, "PRAGMA journal_mode") == "wal"
    assert setting(engine, "PRAGMA synchronous") == 2
    assert setting(engine, "PRAGMA foreign_keys") == 1
    assert setting(engine, "PRAGMA busy_timeout") == 10_000
    assert setting(engine, "PRAGMA query_only") == 0
    assert setting(engine, "PRAGMA query_only", write=False) == 1


@on_sqlite
def test_a_sqlite_writer_has_the_write_lock_from_its_first_statement(desk: Desk) -> None:
    with desk.write() as tx:
        tx.scalars(select(WorkerBeat)).all()
        gives_up(desk, lambda other: other.scalars(select(WorkerBeat)).all(), 50)


@on_postgresql
def test_postgresql_is_set_up_for_money(engine: Engine) -> None:
    assert setting(engine, "SHOW synchronous_commit") == "on"
    assert setting(engine, "SHOW transaction_isolation") == "read committed"
    assert setting(engine, "SHOW timezone") == "UTC"
    assert setting(engine, "SHOW lock_timeout") == "10s"
    assert setting(engine, "SHOW transaction_read_only") == "off"
    assert setting(engine, "SHOW transaction_read_only", write=False) == "on"


@on_postgresql
def test_a_session_is_locked_without_blocking_rows_that_refer_to_it(refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session()
    refund_desk.read(session_id)
    with refund_desk.desk.write() as tx:
        ledger.lock_session(tx, session_id)
        with refund_desk.desk.write(200) as other:
            found = text("SELECT 1 FROM payment_sessions WHERE id = :id FOR KEY SHARE NOWAIT")
            assert other.execute(found, {"id": session_id}).scalar() == 1
        wait = text("SELECT 1 FROM payment_sessions WHERE id = :id FOR NO KEY UPDATE NOWAIT")
        with pytest.raises(OperationalError), refund_desk.desk.write(200) as other:
            other.execute(wait, {"id": session_id})


def test_engines_can_be_opened_again(database_url: str) -> None:
    for _ in range(2):
        engine = open_engine(database_url)
        with engine.connect() as connection:
            assert connection.execute(text("SELECT 1")).scalar() == 1
        engine.dispose()


def test_a_connection_to_a_new_file_waits_for_whoever_is_changing_it_over(tmp_path: Path) -> None:
    """SQLite itself lets the second one fail at once."""
    file = tmp_path / "new.sqlite3"
    first = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
    first.execute("CREATE TABLE something (id)")
    first.execute("BEGIN")
    first.execute("SELECT * FROM something").fetchall()
    second = sqlite3.connect(file, timeout=0.1, factory=WaitingConnection)
    second.when_refused = lambda: first.execute("COMMIT")
    db._set_up_sqlite(second, None)
    assert second.refusals == 1
    assert second.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    first.close()
    second.close()


class WaitingConnection(sqlite3.Connection):
    """Notes when the change to WAL was refused, and lets something happen then."""

    refusals = 0
    when_refused: Callable[[], object]

    def execute(self, sql: str, *parameters: Any) -> sqlite3.Cursor:
        try:
            return super().execute(sql, *parameters)
        except sqlite3.OperationalError:
            self.refusals += 1
            self.when_refused()
            raise


# A server elsewhere


@pytest.mark.parametrize(
    ("address", "asked_of_it"),
    [
        ("me@db.example.com/desk", {"sslmode": "verify-full", "sslrootcert": "system"}),
        ("me@10.0.0.7/desk?sslrootcert=/etc/own.pem", {"sslmode": "verify-full"}),
        ("/desk?host=db.example.com", {"sslmode": "verify-full", "sslrootcert": "system"}),
        ("me@db.example.com/desk?sslmode=require", {}),
        ("me@localhost/desk", {}),
        ("me@127.0.0.1:5433/desk", {}),
        ("/desk?host=/run/postgresql", {}),
        ("/desk", {}),
    ],
)
def test_a_database_elsewhere_has_to_prove_who_it_is(address: str, asked_of_it: dict[str, str]) -> None:
    given = engine_options(f"postgresql+psycopg://{address}")["connect_args"]
    assert {name: value for name, value in given.items() if name.startswith("ssl")} == asked_of_it


@on_postgresql
def test_one_that_does_not_is_not_talked_to(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(db, "is_loopback", lambda _host: False)
    engine = open_engine(database_url)
    with pytest.raises(OperationalError, match="SSL"):
        engine.connect()
