"""The evidence of one refund, to be taken along. Whoever takes it is put on record, so it is asked for by POST."""

from collections.abc import Iterator
from datetime import UTC

from flask import Blueprint, abort, get_template_attribute
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from sqlalchemy.orm import Session

from dashboard import evidence, history, roles
from dashboard.db import snapshot_engine
from dashboard.evidence import Facts
from dashboard.history import Row
from dashboard.web import timeline, wording
from dashboard.web.access import desk, needs, person
from dashboard.web.files import count_file, file_answer
from dashboard.web.formats import amount_with_currency, moment_utc, visible

bp = Blueprint("evidence", __name__)


@bp.post("/refunds/<reference>/evidence.zip")
@needs(roles.SEE_JOURNAL)
def take(reference: str) -> ResponseReturnValue:
    count_file()
    with Session(snapshot_engine(desk().engine)) as session:
        try:
            facts = evidence.facts_of(session, reference)
        except LookupError:
            abort(404, _("No refund has this reference."))
        summary = "\n".join(_summary(session, facts))
        session.expunge_all()
    content = evidence.archive(desk(), person().email, facts, f"{summary}\n")
    return file_answer(content, "application/zip", f"refund-{reference}.zip")


def _summary(session: Session, facts: Facts) -> Iterator[str]:
    row = history.one(session, facts.reference)
    if row is None:
        return
    yield _("Evidence of refund %(reference)s", reference=row.reference)
    yield ""
    for name, value in _about(row):
        yield f"{name}: {visible(value)}"
    yield ""
    yield _("What happened, oldest first:")
    for entry in reversed(timeline.of_refund(session, row)):
        yield f"  {entry.at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC  {visible(entry.text)}"
        yield from (f"      {name}: {visible(value)}" for name, value in entry.details)
    yield ""
    yield from _what_it_rests_on(facts)


def _about(row: Row) -> Iterator[tuple[str, str]]:
    yield _("Amount"), amount_with_currency(row.amount_minor, row.currency)
    yield _("Status"), str(get_template_attribute("_macros.html", "status_word")(row.status))
    if row.review:
        yield _("Needs you"), wording.review(row.review)
    yield _("Session"), row.session_id
    yield _("Customer"), row.customer_reference or "–"
    yield _("Asked"), moment_utc(row.created_at)
    yield _("By"), row.asked_by or _("Not asked for here")
    yield _("Reason"), wording.reason(row.reason) or "–"
    yield _("Comment"), row.comment or "–"
    yield _("Refund at the bank"), row.bank_id or "–"
    if row.bank_amount_minor is not None and row.bank_currency is not None:
        yield _("Amount at the bank"), amount_with_currency(row.bank_amount_minor, row.bank_currency)


def _what_it_rests_on(facts: Facts) -> Iterator[str]:
    seq, last_hash = facts.head
    made_at = moment_utc(desk().clock.now())
    yield _("Taken by %(person)s on %(moment)s.", person=person().email, moment=made_at)
    yield _("The journal had %(count)d entries then; the hash of the last one was", count=seq)
    yield f"  {last_hash}"
    yield _(
        "The entries about this refund, its session and its webhooks, in journal.jsonl: %(n)d", n=len(facts.entries)
    )
    yield _("To check all of it with the journal’s key: dashboard journal verify --file THIS.zip")
