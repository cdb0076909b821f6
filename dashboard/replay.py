"""The journal, read back into the tables it tells of: what they have to hold, and where they differ.

The tables are what the desk works with, the journal is what nobody can quietly change. Whoever edits a refund, an
attempt, a decision or a captured amount behind the desk's back makes the two differ.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.orm import Session, aliased

from dashboard import journal, refund_rules
from dashboard.journal import canonical
from dashboard.models import (
    Anomaly,
    Approval,
    Attempt,
    Installation,
    JournalEntry,
    PaymentSession,
    Person,
    Refund,
    RefundLimit,
    Resolution,
)
from dashboard.models.approvals import APPROVED, REJECTED
from dashboard.models.resolutions import OUTDATED, PROPOSED, RESOLUTION_STATES

Data = dict[str, Any]

_STATES = {f"refund:{state}": state for state in refund_rules.STATES}
_DECISIONS = {f"refund:{refund_rules.QUEUED}": APPROVED, f"refund:{refund_rules.REJECTED}": REJECTED}


class BadEntry(ValueError):
    """An entry that cannot follow those before it."""


@dataclass(slots=True)
class RefundFacts:
    """What the journal tells of one refund, as its row has it. Amounts are in minor units."""

    session_id: str
    origin: str
    state: str
    amount_minor: int
    currency: str
    bank_id: str | None = None
    bank_amount_minor: int | None = None
    bank_currency: str | None = None
    review: str = ""
    contradicted: bool = False
    counts: bool = True
    replaces: str | None = None
    reason: str = ""
    comment: str = ""
    body_digest: str | None = None

    def recount(self) -> None:
        self.counts = refund_rules.counts(self.state, contradicted=self.contradicted)

    @property
    def held_minor(self) -> int:
        """As `ledger.held_minor`, from these facts alone."""
        if self.bank_amount_minor is None or self.bank_currency != self.currency:
            return self.amount_minor
        return max(self.amount_minor, self.bank_amount_minor)


@dataclass(slots=True)
class ResolutionFacts:
    """What the journal tells of one decision about a refund, as its row has it; people by their addresses."""

    reference: str
    choice: str
    bank_id: str | None
    strangers: str
    candidate: str
    proposed_by: str
    state: str = PROPOSED
    decided_by: str | None = None


@dataclass(slots=True)
class ApprovalFacts:
    """What the journal tells of a second person's word on a refund, as its row has it; people by their addresses.

    `of`: session, amount and currency.
    """

    of: str
    asked_by: str
    decision: str | None = None
    by: str | None = None
    said: str = ""


@dataclass
class Replay:
    """The fold of a journal from its first entry on: feed it every entry, in order."""

    refunds: dict[str, RefundFacts] = field(default_factory=dict)
    attempts: dict[tuple[str, int], str | None] = field(default_factory=dict)
    captured_minor: dict[str, int] = field(default_factory=dict)
    anomalies: dict[tuple[str, str, str], bool] = field(default_factory=dict)
    resolutions: dict[str, ResolutionFacts] = field(default_factory=dict)
    approvals: dict[str, ApprovalFacts] = field(default_factory=dict)
    limits: dict[str, str] = field(default_factory=dict)
    is_paused: bool = False
    merged: set[str] = field(default_factory=set)

    def take(self, entry: JournalEntry) -> None:
        """Let one entry speak. Raises BadEntry."""
        tell = _TELLERS.get(entry.action)
        if tell is None:
            return
        try:
            data = {**json.loads(entry.data), "actor": entry.actor}
            tell(self, entry.subject.partition(":")[2], entry.action, data)
        except (KeyError, TypeError) as problem:
            raise BadEntry(f"entry {entry.seq} ({entry.action}) does not follow those before it: {problem!r}") from None

    def committed_minor(self) -> dict[str, int]:
        """What the refunds of each session hold together."""
        sums: dict[str, int] = {}
        for facts in self.refunds.values():
            if facts.counts:
                sums[facts.session_id] = sums.get(facts.session_id, 0) + facts.held_minor
        return sums


def _made(replay: Replay, reference: str, _action: str, data: Data) -> None:
    if reference in replay.refunds:
        raise KeyError(reference)
    facts = RefundFacts(
        data["session"], data.get("origin", "here"), data["state"], data["amount_minor"], data["currency"]
    )
    facts.replaces, facts.body_digest = data.get("replaces"), data.get("body_digest")
    facts.reason, facts.comment = data.get("reason", ""), data.get("comment", "")
    facts.recount()
    replay.refunds[reference] = facts
    if facts.state == refund_rules.AWAITING_APPROVAL:
        replay.approvals[reference] = ApprovalFacts(
            _of(facts.session_id, facts.amount_minor, facts.currency), data["actor"]
        )
    if "bank_id" in data:
        _at_bank(facts, data["bank_id"])


def _of(session_id: str, amount_minor: int, currency: str) -> str:
    return f"{session_id}/{amount_minor}/{currency}"


def _at_bank(facts: RefundFacts, bank_id: str) -> None:
    """Until an entry says otherwise, the bank's amount is ours."""
    facts.bank_id, facts.bank_amount_minor, facts.bank_currency = bank_id, facts.amount_minor, facts.currency


