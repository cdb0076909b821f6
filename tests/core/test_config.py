"""Settings: defaults, what is refused, and in which words."""

import secrets
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from dashboard.config import SETTINGS, BadSettings, Config, is_loopback, read_config

SECRET = "a secret key for tests: 0123456789 abcdefghij"
NEEDED = {
    "DASHBOARD_SECRET_KEY": SECRET,
    "BANK131_URL": "https://demo.bank131.ru",
    "BANK131_PROJECT": "demo_project",
    "BANK131_PRIVATE_KEY_FILE": "/keys/private.pem",
    "BANK131_PUBLIC_KEY_FILE": "/keys/public.pem",
}


def read(**changes: str) -> Config:
    return read_config({**NEEDED, **changes})


def problems(environ: dict[str, str]) -> list[str]:
    with pytest.raises(BadSettings) as caught:
        read_config(environ)
    assert str(caught.value) == "\n".join(caught.value.problems)
    return caught.value.problems


def test_the_defaults_are_those_of_the_interface() -> None:
    config = read()
    assert (config.undo_s, config.quiet_s, config.poll_s, config.resend_max_s) == (5, 900, 30, 6 * 3600)
    assert (config.api_version, config.timeout_s, config.submerchant) == (1, 30, None)
    assert (config.timezone, config.public_url) == (ZoneInfo("UTC"), "http://127.0.0.1:8131")
    assert (config.public_key_next_file, config.journal_key) == (None, "")
    assert (config.undo, config.quiet) == (timedelta(seconds=5), timedelta(seconds=900))
    assert config.database_url == f"sqlite:///{Path.cwd() / 'refund-desk.sqlite3'}"


def test_every_setting_has_a_known_prefix_a_field_and_a_meaning() -> None:
    assert {setting.field for setting in SETTINGS} == set(Config.__dataclass_fields__)
    for setting in SETTINGS:
        assert setting.name.startswith(("DASHBOARD_", "BANK131_"))
        assert setting.meaning.endswith(".")


def test_what_is_missing_is_told_all_at_once() -> None:
    found = problems({})
    assert [line.split()[0] for line in found] == list(NEEDED)
    assert found[1] == "BANK131_URL is missing. The bank's server, without a path."


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("DASHBOARD_DATABASE_URL", "mysql://host/name", "must be sqlite:///FILE or postgresql://"),
        ("DASHBOARD_DATABASE_URL", "sqlite://", "must be sqlite:///FILE"),
        ("DASHBOARD_DATABASE_URL", "sqlite:///", "must be sqlite:///FILE"),
        ("DASHBOARD_DATABASE_URL", " ", "is empty"),
        ("DASHBOARD_SECRET_KEY", "short", "is weak"),
        ("DASHBOARD_SECRET_KEY", "ab" * 40, "is weak"),
        ("DASHBOARD_SECRET_KEY", "0123456789abcdef" * 2, "is weak"),
        ("DASHBOARD_SECRET_KEY", "changeme" * 4 + "0123456789", "is weak"),
        ("DASHBOARD_JOURNAL_KEY", "short", "is weak"),
        ("DASHBOARD_PUBLIC_URL", "refunds.example.com", "must look like https://"),
        ("DASHBOARD_PUBLIC_URL", "ftp://refunds.example.com", "must look like https://"),
        ("DASHBOARD_TIMEZONE", "Mars/Olympus", "is no time zone name"),
        ("DASHBOARD_TIMEZONE", "../../etc/passwd", "is no time zone name"),
        ("DASHBOARD_TIMEZONE", "Europe", "is no time zone name"),
        ("DASHBOARD_TIMEZONE", "", "is no time zone name"),
        ("DASHBOARD_UNDO_SECONDS", "-1", "must be a number of seconds from 0 to 3600"),
        ("DASHBOARD_UNDO_SECONDS", "soon", "must be a number of seconds"),
        ("DASHBOARD_QUIET_SECONDS", "nan", "must be a number of seconds"),
        ("DASHBOARD_POLL_SECONDS", "inf", "must be a number of seconds"),
        ("DASHBOARD_POLL_SECONDS", "0", "must be a number of seconds"),
        ("DASHBOARD_WEB_PROCESSES", "1.5", "must be a whole number from 1 to 64"),
        ("DASHBOARD_WORKER_THREADS", "0", "must be a whole number"),
        ("DASHBOARD_OIDC_ISSUER", "http://sso.example.com", "must begin with https://"),
        ("DASHBOARD_OIDC_ISSUER", "sso.example.com", "must look like https://"),
        ("DASHBOARD_OIDC_ISSUER", "https://sso.example.com/?tenant=1", "must have neither ? nor # in it"),
        ("DASHBOARD_OIDC_ROLE_CLAIM", " ", "is empty"),
        ("DASHBOARD_OIDC_ROLES", "it=janitor", "must look like finance-ops=operator,it=admin"),
        ("DASHBOARD_OIDC_ROLES", "it", "must look like finance-ops=operator,it=admin"),
        ("DASHBOARD_OIDC_ROLES", "=admin", "must look like finance-ops=operator,it=admin"),
        ("DASHBOARD_OIDC_ROLES", "it=admin,it=viewer", "names it twice"),
        ("DASHBOARD_OIDC_ONLY", "maybe", "must be yes or no"),
        ("BANK131_URL", "http://demo.bank131.ru", "must begin with https://"),
        ("BANK131_URL", "https://demo.bank131.ru/api", "must be the server alone, without a path"),
        ("BANK131_PROJECT", "  ", "is empty"),
        ("BANK131_PRIVATE_KEY_FILE", "", "is empty"),
        ("BANK131_API_VERSION", "3", "must be a whole number from 1 to 2"),
        ("BANK131_TIMEOUT_SECONDS", "0", "must be a number of seconds"),
    ],
)
def test_a_bad_value_is_one_clear_line(name: str, value: str, problem: str) -> None:
    [line] = problems({**NEEDED, name: value})
    assert line.startswith(f"{name} {problem}")
    assert "\n" not in line


