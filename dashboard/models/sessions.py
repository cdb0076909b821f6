"""Payment sessions and their payments, as the bank showed them."""

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from dashboard.db import Base
from dashboard.models.refunds import Anomaly


class PaymentSession(Base):
    """A session of the bank's, indexed here.

    `confirmed_at`: our own read has shown it; before that it is hearsay from a webhook.
    `captured_minor`: succeeded payments, from our own reads alone. `committed_minor`: refunds that count.
    `shown_at`, `shown_updated_at`: which snapshot the descriptive fields come from.
    `read_at`: the start of the last good read. `read_wanted_at`: somebody asked for a read since,
    and no worker has taken it on yet.
    `anomalies`: all that was ever told of it, over or not; fresh after `ledger.lock_session`, whose lock it takes.
    """

    __tablename__ = "payment_sessions"
    __table_args__ = (
        Index(None, "created_at", "id"),
        Index(None, "status", "created_at", "id"),
        Index(
            "ix_payment_sessions_next_read_at",
            "next_read_at",
            sqlite_where=text("next_read_at IS NOT NULL"),
            postgresql_where=text("next_read_at IS NOT NULL"),
        ),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    status: Mapped[str]
    created_at: Mapped[datetime]
    found_at: Mapped[datetime]
    confirmed_at: Mapped[datetime | None]
    denied_at: Mapped[datetime | None]

    currency: Mapped[str | None]
    captured_minor: Mapped[int] = mapped_column(BigInteger, default=0)
    committed_minor: Mapped[int] = mapped_column(BigInteger, default=0)

    customer_reference: Mapped[str | None]
    method: Mapped[str | None]
    card_brand: Mapped[str | None]
    card_last4: Mapped[str | None]
    rrn: Mapped[str | None]
    fields: Mapped[str]
    shown_at: Mapped[datetime]
    shown_updated_at: Mapped[datetime | None]

    read_at: Mapped[datetime | None]
    read_wanted_at: Mapped[datetime | None]
    next_read_at: Mapped[datetime | None]
    read_failures: Mapped[int] = mapped_column(default=0)
    read_problem: Mapped[str | None]

    anomalies: Mapped[list[Anomaly]] = relationship(order_by=Anomaly.id)


class Payment(Base):
    """One payment of a session. Once `succeeded`, always `succeeded`.

    `confirmed`: our own read has shown it succeeded, so that it counts as captured.
    """

    __tablename__ = "payments"

    session_id: Mapped[str] = mapped_column(ForeignKey("payment_sessions.id"), primary_key=True)
    id: Mapped[str] = mapped_column(primary_key=True)
    status: Mapped[str]
    confirmed: Mapped[bool]
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str]
    created_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    customer_reference: Mapped[str | None]
    method: Mapped[str | None]
    card_brand: Mapped[str | None]
    card_last4: Mapped[str | None]
    rrn: Mapped[str | None]
    arn: Mapped[str | None]
    auth_code: Mapped[str | None]
