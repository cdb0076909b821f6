"""A short storm in every run of the tests. A long one: `python -m tests.processes`."""

from pathlib import Path

import pytest

from tests.processes.installation import running_installation
from tests.processes.storm import Plan, Storm

KILLS = 6


@pytest.mark.parametrize(("database", "workers", "longest_fault_s"), [("sqlite", 1, 60), ("postgresql", 2, 5)])
def test_nothing_is_lost_and_nothing_doubled(
    database: str, workers: int, longest_fault_s: float, tmp_path: Path
) -> None:
    plan = Plan(KILLS, seed=131, operators=3, gap_s=(0.0, 0.2), longest_fault_s=longest_fault_s)
    with running_installation(tmp_path, database, workers=workers) as installation:
        outcome = Storm(installation, plan).run()

    assert outcome.violations == []
    assert outcome.kills.total() == KILLS
    assert len(outcome.kills) > 2
    assert outcome.faults.total() > 0
    assert len(outcome.told.made) >= KILLS
