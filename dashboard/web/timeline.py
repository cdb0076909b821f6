"""The story of a refund or a session, from the journal, in words."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask_babel import LazyString
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy.orm import Session

from dashboard import journal, refund_rules
from dashboard.history import Row
from dashboard.models import JournalEntry
from dashboard.web import bank_troubles, wording
from dashboard.web.formats import amount_with_currency

QUEUED, RUN, OK, BAD, ODD, OFF = "queued", "run", "ok", "bad", "odd", "off"

Data = dict[str, Any]


@dataclass(frozen=True)
class Entry:
    """One line: when, its mark (`queued`, `run`, `ok`, `bad`, `odd`, `off`), a sentence, and what it rests on, by name.

    `reference` and `about`: the refund it tells of and that refund's amount, where there are several to tell apart.
    """

    at: datetime
    mark: str
    text: str
    details: list[tuple[str, str]]
    reference: str = ""
    about: str = ""


def of_refund(session: Session, row: Row) -> list[Entry]:
    """What happened to one refund, newest first."""
    entries = _entries(session, row.session_id, [row])
    return [told for entry in entries if _concerns(entry, row.reference) and (told := _told(entry, {}))]


def of_session(session: Session, session_id: str, rows: Sequence[Row]) -> list[Entry]:
    """What happened in a session and to its refunds, newest first."""
    several = {row.reference: row for row in rows} if len(rows) > 1 else {}
    return [told for entry in _entries(session, session_id, rows) if (told := _told(entry, several))]


def _entries(session: Session, session_id: str, rows: Sequence[Row]) -> Iterator[JournalEntry]:
    subjects = [f"session:{session_id}", *(f"refund:{row.reference}" for row in rows)]
    return reversed(journal.of_subjects(session, subjects))


def _concerns(entry: JournalEntry, reference: str) -> bool:
    """Webhooks stand under their session, with the refunds that they told of."""
    return entry.action != "webhook:applied" or reference in json.loads(entry.data)["refunds"]


def _told(entry: JournalEntry, several: Mapping[str, Row]) -> Entry | None:
    data: Data = json.loads(entry.data)
    tell = TELLERS.get(entry.action, _anomaly if entry.action.startswith("anomaly:") else None)
    if tell is None:
        return None
    mark, text = tell(entry, data)
    row = several.get(entry.subject.removeprefix("refund:"))
    about = (row.reference, amount_with_currency(row.amount_minor, row.currency)) if row else ("", "")
    return Entry(journal.read_timestamp(entry.at), mark, text, _evidence(data), *about)


# What a line rests on, where people ask for it. The codes beside it are the journal page's to show.
_EVIDENCE: Mapping[str, LazyString] = {
    "comment": _l("Comment"),
    "bank_id": _l("Refund at the bank"),
    "http_status": _l("HTTP status"),
    "body_digest": _l("SHA-256 of what is sent"),
    "digest": _l("SHA-256 of what came"),
}


def _evidence(data: Data) -> list[tuple[str, str]]:
    return [(str(label), str(data[name])) for name, label in _EVIDENCE.items() if data.get(name)]


Told = tuple[str, str]


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
    text = f"{text}, {reason}" if reason else text
    needs_approval = data["state"] == refund_rules.AWAITING_APPROVAL
    return QUEUED, f"{text}. {_('Somebody else has to approve it')}" if needs_approval else text


def _found(entry: JournalEntry, data: Data) -> Told:
    amount = amount_with_currency(data["amount_minor"], data["currency"])
    if data["origin"] == "chargeback":
        return BAD, _("Chargeback of %(amount)s, %(bank_id)s", amount=amount, bank_id=data["bank_id"])
    return OFF, _("Made at the bank: %(amount)s, %(bank_id)s", amount=amount, bank_id=data["bank_id"])


def _sending(entry: JournalEntry, data: Data) -> Told:
    if data["was"] != "unknown":
        return RUN, _("Being sent to the bank")
    return RUN, _(
        "Sent to the bank again, attempt %(number)d, the same bytes under the same key", number=data["attempt"]
    )


def _put_off(entry: JournalEntry, data: Data) -> Told:
    return QUEUED, _("Not sent yet, the bank could not be asked first: %(why)s", why=bank_troubles.told(data["why"]))


def _attempt_ended(entry: JournalEntry, data: Data) -> Told:
    said = bank_troubles.told(
        " ".join(str(data[name]) for name in ("error_code", "error_description") if data.get(name))
    )
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
    if data["was"] == refund_rules.AWAITING_APPROVAL:
        return OK, _("%(person)s approved it", person=entry.actor)
    return QUEUED, _("Back in the queue, to be sent once the bank can be reached")


def _adopted(entry: JournalEntry, data: Data) -> Told:
    text = _("The bank has it as %(bank_id)s, %(source)s", bank_id=data["bank_id"], source=_by_source(data))
    if data["known_by"] == "answer":
        return RUN, f"{text}; {_('it is the only new one of this amount')}"
    if data["known_by"] == "people":
        return RUN, _("The bank has it as %(bank_id)s: two people decided so", bank_id=data["bank_id"])
    return RUN, text


def _bank_state(mark: str, sentence: Callable[[], str]) -> Callable[[JournalEntry, Data], Told]:
    def tell(entry: JournalEntry, data: Data) -> Told:
        source = _by_source(data)
        return mark, f"{sentence()}, {source}" if source else sentence()

    return tell


def _refused(entry: JournalEntry, data: Data) -> Told:
    return BAD, _("Refused: the bank said no and made no refund; the amount is free again")


def _cancelled(entry: JournalEntry, data: Data) -> Told:
    return OFF, _("Undone by %(person)s before it was sent", person=entry.actor)


def _not_approved(entry: JournalEntry, data: Data) -> Told:
    return BAD, _("%(person)s rejected it; nothing was sent, and the amount is free again", person=entry.actor)


def _absent(entry: JournalEntry, data: Data) -> Told:
    return ODD, _("The bank does not have it, proved by a read (%(number)d of 2)", number=data["number"])


def _resend_planned(entry: JournalEntry, data: Data) -> Told:
    return QUEUED, _("It will be sent once more, the same bytes under the same key")


def _review(entry: JournalEntry, data: Data) -> Told:
    return ODD, _("Needs you: %(why)s", why=wording.review(data["why"]))


def _review_over(entry: JournalEntry, data: Data) -> Told:
    if data.get("resolution"):
        return OK, _("Does not need anybody any more: two people have decided")
    if data.get("bank_id"):
        return OK, _("Does not need anybody any more: it turned up at the bank")
    return OFF, _("Does not need anybody any more")


def _bank_amount(entry: JournalEntry, data: Data) -> Told:
    shown = amount_with_currency(data["amount_minor"], data["currency"])
    return ODD, _("The bank shows an amount of %(amount)s, %(source)s", amount=shown, source=_by_source(data))


def _bank_word(entry: JournalEntry, data: Data) -> Told:
    if data["status"] == refund_rules.ACCEPTED:
        return ODD, _("The bank says now that it is accepted, %(source)s", source=_by_source(data))
    return ODD, _("The bank says now that it is declined, %(source)s", source=_by_source(data))


def _abandoned(entry: JournalEntry, data: Data) -> Told:
    return OFF, _("Closed as never made: two people decided so. The amount is free again")


def _merged(entry: JournalEntry, data: Data) -> Told:
    return OFF, _("It is the same as one that was asked for here, and is shown there: two people decided so")


def _replaced(entry: JournalEntry, data: Data) -> Told:
    return OFF, _("%(person)s asked for a new refund in its place", person=entry.actor)


def _proposed(entry: JournalEntry, data: Data) -> Told:
    said = wording.choice(data["choice"], data["bank_id"])
    return ODD, _("%(person)s says: %(choice)s. Somebody else has to agree", person=entry.actor, choice=said)


def _confirmed(entry: JournalEntry, data: Data) -> Told:
    said = wording.choice(data["choice"], data["bank_id"])
    return OK, _("%(person)s agrees: %(choice)s", person=entry.actor, choice=said)


def _rejected(entry: JournalEntry, data: Data) -> Told:
    return ODD, _("%(person)s does not agree; nothing was decided", person=entry.actor)


def _withdrawn(entry: JournalEntry, data: Data) -> Told:
    return OFF, _("%(person)s takes the proposal back; nothing was decided", person=entry.actor)


def _outdated(entry: JournalEntry, data: Data) -> Told:
    return OFF, _("The proposal is over, because what it rested on has changed; nothing was decided by it")


def _acknowledged(entry: JournalEntry, data: Data) -> Told:
    odd = wording.anomaly(data["kind"], data["detail"])
    if data.get("by"):
        return OFF, _("%(person)s had looked at it before the two became one: %(odd)s", person=data["by"], odd=odd)
    return OFF, _("%(person)s has looked at it: %(odd)s", person=entry.actor, odd=odd)


def _taken_along(entry: JournalEntry, data: Data) -> Told:
    return OFF, _("%(person)s took the evidence along", person=entry.actor)


def _webhook(entry: JournalEntry, data: Data) -> Told:
    return OFF, _("Webhook %(type)s, its signature verified", type=data["type"])


def _captured(entry: JournalEntry, data: Data) -> Told:
    return OFF, _("What was paid was read from the bank")


def _anomaly(entry: JournalEntry, data: Data) -> Told:
    return ODD, wording.anomaly(entry.action.removeprefix("anomaly:"), data["detail"])


TELLERS: dict[str, Callable[[JournalEntry, Data], Told]] = {
    "refund:requested": _requested,
    "refund:found": _found,
    "refund:sending": _sending,
    "refund:put_off": _put_off,
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
    "refund:rejected": _not_approved,
    "refund:absent": _absent,
    "refund:resend_planned": _resend_planned,
    "refund:review": _review,
    "refund:review_over": _review_over,
    "refund:bank_amount": _bank_amount,
    "refund:bank_word": _bank_word,
    "refund:abandoned": _abandoned,
    "refund:merged": _merged,
    "refund:replaced": _replaced,
    "resolution:proposed": _proposed,
    "resolution:confirmed": _confirmed,
    "resolution:rejected": _rejected,
    "resolution:withdrawn": _withdrawn,
    "resolution:outdated": _outdated,
    "anomaly:acknowledged": _acknowledged,
    "export:made": _taken_along,
    "webhook:applied": _webhook,
    "session:captured": _captured,
}
