"""A file of passwords that have leaked, by their SHA-1: looked up where it lies, however big it is.

One hash a line in ascending order, alone or with how often it was seen: `HASH:COUNT`.
"""

import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

SETTING = "DASHBOARD_LEAKED_PASSWORDS_FILE"
_LINE = re.compile(rb"([0-9A-Fa-f]{40})(?::[0-9]+)?\r?\n?")
# More than any line has, so that a file without lines is not read as a whole.
_LONGEST_LINE = 100
_SAMPLES = 64


class UnusableList(Exception):
    """It cannot be looked up; str() says in one line which file it is and why."""


class _NotOfForm(Exception):
    pass


@dataclass(frozen=True)
class Facts:
    """What is told of a list: `size` in bytes; `written_at` is the file's own time."""

    size: int
    written_at: datetime


def has(file: Path, password: str) -> bool:
    """Whether the password has leaked. Opened anew each time, so a newer file is used at once. Raises UnusableList."""
    wanted = hashlib.sha1(password.encode(), usedforsecurity=False).hexdigest().upper().encode()
    with _opened(file) as lines:
        return _first_from(lines, wanted) == wanted


def look_over(file: Path) -> Facts:
    """Raises UnusableList for a file that evidently is no such list: not every line is read."""
    with _opened(file) as lines:
        about = os.fstat(lines.fileno())
        _check_samples(lines, about.st_size)
    return Facts(about.st_size, datetime.fromtimestamp(about.st_mtime, UTC))


def problem_of(file: Path | None) -> str | None:
    """Why a list cannot be used, in one line; None: it can, or there is none."""
    try:
        if file is not None:
            look_over(file)
    except UnusableList as problem:
        return f"{problem}."
    return None


@contextmanager
def _opened(file: Path) -> Iterator[BinaryIO]:
    try:
        with file.open("rb") as lines:
            yield lines
    except FileNotFoundError as problem:
        raise UnusableList(f"{SETTING}: there is no file {file}") from problem
    except OSError as problem:
        raise UnusableList(f"{SETTING}: {file} cannot be read: {problem.strerror}") from problem
    except _NotOfForm as problem:
        raise UnusableList(f"{SETTING}: {file} {problem}") from problem


def _first_from(lines: BinaryIO, wanted: bytes) -> bytes | None:
    """The first hash that is not below the wanted one; by halves, over the bytes."""
    low, high = 0, lines.seek(0, os.SEEK_END)
    while low < high:
        middle = (low + high) // 2
        found = _hash_after(lines, middle)
        if found is None or found >= wanted:
            high = middle
        else:
            low = middle + 1
    return _hash_after(lines, low)


def _hash_after(lines: BinaryIO, offset: int) -> bytes | None:
    """The hash of the first line that begins at this byte or later."""
    lines.seek(max(0, offset - 1))
    if offset:
        _next_line(lines)
    line = _next_line(lines)
    return _hash_in(line) if line else None


def _next_line(lines: BinaryIO) -> bytes:
    line = lines.readline(_LONGEST_LINE)
    if len(line) == _LONGEST_LINE:
        raise _NotOfForm("has lines that are longer than a hash and a number")
    return line


def _hash_in(line: bytes) -> bytes:
    found = _LINE.fullmatch(line)
    if found is None:
        raise _NotOfForm("has lines that are no SHA-1 in 40 hex digits, alone or with a colon and a number")
    return found[1].upper()


def _check_samples(lines: BinaryIO, size: int) -> None:
    if not size:
        raise _NotOfForm("is empty")
    hashes = [_hash_after(lines, size * number // _SAMPLES) for number in range(_SAMPLES)]
    there = [one for one in [*hashes, _last_hash(lines, size)] if one is not None]
    if there != sorted(there):
        raise _NotOfForm("is not in the order of its hashes: take the list that is sorted by hash")


def _last_hash(lines: BinaryIO, size: int) -> bytes:
    lines.seek(max(0, size - _LONGEST_LINE))
    return _hash_in(lines.read().removesuffix(b"\n").rpartition(b"\n")[2])
