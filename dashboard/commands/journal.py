"""`dashboard journal`."""

import os
import zipfile
from collections.abc import Iterator
from pathlib import Path

import click

from dashboard import evidence, journal, journal_file
from dashboard.commands.examining import examine, head, what_is_wrong
from dashboard.commands.failing import fail
from dashboard.commands.opening import opened_books
from dashboard.config import BadSettings, read_books_config, read_key_config, read_keys_to_compare
from dashboard.desk import journal_key, journal_keys
from dashboard.setting_files import with_files


@click.group("journal")
def command() -> None:
    """The append-only record."""


@command.command("verify")
@click.option("--expect", metavar="SEQ:HASH", help="A head noted down earlier, which must still be in the chain.")
@click.option(
    "--file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A file taken from the journal, to be checked in place of the database.",
)
def journal_verify(expect: str | None, file: Path | None) -> None:
    """Check the whole chain for any edit, removal or cut tail, and that the tables are what it tells of."""
    if file is not None:
        _verify_file(file, expect)
        return
    with opened_books() as books:
        examined = examine(books, expect)
    problem = list(what_is_wrong(examined))
    if problem:
        fail(*problem)
    click.echo(f"The journal is whole: {examined.entries} entries, head {examined.head}")


@command.command("key")
def journal_key_command() -> None:
    """Print the key that the journal is kept with, for DASHBOARD_JOURNAL_KEY: a secret."""
    try:
        environ = with_files(os.environ)
        keys = journal_keys(read_keys_to_compare(environ))
        config = read_books_config({**environ, "DASHBOARD_JOURNAL_KEY": keys[0]})
    except BadSettings as bad:
        fail(*bad.problems)
    with opened_books(config) as books, books.read() as session:
        found = next((key for key in keys if journal.is_kept_with(session, key)), None)
    if found is None:
        fail("The journal was written with none of the keys that are set.")
    click.echo(found)


def _verify_file(file: Path, expect: str | None) -> None:
    try:
        key = journal_key(read_key_config(with_files(os.environ)))
    except BadSettings as bad:
        fail(*bad.problems)
    found = _verified_archive(file, key, expect) if zipfile.is_zipfile(file) else _verified_lines(file, key, expect)
    for line in _what_is_proved(found):
        click.echo(line)


def _verified_lines(file: Path, key: str, expect: str | None) -> journal_file.FileVerdict:
    with file.open("rb") as lines:
        found = journal_file.verify(lines, key, head(expect))
    if found.problem is not None:
        fail(f"The file cannot be relied on: {found.problem}.")
    return found


def _verified_archive(file: Path, key: str, expect: str | None) -> journal_file.FileVerdict:
    try:
        checked = evidence.verify(file, key, head(expect))
    except evidence.Spoilt as problem:
        fail(f"The evidence cannot be relied on: {problem}.")
    click.echo(f"The evidence of refund {checked.reference} is as the desk made it: {checked.files} files.")
    click.echo("Its part of the journal:")
    return checked.journal


def _what_is_proved(found: journal_file.FileVerdict) -> Iterator[str]:
    if found.is_collected:
        yield f"Entries {found.first} to {found.last} are as the desk wrote them, and none of them is missing."
        yield f"Lines with an entry that was there already: {found.repeats}"
        yield f"The last one is {found.head}: `dashboard journal verify --expect` on the desk shows if it has it too."
        return
    if found.is_whole:
        yield f"The file is whole: every entry that there was, {found.entries}, head {found.head}"
        return
    yield f"The file is as the desk wrote it: {found.entries} entries of a journal with the head {found.head}"
    if found.entries and not found.gaps:
        yield f"It has every entry from {found.first} to {found.last}, each chained to the one before."
    elif found.entries:
        yield f"It has some of the entries from {found.first} to {found.last}, each as it was written."
        yield f"Places where others are left out, whose words are not shown by this file: {found.gaps}"
