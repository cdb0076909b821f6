"""The story of a refund or a session, from the journal, in words."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask_babel import gettext as _
from markupsafe import Markup
from sqlalchemy.orm import Session

from dashboard import journal
from dashboard.models import JournalEntry
from dashboard.web import wording
from dashboard.web.formats import amount_with_currency

QUEUED, RUN, OK, BAD, ODD, OFF = "queued", "run", "ok", "bad", "odd", "off"

Data = dict[str, Any]


@dataclass(frozen=True)
class Entry:
    """One line: when, its mark (`queued`, `run`, `ok`, `bad`, `odd`, `off`), a sentence, and what it rests on."""

    at: datetime
    mark: str
    text: str | Markup
    detail: str | None


def entries_of(session: Session, references: Sequence[str], session_id: str) -> list[Entry]:
    """What happened to these refunds of one session, newest first."""
    subjects = [f"session:{session_id}", *(f"refund:{reference}" for reference in references)]
    found = journal.of_subjects(session, subjects)
    entries = (_entry(entry, set(references)) for entry in reversed(found))
    return [entry for entry in entries if entry is not None]


def _entry(entry: JournalEntry, references: set[str]) -> Entry | None:
    data: Data = json.loads(entry.data)
    tell = _TELLERS.get(entry.action)
    if entry.action == "webhook:applied" and references and not references & set(data["refunds"]):
        return None
    if tell is None:
        told = _anomaly(entry, data) if entry.action.startswith("anomaly:") else None
    else:
        told = tell(entry, data)
    if told is None:
        return None
    mark, text = told
    return Entry(journal.read_timestamp(entry.at), mark, text, _evidence(data))


def _evidence(data: Data) -> str:
    return "\n".join(f"{name}: {_plain(value)}" for name, value in data.items() if value not in (None, "", []))


def _plain(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


Told = tuple[str, str] | None


def _by_source(data: Data) -> str:
    """Where a word of the bank's came from."""
    return {
        "webhook": _("by webhook, its signature verified"),
        "read": _("read from the bank"),
        "answer": _("in its answer"),
    }.get(str(data.get("source")), "")


def _requested(entry: JournalEntry, data: Data) -> Told:
    asked = amount_with_currency(data["amount_minor"], data["currency"])
    text = _("Asked by %(person)s: %(amount)s", person=entry.actor, amount=asked)
    reason = wording.reason(data["reason"])
    return QUEUED, f"{text}, {reason}" if reason else text


def _found(entry: JournalEntry, data: Data) -> Told:
    amount = amount_with_currency(data["amount_minor"], data["currency"])
    if data["origin"] == "chargeback":
        return BAD, _("Chargeback of %(amount)s, %(bank_id)s", amount=amount, bank_id=data["bank_id"])
    return OFF, _("Made at the bank: %(amount)s, %(bank_id)s", amount=amount, bank_id=data["bank_id"])


def _sending(entry: JournalEntry, data: Data) -> Told:
    if data["attempt"] == 1:
        return RUN, _("Sent to the bank")
    return RUN, _(
        "Sent to the bank again, attempt %(number)d, the same bytes under the same key", number=data["attempt"]
    )


def _attempt_ended(entry: JournalEntry, data: Data) -> Told:
    said = " ".join(str(data[name]) for name in ("error_code", "error_description") if data.get(name))
    outcome = data["outcome"]
    if outcome == "answered":
        return RUN, _("The bank answered")
    if outcome == "never_connected":
        return QUEUED, _("The bank was not reached, nothing was sent: %(why)s", why=said)
    if outcome in ("definite_error", "auth_error"):
        return BAD, _("The bank said no: %(answer)s", answer=said)
    if outcome == "key_exists":
        return ODD, _("The bank says that it knows this refund's key already")
    return ODD, _("No answer that can be relied on: %(why)s", why=said)


def _unknown(entry: JournalEntry, data: Data) -> Told:
    return ODD, _("The outcome is not known; the amount stays held while the bank is asked")


def _requeued(entry: JournalEntry, data: Data) -> Told:
    return QUEUED, _("Back in the queue, to be sent once the bank can be reached")


def _adopted(entry: JournalEntry, data: Data) -> Told:
    return RUN, _("The bank has it as %(bank_id)s, %(source)s", bank_id=data["bank_id"], source=_by_source(data))


def _bank_state(mark: str, sentence: Callable[[], str]) -> Callable[[JournalEntry, Data], Told]:
    def tell(entry: JournalEntry, data: Data) -> Told:
        source = _by_source(data)
        return mark, f"{sentence()}, {source}" if source else sentence()

    return tell


def _refused(entry: JournalEntry, data: Data) -> Told:
    return BAD, _("Refused: the bank said no and made no refund; the amount is free again")


def _cancelled(entry: JournalEntry, data: Data) -> Told:
    return OFF, _("Undone by %(person)s before it was sent", person=entry.actor)


def _absent(entry: JournalEntry, data: Data) -> Told:
    return ODD, _("The bank does not have it, proved by a read (%(number)d of 2)", number=data["number"])


def _resend_planned(entry: JournalEntry, data: Data) -> Told:
    return QUEUED, _("It will be sent once more, the same bytes under the same key")


def _review(entry: JournalEntry, data: Data) -> Told:
    return ODD, _("Needs you: %(why)s", why=wording.review(data["why"]))


def _review_over(entry: JournalEntry, data: Data) -> Told:
    return OK, _("Does not need anybody any more: it turned up at the bank")


def _webhook(entry: JournalEntry, data: Data) -> Told:
    return OFF, _("Webhook %(type)s, its signature verified", type=data["type"])


def _captured(entry: JournalEntry, data: Data) -> Told:
    return OFF, _("What was paid was read from the bank")


def _anomaly(entry: JournalEntry, data: Data) -> Told:
    return ODD, wording.anomaly(entry.action.removeprefix("anomaly:"), data["detail"])


_TELLERS: dict[str, Callable[[JournalEntry, Data], Told]] = {
    "refund:requested": _requested,
    "refund:found": _found,
    "refund:sending": _sending,
    "attempt:ended": _attempt_ended,
    "refund:unknown": _unknown,
    "refund:queued": _requeued,
    "refund:adopted": _adopted,
    "refund:in_progress": _bank_state(RUN, lambda: _("In progress at the bank")),
    "refund:error": _bank_state(ODD, lambda: _("The bank reports an error; that is not final")),
    "refund:accepted": _bank_state(OK, lambda: _("Accepted by the bank")),
    "refund:declined": _bank_state(BAD, lambda: _("Declined by the bank")),
    "refund:refused": _refused,
    "refund:cancelled": _cancelled,
    "refund:absent": _absent,
    "refund:resend_planned": _resend_planned,
    "refund:review": _review,
    "refund:review_over": _review_over,
    "webhook:applied": _webhook,
    "session:captured": _captured,
}
