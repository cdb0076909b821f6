"""Figures for whoever watches the desk, read from the database, so that every process tells the same.

None of them counts a whole table: what is open is few, and what has ended is counted for a day.
"""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy import ColumnElement, func, literal_column, select
from sqlalchemy.orm import Session

from dashboard import __version__, collector, health, journal, live_viewers, mail, pauses, refund_rules
from dashboard.models import Anomaly, Attempt, Mail, Refund, WebhookDelivery
from dashboard.models.mails import IS_WAITING, WAS_GIVEN_UP
from dashboard.models.refunds import IS_OPEN, OPEN_ANOMALY

A_DAY = timedelta(days=1)
LATEST_SENDS = 200
_PREFIX = "refund_desk_"
_OPEN = tuple(state for state in refund_rules.STATES if state in refund_rules.OPEN)
_ENDED = tuple(state for state in refund_rules.STATES if state not in refund_rules.OPEN)


def text(session: Session, now: datetime, *, has_collector: bool) -> bytes:
    """All figures in Prometheus' text format."""
    of_collector = _of_collector(session, now) if has_collector else ()
    registry = CollectorRegistry()
    registry.register(_Figures([*_all(session, now), *of_collector]))
    return generate_latest(registry)


class _Figures(Collector):
    """Figures that were read already, for the library to write down."""

    def __init__(self, figures: list[GaugeMetricFamily]) -> None:
        self._figures = figures

    def collect(self) -> list[GaugeMetricFamily]:
        return self._figures


def _all(session: Session, now: datetime) -> Iterator[GaugeMetricFamily]:
    yield _by("info", "Always 1; the version is its label", "version", {__version__: 1})
    yield from _of_refunds(session, now)
    yield from _of_webhooks(session, now)
    yield from _of_sends(session)
    yield from _of_mails(session)
    yield _one("live_viewers", "Pages that are open and follow what happens", live_viewers.total(session, now))
    yield _one("anomalies_open", "Facts that fit no rule and that nobody has acknowledged", _open_anomalies(session))
    yield _one("journal_entries", "Number of the journal's last entry", journal.head_seq(session))
    yield _one("sending_paused", "1 while nothing is sent", int(pauses.is_paused(session)))
    age = health.since_last_beat(session, now)
    yield _one("worker_beat_age_seconds", "Since the last sign of life of any worker", _seconds(age))


def _of_refunds(session: Session, now: datetime) -> Iterator[GaugeMetricFamily]:
    open_ones = _counted(session, literal_column(IS_OPEN))
    yield _by(
        "refunds_open", "Refunds that have not ended", "state", {state: open_ones.get(state, 0) for state in _OPEN}
    )
    ended = _counted(session, Refund.asked_at > now - A_DAY)
    last_day = {state: ended.get(state, 0) for state in _ENDED}
    yield _by("refunds_ended_of_last_day", "Refunds asked for in the last 24 hours that have ended", "state", last_day)
    under_review = session.scalars(select(func.count()).select_from(Refund).where(literal_column("review <> ''"))).one()
    yield _one("refunds_under_review", "Refunds on which people have to decide", under_review)
    ages = {state: _oldest(session, state, now) for state in _OPEN}
    known = {state: age for state, age in ages.items() if age is not None}
    yield _by("refund_oldest_age_seconds", "Since the oldest refund of an open state was asked for", "state", known)


def _counted(session: Session, which: ColumnElement[bool]) -> dict[str, int]:
    query = select(Refund.state, func.count()).where(which).group_by(Refund.state)
    return {state: count for state, count in session.execute(query)}  # noqa: C416 (rows are no pairs to mypy)


def _oldest(session: Session, state: str, now: datetime) -> float | None:
    """Before the oldest one was asked for; None: there is none."""
    query = select(Refund.asked_at).where(Refund.state == state).order_by(Refund.asked_at, Refund.id).limit(1)
    asked_at = session.scalars(query).first()
    return None if asked_at is None else max(0.0, (now - asked_at).total_seconds())


