"""The append-only record: write sessions that append to it last, and the check of its chain.

Each entry's hash is an HMAC-SHA-256 over the hash before it and the entry's own texts, with a key that is
kept outside the database. The head row is sealed with the same key, so that a cut tail shows.
"""

import hmac
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import BindParameter, bindparam, event, insert, select, update
from sqlalchemy.orm import Session, SessionTransaction

from dashboard.clock import Clock
from dashboard.db import Base
from dashboard.models import JournalEntry, JournalHead

GENESIS = "0" * 64
BATCH = 1000
# Built once: every write needs them.
_MOST: BindParameter[int] = bindparam("most")
_HEAD_AFRESH = select(JournalHead).execution_options(populate_existing=True)
_ENTRIES_AFTER = select(JournalEntry).where(JournalEntry.seq > bindparam("seq")).order_by(JournalEntry.seq).limit(_MOST)
_LOCKED_HEAD = select(JournalHead.seq, JournalHead.hash).with_for_update()
_APPEND = insert(Base.metadata.tables[JournalEntry.__tablename__])
_MOVE_HEAD = update(Base.metadata.tables[JournalHead.__tablename__])


@dataclass(frozen=True)
class Event:
    """Something that happened. `action` reads `subject:action`, `subject` `refund:REFERENCE`, `session:ID`, …"""

    actor: str
    action: str
    subject: str
    data: dict[str, Any]


class WriteSession(Session):
    """A session that may write. What it records is appended to the journal as the last thing before the commit."""

    def __init__(self, *, journal_key: str, clock: Clock, **options: Any) -> None:
        super().__init__(expire_on_commit=False, **options)
        self.journal_key = journal_key
        self.clock = clock
        self.events: list[Event] = []

    def record(self, actor: str, action: str, subject: str, **data: Any) -> None:
        """Note an event for the journal. `data` must be JSON of strings, integers, booleans, lists and objects."""
        self.events.append(Event(actor, action, subject, data))


def canonical(data: object) -> str:
    """ASCII JSON with sorted keys and no spaces: one text for one value."""
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def timestamp(moment: datetime) -> str:
    """Fixed-width UTC text to the microsecond, `2026-03-01T09:00:00.000000Z`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def read_timestamp(text: str) -> datetime:
    """The moment of a journal entry's `at`."""
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)


@event.listens_for(WriteSession, "before_commit")
def _append_events(session: WriteSession) -> None:
    if not session.events:
        return
    session.flush()
    seq, last_hash = session.execute(_LOCKED_HEAD).one()
    at = timestamp(session.clock.now())
    rows = []
    for happened in session.events:
        seq += 1
        texts = (str(seq), at, happened.actor, happened.action, happened.subject, canonical(happened.data))
        entry_hash = _chain(session.journal_key, last_hash, texts)
        rows.append(_row(seq, texts, last_hash, entry_hash))
        last_hash = entry_hash
    session.execute(_APPEND, rows)
    seal = _seal(session.journal_key, seq, last_hash)
    session.execute(_MOVE_HEAD, {"seq": seq, "hash": last_hash, "seal": seal})
    session.events.clear()


@event.listens_for(WriteSession, "after_soft_rollback")
def _forget_events(session: WriteSession, _transaction: SessionTransaction) -> None:
    session.events.clear()


def _row(seq: int, texts: tuple[str, ...], prev_hash: str, entry_hash: str) -> dict[str, Any]:
    _, at, actor, action, subject, data = texts
    return {
        "seq": seq,
        "at": at,
        "actor": actor,
        "action": action,
        "subject": subject,
        "data": data,
        "prev_hash": prev_hash,
        "hash": entry_hash,
    }


def keyed_hash(key: str, text: str) -> str:
    """HMAC-SHA-256 in hexadecimal."""
    return hmac.new(key.encode(), text.encode(), "sha256").hexdigest()


def _chain(key: str, prev_hash: str, texts: tuple[str, ...]) -> str:
    return keyed_hash(key, canonical([prev_hash, *texts]))


def _seal(key: str, seq: int, last_hash: str) -> str:
    return keyed_hash(key, canonical(["head", seq, last_hash]))


def first_head(key: str) -> JournalHead:
    """The head of an empty journal."""
    return JournalHead(id=1, seq=0, hash=GENESIS, seal=_seal(key, 0, GENESIS))


def head_seq(session: Session) -> int:
    """The number of the last entry, 0 for an empty journal."""
    return session.execute(select(JournalHead.seq)).scalar_one()


