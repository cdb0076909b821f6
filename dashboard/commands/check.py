"""`dashboard check`."""

import sys

import click

from dashboard import doctor
from dashboard.commands.opening import settings


@click.command("check")
def command() -> None:
    """Name everything that stops the product working, one line each."""
    found = list(doctor.findings(settings()))
    for finding in found:
        click.echo(("WRONG  " if finding.is_fatal else "       ") + finding.line)
    sys.exit(1 if any(finding.is_fatal for finding in found) else 0)
