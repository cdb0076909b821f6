"""The search box of every page: where what was typed leads to, and what can be typed."""

import re
from typing import Any

from flask import Blueprint, abort, get_template_attribute, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from dashboard import history, refund_rules, roles, search_language, session_index
from dashboard.db import db
from dashboard.web import wording
from dashboard.web.access import needs

bp = Blueprint("finding", __name__, url_prefix="/find")

_HOST_AND_PATH = r"https?://[^/?#\s]+(?:/[^/?#\s]+)*"
_REFUND_ADDRESS = re.compile(rf"{_HOST_AND_PATH}/refunds/([0-9a-f]{{8}}(?:-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}})\b", re.I)
_SESSION_ADDRESS = re.compile(rf"{_HOST_AND_PATH}/sessions/(ps_[A-Za-z0-9_-]+)(?![^/?#\s])", re.I)


@bp.get("")
@needs(roles.SEE)
def find() -> ResponseReturnValue:
    text = request.args.get("q", "").strip()
    if len(text) > search_language.LONGEST:
        abort(400, wording.too_long_search())
    return redirect(_leads_to(text))


def _leads_to(text: str) -> str:
    """An address or an id leads to what bears it, terms to the history, and words to the sessions that have them."""
    if page := _page_at(text):
        return page
    references = history.references_of(db.session(), text)
    if len(references) == 1:
        return url_for("refunds.show", reference=references[0])
    if not references and (session_id := session_index.session_of(db.session(), text)):
        return url_for("sessions.show", session_id=session_id)
    is_of_refunds = references or search_language.has_terms(text)
    return url_for("refunds.index" if is_of_refunds else "sessions.index", q=text or None)


def _page_at(address: str) -> str | None:
    """The page of this desk that such an address names. Nothing but the id in its path is used, whatever its host."""
    if found := _REFUND_ADDRESS.match(address):
        return url_for("refunds.show", reference=found[1].lower())
    if found := _SESSION_ADDRESS.match(address):
        return url_for("sessions.show", session_id=found[1])
    return None


@bp.get("/terms")
@needs(roles.SEE)
def terms() -> dict[str, Any]:
    """What completes a term: each one's name in the reader's language, what it is for, and the values it can have."""
    values = {**wording.TERM_VALUES, "status": status_names(), "by": dict.fromkeys(history.askers(db.session()), "")}
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


def status_names() -> dict[str, str]:
    """What each status that can be asked for is called in the reader's language."""
    word = get_template_attribute("_macros.html", "status_word")
    named = {status: str(word(status)).strip() for status in refund_rules.STATES}
    return {search_language.NEEDS_PEOPLE: _("Needs you"), search_language.OPEN: _("Open"), **named}
