"""`dashboard` commands run inside the test's own process."""

import pytest
from click.testing import CliRunner, Result

from dashboard import cli
from dashboard.commands import opening
from dashboard.config import Config


def set_to(monkeypatch: pytest.MonkeyPatch, config: Config) -> None:
    """Every command has these settings from now on, whatever the environment says."""
    for name in ("read_config", "read_books_config"):
        monkeypatch.setattr(opening, name, lambda _environ: config)


def run(*arguments: str, stdin: str = "") -> Result:
    """Run one command to its end."""
    return CliRunner().invoke(cli.main, list(arguments), input=stdin)
