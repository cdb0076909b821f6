"""What people were told by mail."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from dashboard.db import Base, BigId


class Notice(Base):
    """That one person was told of one matter. `what`, `name`: see `notice_rules.Matter`. `mail_id`: in which mail."""

    __tablename__ = "notices"
    __table_args__ = (UniqueConstraint("person_id", "name", "what"), Index(None, "told_at"), Index(None, "mail_id"))

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    person_id: Mapped[str] = mapped_column(ForeignKey("people.id"))
    what: Mapped[str]
    name: Mapped[str]
    told_at: Mapped[datetime]
    mail_id: Mapped[int | None] = mapped_column(BigId, ForeignKey("mails.id"))
