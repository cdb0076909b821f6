"""Rows put straight into the tables, for pages that only show what is there."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from dashboard import refund_rules, search
from dashboard.models import PaymentSession, Refund
from tests.bench.refund_desk import RefundDesk
from tests.bench.simulated import START

CAPTURED_MINOR = 1_000_000_00


@dataclass(frozen=True)
class MadeUp:
    """Makes sessions and refunds of a desk up. The sums of the sessions are kept right."""

    refund_desk: RefundDesk

    def session(
        self,
        session_id: str,
        *,
        customer: str = "client-1",
        brand: str = "visa",
        last4: str = "4242",
        at: datetime = START,
    ) -> str:
        with self.refund_desk.desk.write() as tx:
            tx.add(
                PaymentSession(
                    id=session_id,
                    status="accepted",
                    created_at=at,
                    found_at=at,
                    confirmed_at=at,
                    currency="rub",
                    captured_minor=CAPTURED_MINOR,
                    committed_minor=0,
                    customer_reference=customer,
                    method="card",
                    card_brand=brand,
                    card_last4=last4,
                    fields="{}",
                    shown_at=at,
                    read_failures=0,
                )
            )
            tx.flush()
            search.keep_terms(tx, session_id, (session_id, customer, last4))
        return session_id

    def refund(
        self,
        session_id: str,
        *,
        state: str = "accepted",
        origin: str = "here",
        at: datetime = START,
        by: str = "operator@desk.test",
        amount_minor: int = 10_00,
        review: str = "",
        comment: str = "",
        reason: str = "other",
        currency: str = "rub",
        took: timedelta | None = None,
    ) -> str:
        """A refund; answers with its reference. `by`: who asked, where it was made here. `took`: until it ended."""
        reference = self.refund_desk.desk.new_id()
        person = self.refund_desk.person(email=by) if origin == "here" else None
        with self.refund_desk.desk.write() as tx:
            refund = Refund(
                reference=reference,
                session_id=session_id,
                origin=origin,
                state=state,
                review=review,
                counts=refund_rules.counts(state, contradicted=False),
                amount_minor=amount_minor,
                currency=currency,
                in_full=False,
                bank_id=f"rf_{reference[-6:]}" if state in refund_rules.BANK_STATES else None,
                asked_at=at,
                asked_by_id=person and person.id,
                reason=reason if person else "",
                comment=comment,
                form_token=f"token of {reference}" if person else None,
                body=b"{}" if person else None,
                send_failures=0,
                ended_at=at + took if took is not None else None,
            )
            tx.add(refund)
            tx.flush()
            search.keep_terms(tx, session_id, (reference, refund.bank_id, comment), refund.id)
            if refund.counts:
                tx.get_one(PaymentSession, session_id).committed_minor += amount_minor
        return reference
