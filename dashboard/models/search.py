"""Words by which sessions and refunds are found."""

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from dashboard.db import Base, BigId

# Ordered by code points on both databases, so that a prefix is a range.
BinaryText = String().with_variant(String(collation="C"), "postgresql")


class SearchTerm(Base):
    """One lower-case word of a session, or of one of its refunds (`refund_id` 0: of the session itself)."""

    __tablename__ = "search_terms"
    __table_args__ = (Index(None, "session_id", "refund_id", "term"), {"sqlite_with_rowid": False})

    term: Mapped[str] = mapped_column(BinaryText, primary_key=True)
    session_id: Mapped[str] = mapped_column(primary_key=True)
    refund_id: Mapped[int] = mapped_column(BigId, primary_key=True)
