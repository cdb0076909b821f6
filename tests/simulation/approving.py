"""Limits, and the people who approve what others may not send alone: slowly, two at once, or against the rules."""

import random
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from dashboard import approvals, limits, refunds
from dashboard.approvals import ApprovalRefused
from dashboard.bank131.client import BankError
from dashboard.desk import Desk
from dashboard.limit_rules import ANY_CURRENCY, Limit
from dashboard.models import Person
from tests.bench.wire import Crash
from tests.simulation.people import in_some_web

if TYPE_CHECKING:
    from tests.simulation.world import World

ADMIN = "admin@desk.test"
# When those who decide whatever still waits come by, in hours; at the last moment they reject it.
APPROVED_AT = (2.1, 3.2, 8.2, 24.2, 26.2)
REJECTED_AT = 27.9

APPROVE, REJECT, TWO_AT_ONCE, APPROVE_AND_REJECT, APPROVE_AND_UNDO, UNDO, AGAINST_RULES, LEAVE = (
    "approve",
    "reject",
    "two at once",
    "one approves, one rejects",
    "undone while it is approved",
    "undone",
    "by somebody who may not",
    "left",
)
TURNS = {
    APPROVE: 8,
    REJECT: 2,
    TWO_AT_ONCE: 3,
    APPROVE_AND_REJECT: 2,
    APPROVE_AND_UNDO: 2,
    UNDO: 1,
    AGAINST_RULES: 3,
    LEAVE: 4,
}


def some_limit(chance: random.Random) -> tuple[str, Limit]:
    """A currency, or all of them, and what holds for it."""
    if chance.random() < 0.1:
        return ANY_CURRENCY, chance.choice((Limit(0), Limit(None, None, 0)))
    at_once = chance.choice((None, 0, 30_00, 60_00, 120_00))
    most = chance.choice((None, None, 150_00, 300_00, 450_00))
    return "rub", Limit(at_once, most, chance.choice((None, 0, 80_00, 200_00, 400_00)))


class Approvers:
    """`askers`: the people who ask for refunds, by whom nothing of their own may be approved."""

    def __init__(self, world: "World", approvers: Sequence[Person], askers: Sequence[Person]) -> None:
        self._world = world
        self._chance = world.plan.approvals
        self._everybody = {person.id: person for person in (*askers, *approvers)}
        self._slowness = self._chance.choice((1, 1, 6))

    def begin(self) -> None:
        if self._chance.random() < 0.3:
            self._world.schedule.after(self._chance.uniform(0, 5000), self._change_limits)
        self._look_again()

    def _change_limits(self) -> None:
        currency, limit = some_limit(self._chance)
        if self._chance.random() < 0.2:
            self._in_web("set limits", lambda desk: limits.remove(desk, currency, actor=ADMIN))
        else:
            self._in_web("set limits", lambda desk: limits.put(desk, currency, limit, actor=ADMIN))

    def _in_web(
        self, name: str, verb: Callable[[Desk], object], ended: Callable[[BaseException | None], object] | None = None
    ) -> None:
        in_some_web(self._world, name, verb, ended or partial(self._note, name))

    def _note(self, name: str, problem: BaseException | None) -> None:
        code = f"refused, {problem.code}" if isinstance(problem, ApprovalRefused) else ""
        kinds = {Crash: "crashed", BankError: "the bank could not be asked", type(None): "done"}
        code = code or next((said for kind, said in kinds.items() if isinstance(problem, kind)), "failed")
        self._world.plan.happened_to_approvals[f"{name}: {code}"] += 1

    # Deciding

    def _look_again(self) -> None:
        if self._world.plan.approvers_err:
            self.look_through()
            self._world.schedule.after(self._slowness * self._chance.uniform(10, 400), self._look_again)

    def look_through(self) -> None:
        """Take on every refund that waits."""
        for reference, asker_id in self._world.invariants.books.waiting():
            turn = self._chance.choices(tuple(TURNS), tuple(TURNS.values()))[0]
            turn = turn if self._world.plan.approvers_err else APPROVE
            self._world.plan.happened_to_approvals[f"turn: {turn}"] += 1
            take = partial(self._take, turn, reference, self._everybody[asker_id])
            self._world.schedule.after(self._chance.uniform(0, 10), take)

    def reject_what_is_left(self) -> None:
        for reference, asker_id in self._world.invariants.books.waiting():
            self._reject(self._two(self._everybody[asker_id])[0], reference)

    def _two(self, asker: Person) -> list[Person]:
        """Two who may decide."""
        may = [one for one in self._everybody.values() if one.role != "operator" and one is not asker]
        return self._chance.sample(may, 2)

    def _take(self, turn: str, reference: str, asker: Person) -> None:
        first, second = self._two(asker)
        if turn in {APPROVE, TWO_AT_ONCE, APPROVE_AND_REJECT, APPROVE_AND_UNDO}:
            self._approve(first, reference, asker)
        if turn == TWO_AT_ONCE:
            self._approve(second, reference, asker)
        if turn in {REJECT, APPROVE_AND_REJECT}:
            self._reject(second, reference)
        if turn in {UNDO, APPROVE_AND_UNDO}:
            self._world.schedule.after(self._chance.uniform(0, 3), partial(self._undo, reference, asker))
        if turn == AGAINST_RULES:
            self._against_rules(reference, asker)

    def _approve(self, person: Person, reference: str, asker: Person) -> None:
        def ended(problem: BaseException | None) -> None:
            self._note("approve", problem)
            is_calm = not self._world.plan.approvers_err
            if isinstance(problem, ApprovalRefused) and problem.code == "no_longer_fits":
                if is_calm or self._chance.random() < 0.3:
                    self._reject(person, reference)
            elif problem is None and not is_calm and self._chance.random() < 0.1:
                self._world.schedule.after(self._chance.uniform(0, 7), partial(self._undo, reference, asker))

        self._in_web("approve", lambda desk: approvals.approve(desk, person, reference, "looked"), ended)

    def _reject(self, person: Person, reference: str) -> None:
        self._in_web("turn down", lambda desk: approvals.reject(desk, person, reference, "not this one"))

    def _undo(self, reference: str, asker: Person) -> None:
        self._in_web("cancel", lambda desk: refunds.cancel(desk, asker, reference))

    def _against_rules(self, reference: str, asker: Person) -> None:
        """Whoever asked, or has no right to, tries it all the same."""
        may_not = [one for one in self._everybody.values() if one.role == "operator" or one is asker]
        person = self._chance.choice((asker, self._chance.choice(may_not)))
        is_approval = self._chance.random() < 0.7

        def decide(desk: Desk) -> None:
            if is_approval:
                approvals.approve(desk, person, reference)
            else:
                approvals.reject(desk, person, reference, "mine")
            raise AssertionError(f"{person.email} has decided about {reference}")

        self._in_web("against the rules", decide)
