"""How the history is looked through: by which index, and the same refunds whichever way words are looked for."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Engine, event, select
from sqlalchemy.orm import Session

from dashboard import history, keyset, look_alikes, search, session_index
from dashboard.db import open_engine
from dashboard.history_filters import Filters, conditions
from dashboard.models import PaymentSession, Refund, SearchTerm
from tests.bench.databases import Databases, on_sqlite
from tests.benchmarks import many_refunds
from tests.conftest import JOURNAL_KEY

UTC_ZONE = ZoneInfo("UTC")
DAYS = {"date_from": date(2026, 11, 1), "date_to": date(2026, 11, 30)}
OPERATOR = many_refunds.OPERATORS[0]
A_WEEK_AGO = many_refunds.NOW - look_alikes.LATELY


@on_sqlite
@pytest.mark.parametrize(
    ("filters", "index"),
    [
        ({}, "asked_at_id"),
        (DAYS, "asked_at_id"),
        ({"session": "ps_1"}, "session_id_asked_at_id"),
        ({"session": "ps_1", "status": "accepted"}, "session_id_asked_at_id"),
        ({"session": "ps_1", "status": "open"}, "session_id_asked_at_id"),
        ({"session": "ps_1", "operator": OPERATOR}, "session_id_asked_at_id"),
        ({"session": "ps_1", "origin": "bank", **DAYS}, "session_id_asked_at_id"),
        ({"status": "accepted"}, "state_asked_at_id"),
        ({"status": "unknown", **DAYS}, "needs_people"),
        ({"status": "refused", **DAYS}, "state_asked_at_id"),
        ({"status": "open"}, "open"),
        ({"status": "open", **DAYS}, "open"),
        ({"status": "needs_you"}, "needs_people"),
        ({"operator": OPERATOR}, "asked_by_id_asked_at_id"),
        ({"operator": OPERATOR, "origin": "here"}, "asked_by_id_asked_at_id"),
        ({"operator": OPERATOR, **DAYS}, "asked_by_id_asked_at_id"),
        ({"operator": OPERATOR, "status": "refused"}, "asked_by_id_state_asked_at_id"),
        ({"operator": OPERATOR, "status": "open"}, "state_asked_at_id"),
        ({"operator": OPERATOR, "status": "needs_you"}, "needs_people"),
        ({"origin": "bank"}, "origin_asked_at_id"),
        ({"origin": "bank", "status": "declined"}, "origin_state_asked_at_id"),
        ({"origin": "bank", "status": "needs_you"}, "needs_people"),
    ],
)
@pytest.mark.parametrize("before", ["", keyset.cursor(many_refunds.NOW, 7)])
def test_a_page_is_found_by_one_index(engine: Engine, filters: dict[str, Any], index: str, before: str) -> None:
    """Another plan reads and sorts large parts of the table; with a million refunds that takes seconds."""
    plan = plan_of_ids(engine, Filters(**filters), before)
    assert [step for step in plan if "refunds" in step and f"INDEX ix_refunds_{index}" in step], plan
    wholly_read = [step for step in plan if step.startswith("SCAN") and "ix_refunds_" not in step]
    assert not wholly_read, plan
    if not {"operator", "origin"} & set(filters):
        assert not [step for step in plan if "TEMP B-TREE" in step], plan


def plan_of_ids(engine: Engine, filters: Filters, before: str) -> list[str]:
    """SQLite's plan of the first query of a page."""
    return plans_of(engine, lambda session: history.page(session, filters, UTC_ZONE, before))[0]


