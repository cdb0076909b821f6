"""The sandbox bank's behaviour: answers calls, ends refunds, announces them, and fails on request.

No HTTP, no threads, no clock or randomness of its own: whoever runs it passes them in, calls `advance` when
`next_due` has come, delivers what `take_due_webhooks` gives and reports with `webhook_done`.

Errors follow the bank's documentation and its SDK. A business error (`session_not_found`, `nothing_to_refund`,
…) is answered with HTTP 200, a request that is itself wrong with 400 (`bad_request`, `validation_error`,
`idempotency_key_already_exists`), 401 (`authentication_error`), 403 (`authorization_error`) or 404
(`unknown_method`).
"""

import random as random_module
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from dashboard.clock import Clock
from dashboard.sandbox import control, faults, limits, wire
from dashboard.sandbox.control import ControlError
from dashboard.sandbox.faults import Answer
from dashboard.sandbox.ledger import Delivery, Fault, JsonObject, Ledger, Payment, Refund, Session, Settings, Store
from dashboard.sandbox.outbox import Outbox, OutgoingWebhook
from dashboard.sandbox.wire import Refusal

PROJECT = "demo_project"
FEE_PER_MILLE = 15

_FIRST_NUMBERS = {"ps": 3200, "pm": 1_237_000, "rf": 100, "wh": 0}


