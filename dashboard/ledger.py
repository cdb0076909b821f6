"""Where a refund's state, a session's committed sum and the facts about them are written, each with its record.

Callers hold the session's lock: `lock_session` first, then `refunds_of`, then `attempts_of` (the lock order).
"""

import json
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from dashboard import refund_rules
from dashboard.journal import WriteSession, canonical
from dashboard.models import Anomaly, Attempt, Payment, PaymentSession, Refund, Resolution
from dashboard.models.resolutions import OUTDATED, PROPOSED
from dashboard.refund_rules import AttemptFacts, HeldPart, PaidPart

BANK = "bank"
WORKER = "worker"

# Built once: to build them and to find out how they go into SQL took longer than to run them.
_SESSION = (
    select(PaymentSession)
    .where(PaymentSession.id == bindparam("session_id"))
    .with_for_update(key_share=True)
    .execution_options(populate_existing=True)
)
_REFUNDS = (
    select(Refund)
    .where(Refund.session_id == bindparam("session_id"))
    .order_by(Refund.id)
    .with_for_update()
    .execution_options(populate_existing=True)
)
_ATTEMPTS = (
    select(Attempt)
    .where(Attempt.session_id == bindparam("session_id"))
    .order_by(Attempt.id)
    .with_for_update()
    .execution_options(populate_existing=True)
)
_SESSION_OF = select(Refund.session_id).where(Refund.reference == bindparam("reference"))
_PAYMENTS = select(Payment).where(Payment.session_id == bindparam("session_id")).order_by(Payment.id)


# Locks, in their order


def lock_session(tx: WriteSession, session_id: str) -> PaymentSession | None:
    """The session's row, locked; None when it is not known here."""
    return tx.scalars(_SESSION, {"session_id": session_id}).one_or_none()


def refunds_of(tx: WriteSession, session_id: str) -> list[Refund]:
    """The session's refunds by id, locked."""
    return list(tx.scalars(_REFUNDS, {"session_id": session_id}))


def attempts_of(tx: WriteSession, session_id: str) -> dict[int, list[Attempt]]:
    """The session's attempts by refund id, each list by number, locked."""
    by_refund: dict[int, list[Attempt]] = {}
    for attempt in tx.scalars(_ATTEMPTS, {"session_id": session_id}):
        by_refund.setdefault(attempt.refund_id, []).append(attempt)
    return by_refund


def lock_by_reference(
    tx: WriteSession, reference: str
) -> tuple[PaymentSession, list[Refund], dict[int, list[Attempt]]]:
    """A refund's session with all its refunds and attempts, locked in order. Raises LookupError."""
    session_id = tx.scalars(_SESSION_OF, {"reference": reference}).one_or_none()
    session = lock_session(tx, session_id) if session_id else None
    if session is None:
        raise LookupError(reference)
    return session, refunds_of(tx, session.id), attempts_of(tx, session.id)


def the_refund(refunds: Iterable[Refund], reference: str) -> Refund:
    """The one of these refunds that has the reference."""
    return next(refund for refund in refunds if refund.reference == reference)


# Money


def held_minor(refund: Refund) -> int:
    """What a refund that counts holds: the larger of our amount and the bank's, where the two can be compared."""
    if refund.bank_amount_minor is None or refund.bank_currency != refund.currency:
        return refund.amount_minor
    return max(refund.amount_minor, refund.bank_amount_minor)


def committed_minor(refunds: Iterable[Refund]) -> int:
    """What the refunds of one session hold together."""
    return sum(held_minor(refund) for refund in refunds if refund.counts)


def payments_of(session: Session, session_id: str) -> list[Payment]:
    """The session's payments by id."""
    return list(session.scalars(_PAYMENTS, {"session_id": session_id}))


def paid_parts(session: Session, session_id: str) -> list[PaidPart]:
    """The session's payments that our own reads have shown succeeded."""
    return paid_parts_of(payments_of(session, session_id))


def paid_parts_of(payments: Iterable[Payment]) -> list[PaidPart]:
    """Of these payments, those that are captured."""
    return [PaidPart(payment.id, payment.amount_minor, payment.currency) for payment in payments if payment.confirmed]


def held_parts(refunds: Iterable[Refund]) -> list[HeldPart]:
    """What the refunds of one session hold, each with its payment where that is known."""
    return [HeldPart(refund.payment_id, held_minor(refund)) for refund in refunds if refund.counts]


def recount(tx: WriteSession, session: PaymentSession, refunds: Sequence[Refund]) -> None:
    """Bring `committed_minor` up to date; a sum above what was captured is a fact worth an anomaly."""
    session.committed_minor = committed_minor(refunds)
    is_over = session.confirmed_at and session.committed_minor > session.captured_minor
    told = {f"{session.committed_minor}>{session.captured_minor}"} if is_over else set()
    end_anomalies(tx, session, refund_rules.OVER_CAPTURED, told)
    for detail in told:
        note_anomaly(tx, session, None, refund_rules.OVER_CAPTURED, detail)


# Changes of one refund


def family_of(refund: Refund, of_session: Iterable[Refund]) -> list[Refund]:
    """The other refunds of its session that stand for the same debt: those it replaces or is replaced by, and so on."""
    others = [one for one in of_session if one is not refund]
    family = refund_rules.linked(refund.id, [(one.id, one.replaces_id) for one in (refund, *others)])
    return [one for one in others if one.id in family]


def facts_of(attempts: Iterable[Attempt]) -> list[AttemptFacts]:
    """Attempts as the rules see them."""
    return [
        AttemptFacts(attempt.number, attempt.lease_until, attempt.outcome, attempt.answered_at, attempt.is_resend)
        for attempt in attempts
    ]


