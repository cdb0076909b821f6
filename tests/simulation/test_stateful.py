"""The same invariants under steps that Hypothesis chooses: what it finds, it makes as short as it can be."""

import random
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from dashboard import approvals, limits, refunds, resolutions, sending, worker
from dashboard.approvals import ApprovalRefused
from dashboard.bank131.client import BankClient, BankError
from dashboard.desk import Desk, journal_key
from dashboard.limit_rules import Limit
from dashboard.refunds import CannotCancel, RequestRefused
from dashboard.resolutions import ResolutionRefused
from dashboard.sandbox.bank import SandboxBank
from tests.bench.commits import AFTER, BEFORE, at_each_commit
from tests.bench.refund_desk import RefundDesk, order
from tests.bench.simulated import CountedIds, SimulatedClock
from tests.bench.wire import (
    REFUND,
    STATUS,
    Crash,
    Wire,
    bad_gateway,
    cut_short,
    error,
    lose_answer,
    lose_request,
    refuse_connection,
)
from tests.simulation.invariants import Invariants
from tests.simulation.runs import Simulator, simulator
from tests.simulation.world import PROJECT, SimulatedKey

CAPTURED_MINOR = 100_00
FAULTS = {
    "refuse the connection": refuse_connection,
    "lose the request": lose_request,
    "lose the answer": lose_answer,
    "html": bad_gateway,
    "cut short": cut_short,
    "say no": error("refund_impossible"),
    "say that the key exists": error("idempotency_key_already_exists", 400),
    "say that our keys are wrong": error("authentication_error", 401),
}
NEVER = 10**9


