"""Fresh databases for tests, copied from one that was migrated once."""

import itertools
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol
from zlib import crc32

import psycopg
import pytest
from sqlalchemy import Engine

from dashboard import migrations
from dashboard.db import Base, open_engine
from tests.bench.postgresql import PostgresqlServer

on_sqlite = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
on_postgresql = pytest.mark.parametrize("database", ["postgresql"], indirect=True)
on_both = pytest.mark.on_both


def in_turn(items: list[pytest.Item]) -> list[pytest.Item]:
    """What runs where each test may do with one database: both kinds get half, and those `on_both` stay as they are.

    Which one it is follows from the test's own name, so that it is the same one every time.
    """
    return [item for item in items if not _is_left_to_the_other(item)]


def _is_left_to_the_other(item: pytest.Item) -> bool:
    spec = getattr(item, "callspec", None)
    if spec is None or "database" not in spec.params or item.get_closest_marker("on_both"):
        return False
    if any("database" in mark.args[0] for mark in item.iter_markers("parametrize")):
        return False
    names = sorted((name, number) for name, number in spec.indices.items() if name != "database")
    name = f"{item.nodeid.partition('[')[0]}{names}"
    return spec.indices["database"] != crc32(name.encode()) % 2


_MIGRATED = "migrated"
# Those that are idle hold nothing.
_END_OTHERS = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND state IS DISTINCT FROM 'idle'
"""


def lay_aside(engine: Engine) -> None:
    """Close its connections, but for those that the next test can use: each is a process of the server's."""
    if engine.dialect.name == "sqlite" or engine.url.database != _MIGRATED or engine.pool.checkedout():
        engine.dispose()


def in_memory() -> Path | None:
    """A folder in memory, where waiting for the disk at each commit takes no time; None where there is none."""
    memory = Path("/dev/shm")  # noqa: S108
    return memory if os.access(memory, os.W_OK) else None


class Databases(Protocol):
    @contextmanager
    def fresh(self, *, migrated: bool) -> Iterator[str]:
        """The URL of a database that exists while the block runs."""


class SqliteDatabases:
    """Fresh files, again and again under one name."""

    def __init__(self, folder: Path, journal_key: str) -> None:
        self._folder = folder
        self._journal_key = journal_key

    @contextmanager
    def fresh(self, *, migrated: bool) -> Iterator[str]:
        file = self._folder / ("migrated.sqlite3" if migrated else "empty.sqlite3")
        if migrated:
            shutil.copyfile(self._template, file)
        try:
            yield f"sqlite:///{file}"
        finally:
            for leftover in self._folder.glob(f"{file.name}*"):
                leftover.unlink()

    @cached_property
    def _template(self) -> Path:
        file = self._folder / "template.sqlite3"
        _migrate(f"sqlite:///{file}", self._journal_key)
        return file


class PostgresqlDatabases:
    """One migrated database is emptied again and again: to drop one takes a checkpoint, a tenth of a second."""

    def __init__(self, server: Callable[[], PostgresqlServer], journal_key: str) -> None:
        self._get_server = server
        self._journal_key = journal_key
        self._numbers = itertools.count(1)

    @contextmanager
    def fresh(self, *, migrated: bool) -> Iterator[str]:
        if migrated:
            self._emptying.execute(_END_OTHERS)
            self._emptying.execute("SELECT kept.put_back()")
            yield self._url(_MIGRATED)
        else:
            name = f"empty_{next(self._numbers)}"
            self._server.run("postgres", f"CREATE DATABASE {name}")
            yield self._url(name)
            self._server.run("postgres", f"DROP DATABASE {name} WITH (FORCE)")

    @cached_property
    def _server(self) -> PostgresqlServer:
        return self._get_server()

    def close(self) -> None:
        if "_emptying" in vars(self):
            self._emptying.close()

    @cached_property
    def _emptying(self) -> psycopg.Connection[tuple[Any, ...]]:
        """A connection that puts everything back as it was after the migration. It fires no triggers."""
        self._server.run("postgres", f"CREATE DATABASE {_MIGRATED}")
        _migrate(self._url(_MIGRATED), self._journal_key)
        tables = [table.name for table in Base.metadata.sorted_tables]
        steps = (
            *(f"DELETE FROM {table}" for table in tables),  # noqa: S608
            *(f"INSERT INTO {table} TABLE kept.{table}" for table in tables),
            "PERFORM setval(oid::regclass, 1, false) FROM pg_class WHERE relkind = 'S'",
        )
        self._server.run(
            _MIGRATED,
            "CREATE SCHEMA kept",
            *(f"CREATE TABLE kept.{table} AS TABLE {table}" for table in tables),
            f"CREATE FUNCTION kept.put_back() RETURNS void LANGUAGE plpgsql AS $$ BEGIN {'; '.join(steps)}; END $$",
        )
        connection = psycopg.connect(self._server.url(_MIGRATED), autocommit=True)
        connection.execute("SET session_replication_role = replica")
        return connection

    def _url(self, name: str) -> str:
        return f"postgresql+psycopg://{self._server.superuser}@127.0.0.1:{self._server.port}/{name}"


def _migrate(url: str, journal_key: str) -> None:
    engine = open_engine(url)
    migrations.upgrade(engine, journal_key)
    engine.dispose()
