"""A refund desk's database after years of work: a thousand refunds a day, written in bulk.

Everything that a page reads is there and fits together; only the journal's hashes are made up, and each refund's
story has three entries. The same size gives the same rows.
"""

import json
import random
import sqlite3
import uuid
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from sqlalchemy import Engine, text

from dashboard import migrations, refund_rules, search
from dashboard.bank131.client import refund_body
from dashboard.bank131.objects import Amount
from dashboard.db import Base, open_engine, writing_engine
from dashboard.journal import canonical, timestamp
from dashboard.models import Attempt, JournalEntry, Payment, PaymentSession, Person, Refund, SearchTerm

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
A_DAY = 1000
REFUNDS_OF_SESSIONS = (1, 2, 3, 4)
SESSIONS_A_DAY = A_DAY * len(REFUNDS_OF_SESSIONS) // sum(REFUNDS_OF_SESSIONS)
SESSIONS_OF_CUSTOMER = 8
OPEN_REFUNDS = 120
ENTRIES_OF_REFUND = 3

OPERATORS = tuple(f"operator-{number:02d}@example.test" for number in range(1, 13))
FORMER_OPERATOR = "former@example.test"
SHARES = tuple(1 / place for place in range(1, len(OPERATORS) + 1))
COMMON_LAST4 = "4242"
ORIGINS = {"here": 93, "bank": 5, "chargeback": 2}
STATES = {"accepted": 93, "declined": 4, "cancelled": 1.7, "refused": 1.3}
NEWEST_STATES = ("in_progress", "in_progress", "queued", "in_progress", "error", "in_progress")
REASONS = ("goods_returned", "order_cancelled", "service_not_given", "duplicate_payment", "wrong_amount", "other")
COMMENTS = ("", "", "", "parcel came back", "asked by phone", "see ticket", "agreed with the shop")

Fields = dict[str, Any]
Rows = dict[type[Base], list[Fields]]


@dataclass(frozen=True)
class Sample:
    """A session from the middle of the history, with one of its refunds, as things to look for."""

    session_id: str
    customer: str
    last4: str
    reference: str
    bank_json: str