def _adopted(replay: Replay, reference: str, _action: str, data: Data) -> None:
    _at_bank(replay.refunds[reference], data["bank_id"])
    if data["known_by"] == "people":
        replay.merged.add(reference)


def _bank_amount(replay: Replay, reference: str, _action: str, data: Data) -> None:
    facts = replay.refunds[reference]
    facts.bank_amount_minor, facts.bank_currency = data["amount_minor"], data["currency"]


def _state(replay: Replay, reference: str, action: str, data: Data) -> None:
    facts = replay.refunds[reference]
    if facts.state != data["was"]:
        raise KeyError(f"{data['was']}, but it was {facts.state}")
    facts.state = _STATES[action]
    facts.recount()
    if data["was"] == refund_rules.AWAITING_APPROVAL and action in _DECISIONS:
        approval = replay.approvals[reference]
        approval.decision, approval.by, approval.said = _DECISIONS[action], data["actor"], data["comment"]
    if facts.state == refund_rules.CANCELLED:
        facts.review = ""  # version 0.1.0 did not say so in an entry of its own
    if action == "refund:sending":
        replay.attempts[reference, data["attempt"]] = None


def _attempt_ended(replay: Replay, reference: str, _action: str, data: Data) -> None:
    if replay.attempts[reference, data["attempt"]] is not None:
        raise KeyError(f"attempt {data['attempt']} ended before")
    replay.attempts[reference, data["attempt"]] = data["outcome"]


def _review(replay: Replay, reference: str, _action: str, data: Data) -> None:
    replay.refunds[reference].review = data["why"]


def _review_over(replay: Replay, reference: str, _action: str, _data: Data) -> None:
    replay.refunds[reference].review = ""


def _merged(replay: Replay, reference: str, _action: str, data: Data) -> None:
    """Its row is gone; what had been decided about it is about the one that took its place."""
    del replay.refunds[reference]
    replay.anomalies = {key: seen for key, seen in replay.anomalies.items() if key[0] != reference}
    for resolution in replay.resolutions.values():
        if resolution.reference == reference:
            resolution.reference = data["into"]


def _proposed(replay: Replay, reference: str, _action: str, data: Data) -> None:
    then = canonical(data["strangers"]), canonical(data["candidate"])
    facts = ResolutionFacts(reference, data["choice"], data["bank_id"], *then, data["actor"])
    replay.resolutions[data["resolution"]] = facts


def _decided(replay: Replay, _reference: str, action: str, data: Data) -> None:
    facts, state = replay.resolutions[data["resolution"]], action.partition(":")[2]
    if facts.state != PROPOSED:
        raise KeyError(f"resolution {data['resolution']} was decided before")
    facts.state, facts.decided_by = state, None if state == OUTDATED else data["actor"]


def _acknowledged(replay: Replay, subject: str, _action: str, data: Data) -> None:
    key = subject, data["kind"], data["detail"]
    if key not in replay.anomalies:
        raise KeyError(key)
    replay.anomalies[key] = True


def _captured(replay: Replay, session_id: str, _action: str, data: Data) -> None:
    replay.captured_minor[session_id] = data["now"]


def _anomaly(replay: Replay, subject: str, action: str, data: Data) -> None:
    kind = action.partition(":")[2]
    replay.anomalies[subject, kind, data["detail"]] = False
    if kind == refund_rules.CONTRADICTION:
        replay.refunds[subject].contradicted = replay.refunds[subject].counts = True
    if kind == refund_rules.AMOUNT_DIFFERS and subject not in replay.merged:
        _told_by_anomaly(replay.refunds[subject], data["detail"])


def _told_by_anomaly(facts: RefundFacts, detail: str) -> None:
    """Version 0.1.0 told of another amount of the bank's in the anomaly alone."""
    if (facts.bank_amount_minor, facts.bank_currency) == (facts.amount_minor, facts.currency):
        amount, _, facts.bank_currency = detail.partition(" ")
        facts.bank_amount_minor = int(amount)


def _limited(replay: Replay, currency: str, _action: str, data: Data) -> None:
    replay.limits[currency] = canonical(data["now"])


def _not_limited(replay: Replay, currency: str, _action: str, _data: Data) -> None:
    del replay.limits[currency]


def _paused(replay: Replay, _subject: str, action: str, _data: Data) -> None:
    replay.is_paused = action == "sending:paused"


