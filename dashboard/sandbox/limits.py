"""What the bank gives back: pure rules over the payments of one session."""

from dashboard.sandbox.ledger import Payment, Session
from dashboard.sandbox.wire import Refusal


def left_of(payment: Payment) -> int:
    """What can still be refunded, in minor units; negative after a chargeback of more than was left.

    A refund keeps its amount reserved unless it was declined: `error` is not final.
    """
    return payment.amount_minor - sum(r.amount_minor for r in payment.refunds if r.status != "declined")


def payment_to_refund(session: Session, amount: tuple[int, str] | None) -> Payment:
    """The payment that a refund of this amount and currency (None: in full) comes from. Raises Refusal."""
    succeeded = [payment for payment in session.payments if payment.status == "succeeded"]
    if not succeeded:
        raise Refusal("payment_not_refundable", "The session has no successful payment")
    if amount is None:
        return _wholly_refundable(succeeded)
    amount_minor, currency = amount
    matching = [payment for payment in succeeded if payment.currency == currency]
    if not matching:
        raise Refusal("currency_mismatch", f"The payment was not made in {currency}")
    if all(left_of(payment) <= 0 for payment in matching):
        raise Refusal("nothing_to_refund", "Everything has been refunded")
    for payment in matching:
        if amount_minor <= left_of(payment):
            return payment
    raise Refusal("refund_amount_exceeded", "More than is left of the payment")


def _wholly_refundable(succeeded: list[Payment]) -> Payment:
    if len(succeeded) > 1:
        raise Refusal("amount_details_required", "The session has several payments: say how much to refund")
    payment = succeeded[0]
    if left_of(payment) <= 0:
        raise Refusal("nothing_to_refund", "Everything has been refunded")
    if left_of(payment) < payment.amount_minor:
        raise Refusal("refund_amount_exceeded", "Part of it has been refunded: in full is more than is left")
    return payment


def payment_to_charge_back(session: Session) -> Payment:
    """The first successful payment, however much of it is left. Raises Refusal."""
    for payment in session.payments:
        if payment.status == "succeeded":
            return payment
    raise Refusal("payment_not_refundable", "The session has no successful payment")


def check_currency(currency: str, payment: Payment) -> None:
    if currency != payment.currency:
        raise Refusal("currency_mismatch", f"The payment was not made in {currency}")
