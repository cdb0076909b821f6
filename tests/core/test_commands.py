"""Commands: which database they work on, what they need of the settings, and what they refuse before they write."""

import logging
import os
import shutil
import socket
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyotp
import pytest
from sqlalchemy import Engine, text

from dashboard import cli, db, doctor, factors, limits, people, signing_in
from dashboard.config import Config, read_config
from dashboard.limit_rules import Limit
from dashboard.models import FederatedIdentity, Person, WorkerBeat
from tests.bench.command_line import run, set_to
from tests.bench.databases import on_postgresql, on_sqlite
from tests.bench.leaked import write_list
from tests.bench.refund_desk import PASSWORD, RefundDesk
from tests.journeys.commands import free_port

EMAIL = "anna@desk.test"
CHANGING = {
    "upgrade": ["db", "upgrade"],
    "reseal": ["db", "reseal"],
    "restored": ["db", "restored"],
    "move": ["bank", "move", "--yes"],
    "add": ["user", "add", "new@desk.test", "--role", "viewer", "--password-stdin"],
    "disable": ["user", "disable", EMAIL],
    "enable": ["user", "enable", EMAIL],
    "role": ["user", "role", EMAIL, "viewer"],
    "password": ["user", "password", EMAIL, "--password-stdin"],
    "pause": ["sending", "pause"],
    "resume": ["sending", "resume"],
}
LOOKING = {"verify": ["journal", "verify"], "key": ["journal", "key"], "list": ["user", "list"]}
STARTING = {"serve": ["serve"], "web": ["web"], "worker": ["worker"], "check": ["check"]}


def file_of(refund_desk: RefundDesk) -> Path:
    return Path(str(refund_desk.desk.engine.url.database))


def have_a_beat(refund_desk: RefundDesk, age: timedelta) -> None:
    with refund_desk.desk.write() as tx:
        tx.add(WorkerBeat(worker_id=f"w{age}", at=datetime.now(UTC) - age))


