"""The worker's loop: leftovers of the inbox, expired sends, sends, reads. Any number of workers may run.

`due_work` claims, `carry_out` does: a simulation can call the two in any order it likes.
"""

import logging
import threading
from collections.abc import Callable, Iterator, Set
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from sqlalchemy import BindParameter, and_, bindparam, delete, exists, literal, or_, select
from sqlalchemy.orm import Session, aliased

from dashboard import (
    notices,
    own_bank,
    pauses,
    reads,
    refund_counts,
    refund_rules,
    retention,
    sending,
    webhook_inbox,
)
from dashboard.bank131.client import BankError
from dashboard.db import LOCK_WAIT_MS
from dashboard.desk import Desk
from dashboard.models import Attempt, Installation, PaymentSession, Refund, WebhookDelivery, WorkerBeat

About = TypeVar("About")

log = logging.getLogger(__name__)

LOOK_EVERY_S = 0.1
BEAT_EVERY_S = 5.0
TIDY_EVERY_S = 60.0
NOTICES_EVERY_S = 60.0
CLAIM_MARGIN_S = 10.0

APPLY = "apply"
EXPIRE = "expire"
SEND = "send"
READ = "read"


@dataclass(frozen=True)
class Work:
    """One thing to do: `kind`, and the id of what it is about."""

    kind: str
    key: str


# What is due


# Built once: workers look ten times a second, and building these anew was a good part of a look.
_NOW: BindParameter[datetime] = bindparam("now")
_LIMIT: BindParameter[int] = bindparam("limit")
_other = aliased(Refund)
_IN_THE_WAY = exists().where(
    _other.session_id == Refund.session_id,
    _other.id != Refund.id,
    or_(_other.state.in_(refund_rules.OPEN_SEND), _other.review != ""),
)
_LEASE_ALIVE = exists().where(Attempt.refund_id == Refund.id, Attempt.lease_until >= _NOW)
_TO_APPLY = WebhookDelivery.next_try_at <= _NOW
# Beside an index of some states alone SQLite would plan anew each time for a state that is a parameter.
_HAS_LAPSED = and_(Refund.state == literal(refund_rules.SENDING, literal_execute=True), ~_LEASE_ALIVE)
_TO_SEND = and_(Refund.next_send_at <= _NOW, Refund.review == "", ~_IN_THE_WAY)
_TO_READ = PaymentSession.next_read_at <= _NOW

_DELIVERIES = select(WebhookDelivery).where(_TO_APPLY).order_by(WebhookDelivery.next_try_at).limit(_LIMIT)
_LAPSED = select(Refund).where(_HAS_LAPSED).order_by(Refund.id).limit(_LIMIT)
_SENDS = select(Refund).where(_TO_SEND).order_by(Refund.next_send_at, Refund.id).limit(_LIMIT)
_READS = select(PaymentSession).where(_TO_READ).order_by(PaymentSession.next_read_at).limit(_LIMIT)
_NOT_PAUSED = exists().where(Installation.sending_paused_at.is_(None))
_IS_OUR_BANK = own_bank.is_about(bindparam("bank_url"), bindparam("project"))
_KINDS_DUE = select(
    exists().where(_TO_APPLY).label(APPLY),
    exists().where(_HAS_LAPSED).label(EXPIRE),
    and_(_NOT_PAUSED, exists().where(_TO_SEND)).label(SEND),
    exists().where(_TO_READ).label(READ),
).where(_IS_OUR_BANK)
_CLAIM_DELIVERIES = _DELIVERIES.with_for_update(skip_locked=True)
_CLAIM_SENDS = _SENDS.with_for_update(skip_locked=True, of=Refund)
_CLAIM_READS = _READS.with_for_update(skip_locked=True, key_share=True)


def due_work(desk: Desk, limit: int) -> list[Work]:
    """Claim what is due, at most so much of each kind. A claim lapses: a dead worker's is taken by another.

    Nothing is due for a worker whose bank the books are not about any more.
    """
    now = desk.clock.now()
    bounds = {"now": now, "bank_url": desk.bank.url, "project": desk.bank.project}
    with desk.read() as session:
        found = session.execute(_KINDS_DUE, bounds).mappings().one_or_none()
    kinds = {kind for kind, is_due in (found or {}).items() if is_due}
    if not kinds:
        return []
    until = now + timedelta(seconds=CLAIM_MARGIN_S + 2 * desk.config.timeout_s)
    with desk.write() as tx:
        return list(_claim(tx, kinds, now, until, limit))


def _claim(tx: Session, kinds: Set[str], now: datetime, until: datetime, limit: int) -> Iterator[Work]:
    bounds = {"now": now, "limit": limit}
    if APPLY in kinds:
        for delivery in tx.scalars(_CLAIM_DELIVERIES, bounds):
            delivery.next_try_at = until
            yield Work(APPLY, str(delivery.id))
    if EXPIRE in kinds:
        for refund in tx.scalars(_LAPSED, bounds):
            yield Work(EXPIRE, refund.reference)
    if SEND in kinds and not pauses.is_paused(tx):
        for refund in tx.scalars(_CLAIM_SENDS, bounds):
            refund.next_send_at = until
            yield Work(SEND, refund.reference)
    if READ in kinds:
        for session in tx.scalars(_CLAIM_READS, bounds):
            session.next_read_at, session.read_wanted_at = until, None
            yield Work(READ, session.id)


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


def run(desk: Desk, stop: threading.Event, write: notices.LetterWriter | None = None) -> None:
    """Work until told to stop; what is under way then is finished first. With `write` people hear of what is wrong."""
    worker_id = desk.new_id()
    under_way: set[Future[None]] = set()
    next_beat_s = next_tidy_s = next_notices_s = desk.clock.monotonic()
    with ThreadPoolExecutor(desk.config.worker_threads, thread_name_prefix="worker") as pool:
        while not stop.is_set():
            if desk.clock.monotonic() >= next_beat_s:
                _try(beat, desk, worker_id)
                next_beat_s = desk.clock.monotonic() + BEAT_EVERY_S
            under_way = {future for future in under_way if not future.done()}
            if desk.clock.monotonic() >= next_tidy_s:
                under_way.add(pool.submit(_try, retention.tidy, desk, retention.BATCH))
                under_way.add(pool.submit(_try, refund_counts.gather, desk, refund_counts.BATCH))
                next_tidy_s = desk.clock.monotonic() + TIDY_EVERY_S
            if write is not None and desk.clock.monotonic() >= next_notices_s:
                under_way.add(pool.submit(_try, notices.tell, desk, write))
                next_notices_s = desk.clock.monotonic() + NOTICES_EVERY_S
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


def _try(verb: Callable[[Desk, About], object], desk: Desk, about: About) -> None:
    try:
        verb(desk, about)
    except Exception:
        log.exception("%s failed, it will be tried again", about)


def beat(desk: Desk, worker_id: str) -> None:
    """Leave a sign of life, and forget those of workers long gone. There is no life in one set to another bank."""
    now = desk.clock.now()
    with desk.write() as tx:
        problem = own_bank.objection(tx, desk.bank.url, desk.bank.project)
        if problem is not None:
            log.error("this worker does nothing any more: %s", problem)
            return
        tx.merge(WorkerBeat(worker_id=worker_id, at=now))
        tx.execute(delete(WorkerBeat).where(WorkerBeat.at < now - timedelta(hours=1)))
