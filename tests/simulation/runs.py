"""Many runs in a row: one process's share of the seeds, what came of each, and all of it together."""

import gc
import json
import logging
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import Engine

from dashboard.bank131.client import BankClient
from dashboard.config import Config, read_config
from dashboard.db import open_engine
from dashboard.sandbox.keys import prepare_data_dir
from tests.bench.databases import SqliteDatabases, in_memory
from tests.simulation.invariants import Violation
from tests.simulation.plan import ANSWER_FAULTS, CRASH_POINTS, WEBHOOK_FAULTS, Cell
from tests.simulation.world import World

JOURNAL_KEY = "a journal key for simulations: 0123456789 abcdefghij"


@dataclass
class Tally:
    """What came of many runs. `violations` pairs seeds with what was violated, `busy_s` is processor time.

    `duplicates`: refunds that the bank made twice, `duplicated_in`: the seeds of those runs.
    """

    seeds: int = 0
    busy_s: float = 0.0
    faults: Counter[str] = field(default_factory=Counter)
    cells: Counter[Cell] = field(default_factory=Counter)
    reviews: Counter[str] = field(default_factory=Counter)
    approvals: Counter[str] = field(default_factory=Counter)
    violations: list[tuple[int, str]] = field(default_factory=list)
    duplicates: int = 0
    duplicated_in: list[int] = field(default_factory=list)

    def take(self, world: World, violation: str | None) -> None:
        self.seeds += 1
        self.faults += world.plan.happened
        self.cells.update(world.plan.cells)
        self.reviews += world.invariants.reviews
        self.approvals += world.plan.happened_to_approvals + world.invariants.second_person.counts
        self.approvals["runs with limits"] += world.plan.has_limits
        self.duplicates += len(world.invariants.duplicates)
        if world.invariants.duplicates:
            self.duplicated_in.append(world.plan.seed)
        if violation is not None:
            self.violations.append((world.plan.seed, violation))

    def add(self, other: "Tally") -> None:
        self.seeds += other.seeds
        self.busy_s += other.busy_s
        self.faults += other.faults
        self.cells += other.cells
        self.reviews += other.reviews
        self.approvals += other.approvals
        self.violations += other.violations
        self.duplicates += other.duplicates
        self.duplicated_in += other.duplicated_in

    @property
    def empty_cells(self) -> list[Cell]:
        return [cell for cell in all_cells() if not self.cells[cell]]

    def as_json(self) -> str:
        document = {**vars(self), "cells": [[*cell, count] for cell, count in self.cells.items()]}
        return json.dumps(document)

    @classmethod
    def from_json(cls, text: str) -> "Tally":
        document = json.loads(text)
        cells = Counter({(crash, answer, webhook): count for crash, answer, webhook, count in document.pop("cells")})
        counters = {name: Counter(document.pop(name, {})) for name in ("faults", "reviews", "approvals")}
        violations = [(seed, text) for seed, text in document.pop("violations")]
        return cls(**document, **counters, cells=cells, violations=violations)


def all_cells() -> Iterator[Cell]:
    for crash in CRASH_POINTS:
        for answer in ANSWER_FAULTS:
            for webhook in WEBHOOK_FAULTS:
                yield crash, answer, webhook


class Simulator:
    """Runs seeds one after another, each on a fresh database."""

    def __init__(self, folder: Path) -> None:
        keys = prepare_data_dir(folder / "keys")
        self._databases = SqliteDatabases(folder, JOURNAL_KEY)
        self._environ = {
            "DASHBOARD_SECRET_KEY": "a secret key for simulations: 0123456789 abcdefghij",
            "DASHBOARD_JOURNAL_KEY": JOURNAL_KEY,
            # A long step leaves fewer reads of what is settled already.
            "DASHBOARD_POLL_SECONDS": "120",
            "BANK131_URL": "http://127.0.0.1:1",
            "BANK131_PROJECT": "simulated",
            "BANK131_PRIVATE_KEY_FILE": str(keys.merchant_private_path),
            "BANK131_PUBLIC_KEY_FILE": str(keys.bank_public_path),
        }
        self._engine: Engine | None = None
        self._config: Config | None = None

    @contextmanager
    def books(self) -> Iterator[tuple[Engine, Config]]:
        """A fresh database. One engine serves all: it remembers how it put statements into SQL."""
        with self._databases.fresh(migrated=True) as url:
            self._engine = self._engine or open_engine(url)
            self._config = self._config or read_config({**self._environ, "DASHBOARD_DATABASE_URL": url})
            try:
                yield self._engine, self._config
            finally:
                self._engine.dispose()

    @contextmanager
    def world(
        self, seed: int, *, beyond: bool = False, client: type[BankClient] = BankClient, is_traced: bool = False
    ) -> Iterator[World]:
        """The world of a seed, about to begin."""
        with self.books() as (engine, config):
            world = World(seed, engine, config, beyond=beyond, client=client, is_traced=is_traced)
            try:
                yield world
            finally:
                world.invariants.books.close()

    def run(self, seeds: Iterable[int], *, beyond: bool = False, client: type[BankClient] = BankClient) -> Tally:
        """Live through seeds; a violation is noted, and the next one goes on."""
        tally, begun_s = Tally(), time.process_time()
        for seed in seeds:
            with self.world(seed, beyond=beyond, client=client) as world:
                tally.take(world, violation_of(world))
        tally.busy_s = time.process_time() - begun_s
        return tally


def violation_of(world: World) -> str | None:
    """Live the world's life; what was violated, if anything was."""
    try:
        world.live()
    except Violation as violation:
        return str(violation)
    return None


@contextmanager
def simulator() -> Iterator[Simulator]:
    """A simulator in a folder of its own, without the desk's log."""
    logger = logging.getLogger("dashboard")
    level_before = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    with TemporaryDirectory(prefix="simulation-", dir=in_memory()) as folder:
        gc.freeze()
        yield Simulator(Path(folder))
    logger.setLevel(level_before)


def run_share(share: tuple[Sequence[int], bool, type[BankClient]]) -> tuple[Sequence[int], Tally]:
    """One share of the seeds, in a process of its own."""
    seeds, beyond, client = share
    with simulator() as simulate:
        return seeds, simulate.run(seeds, beyond=beyond, client=client)
