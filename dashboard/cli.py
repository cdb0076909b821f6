"""The `dashboard` command."""

import logging
import os
import sys
import time
import uuid
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import NoReturn

import click
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from dashboard import (
    __version__,
    bank_window,
    database_roles,
    db,
    demo,
    doctor,
    evidence,
    factor_resets,
    health,
    journal,
    journal_file,
    leaked_passwords,
    migrations,
    own_bank,
    passwords,
    people,
    replay,
    resealing,
    restore,
    roles,
    sending,
    server,
    single_sign_on,
)
from dashboard.app import bank_client, bank_keys, create_desk
from dashboard.bank131.signature import KeyFormatError
from dashboard.clock import SystemClock
from dashboard.config import (
    BadSettings,
    BooksConfig,
    Config,
    read_books_config,
    read_config,
    read_key_config,
    read_keys_to_compare,
)
from dashboard.desk import Books, journal_key, journal_keys
from dashboard.models import Person
from dashboard.sandbox.server import SandboxStartError, run_sandbox
from dashboard.setting_files import with_files
from dashboard.web import request_ids

BIND = "127.0.0.1:8131"
ACTOR = "command line"
MOST_LINES = 20
PORT = click.IntRange(1, 65535)
LOG_LINE = logging.Formatter(
    "%(asctime)s %(levelname)s %(name)s %(request_id)s%(message)s", "%Y-%m-%dT%H:%M:%SZ", defaults={"request_id": ""}
)
LOG_LINE.converter = time.gmtime


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="dashboard")
def main() -> None:
    """The refund desk: look up payments taken through Bank 131, refund them, watch what becomes of it."""
    lines = logging.StreamHandler()
    lines.setFormatter(LOG_LINE)
    lines.addFilter(request_ids.Named())
    logging.basicConfig(level=logging.INFO, handlers=[lines])
    logging.getLogger("alembic").setLevel(logging.WARNING)


def _fail(*lines: str) -> NoReturn:
    for line in lines:
        click.echo(line, err=True)
    sys.exit(1)


def _config() -> Config:
    try:
        return read_config(with_files(os.environ))
    except BadSettings as bad:
        _fail(*bad.problems)


def _books_config() -> BooksConfig:
    try:
        return read_books_config(with_files(os.environ))
    except BadSettings as bad:
        _fail(*bad.problems)


@contextmanager
def _books(
    config: BooksConfig | None = None, *, changes: bool = False, may_be_new: bool = False, migrated: bool = True
) -> Iterator[Books]:
    """The database alone: what has to work even when the bank's keys are gone. `changes`: it is named."""
    config = config or _books_config()
    engine = db.open_engine(config.database_url)
    try:
        file = None if may_be_new else db.missing_file(engine)
        if file is not None:
            _fail(doctor.no_file(file))
        if changes:
            click.echo(f"Database: {db.name_of(engine)}")
        if migrated:
            _check_migrated(engine)
        books = Books(config=config, clock=SystemClock(), new_id=lambda: str(uuid.uuid4()), engine=engine)
        if changes and migrated:
            _check_journal_key(books)
        yield books
    except SQLAlchemyError as problem:
        _fail(f"The database cannot be used: {doctor.cause_of(problem)}.")
    finally:
        engine.dispose()


def _check_migrated(engine: Engine) -> None:
    if not migrations.is_current(engine):
        _fail(doctor.not_migrated(engine))


def _check_journal_key(books: Books) -> None:
    with books.read() as session:
        if not journal.is_kept_with(session, journal_key(books.config)):
            _fail(doctor.OTHER_JOURNAL_KEY)


def _check_stopped(books: Books) -> None:
    with books.read() as session:
        age = health.since_last_beat(session, books.clock.now())
    if age is not None and age < health.ALIVE_FOR:
        _fail(
            f"Nothing was changed: less than {_seconds(health.ALIVE_FOR)} s ago a worker gave a sign of life here.",
            "Stop every worker on every host. Web servers give no such sign: stop them too.",
            "Then wait half a minute and try again; a backup made just now has such a sign in it too.",
        )


def _say_if_unwatched(books: Books) -> None:
    with books.read() as session:
        age = health.since_last_beat(session, books.clock.now())
    if age is None:
        click.echo("No worker has ever given a sign of life in this database: is it the right one?")
    elif age >= health.ALIVE_FOR:
        click.echo(f"No worker has given a sign of life in this database for {_seconds(age)} s: is it the right one?")


