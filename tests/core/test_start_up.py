"""A process is started for each command, and imports what that one needs: the rest is seconds of everybody's time."""

import json
import subprocess
import sys
from collections.abc import Sequence

import pytest

from dashboard.models import Base

DATABASE = {"sqlalchemy", "dashboard.models"}
PAGES = {"dashboard.web", "dashboard.app"}
SIGNING_IN = {"authlib", "webauthn"}
# The module of the command is in place once its help is told.
PROBE = """
import atexit, json, sys
atexit.register(lambda: print(json.dumps(sorted(sys.modules)), file=sys.stderr))
from dashboard.cli import main
main(sys.argv[1:], prog_name="dashboard")
"""


def started(*arguments: str) -> subprocess.CompletedProcess[str]:
    """A command in a process of its own, which has to end well and tells last what it has imported."""
    command = [sys.executable, "-c", PROBE, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)


def imported(*arguments: str) -> set[str]:
    return set(json.loads(started(*arguments).stderr.splitlines()[-1]))


@pytest.mark.parametrize(
    ("command", "needed", "needless"),
    [
        (["--version"], "click", {"flask", "dashboard.config"} | DATABASE | PAGES),
        (["sandbox", "-h"], "dashboard.sandbox.server", DATABASE | PAGES),
        (["worker", "-h"], "dashboard.worker", PAGES | SIGNING_IN | {"alembic"}),
        (["serve", "-h"], "dashboard.processes", PAGES | SIGNING_IN | {"alembic"}),
        (["web", "-h"], "dashboard.app", {"alembic"}),
        (["demo", "-h"], "dashboard.demo", PAGES | SIGNING_IN),
        (["db", "upgrade", "-h"], "dashboard.migrations", PAGES | SIGNING_IN),
        (["user", "add", "-h"], "dashboard.people", PAGES | SIGNING_IN | {"alembic"}),
        (["sending", "pause", "-h"], "dashboard.sending", PAGES | SIGNING_IN | {"alembic"}),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else None,
)
def test_a_command_imports_what_it_needs(command: Sequence[str], needed: str, needless: set[str]) -> None:
    found = imported(*command)
    assert needed in found
    assert found & needless == set()


def test_the_roles_of_the_database_are_told_every_table_by_a_process_that_imports_little() -> None:
    told = started("db", "roles").stdout
    assert [name for name in Base.metadata.tables if f"ALTER TABLE public.{name} OWNER TO" not in told] == []


STOPPED_WHILE_LOOKING = """
import os, signal, sys
from dashboard import processes
stop = processes.stop_on_signals()
with stop._cond:
    os.kill(os.getpid(), signal.SIGTERM)
sys.exit(0 if stop.wait(5) else 1)
"""


def test_a_signal_that_comes_while_the_event_is_looked_at_stops_all_the_same() -> None:
    """Main threads look at it again and again; once in some thousand times a signal finds one that holds its lock."""
    subprocess.run([sys.executable, "-c", STOPPED_WHILE_LOOKING], check=True, timeout=30)
