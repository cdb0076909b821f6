"""The bank's JSON as typed objects: payment sessions, payments, refunds, webhooks.

Both names of API versions 1 and 2 are read (`acquiring_payments` and `payment_list`); unknown fields and
payouts are ignored. An unknown status or an amount that cannot be read is never guessed at: the object is
left out and named in the session's `unreadable`. A time that cannot be read is none, like one that is not of the
years 2000 to 2099: no screen or file has to write it. Text and metadata have their card numbers masked.
Source: the bank's documentation, "Objects" and "Webhooks", and the tests of its PHP SDK.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TypeVar

from dashboard.bank131.allowlist import allowlisted, last_four, masked
from dashboard.bank131.card_numbers import mask_card_numbers
from dashboard.bank131.hidden_characters import shown
from dashboard.bank131.identifiers import is_identifier
from dashboard.bank131.json_body import UnreadableObject, read_json
from dashboard.money import MAX_AMOUNT_MINOR

__all__ = [
    "PAYMENT_STATUSES",
    "REFUND_STATUSES",
    "SESSION_STATUSES",
    "Amount",
    "Payment",
    "PaymentSession",
    "Refund",
    "UnreadableObject",
    "Webhook",
    "allowlisted",
    "is_identifier",
    "one_line",
    "parse_session",
    "parse_webhook",
    "read_json",
]

SESSION_STATUSES = frozenset({"created", "in_progress", "accepted", "cancelled", "error"})
PAYMENT_STATUSES = frozenset({"succeeded", "in_progress", "pending", "failed"})
REFUND_STATUSES = frozenset({"in_progress", "accepted", "declined", "error"})

MAX_TEXT = 255
PLAUSIBLE_YEARS = range(2000, 2100)

_CURRENCY = re.compile(r"[A-Za-z0-9]{3,10}")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)

Fields = dict[str, object]


@dataclass(frozen=True, slots=True)
class Amount:
    """Money: a number of minor units above zero, and the currency in lower case (`rub`)."""

    amount_minor: int
    currency: str


@dataclass(frozen=True, slots=True)
class Refund:
    """A refund or a chargeback of a payment. Times are aware and in UTC; `metadata` is any JSON value."""

    id: str
    status: str
    created_at: datetime | None
    finished_at: datetime | None
    amount: Amount
    metadata: object
    is_chargeback: bool
    rrn: str | None

    @property
    def reference(self) -> str | None:
        """The UUID that whoever asked for the refund put into its metadata as `reference`, in lower case.

        The bank gives the metadata back as an object or as a JSON document inside a string.
        """
        reference = _fields_of(self.metadata).get("reference")
        return reference.lower() if isinstance(reference, str) and _UUID.fullmatch(reference) else None


@dataclass(frozen=True, slots=True)
class Payment:
    """A payment taken from a customer, with its refunds. `method` is the bank's word: `card`, `wallet`…"""

    id: str
    status: str
    created_at: datetime | None
    finished_at: datetime | None
    amount: Amount
    customer_reference: str | None
    method: str | None
    card_brand: str | None
    card_last4: str | None
    rrn: str | None
    arn: str | None
    auth_code: str | None
    metadata: object
    refunds: tuple[Refund, ...]


@dataclass(frozen=True, slots=True)
class PaymentSession:
    """A payment session as the bank showed it at one moment.

    `unreadable` holds one line for each payment or refund that is there but could not be read. While it is
    not empty the session proves nothing about what is *not* in it. `named`: the ids of all payments and refunds that
    are there, readable or not.
    """

    id: str
    status: str
    created_at: datetime | None
    updated_at: datetime | None
    finished_at: datetime | None
    payments: tuple[Payment, ...]
    next_action: str | None
    error_code: str | None
    error_description: str | None
    unreadable: tuple[str, ...]
    named: frozenset[str]

    @property
    def refunds(self) -> tuple[tuple[Payment, Refund], ...]:
        """Every refund of every payment, each beside its payment."""
        return tuple((payment, refund) for payment in self.payments for refund in payment.refunds)


@dataclass(frozen=True, slots=True)
class Webhook:
    """A notice of the bank. `type` may be one that is not documented.

    Without a `session`, `session_id` may still say which one it is about, and `problem` says what was wrong.
    """

    type: str
    session: PaymentSession | None
    session_id: str | None
    problem: str | None = None


_Operation = TypeVar("_Operation", Payment, Refund)


