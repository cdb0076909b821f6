"""A whole refund desk in the test's hands: its verbs, its worker, its bank and its clock."""

import functools
import json
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from argon2 import PasswordHasher
from sqlalchemy import bindparam, func, select

from dashboard import journal, ledger, reads, refund_counts, refund_rules, refunds, replay, webhook_inbox, worker
from dashboard.db import UtcDateTime
from dashboard.desk import Desk, journal_key
from dashboard.models import Anomaly, Attempt, JournalEntry, PaymentSession, Person, Refund, WebhookDelivery
from dashboard.sandbox import scenes
from dashboard.sandbox.bank import SandboxBank
from dashboard.sandbox.ledger import Payment as BankPayment
from dashboard.sandbox.ledger import Refund as BankRefund
from tests.bench.simulated import SimulatedClock
from tests.bench.wire import Wire

PASSWORD = "open sesame 131"
MOST_ROUNDS = 200
A_MILLISECOND = timedelta(milliseconds=1)
_NOW = bindparam("now", type_=UtcDateTime())
_LEASE_ENDS = (
    select(func.min(Attempt.lease_until))
    .join(Refund, Refund.id == Attempt.refund_id)
    .where(Attempt.lease_until >= _NOW, Refund.state == "sending")
)
_DUE_HERE = select(
    *(
        select(func.min(column)).where(column > _NOW).scalar_subquery()
        for column in (WebhookDelivery.next_try_at, Refund.next_send_at, PaymentSession.next_read_at)
    ),
    _LEASE_ENDS.scalar_subquery(),
)


@functools.cache
def hash_of(password: str) -> str:
    """Argon2 takes its time: once a password is enough."""
    return PasswordHasher().hash(password)


def order(amount_minor: int | None = None, *, kind: str | None = None, comment: str = "") -> refunds.RefundOrder:
    """A partial refund of this amount, or everything without one."""
    kind = kind or ("full" if amount_minor is None else "partial")
    return refunds.RefundOrder(kind, amount_minor, "customer_request", comment)


