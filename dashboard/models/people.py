"""People who sign in."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from dashboard.db import Base, BigId


class Person(Base):
    """One account. `email` is kept in lower case."""

    __tablename__ = "people"

    id: Mapped[str] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(unique=True)
    password_hash: Mapped[str]
    role: Mapped[str]
    created_at: Mapped[datetime]
    disabled_at: Mapped[datetime | None]


class SignIn(Base):
    """One signed-in browser. Only the SHA-256 of its token is kept here; the cookie holds the token.

    `proved_at`: when the person last proved in it who they are; None for one from before that was kept.
    `renewed_from`: the digest of the token that it had before the last proof.
    """

    __tablename__ = "sign_ins"

    token_digest: Mapped[str] = mapped_column(primary_key=True)
    person_id: Mapped[str] = mapped_column(ForeignKey("people.id"), index=True)
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    proved_at: Mapped[datetime | None]
    renewed_from: Mapped[str | None]


class SignInFailure(Base):
    """One failed sign-in, kept as long as it limits further ones. `bucket` is `account:…` or `address:…`."""

    __tablename__ = "sign_in_failures"
    __table_args__ = (Index(None, "bucket", "at"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    bucket: Mapped[str]
    at: Mapped[datetime]
