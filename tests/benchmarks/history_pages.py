"""What the pages cost: a small and a large history side by side, on SQLite and on PostgreSQL.

    python -m tests.benchmarks.history_pages [--data DIR] [--sizes 10000 1000000] [--databases sqlite postgresql]

Measured is the whole WSGI call of a signed-in page, from the request's headers to the last compressed byte, pages
and sizes taking turns, with the databases in the system's file cache as far as it reaches. `--data` keeps them for
the next run; making a million refunds takes minutes, and all of it 15 GB.
"""

import argparse
import hashlib
import math
import os
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import psutil
from flask import Flask
from werkzeug.test import Client, EnvironBuilder, run_wsgi_app

from dashboard import keyset, migrations, people
from dashboard.app import bank_client, create_app
from dashboard.bank131.transport import HttpAnswer
from dashboard.config import Config, read_config
from dashboard.desk import journal_key
from dashboard.sandbox.keys import prepare_data_dir
from tests.bench.postgresql import running_postgresql
from tests.benchmarks import many_refunds
from tests.benchmarks.many_refunds import NOW, Sample

MOST_MS = 25.0
MOST_RATIO = 1.5
WARM_UPS = 12
LARGEST_ID = 10**11
EMAIL, PASSWORD = "operator@bench.test", "a password for the benchmark"
ACCEPT_ENCODING = "gzip, deflate, br, zstd"


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
    def head(self) -> int:
        return self.refunds * many_refunds.ENTRIES_OF_REFUND

    def sample(self, turn: int) -> Sample:
        return self.samples[turn % len(self.samples)]

    def deep(self, turn: int) -> str:
        """A position nine tenths down the history, another one each time."""
        days = 0.9 * self.refunds / many_refunds.A_DAY
        return keyset.cursor(NOW - timedelta(days=days, minutes=turn), LARGEST_ID)


# The pages: name -> address, from the site and the number of the turn

Address = Callable[[Site, int], str]


def _history(**filters: str) -> Address:
    return lambda _site, _turn: f"/refunds/?{urlencode(filters)}"


def _deep_history(**filters: str) -> Address:
    return lambda site, turn: f"/refunds/?{urlencode({**filters, 'before': site.deep(turn)})}"


def _sampled(path: str) -> Address:
    return lambda site, turn: path.format(**vars(site.sample(turn)))


A_WEEK = {"from": "2026-11-16", "to": "2026-11-22"}
OFTEN, SELDOM = many_refunds.OPERATORS[0], many_refunds.OPERATORS[-1]
FORMER = many_refunds.FORMER_OPERATOR

PAGES: Mapping[str, Address] = {
    "history, first page": _history(),
    "history, deep": _deep_history(),
    "session": _sampled("/refunds/?session={session_id}"),
    "session, status": _sampled("/refunds/?session={session_id}&status=accepted"),
    "status, common": _history(status="accepted"),
    "status, common, deep": _deep_history(status="accepted"),
    "status, rare": _history(status="refused"),
    "status, a handful": _history(status="unknown"),
    "status, none": _history(status="abandoned"),
    "open": _history(status="open"),
    "needs you": _history(status="needs_you"),
    "dates": _history(**A_WEEK),
    "operator, busy": _history(operator=OFTEN),
    "operator, seldom": _history(operator=SELDOM),
    "operator, left": _history(operator=FORMER),
    "origin, here": _history(origin="here"),
    "origin, bank": _history(origin="bank"),
    "origin, chargeback": _history(origin="chargeback"),
    "operator, rare status": _history(operator=OFTEN, status="refused"),
    "operator left, status": _history(operator=FORMER, status="accepted"),
    "operator, open": _history(operator=OFTEN, status="open"),
    "operator, needs you": _history(operator=OFTEN, status="needs_you"),
    "origin, status, none": _history(origin="chargeback", status="declined"),
    "operator, origin, none": _history(operator=OFTEN, origin="chargeback"),
    "status, dates": _history(status="accepted", **A_WEEK),
    "all but words": _history(status="accepted", operator=OFTEN, origin="here", **A_WEEK),
    "words: customer": _sampled("/refunds/?q={customer}"),
    "words: reference": _sampled("/refunds/?q={reference}"),
    "words: last four": _sampled("/refunds/?q={last4}"),
    "words: last four of 30 %": _history(q=many_refunds.COMMON_LAST4),
    "words: in every session": _history(q="order"),
    "words: a comment": _history(q="parcel"),
    "words: two, status": _history(q=f"{many_refunds.COMMON_LAST4} order", status="declined"),
    "changed rows, 10": lambda site, _turn: f"/refunds/rows?since={site.head - 30}",
    "changed rows, 200": lambda site, _turn: f"/refunds/rows?since={site.head - 600}",
    "changed rows, all filters": lambda site, _turn: (
        f"/refunds/rows?since={site.head - 30}&q=order&{urlencode({'operator': OFTEN, 'status': 'open', **A_WEEK})}"
    ),
    "one refund": _sampled("/refunds/{reference}"),
    "one session, read anew": _sampled("/sessions/{session_id}"),
    "sessions": lambda _site, _turn: "/sessions/",
    "sessions: customer": _sampled("/sessions/?q={customer}"),
    "sessions: last four": _sampled("/sessions/?q={last4}"),
    "sessions: of 30 %": lambda _site, _turn: f"/sessions/?q={many_refunds.COMMON_LAST4}",
    "sessions: id": _sampled("/sessions/?q={session_id}"),
    "overview": lambda _site, _turn: "/",
}


