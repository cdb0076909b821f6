"""A database that nobody enters with a password: by a client certificate over TLS, or by a socket as whom one is."""

import getpass
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from tests.bench.postgresql import STARTS_WITHIN_S, PostgresqlServer
from tests.bench.tls import write_certificate
from tests.journeys.waiting import eventually

NAME, ROLE, OTHER_ROLE = "refund_desk", "refund_desk_app", "refund_desk_owner"
# As the manual has them. Before the lines of the server's other databases; the first one that fits a connection holds.
HBA = f"""\
local {NAME} {ROLE},{OTHER_ROLE} peer map=refund_desk
hostssl {NAME} {ROLE},{OTHER_ROLE} 127.0.0.1/32 cert
host {NAME} {ROLE},{OTHER_ROLE} all reject
"""
IDENT = f"refund_desk  {getpass.getuser()}  {ROLE}\n"


@dataclass(frozen=True)
class GuardedDatabase:
    """`own`: the certificate of ROLE. `of_server`: what the server proves itself with."""

    server: PostgresqlServer
    sockets: str
    own: Path
    of_server: Path

    def over_tls(self, own: Path | None = None, role: str = ROLE, of_server: Path | None = None) -> str:
        """The address with that certificate, and without one if there is none."""
        proof = f"&sslcert={own}&sslkey={own}" if own else "&sslcert=none.pem"
        root = f"sslmode=verify-full&sslrootcert={of_server or self.of_server}"
        return f"postgresql://{role}@127.0.0.1:{self.server.port}/{NAME}?{root}{proof}"

    def by_socket(self, role: str = ROLE) -> str:
        return f"postgresql://{role}@/{NAME}?host={self.sockets}&port={self.server.port}"


@contextmanager
def guarded_database(server: PostgresqlServer, folder: Path) -> Iterator[GuardedDatabase]:
    """It exists, empty, while the block runs; the server's other databases are entered as before."""
    for name in ("desk", "server"):
        (folder / name).mkdir()
    own, of_server = write_certificate(folder / "desk", ROLE), write_certificate(folder / "server")
    data, sockets = (_shown(server, name) for name in ("data_directory", "unix_socket_directories"))
    files = {
        "ssl_cert_file": _given(of_server, Path(data) / "server.pem"),
        "ssl_key_file": _given(of_server, Path(data) / "server.pem"),
        "ssl_ca_file": _given(own, Path(data) / "clients.pem"),
    }
    with _prepended(Path(data) / "pg_hba.conf", HBA), _prepended(Path(data) / "pg_ident.conf", IDENT):
        for name, value in {**files, "ssl": "on"}.items():
            server.run("postgres", f"ALTER SYSTEM SET {name} = '{value}'")
        for role in (ROLE, OTHER_ROLE):
            server.run("postgres", f"CREATE ROLE {role} LOGIN")
        server.run("postgres", f"CREATE DATABASE {NAME} OWNER {ROLE}")
        server.run("postgres", "SELECT pg_reload_conf()")
        eventually(lambda: _speaks_tls(server), STARTS_WITHIN_S, "the server speaks TLS")
        try:
            yield GuardedDatabase(server, sockets, own, of_server)
        finally:
            server.run("postgres", f"DROP DATABASE {NAME} WITH (FORCE)")
            server.run("postgres", f"DROP ROLE {ROLE}, {OTHER_ROLE}")
            server.run("postgres", "ALTER SYSTEM RESET ALL")
    server.run("postgres", "SELECT pg_reload_conf()")


def _shown(server: PostgresqlServer, setting: str) -> str:
    with psycopg.connect(server.url("postgres")) as connection:
        [(value,)] = connection.execute(f"SHOW {setting}").fetchall()  # type: ignore[arg-type]
    return str(value)


def _speaks_tls(server: PostgresqlServer) -> bool:
    try:
        psycopg.connect(server.url("postgres"), sslmode="require").close()
    except psycopg.OperationalError:
        return False
    return True


def _given(file: Path, to: Path) -> Path:
    """A copy that belongs to whoever runs the server."""
    shutil.copy(file, to)
    owner = to.parent.stat()
    os.chown(to, owner.st_uid, owner.st_gid)
    return to


@contextmanager
def _prepended(file: Path, lines: str) -> Iterator[None]:
    before = file.read_text()
    file.write_text(lines + before)
    try:
        yield
    finally:
        file.write_text(before)
