"""Keys and passwords: told to nobody, whatever goes wrong, and none of them weak or open to others."""

import logging
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from flask import Flask
from sqlalchemy.exc import OperationalError

from dashboard import db, doctor, people, server
from dashboard.app import create_app
from dashboard.config import Config, read_config
from dashboard.sandbox.keys import SandboxKeys
from dashboard.web import access
from tests.bench.command_line import run
from tests.bench.databases import on_sqlite
from tests.bench.refund_desk import PASSWORD, RefundDesk
from tests.bench.wire import REFUND, STATUS, answered, bad_gateway, error, lose_answer, refuse_connection
from tests.web.browser import Browser
from tests.web.conftest import Auth
from tests.web.tables import dump

DATABASE_PASSWORD = "hunter2-of-the-database"
SECRET_KEY = "a secret key that is told to nobody: 0123456789"
JOURNAL_KEY = "a journal key that is told to nobody: 9876543210"


@pytest.fixture
def database_url(database_url: str) -> str:
    """PostgreSQL's with a password, which this server does not ask for."""
    return database_url.replace("@", f":{DATABASE_PASSWORD}@", 1)


@pytest.fixture
def environ(environ: dict[str, str]) -> dict[str, str]:
    return {**environ, "DASHBOARD_SECRET_KEY": SECRET_KEY}


@pytest.fixture
def private_lines(keys: SandboxKeys) -> set[str]:
    """The private key as its file spells it."""
    lines = keys.merchant_private_path.read_text().splitlines()
    return {line for line in lines if len(line) == 64}


@pytest.fixture
def secrets(environ: dict[str, str], private_lines: set[str]) -> set[str]:
    """Everything that nobody may be told."""
    return {SECRET_KEY, environ["DASHBOARD_JOURNAL_KEY"], DATABASE_PASSWORD, PASSWORD, *private_lines}


def told(secrets: set[str], text: str) -> set[str]:
    return {secret for secret in secrets if secret in text}


# Whatever goes wrong


def broken_view() -> str:
    config = access.desk().config
    raise RuntimeError(f"with {config} and {access.desk()}")


def no_database(*_: object, **__: object) -> None:
    raise OperationalError("SELECT 1", {"password_hash": "$argon2id$of-somebody"}, Exception("server closed"))


