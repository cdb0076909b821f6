"""The secret key is changed: what the database keeps sealed is sealed anew, and the journal goes on being verified."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from click.testing import Result
from sqlalchemy import LargeBinary, update

from dashboard import (
    doctor,
    factors,
    journal,
    mail,
    obstacles,
    passwords,
    resealing,
    sealing,
    signing_in,
    single_sign_on,
)
from dashboard.db import Base
from dashboard.desk import Desk, journal_key
from dashboard.models import AuthenticatorApp, JournalHead, KeptForm, Mail, Person
from tests.bench.command_line import run, set_to
from tests.bench.databases import on_both, on_sqlite
from tests.bench.refund_desk import PASSWORD, RefundDesk

OLD = "a secret key for tests: 0123456789 abcdefghij"
NEW = "another secret key: 9876543210 zyxwvutsrq"
LETTER = mail.Letter("A link", "with a secret")
NO_JOURNAL_KEY = (
    "DASHBOARD_JOURNAL_KEY must be set while DASHBOARD_SECRET_KEY_BEFORE is: `dashboard journal key` prints the value."
)


def changed(desk: Desk, **settings: str) -> Desk:
    """The same desk with other settings."""
    return replace(desk, config=replace(desk.config, **settings))


@pytest.fixture
def now(refund_desk: RefundDesk) -> Desk:
    """The desk after the change, while the old key still opens."""
    return changed(refund_desk.desk, secret_key=NEW, secret_key_before=OLD)


@pytest.fixture
def people(refund_desk: RefundDesk) -> list[Person]:
    """Five people, each with an app, a mail that waits and a kept form, all sealed with the old key."""
    return have_sealed(refund_desk.desk, [refund_desk.person(email=f"{number}@desk.test") for number in range(5)])


def have_sealed(desk: Desk, people: list[Person]) -> list[Person]:
    moment, keys = desk.clock.now(), desk.config.secret_keys
    for person in people:
        sealed = sealing.seal(f"app of {person.email}", keys, factors.to_use(person.id))
        with desk.write() as tx:
            tx.merge(
                AuthenticatorApp(person_id=person.id, secret=sealed, last_step=0, added_at=moment, last_used_at=moment)
            )
            mail.put(tx, desk.config, person, mail.PASSWORD_LINK, LETTER, moment + timedelta(hours=1))
        single_sign_on.keep_form(desk, person, "/somewhere", [("name", person.email)])
    return people


def opened(desk: Desk) -> list[str]:
    """All that is kept sealed, as far as the desk's keys open it."""
    return sorted(_opened(desk))


def _opened(desk: Desk) -> Iterator[str]:
    with desk.read() as session:
        for kept in resealing.KEPT:
            for row in session.query(kept.column.class_).where(kept.column.is_not(None)):
                try:
                    sealed = getattr(row, kept.column.key)
                    yield sealing.unseal(sealed, desk.config.secret_keys, kept.purpose(row.person_id))
                except sealing.CannotUnseal:
                    pass


def told(refund_desk: RefundDesk) -> list[dict[str, object]]:
    entries = refund_desk.journal("installation")
    return [json.loads(entry.data) for entry in entries if entry.action == "installation:resealed"]


# Sealing anew


def test_all_of_it_is_sealed_anew_in_small_steps_each_on_record(
    refund_desk: RefundDesk, now: Desk, people: list[Person]
) -> None:
    before = opened(refund_desk.desk)
    assert len(before) == 3 * len(people)
    assert opened(now) == before
    with now.read() as session:
        assert resealing.left(session, now.config.secret_keys) == len(before)
    done = resealing.reseal(now, "test", batch=2)
    kinds = ("authenticator_apps", "mails", "kept_forms")
    assert done == [resealing.Resealed(kind, len(people), 0) for kind in kinds]
    assert told(refund_desk) == [{"what": kind, "count": count} for kind in kinds for count in (2, 2, 1)]
    with now.read() as session:
        assert resealing.left(session, now.config.secret_keys) == 0
    assert opened(changed(now, secret_key_before="")) == before
    assert opened(refund_desk.desk) == []


def test_it_can_be_done_again_and_after_it_was_broken_off(
    refund_desk: RefundDesk, now: Desk, people: list[Person]
) -> None:
    before = opened(now)
    have_sealed(now, people[:3])
    resealing.reseal(now, "test")
    assert [one["count"] for one in told(refund_desk)] == [2, 2, 5], "forms are kept beside older ones"
    assert [one.count for one in resealing.reseal(now, "test")] == [0, 0, 0]
    assert len(told(refund_desk)) == 3, "what changed nothing is not on record"
    assert set(opened(changed(now, secret_key_before=""))) == set(before)


