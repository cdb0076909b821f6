"""Tables for spreadsheet programs: CSV in which no cell is taken for a formula."""

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from io import StringIO
from itertools import islice

# What makes a spreadsheet program calculate instead of show: at the beginning, and after what ends a cell where
# semicolons or tabs stand between them.
_STARTS_A_FORMULA = re.compile(r"(^|[;\t\r\n])(?=[\"\s]*[=+\-@\t\r\n＝＋－＠])")
# Where there is none of these the expression would look in vain, and most cells are like that.
_FIRST_SIGNS, _ENDS_OF_CELLS = frozenset('=+-@\t\r\n＝＋－＠" \u00a0'), ";\t\r\n"
_LINES_AT_ONCE = 500

Cell = str | int | None


def csv_lines(names: Sequence[str], rows: Iterable[Sequence[Cell]]) -> Iterator[bytes]:
    """A file in UTF-8 with commas: one line of names, then a line for each row, some hundreds at a time."""
    text = StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(names)
    left = iter(rows)
    while some := list(islice(left, _LINES_AT_ONCE)):
        writer.writerows(zip(*map(_shown_column, zip(*some, strict=True)), strict=True))
        yield _taken_from(text)
    if text.tell():
        yield _taken_from(text)


def _shown_column(cells: Sequence[Cell]) -> Sequence[Cell]:
    """Looked at as one: nearly all columns have nothing in them that could calculate."""
    texts = [cell for cell in cells if isinstance(cell, str)]
    if _FIRST_SIGNS.isdisjoint({text[:1] for text in texts}) and not _has_end_of_cell("".join(texts)):
        return cells
    return [shown(cell) for cell in cells]


def shown(cell: Cell) -> Cell:
    """A text that a spreadsheet program would calculate has an apostrophe put before it; numbers are numbers."""
    if not isinstance(cell, str) or (cell[:1] not in _FIRST_SIGNS and not _has_end_of_cell(cell)):
        return cell
    return _STARTS_A_FORMULA.sub(r"\1'", cell)


def _has_end_of_cell(text: str) -> bool:
    return any(end in text for end in _ENDS_OF_CELLS)


def _taken_from(text: StringIO) -> bytes:
    taken = text.getvalue().encode()
    text.seek(0)
    text.truncate()
    return taken
