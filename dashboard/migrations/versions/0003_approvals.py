"""Limits of what one person may refund alone, approvals by a second one, and triggers that hold both apart."""

import sqlalchemy as sa
from alembic import op

from dashboard.db import BigId, UtcDateTime

revision = "0003"
down_revision = "0002"

_KEPT = ("id", "session_id", "amount_minor", "currency", "asked_by_id", "body")
_ASKED = ("refund_id", "session_id", "amount_minor", "currency", "asked_by_id")
_GOES_OUT = "NEW.state IN ('queued', 'sending')"
_NO_APPROVAL = "NOT EXISTS (SELECT 1 FROM approvals WHERE refund_id = NEW.id AND decision = 'approved')"
_NEEDS_ONE = "EXISTS (SELECT 1 FROM approvals WHERE refund_id = NEW.id)"
_HAS_ONE = "EXISTS (SELECT 1 FROM approvals WHERE refund_id = OLD.id)"
_OF_ANOTHER_REFUND = (
    "NEW.decision IS NOT NULL OR NOT EXISTS"
    " (SELECT 1 FROM refunds WHERE id = NEW.refund_id AND state = 'awaiting_approval'"
    " AND session_id = NEW.session_id AND amount_minor = NEW.amount_minor AND currency = NEW.currency"
    " AND asked_by_id = NEW.asked_by_id)"
)
_SAYS = {
    "refunds_approved_first": "a refund that needs approval goes nowhere without it",
    "refunds_keep_what_was_asked": "what a refund asks for cannot be changed under its approval",
    "approvals_fit": "an approval is of one waiting refund, as it was asked for",
    "approvals_stay": "an approval is decided once and never changed",
}


def upgrade() -> None:
    _create_tables()
    if op.get_bind().dialect.name == "sqlite":
        _guard_on_sqlite()
    else:
        _guard_on_postgresql()


def _create_tables() -> None:
    op.create_table(
        "refund_limits",
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("at_once_up_to_minor", sa.BigInteger(), nullable=True),
        sa.Column("approved_up_to_minor", sa.BigInteger(), nullable=True),
        sa.Column("alone_a_day_minor", sa.BigInteger(), nullable=True),
        sa.Column("proof_above_minor", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("at_once_up_to_minor <= approved_up_to_minor", name=op.f("ck_refund_limits_in_order")),
        sa.CheckConstraint(
            "at_once_up_to_minor >= 0 AND approved_up_to_minor >= 0 AND alone_a_day_minor >= 0"
            " AND proof_above_minor >= 0",
            name=op.f("ck_refund_limits_not_negative"),
        ),
        sa.PrimaryKeyConstraint("currency", name=op.f("pk_refund_limits")),
    )
    op.create_table(
        "approvals",
        sa.Column("refund_id", BigId, autoincrement=False, nullable=False),
        sa.Column("session_id", sa.String(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("asked_by_id", sa.String(), nullable=False),
        sa.Column("decision", sa.String(), nullable=True),
        sa.Column("decided_by_id", sa.String(), nullable=True),
        sa.Column("decided_at", UtcDateTime(), nullable=True),
        sa.Column("comment", sa.String(), nullable=False),
        sa.CheckConstraint("decision IN ('approved', 'rejected')", name=op.f("ck_approvals_decision")),
        sa.CheckConstraint("decided_by_id <> asked_by_id", name=op.f("ck_approvals_two_people")),
        sa.CheckConstraint("(decision IS NULL) = (decided_by_id IS NULL)", name=op.f("ck_approvals_by_somebody")),
        sa.CheckConstraint("(decision IS NULL) = (decided_at IS NULL)", name=op.f("ck_approvals_at_a_time")),
        sa.CheckConstraint("decision <> 'rejected' OR comment <> ''", name=op.f("ck_approvals_explained")),
        sa.ForeignKeyConstraint(["refund_id"], ["refunds.id"], name=op.f("fk_approvals_refund_id")),
        sa.ForeignKeyConstraint(["asked_by_id"], ["people.id"], name=op.f("fk_approvals_asked_by_id")),
        sa.ForeignKeyConstraint(["decided_by_id"], ["people.id"], name=op.f("fk_approvals_decided_by_id")),
        sa.PrimaryKeyConstraint("refund_id", name=op.f("pk_approvals")),
    )


def _guards(differs: str) -> dict[str, list[tuple[str, str]]]:
    """By guard: before what it looks, and at what it objects. `differs`: how the database compares with nothing."""
    kept = " OR ".join(f"NEW.{column} {differs} OLD.{column}" for column in _KEPT)
    asked = " OR ".join(f"NEW.{column} {differs} OLD.{column}" for column in _ASKED)
    needs_one = f"(OLD.state = 'awaiting_approval' OR {_NEEDS_ONE})"
    return {
        "refunds_approved_first": [
            ("UPDATE OF state ON refunds", f"{_GOES_OUT} AND {needs_one} AND {_NO_APPROVAL}"),
            ("INSERT ON refunds", f"{_GOES_OUT} AND {_NEEDS_ONE} AND {_NO_APPROVAL}"),
        ],
        "refunds_keep_what_was_asked": [
            (f"UPDATE OF {', '.join(_KEPT)} ON refunds", f"({kept}) AND {_HAS_ONE}"),
            ("DELETE ON refunds", _HAS_ONE),
        ],
        "approvals_fit": [("INSERT ON approvals", _OF_ANOTHER_REFUND)],
        "approvals_stay": [
            ("UPDATE ON approvals", f"OLD.decision IS NOT NULL OR {asked}"),
            ("DELETE ON approvals", "1 = 1"),
        ],
    }


def _guard_on_sqlite() -> None:
    guards = _guards("IS NOT")
    # REPLACE takes the old row away without asking those that look at deleting.
    for guard, table, key in (
        ("refunds_keep_what_was_asked", "refunds", "id"),
        ("approvals_stay", "approvals", "refund_id"),
    ):
        is_there = f"EXISTS (SELECT 1 FROM approvals WHERE refund_id = NEW.{key})"  # noqa: S608
        guards[guard].append((f"INSERT ON {table}", is_there))
    for guard, looks in guards.items():
        for number, (before, objection) in enumerate(looks):
            op.execute(
                f"CREATE TRIGGER {guard}_{number} BEFORE {before} WHEN {objection} "
                f"BEGIN SELECT RAISE(ABORT, '{_SAYS[guard]}'); END"
            )


def _guard_on_postgresql() -> None:
    for guard, looks in _guards("IS DISTINCT FROM").items():
        for number, (before, objection) in enumerate(looks):
            row = "OLD" if before.startswith("DELETE") else "NEW"
            _refuse(
                f"{guard}_{number}", before, f"IF {objection} THEN {_exception(guard)} END IF; RETURN {row};", "ROW"
            )
    _refuse("approvals_stay_all", "TRUNCATE ON approvals", _exception("approvals_stay"), "STATEMENT")


def _exception(guard: str) -> str:
    return f"RAISE EXCEPTION '{_SAYS[guard]}';"


def _refuse(name: str, before: str, body: str, each: str) -> None:
    op.execute(f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} END $$")
    op.execute(f"CREATE TRIGGER {name} BEFORE {before} FOR EACH {each} EXECUTE FUNCTION {name}()")
