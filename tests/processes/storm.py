"""A storm: people go on refunding while processes are killed, the bank fails and its webhooks go wrong."""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

import requests

from tests.processes.calm import judge, settle
from tests.processes.installation import BANK, DATABASE, LOOK_EVERY_S, WEB, WORKER, Installation
from tests.processes.judgement import Json, tables_of
from tests.processes.operators import Operator, Sessions, Told, add_operator
from tests.processes.store_faults import StoreFault, store_faults

FAULTS = ("drop_request", "drop_response", "http_500", "html_502", "truncate", "slow")
WEBHOOKS = ("on", "twice", "late", "reversed", "off")
ENDS_WITHIN_S = 120.0
GOES_ON_WITHIN_S = 60.0
NOTICED_WITHIN_S = 30.0
YOUNG_S = 1.5
_FAULT_EVERY_S = (0.1, 0.8)
_VICTIMS = {WORKER: 45, WEB: 25, BANK: 20, DATABASE: 10}


@dataclass(frozen=True)
class Plan:
    """`gap_s`: from a refund that was made to the next kill, at least and at most. `think_s`: an operator's pause.

    `longest_fault_s`: faults of the store that take longer are left out.
    """

    kills: int
    seed: int
    operators: int = 4
    think_s: float = 0.15
    gap_s: tuple[float, float] = (0.0, 1.2)
    longest_fault_s: float = 60.0


@dataclass
class Outcome:
    """What a storm did, and what it left.

    `kills` by kind of process, `young`: those of processes still starting. `store_faults`: how often each was noticed.
    `ended`: processes that ended by themselves.
    """

    kills: Counter[str] = field(default_factory=Counter)
    young: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    store_faults: Counter[str] = field(default_factory=Counter)
    told: Told = field(default_factory=Told)
    states: Counter[str] = field(default_factory=Counter)
    attempts: Counter[str] = field(default_factory=Counter)
    ended: Counter[str] = field(default_factory=Counter)
    storm_s: float = 0.0
    settling_s: float = 0.0
    violations: list[str] = field(default_factory=list)


