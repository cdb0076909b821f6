"""The database: one declarative base, and engines that begin every transaction as a reader or as a writer.

A read runs in a deferred transaction that cannot write; a write begins IMMEDIATE on SQLite, where the
driver's default would let two writers decide on the same stale balance. PostgreSQL gets the same promise
from READ ONLY transactions and row locks.
"""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import URL, BigInteger, DateTime, Dialect, Engine, Integer, MetaData, create_engine, event, make_url
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DatabaseError, OperationalError
from sqlalchemy.orm import DeclarativeBase, Session
from sqlalchemy.types import TypeDecorator

from dashboard.config import is_loopback

LOCK_WAIT_MS = 10_000
MOST_TRIES_FOR_WAL = 20
# PostgreSQL's word for a statement that was broken off.
_CANCELLED = "57014"

BigId = BigInteger().with_variant(Integer, "sqlite")


class UtcDateTime(TypeDecorator[datetime]):
    """An aware time in UTC, to the microsecond, on both databases."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a zone")
        moment = value.astimezone(UTC)
        return moment.replace(tzinfo=None) if dialect.name == "sqlite" else moment

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if dialect.name == "sqlite" else value.astimezone(UTC)


class Base(DeclarativeBase):
    """The models stand on a plain base, so that they work with an engine alone, without a Flask app."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {datetime: UtcDateTime}  # noqa: RUF012 (read by SQLAlchemy as it is)


db = SQLAlchemy(metadata=Base.metadata)


def engine_options(url: str) -> dict[str, Any]:
    """Options for `create_engine`, from the kind of database. No error tells what was to be written."""
    if url.startswith("sqlite"):
        connect_args = {"check_same_thread": False}
        return {"connect_args": connect_args, "pool_size": 20, "max_overflow": 80, "hide_parameters": True}
    return {
        "hide_parameters": True,
        "isolation_level": "READ COMMITTED",
        "pool_pre_ping": True,
        "pool_size": 10,
        "max_overflow": 80,
        "connect_args": {"options": "-c timezone=UTC -c synchronous_commit=on", "connect_timeout": 5, **_proofs(url)},
    }


def _proofs(url: str) -> dict[str, str]:
    """A server elsewhere has to prove who it is, unless its address asks for less; libpq by itself takes anybody."""
    address = make_url(url)
    if not is_elsewhere(address) or "sslmode" in address.query:
        return {}
    return {"sslmode": "verify-full", **({} if "sslrootcert" in address.query else {"sslrootcert": "system"})}


def is_elsewhere(address: URL) -> bool:
    """Whether a database is reached over a network; a host that is a folder holds a socket."""
    host = address.host or str(address.query.get("host", ""))
    return host != "" and not host.startswith("/") and not is_loopback(host)


def open_engine(url: str) -> Engine:
    """An engine of its own, for everything that runs without the web app."""
    engine = create_engine(url, **engine_options(url))
    install_hooks(engine)
    return engine


def install_hooks(engine: Engine) -> None:
    """Make the engine begin transactions as this module's head says. Call once, before the first connection."""
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _set_up_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    else:
        event.listen(engine, "begin", _begin_postgresql)


# Which database it is, and whether it is sound


def name_of(engine: Engine) -> str:
    """How people know the database: its file, or its address without a password."""
    if engine.dialect.name == "sqlite":
        return str(engine.url.database)
    secrets = [key for key in engine.url.query if "password" in key]
    return engine.url.difference_update_query(secrets).render_as_string(hide_password=True)


def missing_file(engine: Engine) -> str | None:
    """The SQLite file that is not there: to connect would make an empty one. None: there is one, or none is needed."""
    file = engine.url.database
    return file if engine.dialect.name == "sqlite" and file and not Path(file).exists() else None


def leftover_wal(engine: Engine) -> str | None:
    """The write-ahead log beside an SQLite file, if there is something in it. Look before the first connection.

    Whoever connects next plays it into the file, whichever file it was written for.
    """
    if engine.dialect.name != "sqlite":
        return None
    wal = Path(f"{engine.url.database}-wal")
    return str(wal) if wal.exists() and wal.stat().st_size else None


