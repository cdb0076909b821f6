"""The journal goes to a log system elsewhere: in order, without a gap, to nobody else, and delays nothing."""

import json
import logging
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, update

from dashboard import collector, journal_file
from dashboard.config import BadSettings, BooksConfig, read_config
from dashboard.desk import Books
from dashboard.journal import GENESIS
from dashboard.models import Collector, JournalHead
from tests.bench.command_line import run, set_to
from tests.bench.databases import on_both
from tests.bench.log_collector import LogCollector, running_log_collector
from tests.bench.refund_desk import RefundDesk
from tests.bench.simulated import SimulatedClock
from tests.bench.tls import write_certificate
from tests.conftest import JOURNAL_KEY
from tests.journeys.commands import free_port

TOKEN = "T0ken-of-the-collector"


@pytest.fixture
def taker() -> Iterator[LogCollector]:
    with running_log_collector(free_port()) as taker:
        yield taker


@pytest.fixture
def environ(environ: dict[str, str], taker: LogCollector) -> dict[str, str]:
    return {**environ, "DASHBOARD_COLLECTOR_URL": taker.url, "DASHBOARD_COLLECTOR_TOKEN": TOKEN}


def write(books: Books, count: int, comment: str = "Жанна") -> None:
    for number in range(count):
        with books.write() as tx:
            tx.record("anna@desk.test", "export:made", "journal", rows=number, why=comment)


def send_all(books: Books, send: collector.Send = collector.post) -> int:
    """Send what is due; how many batches that was."""
    count = 0
    while collector.send_next(books, send):
        count += 1
    return count


def cursor(books: Books) -> Collector:
    with books.read() as session:
        return session.scalars(select(Collector)).one()


def head(books: Books) -> tuple[int, str]:
    with books.read() as session:
        found = session.scalars(select(JournalHead)).one()
    return found.seq, found.hash


def verdict(lines: list[bytes], expect: tuple[int, str] | None = None) -> journal_file.FileVerdict:
    return journal_file.verify(lines, JOURNAL_KEY, expect)


# What it gets


@on_both
def test_it_gets_every_entry_once_in_order_and_they_prove_themselves(
    refund_desk: RefundDesk, taker: LogCollector
) -> None:
    refund_desk.ask_and_send(refund_desk.paid_session(100_00), 10_00)
    refund_desk.run_for(hours=1)
    books = refund_desk.desk
    assert send_all(books) == 1
    count = head(books)[0]
    assert count > 5
    assert taker.numbers == list(range(1, count + 1))
    found = verdict(taker.lines, head(books))
    assert (found.problem, found.entries, found.first, found.repeats) == (None, count, 1, 0)
    assert (cursor(books).seq, cursor(books).hash) == head(books)
    assert send_all(books) == 0
    write(books, 1)
    assert head(books)[0] == count + 1, "what is sent on is not in the journal"
    assert send_all(books) == 1
    assert taker.numbers == list(range(1, count + 2))


def test_a_batch_is_lines_of_json_with_all_that_an_entry_has(refund_desk: RefundDesk, taker: LogCollector) -> None:
    write(refund_desk.desk, 1)
    send_all(refund_desk.desk)
    [sent] = taker.requests
    assert (sent["Content-Type"], sent["Authorization"]) == ("application/x-ndjson", f"Bearer {TOKEN}")
    [entry] = refund_desk.journal()
    assert json.loads(taker.lines[0]) == {name: getattr(entry, name) for name in journal_file.FIELDS}


