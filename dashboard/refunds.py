"""Asking for a refund and undoing it, up to the moment it is sent.

The README's "How a refund stays safe" tells the whole protocol; `refund_rules` holds its decisions.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from dashboard import (
    form_token,
    ledger,
    limit_rules,
    limits,
    own_bank,
    reads,
    refund_rules,
    restore,
    rights,
    roles,
    search,
)
from dashboard.bank131.client import refund_body
from dashboard.bank131.objects import Amount
from dashboard.desk import Desk
from dashboard.journal import WriteSession
from dashboard.models import Approval, PaymentSession, Person, Refund


@dataclass(frozen=True)
class RefundOrder:
    """What a person asks for: `kind` is `full` or `partial`. Raises ValueError for what means nothing.

    `amount_minor` of a full refund is what was shown to them, None if nothing was. `replaces`: the reference of an
    abandoned refund in whose place this one is asked for.
    """

    kind: str
    amount_minor: int | None
    reason: str
    comment: str
    replaces: str | None = None

    def __post_init__(self) -> None:
        if self.kind not in {"full", "partial"}:
            raise ValueError(f"a refund is full or partial, not {self.kind}")
        if self.amount_minor is None and self.kind == "partial":
            raise ValueError("a partial refund needs an amount")
        if self.amount_minor is not None and self.amount_minor < 1:
            raise ValueError("a refund is of one minor unit at least")


class RequestRefused(Exception):
    """The refund was not made. `code`: `forged_form`, `not_whole`, `unknown_open`, `nothing_left`, `outdated`,
    `too_much`, `no_right` (the account was disabled or lost its right), `not_allowed` (above what anybody may send),
    `held_to_old_limit` (see `limits.of_person`),
    `cannot_replace`, `just_restored`, `other_bank` (the books were moved to another one since the start).

    `left_minor` is what can still be refunded, of `not_allowed` what may be; `just_restored` holds until `since`.
    """

    def __init__(self, code: str, left_minor: int = 0, since: datetime | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.left_minor = left_minor
        self.since = since


@dataclass(frozen=True)
class Offer:
    """What a session allows right now, in minor units.

    `in_full`: the whole may be asked for without an amount. `unknown_open`: a refund of unknown outcome is there.
    `refunds_mark` tells one set of refunds from any other, as a number cannot: a merge takes one away, and a restored
    backup may know as many others.
    """

    currency: str
    captured_minor: int
    committed_minor: int
    refundable_minor: int
    in_full: bool
    unknown_open: bool
    refunds_known: int
    refunds_mark: str


def offer_of(session: Session, payment_session: PaymentSession) -> Offer:
    """What can be asked for, from what is known here. Read the session first to have it fresh."""
    refunds = session.scalars(select(Refund).where(Refund.session_id == payment_session.id)).all()
    return _offer(session, payment_session, refunds)


def _offer(session: Session, payment_session: PaymentSession, refunds: Sequence[Refund]) -> Offer:
    paid = ledger.paid_parts(session, payment_session.id)
    committed_minor = ledger.committed_minor(refunds)
    return Offer(
        currency=paid[0].currency if paid else payment_session.currency or "",
        captured_minor=payment_session.captured_minor,
        committed_minor=committed_minor,
        refundable_minor=refund_rules.refundable_minor(paid, ledger.held_parts(refunds)),
        in_full=refund_rules.may_send_without_amount(paid, committed_minor),
        unknown_open=any(refund.state == refund_rules.UNKNOWN for refund in refunds),
        refunds_known=len(refunds),
        refunds_mark=_mark_of(refunds),
    )


def _mark_of(refunds: Sequence[Refund]) -> str:
    references = sorted(refund.reference for refund in refunds)
    return hashlib.sha256(" ".join(references).encode()).hexdigest()[:32]


def new_form_token(desk: Desk, person_id: str, session_id: str, offer: Offer) -> str:
    """The hidden token of a new form."""
    token = form_token.FormToken(person_id, session_id, offer.refunds_known, offer.refunds_mark, desk.new_id())
    return form_token.seal(token, desk.config.secret_keys)


def made_with(session: Session, token_text: str) -> str | None:
    """The reference of the refund that was made with this form, if one was."""
    return session.scalars(select(Refund.reference).where(Refund.form_token == token_text)).one_or_none()


def check_order(offer: Offer, token: form_token.FormToken, order: RefundOrder) -> int:
    """The amount to refund in minor units. Raises RequestRefused."""
    left_minor = offer.refundable_minor
    if offer.unknown_open:
        raise RequestRefused("unknown_open", left_minor)
    if left_minor <= 0:
        raise RequestRefused("nothing_left")
    if token.refunds_mark != offer.refunds_mark:
        raise RequestRefused("outdated", left_minor)
    amount_minor = left_minor if order.amount_minor is None else order.amount_minor
    if order.kind == "full" and amount_minor != left_minor:
        raise RequestRefused("outdated", left_minor)
    if amount_minor > left_minor:
        raise RequestRefused("too_much", left_minor)
    return amount_minor


def check_limits(session: Session, desk: Desk, person: Person, currency: str, amount_minor: int) -> bool:
    """Whether somebody else has to approve a refund that this person asks for now. Raises RequestRefused."""
    verdict = limits.verdict(session, person.id, currency, amount_minor, desk.clock.now())
    if verdict == limit_rules.NOT_ALLOWED:
        for_all = limits.of_currency(session, currency)
        if not limit_rules.is_forbidden(for_all, amount_minor):
            raise RequestRefused("held_to_old_limit")
        raise RequestRefused("not_allowed", for_all.approved_up_to_minor or 0)
    return verdict == limit_rules.NEEDS_APPROVAL


def open_form(desk: Desk, token_text: str, person_id: str, session_id: str) -> form_token.FormToken:
    """The form behind a token, if it is this person's for this session. Raises RequestRefused."""
    try:
        token = form_token.unseal(token_text, desk.config.secret_keys)
    except form_token.ForgedToken:
        raise RequestRefused("forged_form") from None
    if (token.person_id, token.session_id) != (person_id, session_id):
        raise RequestRefused("forged_form")
    return token


