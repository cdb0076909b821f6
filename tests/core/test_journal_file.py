"""A file of the journal proves itself, without the database; whatever is done to it shows."""

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from dashboard import audit, journal_file
from dashboard.audit import Filters
from dashboard.desk import Desk, journal_key
from dashboard.journal import GENESIS
from tests.bench.command_line import run
from tests.bench.databases import on_sqlite
from tests.conftest import JOURNAL_KEY

ENTRIES = 5


@pytest.fixture
def written(desk: Desk) -> Desk:
    """A desk with five entries in its journal."""
    for number in range(1, ENTRIES + 1):
        with desk.write() as tx:
            tx.record(f"person{number % 2}@desk.test", "refund:requested", f"refund:{number}", comment="Жанна, \ud800")
    return desk


def file_of(desk: Desk, filters: Filters = Filters()) -> list[bytes]:  # noqa: B008 (nothing changes it)
    export = audit.begin_export(desk, "anna@desk.test", "proof", filters)
    entries = audit.entries_of(desk, export)
    about: dict[str, object] = {"filters": audit.as_texts(filters)}
    return list(journal_file.lines(journal_key(desk.config), about, entries, export.head))


def verdict(
    lines: list[bytes], key: str = JOURNAL_KEY, expect: tuple[int, str] | None = None
) -> journal_file.FileVerdict:
    return journal_file.verify(lines, key, expect)


def problem(lines: list[bytes], key: str = JOURNAL_KEY) -> str:
    return verdict(lines, key).problem or ""


# Making one


def test_who_takes_it_is_on_record_and_not_in_the_file(written: Desk) -> None:
    lines = file_of(written)
    assert [json.loads(line)["seq"] for line in lines[1:-1]] == [1, 2, 3, 4, 5]
    with written.read() as session:
        [entry] = audit.page(session, Filters(action="export:made"), written.config.timezone).entries
    assert (entry.seq, entry.actor, entry.subject) == (6, "anna@desk.test", "journal")
    assert json.loads(entry.data) == {"filters": {}, "kind": "proof", "rows": 5, "up_to": 5}


def test_the_filters_and_the_number_of_entries_are_on_record(written: Desk) -> None:
    file_of(written, Filters(actor="person1@desk.test", date_to=date(2026, 3, 31)))
    with written.read() as session:
        [entry] = audit.page(session, Filters(action="export:made"), written.config.timezone).entries
    filters = {"actor": "person1@desk.test", "to": "2026-03-31"}
    assert json.loads(entry.data) == {"filters": filters, "kind": "proof", "rows": 3, "up_to": 5}


def test_a_long_one_is_read_in_pieces(written: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dashboard.journal.BATCH", 2)
    assert verdict(file_of(written)).entries == 5
    assert verdict(file_of(written, Filters(action="refund:requested"))).entries == 5


def test_what_is_written_while_it_is_read_is_not_in_it(written: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dashboard.journal.BATCH", 2)
    export = audit.begin_export(written, "anna@desk.test", "proof", Filters())
    seqs = []
    for entry in audit.entries_of(written, export):
        seqs.append(entry.seq)
        with written.write() as tx:
            tx.record("bank", "refund:accepted", "refund:1")
    assert seqs == [1, 2, 3, 4, 5]


# Checking it


@on_sqlite
def test_a_whole_one_says_so(written: Desk) -> None:
    found = verdict(file_of(written))
    assert (found.problem, found.is_whole, found.entries, found.gaps) == (None, True, 5, 0)
    assert found.head.startswith("5:")


@on_sqlite
def test_a_part_says_that_it_is_one(written: Desk) -> None:
    found = verdict(file_of(written, Filters(actor="person1@desk.test")))
    assert (found.problem, found.is_whole, found.entries, found.gaps) == (None, False, 3, 2)
    assert (found.first, found.last) == (1, 5)


@on_sqlite
@pytest.mark.parametrize("name", journal_file.FIELDS)
@pytest.mark.parametrize("filters", [Filters(), Filters(actor="person1@desk.test")], ids=["whole", "part"])
def test_any_edit_shows(written: Desk, name: str, filters: Filters) -> None:
    lines = file_of(written, filters)
    values = json.loads(lines[2])
    values[name] = values[name] + 1 if name == "seq" else f"{values[name]}0"
    lines[2] = journal_file._line(values)
    assert "was changed, or the journal key is not the one it was written with" in problem(lines)


@on_sqlite
@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda lines: [*lines[:3], *lines[4:]], "was changed"),
        (lambda lines: [lines[0], *lines[2:]], "was changed after the desk had made it"),
        (lambda lines: lines[:-1], "its end is missing"),
        (lambda lines: lines[:-2] + lines[-1:], "was changed after the desk had made it"),
        (lambda lines: [*lines, lines[1]], "something stands after its end"),
        (lambda lines: [*lines[:2], lines[1], *lines[2:]], "entry 1 stands after 1"),
        (lambda lines: [*lines[:-1], lines[-1][:40]], "cut off or unreadable"),
        (lambda lines: [lines[0].replace(b"{}", b'{"x":"y"}'), *lines[1:]], "was changed after the desk had made it"),
        (lambda lines: lines[1:], "line 6: this is no entry of a journal"),
        (lambda lines: lines[-1:], "no file that the desk has made"),
        (lambda lines: [b"\xff\n"], "cut off or unreadable"),
        (lambda lines: [b"[1]\n"], "cut off or unreadable"),
        (lambda lines: [lines[0], b'{"seq":1}\n'], "no entry of a journal"),
        (lambda lines: [lines[0], lines[1].replace(b'"seq":1', b'"seq":true')], "no entry of a journal"),
        (lambda lines: [lines[0], lines[1].replace(b'"bank"', b"1").replace(b'"at":', b'"at":1,"a":')], "no entry"),
        (lambda lines: [lines[0], b'{"seal":"\\ud800"}\n'], "was changed after"),
        (lambda lines: [], "its end is missing"),
    ],
)
def test_whatever_is_done_to_it_shows(written: Desk, spoil: Callable[[list[bytes]], list[bytes]], said: str) -> None:
    assert said in problem(spoil(file_of(written)))


