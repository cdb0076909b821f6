"""The journal as a page and as files, for whoever audits the desk."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from flask import Blueprint, abort, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from dashboard import audit, journal, journal_file, roles
from dashboard.audit import Export, Filters
from dashboard.db import db
from dashboard.desk import journal_key
from dashboard.history_filters import BadFilter
from dashboard.models import JournalEntry
from dashboard.spreadsheets import csv_lines
from dashboard.web import wording
from dashboard.web.access import desk, needs, person, visitor
from dashboard.web.days import BadDay, day_in
from dashboard.web.files import count_file, file_answer
from dashboard.web.formats import visible
from dashboard.web.pagination import pager_urls
from dashboard.web.reader import zone

bp = Blueprint("journal", __name__, url_prefix="/journal")


@dataclass(frozen=True)
class _ShownEntry:
    seq: int
    at: datetime | None
    at_text: str
    actor: str
    actor_words: str
    action: str
    action_words: str
    subject: str
    subject_url: str | None
    data: list[tuple[str, str]]
    hash: str


@bp.get("/")
@needs(roles.SEE_JOURNAL)
def index() -> ResponseReturnValue:
    filters, arguments = filters_of(request.args), arguments_of(request.args)
    page = audit.page(db.session(), filters, zone(), _before(), audit.PAGE_SIZE)
    older_url, newest_url = pager_urls("journal.index", str(page.older or ""), **arguments)
    return render_template(
        "journal/index.html",
        entries=[_shown(entry) for entry in page.entries],
        filters=arguments,
        actors={actor: wording.actor(actor) for actor in audit.known_actors(db.session())},
        actions={action: wording.action(action) for action in audit.known_actions(db.session())},
        older_url=older_url,
        newest_url=newest_url,
    )


def _before() -> int | None:
    before = request.args.get("before", "")
    if before and (not before.isdecimal() or len(before) > 18):
        abort(400, _("This page of the list does not exist."))
    return int(before) if before else None


_FILTERS = ("actor", "action", "subject", "from", "to")


def arguments_of(arguments: Mapping[str, str]) -> dict[str, str]:
    """The filters as they stand in an address."""
    given = {name: arguments.get(name, "").strip() for name in _FILTERS}
    return {name: text for name, text in given.items() if text}


def filters_of(arguments: Mapping[str, str]) -> Filters:
    """The filters in an address; 400 for those that cannot be used."""
    given = arguments_of(arguments)
    texts = {name: given.get(name, "") for name in ("actor", "action", "subject")}
    try:
        filters = Filters(date_from=day_in(given, "from"), date_to=day_in(given, "to"), **texts)
        filters.check()
    except BadDay as problem:
        abort(400, wording.bad_day(str(problem)))
    except BadFilter as problem:
        abort(400, _why_not(problem.field, given))
    return filters


def _why_not(field: str, given: Mapping[str, str]) -> str:
    if field == "to":
        return wording.no_day(given["from"], given["to"])
    if len(given[field]) > audit.LONGEST_FILTER:
        return _("This filter cannot be used: %(name)s.", name=field)
    return _("%(text)s is no action. Write one like refund:requested.", text=given[field][:40])


# Files. Whoever takes one is put on record, so they are asked for by POST.


@bp.post("/export.csv")
@needs(roles.SEE_JOURNAL)
def export_csv() -> ResponseReturnValue:
    export = _begin_export("csv")
    rows = (tuple(getattr(entry, name) for name in journal_file.FIELDS) for entry in audit.entries_of(desk(), export))
    return file_answer(csv_lines(journal_file.FIELDS, rows), "text/csv; charset=utf-8", "journal.csv")


@bp.post("/export.jsonl")
@needs(roles.SEE_JOURNAL)
def export_proof() -> ResponseReturnValue:
    export = _begin_export("proof")
    about = about_file(audit.as_texts(export.filters))
    lines = journal_file.lines(journal_key(desk().config), about, audit.entries_of(desk(), export), export.head)
    return file_answer(lines, "application/jsonl", "journal.jsonl")


def _begin_export(kind: str) -> Export:
    filters = filters_of(request.form)
    count_file()
    return audit.begin_export(desk(), person().email, kind, filters)


def about_file(filters: dict[str, str]) -> dict[str, object]:
    """What a file of entries says of itself."""
    made_at = journal.timestamp(desk().clock.now())
    return {"project": desk().bank.project, "made_at": made_at, "made_by": person().email, "filters": filters}


def _shown(entry: JournalEntry) -> _ShownEntry:
    return _ShownEntry(
        seq=entry.seq,
        at=_time(entry.at),
        at_text=visible(entry.at),
        actor=visible(entry.actor),
        actor_words=visible(wording.actor(entry.actor)),
        action=entry.action,
        action_words=wording.action(entry.action),
        subject=visible(entry.subject),
        subject_url=_address_of(entry.subject),
        data=_pairs(entry.data),
        hash=entry.hash,
    )


def _time(text: str) -> datetime | None:
    """None where somebody has put something else in its place."""
    try:
        return journal.read_timestamp(text)
    except ValueError:
        return None


def _address_of(subject: str) -> str | None:
    kind, _colon, key = subject.partition(":")
    if kind == "refund":
        return url_for("refunds.show", reference=key)
    if kind == "session":
        return url_for("sessions.show", session_id=key)
    if kind == "person" and key != "unknown" and visitor().may(roles.MANAGE_PEOPLE):
        return url_for("accounts.show", person_id=key)
    return None


def _pairs(data: str) -> list[tuple[str, str]]:
    """The data of an entry, name by name; as it stands there where somebody has changed it into something else."""
    try:
        read = json.loads(data)
    except ValueError:
        read = None
    if not isinstance(read, dict):
        return [("", visible(data))]
    return [(visible(name), visible(_text(value))) for name, value in read.items()]


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
