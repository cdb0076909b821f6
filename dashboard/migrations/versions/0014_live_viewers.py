"""How many live pages each web process serves."""

import sqlalchemy as sa
from alembic import op

from dashboard.db import UtcDateTime

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    op.create_table(
        "live_viewers",
        sa.Column("process_id", sa.String(), nullable=False),
        sa.Column("viewers", sa.Integer(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("process_id", name=op.f("pk_live_viewers")),
    )
