"""The rules of one refund, pure: its states, what may follow what, what an answer or a read proves, what is left.

Nothing here knows a database, a clock or the network. See the README, "How a refund stays safe".
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

AWAITING_APPROVAL = "awaiting_approval"
QUEUED = "queued"
SENDING = "sending"
UNKNOWN = "unknown"
IN_PROGRESS = "in_progress"
ERROR = "error"
ACCEPTED = "accepted"
DECLINED = "declined"
REFUSED = "refused"
CANCELLED = "cancelled"
REJECTED = "rejected"
ABANDONED = "abandoned"

ENDS = frozenset({REFUSED, CANCELLED, REJECTED, ABANDONED})
FINAL = frozenset({ACCEPTED, DECLINED})
OPEN_SEND = frozenset({SENDING, UNKNOWN})
BANK_STATES = frozenset({IN_PROGRESS, ERROR, ACCEPTED, DECLINED})
OPEN = frozenset({AWAITING_APPROVAL, QUEUED, SENDING, UNKNOWN, IN_PROGRESS, ERROR})
UNDOABLE = frozenset({AWAITING_APPROVAL, QUEUED})
STATES = (
    AWAITING_APPROVAL,
    QUEUED,
    SENDING,
    UNKNOWN,
    IN_PROGRESS,
    ERROR,
    ACCEPTED,
    DECLINED,
    REFUSED,
    CANCELLED,
    REJECTED,
    ABANDONED,
)

# Why people refund, as codes.
REASONS = (
    "goods_returned",
    "order_cancelled",
    "service_not_given",
    "duplicate_payment",
    "wrong_amount",
    "fraud_suspected",
    "other",
)

# The bank's clock may be off by so much; what it dates further away is not taken at its word.
CLOCK_SKEW = timedelta(hours=1)

RANK = {
    AWAITING_APPROVAL: 0,
    QUEUED: 1,
    SENDING: 1,
    UNKNOWN: 1,
    IN_PROGRESS: 2,
    ERROR: 3,
    ACCEPTED: 4,
    DECLINED: 4,
}

_OWN_MOVES = {
    AWAITING_APPROVAL: {QUEUED, CANCELLED, REJECTED, ABANDONED},
    QUEUED: {SENDING, CANCELLED, ABANDONED},
    SENDING: {QUEUED, UNKNOWN, REFUSED},
    UNKNOWN: {SENDING, REFUSED, ABANDONED},
}

# What became of one attempt to send.
NEVER_CONNECTED = "never_connected"
ANSWERED = "answered"
DEFINITE_ERROR = "definite_error"
AUTH_ERROR = "auth_error"
KEY_EXISTS = "key_exists"
UNCLEAR = "unclear"
_WELL_FORMED_ERRORS = frozenset({DEFINITE_ERROR, AUTH_ERROR})

# What two proofs of absence lead to.
RESEND = "resend"
REVIEW = "review"

SHORT_ABSENCE_GAP = timedelta(seconds=10)
READ_STEPS = (1, 2, 4, 10, 30)
READ_EVERY = 120
LAST_LOOKS = (timedelta(minutes=35), timedelta(hours=24))


class ForbiddenMove(Exception):
    """A change of state that the rules do not know. It is a defect of ours, never a fact of the bank's."""


def check_own_move(old: str, new: str) -> None:
    """Allow only the moves that we make by ourselves. Raises ForbiddenMove."""
    if new not in _OWN_MOVES.get(old, set()):
        raise ForbiddenMove(f"{old} -> {new}")


@dataclass(frozen=True)
class BankWord:
    """What the bank's status of a refund makes of ours."""

    state: str
    contradiction: bool = False
    after_end: bool = False


def hear_bank(state: str, bank_status: str) -> BankWord:
    """Our state and the bank's status of the same refund -> the state that follows.

    Ranks only rise; accepted and declined never change; one of our ends gives way, because money moved after all.
    """
    if state in ENDS:
        return BankWord(bank_status, after_end=True)
    if {state, bank_status} == FINAL:
        return BankWord(state, contradiction=True)
    return BankWord(bank_status if RANK[bank_status] > RANK[state] else state)


def counts(state: str, *, contradicted: bool) -> bool:
    """Whether a refund in this state holds money of its session."""
    return contradicted or (state not in ENDS and state != DECLINED)


