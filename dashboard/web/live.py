"""Live pages: server-sent events that carry the page's own partials.

One thread in each process looks at the journal's head; the streams wait for it to move. A stream holds no
transaction between looks, ends when its person is signed out, and leaves threads for ordinary requests.
"""

import json
import logging
import threading
import time
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, replace
from functools import partial

from flask import (
    Blueprint,
    Flask,
    Response,
    abort,
    current_app,
    render_template,
    request,
    stream_with_context,
)
from flask.typing import ResponseReturnValue
from flask_babel import get_locale
from sqlalchemy import select
from sqlalchemy.orm import Session

from dashboard import health, history, journal, roles, sign_ins
from dashboard.db import db
from dashboard.desk import Desk
from dashboard.history import Changes, Row
from dashboard.history_filters import Filters
from dashboard.models import PaymentSession, Refund
from dashboard.web.access import desk, needs, visitor
from dashboard.web.audience import Audience
from dashboard.web.reader import zone
from dashboard.web.refunds import arguments_of, filters_of, refund_parts
from dashboard.web.rows import refund_row
from dashboard.web.sessions import session_parts
from dashboard.web.status_tabs import status_tabs

log = logging.getLogger(__name__)

LOOK_EVERY_S = 0.1
# However much happens here, the streams are not woken more often than this.
REST_S = 0.03
LINGER_S = 10.0
HEARTBEAT_S = 5.0
LONGEST_STREAM_S = 600.0
RETRY_MS = 2000
ON_THE_OVERVIEW = {"refund", "session", "installation"}

bp = Blueprint("live", __name__)


class HeadWatch:
    """Follows the head of the journal for all streams of this process, as long as there are any."""

    def __init__(self, read_head: Callable[[], int]) -> None:
        self._read_head = read_head
        self._moved = threading.Condition()
        self._hurry = threading.Event()
        self._head = 0
        self._waiting = 0
        self._thread: threading.Thread | None = None

    def wait_beyond(self, seq: int, timeout_s: float) -> int:
        """The head, as soon as it is beyond `seq`, or after the time is over."""
        with self._moved:
            self._waiting += 1
            if self._thread is None:
                self._thread = threading.Thread(target=self._follow, name="head-watch", daemon=True)
                self._thread.start()
            try:
                self._moved.wait_for(lambda: self._head > seq, timeout_s)
                return self._head
            finally:
                self._waiting -= 1

    def look_soon(self) -> None:
        """Something may have happened in this very process: do not wait for the next look."""
        self._hurry.set()

    def _follow(self) -> None:
        """Look until nobody has waited for a while."""
        nobody_since_s = time.monotonic()
        is_failing = False
        while True:
            head = self._look(is_failing=is_failing)
            is_failing = head is None
            with self._moved:
                if head is not None and head != self._head:
                    self._head = head
                    self._moved.notify_all()
                if self._waiting:
                    nobody_since_s = time.monotonic()
                elif time.monotonic() - nobody_since_s > LINGER_S:
                    self._thread = None
                    return
            time.sleep(REST_S)
            self._hurry.wait(LOOK_EVERY_S - REST_S)
            self._hurry.clear()

    def _look(self, *, is_failing: bool) -> int | None:
        """The head; None when it cannot be read, which is said once."""
        try:
            return self._read_head()
        except Exception:
            if not is_failing:
                log.exception("the head of the journal cannot be read")
            return None


def init_app(app: Flask, the_desk: Desk) -> None:
    """Prepare what the streams of one process share."""

    def read_head() -> int:
        with the_desk.read() as session:
            return journal.head_seq(session)

    watch = app.extensions["head_watch"] = HeadWatch(read_head)

    @app.after_request
    def look_at_what_was_done(response: Response) -> Response:
        if request.method == "POST":
            watch.look_soon()
        return response

    app.extensions["audience"] = Audience(the_desk)
    app.extensions["live_seats"] = threading.BoundedSemaphore(max(1, the_desk.config.live_streams))


@bp.get("/live")
@needs(roles.SEE)
def stream() -> ResponseReturnValue:
    """The events of one page. 503 when this process serves as many streams as it can."""
    tell = _teller()
    cursor = _cursor()
    seats = current_app.extensions["live_seats"]
    if desk().config.live_streams == 0 or not seats.acquire(blocking=False):
        return "", 503, {"Retry-After": "5"}
    events = _events(tell, cursor, visitor().token)
    response = Response(stream_with_context(events), mimetype="text/event-stream")
    response.headers["X-Accel-Buffering"] = "no"
    # The server closes every response, even one whose events were never begun.
    response.call_on_close(seats.release)
    return response


@dataclass(frozen=True)
class _News:
    """Events to send, and the position in the journal up to which they tell everything."""

    events: list[str]
    cursor: int


# Is given where to go on, and the position up to which the journal is known to have come.
Teller = Callable[[int, int], _News]


def _teller() -> Teller:
    """What this page wants to be told: one refund or session, that something moved, the rows of a filtered history."""
    if reference := request.args.get("of_refund"):
        if history.one(db.session(), reference) is None:
            abort(404)
        return _alone(partial(_refund_news, reference))
    if session_id := request.args.get("of_session"):
        if db.session.get(PaymentSession, session_id) is None:
            abort(404)
        return _alone(partial(_session_news, session_id))
    if reference := request.args.get("of_approval"):
        if history.one(db.session(), reference) is None:
            abort(404)
        return _alone(partial(_approval_news, reference))
    if request.args.get("of") == "overview":
        return _together(_overview_news, "overview")
    filters = filters_of(request.args)
    return _together(partial(_history_news, filters), filters, filters.today, filters.me)