def _seconds(duration: timedelta) -> int:
    return int(duration.total_seconds())


def _ready_config(*, may_sign: bool) -> Config:
    """Settings with which a worker, or a web server alone, can start: a migrated database and usable keys."""
    config = _config()
    with _books(config) as books:
        _check_journal_key(books)
        try:
            bank = bank_client(config) if may_sign else bank_window.Window(config)
            bank_keys(config)
            own_bank.claim(create_desk(config, books.engine, bank))
        except own_bank.OtherBank as problem:
            _fail(f"{problem}.")
        except (OSError, KeyFormatError, ValueError) as problem:
            _fail(f"The bank's keys or address cannot be used: {problem}. `dashboard check` tells more.")
    for exposed in doctor.exposed_keys(config):
        click.echo(exposed, err=True)
    return config


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
            with_files(os.environ),
            port=port,
            bank_port=bank_port,
            data_dir=data.resolve(),
            fresh=fresh,
            password=password,
            announce=click.echo,
        )
    except BadSettings as bad:
        _fail(*bad.problems)
    except (demo.CannotStart, people.BadAccount, passwords.BadPassword) as problem:
        _fail(str(problem))
    else:
        sys.exit(code)


@main.command()
@click.option("--bind", default=BIND, show_default=True, help="HOST:PORT to listen on.")
def serve(bind: str) -> None:
    """Web and worker, from the environment's settings."""
    _check_leaked_passwords(_ready_config(may_sign=True))
    _check_bind(bind)
    sys.exit(server.run_together([["web", "--bind", bind], ["worker"]], os.environ))


@main.command()
@click.option("--bind", default=BIND, show_default=True, help="HOST:PORT to listen on.")
def web(bind: str) -> None:
    """The web server alone."""
    config = _ready_config(may_sign=False)
    _check_leaked_passwords(config)
    _check_bind(bind)
    server.serve_web(config, bind)


def _check_leaked_passwords(config: Config) -> None:
    """Only where people set them: a worker, or a command for an emergency, does without the list."""
    if problem := leaked_passwords.problem_of(config.leaked_passwords_file):
        _fail(problem)


def _check_bind(bind: str) -> None:
    try:
        server.check_bind(bind)
    except server.CannotListen as problem:
        _fail(f"{problem}.")


@main.command()
def worker() -> None:
    """The worker alone. Any number may run."""
    config = _ready_config(may_sign=True)
    try:
        server.run_worker(config)
    except bank_window.UnusableFolder as problem:
        _fail(f"Pages could not look at the bank through this worker: {problem}. Mend DASHBOARD_RUN_FOLDER.")


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
    """Bring the database to the newest shape. The only command that makes an SQLite file."""
    with _books(changes=True, may_be_new=True, migrated=False) as books:
        was_empty = migrations.is_empty(books.engine)
        migrations.upgrade(books.engine, journal_key(books.config))
    if was_empty:
        click.echo("It is new and empty: no accounts, no refunds, no journal. If yours is another one,")
        click.echo("put DASHBOARD_DATABASE_URL right.")
    click.echo("The database has the newest shape.")


SEALED = {"authenticator_apps": "secrets of apps", "mails": "mails that wait", "kept_forms": "kept forms"}


@db_group.command("reseal")
def db_reseal() -> None:
    """Seal again with the present secret key all that is kept encrypted, after that key was changed."""
    with _books(changes=True) as books:
        done = resealing.reseal(books, ACTOR)
        with books.read() as session:
            left = resealing.left(session, books.config.secret_keys)
    click.echo(f"Sealed anew: {', '.join(f'{each.count} {SEALED[each.what]}' for each in done)}.")
    for lost in filter(lambda each: each.lost, done):
        click.echo(f"Cannot be opened with any key that is set, and left as they are: {lost.lost} {SEALED[lost.what]}.")
    if left:
        _fail(f"{left} were sealed otherwise meanwhile: have every process started anew, and run this again.")
    if books.config.secret_key_before:
        click.echo(
            "Nothing that is kept needs DASHBOARD_SECRET_KEY_BEFORE any more. Sign-ins and open forms of before do:"
        )
        click.echo("empty it twelve hours after the last process was started with the new key, at once if it leaked.")


