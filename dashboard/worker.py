"""The worker's loop: leftovers of the inbox, expired sends, sends, reads. Any number of workers may run.

`due_work` claims, `carry_out` does: a simulation can call the two in any order it likes.
"""

import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

from sqlalchemy import Select, and_, delete, exists, or_, select
from sqlalchemy.orm import Session, aliased

from dashboard import reads, refund_rules, sending, webhook_inbox
from dashboard.bank131.client import BankError
from dashboard.db import LOCK_WAIT_MS
from dashboard.desk import Desk
from dashboard.models import Attempt, PaymentSession, Refund, WebhookDelivery, WorkerBeat

About = TypeVar("About")

log = logging.getLogger(__name__)

LOOK_EVERY_S = 0.1
BEAT_EVERY_S = 5.0
CLAIM_MARGIN_S = 10.0

APPLY = "apply"
EXPIRE = "expire"
SEND = "send"
READ = "read"


# Built once: to alias a table anew at every look costs more than the look.
_other = aliased(Refund)
_IN_THE_WAY = exists().where(
    _other.session_id == Refund.session_id,
    _other.id != Refund.id,
    or_(_other.state.in_(refund_rules.OPEN_SEND), _other.review != ""),
)


@dataclass(frozen=True)
class Work:
    """One thing to do: `kind`, and the id of what it is about."""

    kind: str
    key: str


# What is due


def due_work(desk: Desk, limit: int) -> list[Work]:
    """Claim what is due, at most so much of each kind. A claim lapses: a dead worker's is taken by another."""
    now = desk.clock.now()
    with desk.read() as session:
        if not any(session.execute(query).first() for query in _queries(session, now, 1)):
            return []
    until = now + timedelta(seconds=CLAIM_MARGIN_S + 2 * desk.config.timeout_s)
    with desk.write() as tx:
        return list(_claim(tx, now, until, limit))


def _queries(session: Session, now: datetime, limit: int) -> Iterator[Select[Any]]:
    yield _deliveries(now, limit)
    yield _lapsed(now, limit)
    if not sending.is_paused(session):
        yield _sends(now, limit)
    yield _reads(now, limit)


def _claim(tx: Session, now: datetime, until: datetime, limit: int) -> Iterator[Work]:
    for delivery in tx.scalars(_deliveries(now, limit).with_for_update(skip_locked=True)):
        delivery.next_try_at = until
        yield Work(APPLY, str(delivery.id))
    for refund in tx.scalars(_lapsed(now, limit)):
        yield Work(EXPIRE, refund.reference)
    if not sending.is_paused(tx):
        for refund in tx.scalars(_sends(now, limit).with_for_update(skip_locked=True, of=Refund)):
            refund.next_send_at = until
            yield Work(SEND, refund.reference)
    for session in tx.scalars(_reads(now, limit).with_for_update(skip_locked=True, key_share=True)):
        session.next_read_at, session.read_wanted_at = until, None
        yield Work(READ, session.id)


def _deliveries(now: datetime, limit: int) -> Select[WebhookDelivery]:
    due = WebhookDelivery.next_try_at <= now
    return select(WebhookDelivery).where(due).order_by(WebhookDelivery.next_try_at).limit(limit)


def _lapsed(now: datetime, limit: int) -> Select[Refund]:
    """Refunds being sent whose every attempt's lease is over."""
    alive = exists().where(Attempt.refund_id == Refund.id, Attempt.lease_until >= now)
    return select(Refund).where(Refund.state == refund_rules.SENDING, ~alive).order_by(Refund.id).limit(limit)


def _sends(now: datetime, limit: int) -> Select[Refund]:
    """Refunds to be sent, but for those whose session has another one in the way."""
    due = and_(Refund.next_send_at <= now, Refund.review == "", ~_IN_THE_WAY)
    return select(Refund).where(due).order_by(Refund.next_send_at, Refund.id).limit(limit)


def _reads(now: datetime, limit: int) -> Select[PaymentSession]:
    due = PaymentSession.next_read_at <= now
    return select(PaymentSession).where(due).order_by(PaymentSession.next_read_at).limit(limit)


# Doing it


def carry_out(desk: Desk, work: Work) -> None:
    """Do one thing. A bank that does not answer is part of life: the thing is planned for later."""
    if work.kind == APPLY:
        webhook_inbox.apply(desk, int(work.key), LOCK_WAIT_MS)
    elif work.kind == EXPIRE:
        sending.expire_sending(desk, work.key)
    elif work.kind == SEND:
        sending.send(desk, work.key)
    else:
        _read(desk, work.key)


def _read(desk: Desk, session_id: str) -> None:
    try:
        reads.read_session(desk, session_id)
    except BankError as problem:
        log.warning("session %s could not be read: %s", session_id, problem)


# The loop


def run(desk: Desk, stop: threading.Event) -> None:
    """Work until told to stop; what is under way then is finished first."""
    worker_id = desk.new_id()
    under_way: set[Future[None]] = set()
    next_beat_s = desk.clock.monotonic()
    with ThreadPoolExecutor(desk.config.worker_threads, thread_name_prefix="worker") as pool:
        while not stop.is_set():
            if desk.clock.monotonic() >= next_beat_s:
                _try(beat, desk, worker_id)
                next_beat_s = desk.clock.monotonic() + BEAT_EVERY_S
            under_way = {future for future in under_way if not future.done()}
            under_way |= _start(desk, pool, desk.config.worker_threads - len(under_way))
            _rest(stop, under_way, busy=len(under_way) >= desk.config.worker_threads)


def _start(desk: Desk, pool: ThreadPoolExecutor, room: int) -> set[Future[None]]:
    """Take on as much as there are free threads for."""
    if room <= 0:
        return set()
    try:
        work = due_work(desk, room)
    except Exception:
        log.exception("the database could not be asked for work")
        return set()
    return {pool.submit(_try, carry_out, desk, one) for one in work}


def _rest(stop: threading.Event, under_way: set[Future[None]], *, busy: bool) -> None:
    if busy:
        wait(under_way, timeout=LOOK_EVERY_S, return_when=FIRST_COMPLETED)
    else:
        stop.wait(LOOK_EVERY_S)


def _try(verb: Callable[[Desk, About], None], desk: Desk, about: About) -> None:
    try:
        verb(desk, about)
    except Exception:
        log.exception("%s failed, it will be tried again", about)


def beat(desk: Desk, worker_id: str) -> None:
    """Leave a sign of life, and forget those of workers long gone."""
    now = desk.clock.now()
    with desk.write() as tx:
        tx.merge(WorkerBeat(worker_id=worker_id, at=now))
        tx.execute(delete(WorkerBeat).where(WorkerBeat.at < now - timedelta(hours=1)))
