"""Everything in one: a sandbox bank with sample sessions, a database, people, web and worker."""

import secrets
import shlex
import shutil
from collections.abc import Callable, Mapping
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from dashboard import bank_window, db, leaked_passwords, limits, migrations, own_bank, passwords, people, processes
from dashboard.config import SECRETS_FOLDER, SETTINGS, Config, read_config
from dashboard.desk import Desk, journal_key
from dashboard.limit_rules import Limit
from dashboard.sandbox.keys import SandboxKeys, prepare_data_dir
from dashboard.wiring import create_desk

HOST = "127.0.0.1"
# Browsers make passkeys for a name, never for an address of numbers.
NAME = "localhost"
PASSWORD = "refund-desk-demo"  # noqa: S105 (a demo's, printed on the screen)
ANSWERS_WITHIN_S = 0.5
AT_ONCE_UP_TO_MINOR = 10_000_00
PEOPLE = {
    "viewer@demo.test": "viewer",
    "operator@demo.test": "operator",
    "approver@demo.test": "approver",
    "admin@demo.test": "admin",
}
_MARK = "refund-desk-demo.txt"


class CannotStart(Exception):
    """The demo cannot start; str() says why in one line."""


def run(
    environ: Mapping[str, str],
    *,
    port: int,
    bank_port: int,
    data_dir: Path,
    fresh: bool,
    password: str,
    announce: Callable[[str], None],
) -> int:
    """Run until SIGTERM or SIGINT and answer with the exit code. Raises CannotStart, BadSettings."""
    _check_ports(port, bank_port)
    _prepare_folder(data_dir, fresh=fresh)
    bank_dir = data_dir / "bank"
    keys = prepare_data_dir(bank_dir)
    settings = {**environ, **_settings(data_dir, keys, port, bank_port)}
    config = read_config(settings)
    if problem := leaked_passwords.problem_of(config.leaked_passwords_file):
        raise CannotStart(problem)
    _prepare_database(config, password)
    settings_file = _write_settings(data_dir, settings)
    url = f"http://{HOST}:{port}"
    commands = [
        ["sandbox", "--port", str(bank_port), "--data", str(bank_dir), "--webhook-url", f"{url}/webhooks/bank131"],
        ["web", "--bind", f"{HOST}:{port}"],
        ["worker"],
    ]

    def is_ready() -> bool:
        return _answers(bank_port, "/control/settings") and _answers(port, "/readyz")

    def greet() -> None:
        for line in _greeting(f"http://{NAME}:{port}", f"http://{HOST}:{bank_port}", password, settings_file):
            announce(line)

    return processes.run_together(commands, settings, is_ready=is_ready, when_ready=greet)


def _check_ports(port: int, bank_port: int) -> None:
    how = "choose others with --port and --bank-port"
    if port == bank_port:
        raise CannotStart(f"The dashboard and the bank cannot both listen on port {port}: {how}.")
    try:
        processes.check_free(HOST, port)
        processes.check_free(HOST, bank_port)
    except processes.CannotListen as problem:
        raise CannotStart(f"{problem}: {how}.") from problem


def _prepare_folder(data_dir: Path, *, fresh: bool) -> None:
    mark = data_dir / _MARK
    if data_dir.exists() and any(data_dir.iterdir()) and not mark.exists():
        raise CannotStart(f"{data_dir} holds other things: name an empty or new folder with --data.")
    if fresh and data_dir.exists():
        shutil.rmtree(data_dir)
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    mark.write_text("The data of a refund desk demo. Delete the folder, or start with --fresh, to begin anew.\n")


def _settings(data_dir: Path, keys: SandboxKeys, port: int, bank_port: int) -> dict[str, str]:
    return {
        "DASHBOARD_DATABASE_URL": f"sqlite:///{data_dir / 'refund-desk.sqlite3'}",
        "DASHBOARD_SECRET_KEY": _secret(data_dir / "secret.key"),
        "DASHBOARD_SECRET_KEY_BEFORE": "",
        "DASHBOARD_JOURNAL_KEY": "",
        "DASHBOARD_PUBLIC_URL": f"http://{NAME}:{port}",
        "BANK131_URL": f"http://{HOST}:{bank_port}",
        "BANK131_PROJECT": keys.project,
        "BANK131_PRIVATE_KEY_FILE": str(keys.merchant_private_path),
        "BANK131_PUBLIC_KEY_FILE": str(keys.bank_public_path),
        "BANK131_PUBLIC_KEY_NEXT_FILE": "",
        "DASHBOARD_RUN_FOLDER": "",
        # What stood in files stands here already.
        SECRETS_FOLDER: "",
    }


def _secret(file: Path) -> str:
    if not file.exists():
        file.touch(mode=0o600)
        file.write_text(secrets.token_urlsafe(48))
    return file.read_text()


def _write_settings(data_dir: Path, settings: Mapping[str, str]) -> Path:
    """For commands beside the demo, in a shell: all settings that it runs with."""
    file = data_dir / "settings.env"
    file.touch(mode=0o600)
    file.chmod(0o600)
    named = [setting.name for setting in SETTINGS if setting.name in settings]
    file.write_text("".join(f"export {name}={shlex.quote(settings[name])}\n" for name in named))
    return file


def _prepare_database(config: Config, password: str) -> None:
    engine = db.open_engine(config.database_url)
    try:
        migrations.upgrade(engine, journal_key(config))
        desk = create_desk(config, engine, bank_window.Window(config))
        own_bank.rename(desk, "demo", desk.bank.url, desk.bank.project, is_sure=True)
        _set_limits(desk)
        for email, role in PEOPLE.items():
            with desk.read() as session:
                known = people.find(session, email)
            if known is None:
                people.add(desk, email, role, password, actor="demo", check=passwords.check_length)
            elif not passwords.fits(password, known.password_hash):
                people.set_password(desk, email, password, actor="demo", check=passwords.check_length)
    finally:
        engine.dispose()


def _set_limits(desk: Desk) -> None:
    """Only at the first start: what is set or removed later stays so."""
    with desk.read() as session:
        is_new = not people.everybody(session)
    if is_new:
        limits.put(
            desk,
            "rub",
            Limit(at_once_up_to_minor=AT_ONCE_UP_TO_MINOR, proof_above_minor=AT_ONCE_UP_TO_MINOR),
            actor="demo",
        )


def _answers(port: int, path: str) -> bool:
    connection = HTTPConnection(HOST, port, timeout=ANSWERS_WITHIN_S)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def _greeting(url: str, bank_url: str, password: str, settings_file: Path) -> list[str]:
    return [
        "",
        f"Dashboard   {url}",
        f"Bank        {bank_url}  (the sandbox bank's control page)",
        f"Sign in as  operator@demo.test, password {password}",
        f"            also {', '.join(email for email in PEOPLE if not email.startswith('operator'))}",
        f"Commands    (. {shlex.quote(str(settings_file))} && dashboard sending pause)",
        "Ctrl+C ends it.",
    ]