@db_group.command("roles")
@click.option("--owner", default=database_roles.OWNER, show_default=True, help="Owns the tables, runs `db upgrade`.")
@click.option("--app", default=database_roles.APP, show_default=True, help="What everything else runs as.")
def db_roles(owner: str, app: str) -> None:
    """Print SQL that makes two roles on PostgreSQL, of which the second can only add to the journal."""
    try:
        click.echo(database_roles.script(owner, app), nl=False)
    except ValueError as problem:
        _fail(f"Nothing was printed: {problem}.")


@db_group.command("restored")
@click.option(
    "--as-it-is", is_flag=True, help="Go on although journal and tables do not agree, which is put on record."
)
def db_restored(*, as_it_is: bool) -> None:
    """Say that the database was just put back from a backup: nothing is sent until the bank has been asked again."""
    with _books(changes=True, migrated=False) as books:
        problem = _look_at_backup(books, as_it_is=as_it_is)
        done = restore.after_restore(books, ACTOR, problem)
    _say_what_was_done(done)


def _look_at_backup(books: Books, *, as_it_is: bool) -> str:
    """What is wrong with the books and was accepted, or empty. Nothing is written."""
    wal = db.leftover_wal(books.engine)
    problem = db.integrity_problem(books.engine)
    if problem is not None:
        _fail(f"SQLite's own check finds the file damaged: {problem}", *_what_damage_means(books.engine))
    _check_migrated(books.engine)
    _check_journal_key(books)
    _check_stopped(books)
    examined = _examine(books)
    found = list(_what_is_wrong(examined))
    if found and not as_it_is:
        _fail(*found, *_what_damage_means(books.engine), "If all backups are like that: --as-it-is goes on, on record.")
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


@main.group("user")
def user_group() -> None:
    """People who may sign in."""


@user_group.command("add")
@click.argument("email")
@click.option("--role", type=click.Choice(roles.ROLES), required=True)
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input instead of asking.")
def user_add(email: str, role: str, password_stdin: bool) -> None:
    """Make an account."""
    with _books(changes=True) as books:
        try:
            people.add(books, email, role, _password(from_stdin=password_stdin), actor=ACTOR)
        except (people.BadAccount, passwords.BadPassword) as problem:
            _fail(f"No account was made: {problem}.")
    click.echo(f"{email} can sign in as {role}.")


