"""What a web server and a worker are asked before they start."""

import click

from dashboard import bank_window, leaked_passwords, obstacles, own_bank, processes
from dashboard.bank131.signature import KeyFormatError
from dashboard.commands.failing import fail
from dashboard.commands.opening import check_journal_key, opened_books, settings
from dashboard.config import Config
from dashboard.wiring import bank_client, bank_keys, create_desk

BIND = "127.0.0.1:8131"


def ready_config(*, may_sign: bool) -> Config:
    """Settings with which a worker, or a web server alone, can start: a migrated database and usable keys."""
    config = settings()
    with opened_books(config) as books:
        check_journal_key(books)
        try:
            bank = bank_client(config) if may_sign else bank_window.Window(config)
            bank_keys(config)
            own_bank.claim(create_desk(config, books.engine, bank))
        except own_bank.OtherBank as problem:
            fail(f"{problem}.")
        except (OSError, KeyFormatError, ValueError) as problem:
            fail(f"The bank's keys or address cannot be used: {problem}. `dashboard check` tells more.")
    for exposed in obstacles.exposed_keys(config):
        click.echo(exposed, err=True)
    return config


def check_leaked_passwords(config: Config) -> None:
    """Only where people set them: a worker, or a command for an emergency, does without the list."""
    if problem := leaked_passwords.problem_of(config.leaked_passwords_file):
        fail(problem)


def check_bind(bind: str) -> None:
    try:
        processes.check_bind(bind)
    except processes.CannotListen as problem:
        fail(f"{problem}.")
