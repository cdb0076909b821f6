"""Sending a refund: the last look, the committed attempt, the call, and what its answer is evidence of.

No database transaction is open while the bank is called. Whatever happens to this process, the refund is
afterwards where another worker can take it on.
"""

import hashlib
import json
import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select

from dashboard import ledger, pauses, reads, refund_rules, restore, snapshots
from dashboard.bank131.client import (
    BankError,
    HttpAnswer,
    KeyAlreadyUsed,
    NeverReached,
    Reading,
    Refused,
    refund_body,
)
from dashboard.bank131.objects import Amount, read_json
from dashboard.config import GRACE_S
from dashboard.desk import Books, Desk
from dashboard.journal import WriteSession
from dashboard.models import Attempt, PaymentSession, Refund, Resolution
from dashboard.models.resolutions import CONFIRMED
from dashboard.snapshots import ANSWER, Merge, Seen

log = logging.getLogger(__name__)

# Once a minute at last: an outage of the bank's alone must not bring people in.
MOST_LOOKS = 100
KEY_EXISTS_CODE = "idempotency_key_already_exists"


@dataclass(frozen=True)
class _Opened:
    """A committed attempt, about to be sent."""

    reference: str
    number: int
    body: bytes
    started_at: datetime


@dataclass(frozen=True)
class _Ended:
    """How an attempt ended: one of the outcomes of `refund_rules`, and what came back."""

    outcome: str
    reading: Reading | None = None
    answer: HttpAnswer | None = None
    error_code: str | None = None
    error_description: str | None = None


def send(desk: Desk, reference: str) -> None:
    """Send a queued refund, or one of unknown outcome that is proved absent, if everything still allows it.

    Called by the worker when `next_send_at` is due. Whatever happens to this process, the refund is afterwards
    where another worker can take it on.
    """
    with desk.read() as session:
        refund = session.scalars(select(Refund).where(Refund.reference == reference)).one()
    if not snapshots.is_of_this_bank(desk, refund):
        _review_instead(desk, reference, "other_bank")
        return
    started_at = desk.clock.now()
    try:
        reading = desk.bank.status(refund.session_id)
    except BankError as problem:
        reads.note_failed_read(desk, refund.session_id, problem)
        _send_later(desk, reference, problem)
        return
    opened_at_s = desk.clock.monotonic()
    with desk.write() as tx:
        opened = _open_attempt(tx, desk, reference, reading, started_at)
    if opened is None:
        return
    if _took_too_long(desk, opened, opened_at_s):
        ended = _Ended(refund_rules.NEVER_CONNECTED, error_description="the commit took too long; nothing was sent")
    else:
        ended = _call_bank(desk, opened)
    _take_answer(desk, opened, ended)


def _took_too_long(desk: Desk, opened: _Opened, opened_at_s: float) -> bool:
    """The attempt's lease leaves no time for the call any more.

    The monotonic clock stands still while a host is suspended; the other one may be set back. One of them notices.
    """
    waited_s = (desk.clock.now() - opened.started_at).total_seconds()
    return max(desk.clock.monotonic() - opened_at_s, waited_s) > GRACE_S


def _call_bank(desk: Desk, opened: _Opened) -> _Ended:
    try:
        reading = desk.bank.refund(opened.body, opened.reference)
    except NeverReached as problem:
        return _Ended(refund_rules.NEVER_CONNECTED, error_description=str(problem))
    except Refused as problem:
        outcome = refund_rules.AUTH_ERROR if problem.code in reads.AUTH_CODES else refund_rules.DEFINITE_ERROR
        return _Ended(outcome, None, problem.answer, problem.code, problem.description)
    except KeyAlreadyUsed as problem:
        return _Ended(refund_rules.KEY_EXISTS, None, problem.answer, KEY_EXISTS_CODE, str(problem))
    except BankError as problem:
        return _Ended(refund_rules.UNCLEAR, None, problem.answer, error_description=str(problem))
    return _Ended(refund_rules.ANSWERED, reading, reading.answer)


