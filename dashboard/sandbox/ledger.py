"""What the sandbox bank remembers: plain records in memory, written through to a small document store."""

import json
import sqlite3
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

KEPT_DELIVERIES = 200

JsonObject = dict[str, Any]
Document = tuple[str, str, str | None]


class BrokenLedger(Exception):
    """The ledger file cannot be read; the text is one clear line."""


@dataclass
class Refund:
    """A refund or a chargeback; `decide_at` and `decide_as` say how it will end by itself."""

    id: str
    status: str
    amount_minor: int
    currency: str
    created_at: datetime
    finished_at: datetime | None = None
    metadata: object = None
    is_chargeback: bool = False
    rrn: str | None = None
    decide_at: datetime | None = None
    decide_as: str = ""


@dataclass
class Payment:
    """An acquiring payment; `step_at` and `step` say what happens to it next by itself."""

    id: str
    status: str
    amount_minor: int
    currency: str
    created_at: datetime
    customer: JsonObject
    details: JsonObject
    finished_at: datetime | None = None
    metadata: object = None
    options: JsonObject | None = None
    fee_minor: int = 0
    rrn: str | None = None
    arn: str | None = None
    auth_code: str | None = None
    error: JsonObject | None = None
    step_at: datetime | None = None
    step: str = ""
    refunds: list[Refund] = field(default_factory=list)


@dataclass
class Session:
    """A payment session.

    `draft` is what the calls said of the payment to come; `version` is the API version that webhooks speak.
    """

    id: str
    status: str
    created_at: datetime
    updated_at: datetime
    finished_at: datetime | None = None
    next_action: str | None = None
    error: JsonObject | None = None
    version: int = 1
    draft: JsonObject = field(default_factory=dict)
    last_webhook: str | None = None
    payments: list[Payment] = field(default_factory=list)


@dataclass
class Delivery:
    """One webhook on its way. States: `waiting`, `held` (for the next one), `delivered`, `given_up`, `lost`."""

    id: str
    session_id: str
    body: str
    state: str
    created_at: datetime
    due_at: datetime | None = None
    attempts: int = 0
    http_status: int | None = None
    after: str | None = None
    under_way: bool = False


@dataclass
class Fault:
    method: str
    kind: str
    session: str | None = None
    times: int = 1
    delay_ms: int = 0


@dataclass
class Settings:
    decide: str = "accepted"
    decide_after_ms: int = 800
    webhooks: str = "on"
    webhook_late_ms: int = 10_000
    payments: str = "finish"
    lose_next: int = 0


class Store(Protocol):
    def load(self) -> Iterable[tuple[str, str, str]]:
        """Every document as kind, key, text."""

    def save(self, documents: list[Document]) -> None:
        """Write all or nothing; a text of None removes the document."""


class SqliteStore:
    """Documents in one SQLite file (or `:memory:`); what `save` returned from survives a killed process."""

    def __init__(self, path: Path | str) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        try:
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = NORMAL")
            self._connection.execute(
                "CREATE TABLE IF NOT EXISTS document (kind TEXT, key TEXT, text TEXT NOT NULL,"
                " PRIMARY KEY (kind, key)) WITHOUT ROWID"
            )
        except sqlite3.DatabaseError as fault:
            self._connection.close()
            raise BrokenLedger(f"{path} is no ledger of this sandbox: {fault}") from fault

    def load(self) -> Iterable[tuple[str, str, str]]:
        return self._connection.execute("SELECT kind, key, text FROM document ORDER BY kind, key").fetchall()

    def save(self, documents: list[Document]) -> None:
        with self._connection:
            self._connection.execute("BEGIN IMMEDIATE")
            for kind, key, text in documents:
                if text is None:
                    self._connection.execute("DELETE FROM document WHERE kind = ? AND key = ?", (kind, key))
                else:
                    self._connection.execute("REPLACE INTO document VALUES (?, ?, ?)", (kind, key, text))

    def close(self) -> None:
        self._connection.close()


