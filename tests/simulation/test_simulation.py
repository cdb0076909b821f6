"""Whatever fails, crashes, lies or comes late: no refund twice, none lost, nothing shown as what it is not."""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from dashboard import limit_rules
from tests.simulation.__main__ import aimed
from tests.simulation.kept_seeds import KEPT_SEEDS
from tests.simulation.naive import NaiveClient
from tests.simulation.plan import CELLS, cell_of
from tests.simulation.runs import Simulator, Tally, all_cells, simulator, violation_of

SEEDS = 512
SHARES = 32
# A stride that has no divisor in common with the number of cells: the seeds of the suite lie all over the table.
STRIDE = 1237
# Seeds in which a bank that keeps to nothing pays twice.
BEYOND_SEEDS = (526, 640, 1845, 2086)
NAIVE_SEEDS = range(1848, 1854)
# Seeds with limits.
LIMITED_SEEDS = (4, 6, 11, 13, 18, 20, 25, 27, 32, 34)


@pytest.fixture(scope="module")
def simulate() -> Iterator[Simulator]:
    with simulator() as simulate:
        yield simulate


@pytest.mark.parametrize("share", range(SHARES))
def test_money_is_safe_whatever_fails(simulate: Simulator, share: int) -> None:
    seeds = [STRIDE * number for number in range(share, SEEDS, SHARES)]
    tally = simulate.run(seeds)
    assert tally.violations == []
    assert tally.seeds == SEEDS // SHARES
    assert sum(tally.faults.values()) > tally.seeds


@pytest.mark.parametrize("seed", KEPT_SEEDS, ids=str)
def test_what_was_found_once_stays_mended(simulate: Simulator, seed: int) -> None:
    assert simulate.run([seed]).violations == []


def test_the_seeds_in_a_row_aim_at_every_cell() -> None:
    assert {cell_of(seed) for seed in range(CELLS)} == set(all_cells())


def test_what_is_still_empty_is_aimed_at_with_new_seeds() -> None:
    cells = [cell_of(seed) for seed in (3, 131, 4000)]
    for number in range(2):
        seeds = [seed for batch in aimed(cells, 5000, number) for seed in batch]
        assert [cell_of(seed) for seed in seeds] == cells
        assert min(seeds) >= 5000 + number * CELLS


def test_in_some_runs_it_takes_a_second_person(simulate: Simulator) -> None:
    tally = simulate.run(LIMITED_SEEDS)
    assert tally.violations == []
    assert tally.approvals["runs with limits"] == len(LIMITED_SEEDS)
    for what in ("waited", "approved", "rejected", "against the rules: refused, same_person"):
        assert tally.approvals[what] > 0, what


def test_a_limit_that_is_not_kept_is_noticed(simulate: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limit_rules, "verdict", lambda *_: limit_rules.AT_ONCE)
    violations = [violation for _, violation in simulate.run(LIMITED_SEEDS[:2]).violations]
    assert "is of 46800, the most is 45000" in violations[0]
    assert "of 7566 is queued" in violations[1]


def test_a_client_that_retries_with_a_fresh_key_pays_twice(simulate: Simulator) -> None:
    """The simulation can see: what the desk must never do fails at once, by the bank's ledger alone."""
    tally = simulate.run(NAIVE_SEEDS, client=NaiveClient)
    assert any("exist twice at the bank" in violation for _, violation in tally.violations)


def test_beyond_what_can_be_promised_every_duplicate_is_noticed(simulate: Simulator) -> None:
    """A bank that forgets keys and carries a request out after the quiet period can pay twice; people are told."""
    tally = simulate.run(BEYOND_SEEDS, beyond=True)
    assert tally.violations == []
    assert sorted(tally.duplicated_in) == list(BEYOND_SEEDS)


@pytest.mark.parametrize("seed", [1000 + STRIDE])
def test_a_seed_lives_the_same_life_in_every_process(seed: int) -> None:
    stories = {story_of(seed, hash_seed) for hash_seed in ("1", "2")}
    assert len(stories) == 1
    assert "nothing is wrong" in stories.pop()


def story_of(seed: int, hash_seed: str) -> str:
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PYTHONHASHSEED": hash_seed}
    command = [sys.executable, "-m", "tests.simulation", "--seed", str(seed)]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=True, timeout=60)
    return done.stdout


def test_tallies_add_up_and_survive_a_file(simulate: Simulator) -> None:
    whole = Tally()
    for seed in (400, 401):
        whole.add(Tally.from_json(simulate.run([seed]).as_json()))
    together = simulate.run([400, 401])
    assert (whole.seeds, whole.faults, whole.cells) == (together.seeds, together.faults, together.cells)


@pytest.mark.parametrize(
    ("by_hand", "violation"),
    [
        ("UPDATE refunds SET state = 'in_progress' WHERE state IN ('accepted', 'declined')", "the journal says"),
        ("UPDATE payment_sessions SET committed_minor = committed_minor - 1", "says"),
        ("DELETE FROM attempts", "the attempts are not what the journal says"),
    ],
)
def test_the_last_judgement_sees_what_was_done_by_hand(simulate: Simulator, by_hand: str, violation: str) -> None:
    with simulate.world(401) as world:
        assert violation_of(world) is None
        world.invariants.books._connection.execute(by_hand)
        with pytest.raises(AssertionError, match=violation):
            world.invariants.check()
