"""One refund on paper: to print, or to keep as PDF. Whoever takes it is put on record, so it is asked for by POST."""

from flask import Blueprint, abort, render_template
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from dashboard import history, refund_exports, roles
from dashboard.db import db
from dashboard.web.access import desk, needs, person
from dashboard.web.files import count_file
from dashboard.web.refunds import sureness

bp = Blueprint("receipts", __name__)


@bp.post("/refunds/<reference>/paper")
@needs(roles.SEE)
def show(reference: str) -> ResponseReturnValue:
    actor = person().email
    db.session.rollback()
    count_file()
    try:
        refund_exports.note_paper(desk(), actor, reference)
    except LookupError:
        abort(404, _("No refund has this reference."))
    row = history.one(db.session(), reference)
    if row is None:
        abort(404, _("No refund has this reference."))
    now = desk().clock.now()
    return render_template("refunds/paper.html", r=row, sureness=sureness(row), taken_by=actor, taken_at=now)