def _password(*, from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    return str(click.prompt("Password", hide_input=True, confirmation_prompt=True))


@user_group.command("disable")
@click.argument("email")
def user_disable(email: str) -> None:
    """Let somebody sign in no more, from this moment on."""
    _change_account(partial(people.disable, email=email), f"{email} is signed out and cannot sign in any more.")


@user_group.command("enable")
@click.argument("email")
def user_enable(email: str) -> None:
    """Let somebody sign in again."""
    _change_account(partial(people.enable, email=email), f"{email} can sign in again.")


@user_group.command("role")
@click.argument("email")
@click.argument("role", type=click.Choice(roles.ROLES))
def user_role(email: str, role: str) -> None:
    """Give somebody another role."""
    change = partial(people.change_role, email=email, role=role)
    _change_account(change, f"{email} is {role} now, and has to sign in again.")


@user_group.command("password")
@click.argument("email")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input instead of asking.")
def user_password(email: str, *, password_stdin: bool) -> None:
    """Give somebody another password."""

    def change(books: Books, *, actor: str) -> bool:
        people.set_password(books, email, _password(from_stdin=password_stdin), actor=actor)
        return True

    _change_account(change, f"{email} has another password now, and has to sign in again.")


def _change_account(change: Callable[..., bool], done: str) -> None:
    with _books(changes=True) as books:
        try:
            is_changed = change(books, actor=ACTOR)
        except (people.BadAccount, passwords.BadPassword) as problem:
            _fail(f"Nothing was changed: {problem}.")
    click.echo(done if is_changed else "It was so already: nothing was changed.")


@user_group.command("reset-factors")
@click.argument("email")
def user_reset_factors(email: str) -> None:
    """Take somebody's passkeys, app and recovery codes away, when they are lost and no two admins can do it."""
    done = f"{email} has no second factor any more, is signed out, and signs in with the password alone."
    _change_account(partial(factor_resets.by_command, email=email), done)


@user_group.command("unbind")
@click.argument("email")
def user_unbind(email: str) -> None:
    """Let whoever has this address at the OpenID provider be bound to the account anew, at their next sign-in."""
    done = f"{email} is signed out, and bound to nobody at the provider until the next sign-in there."
    _change_account(partial(single_sign_on.unbind, email=email), done)


@user_group.command("list")
def user_list() -> None:
    """All accounts, one a line: address, role, and whether it may sign in."""
    with _books() as books, books.read() as session:
        bound = single_sign_on.bound(session, books.config.oidc_issuer)
        for person in people.everybody(session):
            click.echo(f"{person.email}  {person.role}  {_state_of(person, is_bound=person.id in bound)}")


def _state_of(person: Person, *, is_bound: bool) -> str:
    if person.disabled_at is not None:
        return "disabled"
    return "enabled" if person.password_hash or is_bound else "invited"


@main.group("journal")
def journal_group() -> None:
    """The append-only record."""


@journal_group.command("verify")
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
    with _books() as books:
        examined = _examine(books, expect)
    problem = list(_what_is_wrong(examined))
    if problem:
        _fail(*problem)
    click.echo(f"The journal is whole: {examined.entries} entries, head {examined.head}")


@journal_group.command("key")
def journal_key_command() -> None:
    """Print the key that the journal is kept with, for DASHBOARD_JOURNAL_KEY: a secret."""
    try:
        environ = with_files(os.environ)
        keys = journal_keys(read_keys_to_compare(environ))
        config = read_books_config({**environ, "DASHBOARD_JOURNAL_KEY": keys[0]})
    except BadSettings as bad:
        _fail(*bad.problems)
    with _books(config) as books, books.read() as session:
        found = next((key for key in keys if journal.is_kept_with(session, key)), None)
    if found is None:
        _fail("The journal was written with none of the keys that are set.")
    click.echo(found)


def _verify_file(file: Path, expect: str | None) -> None:
    try:
        key = journal_key(read_key_config(with_files(os.environ)))
    except BadSettings as bad:
        _fail(*bad.problems)
    found = _verified_archive(file, key, expect) if zipfile.is_zipfile(file) else _verified_lines(file, key, expect)
    for line in _what_is_proved(found):
        click.echo(line)


def _verified_lines(file: Path, key: str, expect: str | None) -> journal_file.FileVerdict:
    with file.open("rb") as lines:
        found = journal_file.verify(lines, key, _head(expect))
    if found.problem is not None:
        _fail(f"The file cannot be relied on: {found.problem}.")
    return found


def _verified_archive(file: Path, key: str, expect: str | None) -> journal_file.FileVerdict:
    try:
        checked = evidence.verify(file, key, _head(expect))
    except evidence.Spoilt as problem:
        _fail(f"The evidence cannot be relied on: {problem}.")
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


def _examine(books: Books, expect: str | None = None) -> replay.Examined:
    with Session(db.snapshot_engine(books.engine)) as session:
        return replay.examine(session, journal_key(books.config), _head(expect))


def _what_is_wrong(examined: replay.Examined) -> Iterator[str]:
    if examined.broken is not None:
        yield f"The journal is broken: {examined.broken}."
    elif examined.differences:
        count = len(examined.differences)
        differ = "1 row differs" if count == 1 else f"{count} rows differ"
        yield f"The journal is whole, but the tables are not what it tells of: {differ}."
        yield from examined.differences[:MOST_LINES]


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
    config = _config()
    with _books(config, changes=True) as books:
        _check_stopped(books)
        try:
            bank = bank_window.Window(config)
        except ValueError as problem:
            _fail(f"The bank's address cannot be used: {problem}. `dashboard check` tells more.")
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
    with _books(changes=True) as books:
        sending.pause(books, ACTOR, why)
        click.echo("Sending is paused.")
        _say_if_unwatched(books)


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
    with _books(changes=True) as books:
        try:
            ended = sending.resume(books, ACTOR, without_reading, without_reading_any=without_reading_any)
        except sending.CannotResume as problem:
            _fail("The database was put back from a backup, and sending stays paused.", *_what_holds_up(problem))
        for why in ended:
            click.echo(f"Ended: {why}")
        click.echo("Sending goes on.")
        _say_if_unwatched(books)


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
