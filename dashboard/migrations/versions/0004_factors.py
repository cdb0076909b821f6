"""Second factors: apps, passkeys, recovery codes, half sign-ins, resets by two admins, and when a sign-in was proved."""

import sqlalchemy as sa
from alembic import op

from dashboard.db import BigId, UtcDateTime

revision = "0004"
down_revision = "0003"

_ASKED = "state = 'asked'"


def upgrade() -> None:
    op.add_column("sign_ins", sa.Column("proved_at", UtcDateTime(), nullable=True))
    op.add_column("sign_ins", sa.Column("renewed_from", sa.String(), nullable=True))
    _create_factors()
    _create_half_sign_ins()
    _create_resets()


def _create_factors() -> None:
    op.create_table(
        "authenticator_apps",
        sa.Column("person_id", sa.String(), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("last_step", sa.Integer(), nullable=False),
        sa.Column("added_at", UtcDateTime(), nullable=False),
        sa.Column("last_used_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_authenticator_apps_person_id")),
        sa.PrimaryKeyConstraint("person_id", name=op.f("pk_authenticator_apps")),
    )
    op.create_table(
        "passkeys",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("person_id", sa.String(), nullable=False),
        sa.Column("credential_id", sa.String(), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("sign_count", BigId, nullable=False),
        sa.Column("transports", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("added_at", UtcDateTime(), nullable=False),
        sa.Column("last_used_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint("name <> ''", name=op.f("ck_passkeys_named")),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_passkeys_person_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_passkeys")),
        sa.UniqueConstraint("credential_id", name=op.f("uq_passkeys_credential_id")),
    )
    op.create_index(op.f("ix_passkeys_person_id"), "passkeys", ["person_id"], unique=False)
    op.create_table(
        "recovery_codes",
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("person_id", sa.String(), nullable=False),
        sa.Column("made_at", UtcDateTime(), nullable=False),
        sa.Column("used_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_recovery_codes_person_id")),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_recovery_codes")),
    )
    op.create_index(op.f("ix_recovery_codes_person_id"), "recovery_codes", ["person_id"], unique=False)


def _create_half_sign_ins() -> None:
    op.create_table(
        "half_sign_ins",
        sa.Column("token_digest", sa.String(), nullable=False),
        sa.Column("person_id", sa.String(), nullable=False),
        sa.Column("started_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_half_sign_ins_person_id")),
        sa.PrimaryKeyConstraint("token_digest", name=op.f("pk_half_sign_ins")),
    )
    op.create_index(op.f("ix_half_sign_ins_person_id"), "half_sign_ins", ["person_id"], unique=False)


def _create_resets() -> None:
    op.create_table(
        "factor_resets",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("person_id", sa.String(), nullable=False),
        sa.Column("asked_by_id", sa.String(), nullable=False),
        sa.Column("asked_at", UtcDateTime(), nullable=False),
        sa.Column("why", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("decided_by_id", sa.String(), nullable=True),
        sa.Column("decided_at", UtcDateTime(), nullable=True),
        sa.CheckConstraint(
            "state IN ('asked', 'confirmed', 'withdrawn', 'outdated')", name=op.f("ck_factor_resets_state")
        ),
        sa.CheckConstraint("why <> ''", name=op.f("ck_factor_resets_explained")),
        sa.CheckConstraint(
            "state <> 'confirmed' OR (decided_by_id IS NOT NULL AND decided_by_id <> asked_by_id)",
            name=op.f("ck_factor_resets_two_people"),
        ),
        sa.CheckConstraint(
            "state <> 'confirmed' OR decided_by_id <> person_id", name=op.f("ck_factor_resets_not_for_oneself")
        ),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_factor_resets_person_id")),
        sa.ForeignKeyConstraint(["asked_by_id"], ["people.id"], name=op.f("fk_factor_resets_asked_by_id")),
        sa.ForeignKeyConstraint(["decided_by_id"], ["people.id"], name=op.f("fk_factor_resets_decided_by_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_factor_resets")),
    )
    op.create_index(op.f("ix_factor_resets_person_id"), "factor_resets", ["person_id"], unique=False)
    condition = sa.text(_ASKED)
    op.create_index(
        "uq_factor_resets_one_asked",
        "factor_resets",
        ["person_id"],
        unique=True,
        sqlite_where=condition,
        postgresql_where=condition,
    )
