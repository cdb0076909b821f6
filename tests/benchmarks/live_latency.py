"""How soon an open page shows what the bank has decided.

    python -m tests.benchmarks.live_latency [--refunds 50] [--viewers 100]

A demo, a real Chromium with the live history open, and refunds that the sandbox's control call accepts one by one.
Measured is the time from before that call to the changed row in the page; the way leads through the bank's signed
webhook, inbox, database, journal and the page's stream. Beside it, in turns, a floor: one bare HTTP round trip to
/healthz on the same machine. `--viewers`: so many others have the history open meanwhile, each with its own stream.
"""

import argparse
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import requests
from playwright.sync_api import Page

from tests.journeys import steps
from tests.journeys.chromium import running_chromium
from tests.journeys.commands import OPERATOR, PASSWORD, Installation, started_demo
from tests.journeys.waiting import ANSWERS_WITHIN_S, eventually

MOST_REFUNDS = 50
MOST_VIEWERS = 150
VIEWERS_WITHIN_S = 60.0

# Reads every stream, and writes down "all" once each has begun, then the reference of each accepted row that one tells.
AUDIENCE = r"""
import re, selectors, socket, sys
from urllib.parse import urlsplit

url, cookie, viewers, told = sys.argv[1:]
at = urlsplit(url)
waiting, begun, rest = selectors.DefaultSelector(), set(), {}
for number in range(int(viewers)):
    viewer = socket.create_connection((at.hostname, at.port))
    viewer.sendall(f"GET /live HTTP/1.1\r\nHost: {at.netloc}\r\nCookie: {cookie}\r\n\r\n".encode())
    waiting.register(viewer, selectors.EVENT_READ)
with open(told, "w") as file:
    while waiting.get_map():
        for key, _ in waiting.select():
            data = key.fileobj.recv(65536)
            if not data:
                waiting.unregister(key.fileobj)
                continue
            text = rest.pop(key.fd, "") + data.decode()
            whole, _, rest[key.fd] = text.rpartition("\n")
            begun.add(key.fd)
            if len(begun) == int(viewers) and not file.tell():
                print("all", file=file, flush=True)
            for line in whole.splitlines():
                found = re.search(r'data-refund=\\"([0-9a-f-]+)\\" data-status=\\"accepted', line)
                if found:
                    print(found[1], file=file, flush=True)
"""
MOST_MEDIAN_MS = 500.0
SHOWN_WITHIN_MS = 20_000
LONGEST_PAUSE_S = 0.2

