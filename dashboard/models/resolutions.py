"""What people decide about refunds that the protocol hands to them."""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from dashboard.db import Base
from dashboard.refund_rules import CHOICES, THAT_ONE

PROPOSED = "proposed"
CONFIRMED = "confirmed"
REJECTED = "rejected"
WITHDRAWN = "withdrawn"
OUTDATED = "outdated"
RESOLUTION_STATES = (PROPOSED, CONFIRMED, REJECTED, WITHDRAWN, OUTDATED)

# What the partial index holds. A query is served by it only if it says the same in the same words.
IS_PROPOSED = f"state = '{PROPOSED}'"


class Resolution(Base):
    """One person's proposal of what became of a refund under review, and what a second person said to it.

    `id`: a UUID. A number would be given again after a restore, and a page kept open since would mean another proposal.
    `choice`: `never_made`, `that_one` (it is the bank's refund `bank_id`) or `stands` (the facts stay as they are).
    `strangers`: JSON list of the bank ids that the proposal's read showed as strangers (see `resolutions.Look`).
    `candidate`: JSON, the state and amount of the bank's refund `bank_id` then; `null` where there is none.
    `outdated`: what it rested on changed before anybody decided. A confirmed one has two different people in it.
    """

    __tablename__ = "resolutions"
    __table_args__ = (
        CheckConstraint(f"choice IN ({', '.join(map(repr, CHOICES))})", name="choice"),
        CheckConstraint(f"state IN ({', '.join(map(repr, RESOLUTION_STATES))})", name="state"),
        CheckConstraint("propose_comment <> ''", name="explained"),
        CheckConstraint(f"(choice = '{THAT_ONE}') = (bank_id IS NOT NULL)", name="which_one"),
        CheckConstraint(
            f"state <> '{CONFIRMED}' OR (decided_by_id IS NOT NULL AND decided_by_id <> proposed_by_id)",
            name="two_people",
        ),
        Index(None, "refund_id"),
        Index(
            "uq_resolutions_one_proposed",
            "refund_id",
            unique=True,
            sqlite_where=text(IS_PROPOSED),
            postgresql_where=text(IS_PROPOSED),
        ),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    refund_id: Mapped[int] = mapped_column(ForeignKey("refunds.id"))
    session_id: Mapped[str] = mapped_column(ForeignKey("payment_sessions.id"))
    choice: Mapped[str]
    bank_id: Mapped[str | None]
    strangers: Mapped[str]
    candidate: Mapped[str]
    proposed_by_id: Mapped[str] = mapped_column(ForeignKey("people.id"))
    proposed_at: Mapped[datetime]
    propose_comment: Mapped[str]
    state: Mapped[str]
    decided_by_id: Mapped[str | None] = mapped_column(ForeignKey("people.id"))
    decided_at: Mapped[datetime | None]
    decide_comment: Mapped[str | None]
