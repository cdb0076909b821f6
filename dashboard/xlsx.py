"""Excel's files (Office Open XML, ECMA-376), sent while they are written: no library does that, and rows are many.

Texts are kept as texts, so none of them is ever calculated. A sheet that is full goes on in a further one.
"""

import re
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from io import RawIOBase
from typing import Any

MOST_ROWS = 1_048_575
"""Rows of one sheet below its line of names."""

_LONGEST_TEXT_UTF16 = 32_767
# Beyond 2 GiB a part takes a form of ZIP that Excel does not read while it is streamed.
_MOST_BYTES = 2**31 - 2**26
_FLUSH_ROWS = 500
_EPOCH = datetime(1899, 12, 30, tzinfo=UTC)
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_KINDS = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'

# Signs that XML does not know, and what programs would take for one of them written out.
_UNKNOWN_TO_XML = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_LOOKS_ESCAPED = re.compile(r"_(?=x[0-9A-Fa-f]{4}_)")


@dataclass(frozen=True)
class Number:
    """A number as its digits, `1000.50`, shown with as many decimals."""

    digits: str


@dataclass(frozen=True)
class Moment:
    """A time without its zone, as it is to be shown."""

    at: datetime


Cell = str | int | Number | Moment | None


@dataclass(frozen=True)
class Column:
    """A column's name and its width in characters."""

    name: str
    width: int


def xlsx_pieces(
    title: str,
    columns: Sequence[Column],
    rows: Iterable[Sequence[Cell]],
    most_rows: int = MOST_ROWS,
    most_bytes: int = _MOST_BYTES,
) -> Iterator[bytes]:
    """A workbook piece by piece. Its sheets are called by the title and, from the second on, their number."""
    sink = _Sink()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        left, count = _Ahead(rows), 0
        while count == 0 or left.has_more:
            count += 1
            with archive.open(f"xl/worksheets/sheet{count}.xml", "w") as sheet:
                size = 0
                for piece in _sheet(columns, left.take(most_rows)):
                    size += sheet.write(piece.encode())
                    yield sink.taken()
                    if size > most_bytes:
                        left.pause()
        titles = [title if number == 1 else f"{title} {number}" for number in range(1, count + 1)]
        for name, text in _frame(titles).items():
            archive.writestr(name, text)
    yield sink.taken()