def test_batches_are_small(refund_desk: RefundDesk, taker: LogCollector, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (collector.MOST_ENTRIES, collector.MOST_BYTES) == (500, 512 * 1024)
    monkeypatch.setattr(collector, "MOST_ENTRIES", 4)
    monkeypatch.setattr(collector, "MOST_BYTES", 3000)
    write(refund_desk.desk, 9)
    write(refund_desk.desk, 1, "x" * 5000)
    write(refund_desk.desk, 3, "x" * 1200)
    send_all(refund_desk.desk)
    assert [batch.count(b"\n") for batch in taker.batches] == [4, 4, 1, 1, 1, 1, 1]
    assert verdict(taker.lines, head(refund_desk.desk)).entries == 13


# At least once, never a gap


def die_after_its_answer(config: BooksConfig, lines: bytes) -> None:
    class Killed(BaseException):
        pass

    collector.post(config, lines)
    raise Killed


@on_both
def test_a_worker_that_dies_before_it_notes_that_a_batch_was_taken_sends_it_again(
    refund_desk: RefundDesk, taker: LogCollector, clock: SimulatedClock
) -> None:
    books = refund_desk.desk
    write(books, 3)
    with pytest.raises(BaseException, match=r"^$"):
        collector.send_next(books, die_after_its_answer)
    assert cursor(books).seq == 0
    write(books, 2)
    clock.advance(collector.CLAIM.total_seconds() - 1)
    assert send_all(books) == 0, "another one may still be at it"
    clock.advance(1)
    assert send_all(books) == 1
    assert taker.numbers == [1, 2, 3, 1, 2, 3, 4, 5]
    found = verdict(taker.lines, head(books))
    assert (found.problem, found.entries, found.last, found.repeats) == (None, 5, 5, 3)


@pytest.mark.parametrize("status", [302, 400, 401, 413, 429, 500, 503])
def test_what_it_does_not_take_is_sent_again(refund_desk: RefundDesk, taker: LogCollector, status: int) -> None:
    books = refund_desk.desk
    write(books, 3)
    taker.answers = status
    assert send_all(books) == 0
    assert (cursor(books).seq, cursor(books).hash, cursor(books).problem) == (0, GENESIS, f"it answers HTTP {status}")
    taker.answers = 200
    refund_desk.clock.advance(minutes=5)
    send_all(books)
    assert taker.numbers == [1, 2, 3]


def test_a_redirect_is_not_followed(refund_desk: RefundDesk, taker: LogCollector) -> None:
    with running_log_collector(free_port()) as another:
        taker.answers, taker.leads_to = 307, another.url
        write(refund_desk.desk, 1)
        assert send_all(refund_desk.desk) == 0
        assert another.requests == []


@on_both
def test_of_many_workers_one_sends_each_batch(
    refund_desk: RefundDesk, taker: LogCollector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collector, "MOST_ENTRIES", 2)
    books = refund_desk.desk
    write(books, 10)
    together = threading.Barrier(4)

    def work(_number: int) -> int:
        together.wait()
        return sum(send_all(books) for _ in range(20))

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(work, range(4))) == 5
    assert taker.numbers == list(range(1, 11))


def test_a_worker_that_was_slow_takes_nothing_back(
    refund_desk: RefundDesk, taker: LogCollector, clock: SimulatedClock
) -> None:
    """Its turn is over, another one has sent more, and then comes the answer that it has waited for, or none."""
    books = refund_desk.desk
    write(books, 2)

    def post_slowly(config: BooksConfig, lines: bytes) -> None:
        collector.post(config, lines)
        clock.advance(collector.CLAIM.total_seconds())
        write(books, 1)
        assert send_all(books) == 1

    def lose_slowly(config: BooksConfig, lines: bytes) -> None:
        post_slowly(config, lines)
        raise collector.NotTaken("no whole answer")

    for send in (post_slowly, lose_slowly):
        collector.send_next(books, send)
        assert (cursor(books).seq, cursor(books).hash) == head(books)
        assert (cursor(books).problem, cursor(books).next_try_at) == (None, None)
        write(books, 1)
    assert verdict(taker.lines).problem is None


def test_a_cursor_of_another_journal_counts_for_nothing(refund_desk: RefundDesk, taker: LogCollector) -> None:
    """Whatever has put it there: everything is sent again rather than too little."""
    books = refund_desk.desk
    refund_desk.is_tampered = True
    write(books, 3)
    send_all(books)
    with books.write() as tx:
        tx.execute(update(Collector).values(seq=5, hash="f" * 64))
    write(books, 1)
    send_all(books)
    assert taker.numbers == [1, 2, 3, 1, 2, 3, 4]
    assert verdict(taker.lines, head(books)).problem is None


# A collector that is away


