"""How many refunds are in each state, counted by the database itself."""

import sqlalchemy as sa
from alembic import op

from dashboard.db import BigId

revision = "0015"
down_revision = "0014"

_COUNT = "INSERT INTO refund_counts (state, delta) VALUES"


def upgrade() -> None:
    op.create_table(
        "refund_counts",
        sa.Column("id", BigId, nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("delta", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_refund_counts")),
    )
    if op.get_bind().dialect.name == "sqlite":
        _count_on_sqlite()
    else:
        _count_on_postgresql()
    # From here on nobody else can change a refund before this has ended, so that none is missed or counted twice.
    op.execute("INSERT INTO refund_counts (state, delta) SELECT state, count(*) FROM refunds GROUP BY state")


def _count_on_sqlite() -> None:
    came, went = f"{_COUNT} (NEW.state, 1);", f"{_COUNT} (OLD.state, -1);"
    for name, after, what in (
        ("refunds_counted_when_made", "INSERT ON refunds", came),
        ("refunds_counted_when_moved", "UPDATE OF state ON refunds WHEN NEW.state <> OLD.state", went + came),
        ("refunds_counted_when_gone", "DELETE ON refunds", went),
    ):
        op.execute(f"CREATE TRIGGER {name} AFTER {after} BEGIN {what} END")


def _count_on_postgresql() -> None:
    op.execute(
        "CREATE FUNCTION refunds_counted() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "IF TG_OP = 'UPDATE' AND NEW.state = OLD.state THEN RETURN NULL; END IF; "
        f"IF TG_OP <> 'INSERT' THEN {_COUNT} (OLD.state, -1); END IF; "
        f"IF TG_OP <> 'DELETE' THEN {_COUNT} (NEW.state, 1); END IF; "
        "RETURN NULL; END $$"
    )
    op.execute(
        "CREATE TRIGGER refunds_counted AFTER INSERT OR DELETE OR UPDATE OF state ON refunds "
        "FOR EACH ROW EXECUTE FUNCTION refunds_counted()"
    )
