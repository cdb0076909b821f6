"""The list of mutants stays honest: what it changes is there, and so are the tests that have to notice."""

from collections import Counter

import pytest

from tests.mutation.mutant import ROOT, Mutant
from tests.mutation.mutants import MUTANTS


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.guard)
def test_what_it_changes_is_there_once_and_so_are_its_tests(mutant: Mutant) -> None:
    assert [problem for edit in mutant.edits if (problem := edit.problem())] == []
    assert all(edit.old != edit.new for edit in mutant.edits)
    assert mutant.tests
    for test in mutant.tests:
        file, _, name = test.partition("::")
        assert f"def {name.partition('[')[0]}(" in (ROOT / "tests" / file).read_text(encoding="utf-8"), test


def test_no_name_is_there_twice() -> None:
    names = Counter(mutant.guard for mutant in MUTANTS)
    assert [name for name, count in names.items() if count > 1] == []
    assert max(map(len, names)) <= 58