# Sites


def _config(folder: Path, url: str) -> Config:
    keys = prepare_data_dir(folder / "keys")
    return read_config(
        {
            "DASHBOARD_DATABASE_URL": url,
            "DASHBOARD_SECRET_KEY": "a secret key for the benchmark: 0123456789",
            "BANK131_URL": "http://127.0.0.1:1",
            "BANK131_PROJECT": keys.project,
            "BANK131_PRIVATE_KEY_FILE": str(keys.merchant_private_path),
            "BANK131_PUBLIC_KEY_FILE": str(keys.bank_public_path),
        }
    )


def _open_site(config: Config, refunds: int) -> Site:
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
    token = re.search(r'name="csrf_token"[^>]* value="([^"]+)"', client.get("/login").text)
    assert token, "the sign-in page has no token"
    answer = client.post("/login", data={"email": EMAIL, "password": PASSWORD, "csrf_token": token[1]})
    assert answer.status_code in {302, 303}, answer.text
    return "; ".join(header.split(";")[0] for header in answer.headers.getlist("Set-Cookie"))


# Databases, made once


@contextmanager
def _sqlite_sites(folder: Path, sizes: Sequence[int]) -> Iterator[list[Site]]:
    for size in sizes:
        file = folder / f"{_database_name(size)}.sqlite3"
        if not file.exists():
            unfinished = file.with_suffix(".unfinished")
            unfinished.unlink(missing_ok=True)
            _fill(_config(folder, f"sqlite:///{unfinished}"), size)
            unfinished.rename(file)
    yield [_open_site(_config(folder, f"sqlite:///{folder / _database_name(size)}.sqlite3"), size) for size in sizes]


@contextmanager
def _postgresql_sites(folder: Path, sizes: Sequence[int]) -> Iterator[list[Site]]:
    kept_in = folder / "postgresql"
    kept_in.mkdir(exist_ok=True)
    with running_postgresql(kept_in) as server:
        for size in sizes:
            name = _database_name(size)
            if not (kept_in / name).exists():
                server.run("postgres", f"DROP DATABASE IF EXISTS {name}")
                server.run("postgres", f"CREATE DATABASE {name}")
                _fill(_config(folder, server.url(name)), size)
                (kept_in / name).touch()
        yield [_open_site(_config(folder, server.url(_database_name(size))), size) for size in sizes]


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


def _read_once(folder: Path) -> None:
    """So that the first reader of a page of a table does not wait for the disk."""
    for file in folder.rglob("*"):
        if file.is_file():
            with file.open("rb") as content:
                while content.read(2**20):
                    pass


SITES = {"sqlite": _sqlite_sites, "postgresql": _postgresql_sites}


# Measuring


