"""The journal as a page."""

from dataclasses import dataclass
from datetime import datetime

from flask import Blueprint, abort, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from sqlalchemy import select

from dashboard import journal, roles
from dashboard.db import db
from dashboard.models import JournalEntry
from dashboard.web.access import needs
from dashboard.web.pagination import pager_urls

PAGE_SIZE = 100

bp = Blueprint("journal", __name__, url_prefix="/journal")


@dataclass(frozen=True)
class _ShownEntry:
    seq: int
    at: datetime
    actor: str
    action: str
    subject: str
    subject_url: str | None
    data: str


@bp.get("/")
@needs(roles.SEE_JOURNAL)
def index() -> ResponseReturnValue:
    before = request.args.get("before", "")
    if before and (not before.isdecimal() or len(before) > 18):
        abort(400, _("This page of the list does not exist."))
    query = select(JournalEntry).order_by(JournalEntry.seq.desc()).limit(PAGE_SIZE + 1)
    if before:
        query = query.where(JournalEntry.seq < int(before))
    found = db.session.scalars(query).all()
    older = str(found[PAGE_SIZE - 1].seq) if len(found) > PAGE_SIZE else ""
    older_url, newest_url = pager_urls("journal.index", older)
    entries = [_shown(entry) for entry in found[:PAGE_SIZE]]
    return render_template("journal/index.html", entries=entries, older_url=older_url, newest_url=newest_url)


def _shown(entry: JournalEntry) -> _ShownEntry:
    at = journal.read_timestamp(entry.at)
    return _ShownEntry(entry.seq, at, entry.actor, entry.action, entry.subject, _address_of(entry.subject), entry.data)


def _address_of(subject: str) -> str | None:
    kind, _colon, key = subject.partition(":")
    if kind == "refund":
        return url_for("refunds.show", reference=key)
    return url_for("sessions.show", session_id=key) if kind == "session" else None
