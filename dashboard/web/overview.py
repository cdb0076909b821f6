"""The first page: what needs somebody now, today and a week in figures, two weeks in pictures, the latest refunds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from flask import Blueprint, current_app, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from sqlalchemy.orm import Session

from dashboard import (
    figures,
    health,
    history,
    history_counts,
    journal,
    refund_rules,
    review_queue,
    roles,
    search_language,
)
from dashboard.db import db
from dashboard.figures import Group, Times
from dashboard.history_filters import Filters
from dashboard.search_language import HERE, NEEDS_PEOPLE, OPEN
from dashboard.web import charts, positions, wording
from dashboard.web.access import desk, needs, visitor
from dashboard.web.formats import amount, count_text, duration, number, share
from dashboard.web.pause import why_paused
from dashboard.web.reader import zone

MOST_NEEDING = 5
MOST_LATEST = 10
DAYS = 14
WEEK = 7
SLOW_S = 0.15
KEPT_FOR_S = 60.0
MOST_PICTURED = 2
# What was undone was never to be accepted.
ENDED = (*sorted(refund_rules.FINAL), *sorted(refund_rules.ENDS - {refund_rules.CANCELLED}))
ENDED_BADLY = (refund_rules.DECLINED, refund_rules.REFUSED)

bp = Blueprint("overview", __name__)

Days = Mapping[date, Sequence[Group]]


@dataclass(frozen=True)
class Need:
    """Refunds or facts that need somebody: how many, as text, and where they are listed."""

    tone: str
    label: str
    count: str
    href: str
    note: str = ""


@dataclass(frozen=True)
class Figure:
    """A figure as text, what belongs to it, and the refunds behind it. No text: there is nothing to tell."""

    text: str
    note: str = ""
    href: str = ""


@dataclass(frozen=True)
class Counted:
    """How many refunds have something in common, how long a bar of them is, and where they are listed."""

    label: str
    count: int
    width: float
    href: str


@dataclass(frozen=True)
class Fortnight:
    """What was read of two weeks, at this moment; `kept_until_s`: on the clock that only goes forward."""

    read_at: datetime
    kept_until_s: float
    by_day: Days
    times: Mapping[date, Times]
    times_of_week: Times | None


@bp.get("/")
@needs(roles.SEE)
def index() -> ResponseReturnValue:
    session, now = db.session(), desk().clock.now()
    cursor = journal.head_seq(session)
    if short := positions.in_short(positions.position(), cursor):
        return short
    today = now.astimezone(zone()).date()
    days = [today - timedelta(days=ago) for ago in reversed(range(DAYS))]
    read = _fortnight(session, days)
    here_by_day = {day: figures.made_here(some) for day, some in read.by_day.items()}
    currencies = list(figures.counts_by_currency(_together(here_by_day)))[:MOST_PICTURED]
    return render_template(
        "overview.html",
        as_of=read.read_at if read.read_at < now else None,
        needs_you=_needs(session, days[-WEEK:], read.by_day),
        needing=history.page(session, Filters(status=NEEDS_PEOPLE), zone(), size=MOST_NEEDING),
        latest=history.page(session, Filters(), zone(), size=MOST_LATEST).rows,
        figures=_figures(days[-WEEK:], here_by_day, read),
        bars=charts.bars(read.by_day),
        money=[charts.money(here_by_day, currency) for currency in currencies],
        other_money=_other_money(_together(here_by_day), days),
        times=charts.durations({day: read.times.get(day) for day in days}),
        reasons=_reasons(_together(read.by_day), days),
        currency_href=_currency_href,
        notices=_notices(),
        live_url=url_for("live.stream", of="overview"),
        cursor=cursor,
    )


def _together(by_day: Days) -> list[Group]:
    return [group for some in by_day.values() for group in some]


def _fortnight(session: Session, days: Sequence[date]) -> Fortnight:
    """What took long to read is shown for a minute, to all who have the same days; all else is read each time."""
    clock, extensions = desk().clock, current_app.extensions
    kept: Mapping[tuple[str, date], Fortnight] = extensions.get("overview", {})
    began_s, now, these = clock.monotonic(), clock.now(), (zone().key, days[-1])
    if these in kept and began_s < kept[these].kept_until_s:
        return kept[these]
    by_day = figures.groups(session, days, zone())
    times, of_week = figures.times(session, days, zone(), WEEK)
    read = Fortnight(now, began_s + KEPT_FOR_S, by_day, times, of_week)
    if clock.monotonic() - began_s > SLOW_S:
        still = {each: one for each, one in kept.items() if began_s < one.kept_until_s}
        extensions["overview"] = {**still, these: read}
    return read


# What needs somebody


def _needs(session: Session, week: Sequence[date], by_day: Days) -> list[Need]:
    return [need for need in (*_waiting(session, week[-1]), _ended_badly(week, by_day)) if need.count != "0"]


def _waiting(session: Session, today: date) -> list[Need]:
    counted = history_counts.of_statuses(session, refund_rules.AWAITING_APPROVAL, refund_rules.UNKNOWN)
    under_review, odd_facts = review_queue.counts(session)
    ageing_days = desk().config.ageing_days
    ageing = Filters(status=OPEN, date_to=today - timedelta(days=ageing_days + 1))
    waiting = [
        Need(
            "odd",
            _("Outcome unknown"),
            count_text(counted[refund_rules.UNKNOWN]),
            _refunds_href(status=refund_rules.UNKNOWN),
        ),
        Need("odd", _("Under review"), count_text(under_review), url_for("review.index")),
        Need("odd", _("Facts that do not fit"), count_text(odd_facts), url_for("review.index", _anchor="odd-title")),
        Need(
            "wait",
            _("Open for more than %(count)s days", count=ageing_days),
            count_text(history_counts.within(session, ageing, zone())),
            _refunds_href(status=ageing.status, to=ageing.date_to),
        ),
    ]
    if visitor().may(roles.APPROVE):
        count = count_text(counted[refund_rules.AWAITING_APPROVAL])
        waiting.insert(0, Need("wait", _("Waiting for approval"), count, url_for("approvals.index")))
    return waiting


def _ended_badly(week: Sequence[date], by_day: Days) -> Need:
    today = figures.count_of(by_day[week[-1]], *ENDED_BADLY)
    count = sum(figures.count_of(by_day[day], *ENDED_BADLY) for day in week)
    return Need(
        "bad",
        _("Declined or refused, of those asked for in 7 days"),
        number(count),
        _refunds_href(week[0], week[-1], q=f"status:{','.join(ENDED_BADLY)}"),
        _("today %(count)s", count=number(today)) if today else "",
    )


# Today and a week in figures


def _figures(week: Sequence[date], by_day: Days, read: Fortnight) -> list[tuple[str, list[Figure]]]:
    """Each line: what it tells, of what was asked for here today and in the week."""
    today = week[-1]
    of_week = [group for day in week for group in by_day[day]]
    times = (read.times.get(today), read.times_of_week)
    spans = ((week[-1:], by_day[today]), (week, of_week))
    lines = [(_("Asked for here"), [_asked(days, some) for days, some in spans])]
    for currency in figures.counts_by_currency([group for group in of_week if group.state == refund_rules.ACCEPTED]):
        label = _("Accepted, %(currency)s", currency=currency.upper())
        lines.append((label, [_accepted(days, some, currency) for days, some in spans]))
    lines.append((_("Accepted, of those that ended and were not undone"), [_share(days, some) for days, some in spans]))
    lines.append((_("Time to accepted, median"), [_median(each) for each in times]))
    lines.append((_("Time to accepted, slowest"), [_slowest(each) for each in times]))
    return lines


def _asked(days: Sequence[date], some: Sequence[Group]) -> Figure:
    return Figure(
        number(figures.count_of(some, *refund_rules.STATES)), href=_refunds_href(days[0], days[-1], origin=HERE)
    )


def _accepted(days: Sequence[date], some: Sequence[Group], currency: str) -> Figure:
    accepted_minor = figures.amounts_of(some, refund_rules.ACCEPTED).get(currency)
    if accepted_minor is None:
        return Figure("")
    return Figure(amount(accepted_minor, currency), href=_currency_href(days[0], days[-1], currency))


def _share(days: Sequence[date], some: Sequence[Group]) -> Figure:
    accepted, ended = figures.count_of(some, refund_rules.ACCEPTED), figures.count_of(some, *ENDED)
    percent = charts.percent(accepted, ended)
    if percent is None:
        return Figure("")
    note = _("%(part)s of %(whole)s", part=number(accepted), whole=number(ended))
    return Figure(share(percent), note, _refunds_href(days[0], days[-1], status=refund_rules.ACCEPTED, origin=HERE))


def _median(times: Times | None) -> Figure:
    return Figure(duration(times.median)) if times else Figure("")


def _slowest(times: Times | None) -> Figure:
    if times is None:
        return Figure("")
    return Figure(duration(times.slowest), href=url_for("refunds.show", reference=times.slowest_reference))


# Two weeks in pictures


def _reasons(some: Sequence[Group], days: Sequence[date]) -> list[Counted]:
    counts = figures.counts_by_reason(some)
    return [
        Counted(_reason_text(*why), count, width, _reason_href(days, *why))
        for (why, count), width in zip(counts.items(), charts.widths(list(counts.values())), strict=True)
    ]


def _reason_text(reason: str, origin: str) -> str:
    return wording.reason(reason) if reason else str(wording.TERM_VALUES["made"][origin])


def _reason_href(days: Sequence[date], reason: str, origin: str) -> str:
    if reason:
        return _found_href(f"reason:{reason}", days[0], days[-1])
    return _refunds_href(days[0], days[-1], origin=origin) if origin != search_language.HERE else ""


def _other_money(some: Sequence[Group], days: Sequence[date]) -> list[Counted]:
    """The currencies that have no picture."""
    counts = list(figures.counts_by_currency(some).items())[MOST_PICTURED:]
    return [
        Counted(currency.upper(), count, 0, _currency_href(days[0], days[-1], currency, status=""))
        for currency, count in counts
    ]


# Addresses of the refunds behind a figure


def _refunds_href(first: date | None = None, to: date | None = None, **filters: Any) -> str:
    days = {"from": first and first.isoformat(), "to": to and to.isoformat()}
    return url_for("refunds.index", **{name: value for name, value in {**filters, **days}.items() if value})


def _currency_href(first: date, last: date, currency: str, status: str = refund_rules.ACCEPTED) -> str:
    return _found_href(f"currency:{currency}", first, last, status=status, origin=HERE)


def _found_href(term: str, first: date, last: date, **filters: str) -> str:
    """Nothing where the language of the search box has no word for it."""
    try:
        search_language.parse(term, last)
    except search_language.BadTerm:
        return ""
    return _refunds_href(first, last, q=term, **filters)


# What is wrong with the desk itself


def _notices() -> list[tuple[str, str, str]]:
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