class RefundLife(RuleBasedStateMachine):
    """One session, two people, somebody who approves, a worker and a bank, in steps of any order."""

    simulate: Simulator

    def __init__(self) -> None:
        super().__init__()
        self._stack = ExitStack()
        engine, config = self._stack.enter_context(self.simulate.books())
        clock = SimulatedClock()
        bank = SandboxBank(
            clock=clock,
            random=random.Random(131),
            verify=lambda _body, _signature: True,
            sign=lambda _body: "",
            project=PROJECT,
        )
        bank.change_settings({"decide": "manual"})
        wire = Wire(bank, clock)
        key = SimulatedKey()
        client = BankClient(url=config.bank_url, project=PROJECT, private_key=key, transport=wire)  # type: ignore[arg-type]
        desk = Desk(config=config, clock=clock, new_id=CountedIds(), bank=client, engine=engine)
        self.desk = RefundDesk(desk, clock, bank, wire)
        self.judge = Invariants(bank, engine, journal_key(config), beyond=False)
        self._stack.callback(self.judge.books.close)
        wire.watch = self._watch
        for when in (BEFORE, AFTER):
            self._stack.enter_context(at_each_commit(when, self._tick))
        self._points_left, self._calls_seen = NEVER, 0
        self.person, self.other = self.desk.person(), self.desk.person(email="second@desk.test")
        self.approver = self.desk.person("approver")
        self.forms: list[tuple[str, refunds.RefundOrder, str]] = []
        self.webhooks: list[bytes] = []

    def _watch(self) -> None:
        calls = [call for call in self.desk.wire.calls if call.method == REFUND]
        if len(calls) > self._calls_seen:
            self._calls_seen = len(calls)
            self.judge.check_call(calls[-1])
        self._tick()

    def _tick(self) -> None:
        self._points_left -= 1
        if self._points_left == 0:
            raise Crash

    @initialize(echo=st.sampled_from(["object", "string", "nothing"]), at_once=st.sampled_from([None, 30_00]))
    def somebody_has_paid(self, echo: str, at_once: int | None) -> None:
        self.desk.wire.echo = echo
        limits.put(self.desk.desk, "rub", Limit(at_once), actor="admin@desk.test")
        self.session_id = self.desk.paid_session(CAPTURED_MINOR)

    # What people do

    @rule(amount_minor=st.sampled_from([None, 10_00, 40_00, 60_00, CAPTURED_MINOR]), crash_after=st.integers(1, 12))
    def ask(self, amount_minor: int | None, crash_after: int) -> None:
        try:
            token = self.desk.form(self.session_id, self.person)
        except BankError:
            return
        self._submit(token, order(amount_minor or self.desk.offer(self.session_id).refundable_minor or 1), crash_after)

    def _submit(self, token: str, what: refunds.RefundOrder, crash_after: int = NEVER) -> None:
        self._points_left = crash_after
        try:
            reference = self.desk.submit(self.session_id, token, what, self.person)
        except (BankError, RequestRefused, Crash):
            return
        finally:
            self._points_left = NEVER
        self.judge.promised.add(reference)
        self.forms.append((token, what, reference))

    @precondition(lambda self: self.forms)
    @rule(data=st.data())
    def press_again(self, data: st.DataObject) -> None:
        token, what, reference = data.draw(st.sampled_from(self.forms))
        assert self.desk.submit(self.session_id, token, what, self.person) == reference

    @precondition(lambda self: self.forms)
    @rule()
    def undo(self) -> None:
        try:
            self.desk.cancel(self.forms[-1][2], self.person)
        except CannotCancel:
            return

    @precondition(lambda self: self.judge.books.waiting())
    @rule(approves=st.booleans(), crash_after=st.one_of(st.just(NEVER), st.integers(1, 6)))
    def a_second_person_decides(self, approves: bool, crash_after: int) -> None:
        self._points_left = crash_after
        try:
            for reference, _ in self.judge.books.waiting():
                self._let_go(reference) if approves else self._stop(reference)
        except (BankError, Crash):
            return
        finally:
            self._points_left = NEVER

    def _let_go(self, reference: str) -> None:
        try:
            approvals.approve(self.desk.desk, self.approver, reference)
        except ApprovalRefused as refusal:
            if refusal.code == "no_longer_fits":
                self._stop(reference)

    def _stop(self, reference: str) -> None:
        approvals.reject(self.desk.desk, self.approver, reference, "not this one")

    @rule()
    def decide_what_is_under_review(self) -> None:
        for row in self.judge.books.refunds():
            if row.review and row.reference in {each.reference for each in self.judge.books.refunds()}:
                self._decide(row.reference)

    def _decide(self, reference: str) -> None:
        """Two people, who know from the bank what it has."""
        try:
            look = resolutions.look(self.desk.desk, reference)
            if not look.choices:
                self.desk.cancel(reference, self.person)
                return
            truth = self.judge.truth_of(reference, look)
            if truth is None:
                return
            number = resolutions.propose(self.desk.desk, self.person, reference, *truth, "asked the bank")
            resolutions.confirm(self.desk.desk, self.other, number)
        except (BankError, ResolutionRefused, CannotCancel):
            return

    # What goes wrong, and what happens elsewhere

    @rule(kind=st.sampled_from(sorted(FAULTS)))
    def spoil_the_next_refund(self, kind: str) -> None:
        self.desk.wire.next(REFUND, FAULTS[kind])

    @rule(kind=st.sampled_from(["lose the answer", "html", "refuse the connection"]))
    def spoil_the_next_read(self, kind: str) -> None:
        self.desk.wire.next(STATUS, FAULTS[kind])

    @rule()
    def charge_back(self) -> None:
        self.desk.bank.charge_back(self.session_id, 30_00)
        self.judge.outside_minor[self.session_id] += 30_00

    @rule(share=st.sampled_from([10_00, 40_00]))
    def refund_elsewhere(self, share: int) -> None:
        if sum(refund.amount_minor for refund in self.desk.bank_refunds(self.session_id)) + share <= CAPTURED_MINOR:
            self.desk.bank.refund_here(self.session_id, share)
            self.judge.outside_minor[self.session_id] += share

    @rule(status=st.sampled_from(["accepted", "declined", "error"]))
    def the_bank_decides(self, status: str) -> None:
        for refund in self.desk.bank_refunds(self.session_id):
            if refund.status in {"in_progress", "error"}:
                self.desk.bank.decide_refund(refund.id, status)
                self.webhooks.append(self.desk.wire.last_webhook(self.session_id))
        self.judge.see_bank()

    @precondition(lambda self: self.webhooks)
    @rule(data=st.data())
    def a_webhook_arrives(self, data: st.DataObject) -> None:
        """Any of them, at any time, as often as it likes."""
        self.desk.deliver(data.draw(st.sampled_from(self.webhooks)))

    # What happens by itself

    @rule(crash_after=st.one_of(st.just(NEVER), st.integers(1, 10)))
    def a_worker_works(self, crash_after: int) -> None:
        self._points_left = crash_after
        try:
            for work in worker.due_work(self.desk.desk, 10):
                worker.carry_out(self.desk.desk, work)
        except Crash:
            pass
        finally:
            self._points_left = NEVER

    @rule(duration_s=st.sampled_from([1, 6, 40, 320, 960, 4000]))
    def time_passes(self, duration_s: int) -> None:
        self.desk.clock.advance(duration_s)

    @rule()
    def sending_goes_on(self) -> None:
        sending.resume(self.desk.desk, "admin@desk.test")

    @invariant()
    def nothing_is_wrong(self) -> None:
        self.judge.see_bank()
        self.judge.check()

    def teardown(self) -> None:
        """Nothing fails any more: everything comes to an end, and people decide what is left to them."""
        if hasattr(self, "session_id"):
            self.desk.wire.forget_faults()
            self.sending_goes_on()
            for _ in range(4):
                self.desk.run_for(hours=2)
                self.the_bank_decides("accepted")
                self.decide_what_is_under_review()
                self.a_second_person_decides(approves=True, crash_after=NEVER)
            self.desk.run_for(hours=2)
            self.desk.read(self.session_id)
            self.judge.check_settled()
        self._stack.close()


@pytest.fixture(scope="module")
def simulate() -> Iterator[Simulator]:
    with simulator() as simulate:
        yield simulate


def test_no_order_of_steps_breaks_anything(simulate: Simulator) -> None:
    RefundLife.simulate = simulate
    run_state_machine_as_test(
        RefundLife,
        settings=settings(
            max_examples=60,
            stateful_step_count=25,
            deadline=None,
            database=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
