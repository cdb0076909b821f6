"""Which refunds one person may send alone: pure rules. Amounts are minor units of one currency."""

from collections.abc import Iterable
from dataclasses import astuple, dataclass
from datetime import timedelta

AT_ONCE = "at_once"
NEEDS_APPROVAL = "needs_approval"
NOT_ALLOWED = "not_allowed"

# The limits of every currency that has none of its own. They are nothing or zero: no amount is one of all currencies.
ANY_CURRENCY = "*"
DAY = timedelta(hours=24)


class BadLimit(ValueError):
    """These limits cannot be used. `code`: `negative`, `crossed`, `any_currency`."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True)
class Limit:
    """What may be refunded in one currency; None: no such limit.

    `at_once_up_to_minor`: above it somebody else has to approve. `approved_up_to_minor`: above it nobody may.
    `alone_a_day_minor`: what one person may send within 24 hours without anybody's approval. `proof_above_minor`:
    above it whoever asks has to prove anew who they are.
    """

    at_once_up_to_minor: int | None = None
    approved_up_to_minor: int | None = None
    alone_a_day_minor: int | None = None
    proof_above_minor: int | None = None


NO_LIMIT = Limit()


def strictest(limits: Iterable[Limit]) -> Limit:
    """What all of them together allow."""
    by_field = zip(*map(astuple, limits), strict=True)
    return Limit(*(min((each for each in values if each is not None), default=None) for values in by_field))


def check(currency: str, limit: Limit) -> None:
    """Raises BadLimit for what would mean nothing."""
    amounts = (limit.at_once_up_to_minor, limit.approved_up_to_minor, limit.alone_a_day_minor, limit.proof_above_minor)
    if any(amount is not None and amount < 0 for amount in amounts):
        raise BadLimit("negative")
    if currency == ANY_CURRENCY and any(amounts):
        raise BadLimit("any_currency")
    if _is_above(limit.at_once_up_to_minor or 0, limit.approved_up_to_minor):
        raise BadLimit("crossed")


def verdict(limit: Limit, amount_minor: int, sent_alone_minor: int) -> str:
    """AT_ONCE, NEEDS_APPROVAL or NOT_ALLOWED for a refund.

    `sent_alone_minor`: what the same person has asked for without approval within the last DAY.
    """
    if is_forbidden(limit, amount_minor):
        return NOT_ALLOWED
    is_beyond_day = _is_above(sent_alone_minor + amount_minor, limit.alone_a_day_minor)
    return NEEDS_APPROVAL if is_beyond_day or _is_above(amount_minor, limit.at_once_up_to_minor) else AT_ONCE


def is_forbidden(limit: Limit, amount_minor: int) -> bool:
    """Whether nobody may send this amount, whoever approves."""
    return _is_above(amount_minor, limit.approved_up_to_minor)


def needs_proof(limit: Limit, amount_minor: int) -> bool:
    """Whether who asks for a refund of this amount has to prove anew who they are."""
    return _is_above(amount_minor, limit.proof_above_minor)


def _is_above(amount_minor: int, bound_minor: int | None) -> bool:
    return bound_minor is not None and amount_minor > bound_minor
