"""The search box of every page: where what was typed leads to, and what can be typed."""

from typing import Any

from flask import Blueprint, get_template_attribute, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from dashboard import history, refund_rules, roles, search_language, session_index
from dashboard.db import db
from dashboard.web import wording
from dashboard.web.access import needs

bp = Blueprint("finding", __name__, url_prefix="/find")


@bp.get("")
@needs(roles.SEE)
def find() -> ResponseReturnValue:
    return redirect(_leads_to(request.args.get("q", "").strip()[:200]))


def _leads_to(text: str) -> str:
    """An id leads to what bears it, terms to the history, and words to the sessions that have them."""
    if reference := history.reference_of(db.session(), text):
        return url_for("refunds.show", reference=reference)
    if session_id := session_index.session_of(db.session(), text):
        return url_for("sessions.show", session_id=session_id)
    return url_for("refunds.index" if search_language.has_terms(text) else "sessions.index", q=text or None)


@bp.get("/terms")
@needs(roles.SEE)
def terms() -> dict[str, Any]:
    """What completes a term: each one's name in the reader's language, what it is for, and the values it can have."""
    values = {**wording.TERM_VALUES, "status": _statuses(), "by": dict.fromkeys(history.askers(db.session()), "")}
    return {
        "terms": [
            {
                "name": shown_name,
                "also": [name, search_language.NAMES[name]],
                "hint": hint,
                "values": [{"value": value, "word": str(word)} for value, word in values.get(name, {}).items()],
            }
            for name, shown_name, hint in wording.terms()
        ]
    }


def _statuses() -> dict[str, str]:
    word = get_template_attribute("_macros.html", "status_word")
    named = {status: str(word(status)).strip() for status in refund_rules.STATES}
    return {search_language.NEEDS_PEOPLE: _("Needs you"), search_language.OPEN: _("Open"), **named}
