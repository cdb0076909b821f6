"""What taking the whole history along costs, beside a bare loop of csv.writer over the same query.

    python -m tests.benchmarks.refund_files [--data DIR] [--refunds 1000000] [--databases sqlite postgresql]
        [--kinds csv xlsx]

Measured is a file over HTTP from a real server, from the request to the last byte, while a page asks how far it is
each second; and the most memory that the server's processes had, beside what they had before. The floor reads the same
columns in the same order in one statement, row by row, and writes them with csv.writer as they come, in a process of
its own. At the end somebody closes the connection in the middle of a file.
"""

import argparse
import csv
import io
import sys
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import requests
from sqlalchemy.orm import Session

from dashboard import history
from dashboard.db import open_engine
from tests.benchmarks.sites import EMAIL, PASSWORD, SITES, Site, folder_for, settings_of, token_on
from tests.journeys.commands import Service, free_port
from tests.journeys.waiting import answers, eventually

MEGABYTE = 2**20
KINDS = ("csv", "xlsx")
BROKEN_OFF_WITHIN_S = 30.0


@dataclass(frozen=True)
class Figures:
    """How long it took, how many bytes it was, and the memory of all processes before and at most."""

    took_s: float
    size_bytes: int
    before_mb: float
    most_mb: float


# The floor


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


def of_bare_loop(database_url: str) -> Figures:
    pids: list[int | str] = ["self"]
    before_mb = _memory_from_now_on_mb(pids)
    began_s = time.perf_counter()
    size_bytes = bare_loop(database_url)
    return Figures(time.perf_counter() - began_s, size_bytes, before_mb, _most_memory_mb(pids))


# The server


class Reader:
    """Somebody who is signed in at a server, and its processes."""

    def __init__(self, url: str, service: Service) -> None:
        self._url = url
        self._service = service
        self._http = requests.Session()
        fields = {"email": EMAIL, "password": PASSWORD, "csrf_token": token_on(self._get("/login").text)}
        assert self._http.post(f"{url}/login", data=fields, timeout=60).ok
        self._token = token_on(self._get("/refunds/").text)

    def _get(self, path: str) -> requests.Response:
        return self._http.get(f"{self._url}{path}", timeout=60)

    def begin(self, kind: str) -> tuple[str, requests.Response]:
        """The id of a file, and the answer that brings it."""
        export_id = str(uuid.uuid4())
        fields = {"csrf_token": self._token, "export_id": export_id}
        answer = self._http.post(f"{self._url}/exports/refunds.{kind}", data=fields, stream=True, timeout=600)
        assert answer.status_code == 200, answer.text
        return export_id, answer

    def how_far(self, export_id: str) -> tuple[int, int | None, str]:
        told = self._get(f"/exports/{export_id}").json()
        return told["done"], told["total"], told["state"]

    def take(self, kind: str) -> Figures:
        pids = [process.pid for process in self._service.family()]
        before_mb = _memory_from_now_on_mb(pids)
        began_s = time.perf_counter()
        export_id, answer = self.begin(kind)
        with self._asking(export_id):
            size_bytes = sum(map(len, answer.iter_content(MEGABYTE)))
        took_s = time.perf_counter() - began_s
        done, total, state = self.how_far(export_id)
        assert (done, state) == (total, "finished"), (done, total, state)
        return Figures(took_s, size_bytes, before_mb, _most_memory_mb(pids))

    def break_off(self) -> tuple[int, int | None]:
        """How far a file was, and how far it should have come, when somebody closed the connection."""
        export_id, answer = self.begin("csv")
        next(answer.iter_content(MEGABYTE))
        answer.close()
        eventually(lambda: self.how_far(export_id)[2] == "broken_off", BROKEN_OFF_WITHIN_S, "broken off")
        return self.how_far(export_id)[:2]

    @contextmanager
    def _asking(self, export_id: str) -> Iterator[None]:
        over = threading.Event()

        def ask() -> None:
            while not over.wait(1.0):
                self.how_far(export_id)

        asking = threading.Thread(target=ask)
        asking.start()
        yield
        over.set()
        asking.join()


@contextmanager
def reader_at(folder: Path, site: Site) -> Iterator[Reader]:
    port = free_port()
    settings = settings_of(folder, site.database_url)
    with Service.started(settings, folder / "web.log", "web", "--bind", f"127.0.0.1:{port}") as web:
        url = f"http://127.0.0.1:{port}"
        web.wait_until(lambda: answers(f"{url}/healthz"), "an answer from /healthz")
        yield Reader(url, web)


def _memory_from_now_on_mb(pids: Sequence[int | str]) -> float:
    """What these processes have; the most that they have is counted from here on."""
    for pid in pids:
        Path(f"/proc/{pid}/clear_refs").write_text("5")
    return _most_memory_mb(pids)


def _most_memory_mb(pids: Sequence[int | str]) -> float:
    """The most that each of these processes has had since it was asked to forget, together."""
    found = [line for pid in pids for line in Path(f"/proc/{pid}/status").read_text().splitlines()]
    return sum(int(line.split()[1]) for line in found if line.startswith("VmHWM:")) / 1024


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description="Take the whole history along.")
    parser.add_argument("--data", type=Path, help="a folder to keep the databases in")
    parser.add_argument("--refunds", type=int, default=1_000_000, help="a multiple of 1000")
    parser.add_argument("--databases", nargs="+", choices=SITES, default=list(SITES))
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS)
    options = parser.parse_args(arguments)
    with folder_for(options.data) as home:
        for name in options.databases:
            with SITES[name](home, [options.refunds]) as [site]:
                _report(name, home, site, options.kinds)


def _report(name: str, home: Path, site: Site, kinds: Sequence[str]) -> None:
    with ProcessPoolExecutor(1, get_context("spawn")) as another:
        floor = another.submit(of_bare_loop, site.database_url).result()
    print(f"\n{name}, {site.refunds:,} refunds")
    print(f"{'':12}{'rows/s':>10}{'times the floor':>18}{'MB':>8}{'memory before, MB':>20}{'at most':>10}")
    _print("csv.writer", site.refunds, floor, floor)
    with reader_at(home, site) as reader:
        for kind in kinds:
            _print(kind, site.refunds, reader.take(kind), floor)
        done, total = reader.break_off()
    print(f"broken off on purpose: {done:,} of {total or 0:,} refunds are told to be written")


def _print(kind: str, refunds: int, figures: Figures, floor: Figures) -> None:
    speed, ratio, size_mb = refunds / figures.took_s, figures.took_s / floor.took_s, figures.size_bytes / MEGABYTE
    memory = f"{figures.before_mb:20.1f}{figures.most_mb:10.1f}"
    print(f"{kind:12}{speed:10,.0f}{ratio:18.2f}{size_mb:8.1f}{memory}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
