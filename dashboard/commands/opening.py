"""Settings and books, opened for a command: what is in the way ends it with a clear line."""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import click
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from dashboard import db, health, journal, obstacles, shape
from dashboard.clock import SystemClock
from dashboard.commands.failing import fail
from dashboard.config import BadSettings, BooksConfig, Config, read_books_config, read_config
from dashboard.desk import Books, journal_key
from dashboard.setting_files import with_files

ACTOR = "command line"


def settings() -> Config:
    try:
        return read_config(with_files(os.environ))
    except BadSettings as bad:
        fail(*bad.problems)


def books_settings() -> BooksConfig:
    try:
        return read_books_config(with_files(os.environ))
    except BadSettings as bad:
        fail(*bad.problems)


@contextmanager
def opened_books(
    config: BooksConfig | None = None, *, changes: bool = False, may_be_new: bool = False, migrated: bool = True
) -> Iterator[Books]:
    """The database alone: what has to work even when the bank's keys are gone. `changes`: it is named."""
    config = config or books_settings()
    engine = db.open_engine(config.database_url)
    try:
        file = None if may_be_new else db.missing_file(engine)
        if file is not None:
            fail(obstacles.no_file(file))
        if changes:
            click.echo(f"Database: {db.name_of(engine)}")
        if migrated:
            check_migrated(engine)
        books = Books(config=config, clock=SystemClock(), new_id=lambda: str(uuid.uuid4()), engine=engine)
        if changes and migrated:
            check_journal_key(books)
        yield books
    except SQLAlchemyError as problem:
        fail(f"The database cannot be used: {obstacles.cause_of(problem)}.")
    finally:
        engine.dispose()


def check_migrated(engine: Engine) -> None:
    if not shape.is_current(engine):
        fail(obstacles.not_migrated(engine))


def check_journal_key(books: Books) -> None:
    with books.read() as session:
        if not journal.is_kept_with(session, journal_key(books.config)):
            fail(obstacles.OTHER_JOURNAL_KEY)


def check_stopped(books: Books) -> None:
    with books.read() as session:
        age = health.since_last_beat(session, books.clock.now())
    if age is not None and age < health.ALIVE_FOR:
        fail(
            f"Nothing was changed: less than {_seconds(health.ALIVE_FOR)} s ago a worker gave a sign of life here.",
            "Stop every worker on every host. Web servers give no such sign: stop them too.",
            "Then wait half a minute and try again; a backup made just now has such a sign in it too.",
        )


def say_if_unwatched(books: Books) -> None:
    with books.read() as session:
        age = health.since_last_beat(session, books.clock.now())
    if age is None:
        click.echo("No worker has ever given a sign of life in this database: is it the right one?")
    elif age >= health.ALIVE_FOR:
        click.echo(f"No worker has given a sign of life in this database for {_seconds(age)} s: is it the right one?")


def _seconds(duration: timedelta) -> int:
    return int(duration.total_seconds())
