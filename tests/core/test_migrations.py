"""The database's shape: made from nothing, all or nothing, and the same as the models say."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, event, inspect, select
from sqlalchemy.orm import Session

import dashboard
from dashboard import migrations
from dashboard.db import Base, open_engine
from dashboard.journal import verify
from dashboard.models import Installation, JournalHead

KEY = "a journal key"


@contextmanager
def opened(url: str) -> Iterator[Engine]:
    engine = open_engine(url)
    yield engine
    engine.dispose()


def test_an_empty_database_is_brought_to_the_newest_shape(empty_database_url: str) -> None:
    with opened(empty_database_url) as engine:
        assert not migrations.is_current(engine)
        migrations.upgrade(engine, KEY)
        assert migrations.is_current(engine)


def test_the_shape_is_the_one_that_the_models_describe(engine: Engine) -> None:
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []


def test_a_second_upgrade_changes_nothing(engine: Engine) -> None:
    with engine.connect() as connection:
        before = connection.execute(select(JournalHead)).all()
    migrations.upgrade(engine, KEY)
    with engine.connect() as connection:
        assert connection.execute(select(JournalHead)).all() == before
    assert migrations.is_current(engine)


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
        assert migrations.is_current(engine)


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
        assert migrations.is_current(engine)


def test_downgrades_are_not_offered() -> None:
    """A step back would drop the journal: a database is put back from a backup instead."""
    script = ScriptDirectory(str(Path(migrations.__file__).parent))
    for step in script.walk_revisions():
        assert not hasattr(step.module, "downgrade"), step.revision