def test_what_no_key_opens_is_left_as_it_is_and_told(refund_desk: RefundDesk, now: Desk, people: list[Person]) -> None:
    with now.read() as session:
        kept = {one.person_id: one.secret for one in session.query(AuthenticatorApp)}
    lost = changed(now, secret_key="lost long ago: abcdefghij 0123456789", secret_key_before="")
    assert resealing.reseal(lost, "test") == [
        resealing.Resealed("authenticator_apps", 0, 5),
        resealing.Resealed("mails", 0, 5),
        resealing.Resealed("kept_forms", 0, 5),
    ]
    with now.read() as session:
        assert {one.person_id: one.secret for one in session.query(AuthenticatorApp)} == kept
        assert resealing.left(session, lost.config.secret_keys) == 0, "nothing can be done about them"
    assert told(refund_desk) == []


def test_a_mail_that_is_over_has_nothing_to_seal(refund_desk: RefundDesk, now: Desk, people: list[Person]) -> None:
    with refund_desk.desk.write() as tx:
        mail.drop(tx, people[0], mail.PASSWORD_LINK)
    assert resealing.reseal(now, "test")[1] == resealing.Resealed("mails", 4, 0)


NOT_SEALED = {"passkeys.public_key", "refunds.body", "webhook_deliveries.body"}


def test_every_column_that_is_sealed_is_one_of_these() -> None:
    binary = {
        f"{table.name}.{column.name}"
        for table in Base.metadata.tables.values()
        for column in table.columns
        if isinstance(column.type, LargeBinary)
    }
    assert {f"{kept.column.class_.__tablename__}.{kept.column.key}" for kept in resealing.KEPT} == binary - NOT_SEALED
    assert {kept.column.class_ for kept in resealing.KEPT} == {AuthenticatorApp, Mail, KeptForm}


# Commands and settings