@on_sqlite
def test_an_entry_left_out_of_a_part_shows_by_the_seal(written: Desk) -> None:
    lines = file_of(written, Filters(actor="person1@desk.test"))
    assert "was changed after the desk had made it" in problem([*lines[:2], *lines[3:]])


@on_sqlite
def test_another_key_proves_nothing(written: Desk) -> None:
    assert "the journal key is not the one" in problem(file_of(written), "another key")


@on_sqlite
def test_a_journal_that_was_cut_before_shows(written: Desk) -> None:
    key, about = journal_key(written.config), {"filters": {}}
    export = audit.begin_export(written, "anna@desk.test", "proof", Filters())
    cut = list(audit.entries_of(written, export))[:-1]
    assert "entries were missing when it was made" in problem(list(journal_file.lines(key, about, cut, export.head)))


@on_sqlite
def test_a_head_noted_down_earlier_must_be_in_it(written: Desk) -> None:
    lines = file_of(written)
    third = json.loads(lines[3])
    assert verdict(lines, expect=(3, third["hash"])).problem is None
    assert verdict(lines, expect=(0, GENESIS)).problem is None
    assert "the expected head is not in it" in (verdict(lines, expect=(4, third["hash"])).problem or "")
    part = file_of(written, Filters(actor="person0@desk.test"))
    head = json.loads(part[-1])["head"].split(":")
    assert verdict(part, expect=(int(head[0]), head[1])).problem is None


# The command


@pytest.fixture
def kept(written: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A whole file on another machine, which has the key and nothing else."""
    file = tmp_path / "journal.jsonl"
    file.write_bytes(b"".join(file_of(written)))
    for name in ("DASHBOARD_DATABASE_URL", "DASHBOARD_SECRET_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DASHBOARD_JOURNAL_KEY", JOURNAL_KEY)
    return file


@on_sqlite
def test_the_command_needs_the_key_and_the_file(kept: Path) -> None:
    result = run("journal", "verify", "--file", str(kept))
    head = json.loads(kept.read_bytes().splitlines()[-1])["head"]
    assert (result.exit_code, result.output) == (
        0,
        f"The file is whole: every entry that there was, 5, head {head}\n",
    )
    assert run("journal", "verify", "--file", str(kept), "--expect", head).exit_code == 0
    refused = run("journal", "verify", "--file", str(kept), "--expect", f"4:{head[2:]}")
    assert (refused.exit_code, "the expected head is not in it" in refused.output) == (1, True)


@on_sqlite
def test_the_command_says_what_a_part_does_not_prove(written: Desk, kept: Path) -> None:
    kept.write_bytes(b"".join(file_of(written, Filters(actor="person1@desk.test"))))
    result = run("journal", "verify", "--file", str(kept))
    assert result.exit_code == 0
    assert "It has some of the entries from 1 to 5, each as it was written." in result.output
    assert "Places where others are left out, whose words are not shown by this file: 2" in result.output


@on_sqlite
def test_the_command_takes_a_key_derived_from_the_secret(
    written: Desk, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DASHBOARD_JOURNAL_KEY")
    assert "DASHBOARD_SECRET_KEY is missing" in run("journal", "verify", "--file", str(kept)).output
    monkeypatch.setenv("DASHBOARD_SECRET_KEY", "a secret key for tests: 0123456789 abcdefghij")
    result = run("journal", "verify", "--file", str(kept))
    assert (result.exit_code, "the journal key is not the one" in result.output) == (1, True)
