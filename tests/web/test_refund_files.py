"""The history taken along: every refund that fits, as a table for programs and one for people."""

import csv
import gc
import io
import json
import re
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import openpyxl
import pytest

from dashboard import history, history_counts, refund_exports, retention, spreadsheets, xlsx
from dashboard.history_filters import Filters
from dashboard.models import Export, Refund
from dashboard.refund_exports import Taken
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


def taking(refund_desk: RefundDesk, export_id: str = "", **filters: str) -> tuple[Taken, Iterator[history.Row]]:
    """A file for somebody, of which the rows are still to be read."""
    desk, person = refund_desk.desk, refund_desk.person("viewer", "somebody@desk.test")
    taken = refund_exports.begin(desk, person, "csv", Filters(**filters), ZoneInfo("UTC"), filters, export_id)
    return taken, refund_exports.rows(desk, taken)


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
    answer = viewer.post(f"/exports/refunds.{kind}", {"from": "2026-03-01", "status": "declined", "q": ""})
    assert answer.response.get_data()
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
    _taken, rows = taking(refund_desk)
    with pytest.raises(OSError, match="gone"):
        list(rows)
    assert [action for _actor, action, _data in told(refund_desk)] == ["export:made"]


@on_sqlite
def test_days_are_those_of_the_reader_as_on_the_page(viewer: Browser, made_up: MadeUp) -> None:
    made_up.session("ps_1")
    evening = made_up.refund("ps_1", at=datetime(2026, 3, 1, 22, tzinfo=UTC))
    viewer.post("/account/preferences", {"language": "", "timezone": "Europe/Moscow", "theme": ""})
    filters = {"from": "2026-03-02", "to": "2026-03-02"}
    assert viewer.get(f"/refunds/?{urlencode(filters)}").references == [evening]
    taken = viewer.post("/exports/refunds.csv", filters).response.get_data(as_text=True)
    assert [line.partition(",")[0] for line in taken.splitlines()[1:]] == [evening]


@on_sqlite
def test_what_a_search_meant_that_day_is_on_record(viewer: Browser, refund_desk: RefundDesk, refunded: str) -> None:
    """`by:me since:today` tells an auditor nothing without who and when."""
    viewer.post("/exports/refunds.csv", {"q": "by:me since:today"}).response.get_data()
    [(_, _, made), _] = told(refund_desk)
    assert made["filters"] == {"q": "by:me since:today", "me": "viewer@desk.test", "today": "2026-03-01"}


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
    _taken, rows = taking(refund_desk)
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
    assert len(told(refund_desk)) == 30


def test_the_page_offers_it_within_its_filters(viewer: Browser, refunded: str) -> None:
    form = viewer.page("/refunds/?status=declined&operator=a@b.example")
    assert not [one for one in form.all("form") if one.get("class") == "exports"], "there is nothing to take along"
    [form] = [one for one in viewer.page("/refunds/?q=client").all("form") if one.get("class") == "exports"]
    fields = {one["name"]: one.get("value") for one in form.all("input") if one["name"] != "csrf_token"}
    assert fields == {"q": "client", "mark": "yes", "export_id": None}
    assert "Take all refunds that fit along" in form.text


# How far a file is

AN_ID = "8a6f2c1e-0d3b-4c5a-9e7f-1b2c3d4e5f60"


def how_far(browser: Browser, export_id: str = AN_ID) -> tuple[int, int | None, str]:
    """Done, total and state, as the page learns them."""
    answer = browser.get(f"/exports/{export_id}")
    assert answer.status == 200
    told = answer.response.get_json()
    return told["done"], told["total"], told["state"]