class Ledger:
    """All records. Whoever changes one calls `changed`, and `flush` once the whole change is made."""

    def __init__(self, store: Store | None = None) -> None:
        self.sessions: dict[str, Session] = {}
        self.deliveries: dict[str, Delivery] = {}
        self.used_keys: set[str] = set()
        self.faults: list[Fault] = []
        self.settings = Settings()
        self.counters: dict[str, int] = {}
        self.last_announced: str | None = None
        self._store = store
        self._changed: dict[tuple[str, str], None] = {}
        if store:
            self._load(store)

    def refunds(self) -> Iterable[tuple[Session, Payment, Refund]]:
        for session in self.sessions.values():
            for payment in session.payments:
                for refund in payment.refunds:
                    yield session, payment, refund

    def changed(self, record: Session | Delivery | None = None, *, key: str | None = None) -> None:
        """A session, a delivery, a used idempotency key, or (without arguments) settings, faults and counters."""
        if isinstance(record, Session):
            self._changed["session", record.id] = None
        elif isinstance(record, Delivery):
            self._changed["delivery", record.id] = None
        elif key is not None:
            self._changed["key", key] = None
        else:
            self._changed["bank", ""] = None

    def flush(self) -> None:
        if self._store and self._changed:
            self._store.save([(kind, key, self._text(kind, key)) for kind, key in self._changed])
        self._changed.clear()

    def forget_old_deliveries(self) -> None:
        finished = [d for d in self.deliveries.values() if d.state not in {"waiting", "held"}]
        for delivery in finished[:-KEPT_DELIVERIES]:
            del self.deliveries[delivery.id]
            self.changed(delivery)

    def _text(self, kind: str, key: str) -> str | None:
        record: object
        if kind == "session":
            record = self.sessions.get(key)
        elif kind == "delivery":
            record = self.deliveries.get(key)
        elif kind == "key":
            return "{}"
        else:
            return _dumps(self._bank_document())
        return None if record is None else _dumps(asdict(record))

    def _bank_document(self) -> JsonObject:
        return {
            "settings": asdict(self.settings),
            "faults": [asdict(fault) for fault in self.faults],
            "counters": self.counters,
            "last_announced": self.last_announced,
        }

    def _load(self, store: Store) -> None:
        try:
            for kind, key, text in store.load():
                self._take(kind, key, json.loads(text))
        except (ValueError, TypeError, KeyError) as fault:
            raise BrokenLedger(f"the sandbox ledger cannot be read: {fault!r}") from fault
        self.sessions = dict(sorted(self.sessions.items(), key=lambda item: _number(item[0])))
        self.deliveries = dict(sorted(self.deliveries.items(), key=lambda item: _number(item[0])))

    def _take(self, kind: str, key: str, document: JsonObject) -> None:
        if kind == "session":
            self.sessions[key] = _session(document)
        elif kind == "delivery":
            self.deliveries[key] = Delivery(**{**_timed(document), "under_way": False})
        elif kind == "key":
            self.used_keys.add(key)
        else:
            self.settings = Settings(**document["settings"])
            self.faults = [Fault(**fault) for fault in document["faults"]]
            self.counters = document["counters"]
            self.last_announced = document["last_announced"]


def _session(document: JsonObject) -> Session:
    payments = [_payment(payment) for payment in document["payments"]]
    return Session(**{**_timed(document), "payments": payments})


def _payment(document: JsonObject) -> Payment:
    refunds = [Refund(**_timed(refund)) for refund in document["refunds"]]
    return Payment(**{**_timed(document), "refunds": refunds})


def _timed(document: JsonObject) -> JsonObject:
    return {
        name: datetime.fromisoformat(value) if name.endswith("_at") and value else value
        for name, value in document.items()
    }


def _dumps(document: JsonObject) -> str:
    return json.dumps(document, default=datetime.isoformat)


def _number(identifier: str) -> int:
    return int(identifier.rpartition("_")[2])