def test_it_is_tried_again_at_growing_intervals_and_told_of_once(
    refund_desk: RefundDesk, taker: LogCollector, clock: SimulatedClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    books = refund_desk.desk
    write(books, 3)
    taker.answers = 503
    begun_at, tried_after_s = clock.now(), []
    for _ in range(25 * 60 // 5):
        before = len(taker.requests)
        collector.send_next(books)
        if len(taker.requests) > before:
            tried_after_s.append((clock.now() - begun_at).total_seconds())
        clock.advance(5)
    assert tried_after_s == [0, 5, 15, 35, 75, 155, 315, 615, 915, 1215]
    taker.answers = 204
    clock.advance(minutes=5)
    send_all(books)
    assert taker.numbers == [1, 2, 3]
    told = [record.getMessage() for record in caplog.records if record.name == "dashboard.collector"]
    assert told == [
        "the collector does not take the journal, which waits and is tried again: it answers HTTP 503",
        "the collector takes the journal again; what waited is being sent",
    ]
    assert TOKEN not in caplog.text


def test_the_loop_survives_whatever_goes_wrong(
    refund_desk: RefundDesk, taker: LogCollector, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collector, "LOOK_EVERY_S", 0.001)
    write(refund_desk.desk, 1)
    stop, tries = threading.Event(), []

    def fail_once(config: BooksConfig, lines: bytes) -> None:
        tries.append(lines)
        if len(tries) == 1:
            refund_desk.clock.advance(collector.CLAIM.total_seconds())
            raise ZeroDivisionError
        collector.post(config, lines)
        stop.set()

    collector.run(refund_desk.desk, stop, fail_once)
    assert taker.numbers == [1]
    assert "the journal could not be sent on, it will be tried again" in caplog.text


# To nobody else


def config_with(config: BooksConfig, **changes: object) -> BooksConfig:
    return replace(config, **changes)  # type: ignore[arg-type]


def test_a_collector_that_nobody_vouches_for_gets_nothing(refund_desk: RefundDesk, tmp_path: Path) -> None:
    certificate = write_certificate(tmp_path)
    (tmp_path / "another").mkdir()
    another = write_certificate(tmp_path / "another")
    config = refund_desk.desk.config
    with running_log_collector(free_port(), certificate=certificate) as taker:
        for authorities in (None, another):
            with pytest.raises(collector.NotTaken, match="could not prove who it is"):
                collector.post(config_with(config, collector_url=taker.url, collector_ca_file=authorities), b"{}\n")
        by_name = taker.url.replace("127.0.0.1", "localhost")
        with pytest.raises(collector.NotTaken, match="could not prove who it is"):
            collector.post(config_with(config, collector_url=by_name, collector_ca_file=certificate), b"{}\n")
        assert taker.requests == []
        collector.post(config_with(config, collector_url=taker.url, collector_ca_file=certificate), b"{}\n")
        assert taker.batches == [b"{}\n"]


def test_a_certificate_takes_the_place_of_a_token(refund_desk: RefundDesk, tmp_path: Path) -> None:
    for name in ("taker", "desk", "stranger"):
        (tmp_path / name).mkdir()
    of_taker, of_desk, of_stranger = (write_certificate(tmp_path / name) for name in ("taker", "desk", "stranger"))
    config = config_with(refund_desk.desk.config, collector_ca_file=of_taker, collector_token="")
    with running_log_collector(free_port(), certificate=of_taker, lets_in=of_desk) as taker:
        for own in (None, of_stranger, tmp_path / "missing.pem"):
            with pytest.raises(collector.NotTaken):
                collector.post(config_with(config, collector_url=taker.url, collector_cert_file=own), b"{}\n")
        assert taker.requests == []
        collector.post(config_with(config, collector_url=taker.url, collector_cert_file=of_desk), b"{}\n")
        assert taker.batches == [b"{}\n"]
        assert "Authorization" not in taker.requests[0]


def test_nothing_of_the_environment_stands_in_between(
    refund_desk: RefundDesk, taker: LogCollector, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    collector.post(refund_desk.desk.config, b"{}\n")
    assert taker.batches == [b"{}\n"]


# What a collector has, checked


def collected(refund_desk: RefundDesk, count: int = 5) -> list[bytes]:
    write(refund_desk.desk, count)
    return [journal_file.entry_line(entry) for entry in refund_desk.journal()]


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda lines: [lines[0], *lines[2:]], "line 2: entries 2 to 2 are missing"),
        (lambda lines: [*lines[:2], lines[2].replace(b"anna", b"nobody"), *lines[3:]], "line 3: entry 3 was changed"),
        (lambda lines: [*lines[:3], b"{}\n"], "line 4: this is no entry of a journal"),
        (lambda lines: [*lines[:3], lines[3][:40]], "line 4: it is cut off or unreadable here"),
        (lambda lines: [lines[1], lines[0]], "line 2: entry 1 stands after 2"),
    ],
    ids=["missing", "changed", "other", "cut", "earlier"],
)
def test_whatever_is_wrong_with_it_shows(refund_desk: RefundDesk, spoil, said: str) -> None:
    assert said in str(verdict(spoil(collected(refund_desk))).problem)


