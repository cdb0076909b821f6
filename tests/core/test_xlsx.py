"""Excel's files: what stands in a cell is what was put there, of its kind, and never a formula."""

import io
import math
import struct
import zipfile
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

import openpyxl
import pytest
from openpyxl.workbook import Workbook

from dashboard.xlsx import MOST_ROWS, Cell, Column, Moment, Number, _days, xlsx_pieces

NAMES = [Column("One & <two>", 12), Column("Два", 20)]


def file_of(rows: Sequence[Sequence[Cell]], columns: Sequence[Column] = NAMES, **most: int) -> bytes:
    return b"".join(xlsx_pieces("Refunds", columns, rows, **most))


def book_of(rows: Sequence[Sequence[Cell]], **options: int) -> Workbook:
    return openpyxl.load_workbook(io.BytesIO(file_of(rows, **options)))


def cells(*values: Cell) -> list[tuple[object, str, str]]:
    """What a reader finds in the first column below its name: value, kind, format."""
    [sheet] = book_of([(value, None) for value in values]).worksheets
    found = [row[0] for row in sheet.iter_rows(min_row=2)]
    return [(cell.value, cell.data_type, cell.number_format) for cell in found]


def test_it_has_a_line_of_names_that_stays_in_sight_and_filters() -> None:
    [sheet] = book_of([("a", 1), ("b", 2)]).worksheets
    assert sheet.title == "Refunds"
    assert [[cell.value for cell in row] for row in sheet.iter_rows()] == [["One & <two>", "Два"], ["a", 1], ["b", 2]]
    assert (sheet.freeze_panes, sheet.auto_filter.ref) == ("A2", "A1:B3")
    assert [sheet.column_dimensions[letter].width for letter in "AB"] == [12, 20]
    assert (sheet["A1"].font.b, sheet["A2"].font.b) == (True, False)


def test_without_rows_there_are_the_names() -> None:
    [sheet] = book_of([]).worksheets
    assert [[cell.value for cell in row] for row in sheet.iter_rows()] == [["One & <two>", "Два"]]
    assert sheet.auto_filter.ref == "A1:B1"


def test_numbers_are_numbers_with_their_decimals() -> None:
    assert cells(7, Number("1000.50"), Number("5"), Number("0.125"), Number("-3.10")) == [
        (7, "n", "General"),
        (1000.5, "n", "#,##0.00"),
        (5, "n", "#,##0"),
        (0.125, "n", "#,##0.000"),
        (-3.1, "n", "#,##0.00"),
    ]


@pytest.mark.parametrize(
    "at",
    [
        datetime(2026, 11, 24, 14, 59, 12, tzinfo=UTC),
        datetime(2024, 2, 29, 23, 59, 59, tzinfo=UTC),
        datetime(2026, 1, 1, tzinfo=UTC),
        datetime(2100, 3, 1, 0, 0, 1, tzinfo=UTC),
    ],
    ids=str,
)
def test_times_are_dates_to_the_second(at: datetime) -> None:
    [(value, kind, shape)] = cells(Moment(at))
    assert (value, kind, shape) == (at.replace(tzinfo=None), "d", "yyyy-mm-dd hh:mm:ss")


def test_no_second_of_a_day_is_shown_as_the_one_before() -> None:
    """Not by programs either that round down, after five decimals of a second."""
    midnight = datetime(2026, 11, 24, tzinfo=UTC)
    for second in range(0, 86_400, 7):
        days = _days(midnight + timedelta(seconds=second))
        assert math.floor(float(days) % 1 * 86_400 + 1e-5) == second, days


@pytest.mark.parametrize(
    "text",
    [
        "=1+1",
        "+1",
        "-1",
        "@x",
        '=HYPERLINK("http://evil.test")',
        "1000.50",
        "2026-01-01",
        "  two  ",
        "a\nb",
        "<&>\"'",
    ],
)
def test_texts_are_texts(text: str) -> None:
    assert cells(text) == [(text, "s", "General")]


def test_what_xml_does_not_know_spoils_no_file() -> None:
    assert [value for value, _, _ in cells("a\x00b\x1b\ud800\ufffec", "ж" * 40_000)] == ["a�b���c", "ж" * 32_767]


def test_a_long_text_ends_where_excel_counts_its_end() -> None:
    [(value, _, _)] = cells("😀" * 20_000)
    assert value == "😀" * 16_383 + "�"


def test_what_looks_escaped_is_what_it_looks_like() -> None:
    """Excel reads `_x0041_` as A, and `_x005F_` as the mark alone."""
    content = zipfile.ZipFile(io.BytesIO(file_of([("_x0041_ _x41_", None)]))).read("xl/worksheets/sheet1.xml")
    assert "_x005F_x0041_ _x41_" in content.decode()


def test_a_sheet_that_is_full_goes_on_in_another() -> None:
    book = book_of([(number, "x") for number in range(5)], most_rows=2)
    assert book.sheetnames == ["Refunds", "Refunds 2", "Refunds 3"]
    found = [[cell.value for cell in sheet["A"]] for sheet in book.worksheets]
    assert found == [["One & <two>", 0, 1], ["One & <two>", 2, 3], ["One & <two>", 4]]
    assert [sheet.auto_filter.ref for sheet in book.worksheets] == ["A1:B3", "A1:B3", "A1:B2"]


def test_a_sheet_just_full_is_the_last() -> None:
    assert book_of([(number, "x") for number in range(4)], most_rows=2).sheetnames == ["Refunds", "Refunds 2"]
    assert MOST_ROWS == 2**20 - 1


def test_a_sheet_that_is_large_goes_on_in_another() -> None:
    rows = [("x" * 1000, None)] * 1200
    book = openpyxl.load_workbook(io.BytesIO(file_of(rows, most_bytes=200_000)))
    assert [sheet.max_row - 1 for sheet in book.worksheets] == [500, 500, 200]


def test_its_container_is_one_that_excel_reads() -> None:
    """Streamed, and without the sizes of more than 4 GiB, which it refuses before the contents."""
    content = file_of([("a", 1)])
    signature, version, flags, method, _time, _crc, size, whole, _name, extra = struct.unpack(
        "<IHHHIIIIHH", content[:30]
    )
    assert (signature, version, flags, method) == (0x04034B50, 20, 0x08, zipfile.ZIP_DEFLATED)
    assert (size, whole, extra) == (0, 0, 0)
    assert all(part.extract_version == 20 for part in zipfile.ZipFile(io.BytesIO(content)).infolist())


def test_there_are_columns_beyond_z() -> None:
    columns = [Column(f"c{number}", 5) for number in range(60)]
    content = file_of([range(60)], columns)
    [sheet] = openpyxl.load_workbook(io.BytesIO(content)).worksheets
    assert [cell.value for cell in sheet[2]] == list(range(60))
    assert sheet["BH2"].value == 59


def test_it_is_sent_while_rows_are_read() -> None:
    read = 0

    def rows() -> Iterator[Sequence[Cell]]:
        nonlocal read
        for read in range(50_000):
            yield str(read * 7919), None

    pieces = xlsx_pieces("Refunds", NAMES, rows())
    sent = 0
    while sent < 10_000:
        sent += len(next(pieces))
    assert read < 20_000
    assert max(map(len, pieces)) < 100_000, "nothing is gathered"
