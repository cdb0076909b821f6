"""A second person looks at a refund that one alone may not send, and lets it go or stops it.

That it is another person, and that what is approved is what was asked for, the database's own triggers hold too.
"""

import hashlib
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from dashboard import ledger, limit_rules, limits, own_bank, reads, refund_rules, restore, rights, roles, two_people
from dashboard.desk import Books, Desk
from dashboard.journal import WriteSession
from dashboard.models import Approval, PaymentSession, Person, Refund
from dashboard.models.approvals import APPROVED, REJECTED


class ApprovalRefused(Exception):
    """Nothing was decided. `code`: `not_waiting` (it needs no approval, or not any more), `decided` (by somebody else),
    `same_person`, `no_right`, `under_review` (it may have been sent already), of a rejection alone `comment_missing`,
    and of an approval alone `asker_gone`, `not_two_people` (see there), `not_whole`, `unknown_open`,
    `no_longer_fits`, `not_allowed` (by the limits as they are now), `held_to_old_limit` (see
    `limits.of_person`), `other_bank`, `just_restored`.
    """

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def of_refund(session: Session, refund_id: int) -> Approval | None:
    """What a second person said to a refund; None where it needs nobody's word."""
    return session.get(Approval, refund_id, populate_existing=True)


def approve(desk: Desk, person: Person, reference: str, comment: str = "") -> None:
    """Let a refund go, after a fresh look at its session; the worker sends it once the time for undoing is over.

    Approving twice is approving once. Raises ApprovalRefused, LookupError, BankError.
    """
    with desk.read() as session:
        refund = session.scalars(select(Refund).where(Refund.reference == reference)).one_or_none()
        if refund is None:
            raise LookupError(reference)
        if _is_done_by(session, refund, person, APPROVED):
            return
        _check_person(session, refund, person, desk.clock.now())
        _check_bank(session, desk)
    if not reads.read_whole_session(desk, refund.session_id):
        raise ApprovalRefused("not_whole")
    with desk.write() as tx:
        payment_session, refunds, _ = ledger.lock_by_reference(tx, reference)
        refund = ledger.the_refund(refunds, reference)
        if _is_done_by(tx, refund, person, APPROVED):
            return
        _check_person(tx, refund, person, tx.clock.now())
        _check_still_right(tx, person, payment_session, refund, refunds)
        _decide(tx, refund, person, APPROVED, comment)
        refund.undo_until = refund.next_send_at = tx.clock.now() + desk.config.undo


def reject(books: Books, person: Person, reference: str, comment: str) -> None:
    """Stop a refund for good, with a reason; its amount is free again. Raises ApprovalRefused, LookupError.

    One that may have been approved and sent before a backup was put back takes the decision of two people.
    """
    if not comment.strip():
        raise ApprovalRefused("comment_missing")
    with books.write() as tx:
        payment_session, refunds, _ = ledger.lock_by_reference(tx, reference)
        refund = ledger.the_refund(refunds, reference)
        if _is_done_by(tx, refund, person, REJECTED):
            return
        _check_person(tx, refund, person, tx.clock.now(), is_asker_needed=False)
        if not refund_rules.may_undo(refund.state, refund.review):
            raise ApprovalRefused("under_review")
        _decide(tx, refund, person, REJECTED, comment)
        ledger.recount(tx, payment_session, refunds)


def _is_done_by(session: Session, refund: Refund, person: Person, decision: str) -> bool:
    """Whether this very person has said so already; raises ApprovalRefused where somebody has said something else."""
    known = of_refund(session, refund.id)
    if known is None or known.decision is None:
        return False
    if (known.decided_by_id, known.decision) != (person.id, decision):
        raise ApprovalRefused("decided")
    return True


def _check_person(
    session: Session, refund: Refund, person: Person, now: datetime, *, is_asker_needed: bool = True
) -> None:
    """The rights are looked up again: an account that was taken away since, maybe because it was stolen, is nobody."""
    if refund.state != refund_rules.AWAITING_APPROVAL:
        raise ApprovalRefused("not_waiting")
    if refund.asked_by_id == person.id:
        raise ApprovalRefused("same_person")
    if not rights.still_hold(session, person.id, roles.APPROVE):
        raise ApprovalRefused("no_right")
    if is_asker_needed and not rights.still_hold(session, refund.asked_by_id, roles.REQUEST_REFUND):
        raise ApprovalRefused("asker_gone")
    if is_asker_needed and not two_people.are_two(session, person.id, refund.asked_by_id, now):
        raise ApprovalRefused("not_two_people")


def _check_bank(session: Session, desk: Desk) -> None:
    if own_bank.objection(session, desk.bank.url, desk.bank.project) is not None:
        raise ApprovalRefused("other_bank")
    if restore.may_arrive_until(session, desk.config, desk.clock.now()) is not None:
        raise ApprovalRefused("just_restored")


def _check_still_right(
    tx: WriteSession, person: Person, payment_session: PaymentSession, refund: Refund, refunds: list[Refund]
) -> None:
    if refund.review:
        raise ApprovalRefused("under_review")
    limit = limits.of_person(tx, person.id, refund.currency, tx.clock.now())
    if limit_rules.is_forbidden(limit, refund.amount_minor):
        is_for_all = limit_rules.is_forbidden(limits.of_currency(tx, refund.currency), refund.amount_minor)
        raise ApprovalRefused("not_allowed" if is_for_all else "held_to_old_limit")
    others = [one for one in refunds if one is not refund]
    if any(one.state == refund_rules.UNKNOWN for one in others):
        raise ApprovalRefused("unknown_open")
    fits = refund_rules.still_fits_in_full if refund.in_full else refund_rules.still_fits
    paid = ledger.paid_parts(tx, payment_session.id)
    if not fits(refund.amount_minor, paid, ledger.held_parts(others)):
        raise ApprovalRefused("no_longer_fits")


def _decide(tx: WriteSession, refund: Refund, person: Person, decision: str, comment: str) -> None:
    """The decision first: the database lets the refund move only then."""
    approval = tx.get_one(Approval, refund.id, with_for_update=True)
    approval.decision, approval.comment = decision, comment.strip()
    approval.decided_by_id, approval.decided_at = person.id, tx.clock.now()
    tx.flush()
    state = refund_rules.QUEUED if decision == APPROVED else refund_rules.REJECTED
    ledger.own_move(tx, refund, state, person.email, comment=approval.comment, **_what(approval, refund))


def _what(approval: Approval, refund: Refund) -> dict[str, Any]:
    """What was decided on, word for word."""
    return {
        "session": approval.session_id,
        "amount_minor": approval.amount_minor,
        "currency": approval.currency,
        "body_digest": hashlib.sha256(refund.body or b"").hexdigest(),
    }
