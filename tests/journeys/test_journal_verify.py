"""`dashboard journal verify` on a journal that somebody with the database in their hands has changed."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.journeys.commands import Installation, dashboard


@pytest.fixture
def original(demo: Installation) -> Path:
    return Path(demo.settings["DASHBOARD_DATABASE_URL"].removeprefix("sqlite:///"))


@pytest.fixture
def copy(original: Path, tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """A copy of the demo's database, with nothing that guards its journal."""
    with closing(sqlite3.connect(original)) as source, closing(sqlite3.connect(tmp_path / "copy.sqlite3")) as copy:
        source.backup(copy)
        for (name,) in copy.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            copy.execute(f"DROP TRIGGER {name}")
        copy.commit()
        yield copy


def verify(demo: Installation, folder: Path, *arguments: str) -> tuple[int, str]:
    settings = {**demo.settings, "DASHBOARD_DATABASE_URL": f"sqlite:///{folder / 'copy.sqlite3'}"}
    done = dashboard(settings, "journal", "verify", *arguments)
    return done.returncode, done.stdout + done.stderr


def test_an_untouched_copy_is_whole(copy: sqlite3.Connection, demo: Installation, tmp_path: Path) -> None:
    seq, entry_hash = copy.execute("SELECT seq, hash FROM journal ORDER BY seq DESC LIMIT 1").fetchone()

    code, said = verify(demo, tmp_path, "--expect", f"{seq}:{entry_hash}")

    assert (code, said) == (0, f"The journal is whole: {seq} entries, head {seq}:{entry_hash}\n")


_CUT_WITH_ITS_HEAD = """
DELETE FROM journal WHERE seq = (SELECT max(seq) FROM journal);
UPDATE journal_head SET seq = seq - 1, hash = (SELECT hash FROM journal ORDER BY seq DESC LIMIT 1);
"""


@pytest.mark.parametrize(
    ("by_hand", "said"),
    [
        ("UPDATE journal SET actor = 'nobody' WHERE seq = 5", "entry 5 was changed"),
        ("DELETE FROM journal WHERE seq = 3", "entry 3 is missing"),
        ("DELETE FROM journal WHERE seq > (SELECT max(seq) - 2 FROM journal)", "were cut off at the end"),
        (_CUT_WITH_ITS_HEAD, "the head of the journal was changed"),
    ],
)
def test_what_was_done_by_hand_is_found(
    copy: sqlite3.Connection, demo: Installation, tmp_path: Path, by_hand: str, said: str
) -> None:
    copy.executescript(by_hand)

    code, told = verify(demo, tmp_path)

    assert code == 1
    assert told.startswith("The journal is broken: ")
    assert said in told
    assert told.count("\n") == 1


def test_a_table_that_was_changed_by_hand_is_found(
    copy: sqlite3.Connection, demo: Installation, tmp_path: Path
) -> None:
    copy.executescript("UPDATE payment_sessions SET captured_minor = 1 WHERE id = 'ps_3224'")

    code, told = verify(demo, tmp_path)

    assert code == 1
    assert "the tables are not what it tells of: 1 row differs." in told
    assert "captured amount of session ps_3224 is 1 in the tables, 100050 by the journal" in told


def test_the_database_itself_refuses(original: Path) -> None:
    with closing(sqlite3.connect(original)) as database:
        for attempt in ("UPDATE journal SET actor = 'nobody'", "DELETE FROM journal WHERE seq = 1"):
            with pytest.raises(sqlite3.IntegrityError, match="the journal only grows"):
                database.execute(attempt)