class Storm:
    """People at work on an installation, and all that goes wrong meanwhile."""

    def __init__(self, installation: Installation, plan: Plan) -> None:
        self.installation = installation
        self.plan = plan
        self.outcome = Outcome()
        self._chance = random.Random(f"{plan.seed} faults")
        self._fate = random.Random(f"{plan.seed} kills")
        self._trouble_at_s = 0.0
        self._sessions = Sessions(installation.bank, random.Random(f"{plan.seed} sessions"))

    def run(self) -> Outcome:
        """All of it: the storm, the calm after it, and the judgement."""
        started_at_s = time.monotonic()
        with self._operators_at_work():
            self._rage()
            for fault in store_faults(self.installation):
                if fault.lasts_s <= self.plan.longest_fault_s:
                    self._suffer(fault)
        stopped_at_s = time.monotonic()
        self.outcome.violations += settle(self.installation)
        self.outcome.storm_s = stopped_at_s - started_at_s
        self.outcome.settling_s = time.monotonic() - stopped_at_s
        self._judge()
        return self.outcome

    def _judge(self) -> None:
        outcome = self.outcome
        tables = tables_of(self.installation.books, self.installation.samples)
        outcome.violations += judge(self.installation, outcome.told)
        outcome.states.update(refund.review or refund.state for refund in tables.refunds)
        outcome.attempts.update(attempt.outcome or "never answered" for attempt in tables.attempts)
        outcome.ended = self.installation.ended

    @contextmanager
    def _operators_at_work(self) -> Iterator[None]:
        """People refund while the block runs; each ends with the form in hand, with everything at work."""
        stop = threading.Event()
        self._sessions.fill_up()
        work = (self._sessions, stop, self.plan.think_s)
        threads = [threading.Thread(target=one.work, args=work, daemon=True) for one in self._operators()]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            stop.set()
            self.installation.watch(partial(_are_over, threads), ENDS_WITHIN_S, "everybody is done")

    def _operators(self) -> Iterator[Operator]:
        for number in range(self.plan.operators):
            email = f"operator-{number}@storm.test"
            add_operator(self.installation.books, email)
            chance = random.Random(f"{self.plan.seed} operator {number}")
            yield Operator(email, self.installation.urls, self.outcome.told, chance)

    def _rage(self) -> None:
        """Between two kills somebody has to have been able to refund something.

        A database dies as soon as somebody was told so, everything else a moment later.
        """
        while self.outcome.kills.total() < self.plan.kills:
            kind, made = self._victim(), len(self.outcome.told.made)
            self._rage_until(partial(self._is_more_made_than, made), GOES_ON_WITHIN_S)
            if not self._is_more_made_than(made):
                self.outcome.violations.append(f"no refund could be made within {GOES_ON_WITHIN_S:g} s")
            if kind != DATABASE:
                self._rage_until(_never, self._fate.uniform(*self.plan.gap_s))
            self._kill(kind)

    def _is_more_made_than(self, made: int) -> bool:
        return len(self.outcome.told.made) > made

    def _rage_until(self, condition: Callable[[], bool], within_s: float) -> None:
        ends_at_s = time.monotonic() + within_s
        while time.monotonic() < ends_at_s and not condition():
            self._tend()
            if time.monotonic() >= self._trouble_at_s:
                self._trouble()
                self._trouble_at_s = time.monotonic() + self._chance.uniform(*_FAULT_EVERY_S)
            time.sleep(LOOK_EVERY_S)

    def _suffer(self, fault: StoreFault) -> None:
        """Something is wrong with the database for a while, and until somebody has noticed."""
        self.installation.await_ready()
        said_before = self._times_said(fault.said)
        began_at_s = time.monotonic()
        with fault.while_it_lasts(self.installation):
            while (lasted_s := time.monotonic() - began_at_s) < fault.lasts_s + NOTICED_WITHIN_S:
                self._tend()
                noticed = self._times_said(fault.said) - said_before
                if noticed and lasted_s > fault.lasts_s:
                    break
                time.sleep(LOOK_EVERY_S)
        self.outcome.store_faults[fault.name] = noticed
        if not noticed:
            self.outcome.violations.append(f"{fault.name}: nobody noticed")

    def _times_said(self, words: str) -> int:
        return sum(part.log().count(words) for part in self.installation.parts)

    def _tend(self) -> None:
        """Start again what has ended, and have paid sessions to refund."""
        self.installation.revive()
        self._sessions.fill_up()

    # Trouble

    def _victim(self) -> str:
        """The kind of process that dies next. A database of several processes is shut down once for certain."""
        if self.installation.postgresql is None:
            kinds = [WORKER, WEB, BANK]
        elif self.outcome.kills.total() == self.plan.kills // 2:
            return DATABASE
        else:
            kinds = [WORKER, WEB, BANK, DATABASE]
        return self._fate.choices(kinds, [_VICTIMS[kind] for kind in kinds])[0]

    def _kill(self, kind: str) -> None:
        if kind == DATABASE:
            self._kill_database()
            return
        part = self._fate.choice(self.installation.of(kind))
        self.outcome.young += time.monotonic() - part.started_at_s < YOUNG_S
        if kind == WEB and self._fate.random() < 0.5 and part.kill_child():
            self.outcome.kills["web's own process"] += 1
            return
        part.kill()
        part.start()
        self.outcome.kills[kind] += 1

    def _kill_database(self) -> None:
        postgresql = self.installation.postgresql
        assert postgresql is not None
        halfway = self.outcome.kills.total() == self.plan.kills // 2
        if halfway or self._fate.random() < 0.5 or not postgresql.kill_backend():
            postgresql.crash()
            self.outcome.kills["database, immediate restart"] += 1
        else:
            self.outcome.kills["database connection"] += 1

    def _trouble(self) -> None:
        """Let the bank fail at something, or announce or decide otherwise than before. It may be away itself."""
        name, path, document = self._chance.choice([self._fault, self._fault, self._fault, self._manners])()
        try:
            self.installation.bank.call(path, **document)
        except requests.RequestException:
            return
        self.outcome.faults[name] += 1

    def _fault(self) -> tuple[str, str, Json]:
        kind = self._chance.choice(FAULTS)
        method = self._chance.choices(["session/refund", "session/status"], [3, 1])[0]
        delay_ms = self._chance.randint(100, 1500) if kind == "slow" else 0
        return f"{kind} {method}", "faults", {"method": method, "kind": kind, "delay_ms": delay_ms}

    def _manners(self) -> tuple[str, str, Json]:
        if self._chance.random() < 0.6:
            webhooks = self._chance.choice(WEBHOOKS)
            return f"webhooks {webhooks}", "settings", {"webhooks": webhooks, "webhook_late_ms": 3000}
        decide = self._chance.choices(["accepted", "declined"], [3, 1])[0]
        after_ms = self._chance.choice([0, 50, 800])
        return "decisions", "settings", {"decide": decide, "decide_after_ms": after_ms}


def _are_over(threads: Sequence[threading.Thread]) -> bool:
    return not any(thread.is_alive() for thread in threads)


def _never() -> bool:
    return False
