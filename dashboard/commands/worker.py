"""`dashboard worker`."""

from pkgutil import resolve_name

import click

from dashboard import bank_window, worker_process
from dashboard.commands.failing import fail
from dashboard.commands.starting import ready_config
from dashboard.desk import Desk
from dashboard.notices import LetterWriter


@click.command("worker")
def command() -> None:
    """The worker alone. Any number may run."""
    config = ready_config(may_sign=True)
    try:
        worker_process.run_worker(config, _letter_writer)
    except bank_window.UnusableFolder as problem:
        fail(f"Pages could not look at the bank through this worker: {problem}. Mend DASHBOARD_RUN_FOLDER.")


def _letter_writer(desk: Desk) -> LetterWriter:
    """Mails are in the words of the pages, all of which a worker without a mail server does without."""
    writer: LetterWriter = resolve_name("dashboard.app:letter_writer")(desk)
    return writer
