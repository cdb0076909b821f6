"""The database's shape, step by step, and the door to it: upgrade."""

from pathlib import Path

from alembic import command
from alembic.config import Config as AlembicConfig
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
