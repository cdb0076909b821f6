"""What every test can ask for: time, identifiers, keys, a database of either kind, a bank at the wire, a desk.

`database_url` is a fresh, migrated database, SQLite or PostgreSQL. When whole files run, each test that needs it gets
one of the two; on both runs what has `@on_both` of `tests.bench.databases`, what is named by itself (`FILE::TEST`), and
everything with `--all-databases`. `@on_sqlite` and `@on_postgresql` are for what concerns one alone.
`refund_desk` has it all together and checks the books when the test is over.
"""

import functools
import gc
import random
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from argon2 import PasswordHasher
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from sqlalchemy import Engine

from dashboard import passwords
from dashboard.bank131.client import BankClient
from dashboard.bank131.signature import load_private_key, sign, verify
from dashboard.config import Config, read_config
from dashboard.db import open_engine
from dashboard.desk import Desk
from dashboard.sandbox.bank import SandboxBank
from dashboard.sandbox.keys import SandboxKeys, prepare_data_dir
from tests.bench import refund_desk as bench
from tests.bench.databases import Databases, PostgresqlDatabases, SqliteDatabases, in_memory, in_turn, lay_aside
from tests.bench.mail_server import ACCEPTED, MailServer, running_mail_server
from tests.bench.postgresql import PostgresqlServer, running_postgresql
from tests.bench.refund_desk import RefundDesk
from tests.bench.scheduling import Together
from tests.bench.simulated import CountedIds, SimulatedClock
from tests.bench.wire import Wire
from tests.journeys.commands import free_port

BANK_URL = "http://127.0.0.1:1"
JOURNAL_KEY = "a journal key for tests: 0123456789 abcdefghij"
# Python's own thresholds, but for the last one, which is 10.
FULL_LOOKS_SELDOM = (700, 10, 30)
AS_SLOW_AS_ALWAYS = (passwords._hasher, passwords._NOBODY, bench.hash_of)
QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
QUICK_HASH = functools.cache(QUICK.hash)
NOBODY = QUICK.hash("nobody has this password")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--all-databases", action="store_true", help="run every test on SQLite and on PostgreSQL")


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Together:
    return Together(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("all_databases") and not any("::" in argument for argument in config.args):
        items[:] = in_turn(items)


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """Thousands of tests stay to the end: whatever looks for garbage need not go through them again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*FULL_LOOKS_SELDOM)


@pytest.fixture
def clock() -> SimulatedClock:
    """Time that stands still until the test moves it."""
    return SimulatedClock()


@pytest.fixture
def new_id() -> CountedIds:
    """UUIDs in a row."""
    return CountedIds()


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> SandboxKeys:
    """Key pairs of a merchant and of the bank, as files."""
    return prepare_data_dir(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="session")
def merchant_key(keys: SandboxKeys) -> RSAPrivateKey:
    """The merchant's private key; loading one takes a twentieth of a second."""
    return load_private_key(keys.merchant_private_path.read_bytes())


@pytest.fixture(scope="session")
def bank_key(keys: SandboxKeys) -> RSAPrivateKey:
    """The bank's private key: signs webhooks."""
    return load_private_key(keys.bank_private_path.read_bytes())


# Passwords


def hash_with(monkeypatch: pytest.MonkeyPatch, hasher: object, nobody: str, hash_once: object) -> None:
    monkeypatch.setattr(passwords, "_hasher", hasher)
    monkeypatch.setattr(passwords, "_NOBODY", nobody)
    monkeypatch.setattr(bench, "hash_of", hash_once)


@pytest.fixture(autouse=True)
def _quick_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hashes that take hardly any work, to make and to check; started processes make those of always."""
    hash_with(monkeypatch, QUICK, NOBODY, QUICK_HASH)


@pytest.fixture
def slow_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The hashes of always, for what is about their strength."""
    hash_with(monkeypatch, *AS_SLOW_AS_ALWAYS)


# Databases


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgresqlServer]:
    """A PostgreSQL server of this test process's own."""
    with running_postgresql() as server:
        yield server


@pytest.fixture(scope="session")
def databases(request: pytest.FixtureRequest) -> Iterator[dict[str, Databases]]:
    """Makers of databases, by kind; each starts when it is used first."""
    with TemporaryDirectory(prefix="dashboard-tests-", dir=in_memory()) as folder:
        on_postgresql = PostgresqlDatabases(lambda: request.getfixturevalue("postgresql"), JOURNAL_KEY)
        yield {"sqlite": SqliteDatabases(Path(folder), JOURNAL_KEY), "postgresql": on_postgresql}
        on_postgresql.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> str:
    """The kind of database."""
    return str(request.param)


