"""The append-only record."""

from sqlalchemy import BigInteger, CheckConstraint, Index
from sqlalchemy.orm import Mapped, mapped_column

from dashboard.db import Base


class JournalEntry(Base):
    """One event. `seq` has no gaps; `data` is the canonical JSON text that was hashed; `at` is fixed-width.

    Without SQLite's hidden row numbers: REPLACE could use one to put an entry in the place of another.
    """

    __tablename__ = "journal"
    __table_args__ = (
        Index(None, "subject", "seq"),
        Index(None, "action", "seq"),
        Index(None, "actor", "seq"),
        Index(None, "action", "actor", "seq"),
        {"sqlite_with_rowid": False},
    )

    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    at: Mapped[str]
    actor: Mapped[str]
    action: Mapped[str]
    subject: Mapped[str]
    data: Mapped[str]
    prev_hash: Mapped[str]
    hash: Mapped[str]


class JournalHead(Base):
    """Where the chain ends; `seal` keeps the head from being set back without the key."""

    __tablename__ = "journal_head"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger)
    hash: Mapped[str]
    seal: Mapped[str]
