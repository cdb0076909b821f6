"""The journal: appended last, chained with a key, and refusing to be rewritten."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DatabaseError

from dashboard import journal, replay
from dashboard.db import writing_engine
from dashboard.desk import Desk, journal_key
from dashboard.journal import GENESIS, Verdict
from dashboard.models import JournalHead, Refund
from tests.bench.commits import BEFORE, at_each_commit
from tests.bench.databases import on_both, on_postgresql, on_sqlite
from tests.bench.refund_desk import RefundDesk

pytestmark = on_both


@pytest.fixture
def written(desk: Desk) -> Desk:
    """A desk with five entries in its journal."""
    for number in range(1, 6):
        with desk.write() as tx:
            tx.record(f"person{number}@desk.test", "export:made", "refunds", number=number)
    return desk


def verdict(desk: Desk, expect: tuple[int, str] | None = None, key: str | None = None) -> Verdict:
    with desk.read() as session:
        return journal.verify(session, key or journal_key(desk.config), expect)


@contextmanager
def unguarded(engine: Engine) -> Iterator[Connection]:
    """As somebody with every right in the database: triggers do not stop them."""
    with writing_engine(engine).connect() as connection:
        if engine.dialect.name == "sqlite":
            for name in ("journal_no_update", "journal_no_delete", "journal_no_replace"):
                connection.execute(text(f"DROP TRIGGER {name}"))
        else:
            connection.execute(text("SET session_replication_role = replica"))
        yield connection
        connection.commit()
        if engine.dialect.name != "sqlite":
            connection.execute(text("RESET session_replication_role"))
            connection.commit()


# Appending


def test_entries_are_numbered_without_gaps_and_chained(written: Desk) -> None:
    with written.read() as session:
        entries = journal.of_subjects(session, ["refunds"])
        head = session.get_one(JournalHead, 1)
    assert [entry.seq for entry in entries] == [1, 2, 3, 4, 5]
    assert [entry.prev_hash for entry in entries] == [GENESIS, *[entry.hash for entry in entries[:-1]]]
    assert (head.seq, head.hash) == (5, entries[-1].hash)
    assert verdict(written) == Verdict(5, head.hash, None)


def test_an_entry_holds_what_was_hashed(written: Desk) -> None:
    with written.read() as session:
        entry = journal.of_subjects(session, ["refunds"])[0]
    assert (entry.at, entry.actor, entry.action) == ("2026-03-01T09:00:00.000000Z", "person1@desk.test", "export:made")
    assert entry.data == '{"number":1}'
    assert journal.read_timestamp(entry.at) == datetime(2026, 3, 1, 9, 0, tzinfo=UTC)


def test_data_is_canonical_ascii(desk: Desk) -> None:
    with desk.write() as tx:
        tx.record("a", "b:c", "d", zebra="\u0416 \x00 \ud800", apple=[1, True, None])
    with desk.read() as session:
        [entry] = journal.of_subjects(session, ["d"])
    assert entry.data == '{"apple":[1,true,null],"zebra":"\\u0416 \\u0000 \\ud800"}'
    assert verdict(desk).problem is None


def test_several_entries_of_one_transaction_stay_in_order(desk: Desk) -> None:
    with desk.write() as tx:
        for number in range(3):
            tx.record("a", "b:c", "d", number=number)
    with desk.read() as session:
        entries = journal.of_subjects(session, ["d"])
    assert [json.loads(entry.data)["number"] for entry in entries] == [0, 1, 2]


def test_a_transaction_that_failed_leaves_no_trace_and_no_gap(desk: Desk) -> None:
    def fail() -> None:
        raise ZeroDivisionError

    with at_each_commit(BEFORE, fail), pytest.raises(ZeroDivisionError), desk.write() as tx:
        tx.record("a", "b:c", "d")
    with desk.write() as tx:
        tx.record("a", "b:c", "e")
    with desk.read() as session:
        assert journal.of_subjects(session, ["d"]) == []
        assert [entry.seq for entry in journal.of_subjects(session, ["e"])] == [1]


def test_a_change_and_its_entry_are_one(refund_desk: RefundDesk) -> None:
    reference = refund_desk.ask(refund_desk.paid_session())

    def fail() -> None:
        raise ZeroDivisionError

    entries = len(refund_desk.journal())
    with at_each_commit(BEFORE, fail), pytest.raises(ZeroDivisionError):
        refund_desk.cancel(reference)
    assert refund_desk.refund(reference).state == "queued"
    assert len(refund_desk.journal()) == entries


def test_writers_at_once_make_one_chain(desk: Desk) -> None:
    def write(number: int) -> None:
        with desk.write() as tx:
            tx.record("a", "b:c", f"d:{number}")

    with ThreadPoolExecutor(4) as pool:
        for future in [pool.submit(write, number) for number in range(40)]:
            future.result(60)
    assert verdict(desk).entries == 40
    assert verdict(desk).problem is None


@on_postgresql
def test_the_head_is_locked_last(desk: Desk) -> None:
    """Whoever has something to record holds nobody up before the commit."""
    with desk.write() as first:
        first.record("a", "b:c", "d", number=1)
        first.flush()
        with desk.write(500) as second:
            second.record("a", "b:c", "d", number=2)
    with desk.read() as session:
        entries = journal.of_subjects(session, ["d"])
    assert [json.loads(entry.data)["number"] for entry in entries] == [2, 1]
    assert verdict(desk).problem is None


@on_postgresql
@pytest.mark.parametrize("step", ["_head", "_entries_after"])
def test_the_chain_holds_while_others_go_on_writing(written: Desk, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    """Each statement of a READ COMMITTED transaction sees what was committed before it."""
    take = getattr(journal, step)
    written_meanwhile: list[int] = []

    def take_and_write(*args: object) -> object:
        taken = take(*args)
        if len(written_meanwhile) < 3:
            with written.write() as tx:
                tx.record("a", "b:c", "d")
            written_meanwhile.append(1)
        return taken

    monkeypatch.setattr(journal, step, take_and_write)
    assert verdict(written).problem is None
    assert verdict(written).entries == 8


def test_a_long_journal_is_walked_in_pieces(written: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "BATCH", 2)
    assert verdict(written).entries == 5
    assert verdict(written).problem is None


def test_the_newest_entries_of_a_subject_come_in_order(written: Desk) -> None:
    with written.read() as session:
        assert [entry.seq for entry in journal.of_subjects(session, ["refunds", "x"], limit=2)] == [4, 5]
        assert journal.head_seq(session) == 5


# Tampering is seen


def test_an_empty_journal_is_sound(desk: Desk) -> None:
    assert verdict(desk) == Verdict(0, GENESIS, None)


@pytest.mark.parametrize("column", ["at", "actor", "action", "subject", "data", "prev_hash", "hash"])
def test_any_edit_is_seen(written: Desk, column: str) -> None:
    with unguarded(written.engine) as connection:
        connection.execute(text(f"UPDATE journal SET {column} = replace({column}, '1', '2') || '0' WHERE seq = 3"))  # noqa: S608
    assert verdict(written).problem == "entry 3 was changed, or the journal key is not the one it was written with"
    assert verdict(written).entries == 2


@pytest.mark.parametrize(("seq", "problem"), [(1, "entry 1 is missing"), (3, "entry 3 is missing"), (5, "cut off")])
def test_a_removed_entry_is_seen(written: Desk, seq: int, problem: str) -> None:
    with unguarded(written.engine) as connection:
        connection.execute(text("DELETE FROM journal WHERE seq = :seq"), {"seq": seq})
    assert problem in (verdict(written).problem or "")


def test_a_removed_entry_closed_over_is_seen(written: Desk) -> None:
    with unguarded(written.engine) as connection:
        connection.execute(text("DELETE FROM journal WHERE seq = 3"))
        connection.execute(text("UPDATE journal SET seq = 3 WHERE seq = 4"))
        connection.execute(text("UPDATE journal SET seq = 4 WHERE seq = 5"))
    assert "entry 3 was changed" in (verdict(written).problem or "")


def test_an_entry_of_another_history_is_seen(written: Desk) -> None:
    """A backup and what was written after it was restored share a key: an entry of the one does not fit the other."""
    key = journal_key(written.config)
    with written.read() as session:
        _, second, third, *_ = journal.of_subjects(session, ["refunds"])
    data = '{"number":99}'
    texts = ("3", third.at, third.actor, third.action, third.subject, data)
    hash_there = journal._chain(key, second.hash, texts)
    with unguarded(written.engine) as connection:
        values = {"data": data, "hash": hash_there}
        connection.execute(text("UPDATE journal SET data = :data, hash = :hash WHERE seq = 3"), values)
        connection.execute(text("UPDATE journal SET prev_hash = :hash WHERE seq = 4"), {"hash": hash_there})
    assert "entry 4 was changed" in (verdict(written).problem or "")


def test_a_cut_tail_is_seen_with_the_head_set_back(written: Desk) -> None:
    with unguarded(written.engine) as connection:
        connection.execute(text("DELETE FROM journal WHERE seq > 3"))
        connection.execute(text("UPDATE journal_head SET seq = 3, hash = (SELECT hash FROM journal WHERE seq = 3)"))
    assert verdict(written).problem == "the head of the journal was changed"


def test_an_added_entry_is_seen(written: Desk) -> None:
    with unguarded(written.engine) as connection:
        connection.execute(
            text(
                "INSERT INTO journal (seq, at, actor, action, subject, data, prev_hash, hash)"
                " SELECT 6, at, actor, action, subject, data, hash, hash FROM journal WHERE seq = 5"
            )
        )
    assert "entry 6 was changed" in (verdict(written).problem or "")


@pytest.mark.parametrize("at", ["", "yesterday", "2026-13-01T00:00:00.000000Z"])
def test_an_added_entry_without_a_time_is_told_of_and_nothing_breaks(written: Desk, at: str) -> None:
    with unguarded(written.engine) as raw:
        raw.execute(
            text(
                "INSERT INTO journal (seq, at, actor, action, subject, data, prev_hash, hash) "
                "SELECT max(seq) + 1, :at, 'a', 'b:c', 'd', '{}', '', '' FROM journal"
            ),
            {"at": at},
        )
    with written.read() as session:
        examined = replay.examine(session, journal_key(written.config))
    assert examined.broken
    assert examined.last_at is None


def test_a_missing_head_is_seen(written: Desk) -> None:
    with unguarded(written.engine) as connection:
        connection.execute(text("DELETE FROM journal_head"))
    assert verdict(written).problem == "the head of the journal is missing"


def test_an_old_head_put_back_with_its_seal_is_seen_against_a_head_noted_outside(written: Desk) -> None:
    """Without a note outside it cannot be seen: all of the database is as it was once."""
    with written.read() as session:
        old = session.get_one(JournalHead, 1)
    with written.write() as tx:
        tx.record("a", "b:c", "d")
    noted = (6, verdict(written).head)
    assert verdict(written, noted).problem is None
    with unguarded(written.engine) as connection:
        connection.execute(text("DELETE FROM journal WHERE seq > 5"))
        connection.execute(
            text("UPDATE journal_head SET seq = :seq, hash = :hash, seal = :seal"),
            {"seq": old.seq, "hash": old.hash, "seal": old.seal},
        )
    assert verdict(written).problem is None
    assert verdict(written, noted).problem == f"the expected head 6:{noted[1]} is not in this journal"


def test_an_older_head_noted_outside_is_still_in_the_chain(written: Desk) -> None:
    with written.read() as session:
        third = journal.of_subjects(session, ["refunds"])[2]
    assert verdict(written, (3, third.hash)).problem is None
    assert verdict(written, (0, GENESIS)).problem is None
    assert "is not in this journal" in (verdict(written, (4, third.hash)).problem or "")


def test_another_key_does_not_fit(written: Desk) -> None:
    assert "the journal key is not the one" in (verdict(written, key="another key").problem or "")


def test_an_empty_journal_under_another_key_does_not_fit(desk: Desk) -> None:
    assert verdict(desk, key="another key").problem == "the head of the journal was changed"


# Tampering is refused

COLUMNS = "seq, at, actor, action, subject, data, prev_hash, hash"
COPY = "SELECT {seq}, at, actor, action, subject, 'x', prev_hash, hash FROM journal WHERE seq = 2"
UPSERT = "ON CONFLICT (seq) DO UPDATE SET data = 'x'"

ATTACKS = [
    "UPDATE journal SET data = 'x'",
    "UPDATE journal SET data = 'x' WHERE seq = 3",
    "UPDATE journal SET seq = 99 WHERE seq = 3",
    "DELETE FROM journal",
    "DELETE FROM journal WHERE seq = 5",
    f"INSERT INTO journal ({COLUMNS}) {COPY.format(seq=3)}",
    f"INSERT INTO journal ({COLUMNS}) {COPY.format(seq=3)} {UPSERT}",
]


def refused(engine: Engine, statement: str) -> None:
    with writing_engine(engine).connect() as connection:
        before = connection.execute(text("SELECT * FROM journal ORDER BY seq")).all()
        connection.rollback()
        with pytest.raises(DatabaseError, match=r"(?i)only grows|unique"):
            connection.execute(text(statement))
        connection.rollback()
        assert connection.execute(text("SELECT * FROM journal ORDER BY seq")).all() == before


@pytest.mark.parametrize("statement", ATTACKS)
def test_the_database_refuses_to_rewrite(written: Desk, statement: str) -> None:
    refused(written.engine, statement)


@on_postgresql
@pytest.mark.parametrize(
    "statement",
    [
        "TRUNCATE journal",
        "TRUNCATE journal, journal_head",
        "MERGE INTO journal j USING (SELECT 3 AS seq) s ON j.seq = s.seq WHEN MATCHED THEN UPDATE SET data = 'x'",
        "MERGE INTO journal j USING (SELECT 3 AS seq) s ON j.seq = s.seq WHEN MATCHED THEN DELETE",
    ],
)
def test_postgresql_refuses_its_own_ways_too(written: Desk, statement: str) -> None:
    refused(written.engine, statement)


@on_sqlite
@pytest.mark.parametrize(
    "statement",
    [
        f"INSERT OR REPLACE INTO journal ({COLUMNS}) {COPY.format(seq=3)}",
        f"REPLACE INTO journal ({COLUMNS}) {COPY.format(seq=3)}",
        f"INSERT OR IGNORE INTO journal ({COLUMNS}) {COPY.format(seq=3)}",
        "UPDATE OR REPLACE journal SET seq = 2 WHERE seq = 3",
        "UPDATE OR IGNORE journal SET data = 'x' WHERE seq = 3",
    ],
)
def test_sqlite_refuses_its_own_ways_too(written: Desk, statement: str) -> None:
    refused(written.engine, statement)


@on_sqlite
def test_sqlite_has_no_row_number_to_replace_an_entry_by(written: Desk) -> None:
    """Otherwise REPLACE with the hidden rowid of an entry, under a new seq, would take its place unseen."""
    statement = f"REPLACE INTO journal (rowid, {COLUMNS}) SELECT 3, {COPY.format(seq=99)[7:]}"
    with writing_engine(written.engine).connect() as connection, pytest.raises(DatabaseError, match="rowid"):
        connection.execute(text(statement))
    assert verdict(written).problem is None


def test_readers_cannot_append(desk: Desk) -> None:
    with desk.read() as session, pytest.raises(DatabaseError):
        session.execute(text("UPDATE journal_head SET seq = 7"))


def test_events_survive_the_flush_of_what_they_are_about(refund_desk: RefundDesk) -> None:
    """An entry can name a row that only gets its id while the transaction is under way."""
    reference = refund_desk.ask(refund_desk.paid_session())
    with refund_desk.desk.read() as session:
        assert session.query(Refund).one().reference == reference
    assert refund_desk.actions(reference) == ["refund:requested"]
