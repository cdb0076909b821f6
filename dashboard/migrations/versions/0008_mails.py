"""Mail on its way to people."""

import sqlalchemy as sa
from alembic import op

from dashboard.db import BigId, UtcDateTime

revision = "0008"
down_revision = "0007"

IS_WAITING = sa.text("next_try_at IS NOT NULL")


def upgrade() -> None:
    op.create_table(
        "mails",
        sa.Column("id", BigId, nullable=False),
        sa.Column("person_id", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("letter", sa.LargeBinary(), nullable=True),
        sa.Column("queued_at", UtcDateTime(), nullable=False),
        sa.Column("holds_until", UtcDateTime(), nullable=False),
        sa.Column("next_try_at", UtcDateTime(), nullable=True),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("sent_at", UtcDateTime(), nullable=True),
        sa.Column("problem", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_mails_person_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mails")),
    )
    op.create_index(
        "ix_mails_next_try_at",
        "mails",
        ["next_try_at"],
        unique=False,
        sqlite_where=IS_WAITING,
        postgresql_where=IS_WAITING,
    )
    op.create_index(op.f("ix_mails_person_id_id"), "mails", ["person_id", "id"], unique=False)
