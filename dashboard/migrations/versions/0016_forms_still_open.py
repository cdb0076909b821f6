"""Since when nobody has seen a refund form open."""

import sqlalchemy as sa
from alembic import op

from dashboard.db import UtcDateTime

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    op.add_column("open_forms", sa.Column("seen_at", UtcDateTime(), nullable=True))
