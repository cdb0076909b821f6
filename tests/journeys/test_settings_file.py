"""Commands beside a demo, with the settings that it has written down."""

import shlex
import subprocess
import sys
from pathlib import Path

from dashboard import demo as demo_module
from tests.journeys.commands import Installation, environ_with


def in_a_shell(file: Path, command: str) -> str:
    line = f"(. {shlex.quote(str(file))} && {command})"
    done = subprocess.run(
        ["sh", "-c", line], env=environ_with({}), cwd=file.parent, capture_output=True, text=True, check=True
    )
    return done.stdout


def test_the_demo_tells_how_commands_run_on_its_database(demo: Installation) -> None:
    data = Path(demo.settings["DASHBOARD_DATABASE_URL"].removeprefix("sqlite:///")).parent
    file = data / "settings.env"
    assert file.stat().st_mode & 0o777 == 0o600
    assert f"\nCommands    (. {shlex.quote(str(file))} && dashboard sending pause)\n" in demo.log()
    command = f"{shlex.quote(sys.executable)} -m dashboard.cli"
    assert in_a_shell(file, f"{command} sending resume") == (
        f"Database: {data / 'refund-desk.sqlite3'}\nSending goes on.\n"
    )
    assert "accepts our signature" in in_a_shell(file, f"{command} check")


def test_every_value_comes_through_a_shell_as_it_is(tmp_path: Path) -> None:
    values = {"DASHBOARD_SECRET_KEY": 'it\'s $(touch x) `y` "z" \\', "BANK131_PROJECT": "demo", "HOME": "nobody's"}
    (tmp_path / "settings.env").write_text("")
    (tmp_path / "settings.env").chmod(0o644)
    file = demo_module._write_settings(tmp_path, values)
    assert file.stat().st_mode & 0o777 == 0o600
    said = in_a_shell(file, 'printf "%s|%s" "$DASHBOARD_SECRET_KEY" "$BANK131_PROJECT"')
    assert said == f"{values['DASHBOARD_SECRET_KEY']}|demo"
    assert "HOME" not in file.read_text()
    assert list(tmp_path.iterdir()) == [file]