# Money


@dataclass(frozen=True)
class PaidPart:
    """A succeeded payment."""

    payment_id: str
    amount_minor: int
    currency: str


@dataclass(frozen=True)
class HeldPart:
    """A refund that counts: the larger of our amount and the bank's, and its payment once known."""

    payment_id: str | None
    amount_minor: int


def refundable_minor(paid: Sequence[PaidPart], held: Sequence[HeldPart]) -> int:
    """What one further refund may take at most, in minor units; never below zero.

    With several payments that is the largest single remainder; refunds whose payment is not known yet are
    taken off that remainder, since they may fall on it. With mixed currencies it is nothing.
    """
    if not paid or len({part.currency for part in paid}) > 1:
        return 0
    by_payment: Counter[str | None] = Counter()
    for part in held:
        by_payment[part.payment_id] += part.amount_minor
    known = {part.payment_id for part in paid}
    elsewhere = sum(amount for payment_id, amount in by_payment.items() if payment_id not in known)
    largest = max(part.amount_minor - by_payment[part.payment_id] for part in paid) - elsewhere
    left = sum(part.amount_minor for part in paid) - sum(by_payment.values())
    return max(0, min(left, largest))


def may_send_without_amount(paid: Sequence[PaidPart], committed_minor: int) -> bool:
    """Only one payment with nothing committed may be refunded by the bank's documented "in full"."""
    return len(paid) == 1 and committed_minor == 0


def still_fits(amount_minor: int, paid: Sequence[PaidPart], held: Sequence[HeldPart]) -> bool:
    """Whether a refund of this amount may still go out, beside what all others hold."""
    return amount_minor <= refundable_minor(paid, held)


def still_fits_in_full(amount_minor: int, paid: Sequence[PaidPart], held: Sequence[HeldPart]) -> bool:
    """The same for one without an amount: the bank pays back all there is, so that has to be what was asked for."""
    held_minor = sum(part.amount_minor for part in held)
    return may_send_without_amount(paid, held_minor) and amount_minor == paid[0].amount_minor


# Attempts and their answers


@dataclass(frozen=True)
class AttemptFacts:
    """One try to send a refund, as far as the rules care."""

    number: int
    lease_until: datetime
    outcome: str | None
    answered_at: datetime | None
    is_resend: bool = False

    @property
    def may_have_connected(self) -> bool:
        return self.outcome != NEVER_CONNECTED


def after_answer(outcome: str, *, clean: bool) -> str:
    """The state of a refund that is being sent, after its current attempt ended and no bank id was found.

    `clean`: this is the attempt under which it is being sent, and every earlier one never connected.
    """
    if clean and outcome == NEVER_CONNECTED:
        return QUEUED
    if clean and outcome == AUTH_ERROR:
        return REFUSED
    return UNKNOWN


def absence_provable_from(attempts: Iterable[AttemptFacts], quiet: timedelta) -> datetime | None:
    """A read proves that the bank has no refund of ours only if it started after this moment.

    None: there was no attempt that could have reached the bank, so that any read proves it.
    """
    moments = [_settled_at(attempt, quiet) for attempt in attempts if attempt.may_have_connected]
    return max(moments, default=None)


def _settled_at(attempt: AttemptFacts, quiet: timedelta) -> datetime:
    if attempt.outcome in _WELL_FORMED_ERRORS and attempt.answered_at is not None:
        return attempt.answered_at
    return attempt.lease_until + quiet


def second_absence_from(first_at: datetime, attempts: Iterable[AttemptFacts], quiet: timedelta) -> datetime:
    """The second proof of absence counts when its read starts at this moment or later."""
    connected = [attempt for attempt in attempts if attempt.may_have_connected]
    all_definite = all(attempt.outcome in _WELL_FORMED_ERRORS for attempt in connected)
    return first_at + (SHORT_ABSENCE_GAP if all_definite else quiet / 3)


