"""One simulated world: the real desk in four processes on a real database, a sandbox bank, people, and what goes wrong.

`live` goes through one seed. It looks at the bank after every step and at the tables after every commit. The same seed
lives the same life.
"""

import hashlib
import random
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError

from dashboard import limits, reads, restore, sending, worker
from dashboard.anomalies import NotAcknowledged
from dashboard.approvals import ApprovalRefused
from dashboard.bank131.client import BankClient, BankError
from dashboard.bank131.transport import HttpAnswer
from dashboard.config import Config
from dashboard.db import LOCK_WAIT_MS
from dashboard.desk import Desk, journal_key
from dashboard.journal import WriteSession
from dashboard.models import Person
from dashboard.refunds import CannotCancel, RequestRefused
from dashboard.resolutions import ResolutionRefused
from dashboard.sandbox import scenes
from dashboard.sandbox.bank import SandboxBank
from dashboard.sandbox.control import ControlError
from tests.bench.simulated import CountedIds, SimulatedClock
from tests.bench.wire import REFUND, Crash
from tests.simulation import plan as faults
from tests.simulation.approving import ADMIN, APPROVED_AT, REJECTED_AT, Approvers, some_limit
from tests.simulation.invariants import Invariants, Violation
from tests.simulation.network import KNOWS_NOTHING, Network
from tests.simulation.people import Operator, Reviewers
from tests.simulation.plan import Plan
from tests.simulation.post import Post
from tests.simulation.schedule import WEBS, WORKERS, Process, Schedule

BUSY_FOR = timedelta(hours=2)
# Until all webhooks were replayed and all last looks made.
SETTLED_WITHIN = timedelta(hours=28)
REVIEWED_AT = (0.5, 1, 1.5, 3, 8, 24, 26, 27, 27.5)
EVER = datetime(1970, 1, 1, tzinfo=UTC)
MOST_STEPS = 5000
PROJECT = "simulated"
# What a task may end with; anything else is a defect.
EXPECTED = (
    *(Crash, BankError, OperationalError, RequestRefused, CannotCancel),
    *(ResolutionRefused, NotAcknowledged, sending.CannotResume, ApprovalRefused),
)
ANOTHER_PROJECT = "another"

Verb = Callable[[Desk], object]


class SimulatedKey:
    """Stands for an RSA key where signing is not the point: it takes a thousandth of the time."""

    def sign(self, body: bytes, *_how: object) -> bytes:
        return hashlib.sha256(body).digest()


@dataclass(frozen=True, kw_only=True)
class SimulatedDesk(Desk):
    """A desk in the hands of one task, which may give way or die at its transactions."""

    task: "Task"

    @contextmanager
    def write(self, lock_wait_ms: int = LOCK_WAIT_MS) -> Iterator[WriteSession]:
        self.task.before_transaction()
        with super().write(lock_wait_ms) as tx:
            yield tx
            self.task.before_commit()
        self.task.after_commit()


@dataclass
class Task:
    """What one task of a process does, so that the points at which it can die have names."""

    name: str
    process: Process
    world: "World"
    commits: int = 0
    commit_fault: str = faults.NONE

    def before_transaction(self) -> None:
        chance = self.world.plan.chance.random()
        if chance < 0.15:
            self.world.schedule.pause(20.0 if chance < 0.005 else chance)

    def before_commit(self) -> None:
        self.commits += 1
        self._pass(f"{self.name}: commit {self.commits} before")
        self.commit_fault = self.world.plan.commit_fault()
        if self.commit_fault == faults.COMMIT_FAILS:
            raise OperationalError("COMMIT", None, sqlite3.OperationalError("disk full"))

    def after_commit(self) -> None:
        self.world.something_changed()
        self._pass(f"{self.name}: commit {self.commits} after")
        if self.commit_fault == faults.COMMIT_WORD_LOST:
            raise OperationalError("COMMIT", None, sqlite3.OperationalError("the connection was lost"))

    def call(self, url: str, headers: Mapping[str, str], body: bytes, timeout_s: float) -> HttpAnswer:
        """A Transport."""
        what = f"{self.name}: {'refund' if url.endswith(REFUND) else 'status'} call"
        self._pass(f"{what} before")
        try:
            if self.process is self.world.elsewhere:
                self.world.schedule.pause(0.5)
                return KNOWS_NOTHING
            return self.world.network(url, headers, body, timeout_s)
        finally:
            self._pass(f"{what} after")

    def _pass(self, point: str) -> None:
        if self.process.is_alive and self.world.plan.dies_at(point):
            self.world.note("%s dies, %s", self.process.name, point)
            self.world.schedule.die(self.process)