def baseline_of(attempts: Iterable[Attempt]) -> frozenset[str] | None:
    """Bank ids known before the first attempt that may have reached the bank; None when there was none."""
    for attempt in attempts:
        if attempt.outcome != refund_rules.NEVER_CONNECTED:
            return frozenset(json.loads(attempt.baseline))
    return None


def change_state(tx: WriteSession, refund: Refund, state: str, actor: str, **evidence: Any) -> None:
    """Write a refund's new state and its record. Whether it may happen is the caller's to know."""
    old, refund.state = refund.state, state
    refund.counts = refund_rules.counts(state, contradicted=refund.contradicted)
    ended = state in refund_rules.ENDS | refund_rules.FINAL
    refund.ended_at = tx.clock.now() if ended else None
    if state != refund_rules.QUEUED:
        refund.next_send_at = None
    tx.record(actor, f"refund:{state}", subject_of(refund), was=old, **evidence)


def own_move(tx: WriteSession, refund: Refund, state: str, actor: str, **evidence: Any) -> None:
    """A change of state that we make by ourselves; with an end nobody has to look at the refund any more.

    Raises ForbiddenMove where the rules do not know it.
    """
    refund_rules.check_own_move(refund.state, state)
    change_state(tx, refund, state, actor, **evidence)
    if state in refund_rules.ENDS:
        end_review(tx, refund, actor)


def flag_review(tx: WriteSession, refund: Refund, why: str, **evidence: Any) -> None:
    """People have to look at this refund; until they have, nothing of its session is sent."""
    if refund.review:
        return
    refund.review = why
    refund.next_send_at = None if refund.state == refund_rules.UNKNOWN else refund.next_send_at
    tx.record(WORKER, "refund:review", subject_of(refund), why=why, **evidence)


def end_review(tx: WriteSession, refund: Refund, actor: str, **evidence: Any) -> None:
    """Nobody has to look at this refund any more; nothing happens where nobody had to."""
    if refund.review:
        tx.record(actor, "refund:review_over", subject_of(refund), why=refund.review, **evidence)
        refund.review = ""
        _outdate_proposals(tx, refund)


def _outdate_proposals(tx: WriteSession, refund: Refund) -> None:
    """What people were about to decide has been decided by the facts."""
    query = select(Resolution).where(Resolution.refund_id == refund.id, Resolution.state == PROPOSED)
    for proposal in tx.scalars(query.with_for_update()):
        end_proposal(tx, refund, proposal, OUTDATED, WORKER)


def end_proposal(
    tx: WriteSession, refund: Refund, proposal: Resolution, state: str, actor: str, **evidence: Any
) -> None:
    """Write what became of a proposal and its record."""
    proposal.state, proposal.decided_at = state, tx.clock.now()
    told = {"resolution": proposal.id, "choice": proposal.choice, "bank_id": proposal.bank_id, **evidence}
    tx.record(actor, f"resolution:{state}", subject_of(refund), **told)


def settle_review(tx: WriteSession, refund: Refund) -> None:
    """The refund turned up at the bank: doubts about whether it was made are over."""
    if refund.review in refund_rules.DOUBTS:
        end_review(tx, refund, WORKER, bank_id=refund.bank_id)


def note_anomaly(tx: WriteSession, session: PaymentSession, refund: Refund | None, kind: str, detail: str) -> None:
    """Record a fact that fits no rule, once, and again where it was over. `detail` tells it from others of its kind."""
    refund_id = refund.id if refund else 0
    this = (refund_id, kind, detail)
    known = next((one for one in session.anomalies if (one.refund_id, one.kind, one.detail) == this), None)
    if known is not None and not _holds_again(known):
        return
    if known is None:
        known = Anomaly(session_id=session.id, refund_id=refund_id, kind=kind, detail=detail)
        session.anomalies.append(known)
    known.found_at = tx.clock.now()
    subject = subject_of(refund) if refund else f"session:{session.id}"
    tx.record(WORKER, f"anomaly:{kind}", subject, detail=detail)


def _holds_again(anomaly: Anomaly) -> bool:
    """Open a fact that was over for people again; False: it never was, or nobody had looked at it yet."""
    was_over, anomaly.over_at = anomaly.over_at is not None, None
    if not was_over or anomaly.acknowledged_at is None:
        return False
    anomaly.acknowledged_at = anomaly.acknowledged_by_id = anomaly.comment = None
    return True


def end_anomalies(
    tx: WriteSession, session: PaymentSession, kind: str, holding: Collection[str], of: Refund | None = None
) -> None:
    """Of the session's facts of this kind, or of one refund's, only those with these details still hold."""
    for anomaly in session.anomalies:
        is_meant = anomaly.kind == kind and (of is None or anomaly.refund_id == of.id)
        if is_meant and anomaly.over_at is None and anomaly.detail not in holding:
            anomaly.over_at = tx.clock.now()


def subject_of(refund: Refund) -> str:
    """The refund's name in the journal."""
    return f"refund:{refund.reference}"


def baseline_text(refunds: Iterable[Refund]) -> str:
    """The bank ids known now, as an attempt keeps them."""
    return canonical(sorted(refund.bank_id for refund in refunds if refund.bank_id))


# Reads


def ask_read(session: PaymentSession, now: datetime, due: datetime | None = None) -> None:
    """Ask the worker for a read of the session, now or when it is due; several requests make one read."""
    session.read_wanted_at = now
    due = due or now
    session.next_read_at = min(session.next_read_at or due, due)
