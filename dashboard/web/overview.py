"""The first page: what needs somebody now, today in figures, two weeks in a picture, the latest refunds."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from flask import Blueprint, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from dashboard import health, history, refund_rules, roles
from dashboard.db import db
from dashboard.history import Filters, Sum
from dashboard.web import charts
from dashboard.web.access import desk, needs
from dashboard.web.pause import why_paused
from dashboard.web.reader import zone

MOST_ROWS = 10
DAYS = 14

bp = Blueprint("overview", __name__)


@dataclass(frozen=True)
class Figure:
    """A count, or an amount in minor units, with a link to the refunds behind it."""

    label: str
    amount_minor: int | None
    currency: str
    count: int | None
    href: str


@bp.get("/")
@needs(roles.SEE)
def index() -> ResponseReturnValue:
    session = db.session()
    needing = history.page(session, Filters(status=history.NEEDS_PEOPLE), zone(), size=MOST_ROWS)
    latest = history.page(session, Filters(), zone(), size=MOST_ROWS)
    today = desk().clock.now().astimezone(zone()).date()
    days = [today - timedelta(days=ago) for ago in reversed(range(DAYS))]
    sums_by_day = {day: history.sums_of_day(session, day, zone()) for day in days}
    return render_template(
        "overview.html",
        needs_you=needing.rows,
        latest=latest.rows,
        figures=_figures(today, sums_by_day[today]),
        bars=charts.bars(sums_by_day),
        notices=_notices(),
    )


def _figures(today: date, sums: Sequence[Sum]) -> list[Figure]:
    day = today.isoformat()
    accepted = {"status": refund_rules.ACCEPTED, "from": day, "to": day}
    open_count, waiting_count = history.counts(db.session(), history.OPEN, refund_rules.AWAITING_APPROVAL).values()
    figures = [
        Figure(_("Open"), None, "", open_count, _link(status=history.OPEN)),
        Figure(_("Awaiting approval"), None, "", waiting_count, _link(status=refund_rules.AWAITING_APPROVAL)),
        Figure(_("Asked today"), None, "", sum(each.count for each in sums), _link(**{"from": day, "to": day})),
    ]
    for each in sums:
        if each.state == refund_rules.ACCEPTED:
            figures.append(Figure(_("Of these accepted"), each.amount_minor, each.currency, None, _link(**accepted)))
    return figures


def _link(**arguments: Any) -> str:
    return url_for("refunds.index", **arguments)


def _notices() -> list[tuple[str, str, str]]:
    """What is wrong with the desk itself."""
    notices = []
    if why := why_paused(db.session()):
        notices.append(
            (
                "warn",
                _("Sending is paused"),
                _("No refund is sent until somebody resumes it. Reason: %(why)s", why=why),
            )
        )
    if not health.worker_is_alive(db.session(), desk().clock.now(), timedelta(seconds=30)):
        text = _("Refunds stay queued and nothing is read from the bank until the worker runs again. No money is lost.")
        notices.append(("bad", _("The worker is not running"), text))
    return notices
