"""`dashboard db restored`."""

from collections.abc import Iterator

import click
from sqlalchemy import Engine

from dashboard import db, replay, restore
from dashboard.commands.examining import examine, what_is_wrong
from dashboard.commands.failing import fail
from dashboard.commands.opening import ACTOR, check_journal_key, check_migrated, check_stopped, opened_books
from dashboard.desk import Books


@click.command("restored")
@click.option(
    "--as-it-is", is_flag=True, help="Go on although journal and tables do not agree, which is put on record."
)
def db_restored(*, as_it_is: bool) -> None:
    """Say that the database was just put back from a backup: nothing is sent until the bank has been asked again."""
    with opened_books(changes=True, migrated=False) as books:
        problem = _look_at_backup(books, as_it_is=as_it_is)
        done = restore.after_restore(books, ACTOR, problem)
    _say_what_was_done(done)


def _look_at_backup(books: Books, *, as_it_is: bool) -> str:
    """What is wrong with the books and was accepted, or empty. Nothing is written."""
    wal = db.leftover_wal(books.engine)
    problem = db.integrity_problem(books.engine)
    if problem is not None:
        fail(f"SQLite's own check finds the file damaged: {problem}", *_what_damage_means(books.engine))
    check_migrated(books.engine)
    check_journal_key(books)
    check_stopped(books)
    examined = examine(books)
    found = list(what_is_wrong(examined))
    if found and not as_it_is:
        fail(*found, *_what_damage_means(books.engine), "If all backups are like that: --as-it-is goes on, on record.")
    for line in (*found, *_which_backup(examined, wal)):
        click.echo(line)
    return found[0] if found else ""


def _what_damage_means(engine: Engine) -> Iterator[str]:
    yield "Nothing was changed. The amounts in this database cannot be relied on: with it a refund could be paid"
    yield "twice, or one that was paid be forgotten. Start nothing. Put the backup back once more, and run this again."
    if engine.dialect.name == "sqlite":
        file = db.name_of(engine)
        yield f"Remove {file}-wal and {file}-shm before you copy the backup there: what a killed process"
        yield "left in them goes into whatever file it finds."


def _which_backup(examined: replay.Examined, wal: str | None) -> Iterator[str]:
    if wal is not None:
        yield f"There were changes in {wal}. Unless it belongs to the backup, they have just gone into it:"
        yield "then put the backup back once more, and remove that file first."
    yield f"Its journal: {examined.entries} entries, head {examined.head}"
    if examined.last_at is not None:
        yield f"The backup's last entry is of {examined.last_at:%Y-%m-%d %H:%M:%S} UTC. If your backup is older,"
        yield "this is not your backup: put it back once more, and run this command again."


def _say_what_was_done(done: restore.Restored) -> None:
    click.echo("Sending is paused.")
    click.echo(f"Refunds that may have been sent since the backup, now to be decided on by people: {done.under_review}")
    click.echo(f"Sessions that the worker reads again: {done.to_read}")
    click.echo(f"Proposals that were open in the backup, now to be made anew: {done.outdated}")
    click.echo(f"Other sessions of the last year, read one after another from the time below on: {done.read_later}")
    click.echo("Everybody has to sign in again. Accounts and passwords are those of the backup: look at them first.")
    click.echo(f"Nothing more is asked for or sent before {done.not_before:%Y-%m-%d %H:%M:%S} UTC.")
    click.echo("Start everything; `dashboard sending resume` works then, once all of these sessions have been read.")
