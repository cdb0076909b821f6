"""Who did a certain thing: the journal by action and actor together."""

from alembic import op

revision = "0006"
down_revision = "0002"


def upgrade() -> None:
    op.create_index(op.f("ix_journal_action_actor_seq"), "journal", ["action", "actor", "seq"], unique=False)
    if op.get_bind().dialect.name == "postgresql":
        # Who acts does not depend on what is done by chance: without this PostgreSQL goes through everything.
        op.execute("CREATE STATISTICS journal_action_actor (mcv) ON action, actor FROM journal")