@pytest.mark.parametrize("make", [secrets.token_urlsafe, secrets.token_hex])
def test_whatever_is_random_is_no_weak_secret(make: Callable[[int], str]) -> None:
    for _ in range(200):
        key = make(24)
        assert read_config({**NEEDED, "DASHBOARD_SECRET_KEY": key}).secret_key == key


def test_a_weak_secret_is_not_repeated_in_the_message() -> None:
    [line] = problems({**NEEDED, "DASHBOARD_SECRET_KEY": "hunter2hunter2"})
    assert "hunter2" not in line
    assert "secrets.token_urlsafe" in line


def test_live_pages_must_leave_threads_for_others() -> None:
    both = {"DASHBOARD_WEB_THREADS": "8", "DASHBOARD_LIVE_STREAMS": "8"}
    assert problems({**NEEDED, **both}) == ["DASHBOARD_LIVE_STREAMS must be smaller than DASHBOARD_WEB_THREADS."]


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("sqlite:////var/lib/desk.sqlite3", "sqlite:////var/lib/desk.sqlite3"),
        ("sqlite:///desk.sqlite3", f"sqlite:///{Path.cwd() / 'desk.sqlite3'}"),
        ("postgresql://me:pw@db/desk", "postgresql+psycopg://me:pw@db/desk"),
        ("postgres://me:pw@db/desk", "postgresql+psycopg://me:pw@db/desk"),
        ("postgresql+psycopg://me:pw@db/desk", "postgresql+psycopg://me:pw@db/desk"),
    ],
)
def test_databases(given: str, used: str) -> None:
    assert read(DASHBOARD_DATABASE_URL=given).database_url == used


def test_texts_are_taken_without_spaces_and_slashes_around() -> None:
    config = read(BANK131_PROJECT=" demo ", BANK131_URL="https://demo.bank131.ru/", BANK131_SUBMERCHANT=" ")
    assert (config.project, config.bank_url, config.submerchant) == ("demo", "https://demo.bank131.ru", None)


def test_key_files_are_absolute(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    config = read(BANK131_PUBLIC_KEY_NEXT_FILE="next.pem")
    assert config.public_key_next_file == tmp_path / "next.pem"


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("localhost", True),
        ("127.0.0.1", True),
        ("127.1.2.3", True),
        ("::1", True),
        ("10.0.0.1", False),
        ("localhost.example.com", False),
        ("", False),
        (None, False),
    ],
)
def test_what_is_this_machine(host: str | None, loopback: bool) -> None:
    assert is_loopback(host) is loopback


OIDC = {
    "DASHBOARD_PUBLIC_URL": "https://refunds.example.com",
    "DASHBOARD_OIDC_ISSUER": "https://sso.example.com/realms/finance/",
    "DASHBOARD_OIDC_CLIENT_ID": "refund-desk",
    "DASHBOARD_OIDC_CLIENT_SECRET": "hunter2hunter2",
    "DASHBOARD_OIDC_ROLES": " cn=ops=operator , it=admin,",
}


def test_single_sign_on_is_off_unless_it_is_set() -> None:
    config = read()
    assert (config.has_oidc, config.oidc_only, config.oidc_role_claim, config.oidc_roles) == (
        False,
        False,
        "groups",
        {},
    )


def test_single_sign_on_as_a_whole() -> None:
    config = read(**OIDC, DASHBOARD_OIDC_ONLY="yes")
    assert (config.has_oidc, config.oidc_only) == (True, True)
    assert config.oidc_issuer == "https://sso.example.com/realms/finance/", "sign by sign"
    assert config.oidc_roles == {"cn=ops": "operator", "it": "admin"}
    assert "hunter2" not in repr(config)


@pytest.mark.parametrize("name", [name for name in OIDC if name != "DASHBOARD_PUBLIC_URL"])
def test_half_of_single_sign_on_stops_the_start(name: str) -> None:
    [line] = problems({**NEEDED, **OIDC, name: ""})
    assert line == f"{name} must be set as well, or single sign-on be left alone altogether."


def test_nothing_but_single_sign_on_needs_a_provider() -> None:
    [line] = problems({**NEEDED, "DASHBOARD_OIDC_ONLY": "yes"})
    assert line.startswith("DASHBOARD_OIDC_ISSUER, DASHBOARD_OIDC_CLIENT_ID, ")


def test_single_sign_on_needs_https_here_too() -> None:
    [line] = problems({**NEEDED, **OIDC, "DASHBOARD_PUBLIC_URL": "http://refunds.example.com"})
    assert line.startswith("DASHBOARD_PUBLIC_URL must begin with https://")
