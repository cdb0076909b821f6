"""A real worker sends the journal on by TLS, dies between the collector's answer and the note of it, and goes on."""

import json
from pathlib import Path

from sqlalchemy import select, update

from dashboard.models import Collector, JournalHead
from tests.bench.databases import on_sqlite
from tests.bench.log_collector import LogCollector, running_log_collector
from tests.bench.tls import write_certificate
from tests.journeys.commands import dashboard, free_port
from tests.journeys.waiting import eventually
from tests.processes.dying import BEFORE, COMMIT, MET_WITHIN_S, Point, life_of
from tests.processes.installation import Installation, running_bank
from tests.processes.operators import add_operator

TOKEN = "T0ken-of-the-collector"
BEFORE_IT_IS_NOTED = Point("worker", BEFORE, COMMIT, "collector._move_on")


def is_all_sent(installation: Installation) -> bool:
    with installation.books.read() as session:
        sent, made = session.scalars(select(Collector)).one(), session.scalars(select(JournalHead)).one()
    return (sent.seq, sent.hash) == (made.seq, made.hash)


def let_its_turn_lapse(installation: Installation) -> None:
    with installation.books.write() as tx:
        tx.execute(update(Collector).values(next_try_at=None))


def is_checked_by_the_command(installation: Installation, taker: LogCollector) -> str:
    file = installation.folder / "collected.jsonl"
    file.write_bytes(b"".join(taker.lines))
    done = dashboard(installation.settings, "journal", "verify", "--file", str(file))
    assert done.returncode == 0, done.stderr
    return done.stdout


@on_sqlite
def test_a_worker_that_is_killed_after_the_answer_leaves_no_gap(database: str, tmp_path: Path) -> None:
    for name in ("taker", "desk"):
        (tmp_path / name).mkdir()
    of_taker, of_desk = (write_certificate(tmp_path / name) for name in ("taker", "desk"))
    with running_log_collector(free_port(), certificate=of_taker, lets_in=of_desk) as taker:
        settings = {
            "DASHBOARD_COLLECTOR_URL": taker.url,
            "DASHBOARD_COLLECTOR_CA_FILE": str(of_taker),
            "DASHBOARD_COLLECTOR_CERT_FILE": str(of_desk),
            "DASHBOARD_COLLECTOR_TOKEN": TOKEN,
        }
        with running_bank(tmp_path, database, **settings) as installation:
            add_operator(installation.books, "first@desk.test")
            with life_of(installation, "worker", [BEFORE_IT_IS_NOTED]) as life:
                life.process.join(MET_WITHIN_S)
                assert life.was_killed
            [first] = taker.batches
            assert not is_all_sent(installation)

            add_operator(installation.books, "second@desk.test")
            let_its_turn_lapse(installation)
            with life_of(installation, "worker"):
                eventually(lambda: is_all_sent(installation), MET_WITHIN_S, "the collector has everything")
            again = taker.batches[1]
            assert again.startswith(first), "the same entries, and those since"
            said = is_checked_by_the_command(installation, taker)
            last = max(json.loads(line)["seq"] for line in taker.lines)
            assert f"Entries 1 to {last} are as the desk wrote them" in said
            assert f"there already: {len(first.splitlines())}\n" in said
            assert taker.requests[0]["Authorization"] == f"Bearer {TOKEN}"
            assert TOKEN not in (tmp_path / "worker.log").read_text()
