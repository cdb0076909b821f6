"""The checklist of OWASP's Application Security Verification Standard 5.0 (CC BY-SA 4.0), levels 1 and 2: `asvs.csv`.

It names each requirement by its id alone and says which test shows it, why it does not apply, or that it is open.
The chapter on WebRTC is left out: nothing here has to do with it.
"""

import ast
import csv
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent
CHECKLIST = ROOT / "tests" / "asvs.csv"
# Chapter and section, with the numbers of its requirements of levels 1 and 2.
REQUIREMENTS = """
    1.1:1-2 1.2:1-9 1.3:1-11 1.4:1-3 1.5:1-2 2.1:1-3 2.2:1-3 2.3:1-4 2.4:1 3.2:1-2 3.3:1-4 3.4:1-6 3.5:1-5 3.7:1-2
    4.1:1-3 4.2:1 4.3:1-2 4.4:1-4 5.1:1 5.2:1-3 5.3:1-2 5.4:1-3 6.1:1-3 6.2:1-12 6.3:1-4 6.4:1-4 6.5:1-5 6.6:1-3
    6.8:1-4 7.1:1-3 7.2:1-4 7.3:1-2 7.4:1-5 7.5:1-2 7.6:1-2 8.1:1-2 8.2:1-3 8.3:1 8.4:1 9.1:1-3 9.2:1-4 10.1:1-2
    10.2:1-2 10.3:1-4 10.4:1-11 10.5:1-5 10.6:1-2 10.7:1-3 11.1:1-2 11.2:1-3 11.3:1-3 11.4:1-4 11.5:1 11.6:1 12.1:1-3
    12.2:1-2 12.3:1-4 13.1:1 13.2:1-5 13.3:1-2 13.4:1-5 14.1:1-2 14.2:1-4 14.3:1-3 15.1:1-3 15.2:1-3 15.3:1-7 16.1:1
    16.2:1-5 16.3:1-4 16.4:1-3 16.5:1-3
"""
SHOWN, NOT_APPLICABLE, OPEN = "test", "not applicable", "open"


def expected_ids() -> Iterator[str]:
    for section in REQUIREMENTS.split():
        name, _, numbers = section.partition(":")
        first, _, last = numbers.partition("-")
        yield from (f"V{name}.{number}" for number in range(int(first), int(last or first) + 1))


def lines() -> list[tuple[str, str, str]]:
    """Id, verdict, and the tests' node ids or the reason."""
    with CHECKLIST.open(encoding="utf-8", newline="") as file:
        head, *rows = [(row[0], row[1], row[2]) for row in csv.reader(file, strict=True)]
    assert head == ("id", "verdict", "shown by, or why")
    return rows


@cache
def names_in(file: Path) -> frozenset[str]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef))


def test_it_has_every_requirement_once_in_order_and_no_other() -> None:
    ids = [line[0] for line in lines()]
    assert [one for one, count in Counter(ids).items() if count > 1] == []
    assert ids == list(expected_ids())
    assert len(ids) == 246


def test_every_test_that_it_names_exists() -> None:
    for requirement, verdict, shown_by in lines():
        for node in shown_by.split() if verdict == SHOWN else ():
            file, _, name = node.partition("::")
            assert file.startswith("tests/"), requirement
            assert name.startswith("test_"), requirement
            assert name in names_in(ROOT / file), f"{requirement}: {node}"


def test_every_line_has_a_verdict_and_what_bears_it_out() -> None:
    for requirement, verdict, reason in lines():
        assert verdict in {SHOWN, NOT_APPLICABLE, OPEN}, requirement
        assert reason.strip(), requirement
        assert verdict == SHOWN or " " in reason, requirement
