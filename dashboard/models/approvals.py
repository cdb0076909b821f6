"""How much one person may refund alone, and what a second one said to the rest."""

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from dashboard.db import Base, BigId

APPROVED = "approved"
REJECTED = "rejected"


class RefundLimit(Base):
    """The limits of one currency, in its minor units; see `limit_rules.Limit`. `currency` `*`: of all others."""

    __tablename__ = "refund_limits"
    __table_args__ = (
        CheckConstraint("at_once_up_to_minor <= approved_up_to_minor", name="in_order"),
        CheckConstraint(
            "at_once_up_to_minor >= 0 AND approved_up_to_minor >= 0 AND alone_a_day_minor >= 0"
            " AND proof_above_minor >= 0",
            name="not_negative",
        ),
    )

    currency: Mapped[str] = mapped_column(primary_key=True)
    at_once_up_to_minor: Mapped[int | None] = mapped_column(BigInteger)
    approved_up_to_minor: Mapped[int | None] = mapped_column(BigInteger)
    alone_a_day_minor: Mapped[int | None] = mapped_column(BigInteger)
    proof_above_minor: Mapped[int | None] = mapped_column(BigInteger)


class Approval(Base):
    """That a refund needs a second person's word, made with it, and that word: once, and of this refund alone.

    Triggers of the database hold the rest: it fits its refund, what it is about is changed in neither, it is decided
    once, and until it is approved the refund is not sent.
    """

    __tablename__ = "approvals"
    __table_args__ = (
        CheckConstraint(f"decision IN ('{APPROVED}', '{REJECTED}')", name="decision"),
        CheckConstraint("decided_by_id <> asked_by_id", name="two_people"),
        CheckConstraint("(decision IS NULL) = (decided_by_id IS NULL)", name="by_somebody"),
        CheckConstraint("(decision IS NULL) = (decided_at IS NULL)", name="at_a_time"),
        CheckConstraint(f"decision <> '{REJECTED}' OR comment <> ''", name="explained"),
    )

    refund_id: Mapped[int] = mapped_column(BigId, ForeignKey("refunds.id"), primary_key=True, autoincrement=False)
    session_id: Mapped[str]
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str]
    asked_by_id: Mapped[str] = mapped_column(ForeignKey("people.id"))
    decision: Mapped[str | None]
    decided_by_id: Mapped[str | None] = mapped_column(ForeignKey("people.id"))
    decided_at: Mapped[datetime | None]
    comment: Mapped[str] = mapped_column(default="")
