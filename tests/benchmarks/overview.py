"""What the overview's figures cost at a million refunds, beside the least that a database can do about the same days.

    python -m tests.benchmarks.overview [--data DIR] [--refunds 1000000] [--days 14 40] [--databases sqlite postgresql]

The floor counts the refunds of the same days from an index alone. The made-up desk has a thousand refunds a day, so
that 40 days are as many refunds as two weeks of a desk three times as busy. `own` is the processor's work in this
process, where SQLite works too: on a busy machine it says more than the time that went by. The databases are in the
system's file cache as far as it reaches; they are made as in `history_pages`, and `--data` keeps them.
"""

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from sqlalchemy import func, select
from sqlalchemy.orm import Session
from werkzeug.test import EnvironBuilder, run_wsgi_app

from dashboard import figures, history_counts, refund_rules, review_queue
from dashboard.history_filters import Filters, start_of
from dashboard.models import Refund
from dashboard.search_language import OPEN
from tests.benchmarks.many_refunds import NOW
from tests.benchmarks.sites import SITES, Site, folder_for, read_once

ZONE = ZoneInfo("Europe/Moscow")
TODAY = NOW.astimezone(ZONE).date()
FLOOR = "floor: counted from an index"
WARM_UPS = 5

# Of the wall's clock, and of the processor in this process.
Took = tuple[float, float]
Query = Callable[[Session, Sequence[date]], object]


def _floor(session: Session, days: Sequence[date]) -> int:
    begins, ends = start_of(days[0], ZONE), start_of(days[-1] + timedelta(days=1), ZONE)
    return session.scalars(select(func.count()).where(Refund.asked_at >= begins, Refund.asked_at < ends)).one()


def _few(session: Session, _days: Sequence[date]) -> object:
    ageing = Filters(status=OPEN, date_to=TODAY - timedelta(days=6))
    return (
        history_counts.of_statuses(session, refund_rules.AWAITING_APPROVAL, refund_rules.UNKNOWN),
        review_queue.counts(session),
        history_counts.within(session, ageing, ZONE),
    )


QUERIES: Mapping[str, Query] = {
    FLOOR: _floor,
    "counts, amounts, reasons by day": lambda session, days: figures.groups(session, days, ZONE),
    "median and slowest, by day and of a week": lambda session, days: figures.times(session, days, ZONE, 7),
    "what needs somebody": _few,
}


def _measure(site: Site, days: Sequence[date], turns: int) -> dict[str, list[Took]]:
    took_ms: dict[str, list[Took]] = {name: [] for name in QUERIES}
    for turn in range(WARM_UPS + turns):
        for name, query in QUERIES.items():
            with site.app.extensions["desk"].read() as session:
                session.connection()
                took = _timed(lambda query=query, session=session: query(session, days))
                if turn >= WARM_UPS:
                    took_ms[name].append(took)
    return took_ms


def _measure_page(site: Site, turns: int) -> list[Took]:
    def page() -> None:
        site.app.extensions.pop("overview", None)
        environ = EnvironBuilder("/", headers=site.headers).get_environ()
        _parts, status, _headers = run_wsgi_app(site.app, environ, buffered=True)
        assert status == "200 OK", status

    return [_timed(page) for _ in range(WARM_UPS + turns)][WARM_UPS:]


def _timed(do: Callable[[], object]) -> Took:
    began_s, own_began_s = time.perf_counter(), time.thread_time()
    do()
    return (time.perf_counter() - began_s) * 1000, (time.thread_time() - own_began_s) * 1000


def _table(site: Site, days: Sequence[date], took_ms: Mapping[str, Sequence[Took]]) -> Iterator[str]:
    with site.app.extensions["desk"].read() as session:
        count = _floor(session, days)
    title = f"{len(days)} days, {count:,} refunds of {site.refunds:,}"
    yield f"{title:44} {'median ms':>10} {'least ms':>10} {'own ms':>8}"
    for name, values in took_ms.items():
        yield _line(name, values)


def _line(name: str, values: Sequence[Took]) -> str:
    walls, owns = zip(*values, strict=True)
    return f"{name:44} {statistics.median(walls):10.1f} {min(walls):10.1f} {statistics.median(owns):8.1f}"


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description="Measure the overview's queries.")
    parser.add_argument("--data", type=Path, help="a folder to keep the databases in")
    parser.add_argument("--refunds", type=int, default=1_000_000, help="a multiple of 1000")
    parser.add_argument("--days", type=int, nargs="+", default=[14, 40], help="how many days are summed up")
    parser.add_argument("--databases", nargs="+", choices=SITES, default=list(SITES))
    parser.add_argument("--turns", type=int, default=30, help="how often each is measured")
    options = parser.parse_args(arguments)
    with folder_for(options.data) as home:
        for name in options.databases:
            with SITES[name](home, [options.refunds]) as (site,):
                read_once(home)
                print(f"\n{name}", flush=True)
                for count in options.days:
                    days = [TODAY - timedelta(days=ago) for ago in reversed(range(count))]
                    print(*_table(site, days, _measure(site, days, options.turns)), sep="\n", flush=True)
                print(_line("the whole page", _measure_page(site, options.turns)), flush=True)
    print(f"Load of the machine: {os.getloadavg()[0]:.1f} of {os.cpu_count()}")


if __name__ == "__main__":
    main(sys.argv[1:])
