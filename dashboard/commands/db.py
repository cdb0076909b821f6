"""`dashboard db`."""

import click

from dashboard.commands.later import Later


@click.group(
    "db",
    commands=Later(
        {
            "upgrade": "dashboard.commands.db_upgrade:db_upgrade",
            "reseal": "dashboard.commands.db_reseal:db_reseal",
            "roles": "dashboard.commands.db_roles:db_roles",
            "restored": "dashboard.commands.db_restored:db_restored",
        }
    ),
)
def command() -> None:
    """The database."""
