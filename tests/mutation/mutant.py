"""A mutant: the product with one guard taken out, and the tests that have to notice."""

from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent

SQLITE, POSTGRESQL = "sqlite", "postgresql"


@dataclass(frozen=True)
class Edit:
    """In this file, this text, which is there exactly once, becomes another."""

    path: str
    old: str
    new: str

    def problem(self, root: Path = ROOT) -> str | None:
        """Why it cannot be made; None: it can."""
        file = root / self.path
        count = file.read_text(encoding="utf-8").count(self.old) if file.is_file() else 0
        return None if count == 1 else f"{self.path} has it {count} times, not once: {self.old!r}"


@dataclass(frozen=True)
class Mutant:
    """One guard taken out. Where one guard stands behind another, both are, in several edits.

    `guard`: its name. `otherwise`: what would go wrong without it. `tests`: node ids below `tests/`; on which
    `database` they notice.
    """

    guard: str
    otherwise: str
    edits: tuple[Edit, ...]
    tests: tuple[str, ...]
    database: str = SQLITE


def without(guard: str, otherwise: str, edit: Edit, *tests: str, database: str = SQLITE) -> Mutant:
    """The usual mutant: one place changed."""
    return Mutant(guard, otherwise, (edit,), tests, database)


def without_both(guard: str, otherwise: str, edits: tuple[Edit, ...], *tests: str, database: str = SQLITE) -> Mutant:
    """Two guards, one behind the other, or one that is written down in two places."""
    return Mutant(guard, otherwise, edits, tests, database)