_TELLERS = {
    "refund:requested": _made,
    "refund:found": _made,
    "refund:adopted": _adopted,
    "refund:bank_amount": _bank_amount,
    "refund:review": _review,
    "refund:review_over": _review_over,
    "refund:merged": _merged,
    f"resolution:{PROPOSED}": _proposed,
    **dict.fromkeys((f"resolution:{state}" for state in RESOLUTION_STATES if state != PROPOSED), _decided),
    "anomaly:acknowledged": _acknowledged,
    "attempt:ended": _attempt_ended,
    "session:captured": _captured,
    "limit:set": _limited,
    "limit:removed": _not_limited,
    "sending:paused": _paused,
    "sending:resumed": _paused,
    **dict.fromkeys(_STATES, _state),
    **{f"anomaly:{kind}": _anomaly for kind in refund_rules.ANOMALIES},
}


# The whole of it


@dataclass(frozen=True)
class Examined:
    """A journal read from its first entry on: `head` is `SEQ:HASH`, `last_at` the time of the last entry (None: there
    is no entry), `broken` what is wrong with it. `differences`, a line each, are the tables' where it is whole.
    """

    entries: int
    head: str
    last_at: datetime | None
    broken: str | None
    differences: Sequence[str] = ()


def examine(session: Session, key: str, expect: tuple[int, str] | None = None) -> Examined:
    """Check the whole chain (`expect` as for `journal.verify`), and that the tables are what it tells of.

    The session has to see one moment from first to last.
    """
    told = Replay()
    try:
        verdict = journal.verify(session, key, expect, told.take)
    except BadEntry as problem:
        return Examined(0, "", None, str(problem))
    last_at = session.scalars(select(JournalEntry.at).order_by(JournalEntry.seq.desc()).limit(1)).first()
    differs = () if verdict.problem else tuple(differences(session, told))
    # A chain that is broken may have anything in the place of a time.
    moment = journal.read_timestamp(last_at) if last_at and not verdict.problem else None
    head = f"{verdict.entries}:{verdict.head}"
    return Examined(verdict.entries, head, moment, verdict.problem, differs)


# Beside the tables


def differences(session: Session, replay: Replay) -> Iterator[str]:
    """Where the tables are not what the journal tells, a line each. Both have to be of one moment."""
    yield from _compared("refund", _refund_rows(session), replay.refunds)
    yield from _compared("attempt", _attempt_rows(session), replay.attempts)
    yield from _compared("captured amount of session", _captured_rows(session), replay.captured_minor)
    yield from _compared("committed amount of session", _committed_rows(session), replay.committed_minor())
    yield from _compared("anomaly", _anomaly_rows(session), replay.anomalies)
    yield from _compared("resolution", _resolution_rows(session), replay.resolutions)
    yield from _compared("approval", _approval_rows(session), replay.approvals)
    yield from _compared("limits of", _limit_rows(session), replay.limits)
    paused = session.scalars(select(Installation.sending_paused_at)).one() is not None
    if paused != replay.is_paused:
        yield f"sending is {'' if paused else 'not '}paused in the tables, but not so in the journal"


def _compared(what: str, rows: Iterable[tuple[Any, Any]], told: dict[Any, Any]) -> Iterator[str]:
    left = set(told)
    for key, row in rows:
        left.discard(key)
        if key not in told:
            yield f"{what} {_name(key)} is in the tables, the journal does not tell of it"
        elif told[key] != row:
            yield f"{what} {_name(key)}{_difference(what, row, told[key])}"
    yield from (f"{what} {_name(key)} is missing in the tables" for key in sorted(left))


# What it is of a row that is compared, where its name does not say it.
_COMPARED = {"attempt": ": outcome", "anomaly": ": acknowledged"}


def _difference(what: str, row: Any, told: Any) -> str:
    if not is_dataclass(row):
        return f"{_COMPARED.get(what, '')} is {_shown(row)} in the tables, {_shown(told)} by the journal"
    pairs = ((one.name, getattr(row, one.name), getattr(told, one.name)) for one in fields(row))
    return ": " + "; ".join(
        f"{name} is {_shown(here)} in the tables, {_shown(there)} by the journal"
        for name, here, there in pairs
        if here != there
    )


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None or value == "":
        return "nothing" if value is None else "empty"
    return _word(value)


def _name(key: object) -> str:
    return " ".join(map(_word, key)) if isinstance(key, tuple) else _word(key)


def _word(value: object) -> str:
    """As one word of a line: whoever edits a table must not be able to write words and lines of their own."""
    text = str(value)
    return text if text.isprintable() and text.split() == [text] else repr(text)


