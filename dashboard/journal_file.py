"""Entries of the journal as a file that proves itself: written by the desk, checked anywhere with the journal's key.

Each line is JSON: first what the file is, then the entries with all that their hashes are made of, last the head of
the journal at that moment and a seal over all lines before. Without entries left out the chain itself is the proof;
where some are left out, each entry's own hash is, and the seal that the file is as the desk wrote it.
The entries alone, as a collector is sent them, are checked by the chain: some may be there more than once.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain

from dashboard.journal import GENESIS, canonical, is_as_written, is_same, keyed_hash
from dashboard.models import JournalEntry

FORMAT = "refund-desk-journal/1"
FIELDS = ("seq", "at", "actor", "action", "subject", "data", "prev_hash", "hash")
_NOT_OURS = "this is no file that the desk has made"
_PUT_BACK = "the database was put back from a backup in between, or somebody has the journal's key"
_HASH_BYTES = 32


def lines(
    key: str, about: dict[str, object], entries: Iterable[JournalEntry], head: tuple[int, str]
) -> Iterator[bytes]:
    """The file's lines. `about`: JSON, who asked for what. `head`: the last entry there was, (seq, hash)."""
    digest, count = hashlib.sha256(), -1
    for line in _body(about, entries):
        digest.update(line)
        count += 1
        yield line
    end = {"entries": count, "head": f"{head[0]}:{head[1]}"}
    yield _line({**end, "seal": _seal(key, digest.hexdigest(), end)})


def _body(about: dict[str, object], entries: Iterable[JournalEntry]) -> Iterator[bytes]:
    yield _line({"format": FORMAT, **about})
    for entry in entries:
        yield entry_line(entry)


def entry_line(entry: JournalEntry) -> bytes:
    """An entry with all that its hash is made of."""
    return _line({name: getattr(entry, name) for name in FIELDS})


def _line(value: object) -> bytes:
    return f"{canonical(value)}\n".encode("ascii")


def _seal(key: str, digest: str, end: dict[str, object]) -> str:
    return keyed_hash(key, canonical(["file", digest, end]))


@dataclass
class FileVerdict:
    """What a file holds: how many entries, the first and the last of them, between how many of them some are left out,
    the journal's head when it was made, and the first thing that is wrong (None: nothing).

    `is_collected`: these are the entries as a collector has them, `repeats` of them more than once; `head` is the last.
    """

    entries: int = 0
    first: int = 0
    last: int = 0
    gaps: int = 0
    head: str = ""
    problem: str | None = None
    is_collected: bool = False
    repeats: int = 0

    @property
    def is_whole(self) -> bool:
        """Whether it has every entry that there was."""
        return self.problem is None and not self.is_collected and self.entries == _head(self.head)[0]


class _Broken(Exception):
    """str() says what is wrong, in words."""


@dataclass
class _Reader:
    """The walk through a file, line by line."""

    key: str
    expect: tuple[int, str] | None
    verdict: FileVerdict = field(default_factory=FileVerdict)
    digest: "hashlib._Hash" = field(default_factory=hashlib.sha256)
    last_hash: str = GENESIS
    has_all: bool = False
    is_met: bool = False
    is_over: bool = False

    def read(self, number: int, line: bytes) -> None:
        if self.is_over:
            raise _Broken("something stands after its end")
        values = _values(line)
        if number == 1:
            if values.get("format") != FORMAT:
                raise _Broken(_NOT_OURS)
            self.has_all = not values.get("filters")
        elif "seal" in values:
            self._end(values)
            return
        else:
            self._take(_entry(values))
        self.digest.update(line)

    def _take(self, entry: JournalEntry) -> None:
        found = self.verdict
        if entry.seq <= found.last:
            raise _Broken(f"entry {entry.seq} stands after {found.last}")
        follows = entry.seq == found.last + 1
        if not is_as_written(entry, self.key) or (follows and entry.prev_hash != self.last_hash):
            raise _Broken(f"entry {entry.seq} was changed, or the journal key is not the one it was written with")
        found.gaps += bool(found.entries) and not follows
        found.first = found.first or entry.seq
        found.entries, found.last, self.last_hash = found.entries + 1, entry.seq, entry.hash
        self.is_met = self.is_met or self.expect == (entry.seq, entry.hash)

    def _end(self, values: dict[str, object]) -> None:
        self.is_over = True
        seal, found = str(values.pop("seal")), self.verdict
        if not is_same(seal, _seal(self.key, self.digest.hexdigest(), values)):
            raise _Broken("it was changed after the desk had made it, or the journal key is another one")
        found.head = str(values["head"])
        if found.entries != values["entries"]:
            raise _Broken(f"it has {found.entries} entries, and {values['entries']} were written")
        if self.has_all and (found.entries, self.last_hash) != _head(found.head):
            raise _Broken("it was to have the whole journal, and entries were missing when it was made")
        if self.expect is not None and found.head == f"{self.expect[0]}:{self.expect[1]}":
            self.is_met = True

    def close(self) -> None:
        if not self.is_over:
            raise _Broken("its end is missing: it was cut off, or was not received to its end")
        if self.expect not in (None, (0, GENESIS)) and not self.is_met:
            raise _Broken("the expected head is not in it")