@on_sqlite
def test_the_command_says_what_it_did_and_when_the_old_key_can_go(
    refund_desk: RefundDesk, now: Desk, people: list[Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    set_to(monkeypatch, now.config)
    result = run("db", "reseal")
    assert result.exit_code == 0
    assert result.output.splitlines()[1:] == [
        "Sealed anew: 5 secrets of apps, 5 mails that wait, 5 kept forms.",
        "Nothing that is kept needs DASHBOARD_SECRET_KEY_BEFORE any more. Sign-ins and open forms of before do:",
        "empty it twelve hours after the last process was started with the new key, at once if it leaked.",
    ]
    assert "Sealed anew: 0 secrets of apps, 0 mails that wait, 0 kept forms." in run("db", "reseal").output
    set_to(monkeypatch, changed(now, secret_key="lost long ago: abcdefghij 0123456789", secret_key_before="").config)
    assert "left as they are: 5 secrets of apps.\n" in run("db", "reseal").output


@on_sqlite
def test_what_is_sealed_with_the_old_key_meanwhile_is_told(
    refund_desk: RefundDesk, now: Desk, people: list[Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    set_to(monkeypatch, now.config)
    reseal = resealing.reseal

    def beside_an_old_process(desk: Desk, actor: str) -> list[resealing.Resealed]:
        done = reseal(desk, actor)
        have_sealed(refund_desk.desk, people[:1])
        return done

    monkeypatch.setattr(resealing, "reseal", beside_an_old_process)
    result = run("db", "reseal")
    assert result.exit_code == 1
    assert "3 were sealed otherwise meanwhile: have every process started anew, and run this again.\n" in result.output
    assert "Nothing that is kept needs" not in result.output


@on_sqlite
def test_a_check_tells_while_the_key_before_is_set(refund_desk: RefundDesk, now: Desk, people: list[Person]) -> None:
    def lines(desk: Desk) -> list[str]:
        return [one.line for one in doctor.findings(desk.config) if "SECRET_KEY_BEFORE" in one.line]

    kept = "DASHBOARD_SECRET_KEY_BEFORE is set: "
    assert lines(now) == [f"{kept}15 secrets are still to be sealed anew: `dashboard db reseal`."]
    resealing.reseal(now, "test")
    assert lines(now) == [f"{kept}nothing kept needs it."]
    assert lines(changed(now, secret_key_before="")) == []


# The journal's key


Environment = Callable[..., None]


@pytest.fixture
def installation(environ: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Environment:
    """A new installation whose journal's key is derived from its secret key; called, it sets other settings."""

    def settings(**more: str) -> None:
        for name, value in {**environ, "DASHBOARD_JOURNAL_KEY": "", **more}.items():
            monkeypatch.setenv(name, value)

    environ["DASHBOARD_DATABASE_URL"] = f"sqlite:///{tmp_path / 'desk.sqlite3'}"
    for start in ("worker_process.run_worker", "server.serve_web", "processes.run_together"):
        monkeypatch.setattr(f"dashboard.{start}", lambda *_arguments: 0)
    settings()
    assert run("db", "upgrade").exit_code == 0
    assert add("first@desk.test").exit_code == 0
    return settings


def add(email: str) -> Result:
    return run("user", "add", email, "--role", "viewer", "--password-stdin", stdin=f"{PASSWORD}\n")


def test_the_journal_goes_on_with_its_key_when_the_secret_key_changes(installation: Environment) -> None:
    before = run("journal", "key").output.strip()
    installation(DASHBOARD_SECRET_KEY=NEW, DASHBOARD_SECRET_KEY_BEFORE=OLD)
    for command in (["web"], ["user", "list"], ["db", "reseal"], ["journal", "verify"], ["check"]):
        result = run(*command)
        assert (result.exit_code, result.output) == (1, f"{NO_JOURNAL_KEY}\n")
    key = run("journal", "key").output.strip()
    assert key == before
    installation(DASHBOARD_SECRET_KEY=NEW, DASHBOARD_SECRET_KEY_BEFORE=OLD, DASHBOARD_JOURNAL_KEY=key)
    assert run("web").exit_code == 0
    assert add("second@desk.test").exit_code == 0
    installation(DASHBOARD_SECRET_KEY=NEW, DASHBOARD_JOURNAL_KEY=key)
    assert add("third@desk.test").exit_code == 0
    assert run("journal", "verify").output.startswith("The journal is whole: ")


def test_the_key_is_found_whichever_of_the_two_it_came_from(installation: Environment) -> None:
    key = run("journal", "key").output
    installation(DASHBOARD_SECRET_KEY_BEFORE=NEW)
    assert run("journal", "key").output == key
    installation(DASHBOARD_JOURNAL_KEY=NEW)
    assert run("journal", "key").output == "The journal was written with none of the keys that are set.\n"


@pytest.mark.parametrize(
    "command",
    ["serve", "web", "worker", "check", "sending pause", "db reseal", "db restored --as-it-is", "user list"],
)
def test_nothing_starts_or_writes_with_another_journal_key(installation: Environment, command: str) -> None:
    """What it would write could never be verified, and the journal is never changed."""
    installation(DASHBOARD_SECRET_KEY=NEW)
    result = run(*command.split())
    is_reading = command == "user list"
    assert (result.exit_code == 0, obstacles.OTHER_JOURNAL_KEY in result.output) == (is_reading, not is_reading)
    installation()
    assert run("journal", "verify").output.startswith("The journal is whole: ")


def test_a_head_that_was_changed_is_no_other_key(refund_desk: RefundDesk) -> None:
    """The journal is broken then, and `journal verify` says so; refunds go on."""
    refund_desk.is_tampered = True
    with refund_desk.desk.write() as tx:
        tx.record("test", "installation:tried", "installation")
    with refund_desk.desk.write() as tx:
        tx.execute(update(JournalHead).values(seal="changed"))
    key = journal_key(refund_desk.desk.config)
    with refund_desk.desk.read() as session:
        assert [journal.is_kept_with(session, each) for each in (key, "another")] == [True, False]


# Passwords


def test_a_password_is_hashed_anew_when_more_work_is_asked_for(
    refund_desk: RefundDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = refund_desk.person()
    kept = person.password_hash
    assert signing_in.sign_in(refund_desk.desk, person.email, PASSWORD, "127.0.0.1")
    assert refund_desk.person().password_hash == kept
    monkeypatch.setattr(passwords, "_hasher", PasswordHasher(time_cost=3, memory_cost=64, parallelism=1))
    with pytest.raises(signing_in.WrongSignIn):
        signing_in.sign_in(refund_desk.desk, person.email, "wrong password", "127.0.0.1")
    assert refund_desk.person().password_hash == kept
    for _ in range(2):
        assert signing_in.sign_in(refund_desk.desk, person.email, PASSWORD, "127.0.0.1")
    assert "m=64,t=3," in refund_desk.person().password_hash
    actions = [entry.action for entry in refund_desk.journal(f"person:{person.id}")]
    assert actions.count("person:password_hashed_anew") == 1
    assert passwords.fits(PASSWORD, refund_desk.person().password_hash)


@on_both
def test_two_who_sign_in_while_it_is_hashed_anew_both_get_in(
    refund_desk: RefundDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a double click on the button does."""
    person, desk = refund_desk.person(), refund_desk.desk
    monkeypatch.setattr(passwords, "_hasher", PasswordHasher(time_cost=1, memory_cost=64, parallelism=1))
    hash_anew, inside = passwords.hash_of, []

    def after_another_one(password: str) -> str:
        if not inside:
            inside.append(password)
            assert signing_in.sign_in(desk, person.email, PASSWORD, "127.0.0.1")
        return hash_anew(password)

    monkeypatch.setattr(passwords, "hash_of", after_another_one)
    assert signing_in.sign_in(desk, person.email, PASSWORD, "127.0.0.1")
    actions = [entry.action for entry in refund_desk.journal(f"person:{person.id}")]
    assert (actions.count("login:succeeded"), actions.count("person:password_hashed_anew")) == (2, 1)
