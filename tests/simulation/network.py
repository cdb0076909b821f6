"""The way between the desk and the bank, in simulated time: calls take time, get lost, come late, twice or spoilt."""

import json
import random
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from greenlet import getcurrent, greenlet

from dashboard.bank131.transport import HttpAnswer, NeverConnected, NoAnswer
from dashboard.sandbox.bank import SandboxBank
from dashboard.sandbox.wire import session_answer
from tests.bench.wire import REFUND, echoed
from tests.simulation import plan as faults
from tests.simulation.plan import Plan
from tests.simulation.schedule import Schedule, waking

HTML_BODY = b"<html><body>Bad Gateway</body></html>"
# A second copy of a request that the network makes by itself comes soon after the first.
SECOND_COPY_WITHIN_S = 8.0


@dataclass
class Call:
    """One call on its way. `deadline`: nobody waits for its answer any longer.

    `made`: the bank's refunds that it led to. `answer`: once it has come back.
    """

    method: str
    headers: Mapping[str, str]
    body: bytes
    started_at: datetime
    deadline: datetime
    task: greenlet
    made: set[str] = field(default_factory=set)
    answer: HttpAnswer | None = None
    is_over: bool = False

    @property
    def session_id(self) -> str:
        return str(json.loads(self.body)["session_id"])


