"""On PostgreSQL the desk needs no password: a certificate over TLS or a socket opens the database, and no more."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import text

from dashboard.config import read_config
from dashboard.db import open_engine
from tests.bench.command_line import run
from tests.bench.databases import on_postgresql
from tests.bench.guarded_postgresql import HBA, OTHER_ROLE, ROLE, GuardedDatabase, guarded_database
from tests.bench.postgresql import PostgresqlServer
from tests.bench.refund_desk import RefundDesk
from tests.bench.tls import write_certificate

ROOT = Path(__file__).parent.parent.parent
PASSWORD = "a password of the tests"


@pytest.fixture(scope="module")
def guarded(postgresql: PostgresqlServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GuardedDatabase]:
    with guarded_database(postgresql, tmp_path_factory.mktemp("guarded")) as guarded:
        yield guarded


@pytest.fixture
def environment(environ: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Of this process: commands run in it."""
    for name, value in environ.items():
        monkeypatch.setenv(name, value)


def succeeds(*arguments: str, stdin: str = "") -> str:
    done = run(*arguments, stdin=stdin)
    assert done.exit_code == 0, done.output
    return done.output


def lives_on(email: str) -> None:
    """It makes the tables, writes and reads there, and has nothing to say against it."""
    succeeds("db", "upgrade")
    succeeds("user", "add", email, "--role", "viewer", "--password-stdin", stdin=f"{PASSWORD}\n")
    assert email in succeeds("user", "list")
    assert "The journal is whole: " in succeeds("journal", "verify")
    lines = run("check").output
    assert "The database is there and migrated" in lines
    assert "holds a password" not in lines
    assert "DASHBOARD_DATABASE_URL" not in lines


def told_of_itself(address: str, query: str) -> tuple[object, ...]:
    engine = open_engine(read_config({**NEEDED, "DASHBOARD_DATABASE_URL": address}).database_url)
    with engine.connect() as connection:
        row = connection.execute(text(query)).one()
    engine.dispose()
    return tuple(row)


NEEDED = {
    "DASHBOARD_SECRET_KEY": "a secret key for tests: 0123456789 abcdefghij",
    "BANK131_URL": "http://127.0.0.1:1",
    "BANK131_PROJECT": "demo_project",
    "BANK131_PRIVATE_KEY_FILE": "/keys/private.pem",
    "BANK131_PUBLIC_KEY_FILE": "/keys/public.pem",
}


def test_it_lives_on_a_database_that_a_client_certificate_opens(
    guarded: GuardedDatabase, environment: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = guarded.over_tls(guarded.own)
    monkeypatch.setenv("DASHBOARD_DATABASE_URL", address)
    lives_on("tls@desk.test")
    query = "SELECT ssl, version, client_dn, current_user FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
    assert told_of_itself(address, query) == (True, "TLSv1.3", f"/CN={ROLE}", ROLE)


def test_it_lives_on_a_database_that_a_socket_opens(
    guarded: GuardedDatabase, environment: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = guarded.by_socket()
    monkeypatch.setenv("DASHBOARD_DATABASE_URL", address)
    lives_on("socket@desk.test")
    assert told_of_itself(address, "SELECT inet_client_addr(), current_user") == (None, ROLE)


def test_nothing_else_opens_it(guarded: GuardedDatabase, tmp_path: Path) -> None:
    stranger = write_certificate(tmp_path, ROLE)
    for address, said in (
        (guarded.over_tls(), "requires a valid client certificate"),
        (guarded.over_tls(stranger), "tls|certificate|ssl"),
        (guarded.over_tls(guarded.own, OTHER_ROLE), "certificate authentication failed"),
        (guarded.over_tls(guarded.own, of_server=stranger), "certificate verify failed"),
        (guarded.over_tls(guarded.own).replace("verify-full", "disable"), "rejects connection"),
        (guarded.by_socket(OTHER_ROLE), "Peer authentication failed"),
    ):
        with pytest.raises(psycopg.OperationalError, match=f"(?i){said}"):
            psycopg.connect(address)


def test_the_command_says_why_it_was_not_let_in(
    guarded: GuardedDatabase, environment: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DASHBOARD_DATABASE_URL", guarded.over_tls())
    done = run("check")
    assert done.exit_code == 1
    assert "The database cannot be reached: " in done.output
    assert "requires a valid client certificate" in done.output


@on_postgresql
def test_a_check_says_that_a_password_is_not_needed(
    refund_desk: RefundDesk, environment: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It works all the same."""
    address = str(refund_desk.desk.engine.url.render_as_string(hide_password=False))
    for with_password in (address.replace("@", ":s3cret@"), f"{address}?password=s3cret"):
        monkeypatch.setenv("DASHBOARD_DATABASE_URL", with_password)
        [line] = [line for line in run("check").output.splitlines() if "holds a password" in line]
        assert "DASHBOARD_DATABASE_URL holds a password, which works, but a client certificate or a socket" in line
        assert "s3cret" not in run("check").output
    monkeypatch.setenv("DASHBOARD_DATABASE_URL", address)
    assert "holds a password" not in run("check").output


def test_the_manual_has_the_very_lines_that_guard_it_here() -> None:
    manual = {" ".join(line.split()) for line in (ROOT / "README.md").read_text(encoding="utf-8").splitlines()}
    assert set(HBA.replace("127.0.0.1/32", "10.0.0.0/24").splitlines()) <= manual
