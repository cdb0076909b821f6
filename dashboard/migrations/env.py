"""Run by Alembic: migrations on the engine that was handed over, one transaction for all."""

from alembic import context
from sqlalchemy import text

from dashboard.db import Base

engine = context.config.attributes["engine"]

# Begun before Alembic looks: it would commit after each migration on SQLite, and let another upgrade in between.
with engine.begin() as connection:
    if connection.dialect.name == "postgresql":
        # One upgrade at a time, as on SQLite, where a writer has the whole file to itself.
        connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('dashboard db upgrade'))"))
    context.configure(connection=connection, target_metadata=Base.metadata)
    context.run_migrations()
