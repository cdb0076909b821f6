"""People who sign in."""

from datetime import datetime

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from dashboard.db import Base


class Person(Base):
    """One account. `email` is kept in lower case. `password_hash`: empty until a password was set.

    `language`, `timezone`, `theme`, `keys`: what the person chose for their pages, each None where they did not.
    `notices`: what they hear of by mail (see `notice_rules.chosen`); None: as goes with the role.
    """

    __tablename__ = "people"

    id: Mapped[str] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(unique=True)
    password_hash: Mapped[str]
    role: Mapped[str]
    created_at: Mapped[datetime]
    disabled_at: Mapped[datetime | None]
    password_changed_at: Mapped[datetime | None]
    language: Mapped[str | None]
    timezone: Mapped[str | None]
    theme: Mapped[str | None]
    keys: Mapped[str | None]
    notices: Mapped[str | None]


class SignIn(Base):
    """One signed-in browser. Only the SHA-256 of its token is kept here; the cookie holds the token.

    `proved_at`: when the person last proved in it who they are; None for one from before that was kept.
    `renewed_from`: the digest of the token that it had before the last proof.
    `last_seen_at`: when its person last did something, to the minute. `browser`: its User-Agent.
    """

    __tablename__ = "sign_ins"

    token_digest: Mapped[str] = mapped_column(primary_key=True)
    person_id: Mapped[str] = mapped_column(ForeignKey("people.id"), index=True)
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    proved_at: Mapped[datetime | None]
    renewed_from: Mapped[str | None]
    last_seen_at: Mapped[datetime]
    address: Mapped[str]
    browser: Mapped[str]


class Guess(Base):
    """How often something was guessed since `began_at`. `bucket`: what, by what it is counted, and whose it is."""

    __tablename__ = "guesses"

    bucket: Mapped[str] = mapped_column(primary_key=True)
    began_at: Mapped[datetime] = mapped_column(index=True)
    count: Mapped[int]
