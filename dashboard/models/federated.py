"""Who somebody is at an OpenID provider, and what is kept for them while they are there."""

from datetime import datetime

from sqlalchemy import ForeignKey, LargeBinary, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from dashboard.db import Base


class FederatedIdentity(Base):
    """`subject` is the provider's name for a person, which never changes and is never given to another one."""

    __tablename__ = "federated_identities"
    __table_args__ = (UniqueConstraint("issuer", "person_id"),)

    issuer: Mapped[str] = mapped_column(primary_key=True)
    subject: Mapped[str] = mapped_column(primary_key=True)
    person_id: Mapped[str] = mapped_column(ForeignKey("people.id"), index=True)
    bound_at: Mapped[datetime]


class KeptForm(Base):
    """What somebody had sent before they went to the provider to prove who they are; `fields`: encrypted."""

    __tablename__ = "kept_forms"

    token_digest: Mapped[str] = mapped_column(primary_key=True)
    person_id: Mapped[str] = mapped_column(ForeignKey("people.id"), index=True)
    fields: Mapped[bytes] = mapped_column(LargeBinary)
    kept_at: Mapped[datetime]
