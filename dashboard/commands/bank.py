"""`dashboard bank`."""

from collections.abc import Iterator, Sequence

import click

from dashboard import bank_window, own_bank
from dashboard.commands.examining import MOST_LINES
from dashboard.commands.failing import fail
from dashboard.commands.opening import ACTOR, check_stopped, opened_books, settings


@click.group("bank")
def command() -> None:
    """The bank server and project that the books are about."""


@command.command("move")
@click.option("--same-bank", is_flag=True, help="Only its address or the project's name has changed.")
@click.option(
    "--leave-open",
    is_flag=True,
    help="Move to another bank although refunds are open at the old one: people see to them.",
)
@click.confirmation_option(prompt="Is everything stopped, every web server and every worker? Move?")
def bank_move(*, same_bank: bool, leave_open: bool) -> None:
    """Say that the settings name another bank server or project on purpose. Stop everything first."""
    if same_bank and leave_open:
        raise click.UsageError("--leave-open is for another bank: leave out --same-bank, or wait for the refunds.")
    config = settings()
    with opened_books(config, changes=True) as books:
        check_stopped(books)
        try:
            bank = bank_window.Window(config)
        except ValueError as problem:
            fail(f"The bank's address cannot be used: {problem}. `dashboard check` tells more.")
        try:
            if same_bank:
                own_bank.rename(books, ACTOR, bank.url, bank.project)
            else:
                own_bank.move(books, ACTOR, bank.url, bank.project, leave_open=leave_open)
        except own_bank.CannotMove as problem:
            fail(*_what_is_in_the_way(problem.refunds, same_bank=same_bank))
    click.echo(f"The books are about {bank.url}, project {bank.project}, from now on.")


def _what_is_in_the_way(refunds: Sequence[own_bank.InTheWay], *, same_bank: bool) -> Iterator[str]:
    if same_bank:
        yield f"Nothing was moved. Refunds that are being sent, or whose outcome is not known: {len(refunds)}"
    else:
        yield f"Nothing was moved. Refunds that are open at the old bank or under review: {len(refunds)}"
    for refund in refunds[:MOST_LINES]:
        what = f"{refund.state}, under review" if refund.review else refund.state
        yield f"  {refund.reference}  {what}, session {refund.session_id}"
    if len(refunds) > MOST_LINES:
        yield f"  and {len(refunds) - MOST_LINES} more"
    if same_bank:
        yield "They could be paid twice. Start everything with the old settings, and wait until the bank has told what"
        yield "became of them, or let two people decide (Review). Then stop everything and move."
    else:
        yield "After the move the bank is not asked about them any more, and their amounts stay held. Start everything"
        yield "with the old settings until they have ended, are undone or decided on. To leave them: --leave-open"