def after_two_absences(
    attempts: Sequence[AttemptFacts], first_sent_at: datetime, now: datetime, resend_max: timedelta
) -> str:
    """REFUSED, RESEND or REVIEW for a refund whose absence at the bank has been proved twice."""
    outcomes = {attempt.outcome for attempt in attempts}
    if KEY_EXISTS in outcomes:
        return REVIEW
    if outcomes & _WELL_FORMED_ERRORS:
        return REFUSED
    sent_again = any(attempt.is_resend and attempt.may_have_connected for attempt in attempts)
    if sent_again or now - first_sent_at > resend_max:
        return REVIEW
    return RESEND


# When to read


def next_open_read(sent_at: datetime, last_read_at: datetime | None, poll: timedelta) -> datetime:
    """The next scheduled read of an open refund: p, 2p, 4p, 10p, 30p after the send, then every 120p."""
    if last_read_at is None or last_read_at < sent_at:
        return sent_at + poll
    for step in READ_STEPS:
        if sent_at + step * poll > last_read_at:
            return sent_at + step * poll
    rounds = (last_read_at - sent_at - READ_STEPS[-1] * poll) // (READ_EVERY * poll) + 1
    return sent_at + (READ_STEPS[-1] + READ_EVERY * rounds) * poll


def next_last_look(ended_at: datetime, last_read_at: datetime | None) -> datetime | None:
    """The next read of a refund that has ended: webhooks can be lost for good. None when all were made."""
    moments = (ended_at + wait for wait in LAST_LOOKS)
    return next((moment for moment in moments if last_read_at is None or moment > last_read_at), None)


# Facts that fit no rule

AMOUNT_DIFFERS = "amount_differs"
OVER_CAPTURED = "over_captured"
CONTRADICTION = "contradiction"
MADE_AFTER_END = "made_after_end"
DUPLICATE = "duplicate"
MAY_BE_OURS = "may_be_ours"
MISSING = "missing"
UNREADABLE = "unreadable"
UNREAD = "unread"
ANOMALIES = (
    AMOUNT_DIFFERS,
    OVER_CAPTURED,
    CONTRADICTION,
    MADE_AFTER_END,
    DUPLICATE,
    MAY_BE_OURS,
    MISSING,
    UNREADABLE,
    UNREAD,
)


# What people may decide

RESTORED = "restored"
NEVER_MADE = "never_made"
THAT_ONE = "that_one"
STANDS = "stands"
CHOICES = (NEVER_MADE, THAT_ONE, STANDS)

DOUBTS = frozenset(
    {
        "stranger",
        "not_found",
        "no_proof",
        "not_whole",
        "body_changed",
        "replaced_one_made",
        "other_bank",
        "no_longer_fits",
        RESTORED,
    }
)
_ODD_FACTS = frozenset({DUPLICATE, CONTRADICTION})


def may_undo(state: str, review: str) -> bool:
    """Whether one person may undo a refund: it must be sure that it was never sent."""
    return state in UNDOABLE and review != RESTORED


def choices_of(state: str, review: str) -> tuple[str, ...]:
    """What two people may decide about a refund under this review; nothing where there is nothing to decide.

    A refund that waits under any other review was never sent, and can be undone; one that is being sent will first
    be of unknown outcome.
    """
    if review in _ODD_FACTS:
        return (STANDS,)
    may_be_out = (state == UNKNOWN and review in DOUBTS) or (state in UNDOABLE and review == RESTORED)
    return (NEVER_MADE, THAT_ONE) if may_be_out else ()


def linked(start: int, replacements: Iterable[tuple[int, int | None]]) -> frozenset[int]:
    """All refunds that hang together with this one, itself included, given each with the one that it replaces."""
    pairs = [(new, old) for new, old in replacements if old is not None]
    family, size_before = {start}, 0
    while len(family) > size_before:
        size_before = len(family)
        for pair in pairs:
            if family & set(pair):
                family |= set(pair)
    return frozenset(family)


def never_made_from(
    attempts: Iterable[AttemptFacts], quiet: timedelta, last_lease_until: datetime | None = None
) -> datetime | None:
    """A read bears out that a refund was never made only if it started after this moment; None: any read does.

    That is a third of the quiet period after absence can first be proved: one read that lags behind must not do.
    `last_lease_until`: until then it may have been on its way under an attempt that a restored backup does not have.
    """
    proved = absence_provable_from(attempts, quiet)
    moments = [moment for moment in (proved, last_lease_until and last_lease_until + quiet) if moment is not None]
    return max(moments) + quiet / 3 if moments else None