def _review_instead(desk: Desk, reference: str, why: str) -> None:
    with desk.write() as tx:
        _, refunds, _ = ledger.lock_by_reference(tx, reference)
        refund = ledger.the_refund(refunds, reference)
        if refund.next_send_at is not None:
            ledger.flag_review(tx, refund, why)
            refund.next_send_at = None


def _send_later(desk: Desk, reference: str, problem: BankError) -> None:
    """The last look before sending failed. The first failure in a row is told; one about our keys stops everything."""
    log.warning("refund %s waits, its session could not be read: %s", reference, problem)
    with desk.write() as tx:
        session, refunds, _ = ledger.lock_by_reference(tx, reference)
        refund = ledger.the_refund(refunds, reference)
        _put_off(refund, desk)
        if problem.is_answered and refund.next_send_at is not None and _has_waited_long(desk, refund, desk.clock.now()):
            ledger.flag_review(tx, refund, "not_whole", answer=str(problem))
            refund.next_send_at = None
        if session.read_failures == 1:
            tx.record(ledger.WORKER, "refund:put_off", ledger.subject_of(refund), why=str(problem))
        if isinstance(problem, Refused) and problem.code in reads.AUTH_CODES:
            pauses.add(tx, ledger.WORKER, f"keys:{problem.code}", once=True)


def _put_off(refund: Refund, desk: Desk) -> None:
    if refund.next_send_at is not None:
        refund.send_failures += 1
        refund.next_send_at = desk.clock.now() + reads.backoff(refund.send_failures)


def _open_attempt(
    tx: WriteSession, desk: Desk, reference: str, reading: Reading, started_at: datetime
) -> _Opened | None:
    """Take in the read made just before, look again whether the refund may go, and commit to the attempt."""
    merge = reads.take_read(tx, desk, reading, started_at)
    refund = ledger.the_refund(merge.refunds, reference)
    if not _is_to_be_sent(merge, refund):
        return None
    if pauses.is_paused(tx) or _is_blocked(merge, refund) or _may_soon_be_whole(merge, refund):
        _put_off(refund, desk)
        return None
    doubt = _doubt_about(merge, refund)
    if doubt is not None:
        ledger.flag_review(tx, refund, doubt)
        refund.next_send_at = None
        return None
    return _insert_attempt(merge, refund)


def _is_to_be_sent(merge: Merge, refund: Refund) -> bool:
    if refund.review or refund.bank_id is not None or refund.next_send_at is None:
        return False
    if refund.state == refund_rules.QUEUED:
        return refund.undo_until is not None and refund.undo_until <= merge.desk.clock.now()
    return (
        refund.state == refund_rules.UNKNOWN
        and refund.absence_2_at is not None
        and _still_worth_resending(merge, refund)
    )


def _still_worth_resending(merge: Merge, refund: Refund) -> bool:
    """The time for a second send can run out while the first could not be made: then people decide."""
    if reads.verdict_on(merge, refund) == refund_rules.RESEND:
        return True
    ledger.flag_review(merge.tx, refund, "not_found")
    return False


def _is_blocked(merge: Merge, refund: Refund) -> bool:
    """Another refund of the session is being sent, is unknown or is under review."""
    others = (one for one in merge.refunds if one is not refund)
    return any(one.review or one.state in refund_rules.OPEN_SEND for one in others)


def _may_soon_be_whole(merge: Merge, refund: Refund) -> bool:
    """The last look shows the session in part only, which so far is no reason to trouble anybody."""
    if merge.is_whole:
        return False
    return not _has_waited_long(merge.desk, refund, merge.seen.at)


def _has_waited_long(desk: Desk, refund: Refund, at: datetime) -> bool:
    """The last look was made in vain so often, and for so long, that people have to look instead."""
    is_old = refund.undo_until is not None and reads.proves_nothing_for_long(desk.config, refund.undo_until, at)
    return refund.send_failures >= MOST_LOOKS and is_old