def samples_of(refunds: int) -> list[Sample]:
    """Samples from a database of so many refunds."""
    rows = _day(refunds // A_DAY // 2, refunds // A_DAY)
    reference = {row["session_id"]: row["reference"] for row in rows[Refund]}
    return [
        Sample(row["id"], row["customer_reference"], row["card_last4"], reference[row["id"]], row["fields"])
        for row in rows[PaymentSession]
        if row["card_last4"] != COMMON_LAST4
    ]


def fill(database_url: str, journal_key: str, refunds: int) -> None:
    """Make the tables of an empty database and put so many refunds into them, a multiple of A_DAY."""
    engine = open_engine(database_url)
    migrations.upgrade(engine, journal_key)
    write = _write_sqlite if engine.dialect.name == "sqlite" else _write_postgresql
    with _without_indexes(engine):
        write(engine, _batches(refunds // A_DAY))
    _add_up_counts(engine)
    if engine.dialect.name == "postgresql":
        with writing_engine(engine).execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
            connection.execute(text("VACUUM (ANALYZE)"))
    engine.dispose()


# Writing


def _add_up_counts(engine: Engine) -> None:
    """As workers do from time to time."""
    with writing_engine(engine).begin() as connection:
        connection.execute(text("DELETE FROM refund_counts"))
        counted = "SELECT state, count(*) FROM refunds GROUP BY state"
        connection.execute(text(f"INSERT INTO refund_counts (state, delta) {counted}"))


_FILLED = (Person, PaymentSession, Payment, Refund, Attempt, SearchTerm, JournalEntry)


@contextmanager
def _without_indexes(engine: Engine) -> Iterator[None]:
    """Indexes are made faster afterwards. SQLite forgets what it was told about an index that is dropped."""
    tables: list[Any] = [model.__table__ for model in _FILLED]
    indexes = [index for table in tables for index in sorted(table.indexes, key=lambda index: str(index.name))]
    told = []
    with writing_engine(engine).begin() as connection:
        if engine.dialect.name == "sqlite":
            told = [row._asdict() for row in connection.execute(text("SELECT tbl, idx, stat FROM sqlite_stat1"))]
        for index in indexes:
            index.drop(connection)
    yield
    with writing_engine(engine).begin() as connection:
        for index in indexes:
            index.create(connection)
        if told:
            connection.execute(text("DELETE FROM sqlite_stat1"))
            connection.execute(text("INSERT INTO sqlite_stat1 VALUES (:tbl, :idx, :stat)"), told)


def _batches(days: int) -> Iterator[Rows]:
    yield {Person: [_person(email) for email in (*OPERATORS, FORMER_OPERATOR)]}
    for day in range(days):
        yield _day(day, days)


def _columns_and_values(rows: Sequence[Fields]) -> tuple[list[str], Iterator[tuple[Any, ...]]]:
    names = list(rows[0])
    return names, (tuple(row[name] for name in names) for row in rows)


def _write_sqlite(engine: Engine, batches: Iterable[Rows]) -> None:
    file = str(engine.url.database)
    engine.dispose()
    head = 0
    with closing(sqlite3.connect(file)) as connection:
        connection.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -500000")
        for batch in batches:
            for model, rows in batch.items():
                names, values = _columns_and_values(rows)
                into = f"{model.__tablename__} ({', '.join(names)})"
                connection.executemany(f"INSERT INTO {into} VALUES ({', '.join('?' * len(names))})", values)  # noqa: S608
            head += len(batch.get(JournalEntry, ()))
        connection.execute("UPDATE journal_head SET seq = ?", (head,))
        connection.commit()
        connection.execute("PRAGMA journal_mode = WAL")


def _write_postgresql(engine: Engine, batches: Iterable[Rows]) -> None:
    url = engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    head = 0
    with psycopg.connect(url, options="-c timezone=UTC") as connection, connection.cursor() as cursor:
        for batch in batches:
            for model, rows in batch.items():
                names, values = _columns_and_values(rows)
                with cursor.copy(f"COPY {model.__tablename__} ({', '.join(names)}) FROM STDIN") as copy:
                    for row in values:
                        copy.write_row(row)
            head += len(batch.get(JournalEntry, ()))
        cursor.execute("UPDATE journal_head SET seq = %s", (head,))


# One day


def _day(day: int, days: int) -> Rows:
    """All rows that one day adds. The last day ends NOW."""
    rng = random.Random(day)
    rows: Rows = defaultdict(list)
    day_at = NOW - timedelta(days=days - day)
    slots = list(range(A_DAY))
    rng.shuffle(slots)
    for place in range(SESSIONS_A_DAY):
        mine = sorted(slots.pop() for _ in range(REFUNDS_OF_SESSIONS[place % len(REFUNDS_OF_SESSIONS)]))
        number = day * SESSIONS_A_DAY + place + 1
        customer = f"client-{rng.randrange(days * SESSIONS_A_DAY // SESSIONS_OF_CUSTOMER)}"
        _add_session(rows, rng, number, customer, day_at, [day * A_DAY + slot for slot in mine])
    rows[Refund].sort(key=lambda row: row["id"])
    if day * 100 < days:
        _ask_as_former_operator(rows[Refund])
    if day == days - 1:
        _open_newest(rows)
    seq = day * A_DAY * ENTRIES_OF_REFUND
    for refund in rows[Refund]:
        rows[JournalEntry].extend(_story(seq, refund))
        seq += ENTRIES_OF_REFUND
    return rows


def _add_session(
    rows: Rows, rng: random.Random, number: int, customer: str, day_at: datetime, places: Sequence[int]
) -> None:
    session_id, payment_id = f"ps_{7_000_000 + number}", f"pm_{9_000_000 + number}"
    refunds = [_refund(rng, session_id, payment_id, place, day_at) for place in places]
    captured_minor = sum(refund["amount_minor"] for refund in refunds) * rng.choice((1, 1, 2))
    paid_at = day_at - timedelta(hours=rng.uniform(2, 500))
    paid = {
        "customer_reference": customer,
        "method": "card",
        "card_brand": rng.choice(("visa", "mastercard", "mir")),
        "card_last4": COMMON_LAST4 if rng.random() < 0.3 else f"{rng.randrange(10_000):04d}",
        "rrn": f"{rng.randrange(10**12):012d}",
    }
    order = f"order {number}"
    rows[PaymentSession].append(_session(session_id, payment_id, paid_at, captured_minor, paid, order, refunds))
    rows[PaymentSession][-1]["status"] = "in_progress" if rng.random() < 0.05 else "accepted"
    rows[Payment].append(_payment(session_id, payment_id, paid_at, captured_minor, paid))
    rows[Refund].extend(refunds)
    texts = (session_id, payment_id, customer, paid["card_last4"], paid["rrn"], order)
    rows[SearchTerm].extend(_terms(session_id, 0, texts))
    for refund in refunds:
        texts = (refund["reference"], refund["comment"], refund["bank_id"], refund["rrn"])
        rows[SearchTerm].extend(_terms(session_id, refund["id"], texts))


def _session(
    session_id: str,
    payment_id: str,
    paid_at: datetime,
    captured_minor: int,
    paid: Fields,
    order: str,
    refunds: Sequence[Fields],
) -> Fields:
    return {
        "id": session_id,
        "created_at": _text(paid_at),
        "found_at": _text(paid_at),
        "confirmed_at": _text(paid_at),
        "currency": "rub",
        "captured_minor": captured_minor,
        "committed_minor": sum(refund["amount_minor"] for refund in refunds if refund["counts"]),
        **paid,
        "fields": _bank_json(session_id, payment_id, timestamp(paid_at), captured_minor, paid, order, refunds),
        "shown_at": _text(paid_at),
        "read_failures": 0,
    }


def _payment(session_id: str, payment_id: str, paid_at: datetime, captured_minor: int, paid: Fields) -> Fields:
    return {
        "session_id": session_id,
        "id": payment_id,
        "status": "succeeded",
        "confirmed": True,
        "amount_minor": captured_minor,
        "currency": "rub",
        "created_at": _text(paid_at),
        "finished_at": _text(paid_at),
        **paid,
    }


def _refund(rng: random.Random, session_id: str, payment_id: str, place: int, day_at: datetime) -> Fields:
    asked_at = day_at + timedelta(days=(place % A_DAY + rng.random()) / A_DAY)
    origin = rng.choices(tuple(ORIGINS), tuple(ORIGINS.values()))[0]
    state = rng.choices(tuple(STATES), tuple(STATES.values()))[0] if origin == "here" else "accepted"
    reference = str(uuid.UUID(int=rng.getrandbits(128), version=4))
    amount_minor = rng.randrange(100, 500_000)
    is_here, is_at_bank = origin == "here", state in refund_rules.BANK_STATES
    by_us: Fields = {
        "asked_by_id": _person_id(rng.choices(OPERATORS, SHARES)[0]),
        "form_token": uuid.UUID(int=rng.getrandbits(128)).hex * 4,
        "body": refund_body(session_id, Amount(amount_minor, "rub"), reference),
        "bank_url": "http://127.0.0.1:1",
        "project": "project",
        "undo_until": _text(asked_at),
        "sent_at": _text(asked_at) if is_at_bank else None,
    }
    by_bank: Fields = {
        "bank_id": f"rf_{3_000_000 + place}",
        "bank_status": state,
        "bank_amount_minor": amount_minor,
        "bank_currency": "rub",
        "bank_finished_at": _text(asked_at + timedelta(minutes=3)),
        "payment_id": payment_id,
        "rrn": f"{rng.randrange(10**12):012d}",
    }
    return {
        "id": place + 1,
        "reference": reference,
        "session_id": session_id,
        "origin": origin,
        "state": state,
        "review": "",
        "counts": state == "accepted",
        "contradicted": False,
        "amount_minor": amount_minor,
        "currency": "rub",
        "in_full": False,
        "asked_at": _text(asked_at),
        "reason": rng.choice(REASONS) if is_here else "",
        "comment": rng.choice(COMMENTS) if is_here else "",
        "send_failures": 0,
        "ended_at": _text(asked_at + timedelta(minutes=3)),
        **{name: value if is_here else None for name, value in by_us.items()},
        **{name: value if is_at_bank else None for name, value in by_bank.items()},
    }


def _bank_json(
    session_id: str, payment_id: str, at: str, captured_minor: int, paid: Fields, order: str, refunds: Iterable[Fields]
) -> str:
    """The session as the bank shows it."""
    payment = {
        "id": payment_id,
        "status": "succeeded",
        "created_at": at,
        "finished_at": at,
        "customer": {"reference": paid["customer_reference"]},
        "payment_details": {"type": "card", "card": {"brand": paid["card_brand"], "last4": paid["card_last4"]}},
        "amount_details": {"amount": captured_minor, "currency": "rub"},
        "transaction_info": {"rrn": paid["rrn"]},
        "metadata": order,
        "refunds": [
            {
                "id": refund["bank_id"],
                "status": refund["state"],
                "created_at": at,
                "amount_details": {"amount": refund["amount_minor"], "currency": "rub"},
                "metadata": {"reference": refund["reference"]},
                "transaction_info": {"rrn": refund["rrn"]},
            }
            for refund in refunds
            if refund["bank_id"]
        ],
    }
    return canonical(
        {"id": session_id, "status": "accepted", "created_at": at, "updated_at": at, "acquiring_payments": [payment]}
    )


def _terms(session_id: str, refund_id: int, texts: Iterable[str | None]) -> Iterator[Fields]:
    for term in sorted(search.terms_of(texts)):
        yield {"term": term, "session_id": session_id, "refund_id": refund_id}


def _person(email: str) -> Fields:
    return {
        "id": _person_id(email),
        "email": email,
        "password_hash": "",
        "role": "operator",
        "created_at": _text(NOW - timedelta(days=2000)),
    }


def _person_id(email: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, email))


def _text(moment: datetime) -> str:
    """As SQLite keeps moments, and as PostgreSQL reads them in a session of zone UTC."""
    return moment.strftime("%Y-%m-%d %H:%M:%S.%f")


# What makes some days special


def _ask_as_former_operator(refunds: Iterable[Fields]) -> None:
    """Long ago most refunds were asked for by somebody who has left since."""
    for row in refunds:
        if row["asked_by_id"] and row["id"] % 4:
            row["asked_by_id"] = _person_id(FORMER_OPERATOR)


def _open_newest(rows: Rows) -> None:
    """The newest refunds made here are not settled yet; a few need people."""
    newest = [row for row in reversed(rows[Refund]) if row["origin"] == "here"][:OPEN_REFUNDS]
    with_open_send: set[str] = set()
    for place, row in enumerate(newest):
        state = NEWEST_STATES[place % len(NEWEST_STATES)]
        if place % 25 == 7 and row["session_id"] not in with_open_send:
            with_open_send.add(row["session_id"])
            state = "sending" if place < 25 else "unknown"
            rows[Attempt].append(_attempt(row, state))
        row.update(state=state, ended_at=None, counts=True, review="contradiction" if place % 20 == 4 else "")
        if state in {"queued", "sending", "unknown"}:
            row.update(dict.fromkeys(("bank_id", "bank_status", "bank_amount_minor", "bank_currency")))
            row.update(dict.fromkeys(("bank_finished_at", "payment_id", "rrn")))


def _attempt(refund: Fields, state: str) -> Fields:
    return {
        "refund_id": refund["id"],
        "session_id": refund["session_id"],
        "number": 1,
        "is_resend": False,
        "started_at": refund["asked_at"],
        "lease_until": refund["asked_at"],
        "baseline": json.dumps([]),
        "outcome": "unclear" if state == "unknown" else None,
    }


def _story(seq: int, refund: Fields) -> Iterator[Fields]:
    asked = {name: refund[name] for name in ("amount_minor", "currency", "reason", "comment", "state", "session_id")}
    heard = {"bank_id": refund["bank_id"], "source": "read", "digest": f"{seq:064x}", "known_by": "reference"}
    entries = (("refund:requested", asked), ("refund:adopted", heard), (f"refund:{refund['state']}", heard))
    for action, data in entries:
        seq += 1
        yield {
            "seq": seq,
            "at": refund["asked_at"].replace(" ", "T") + "Z",
            "actor": OPERATORS[refund["id"] % len(OPERATORS)],
            "action": action,
            "subject": f"refund:{refund['reference']}",
            "data": canonical(data),
            "prev_hash": f"{seq - 1:064x}",
            "hash": f"{seq:064x}",
        }
