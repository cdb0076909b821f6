"""The database's shape: made from nothing, all or nothing, and the same as the models say."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, event, inspect, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

import dashboard
from dashboard import migrations, refund_counts, shape
from dashboard.db import Base, open_engine, writing_engine
from dashboard.journal import verify
from dashboard.models import Anomaly, Installation, JournalHead, Refund
from tests.bench.databases import on_both

pytestmark = on_both

KEY = "a journal key"


@contextmanager
def opened(url: str) -> Iterator[Engine]:
    engine = open_engine(url)
    yield engine
    engine.dispose()


def test_an_empty_database_is_brought_to_the_newest_shape(empty_database_url: str) -> None:
    with opened(empty_database_url) as engine:
        assert not shape.is_current(engine)
        migrations.upgrade(engine, KEY)
        assert shape.is_current(engine)


def test_the_newest_shape_is_the_one_that_the_last_step_leads_to(engine: Engine) -> None:
    steps = ScriptDirectory.from_config(migrations._alembic(engine, KEY))
    assert shape.newest() == steps.get_current_head()


def test_the_shape_is_the_one_that_the_models_describe(engine: Engine) -> None:
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []


def test_a_second_upgrade_changes_nothing(engine: Engine) -> None:
    with engine.connect() as connection:
        before = connection.execute(select(JournalHead)).all()
    migrations.upgrade(engine, KEY)
    with engine.connect() as connection:
        assert connection.execute(select(JournalHead)).all() == before
    assert shape.is_current(engine)


def test_it_begins_with_a_sealed_empty_journal_and_sending_on(empty_database_url: str) -> None:
    with opened(empty_database_url) as engine:
        migrations.upgrade(engine, KEY)
        with Session(engine) as session:
            assert verify(session, KEY).problem is None
            assert verify(session, "another key").problem is not None
            [installation] = session.scalars(select(Installation))
    assert (installation.sending_paused_at, installation.bank_echoes_reference) == (None, False)


@pytest.mark.parametrize("last_words", ["CREATE TABLE people", "CREATE TRIGGER", "INSERT INTO journal_head"])
def test_an_upgrade_that_breaks_off_leaves_nothing(empty_database_url: str, last_words: str) -> None:
    def break_off(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if last_words in statement:
            raise ZeroDivisionError

    with opened(empty_database_url) as engine:
        event.listen(engine, "before_cursor_execute", break_off)
        with pytest.raises(ZeroDivisionError):
            migrations.upgrade(engine, KEY)
        event.remove(engine, "before_cursor_execute", break_off)
        assert inspect(engine).get_table_names() == []
        migrations.upgrade(engine, KEY)
        assert shape.is_current(engine)


def test_an_upgrade_that_breaks_off_leaves_nothing_behind(empty_database_url: str) -> None:
    """All of it is one transaction, which is also what keeps another upgrade from coming in between."""

    def break_off(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if "CREATE TABLE open_forms" in statement:
            raise RuntimeError("the power went")

    with opened(empty_database_url) as engine:
        event.listen(engine, "before_cursor_execute", break_off)
        with pytest.raises(RuntimeError, match="power"):
            migrations.upgrade(engine, KEY)
        event.remove(engine, "before_cursor_execute", break_off)
        assert shape.is_empty(engine)
        migrations.upgrade(engine, KEY)
        assert shape.is_current(engine)


UPGRADE = """
import sys, time, pathlib
from dashboard import db, migrations

url, key, mine, other = sys.argv[1:]
engine = db.open_engine(url)
pathlib.Path(mine).touch()
deadline_s = time.monotonic() + 30
while not pathlib.Path(other).exists() and time.monotonic() < deadline_s:
    pass
migrations.upgrade(engine, key)
engine.dispose()
"""


def test_two_upgrades_at_once_make_one(empty_database_url: str, tmp_path: Path) -> None:
    """Two hosts that start together."""
    ready = [str(tmp_path / "first"), str(tmp_path / "second")]
    environ = {**os.environ, "PYTHONPATH": str(Path(dashboard.__file__).parent.parent)}
    commands = [[sys.executable, "-c", UPGRADE, empty_database_url, KEY, *pair] for pair in (ready, ready[::-1])]
    upgrades = [subprocess.Popen(command, env=environ, stderr=subprocess.PIPE, text=True) for command in commands]
    errors = [upgrade.communicate(timeout=60)[1] for upgrade in upgrades]
    assert [upgrade.returncode for upgrade in upgrades] == [0, 0], errors
    with opened(empty_database_url) as engine:
        assert shape.is_current(engine)


def test_downgrades_are_not_offered() -> None:
    """A step back would drop the journal: a database is put back from a backup instead."""
    script = ScriptDirectory(str(Path(migrations.__file__).parent))
    for step in script.walk_revisions():
        assert not hasattr(step.module, "downgrade"), step.revision


# Step by step


ROWS_OF_THE_FIRST_SHAPE = """
    INSERT INTO people (id, email, password_hash, role, created_at)
    VALUES ('p', 'a@b.test', 'x', 'admin', CURRENT_TIMESTAMP);
    INSERT INTO payment_sessions (
        id, status, created_at, found_at, captured_minor, committed_minor, fields, shown_at, read_failures
    ) VALUES ('ps_1', 'accepted', CURRENT_TIMESTAMP, CURRENT_TIMESTAMP, 10000, 1000, '{}', CURRENT_TIMESTAMP, 0);
    INSERT INTO refunds (
        reference, session_id, origin, state, review, counts, contradicted, amount_minor, currency, in_full,
        asked_at, asked_by_id, reason, comment, form_token, body, send_failures,
        bank_url, project
    ) VALUES (
        'r-1', 'ps_1', 'here', 'unknown', 'not_found', true, false, 1000, 'rub', false,
        CURRENT_TIMESTAMP, 'p', 'other', '', 't', '{}', 0,
        'https://bank.test', 'p131'
    );
    INSERT INTO anomalies (session_id, refund_id, kind, detail, found_at)
    VALUES ('ps_1', 1, 'may_be_ours', 'rf_1', CURRENT_TIMESTAMP)
