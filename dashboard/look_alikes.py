"""What a refund may be a second one of: shown before money moves, to people who can tell. It stops nothing."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, case, func, not_, or_, select
from sqlalchemy.orm import Session

from dashboard.models import PaymentSession, Person, Refund

LATELY = timedelta(days=7)
MOST = 3
SAME_SESSION, SAME_CUSTOMER, SAME_CARD = "same_session", "same_customer", "same_card"


@dataclass(frozen=True)
class LookAlike:
    """A refund of the same amount that went back, or is about to. `why`: what else is the same.

    `asked_by`: the address of whoever asked for it here; None for one from the bank.
    """

    reference: str
    session_id: str
    why: str
    asked_at: datetime
    asked_by: str | None


@dataclass(frozen=True)
class LookAlikes:
    """Those that are worth a line each, and whether there are more of them."""

    shown: list[LookAlike]
    has_more: bool


@dataclass(frozen=True)
class OtherAmounts:
    """Refunds of other amounts to such a card, all together.

    `most_minor`: the largest of each currency, in minor units. `newest`: the reference of the one asked for last.
    """

    count: int
    most_minor: dict[str, int]
    newest: str


def of_amount(
    session: Session,
    payment_session: PaymentSession,
    amount_minor: int,
    currency: str,
    now: datetime,
    *,
    beside: str | None = None,
) -> LookAlikes:
    """Those of the last week that hold money, in this session, then of this customer, then of its card; newest first.

    `beside`: the reference of the refund itself, where it is one already.
    """
    is_here = Refund.session_id == payment_session.id
    same_customer = and_(
        PaymentSession.customer_reference != "",
        PaymentSession.customer_reference == payment_session.customer_reference,
    )
    same_card = _same_card(payment_session)
    why = case((is_here, SAME_SESSION), (same_customer, SAME_CUSTOMER), else_=SAME_CARD)
    query = (
        select(Refund.reference, Refund.session_id, why, Refund.asked_at, Person.email)
        .join(PaymentSession, PaymentSession.id == Refund.session_id)
        .outerjoin(Person, Person.id == Refund.asked_by_id)
        .where(
            _went_back_lately(now, beside),
            _is_of(amount_minor, currency),
            or_(is_here, same_customer, same_card),
        )
        .order_by(case((is_here, 0), (same_customer, 1), else_=2), Refund.asked_at.desc(), Refund.id.desc())
    )
    found = [LookAlike(*row) for row in session.execute(query.limit(MOST + 1))]
    return LookAlikes(found[:MOST], has_more=len(found) > MOST)


def of_other_amounts(
    session: Session,
    payment_session: PaymentSession,
    amount_minor: int,
    currency: str,
    now: datetime,
    *,
    beside: str | None = None,
) -> OtherAmounts | None:
    """Those of the last week that hold money and went back to its card, also in this session; None without any."""
    of_card = (
        _went_back_lately(now, beside),
        not_(_is_of(amount_minor, currency)),
        _same_card(payment_session),
    )
    is_theirs = PaymentSession.id == Refund.session_id
    most = select(Refund.currency, func.count(), func.max(Refund.amount_minor)).join(PaymentSession, is_theirs)
    found = session.execute(most.where(*of_card).group_by(Refund.currency).order_by(Refund.currency)).all()
    if not found:
        return None
    newest = select(Refund.reference).join(PaymentSession, is_theirs).where(*of_card)
    return OtherAmounts(
        count=sum(count for _, count, _ in found),
        most_minor={each: most_minor for each, _, most_minor in found},
        newest=session.scalars(newest.order_by(Refund.asked_at.desc(), Refund.id.desc()).limit(1)).one(),
    )


def _went_back_lately(now: datetime, beside: str | None) -> ColumnElement[bool]:
    """What bounds each look to the refunds of a week, which their index by time serves."""
    return and_(
        Refund.asked_at > now - LATELY,
        Refund.counts,
        Refund.reference != (beside or ""),
        Refund.origin != "chargeback",
    )


def _is_of(amount_minor: int, currency: str) -> ColumnElement[bool]:
    return and_(Refund.amount_minor == amount_minor, Refund.currency == currency)


def _same_card(payment_session: PaymentSession) -> ColumnElement[bool]:
    return and_(
        PaymentSession.card_last4 != "",
        PaymentSession.card_last4 == payment_session.card_last4,
        PaymentSession.card_brand == payment_session.card_brand,
    )


def charged_back(session: Session, session_id: str) -> bool:
    """Whether the customer gets money of this session back through their own bank already."""
    query = select(Refund.id).where(Refund.session_id == session_id, Refund.origin == "chargeback", Refund.counts)
    return session.scalars(query.limit(1)).first() is not None
