"""Counts that end at MOST_COUNTED, so that they cost the same however much there is to count."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

MOST_COUNTED = 1000


@dataclass(frozen=True)
class Count:
    """How many; `is_more`: counting ended there."""

    number: int
    is_more: bool = False

    def __bool__(self) -> bool:
        return self.number > 0

    def __add__(self, other: "Count") -> "Count":
        return Count(self.number + other.number, self.is_more or other.is_more)


def count(session: Session, several: Select[Any]) -> Count:
    """How many rows a query finds."""
    return count_each(session, counting([several]))[0]


def counting(of_each: Sequence[Select[Any]]) -> Select[Any]:
    """One query for how many rows each of these finds."""
    some = [each.limit(MOST_COUNTED + 1).subquery() for each in of_each]
    return select(*(select(func.count()).select_from(each).scalar_subquery() for each in some))


def count_each(session: Session, query: Select[Any]) -> list[Count]:
    """What a query of `counting` finds."""
    return [Count(min(found, MOST_COUNTED), is_more=found > MOST_COUNTED) for found in session.execute(query).one()]
