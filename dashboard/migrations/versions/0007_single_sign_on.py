"""Who people are at an OpenID provider, and what they had sent before they went there to prove who they are."""

import sqlalchemy as sa
from alembic import op

from dashboard.db import UtcDateTime

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.create_table(
        "federated_identities",
        sa.Column("issuer", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("person_id", sa.String(), nullable=False),
        sa.Column("bound_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_federated_identities_person_id")),
        sa.PrimaryKeyConstraint("issuer", "subject", name=op.f("pk_federated_identities")),
        sa.UniqueConstraint("issuer", "person_id", name=op.f("uq_federated_identities_issuer_person_id")),
    )
    op.create_index(op.f("ix_federated_identities_person_id"), "federated_identities", ["person_id"], unique=False)
    op.create_table(
        "kept_forms",
        sa.Column("token_digest", sa.String(), nullable=False),
        sa.Column("person_id", sa.String(), nullable=False),
        sa.Column("fields", sa.LargeBinary(), nullable=False),
        sa.Column("kept_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_kept_forms_person_id")),
        sa.PrimaryKeyConstraint("token_digest", name=op.f("pk_kept_forms")),
    )
    op.create_index(op.f("ix_kept_forms_person_id"), "kept_forms", ["person_id"], unique=False)