def request(desk: Desk, person: Person, session_id: str, token_text: str, order: RefundOrder) -> str:
    """Make a refund and answer with its reference; a form used before answers with the refund it made.

    The worker sends it once the time for undoing is over, or somebody else has to approve it first. Raises
    RequestRefused, BankError.
    """
    token = open_form(desk, token_text, person.id, session_id)
    with desk.read() as session:
        reference = made_with(session, token_text)
        not_before = restore.may_arrive_until(session, desk.config, desk.clock.now())
        is_left = own_bank.objection(session, desk.bank.url, desk.bank.project) is not None
    if reference is not None:
        return reference
    if is_left:
        raise RequestRefused("other_bank")
    if not_before is not None:
        raise RequestRefused("just_restored", since=not_before)
    if not reads.read_whole_session(desk, session_id):
        raise RequestRefused("not_whole")
    with desk.write() as tx:
        payment_session = ledger.lock_session(tx, session_id)
        reference = made_with(tx, token_text)
        if reference is not None:
            return reference
        if payment_session is None:
            raise RequestRefused("nothing_left")
        of_session = ledger.refunds_of(tx, session_id)
        offer = _offer(tx, payment_session, of_session)
        amount_minor = check_order(offer, token, order)
        replaced = _replaced(of_session, order.replaces, offer.refundable_minor)
        _check_asker(tx, person)
        needs_approval = check_limits(tx, desk, person, offer.currency, amount_minor)
        _hold(tx, payment_session, amount_minor)
        weighed = _Weighed(amount_minor, offer.currency, order.kind == "full" and offer.in_full, needs_approval)
        refund = _insert(tx, desk, person, payment_session.id, weighed, token_text, order)
        if replaced is not None:
            refund.replaces_id = replaced.id
            tx.record(person.email, "refund:replaced", ledger.subject_of(replaced), by=refund.reference)
        return refund.reference


def _check_asker(tx: WriteSession, seen: Person) -> None:
    """The bank's answer can take its time; held, so that two refunds of one person are weighed one after another."""
    if not rights.may(rights.hold(tx, seen.id), roles.REQUEST_REFUND):
        raise RequestRefused("no_right")


def can_be_replaced(refund: Refund, of_session: Sequence[Refund]) -> bool:
    """Whether a refund was abandoned and nothing has taken its place."""
    taken = replacement_of(refund, of_session) is not None
    return refund.state == refund_rules.ABANDONED and not taken