@pytest.fixture
def database_url(database: str, databases: dict[str, Databases]) -> Iterator[str]:
    """A fresh database with the newest shape and nothing in it."""
    with databases[database].fresh(migrated=True) as url:
        yield url


@pytest.fixture
def empty_database_url(database: str, databases: dict[str, Databases]) -> Iterator[str]:
    """A fresh database without a single table."""
    with databases[database].fresh(migrated=False) as url:
        yield url


@pytest.fixture(scope="session")
def engines() -> Iterator[dict[str, Engine]]:
    """Engines by URL. One that is used again remembers how it put statements into SQL."""
    engines: dict[str, Engine] = {}
    yield engines
    for engine in engines.values():
        engine.dispose()


@pytest.fixture
def engine(database_url: str, engines: dict[str, Engine]) -> Iterator[Engine]:
    """An engine on the fresh database."""
    engine = engines.get(database_url) or engines.setdefault(database_url, open_engine(database_url))
    yield engine
    lay_aside(engine)


# A desk and its bank


@pytest.fixture
def environ(keys: SandboxKeys) -> dict[str, str]:
    """Settings as environment variables, all but the database's. A test may change them before it asks for more."""
    return {
        "DASHBOARD_SECRET_KEY": "a secret key for tests: 0123456789 abcdefghij",
        "DASHBOARD_JOURNAL_KEY": JOURNAL_KEY,
        "BANK131_URL": BANK_URL,
        "BANK131_PROJECT": keys.project,
        "BANK131_PRIVATE_KEY_FILE": str(keys.merchant_private_path),
        "BANK131_PUBLIC_KEY_FILE": str(keys.bank_public_path),
    }


@pytest.fixture
def unhurried(environ: dict[str, str]) -> None:
    """Hours go by with a read a minute, not every few seconds. Ask for it before the desk."""
    environ["DASHBOARD_POLL_SECONDS"] = "60"


@pytest.fixture
def config(environ: dict[str, str], database_url: str) -> Config:
    return read_config({**environ, "DASHBOARD_DATABASE_URL": database_url})


@pytest.fixture
def bank(clock: SimulatedClock, keys: SandboxKeys, merchant_key: RSAPrivateKey, bank_key: RSAPrivateKey) -> SandboxBank:
    """The sandbox bank itself; it does by itself only what the test makes it do (`advance`, webhooks)."""
    return SandboxBank(
        clock=clock,
        random=random.Random(131),
        verify=partial(verify, [merchant_key.public_key()]),
        sign=partial(sign, bank_key),
        project=keys.project,
    )


@pytest.fixture
def wire(bank: SandboxBank, clock: SimulatedClock) -> Wire:
    """The transport between the desk and the bank, where things go wrong."""
    return Wire(bank, clock)


@pytest.fixture
def bank_client(config: Config, merchant_key: RSAPrivateKey, wire: Wire) -> BankClient:
    """The desk's side of the wire."""
    return BankClient(
        url=config.bank_url,
        project=config.project,
        private_key=merchant_key,
        version=config.api_version,
        timeout_s=config.timeout_s,
        transport=wire,
    )


@pytest.fixture
def desk(config: Config, clock: SimulatedClock, new_id: CountedIds, bank_client: BankClient, engine: Engine) -> Desk:
    """The verbs' desk alone, over the fresh database and the bank at the wire."""
    return Desk(config=config, clock=clock, new_id=new_id, bank=bank_client, engine=engine)


@pytest.fixture
def refund_desk(desk: Desk, clock: SimulatedClock, bank: SandboxBank, wire: Wire) -> Iterator[RefundDesk]:
    """All of it together. When the test is over the books have to add up."""
    refund_desk = RefundDesk(desk, clock, bank, wire)
    yield refund_desk
    if not refund_desk.is_tampered:
        refund_desk.check()


# Mail


@pytest.fixture(scope="module")
def running_server() -> Iterator[MailServer]:
    with running_mail_server(free_port()) as server:
        yield server


@pytest.fixture
def server(running_server: MailServer) -> MailServer:
    """A mail server that has got nothing yet and takes everything."""
    running_server.mails.clear()
    running_server.recipients.clear()
    running_server.to_recipient = ACCEPTED
    return running_server