class SandboxBank:
    """`verify(body, signature)` and `sign(body)` stand for the merchant's public and the bank's private key.

    `ledger` is the truth, open to whoever wants to compare; change it through the verbs only.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        random: random_module.Random,
        verify: Callable[[bytes, str | None], bool],
        sign: Callable[[bytes], str],
        project: str = PROJECT,
        webhook_url: str | None = None,
        store: Store | None = None,
    ) -> None:
        self.project = project
        self.ledger = Ledger(store)
        self._clock = clock
        self._random = random
        self._verify = verify
        self._outbox = Outbox(self.ledger, clock=clock, sign=sign, new_id=self.new_id, url=webhook_url)
        self._timers: dict[str, datetime] = {}
        self._refunds: dict[str, tuple[Session, Payment, Refund]] = {}
        self._payments: dict[str, tuple[Session, Payment]] = {}
        self._methods = dict(
            zip(
                control.METHODS,
                (
                    self._create,
                    self._init_payment,
                    self._start_payment,
                    self._capture,
                    self._confirm,
                    self._cancel,
                    self._find,
                    self._refund,
                    self._chargeback,
                ),
                strict=True,
            )
        )
        for session in self.ledger.sessions.values():
            self._index(session)

    @property
    def webhook_url(self) -> str | None:
        return self._outbox.url

    # The bank's API

    def call(self, version: int, method: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """One API call. A fault that waits for it is used up, whatever the call deserved.

        `drop_request` and `http_500`: nothing is carried out. `drop_response`, `html_502`, `truncate` and `slow`:
        it is carried out. `forget_key`: carried out as if it had come without its idempotency key.
        """
        fault = faults.take(self.ledger, method, body)
        kind = fault.kind if fault else ""
        if kind in {"drop_request", "http_500"}:
            answer = Answer(500, wire.error_answer("internal_error", "Something went wrong, try again later"))
        else:
            named = {name.lower(): value for name, value in headers.items()}
            answer = self._answer(version, method, named, body, keyless=kind == "forget_key")
        self.ledger.flush()
        return faults.spoilt(answer, fault) if fault else answer

    def _answer(self, version: int, method: str, headers: Mapping[str, str], body: bytes, *, keyless: bool) -> Answer:
        try:
            self._check(method, headers, body)
            key = None if keyless else headers.get("x-partner-idempotency-key")
            session = self._carry_out(version, method, wire.read_request(body), key)
        except Refusal as no:
            return Answer(no.http_status, wire.error_answer(no.code, no.description))
        return Answer(200, wire.session_answer(session, version))

    def _check(self, method: str, headers: Mapping[str, str], body: bytes) -> None:
        if headers.get("x-partner-project") != self.project:
            raise Refusal("authorization_error", "The project is not allowed to do this", 403)
        if not self._verify(body, headers.get("x-partner-sign")):
            raise Refusal("authentication_error", "The signature is wrong", 401)
        if method not in self._methods:
            raise Refusal("unknown_method", f"There is no method {method}", 404)

    def _carry_out(self, version: int, method: str, request: JsonObject, key: str | None) -> Session:
        """A key counts as used once a call that changed something went through with it."""
        if key in self.ledger.used_keys:
            raise Refusal("idempotency_key_already_exists", "Already in progress or processed", 400)
        session = self._methods[method](request)
        if method != "session/status":
            session.version = version
            self.ledger.changed(session)
            if key is not None:
                self.ledger.used_keys.add(key)
                self.ledger.changed(key=key)
        return session

    def _find(self, request: JsonObject) -> Session:
        session_id = request.get("session_id")
        if not isinstance(session_id, str) or not session_id:
            raise Refusal("validation_error", "session_id is missing", 400)
        session = self.ledger.sessions.get(session_id)
        if session is None:
            raise Refusal("session_not_found", "There is no such session in this project")
        return session

    # Payments

    def _create(self, request: JsonObject) -> Session:
        draft = wire.read_draft(request)
        now = self.now()
        session = Session(self.new_id("ps"), "created", created_at=now, updated_at=now, draft=draft)
        self.ledger.sessions[session.id] = session
        return session

    def _init_payment(self, request: JsonObject) -> Session:
        wire.check_complete(wire.read_draft(request))
        session = self._create(request)
        self._start(session)
        return session

    def _start_payment(self, request: JsonObject) -> Session:
        session = self._find(request)
        if session.status != "created":
            raise Refusal("session_already_started", "The session has been started before")
        draft = {**session.draft, **wire.read_draft(request)}
        wire.check_complete(draft)
        session.draft = draft
        self._start(session)
        return session

    def _start(self, session: Session) -> None:
        draft = session.draft
        amount_minor, currency = draft["amount"]
        details, failure = draft["details"]
        self._touch(session, "in_progress")
        payment = Payment(
            id=self.new_id("pm"),
            status="in_progress",
            amount_minor=amount_minor,
            currency=currency,
            created_at=session.updated_at,
            customer=draft["customer"],
            details=details,
            metadata=draft.get("metadata"),
            options=draft.get("options"),
            error=failure,
        )
        session.payments.append(payment)
        self._index(session)
        self._set_step(payment, "fail" if failure else self.ledger.settings.payments)

    def _confirm(self, request: JsonObject) -> Session:
        session = self._waiting_for(request, "confirm")
        self._go_on(session)
        return session

    def _capture(self, request: JsonObject) -> Session:
        session = self._waiting_for(request, "capture")
        payment, amount = session.payments[-1], wire.read_amount(request)
        if amount:
            limits.check_currency(amount[1], payment)
            if amount[0] > payment.amount_minor:
                raise Refusal("capture_amount_exceeded", "More than was authorised")
            payment.amount_minor = amount[0]
        self._go_on(session)
        return session

    def _waiting_for(self, request: JsonObject, action: str) -> Session:
        session = self._find(request)
        if session.next_action != action:
            raise Refusal(f"nothing_to_{action}", f"The session does not wait for session/{action}")
        return session

    def _go_on(self, session: Session) -> None:
        session.next_action = None
        self._touch(session)
        self._set_step(session.payments[-1], "finish")

    def _cancel(self, request: JsonObject) -> Session:
        session = self._find(request)
        if session.status != "created" and not session.next_action:
            raise Refusal("nothing_to_cancel", "There is nothing left to cancel in this session")
        session.next_action = None
        self._touch(session, "cancelled")
        session.finished_at = session.updated_at
        for payment in session.payments:
            payment.status, payment.finished_at = "failed", session.updated_at
            payment.error = {"code": "cancelled_by_merchant", "description": "Cancelled by the merchant"}
            self._outbox.announce(session, "payment_finished")
        return session

    def _touch(self, session: Session, status: str | None = None) -> None:
        session.updated_at = self.now()
        session.status = status or session.status
        self.ledger.changed(session)

    def _set_step(self, payment: Payment, step: str) -> None:
        payment.step = step
        payment.step_at = self._timers[payment.id] = self._decision_at()

    def _take_step(self, session: Session, payment: Payment) -> None:
        step, payment.step, payment.step_at = payment.step, "", None
        if step in {"confirm", "capture"}:
            session.next_action = step
            payment.status = "pending"
            self._touch(session)
            self._outbox.announce(session, f"ready_to_{step}")
            return
        self._touch(session, "accepted" if step == "finish" else "cancelled")
        payment.status = "succeeded" if step == "finish" else "failed"
        payment.finished_at = session.finished_at = session.updated_at
        if step == "finish":
            self.give_numbers(payment)
        self._outbox.announce(session, "payment_finished")

    # Refunds and chargebacks

    def _refund(self, request: JsonObject) -> Session:
        session = self._find(request)
        amount = wire.read_amount(request)
        payment = limits.payment_to_refund(session, amount)
        refund = self._new_refund(session, payment, amount[0] if amount else payment.amount_minor)
        refund.metadata = request.get("metadata")
        if self.ledger.settings.decide != "manual":
            self._decide_later(refund, self.ledger.settings.decide)
        return session

    def _chargeback(self, request: JsonObject) -> Session:
        session = self._find(request)
        amount = wire.read_amount(request)
        payment = limits.payment_to_charge_back(session)
        if amount:
            limits.check_currency(amount[1], payment)
        refund = self._new_refund(session, payment, amount[0] if amount else payment.amount_minor)
        refund.is_chargeback = True
        self._decide_later(refund, "accepted")
        return session

    def _new_refund(self, session: Session, payment: Payment, amount_minor: int) -> Refund:
        refund = Refund(self.new_id("rf"), "in_progress", amount_minor, payment.currency, self.now())
        payment.refunds.append(refund)
        self._refunds[refund.id] = session, payment, refund
        self.ledger.changed(session)
        return refund

    def _decide_later(self, refund: Refund, status: str) -> None:
        refund.decide_as = status
        refund.decide_at = self._timers[refund.id] = self._decision_at()

    def _decide(self, refund_id: str, status: str, at: datetime | None = None) -> Session:
        session, _, refund = self._refunds[refund_id]
        self._timers.pop(refund_id, None)
        refund.status, refund.decide_at, refund.decide_as = status, None, ""
        if status != "error":
            refund.finished_at = at or self.now()
        if status == "accepted" and refund.rrn is None:
            refund.rrn = self._digits(12)
        self._outbox.announce(session, "payment_refunded")
        return session

    def _decision_at(self) -> datetime:
        return self.now() + timedelta(milliseconds=self.ledger.settings.decide_after_ms)

    # What happens by itself

    def next_due(self) -> datetime | None:
        """When `advance` or `take_due_webhooks` has something to do next; None while nothing is waiting."""
        webhook_at = self._outbox.next_due()
        return min([*self._timers.values(), *([webhook_at] if webhook_at else [])], default=None)

    def advance(self, now: datetime) -> int:
        """Carry out every decision due by now, in the order of their times; how many there were."""
        due = sorted((at, name) for name, at in self._timers.items() if at <= now)
        for _, name in due:
            del self._timers[name]
            if name in self._refunds:
                self._decide(name, self._refunds[name][2].decide_as)
            else:
                self._take_step(*self._payments[name])
        self.ledger.flush()
        return len(due)

    def take_due_webhooks(self, now: datetime, at_most: int | None = None) -> list[OutgoingWebhook]:
        """The attempts due by now, the longest waiting first. Each is under way until `webhook_done`."""
        return self._outbox.take_due(now, at_most)

    def webhook_done(self, delivery_id: str, http_status: int | None) -> None:
        """Report an attempt: its HTTP status, None for no answer. All but 200 is tried again for half an hour."""
        self._outbox.done(delivery_id, http_status)
        self.ledger.flush()

    # Control: what a test or a person makes the bank do

    def change_settings(self, changes: Mapping[str, object]) -> Settings:
        """Change what is named and keep the rest. Switching webhooks to `on` sends what is held or delayed."""
        self.ledger.settings = control.changed_settings(self.ledger.settings, changes)
        self.ledger.changed()
        if changes.get("webhooks") == "on":
            self._outbox.send_now()
        self.ledger.flush()
        return self.ledger.settings

    def add_fault(self, fault: Fault) -> None:
        """The next `times` calls of that method (and session) fail so."""
        self.ledger.faults.append(fault)
        self.ledger.changed()
        self.ledger.flush()

    def clear_faults(self) -> None:
        self.ledger.faults.clear()
        self.ledger.changed()
        self.ledger.flush()

    def decide_refund(self, refund_id: str, status: object, *, force: bool = False) -> Session:
        """End a refund by hand and announce it. Contradicting a final status takes `force`."""
        decision = control.one_of("status", status, control.DECISIONS)
        if refund_id not in self._refunds:
            raise ControlError(404, f"There is no refund {refund_id}")
        refund = self._refunds[refund_id][2]
        if refund.status in {"accepted", "declined"} and not force:
            raise ControlError(409, f"{refund_id} is {refund.status} already; send force to contradict it")
        session = self._decide(refund_id, decision)
        self.ledger.flush()
        return session

    def charge_back(self, session_id: str, amount_minor: object, *, at: datetime | None = None) -> Session:
        """A finished chargeback (of the moment `at`), announced; like a real one it may take more than is left."""
        session, payment = self._paid(session_id)
        refund = self._new_refund(session, payment, control.amount_minor(amount_minor))
        refund.is_chargeback = True
        return self._finish_here(refund, at)

    def refund_here(
        self, session_id: str, amount_minor: object, metadata: object = None, *, at: datetime | None = None
    ) -> Session:
        """A finished refund that nobody asked for over the API (the bank's staff made it), announced."""
        session, payment = self._paid(session_id)
        amount = control.amount_minor(amount_minor)
        if amount > limits.left_of(payment):
            raise ControlError(409, f"Only {max(limits.left_of(payment), 0)} is left of {payment.id}")
        refund = self._new_refund(session, payment, amount)
        refund.metadata = metadata
        return self._finish_here(refund, at)

    def _finish_here(self, refund: Refund, at: datetime | None) -> Session:
        refund.created_at = at or refund.created_at
        session = self._decide(refund.id, "accepted", at)
        self.ledger.flush()
        return session

    def resend_webhook(self, session_id: str | None = None) -> Delivery:
        """The last webhook of a session (None: of all sessions), byte for byte, at once."""
        session = self._session(session_id or self.ledger.last_announced or "")
        if session.last_webhook is None:
            raise ControlError(409, f"No webhook has been made for {session.id} yet")
        if not self._outbox.url:
            raise ControlError(409, "The sandbox was started without a webhook URL")
        delivery = self._outbox.repeat(session)
        self.ledger.flush()
        return delivery

    def add_session(self, session: Session, *, announce: str | None) -> Session:
        """Put a ready-made session into the ledger (ids from `new_id`, numbers from `give_numbers`).

        `announce` is the type of the webhook that tells of it.
        """
        self.ledger.sessions[session.id] = session
        self.ledger.changed(session)
        self._index(session)
        if announce:
            self._outbox.announce(session, announce)
        self.ledger.flush()
        return session

    def give_numbers(self, payment: Payment) -> None:
        """What a payment has once it succeeded: fee, RRN, and for a card the authorisation code and ARN."""
        payment.fee_minor = payment.amount_minor * FEE_PER_MILLE // 1000
        payment.rrn = self._digits(12)
        if payment.details["type"] == "card":
            payment.auth_code, payment.arn = self._digits(6), self._digits(23)

    def now(self) -> datetime:
        return self._clock.now()

    def new_id(self, prefix: str) -> str:
        """`ps` -> `ps_3201`; numbers are never given twice in one ledger."""
        number = self.ledger.counters.get(prefix, _FIRST_NUMBERS[prefix]) + 1
        self.ledger.counters[prefix] = number
        self.ledger.changed()
        return f"{prefix}_{number}"

    def _session(self, session_id: str) -> Session:
        if session_id not in self.ledger.sessions:
            raise ControlError(404, f"There is no session {session_id}".rstrip())
        return self.ledger.sessions[session_id]

    def _paid(self, session_id: str) -> tuple[Session, Payment]:
        session = self._session(session_id)
        try:
            return session, limits.payment_to_charge_back(session)
        except Refusal as no:
            raise ControlError(409, f"{session_id} has no successful payment") from no

    def _digits(self, length: int) -> str:
        return str(self._random.randrange(10 ** (length - 1), 10**length))

    def _index(self, session: Session) -> None:
        for payment in session.payments:
            self._payments[payment.id] = session, payment
            if payment.step_at:
                self._timers[payment.id] = payment.step_at
            for refund in payment.refunds:
                self._refunds[refund.id] = session, payment, refund
                if refund.decide_at:
                    self._timers[refund.id] = refund.decide_at
