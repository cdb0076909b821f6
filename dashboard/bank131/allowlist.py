"""What may be kept and shown of the bank's JSON: documented fields, no personal data, card numbers masked."""

import json
import math
import re
from collections.abc import Callable, Mapping

from dashboard.bank131.card_numbers import LONGEST, mask_card_numbers
from dashboard.bank131.identifiers import is_identifier
from dashboard.bank131.json_body import UnreadableObject, read_json

MAX_DEPTH = 64

_CARD_END = re.compile(r"[\d*•xX.\s-]*?(\d{1,4})")

Rule = Callable[[object], object]


def allowlisted(data: object) -> dict[str, object]:
    """The documented fields of a PaymentSession, or of an answer or a webhook around one; never raises.

    Left out: unknown fields, contacts, payouts, everything of a payment method but type, brand and last four
    digits. Metadata is kept whole. Card numbers are masked in every string, name and number.
    """
    reduced = _TOP(data)
    return reduced if isinstance(reduced, dict) else {}


def masked(value: object, depth_left: int = MAX_DEPTH) -> object:
    """Any JSON value with the card numbers in its strings, names and numbers masked to the last four digits.

    What is nested deeper than MAX_DEPTH is cut off.
    """
    if isinstance(value, dict | list):
        if depth_left == 0:
            return None
        if isinstance(value, list):
            return [masked(item, depth_left - 1) for item in value]
        return {mask_card_numbers(str(name)): masked(item, depth_left - 1) for name, item in value.items()}
    return _scalar(value)


def without_card_numbers(body: bytes) -> bytes:
    """A webhook's body as it came if no card number stands in it, else the same JSON with them masked; never raises.

    The ids and amounts of sessions, payments and refunds stay as they are: money is decided by them, and long ones may
    look like card numbers by chance. What is no JSON is masked as the text that it is.
    """
    try:
        value = read_json(body)
    except UnreadableObject:
        text = body.decode("utf-8", "replace")
        masked_text = mask_card_numbers(text)
        return body if masked_text == text else masked_text.encode()
    masked_value = _MASKED_WEBHOOK(value)
    return body if masked_value == value else json.dumps(masked_value).encode()


def last_four(value: object) -> str | None:
    """The last four digits of what the bank gives as the end of a card number; None where it is something else."""
    if not isinstance(value, str | int) or isinstance(value, bool):
        return None
    found = _CARD_END.fullmatch(mask_card_numbers(str(value)))
    return found[1] if found else None


def _scalar(value: object) -> object:
    """The value with card numbers masked; None for what is no JSON string, number or truth value."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return mask_card_numbers(value)
    if isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
        return _number(value)
    return None


def _number(value: int | float) -> int | float | str:
    if isinstance(value, int) and abs(value) >= 10**LONGEST:
        return value
    text = repr(value)
    masked_text = mask_card_numbers(text)
    return value if masked_text == text else masked_text


def _only(rules: Mapping[str, Rule]) -> Rule:
    """An object reduced to these fields; None in place of anything but an object."""

    def reduced(value: object) -> object:
        if not isinstance(value, dict):
            return None
        return {name: rules[name](item) for name, item in value.items() if name in rules}

    return reduced


def _each(rule: Rule) -> Rule:
    """A list with the rule applied to each item; None in place of anything but a list."""

    def reduced(value: object) -> object:
        return [rule(item) for item in value] if isinstance(value, list) else None

    return reduced


_AMOUNT = _only({"amount": _scalar, "currency": _scalar})
_AMOUNTS = _only({"net": _AMOUNT, "gross": _AMOUNT, "fee": _only({"merchant_fee": _AMOUNT})})
_ERROR = _only({"code": _scalar, "description": _scalar})
_TRANSACTION = _only({"rrn": _scalar, "arn": _scalar, "auth_code": _scalar, "fp_message_id": _scalar})
_CARD = _only({"brand": _scalar, "last4": last_four})
_METHOD = _only({"type": _scalar, "card": _CARD, "recurrent": _CARD, "secured_card": _CARD})

_OPERATION: dict[str, Rule] = {
    "id": _scalar,
    "status": _scalar,
    "created_at": _scalar,
    "finished_at": _scalar,
    "amount_details": _AMOUNT,
    "amounts": _AMOUNTS,
    "transaction_info": _TRANSACTION,
    "metadata": masked,
}
_REFUND = _only({**_OPERATION, "is_chargeback": _scalar})
_PAYMENT = _only(
    {
        **_OPERATION,
        "customer": _only({"reference": _scalar}),
        "payment_details": _METHOD,
        "refunds": _each(_REFUND),
        "error": _ERROR,
    }
)
_SESSION: dict[str, Rule] = {
    "id": _scalar,
    "status": _scalar,
    "created_at": _scalar,
    "updated_at": _scalar,
    "finished_at": _scalar,
    "acquiring_payments": _each(_PAYMENT),
    "payment_list": _each(_PAYMENT),
    "next_action": _scalar,
    "error": _ERROR,
}
_TOP = _only({**_SESSION, "type": _scalar, "session": _only(_SESSION)})


# A body that is kept whole, but for card numbers


def _id(value: object) -> object:
    return value if is_identifier(value) else masked(value)


def _amount(value: object) -> object:
    return value if type(value) is int else masked(value)


def _all_masked_but(rules: Mapping[str, Rule]) -> Rule:
    """An object with everything masked but these fields, which have rules of their own; anything else masked."""

    def reduced(value: object) -> object:
        if not isinstance(value, dict):
            return masked(value)
        return {mask_card_numbers(name): rules.get(name, masked)(item) for name, item in value.items()}

    return reduced


def _each_of(rule: Rule) -> Rule:
    """A list with the rule applied to each item; anything else masked."""
    return lambda value: [rule(item) for item in value] if isinstance(value, list) else masked(value)


_WITH_ID = {"id": _id, "amount_details": _all_masked_but({"amount": _amount})}
_MASKED_PAYMENT = _all_masked_but({**_WITH_ID, "refunds": _each_of(_all_masked_but(_WITH_ID))})
_MASKED_PAYMENTS = _each_of(_MASKED_PAYMENT)
_MASKED_WEBHOOK = _all_masked_but(
    {"session": _all_masked_but({"id": _id, "acquiring_payments": _MASKED_PAYMENTS, "payment_list": _MASKED_PAYMENTS})}
)