def _doubt_about(merge: Merge, refund: Refund) -> str | None:
    if not merge.is_whole:
        return "not_whole"
    if not _is_what_was_asked_for(refund):
        return "body_changed"
    if _replaced_one_may_be_there(merge, refund):
        return "replaced_one_made"
    if reads.new_since_first_send(merge, refund) is not None:
        return "stranger"
    held = ledger.held_parts(one for one in merge.refunds if one is not refund)
    fits = refund_rules.still_fits_in_full if refund.in_full else refund_rules.still_fits
    return None if fits(refund.amount_minor, merge.paid, held) else "no_longer_fits"


def _is_what_was_asked_for(refund: Refund) -> bool:
    """Whether the bytes to be sent still say what the row says."""
    amount = None if refund.in_full else Amount(refund.amount_minor, refund.currency)
    try:
        stored = read_json(refund.body or b"")
    except ValueError:
        return False
    return stored == read_json(refund_body(refund.session_id, amount, refund.reference))


def _replaced_one_may_be_there(merge: Merge, refund: Refund) -> bool:
    """Whether the bank shows one in whose place this one was asked for, or what may be one, after all."""
    family = ledger.family_of(refund, merge.refunds) if refund.replaces_id else []
    return any(one.counts or _has_new_stranger(merge, one) for one in family)


def _has_new_stranger(merge: Merge, abandoned: Refund) -> bool:
    """Whether something came up that those who said that it was never made did not know of."""
    query = select(Resolution.strangers).where(
        Resolution.refund_id == abandoned.id,
        Resolution.state == CONFIRMED,
        Resolution.choice == refund_rules.NEVER_MADE,
    )
    known = merge.tx.scalars(query.order_by(Resolution.decided_at.desc())).first()
    return known is not None and not {one.id for one in reads.strangers_to(merge, abandoned)} <= set(json.loads(known))


def _insert_attempt(merge: Merge, refund: Refund) -> _Opened:
    tx, config, now = merge.tx, merge.desk.config, merge.desk.clock.now()
    earlier = merge.attempts.get(refund.id, [])
    attempt = Attempt(
        refund_id=refund.id,
        session_id=refund.session_id,
        number=len(earlier) + 1,
        is_resend=refund.state == refund_rules.UNKNOWN,
        started_at=now,
        lease_until=now + config.lease,
        baseline=ledger.baseline_text(merge.refunds),
    )
    tx.add(attempt)
    ledger.own_move(
        tx,
        refund,
        refund_rules.SENDING,
        ledger.WORKER,
        attempt=attempt.number,
        body_digest=hashlib.sha256(refund.body or b"").hexdigest(),
    )
    refund.sent_at = refund.sent_at or now
    refund.absence_1_at = refund.absence_2_at = None
    return _Opened(refund.reference, attempt.number, refund.body or b"", attempt.started_at)


def _take_answer(desk: Desk, opened: _Opened, ended: _Ended) -> None:
    """Let an attempt's answer speak, for this attempt alone."""
    with desk.write() as tx:
        session, refunds, attempts = ledger.lock_by_reference(tx, opened.reference)
        refund = ledger.the_refund(refunds, opened.reference)
        tries = attempts[refund.id]
        attempt = next(one for one in tries if one.number == opened.number)
        _note_answer(tx, refund, attempt, ended)
        if ended.reading is not None:
            sent = (refund.id, attempt.number)
            seen = Seen(ANSWER, attempt.started_at, reads.digest_of(ended.reading.answer), ended.reading.raw, sent)
            refunds = snapshots.merge(tx, desk, session, ended.reading.session, seen).refunds
        if ended.outcome == refund_rules.AUTH_ERROR:
            pauses.add(tx, ledger.WORKER, f"keys:{ended.error_code}", once=True)
        if refund.state == refund_rules.SENDING and refund.bank_id is None and attempt is tries[-1]:
            _settle_attempt(tx, desk, refund, tries, ended)
        ledger.recount(tx, session, refunds)
        _plan_read(desk, session, refund)


