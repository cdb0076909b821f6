"""Figures of the refunds of a few days: how many, how much, why, and how long they took.

A day's refunds are those asked for on it, in the reader's zone, as in the history, so that each figure can lead to the
refunds behind it. What is read are the refunds of these days alone, however many there are before them.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import BigInteger, ColumnElement, Select, and_, case, cast, extract, func, select
from sqlalchemy.orm import Session

from dashboard import refund_rules
from dashboard.history_filters import start_of
from dashboard.models import Refund
from dashboard.search_language import HERE


@dataclass(frozen=True)
class Group:
    """Refunds that are alike: how many, and their amounts together in minor units, as the bank has them if accepted.

    `reason`: a code, empty for what was made elsewhere; `origin` as in models.Refund.
    """

    state: str
    currency: str
    origin: str
    reason: str
    count: int
    amount_minor: int


@dataclass(frozen=True)
class Times:
    """How long refunds took from being asked for here until the desk knew that the bank had accepted them.

    `count`: how many those are. `slowest_reference`: the refund that took the longest.
    """

    count: int
    median: timedelta
    slowest: timedelta
    slowest_reference: str


def groups(session: Session, days: Sequence[date], zone: ZoneInfo) -> dict[date, list[Group]]:
    """The refunds of each of these days, which follow one another."""
    edges = _edges(days, zone)
    which = _which_day(edges).label("which")
    alike = (Refund.state, Refund.currency, Refund.origin, Refund.reason)
    query = (
        select(which, *alike, func.count(), func.sum(_amount_minor()))
        .where(Refund.asked_at >= edges[0], Refund.asked_at < edges[-1])
        .group_by(which, *alike)
        .order_by(which, *alike)
    )
    found: dict[date, list[Group]] = {day: [] for day in days}
    for number, state, currency, origin, reason, count, total in session.execute(query):
        found[days[number]].append(Group(state, currency, origin, reason, count, int(total)))
    return found


def _amount_minor() -> ColumnElement[int]:
    """What was asked for; of an accepted one what the bank says that it gave back."""
    is_told = and_(Refund.state == refund_rules.ACCEPTED, Refund.bank_currency == Refund.currency)
    return case((is_told, func.coalesce(Refund.bank_amount_minor, Refund.amount_minor)), else_=Refund.amount_minor)


def times(session: Session, days: Sequence[date], zone: ZoneInfo, last: int) -> tuple[dict[date, Times], Times | None]:
    """How long the refunds of each of these days took, which follow one another, and of the last so many together.

    Days without any are left out.
    """
    took: list[list[_Took]] = [[] for _ in days]
    for number, duration_ms, refund_id in session.execute(_took_query(session, _edges(days, zone))):
        took[number].append((duration_ms, refund_id))
    spans = [sorted(each) for each in (*took, [one for each in took[-last:] for one in each])]
    exact = _exactly(session, {refund_id for each in spans for refund_id in _chosen(each)})
    *by_day, together = (_times_of(each, exact) for each in spans)
    return {day: each for day, each in zip(days, by_day, strict=True) if each}, together


def _edges(days: Sequence[date], zone: ZoneInfo) -> list[datetime]:
    """Where each day begins, and where the last one ends."""
    return [start_of(day, zone) for day in (*days, days[-1] + timedelta(days=1))]


def _which_day(edges: Sequence[datetime]) -> ColumnElement[int]:
    """The number of the day between these edges on which a refund was asked for."""
    return case(*((Refund.asked_at < end, number) for number, end in enumerate(edges[1:])))


# Durations

# In milliseconds, and the refund's id.
_Took = tuple[int, int]


def _took_query(session: Session, edges: Sequence[datetime]) -> Select[Any]:
    """Numbers of days, durations, ids: three small figures a refund, which Python puts in order for every span."""
    if session.get_bind().dialect.name == "sqlite":
        took_ms = (func.julianday(Refund.ended_at) - func.julianday(Refund.asked_at)) * 86_400_000
    else:
        took_ms = extract("epoch", Refund.ended_at - Refund.asked_at) * 1000
    columns: tuple[Any, ...] = (_which_day(edges), cast(func.round(took_ms), BigInteger), Refund.id)
    return select(*columns).where(
        Refund.state == refund_rules.ACCEPTED,
        Refund.origin == HERE,
        Refund.ended_at.is_not(None),
        Refund.asked_at >= edges[0],
        Refund.asked_at < edges[-1],
    )


def _chosen(took: Sequence[_Took]) -> list[int]:
    """The ids of the one or two in the middle, and of the last, from durations in their order."""
    count = len(took)
    return [took[place][1] for place in ((count - 1) // 2, count // 2, count - 1)] if took else []


def _exactly(session: Session, ids: Collection[int]) -> dict[int, tuple[str, timedelta]]:
    """References and durations as they are stored: what is told is not rounded."""
    query = select(Refund.id, Refund.reference, Refund.ended_at, Refund.asked_at).where(Refund.id.in_(ids))
    found = session.execute(query).all() if ids else []
    return {each.id: (each.reference, each.ended_at - each.asked_at) for each in found if each.ended_at is not None}


def _times_of(took: Sequence[_Took], exact: Mapping[int, tuple[str, timedelta]]) -> Times | None:
    if not took:
        return None
    (_, lower), (_, upper), (reference, slowest) = (exact[refund_id] for refund_id in _chosen(took))
    return Times(len(took), (lower + upper) / 2, slowest, reference)


# Put together


def count_of(some: Sequence[Group], *states: str) -> int:
    """How many of them are in one of these states."""
    return sum(group.count for group in some if group.state in states)


def amounts_of(some: Sequence[Group], *states: str) -> dict[str, int]:
    """The amounts of those in one of these states, by currency: never added together."""
    amounts: dict[str, int] = {}
    for group in some:
        if group.state in states:
            amounts[group.currency] = amounts.get(group.currency, 0) + group.amount_minor
    return amounts


def made_here(some: Sequence[Group]) -> list[Group]:
    """Those that somebody asked for at this desk: neither the bank's own nor chargebacks."""
    return [group for group in some if group.origin == HERE]


def counts_by_currency(some: Sequence[Group]) -> Mapping[str, int]:
    """How many refunds of each currency there are, the one most used first."""
    counts: dict[str, int] = {}
    for group in some:
        counts[group.currency] = counts.get(group.currency, 0) + group.count
    return dict(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))


def counts_by_reason(some: Sequence[Group]) -> Mapping[tuple[str, str], int]:
    """How many refunds there are of each reason, and of each origin elsewhere, as `reason, origin`; most first."""
    counts: dict[tuple[str, str], int] = {}
    for group in some:
        why = (group.reason, "") if group.reason else ("", group.origin)
        counts[why] = counts.get(why, 0) + group.count
    return dict(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))
