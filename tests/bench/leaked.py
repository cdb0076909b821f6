"""Lists of passwords that have leaked, made up."""

import hashlib
from collections.abc import Iterable
from pathlib import Path


def hash_of(password: str) -> str:
    return hashlib.sha1(password.encode(), usedforsecurity=False).hexdigest().upper()


def write_list(file: Path, passwords: Iterable[str], *, counts: bool = True, end: str = "\n") -> Path:
    """As the well-known download has it: sorted by hash, with how often each was seen."""
    hashes = sorted(map(hash_of, passwords))
    lines = [f"{one}:{10 ** (number % 8)}" if counts else one for number, one in enumerate(hashes)]
    file.write_bytes("".join(f"{line}{end}" for line in lines).encode())
    return file
