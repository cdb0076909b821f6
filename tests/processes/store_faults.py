"""Faults of the store while everything is at work: nobody gets a lock in time, and nothing more can be written."""

import resource
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass

import psycopg
from sqlalchemy.engine import make_url

from dashboard.db import LOCK_WAIT_MS
from tests.processes.installation import WEB, WORKER, Installation, Postgresql

ROOM_BYTES = 64 * 1024


@dataclass(frozen=True)
class StoreFault:
    """`while_it_lasts`: the fault, for as long as the block runs. `said`: what is in the logs once it was met."""

    name: str
    lasts_s: float
    said: str
    while_it_lasts: Callable[[Installation], AbstractContextManager[None]]


def store_faults(installation: Installation) -> list[StoreFault]:
    """Those that can be brought about on this kind of database without being its system's administrator."""
    too_long_s = LOCK_WAIT_MS / 1000 + 0.5
    if installation.postgresql is None:
        return [
            StoreFault("disk full", 2.0, "disk I/O error", _files_cannot_grow),
            StoreFault("database locked", too_long_s, "database is locked", _sqlite_locked),
        ]
    return [
        StoreFault("read-only", 2.0, "read-only transaction", _read_only),
        StoreFault("journal locked", too_long_s, "due to lock timeout", _journal_locked),
    ]


@contextmanager
def _sqlite_locked(installation: Installation) -> Iterator[None]:
    """Another connection holds the one write lock."""
    file = make_url(installation.settings["DASHBOARD_DATABASE_URL"]).database
    with closing(sqlite3.connect(str(file), isolation_level=None, timeout=LOCK_WAIT_MS / 1000)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")


@contextmanager
def _files_cannot_grow(installation: Installation) -> Iterator[None]:
    """No file of theirs may become longer than their logs are now and a little more: SQLite cannot write its own."""
    parts = [*installation.of(WEB), *installation.of(WORKER)]
    limit_bytes = max(part.log_file.stat().st_size for part in parts) + ROOM_BYTES
    processes = [pid for part in parts for pid in (part.process.pid, *(child.pid for child in part.children()))]
    for pid in processes:
        _limit_files(pid, limit_bytes)
    yield
    for pid in processes:
        _limit_files(pid, resource.RLIM_INFINITY)


def _limit_files(pid: int, limit_bytes: int) -> None:
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (limit_bytes, resource.RLIM_INFINITY))


@contextmanager
def _journal_locked(installation: Installation) -> Iterator[None]:
    """Another connection holds the lock that comes last."""
    with psycopg.connect(_of(installation).url) as connection:
        connection.execute("SELECT seq FROM journal_head FOR UPDATE")
        yield
        connection.rollback()


@contextmanager
def _read_only(installation: Installation) -> Iterator[None]:
    """The server takes no writes, as one whose disk is nearly full or that has become a standby."""
    server = _of(installation).server
    _tell_system(server.url("postgres"), "SET default_transaction_read_only = on")
    yield
    _tell_system(server.url("postgres"), "RESET default_transaction_read_only")


def _tell_system(url: str, what: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET default_transaction_read_only = off")
        connection.execute(f"ALTER SYSTEM {what}")
        connection.execute("SELECT pg_reload_conf()")


def _of(installation: Installation) -> Postgresql:
    assert installation.postgresql is not None
    return installation.postgresql
