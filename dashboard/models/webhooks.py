"""Webhook deliveries: a row outlives the rollback of its processing."""

from datetime import datetime

from sqlalchemy import Index, LargeBinary, text
from sqlalchemy.orm import Mapped, mapped_column

from dashboard.db import Base, BigId


class WebhookDelivery(Base):
    """One signed body, kept once however often it comes: as it came, but for card numbers. `digest`: of what came.

    `body`: NULL once the time is over for which it is kept; it has been applied then.
    `next_try_at` is set while it is still to be applied. `problem` says why it could not be or what is odd.
    """

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        Index(None, "last_seen_at"),
        Index(None, "session_id"),
        Index(
            "ix_webhook_deliveries_body_kept",
            "last_seen_at",
            sqlite_where=text("body IS NOT NULL"),
            postgresql_where=text("body IS NOT NULL"),
        ),
        Index(
            "ix_webhook_deliveries_next_try_at",
            "next_try_at",
            sqlite_where=text("next_try_at IS NOT NULL"),
            postgresql_where=text("next_try_at IS NOT NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    digest: Mapped[str] = mapped_column(unique=True)
    body: Mapped[bytes | None] = mapped_column(LargeBinary)
    first_seen_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]
    times_seen: Mapped[int]
    type: Mapped[str | None]
    session_id: Mapped[str | None]
    applied_at: Mapped[datetime | None]
    next_try_at: Mapped[datetime | None]
    failures: Mapped[int]
    problem: Mapped[str | None]
