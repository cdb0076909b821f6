"""How far the journal has been sent on to a log system elsewhere."""

import sqlalchemy as sa
from alembic import op

from dashboard.db import UtcDateTime

revision = "0010"
down_revision = "0009"

NOTHING_YET = {"id": 1, "seq": 0, "hash": "0" * 64, "next_try_at": None, "tries": 0, "problem": None}


def upgrade() -> None:
    table = op.create_table(
        "collector",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.String(), nullable=False),
        sa.Column("next_try_at", UtcDateTime(), nullable=True),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("problem", sa.String(), nullable=True),
        sa.CheckConstraint("id = 1", name=op.f("ck_collector_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_collector")),
    )
    op.bulk_insert(table, [NOTHING_YET])
