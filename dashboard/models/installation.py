"""What is true of the installation as a whole."""

from datetime import datetime

from sqlalchemy import CheckConstraint
from sqlalchemy.orm import Mapped, mapped_column

from dashboard.db import Base


class Installation(Base):
    """The one row of facts about this installation.

    `sending_paused_why`: each reason a line (see `pauses`).
    `bank_echoes_reference`: the bank has shown a reference of ours in a refund, so it always will.
    `restored_at`: the database was last put back from a backup then.
    `bank_url`, `project`: the bank that the books are about, kept by the first process that starts.
    """

    __tablename__ = "installation"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    sending_paused_at: Mapped[datetime | None]
    sending_paused_why: Mapped[str | None]
    bank_echoes_reference: Mapped[bool]
    restored_at: Mapped[datetime | None]
    bank_url: Mapped[str | None]
    project: Mapped[str | None]


class WorkerBeat(Base):
    """A worker's sign of life."""

    __tablename__ = "worker_beats"

    worker_id: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[datetime]


class LiveViewers(Base):
    """How many live pages one web process served at a moment."""

    __tablename__ = "live_viewers"

    process_id: Mapped[str] = mapped_column(primary_key=True)
    viewers: Mapped[int]
    at: Mapped[datetime]
