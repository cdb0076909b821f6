"""People: operators who refund, press again where nothing came back and sometimes undo, and pairs who review."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from dashboard import anomalies, reads, refund_rules, refunds, resolutions
from dashboard.desk import Desk
from dashboard.models import Anomaly, PaymentSession, Person
from dashboard.refunds import RefundOrder, RequestRefused
from tests.simulation.plan import BANK, GUESS
from tests.simulation.schedule import WEBS, Ended, Happening

if TYPE_CHECKING:
    from tests.simulation.world import World

MOST_TRIES = 5


def in_some_web(world: "World", name: str, verb: Callable[[Desk], object], ended: Ended = lambda _: None) -> bool:
    """Let one of the web processes do something for somebody; whether one was there."""
    process = world.pick(WEBS)
    if process is not None:
        world.start(process, name, partial(_or_gone, verb), ended)
    return process is not None


def _or_gone(verb: Callable[[Desk], object], desk: Desk) -> None:
    """What somebody speaks of may have been merged into another row, or forgotten with a restored database."""
    try:
        verb(desk)
    except LookupError as problem:
        if type(problem) is not LookupError:
            raise
        raise RequestRefused("gone") from problem


class Operator:
    """One person who wants one refund of a session: a new one, or one that `replaces` an abandoned one."""

    def __init__(self, world: "World", person: Person, session_id: str, replaces: str | None = None) -> None:
        self._world = world
        self._person = person
        self._session_id = session_id
        self._replaces = replaces
        self._token = ""
        self._order: RefundOrder | None = None
        self._tries = 0
        self._wants_undo = world.plan.wants_cancel or world.chance.random() < 0.1
        self._presses_twice = world.chance.random() < 0.2

    def open_form(self) -> None:
        self._in_some_web("open", self._read_form, self._form_opened)

    def _in_some_web(self, name: str, verb: Callable[[Desk], object], ended: Ended) -> None:
        if not in_some_web(self._world, name, verb, ended):
            self._again(lambda: self._in_some_web(name, verb, ended))

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
            return RefundOrder("full", left_minor, "other", "", self._replaces)
        amount_minor = chance.choice((left_minor // 3, left_minor // 2, left_minor, left_minor + 100))
        return RefundOrder("partial", max(1, amount_minor), "other", "", self._replaces)

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
        if isinstance(problem, RequestRefused) and problem.since is not None:
            self._world.schedule.at(problem.since + timedelta(seconds=1), self.open_form)
        elif isinstance(problem, RequestRefused):
            self._replaces = None if problem.code == "cannot_replace" else self._replaces
            self._again(self.open_form)
        elif problem is not None:
            self._again(self._submit)

    def _undo(self, reference: str) -> None:
        def undone(_: BaseException | None) -> None:
            if self._world.plan.wants_cancel:  # what is only undone leaves the bank nothing to get wrong
                self._again(self.open_form)

        self._in_some_web("cancel", lambda desk: refunds.cancel(desk, self._person, reference), undone)


class Reviewers:
    """People who look at all that stands under review and decide it, two at a time; what may be decided is the desk's
    to say.

    Most know from the bank itself what it has. Some go by what their page shows, and some guess.
    """

    def __init__(self, world: "World", people: Sequence[Person]) -> None:
        self._world = world
        self._people = people

    def look_through(self) -> None:
        """Take on every refund under review, one after another."""
        for row in self._world.invariants.books.refunds():
            if row.review:
                wait_s = self._world.chance.uniform(0, 300)
                self._world.schedule.after(wait_s, partial(self._take_on, row.reference, row.session_id))
        for number in self._world.invariants.books.open_anomalies():
            self._world.schedule.after(self._world.chance.uniform(0, 300), partial(self._acknowledge, number))

    def _acknowledge(self, number: int) -> None:
        person = self._world.chance.choice(self._people)

        def acknowledge(desk: Desk) -> None:
            with desk.read() as session:
                fact = session.get(Anomaly, number)
            if fact is not None:
                anomalies.acknowledge(desk, person, anomalies.name_of(fact), "asked the bank")

        in_some_web(self._world, "acknowledge", acknowledge)

    def _take_on(self, reference: str, session_id: str) -> None:
        open_proposal = self._world.invariants.books.open_proposals().get(reference)
        if open_proposal is not None:
            number, by_id = open_proposal
            first = next(person for person in self._people if person.id == by_id)
            self._decide(number, first, reference, session_id)
            return
        first = self._world.chance.choice(self._people)
        proposed: list[int] = []

        def propose(desk: Desk) -> None:
            if reference not in {row.reference for row in self._world.invariants.books.refunds()}:
                return  # merged into another one meanwhile
            look = resolutions.look(desk, reference)
            if look.choices:
                choice = self._judge(reference, look)
                if choice is not None:
                    proposed.append(resolutions.propose(desk, first, reference, *choice, "asked the bank"))
            else:
                refunds.cancel(desk, first, reference)

        def go_on(problem: BaseException | None) -> None:
            if problem is None and proposed:
                decide = partial(self._decide, proposed[0], first, reference, session_id)
                self._world.schedule.after(self._world.chance.uniform(1, 120), decide)

        in_some_web(self._world, "propose", propose, go_on)

    def _decide(self, number: int, first: Person, reference: str, session_id: str) -> None:
        second, instead = self._other_than(first), self._world.plan.second_thoughts()
        if instead == "reject":
            in_some_web(self._world, "reject", lambda desk: resolutions.reject(desk, second, number, "not sure"))
        elif instead == "withdraw":
            in_some_web(self._world, "withdraw", lambda desk: resolutions.withdraw(desk, first, number))
        else:
            self._confirm(number, first, second, reference, session_id)

    def _other_than(self, first: Person) -> Person:
        return self._world.chance.choice([person for person in self._people if person is not first])

    def _judge(self, reference: str, look: resolutions.Look) -> tuple[str, str | None] | None:
        """What somebody proposes; noted where it is not true."""
        truth, go_by = self._world.invariants.truth_of(reference, look), self._world.plan.reviewers_go_by
        if go_by == BANK or refund_rules.STANDS in look.choices:
            return truth
        shown = [candidate.bank_id for candidate in look.candidates]
        likely = shown[0] if shown else None
        bank_id = self._world.chance.choice([None, *shown]) if go_by == GUESS else likely
        judged = (refund_rules.THAT_ONE, bank_id) if bank_id else (refund_rules.NEVER_MADE, None)
        if judged != truth:
            self._world.invariants.misjudged.add(reference)
        return judged

    def _confirm(self, number: int, first: Person, second: Person, reference: str, session_id: str) -> None:
        def confirm(desk: Desk) -> None:
            if self._world.chance.random() < 0.2:
                self._confirm_alone(desk, first, number)
            resolutions.confirm(desk, second, number)

        def ended(problem: BaseException | None) -> None:
            if problem is None and self._world.chance.random() < 0.3:
                Operator(self._world, first, session_id, reference).open_form()

        in_some_web(self._world, "confirm", confirm, ended)

    def _confirm_alone(self, desk: Desk, person: Person, number: int) -> None:
        try:
            resolutions.confirm(desk, person, number)
        except resolutions.ResolutionRefused:
            return
        raise AssertionError("one person alone has decided")
