"""The language, time zone and colours that somebody chose for their pages."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    for name in ("language", "timezone", "theme"):
        op.add_column("people", sa.Column(name, sa.String(), nullable=True))
