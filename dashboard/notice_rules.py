"""What people hear of by mail, who hears of what, and when: pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from dashboard import roles

# What people choose.
APPROVAL = "approval"
REVIEW = "review"
UNKNOWN = "unknown"
FAILED = "failed"
FAILED_OF_ALL = "failed_of_all"
AGEING = "ageing"
DESK = "desk"

# Choice -> the permission it takes; in the order in which they are offered.
NEEDS: Mapping[str, str] = {
    APPROVAL: roles.APPROVE,
    REVIEW: roles.SEE,
    UNKNOWN: roles.SEE,
    FAILED: roles.REQUEST_REFUND,
    FAILED_OF_ALL: roles.SEE,
    AGEING: roles.SEE,
    DESK: roles.SEE,
}

# What somebody hears of who has chosen nothing yet.
BY_ROLE: Mapping[str, frozenset[str]] = {
    "operator": frozenset({FAILED}),
    "approver": frozenset({APPROVAL, FAILED}),
    "admin": frozenset(NEEDS) - {FAILED_OF_ALL},
}

# What there is to tell. A mail has it in this order, each under a heading of its own.
PAUSED = "paused"
NO_WEBHOOKS = "no_webhooks"
UNDER_REVIEW = "under_review"
PROPOSED = "proposed"
ODD_FACT = "odd_fact"
AWAITING_APPROVAL = "awaiting_approval"
OUTCOME_UNKNOWN = "outcome_unknown"
NOT_MADE = "not_made"
OPEN_FOR_LONG = "open_for_long"

# What there is to tell -> who has chosen any of these hears of it. What was not made: see `hears`.
CHOSEN_BY: Mapping[str, str] = {
    PAUSED: DESK,
    NO_WEBHOOKS: DESK,
    UNDER_REVIEW: REVIEW,
    PROPOSED: REVIEW,
    ODD_FACT: REVIEW,
    AWAITING_APPROVAL: APPROVAL,
    OUTCOME_UNKNOWN: UNKNOWN,
    NOT_MADE: FAILED_OF_ALL,
    OPEN_FOR_LONG: AGEING,
}

# At most one mail a person in this time; the first one goes at once.
APART = timedelta(minutes=15)
# A mail that could not be sent for so long is given up, and what is still true of it is told anew.
HOLDS_FOR = timedelta(days=1)
# An answer may still come as it should before that.
UNKNOWN_FOR = timedelta(minutes=10)
# What did not go through is told of within this time, or, where nobody could be told, never.
NOT_MADE_WITHIN = timedelta(days=1)
# A webhook has had so much time to come, or it does not; and one refund alone proves nothing.
WEBHOOK_WITHIN = timedelta(minutes=30)
REFUNDS_WITHOUT_WEBHOOK = 3


@dataclass(frozen=True)
class Matter:
    """Something that people may want to hear of, once.

    `what`: a code of those above. `name`: tells it from others of its kind for ever. `subject`: the name in an address
    of what it is about, empty for the desk itself. The rest is of the refund, where it is about one: `session_id` also
    of an odd fact; `amount_minor` in minor units of `currency`; `asked_by_id`, a person. `by_id`: whose doing it is.
    """

    what: str
    name: str
    subject: str = ""
    session_id: str = ""
    amount_minor: int = 0
    currency: str = ""
    state: str = ""
    asked_by_id: str | None = None
    by_id: str | None = None


def open_to(role: str) -> tuple[str, ...]:
    """What somebody of this role may choose."""
    return tuple(choice for choice, permission in NEEDS.items() if roles.may(role, permission))


def chosen(role: str, kept: str | None) -> frozenset[str]:
    """What somebody hears of: as they chose (words with spaces between them), or as goes with the role."""
    wanted = BY_ROLE.get(role, frozenset()) if kept is None else frozenset(kept.split())
    return wanted.intersection(open_to(role))


def kept(choices: Iterable[str]) -> str:
    """Choices as they are kept; unknown ones are not."""
    return " ".join(choice for choice in NEEDS if choice in set(choices))


def hears(person_id: str, choices: frozenset[str], matter: Matter) -> bool:
    """Whether somebody with these choices is told. Nobody is told of what they did themselves."""
    if matter.by_id == person_id:
        return False
    if matter.what == NOT_MADE and matter.asked_by_id == person_id and FAILED in choices:
        return True
    return CHOSEN_BY[matter.what] in choices


def is_time(last_at: datetime | None, now: datetime, *, is_waiting: bool) -> bool:
    """Whether another mail may be written after the last one. `is_waiting`: that one is not even sent."""
    return not is_waiting and (last_at is None or now - last_at >= APART)
