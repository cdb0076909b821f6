"""The history taken along: every refund that fits, as a table for programs and one for people."""

import csv
import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import openpyxl
import pytest

from dashboard import history, refund_exports
from dashboard.models import Refund
from dashboard.web import refund_files, wording
from tests.bench.databases import on_both, on_sqlite
from tests.bench.refund_desk import RefundDesk
from tests.bench.simulated import START
from tests.web.browser import Answer, Browser
from tests.web.conftest import Auth
from tests.web.made_up import MadeUp

CODES = [column.code for column in refund_files.COLUMNS]


@pytest.fixture
def environ(environ: dict[str, str]) -> dict[str, str]:
    return {**environ, "DASHBOARD_TIMEZONE": "Europe/Moscow"}


@pytest.fixture
def viewer(auth: Auth) -> Browser:
    return auth.login("viewer")


def table(answer: Answer) -> list[dict[str, str]]:
    assert answer.status == 200
    assert answer.response.headers["Content-Type"] == "text/csv; charset=utf-8"
    names, *rows = csv.reader(io.StringIO(answer.response.get_data().decode(), newline=""))
    assert names == CODES
    return [dict(zip(names, row, strict=True)) for row in rows]


def sheet(answer: Answer) -> list[list[Any]]:
    assert answer.status == 200
    assert answer.response.headers["Content-Type"] == refund_files.XLSX
    [found] = openpyxl.load_workbook(io.BytesIO(answer.response.get_data())).worksheets
    return [[cell.value for cell in row] for row in found.iter_rows()]


def told(refund_desk: RefundDesk) -> list[tuple[str, str, dict[str, Any]]]:
    entries = [entry for entry in refund_desk.journal() if entry.action.startswith("export:")]
    return [(entry.actor, entry.action, json.loads(entry.data)) for entry in entries]


@pytest.fixture
def refunded(refund_desk: RefundDesk) -> str:
    """The reference of a part of 100.00 that was sent and of which the bank has told."""
    session_id = refund_desk.paid_session(100_00, customer="=client & co")
    reference = refund_desk.ask_and_send(session_id, 10_50)
    refund_desk.deliver(refund_desk.wire.webhook_now(session_id))
    return reference


@on_both
def test_csv_has_codes_and_everything_that_is_known_of_a_refund(
    viewer: Browser, refund_desk: RefundDesk, refunded: str
) -> None:
    refund = refund_desk.refund(refunded)
    answer = viewer.post("/exports/refunds.csv")
    assert answer.response.headers["Content-Disposition"] == 'attachment; filename="2026-03-01-refunds.csv"'
    [row] = table(answer)
    assert row == {
        "reference": refunded,
        "status": refund.state,
        "review": "",
        "asked_at": "2026-03-01 12:00:00",
        "asked_at_utc": "2026-03-01 09:00:00",
        "amount": "10.50",
        "currency": "RUB",
        "captured": "100.00",
        "session": refund.session_id,
        "payment": refund.payment_id,
        "bank_refund": refund.bank_id,
        "rrn": refund.rrn or "",
        "customer": "'=client & co",
        "card_brand": "visa",
        "card_last4": row["card_last4"],
        "method": row["method"],
        "reason": refund.reason,
        "comment": "",
        "asked_by": "operator@desk.test",
        "made": "here",
        "finished_at": row["finished_at"],
        "finished_at_utc": row["finished_at_utc"],
        "bank_status": refund.bank_status,
        "bank_amount": "10.50",
    }
    assert len(row["card_last4"]) == 4


def test_excel_has_words_numbers_and_dates(viewer: Browser, refund_desk: RefundDesk, refunded: str) -> None:
    answer = viewer.post("/exports/refunds.xlsx")
    assert answer.response.headers["Content-Disposition"] == 'attachment; filename="2026-03-01-refunds.xlsx"'
    names, row = sheet(answer)
    assert names == [str(column.title) for column in refund_files.COLUMNS]
    cells = dict(zip(CODES, row, strict=True))
    assert cells["reference"] == refunded
    assert cells["status"] in {"In progress", "Accepted"}
    assert (cells["amount"], cells["captured"], cells["currency"]) == (10.5, 100, "RUB")
    assert [str(cells[name]) for name in ("asked_at", "asked_at_utc")] == ["2026-03-01 12:00:00", "2026-03-01 09:00:00"]
    assert isinstance(cells["asked_at"], datetime)
    assert (cells["reason"], cells["made"]) == (wording.reason(refund_desk.refund(refunded).reason), "Here")
    assert cells["customer"] == "=client & co"


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_who_takes_it_is_on_record_at_its_beginning_and_at_its_end(
    viewer: Browser, refund_desk: RefundDesk, refunded: str, kind: str
) -> None:
    viewer.post(f"/exports/refunds.{kind}", {"from": "2026-03-01", "status": "declined", "q": ""})
    filters = {"from": "2026-03-01", "status": "declined"}
    assert told(refund_desk) == [
        ("viewer@desk.test", "export:made", {"filters": filters, "kind": kind}),
        ("viewer@desk.test", "export:finished", {"kind": kind, "rows": 0}),
    ]


