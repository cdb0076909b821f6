"""The history as files: CSV with codes, for programs, and Excel with words, for people.

Whoever takes one is put on record, so they are asked for by POST.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from flask import Blueprint, get_template_attribute, request
from flask.typing import ResponseReturnValue
from flask_babel import LazyString
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from dashboard import money, refund_exports, refund_rules, roles, spreadsheets, xlsx
from dashboard.history import Row
from dashboard.web import wording
from dashboard.web.access import desk, needs, person
from dashboard.web.files import count_file, file_answer
from dashboard.web.reader import zone
from dashboard.web.refunds import arguments_of, filters_of
from dashboard.xlsx import Cell, Moment, Number

bp = Blueprint("refund_files", __name__)

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@bp.post("/exports/refunds.csv")
@needs(roles.SEE)
def export_csv() -> ResponseReturnValue:
    shown = _Shown(zone())
    rows = (tuple(map(_as_text, shown.cells(row))) for row in _begin("csv"))
    pieces = spreadsheets.csv_lines([column.code for column in COLUMNS], rows)
    marked = _marked(pieces) if request.form.get("mark") else pieces
    return file_answer(marked, "text/csv; charset=utf-8", "refunds.csv")


@bp.post("/exports/refunds.xlsx")
@needs(roles.SEE)
def export_xlsx() -> ResponseReturnValue:
    shown = _Shown(zone(), **_words())
    columns = [xlsx.Column(str(column.title), column.width) for column in COLUMNS]
    rows = (shown.cells(row) for row in _begin("xlsx"))
    return file_answer(xlsx.xlsx_pieces(_("Refunds"), columns, rows), XLSX, "refunds.xlsx")


def _begin(kind: str) -> Iterator[Row]:
    """Count it, put it on record, and answer with the refunds that fit; 400 for filters that cannot be used."""
    filters, actor = filters_of(request.form), person().email
    count_file()
    refund_exports.begin(desk(), actor, kind, arguments_of(filters))
    return refund_exports.rows(desk(), actor, kind, filters, zone())


def _marked(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """With the mark by which Excel knows UTF-8."""
    yield BYTE_ORDER_MARK
    yield from pieces


def _as_text(cell: Cell) -> spreadsheets.Cell:
    if isinstance(cell, Number):
        return cell.digits
    return cell.at.isoformat(" ", "seconds")[:19] if isinstance(cell, Moment) else cell


# Columns

Word = Callable[[str], str]


@dataclass(frozen=True)
class _Shown:
    """How a row is written: in which zone, and with which words for its codes (as they are, unless told)."""

    zone: ZoneInfo
    status: Word = str
    review: Word = str
    reason: Word = str
    origin: Word = str

    def cells(self, row: Row) -> list[Cell]:
        return [column.cell(self, row) for column in COLUMNS]

    def moment(self, at: datetime | None) -> Moment | None:
        return Moment(at.astimezone(self.zone)) if at else None


@dataclass(frozen=True)
class Column:
    """`code`: its name in CSV, which stays. `width` in characters."""

    code: str
    title: LazyString
    width: int
    cell: Callable[[_Shown, Row], Cell]


def _amount(amount_minor: int | None, currency: str | None) -> Number | None:
    return None if amount_minor is None or currency is None else Number(money.major(amount_minor, currency))


def _utc(at: datetime | None) -> Moment | None:
    return Moment(at.astimezone(UTC)) if at else None


def _amount_at_bank(row: Row) -> Number | None:
    return _amount(row.bank_amount_minor, row.bank_currency)


COLUMNS = (
    Column("reference", _l("Reference"), 38, lambda _shown, row: row.reference),
    Column("status", _l("Status"), 18, lambda shown, row: shown.status(row.status)),
    Column("review", _l("Under review"), 24, lambda shown, row: row.review and shown.review(row.review)),
    Column("asked_at", _l("Asked"), 20, lambda shown, row: shown.moment(row.created_at)),
    Column("asked_at_utc", _l("Asked (UTC)"), 20, lambda _shown, row: _utc(row.created_at)),
    Column("amount", _l("Amount"), 14, lambda _shown, row: _amount(row.amount_minor, row.currency)),
    Column("currency", _l("Currency"), 9, lambda _shown, row: row.currency.upper()),
    Column("captured", _l("Captured"), 14, lambda _shown, row: _amount(row.captured_minor, row.currency)),
    Column("session", _l("Session"), 20, lambda _shown, row: row.session_id),
    Column("payment", _l("Payment"), 20, lambda _shown, row: row.payment_id),
    Column("bank_refund", _l("Refund at the bank"), 20, lambda _shown, row: row.bank_id),
    Column("rrn", _l("RRN"), 14, lambda _shown, row: row.rrn),
    Column("customer", _l("Customer"), 24, lambda _shown, row: row.customer_reference),
    Column("card_brand", _l("Card"), 12, lambda _shown, row: row.card_brand),
    Column("card_last4", _l("Last four"), 10, lambda _shown, row: row.card_last4),
    Column("method", _l("Method"), 16, lambda _shown, row: row.method),
    Column("reason", _l("Reason"), 20, lambda shown, row: row.reason and shown.reason(row.reason)),
    Column("comment", _l("Comment"), 40, lambda _shown, row: row.comment),
    Column("asked_by", _l("By"), 26, lambda _shown, row: row.asked_by),
    Column("made", _l("Made"), 12, lambda shown, row: shown.origin(row.origin)),
    Column("finished_at", _l("Finished at the bank"), 20, lambda shown, row: shown.moment(row.finished_at)),
    Column("finished_at_utc", _l("Finished at the bank (UTC)"), 20, lambda _shown, row: _utc(row.finished_at)),
    Column("bank_status", _l("Status at the bank"), 18, lambda _shown, row: row.bank_status),
    Column("bank_amount", _l("Amount at the bank"), 18, lambda _shown, row: _amount_at_bank(row)),
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