_WATCH_ROWS = """() => {
  window.shownAt = {};
  const note = () => {
    for (const row of document.querySelectorAll("tr[data-refund][data-status=accepted]")) {
      window.shownAt[row.dataset.refund] ??= Date.now();
    }
  };
  note();
  new MutationObserver(note).observe(document.body, { subtree: true, childList: true, attributes: true });
}"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--refunds", type=int, default=MOST_REFUNDS, choices=range(1, MOST_REFUNDS + 1), metavar="N")
    parser.add_argument("--viewers", type=int, default=0, choices=range(MOST_VIEWERS + 1), metavar="N")
    asked = parser.parse_args()
    count, viewers = asked.refunds, asked.viewers
    threads = (
        {"DASHBOARD_WEB_THREADS": str(viewers + 16), "DASHBOARD_LIVE_STREAMS": str(viewers + 4)} if viewers else {}
    )
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="live-latency-")))
        demo = stack.enter_context(started_demo(folder, DASHBOARD_UNDO_SECONDS="0", **threads))
        demo.bank.call("settings", decide="manual")
        bank_ids = refunds_in_progress(demo, count)
        context = stack.enter_context(running_chromium()).new_context(base_url=demo.url)
        page = open_history(context.new_page(), bank_ids)
        audience = stack.enter_context(watching(demo, viewers)) if viewers else None
        shown_ms, floor_ms = measure(page, demo, bank_ids)
        if audience is not None:
            report_audience(audience, bank_ids)
    report(shown_ms, floor_ms)
    return 0 if statistics.median(shown_ms) < MOST_MEDIAN_MS else 1


def refunds_in_progress(demo: Installation, count: int) -> dict[str, str]:
    """Refunds that wait for the bank's decision, each in a session of its own: reference -> the bank's id."""
    http = signed_in(demo)
    sessions = {}
    for number in range(count):
        session_id = demo.bank.paid_session(f"latency-{number}")
        sessions[ask(http, demo, session_id)] = session_id
    return {reference: demo.bank.await_refund(session_id) for reference, session_id in sessions.items()}


def signed_in(demo: Installation) -> requests.Session:
    http = requests.Session()
    fields = hidden_fields(http.get(f"{demo.url}/login", timeout=ANSWERS_WITHIN_S).text)
    fields |= {"email": OPERATOR, "password": PASSWORD}
    http.post(f"{demo.url}/login", data=fields, timeout=ANSWERS_WITHIN_S).raise_for_status()
    return http


def ask(http: requests.Session, demo: Installation, session_id: str) -> str:
    """Refund a session; the reference."""
    address = f"{demo.url}/sessions/{session_id}/refund"
    fields = hidden_fields(http.get(address, timeout=ANSWERS_WITHIN_S).text)
    fields |= {"kind": "partial", "amount": "10.50", "reason": "other", "confirm": "yes"}
    answer = http.post(address, data=fields, timeout=ANSWERS_WITHIN_S)
    return answer.url.rpartition("/refunds/")[2]


def hidden_fields(html: str) -> dict[str, str]:
    return dict(re.findall(r'<input type="hidden" name="(csrf_token|form_token)" value="([^"]+)"', html))


def open_history(page: Page, references: Iterable[str]) -> Page:
    steps.sign_in(page, OPERATOR)
    page.goto("/refunds/")
    steps.expect_live(page)
    for reference in references:
        steps.expect_status(steps.row(page, reference), "in_progress")
    page.evaluate(_WATCH_ROWS)
    return page


@contextmanager
def watching(demo: Installation, viewers: int) -> Iterator[Path]:
    """So many others with the history open, in a process of their own; the file has what each of them was told."""
    told = demo.folder / "told.txt"
    cookie = "; ".join(f"{name}={value}" for name, value in signed_in(demo).cookies.items())
    audience = subprocess.Popen([sys.executable, "-c", AUDIENCE, demo.url, cookie, str(viewers), str(told)])
    try:
        eventually(lambda: told.exists() and told.read_text().startswith("all"), VIEWERS_WITHIN_S, "all viewers")
        yield told
    finally:
        audience.terminate()
        audience.wait()


def report_audience(told: Path, references: Iterable[str]) -> None:
    """How many of the others were told of every refund."""
    _all, *lines = told.read_text().splitlines()
    of_each = Counter(lines)
    print(f"{'others, told of each row':<24} {min(of_each[reference] for reference in references):7d}")


def measure(page: Page, demo: Installation, bank_ids: dict[str, str]) -> tuple[list[float], list[float]]:
    """Milliseconds to the changed row, and of a bare round trip, in turns."""
    pauses = random.Random(131)
    shown_ms, floor_ms = [], []
    for reference, bank_id in bank_ids.items():
        time.sleep(pauses.uniform(0, LONGEST_PAUSE_S))
        floor_ms.append(round_trip_ms(f"{demo.url}/healthz"))
        decided_at_ms = time.time() * 1000
        demo.bank.decide(bank_id, "accepted")
        page.wait_for_function("reference => window.shownAt[reference]", arg=reference, timeout=SHOWN_WITHIN_MS)
        shown_ms.append(page.evaluate("reference => window.shownAt[reference]", reference) - decided_at_ms)
    return shown_ms, floor_ms


def round_trip_ms(url: str) -> float:
    started_at_s = time.perf_counter()
    requests.get(url, timeout=ANSWERS_WITHIN_S).raise_for_status()
    return (time.perf_counter() - started_at_s) * 1000


def report(shown_ms: Sequence[float], floor_ms: Sequence[float]) -> None:
    for name, values in (("decision to changed row", shown_ms), ("bare HTTP round trip", floor_ms)):
        median, p95 = statistics.median(values), percentile(values, 95)
        print(f"{name:<24} median {median:7.1f} ms   p95 {p95:7.1f} ms   of {len(values)}")
    print(f"{'ratio of the medians':<24} {statistics.median(shown_ms) / statistics.median(floor_ms):14.1f}")


def percentile(values: Sequence[float], percent: int) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]


if __name__ == "__main__":
    sys.exit(main())