def parse_webhook(body: bytes) -> Webhook:
    """The notice in a webhook's body. Raises UnreadableObject: not JSON, not an object, no type."""
    fields = _object(read_json(body), "the webhook")
    kind = fields.get("type")
    if not isinstance(kind, str) or not kind.strip():
        raise UnreadableObject("the webhook has no type")
    data = fields.get("session")
    try:
        session = parse_session(data)
    except UnreadableObject as error:
        return Webhook(one_line(kind), None, _identifier_or_none(data), str(error))
    return Webhook(one_line(kind), session, session.id)


def parse_session(data: object) -> PaymentSession:
    """The payment session in a parsed JSON value.

    Raises UnreadableObject when the session itself cannot be read: not an object, no id, an unknown status.
    """
    fields = _object(data, "the payment session")
    session_id = _identifier(fields)
    status = _known_status(fields, SESSION_STATUSES)
    error = _object_or_nothing(fields.get("error"))
    unreadable: list[str] = []
    payments = _payments(fields, unreadable)
    return PaymentSession(
        id=session_id,
        status=status,
        created_at=_time(fields.get("created_at")),
        updated_at=_time(fields.get("updated_at")),
        finished_at=_time(fields.get("finished_at")),
        payments=payments,
        next_action=_text(fields.get("next_action")),
        error_code=_text(error.get("code")),
        error_description=_text(error.get("description")),
        unreadable=tuple(unreadable),
        named=frozenset(_names(fields)),
    )


def one_line(text: str) -> str:
    """Text from outside made fit for one line on a screen or in a log: short, card numbers masked.

    What nobody would see leaves a mark, so that no two customers look the same.
    """
    line = mask_card_numbers(" ".join(shown(mask_card_numbers(text)).split()))
    return line if len(line) <= MAX_TEXT else line[: MAX_TEXT - 1] + "…"


def _names(session: Fields) -> Iterator[str]:
    """The ids of a session's payments and of their refunds, whatever else can be read of them."""
    for payment in _list_of(session, "acquiring_payments") + _list_of(session, "payment_list"):
        for operation in (payment, *_list_of(_object_or_nothing(payment), "refunds")):
            identifier = _identifier_or_none(operation)
            if identifier is not None:
                yield identifier


def _list_of(fields: Fields, name: str) -> list[object]:
    items = fields.get(name)
    return items if isinstance(items, list) else []


def _payments(session: Fields, unreadable: list[str]) -> tuple[Payment, ...]:
    items = _items(session, "acquiring_payments", unreadable) + _items(session, "payment_list", unreadable)
    payments = _read_each(items, "payment", lambda fields: _payment(fields, unreadable), unreadable)
    return _without_shared_refunds(_one_per_id(payments, "payment", unreadable), unreadable)


def _payment(fields: Fields, unreadable: list[str]) -> Payment:
    payment_id = _identifier(fields)
    status = _known_status(fields, PAYMENT_STATUSES)
    amount = _amount(fields)
    details = _object_or_nothing(fields.get("payment_details"))
    method = _text(details.get("type"))
    card = _object_or_nothing(details.get("card") or details.get(method or ""))
    traces = _object_or_nothing(fields.get("transaction_info"))
    return Payment(
        id=payment_id,
        status=status,
        created_at=_time(fields.get("created_at")),
        finished_at=_time(fields.get("finished_at")),
        amount=amount,
        customer_reference=_text(_object_or_nothing(fields.get("customer")).get("reference")),
        method=method,
        card_brand=_text(card.get("brand")),
        card_last4=last_four(card.get("last4")),
        rrn=_text(traces.get("rrn")),
        arn=_text(traces.get("arn")),
        auth_code=_text(traces.get("auth_code")),
        metadata=masked(fields.get("metadata")),
        refunds=_refunds(fields, unreadable),
    )


def _refunds(payment: Fields, unreadable: list[str]) -> tuple[Refund, ...]:
    refunds = _read_each(_items(payment, "refunds", unreadable), "refund", _refund, unreadable)
    return _one_per_id(refunds, "refund", unreadable)


def _refund(fields: Fields) -> Refund:
    is_chargeback = fields.get("is_chargeback")
    if is_chargeback is not None and not isinstance(is_chargeback, bool):
        raise UnreadableObject(f"is_chargeback is neither true nor false: {_shown(is_chargeback)}")
    return Refund(
        id=_identifier(fields),
        status=_known_status(fields, REFUND_STATUSES),
        created_at=_time(fields.get("created_at")),
        finished_at=_time(fields.get("finished_at")),
        amount=_amount(fields),
        metadata=masked(fields.get("metadata")),
        is_chargeback=bool(is_chargeback),
        rrn=_text(_object_or_nothing(fields.get("transaction_info")).get("rrn")),
    )


