"""`dashboard db roles`."""

import click

from dashboard import database_roles
from dashboard.commands.failing import fail


@click.command("roles")
@click.option("--owner", default=database_roles.OWNER, show_default=True, help="Owns the tables, runs `db upgrade`.")
@click.option("--app", default=database_roles.APP, show_default=True, help="What everything else runs as.")
def db_roles(owner: str, app: str) -> None:
    """Print SQL that makes two roles on PostgreSQL, of which the second can only add to the journal."""
    try:
        click.echo(database_roles.script(owner, app), nl=False)
    except ValueError as problem:
        fail(f"Nothing was printed: {problem}.")