class World:
    """`trace` holds what happened, in words, if it was asked for."""

    def __init__(
        self,
        seed: int,
        engine: Engine,
        config: Config,
        *,
        beyond: bool = False,
        client: type[BankClient] = BankClient,
        is_traced: bool = False,
    ) -> None:
        self.plan = Plan(seed, beyond)
        self.chance = random.Random(f"world {seed}")
        self.clock = SimulatedClock()
        self.schedule = Schedule(self.clock, self.chance)
        self.trace: list[str] | None = [] if is_traced else None
        self._engine, self._config, self._client, self._new_id = engine, config, client, CountedIds()
        self.bank = SandboxBank(
            clock=self.clock,
            random=random.Random(f"bank {seed}"),
            verify=lambda _body, _signature: True,
            sign=lambda _body: "",
            project=PROJECT,
            webhook_url="simulated",
        )
        self.bank.change_settings({"decide": "manual"})
        self.invariants = Invariants(self.bank, engine, journal_key(config), beyond=beyond)
        # Another client than ours is judged by what the bank holds alone.
        check_call = self.invariants.check_call if client is BankClient else lambda _call: None
        self.network = Network(self.bank, self.schedule, self.plan, config.quiet_s, check_call)
        self.invariants.to_arrive = lambda: self.network.to_arrive
        self.invariants.hidden = self.network.hidden
        self.invariants.echoes = self.plan.echo != "nothing"
        self.processes: dict[str, Process] = {}
        for name in (*WEBS, *WORKERS):
            self._start_process(name)
        self.post = Post(self)
        self._decided: set[str] = set()
        self._has_news, self._looks, self._looked_at = True, 0, EVER
        self._is_resume_planned = False
        self.elsewhere: Process | None = None

    def note(self, text: str, *about: object) -> None:
        if self.trace is not None:
            self.trace.append(f"{self.clock.now():%d %H:%M:%S.%f}  {text % about}")

    # Setting the scene

    def people(self) -> list[Person]:
        """Three operators, in the database; where there are limits, one of them may approve too."""
        return self._new_people("person", "operator", "operator", "admin" if self.plan.has_limits else "operator")

    def _new_people(self, name: str, *roles: str) -> list[Person]:
        desk = self._desk_without_trouble()
        with desk.write() as tx:
            people = [
                Person(
                    id=desk.new_id(),
                    email=f"{name}{number}@desk.test",
                    password_hash="-",
                    role=role,
                    created_at=self.clock.now(),
                )
                for number, role in enumerate(roles)
            ]
            tx.add_all(people)
        return people

    def _set_limits(self, askers: list[Person]) -> None:
        """There are limits from the start, and people who approve what is above them."""
        currency, limit = some_limit(self.plan.approvals)
        limits.put(self._desk_without_trouble(), currency, limit, actor=ADMIN)
        approvers = Approvers(self, self._new_people("approver", "approver", "approver"), askers)
        approvers.begin()
        start = self.clock.now()
        for hour in APPROVED_AT:
            self.schedule.at(start + timedelta(hours=hour), approvers.look_through)
        self.schedule.at(start + timedelta(hours=REJECTED_AT), approvers.reject_what_is_left)

    def _desk_without_trouble(self) -> Desk:
        client = BankClient(
            url=self._config.bank_url, project=PROJECT, private_key=SimulatedKey(), transport=self.network
        )  # type: ignore[arg-type]
        return Desk(config=self._config, clock=self.clock, new_id=self._new_id, bank=client, engine=self._engine)

    def paid_sessions(self) -> list[str]:
        """One session or two; some with two payments."""
        ids = []
        for _ in range(self.chance.choice((1, 1, 1, 1, 2))):
            amount_minor = self.chance.randrange(50, 500) * 100
            second_minor = amount_minor // 2 if self.chance.random() < 0.1 else 0
            scene = scenes.Scene(1, "client-1", amount_minor, second_amount_minor=second_minor)
            ids.append(scenes.add_scene(self.bank, scene).id)
            self.network.remember(ids[-1])
        return ids

    def _plan_outside_facts(self, session_id: str) -> None:
        for kind in self.plan.outside:
            self.schedule.after(self.chance.uniform(0, 3000), lambda kind=kind: self._outside(kind, session_id))

    def _outside(self, kind: str, session_id: str) -> None:
        """Something happens at the bank that nobody here asked for."""
        amount_minor = self.chance.randrange(1, 300) * 100
        of_session = [each.refund for each in self.invariants.at_bank() if each.session_id == session_id]
        refunds = [refund for refund in of_session if refund.status in {"accepted", "declined"}]
        try:
            if kind == faults.CHARGEBACK:
                self.bank.charge_back(session_id, amount_minor)
                self.invariants.outside_minor[session_id] += amount_minor
            elif kind == faults.MADE_ELSEWHERE:
                self.bank.refund_here(session_id, amount_minor)
                self.invariants.outside_minor[session_id] += amount_minor
            elif refunds and kind == faults.HIDDEN:
                self._hide(self.chance.choice(refunds).id)
            elif refunds:
                refund = self.chance.choice(refunds)
                status = "declined" if refund.status == "accepted" else "accepted"
                self.bank.decide_refund(refund.id, status, force=True)
                self.invariants.outside_minor[session_id] += refund.amount_minor
            else:
                return
        except ControlError:
            return
        self.note("outside: %s in %s", kind, session_id)
        self.plan.happened[f"outside: {kind}"] += 1
        self.network.remember(session_id)

    def _hide(self, bank_id: str) -> None:
        """The bank does not show one of its refunds any more, one that the desk knows."""
        if bank_id in {row.bank_id for row in self.invariants.books.refunds()}:
            self.network.hidden.add(bank_id)

    def _plan_what_befalls_the_installation(self) -> None:
        backup_s = self.chance.uniform(0, 1500)
        if self.plan.is_restored:
            self.schedule.after(backup_s, self._back_up)
        if self.plan.points_elsewhere:
            self.schedule.after(self.chance.uniform(0, 200), self._point_elsewhere)

    def _back_up(self) -> None:
        copy = self.invariants.books.back_up()
        self.schedule.after(self.chance.uniform(1, 2400), lambda: self._put_back(copy))

    def _put_back(self, copy: sqlite3.Connection) -> None:
        """As the manual says: everything is stopped, the database put back, and that is told before anything starts."""
        self.note("the database is put back from a backup")
        self.plan.happened[faults.RESTORED] += 1
        for process in self.processes.values():
            if process.is_alive:
                process.kill()
        self.invariants.books.put_back(copy)
        copy.close()
        restore.after_restore(self._desk_without_trouble(), "command line")
        self.invariants.forget()
        # Nobody can miss what they do not remember.
        self.network.hidden &= {row.bank_id for row in self.invariants.books.refunds()}
        self.something_changed()

    def _point_elsewhere(self) -> None:
        """One process is started anew with the settings of another bank, for half an hour."""
        process = self.pick((*WEBS, *WORKERS))
        if process is None:
            return
        self.note("%s now points to another bank", process.name)
        self.plan.happened[faults.POINTED_ELSEWHERE] += 1
        self.elsewhere = process
        self.schedule.after(1800, lambda: process.is_alive and process.kill())

    # Processes and their tasks

    def _start_process(self, name: str) -> None:
        self.processes[name] = Process(name, self.schedule, self._died)
        self.something_changed()

    def _died(self, process: Process) -> None:
        self.schedule.after(self.chance.uniform(1, 20), lambda: self._start_process(process.name))

    def pick(self, names: tuple[str, ...]) -> Process | None:
        """One of these processes that is alive."""
        alive = [self.processes[name] for name in names if self.processes[name].is_alive]
        return self.chance.choice(alive) if alive else None

    def desk_in(self, process: Process, name: str) -> Desk:
        """A desk for one task of this name."""
        task = Task(name, process, self)
        client = self._client(
            url=self._config.bank_url,
            project=ANOTHER_PROJECT if process is self.elsewhere else PROJECT,
            private_key=SimulatedKey(),  # type: ignore[arg-type]
            timeout_s=self._config.timeout_s,
            transport=task.call,
        )
        return SimulatedDesk(
            config=self._config, clock=self.clock, new_id=self._new_id, bank=client, engine=self._engine, task=task
        )

    def start(
        self, process: Process, name: str, verb: Verb, ended: Callable[[BaseException | None], object] = lambda _: None
    ) -> None:
        """Let a process do something. What it may not end with ends the run."""
        self.note("%s: %s", process.name, name)

        def hear(problem: BaseException | None) -> None:
            if problem is not None:
                self.note("%s: %s ended with %r", process.name, name, problem)
                if not isinstance(problem, EXPECTED):
                    raise Violation(f"{name} failed: {problem!r}") from problem
            ended(problem)

        desk = self.desk_in(process, name)
        process.start(lambda: verb(desk), hear)

    # What the workers do

    def something_changed(self) -> None:
        self._has_news = self.invariants.is_due = True

    def _look(self) -> None:
        """A worker looks for work, or two do at once."""
        names = WORKERS if self.chance.random() < 0.2 else (self.chance.choice(WORKERS),)
        self._has_news, self._looked_at = False, self.clock.now()
        for name in names:
            if self.processes[name].is_alive:
                self._looks += 1
                self._claim(self.processes[name])

    def _claim(self, process: Process) -> None:
        claimed: list[worker.Work] = []

        def ended(problem: BaseException | None) -> None:
            self._looks -= 1
            self._has_news = self._has_news or bool(claimed) or problem is not None
            for work in claimed if process.is_alive else ():
                self.start(process, work.kind, lambda desk, work=work: worker.carry_out(desk, work))

        self.start(process, "claim", lambda desk: claimed.extend(worker.due_work(desk, 10)), ended)

    def _next_look(self) -> datetime | None:
        """When a worker finds something to do: what the last look has passed over only if something has changed."""
        if self._looks or not any(self.processes[name].is_alive for name in WORKERS):
            return None
        return self.invariants.books.next_due(self.clock.now(), EVER if self._has_news else self._looked_at)

    # What the bank does by itself

    def _bank_moves(self) -> None:
        for webhook in self.bank.take_due_webhooks(self.clock.now()):
            self.post.take(webhook)

    def _decide_new_refunds(self) -> None:
        """Every refund that the bank has made ends some day."""
        for session, _, refund in list(self.bank.ledger.refunds()):
            if refund.id not in self._decided:
                self._decided.add(refund.id)
                if refund.status == "in_progress":
                    self._plan_decision(session.id, refund.id)

    def _plan_decision(self, session_id: str, refund_id: str) -> None:
        status = self.chance.choices(("accepted", "declined", "error"), (7, 2, 1))[0]
        if self.plan.decides_in_steps:
            status = "error"
        wait_s = 0.5 if self.plan.decides_at_once else self.chance.choice((0.5, 5, 60, 1500))
        self.schedule.after(wait_s, lambda: self._decide(session_id, refund_id, status))
        if status == "error":
            last = self.chance.choice(("accepted", "declined"))
            self.schedule.after(wait_s + 600, lambda: self._decide(session_id, refund_id, last))

    def _decide(self, session_id: str, refund_id: str, status: str) -> None:
        self.note("the bank: %s is %s", refund_id, status)
        self.bank.decide_refund(refund_id, status, force=True)
        self.network.remember(session_id)

    # Life

    def live(self) -> None:
        """Two busy hours, then everything settles, then the last judgement. Raises Violation."""
        people, session_ids = self.people(), self.paid_sessions()
        for session_id in session_ids:
            self._plan_outside_facts(session_id)
            for _ in range(self.chance.choice((1, 1, 2))):
                person = self.chance.choice(people)
                operator = Operator(self, person, session_id)
                self.schedule.after(self.chance.uniform(0, 120), operator.open_form)
        self._plan_what_befalls_the_installation()
        if self.plan.has_limits:
            self._set_limits(people)
        start, reviewers = self.clock.now(), Reviewers(self, people)
        for hour in REVIEWED_AT:
            self.schedule.at(start + timedelta(hours=hour), reviewers.look_through)
        self._go_on_until(start + BUSY_FOR)
        self.plan.stop()
        self._go_on_until(start + SETTLED_WITHIN)
        for session_id in session_ids:
            self._open_page(session_id)
        self._go_on_until(start + SETTLED_WITHIN + timedelta(minutes=30))
        self.invariants.check_settled()

    def _open_page(self, session_id: str) -> None:
        """Whatever happened elsewhere without a webhook is known once somebody looks."""
        process = self.pick(WEBS)
        if process is None:
            raise Violation("no web process has come up again")
        self.start(process, "page", lambda desk: reads.read_session(desk, session_id))

    def _go_on_until(self, end: datetime) -> None:
        for _ in range(MOST_STEPS):
            if not self._step(end):
                return
        raise Violation("it does not come to rest")

    def _step(self, end: datetime) -> bool:
        next_at, happens = self.schedule.next_at(), self.schedule.run_next
        for moment, alternative in ((self.bank.next_due(), self._bank_moves), (self._next_look(), self._look)):
            if moment is not None and (next_at is None or moment < next_at):
                next_at, happens = moment, alternative
        if next_at is None or next_at > end:
            return False
        self.clock.advance_to(next_at)
        happens()
        self._decide_new_refunds()
        self.invariants.see_bank()
        if self.invariants.is_due:
            self.invariants.check()
            self._resume_some_day()
        return True

    def _resume_some_day(self) -> None:
        """Keys that were wrong are put right, and somebody lets the desk send again."""
        if self.invariants.replay.is_paused and not self._is_resume_planned:
            self._is_resume_planned = True
            self.schedule.after(self.chance.uniform(60, 1200), self._resume)

    def _resume(self) -> None:
        self._is_resume_planned = False
        process = self.pick(WEBS)
        if process is not None:
            self.start(process, "resume", lambda desk: sending.resume(desk, "admin@desk.test"))
        self.something_changed()
