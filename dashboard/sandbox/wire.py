"""The bank's JSON: what requests may say, and how sessions are shown. v1 and v2 differ in one name."""

import json
import re
from collections.abc import Mapping
from datetime import datetime

from dashboard.sandbox.ledger import JsonObject, Payment, Refund, Session

MAX_AMOUNT_MINOR = 10**15
PAYMENT_LIST = {1: "acquiring_payments", 2: "payment_list"}

_CURRENCY = re.compile(r"[A-Za-z]{3,5}", re.ASCII)
_BRANDS = {"2": "mir", "3": "jcb", "4": "visa", "5": "mastercard", "6": "unionpay"}


class Refusal(Exception):
    """The bank says no. HTTP 200 for a business error, 4xx where the request itself is wrong."""

    def __init__(self, code: str, description: str, http_status: int = 200) -> None:
        super().__init__(f"{code}: {description}")
        self.code = code
        self.description = description
        self.http_status = http_status


def read_request(body: bytes) -> JsonObject:
    """The JSON object in the body. Raises Refusal `bad_request` for anything else, NaN and deep nesting too."""
    try:
        data = json.loads(body, parse_constant=_no_constant)
    except (ValueError, RecursionError) as fault:
        raise Refusal("bad_request", "The body is not JSON", 400) from fault
    if not isinstance(data, dict):
        raise Refusal("bad_request", "The body is not a JSON object", 400)
    return data


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")


def peek_session_id(body: bytes) -> str | None:
    """The session a call is about, as far as it can be told before anything is checked."""
    try:
        session_id = read_request(body).get("session_id")
    except Refusal:
        return None
    return session_id if isinstance(session_id, str) else None


def read_amount(request: Mapping[str, object]) -> tuple[int, str] | None:
    """`amount_details` as minor units and lower-case currency; None when absent."""
    details = request.get("amount_details")
    if details is None:
        return None
    if not isinstance(details, dict):
        raise _invalid("amount_details is not an object")
    amount, currency = details.get("amount"), details.get("currency")
    if isinstance(amount, bool) or not isinstance(amount, int) or not 0 < amount <= MAX_AMOUNT_MINOR:
        raise _invalid("amount_details.amount is not a positive integer of minor units")
    if not isinstance(currency, str) or not _CURRENCY.fullmatch(currency):
        raise _invalid("amount_details.currency is not a currency code")
    return amount, currency.lower()


def read_customer(request: Mapping[str, object]) -> JsonObject | None:
    customer = request.get("customer")
    if customer is None:
        return None
    if not isinstance(customer, dict) or not isinstance(customer.get("reference"), str):
        raise _invalid("customer.reference is missing")
    return {name: customer[name] for name in ("reference", "contacts") if name in customer}


def read_details(request: Mapping[str, object]) -> tuple[JsonObject, JsonObject | None] | None:
    """`payment_details` (or `payment_method`) as they may be shown, and the error of a payment that must fail."""
    details = request.get("payment_details", request.get("payment_method"))
    if details is None:
        return None
    if not isinstance(details, dict) or not isinstance(details.get("type"), str):
        raise _invalid("payment_details.type is missing")
    kind = details["type"]
    inner = details.get(kind, {})
    if not isinstance(inner, dict):
        raise _invalid(f"payment_details.{kind} is not an object")
    if kind == "card":
        return _card(inner)
    return {"type": kind, kind: {name: inner[name] for name in inner if name != "token"}}, None


def _card(card: JsonObject) -> tuple[JsonObject, JsonObject | None]:
    bank_card = card.get("bank_card")
    if card.get("type") == "encrypted_card":
        return {"type": "card", "card": {"brand": "visa", "last4": "4242"}}, None
    number = bank_card.get("number") if isinstance(bank_card, dict) else None
    if not isinstance(number, str) or not re.fullmatch(r"[0-9]{13,19}", number):
        raise _invalid("payment_details.card.bank_card.number is not a card number")
    shown = {"brand": _BRANDS.get(number[0], "unknown"), "last4": number[-4:], "bin": number[:6]}
    return {"type": "card", "card": shown}, _card_error(number)


def _card_error(number: str) -> JsonObject | None:
    if not passes_luhn(number):
        return {"code": "card_number_does_not_exist", "description": "Invalid card number"}
    if number.endswith("0002"):
        return {"code": "activity_count_exceeded", "description": "The activity limit of the card is exceeded"}
    return None


