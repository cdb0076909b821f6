"""People who sign in."""

from datetime import datetime

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from dashboard.db import Base, BigId


class Person(Base):
    """One account. `email` is kept in lower case."""

    __tablename__ = "people"

    id: Mapped[str] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(unique=True)
    password_hash: Mapped[str]
    role: Mapped[str]
    created_at: Mapped[datetime]
    disabled_at: Mapped[datetime | None]

    # Flask-Login asks these of whoever is signed in.
    is_authenticated = True
    is_anonymous = False

    @property
    def is_active(self) -> bool:
        return self.disabled_at is None

    def get_id(self) -> str:
        return self.id


class SignInFailure(Base):
    """One failed sign-in, kept as long as it limits further ones. `bucket` is `account:…` or `address:…`."""

    __tablename__ = "sign_in_failures"
    __table_args__ = (Index(None, "bucket", "at"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    bucket: Mapped[str]
    at: Mapped[datetime]