"""


def filled(connection: Connection) -> None:
    """One row of each kind, with what the first shape had."""
    for statement in ROWS_OF_THE_FIRST_SHAPE.split(";"):
        connection.execute(text(statement))


def test_a_database_of_the_first_shape_keeps_all_that_is_in_it(empty_database_url: str) -> None:
    with opened(empty_database_url) as engine:
        command.upgrade(migrations._alembic(engine, KEY), "0001")
        assert not shape.is_current(engine)
        with writing_engine(engine).begin() as connection:
            filled(connection)
        migrations.upgrade(engine, KEY)
        assert shape.is_current(engine)
        with engine.connect() as connection:
            assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []
        with Session(engine) as session:
            [refund], [anomaly] = session.scalars(select(Refund)).all(), session.scalars(select(Anomaly)).all()
            [installation] = session.scalars(select(Installation))
            assert verify(session, KEY).problem is None
            assert refund_counts.by_state(session) == {"unknown": 1}
    assert (refund.reference, refund.state, refund.review, refund.replaces_id) == ("r-1", "unknown", "not_found", None)
    assert (anomaly.refund_id, anomaly.kind, anomaly.acknowledged_at, anomaly.comment) == (1, "may_be_ours", None, None)
    assert (anomaly.over_at, installation.restored_at) == (None, None)
    assert (installation.bank_url, installation.project) == (refund.bank_url, refund.project), "of its last refund"


PROPOSAL = """
    INSERT INTO resolutions (
        id, refund_id, session_id, choice, bank_id, strangers, candidate, proposed_by_id, proposed_at, propose_comment,
        state, decided_by_id
    ) VALUES ({id}, 1, 'ps_1', {choice}, {bank_id}, '[]', 'null', 'p', CURRENT_TIMESTAMP, {why}, {state}, {by})
"""


def proposal(**other: str) -> str:
    values = {
        "id": "'3'",
        "choice": "'never_made'",
        "bank_id": "NULL",
        "why": "'because'",
        "state": "'proposed'",
        "by": "NULL",
    }
    return PROPOSAL.format(**{**values, **other})


@pytest.mark.parametrize(
    "wrong",
    [
        {"state": "'confirmed'"},
        {"state": "'confirmed'", "by": "'p'"},
        {"state": "'proposed'"},
        {"state": "'done'"},
        {"choice": "'nothing'"},
        {"choice": "'that_one'"},
        {"bank_id": "'rf_1'"},
        {"why": "''"},
        {"by": "'nobody'"},
    ],
)
def test_the_database_itself_refuses_a_decision_that_is_none(empty_database_url: str, wrong: dict[str, str]) -> None:
    with opened(empty_database_url) as engine:
        migrations.upgrade(engine, KEY)
        with writing_engine(engine).begin() as connection:
            filled(connection)
            connection.execute(text(proposal(id="'1'", state="'withdrawn'", by="'p'")))
            connection.execute(text(proposal(id="'2'")))
        with pytest.raises(IntegrityError), writing_engine(engine).begin() as connection:
            connection.execute(text(proposal(**{"state": "'withdrawn'", **wrong})))


@pytest.mark.parametrize("column", ["refunds.replaces_id", "anomalies.acknowledged_by_id"])
def test_what_was_added_points_to_something(empty_database_url: str, column: str) -> None:
    table, _, name = column.partition(".")
    value = "131" if name == "replaces_id" else "'nobody'"
    with opened(empty_database_url) as engine:
        migrations.upgrade(engine, KEY)
        with writing_engine(engine).begin() as connection:
            filled(connection)
        with pytest.raises(IntegrityError), writing_engine(engine).begin() as connection:
            connection.execute(text(f"UPDATE {table} SET {name} = {value}"))  # noqa: S608
