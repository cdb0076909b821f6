"""All that a database holds, to be compared before and after."""

from typing import Any

from sqlalchemy import select

from dashboard.db import Base
from dashboard.desk import Desk

Tables = dict[str, list[tuple[Any, ...]]]


def dump(desk: Desk, *, without: frozenset[str] = frozenset()) -> Tables:
    """Every row of every table but those named, in the order of their keys."""
    with desk.read() as session:
        return {
            table.name: [tuple(row) for row in session.execute(select(table).order_by(*table.primary_key.columns))]
            for table in Base.metadata.sorted_tables
            if table.name not in without
        }
