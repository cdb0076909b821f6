"""The database's shape, step by step, and the door to it: upgrade, and whether it is up to date."""

from pathlib import Path

from alembic import command
from alembic.config import Config as AlembicConfig
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine

from dashboard import db


def _alembic(engine: Engine, journal_key: str) -> AlembicConfig:
    config = AlembicConfig()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.set_main_option("path_separator", "os")
    config.attributes.update(engine=db.writing_engine(engine), journal_key=journal_key)
    return config


def upgrade(engine: Engine, journal_key: str) -> None:
    """Bring the database to the newest shape; nothing happens when it has it."""
    command.upgrade(_alembic(engine, journal_key), "head")


def is_current(engine: Engine) -> bool:
    """Whether the database has the newest shape."""
    return _revision(engine) == ScriptDirectory.from_config(_alembic(engine, "")).get_current_head()


def is_empty(engine: Engine) -> bool:
    """Whether the database has no shape at all yet."""
    return _revision(engine) is None


def _revision(engine: Engine) -> str | None:
    with engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()
