"""`dashboard sending`."""

from collections.abc import Iterator, Sequence

import click

from dashboard import sending
from dashboard.commands.failing import fail
from dashboard.commands.opening import ACTOR, opened_books, say_if_unwatched


@click.group("sending")
def command() -> None:
    """Whether refunds are sent to the bank."""


@command.command("pause")
@click.option("--why", default="paused by hand", show_default=True, help="Shown to everybody on the overview.")
def sending_pause(why: str) -> None:
    """Send nothing until resumed; what is being sent right now is carried to its end."""
    with opened_books(changes=True) as books:
        sending.pause(books, ACTOR, why)
        click.echo("Sending is paused.")
        say_if_unwatched(books)


@command.command("resume")
@click.option(
    "--without-reading",
    multiple=True,
    metavar="SESSION",
    help="After a restore, do not wait for this session, which the bank does not show. May be given several times.",
)
@click.option("--without-reading-any", is_flag=True, help="After a restore, wait for none of them.")
def sending_resume(without_reading: Sequence[str], *, without_reading_any: bool) -> None:
    """Send again."""
    with opened_books(changes=True) as books:
        try:
            ended = sending.resume(books, ACTOR, without_reading, without_reading_any=without_reading_any)
        except sending.CannotResume as problem:
            fail("The database was put back from a backup, and sending stays paused.", *_what_holds_up(problem))
        for why in ended:
            click.echo(f"Ended: {why}")
        click.echo("Sending goes on.")
        say_if_unwatched(books)


def _what_holds_up(problem: sending.CannotResume) -> Iterator[str]:
    if problem.since is not None:
        yield f"What was sent before may still arrive at the bank until {problem.since:%Y-%m-%d %H:%M:%S} UTC."
    if problem.left:
        yield f"Sessions with open refunds that have still to be read again: {len(problem.left)}"
        yield from problem.left
        yield "The worker reads them while it runs. For one that the bank does not show: --without-reading SESSION;"
        yield "to wait for none of them: --without-reading-any. Nothing is sent of a session that cannot be read."
