"""`dashboard web`."""

import click

from dashboard import server
from dashboard.commands.starting import BIND, check_bind, check_leaked_passwords, ready_config


@click.command("web")
@click.option("--bind", default=BIND, show_default=True, help="HOST:PORT to listen on.")
def command(bind: str) -> None:
    """The web server alone."""
    config = ready_config(may_sign=False)
    check_leaked_passwords(config)
    check_bind(bind)
    server.serve_web(config, bind)
