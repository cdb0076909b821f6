"""Which shape the database has. Bringing it to another one is for `migrations`, and needs Alembic."""

from pathlib import Path

from sqlalchemy import Engine, inspect, text

STEPS = Path(__file__).parent / "migrations" / "versions"


def is_current(engine: Engine) -> bool:
    """Whether the database has the newest shape."""
    return _revision(engine) == newest()


def is_empty(engine: Engine) -> bool:
    """Whether the database has no shape at all yet."""
    return _revision(engine) is None


def newest() -> str:
    """The revision of the last step: each file is named after its own, and they are counted on."""
    return max(file.name for file in STEPS.glob("[0-9]*_*.py")).partition("_")[0]


def _revision(engine: Engine) -> str | None:
    with engine.connect() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        revision: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
        return revision