@pytest.fixture
def in_fives(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read, shaped and sent five at a time."""
    for where, what in (
        (refund_exports, "BATCH"),
        (refund_files, "_ROWS_AT_ONCE"),
        (spreadsheets, "_LINES_AT_ONCE"),
        (xlsx, "_FLUSH_ROWS"),
    ):
        monkeypatch.setattr(where, what, 5)


@on_both
@pytest.mark.usefixtures("in_fives")
def test_what_is_said_to_be_written_is_written(auth: Auth, refund_desk: RefundDesk, made_up: MadeUp) -> None:
    make_25(made_up)
    somebody = auth.login("viewer", "somebody@desk.test")
    taken, rows = taking(refund_desk, AN_ID)
    assert how_far(somebody) == (0, 25, "writing")
    sent = 0
    pieces = spreadsheets.csv_lines(["reference"], ((row.reference,) for row in rows))
    seen = set()
    for piece in refund_exports.to_the_end(refund_desk.desk, taken, pieces):
        done, total, state = how_far(somebody)
        assert (done <= sent, total, state) == (True, 25, "writing")
        seen.add(done)
        sent += piece.count(b"0000-")
        refund_desk.clock.advance(1)
    assert seen == {0, 5}
    assert how_far(somebody) == (25, 25, "finished")


@pytest.mark.usefixtures("in_fives")
def test_how_far_it_is_is_written_down_once_a_second_at_most(
    auth: Auth, refund_desk: RefundDesk, made_up: MadeUp
) -> None:
    make_25(made_up)
    somebody = auth.login("viewer", "somebody@desk.test")
    taken, rows = taking(refund_desk, AN_ID)
    pieces = refund_exports.to_the_end(refund_desk.desk, taken, (b"" for _row in rows))
    for _ in range(20):
        next(pieces)
        refund_desk.clock.advance(0.04)
    assert how_far(somebody)[0] == 0
    refund_desk.clock.advance(0.2)
    next(pieces)
    assert how_far(somebody)[0] == 15


@on_both
@pytest.mark.parametrize("kind", ["csv", "xlsx"])
@pytest.mark.usefixtures("in_fives")
def test_it_is_whole_when_the_last_byte_was_taken_and_not_before(
    viewer: Browser, refund_desk: RefundDesk, made_up: MadeUp, kind: str
) -> None:
    make_25(made_up)
    answer = viewer.post(f"/exports/refunds.{kind}", {"export_id": AN_ID})
    assert how_far(viewer)[2] == "writing"
    pieces = answer.response.iter_encoded()
    size = 0
    for piece in pieces:
        size += len(piece)
        refund_desk.clock.advance(1)
        assert how_far(viewer)[2] == "writing"
    assert size > 0
    assert how_far(viewer) == (25, 25, "finished")
    answer.response.close()
    assert how_far(viewer) == (25, 25, "finished")
    assert [action for _actor, action, _data in told(refund_desk)] == ["export:made", "export:finished"]


@on_both
@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_one_whose_connection_is_closed_is_broken_off(
    viewer: Browser, refund_desk: RefundDesk, refunded: str, kind: str
) -> None:
    viewer.post(f"/exports/refunds.{kind}", {"export_id": AN_ID}).response.close()
    assert how_far(viewer) == (0, 1, "broken_off")
    assert "The file is not whole: take it again." in viewer.get(f"/exports/{AN_ID}").response.get_json()["words"]
    assert told(refund_desk)[-1] == ("viewer@desk.test", "export:broken_off", {"kind": kind, "rows": 0})


@pytest.mark.usefixtures("in_fives")
def test_one_that_fails_is_broken_off(
    viewer: Browser, made_up: MadeUp, monkeypatch: pytest.MonkeyPatch, refund_desk: RefundDesk
) -> None:
    make_25(made_up)
    answer = viewer.post("/exports/refunds.csv", {"export_id": AN_ID})
    monkeypatch.setattr(history, "page", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        answer.response.get_data()
    answer.response.close()
    assert how_far(viewer)[1:] == (25, "broken_off")


def test_one_of_which_nothing_is_heard_is_not_said_to_go_on(
    viewer: Browser, refund_desk: RefundDesk, refunded: str
) -> None:
    answer = viewer.post("/exports/refunds.csv", {"export_id": AN_ID})
    refund_desk.clock.advance(60)
    assert how_far(viewer)[2] == "writing"
    refund_desk.clock.advance(1)
    assert how_far(viewer)[2] == "quiet"
    answer.response.get_data()
    assert how_far(viewer)[2] == "finished"


def test_how_many_there_will_be_is_said_where_an_index_knows(
    viewer: Browser, made_up: MadeUp, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_25(made_up)
    ids = (f"{AN_ID[:-1]}{number}" for number in range(10))

    def total(**filters: str) -> int | None:
        export_id = next(ids)
        viewer.post("/exports/refunds.csv", {"export_id": export_id, **filters}).response.get_data()
        return how_far(viewer, export_id)[1]

    assert [total(), total(status="accepted"), total(status="open"), total(operator="anna@desk.test")] == [25, 10, 5, 7]
    assert total(q="client-7") is None
    monkeypatch.setattr(history_counts, "MOST_IN_ALL", 24)
    assert total() is None
    assert total(status="accepted") == 10


@pytest.mark.usefixtures("in_fives")
def test_more_than_there_should_be_are_no_share_of_them(auth: Auth, refund_desk: RefundDesk, made_up: MadeUp) -> None:
    make_25(made_up)
    somebody = auth.login("viewer", "somebody@desk.test")
    taken, rows = taking(refund_desk, AN_ID, status="accepted")
    assert how_far(somebody) == (0, 10, "writing")
    made_up.refund("ps_1", at=START - timedelta(days=1))
    list(refund_exports.to_the_end(refund_desk.desk, taken, (b"" for _row in rows)))
    assert how_far(somebody) == (11, None, "finished")


def test_nobody_else_learns_how_far_it_is(auth: Auth, client: Browser, refunded: str) -> None:
    viewer, admin = auth.login("viewer"), auth.login("admin")
    viewer.post("/exports/refunds.csv", {"export_id": AN_ID}).response.get_data()
    assert how_far(viewer)[2] == "finished"
    for path, status in ((f"/exports/{AN_ID}", 404), (f"/exports/{AN_ID}?expected=yes", 204)):
        assert admin.get(path).status == admin.get(path.replace("8", "9")).status == status
        said = [re.sub("request [0-9a-f]{10}", "", admin.get(one).text) for one in (path, path.replace("8", "9"))]
        assert said[0] == said[1]
    assert client.get(f"/exports/{AN_ID}").status == 401
    assert viewer.get("/exports/nonsense").status == 404


@pytest.mark.parametrize("bad", ["1", "nonsense", AN_ID.upper(), f"{AN_ID}0", f"{{{AN_ID}}}"])
def test_a_bad_id_gives_no_file(viewer: Browser, refund_desk: RefundDesk, bad: str) -> None:
    answer = viewer.post("/exports/refunds.csv", {"export_id": bad})
    assert answer.status == 400
    assert "Load the page again" in answer.text
    assert told(refund_desk) == []


def test_an_id_is_of_one_file_only(auth: Auth, refund_desk: RefundDesk, refunded: str) -> None:
    viewer, admin = auth.login("viewer"), auth.login("admin")
    viewer.post("/exports/refunds.csv", {"export_id": AN_ID}).response.close()
    for browser in (viewer, admin):
        assert refunded in browser.post("/exports/refunds.csv", {"export_id": AN_ID}).response.get_data(as_text=True)
    assert how_far(viewer)[2] == "broken_off"
    assert admin.get(f"/exports/{AN_ID}").status == 404


def test_how_far_it_was_is_forgotten_after_a_day(viewer: Browser, refund_desk: RefundDesk, refunded: str) -> None:
    viewer.post("/exports/refunds.csv", {"export_id": AN_ID}).response.get_data()
    the_day_after_tomorrow = refund_desk.clock.now().replace(hour=0, second=0) + timedelta(days=2)
    kept = []
    for moment in (the_day_after_tomorrow - timedelta(seconds=1), the_day_after_tomorrow):
        refund_desk.clock.advance_to(moment)
        retention.tidy(refund_desk.desk)
        with refund_desk.desk.read() as session:
            kept.append(session.query(Export).count())
    assert kept == [1, 0]
    [entry] = [entry for entry in refund_desk.journal() if entry.action == "retention:exports"]
    assert json.loads(entry.data) == {"before": "2026-03-02", "count": 1}


@on_sqlite
@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_a_long_file_takes_no_more_memory_than_a_short_one(
    viewer: Browser, made_up: MadeUp, refund_desk: RefundDesk, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    make_25(made_up)
    with refund_desk.desk.read() as session:
        [row, *_] = history.page(session, Filters(), ZoneInfo("UTC")).rows

    def most_kb(rows: int) -> float:
        """While a file of so many refunds is sent, beyond what there was when it was begun."""

        def page(_session: object, _filters: object, _zone: object, before: str, size: int) -> history.Page:
            first = int(before or 0)
            made = [row._replace(id=number, comment=f"the {number}th") for number in range(first, first + size)]
            return history.Page(made, str(first + size) if first + size < rows else "")

        monkeypatch.setattr(history, "page", page)
        answer = viewer.post(f"/exports/refunds.{kind}")
        gc.collect()
        tracemalloc.start()
        try:
            assert sum(map(len, answer.response.iter_encoded())) > rows
            return tracemalloc.get_traced_memory()[1] / 1024
        finally:
            tracemalloc.stop()
            answer.response.close()

    short, long = most_kb(3_000), most_kb(15_000)
    assert told(refund_desk)[-1][2] == {"kind": kind, "rows": 15_000}
    assert long < short * 1.2
