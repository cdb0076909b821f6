"""What the pages cost: a small and a large history side by side, on SQLite and on PostgreSQL.

    python -m tests.benchmarks.history_pages [--data DIR] [--sizes 10000 1000000] [--databases sqlite postgresql]

Measured is the whole WSGI call of a signed-in page, from the request's headers to the last compressed byte, pages
and sizes taking turns, with the databases in the system's file cache as far as it reaches. `--data` keeps them for
the next run; making a million refunds takes minutes, and all of it 15 GB.
"""

import argparse
import math
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import urlencode

import psutil
from werkzeug.test import EnvironBuilder, run_wsgi_app

from tests.benchmarks import many_refunds
from tests.benchmarks.sites import SITES, Site, folder_for, read_once

MOST_MS = 25.0
MOST_RATIO = 1.5
WARM_UPS = 12


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
    with folder_for(options.data) as home:
        for name in options.databases:
            with SITES[name](home, sorted(options.sizes)) as sites:
                read_once(home)
                _measure(sites, options.turns)
                print(f"\n{name}", *_table(sites), sep="\n")
            print(f"resident memory of this process: {psutil.Process().memory_info().rss / 2**20:.0f} MB", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
