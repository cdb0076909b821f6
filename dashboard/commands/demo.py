"""`dashboard demo`."""

import os
import sys
from pathlib import Path

import click

from dashboard import demo, passwords, people
from dashboard.commands.failing import fail
from dashboard.commands.ports import PORT
from dashboard.config import BadSettings
from dashboard.setting_files import with_files


@click.command("demo")
@click.option("--port", type=PORT, default=8131, show_default=True, help="Port of the dashboard.")
@click.option("--bank-port", type=PORT, default=8132, show_default=True, help="Port of the sandbox bank.")
@click.option(
    "--data", type=click.Path(path_type=Path), default=Path(".demo"), show_default=True, help="Where it keeps its data."
)
@click.option("--fresh", is_flag=True, help="Forget what an earlier demo kept there.")
@click.option("--password", default=demo.PASSWORD, show_default=True, help="The demo people's password.")
def command(*, port: int, bank_port: int, data: Path, fresh: bool, password: str) -> None:
    """Everything in one: sandbox bank with sample sessions, database, people, web and worker."""
    try:
        code = demo.run(
            with_files(os.environ),
            port=port,
            bank_port=bank_port,
            data_dir=data.resolve(),
            fresh=fresh,
            password=password,
            announce=click.echo,
        )
    except BadSettings as bad:
        fail(*bad.problems)
    except (demo.CannotStart, people.BadAccount, passwords.BadPassword) as problem:
        fail(str(problem))
    else:
        sys.exit(code)