@dataclass
class Network:
    """`quiet_s`: how long after its deadline a request may still be carried out, as the protocol assumes.

    `on_refund` is called when a refund call sets out. `under_way`: calls that somebody waits for. `to_arrive`: those
    that the bank has not got yet, whoever still waits. `hidden`: the bank's refunds that it does not show any more.
    """

    bank: SandboxBank
    schedule: Schedule
    plan: Plan
    quiet_s: float
    on_refund: Callable[[Call], None]
    under_way: list[Call] = field(default_factory=list)
    to_arrive: list[Call] = field(default_factory=list)
    hidden: set[str] = field(default_factory=set)
    _shown: dict[str, list[tuple[datetime, bytes]]] = field(default_factory=lambda: defaultdict(list))

    def __call__(self, url: str, headers: Mapping[str, str], body: bytes, timeout_s: float) -> HttpAnswer:
        """A Transport, used by tasks."""
        now = self.schedule.clock.now()
        deadline = now + timedelta(seconds=timeout_s)
        call = Call(url.partition("/api/v1/")[2], headers, body, now, deadline, getcurrent())
        if call.method == REFUND:
            self.on_refund(call)
        kind = self.plan.answer_fault(call.method)
        # An answer that could be out of date counts only where it is.
        if kind not in {faults.NONE, *faults.OF_READS}:
            self.plan.note_answer(kind)
        if kind == faults.NEVER_REACHED:
            self.schedule.pause(self._chance.uniform(0, 5))
            raise NeverConnected("the connection was refused")
        self.under_way.append(call)
        try:
            return self._exchange(call, kind)
        finally:
            call.is_over = True
            self.under_way.remove(call)

    @property
    def _chance(self) -> random.Random:
        return self.plan.chance

    def _exchange(self, call: Call, kind: str) -> HttpAnswer:
        self.schedule.at(call.deadline, self._waking_of(call))
        if kind != faults.REQUEST_LOST:
            self.to_arrive.append(call)
            self.schedule.after(self._delay_s(call, kind), lambda: self._arrive(call, kind))
        self.schedule.wait()
        if call.answer is None:
            raise NoAnswer("no whole answer in time")
        return call.answer

    def _waking_of(self, call: Call) -> Callable[[], None]:
        def wake() -> None:
            if not call.is_over:
                waking(call.task)()

        return wake

    def _delay_s(self, call: Call, kind: str) -> float:
        """Until the request arrives. A late one arrives when nobody waits for its answer any more."""
        if kind != faults.REQUEST_LATE:
            return self._chance.uniform(0.01, 1.0)
        timeout_s = (call.deadline - call.started_at).total_seconds()
        if self.plan.beyond:
            return timeout_s + self.quiet_s * self._chance.uniform(0.1, 3.0)
        return timeout_s + self.quiet_s * self._chance.choice((self._chance.uniform(0.001, 0.999), 0.999))

    def _arrive(self, call: Call, kind: str) -> None:
        """The bank gets the request."""
        self.to_arrive.remove(call)
        answer = self._answer(call, kind)
        if kind == faults.REQUEST_TWICE:
            self.schedule.after(self._chance.uniform(0, SECOND_COPY_WITHIN_S), lambda: self._arrive_again(call))
        if kind == faults.ANSWER_LOST:
            return
        slow = self.plan.decides_at_once and call.method == REFUND
        self.schedule.after(
            self._chance.uniform(8, 20) if slow else self._chance.uniform(0.01, 2), self._back(call, answer)
        )

    def _arrive_again(self, call: Call) -> None:
        """Nobody can tell which copy's answer comes back first."""
        if self.plan.beyond and self._chance.random() < 0.3:
            self._forget_key(call)
        self.schedule.after(self._chance.uniform(0.01, 2), self._back(call, self._carried_out(call)))

    def _back(self, call: Call, answer: HttpAnswer) -> Callable[[], None]:
        def come_back() -> None:
            if not call.is_over and call.answer is None:
                call.answer = answer
                waking(call.task)()

        return come_back

    def _answer(self, call: Call, kind: str) -> HttpAnswer:
        chance = self._chance.random()
        if kind == faults.STALE_READ and call.session_id in self._shown:
            return self._stale(call.session_id)
        if kind == faults.NOT_ALL_SHOWN and call.session_id in self.bank.ledger.sessions:
            return self._without_payments(call.session_id)
        if kind == faults.HTTP_500:
            return HttpAnswer(500, _error("internal_error"))
        if kind == faults.SAID_NO:
            return HttpAnswer(200 if chance < 0.5 else 400, _error("refund_impossible"))
        if kind == faults.KEYS_WRONG:
            return HttpAnswer(401, _error("authentication_error"))
        if kind == faults.KEY_FORGOTTEN or self.plan.forgets_keys:
            self._forget_key(call)
        if kind in {faults.KEY_EXISTS, faults.HTML} and chance < 0.5:
            return HttpAnswer(400, _error("idempotency_key_already_exists")) if kind == faults.KEY_EXISTS else _HTML
        answer = self._carried_out(call)
        if kind == faults.KEY_EXISTS:
            return HttpAnswer(400, _error("idempotency_key_already_exists"))
        if kind == faults.HTML:
            return _HTML
        return HttpAnswer(answer.status, answer.body[: len(answer.body) // 2]) if kind == faults.CUT_SHORT else answer

    def _forget_key(self, call: Call) -> None:
        self.bank.ledger.used_keys.discard(call.headers.get("X-PARTNER-IDEMPOTENCY-KEY", ""))

    def _carried_out(self, call: Call) -> HttpAnswer:
        before = self._refund_ids()
        answer = self.bank.call(1, call.method, call.headers, call.body)
        call.made |= self._refund_ids() - before
        self.remember(call.session_id)
        return HttpAnswer(answer.status, self.shown(answer.body))

    def _refund_ids(self) -> set[str]:
        return {refund.id for _, _, refund in self.bank.ledger.refunds()}

    def shown(self, body: bytes) -> bytes:
        """A body of the bank's as it goes out: metadata as this bank echoes it, and without what it hides."""
        body = echoed(body, self.plan.echo)
        if not self.hidden or b'"refunds"' not in body:
            return body
        data = json.loads(body)
        for payment in data["session"]["acquiring_payments"]:
            kept = [refund for refund in payment.get("refunds", []) if refund["id"] not in self.hidden]
            payment["refunds"] = kept
        return json.dumps(data).encode()

    def remember(self, session_id: str) -> None:
        """Note what the session looks like from now on, for reads that come from a copy that lags behind."""
        session = self.bank.ledger.sessions.get(session_id)
        if session is not None:
            self._shown[session_id].append((self.schedule.clock.now(), self.shown(session_answer(session, 1))))

    def _stale(self, session_id: str) -> HttpAnswer:
        """As it was before, at most as long ago as two proofs of absence lie apart."""
        most_s = self.quiet_s * (3.0 if self.plan.beyond else 0.33)
        then = self.schedule.clock.now() - timedelta(seconds=self._chance.uniform(0, most_s))
        shown = self._shown[session_id]
        index = bisect_right(shown, then, key=lambda each: each[0]) - 1
        body = shown[max(index, 0)][1]
        if body != self.shown(session_answer(self.bank.ledger.sessions[session_id], 1)):
            self.plan.note_answer(faults.STALE_READ)
        return HttpAnswer(200, body)

    def _without_payments(self, session_id: str) -> HttpAnswer:
        """Well formed, and less than there is."""
        session = json.loads(session_answer(self.bank.ledger.sessions[session_id], 1))
        if session["session"].get("acquiring_payments"):
            self.plan.note_answer(faults.NOT_ALL_SHOWN)
        session["session"]["acquiring_payments"] = self._chance.choice(([], None))
        return HttpAnswer(200, json.dumps(session).encode())


_HTML = HttpAnswer(502, HTML_BODY)


def _error(code: str) -> bytes:
    return json.dumps({"status": "error", "error": {"code": code, "description": "No"}}).encode()


# What a bank says to whom it has never met.
KNOWS_NOTHING = HttpAnswer(200, _error("session_not_found"))
