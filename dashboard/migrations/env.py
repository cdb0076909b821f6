"""Run by Alembic: migrations on the engine that was handed over, one transaction for all."""

from alembic import context
from sqlalchemy import text

from dashboard.db import Base

engine = context.config.attributes["engine"]

with engine.connect() as connection:
    if connection.dialect.name == "postgresql":
        # One upgrade at a time, as on SQLite, where a writer has the whole file to itself.
        connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('dashboard db upgrade'))"))
    context.configure(connection=connection, target_metadata=Base.metadata, transaction_per_migration=False)
    with context.begin_transaction():
        context.run_migrations()
    connection.commit()
