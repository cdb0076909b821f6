"""On PostgreSQL the product runs as a role that can do all that it has to, and cannot touch what is in the journal."""

import subprocess
from collections.abc import Iterator

import psycopg
import pytest

from dashboard import approvals, database_roles, journal, limits, migrations, people, restore, sign_ins, signing_in
from dashboard.db import Base, open_engine
from dashboard.desk import journal_key
from dashboard.limit_rules import Limit
from tests.bench import reviews
from tests.bench.command_line import run
from tests.bench.databases import on_postgresql
from tests.bench.postgresql import PostgresqlServer
from tests.bench.refund_desk import PASSWORD, RefundDesk
from tests.conftest import JOURNAL_KEY

OWNER, APP = "desk_owner", "desk_app"
pytestmark = on_postgresql


def as_role(url: str, role: str) -> str:
    """The same database, entered as somebody else."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{role}@{rest.partition('@')[2]}"


def migrate(url: str) -> None:
    engine = open_engine(url)
    migrations.upgrade(engine, JOURNAL_KEY)
    engine.dispose()


@pytest.fixture
def database_url(empty_database_url: str, postgresql: PostgresqlServer) -> Iterator[str]:
    """A database of its own with the roles, entered as the one that the product runs as."""
    migrate(empty_database_url)
    plain = empty_database_url.replace("+psycopg", "")
    result = run("db", "roles", "--owner", OWNER, "--app", APP)
    assert result.exit_code == 0
    for _again in range(2):
        subprocess.run(["psql", "-q", "-X", plain], input=result.output, text=True, check=True, capture_output=True)
    yield as_role(empty_database_url, APP)
    with psycopg.connect(plain, autocommit=True) as connection:
        for role in (APP, OWNER):
            connection.execute(f"REASSIGN OWNED BY {role} TO {postgresql.superuser}")
            connection.execute(f"DROP OWNED BY {role}")
            connection.execute(f"DROP ROLE {role}")


def connected(url: str) -> psycopg.Connection[tuple[object, ...]]:
    return psycopg.connect(url.replace("+psycopg", ""), autocommit=True)


def test_the_product_runs_from_end_to_end(refund_desk: RefundDesk) -> None:
    people.add(refund_desk.desk, "anna@desk.test", "operator", PASSWORD, actor="test")
    token = signing_in.sign_in(refund_desk.desk, "anna@desk.test", PASSWORD, "127.0.0.1")
    person = sign_ins.whose(refund_desk.desk, token)
    session_id = refund_desk.paid_session(100_00)
    reference = refund_desk.ask(session_id, 10_00, person)
    refund_desk.send(reference)
    refund_desk.deliver(refund_desk.wire.webhook_now(session_id))
    refund_desk.run_for(hours=1)
    assert refund_desk.refund(reference).state == "accepted"
    sign_ins.end(refund_desk.desk, token)
    with pytest.raises(signing_in.WrongSignIn):
        signing_in.sign_in(refund_desk.desk, "anna@desk.test", "wrong", "127.0.0.1")
    refund_desk.ask(session_id, 10_00)
    assert restore.after_restore(refund_desk.desk, "test", "").under_review == 1


def test_so_does_what_takes_rows_away(refund_desk: RefundDesk) -> None:
    """Two people find that a row made elsewhere is ours, and the two become one."""
    refund, elsewhere = reviews.with_stranger(refund_desk)
    resolution = reviews.propose(refund_desk, refund, reviews.THAT_ONE, elsewhere.bank_id)
    reviews.confirm(refund_desk, resolution)
    assert refund_desk.refund(refund.reference).bank_id == elsewhere.bank_id
    assert elsewhere.reference not in {one.reference for one in refund_desk.refunds(refund.session_id)}


RIGHTS = """
    SELECT privilege_type FROM information_schema.role_table_grants
    WHERE table_name = 'journal' AND grantee = 'desk_app'
