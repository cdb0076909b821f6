"""How many refunds there are: of a status, within filters, beside each tab of the history."""

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from dashboard import counting, refund_counts, refund_rules
from dashboard.counting import Count
from dashboard.history_filters import Filters, by_status, conditions, is_indexed
from dashboard.models import Refund
from dashboard.search_language import NEEDS_PEOPLE, OPEN

MOST_IN_ALL = 2_000_000


def of_status(session: Session, status: str) -> Count:
    """How many refunds have one of the statuses that stay few."""
    return of_statuses(session, status)[status]


def of_statuses(session: Session, *statuses: str) -> dict[str, Count]:
    """The same for several statuses at once."""
    return dict(zip(statuses, counting.count_each(session, _of_statuses(statuses)), strict=True))


@lru_cache(maxsize=16)
def _of_statuses(statuses: tuple[str, ...]) -> Select[Any]:
    return counting.counting([select(Refund.id).where(by_status(status)) for status in statuses])


def within(session: Session, filters: Filters, zone: ZoneInfo) -> Count:
    """How many refunds fit filters that leave few. Raises BadFilter, BadTerm."""
    return counting.count(session, _fitting(filters, zone))


def beside(session: Session, filters: Filters, zone: ZoneInfo, statuses: Sequence[str]) -> dict[str, Count]:
    """How many refunds of each of these statuses fit the other filters; the empty status stands for all of them.

    Without other filters they are exact, but for those that need people; within some, counting ends at MOST_COUNTED.
    None are told where something is searched for that no index counts. Raises BadFilter, BadTerm.
    """
    if not is_indexed(filters):
        return {}
    if replace(filters, status=""):
        query = counting.counting([_fitting(replace(filters, status=status), zone) for status in statuses])
        return dict(zip(statuses, counting.count_each(session, query), strict=True))
    by_state = refund_counts.by_state(session)
    kept = {state: Count(number) for state, number in by_state.items()}
    kept[""] = Count(by_state.total())
    kept[OPEN] = Count(sum(by_state[state] for state in refund_rules.OPEN))
    kept[NEEDS_PEOPLE] = of_status(session, NEEDS_PEOPLE)
    return {status: kept.get(status, Count(0)) for status in statuses}


def in_all(session: Session, filters: Filters, zone: ZoneInfo) -> int | None:
    """How many refunds fit, where an index says so; None beyond MOST_IN_ALL, too. Raises BadFilter, BadTerm."""
    if not is_indexed(filters):
        return None
    some = _fitting(filters, zone).limit(MOST_IN_ALL + 1).subquery()
    found = session.execute(select(func.count()).select_from(some)).scalar_one()
    return found if found <= MOST_IN_ALL else None


def _fitting(filters: Filters, zone: ZoneInfo) -> Select[Any]:
    return select(Refund.id).where(*conditions(filters, zone))
