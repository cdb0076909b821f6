"""What a refund may be a second one of: shown before money moves, to people who can tell. It stops nothing."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import and_, case, or_, select
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


def of_amount(
    session: Session,
    payment_session: PaymentSession,
    amount_minor: int,
    currency: str,
    now: datetime,
    *,
    beside: str | None = None,
) -> list[LookAlike]:
    """Those of the last week that hold money, in this session or of this customer or card; the newest first.

    `beside`: the reference of the refund itself, where it is one already.
    """
    is_here = Refund.session_id == payment_session.id
    same_customer = and_(
        PaymentSession.customer_reference != "",
        PaymentSession.customer_reference == payment_session.customer_reference,
    )
    same_card = and_(
        PaymentSession.card_last4 != "",
        PaymentSession.card_last4 == payment_session.card_last4,
        PaymentSession.card_brand == payment_session.card_brand,
    )
    why = case((is_here, SAME_SESSION), (same_customer, SAME_CUSTOMER), else_=SAME_CARD)
    query = (
        select(Refund.reference, Refund.session_id, why, Refund.asked_at, Person.email)
        .join(PaymentSession, PaymentSession.id == Refund.session_id)
        .outerjoin(Person, Person.id == Refund.asked_by_id)
        .where(
            Refund.asked_at > now - LATELY,
            Refund.amount_minor == amount_minor,
            Refund.currency == currency,
            Refund.counts,
            Refund.reference != (beside or ""),
            Refund.origin != "chargeback",
            or_(is_here, same_customer, same_card),
        )
        .order_by(Refund.asked_at.desc(), Refund.id.desc())
    )
    return [LookAlike(*row) for row in session.execute(query.limit(MOST))]


def charged_back(session: Session, session_id: str) -> bool:
    """Whether the customer gets money of this session back through their own bank already."""
    query = select(Refund.id).where(Refund.session_id == session_id, Refund.origin == "chargeback", Refund.counts)
    return session.scalars(query.limit(1)).first() is not None