def test_no_page_log_or_table_tells_a_secret(
    app: Flask,
    auth: Auth,
    client: Browser,
    refund_desk: RefundDesk,
    secrets: set[str],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Faults of every kind, with the log at its most talkative: the bank, the database, defects, people."""
    caplog.set_level(logging.DEBUG)
    app.add_url_rule("/broken", "broken", access.any_role(broken_view))
    app.testing = False
    admin, said = auth.login("admin"), []
    with admin.client.session_transaction() as cookie:
        secrets = {*secrets, str(cookie["_user_id"])}
    for fault in (error("authentication_error", 401), lose_answer, bad_gateway, refuse_connection, answered(500, b"")):
        session_id = refund_desk.paid_session()
        refund_desk.ask(session_id, 10_00)
        refund_desk.wire.next(REFUND, fault)
        refund_desk.wire.next(STATUS, fault)
        refund_desk.run_for(10)
        refund_desk.wire.next(STATUS, fault)
        said.append(admin.get(f"/sessions/{session_id}"))
        refund_desk.wire.forget_faults()
    said += [client.sign_in("admin@desk.test", "wrong password"), client.sign_in("admin@desk.test", PASSWORD)]
    said += [
        admin.get(path) for path in ("/broken", "/nowhere", "/journal/", "/people/", "/healthz", "/readyz", "/metrics")
    ]
    said += [admin.post("/logout", {"csrf_token": "wrong"}), admin.ask("POST", "/logout", json={})]
    said += [client.post("/webhooks/bank131", csrf=False)]
    with monkeypatch.context() as patch:
        patch.setattr("dashboard.sign_ins.find", no_database)
        said += [admin.get("/refunds/"), admin.get("/readyz")]
    assert "the database could not be used: server closed" in caplog.text
    pages = " ".join(f"{answer.text} {answer.response.headers.get('Location')}" for answer in said)
    assert {answer.status for answer in said} >= {200, 303, 400, 401, 404, 422, 500, 503}
    assert "RuntimeError" in caplog.text
    assert told(secrets, caplog.text) == told(secrets, pages) == told(secrets, repr(dump(refund_desk.desk))) == set()
    assert "argon2id" not in caplog.text + pages


def test_nothing_that_is_written_down_of_the_settings_tells_a_secret(config: Config, secrets: set[str]) -> None:
    for text in (repr(config), str(config), f"{config}", repr([config])):
        assert told(secrets, text) == set()
        assert config.project in text, "the rest is there"


@pytest.mark.parametrize(
    "arguments",
    [["check"], ["user", "list"], ["journal", "verify"], ["sending", "pause"], ["db", "restored"], ["bank", "move"]],
    ids=" ".join,
)
def test_no_command_tells_a_secret(
    environ: dict[str, str],
    database_url: str,
    secrets: set[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    tmp_path: Path,
) -> None:
    """Neither when all is well nor when the database or the keys are away."""
    whole = {**environ, "DASHBOARD_DATABASE_URL": database_url, "DASHBOARD_JOURNAL_KEY": JOURNAL_KEY}
    damaged = tmp_path / "damaged.pem"
    damaged.write_bytes(Path(environ["BANK131_PRIVATE_KEY_FILE"]).read_bytes()[:-400])
    away = f"postgresql://me:{DATABASE_PASSWORD}@127.0.0.1:1/desk?sslpassword={DATABASE_PASSWORD}"
    for change in (
        {},
        {"DASHBOARD_DATABASE_URL": away},
        {"DASHBOARD_DATABASE_URL": f"mysql://me:{DATABASE_PASSWORD}@127.0.0.1/desk"},
        {"BANK131_PRIVATE_KEY_FILE": str(damaged)},
        {"DASHBOARD_SECRET_KEY": JOURNAL_KEY, "DASHBOARD_JOURNAL_KEY": "weak" + DATABASE_PASSWORD[:9]},
    ):
        for name, value in {**whole, **change}.items():
            monkeypatch.setenv(name, value)
        result = run(*arguments)
        hidden = {*secrets, JOURNAL_KEY, DATABASE_PASSWORD, DATABASE_PASSWORD[:9]}
        assert told(hidden, f"{result.output} {result.exception!r}") == set(), change
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:hunter2@hunter3@db/desk",
        "postgresql://me:hunter2@hunter3:x@db/desk",
        "postgresql://me:hunter2/hunter3@db/desk",
        "postgresql://me@db:hunter2/desk",
        "postgres://me:x@db:54hunter2/desk",
    ],
)
def test_a_password_that_does_not_fit_into_an_address_is_told_as_that(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    """Read as an address, a part of it would be a host, a port or a name, and be told with those."""
    for name, value in {**environ, "DASHBOARD_DATABASE_URL": url}.items():
        monkeypatch.setenv(name, value)
    for command in (["check"], ["db", "upgrade"]):
        result = run(*command)
        assert result.exit_code == 1
        assert result.output.startswith(
            "DASHBOARD_DATABASE_URL cannot be read: write @ : / of a password as %40 %3A %2F"
        )
        assert "hunter" not in f"{result.output} {result.exception!r}"


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:p%40ss@db/desk",
        "postgresql://me:pw@db:5433/desk?sslmode=require",
        "postgresql://me@[::1]:5432/desk",
        "postgresql:///desk?host=/run/postgresql",
        "postgresql://db",
    ],
)
def test_addresses_that_can_be_read_are_taken(environ: dict[str, str], url: str) -> None:
    assert db.open_engine(read_config({**environ, "DASHBOARD_DATABASE_URL": url}).database_url).url.drivername


# Keys


def pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, password: bytes = b"") -> bytes:
    encryption = BestAvailableEncryption(password) if password else NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)


@pytest.fixture(scope="module")
def unusable_keys() -> dict[str, bytes]:
    good = pem(rsa.generate_private_key(public_exponent=65537, key_size=2048))
    return {
        "too short": pem(rsa.generate_private_key(public_exponent=65537, key_size=1024)),  # noqa: S505
        "of another kind": pem(ec.generate_private_key(ec.SECP256R1())),
        "encrypted": pem(rsa.generate_private_key(public_exponent=65537, key_size=2048), b"a passphrase"),
        "cut short": good[:-200],
        "without its head": good[40:],
        "with another line in it": good.replace(b"\n", b"\nnot a line of a key\n", 3),
    }


@on_sqlite
@pytest.mark.parametrize(
    "kind", ["too short", "of another kind", "encrypted", "cut short", "without its head", "with another line in it"]
)
def test_a_key_that_cannot_be_used_is_not_repeated(
    environ: dict[str, str],
    database_url: str,
    unusable_keys: dict[str, bytes],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    kind: str,
) -> None:
    file = tmp_path / "private.pem"
    file.write_bytes(unusable_keys[kind])
    file.chmod(0o600)
    environ |= {"BANK131_PRIVATE_KEY_FILE": str(file), "DASHBOARD_DATABASE_URL": database_url}
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    lines = {line for line in unusable_keys[kind].decode().splitlines() if len(line) > 40}
    assert lines
    for command in ("check", "worker", "serve"):
        result = run(command)
        assert result.exit_code == 1
        assert told(lines, f"{result.output} {result.exception!r}") == set()


@pytest.fixture
def longer_keys(tmp_path: Path) -> dict[str, str]:
    """Settings with keys of 3072 bits, ours and the bank's."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=3072)
    files = {"BANK131_PRIVATE_KEY_FILE": tmp_path / "private.pem", "BANK131_PUBLIC_KEY_FILE": tmp_path / "public.pem"}
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    for file, text in zip(files.values(), (pem(key), public), strict=True):
        file.write_bytes(text)
        file.chmod(0o600)
    return {name: str(file) for name, file in files.items()}


@on_sqlite
def test_a_key_shorter_than_the_installation_asks_for_stops_the_start(
    environ: dict[str, str], database_url: str, longer_keys: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for start in ("worker_process.run_worker", "server.serve_web", "processes.run_together"):
        monkeypatch.setattr(f"dashboard.{start}", lambda *_arguments: 0)
    ours, theirs = sorted(longer_keys)
    asked = {**environ, "DASHBOARD_DATABASE_URL": database_url, "BANK131_KEY_BITS": "3072"}
    for longer, starting in (({}, []), ({ours}, []), ({theirs}, ["web"]), ({ours, theirs}, ["web", "worker", "serve"])):
        for name, value in {**asked, **{name: longer_keys[name] for name in longer}}.items():
            monkeypatch.setenv(name, value)
        results = {command: run(command) for command in ("web", "worker", "serve")}
        assert [command for command, result in results.items() if result.exit_code == 0] == starting, longer
        for command in results.keys() - starting:
            assert "the RSA key has 2048 bits; at least 3072 are wanted" in results[command].output
        lines = run("check").output.splitlines()
        for name in longer_keys:
            bits = (
                "good, RSA of 3072 bits." if name in longer else "the RSA key has 2048 bits; at least 3072 are wanted."
            )
            assert [line for line in lines if f"{name}: " in line and line.endswith(bits)], (name, lines)


@on_sqlite
def test_a_web_server_starts_without_the_private_key(
    environ: dict[str, str], database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {**environ, "DASHBOARD_DATABASE_URL": database_url}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("BANK131_PRIVATE_KEY_FILE", str(tmp_path / "readable by workers alone"))
    started = []
    monkeypatch.setattr("dashboard.server.serve_web", lambda config, _bind: started.append(create_app(config)))
    assert run("web", "--bind", "127.0.0.1:0").exit_code == 0
    assert len(started) == 1
    for command in ("worker", "serve"):
        assert "No such file" in run(command).output


@on_sqlite
@pytest.mark.parametrize(
    ("mode", "readers"),
    [
        (0o600, ""),
        (0o400, ""),
        (0o640, "all of its group"),
        (0o660, "all of its group"),
        (0o644, "everybody"),
        (0o604, "everybody"),
    ],
)
def test_a_private_key_that_others_may_read_is_told(
    environ: dict[str, str], database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int, readers: str
) -> None:
    """By `check` and at the start of all that uses it; it stops neither, since secrets of containers are often so."""
    file = tmp_path / "private.pem"
    file.write_bytes(Path(environ["BANK131_PRIVATE_KEY_FILE"]).read_bytes())
    file.chmod(mode)
    environ |= {"BANK131_PRIVATE_KEY_FILE": str(file), "DASHBOARD_DATABASE_URL": database_url}
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("dashboard.worker_process.run_worker", lambda *_arguments: None)
    monkeypatch.setattr("dashboard.server.serve_web", lambda _config, _bind: None)
    for command in (["check"], ["worker"], ["web", "--bind", "127.0.0.1:0"]):
        result = run(*command)
        assert ("is open to" in result.output, readers in result.output) == (bool(readers), True), command
        assert command == ["check"] or result.exit_code == 0
    findings = list(doctor.findings(read_config(environ)))
    assert [finding.is_fatal for finding in findings if "is open to" in finding.line] == ([False] if readers else [])


def test_the_sandbox_makes_private_keys_for_their_owner_alone(keys: SandboxKeys) -> None:
    for file in (keys.merchant_private_path, keys.bank_private_path):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


# The secret key


@on_sqlite
@pytest.mark.parametrize("command", ["serve", "web", "worker", "check"])
@pytest.mark.parametrize("secret", [None, "", "short", "a" * 64, "changeme" * 2])
def test_nothing_starts_without_a_strong_secret_key(
    environ: dict[str, str], database_url: str, monkeypatch: pytest.MonkeyPatch, command: str, secret: str | None
) -> None:
    environ["DASHBOARD_DATABASE_URL"] = database_url
    for start in ("worker_process.run_worker", "server.serve_web", "processes.run_together"):
        monkeypatch.setattr(f"dashboard.{start}", lambda *_arguments: 0)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    if secret is None:
        monkeypatch.delenv("DASHBOARD_SECRET_KEY")
    else:
        monkeypatch.setenv("DASHBOARD_SECRET_KEY", secret)
    result = run(command)
    assert result.exit_code == 1
    assert result.output.startswith("DASHBOARD_SECRET_KEY is ")
    assert not secret or secret not in result.output


@on_sqlite
def test_nothing_signed_with_another_key_is_believed(app: Flask, operator: Browser) -> None:
    assert operator.get("/").status == 200
    app.secret_key = SECRET_KEY + "!"
    assert (operator.get("/").location or "").startswith("/login")


# Passwords and sign-ins


@on_sqlite
@pytest.mark.parametrize(
    "password",
    ["x" * 64, "only small letters", "пароль с пробелами", " 🔑 seven keys 🔑 ", "0" * 10, "\\'\"<b>%s{{7*7}} odd"],
)
def test_a_password_is_of_any_kind_and_taken_as_it_is(refund_desk: RefundDesk, client: Browser, password: str) -> None:
    people.add(refund_desk.desk, "somebody@desk.test", "viewer", password, actor="test")
    for other in (password.strip() + "x", password[:-1], password.swapcase() if password.isascii() else password[1:]):
        assert other == password or client.sign_in("somebody@desk.test", other).status == 422, other
    assert client.sign_in("somebody@desk.test", password).status == 303


@on_sqlite
@pytest.mark.usefixtures("slow_hashes")
def test_passwords_are_kept_as_slow_hashes_each_with_its_own_salt(refund_desk: RefundDesk) -> None:
    for email in ("one@desk.test", "two@desk.test"):
        people.add(refund_desk.desk, email, "viewer", PASSWORD, actor="test")
    with refund_desk.desk.read() as session:
        hashes = [person.password_hash for person in people.everybody(session)]
    assert len(set(hashes)) == len(hashes) == 2
    for each in hashes:
        kind, work = each.split("$")[1], dict(part.split("=") for part in each.split("$")[3].split(","))
        assert kind == "argon2id"
        assert (int(work["m"]) >= 19 * 1024, int(work["t"]) >= 2) == (True, True), "as OWASP says today"


@on_sqlite
def test_a_sign_in_is_a_long_random_token_and_never_the_same(client: Browser, auth: Auth) -> None:
    email, tokens = auth.person().email, []
    for _ in range(3):
        assert client.sign_in(email, PASSWORD).status == 303
        with client.client.session_transaction() as cookie:
            tokens.append(str(cookie["_user_id"]))
    assert len(set(tokens)) == 3
    assert all(len(set(token)) > 16 and len(token) >= 43 for token in tokens), "256 bits in Base64"


@on_sqlite
def test_the_web_server_writes_down_no_addresses(config: Config) -> None:
    """The token of a link stands in one."""
    settings = server._Gunicorn(config, "127.0.0.1:1").cfg
    assert (settings.accesslog, settings.loglevel) == (None, "warning")
    assert (settings.syslog, settings.logconfig, settings.logconfig_dict) == (False, None, {})


@on_sqlite
def test_a_new_desk_has_no_account(refund_desk: RefundDesk) -> None:
    with refund_desk.desk.read() as session:
        assert list(people.everybody(session)) == []
