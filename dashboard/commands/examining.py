"""The whole journal, examined: what `journal verify` and `db restored` tell of it."""

from collections.abc import Iterator

import click
from sqlalchemy.orm import Session

from dashboard import db, replay
from dashboard.desk import Books, journal_key

MOST_LINES = 20


def examine(books: Books, expect: str | None = None) -> replay.Examined:
    with Session(db.snapshot_engine(books.engine)) as session:
        return replay.examine(session, journal_key(books.config), head(expect))


def what_is_wrong(examined: replay.Examined) -> Iterator[str]:
    if examined.broken is not None:
        yield f"The journal is broken: {examined.broken}."
    elif examined.differences:
        count = len(examined.differences)
        differ = "1 row differs" if count == 1 else f"{count} rows differ"
        yield f"The journal is whole, but the tables are not what it tells of: {differ}."
        yield from examined.differences[:MOST_LINES]


def head(expect: str | None) -> tuple[int, str] | None:
    if expect is None:
        return None
    seq, _, entry_hash = expect.partition(":")
    if not seq.isdecimal() or not entry_hash:
        raise click.BadParameter("must look like SEQ:HASH", param_hint="--expect")
    return int(seq), entry_hash
