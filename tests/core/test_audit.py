"""How the journal is looked through: along one index, however large it is."""

from collections.abc import Iterator
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Engine, event, text
from sqlalchemy.orm import Session

from dashboard import audit
from dashboard.audit import Filters
from dashboard.db import open_engine, writing_engine
from tests.bench.databases import Databases

UTC_ZONE = ZoneInfo("UTC")
DAYS = {"date_from": date(2026, 3, 10), "date_to": date(2026, 3, 11)}
ENTRIES = 20_000
# An entry every two minutes; nearly all are the bank's and the worker's, and few are of a person.
_FILL = """
    INSERT INTO journal (seq, at, actor, action, subject, data, prev_hash, hash)
    WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {entries})
    SELECT n, {at}, CASE n % 100 WHEN 0 THEN 'anna@desk.test' ELSE CASE n % 2 WHEN 0 THEN 'bank' ELSE 'worker' END END,
        CASE n % 2 WHEN 0 THEN 'refund:accepted' ELSE 'refund:sending' END, 'refund:' || (n / 10), '{{}}', '', ''
    FROM numbers
"""
_AT = {
    "sqlite": "strftime('%Y-%m-%dT%H:%M:%S.000000Z', '2026-03-01', (n * 2) || ' minutes')",
    "postgresql": (
        "to_char(timestamp '2026-03-01' + n * interval '2 minutes', 'YYYY-MM-DD\"T\"HH24:MI:SS\".000000Z\"')"
    ),
}


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def large(request: pytest.FixtureRequest, databases: dict[str, Databases]) -> Iterator[Engine]:
    """A journal large enough for the database to care which way it goes."""
    with databases[request.param].fresh(migrated=True) as url:
        engine = open_engine(url)
        with writing_engine(engine).begin() as connection:
            connection.execute(text(_FILL.format(entries=ENTRIES, at=_AT[request.param]).replace(":", r"\:")))
            connection.execute(text("UPDATE journal_head SET seq = :entries"), {"entries": ENTRIES})
            if request.param == "postgresql":
                connection.execute(text("ANALYZE journal"))
        yield engine
        engine.dispose()


def plan(engine: Engine, filters: Filters, before: int | None) -> str:
    """The plan of the query for a page's entries."""
    asked: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, _many: bool) -> None:
        asked.append((statement, parameters))

    with Session(engine) as session:
        session.connection()
        event.listen(engine, "before_cursor_execute", note)
        audit.page(session, filters, UTC_ZONE, before)
        event.remove(engine, "before_cursor_execute", note)
        statement, parameters = asked[-1]
        explain = "EXPLAIN QUERY PLAN" if engine.dialect.name == "sqlite" else "EXPLAIN"
        return "\n".join(
            str(step[-1]) for step in session.connection().exec_driver_sql(f"{explain} {statement}", parameters)
        )


@pytest.mark.parametrize(
    ("filters", "indexes"),
    [
        ({}, ("PRIMARY KEY", "pk_journal", "SCAN journal")),
        (DAYS, ("PRIMARY KEY", "pk_journal")),
        ({"actor": "anna@desk.test"}, ("ix_journal_actor_seq",)),
        ({"actor": "anna@desk.test", **DAYS}, ("ix_journal_actor_seq",)),
        ({"action": "refund:sending"}, ("ix_journal_action_seq", "pk_journal")),
        ({"action": "refund:unknown", **DAYS}, ("ix_journal_action_seq",)),
        ({"action": "refund:accepted", "actor": "worker"}, ("ix_journal_action_actor_seq",)),
        (
            {"action": "refund:sending", "actor": "anna@desk.test"},
            ("ix_journal_action_actor_seq", "ix_journal_actor_seq"),
        ),
        ({"subject": "refund:7"}, ("ix_journal_subject_seq",)),
        ({"subject": "refund:7", "actor": "bank", "action": "refund:accepted"}, ("ix_journal_subject_seq",)),
        ({"subject": "7", "actor": "bank"}, ("ix_journal_subject_seq",)),
    ],
)
@pytest.mark.parametrize("before", [None, ENTRIES // 2])
def test_a_page_is_found_along_one_index(
    large: Engine, filters: dict[str, Any], indexes: tuple[str, ...], before: int | None
) -> None:
    found = plan(large, Filters(**filters), before)
    assert any(index in found for index in indexes), found
    assert "Seq Scan" not in found
    assert "subject" in filters or "TEMP B-TREE" not in found


def test_a_page_asks_little_more_than_the_page(large: Engine) -> None:
    """Where a day begins is found by looking ever closer, not by reading."""
    asked: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        asked.append(statement)

    event.listen(large, "before_cursor_execute", note)
    with Session(large) as session:
        found = audit.page(session, Filters(**DAYS), UTC_ZONE)
    event.remove(large, "before_cursor_execute", note)
    assert {entry.at[:10] for entry in found.entries} == {"2026-03-11"}
    assert len(asked) < 20


@pytest.mark.parametrize(("day", "count"), [(date(2026, 2, 27), 0), (date(2026, 3, 1), 719), (date(2026, 3, 2), 720)])
def test_a_day_has_all_its_entries(large: Engine, day: date, count: int) -> None:
    with Session(large) as session:
        found = audit.page(session, Filters(date_from=day, date_to=day), UTC_ZONE, size=10_000)
    assert len(found.entries) == count


def test_what_can_be_chosen_takes_a_step_for_each(large: Engine) -> None:
    with Session(large) as session:
        assert audit.known_actors(session) == ["anna@desk.test", "bank", "worker"]
        assert audit.known_actions(session) == ["refund:accepted", "refund:sending"]
