"""The history as files: CSV with codes, for programs, and Excel with words, for people.

Whoever takes one is put on record, so they are asked for by POST.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from operator import attrgetter
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from flask import Blueprint, Response, abort, get_template_attribute, jsonify, request
from flask.typing import ResponseReturnValue
from flask_babel import LazyString
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from dashboard import money, refund_exports, refund_rules, roles, spreadsheets, xlsx
from dashboard.db import db
from dashboard.history import Row
from dashboard.refund_exports import Taken
from dashboard.web import wording
from dashboard.web.access import desk, needs, person
from dashboard.web.files import count_file, file_answer
from dashboard.web.reader import zone
from dashboard.web.refunds import arguments_of, filters_of
from dashboard.xlsx import Cell, Moment, Number

bp = Blueprint("refund_files", __name__)

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_ROWS_AT_ONCE = 500
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@bp.post("/exports/refunds.csv")
@needs(roles.SEE)
def export_csv() -> ResponseReturnValue:
    taken, rows = _begin("csv")
    cells = [column.cell(_Shown(zone(), _time_text, str)) for column in COLUMNS]
    pieces = spreadsheets.csv_lines([column.code for column in COLUMNS], _cells_of(rows, cells))
    marked = _marked(pieces) if request.form.get("mark") else pieces
    return _answer(taken, marked, "text/csv; charset=utf-8", "refunds.csv")


@bp.post("/exports/refunds.xlsx")
@needs(roles.SEE)
def export_xlsx() -> ResponseReturnValue:
    taken, rows = _begin("xlsx")
    cells = [column.cell(_Shown(zone(), Moment, Number, **_words())) for column in COLUMNS]
    columns = [xlsx.Column(str(column.title), column.width) for column in COLUMNS]
    pieces = xlsx.xlsx_pieces(_("Refunds"), columns, _cells_of(rows, cells))
    return _answer(taken, pieces, XLSX, "refunds.xlsx")


@bp.get("/exports/<uuid:export_id>")
@needs(roles.SEE)
def progress(export_id: UUID) -> ResponseReturnValue:
    """How far a file is that this person takes: how many refunds of how many are written, and what became of it.

    404 where there is none; 204 for the page that has only just asked for it (`expected=yes`).
    """
    found = refund_exports.progress(db.session(), str(export_id), person(), desk().clock.now())
    if found is None:
        return ("", 204) if request.args.get("expected") else abort(404)
    return jsonify(done=found.done, total=found.total, state=found.state, words=wording.progress(found))


def _begin(kind: str) -> tuple[Taken, Iterator[Row]]:
    """Count it, put it on record, and answer with the refunds that fit; 400 for what cannot be used."""
    filters, export_id = filters_of(request.form), request.form.get("export_id", "")
    if export_id and not refund_exports.is_id(export_id):
        abort(400, _("This file cannot be known by the id that the page gave it. Load the page again."))
    count_file()
    # What is searched for can mean whoever takes it, and that day.
    meaning = {"me": filters.me, "today": filters.today.isoformat()} if filters.q else {}
    arguments = {**arguments_of(filters), **meaning}
    taken = refund_exports.begin(desk(), person(), kind, filters, zone(), arguments, export_id)
    return taken, refund_exports.rows(desk(), taken)


def _answer(taken: Taken, pieces: Iterable[bytes], kind: str, name: str) -> Response:
    """The server closes every answer, also one that was never begun, and so each file has an end on record."""
    answer = file_answer(refund_exports.to_the_end(desk(), taken, pieces), kind, name)
    answer.call_on_close(partial(refund_exports.break_off, desk(), taken))
    return answer


def _cells_of(rows: Iterator[Row], cells: Sequence[Callable[[Row], Cell]]) -> Iterator[tuple[Any, ...]]:
    """Column by column, some rows at a time: so there is little to do for each cell."""
    while some := list(islice(rows, _ROWS_AT_ONCE)):
        yield from zip(*(map(cell, some) for cell in cells), strict=True)


def _marked(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """With the mark by which Excel knows UTF-8."""
    yield BYTE_ORDER_MARK
    yield from pieces


# Columns

Word = Callable[[str], str]


@dataclass(frozen=True)
class _Shown:
    """How what is in a row is written: times, numbers by their digits, and codes, as they are unless told."""

    zone: ZoneInfo
    moment: Callable[[datetime], Cell]
    number: Callable[[str], Cell]
    status: Word = str
    review: Word = str
    reason: Word = str
    origin: Word = str

    def local(self, at: datetime | None) -> Cell:
        return self.moment(at.astimezone(self.zone)) if at else None

    def utc(self, at: datetime | None) -> Cell:
        return self.moment(at.astimezone(UTC)) if at else None

    def amount(self, amount_minor: int | None, currency: str | None) -> Cell:
        return None if amount_minor is None or currency is None else self.number(money.major(amount_minor, currency))


def _time_text(at: datetime) -> str:
    return at.isoformat(" ", "seconds")[:19]


@dataclass(frozen=True)
class Column:
    """`code`: its name in CSV, which stays. `width` in characters. `cell`: what of a row is in it."""

    code: str
    title: LazyString
    width: int
    cell: Callable[[_Shown], Callable[[Row], Cell]]


def _plain(name: str) -> Callable[[_Shown], Callable[[Row], Cell]]:
    """What a row has under a name, as it is."""
    return lambda _shown: attrgetter(name)


COLUMNS = (
    Column("reference", _l("Reference"), 38, _plain("reference")),
    Column("status", _l("Status"), 18, lambda shown: lambda row: shown.status(row.status)),
    Column("review", _l("Under review"), 24, lambda shown: lambda row: row.review and shown.review(row.review)),
    Column("asked_at", _l("Asked"), 20, lambda shown: lambda row: shown.local(row.created_at)),
    Column("asked_at_utc", _l("Asked (UTC)"), 20, lambda shown: lambda row: shown.utc(row.created_at)),
    Column("amount", _l("Amount"), 14, lambda shown: lambda row: shown.amount(row.amount_minor, row.currency)),
    Column("currency", _l("Currency"), 9, lambda _shown: lambda row: row.currency.upper()),
    Column("captured", _l("Captured"), 14, lambda shown: lambda row: shown.amount(row.captured_minor, row.currency)),
    Column("session", _l("Session"), 20, _plain("session_id")),
    Column("payment", _l("Payment"), 20, _plain("payment_id")),
    Column("bank_refund", _l("Refund at the bank"), 20, _plain("bank_id")),
    Column("rrn", _l("RRN"), 14, _plain("rrn")),
    Column("customer", _l("Customer"), 24, _plain("customer_reference")),
    Column("card_brand", _l("Card"), 12, _plain("card_brand")),
    Column("card_last4", _l("Last four"), 10, _plain("card_last4")),
    Column("method", _l("Method"), 16, _plain("method")),
    Column("reason", _l("Reason"), 20, lambda shown: lambda row: row.reason and shown.reason(row.reason)),
    Column("comment", _l("Comment"), 40, _plain("comment")),
    Column("asked_by", _l("By"), 26, _plain("asked_by")),
    Column("made", _l("Made"), 12, lambda shown: lambda row: shown.origin(row.origin)),
    Column(
        "finished_at",
        _l("Finished at the bank"),
        20,
        lambda shown: lambda row: shown.local(row.finished_at),
    ),
    Column(
        "finished_at_utc",
        _l("Finished at the bank (UTC)"),
        20,
        lambda shown: lambda row: shown.utc(row.finished_at),
    ),
    Column("bank_status", _l("Status at the bank"), 18, _plain("bank_status")),
    Column(
        "bank_amount",
        _l("Amount at the bank"),
        18,
        lambda shown: lambda row: shown.amount(row.bank_amount_minor, row.bank_currency),
    ),
)


def _words() -> dict[str, Word]:
    """The page's words for codes, found while there is a request: rows are written when it is over."""
    status_word = get_template_attribute("_macros.html", "status_word")
    statuses = {status: str(status_word(status)) for status in (*refund_rules.STATES, "waiting")}
    reviews = {code: wording.review_name(code) for code in wording.REVIEWS}
    reasons = {code: wording.reason(code) for code in wording.REASONS}
    origins = {"here": _("Here"), "bank": _("At the bank"), "chargeback": _("Chargeback")}
    known = {"status": statuses, "review": reviews, "reason": reasons, "origin": origins}
    return {name: _word_in(words) for name, words in known.items()}


def _word_in(words: dict[str, str]) -> Word:
    return lambda code: words.get(code, code)