def test_what_log_systems_add_changes_nothing(refund_desk: RefundDesk) -> None:
    lines = [json.dumps({"host": "log-1", **json.loads(line)}).encode() + b"\r\n" for line in collected(refund_desk)]
    found = verdict([*lines[:-1], lines[-1].rstrip()], head(refund_desk.desk))
    assert (found.problem, found.entries, found.is_whole) == (None, 5, False)


def test_a_part_of_it_proves_itself_and_no_more(refund_desk: RefundDesk) -> None:
    lines = collected(refund_desk)
    found = verdict(lines[2:4])
    assert (found.problem, found.first, found.last, found.is_whole) == (None, 3, 4, False)
    assert verdict(lines[:4], head(refund_desk.desk)).problem == "line 4: the expected head is not in it"


def test_two_entries_of_one_number_show(refund_desk: RefundDesk) -> None:
    """As after a backup was put back."""
    lines = collected(refund_desk)
    [*_, last] = refund_desk.journal()
    texts = {name: getattr(last, name) for name in journal_file.FIELDS if name != "hash"}
    texts["actor"] = "bella@desk.test"
    chained = [
        texts["prev_hash"],
        str(last.seq),
        *(texts[name] for name in ("at", "actor", "action", "subject", "data")),
    ]
    from_key = journal_file.keyed_hash(JOURNAL_KEY, journal_file.canonical(chained))
    other = f"{journal_file.canonical({**texts, 'hash': from_key})}\n".encode()
    assert verdict([*lines[:-1], other]).problem is None
    found = verdict([*lines, other])
    assert found.problem is not None
    assert found.problem.startswith(
        "line 6: entry 5 is another one than the one of that number before: the database was"
    )


def test_the_command_says_what_is_proved(
    refund_desk: RefundDesk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DASHBOARD_JOURNAL_KEY", JOURNAL_KEY)
    lines = collected(refund_desk)
    file = tmp_path / "collected.jsonl"
    file.write_bytes(b"".join([*lines[:3], *lines]))
    done = run("journal", "verify", "--file", str(file))
    assert done.exit_code == 0
    seq, last_hash = head(refund_desk.desk)
    assert done.output.splitlines() == [
        "Entries 1 to 5 are as the desk wrote them, and none of them is missing.",
        "Lines with an entry that was there already: 3",
        f"The last one is {seq}:{last_hash}: `dashboard journal verify --expect` on the desk shows if it has it too.",
    ]
    file.write_bytes(b"".join(lines[:2] + lines[3:]))
    assert run("journal", "verify", "--file", str(file)).exit_code == 1


# What is told about it


def check(refund_desk: RefundDesk, monkeypatch: pytest.MonkeyPatch, **changes: object) -> list[str]:
    set_to(monkeypatch, config_with(refund_desk.desk.config, **changes))  # type: ignore[arg-type]
    return [line for line in run("check").output.splitlines() if "collector" in line.lower()]


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (204, "answers."),
        (400, "answers."),
        (403, "does not let the desk in (HTTP 403): DASHBOARD_COLLECTOR_CERT_FILE or"),
        (404, "cannot be used: it answers HTTP 404."),
        (302, "cannot be used: it answers HTTP 302."),
    ],
)
def test_a_check_tries_it(
    refund_desk: RefundDesk, taker: LogCollector, monkeypatch: pytest.MonkeyPatch, status: int, said: str
) -> None:
    taker.answers = status
    [line] = check(refund_desk, monkeypatch)
    assert f"The collector 127.0.0.1 {said}" in line
    assert TOKEN not in line
    assert taker.batches == []