class _Sink(RawIOBase):
    """Where the archive is written to: it is taken from there as it grows, and cannot go back."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._pieces.append(bytes(data))
        return len(data)

    def taken(self) -> bytes:
        taken = b"".join(self._pieces)
        self._pieces.clear()
        return taken


class _Ahead:
    """Rows in their order, and whether there are more."""

    def __init__(self, rows: Iterable[Sequence[Cell]]) -> None:
        self._rows = iter(rows)
        self._next = next(self._rows, None)
        self._is_paused = False

    @property
    def has_more(self) -> bool:
        return self._next is not None

    def take(self, most: int) -> Iterator[Sequence[Cell]]:
        """The next rows, at most so many, until paused."""
        self._is_paused = False
        for _ in range(most):
            if self._next is None or self._is_paused:
                return
            row, self._next = self._next, next(self._rows, None)
            yield row

    def pause(self) -> None:
        """What is being taken ends here; there may be more to take."""
        self._is_paused = True


def _sheet(columns: Sequence[Column], rows: Iterable[Sequence[Cell]]) -> Iterator[str]:
    letters = [_letter(number) for number in range(len(columns))]
    widths = "".join(
        f'<col min="{number}" max="{number}" width="{column.width}" customWidth="1"/>'
        for number, column in enumerate(columns, 1)
    )
    pane = '<pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/>'
    view = f'<sheetViews><sheetView workbookViewId="0">{pane}</sheetView></sheetViews>'
    names = "".join(
        f'<c r="{letter}1" s="{_BOLD}" t="inlineStr"><is><t>{_text(column.name)}</t></is></c>'
        for letter, column in zip(letters, columns, strict=True)
    )
    yield f'{_HEAD}<worksheet xmlns="{_MAIN}">{view}<cols>{widths}</cols><sheetData><row r="1">{names}</row>'
    waiting: list[str] = []
    last = 1
    for last, row in enumerate(rows, 2):
        cells = "".join(_cell(f"{letter}{last}", cell) for letter, cell in zip(letters, row, strict=True))
        waiting.append(f'<row r="{last}">{cells}</row>')
        if len(waiting) == _FLUSH_ROWS:
            yield "".join(waiting)
            waiting.clear()
    yield f'{"".join(waiting)}</sheetData><autoFilter ref="A1:{letters[-1]}{last}"/></worksheet>'


def _letter(number: int) -> str:
    """The name of a column, counted from 0: A to Z, AA to AZ and so on."""
    before, last = divmod(number, 26)
    return (_letter(before - 1) if before else "") + chr(ord("A") + last)


def _cell(place: str, cell: Cell) -> str:
    if cell is None or cell == "":
        return ""
    if isinstance(cell, str):
        return f'<c r="{place}" t="inlineStr"><is><t xml:space="preserve">{_text(cell)}</t></is></c>'
    if isinstance(cell, int):
        return f'<c r="{place}"><v>{cell}</v></c>'
    if isinstance(cell, Number):
        return f'<c r="{place}" s="{_style_of(cell.digits)}"><v>{cell.digits}</v></c>'
    return f'<c r="{place}" s="{_MOMENT}"><v>{_days(cell.at)}</v></c>'


def _text(text: str) -> str:
    shown = text if len(text) * 2 <= _LONGEST_TEXT_UTF16 else _cut(text)
    if not shown.isprintable():
        shown = _UNKNOWN_TO_XML.sub("\ufffd", shown)
    if "_x" in shown:
        shown = _LOOKS_ESCAPED.sub("_x005F_", shown)
    return escape(shown, quote=False)


def _cut(text: str) -> str:
    """Excel counts in UTF-16."""
    units = text.encode("utf-16-le", "surrogatepass")
    return units[: 2 * _LONGEST_TEXT_UTF16].decode("utf-16-le", "replace")


def _days(at: datetime) -> str:
    """Days since Excel's epoch, with the second of the day behind the point.

    So exact that no program that rounds down shows the second before.
    """
    passed = at.replace(tzinfo=UTC) - _EPOCH
    return f"{passed.days}.{(passed.seconds * 10**11 + 43_200) // 86_400:011d}"


# Styles, by their number in the file.

_FORMATS = ("General", "yyyy-mm-dd hh:mm:ss", "#,##0", *(f"#,##0.{'0' * decimals}" for decimals in range(1, 5)))
_MOMENT = 1
_WHOLE = 2
_BOLD = len(_FORMATS)


def _style_of(digits: str) -> int:
    return min(_WHOLE + len(digits.partition(".")[2]), _BOLD - 1)


def _frame(titles: Sequence[str]) -> dict[str, str]:
    """All parts of the file but the sheets."""
    numbers = range(1, len(titles) + 1)
    sheet_kinds = "".join(
        f'<Override PartName="/xl/worksheets/sheet{number}.xml" ContentType="{_KINDS}.worksheet+xml"/>'
        for number in numbers
    )
    sheets = "".join(
        f'<sheet name="{escape(title[:31])}" sheetId="{number}" r:id="sheet{number}"/>'
        for number, title in zip(numbers, titles, strict=True)
    )
    relations = "".join(
        f'<Relationship Id="sheet{number}" Type="{_RELATIONS}/worksheet" Target="worksheets/sheet{number}.xml"/>'
        for number in numbers
    )
    return {
        "[Content_Types].xml": (
            f'{_HEAD}<Types xmlns="{_PACKAGE}/content-types">'
            f'<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
            f'<Override PartName="/xl/workbook.xml" ContentType="{_KINDS}.sheet.main+xml"/>'
            f'<Override PartName="/xl/styles.xml" ContentType="{_KINDS}.styles+xml"/>{sheet_kinds}</Types>'
        ),
        "_rels/.rels": (
            f'{_HEAD}<Relationships xmlns="{_PACKAGE}/relationships">'
            f'<Relationship Id="book" Type="{_RELATIONS}/officeDocument" Target="xl/workbook.xml"/></Relationships>'
        ),
        "xl/workbook.xml": (
            f'{_HEAD}<workbook xmlns="{_MAIN}" xmlns:r="{_RELATIONS}"><sheets>{sheets}</sheets></workbook>'
        ),
        "xl/_rels/workbook.xml.rels": (
            f'{_HEAD}<Relationships xmlns="{_PACKAGE}/relationships">{relations}'
            f'<Relationship Id="styles" Type="{_RELATIONS}/styles" Target="styles.xml"/></Relationships>'
        ),
        "xl/styles.xml": _styles(),
    }


def _styles() -> str:
    formats = "".join(f'<numFmt numFmtId="{164 + n}" formatCode="{code}"/>' for n, code in enumerate(_FORMATS))
    plain = "".join(f'<xf numFmtId="{164 + n}" applyNumberFormat="1"/>' for n in range(len(_FORMATS)))
    return (
        f'{_HEAD}<styleSheet xmlns="{_MAIN}"><numFmts count="{len(_FORMATS)}">{formats}</numFmts>'
        '<fonts count="2"><font><sz val="11"/></font><font><b/><sz val="11"/></font></fonts>'
        '<fills count="2"><fill><patternFill patternType="none"/></fill>'
        '<fill><patternFill patternType="gray125"/></fill></fills>'
        '<borders count="1"><border/></borders><cellStyleXfs count="1"><xf/></cellStyleXfs>'
        f'<cellXfs count="{_BOLD + 1}">{plain}<xf fontId="1" applyFont="1"/></cellXfs>'
        '<cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles></styleSheet>'
    )