def integrity_problem(engine: Engine) -> str | None:
    """What is wrong with an SQLite file by its own full check, in one line; None: nothing, or another database."""
    if engine.dialect.name != "sqlite":
        return None
    try:
        with engine.connect() as connection:
            found = connection.exec_driver_sql("PRAGMA integrity_check(1)").scalar_one()
    except OperationalError:
        raise
    except DatabaseError as problem:
        return str(problem.orig)
    return None if found == "ok" else " ".join(str(found).split())


def writing_engine(engine: Engine, lock_wait_ms: int = LOCK_WAIT_MS) -> Engine:
    """The same engine and pool, beginning transactions that may write and wait that long for a lock."""
    return engine.execution_options(write=True, lock_wait_ms=lock_wait_ms)


def snapshot_engine(engine: Engine) -> Engine:
    """The same engine and pool, beginning transactions that can only read and see one moment from first to last."""
    return engine.execution_options(snapshot=True)


class TookTooLong(Exception):
    """A statement was broken off, and its transaction with it: what was asked for goes through too much."""


@contextmanager
def within(session: Session, limit_s: float) -> Iterator[None]:
    """Break off statements that take longer: one person's search must not keep the threads of all others busy.

    Raises TookTooLong.
    """
    connection = session.connection()
    if connection.dialect.name == "sqlite":
        raw: Any = connection.connection.dbapi_connection
        # Interrupting where nothing is being read does nothing.
        interrupt = threading.Timer(limit_s, raw.interrupt)
        interrupt.daemon = True
        interrupt.start()
        done = interrupt.cancel
    else:
        connection.exec_driver_sql(f"SET LOCAL statement_timeout = {int(limit_s * 1000)}")
        done = partial(_limit_no_more, connection)
    try:
        yield
    except OperationalError as problem:
        session.rollback()
        if str(problem.orig) == "interrupted" or getattr(problem.orig, "sqlstate", "") == _CANCELLED:
            raise TookTooLong from problem
        raise
    finally:
        done()


def _limit_no_more(connection: Connection) -> None:
    # After anything was broken off the limit goes with its transaction.
    if not connection.closed and connection.in_transaction():
        with suppress(DatabaseError):
            connection.exec_driver_sql("SET LOCAL statement_timeout = 0")


def insert_unless_there(session: Session, table: type[Base], values: dict[str, Any]) -> None:
    """Add a row, unless one with the same key is there already or is just being added by somebody else."""
    dialect = sqlite if session.get_bind().dialect.name == "sqlite" else postgresql
    # The table itself: a statement on the model gets a class of its own when it is first run, and two threads that
    # run it first at once are warned of it.
    row = dialect.insert(Base.metadata.tables[table.__tablename__]).values(values)
    session.execute(row.on_conflict_do_nothing())


def _lower(text: object) -> object:
    return text.lower() if isinstance(text, str) else text


def _set_up_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None
    # Its own knows no small letters but the Latin ones.
    connection.create_function("lower", 1, _lower, deterministic=True)
    _turn_on_wal(connection)
    # A connection's own cache, in KiB: each thread has one, and the system's cache behind it is as quick.
    for pragma in ("synchronous = FULL", "foreign_keys = ON", "cache_size = -512"):
        connection.execute(f"PRAGMA {pragma}")


def _turn_on_wal(connection: Any) -> None:
    """A new file can be changed over by one process only, and SQLite lets the others fail instead of wait."""
    for _ in range(MOST_TRIES_FOR_WAL):
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError:
            connection.execute("BEGIN IMMEDIATE")  # waits until whoever is writing has done
            connection.execute("COMMIT")
        else:
            return
    connection.execute("PRAGMA journal_mode = WAL")


def _begin_sqlite(connection: Connection) -> None:
    options = connection.get_execution_options()
    write = options.get("write", False)
    # These two can neither wait nor fail, and come before each and every transaction.
    raw: Any = connection.connection.dbapi_connection
    raw.execute(f"PRAGMA busy_timeout = {int(options.get('lock_wait_ms', LOCK_WAIT_MS))}")
    raw.execute(f"PRAGMA query_only = {0 if write else 1}")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


def _begin_postgresql(connection: Connection) -> None:
    options = connection.get_execution_options()
    if options.get("snapshot", False):
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
    elif not options.get("write", False):
        connection.exec_driver_sql("SET TRANSACTION READ ONLY")
    elif "lock_wait_ms" in options:
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = {int(options['lock_wait_ms'])}")
