"""A refund as a row of the history: the same in lists, among what changed and in live streams, and rendered once."""

from functools import lru_cache

from flask import Flask, get_template_attribute, request
from flask_babel import get_locale
from markupsafe import Markup

from dashboard.history import Row
from dashboard.web.access import desk
from dashboard.web.reader import zone

# Of some 2 KB each.
MOST_KEPT = 4096


def init_app(app: Flask) -> None:
    """Give templates `refund_row`."""
    app.jinja_env.globals["refund_row"] = refund_row


def refund_row(row: Row) -> Markup:
    """The row's HTML for this reader. Most rows of a list have not changed since somebody looked at them last."""
    the_zone = zone()
    # Times of another year are shown with it.
    year = desk().clock.now().astimezone(the_zone).year
    return _rendered(row, str(get_locale()), str(the_zone), year, request.script_root)


@lru_cache(maxsize=MOST_KEPT)
def _rendered(row: Row, _locale: str, _zone: str, _year: int, _root: str) -> Markup:
    html: Markup = get_template_attribute("refunds/_row.html", "row")(row)
    return html
