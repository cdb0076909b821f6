"""The local index of payment sessions: found by words, listed by page, summed up in figures."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, func, or_, select
from sqlalchemy.orm import Session, defer

from dashboard import keyset, ledger, refund_rules, search, search_language
from dashboard.bank131.objects import SESSION_STATUSES
from dashboard.models import Payment, PaymentSession, Refund

PAGE_SIZE = 50


@dataclass(frozen=True)
class Figures:
    """A session in figures, minor units: what was captured, refunded, is on its way, and can still be refunded.

    `is_confirmed`: our own read has shown it; before that the figures say nothing.
    """

    session_id: str
    status: str
    customer_reference: str | None
    card_brand: str | None
    card_last4: str | None
    method: str | None
    currency: str
    created_at: datetime
    captured_minor: int
    refunded_minor: int
    on_its_way_minor: int
    refundable_minor: int
    is_confirmed: bool


@dataclass(frozen=True)
class Page:
    """Sessions, newest first, and the cursor of the page of older ones (empty: there are none)."""

    figures: list[Figures]
    older: str


def page(session: Session, q: str, status: str, before: str = "", size: int = PAGE_SIZE) -> Page:
    """Sessions that have every word of `q` and the bank's `status`. Raises keyset.BadCursor."""
    wanted: list[ColumnElement[bool]] = [PaymentSession.denied_at.is_(None)]
    if status:
        wanted.append(PaymentSession.status == status)
    if before:
        wanted.append(keyset.older_than(before, PaymentSession.created_at, PaymentSession.id))
    words = search.words_of(search_language.with_plain_cards(q))
    ids = search.newest(session, search.SESSIONS, wanted, words, size + 1)
    found = _in_order(session, ids) if ids else []
    older = keyset.cursor(found[size - 1].created_at, found[size - 1].id) if len(found) > size else ""
    return Page(figures_of(session, found[:size]), older)


def _in_order(session: Session, ids: Sequence[str]) -> Sequence[PaymentSession]:
    query = select(PaymentSession).where(PaymentSession.id.in_(ids)).options(defer(PaymentSession.fields))
    return session.scalars(query.order_by(PaymentSession.created_at.desc(), PaymentSession.id.desc())).all()


def session_of(session: Session, text: str) -> str | None:
    """The id of the one session known here that bears this id, or whose payment has it as its id or RRN.

    In capital or small letters, where that leaves one. All of it is looked up by an index.
    """
    if known := session.get(PaymentSession, text):
        return None if known.denied_at else known.id
    ids = {session_id for session_id, refund_id in search.bearers(session, text) if not refund_id}
    if not ids:
        return None
    for found in (_by_id(ids, text.lower()), _by_payment(ids, text.lower())):
        if len(known_ids := list(session.scalars(found.limit(2)))) == 1:
            return known_ids[0]
    return None


def _by_id(ids: set[str], text: str) -> Select[str]:
    is_known = PaymentSession.denied_at.is_(None)
    return select(PaymentSession.id).where(PaymentSession.id.in_(ids), is_known, func.lower(PaymentSession.id) == text)


def _by_payment(ids: set[str], text: str) -> Select[str]:
    bears = or_(func.lower(Payment.id) == text, func.lower(Payment.rrn) == text)
    return select(Payment.session_id).where(Payment.session_id.in_(ids), bears).distinct()


def is_status(text: str) -> bool:
    """Whether the bank knows a session status of this name."""
    return text in SESSION_STATUSES


def figures_of(session: Session, payment_sessions: Sequence[PaymentSession]) -> list[Figures]:
    """The figures of these sessions, in their order, with two queries for all of them."""
    ids = [each.id for each in payment_sessions]
    payments, refunds = _by_session(session, Payment, ids), _by_session(session, Refund, ids)
    return [_figures(each, payments[each.id], refunds[each.id]) for each in payment_sessions]


def _by_session(session: Session, model: Any, ids: Sequence[str]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = defaultdict(list)
    for each in session.scalars(select(model).where(model.session_id.in_(ids)).order_by(model.id)):
        found[each.session_id].append(each)
    return found


def _figures(each: PaymentSession, payments: Sequence[Payment], refunds: Sequence[Refund]) -> Figures:
    accepted = [refund for refund in refunds if refund.state == refund_rules.ACCEPTED]
    refunded_minor = ledger.committed_minor(accepted)
    paid = ledger.paid_parts_of(payments)
    return Figures(
        session_id=each.id,
        status=each.status,
        customer_reference=each.customer_reference,
        card_brand=each.card_brand,
        card_last4=each.card_last4,
        method=each.method,
        currency=each.currency or "",
        created_at=each.created_at,
        captured_minor=each.captured_minor,
        refunded_minor=refunded_minor,
        on_its_way_minor=ledger.committed_minor(refunds) - refunded_minor,
        refundable_minor=refund_rules.refundable_minor(paid, ledger.held_parts(refunds)),
        is_confirmed=each.confirmed_at is not None,
    )