def test_a_check_tells_how_far_behind_it_is_and_why(
    refund_desk: RefundDesk, taker: LogCollector, monkeypatch: pytest.MonkeyPatch
) -> None:
    taker.answers = 500
    write(refund_desk.desk, 2)
    send_all(refund_desk.desk)
    [_, line] = check(refund_desk, monkeypatch)
    assert "that wait for the collector: 2, the oldest since 2026-03-01 09:00:00 UTC; " in line
    assert line.endswith("the last try failed: it answers HTTP 500.")


def test_a_check_names_a_file_that_cannot_be_used(
    refund_desk: RefundDesk, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    empty = tmp_path / "empty.pem"
    empty.touch(0o600)
    [line] = check(refund_desk, monkeypatch, collector_ca_file=tmp_path / "none.pem")
    assert f"cannot be asked: DASHBOARD_COLLECTOR_CA_FILE: there is no file {tmp_path / 'none.pem'}." in line
    for name in ("collector_ca_file", "collector_cert_file"):
        line = check(refund_desk, monkeypatch, **{name: empty})[0]
        assert f"DASHBOARD_{name.upper()}: {empty} is not what it has to be (PEM" in line


def test_a_check_tells_who_else_reads_the_key(
    refund_desk: RefundDesk, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    certificate = write_certificate(tmp_path)
    certificate.chmod(0o640)
    lines = check(refund_desk, monkeypatch, collector_cert_file=certificate)
    assert f"DASHBOARD_COLLECTOR_CERT_FILE: {certificate} is open to all of its group, who could" in "\n".join(lines)
    certificate.chmod(0o600)
    assert "is open to" not in "\n".join(check(refund_desk, monkeypatch, collector_cert_file=certificate))


@on_both
def test_what_waits_is_known(refund_desk: RefundDesk, taker: LogCollector, clock: SimulatedClock) -> None:
    books = refund_desk.desk

    def waiting() -> tuple[int, datetime | None]:
        with books.read() as session:
            found = collector.waiting(session)
        return found.entries, found.since

    assert waiting() == (0, None)
    write(books, 2)
    clock.advance(minutes=1)
    write(books, 1)
    assert waiting() == (3, datetime(2026, 3, 1, 9, tzinfo=UTC))
    send_all(books)
    assert waiting() == (0, None)


# Settings


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"URL": "http://logs.example.com"}, r"COLLECTOR_URL must begin with https://"),
        ({"URL": "logs.example.com"}, r"COLLECTOR_URL must look like https://"),
        ({"URL": "https://desk:s3cret@logs.example.com"}, r"COLLECTOR_URL must have neither a user nor # in it"),
        ({"URL": "", "TOKEN": "s3cret"}, r"COLLECTOR_URL must be set as well"),
        ({"URL": "", "TOKEN": "", "CERT_FILE": "desk.pem"}, r"COLLECTOR_URL must be set as well"),
        ({"TOKEN": "s3cret\r\nX-Other: 1"}, r"COLLECTOR_TOKEN has to be printable ASCII"),
    ],
)
def test_a_collector_that_cannot_be_used_stops_the_start(
    environ: dict[str, str], settings: dict[str, str], problem: str
) -> None:
    more = {f"DASHBOARD_COLLECTOR_{name}": value for name, value in settings.items()}
    with pytest.raises(BadSettings, match=problem) as caught:
        read_config({**environ, **more})
    assert "s3cret" not in str(caught.value)


def test_what_is_secret_stands_in_no_text_of_the_settings(environ: dict[str, str]) -> None:
    config = read_config({**environ, "DASHBOARD_COLLECTOR_URL": "https://logs.example.com/s3cret"})
    assert config.has_collector
    assert TOKEN not in repr(config)
    assert "s3cret" not in repr(config)


def test_a_turn_outlives_an_exchange() -> None:
    assert timedelta(seconds=collector.TIMEOUT_S) < collector.CLAIM