@pytest.fixture
def environment(environ: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The settings of an installation without those of the bank; no others."""
    for name in environ:
        monkeypatch.delenv(name, raising=False)
    kept = {name: value for name, value in environ.items() if name.startswith("DASHBOARD_")}
    for name, value in kept.items():
        monkeypatch.setenv(name, value)
    return kept


# Which database


@pytest.mark.parametrize("command", {**CHANGING, **LOOKING, **STARTING}.items(), ids=lambda pair: pair[0])
def test_only_an_upgrade_makes_a_file(
    environ: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, list[str]]
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    result = run(*command[1])
    file = tmp_path / "refund-desk.sqlite3"
    if command[0] == "upgrade":
        assert result.output.splitlines() == [
            f"Database: {file}",
            "It is new and empty: no accounts, no refunds, no journal. If yours is another one,",
            "put DASHBOARD_DATABASE_URL right.",
            "The database has the newest shape.",
        ]
        assert run("db", "upgrade").output.splitlines() == [f"Database: {file}", "The database has the newest shape."]
    else:
        assert result.exit_code == 1
        assert f"There is no database file {file}: DASHBOARD_DATABASE_URL says where it is" in result.output
        assert list(tmp_path.iterdir()) == []


@on_sqlite
@pytest.mark.parametrize("name", CHANGING)
def test_what_changes_something_names_the_database(
    refund_desk: RefundDesk, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    set_to(monkeypatch, refund_desk.desk.config)
    refund_desk.person(email=EMAIL)
    result = run(*CHANGING[name], stdin="a new password\n")
    assert result.exit_code == 0
    assert result.output.splitlines()[0] == f"Database: {file_of(refund_desk)}"


@on_postgresql
def test_an_upgrade_of_a_new_postgresql_database_says_so(
    empty_database_url: str, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DASHBOARD_DATABASE_URL", empty_database_url)
    assert "It is new and empty" in run("db", "upgrade").output
    assert "It is new and empty" not in run("db", "upgrade").output


@pytest.mark.usefixtures("environment")
def test_an_upgrade_counts_the_refunds_anew(refund_desk: RefundDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DASHBOARD_DATABASE_URL", refund_desk.desk.config.database_url)
    refund_desk.ask(refund_desk.paid_session(100_00), 10_00)
    with refund_desk.desk.write() as tx:
        tx.execute(text("DELETE FROM refund_counts"))
    assert run("db", "upgrade").exit_code == 0
    refund_desk.check()


def test_no_password_is_in_a_database_s_name() -> None:
    engine = db.open_engine("postgresql+psycopg://me:secret@db.test:5432/desk?sslpassword=another&sslmode=require")
    assert db.name_of(engine) == "postgresql+psycopg://me:***@db.test:5432/desk?sslmode=require"
    assert db.missing_file(engine) is None


@on_sqlite
@pytest.mark.parametrize("verb", ["pause", "resume"])
def test_a_database_without_a_worker_may_be_the_wrong_one(
    refund_desk: RefundDesk, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    set_to(monkeypatch, refund_desk.desk.config)
    asks = "a sign of life in this database"
    assert f"No worker has ever given {asks}: is it the right one?\n" in run("sending", verb).output
    have_a_beat(refund_desk, timedelta(seconds=100))
    assert f"No worker has given {asks} for 10" in run("sending", verb).output
    have_a_beat(refund_desk, timedelta(seconds=1))
    result = run("sending", verb)
    assert (result.exit_code, asks in result.output) == (0, False)


# Which settings


@on_sqlite
@pytest.mark.parametrize(
    "command", [*LOOKING.values(), *(each for name, each in CHANGING.items() if name != "move")], ids=" ".join
)
def test_what_needs_the_database_alone_works_without_the_bank(
    refund_desk: RefundDesk, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    refund_desk.person(email=EMAIL)
    monkeypatch.setenv("DASHBOARD_DATABASE_URL", refund_desk.desk.config.database_url)
    monkeypatch.setenv("BANK131_URL", "no address at all")
    result = run(*command, stdin="a new password\n")
    assert (result.exit_code, result.exception) == (0, None)


@pytest.mark.parametrize(
    ("name", "value"),
    [("BANK131_TIMEOUT_SECONDS", "soon"), ("DASHBOARD_SECRET_KEY", "short"), ("DASHBOARD_QUIET_SECONDS", "-")],
)
def test_a_bad_value_that_is_used_still_stops_it(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    result = run("sending", "pause")
    assert (result.exit_code, result.output.startswith(name)) == (1, True)


# Everything is to be stopped


@pytest.mark.parametrize("command", ["restored", "move"])
@pytest.mark.parametrize(
    ("age_s", "works"), [(0, False), (20, False), (-20, False), (35, True), (-60, True)], ids="{} s".format
)
def test_nothing_is_put_back_or_moved_beside_a_worker(
    refund_desk: RefundDesk, monkeypatch: pytest.MonkeyPatch, command: str, age_s: int, works: bool
) -> None:
    set_to(monkeypatch, refund_desk.desk.config)
    have_a_beat(refund_desk, timedelta(days=1))
    have_a_beat(refund_desk, timedelta(seconds=age_s))
    result = run(*CHANGING[command])
    assert (result.exit_code == 0) is works
    assert bool(refund_desk.journal("installation")) is works
    if not works:
        assert "less than 30 s ago a worker gave a sign of life here.\n" in result.output
        assert "Web servers give no such sign: stop them too.\n" in result.output
        assert "Then wait half a minute and try again" in result.output


# A backup that is none


@on_sqlite
def test_it_says_which_backup_it_found(refund_desk: RefundDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    set_to(monkeypatch, refund_desk.desk.config)
    refund_desk.ask(refund_desk.paid_session(100_00), 10_00)
    last = refund_desk.journal()[-1]
    lines = run("db", "restored").output.splitlines()
    assert f"Its journal: {last.seq} entries, head {last.seq}:{last.hash}" in lines
    assert any(line.startswith("The backup's last entry is of 2026-03-01 09:00:00 UTC. If your") for line in lines)


def damage(file: Path) -> str:
    """An index is overwritten that no journal and no comparison reads."""
    with closing(sqlite3.connect(file)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (size,) = database.execute("PRAGMA page_size").fetchone()
        query = "SELECT rootpage FROM sqlite_master WHERE name = 'ix_guesses_began_at'"
        (page,) = database.execute(query).fetchone()
    with file.open("r+b") as raw:
        raw.seek((page - 1) * size)
        raw.write(b"\xff" * size)
    return "SQLite's own check finds the file damaged: "


def break_chain(file: Path) -> str:
    with closing(sqlite3.connect(file)) as database:
        for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            database.execute(f"DROP TRIGGER {name}")
        database.execute("UPDATE journal SET actor = 'nobody' WHERE seq = 1")
        database.commit()
    return "The journal is broken: entry 1 was changed"


def change_table(file: Path) -> str:
    with closing(sqlite3.connect(file)) as database:
        database.execute("UPDATE payment_sessions SET captured_minor = 1")
        database.commit()
    return "The journal is whole, but the tables are not what it tells of: 1 row differs."


@on_sqlite
@pytest.mark.parametrize("spoil", [damage, break_chain, change_table])
def test_a_backup_that_is_not_sound_is_refused_before_anything_is_written(
    refund_desk: RefundDesk, monkeypatch: pytest.MonkeyPatch, spoil: Callable[[Path], str]
) -> None:
    refund_desk.is_tampered = True
    set_to(monkeypatch, refund_desk.desk.config)
    refund_desk.ask(refund_desk.paid_session(100_00), 10_00)
    refund_desk.desk.engine.dispose()
    problem = spoil(file_of(refund_desk))
    result = run("db", "restored")
    assert result.exit_code == 1
    assert problem in result.output
    assert "Nothing was changed. The amounts in this database cannot be relied on" in result.output
    assert f"Remove {file_of(refund_desk)}-wal and {file_of(refund_desk)}-shm before you copy" in result.output
    assert refund_desk.journal("installation") == []


@on_sqlite
def test_no_file_of_sqlite_s_is_told_so(
    refund_desk: RefundDesk, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "no-database").write_bytes(b"something else " * 1000)
    environ = {"DASHBOARD_DATABASE_URL": f"sqlite:///{tmp_path / 'no-database'}"}
    for name, value in {**environ, "DASHBOARD_SECRET_KEY": refund_desk.desk.config.secret_key}.items():
        monkeypatch.setenv(name, value)
    result = run("db", "restored")
    assert (result.exit_code, "file is not a database\n" in result.output) == (1, True)


@on_sqlite
def test_tables_that_all_backups_have_so_are_accepted_on_record_alone(
    refund_desk: RefundDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    refund_desk.is_tampered = True
    set_to(monkeypatch, refund_desk.desk.config)
    refund_desk.ask(refund_desk.paid_session(100_00), 10_00)
    problem = change_table(file_of(refund_desk))
    assert "--as-it-is goes on, on record.\n" in run("db", "restored").output
    result = run("db", "restored", "--as-it-is")
    assert (result.exit_code, problem in result.output) == (0, True)
    assert f'"accepted":"{problem}"' in refund_desk.journal("installation")[-1].data
    damage(file_of(refund_desk))
    assert run("db", "restored", "--as-it-is").exit_code == 1


def copied_over_a_leftover_wal(refund_desk: RefundDesk, folder: Path, *, checkpoint: bool) -> Path:
    """A backup copied over the file of processes that were killed, whose log nobody has removed.

    `checkpoint`: part of what came after the backup had gone into the file already, and is not in the log any more.
    """
    file, killed = file_of(refund_desk), folder / "killed.sqlite3"
    refund_desk.ask(refund_desk.paid_session(100_00), 10_00)
    with closing(sqlite3.connect(file)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        shutil.copyfile(file, folder / "backup.sqlite3")
        for number in range(20):
            people.add(refund_desk.desk, f"a{number}@desk.test", "viewer", PASSWORD, actor="test")
        if checkpoint:
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        refund_desk.clock.advance(hours=1)
        refund_desk.ask(refund_desk.paid_session(100_00), 10_00)
        for suffix in ("", "-wal", "-shm"):
            shutil.copyfile(f"{file}{suffix}", f"{killed}{suffix}")
    shutil.copyfile(folder / "backup.sqlite3", killed)
    return killed


@on_sqlite
def test_a_log_that_undoes_the_restore_is_told_of(
    refund_desk: RefundDesk, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = copied_over_a_leftover_wal(refund_desk, tmp_path, checkpoint=False)
    monkeypatch.setenv("DASHBOARD_DATABASE_URL", f"sqlite:///{file}")
    lines = run("db", "restored").output.splitlines()
    assert lines[:2] == [
        f"Database: {file}",
        f"There were changes in {file}-wal. Unless it belongs to the backup, they have just gone into it:",
    ]
    assert any("last entry is of 2026-03-01 10:00:00 UTC" in line for line in lines), "an hour after the backup"


@on_sqlite
def test_a_log_that_spoils_the_backup_is_refused(
    refund_desk: RefundDesk, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = copied_over_a_leftover_wal(refund_desk, tmp_path, checkpoint=True)
    monkeypatch.setenv("DASHBOARD_DATABASE_URL", f"sqlite:///{file}")
    result = run("db", "restored")
    assert (result.exit_code, "Sending is paused" in result.output) == (1, False)
    assert f"Remove {file}-wal and {file}-shm before you copy the backup there" in result.output
    for leftover in tmp_path.glob("killed.sqlite3-*"):
        leftover.unlink()
    shutil.copyfile(tmp_path / "backup.sqlite3", file)
    result = run("db", "restored")
    assert (result.exit_code, "There were changes in" in result.output) == (0, False)


# Accounts


@on_sqlite
def test_accounts_are_changed_and_listed(refund_desk: RefundDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = refund_desk.desk
    set_to(monkeypatch, desk.config)
    refund_desk.person("admin", "root@desk.test")
    refund_desk.person(email=EMAIL)
    done = [
        run("user", "role", EMAIL, "viewer"),
        run("user", "password", EMAIL, "--password-stdin", stdin="another password\n"),
        run("user", "disable", EMAIL),
    ]
    assert [each.output.splitlines()[1:] for each in done] == [
        [f"{EMAIL} is viewer now, and has to sign in again."],
        [f"{EMAIL} has another password now, and has to sign in again."],
        [f"{EMAIL} is signed out and cannot sign in any more."],
    ]
    assert run("user", "list").output == f"{EMAIL}  viewer  disabled\nroot@desk.test  admin  enabled\n"
    assert run("user", "enable", EMAIL).output.splitlines()[1:] == [f"{EMAIL} can sign in again."]
    assert run("user", "enable", EMAIL).output.splitlines()[1:] == ["It was so already: nothing was changed."]
    assert signing_in.sign_in(desk, EMAIL, "another password", "127.0.0.1")


@on_sqlite
def test_lost_second_factors_are_reset(refund_desk: RefundDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = refund_desk.desk
    set_to(monkeypatch, desk.config)
    person = refund_desk.person(email=EMAIL)
    secret, sealed = factors.new_app_secret(desk, person)
    factors.add_app(desk, person, sealed, pyotp.TOTP(secret).at(desk.clock.now()))
    with pytest.raises(signing_in.FactorNeeded):
        signing_in.sign_in(desk, EMAIL, PASSWORD, "127.0.0.1")
    done, again = run("user", "reset-factors", EMAIL), run("user", "reset-factors", EMAIL)
    assert done.output.splitlines()[1:] == [
        f"{EMAIL} has no second factor any more, is signed out, and signs in with the password alone."
    ]
    assert again.output.splitlines()[1:] == ["It was so already: nothing was changed."]
    assert signing_in.sign_in(desk, EMAIL, PASSWORD, "127.0.0.1")
    assert run("user", "reset-factors", "nobody@desk.test").output.endswith("'nobody@desk.test' has no account.\n")


@on_sqlite
def test_an_account_is_unbound_from_the_provider(refund_desk: RefundDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever signs in through the provider alone is not shown as somebody who never has."""
    issuer, desk = "https://sso.example.com", refund_desk.desk
    set_to(monkeypatch, replace(desk.config, oidc_issuer=issuer))
    person = refund_desk.person("operator", EMAIL)
    with desk.write() as tx:
        tx.get_one(Person, person.id).password_hash = ""
        tx.add(FederatedIdentity(issuer=issuer, subject="1", person_id=person.id, bound_at=desk.clock.now()))
    assert f"{EMAIL}  operator  enabled" in run("user", "list").output
    assert "bound to nobody" in run("user", "unbind", EMAIL).output
    assert run("user", "unbind", EMAIL).output.endswith("It was so already: nothing was changed.\n")
    assert f"{EMAIL}  operator  invited" in run("user", "list").output


@on_sqlite
def test_what_cannot_be_changed_has_one_line(refund_desk: RefundDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    set_to(monkeypatch, refund_desk.desk.config)
    refund_desk.person("admin", "root@desk.test")
    for arguments, problem in (
        (["disable", "nobody@desk.test"], "'nobody@desk.test' has no account"),
        (["disable", "root@desk.test"], "root@desk.test is the last admin who can sign in: make another one first"),
    ):
        result = run("user", *arguments)
        assert (result.exit_code, result.output.splitlines()[1:]) == (1, [f"Nothing was changed: {problem}."])


@on_sqlite
def test_a_check_names_the_database(config: Config, engine: Engine) -> None:
    lines = [finding.line for finding in doctor.findings(config)]
    assert f"The database is there and migrated: {engine.url.database}" in lines


@on_sqlite
def test_a_check_says_what_one_stolen_password_is_enough_for(config: Config, refund_desk: RefundDesk) -> None:
    def told() -> list[str]:
        lines = [finding.line for finding in doctor.findings(config)]
        return [line for line in lines if "no limits" in line or "password alone" in line]

    assert [line.partition(":")[0] for line in told()] == ["There are no limits", "DASHBOARD_REQUIRE_FACTORS is no"]
    limits.put(refund_desk.desk, "*", Limit(0), actor="test")
    assert [line.partition(":")[0] for line in told()] == ["DASHBOARD_REQUIRE_FACTORS is no"]


@on_sqlite
def test_a_check_tells_where_pages_cannot_look_at_the_bank(config: Config, tmp_path: Path) -> None:
    alone = replace(config, run_folder=tmp_path)
    line = (
        f"No worker of this machine can be found (there is none in {tmp_path}): pages here show what is known already."
    )
    assert doctor._no_window(alone) == line
    tmp_path.chmod(0o777)
    assert "can be written to by everybody" in (doctor._no_window(alone) or "")


@on_sqlite
def test_a_check_says_how_big_the_list_of_leaked_passwords_is(config: Config, tmp_path: Path) -> None:
    file = write_list(tmp_path / "leaked.txt", ["password one", "password two"])
    os.utime(file, (0, 0))
    with_list = replace(config, leaked_passwords_file=file)
    line = "DASHBOARD_LEAKED_PASSWORDS_FILE: good, 87 bytes, written on 1970-01-01."
    assert doctor.Finding(line, is_fatal=False) in list(doctor.findings(with_list))
    file.write_text("123456\npassword\n")
    [line] = [one for one in doctor.findings(with_list) if one.line.startswith("DASHBOARD_LEAKED_PASSWORDS_FILE")]
    assert line.is_fatal
    file.unlink()
    no_file = f"DASHBOARD_LEAKED_PASSWORDS_FILE: there is no file {file}."
    assert doctor.Finding(no_file, is_fatal=True) in list(doctor.findings(with_list))


@on_sqlite
@pytest.mark.parametrize("command", ["serve", "web", "demo"])
def test_no_start_with_a_list_of_leaked_passwords_that_is_none(
    config: Config, environ: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    file = tmp_path / "leaked.txt"
    file.write_text("123456\npassword\n")
    settings = {"DASHBOARD_DATABASE_URL": config.database_url, "DASHBOARD_LEAKED_PASSWORDS_FILE": str(file)}
    for name, value in {**environ, **settings}.items():
        monkeypatch.setenv(name, value)
    ports = (str(free_port()) for _ in range(2))
    demo = ["--data", str(tmp_path / "data"), "--port", next(ports), "--bank-port", next(ports)]
    result = run(command, *(demo if command == "demo" else []))
    assert result.exit_code == 1
    assert result.output.splitlines()[-1].startswith(f"DASHBOARD_LEAKED_PASSWORDS_FILE: {file} has lines that are no")


def test_the_demo_needs_two_free_ports(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        for ports in (["--port", port], ["--port", "1", "--bank-port", "1"]):
            result = run("demo", "--data", str(tmp_path / "data"), *ports)
            assert result.exit_code == 1
            assert "choose others with --port and --bank-port" in result.output
    assert not (tmp_path / "data").exists()


# A database that is never asked: it stands in the address alone.
ELSEWHERE = "postgresql://refund_desk_app:s3cret@db.example.com/refund_desk"


@on_sqlite
@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({}, ""),
        ({"DASHBOARD_PUBLIC_URL": "http://refunds.example.com"}, "DASHBOARD_PUBLIC_URL: http://refunds.example.com"),
        ({"DASHBOARD_PUBLIC_URL": "http://10.0.0.7:8131"}, "DASHBOARD_PUBLIC_URL: http://10.0.0.7:8131 is not https"),
        ({"DASHBOARD_PUBLIC_URL": "http://localhost:8131"}, ""),
        (
            {"DASHBOARD_MAIL_SERVER": "smtp://mail.example.com", "DASHBOARD_MAIL_FROM": "desk@example.com"},
            "DASHBOARD_PUBLIC_URL: http://127.0.0.1:8131 is this machine alone",
        ),
        ({"DASHBOARD_PUBLIC_URL": "https://refunds.example.com"}, "DASHBOARD_PROXY_HOPS is 0 though"),
        ({"DASHBOARD_PUBLIC_URL": "https://refunds.example.com", "DASHBOARD_PROXY_HOPS": "1"}, ""),
        ({"DASHBOARD_DATABASE_URL": ELSEWHERE}, ""),
        ({"DASHBOARD_DATABASE_URL": f"{ELSEWHERE}?sslmode=require"}, "DASHBOARD_DATABASE_URL: db.example.com need not"),
        ({"DASHBOARD_DATABASE_URL": f"{ELSEWHERE}?sslmode=verify-full"}, ""),
        ({"DASHBOARD_DATABASE_URL": "postgresql://app@localhost/refund_desk"}, ""),
        ({"DASHBOARD_DATABASE_URL": "postgresql:///refund_desk?host=/run/postgresql"}, ""),
    ],
)
def test_a_check_tells_what_goes_over_a_network_in_the_clear(
    environ: dict[str, str], config: Config, changed: dict[str, str], told: str
) -> None:
    """It works all the same, so the check passes."""
    changed_config = read_config({**environ, "DASHBOARD_DATABASE_URL": config.database_url, **changed})
    found = list(doctor._in_the_clear(changed_config))
    assert [finding.is_fatal for finding in found] == ([False] if told else [])
    assert all(finding.line.startswith(told) and "s3cret" not in finding.line for finding in found)
    if "DASHBOARD_DATABASE_URL" not in changed:
        assert found == list(doctor.findings(changed_config))[: len(found)]


# What they say while they run


def test_a_line_of_the_log_says_when_in_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    record = logging.makeLogRecord({"created": 0.0, "name": "desk", "levelname": "INFO", "msg": "it works"})
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        line = cli.LOG_LINE.format(record)
    time.tzset()
    assert line == "1970-01-01T00:00:00Z INFO desk it works"
