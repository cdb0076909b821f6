"""Take out one guard after another and see a test fail for each: `python -m tests.mutation [--only NAME] [--list]`."""

import argparse
import sys
import time

from tests.mutation.checking import Finding, all_green, check, copied_tree
from tests.mutation.mutant import Mutant
from tests.mutation.mutants import MUTANTS

# What an assertion, and a `pytest.raises` in vain, end in.
OWN_CHECKS = frozenset({"AssertionError", "Failed"})


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("--only", metavar="NAME", action="append", help="guards whose name has this in it")
    parser.add_argument("--list", action="store_true", help="say which guards there are, and run nothing")
    asked = parser.parse_args()
    mutants = [mutant for mutant in MUTANTS if not asked.only or any(name in mutant.guard for name in asked.only)]
    if asked.list:
        for mutant in mutants:
            print(f"{mutant.guard}: {mutant.otherwise}")
        return 0
    problems = [problem for mutant in mutants for edit in mutant.edits if (problem := edit.problem())]
    if problems or not mutants:
        print(*problems or ["no guard has that in its name"], sep="\n")
        return 2
    return run(mutants)


def run(mutants: list[Mutant]) -> int:
    begun_s = time.monotonic()
    with copied_tree() as copy:
        problem = all_green(copy, mutants)
        if problem:
            print(problem)
            return 2
        print(f"With nothing changed all named tests are green ({time.monotonic() - begun_s:.0f} s).", flush=True)
        print(f"{'guard':<58} seconds  killed by", flush=True)
        findings = []
        for mutant in mutants:
            findings.append(check(copy, mutant))
            print(line_of(findings[-1]), flush=True)
    killed = sum(finding.killed_by is not None for finding in findings)
    print(f"{killed} of {len(findings)} killed ({time.monotonic() - begun_s:.0f} s).")
    return 0 if killed == len(findings) else 1


def line_of(finding: Finding) -> str:
    """guard / seconds / killed by which test, and in which error where it was not an assertion of the test's own"""
    by = f"NOT KILLED, {finding.problem}"
    if finding.killed_by:
        error = "" if finding.error in OWN_CHECKS else f" ({finding.error})"
        by = finding.killed_by.removeprefix("tests/") + error
    return f"{finding.mutant.guard:<58} {finding.duration_s:7.1f}  {by}"


if __name__ == "__main__":
    sys.exit(main())