def passes_luhn(number: str) -> bool:
    doubled = [int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(number))]
    return sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0


def _invalid(description: str) -> Refusal:
    return Refusal("validation_error", description, 400)


def read_draft(request: JsonObject) -> JsonObject:
    """What a request says of the payment, as plain JSON, so that the ledger gives back what it was given."""
    amount, details = read_amount(request), read_details(request)
    options = request.get("payment_options")
    draft: JsonObject = {
        "amount": amount and list(amount),
        "customer": read_customer(request),
        "details": details and list(details),
        "metadata": request.get("metadata"),
        "options": options if isinstance(options, dict) else None,
    }
    return {name: value for name, value in draft.items() if value is not None}


def check_complete(draft: JsonObject) -> None:
    """Whether a payment can start with what is known of it. Raises Refusal."""
    names = {"amount": "amount_details", "customer": "customer", "details": "payment_details"}
    missing = [field for name, field in names.items() if name not in draft]
    if missing:
        raise Refusal("validation_error", f"{', '.join(missing)} missing", 400)


def moment(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def amount(amount_minor: int, currency: str) -> JsonObject:
    return {"amount": amount_minor, "currency": currency}


def shown_session(session: Session, version: int) -> JsonObject:
    """A PaymentSession. Its status is `in_progress` while a refund is under way, whatever `updated_at` says."""
    data: JsonObject = {
        "id": session.id,
        "status": "in_progress" if _refund_under_way(session) else session.status,
        "created_at": moment(session.created_at),
        "updated_at": moment(session.updated_at),
    }
    if session.finished_at:
        data["finished_at"] = moment(session.finished_at)
    if session.payments:
        data[PAYMENT_LIST[version]] = [_shown_payment(payment) for payment in session.payments]
    if session.next_action:
        data["next_action"] = session.next_action
    if session.error:
        data["error"] = session.error
    return data


def _refund_under_way(session: Session) -> bool:
    return any(refund.status == "in_progress" for payment in session.payments for refund in payment.refunds)


def _shown_payment(payment: Payment) -> JsonObject:
    charged_back = any(refund.is_chargeback and refund.status == "in_progress" for refund in payment.refunds)
    data = {
        "id": payment.id,
        "status": "in_progress" if charged_back else payment.status,
        "created_at": moment(payment.created_at),
        "finished_at": payment.finished_at and moment(payment.finished_at),
        "customer": payment.customer,
        "payment_details": payment.details,
        "amount_details": amount(payment.amount_minor, payment.currency),
        "amounts": _shown_fee(payment),
        "transaction_info": _present({"rrn": payment.rrn, "arn": payment.arn, "auth_code": payment.auth_code}) or None,
        "metadata": payment.metadata,
        "payment_options": payment.options,
        "error": payment.error,
        "refunds": [_shown_refund(refund) for refund in payment.refunds] or None,
    }
    return _present(data)


def _shown_fee(payment: Payment) -> JsonObject | None:
    if not payment.fee_minor or payment.status != "succeeded":
        return None
    return {
        "gross": amount(payment.amount_minor, payment.currency),
        "net": amount(payment.amount_minor - payment.fee_minor, payment.currency),
        "fee": {"merchant_fee": amount(payment.fee_minor, payment.currency)},
    }


def _shown_refund(refund: Refund) -> JsonObject:
    return _present(
        {
            "id": refund.id,
            "status": refund.status,
            "created_at": moment(refund.created_at),
            "finished_at": refund.finished_at and moment(refund.finished_at),
            "amount_details": amount(refund.amount_minor, refund.currency),
            "metadata": refund.metadata,
            "is_chargeback": refund.is_chargeback or None,
            "transaction_info": {"rrn": refund.rrn} if refund.rrn else None,
        }
    )


def _present(data: JsonObject) -> JsonObject:
    return {name: value for name, value in data.items() if value is not None}


def session_answer(session: Session, version: int) -> bytes:
    return encoded({"status": "ok", "session": shown_session(session, version)})


def error_answer(code: str, description: str) -> bytes:
    return encoded({"status": "error", "error": {"code": code, "description": description}})


def encoded(data: JsonObject) -> bytes:
    return json.dumps(data, separators=(",", ":")).encode("ascii")
