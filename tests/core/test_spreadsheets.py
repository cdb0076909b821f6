"""Tables for spreadsheet programs: one line of names, commas, and no cell that calculates."""

import csv
from io import StringIO

import pytest

from dashboard.spreadsheets import csv_lines


def written(*rows: tuple[str | int | None, ...]) -> str:
    return b"".join(csv_lines(("one", "two"), rows)).decode()


def test_it_has_one_line_of_names_and_a_line_for_each_row() -> None:
    assert written(("a", 1), (None, -5)) == "one,two\r\na,1\r\n,-5\r\n"


def test_without_rows_there_are_the_names() -> None:
    assert written() == "one,two\r\n"


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"])
def test_no_cell_is_taken_for_a_formula(start: str) -> None:
    cell = f'{start}HYPERLINK("http://evil.test","x"),1'
    rows = list(csv.reader(StringIO(written((cell, "b")), newline="")))
    assert rows[1] == [f"'{cell}", "b"]


@pytest.mark.parametrize("end", [";", "\n"])
def test_nor_does_one_begin_where_others_see_the_end_of_a_cell(end: str) -> None:
    """Programs set to some languages split at semicolons, whatever the file means."""
    rows = list(csv.reader(StringIO(written((f"a{end}=1+1", "b")), newline="")))
    assert rows[1] == [f"a{end}'=1+1", "b"]


@pytest.mark.parametrize("between", ['"', " ", '" "', '""', "\u00a0"])
@pytest.mark.parametrize("sign", [";", "\t"])
def test_nor_behind_quotes_and_blanks(sign: str, between: str) -> None:
    """A quote is doubled in the file, and may be an empty part of a cell to whoever splits elsewhere."""
    file = written((f"x{sign}{between}=1+1{sign}y", "b"))
    cells = [cell for row in csv.reader(StringIO(file, newline=""), delimiter=sign) for cell in row]
    assert not [cell for cell in cells if cell.strip('" \u00a0').startswith("=")]


@pytest.mark.parametrize("text", ["plain", "a=b", 'a, "b"\nc', "1,000.50", "Жанна", ""])
def test_any_other_text_stays_as_it_is(text: str) -> None:
    rows = list(csv.reader(StringIO(written((text, 1)), newline="")))
    assert rows[1] == [text, "1"]


def test_many_rows_come_in_pieces_and_in_order() -> None:
    pieces = list(csv_lines(("n",), ((number,) for number in range(2001))))
    assert len(pieces) == 5
    assert b"".join(pieces).decode().split() == ["n", *map(str, range(2001))]
