"""The first shape: people, sessions, refunds, webhooks, and a journal that nobody can rewrite."""

import sqlalchemy as sa
from alembic import context, op

from dashboard.db import BigId, UtcDateTime
from dashboard.journal import first_head
from dashboard.models.search import BinaryText

revision = "0001"
down_revision = None


def upgrade() -> None:
    _create_tables()
    _add_first_rows()
    if op.get_bind().dialect.name == "sqlite":
        _guard_journal_on_sqlite()
        _tell_sqlite_what_indexes_find()
    else:
        _guard_journal_on_postgresql()


def _add_first_rows() -> None:
    head = first_head(context.config.attributes["journal_key"])
    op.bulk_insert(
        sa.table("journal_head", sa.column("id"), sa.column("seq"), sa.column("hash"), sa.column("seal")),
        [{"id": 1, "seq": head.seq, "hash": head.hash, "seal": head.seal}],
    )
    op.bulk_insert(
        sa.table("installation", sa.column("id"), sa.column("bank_echoes_reference")),
        [{"id": 1, "bank_echoes_reference": False}],
    )


def _guard_journal_on_sqlite() -> None:
    for verb in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER journal_no_{verb.lower()} BEFORE {verb} ON journal "
            "BEGIN SELECT RAISE(ABORT, 'the journal only grows'); END"
        )
    op.execute(
        "CREATE TRIGGER journal_no_replace BEFORE INSERT ON journal "
        "WHEN EXISTS (SELECT 1 FROM journal WHERE seq = NEW.seq) "
        "BEGIN SELECT RAISE(ABORT, 'the journal only grows'); END"
    )


def _tell_sqlite_what_indexes_find() -> None:
    """SQLite gathers no statistics by itself, and without any takes all indexes for equally good.

    Each line: rows in an index, then rows that share its first column, its first two columns, …
    """
    op.execute("ANALYZE")
    expected = {
        "ix_refunds_asked_at_id": "1000000 1 1",
        "ix_refunds_state_asked_at_id": "1000000 100000 1 1",
        "ix_refunds_session_id_asked_at_id": "1000000 3 1 1",
        "ix_refunds_asked_by_id_asked_at_id": "1000000 80000 1 1",
        "ix_refunds_asked_by_id_state_asked_at_id": "1000000 80000 10000 1 1",
        "ix_refunds_origin_asked_at_id": "1000000 300000 1 1",
        "ix_refunds_origin_state_asked_at_id": "1000000 300000 30000 1 1",
        "ix_refunds_open": "500 1 1",
        "ix_refunds_needs_people": "50 1 1",
        "ix_refunds_review": "50 1",
        "ix_refunds_sending": "10 1",
        "ix_refunds_to_send": "500 1",
        "uq_refunds_one_open_send": "50 1",
    }
    op.bulk_insert(
        sa.table("sqlite_stat1", sa.column("tbl"), sa.column("idx"), sa.column("stat")),
        [{"tbl": "refunds", "idx": index, "stat": figures} for index, figures in expected.items()],
    )


def _guard_journal_on_postgresql() -> None:
    op.execute(
        "CREATE FUNCTION journal_only_grows() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'the journal only grows'; END $$"
    )
    op.execute(
        "CREATE TRIGGER journal_no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON journal "
        "FOR EACH STATEMENT EXECUTE FUNCTION journal_only_grows()"
    )


