"""Webhooks: store a delivery, then apply it. A stored delivery survives whatever its processing does."""

import hashlib
from datetime import datetime

from sqlalchemy import ColumnElement, select
from sqlalchemy.exc import OperationalError

from dashboard import ledger, snapshots
from dashboard.bank131.allowlist import without_card_numbers
from dashboard.bank131.objects import UnreadableObject, Webhook, parse_webhook, read_json
from dashboard.db import insert_unless_there
from dashboard.desk import Desk
from dashboard.journal import WriteSession
from dashboard.models import WebhookDelivery
from dashboard.reads import backoff
from dashboard.snapshots import WEBHOOK, Seen

WEB_LOCK_WAIT_MS = 500
KNOWN_TYPES = frozenset(
    {"action_required", "ready_to_capture", "ready_to_confirm", "payment_finished", "payment_refunded"}
)


def store(desk: Desk, body: bytes) -> int:
    """Keep a signed body, once however often it comes, and answer with its id. Committed when this returns.

    Should a card number stand in it, that is masked before anything is written; the digest is of what came.
    """
    digest = hashlib.sha256(body).hexdigest()
    now = desk.clock.now()
    with desk.write() as tx:
        delivery = _open_delivery(tx, digest, body, now)
        delivery.times_seen += 1
        delivery.last_seen_at = now
        _rearm(tx, delivery, now)
        tx.record(ledger.BANK, "webhook:received", f"webhook:{digest}", times_seen=delivery.times_seen)
        return delivery.id


def _open_delivery(tx: WriteSession, digest: str, body: bytes, now: datetime) -> WebhookDelivery:
    """The row of this body, locked; made first if it never came before (two may come at once)."""
    values = {
        "digest": digest,
        "body": without_card_numbers(body),
        "first_seen_at": now,
        "last_seen_at": now,
        "times_seen": 0,
        "failures": 0,
        "next_try_at": now,
    }
    insert_unless_there(tx, WebhookDelivery, values)
    return _locked(tx, WebhookDelivery.digest == digest)


def _locked(tx: WriteSession, condition: ColumnElement[bool]) -> WebhookDelivery:
    query = select(WebhookDelivery).where(condition).with_for_update()
    return tx.scalars(query.execution_options(populate_existing=True)).one()


def _rearm(tx: WriteSession, delivery: WebhookDelivery, now: datetime) -> None:
    """One never applied is tried again at once; one applied before still asks for a read of its session."""
    if delivery.applied_at is None:
        delivery.next_try_at = now
    elif delivery.session_id is not None:
        session = ledger.lock_session(tx, delivery.session_id)
        if session is not None:
            ledger.ask_read(session, now)


def apply(desk: Desk, delivery_id: int, lock_wait_ms: int = WEB_LOCK_WAIT_MS) -> None:
    """Let a stored delivery speak, without any call to the bank. If it fails, it is put off, alone.

    Raises OperationalError when a lock could not be had in time: it is still due then, nothing is wrong with it.
    """
    try:
        with desk.write(lock_wait_ms) as tx:
            _apply(tx, desk, delivery_id)
    except OperationalError:
        raise
    except Exception as problem:
        _put_off(desk, delivery_id, f"{type(problem).__name__}: {problem}")
        raise


def _apply(tx: WriteSession, desk: Desk, delivery_id: int) -> None:
    delivery = _locked(tx, WebhookDelivery.id == delivery_id)
    delivery.next_try_at = None
    if delivery.applied_at is not None or delivery.body is None:
        return
    delivery.applied_at = desk.clock.now()
    try:
        webhook = parse_webhook(delivery.body)
    except UnreadableObject as problem:
        _flag(tx, delivery, str(problem))
        return
    delivery.type, delivery.session_id = webhook.type, webhook.session_id
    if webhook.session is None:
        _flag(tx, delivery, webhook.problem or "the webhook shows no session")
        _ask_read_of(tx, desk, webhook.session_id)
        return
    delivery.problem = None if webhook.type in KNOWN_TYPES else f"unknown type {webhook.type}"
    _take_in(tx, desk, delivery, webhook)


def _take_in(tx: WriteSession, desk: Desk, delivery: WebhookDelivery, webhook: Webhook) -> None:
    snapshot = webhook.session
    if snapshot is None or delivery.body is None:
        return
    body = read_json(delivery.body)
    raw = body.get("session") if isinstance(body, dict) else None
    session = snapshots.open_session(tx, snapshot, desk.clock.now())
    seen = Seen(WEBHOOK, delivery.first_seen_at, delivery.digest, raw)
    merge = snapshots.merge(tx, desk, session, snapshot, seen)
    if session.confirmed_at is None and snapshot.refunds:
        delivery.problem = "its refunds wait for a read of ours: the session was not known"
    ledger.ask_read(session, desk.clock.now())
    tx.record(
        ledger.BANK,
        "webhook:applied",
        f"session:{session.id}",
        type=webhook.type,
        digest=delivery.digest,
        refunds=sorted(set(merge.touched)),
    )


def _ask_read_of(tx: WriteSession, desk: Desk, session_id: str | None) -> None:
    session = ledger.lock_session(tx, session_id) if session_id else None
    if session is not None:
        ledger.ask_read(session, desk.clock.now())


def _flag(tx: WriteSession, delivery: WebhookDelivery, problem: str) -> None:
    delivery.problem = problem
    tx.record(ledger.WORKER, "webhook:unreadable", f"webhook:{delivery.digest}", problem=problem)


def _put_off(desk: Desk, delivery_id: int, problem: str) -> None:
    with desk.write() as tx:
        delivery = _locked(tx, WebhookDelivery.id == delivery_id)
        if delivery.applied_at is None:
            delivery.failures += 1
            delivery.problem = problem[:500]
            delivery.next_try_at = desk.clock.now() + backoff(delivery.failures)
