"""Sign-ins that end when nobody does anything and that tell where they are; guesses counted; links that work once."""

import sqlalchemy as sa
from alembic import op

from dashboard.db import UtcDateTime

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    # Nobody knows when these were last used: everybody signs in anew.
    op.execute("DELETE FROM sign_ins")
    op.add_column("sign_ins", sa.Column("last_seen_at", UtcDateTime(), nullable=False))
    op.add_column("sign_ins", sa.Column("address", sa.String(), nullable=False))
    op.add_column("sign_ins", sa.Column("browser", sa.String(), nullable=False))
    op.add_column("people", sa.Column("password_changed_at", UtcDateTime(), nullable=True))
    _create_links()
    # Failures count for minutes: none of them is worth being moved.
    op.drop_table("sign_in_failures")
    op.create_table(
        "guesses",
        sa.Column("bucket", sa.String(), nullable=False),
        sa.Column("began_at", UtcDateTime(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("bucket", name=op.f("pk_guesses")),
    )
    op.create_index(op.f("ix_guesses_began_at"), "guesses", ["began_at"], unique=False)


def _create_links() -> None:
    op.create_table(
        "links",
        sa.Column("token_digest", sa.String(), nullable=False),
        sa.Column("person_id", sa.String(), nullable=False),
        sa.Column("made_by", sa.String(), nullable=False),
        sa.Column("made_at", UtcDateTime(), nullable=False),
        sa.Column("ended_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_links_person_id")),
        sa.PrimaryKeyConstraint("token_digest", name=op.f("pk_links")),
    )
    op.create_index(op.f("ix_links_person_id"), "links", ["person_id"], unique=False)
