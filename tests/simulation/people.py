"""Operators: they open a form, think, send it, press again where nothing came back, and sometimes undo."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from dashboard import reads, refunds
from dashboard.desk import Desk
from dashboard.models import PaymentSession, Person
from dashboard.refunds import RefundOrder, RequestRefused
from tests.simulation.schedule import WEBS, Ended, Happening

if TYPE_CHECKING:
    from tests.simulation.world import World

MOST_TRIES = 5


class Operator:
    """One person who wants one refund of a session. `references`: what the desk told them it had made."""

    def __init__(self, world: "World", person: Person, session_id: str) -> None:
        self._world = world
        self._person = person
        self._session_id = session_id
        self._token = ""
        self._order: RefundOrder | None = None
        self._tries = 0
        self._wants_undo = world.plan.wants_cancel or world.chance.random() < 0.1
        self._presses_twice = world.chance.random() < 0.2

    def open_form(self) -> None:
        self._in_some_web("open", self._read_form, self._form_opened)

    def _in_some_web(self, name: str, verb: Callable[[Desk], object], ended: Ended) -> None:
        process = self._world.pick(WEBS)
        if process is None:
            self._again(lambda: self._in_some_web(name, verb, ended))
        else:
            self._world.start(process, name, verb, ended)

    def _again(self, what: Happening) -> None:
        """After a while, a few times."""
        self._tries += 1
        if self._tries <= MOST_TRIES:
            self._world.schedule.after(self._world.chance.uniform(1, 60), what)

    def _read_form(self, desk: Desk) -> None:
        reads.read_whole_session(desk, self._session_id)
        with desk.read() as session:
            offer = refunds.offer_of(session, session.get_one(PaymentSession, self._session_id))
        self._order = self._choose(offer)
        self._token = refunds.new_form_token(desk, self._person.id, self._session_id, offer)

    def _choose(self, offer: refunds.Offer) -> RefundOrder | None:
        """All that is left, or a part, or (people do) more than is left."""
        chance, left_minor = self._world.chance, offer.refundable_minor
        if left_minor < 1:
            return None
        if chance.random() < 0.3:
            return RefundOrder("full", left_minor, "other", "")
        amount_minor = chance.choice((left_minor // 3, left_minor // 2, left_minor, left_minor + 100))
        return RefundOrder("partial", max(1, amount_minor), "other", "")

    def _form_opened(self, problem: BaseException | None) -> None:
        if problem is not None:
            self._again(self.open_form)
        elif self._order is not None:
            self._world.schedule.after(self._world.chance.uniform(1, 30), self._submit)
        else:
            self._again(self.open_form)

    def _submit(self) -> None:
        for _ in range(2 if self._presses_twice else 1):
            self._in_some_web("ask", self._ask, self._answered)

    def _ask(self, desk: Desk) -> None:
        if self._order is not None:
            reference = refunds.request(desk, self._person, self._session_id, self._token, self._order)
            self._world.invariants.promised.add(reference)
            self._world.note("%s was told %s", self._person.email, reference[-4:])
            if self._wants_undo:
                self._wants_undo = False
                self._world.schedule.after(self._world.chance.uniform(0, 6), lambda: self._undo(reference))

    def _answered(self, problem: BaseException | None) -> None:
        if isinstance(problem, RequestRefused):
            self._again(self.open_form)
        elif problem is not None:
            self._again(self._submit)

    def _undo(self, reference: str) -> None:
        self._in_some_web("cancel", lambda desk: refunds.cancel(desk, self._person, reference), lambda _: None)
