"""The `dashboard` command."""

import logging
import os
import sys
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import click
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from dashboard import (
    __version__,
    db,
    demo,
    doctor,
    journal,
    migrations,
    own_bank,
    people,
    replay,
    restore,
    roles,
    sending,
    server,
)
from dashboard.app import bank_keys, create_desk
from dashboard.bank131.signature import KeyFormatError
from dashboard.clock import SystemClock
from dashboard.config import BadSettings, Config, read_config
from dashboard.desk import Books, journal_key
from dashboard.sandbox.server import SandboxStartError, run_sandbox

BIND = "127.0.0.1:8131"
ACTOR = "command line"
MOST_LINES = 20
PORT = click.IntRange(1, 65535)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="dashboard")
def main() -> None:
    """The refund desk: look up payments taken through Bank 131, refund them, watch what becomes of it."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("alembic").setLevel(logging.WARNING)


def _fail(*lines: str) -> NoReturn:
    for line in lines:
        click.echo(line, err=True)
    sys.exit(1)


def _config() -> Config:
    try:
        return read_config(os.environ)
    except BadSettings as bad:
        _fail(*bad.problems)


@contextmanager
def _books(*, migrated: bool = True) -> Iterator[Books]:
    """The database alone: what has to work even when the bank's keys are gone."""
    config = _config()
    engine = db.open_engine(config.database_url)
    try:
        if migrated and not migrations.is_current(engine):
            _fail("The database is not migrated: run `dashboard db upgrade`.")
        yield Books(config=config, clock=SystemClock(), new_id=lambda: str(uuid.uuid4()), engine=engine)
    except SQLAlchemyError as problem:
        _fail(f"The database cannot be used: {doctor.cause_of(problem)}.")
    finally:
        engine.dispose()


def _ready_config() -> Config:
    """Settings with which a server or a worker can start: a migrated database and usable keys."""
    with _books() as books:
        try:
            desk = create_desk(books.config, books.engine)
            bank_keys(books.config)
            own_bank.claim(desk)
        except own_bank.OtherBank as problem:
            _fail(f"{problem}.")
        except (OSError, KeyFormatError, ValueError) as problem:
            _fail(f"The bank's keys or address cannot be used: {problem}. `dashboard check` tells more.")
        return books.config


# Running


@main.command("demo")
@click.option("--port", type=PORT, default=8131, show_default=True, help="Port of the dashboard.")
@click.option("--bank-port", type=PORT, default=8132, show_default=True, help="Port of the sandbox bank.")
@click.option(
    "--data", type=click.Path(path_type=Path), default=Path(".demo"), show_default=True, help="Where it keeps its data."
)
@click.option("--fresh", is_flag=True, help="Forget what an earlier demo kept there.")
@click.option("--password", default=demo.PASSWORD, show_default=True, help="The demo people's password.")
def demo_command(port: int, bank_port: int, data: Path, fresh: bool, password: str) -> None:
    """Everything in one: sandbox bank with sample sessions, database, people, web and worker."""
    try:
        code = demo.run(
            os.environ,
            port=port,
            bank_port=bank_port,
            data_dir=data.resolve(),
            fresh=fresh,
            password=password,
            announce=click.echo,
        )
    except BadSettings as bad:
        _fail(*bad.problems)
    except (demo.CannotStart, people.BadAccount) as problem:
        _fail(str(problem))
    else:
        sys.exit(code)


@main.command()
@click.option("--bind", default=BIND, show_default=True, help="HOST:PORT to listen on.")
def serve(bind: str) -> None:
    """Web and worker, from the environment's settings."""
    _ready_config()
    _check_bind(bind)
    sys.exit(server.run_together([["web", "--bind", bind], ["worker"]], os.environ))


@main.command()
@click.option("--bind", default=BIND, show_default=True, help="HOST:PORT to listen on.")
def web(bind: str) -> None:
    """The web server alone."""
    config = _ready_config()
    _check_bind(bind)
    server.serve_web(config, bind)


def _check_bind(bind: str) -> None:
    try:
        server.check_bind(bind)
    except server.CannotListen as problem:
        _fail(f"{problem}.")


@main.command()
def worker() -> None:
    """The worker alone. Any number may run."""
    server.run_worker(_ready_config())


@main.command()
@click.option("--port", type=PORT, default=8132, show_default=True, help="Port of the sandbox bank.")
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    default=Path(".sandbox"),
    show_default=True,
    help="Where it keeps its keys and its ledger.",
)
@click.option(
    "--webhook-url", default=None, help="Where to send webhooks, e.g. http://127.0.0.1:8131/webhooks/bank131."
)
def sandbox(port: int, data: Path, webhook_url: str | None) -> None:
    """The sandbox bank alone. Its first start makes both key pairs."""
    try:
        run_sandbox(port=port, data_dir=data.resolve(), webhook_url=webhook_url, announce=click.echo)
    except SandboxStartError as problem:
        _fail(str(problem))


# Set-up and care


@main.group("db")
def db_group() -> None:
    """The database."""


@db_group.command("upgrade")
def db_upgrade() -> None:
    """Bring the database to the newest shape."""
    with _books(migrated=False) as books:
        migrations.upgrade(books.engine, journal_key(books.config))
    click.echo("The database has the newest shape.")


