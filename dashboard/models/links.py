"""Links that let somebody set a password."""

from datetime import datetime

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from dashboard.db import Base


class Link(Base):
    """One link. Only the SHA-256 of its token is kept. `made_by`: the address of the admin who gave it out.

    `ended_at`: it was used, or another one took its place.
    """

    __tablename__ = "links"

    token_digest: Mapped[str] = mapped_column(primary_key=True)
    person_id: Mapped[str] = mapped_column(ForeignKey("people.id"), index=True)
    made_by: Mapped[str]
    made_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
