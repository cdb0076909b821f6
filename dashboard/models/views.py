"""What people keep for themselves and what they have open: searches under a name, forms of refunds."""

from datetime import datetime

from sqlalchemy import ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from dashboard.db import Base, BigId


class SavedView(Base):
    """A search of the history. `arguments`: the filters as they stand in an address."""

    __tablename__ = "saved_views"
    __table_args__ = (UniqueConstraint("person_id", "name"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    person_id: Mapped[str] = mapped_column(ForeignKey("people.id"))
    name: Mapped[str]
    arguments: Mapped[str]


class OpenForm(Base):
    """Who opened the refund form of a session last when, and when their page last said that it is there."""

    __tablename__ = "open_forms"

    session_id: Mapped[str] = mapped_column(ForeignKey("payment_sessions.id"), primary_key=True)
    person_id: Mapped[str] = mapped_column(ForeignKey("people.id"), primary_key=True)
    opened_at: Mapped[datetime]
    seen_at: Mapped[datetime | None]