def _alone(tell: Callable[[Session, int], _News]) -> Teller:
    """Told by itself: what a page shows of one refund or session depends on who looks."""
    the_desk = desk()

    def tell_alone(cursor: int, _head: int) -> _News:
        with the_desk.read() as session:
            return tell(session, cursor)

    return tell_alone


def _together(tell_one: Callable[[Session, int], _News], *of: Hashable) -> Teller:
    """Told to all streams that show the same `of` in the same words, once for each move of the journal."""
    tell, answers = _alone(tell_one), current_app.extensions["audience"].answers
    shown = (*of, str(get_locale()), str(zone()))

    def tell_together(cursor: int, head: int) -> _News:
        told: _News = answers.get((shown, cursor, head), lambda: tell(cursor, head))
        return told

    return tell_together


def _cursor() -> int:
    """Where to go on: after a break at the last event's id, at first at the page's own position."""
    text = request.headers.get("Last-Event-ID") or request.args.get("since") or ""
    if text.isascii() and text.isdecimal() and len(text) < 19:
        return int(text)
    return journal.head_seq(db.session())


def _events(tell: Teller, cursor: int, token: str) -> Iterator[str]:
    the_desk, watch = desk(), current_app.extensions["head_watch"]
    db.session.remove()
    ends_at_s = time.monotonic() + LONGEST_STREAM_S
    yield f"retry: {RETRY_MS}\n\n"
    head = _head(the_desk)
    if cursor > head:
        yield _event("reload", {})
        return
    audience = current_app.extensions["audience"]
    with audience.joined(token):
        while time.monotonic() < ends_at_s:
            news = tell(cursor, head)
            yield from news.events
            cursor = news.cursor
            age_s = audience.answers.get(("age", head, int(time.monotonic())), lambda: _webhook_age_s(the_desk))
            yield _event("freshness", {"webhook_age_s": age_s}, cursor)
            audience.note()
            head = watch.wait_beyond(cursor, HEARTBEAT_S)
            if not audience.is_signed_in(token, head):
                # One that was renewed is taken up again by the browser under its new token.
                if not sign_ins.was_renewed(the_desk, token):
                    yield _event("reload", {})
                return


def _webhook_age_s(the_desk: Desk) -> float | None:
    with the_desk.read() as session:
        return health.webhook_age_s(session, the_desk.clock.now())


def _head(the_desk: Desk) -> int:
    with the_desk.read() as session:
        return journal.head_seq(session)


def _event(name: str, data: object, seq: int | None = None) -> str:
    position = f"id: {seq}\n" if seq is not None else ""
    return f"event: {name}\n{position}data: {json.dumps(data)}\n\n"


# What is told


def _history_news(filters: Filters, session: Session, since: int) -> _News:
    """Whatever moved a row may have moved what the tabs count, too."""
    changes = history.changes(session, filters, zone(), since)
    news = _row_news(changes)
    if changes.rows or changes.gone:
        tabs = render_template("refunds/_tabs.html", tabs=status_tabs(session, filters, arguments_of(filters)))
        news.events.append(_event("detail", {"html": {"status-tabs": tabs}}))
    return news


def _row_news(changes: Changes) -> _News:
    if changes.is_too_much:
        return _News([_event("reload", {})], changes.cursor)
    told = [_row_event(row) for row in changes.rows]
    told += [_event("row", {"reference": reference, "html": None, "at": ""}) for reference in changes.gone]
    return _News(told, changes.cursor)


def _row_event(row: Row) -> str:
    return _event("row", {"reference": row.reference, "html": str(refund_row(row)), "at": row.sort_key})


def _refund_news(reference: str, session: Session, since: int) -> _News:
    """Its neighbours count too: it may have begun to wait for one of them."""
    cursor, subjects = journal.subjects_since(session, since)
    if not _touches(session, reference, subjects):
        return _News([], cursor)
    return _News([_event("detail", {"html": refund_parts(session, reference)})], cursor)


def _touches(session: Session, reference: str, subjects: set[str]) -> bool:
    row = history.one(session, reference) if subjects else None
    if row is None:
        return False
    references = session.scalars(select(Refund.reference).where(Refund.session_id == row.session_id))
    return bool(subjects & {f"session:{row.session_id}", *(f"refund:{each}" for each in references)})


def _approval_news(reference: str, session: Session, since: int) -> _News:
    """That there is something to ask for; the page asks."""
    cursor, subjects = journal.subjects_since(session, since)
    return _News([_event("moved", {})] if _touches(session, reference, subjects) else [], cursor)


def _overview_news(session: Session, since: int) -> _News:
    """Who signs in and what is taken along moves no figure."""
    cursor, subjects = journal.subjects_since(session, since)
    moved = any(subject.partition(":")[0] in ON_THE_OVERVIEW for subject in subjects)
    return _News([_event("moved", {})] if moved else [], cursor)


def _session_news(session_id: str, session: Session, since: int) -> _News:
    # The page shows all refunds of the session: none of its rows goes.
    changes = replace(history.changes(session, Filters(session=session_id), zone(), since), gone=[])
    rows = _row_news(changes)
    told = list(rows.events)
    cursor, subjects = journal.subjects_since(session, since)
    if told or f"session:{session_id}" in subjects:
        told.append(_event("detail", {"html": session_parts(session, session_id)}))
    return _News(told, min(cursor, rows.cursor))
