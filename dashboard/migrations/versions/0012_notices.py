"""What people hear of by mail, and what they were told."""

import sqlalchemy as sa
from alembic import op

from dashboard.db import BigId, UtcDateTime

revision = "0012"
down_revision = "0011"

WAS_GIVEN_UP = sa.text("next_try_at IS NULL AND sent_at IS NULL")


def upgrade() -> None:
    op.add_column("people", sa.Column("notices", sa.String(), nullable=True))
    op.create_table(
        "notices",
        sa.Column("id", BigId, nullable=False),
        sa.Column("person_id", sa.String(), nullable=False),
        sa.Column("what", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("told_at", UtcDateTime(), nullable=False),
        sa.Column("mail_id", BigId, nullable=True),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_notices_person_id")),
        sa.ForeignKeyConstraint(["mail_id"], ["mails.id"], name=op.f("fk_notices_mail_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notices")),
        sa.UniqueConstraint("person_id", "name", "what", name=op.f("uq_notices_person_id_name_what")),
    )
    op.create_index(op.f("ix_notices_told_at"), "notices", ["told_at"], unique=False)
    op.create_index(op.f("ix_notices_mail_id"), "notices", ["mail_id"], unique=False)
    op.create_index(
        "ix_mails_given_up",
        "mails",
        ["kind"],
        unique=False,
        sqlite_where=WAS_GIVEN_UP,
        postgresql_where=WAS_GIVEN_UP,
    )
