"""Second factors: what somebody has beside the password, and how two people take it away."""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, text
from sqlalchemy.orm import Mapped, mapped_column

from dashboard.db import Base, BigId

ASKED = "asked"
CONFIRMED = "confirmed"
WITHDRAWN = "withdrawn"
OUTDATED = "outdated"
RESET_STATES = (ASKED, CONFIRMED, WITHDRAWN, OUTDATED)

IS_ASKED = f"state = '{ASKED}'"


class AuthenticatorApp(Base):
    """The app that shows somebody a new code every half minute.

    `secret`: encrypted (see `totp`). `last_step`: the time step of the last code that was used; none is used twice.
    """

    __tablename__ = "authenticator_apps"

    person_id: Mapped[str] = mapped_column(ForeignKey("people.id"), primary_key=True)
    secret: Mapped[bytes] = mapped_column(LargeBinary)
    last_step: Mapped[int]
    added_at: Mapped[datetime]
    last_used_at: Mapped[datetime]


class Passkey(Base):
    """A key pair in somebody's device, of which the public half is kept here.

    `credential_id`: unpadded base64url, the device's name for it. `transports`: JSON list, how the browser reaches it.
    """

    __tablename__ = "passkeys"
    __table_args__ = (CheckConstraint("name <> ''", name="named"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    person_id: Mapped[str] = mapped_column(ForeignKey("people.id"), index=True)
    credential_id: Mapped[str] = mapped_column(unique=True)
    public_key: Mapped[bytes] = mapped_column(LargeBinary)
    sign_count: Mapped[int] = mapped_column(BigId)
    transports: Mapped[str]
    name: Mapped[str]
    added_at: Mapped[datetime]
    last_used_at: Mapped[datetime]


class RecoveryCode(Base):
    """A code on paper for the day when everything else is lost. Only a digest is kept; each works once."""

    __tablename__ = "recovery_codes"

    digest: Mapped[str] = mapped_column(primary_key=True)
    person_id: Mapped[str] = mapped_column(ForeignKey("people.id"), index=True)
    made_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class HalfSignIn(Base):
    """The password was right, the second factor is awaited. Only the SHA-256 of its token is kept."""

    __tablename__ = "half_sign_ins"

    token_digest: Mapped[str] = mapped_column(primary_key=True)
    person_id: Mapped[str] = mapped_column(ForeignKey("people.id"), index=True)
    started_at: Mapped[datetime]


class FactorReset(Base):
    """One admin asks that somebody's second factors be taken away, a second one confirms.

    `outdated`: whoever asked may not do so any more, or there was nothing left to take away.
    A confirmed one has two different people in it, and neither confirms for themselves.
    """

    __tablename__ = "factor_resets"
    __table_args__ = (
        CheckConstraint(f"state IN ({', '.join(map(repr, RESET_STATES))})", name="state"),
        CheckConstraint("why <> ''", name="explained"),
        CheckConstraint(
            f"state <> '{CONFIRMED}' OR (decided_by_id IS NOT NULL AND decided_by_id <> asked_by_id)",
            name="two_people",
        ),
        CheckConstraint(f"state <> '{CONFIRMED}' OR decided_by_id <> person_id", name="not_for_oneself"),
        Index(None, "person_id"),
        Index(
            "uq_factor_resets_one_asked",
            "person_id",
            unique=True,
            sqlite_where=text(IS_ASKED),
            postgresql_where=text(IS_ASKED),
        ),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    person_id: Mapped[str] = mapped_column(ForeignKey("people.id"))
    asked_by_id: Mapped[str] = mapped_column(ForeignKey("people.id"))
    asked_at: Mapped[datetime]
    why: Mapped[str]
    state: Mapped[str]
    decided_by_id: Mapped[str | None] = mapped_column(ForeignKey("people.id"))
    decided_at: Mapped[datetime | None]