def last_entry(session: Session) -> tuple[int, str]:
    """The last entry's number and hash, as the head says."""
    found = session.execute(select(JournalHead.seq, JournalHead.hash)).one()
    return found.seq, found.hash


def of_subjects(session: Session, subjects: Iterable[str], limit: int = 500) -> list[JournalEntry]:
    """The newest entries about these subjects, oldest first."""
    query = select(JournalEntry).where(JournalEntry.subject.in_(list(subjects)))
    newest = session.scalars(query.order_by(JournalEntry.seq.desc()).limit(limit)).all()
    return list(reversed(newest))


def subjects_since(session: Session, since: int, limit: int = BATCH) -> tuple[int, set[str]]:
    """What the next entries after `since` are about, and the number of the last of them."""
    query = select(JournalEntry.seq, JournalEntry.subject).where(JournalEntry.seq > since)
    entries = session.execute(query.order_by(JournalEntry.seq).limit(limit)).all()
    return (entries[-1].seq if entries else since), {entry.subject for entry in entries}


def is_kept_with(session: Session, key: str) -> bool:
    """Whether this is the journal's key: head or first entry show it, unless both were changed."""
    head, first = _head(session), session.get(JournalEntry, 1)
    if head is not None and is_same(head.seal, _seal(key, head.seq, head.hash)):
        return True
    return first is not None and is_as_written(first, key)


@dataclass(frozen=True)
class Verdict:
    """What `verify` found: how far it got, and the first thing that is wrong (None: nothing)."""

    entries: int
    head: str
    problem: str | None


def verify(
    session: Session,
    key: str,
    expect: tuple[int, str] | None = None,
    watch: Callable[[JournalEntry], object] = lambda _entry: None,
) -> Verdict:
    """Walk the whole chain. `expect` is a head (seq, hash) noted down earlier that must still be in it.

    `watch` is shown every entry that is good, in order.
    """
    seq, last_hash = 0, GENESIS
    met = expect is None or expect == (0, GENESIS)
    while True:
        # In this order: others may go on writing, and the head must not be ahead of the entries.
        head, entries = _head(session), _entries_after(session, seq)
        if not entries:
            return Verdict(seq, last_hash, _problem_of_head(head, seq, last_hash, key) or _unmet(expect, met=met))
        for entry in entries:
            problem = _problem_of(entry, seq, last_hash, key)
            if problem:
                return Verdict(seq, last_hash, problem)
            watch(entry)
            seq, last_hash = entry.seq, entry.hash
            met = met or expect == (seq, last_hash)


def _head(session: Session) -> JournalHead | None:
    return session.scalars(_HEAD_AFRESH).one_or_none()


def _entries_after(session: Session, seq: int) -> Sequence[JournalEntry]:
    return session.scalars(_ENTRIES_AFTER, {"seq": seq, "most": BATCH}).all()


def _problem_of(entry: JournalEntry, seq_before: int, hash_before: str, key: str) -> str | None:
    if entry.seq != seq_before + 1:
        return f"entry {seq_before + 1} is missing: {entry.seq} follows {seq_before}"
    if entry.prev_hash != hash_before or not is_as_written(entry, key):
        return f"entry {entry.seq} was changed, or the journal key is not the one it was written with"
    return None


def is_as_written(entry: JournalEntry, key: str) -> bool:
    """Whether an entry's hash is that of its own texts and of the hash that it says was before it."""
    texts = (str(entry.seq), entry.at, entry.actor, entry.action, entry.subject, entry.data)
    return is_same(entry.hash, _chain(key, entry.prev_hash, texts))


def is_same(given: str, expected: str) -> bool:
    """Whether two hashes are equal, whatever text the one given is; it takes the same time wherever they differ."""
    return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), expected.encode())


def _problem_of_head(head: JournalHead | None, seq: int, last_hash: str, key: str) -> str | None:
    if head is None:
        return "the head of the journal is missing"
    if head.seq > seq:
        return f"entries {seq + 1} to {head.seq} were cut off at the end"
    if (head.seq, head.hash) != (seq, last_hash) or not hmac.compare_digest(head.seal, _seal(key, seq, last_hash)):
        return "the head of the journal was changed"
    return None


def _unmet(expect: tuple[int, str] | None, *, met: bool) -> str | None:
    return None if met or expect is None else f"the expected head {expect[0]}:{expect[1]} is not in this journal"
