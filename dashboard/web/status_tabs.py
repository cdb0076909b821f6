"""The tabs above the history: one for each status that people look for, with how many refunds it has."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask import url_for
from flask_babel import gettext as _
from sqlalchemy.orm import Session

from dashboard import history_counts, refund_rules, search
from dashboard.counting import Count
from dashboard.db import TookTooLong, within
from dashboard.history_filters import BadFilter, Filters
from dashboard.search_language import NEEDS_PEOPLE, OPEN, BadTerm
from dashboard.web.formats import count_text
from dashboard.web.reader import zone


@dataclass(frozen=True)
class Tab:
    """`count`: how many there are, in words of the page; empty where nobody counts."""

    label: str
    status: str
    count: str
    href: str
    is_shown: bool


def status_tabs(session: Session, filters: Filters, arguments: Mapping[str, Any]) -> list[Tab]:
    """The tabs beside these filters, which stand in `arguments` as in an address."""
    labels = {
        "": _("All"),
        NEEDS_PEOPLE: _("Needs you"),
        OPEN: _("Open"),
        refund_rules.ACCEPTED: _("Accepted"),
        refund_rules.DECLINED: _("Declined"),
        refund_rules.UNKNOWN: _("Unknown"),
    }
    counts = _counts(session, filters, list(labels))
    return [
        Tab(label, status, _said(counts.get(status)), _href(arguments, status), status == filters.status)
        for status, label in labels.items()
    ]


def _counts(session: Session, filters: Filters, statuses: list[str]) -> dict[str, Count]:
    """None at all for filters that cannot be used: the page says why."""
    try:
        with within(session, search.LONGEST_S):
            return history_counts.beside(session, filters, zone(), statuses)
    except (BadFilter, BadTerm, TookTooLong):
        return {}


def _said(count: Count | None) -> str:
    return "" if count is None else count_text(count)


def _href(arguments: Mapping[str, Any], status: str) -> str:
    return url_for("refunds.index", **{**arguments, "status": status or None})