def _note_answer(tx: WriteSession, refund: Refund, attempt: Attempt, ended: _Ended) -> None:
    attempt.outcome, attempt.answered_at = ended.outcome, tx.clock.now()
    attempt.error_code, attempt.error_description = ended.error_code, ended.error_description
    if ended.answer is not None:
        attempt.http_status, attempt.answer_digest = ended.answer.status, reads.digest_of(ended.answer)
    tx.record(
        ledger.BANK if ended.answer else ledger.WORKER,
        "attempt:ended",
        ledger.subject_of(refund),
        attempt=attempt.number,
        outcome=ended.outcome,
        http_status=attempt.http_status,
        digest=attempt.answer_digest,
        error_code=ended.error_code,
        error_description=ended.error_description,
    )


def _settle_attempt(tx: WriteSession, desk: Desk, refund: Refund, tries: Sequence[Attempt], ended: _Ended) -> None:
    clean = all(one.outcome == refund_rules.NEVER_CONNECTED for one in tries[:-1])
    state = refund_rules.after_answer(ended.outcome, clean=clean)
    ledger.own_move(tx, refund, state, ledger.WORKER, attempt=tries[-1].number, outcome=ended.outcome)
    if state == refund_rules.QUEUED:
        refund.sent_at = None
        refund.send_failures += 1
        refund.next_send_at = desk.clock.now() + reads.backoff(refund.send_failures)


def _plan_read(desk: Desk, session: PaymentSession, refund: Refund) -> None:
    now = desk.clock.now()
    if refund.state == refund_rules.UNKNOWN:
        ledger.ask_read(session, now)
    elif refund.state != refund_rules.QUEUED:
        ledger.ask_read(session, now, now + timedelta(seconds=desk.config.poll_s))


def expire_sending(desk: Desk, reference: str) -> None:
    """A refund whose attempt outlived its lease has an unknown outcome: whoever was sending it is gone."""
    with desk.write() as tx:
        session, refunds, attempts = ledger.lock_by_reference(tx, reference)
        refund = ledger.the_refund(refunds, reference)
        if refund.state != refund_rules.SENDING:
            return
        attempt = attempts[refund.id][-1]
        if attempt.lease_until < desk.clock.now():
            ledger.own_move(tx, refund, refund_rules.UNKNOWN, ledger.WORKER, attempt=attempt.number, outcome="no_word")
            ledger.ask_read(session, desk.clock.now())


# Pausing


def pause(books: Books, actor: str, why: str) -> None:
    """Stop sending until somebody resumes it. What is being sent right now is carried to its end."""
    with books.write() as tx:
        pauses.add(tx, actor, why)


class CannotResume(Exception):
    """After a restore: `left` are the sessions with open refunds that have still to be read again, and until `since`
    what was sent before may arrive (None: that time is over).
    """

    def __init__(self, left: Sequence[str], since: datetime | None) -> None:
        super().__init__(f"{len(left)} sessions have not been read again since the restore, wait until {since}")
        self.left = left
        self.since = since


def resume(
    books: Books, actor: str, without_reading: Collection[str] = (), *, without_reading_any: bool = False
) -> list[str]:
    """Send again; answers with all the reasons for a pause that stood until now. Raises CannotResume.

    `without_reading`: sessions not to wait for after a restore, because the bank does not show them;
    `without_reading_any`: whichever they are. Nothing is sent of a session that cannot be read.
    """
    with books.write() as tx:
        if without_reading_any:
            without_reading = restore.unread(tx)
        _check_restored(tx, books, without_reading)
        ended = pauses.end(tx)
        if ended:
            named = {"without_reading": sorted(without_reading)} if without_reading else {}
            tx.record(actor, "sending:resumed", "installation", ended=ended, **named)
    return ended


def _check_restored(tx: WriteSession, books: Books, without_reading: Collection[str]) -> None:
    left = [each for each in restore.unread(tx) if each not in without_reading]
    since = restore.may_arrive_until(tx, books.config, tx.clock.now())
    if left or since is not None:
        raise CannotResume(left, since)
