"""`python -m tests.simulation`: live through many seeds, or through one and tell what happened.

--seeds N          how many, from --first on (default 1000 from 0)
--jobs J           processes at once (default: as many as there are cores)
--resume FILE      keep what was done in FILE and go on from there
--fill             then go on with seeds that aim at cells of the table that are still empty, some rounds at most
--beyond           a bank that forgets keys and carries requests out after the quiet period: what happens then
--naive            a client that retries with a fresh key after a timeout, to see that it fails
--seed N           one seed alone, with its story
"""

import argparse
import multiprocessing
import os
import sys
import time
from collections.abc import Sequence
from multiprocessing.pool import Pool
from pathlib import Path

from dashboard.bank131.client import BankClient
from tests.simulation.naive import NaiveClient
from tests.simulation.plan import ANSWER_FAULTS, CELLS, CRASH_POINTS, WEBHOOK_FAULTS, Cell
from tests.simulation.runs import Tally, all_cells, run_share, simulator, violation_of

BATCH = 500
AIMED_BATCH = 10
MOST_ROUNDS = 60
MOST_VIOLATIONS = 20


def main() -> int:
    options = _options()
    if options.seed is not None:
        return tell(options.seed, beyond=options.beyond, client=NaiveClient if options.naive else BankClient)
    end = options.first + options.seeds
    batches = [range(first, min(first + BATCH, end)) for first in range(options.first, end, BATCH)]
    done = _done_before(options.resume)
    tally, begun_s = Tally(), time.monotonic()
    for batch in done.values():
        tally.add(batch)
    seeds_before = tally.seeds
    with multiprocessing.get_context("spawn").Pool(options.jobs) as pool:
        _run(pool, options, tally, [batch for batch in batches if _name(batch) not in done])
        for number in range(MOST_ROUNDS if options.fill else 0):
            _run(pool, options, tally, aimed(tally.empty_cells, end, number))
    print(file=sys.stderr)
    report(tally, time.monotonic() - begun_s, seeds_now=tally.seeds - seeds_before)
    return 1 if tally.violations else 0


def _run(pool: Pool, options: argparse.Namespace, tally: Tally, batches: Sequence[Sequence[int]]) -> None:
    client = NaiveClient if options.naive else BankClient
    for batch, result in pool.imap_unordered(run_share, [(batch, options.beyond, client) for batch in batches]):
        tally.add(result)
        _keep(options.resume, batch, result)
        print(f"\r{tally.seeds} seeds, {len(tally.violations)} violations", end="", file=sys.stderr)


def aimed(cells: Sequence[Cell], end: int, number: int) -> list[list[int]]:
    """Batches of one more seed for each of these cells, none of them among the seeds in a row."""
    first = (-(-end // CELLS) + number) * CELLS
    places = {cell: place for place, cell in enumerate(all_cells())}
    seeds = [first + places[cell] for cell in cells]
    return [seeds[start : start + AIMED_BATCH] for start in range(0, len(seeds), AIMED_BATCH)]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation")
    parser.add_argument("--seeds", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--resume", type=Path)
    parser.add_argument("--fill", action="store_true")
    parser.add_argument("--beyond", action="store_true")
    parser.add_argument("--naive", action="store_true")
    return parser.parse_args()


# What was done before


def _name(batch: Sequence[int]) -> str:
    return f"{batch[0]}-{batch[-1] + 1}" if isinstance(batch, range) else f"aimed-{batch[0]}"


def _done_before(file: Path | None) -> dict[str, Tally]:
    if file is None or not file.exists():
        return {}
    lines = (line.partition(" ") for line in file.read_text().splitlines())
    return {name: Tally.from_json(text) for name, _, text in lines}


def _keep(file: Path | None, batch: Sequence[int], tally: Tally) -> None:
    if file is not None:
        with file.open("a") as out:
            out.write(f"{_name(batch)} {tally.as_json()}\n")


# Telling


def tell(seed: int, *, beyond: bool, client: type[BankClient]) -> int:
    """The story of one seed, and what was violated."""
    with simulator() as simulate, simulate.world(seed, beyond=beyond, client=client, is_traced=True) as world:
        violation = violation_of(world)
        print(*world.trace or [], sep="\n")
        for row in world.invariants.books.refunds():
            print(f"{row.reference}  {row.state} {row.review}  {row.amount_minor} {row.currency}  {row.bank_id or ''}")
        print(f"seed {seed}: {violation or 'nothing is wrong'}")
    return 1 if violation else 0


def report(tally: Tally, elapsed_s: float, seeds_now: int) -> None:
    """Speed, faults by kind, coverage, and every seed that failed."""
    if seeds_now:
        print(f"{seeds_now} seeds in {elapsed_s:.0f} s: {seeds_now / elapsed_s:.1f} a second")
    if tally.seeds:
        print(f"{tally.seeds} seeds in all, {1000 * tally.busy_s / tally.seeds:.0f} ms of one core each")
    print("\nInjected:")
    for kind, count in sorted(tally.faults.items()):
        print(f"  {kind:32}{count:8}")
    print("\nCame under review, by reason:")
    for why, count in sorted(tally.reviews.items()):
        print(f"  {why:32}{count:8}")
    print("\nRefunds that one person alone might not send:")
    for what, count in sorted(tally.approvals.items()):
        print(f"  {what:50}{count:8}")
    _report_cells(tally)
    if tally.duplicates:
        runs = len(tally.duplicated_in)
        print(f"\nMade twice at the bank: {tally.duplicates} refunds in {runs} runs, {100 * runs / tally.seeds:.2f} %")
        print(f"  seeds {sorted(tally.duplicated_in)[:MOST_VIOLATIONS]}")
    print(f"\nViolations: {len(tally.violations)}")
    for seed, violation in sorted(tally.violations)[:MOST_VIOLATIONS]:
        print(f"  seed {seed}: {violation}")


def _report_cells(tally: Tally) -> None:
    """Crash point and answer fault down, webhook fault across."""
    print(f"\n{'crash point':30}{'answer fault':16}" + "".join(f"{kind[:8]:>9}" for kind in WEBHOOK_FAULTS))
    for crash in CRASH_POINTS:
        for answer in ANSWER_FAULTS:
            counts = (tally.cells[crash, answer, webhook] for webhook in WEBHOOK_FAULTS)
            print(f"{crash:30}{answer:16}" + "".join(f"{count:9}" for count in counts))
    print(f"\nCells: {CELLS}, empty: {len(tally.empty_cells)}")
    for cell in tally.empty_cells[:MOST_VIOLATIONS]:
        print(f"  empty: {', '.join(cell)}")


if __name__ == "__main__":
    sys.exit(main())
