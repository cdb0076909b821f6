"""The journal's way out: every entry goes to a log system elsewhere, in order, at least once.

A cursor in the database says how far that system has taken it. The cursor moves on only after its own word, so a
worker that dies in between sends the same entries again, which are known by their numbers. Nothing of this stands in
the journal, which would feed itself.
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Select, or_, select
from sqlalchemy.orm import Session

from dashboard import journal, journal_file
from dashboard.bank131.transport import HttpAnswer, NeverConnected, NoAnswer, RequestsTransport
from dashboard.config import BooksConfig
from dashboard.desk import Books
from dashboard.models import Collector, JournalEntry, JournalHead

log = logging.getLogger(__name__)

CONTENT_TYPE = "application/x-ndjson"
# Of one batch; an entry that is larger goes alone.
MOST_ENTRIES = 500
MOST_BYTES = 512 * 1024

LOOK_EVERY_S = 1.0
TIMEOUT_S = 20.0
FIRST_PAUSE = timedelta(seconds=5)
LONGEST_PAUSE = timedelta(minutes=5)
# A claim outlives the exchange, and the two short transactions around it.
CLAIM = timedelta(seconds=3 * TIMEOUT_S)


class NotTaken(Exception):
    """The collector has not taken a batch; str() says why in one line, in our words alone."""


Send = Callable[[BooksConfig, bytes], None]


# One exchange


def post(config: BooksConfig, lines: bytes) -> None:
    """Hand lines to the collector, which has taken them when this comes back. Raises NotTaken."""
    status = ask(config, lines).status
    if not 200 <= status < 300:
        # What else it says might hold our token.
        raise NotTaken(f"it answers HTTP {status}")


def ask(config: BooksConfig, lines: bytes) -> HttpAnswer:
    """Its answer, whatever it says. Raises NotTaken for none."""
    transport = RequestsTransport(
        ca_file=_text(config.collector_ca_file), client_certificate_file=_text(config.collector_cert_file)
    )
    headers = {"Content-Type": CONTENT_TYPE, "User-Agent": "bank131-refund-desk"}
    if config.collector_token:
        headers["Authorization"] = f"Bearer {config.collector_token}"
    try:
        return transport(config.collector_url, headers, lines, TIMEOUT_S)
    except (NeverConnected, NoAnswer) as problem:
        raise NotTaken(str(problem)) from problem


def _text(file: object) -> str | None:
    return None if file is None else str(file)


# How far it is


@dataclass(frozen=True)
class Waiting:
    """How many entries wait for the collector, and since when the oldest of them does (None: not known, or none do).

    `problem`: why the last try failed; None: it did not.
    """

    entries: int
    since: datetime | None
    problem: str | None


def waiting(session: Session) -> Waiting:
    """What the collector has not taken yet."""
    cursor = session.scalars(select(Collector)).one()
    count = max(0, journal.head_seq(session) - cursor.seq)
    oldest = session.scalars(select(JournalEntry.at).where(JournalEntry.seq == cursor.seq + 1)).one_or_none()
    return Waiting(count, _moment(oldest), cursor.problem)


def _moment(text: str | None) -> datetime | None:
    try:
        return None if text is None else journal.read_timestamp(text)
    except ValueError:
        return None  # spoilt, which `journal verify` tells


# Sending


def run(books: Books, stop: threading.Event, send: Send = post) -> None:
    """Send what the collector has not taken yet until told to stop."""
    while not stop.is_set():
        try:
            is_more = send_next(books, send)
        except Exception:
            log.exception("the journal could not be sent on, it will be tried again")
            is_more = False
        if not is_more:
            stop.wait(LOOK_EVERY_S)


def send_next(books: Books, send: Send = post) -> bool:
    """Send the next batch, unless there is none or it is not time; whether the collector has taken one."""
    with books.read() as session:
        if session.scalars(_due(books.clock.now())).one_or_none() is None:
            return False
    turn = _claim(books)
    if turn is None:
        return False
    batch = _batch(books, turn.go_on_after)
    if batch is None:
        return False
    try:
        send(books.config, batch.lines)
    except NotTaken as problem:
        _put_off(books, turn, str(problem))
        return False
    _move_on(books, turn, batch)
    return True


@dataclass(frozen=True)
class _Turn:
    """Where the cursor was (`seq`, `hash`), until when this worker alone sends, and after which entry."""

    seq: int
    hash: str
    until: datetime
    go_on_after: int


@dataclass(frozen=True)
class _Batch:
    """Lines of JSON, and the last entry that is among them."""

    lines: bytes
    seq: int
    hash: str


def _due(now: datetime) -> Select[Collector]:
    is_behind = or_(Collector.seq != JournalHead.seq, Collector.hash != JournalHead.hash)
    is_time = or_(Collector.next_try_at.is_(None), Collector.next_try_at <= now)
    return select(Collector).where(select(JournalHead.id).where(is_behind).exists(), is_time)


def _claim(books: Books) -> _Turn | None:
    """What no other worker sends meanwhile. Whatever breaks afterwards, the others have their turn."""
    now = books.clock.now()
    with books.write() as tx:
        cursor = tx.scalars(_due(now).with_for_update(skip_locked=True, of=Collector)).one_or_none()
        if cursor is None:
            return None
        cursor.next_try_at = now + CLAIM
        return _Turn(cursor.seq, cursor.hash, cursor.next_try_at, _taken(tx, cursor))


def _taken(session: Session, cursor: Collector) -> int:
    """The last entry that need not be sent again: none, if what the collector took is not what the journal has."""
    found = session.scalars(select(JournalEntry.hash).where(JournalEntry.seq == cursor.seq)).one_or_none()
    if cursor.seq and found != cursor.hash:
        log.error("entry %s of the journal is not what the collector took: all is sent again", cursor.seq)
        return 0
    return cursor.seq


def _batch(books: Books, after: int) -> _Batch | None:
    query = select(JournalEntry).where(JournalEntry.seq > after).order_by(JournalEntry.seq).limit(MOST_ENTRIES)
    with books.read() as session:
        entries = session.scalars(query).all()
    lines: list[bytes] = []
    size = 0
    for entry in entries:
        line = journal_file.entry_line(entry)
        size += len(line)
        if lines and size > MOST_BYTES:
            break
        lines.append(line)
    if not lines:
        return None
    last = entries[len(lines) - 1]
    return _Batch(b"".join(lines), last.seq, last.hash)


def _move_on(books: Books, turn: _Turn, batch: _Batch) -> None:
    with books.write() as tx:
        cursor = tx.scalars(select(Collector).with_for_update()).one()
        if (cursor.seq, cursor.hash) != (turn.seq, turn.hash):
            return  # by another worker, after this one's turn was over
        was_away = cursor.problem is not None
        cursor.seq, cursor.hash = batch.seq, batch.hash
        cursor.next_try_at, cursor.tries, cursor.problem = None, 0, None
    if was_away:
        log.info("the collector takes the journal again; what waited is being sent")


def _put_off(books: Books, turn: _Turn, problem: str) -> None:
    with books.write() as tx:
        cursor = tx.scalars(select(Collector).with_for_update()).one()
        if cursor.next_try_at != turn.until:
            return
        is_new = cursor.problem is None
        pause = min(FIRST_PAUSE * 2 ** min(cursor.tries, 10), LONGEST_PAUSE)
        cursor.next_try_at, cursor.tries, cursor.problem = tx.clock.now() + pause, cursor.tries + 1, problem
    if is_new:
        log.warning("the collector does not take the journal, which waits and is tried again: %s", problem)
