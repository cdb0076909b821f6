"""What keeps a process or a command from its work, or has to be known when it starts: in one clear line each."""

import stat
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from dashboard import db
from dashboard.config import Config

OTHER_JOURNAL_KEY = (
    "DASHBOARD_JOURNAL_KEY is not the key with which this journal was written, and what is added could never be "
    "verified. With the secret key of then in DASHBOARD_SECRET_KEY_BEFORE, `dashboard journal key` prints it."
)


def no_file(file: str) -> str:
    """In one line."""
    return (
        f"There is no database file {file}: DASHBOARD_DATABASE_URL says where it is; "
        "`dashboard db upgrade` makes a new one."
    )


def not_migrated(engine: Engine) -> str:
    """In one line."""
    return f"The database {db.name_of(engine)} is not migrated: run `dashboard db upgrade`."


def cause_of(problem: SQLAlchemyError) -> str:
    """What the database itself said, in one line."""
    return str(getattr(problem, "orig", None) or problem).strip().splitlines()[0]


def exposed_keys(config: Config) -> Iterator[str]:
    """In one line each, which private keys others may read, where the files are there."""
    own = "BANK131_PRIVATE_KEY_FILE", config.private_key_file, "sign refunds with it"
    towards_collector = "DASHBOARD_COLLECTOR_CERT_FILE", config.collector_cert_file, "send the collector what they like"
    for setting, file, what in (own, towards_collector):
        readers = file and _readers(file, config.secrets_folder)
        if readers:
            yield f"{setting}: {file} is open to {readers}, who could {what}: chmod 600."


def _readers(file: Path, secrets_folder: Path | None) -> str | None:
    """Who else may read a file; None: its owner alone, or there is no such file."""
    try:
        mode = file.stat().st_mode
    except OSError:
        return None
    # In the secrets' folder the rights of a group may stand for those that systemd gives to the service alone.
    is_handed_over = secrets_folder is not None and file.is_relative_to(secrets_folder)
    if not mode & (stat.S_IRWXO if is_handed_over else stat.S_IRWXG | stat.S_IRWXO):
        return None
    return "everybody on this machine" if mode & stat.S_IRWXO else "all of its group"
