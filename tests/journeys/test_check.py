"""`dashboard check` names what stops the product working, in one clear line each."""

from pathlib import Path

import pytest

from tests.journeys.commands import Installation, dashboard, free_port


def check(demo: Installation, **changes: str) -> tuple[int, list[str]]:
    """Exit code and lines of a check of the demo's settings with some of them changed."""
    done = dashboard({**demo.settings, **changes}, "check")
    return done.returncode, (done.stdout + done.stderr).splitlines()


def test_all_is_well(demo: Installation) -> None:
    code, lines = check(demo)

    assert code == 0
    assert not any(line.startswith("WRONG") for line in lines)
    assert any("answers and accepts our signature" in line for line in lines)
    assert any("The mail server 127.0.0.1 answers." in line for line in lines)


def test_without_its_mail_server_a_desk_works(demo: Installation) -> None:
    code, lines = check(demo, DASHBOARD_MAIL_SERVER=f"smtp://127.0.0.1:{free_port()}")

    assert code == 0
    assert any("The mail server 127.0.0.1 cannot be used: " in line for line in lines)


@pytest.fixture
def broken(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    not_a_key = tmp_path / "not-a-key.pem"
    not_a_key.write_text("-----BEGIN NOTHING-----\n")
    (tmp_path / "empty.sqlite3").touch()
    return {
        "missing key file": {"BANK131_PRIVATE_KEY_FILE": str(tmp_path / "missing.pem")},
        "wrong key format": {"BANK131_PUBLIC_KEY_FILE": str(not_a_key)},
        "unreachable bank": {"BANK131_URL": f"http://127.0.0.1:{free_port()}"},
        "no database": {"DASHBOARD_DATABASE_URL": f"sqlite:///{tmp_path / 'missing.sqlite3'}"},
        "not migrated": {"DASHBOARD_DATABASE_URL": f"sqlite:///{tmp_path / 'empty.sqlite3'}"},
        "another project": {"BANK131_PROJECT": "somebody_else"},
    }[request.param]


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        ("missing key file", "BANK131_PRIVATE_KEY_FILE: there is no file"),
        ("wrong key format", "BANK131_PUBLIC_KEY_FILE: "),
        ("unreachable bank", "cannot be reached"),
        ("no database", "missing.sqlite3: DASHBOARD_DATABASE_URL says where it is"),
        ("not migrated", "empty.sqlite3 is not migrated: run `dashboard db upgrade`."),
        ("another project", "does not accept us: authorization_error"),
    ],
    indirect=["broken"],
)
def test_what_is_wrong_has_one_line(demo: Installation, broken: dict[str, str], told: str) -> None:
    code, lines = check(demo, **broken)

    assert code == 1
    (wrong,) = [line for line in lines if line.startswith("WRONG")]
    assert told in wrong
    assert not any("Traceback" in line for line in lines)


@pytest.mark.parametrize("command", ["check", "serve"])
def test_a_weak_secret_key_has_one_line(demo: Installation, command: str) -> None:
    done = dashboard({**demo.settings, "DASHBOARD_SECRET_KEY": "a" * 40}, command)

    assert done.returncode == 1
    (line,) = (done.stdout + done.stderr).splitlines()
    assert line.startswith("DASHBOARD_SECRET_KEY is weak: use at least 32 random characters")
