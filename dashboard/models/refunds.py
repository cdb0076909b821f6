"""Refunds, the attempts to send them, and facts that fit no rule."""

from datetime import datetime

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    LargeBinary,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from dashboard.db import Base, BigId
from dashboard.refund_rules import OPEN, STATES


def _in_list(column: str, values: tuple[str, ...]) -> str:
    return f"{column} IN ({', '.join(repr(value) for value in values)})"


def _partial_index(name: str, *columns: str, where: str, unique: bool = False) -> Index:
    return Index(name, *columns, unique=unique, sqlite_where=text(where), postgresql_where=text(where))


# What the partial indexes of lists hold. A query is served by them only if it says the same in the same words.
IS_OPEN = _in_list("state", tuple(state for state in STATES if state in OPEN))
NEEDS_SOMEBODY = "review <> '' OR state = 'unknown'"
OPEN_ANOMALY = "acknowledged_at IS NULL"


class Refund(Base):
    """One refund, asked for here or found at the bank.

    `reference`: ours, a UUID, also its idempotency key at the bank. `bank_id`: the bank's `rf_…` once known.
    `amount_minor` never changes; `bank_amount_minor` is what the bank shows. `counts`: holds money of its session.
    `review`: the code of why people have to look; empty: nobody has to. `body`: the exact bytes to send.
    `undo_until`: not sent before. `next_send_at`: set while it is still to be sent; the worker looks at it then.
    `absence_1_at`, `absence_2_at`: starts of the reads that proved that the bank does not have it.
    `replaces_id`: the abandoned refund in whose place it was asked for.
    """

    __tablename__ = "refunds"
    __table_args__ = (
        CheckConstraint(_in_list("state", STATES), name="state"),
        CheckConstraint(_in_list("origin", ("here", "bank", "chargeback")), name="origin"),
        CheckConstraint("amount_minor > 0", name="amount"),
        CheckConstraint("origin <> 'here' OR (body IS NOT NULL AND form_token IS NOT NULL)", name="sendable"),
        UniqueConstraint("session_id", "bank_id"),
        Index(None, "asked_at", "id"),
        Index(None, "state", "asked_at", "id"),
        Index(None, "session_id", "asked_at", "id"),
        Index(None, "asked_by_id", "asked_at", "id"),
        Index(None, "asked_by_id", "state", "asked_at", "id"),
        Index(None, "origin", "asked_at", "id"),
        Index(None, "origin", "state", "asked_at", "id"),
        Index(None, "bank_id"),
        _partial_index("ix_refunds_to_send", "next_send_at", where="next_send_at IS NOT NULL"),
        _partial_index("ix_refunds_sending", "id", where="state = 'sending'"),
        _partial_index("ix_refunds_review", "session_id", where="review <> ''"),
        _partial_index("ix_refunds_open", "asked_at", "id", where=IS_OPEN),
        _partial_index("ix_refunds_needs_people", "asked_at", "id", where=NEEDS_SOMEBODY),
        _partial_index("ix_refunds_replaces_id", "replaces_id", where="replaces_id IS NOT NULL"),
        _partial_index("uq_refunds_one_open_send", "session_id", where="state IN ('sending', 'unknown')", unique=True),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    reference: Mapped[str] = mapped_column(unique=True)
    session_id: Mapped[str] = mapped_column(ForeignKey("payment_sessions.id"))
    origin: Mapped[str]
    state: Mapped[str]
    review: Mapped[str] = mapped_column(default="")
    counts: Mapped[bool]
    contradicted: Mapped[bool] = mapped_column(default=False)

    amount_minor: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str]
    in_full: Mapped[bool]

    bank_id: Mapped[str | None]
    bank_status: Mapped[str | None]
    bank_amount_minor: Mapped[int | None] = mapped_column(BigInteger)
    bank_currency: Mapped[str | None]
    bank_finished_at: Mapped[datetime | None]
    payment_id: Mapped[str | None]
    rrn: Mapped[str | None]

    asked_at: Mapped[datetime]
    asked_by_id: Mapped[str | None] = mapped_column(ForeignKey("people.id"))
    reason: Mapped[str] = mapped_column(default="")
    comment: Mapped[str] = mapped_column(default="")
    form_token: Mapped[str | None] = mapped_column(unique=True)
    replaces_id: Mapped[int | None] = mapped_column(BigId, ForeignKey("refunds.id"))

    body: Mapped[bytes | None] = mapped_column(LargeBinary)
    bank_url: Mapped[str | None]
    project: Mapped[str | None]
    undo_until: Mapped[datetime | None]
    next_send_at: Mapped[datetime | None]
    send_failures: Mapped[int] = mapped_column(default=0)
    sent_at: Mapped[datetime | None]
    absence_1_at: Mapped[datetime | None]
    absence_2_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]


class RefundCount(Base):
    """So many refunds more in a state, or fewer: added up they say how many are in it.

    Triggers on `refunds` write these, whoever changes a refund. What is only added makes no change wait for another,
    as one row for each state would; `refund_counts` adds them up from time to time.
    """

    __tablename__ = "refund_counts"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    state: Mapped[str]
    delta: Mapped[int] = mapped_column(BigInteger)


class Attempt(Base):
    """One try to send a refund. `baseline`: JSON list of the bank ids known in the session just before."""

    __tablename__ = "attempts"
    __table_args__ = (UniqueConstraint("refund_id", "number"), Index(None, "session_id"))

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    refund_id: Mapped[int] = mapped_column(ForeignKey("refunds.id"))
    session_id: Mapped[str]
    number: Mapped[int]
    is_resend: Mapped[bool]
    started_at: Mapped[datetime]
    lease_until: Mapped[datetime]
    baseline: Mapped[str]
    outcome: Mapped[str | None]
    answered_at: Mapped[datetime | None]
    http_status: Mapped[int | None]
    answer_digest: Mapped[str | None]
    error_code: Mapped[str | None]
    error_description: Mapped[str | None]


class Anomaly(Base):
    """A fact that fits no rule, told once. `kind` is a code, `detail` what tells it from others of its kind.

    `refund_id` 0: of the session itself. `acknowledged_at`: somebody has looked at it, and said so in `comment`.
    `over_at`: a read has shown since that it does not hold any more; should it hold again, it is told again.
    """

    __tablename__ = "anomalies"
    __table_args__ = (
        UniqueConstraint("session_id", "refund_id", "kind", "detail"),
        Index(None, "refund_id"),
        _partial_index("ix_anomalies_open", "id", where=OPEN_ANOMALY),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    session_id: Mapped[str] = mapped_column(ForeignKey("payment_sessions.id"))
    refund_id: Mapped[int] = mapped_column(BigId)
    kind: Mapped[str]
    detail: Mapped[str]
    found_at: Mapped[datetime]
    acknowledged_at: Mapped[datetime | None]
    acknowledged_by_id: Mapped[str | None] = mapped_column(ForeignKey("people.id"))
    comment: Mapped[str | None]
    over_at: Mapped[datetime | None]