"""
FORBIDDEN = (
    "UPDATE journal SET actor = 'somebody'",
    "UPDATE journal SET actor = actor WHERE false",
    "DELETE FROM journal",
    "DELETE FROM journal WHERE false",
    "TRUNCATE journal",
    "INSERT INTO journal SELECT * FROM journal ON CONFLICT (seq) DO UPDATE SET actor = 'somebody'",
    "INSERT INTO journal SELECT * FROM journal",
    "ALTER TABLE journal DISABLE TRIGGER ALL",
    "ALTER TABLE journal DISABLE TRIGGER journal_no_change",
    "ALTER TABLE journal_head DISABLE TRIGGER ALL",
    "DROP TRIGGER journal_no_change ON journal",
    "DROP TRIGGER journal_head_only_rises ON journal_head",
    "CREATE OR REPLACE FUNCTION journal_only_grows() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
    "DROP FUNCTION journal_only_grows CASCADE",
    "SELECT journal_only_grows()",
    "SET session_replication_role = replica",
    "UPDATE journal_head SET seq = seq - 1",
    "UPDATE journal_head SET seq = 0, hash = repeat('0', 64)",
    "UPDATE journal_head SET id = 2",
    "DELETE FROM journal_head",
    "TRUNCATE journal_head",
    "INSERT INTO journal_head SELECT 2, seq, hash, seal FROM journal_head",
    "DROP TABLE journal",
    "ALTER TABLE journal RENAME TO other",
    "ALTER TABLE journal OWNER TO desk_app",
    "CREATE TABLE other (n integer)",
    "CREATE TEMPORARY TABLE journal (n integer)",
    "CREATE SCHEMA other",
    "CREATE RULE no AS ON INSERT TO journal DO INSTEAD NOTHING",
    "CREATE TRIGGER no BEFORE INSERT ON journal FOR EACH ROW EXECUTE FUNCTION journal_only_grows()",
    "SET ROLE desk_owner",
    "SET SESSION AUTHORIZATION desk_owner",
    "ALTER ROLE desk_app SUPERUSER",
    "GRANT desk_owner TO desk_app",
    "CREATE ROLE other",
    "UPDATE alembic_version SET version_num = '0001'",
    "CREATE OR REPLACE FUNCTION approvals_stay_0() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
    "ALTER TABLE approvals DISABLE TRIGGER ALL",
    "ALTER TABLE approvals DROP CONSTRAINT ck_approvals_two_people",
    "DELETE FROM approvals",
    "DELETE FROM attempts",
    "DELETE FROM factor_resets",
    "DELETE FROM links",
    "DELETE FROM resolutions",
    "DELETE FROM webhook_deliveries",
    "DELETE FROM installation",
    "TRUNCATE refunds CASCADE",
)
# No right to it, "the journal only grows", an entry of that number is there.
REFUSALS = {"42501", "P0001", "23505"}


def test_it_cannot_touch_what_is_in_the_journal_nor_what_guards_it(refund_desk: RefundDesk, database_url: str) -> None:
    refund_desk.ask_and_send(refund_desk.paid_session(100_00), 10_00)
    with refund_desk.desk.read() as session:
        before = journal.last_entry(session)
    with connected(database_url) as connection:
        for statement in FORBIDDEN:
            with pytest.raises(psycopg.Error) as refused:
                connection.execute(statement)
            assert refused.value.sqlstate in REFUSALS, f"{statement}: {refused.value}"
        connection.execute("GRANT UPDATE ON journal TO desk_app")
        assert ("UPDATE",) not in connection.execute(RIGHTS).fetchall(), "only a warning tells that nothing was granted"
    with refund_desk.desk.read() as session:
        assert journal.verify(session, journal_key(refund_desk.desk.config), before).problem is None
        assert journal.last_entry(session) == before


SELF_APPROVALS = (
    "UPDATE approvals SET decision = 'approved', decided_by_id = asked_by_id, decided_at = now()",
    "UPDATE approvals SET asked_by_id = (SELECT id FROM people WHERE email = 'approver@desk.test')",
    "UPDATE refunds SET asked_by_id = (SELECT id FROM people WHERE email = 'approver@desk.test')",
    "UPDATE refunds SET state = 'queued', next_send_at = now(), undo_until = now()",
    "UPDATE refunds SET state = 'cancelled'; UPDATE refunds SET state = 'queued'",
    "DELETE FROM approvals",
    "TRUNCATE approvals",
    "DELETE FROM refunds",
)


def test_by_it_nobody_approves_their_own_refund(refund_desk: RefundDesk, database_url: str) -> None:
    """The bounds of its rights, a rule of the table, or what guards it."""
    limits.put(refund_desk.desk, "rub", Limit(0), actor="admin@desk.test")
    approver = refund_desk.person("approver")
    reference = refund_desk.ask(refund_desk.paid_session(100_00), 10_00)
    with connected(database_url) as connection:
        for statement in SELF_APPROVALS:
            with pytest.raises(psycopg.Error) as refused:
                connection.execute(statement)
            assert refused.value.sqlstate in {"42501", "P0001", "23514"}, f"{statement}: {refused.value}"
    assert refund_desk.refund(reference).state == "awaiting_approval"
    approvals.approve(refund_desk.desk, approver, reference)
    assert refund_desk.send(reference).state == "in_progress"


def test_only_the_owner_gives_the_database_another_shape(database_url: str) -> None:
    for statement in ("ALTER TABLE refunds ADD COLUMN more integer", "CREATE INDEX more ON journal (at)"):
        with connected(database_url) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(statement)
        with connected(as_role(database_url, OWNER)) as connection:
            connection.execute(statement)
    migrate(as_role(database_url, OWNER))


def test_every_table_can_be_read_and_what_an_upgrade_adds_works_at_once(database_url: str) -> None:
    with connected(as_role(database_url, OWNER)) as connection:
        connection.execute("CREATE TABLE added (id bigserial PRIMARY KEY, word text)")
    with connected(database_url) as connection:
        connection.execute("INSERT INTO added (word) VALUES ('x')")
        connection.execute("DELETE FROM added")

        for table in Base.metadata.tables:
            connection.execute(f"SELECT count(*) FROM {table}")  # type: ignore[call-overload]  # noqa: S608


@pytest.mark.parametrize(
    "options",
    [
        ("--app", "desk; DROP TABLE journal"),
        ("--app", 'a"b'),
        ("--owner", ""),
        ("--owner", "pg_monitor"),
        ("--owner", "Upper"),
        ("--app", database_roles.OWNER),
    ],
)
def test_a_name_that_is_none_is_refused(database: str, options: tuple[str, str]) -> None:
    result = run("db", "roles", *options)
    assert result.exit_code == 1
    assert result.output.startswith("Nothing was printed: ")
