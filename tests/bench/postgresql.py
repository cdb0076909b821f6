"""A PostgreSQL server of the tests' own: made on first use, thrown away at the end."""

import getpass
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

HOW_TO_GET_IT = "PostgreSQL's server programs are missing: install the Debian package `postgresql`"
STARTS_WITHIN_S = 60.0
STOPS_WITHIN_S = 30.0
LOG_NAME = "server.log"
_QUICK = ("fsync=off", "full_page_writes=off", "max_connections=200", "log_min_messages=warning")


@dataclass(frozen=True)
class PostgresqlServer:
    """One running server. Everybody on this machine may connect as `superuser`."""

    port: int
    superuser: str

    def url(self, database: str) -> str:
        return f"postgresql://{self.superuser}@127.0.0.1:{self.port}/{database}"

    def run(self, database: str, *statements: str) -> None:
        """Run statements in one go, as the superuser."""
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            connection.execute(";\n".join(statements))


@contextmanager
def running_postgresql(kept_in: Path | None = None, port: int | None = None) -> Iterator[PostgresqlServer]:
    """A server that runs while the block does: a new one, or one that is kept in a folder from run to run."""
    programs = _programs()
    owner = _owner()
    folder = kept_in or Path(tempfile.mkdtemp(prefix="dashboard-tests-postgresql-"))
    if owner:
        os.chown(folder, owner.pw_uid, owner.pw_gid)
    try:
        if not (folder / "data").exists():
            _initialise(programs, folder, owner)
        server = PostgresqlServer(port or _free_port(), "tests")
        with _started(programs, folder, server.port, owner) as process:
            _await_connections(server, process, folder / LOG_NAME)
            yield server
    finally:
        if not kept_in:
            shutil.rmtree(folder)


def _programs() -> Path:
    """The folder of `initdb` and `postgres`."""
    found = shutil.which("initdb")
    if found and (Path(found).parent / "postgres").exists():
        return Path(found).resolve().parent
    versions = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    newest = max(versions, key=lambda path: float(path.parts[-3]), default=None)
    if newest is None:
        raise RuntimeError(HOW_TO_GET_IT)
    return newest.parent


def _owner() -> pwd.struct_passwd | None:
    """Who runs the server: it refuses to be run by root. None: whoever runs the tests."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        raise RuntimeError(f"There is no user `postgres`. {HOW_TO_GET_IT}") from None


def _as(owner: pwd.struct_passwd | None) -> dict[str, Any]:
    return {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []} if owner else {}


def _initialise(programs: Path, folder: Path, owner: pwd.struct_passwd | None) -> None:
    made = subprocess.run(
        [programs / "initdb", "-D", folder / "data", "-U", "tests", "-A", "trust", "-E", "UTF8", "--no-locale", "-N"],
        capture_output=True,
        text=True,
        cwd=folder,
        check=False,
        **_as(owner),
    )
    if made.returncode:
        who = owner.pw_name if owner else getpass.getuser()
        raise RuntimeError(f"initdb, run as {who}, failed:\n{made.stdout}{made.stderr}")


@contextmanager
def _started(
    programs: Path, folder: Path, port: int, owner: pwd.struct_passwd | None
) -> Iterator[subprocess.Popen[bytes]]:
    settings = [argument for setting in _QUICK for argument in ("-c", setting)]
    command = [programs / "postgres", "-D", folder / "data", "-h", "127.0.0.1", "-p", str(port), "-k", folder]
    with (folder / LOG_NAME).open("wb") as log:
        process = subprocess.Popen(
            [*command, *settings], stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=folder, **_as(owner)
        )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(STOPS_WITHIN_S)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _await_connections(server: PostgresqlServer, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline_s = time.monotonic() + STARTS_WITHIN_S
    while process.poll() is None and time.monotonic() < deadline_s:
        try:
            psycopg.connect(server.url("postgres")).close()
        except psycopg.OperationalError:
            time.sleep(0.02)
        else:
            return
    raise RuntimeError(f"PostgreSQL did not start:\n{log.read_text()}")
