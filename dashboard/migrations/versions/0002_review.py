"""Review by two people: their decisions, acknowledged anomalies, replacements, and the moment of a restore."""

import sqlalchemy as sa
from alembic import op

from dashboard.db import BigId, UtcDateTime

revision = "0002"
down_revision = "0001"

_PROPOSED = "state = 'proposed'"
_OPEN_ANOMALY = "acknowledged_at IS NULL"
_REPLACES = "replaces_id IS NOT NULL"


def upgrade() -> None:
    _add_reference("refunds", "replaces_id", "BIGINT", "refunds")
    _add_reference("anomalies", "acknowledged_by_id", "VARCHAR", "people")
    op.add_column("anomalies", sa.Column("acknowledged_at", UtcDateTime(), nullable=True))
    op.add_column("anomalies", sa.Column("comment", sa.String(), nullable=True))
    op.add_column("anomalies", sa.Column("over_at", UtcDateTime(), nullable=True))
    op.add_column("installation", sa.Column("restored_at", UtcDateTime(), nullable=True))
    op.add_column("installation", sa.Column("bank_url", sa.String(), nullable=True))
    op.add_column("installation", sa.Column("project", sa.String(), nullable=True))
    for column in ("bank_url", "project"):
        op.execute(
            f"UPDATE installation SET {column} ="  # noqa: S608
            f" (SELECT {column} FROM refunds WHERE origin = 'here' ORDER BY id DESC LIMIT 1)"
        )
    _create_resolutions()
    _create_indexes()


def _add_reference(table: str, column: str, kind: str, target: str) -> None:
    """A column with a foreign key; SQLite can add one only in the same breath."""
    if op.get_bind().dialect.name == "sqlite" and kind == "BIGINT":
        kind = "INTEGER"
    op.execute(
        f"ALTER TABLE {table} ADD COLUMN {column} {kind} CONSTRAINT fk_{table}_{column} REFERENCES {target} (id)"
    )


def _create_resolutions() -> None:
    op.create_table(
        "resolutions",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("refund_id", BigId, nullable=False),
        sa.Column("session_id", sa.String(), nullable=False),
        sa.Column("choice", sa.String(), nullable=False),
        sa.Column("bank_id", sa.String(), nullable=True),
        sa.Column("strangers", sa.String(), nullable=False),
        sa.Column("candidate", sa.String(), nullable=False),
        sa.Column("proposed_by_id", sa.String(), nullable=False),
        sa.Column("proposed_at", UtcDateTime(), nullable=False),
        sa.Column("propose_comment", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("decided_by_id", sa.String(), nullable=True),
        sa.Column("decided_at", UtcDateTime(), nullable=True),
        sa.Column("decide_comment", sa.String(), nullable=True),
        sa.CheckConstraint("choice IN ('never_made', 'that_one', 'stands')", name=op.f("ck_resolutions_choice")),
        sa.CheckConstraint(
            "state IN ('proposed', 'confirmed', 'rejected', 'withdrawn', 'outdated')",
            name=op.f("ck_resolutions_state"),
        ),
        sa.CheckConstraint("propose_comment <> ''", name=op.f("ck_resolutions_explained")),
        sa.CheckConstraint("(choice = 'that_one') = (bank_id IS NOT NULL)", name=op.f("ck_resolutions_which_one")),
        sa.CheckConstraint(
            "state <> 'confirmed' OR (decided_by_id IS NOT NULL AND decided_by_id <> proposed_by_id)",
            name=op.f("ck_resolutions_two_people"),
        ),
        sa.ForeignKeyConstraint(["refund_id"], ["refunds.id"], name=op.f("fk_resolutions_refund_id")),
        sa.ForeignKeyConstraint(["session_id"], ["payment_sessions.id"], name=op.f("fk_resolutions_session_id")),
        sa.ForeignKeyConstraint(["proposed_by_id"], ["people.id"], name=op.f("fk_resolutions_proposed_by_id")),
        sa.ForeignKeyConstraint(["decided_by_id"], ["people.id"], name=op.f("fk_resolutions_decided_by_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_resolutions")),
    )
    op.create_index(op.f("ix_resolutions_refund_id"), "resolutions", ["refund_id"], unique=False)


def _create_indexes() -> None:
    _partial_index("uq_resolutions_one_proposed", "resolutions", "refund_id", _PROPOSED, unique=True)
    _partial_index("ix_anomalies_open", "anomalies", "id", _OPEN_ANOMALY)
    _partial_index("ix_refunds_replaces_id", "refunds", "replaces_id", _REPLACES)
    if op.get_bind().dialect.name == "sqlite":
        # Like the lines of the first shape: rows in an index, then rows that share its first column.
        op.bulk_insert(
            sa.table("sqlite_stat1", sa.column("tbl"), sa.column("idx"), sa.column("stat")),
            [{"tbl": "refunds", "idx": "ix_refunds_replaces_id", "stat": "50 1"}],
        )


def _partial_index(name: str, table: str, column: str, where: str, *, unique: bool = False) -> None:
    condition = sa.text(where)
    op.create_index(name, table, [column], unique=unique, sqlite_where=condition, postgresql_where=condition)