# Each built once; of a long table not everything is held at a time.
_BY_AND_BY: Any = {"yield_per": 1000}
_replaced = aliased(Refund)
_OF_REFUNDS: tuple[Any, ...] = (
    Refund.reference,
    Refund.session_id,
    Refund.origin,
    Refund.state,
    Refund.amount_minor,
    Refund.currency,
    Refund.bank_id,
    Refund.bank_amount_minor,
    Refund.bank_currency,
    Refund.review,
    Refund.contradicted,
    Refund.counts,
    _replaced.reference,
    Refund.reason,
    Refund.comment,
    Refund.body,
)
_REFUNDS: Select[Any] = (
    select(*_OF_REFUNDS).outerjoin(_replaced, _replaced.id == Refund.replaces_id).execution_options(**_BY_AND_BY)
)
_ATTEMPTS = (
    select(Refund.reference, Attempt.number, Attempt.outcome)
    .join(Refund, Refund.id == Attempt.refund_id)
    .execution_options(**_BY_AND_BY)
)
_CAPTURED = (
    select(PaymentSession.id, PaymentSession.captured_minor)
    .where(PaymentSession.captured_minor != 0)
    .execution_options(**_BY_AND_BY)
)
_COMMITTED = (
    select(PaymentSession.id, PaymentSession.committed_minor)
    .where(PaymentSession.committed_minor != 0)
    .execution_options(**_BY_AND_BY)
)
_ANOMALIES = (
    select(Refund.reference, Anomaly.session_id, Anomaly.kind, Anomaly.detail, Anomaly.acknowledged_at)
    .select_from(Anomaly)
    .outerjoin(Refund, Refund.id == Anomaly.refund_id)
    .execution_options(**_BY_AND_BY)
)
_asker, _decider = aliased(Person), aliased(Person)
_OF_RESOLUTIONS: tuple[Any, ...] = (
    Resolution.id,
    Refund.reference,
    Resolution.choice,
    Resolution.bank_id,
    Resolution.strangers,
    Resolution.candidate,
    _asker.email,
    Resolution.state,
    _decider.email,
)
_RESOLUTIONS: Select[Any] = (
    select(*_OF_RESOLUTIONS)
    .select_from(Resolution)
    .join(Refund, Refund.id == Resolution.refund_id)
    .join(_asker, _asker.id == Resolution.proposed_by_id)
    .outerjoin(_decider, _decider.id == Resolution.decided_by_id)
    .execution_options(**_BY_AND_BY)
)
_OF_APPROVALS: tuple[Any, ...] = (
    Refund.reference,
    Approval.session_id,
    Approval.amount_minor,
    Approval.currency,
    _asker.email,
    Approval.decision,
    _decider.email,
    Approval.comment,
)
_APPROVALS: Select[Any] = (
    select(*_OF_APPROVALS)
    .select_from(Approval)
    .join(Refund, Refund.id == Approval.refund_id)
    .join(_asker, _asker.id == Approval.asked_by_id)
    .outerjoin(_decider, _decider.id == Approval.decided_by_id)
    .execution_options(**_BY_AND_BY)
)
_AMOUNTS = [column for column in RefundLimit.__table__.columns if column is not RefundLimit.__table__.c.currency]
_LIMITS = select(RefundLimit.__table__)


def _refund_rows(session: Session) -> Iterator[tuple[str, RefundFacts]]:
    for reference, *facts, body in session.execute(_REFUNDS):
        row = RefundFacts(*facts)
        row.body_digest = None if body is None else hashlib.sha256(body).hexdigest()
        yield reference, row


def _attempt_rows(session: Session) -> Iterator[tuple[tuple[str, int], str | None]]:
    for reference, number, outcome in session.execute(_ATTEMPTS):
        yield (reference, number), outcome


def _captured_rows(session: Session) -> Iterator[tuple[str, int]]:
    yield from session.execute(_CAPTURED)


def _committed_rows(session: Session) -> Iterator[tuple[str, int]]:
    yield from session.execute(_COMMITTED)


def _anomaly_rows(session: Session) -> Iterator[tuple[tuple[str, str, str], bool]]:
    for reference, session_id, kind, detail, seen_at in session.execute(_ANOMALIES):
        yield (reference or session_id, kind, detail), seen_at is not None


def _resolution_rows(session: Session) -> Iterator[tuple[str, ResolutionFacts]]:
    for resolution_id, *facts in session.execute(_RESOLUTIONS):
        yield resolution_id, ResolutionFacts(*facts)


def _approval_rows(session: Session) -> Iterator[tuple[str, ApprovalFacts]]:
    for reference, session_id, amount_minor, currency, *said in session.execute(_APPROVALS):
        yield reference, ApprovalFacts(_of(session_id, amount_minor, currency), *said)


def _limit_rows(session: Session) -> Iterator[tuple[str, str]]:
    for row in session.execute(_LIMITS).mappings():
        yield row["currency"], canonical({column.name: row[column.name] for column in _AMOUNTS})