def plans_of(engine: Engine, look: Callable[[Session], object]) -> list[list[str]]:
    """SQLite's plans of all queries of a look at the database."""
    asked: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, _many: bool) -> None:
        asked.append((statement, parameters))

    with Session(engine) as session:
        connection = session.connection()
        event.listen(engine, "before_cursor_execute", note)
        look(session)
        event.remove(engine, "before_cursor_execute", note)
        explained = [connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {asks}", values) for asks, values in asked]
        return [[str(step.detail) for step in plan] for plan in explained]


@pytest.mark.parametrize("look", [history.references_of, session_index.session_of])
def test_what_an_id_is_of_is_looked_up_by_indexes_alone(
    thousand: Engine, look: Callable[[Session, str], object]
) -> None:
    """Whatever is typed; a table read wholly takes seconds at a million refunds."""
    with Session(thousand) as session:
        refund = session.scalars(select(Refund).where(Refund.bank_id.is_not(None)).limit(1)).one()
        typed = [refund.reference[:8], refund.reference.upper(), refund.bank_id, refund.session_id.upper(), "order"]
    if thousand.dialect.name != "sqlite":
        with Session(thousand) as session:
            assert all(history.references_of(session, text) for text in typed[:3])
        return
    for text in typed:
        plans = plans_of(thousand, lambda session, text=text: look(session, str(text)))
        assert plans
        steps = [step for plan in plans for step in plan]
        assert not [step for step in steps if step.startswith("SCAN")], steps
        assert all("USING" in step for step in steps if step.startswith("SEARCH")), steps


def test_what_a_refund_may_be_a_second_one_of_is_looked_for_among_the_refunds_of_a_week(thousand: Engine) -> None:
    """Whatever the card and the customer: both have far more sessions in all than a week has refunds."""
    with Session(thousand) as session:
        refund = session.scalars(select(Refund).where(Refund.counts, Refund.asked_at > A_WEEK_AGO).limit(1)).one()
        paid = session.get_one(PaymentSession, refund.session_id)
        looked = (paid, refund.amount_minor, refund.currency, many_refunds.NOW)
        assert look_alikes.of_amount(session, *looked).shown
        assert look_alikes.of_other_amounts(session, *looked)
        if thousand.dialect.name != "sqlite":
            return
    plans = plans_of(thousand, lambda session: look_alikes.of_amount(session, *looked))
    plans += plans_of(thousand, lambda session: look_alikes.of_other_amounts(session, *looked))
    assert len(plans) == 3
    for plan in plans:
        assert plan[0] == "SEARCH refunds USING INDEX ix_refunds_asked_at_id (asked_at>?)", plan
        assert plan[1].startswith("SEARCH payment_sessions USING INDEX"), plan
        assert not [step for step in plan if step.startswith("SCAN")], plan


# Words

GATHER = {"MOST_RARE": 10**9}
WALK = {"MOST_RARE": -1, "MOST_WALKED": 10**9}
WALK_THEN_GATHER = {"MOST_RARE": -1, "MOST_WALKED": 3, "MOST_GATHERED": 10**9}
WALK_ON = {"MOST_RARE": -1, "MOST_WALKED": 3, "MOST_GATHERED": -1}


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def thousand(request: pytest.FixtureRequest, databases: dict[str, Databases]) -> Iterator[Engine]:
    """A database of a thousand refunds."""
    with databases[request.param].fresh(migrated=False) as url:
        many_refunds.fill(url, JOURNAL_KEY, 1000)
        engine = open_engine(url)
        yield engine
        engine.dispose()


@pytest.mark.parametrize("way", [GATHER, WALK, WALK_THEN_GATHER, WALK_ON], ids=["gather", "walk", "both", "walk on"])
@pytest.mark.parametrize(
    "q", ["4242", "order", "parcel", "order 4242", "parcel 4242", "client-1", "nobody", "4 nobody"]
)
def test_words_find_the_same_whichever_way(
    thousand: Engine, monkeypatch: pytest.MonkeyPatch, way: dict[str, int], q: str
) -> None:
    for name, value in way.items():
        monkeypatch.setattr(search, name, value)
    with Session(thousand) as session:
        for filters in (Filters(q=q), Filters(q=q, operator=OPERATOR)):
            expected = have_words(session, filters)
            assert expected or "nobody" in q
            pages = pages_of(session, filters)
            assert [row.reference for page in pages for row in page.rows] == expected
            assert all(len(page.rows) == 60 for page in pages[:-1])


def pages_of(session: Session, filters: Filters) -> list[history.Page]:
    pages = [history.page(session, filters, UTC_ZONE, size=60)]
    while pages[-1].older and len(pages) < 30:
        pages.append(history.page(session, filters, UTC_ZONE, pages[-1].older, size=60))
    return pages


def have_words(session: Session, filters: Filters) -> list[str]:
    """References of the refunds that fit, newest first, looked through one by one."""
    terms: dict[tuple[str, int], set[str]] = defaultdict(set)
    all_terms = select(SearchTerm.session_id, SearchTerm.refund_id, SearchTerm.term)
    for session_id, refund_id, term in session.execute(all_terms):
        terms[session_id, refund_id].add(term)
    without_words = conditions(replace(filters, q=""), UTC_ZONE)
    refunds = select(Refund.reference, Refund.session_id, Refund.id).where(*without_words)
    newest_first = refunds.order_by(Refund.asked_at.desc(), Refund.id.desc())
    words = filters.q.split()
    return [
        reference
        for reference, session_id, refund_id in session.execute(newest_first)
        if have_all(terms[session_id, 0] | terms[session_id, refund_id], words)
    ]


def have_all(terms: set[str], words: list[str]) -> bool:
    return all(any(term.startswith(word) for term in terms) for word in words)


def test_sessions_are_found_whichever_way(thousand: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    words = {"4242": PaymentSession.card_last4 == "4242", "order": PaymentSession.id != ""}
    for way in (GATHER, WALK, WALK_THEN_GATHER, WALK_ON):
        for name, value in way.items():
            monkeypatch.setattr(search, name, value)
        with Session(thousand) as session:
            for word, condition in words.items():
                in_order = (PaymentSession.created_at.desc(), PaymentSession.id.desc())
                expected = session.scalars(select(PaymentSession.id).where(condition).order_by(*in_order).limit(90))
                assert search.newest(session, search.SESSIONS, [], [word], 90) == list(expected)
