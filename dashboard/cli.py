"""The `dashboard` command."""

import logging
import time

import click

from dashboard import __version__
from dashboard.commands.later import Later

LOG_LINE = logging.Formatter(
    "%(asctime)s %(levelname)s %(name)s %(request_id)s%(message)s", "%Y-%m-%dT%H:%M:%SZ", defaults={"request_id": ""}
)
LOG_LINE.converter = time.gmtime


@click.group(
    commands=Later(
        {
            "demo": "dashboard.commands.demo:command",
            "serve": "dashboard.commands.serve:command",
            "web": "dashboard.commands.web:command",
            "worker": "dashboard.commands.worker:command",
            "sandbox": "dashboard.commands.sandbox:command",
            "db": "dashboard.commands.db:command",
            "user": "dashboard.commands.user:command",
            "journal": "dashboard.commands.journal:command",
            "bank": "dashboard.commands.bank:command",
            "sending": "dashboard.commands.sending:command",
            "check": "dashboard.commands.check:command",
        }
    ),
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, prog_name="dashboard")
def main() -> None:
    """The refund desk: look up payments taken through Bank 131, refund them, watch what becomes of it."""
    lines = logging.StreamHandler()
    lines.setFormatter(LOG_LINE)
    logging.basicConfig(level=logging.INFO, handlers=[lines])
    logging.getLogger("alembic").setLevel(logging.WARNING)


if __name__ == "__main__":
    main()