def _create_tables() -> None:
    op.create_table(
        "installation",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("sending_paused_at", UtcDateTime(), nullable=True),
        sa.Column("sending_paused_why", sa.String(), nullable=True),
        sa.Column("bank_echoes_reference", sa.Boolean(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_installation_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_installation")),
    )
    op.create_table(
        "journal",
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", sa.String(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("data", sa.String(), nullable=False),
        sa.Column("prev_hash", sa.String(), nullable=False),
        sa.Column("hash", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_journal")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_journal_action_seq"), "journal", ["action", "seq"], unique=False)
    op.create_index(op.f("ix_journal_actor_seq"), "journal", ["actor", "seq"], unique=False)
    op.create_index(op.f("ix_journal_subject_seq"), "journal", ["subject", "seq"], unique=False)
    op.create_table(
        "journal_head",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.String(), nullable=False),
        sa.Column("seal", sa.String(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_journal_head_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_journal_head")),
    )
    op.create_table(
        "payment_sessions",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("found_at", UtcDateTime(), nullable=False),
        sa.Column("confirmed_at", UtcDateTime(), nullable=True),
        sa.Column("denied_at", UtcDateTime(), nullable=True),
        sa.Column("currency", sa.String(), nullable=True),
        sa.Column("captured_minor", sa.BigInteger(), nullable=False),
        sa.Column("committed_minor", sa.BigInteger(), nullable=False),
        sa.Column("customer_reference", sa.String(), nullable=True),
        sa.Column("method", sa.String(), nullable=True),
        sa.Column("card_brand", sa.String(), nullable=True),
        sa.Column("card_last4", sa.String(), nullable=True),
        sa.Column("rrn", sa.String(), nullable=True),
        sa.Column("fields", sa.String(), nullable=False),
        sa.Column("shown_at", UtcDateTime(), nullable=False),
        sa.Column("shown_updated_at", UtcDateTime(), nullable=True),
        sa.Column("read_at", UtcDateTime(), nullable=True),
        sa.Column("read_wanted_at", UtcDateTime(), nullable=True),
        sa.Column("next_read_at", UtcDateTime(), nullable=True),
        sa.Column("read_failures", sa.Integer(), nullable=False),
        sa.Column("read_problem", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payment_sessions")),
    )
    op.create_index(op.f("ix_payment_sessions_created_at_id"), "payment_sessions", ["created_at", "id"], unique=False)
    op.create_index(
        "ix_payment_sessions_next_read_at",
        "payment_sessions",
        ["next_read_at"],
        unique=False,
        sqlite_where=sa.text("next_read_at IS NOT NULL"),
        postgresql_where=sa.text("next_read_at IS NOT NULL"),
    )
    op.create_index(
        op.f("ix_payment_sessions_status_created_at_id"),
        "payment_sessions",
        ["status", "created_at", "id"],
        unique=False,
    )
    op.create_table(
        "people",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("email", sa.String(), nullable=False),
        sa.Column("password_hash", sa.String(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("disabled_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_people")),
        sa.UniqueConstraint("email", name=op.f("uq_people_email")),
    )
    op.create_table(
        "search_terms",
        sa.Column("term", BinaryText, nullable=False),
        sa.Column("session_id", sa.String(), nullable=False),
        sa.Column("refund_id", BigId, nullable=False),
        sa.PrimaryKeyConstraint("term", "session_id", "refund_id", name=op.f("pk_search_terms")),
        sqlite_with_rowid=False,
    )
    op.create_index(
        op.f("ix_search_terms_session_id_refund_id_term"),
        "search_terms",
        ["session_id", "refund_id", "term"],
        unique=False,
    )
    op.create_table(
        "sign_in_failures",
        sa.Column("id", BigId, nullable=False),
        sa.Column("bucket", sa.String(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sign_in_failures")),
    )
    op.create_index(op.f("ix_sign_in_failures_bucket_at"), "sign_in_failures", ["bucket", "at"], unique=False)
    op.create_table(
        "webhook_deliveries",
        sa.Column("id", BigId, nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.Column("first_seen_at", UtcDateTime(), nullable=False),
        sa.Column("last_seen_at", UtcDateTime(), nullable=False),
        sa.Column("times_seen", sa.Integer(), nullable=False),
        sa.Column("type", sa.String(), nullable=True),
        sa.Column("session_id", sa.String(), nullable=True),
        sa.Column("applied_at", UtcDateTime(), nullable=True),
        sa.Column("next_try_at", UtcDateTime(), nullable=True),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("problem", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_deliveries")),
        sa.UniqueConstraint("digest", name=op.f("uq_webhook_deliveries_digest")),
    )
    op.create_index(op.f("ix_webhook_deliveries_last_seen_at"), "webhook_deliveries", ["last_seen_at"], unique=False)
    op.create_index(
        "ix_webhook_deliveries_next_try_at",
        "webhook_deliveries",
        ["next_try_at"],
        unique=False,
        sqlite_where=sa.text("next_try_at IS NOT NULL"),
        postgresql_where=sa.text("next_try_at IS NOT NULL"),
    )
    op.create_index(op.f("ix_webhook_deliveries_session_id"), "webhook_deliveries", ["session_id"], unique=False)
    op.create_table(
        "worker_beats",
        sa.Column("worker_id", sa.String(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("worker_id", name=op.f("pk_worker_beats")),
    )
    op.create_table(
        "anomalies",
        sa.Column("id", BigId, nullable=False),
        sa.Column("session_id", sa.String(), nullable=False),
        sa.Column("refund_id", BigId, nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("detail", sa.String(), nullable=False),
        sa.Column("found_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["session_id"], ["payment_sessions.id"], name=op.f("fk_anomalies_session_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_anomalies")),
        sa.UniqueConstraint(
            "session_id", "refund_id", "kind", "detail", name=op.f("uq_anomalies_session_id_refund_id_kind_detail")
        ),
    )
    op.create_index(op.f("ix_anomalies_refund_id"), "anomalies", ["refund_id"], unique=False)
    op.create_table(
        "payments",
        sa.Column("session_id", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("confirmed", sa.Boolean(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=True),
        sa.Column("finished_at", UtcDateTime(), nullable=True),
        sa.Column("customer_reference", sa.String(), nullable=True),
        sa.Column("method", sa.String(), nullable=True),
        sa.Column("card_brand", sa.String(), nullable=True),
        sa.Column("card_last4", sa.String(), nullable=True),
        sa.Column("rrn", sa.String(), nullable=True),
        sa.Column("arn", sa.String(), nullable=True),
        sa.Column("auth_code", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(["session_id"], ["payment_sessions.id"], name=op.f("fk_payments_session_id")),
        sa.PrimaryKeyConstraint("session_id", "id", name=op.f("pk_payments")),
    )
    op.create_table(
        "refunds",
        sa.Column("id", BigId, nullable=False),
        sa.Column("reference", sa.String(), nullable=False),
        sa.Column("session_id", sa.String(), nullable=False),
        sa.Column("origin", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("review", sa.String(), nullable=False),
        sa.Column("counts", sa.Boolean(), nullable=False),
        sa.Column("contradicted", sa.Boolean(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("in_full", sa.Boolean(), nullable=False),
        sa.Column("bank_id", sa.String(), nullable=True),
        sa.Column("bank_status", sa.String(), nullable=True),
        sa.Column("bank_amount_minor", sa.BigInteger(), nullable=True),
        sa.Column("bank_currency", sa.String(), nullable=True),
        sa.Column("bank_finished_at", UtcDateTime(), nullable=True),
        sa.Column("payment_id", sa.String(), nullable=True),
        sa.Column("rrn", sa.String(), nullable=True),
        sa.Column("asked_at", UtcDateTime(), nullable=False),
        sa.Column("asked_by_id", sa.String(), nullable=True),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("comment", sa.String(), nullable=False),
        sa.Column("form_token", sa.String(), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.Column("bank_url", sa.String(), nullable=True),
        sa.Column("project", sa.String(), nullable=True),
        sa.Column("undo_until", UtcDateTime(), nullable=True),
        sa.Column("next_send_at", UtcDateTime(), nullable=True),
        sa.Column("send_failures", sa.Integer(), nullable=False),
        sa.Column("sent_at", UtcDateTime(), nullable=True),
        sa.Column("absence_1_at", UtcDateTime(), nullable=True),
        sa.Column("absence_2_at", UtcDateTime(), nullable=True),
        sa.Column("ended_at", UtcDateTime(), nullable=True),
        sa.CheckConstraint(
            "origin <> 'here' OR (body IS NOT NULL AND form_token IS NOT NULL)", name=op.f("ck_refunds_sendable")
        ),
        sa.CheckConstraint("origin IN ('here', 'bank', 'chargeback')", name=op.f("ck_refunds_origin")),
        sa.CheckConstraint(
            "state IN ('awaiting_approval', 'queued', 'sending', 'unknown', 'in_progress', 'error', 'accepted', 'declined', 'refused', 'cancelled', 'rejected', 'abandoned')",
            name=op.f("ck_refunds_state"),
        ),
        sa.CheckConstraint("amount_minor > 0", name=op.f("ck_refunds_amount")),
        sa.ForeignKeyConstraint(["asked_by_id"], ["people.id"], name=op.f("fk_refunds_asked_by_id")),
        sa.ForeignKeyConstraint(["session_id"], ["payment_sessions.id"], name=op.f("fk_refunds_session_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_refunds")),
        sa.UniqueConstraint("form_token", name=op.f("uq_refunds_form_token")),
        sa.UniqueConstraint("reference", name=op.f("uq_refunds_reference")),
        sa.UniqueConstraint("session_id", "bank_id", name=op.f("uq_refunds_session_id_bank_id")),
    )
    op.create_index(op.f("ix_refunds_asked_at_id"), "refunds", ["asked_at", "id"], unique=False)
    op.create_index(
        op.f("ix_refunds_asked_by_id_asked_at_id"), "refunds", ["asked_by_id", "asked_at", "id"], unique=False
    )
    op.create_index(
        op.f("ix_refunds_asked_by_id_state_asked_at_id"),
        "refunds",
        ["asked_by_id", "state", "asked_at", "id"],
        unique=False,
    )
    op.create_index(op.f("ix_refunds_bank_id"), "refunds", ["bank_id"], unique=False)
    op.create_index(
        "ix_refunds_needs_people",
        "refunds",
        ["asked_at", "id"],
        unique=False,
        sqlite_where=sa.text("review <> '' OR state = 'unknown'"),
        postgresql_where=sa.text("review <> '' OR state = 'unknown'"),
    )
    op.create_index(
        "ix_refunds_open",
        "refunds",
        ["asked_at", "id"],
        unique=False,
        sqlite_where=sa.text("state IN ('awaiting_approval', 'queued', 'sending', 'unknown', 'in_progress', 'error')"),
        postgresql_where=sa.text(
            "state IN ('awaiting_approval', 'queued', 'sending', 'unknown', 'in_progress', 'error')"
        ),
    )
    op.create_index(op.f("ix_refunds_origin_asked_at_id"), "refunds", ["origin", "asked_at", "id"], unique=False)
    op.create_index(
        op.f("ix_refunds_origin_state_asked_at_id"), "refunds", ["origin", "state", "asked_at", "id"], unique=False
    )
    op.create_index(
        "ix_refunds_review",
        "refunds",
        ["session_id"],
        unique=False,
        sqlite_where=sa.text("review <> ''"),
        postgresql_where=sa.text("review <> ''"),
    )
    op.create_index(
        "ix_refunds_sending",
        "refunds",
        ["id"],
        unique=False,
        sqlite_where=sa.text("state = 'sending'"),
        postgresql_where=sa.text("state = 'sending'"),
    )
    op.create_index(
        op.f("ix_refunds_session_id_asked_at_id"), "refunds", ["session_id", "asked_at", "id"], unique=False
    )
    op.create_index(op.f("ix_refunds_state_asked_at_id"), "refunds", ["state", "asked_at", "id"], unique=False)
    op.create_index(
        "ix_refunds_to_send",
        "refunds",
        ["next_send_at"],
        unique=False,
        sqlite_where=sa.text("next_send_at IS NOT NULL"),
        postgresql_where=sa.text("next_send_at IS NOT NULL"),
    )
    op.create_index(
        "uq_refunds_one_open_send",
        "refunds",
        ["session_id"],
        unique=True,
        sqlite_where=sa.text("state IN ('sending', 'unknown')"),
        postgresql_where=sa.text("state IN ('sending', 'unknown')"),
    )
    op.create_table(
        "sign_ins",
        sa.Column("token_digest", sa.String(), nullable=False),
        sa.Column("person_id", sa.String(), nullable=False),
        sa.Column("started_at", UtcDateTime(), nullable=False),
        sa.Column("ended_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_sign_ins_person_id")),
        sa.PrimaryKeyConstraint("token_digest", name=op.f("pk_sign_ins")),
    )
    op.create_index(op.f("ix_sign_ins_person_id"), "sign_ins", ["person_id"], unique=False)
    op.create_table(
        "attempts",
        sa.Column("id", BigId, nullable=False),
        sa.Column("refund_id", BigId, nullable=False),
        sa.Column("session_id", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("is_resend", sa.Boolean(), nullable=False),
        sa.Column("started_at", UtcDateTime(), nullable=False),
        sa.Column("lease_until", UtcDateTime(), nullable=False),
        sa.Column("baseline", sa.String(), nullable=False),
        sa.Column("outcome", sa.String(), nullable=True),
        sa.Column("answered_at", UtcDateTime(), nullable=True),
        sa.Column("http_status", sa.Integer(), nullable=True),
        sa.Column("answer_digest", sa.String(), nullable=True),
        sa.Column("error_code", sa.String(), nullable=True),
        sa.Column("error_description", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(["refund_id"], ["refunds.id"], name=op.f("fk_attempts_refund_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attempts")),
        sa.UniqueConstraint("refund_id", "number", name=op.f("uq_attempts_refund_id_number")),
    )
    op.create_index(op.f("ix_attempts_session_id"), "attempts", ["session_id"], unique=False)