class RefundDesk:
    """`desk` is the real thing; the other methods are shorthands for what tests do all the time.

    Rows come back as they are in the database at that moment, detached. `is_tampered`: a test broke the books on
    purpose. `is_made_up`: it put rows into the tables that the journal does not tell of.
    """

    def __init__(self, desk: Desk, clock: SimulatedClock, bank: SandboxBank, wire: Wire) -> None:
        self.desk = desk
        self.clock = clock
        self.bank = bank
        self.wire = wire
        self.is_tampered = False
        self.is_made_up = False

    # Set the scene

    def paid_session(self, *amounts_minor: int, currency: str = "rub", customer: str = "client-1") -> str:
        """A session at the bank with a succeeded payment of each amount (100.00 if none is given), by its id."""
        first, *more = amounts_minor or (100_00,)
        session = scenes.add_scene(self.bank, scenes.Scene(1, customer, first, currency))
        for amount_minor in more:
            number = self.bank.new_id("pm")
            session.payments.append(replace(session.payments[0], id=number, amount_minor=amount_minor, refunds=[]))
        return session.id

    def bank_payments(self, session_id: str) -> list[BankPayment]:
        """The session's payments as the bank holds them, to be changed at will."""
        return self.bank.ledger.sessions[session_id].payments

    def bank_refunds(self, session_id: str) -> list[BankRefund]:
        """The session's refunds as the bank holds them."""
        return [refund for payment in self.bank_payments(session_id) for refund in payment.refunds]

    def person(self, role: str = "operator", email: str = "", password: str = PASSWORD) -> Person:
        """An account with this role, found again by its address (`ROLE@desk.test` if none is given)."""
        email = email or f"{role}@desk.test"
        with self.desk.write() as tx:
            found = tx.scalars(select(Person).where(Person.email == email)).one_or_none()
            if found is None:
                new_id, now = self.desk.new_id(), self.clock.now()
                found = Person(id=new_id, email=email, password_hash=hash_of(password), role=role, created_at=now)
                tx.add(found)
        return found

    # What a person does

    def read(self, session_id: str) -> PaymentSession:
        """Read the session at the bank, as its page does, and answer with its row."""
        reads.read_session(self.desk, session_id)
        return self.session(session_id)

    def offer(self, session_id: str) -> refunds.Offer:
        with self.desk.read() as session:
            return refunds.offer_of(session, session.get_one(PaymentSession, session_id))

    def form(self, session_id: str, person: Person | None = None) -> str:
        """Open the refund form: read the session, answer with the form's token."""
        self.read(session_id)
        who = person or self.person()
        return refunds.new_form_token(self.desk, who.id, session_id, self.offer(session_id))

    def submit(self, session_id: str, token: str, what: refunds.RefundOrder, person: Person | None = None) -> str:
        return refunds.request(self.desk, person or self.person(), session_id, token, what)

    def ask(self, session_id: str, amount_minor: int | None = None, person: Person | None = None) -> str:
        """Open a form and submit it; in full without an amount. Answers with the refund's reference."""
        return self.submit(session_id, self.form(session_id, person), order(amount_minor), person)

    def cancel(self, reference: str, person: Person | None = None) -> None:
        refunds.cancel(self.desk, person or self.person(), reference)

    def send(self, reference: str) -> Refund:
        """Wait until it can no longer be undone, let the worker work, answer with the refund's row."""
        self.clock.advance_to(self.refund(reference).undo_until or self.clock.now())
        self.work()
        return self.refund(reference)

    def ask_and_send(self, session_id: str, amount_minor: int | None = None) -> str:
        """Ask, and let the worker send it. Answers with the reference."""
        reference = self.ask(session_id, amount_minor)
        self.send(reference)
        return reference

    def deliver(self, body: bytes) -> int:
        """A webhook with a good signature arrives: stored, then applied. Answers with the delivery's id."""
        delivery_id = webhook_inbox.store(self.desk, body)
        webhook_inbox.apply(self.desk, delivery_id)
        return delivery_id

    # What happens by itself

    def work(self) -> list[worker.Work]:
        """Let one worker do all that is due at this moment; answers with what it did."""
        done: list[worker.Work] = []
        for _ in range(MOST_ROUNDS):
            due = worker.due_work(self.desk, 10)
            if not due:
                return done
            for one in due:
                worker.carry_out(self.desk, one)
            done += due
        raise AssertionError(f"the worker does not come to rest: {done[-5:]}")

    def run_for(self, duration_s: float = 0.0, **parts: float) -> None:
        """Let time pass, from one thing that is due to the next, with the bank and a worker at work."""
        end = self.clock.now() + timedelta(seconds=duration_s, **parts)
        self.run_until(lambda: False, end)
        self.clock.advance_to(end)
        self._work_with_bank()

    def run_in_steps(self, count: int, **step: float) -> None:
        """Let time pass in steps; bank and worker are at work after each, not whenever something is due."""
        for _ in range(count):
            self.clock.advance(**step)
            self._work_with_bank()

    def run_until(self, condition: Callable[[], bool], end: datetime) -> bool:
        """The same, until the condition is met or nothing more is due before the end; whether it was met."""
        self._work_with_bank()
        while not condition():
            moment = self.next_due()
            if moment is None or moment > end:
                return False
            self.clock.advance_to(moment)
            self._work_with_bank()
        return True

    def _work_with_bank(self) -> None:
        self.bank.advance(self.clock.now())
        self.work()

    def next_due(self) -> datetime | None:
        """The next moment at which something happens by itself, here or at the bank."""
        now = self.clock.now()
        with self.desk.read() as session:
            *due_here, lease_ends = session.execute(_DUE_HERE, {"now": now}).one()
        moments = [*due_here, lease_ends and lease_ends + A_MILLISECOND, self.bank.next_due()]
        return min((moment for moment in moments if moment is not None and moment > now), default=None)

    # Look at what is there

    def refund(self, reference: str) -> Refund:
        with self.desk.read() as session:
            return session.scalars(select(Refund).where(Refund.reference == reference)).one()

    def refunds(self, session_id: str) -> list[Refund]:
        """The session's refunds in the order of their rows."""
        with self.desk.read() as session:
            query = select(Refund).where(Refund.session_id == session_id).order_by(Refund.id)
            return list(session.scalars(query))

    def session(self, session_id: str) -> PaymentSession:
        with self.desk.read() as session:
            return session.get_one(PaymentSession, session_id)

    def attempts(self, reference: str) -> list[Attempt]:
        with self.desk.read() as session:
            query = select(Attempt).join(Refund, Refund.id == Attempt.refund_id)
            return list(session.scalars(query.where(Refund.reference == reference).order_by(Attempt.number)))

    def delivery(self, delivery_id: int) -> WebhookDelivery:
        with self.desk.read() as session:
            return session.get_one(WebhookDelivery, delivery_id)

    def anomalies(self, session_id: str) -> set[tuple[str | None, str]]:
        """Pairs of a refund's reference (None: the session itself) and the kind of anomaly."""
        with self.desk.read() as session:
            query = select(Refund.reference, Anomaly.kind).select_from(Anomaly)
            query = query.outerjoin(Refund, Refund.id == Anomaly.refund_id)
            rows = session.execute(query.where(Anomaly.session_id == session_id))
            return {(reference, kind) for reference, kind in rows}

    def journal(self, subject: str = "") -> list[JournalEntry]:
        """The entries about a subject, or all of them, oldest first."""
        query = select(JournalEntry).order_by(JournalEntry.seq)
        with self.desk.read() as session:
            return list(session.scalars(query.where(JournalEntry.subject == subject) if subject else query))

    def actions(self, reference: str) -> list[str]:
        """What the journal says happened to a refund."""
        return [entry.action for entry in self.journal(f"refund:{reference}")]

    # What has to be true at any moment

    def check(self) -> None:
        """Raise AssertionError where the books do not add up."""
        told = replay.Replay()
        with self.desk.read() as session:
            verdict = journal.verify(session, journal_key(self.desk.config), watch=told.take)
            differences = list(replay.differences(session, told))
            everything = list(session.scalars(select(Refund)))
            sessions = list(session.scalars(select(PaymentSession)))
            counted = refund_counts.by_state(session)
        assert verdict.problem is None, verdict.problem
        assert self.is_made_up or differences == []
        assert +counted == Counter(one.state for one in everything)
        for one in sessions:
            check_session(one, [refund for refund in everything if refund.session_id == one.id])
        check_ranks(self.journal())
        for refund in everything:
            assert len(self.wire.sent(refund.reference)) <= 2, f"{refund.reference} was sent again and again"
            assert len({call.body for call in self.wire.sent(refund.reference)}) <= 1


