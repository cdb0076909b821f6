"""Facts that fit no rule: a person has looked at one, and says so. `ledger.note_anomaly` finds them."""

import hashlib
from datetime import datetime

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from dashboard import ledger
from dashboard.desk import Books
from dashboard.journal import WriteSession, canonical, timestamp
from dashboard.models import Anomaly, PaymentSession, Person, Refund

LONGEST_NUMBER = 18


class NotAcknowledged(Exception):
    """Nothing was written down. `code`: `comment_missing`, or `acknowledged`: before, by `by` (an address), at `at`."""

    def __init__(self, code: str, by: str = "", at: datetime | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.by = by
        self.at = at


def name_of(anomaly: Anomaly) -> str:
    """What a fact is called in addresses: its number, and a digest of what it says.

    Numbers are given again, on SQLite and after a restore; a page kept open since then must not mean another fact.
    """
    told = (anomaly.session_id, anomaly.refund_id, anomaly.kind, anomaly.detail, timestamp(anomaly.found_at))
    return f"{anomaly.id}-{hashlib.sha256(canonical(told).encode()).hexdigest()[:16]}"


def find(session: Session, name: str) -> Anomaly | None:
    """The fact of this name; None where there is none, or none any more."""
    number, _dash, _digest = name.partition("-")
    if not number.isdecimal() or len(number) > LONGEST_NUMBER:
        return None
    anomaly = session.get(Anomaly, int(number))
    return anomaly if anomaly is not None and name_of(anomaly) == name else None


def acknowledge(books: Books, person: Person, name: str, comment: str) -> None:
    """A person has looked at a fact, and says so. The same said twice by one person is said once.

    Raises NotAcknowledged, LookupError.
    """
    comment = comment.strip()
    if not comment:
        raise NotAcknowledged("comment_missing")
    with books.write() as tx:
        found = find(tx, name)
        if found is None:
            raise LookupError(name)
        ledger.lock_session(tx, found.session_id)
        anomaly = next(iter(locked(tx, Anomaly.id == found.id)), None)
        if anomaly is None or name_of(anomaly) != name:
            raise LookupError(name)
        if anomaly.acknowledged_at is None:
            note_acknowledged(tx, anomaly, person, comment)
        elif (anomaly.acknowledged_by_id, anomaly.comment) != (person.id, comment):
            by = tx.get_one(Person, anomaly.acknowledged_by_id).email
            raise NotAcknowledged("acknowledged", by, anomaly.acknowledged_at)


def locked(tx: WriteSession, *conditions: ColumnElement[bool]) -> list[Anomaly]:
    """Facts that meet the conditions, by id, locked. Callers hold the lock of their session."""
    query = select(Anomaly).where(*conditions).order_by(Anomaly.id).with_for_update()
    return list(tx.scalars(query.execution_options(populate_existing=True)))


def note_acknowledged(tx: WriteSession, anomaly: Anomaly, person: Person, comment: str) -> None:
    """Write down that this person has looked at it, and its record; nothing happens where somebody had."""
    if anomaly.acknowledged_at is not None:
        return
    anomaly.acknowledged_at, anomaly.acknowledged_by_id = tx.clock.now(), person.id
    anomaly.comment = comment
    what = {"kind": anomaly.kind, "detail": anomaly.detail, "comment": comment}
    tx.record(person.email, "anomaly:acknowledged", _subject_of(tx, anomaly), **what)


def inherit(
    tx: WriteSession, session: PaymentSession, refund: Refund, fact: Anomaly, actor: Person, *, is_same: bool
) -> None:
    """Tell of this refund what was told of the row whose place it took, by the decision of `actor`.

    Where the fact `is_same`, whoever had looked at it there has looked at it here.
    """
    ledger.note_anomaly(tx, session, refund, fact.kind, fact.detail)
    (ours,) = locked(tx, Anomaly.refund_id == refund.id, Anomaly.kind == fact.kind, Anomaly.detail == fact.detail)
    ours.over_at = fact.over_at
    if not is_same or fact.acknowledged_at is None or ours.acknowledged_at is not None:
        return
    ours.acknowledged_at, ours.acknowledged_by_id = fact.acknowledged_at, fact.acknowledged_by_id
    ours.comment = fact.comment
    who = {"by": tx.get_one(Person, fact.acknowledged_by_id).email, "since": timestamp(fact.acknowledged_at)}
    what = {"kind": fact.kind, "detail": fact.detail, "comment": fact.comment}
    tx.record(actor.email, "anomaly:acknowledged", ledger.subject_of(refund), **what, **who)


def _subject_of(tx: WriteSession, anomaly: Anomaly) -> str:
    refund = tx.get(Refund, anomaly.refund_id) if anomaly.refund_id else None
    return ledger.subject_of(refund) if refund else f"session:{anomaly.session_id}"