def _measure(sites: Sequence[Site], turns: int) -> None:
    for turn in range(WARM_UPS + turns):
        for name, address in PAGES.items():
            for site in sites[:: -1 if turn % 2 else 1]:
                took_ms, own_ms = _call(site, address(site, turn))
                if turn >= WARM_UPS:
                    site.took_ms.setdefault(name, []).append(took_ms)
                    site.own_ms.setdefault(name, []).append(own_ms)
    for site in sites:
        for name, address in PAGES.items():
            site.shown[name] = _rows_shown(site, address(site, WARM_UPS))


def _call(site: Site, path: str) -> tuple[float, float]:
    environ = EnvironBuilder(path, headers=site.headers).get_environ()
    began_s, own_began_s = time.perf_counter(), time.thread_time()
    parts, status, _headers = run_wsgi_app(site.app, environ, buffered=True)
    took_s, own_s = time.perf_counter() - began_s, time.thread_time() - own_began_s
    assert status == "200 OK", f"{path}: {status}"
    assert sum(map(len, parts)), path
    return took_s * 1000, own_s * 1000


def _rows_shown(site: Site, path: str) -> int:
    headers = {name: value for name, value in site.headers.items() if name != "Accept-Encoding"}
    parts, _status, _headers = run_wsgi_app(site.app, EnvironBuilder(path, headers=headers).get_environ())
    page = b"".join(parts)
    return page.count(b"<tr") - page.count(b"<thead")


# The table


def _table(sites: Sequence[Site]) -> Iterator[str]:
    small, large = sites[0], sites[-1]
    counts = f"{small.refunds:,} / {large.refunds:,}"
    heads = f"{'rows':>9} {'median ms':>15} {'95 % ms':>15} {'own ms':>7} {'ratio':>6}"
    yield f"{'refunds in the table: ' + counts:40} {heads}"
    for name in PAGES:
        medians = [statistics.median(site.took_ms[name]) for site in (small, large)]
        tails = [_ninety_fifth(site.took_ms[name]) for site in (small, large)]
        own_ms = statistics.median(large.own_ms[name])
        ratio = medians[1] / medians[0]
        shown = f"{small.shown[name]} / {large.shown[name]}"
        figures = f"{shown:>9} {_pair(medians):>15} {_pair(tails):>15} {own_ms:7.1f} {ratio:6.2f}"
        yield f"{name:40} {figures}  {_verdict(medians[1], ratio, shows_more=large.shown[name] > small.shown[name])}"
    yield f"own: processor time in this process. Load of the machine: {os.getloadavg()[0]:.1f} of {os.cpu_count()}"


def _ninety_fifth(values: Sequence[float]) -> float:
    return sorted(values)[math.ceil(0.95 * len(values)) - 1]


def _pair(values: Sequence[float]) -> str:
    return " / ".join(f"{value:.1f}" for value in values)


def _verdict(median_ms: float, ratio: float, *, shows_more: bool) -> str:
    if median_ms >= MOST_MS:
        return f"FAIL, over {MOST_MS:.0f} ms"
    if ratio > MOST_RATIO:
        return "pass, and shows more rows" if shows_more else f"FAIL, over {MOST_RATIO} times"
    return "pass"


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description="Measure the pages at two sizes of the history.")
    parser.add_argument("--data", type=Path, help="a folder to keep the databases in")
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 1_000_000], help="multiples of 1000")
    parser.add_argument("--databases", nargs="+", choices=SITES, default=list(SITES))
    parser.add_argument("--turns", type=int, default=40, help="how often each page is measured")
    options = parser.parse_args(arguments)
    with nullcontext(options.data) if options.data else tempfile.TemporaryDirectory() as folder:
        home = Path(folder).resolve()
        home.mkdir(parents=True, exist_ok=True)
        if not options.data:
            # The user that PostgreSQL runs as has to get through.
            home.chmod(0o711)
        for name in options.databases:
            with SITES[name](home, sorted(options.sizes)) as sites:
                _read_once(home)
                _measure(sites, options.turns)
                print(f"\n{name}", *_table(sites), sep="\n")
            print(f"resident memory of this process: {psutil.Process().memory_info().rss / 2**20:.0f} MB", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
