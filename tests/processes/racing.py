"""Several processes at the same sessions at once: each with a desk of its own, let go together."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier

from dashboard import people, refunds, wiring, worker
from dashboard.config import read_config
from dashboard.db import open_engine
from dashboard.desk import Desk
from tests.bench.commits import AFTER, at_each_commit
from tests.processes.forked import forkserver

RACERS = 6
OPERATOR = "operator@races.test"
TURN_WITHIN_S = 30.0
MOST_WORK = 100


@dataclass(frozen=True)
class Ask:
    """Ask for a refund with this form. `in_step`: all have read the session before the first may go on."""

    session_id: str
    token: str
    amount_minor: int | None
    in_step: bool = True


@dataclass(frozen=True)
class Undo:
    reference: str


@dataclass(frozen=True)
class Work:
    """Do all that is due, as a worker."""


Turn = Ask | Undo | Work


class Racers:
    """`race` gives each of them a turn and answers with what came of it: a reference, a refusal's code, or a defect."""

    def __init__(self, lines: Sequence[Connection]) -> None:
        self._lines = lines

    def race(self, *turns: Turn) -> list[str]:
        """All turns at once, one for each process."""
        for line, turn in zip(self._lines, turns, strict=True):
            line.send(turn)
        return [_received(line) for line in self._lines]


def _received(line: Connection) -> str:
    assert line.poll(TURN_WITHIN_S), "a racer does not answer"
    return str(line.recv())


@contextmanager
def racing(settings: Mapping[str, str]) -> Iterator[Racers]:
    """Racers that run while the block does."""
    context = forkserver()
    barrier = context.Barrier(RACERS)
    lines, processes = [], []
    for _ in range(RACERS):
        ours, theirs = context.Pipe()
        process = context.Process(target=_race, args=(dict(settings), theirs, barrier), daemon=True)
        process.start()
        lines.append(ours)
        processes.append(process)
    try:
        yield Racers(lines)
    finally:
        for process in processes:
            process.kill()
            process.join()


# In a process of its own


def _race(settings: Mapping[str, str], line: Connection, barrier: Barrier) -> None:
    config = read_config(settings)
    desk = wiring.create_desk(config, open_engine(config.database_url), wiring.bank_client(config))
    while True:
        turn = line.recv()
        barrier.wait(TURN_WITHIN_S)
        try:
            line.send(_take(desk, turn, barrier))
        except (refunds.RequestRefused, refunds.CannotCancel) as refusal:
            line.send(f"refused {refusal}")
        except Exception as defect:
            line.send(f"DEFECT {type(defect).__name__}: {defect}")


def _take(desk: Desk, turn: Turn, barrier: Barrier) -> str:
    if isinstance(turn, Work):
        return _work(desk)
    with desk.read() as session:
        person = people.find(session, OPERATOR)
    assert person is not None
    if isinstance(turn, Undo):
        refunds.cancel(desk, person, turn.reference)
        return "undone"
    kind = "full" if turn.amount_minor is None else "partial"
    order = refunds.RefundOrder(kind, turn.amount_minor, "other", "")
    with at_each_commit(AFTER, StartingLine(barrier if turn.in_step else None).pass_by):
        return refunds.request(desk, person, turn.session_id, turn.token, order)


def _work(desk: Desk) -> str:
    for _ in range(MOST_WORK):
        due = worker.due_work(desk, RACERS)
        for one in due:
            worker.carry_out(desk, one)
        if not due:
            return "done"
    return "DEFECT: there is no end of work"


class StartingLine:
    """The first commit of a request is that of its read: there it waits for the others."""

    def __init__(self, barrier: Barrier | None) -> None:
        self._barrier = barrier

    def pass_by(self) -> None:
        barrier, self._barrier = self._barrier, None
        if barrier is not None:
            barrier.wait(TURN_WITHIN_S)
