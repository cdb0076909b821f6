"""Run by Alembic: migrations on the engine that was handed over, one transaction for all."""

from alembic import context

from dashboard.db import Base

engine = context.config.attributes["engine"]

with engine.connect() as connection:
    context.configure(connection=connection, target_metadata=Base.metadata, transaction_per_migration=False)
    with context.begin_transaction():
        context.run_migrations()
    connection.commit()
