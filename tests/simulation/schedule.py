"""Simulated time, and simulated processes whose tasks run one at a time and can be killed at any point.

A task is a greenlet: real code of the desk, which gives way only where a real one would have to wait for something
else (the network, a lock) or where somebody else might just be quicker. Which one goes on is the seed's to say.
"""

import contextlib
import heapq
import itertools
import random
from collections.abc import Callable
from datetime import datetime, timedelta

from greenlet import getcurrent, greenlet

from tests.bench.simulated import SimulatedClock
from tests.bench.wire import Crash

WEBS = ("web 1", "web 2")
WORKERS = ("worker 1", "worker 2")

Happening = Callable[[], object]
Ended = Callable[[BaseException | None], object]


class Schedule:
    """What will happen, in the order of time; of what falls on one moment, chance picks the order."""

    def __init__(self, clock: SimulatedClock, chance: random.Random) -> None:
        self.clock = clock
        self.chance = chance
        self.main = getcurrent()
        self._happenings: list[tuple[datetime, float, int, Happening]] = []
        self._numbers = itertools.count()
        self._dying: list[Process] = []

    def at(self, moment: datetime, happens: Happening) -> None:
        heapq.heappush(self._happenings, (moment, self.chance.random(), next(self._numbers), happens))

    def after(self, duration_s: float, happens: Happening) -> None:
        self.at(self.clock.now() + timedelta(seconds=duration_s), happens)

    def next_at(self) -> datetime | None:
        return self._happenings[0][0] if self._happenings else None

    def run_next(self) -> None:
        """Let the next thing happen, at its time."""
        moment, _, _, happens = heapq.heappop(self._happenings)
        self.clock.advance_to(moment)
        happens()
        while self._dying:
            self._dying.pop().kill()

    def pause(self, duration_s: float) -> None:
        """The running task waits so long; meanwhile others go on."""
        self.after(duration_s, waking(getcurrent()))
        self.main.switch()

    def wait(self) -> None:
        """The running task waits until somebody wakes it."""
        self.main.switch()

    def die(self, process: "Process") -> None:
        """The running task's process dies here and now."""
        self._dying.append(process)
        raise Crash


def waking(task: greenlet) -> Happening:
    """What wakes a task; one that has died meanwhile stays dead."""

    def wake() -> None:
        if not task.dead:
            task.switch()

    return wake


class Process:
    """One process of the operating system: it dies whole, and what it had in memory is gone."""

    def __init__(self, name: str, schedule: Schedule, died: Callable[["Process"], object]) -> None:
        self.name = name
        self.is_alive = True
        self._schedule = schedule
        self._died = died
        self._tasks: dict[greenlet, None] = {}

    def start(self, verb: Happening, ended: Ended) -> None:
        """Begin a task. `ended` hears how it ended: None, what it raised, or Crash when the process was killed."""

        def run() -> None:
            problem: BaseException | None = None
            try:
                verb()
            except (Exception, Crash) as raised:
                problem = raised
            self._tasks.pop(task, None)
            self._schedule.after(0, lambda: ended(problem))

        task = greenlet(run, parent=self._schedule.main)
        self._tasks[task] = None
        self._schedule.after(0, waking(task))

    def kill(self) -> None:
        """Every task of it ends where it stands. Not called from one of them."""
        self.is_alive = False
        for task in list(self._tasks):
            with contextlib.suppress(Crash):  # one that has not begun yet lets it through
                task.throw(Crash)
        self._tasks.clear()
        self._died(self)
