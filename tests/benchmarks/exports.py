"""What taking the whole history along costs, beside a bare loop of csv.writer over the same query.

    python -m tests.benchmarks.exports [--data DIR] [--refunds 1000000] [--databases sqlite postgresql]

Measured is the whole WSGI call of a signed-in person, to the last byte; each in a process of its own, whose highest
memory is compared with what it had before. The floor reads the same columns in the same order in one statement, row
by row, and writes them with csv.writer as they come.
"""

import argparse
import csv
import io
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from sqlalchemy.orm import Session
from werkzeug.test import Client

from dashboard import history
from dashboard.db import open_engine
from tests.benchmarks.sites import SITES, Site, config_of, open_site, token_on

MEGABYTE = 2**20


@dataclass(frozen=True)
class Figures:
    """How long it took, how many bytes it was, and how much memory the process had at most beyond its start."""

    took_s: float
    size_bytes: int
    memory_mb: float


def bare_loop(database_url: str) -> int:
    """Bytes of a CSV file of every row of the history, newest first, read by one statement."""
    size, text = 0, io.StringIO(newline="")
    writer = csv.writer(text)
    query = history._rows_query().order_by(*history._NEWEST_FIRST).execution_options(yield_per=1000)
    with Session(open_engine(database_url)) as session:
        for row in session.execute(query):
            writer.writerow(row)
            if text.tell() > MEGABYTE:
                size += len(text.getvalue().encode())
                text.seek(0)
                text.truncate()
    return size + len(text.getvalue().encode())


def export(site: Site, kind: str) -> int:
    """Bytes of a file that somebody takes along."""
    client = Client(site.app)
    for cookie in site.headers["Cookie"].split("; "):
        client.set_cookie(*cookie.split("=", 1))
    fields = {"csrf_token": token_on(client.get("/refunds/").text)}
    answer = client.post(f"/exports/refunds.{kind}", data=fields)
    assert answer.status_code == 200, answer.text
    return sum(map(len, answer.iter_encoded()))


def measured(work: Callable[[], int]) -> Figures:
    Path("/proc/self/clear_refs").write_text("5")  # from now on
    before_mb = _most_memory_mb()
    began_s = time.perf_counter()
    size_bytes = work()
    took_s = time.perf_counter() - began_s
    return Figures(took_s, size_bytes, _most_memory_mb() - before_mb)


def _most_memory_mb() -> float:
    """The most that this process has had since it was asked to forget."""
    [line] = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1]) / 1024


def of_bare_loop(folder: Path, url: str, refunds: int) -> Figures:
    # Opened for the sake of the same start.
    site = open_site(config_of(folder, url), refunds)
    return measured(lambda: bare_loop(site.database_url))


def of_export(folder: Path, url: str, refunds: int, kind: str) -> Figures:
    site = open_site(config_of(folder, url), refunds)
    return measured(lambda: export(site, kind))


def _apart(work: Callable[..., Figures], *arguments: object) -> Figures:
    with ProcessPoolExecutor(1, get_context("spawn")) as another:
        return another.submit(work, *arguments).result()


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description="Take the whole history along.")
    parser.add_argument("--data", type=Path, help="a folder to keep the databases in")
    parser.add_argument("--refunds", type=int, default=1_000_000, help="a multiple of 1000")
    parser.add_argument("--databases", nargs="+", choices=SITES, default=list(SITES))
    options = parser.parse_args(arguments)
    with nullcontext(options.data) if options.data else tempfile.TemporaryDirectory() as folder:
        home = Path(folder).resolve()
        home.mkdir(parents=True, exist_ok=True)
        if not options.data:
            # The user that PostgreSQL runs as has to get through.
            home.chmod(0o711)
        for name in options.databases:
            with SITES[name](home, [options.refunds]) as [site]:
                _report(name, home, site.database_url, options.refunds)


def _report(name: str, home: Path, url: str, refunds: int) -> None:
    floor = _apart(of_bare_loop, home, url, refunds)
    print(f"\n{name}, {refunds:,} refunds")
    print(f"{'':12}{'rows/s':>10}{'times the floor':>18}{'MB':>8}{'memory, MB':>12}")
    found = {"csv.writer": floor, **{kind: _apart(of_export, home, url, refunds, kind) for kind in ("csv", "xlsx")}}
    for kind, figures in found.items():
        speed, ratio = refunds / figures.took_s, figures.took_s / floor.took_s
        print(f"{kind:12}{speed:10,.0f}{ratio:18.2f}{figures.size_bytes / MEGABYTE:8.1f}{figures.memory_mb:12.1f}")


if __name__ == "__main__":
    main(sys.argv[1:])