def _read_each(
    items: list[object], what: str, read: Callable[[Fields], _Operation], unreadable: list[str]
) -> list[_Operation]:
    """What could be read of a list; one line in `unreadable` for each of the others."""
    found = []
    for item in items:
        try:
            found.append(read(_object(item, f"the {what}")))
        except UnreadableObject as error:
            unreadable.append(f"{what} {_identifier_or_none(item) or 'without id'}: {error}")
    return found


def _one_per_id(operations: list[_Operation], what: str, unreadable: list[str]) -> tuple[_Operation, ...]:
    """Identical twins become one; where two with one id differ, neither is believed."""
    by_id: dict[str, list[_Operation]] = {}
    for operation in operations:
        twins = by_id.setdefault(operation.id, [])
        if len(twins) < 2 and operation not in twins:
            twins.append(operation)
    unreadable += [
        f"{what} {one_id}: comes more than once with different content"
        for one_id, twins in by_id.items()
        if len(twins) > 1
    ]
    return tuple(twins[0] for twins in by_id.values() if len(twins) == 1)


def _without_shared_refunds(payments: tuple[Payment, ...], unreadable: list[str]) -> tuple[Payment, ...]:
    """A refund belongs to one payment; one that stands under several is believed under none."""
    times_seen = Counter(refund.id for payment in payments for refund in payment.refunds)
    shared = {refund_id for refund_id, times in times_seen.items() if times > 1}
    unreadable += [f"refund {refund_id}: stands under more than one payment" for refund_id in sorted(shared)]
    return tuple(
        replace(payment, refunds=tuple(refund for refund in payment.refunds if refund.id not in shared))
        for payment in payments
    )


def _items(fields: Fields, name: str, unreadable: list[str]) -> list[object]:
    """The list under this name, empty when it is absent; anything but a list is named in `unreadable`."""
    if not isinstance(fields.get(name), list | None):
        unreadable.append(f"{name}: not a list")
    return _list_of(fields, name)


def _identifier(fields: Fields) -> str:
    identifier = fields.get("id")
    if not is_identifier(identifier):
        raise UnreadableObject(f"no usable id: {_shown(identifier)}")
    return identifier


def _identifier_or_none(data: object) -> str | None:
    identifier = _object_or_nothing(data).get("id")
    return identifier if is_identifier(identifier) else None


def _known_status(fields: Fields, known: frozenset[str]) -> str:
    status = fields.get("status")
    if not isinstance(status, str) or status not in known:
        raise UnreadableObject(f"unknown status: {_shown(status)}")
    return status


def _amount(fields: Fields) -> Amount:
    details = _object_or_nothing(fields.get("amount_details"))
    amount_minor, currency = details.get("amount"), details.get("currency")
    if not isinstance(amount_minor, int) or isinstance(amount_minor, bool):
        raise UnreadableObject(f"the amount is not an integer: {_shown(amount_minor)}")
    if not 0 < amount_minor <= MAX_AMOUNT_MINOR:
        raise UnreadableObject(f"the amount is out of range: {_shown(amount_minor)}")
    if not isinstance(currency, str) or not _CURRENCY.fullmatch(currency):
        raise UnreadableObject(f"no usable currency: {_shown(currency)}")
    return Amount(amount_minor, currency.lower())


def _time(value: object) -> datetime | None:
    """An ISO 8601 time with `Z` or an offset, in UTC; None: there is none, it cannot be read, or its year cannot be."""
    try:
        time = datetime.fromisoformat(value) if isinstance(value, str) else None
        in_utc = time.astimezone(UTC) if time and time.tzinfo else None
    except (ValueError, OverflowError):
        return None
    return in_utc if in_utc and in_utc.year in PLAUSIBLE_YEARS else None


def _text(value: object) -> str | None:
    """Text for people; a number counts as text. None for anything else and for an empty one."""
    return one_line(str(value)) or None if isinstance(value, str | int) and not isinstance(value, bool) else None


def _shown(value: object) -> str:
    """A value quoted in an error line."""
    return "missing" if value is None else one_line(repr(masked(value))[:MAX_TEXT])[:60]


def _object(value: object, what: str) -> Fields:
    if not isinstance(value, dict):
        raise UnreadableObject(f"{what} is not a JSON object")
    return value


def _object_or_nothing(value: object) -> Fields:
    return value if isinstance(value, dict) else {}


def _fields_of(metadata: object) -> Fields:
    """The fields of metadata that is an object, or a JSON document of one inside a string."""
    if isinstance(metadata, str):
        try:
            metadata = read_json(metadata.encode("utf-8"))
        except ValueError:
            return {}
    return _object_or_nothing(metadata)