def _of_sends(session: Session) -> Iterator[GaugeMetricFamily]:
    """How the bank took the latest sends, however long ago that was."""
    query = select(Attempt.outcome, Attempt.started_at, Attempt.answered_at).where(Attempt.outcome.is_not(None))
    latest = session.execute(query.order_by(Attempt.id.desc()).limit(LATEST_SENDS)).all()
    outcomes = Counter(str(outcome) for outcome, _, _ in latest)
    yield _by(
        f"last_{LATEST_SENDS}_sends", "The latest sends to the bank, by how they ended", "outcome", dict(outcomes)
    )
    took_s = sorted((end - start).total_seconds() for _, start, end in latest if end is not None)
    at = {"0.5": len(took_s) // 2, "0.95": len(took_s) * 95 // 100, "1": len(took_s) - 1}
    found = {quantile: took_s[place] for quantile, place in at.items()} if took_s else {}
    yield _by("send_duration_seconds", "How long the bank took to answer them, by quantile", "quantile", found)


def _of_webhooks(session: Session, now: datetime) -> Iterator[GaugeMetricFamily]:
    waiting = WebhookDelivery.next_try_at.is_not(None)
    of_them = select(func.count()).select_from(WebhookDelivery).where(waiting)
    yield _one("webhooks_pending", "Webhooks still to be applied", session.scalars(of_them).one())
    failed = session.scalars(of_them.where(WebhookDelivery.failures > 0)).one()
    yield _one("webhooks_failed", "Of these, those that have failed and are tried again", failed)
    oldest = session.scalars(select(func.min(WebhookDelivery.first_seen_at)).where(waiting)).one()
    lag_s = max(0.0, (now - oldest).total_seconds()) if oldest else 0.0
    yield _one("webhooks_lag_seconds", "Since the oldest of these came; 0 when none waits", lag_s)
    age = health.webhook_age_s(session, now)
    yield _one("webhook_age_seconds", "Since the last webhook with a good signature", age)


def _of_collector(session: Session, now: datetime) -> Iterator[GaugeMetricFamily]:
    waiting = collector.waiting(session)
    meaning = "Entries of the journal that the collector has not taken yet"
    yield _one("collector_waiting_entries", meaning, waiting.entries)
    age = None if waiting.since is None else max(0.0, (now - waiting.since).total_seconds())
    is_done = waiting.entries == 0
    yield _one("collector_oldest_age_seconds", "Since the oldest of them was made", 0.0 if is_done else age)


def _of_mails(session: Session) -> Iterator[GaugeMetricFamily]:
    waiting = _mails(session, literal_column(IS_WAITING))
    yield _by("mails_waiting", "Mails that are still to be sent", "kind", waiting)
    given_up = _mails(session, literal_column(WAS_GIVEN_UP), Mail.problem != mail.REPLACED)
    yield _by("mails_failed", "Mails that were given up, of those that are still on record", "kind", given_up)


def _mails(session: Session, *which: ColumnElement[bool]) -> dict[str, int]:
    query = select(Mail.kind, func.count()).where(*which).group_by(Mail.kind)
    found = {kind: count for kind, count in session.execute(query)}  # noqa: C416 (rows are no pairs to mypy)
    return {kind: found.get(kind, 0) for kind in mail.KINDS}


def _open_anomalies(session: Session) -> int:
    return session.scalars(select(func.count()).select_from(Anomaly).where(literal_column(OPEN_ANOMALY))).one()


def _seconds(duration: timedelta | None) -> float | None:
    return None if duration is None else duration.total_seconds()


def _one(name: str, meaning: str, value: float | None) -> GaugeMetricFamily:
    """A figure without labels; one that is not known has no line."""
    family = GaugeMetricFamily(_PREFIX + name, meaning)
    if value is not None:
        family.add_metric([], value)
    return family


def _by(name: str, meaning: str, label: str, values: dict[str, float] | dict[str, int]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(_PREFIX + name, meaning, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family