def test_one_that_breaks_off_has_no_end_on_record(
    refund_desk: RefundDesk, refunded: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_off(*_: object) -> Iterator[history.Row]:
        raise OSError("the database is gone")

    monkeypatch.setattr(history, "page", break_off)
    rows = refund_exports.rows(refund_desk.desk, "somebody", "csv", history.Filters(), ZoneInfo("UTC"))
    with pytest.raises(OSError, match="gone"):
        list(rows)
    assert told(refund_desk) == []


@on_sqlite
def test_days_are_those_of_the_reader_as_on_the_page(viewer: Browser, made_up: MadeUp) -> None:
    made_up.session("ps_1")
    evening = made_up.refund("ps_1", at=datetime(2026, 3, 1, 22, tzinfo=UTC))
    viewer.post("/account/preferences", {"language": "", "timezone": "Europe/Moscow", "theme": ""})
    filters = {"from": "2026-03-02", "to": "2026-03-02"}
    assert viewer.get(f"/refunds/?{urlencode(filters)}").references == [evening]
    taken = viewer.post("/exports/refunds.csv", filters).response.get_data(as_text=True)
    assert [line.partition(",")[0] for line in taken.splitlines()[1:]] == [evening]


def test_the_mark_for_excel_is_an_option(viewer: Browser, refunded: str) -> None:
    plain = viewer.post("/exports/refunds.csv").response.get_data()
    marked = viewer.post("/exports/refunds.csv", {"mark": "yes"}).response.get_data()
    assert plain.startswith(b"reference,")
    assert marked == b"\xef\xbb\xbf" + plain


def make_25(made_up: MadeUp) -> None:
    """Refunds of three days, in each state as often, a third of them Anna's."""
    session_id = made_up.session("ps_1", customer="client-7")
    for number in range(25):
        state = ("accepted", "declined", "unknown", "accepted", "in_progress")[number % 5]
        by = "anna@desk.test" if number % 3 == 1 else "operator@desk.test"
        origin = "bank" if number % 5 == 3 else "here"
        if state == "unknown":
            state, origin = "declined", "here"
        made_up.refund(session_id, state=state, origin=origin, by=by, at=START + timedelta(days=number % 3))


@on_both
@pytest.mark.parametrize(
    ("filters", "count"),
    [
        ({}, 25),
        ({"status": "accepted"}, 10),
        ({"status": "open"}, 5),
        ({"operator": "anna@desk.test"}, 7),
        ({"from": "2026-03-02", "to": "2026-03-02"}, 8),
        ({"q": "client-7"}, 25),
        ({"q": "client-8"}, 0),
        ({"origin": "bank"}, 5),
    ],
    ids=str,
)
def test_it_holds_what_the_page_shows_each_once_in_the_same_order(
    viewer: Browser,
    made_up: MadeUp,
    monkeypatch: pytest.MonkeyPatch,
    filters: dict[str, str],
    count: int,
) -> None:
    """Read in several pieces, of which the last may be empty."""
    make_25(made_up)
    monkeypatch.setattr(refund_exports, "BATCH", 5)
    found = [row["reference"] for row in table(viewer.post("/exports/refunds.csv", filters))]
    query = "&".join(f"{name}={value}" for name, value in filters.items())
    assert found == viewer.get(f"/refunds/?{query}").references
    assert len(found) == count


def test_each_row_has_one_place_though_refunds_come_and_change_meanwhile(
    refund_desk: RefundDesk, made_up: MadeUp, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_25(made_up)
    monkeypatch.setattr(refund_exports, "BATCH", 5)
    rows = refund_exports.rows(refund_desk.desk, "somebody", "csv", history.Filters(), ZoneInfo("UTC"))
    first = [next(rows) for _ in range(3)]
    with refund_desk.desk.read() as session:
        before = {refund.reference for refund in session.query(Refund)}
    refund_desk.clock.advance(days=3)
    refund_desk.ask(refund_desk.paid_session(100_00), 5_00)
    references = [row.reference for row in (*first, *rows)]
    assert len(references) == len(set(references)) == 25
    assert set(references) == before


@pytest.mark.parametrize("path", ["/exports/refunds.csv", "/exports/refunds.xlsx"])
def test_a_filter_that_cannot_be_used_gives_no_file(viewer: Browser, refund_desk: RefundDesk, path: str) -> None:
    assert viewer.post(path, {"status": "lost"}).status == 400
    assert viewer.post(path, {"from": "yesterday"}).status == 400
    assert told(refund_desk) == []


def test_no_more_than_some_files_a_person(viewer: Browser, refund_desk: RefundDesk) -> None:
    statuses = [viewer.post("/exports/refunds.csv").status for _ in range(31)]
    assert statuses == [200] * 30 + [429]
    assert len(told(refund_desk)) == 60


def test_the_page_offers_it_within_its_filters(viewer: Browser, refunded: str) -> None:
    form = viewer.page("/refunds/?status=declined&operator=a@b.example")
    assert not [one for one in form.all("form") if one.get("class") == "exports"], "there is nothing to take along"
    [form] = [one for one in viewer.page("/refunds/?q=client").all("form") if one.get("class") == "exports"]
    fields = {one["name"]: one.get("value") for one in form.all("input") if one["name"] != "csrf_token"}
    assert fields == {"q": "client", "mark": "yes"}
    assert "Take all refunds that fit along" in form.text