@db_group.command("restored")
def db_restored() -> None:
    """Say that the database was just put back from a backup: nothing is sent until the bank has been asked again."""
    with _books() as books:
        done = restore.after_restore(books, ACTOR)
    click.echo("Sending is paused.")
    click.echo(f"Refunds that may have been sent since the backup, now to be decided on by people: {done.under_review}")
    click.echo(f"Sessions that the worker reads again: {done.to_read}")
    click.echo(f"Proposals that were open in the backup, now to be made anew: {done.outdated}")
    click.echo(f"Other sessions of the last year, read one after another from the time below on: {done.read_later}")
    click.echo("Everybody has to sign in again. Accounts and passwords are those of the backup: look at them first.")
    click.echo(f"Nothing more is asked for or sent before {done.not_before:%Y-%m-%d %H:%M:%S} UTC.")
    click.echo("Start everything; `dashboard sending resume` works then, once all of these sessions have been read.")


@main.group("user")
def user_group() -> None:
    """People who may sign in."""


@user_group.command("add")
@click.argument("email")
@click.option("--role", type=click.Choice(roles.ROLES), required=True)
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input instead of asking.")
def user_add(email: str, role: str, password_stdin: bool) -> None:
    """Make an account."""
    if password_stdin:
        password = sys.stdin.readline().rstrip("\r\n")
    else:
        password = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    with _books() as books:
        try:
            people.add(books, email, role, password, actor=ACTOR)
        except people.BadAccount as problem:
            _fail(f"No account was made: {problem}.")
    click.echo(f"{email} can sign in as {role}.")


@main.group("journal")
def journal_group() -> None:
    """The append-only record."""


@journal_group.command("verify")
@click.option("--expect", metavar="SEQ:HASH", help="A head noted down earlier, which must still be in the chain.")
def journal_verify(expect: str | None) -> None:
    """Check the whole chain for any edit, removal or cut tail, and that the tables are what it tells of."""
    told = replay.Replay()
    with _books() as books, Session(db.snapshot_engine(books.engine)) as session:
        try:
            verdict = journal.verify(session, journal_key(books.config), _head(expect), told.take)
        except replay.BadEntry as problem:
            _fail(f"The journal is broken: {problem}.")
        if verdict.problem:
            _fail(f"The journal is broken: {verdict.problem}.")
        differences = list(replay.differences(session, told))
    if differences:
        differ = "1 row differs" if len(differences) == 1 else f"{len(differences)} rows differ"
        _fail(
            f"The journal is whole, but the tables are not what it tells of: {differ}.",
            *differences[:MOST_LINES],
        )
    click.echo(f"The journal is whole: {verdict.entries} entries, head {verdict.entries}:{verdict.head}")


def _head(expect: str | None) -> tuple[int, str] | None:
    if expect is None:
        return None
    seq, _, entry_hash = expect.partition(":")
    if not seq.isdecimal() or not entry_hash:
        raise click.BadParameter("must look like SEQ:HASH", param_hint="--expect")
    return int(seq), entry_hash


@main.group("bank")
def bank_group() -> None:
    """The bank server and project that the books are about."""


@bank_group.command("move")
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
    with _books() as books:
        try:
            bank = create_desk(books.config, books.engine).bank
        except (OSError, KeyFormatError, ValueError) as problem:
            _fail(f"The bank's keys or address cannot be used: {problem}. `dashboard check` tells more.")
        try:
            if same_bank:
                own_bank.rename(books, ACTOR, bank.url, bank.project)
            else:
                own_bank.move(books, ACTOR, bank.url, bank.project, leave_open=leave_open)
        except own_bank.CannotMove as problem:
            _fail(*_what_is_in_the_way(problem.refunds, same_bank=same_bank))
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


@main.group("sending")
def sending_group() -> None:
    """Whether refunds are sent to the bank."""


@sending_group.command("pause")
@click.option("--why", default="paused by hand", show_default=True, help="Shown to everybody on the overview.")
def sending_pause(why: str) -> None:
    """Send nothing until resumed; what is being sent right now is carried to its end."""
    with _books() as books:
        sending.pause(books, ACTOR, why)
    click.echo("Sending is paused.")


@sending_group.command("resume")
@click.option(
    "--without-reading",
    multiple=True,
    metavar="SESSION",
    help="After a restore, do not wait for this session, which the bank does not show. May be given several times.",
)
@click.option("--without-reading-any", is_flag=True, help="After a restore, wait for none of them.")
def sending_resume(without_reading: Sequence[str], *, without_reading_any: bool) -> None:
    """Send again."""
    with _books() as books:
        try:
            ended = sending.resume(books, ACTOR, without_reading, without_reading_any=without_reading_any)
        except sending.CannotResume as problem:
            _fail("The database was put back from a backup, and sending stays paused.", *_what_holds_up(problem))
    for why in ended:
        click.echo(f"Ended: {why}")
    click.echo("Sending goes on.")


def _what_holds_up(problem: sending.CannotResume) -> Iterator[str]:
    if problem.since is not None:
        yield f"What was sent before may still arrive at the bank until {problem.since:%Y-%m-%d %H:%M:%S} UTC."
    if problem.left:
        yield f"Sessions with open refunds that have still to be read again: {len(problem.left)}"
        yield from problem.left
        yield "The worker reads them while it runs. For one that the bank does not show: --without-reading SESSION;"
        yield "to wait for none of them: --without-reading-any. Nothing is sent of a session that cannot be read."


@main.command()
def check() -> None:
    """Name everything that stops the product working, one line each."""
    found = list(doctor.findings(_config()))
    for finding in found:
        click.echo(("WRONG  " if finding.is_fatal else "       ") + finding.line)
    sys.exit(1 if any(finding.is_fatal for finding in found) else 0)


if __name__ == "__main__":
    main()
