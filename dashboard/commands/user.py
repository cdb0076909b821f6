"""`dashboard user`."""

import click

from dashboard.commands.later import Later


@click.group(
    "user",
    commands=Later(
        {
            "add": "dashboard.commands.user_changes:user_add",
            "disable": "dashboard.commands.user_changes:user_disable",
            "enable": "dashboard.commands.user_changes:user_enable",
            "role": "dashboard.commands.user_changes:user_role",
            "password": "dashboard.commands.user_changes:user_password",
            "reset-factors": "dashboard.commands.user_ways_in:user_reset_factors",
            "unbind": "dashboard.commands.user_ways_in:user_unbind",
            "list": "dashboard.commands.user_ways_in:user_list",
        }
    ),
)
def command() -> None:
    """People who may sign in."""
