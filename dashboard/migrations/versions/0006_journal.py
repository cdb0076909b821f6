"""The journal by action and actor together, webhooks whose body is kept, and a head that is not set back."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_index(op.f("ix_journal_action_actor_seq"), "journal", ["action", "actor", "seq"], unique=False)
    op.create_index(
        "ix_webhook_deliveries_body_kept",
        "webhook_deliveries",
        ["last_seen_at"],
        unique=False,
        sqlite_where=sa.text("body IS NOT NULL"),
        postgresql_where=sa.text("body IS NOT NULL"),
    )
    if op.get_bind().dialect.name == "postgresql":
        # Who acts does not depend on what is done by chance: without this PostgreSQL goes through everything.
        op.execute("CREATE STATISTICS journal_action_actor (mcv) ON action, actor FROM journal")
        _guard_head_on_postgresql()


def _guard_head_on_postgresql() -> None:
    """On SQLite whoever may write may also take a trigger away."""
    op.execute(
        "CREATE TRIGGER journal_head_only_rises BEFORE UPDATE ON journal_head "
        "FOR EACH ROW WHEN (NEW.id <> OLD.id OR NEW.seq < OLD.seq) EXECUTE FUNCTION journal_only_grows()"
    )
    op.execute(
        "CREATE TRIGGER journal_head_stays BEFORE DELETE OR TRUNCATE ON journal_head "
        "FOR EACH STATEMENT EXECUTE FUNCTION journal_only_grows()"
    )
