"""Fresh databases for tests, copied from one that was migrated once."""

import itertools
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Protocol

import pytest

from dashboard import migrations
from dashboard.db import open_engine
from tests.bench.postgresql import PostgresqlServer

on_sqlite = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
on_postgresql = pytest.mark.parametrize("database", ["postgresql"], indirect=True)


class Databases(Protocol):
    @contextmanager
    def fresh(self, *, migrated: bool) -> Iterator[str]:
        """The URL of a database that exists while the block runs."""


class SqliteDatabases:
    def __init__(self, folder: Path, journal_key: str) -> None:
        self._folder = folder
        self._journal_key = journal_key
        self._numbers = itertools.count(1)

    @contextmanager
    def fresh(self, *, migrated: bool) -> Iterator[str]:
        file = self._folder / f"{next(self._numbers)}.sqlite3"
        if migrated:
            shutil.copyfile(self._template, file)
        yield f"sqlite:///{file}"
        for leftover in self._folder.glob(f"{file.name}*"):
            leftover.unlink()

    @cached_property
    def _template(self) -> Path:
        file = self._folder / "template.sqlite3"
        _migrate(f"sqlite:///{file}", self._journal_key)
        return file


class PostgresqlDatabases:
    def __init__(self, server: Callable[[], PostgresqlServer], journal_key: str) -> None:
        self._get_server = server
        self._journal_key = journal_key
        self._numbers = itertools.count(1)

    @contextmanager
    def fresh(self, *, migrated: bool) -> Iterator[str]:
        name = f"test_{next(self._numbers)}"
        url = self._server.create_database(name, self._template if migrated else "template1")
        yield url.replace("postgresql://", "postgresql+psycopg://")
        self._server.drop_database(name)

    @cached_property
    def _server(self) -> PostgresqlServer:
        return self._get_server()

    @cached_property
    def _template(self) -> str:
        _migrate(self._server.create_database("migrated").replace("://", "+psycopg://"), self._journal_key)
        return "migrated"


def _migrate(url: str, journal_key: str) -> None:
    engine = open_engine(url)
    migrations.upgrade(engine, journal_key)
    engine.dispose()
