"""Pages by position instead of by number: as quick deep in a list as at its top."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, or_

_STAMP = "%Y%m%d%H%M%S%f"
_LONGEST_NUMBER = 18


class BadCursor(ValueError):
    """The cursor in the address was not made here."""


def cursor(moment: datetime, row_id: int | str) -> str:
    """The position of a row in a list ordered by moment and id; compares as text as the list is ordered."""
    id_text = f"{row_id:012d}" if isinstance(row_id, int) else row_id
    return f"{moment.astimezone(UTC).strftime(_STAMP)}-{id_text}"


def older_than(text: str, moment_column: Any, id_column: Any) -> ColumnElement[bool]:
    """Rows that follow the cursor in a list, newest first. Raises BadCursor."""
    stamp, _, id_text = text.partition("-")
    try:
        moment = datetime.strptime(stamp, _STAMP).replace(tzinfo=UTC)
        last_id = _read_id(id_text, id_column.type.python_type)
    except ValueError:
        raise BadCursor(text) from None
    # The first condition is what the index serves; the second takes out what stands at the same moment.
    return and_(moment_column <= moment, or_(moment_column < moment, id_column < last_id))


def _read_id(text: str, kind: type) -> int | str:
    """Raises ValueError for what no column could hold."""
    if kind is str and text:
        return text
    if not text.isdecimal() or len(text) > _LONGEST_NUMBER:
        raise ValueError(text)
    return int(text)
