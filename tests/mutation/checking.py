"""Applying mutants to a copy of the tree, one at a time, and running the tests that have to notice."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import cache_from_source
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.mutation.mutant import ROOT, SQLITE, Mutant

MOST_S = 120.0
# A mutant that stumbles over itself has shown nothing.
STUMBLES = frozenset(
    {
        "NameError",
        "UnboundLocalError",
        "ImportError",
        "ModuleNotFoundError",
        "SyntaxError",
        "AttributeError",
        "TypeError",
    }
)


@dataclass(frozen=True)
class Finding:
    """What became of a mutant: the test that noticed and the error it ended in, or why it does not count as killed."""

    mutant: Mutant
    killed_by: str | None
    error: str | None
    problem: str | None
    duration_s: float


class Copy:
    """A copy of the tree, in which one thing at a time is changed and put back."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @contextmanager
    def mutated(self, mutant: Mutant) -> Iterator[None]:
        files = {edit.path: (self.root / edit.path).read_text(encoding="utf-8") for edit in mutant.edits}
        try:
            for edit in mutant.edits:
                self._write(edit.path, (self.root / edit.path).read_text(encoding="utf-8").replace(edit.old, edit.new))
            yield
        finally:
            for path, text in files.items():
                self._write(path, text)

    def _write(self, path: str, text: str) -> None:
        file = self.root / path
        file.write_text(text, encoding="utf-8")
        # Python takes a compiled file for current by the second and the length: an edit may change neither.
        Path(cache_from_source(file)).unlink(missing_ok=True)

    def run(self, tests: Iterable[str], database: str, *, may_compile: bool, most_s: float = MOST_S) -> dict[str, Any]:
        """Run these tests until one fails; what the watched run wrote down, `code` None if it had to be ended."""
        result = self.root / "result.json"
        result.unlink(missing_ok=True)
        which = "not postgresql" if database == SQLITE else "postgresql"
        nodes = [f"tests/{test}" for test in dict.fromkeys(tests)]
        options = ["-x", "-q", "-p", "no:cacheprovider", "--tb=no", "--all-databases", "-k", which]
        environ = {**os.environ, "PYTHONPATH": str(self.root), "PYTHONDONTWRITEBYTECODE": "" if may_compile else "1"}
        command = [sys.executable, "-m", "tests.mutation.watched", str(result), *options, *nodes]
        process = subprocess.Popen(
            command,
            cwd=self.root,
            env=environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            said, _ = process.communicate(timeout=most_s)
        except subprocess.TimeoutExpired:
            _end(process)
            return {"code": None, "failures": []}
        except BaseException:
            _end(process)
            raise
        if not result.exists():
            return {"code": process.returncode, "failures": [], "said": said}
        found: dict[str, Any] = json.loads(result.read_text(encoding="utf-8"))
        return {**found, "said": said}


def _end(process: "subprocess.Popen[str]") -> None:
    """Gently first: the tests' own servers have to be stopped."""
    process.send_signal(signal.SIGINT)
    try:
        process.communicate(timeout=20)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


@contextmanager
def copied_tree() -> Iterator[Copy]:
    """A copy of the files that git knows of or could know of, as they are in the working tree."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    with TemporaryDirectory(prefix="mutation-") as folder:
        root = Path(folder).resolve()
        for name in filter(None, listed.stdout.decode().split("\0")):
            if not os.path.lexists(ROOT / name):
                continue
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, root / name, follow_symlinks=False)
        yield Copy(root)


def all_green(copy: Copy, mutants: Iterable[Mutant]) -> str | None:
    """Run every test that is named, with nothing changed; what is wrong, if anything is."""
    by_database: dict[str, list[str]] = {}
    for mutant in mutants:
        by_database.setdefault(mutant.database, []).extend(mutant.tests)
    for database, tests in by_database.items():
        found = copy.run(tests, database, may_compile=True, most_s=1800)
        if found["code"] != 0 or not _is_of(copy, found):
            return f"with nothing changed the tests on {database} are not green:\n{found.get('said')}"
    return None


def check(copy: Copy, mutant: Mutant) -> Finding:
    """Let a mutant live, and see who notices."""
    begun_s = time.monotonic()
    with copy.mutated(mutant):
        found = copy.run(mutant.tests, mutant.database, may_compile=False)
    problem = problem_with(copy, found)
    first = {"test": None, "error": None} if problem else found["failures"][0]
    return Finding(mutant, first["test"], first["error"], problem, time.monotonic() - begun_s)


def problem_with(copy: Copy, found: dict[str, Any]) -> str | None:
    """Why a run is no proof that a test noticed: it was none, or none of our checks failed in it."""
    if found["code"] is None:
        return f"no end within {MOST_S:g} s"
    if found["code"] == 0:
        return "it lives: all tests pass"
    if found["code"] != 1 or not found["failures"]:
        return f"pytest ended with {found['code']}: {_last_line(found)}"
    if not _is_of(copy, found):
        return f"the tests ran on another tree: {found['code_of']}"
    first = found["failures"][0]
    if first["when"] == "setup":
        return f"it fails before any check: {first['error']}: {first['said']}"
    return f"it stumbles over itself: {first['error']}: {first['said']}" if first["error"] in STUMBLES else None


def _is_of(copy: Copy, found: dict[str, Any]) -> bool:
    return Path(found["code_of"] or "/").is_relative_to(copy.root)


def _last_line(found: dict[str, Any]) -> str:
    return (found.get("said") or "").strip().rpartition("\n")[2]