def check_session(session: PaymentSession, of_it: list[Refund]) -> None:
    assert session.committed_minor == ledger.committed_minor(of_it), f"{session.id}: the sum is off"
    open_sends = [refund for refund in of_it if refund.state in refund_rules.OPEN_SEND]
    assert len(open_sends) <= 1, f"{session.id}: several are being sent"
    for refund in of_it:
        assert refund.counts == refund_rules.counts(refund.state, contradicted=refund.contradicted)
        assert refund.bank_id is None or refund.state in refund_rules.BANK_STATES


def check_ranks(entries: Iterable[JournalEntry]) -> None:
    """Ranks only rise, but for sending back to queued and for what the bank made after an end of ours."""
    for entry in entries:
        subject, _, state = entry.action.partition(":")
        data: dict[str, Any] = json.loads(entry.data)
        if subject != "refund" or "was" not in data:
            continue
        old = data["was"]
        if old in refund_rules.ENDS:
            assert state in refund_rules.BANK_STATES, f"{old} -> {state}"
        elif state in refund_rules.ENDS:
            assert refund_rules.RANK[old] <= 1, f"{old} -> {state}"
        else:
            assert refund_rules.RANK[state] >= refund_rules.RANK[old], f"{old} -> {state}"
            assert old not in refund_rules.FINAL, f"{old} -> {state}"
