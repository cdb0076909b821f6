"""Files of refunds in hand: how far each is."""

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from dashboard.db import Base


class Export(Base):
    """One file of refunds that somebody takes along, for the page that shows how far it is.

    `id`: a UUID, made by that page. `rows_total`: how many refunds fitted at the beginning; None: not counted.
    `rows_done`: written up to `moved_at`. `how` and `ended_at`: what became of it; None while it is being written.
    """

    __tablename__ = "exports"
    __table_args__ = (
        CheckConstraint("how IN ('finished', 'broken_off')", name="how"),
        CheckConstraint("(how IS NULL) = (ended_at IS NULL)", name="ended"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    person_id: Mapped[str] = mapped_column(ForeignKey("people.id"))
    kind: Mapped[str]
    rows_total: Mapped[int | None] = mapped_column(BigInteger)
    rows_done: Mapped[int] = mapped_column(BigInteger)
    begun_at: Mapped[datetime]
    moved_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    how: Mapped[str | None]
