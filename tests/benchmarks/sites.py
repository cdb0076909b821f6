"""The app on large databases that are made once, for benchmarks: somebody signed in, a bank that answers at once."""

import hashlib
import re
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from flask import Flask
from werkzeug.test import Client

from dashboard import keyset, migrations, people
from dashboard.app import create_app
from dashboard.bank131.transport import HttpAnswer
from dashboard.config import Config, read_config
from dashboard.desk import journal_key
from dashboard.sandbox.keys import prepare_data_dir
from dashboard.wiring import bank_client
from tests.bench.postgresql import running_postgresql
from tests.benchmarks import many_refunds
from tests.benchmarks.many_refunds import NOW, Sample

LARGEST_ID = 10**11
EMAIL, PASSWORD = "operator@bench.test", "a password for the benchmark"
ACCEPT_ENCODING = "gzip, deflate, br, zstd"


@contextmanager
def folder_for(data: Path | None) -> Iterator[Path]:
    """Where databases are kept: in the folder that is named, else until the end."""
    with nullcontext(data) if data else tempfile.TemporaryDirectory() as folder:
        home = Path(folder).resolve()
        home.mkdir(parents=True, exist_ok=True)
        if not data:
            # The user that PostgreSQL runs as has to get through.
            home.chmod(0o711)
        yield home


class StandingClock:
    """Always the moment at which the made-up history ends."""

    def now(self) -> datetime:
        return NOW

    def monotonic(self) -> float:
        return time.monotonic()


@dataclass
class Site:
    """The app on one database, somebody signed in, and what to look for.

    `took_ms`, `own_ms`: by page, how long each call took, and how long the processor worked on it in this process.
    """

    app: Flask
    headers: dict[str, str]
    refunds: int
    samples: list[Sample]
    took_ms: dict[str, list[float]] = field(default_factory=dict)
    own_ms: dict[str, list[float]] = field(default_factory=dict)
    shown: dict[str, int] = field(default_factory=dict)

    @property
    def database_url(self) -> str:
        return str(self.app.config["SQLALCHEMY_DATABASE_URI"])

    @property
    def head(self) -> int:
        return self.refunds * many_refunds.ENTRIES_OF_REFUND

    def sample(self, turn: int) -> Sample:
        return self.samples[turn % len(self.samples)]

    def deep(self, turn: int) -> str:
        """A position nine tenths down the history, another one each time."""
        days = 0.9 * self.refunds / many_refunds.A_DAY
        return keyset.cursor(NOW - timedelta(days=days, minutes=turn), LARGEST_ID)


# Sites


def settings_of(folder: Path, url: str) -> dict[str, str]:
    keys = prepare_data_dir(folder / "keys")
    return {
        "DASHBOARD_DATABASE_URL": url,
        "DASHBOARD_SECRET_KEY": "a secret key for the benchmark: 0123456789",
        "BANK131_URL": "http://127.0.0.1:1",
        "BANK131_PROJECT": keys.project,
        "BANK131_PRIVATE_KEY_FILE": str(keys.merchant_private_path),
        "BANK131_PUBLIC_KEY_FILE": str(keys.bank_public_path),
    }


def config_of(folder: Path, url: str) -> Config:
    return read_config(settings_of(folder, url))


def open_site(config: Config, refunds: int) -> Site:
    samples = many_refunds.samples_of(refunds)
    bank = bank_client(config, transport=partial(_bank_answers_at_once, samples))
    app = create_app(config, clock=StandingClock(), bank=bank)
    desk = app.extensions["desk"]
    with desk.read() as session:
        is_known = people.find(session, EMAIL) is not None
    if not is_known:
        people.add(desk, EMAIL, "operator", PASSWORD, actor="benchmark")
    return Site(app, {"Cookie": _sign_in(app), "Accept-Encoding": ACCEPT_ENCODING}, refunds, samples)


def _bank_answers_at_once(samples: Sequence[Sample], _url: str, _headers: Any, body: bytes, _timeout_s: float) -> Any:
    shown = next(sample.bank_json for sample in samples if sample.session_id.encode() in body)
    return HttpAnswer(200, f'{{"status":"ok","session":{shown}}}'.encode())


def _sign_in(app: Flask) -> str:
    client = Client(app)
    fields = {"email": EMAIL, "password": PASSWORD, "csrf_token": token_on(client.get("/login").text)}
    answer = client.post("/login", data=fields)
    assert answer.status_code in {302, 303}, answer.text
    return "; ".join(header.split(";")[0] for header in answer.headers.getlist("Set-Cookie"))


def token_on(page: str) -> str:
    """What a page's forms have to bring along."""
    found = re.search(r'name="csrf_token"[^>]* value="([^"]+)"', page)
    assert found, "the page has no token"
    return found[1]


# Databases, made once


@contextmanager
def sqlite_sites(folder: Path, sizes: Sequence[int]) -> Iterator[list[Site]]:
    for size in sizes:
        file = folder / f"{_database_name(size)}.sqlite3"
        if not file.exists():
            unfinished = file.with_suffix(".unfinished")
            unfinished.unlink(missing_ok=True)
            _fill(config_of(folder, f"sqlite:///{unfinished}"), size)
            unfinished.rename(file)
    yield [open_site(config_of(folder, f"sqlite:///{folder / _database_name(size)}.sqlite3"), size) for size in sizes]


@contextmanager
def postgresql_sites(folder: Path, sizes: Sequence[int]) -> Iterator[list[Site]]:
    kept_in = folder / "postgresql"
    kept_in.mkdir(exist_ok=True)
    with running_postgresql(kept_in) as server:
        for size in sizes:
            name = _database_name(size)
            if not (kept_in / name).exists():
                server.run("postgres", f"DROP DATABASE IF EXISTS {name}")
                server.run("postgres", f"CREATE DATABASE {name}")
                _fill(config_of(folder, server.url(name)), size)
                (kept_in / name).touch()
        yield [open_site(config_of(folder, server.url(_database_name(size))), size) for size in sizes]


def _database_name(size: int) -> str:
    """Another one as soon as the tables or the rows in them are others."""
    sources = [Path(many_refunds.__file__), *sorted((Path(migrations.__file__).parent / "versions").glob("*.py"))]
    made_of = hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()[:8]
    return f"refunds_{size}_{made_of}"


def _fill(config: Config, size: int) -> None:
    began_s = time.monotonic()
    # In a process of its own, whose memory goes when it ends.
    with ProcessPoolExecutor(1, get_context("spawn")) as another:
        another.submit(many_refunds.fill, config.database_url, journal_key(config), size).result()
    print(f"made {size:,} refunds in {time.monotonic() - began_s:.0f} s", flush=True)


def read_once(folder: Path) -> None:
    """So that the first reader of a page of a table does not wait for the disk."""
    for file in folder.rglob("*"):
        if file.is_file():
            with file.open("rb") as content:
                while content.read(2**20):
                    pass


SITES = {"sqlite": sqlite_sites, "postgresql": postgresql_sites}
