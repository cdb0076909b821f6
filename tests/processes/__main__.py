"""A long storm, by hand: `python -m tests.processes --kills 200 --database sqlite|postgresql --seed N`."""

import argparse
import signal
import sys
import tempfile
from collections import Counter
from pathlib import Path

from tests.processes.installation import running_installation
from tests.processes.storm import Outcome, Plan, Storm


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.processes", description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--database", choices=["sqlite", "postgresql"], default="sqlite")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--webs", type=int, default=2)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--keep", type=Path, help="an empty folder for logs and data; else they are thrown away")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with tempfile.TemporaryDirectory(prefix="dashboard-storm-") as passing:
        folder = options.keep or Path(passing)
        with running_installation(folder, options.database, webs=options.webs, workers=options.workers) as installation:
            outcome = Storm(installation, Plan(options.kills, options.seed)).run()
    report(options.database, options.seed, outcome)
    return 1 if outcome.violations else 0


def report(database: str, seed: int, outcome: Outcome) -> None:
    print(f"{database}, seed {seed}")
    print(f"kills     {outcome.kills.total()}: {_listed(outcome.kills)}; {outcome.young} of them while starting")
    print(f"faults    {outcome.faults.total()}: {_listed(outcome.faults)}")
    print(f"store     faults, and how often they were noticed: {_listed(outcome.store_faults)}")
    print(f"refunds   {outcome.states.total()}: {_listed(outcome.states)}")
    print(f"told      {len(outcome.told.made)} made, {len(outcome.told.undone)} undone, ", end="")
    print(f"{len(outcome.told.refused)} refused; {outcome.told.lost_answers} answers lost and asked for again")
    print(f"attempts  {outcome.attempts.total()}: {_listed(outcome.attempts)}")
    print(f"ended     by themselves and started again: {_listed(outcome.ended) or 'none'}")
    print(f"time      {outcome.storm_s:.0f} s of storm, {outcome.settling_s:.0f} s until all had settled")
    for violation in outcome.violations:
        print(f"VIOLATION {violation}")
    print(f"verdict   {len(outcome.violations)} violations")


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.most_common())


if __name__ == "__main__":
    sys.exit(main())
