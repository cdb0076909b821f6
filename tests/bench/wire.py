"""The bank at the wire: a transport that ends in a sandbox bank, and goes wrong where the test says so.

`wire.next("session/refund", lose_answer)`: the next refund call is carried out, and no answer comes.
`wire.next("session/refund", error("too_much"))`: it is not carried out, the bank says no.
`wire.next("session/status", replay(earlier))`: a read gets an answer that was given before.
"""

import json
import threading
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dashboard.bank131.transport import HttpAnswer, NeverConnected, NoAnswer
from dashboard.clock import Clock
from dashboard.sandbox.bank import SandboxBank
from dashboard.sandbox.wire import session_answer

STATUS = "session/status"
REFUND = "session/refund"

Json = dict[str, Any]
CarryOut = Callable[[], HttpAnswer]
Fault = Callable[[CarryOut], HttpAnswer]


class Crash(BaseException):
    """The process dies here. No `except Exception` may survive it."""


@dataclass(frozen=True)
class Call:
    """One call that was made. `reached`: the bank got it."""

    method: str
    body: bytes
    headers: Mapping[str, str]
    at: datetime
    timeout_s: float

    @property
    def json(self) -> Json:
        fields: Json = json.loads(self.body)
        return fields

    @property
    def key(self) -> str | None:
        return self.headers.get("X-PARTNER-IDEMPOTENCY-KEY")


class Wire:
    """A Transport. `calls` holds every call that set out, `reached` those that the bank got.

    `echo`: how the bank gives a refund's metadata back: `object`, `string` (a JSON document inside a string) or
    `nothing`, in answers and in webhooks. `watch` is called before each call and after it, before its answer arrives.
    """

    def __init__(self, bank: SandboxBank, clock: Clock) -> None:
        self.bank = bank
        self.clock = clock
        self.calls: list[Call] = []
        self.reached: list[Call] = []
        self.echo = "object"
        self.watch: Callable[[], object] = lambda: None
        self._faults: dict[str, list[Fault]] = defaultdict(list)
        self._lock = threading.Lock()

    def __call__(self, url: str, headers: Mapping[str, str], body: bytes, timeout_s: float) -> HttpAnswer:
        version, _, method = url.partition("/api/v")[2].partition("/")
        call = Call(method, body, dict(headers), self.clock.now(), timeout_s)
        with self._lock:
            self.calls.append(call)
            faults = self._faults[method]
            fault = faults.pop(0) if faults else None
        self.watch()
        try:
            return fault(lambda: self._carry_out(int(version), call)) if fault else self._carry_out(int(version), call)
        finally:
            self.watch()

    def next(self, method: str, *faults: Fault) -> None:
        """What becomes of the next calls of this method, one fault each."""
        self._faults[method].extend(faults)

    def forget_faults(self) -> None:
        """From now on all goes well again."""
        self._faults.clear()

    def sent(self, reference: str) -> list[Call]:
        """The refund calls under this idempotency key that reached the bank."""
        return [call for call in self.reached if call.method == REFUND and call.key == reference]

    def answer_now(self, session_id: str) -> HttpAnswer:
        """What a read would be answered at this moment; no call is made, and no fault used up."""
        return HttpAnswer(200, echoed(session_answer(self.bank.ledger.sessions[session_id], 1), self.echo))

    def last_webhook(self, session_id: str) -> bytes:
        """The body of the session's last webhook, as it goes out."""
        return echoed((self.bank.ledger.sessions[session_id].last_webhook or "").encode(), self.echo)

    def webhook_now(self, session_id: str, kind: str = "payment_refunded") -> bytes:
        """A webhook that shows the session as it is at this moment."""
        session = json.loads(self.answer_now(session_id).body)["session"]
        return json.dumps({"type": kind, "session": session}).encode()

    def _carry_out(self, version: int, call: Call) -> HttpAnswer:
        with self._lock:
            self.reached.append(call)
            answer = self.bank.call(version, call.method, call.headers, call.body)
            if answer.dropped:
                raise NoAnswer("the connection was lost")
            return HttpAnswer(answer.status, echoed(answer.body, self.echo))


def echoed(body: bytes, how: str) -> bytes:
    """An answer or a webhook of a bank that echoes metadata so: as `object`, as `string`, or as `nothing`."""
    if how == "object" or b'"refunds"' not in body:
        return body
    data = json.loads(body)
    for refund in refunds_in(data["session"]):
        metadata = refund.pop("metadata", None)
        if how == "string" and metadata is not None:
            refund["metadata"] = json.dumps(metadata)
    return json.dumps(data).encode()


def refunds_in(session: Json) -> list[Json]:
    """Every refund of a PaymentSession as JSON, of either version of the API."""
    payments = session.get("acquiring_payments") or session.get("payment_list") or []
    return [refund for payment in payments for refund in payment.get("refunds", [])]


# Faults


def refuse_connection(_carry_out: CarryOut) -> HttpAnswer:
    """No connection, nothing sent."""
    raise NeverConnected("the connection was refused")


def lose_request(_carry_out: CarryOut) -> HttpAnswer:
    """Something was sent, the bank never got it, and nobody can tell."""
    raise NoAnswer("no whole answer within 30 s")


def lose_answer(carry_out: CarryOut) -> HttpAnswer:
    """The bank carried it out; its answer never came."""
    carry_out()
    raise NoAnswer("the connection was lost")


def bad_gateway(carry_out: CarryOut) -> HttpAnswer:
    """Carried out, and HTML from something in between."""
    carry_out()
    return HttpAnswer(502, b"<html><body>Bad Gateway</body></html>")


def cut_short(carry_out: CarryOut) -> HttpAnswer:
    """Carried out; half of the answer came."""
    answer = carry_out()
    return HttpAnswer(answer.status, answer.body[: len(answer.body) // 2])


def crash_before(_carry_out: CarryOut) -> HttpAnswer:
    """The process dies before anything is sent."""
    raise Crash


def crash_after(carry_out: CarryOut) -> HttpAnswer:
    """The process dies when the bank has carried it out."""
    carry_out()
    raise Crash


def error(code: str, http_status: int = 200, description: str = "No") -> Fault:
    """Not carried out; a well-formed error."""
    fields = {"status": "error", "error": {"code": code, "description": description}}
    return answered(http_status, json.dumps(fields).encode())


def answered(http_status: int, body: bytes) -> Fault:
    """Not carried out; this comes back."""
    return lambda _carry_out: HttpAnswer(http_status, body)


def replay(answer: HttpAnswer) -> Fault:
    """Not asked; an answer given earlier comes back."""
    return lambda _carry_out: answer


def edited(change: Callable[[Json], None]) -> Fault:
    """Carried out; the session in the answer is changed on its way."""

    def fault(carry_out: CarryOut) -> HttpAnswer:
        answer = carry_out()
        data = json.loads(answer.body)
        change(data["session"])
        return HttpAnswer(answer.status, json.dumps(data).encode())

    return fault


def meanwhile(before: Callable[[], object], then: Fault | None = None) -> Fault:
    """Something happens while the request is on its way; then the fault, or a good answer."""

    def fault(carry_out: CarryOut) -> HttpAnswer:
        before()
        return then(carry_out) if then else carry_out()

    return fault


def before_answer(happens: Callable[[], object], then: Fault | None = None) -> Fault:
    """Something happens when the bank has carried it out (or the fault), before the answer arrives."""

    def fault(carry_out: CarryOut) -> HttpAnswer:
        try:
            return then(carry_out) if then else carry_out()
        finally:
            happens()

    return fault