def replacement_of(refund: Refund, of_session: Sequence[Refund]) -> Refund | None:
    """The one that took its place, or that of another it stands for: of a whole family one is paid.

    What came to nothing has taken no place.
    """
    return next((one for one in ledger.family_of(refund, of_session) if one.counts), None)


def _replaced(of_session: Sequence[Refund], reference: str | None, left_minor: int) -> Refund | None:
    if reference is None:
        return None
    found = next((one for one in of_session if one.reference == reference), None)
    if found is None or not can_be_replaced(found, of_session):
        raise RequestRefused("cannot_replace", left_minor)
    return found


def _hold(tx: WriteSession, payment_session: PaymentSession, amount_minor: int) -> None:
    """Commit the amount to the refund about to be made, only if the database still has that much free."""
    held = tx.execute(
        update(PaymentSession)
        .where(
            PaymentSession.id == payment_session.id,
            PaymentSession.captured_minor - PaymentSession.committed_minor >= amount_minor,
        )
        .values(committed_minor=PaymentSession.committed_minor + amount_minor)
        .returning(PaymentSession.id)
        .execution_options(synchronize_session=False)
    )
    if held.first() is None:
        raise RequestRefused("too_much", payment_session.captured_minor - payment_session.committed_minor)
    tx.refresh(payment_session)


@dataclass(frozen=True)
class _Weighed:
    """What an order has become beside its session and the limits."""

    amount_minor: int
    currency: str
    in_full: bool
    needs_approval: bool


def _insert(
    tx: WriteSession,
    desk: Desk,
    person: Person,
    session_id: str,
    weighed: _Weighed,
    token_text: str,
    order: RefundOrder,
) -> Refund:
    reference, now = desk.new_id(), desk.clock.now()
    amount = None if weighed.in_full else Amount(weighed.amount_minor, weighed.currency)
    send_at = None if weighed.needs_approval else now + desk.config.undo
    refund = Refund(
        reference=reference,
        session_id=session_id,
        origin="here",
        state=refund_rules.AWAITING_APPROVAL if weighed.needs_approval else refund_rules.QUEUED,
        review="",
        counts=True,
        contradicted=False,
        amount_minor=weighed.amount_minor,
        currency=weighed.currency,
        in_full=weighed.in_full,
        asked_at=now,
        asked_by_id=person.id,
        reason=order.reason,
        comment=order.comment,
        form_token=token_text,
        body=refund_body(session_id, amount, reference),
        bank_url=desk.bank.url,
        project=desk.bank.project,
        undo_until=send_at,
        next_send_at=send_at,
        send_failures=0,
    )
    tx.add(refund)
    tx.flush()
    if weighed.needs_approval:
        tx.add(_undecided(refund))
    _record_request(tx, person, refund, {"replaces": order.replaces} if order.replaces else {})
    search.keep_terms(tx, session_id, (reference, order.comment), refund.id)
    return refund


def _undecided(refund: Refund) -> Approval:
    """What a second person's word will be of, and of nothing else."""
    return Approval(
        refund_id=refund.id,
        session_id=refund.session_id,
        amount_minor=refund.amount_minor,
        currency=refund.currency,
        asked_by_id=refund.asked_by_id,
    )


def _record_request(tx: WriteSession, person: Person, refund: Refund, more: dict[str, str]) -> None:
    tx.record(
        person.email,
        "refund:requested",
        ledger.subject_of(refund),
        session=refund.session_id,
        state=refund.state,
        amount_minor=refund.amount_minor,
        currency=refund.currency,
        in_full=refund.in_full,
        reason=refund.reason,
        comment=refund.comment,
        body_digest=hashlib.sha256(refund.body or b"").hexdigest(),
        **more,
    )


# Cancelling


class CannotCancel(Exception):
    """It is too late, or may have been sent before a backup was restored: `state` is what the refund has become."""

    def __init__(self, state: str) -> None:
        super().__init__(state)
        self.state = state


def cancel(desk: Desk, person: Person, reference: str) -> None:
    """Undo a refund that was not sent yet. Raises CannotCancel, LookupError."""
    with desk.write() as tx:
        session, refunds, _ = ledger.lock_by_reference(tx, reference)
        refund = ledger.the_refund(refunds, reference)
        if not refund_rules.may_undo(refund.state, refund.review):
            raise CannotCancel(refund.state)
        ledger.own_move(tx, refund, refund_rules.CANCELLED, person.email)
        ledger.recount(tx, session, refunds)
