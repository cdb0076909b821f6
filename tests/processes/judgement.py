"""What has to be true once faults have stopped and everything has settled: the bank's ledger beside the tables."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from dashboard import ledger, refund_rules
from dashboard.desk import Books
from dashboard.models import Anomaly, Attempt, JournalEntry, PaymentSession, Refund, WebhookDelivery
from tests.bench.refund_desk import check_ranks, check_session
from tests.processes.operators import Told

Json = dict[str, Any]

# What people may have to look at although everything went as the protocol says: the bank lost both sends.
ALLOWED_REVIEWS = frozenset({"not_found"})


@dataclass(frozen=True)
class AtBank:
    """One refund as the bank holds it."""

    session_id: str
    bank_id: str
    amount_minor: int
    currency: str
    status: str
    reference: str | None


@dataclass(frozen=True)
class Tables:
    """Every row that says something about money."""

    sessions: Sequence[PaymentSession]
    refunds: Sequence[Refund]
    attempts: Sequence[Attempt]
    anomalies: Sequence[Anomaly]
    entries: Sequence[JournalEntry]
    waiting_webhooks: int


def tables_of(books: Books, without: Collection[str] = ()) -> Tables:
    """All of it, but for what is about certain sessions."""
    with books.read() as session:
        waiting = session.scalars(select(WebhookDelivery.id).where(WebhookDelivery.next_try_at.is_not(None)))
        return Tables(
            sessions=session.scalars(select(PaymentSession).where(PaymentSession.id.not_in(without))).all(),
            refunds=session.scalars(select(Refund).where(Refund.session_id.not_in(without)).order_by(Refund.id)).all(),
            attempts=session.scalars(select(Attempt).where(Attempt.session_id.not_in(without))).all(),
            anomalies=session.scalars(select(Anomaly).where(Anomaly.session_id.not_in(without))).all(),
            entries=session.scalars(select(JournalEntry).order_by(JournalEntry.seq)).all(),
            waiting_webhooks=len(waiting.all()),
        )


def at_bank(sessions: Iterable[Json]) -> list[AtBank]:
    """Everything that goes back to customers, from `GET /control/ledger`."""
    return [
        AtBank(
            session["id"],
            refund["id"],
            refund["amount_details"]["amount"],
            refund["amount_details"]["currency"],
            refund["status"],
            (refund.get("metadata") or {}).get("reference"),
        )
        for session in sessions
        for payment in session.get("acquiring_payments", [])
        for refund in payment.get("refunds", [])
    ]


# Settling


def unsettled(tables: Tables, sessions: Sequence[Json]) -> list[str]:
    """What is still to come to an end by itself, one line each."""
    reviewed = {refund.session_id for refund in tables.refunds if refund.review}
    lines = [
        f"{refund.reference} is {refund.state}"
        for refund in tables.refunds
        if refund.state in refund_rules.OPEN and refund.session_id not in reviewed
    ]
    ended = {refund.bank_id: refund.state for refund in tables.refunds}
    for refund in at_bank(sessions):
        if refund.status not in refund_rules.FINAL or ended.get(refund.bank_id) != refund.status:
            lines.append(f"{refund.bank_id} is {refund.status} at the bank, {ended.get(refund.bank_id)} here")
    return lines + ["webhooks wait to be applied"] * bool(tables.waiting_webhooks)


# The judgement


def violations(tables: Tables, sessions: Sequence[Json], told: Told) -> list[str]:
    """Everything that must never be, one line each."""
    refunds = at_bank(sessions)
    return [
        *_doubled_at_bank(refunds),
        *_against_ledger(tables, refunds),
        *_over_captured(sessions, refunds),
        *_sums(tables),
        *_promises(tables, told),
        *_ends(tables),
        *_attempts(tables),
        *_ranks(tables),
    ]


def _doubled_at_bank(refunds: Iterable[AtBank]) -> Iterator[str]:
    for reference, times in Counter(refund.reference for refund in refunds).items():
        if times > 1 or reference is None:
            yield f"the bank has {times} refunds under the reference {reference}"


def _against_ledger(tables: Tables, refunds: Sequence[AtBank]) -> Iterator[str]:
    rows = defaultdict(list)
    for row in tables.refunds:
        rows[row.session_id, row.bank_id].append(row)
    for refund in refunds:
        found = rows[refund.session_id, refund.bank_id]
        if len(found) != 1:
            yield f"{refund} has {len(found)} rows here"
        for row in found:
            here = (row.reference, row.amount_minor, row.currency, row.bank_amount_minor, row.origin, row.state)
            there = (refund.reference, refund.amount_minor, refund.currency, refund.amount_minor, "here", refund.status)
            if here != there:
                yield f"{refund} is {here} here"
    known = {(refund.session_id, refund.bank_id) for refund in refunds}
    for row in tables.refunds:
        if row.bank_id is not None and (row.session_id, row.bank_id) not in known:
            yield f"{row.reference}: the bank does not have {row.bank_id}"
        if row.bank_id is None and row.state in refund_rules.BANK_STATES:
            yield f"{row.reference} is {row.state} without the bank's word"


def _over_captured(sessions: Iterable[Json], refunds: Iterable[AtBank]) -> Iterator[str]:
    live: Counter[str] = Counter()
    for refund in refunds:
        live[refund.session_id] += refund.amount_minor * (refund.status != refund_rules.DECLINED)
    for session in sessions:
        paid = [one for one in session.get("acquiring_payments", []) if one["status"] == "succeeded"]
        captured_minor = sum(payment["amount_details"]["amount"] for payment in paid)
        if live[session["id"]] > captured_minor:
            yield f"{session['id']}: {live[session['id']]} goes back of {captured_minor} captured"


def _sums(tables: Tables) -> Iterator[str]:
    of_session = defaultdict(list)
    for refund in tables.refunds:
        of_session[refund.session_id].append(refund)
    for session in tables.sessions:
        try:
            check_session(session, of_session[session.id])
        except AssertionError as problem:
            yield f"{session.id}: {problem}"
        if ledger.committed_minor(of_session[session.id]) > session.captured_minor:
            yield f"{session.id}: {session.committed_minor} is committed of {session.captured_minor} captured"


def _promises(tables: Tables, told: Told) -> Iterator[str]:
    rows = {refund.reference: refund for refund in tables.refunds}
    for reference, amount_minor in told.made.items():
        row = rows.get(reference)
        if row is None:
            yield f"{reference} was promised and is lost"
        elif amount_minor not in {None, row.amount_minor}:
            yield f"{reference} was to be {amount_minor} and is {row.amount_minor}"
    for reference in told.undone:
        row = rows.get(reference)
        if row is None or row.state != refund_rules.CANCELLED:
            yield f"{reference} was said to be undone and is {row and row.state}"
    for refund in tables.refunds:
        if refund.form_token in told.refused:
            yield f"{refund.reference} was made although its form was refused"


def _ends(tables: Tables) -> Iterator[str]:
    for refund in tables.refunds:
        if refund.review and refund.review not in ALLOWED_REVIEWS:
            yield f"{refund.reference} is in review for {refund.review}"
    for anomaly in tables.anomalies:
        yield f"anomaly {anomaly.kind} in {anomaly.session_id}: {anomaly.detail}"


def _attempts(tables: Tables) -> Iterator[str]:
    connected = Counter(
        attempt.refund_id for attempt in tables.attempts if attempt.outcome != refund_rules.NEVER_CONNECTED
    )
    for refund in tables.refunds:
        if refund.bank_id is not None and not connected[refund.id]:
            yield f"{refund.reference} is at the bank without an attempt"
        if connected[refund.id] > 2:
            yield f"{refund.reference} may have been sent {connected[refund.id]} times"


def _ranks(tables: Tables) -> Iterator[str]:
    try:
        check_ranks(tables.entries)
    except AssertionError as problem:
        yield f"a rank fell: {problem}"
