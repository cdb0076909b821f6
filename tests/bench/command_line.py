"""`dashboard` commands run inside the test's own process."""

import pytest
from click.testing import CliRunner, Result

from dashboard import cli
from dashboard.config import Config


def set_to(monkeypatch: pytest.MonkeyPatch, config: Config) -> None:
    """Every command has these settings from now on, whatever the environment says."""
    for name in ("_config", "_books_config"):
        monkeypatch.setattr(cli, name, lambda: config)


def run(*arguments: str, stdin: str = "") -> Result:
    """Run one command to its end."""
    return CliRunner().invoke(cli.main, list(arguments), input=stdin)
