"""Mail on its way to people."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, LargeBinary, text
from sqlalchemy.orm import Mapped, mapped_column

from dashboard.db import Base, BigId

IS_WAITING = "next_try_at IS NOT NULL"
WAS_GIVEN_UP = "next_try_at IS NULL AND sent_at IS NULL"


class Mail(Base):
    """One mail. Who gets it and what it is about stay; what it says does not outlive its sending.

    `kind`: a code. `letter`: subject and text, encrypted; None once it is over. `holds_until`: of no use to anybody
    from then on. `next_try_at`: None once it is over. `sent_at`: the mail server has taken it. `problem`: why not,
    as the server said it, or a code of `mail`.
    """

    __tablename__ = "mails"
    __table_args__ = (
        Index("ix_mails_next_try_at", "next_try_at", sqlite_where=text(IS_WAITING), postgresql_where=text(IS_WAITING)),
        Index("ix_mails_given_up", "kind", sqlite_where=text(WAS_GIVEN_UP), postgresql_where=text(WAS_GIVEN_UP)),
        Index(None, "person_id", "id"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    person_id: Mapped[str] = mapped_column(ForeignKey("people.id"))
    kind: Mapped[str]
    letter: Mapped[bytes | None] = mapped_column(LargeBinary)
    queued_at: Mapped[datetime]
    holds_until: Mapped[datetime]
    next_try_at: Mapped[datetime | None]
    tries: Mapped[int] = mapped_column(default=0)
    sent_at: Mapped[datetime | None]
    problem: Mapped[str | None]
