"""How far the journal has been sent on."""

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint
from sqlalchemy.orm import Mapped, mapped_column

from dashboard.db import Base


class Collector(Base):
    """The one row about the log system that takes the journal.

    `seq`, `hash`: the last entry that it has taken, 0 and zeros before the first. `next_try_at`: nobody sends before,
    since another worker is at it or the last try failed; None: at once. `tries`: how many have failed in a row.
    `problem`: why the last one failed, None if it did not.
    """

    __tablename__ = "collector"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger)
    hash: Mapped[str]
    next_try_at: Mapped[datetime | None]
    tries: Mapped[int]
    problem: Mapped[str | None]