@dataclass
class _CollectedReader:
    """The walk through entries as a collector has them: in order, none left out, some again; with what it adds."""

    key: str
    expect: tuple[int, str] | None
    verdict: FileVerdict = field(default_factory=lambda: FileVerdict(is_collected=True))
    last_hash: str = GENESIS
    hashes: bytearray = field(default_factory=bytearray)
    is_met: bool = False

    def read(self, _number: int, line: bytes) -> None:
        # Log systems end lines in their own way.
        values = _values(line.rstrip(b"\r\n") + b"\n")
        entry = _entry({name: values[name] for name in FIELDS if name in values})
        if not is_as_written(entry, self.key):
            raise _Broken(f"entry {entry.seq} was changed, or the journal key is not the one it was written with")
        if not self.verdict.entries:
            self.verdict.first, self.verdict.last = entry.seq, entry.seq - 1
            self.last_hash = GENESIS if entry.seq == 1 else entry.prev_hash
        if entry.seq <= self.verdict.last:
            self._take_again(entry)
        else:
            self._take(entry)

    def _take(self, entry: JournalEntry) -> None:
        found = self.verdict
        if entry.seq != found.last + 1:
            raise _Broken(f"entries {found.last + 1} to {entry.seq - 1} are missing")
        if entry.prev_hash != self.last_hash:
            raise _Broken(f"entry {entry.seq} was written after another entry {found.last}: {_PUT_BACK}")
        found.entries, found.last, self.last_hash = found.entries + 1, entry.seq, entry.hash
        found.head = f"{entry.seq}:{entry.hash}"
        self.hashes += bytes.fromhex(entry.hash)
        self.is_met = self.is_met or self.expect == (entry.seq, entry.hash)

    def _take_again(self, entry: JournalEntry) -> None:
        place = (entry.seq - self.verdict.first) * _HASH_BYTES
        if place < 0:
            raise _Broken(f"entry {entry.seq} stands after {self.verdict.last}")
        if self.hashes[place : place + _HASH_BYTES] != bytes.fromhex(entry.hash):
            raise _Broken(f"entry {entry.seq} is another one than the one of that number before: {_PUT_BACK}")
        self.verdict.repeats += 1

    def close(self) -> None:
        if self.expect not in (None, (0, GENESIS)) and not self.is_met:
            raise _Broken("the expected head is not in it")


def _is_collected(first: bytes) -> bool:
    try:
        return set(FIELDS) <= set(_values(first.rstrip(b"\r\n") + b"\n"))
    except _Broken:
        return False


def verify(file: Iterable[bytes], key: str, expect: tuple[int, str] | None = None) -> FileVerdict:
    """Check a file line by line. `expect`: a head noted down earlier, which must be in it or be its head."""
    lines = iter(file)
    beginning = [line for line in [next(lines, b"")] if line]
    kind = _CollectedReader if beginning and _is_collected(beginning[0]) else _Reader
    reader = kind(key, expect)
    number = 0
    try:
        for number, line in enumerate(chain(beginning, lines), 1):
            reader.read(number, line)
        reader.close()
    except _Broken as problem:
        reader.verdict.problem = f"line {number}: {problem}" if number > 1 else str(problem)
    return reader.verdict


def _head(text: str) -> tuple[int, str]:
    seq, _, last_hash = text.partition(":")
    return int(seq), last_hash


def _values(line: bytes) -> dict[str, object]:
    try:
        values = json.loads(line)
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, dict) or not line.endswith(b"\n"):
        raise _Broken("it is cut off or unreadable here")
    return values


def _entry(values: dict[str, object]) -> JournalEntry:
    if set(values) != set(FIELDS) or type(values["seq"]) is not int:
        raise _Broken("this is no entry of a journal")
    if not all(isinstance(values[name], str) for name in FIELDS if name != "seq"):
        raise _Broken("this is no entry of a journal")
    return JournalEntry(**values)
