"""`dashboard serve`."""

import os
import sys

import click

from dashboard import processes
from dashboard.commands.starting import BIND, check_bind, check_leaked_passwords, ready_config


@click.command("serve")
@click.option("--bind", default=BIND, show_default=True, help="HOST:PORT to listen on.")
def command(bind: str) -> None:
    """Web and worker, from the environment's settings."""
    check_leaked_passwords(ready_config(may_sign=True))
    check_bind(bind)
    sys.exit(processes.run_together([["web", "--bind", bind], ["worker"]], os.environ))
