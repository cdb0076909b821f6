"""Taking refunds along, as somebody does who has a month to close."""

import csv
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qs

import openpyxl
import pytest
from playwright.sync_api import Page, Route, expect
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from dashboard.db import open_engine, writing_engine
from dashboard.models import Export, PaymentSession, Person, Refund
from tests.journeys import steps
from tests.journeys.commands import OPERATOR, Installation, started_demo
from tests.journeys.windows import Windows


def download(page: Page, button: str, folder: Path) -> Path:
    with page.expect_download() as begun:
        page.get_by_role("button", name=button).click()
    file = folder / begun.value.suggested_filename
    begun.value.save_as(file)
    return file


def test_what_is_on_the_page_is_in_the_file(demo: Installation, windows: Windows, tmp_path: Path) -> None:
    session_id = demo.bank.paid_session("for-a-file")
    page = windows.of(demo, OPERATOR)
    amounts = ("100.00", "25.50")
    for amount in amounts:
        page.goto(f"/sessions/{session_id}")
        reference = steps.refund(page, session_id, amount)
        steps.expect_status(steps.subject(page), "accepted")
    page.goto(f"/refunds/?session={session_id}")
    expect(page.locator("tr[data-refund]")).to_have_count(2)
    on_page = steps.references(page)

    with download(page, "As a table (CSV)", tmp_path).open(newline="") as file:
        rows = list(csv.DictReader(file))
    book = openpyxl.load_workbook(download(page, "For Excel (XLSX)", tmp_path))

    assert [row["reference"] for row in rows] == on_page
    assert on_page[0] == reference
    assert [row["amount"] for row in rows] == ["25.50", "100.00"]
    assert [cell.value for cell in book.active["F"]] == ["Amount", 25.5, 100]
    assert [cell.value for cell in book.active["B"]] == ["Status", "Accepted", "Accepted"]
    page.get_by_role("link", name="Journal").click()
    expect(page.locator("tbody tr").first).to_contain_text("export:finished")
    expect(page.locator("tbody tr").first).to_contain_text("rows 2")


def test_no_time_is_cut_off_in_the_history(demo: Installation, windows: Windows) -> None:
    page = windows.of(demo, OPERATOR)
    for width in (1440, 1024, 390):
        page.set_viewport_size({"width": width, "height": 844})
        page.goto("/refunds/")
        # As long as one of another year.
        page.locator("td.col-when time").first.evaluate("time => { time.textContent = '28 Nov 2025 22:02' }")
        cell = page.locator("td.col-when").first
        assert cell.evaluate("cell => cell.scrollWidth <= cell.clientWidth"), width


@contextmanager
def books_of(installation: Installation) -> Iterator[Session]:
    """A transaction in a desk's own database, beside its processes."""
    engine = open_engine(installation.settings["DASHBOARD_DATABASE_URL"])
    with Session(writing_engine(engine)) as session, session.begin():
        yield session
    engine.dispose()


def put_refunds(installation: Installation, session_id: str, count: int) -> None:
    """So many refunds of a session that the desk was told of, but not by this bank."""
    now = datetime.now(UTC)
    paid = PaymentSession(
        id=session_id,
        status="accepted",
        created_at=now,
        found_at=now,
        confirmed_at=now,
        currency="rub",
        captured_minor=count * 100,
        committed_minor=count * 100,
        fields="{}",
        shown_at=now,
        read_failures=0,
    )
    refunds = [
        Refund(
            reference=str(uuid.uuid4()),
            session_id=session_id,
            origin="bank",
            state="accepted",
            counts=True,
            amount_minor=100,
            currency="rub",
            in_full=False,
            bank_id=f"rf_{session_id}_{number}",
            asked_at=now,
            send_failures=0,
        )
        for number in range(count)
    ]
    with books_of(installation) as books:
        books.add(paid)
        books.flush()
        books.add_all(refunds)


@pytest.fixture
def own_demo(tmp_path: Path) -> Iterator[Installation]:
    """For refunds that no journal tells of: the demo of all other journeys stays whole."""
    folder = tmp_path / "own"
    folder.mkdir()
    with started_demo(folder) as installation:
        yield installation


def test_the_page_tells_when_the_file_is_whole(own_demo: Installation, windows: Windows, tmp_path: Path) -> None:
    put_refunds(own_demo, "ps_many", 300)
    page = windows.of(own_demo, OPERATOR)
    page.goto("/refunds/?session=ps_many")
    for button, count in (("As a table (CSV)", 1), ("For Excel (XLSX)", 2)):
        assert download(page, button, tmp_path).stat().st_size > 0
        told = page.locator(".export-in-hand")
        expect(told).to_have_count(count)
        expect(told.last).to_have_text("The whole file is written: 300 refunds.")
        assert told.last.locator("progress").evaluate("bar => bar.position") == 1
        expect(page.locator("#announcer")).to_have_text("The whole file is written: 300 refunds.")
    with (tmp_path / next(file.name for file in tmp_path.glob("*.csv"))).open() as file:
        assert len(file.readlines()) == 301


def put_export(installation: Installation, export_id: str, email: str, rows_done: int, rows_total: int) -> None:
    now = datetime.now(UTC)
    with books_of(installation) as books:
        person_id = books.scalars(select(Person.id).where(Person.email == email)).one()
        export = Export(id=export_id, person_id=person_id, kind="csv", rows_done=rows_done, rows_total=rows_total)
        export.begun_at = export.moved_at = now
        books.add(export)


def test_the_page_says_how_far_it_is_and_that_it_broke_off(own_demo: Installation, windows: Windows) -> None:
    """The file itself does not come: what the desk knows of it is written by hand."""
    put_refunds(own_demo, "ps_slow", 1)
    page = windows.of(own_demo, OPERATOR)
    page.goto("/refunds/?session=ps_slow")
    ids: list[str] = []

    def begin(route: Route) -> None:
        [export_id] = parse_qs(route.request.post_data or "")["export_id"]
        ids.append(export_id)
        route.fulfill(status=204)

    page.route("**/exports/refunds.csv", begin)
    page.get_by_role("button", name="As a table (CSV)").click()
    told, bar = page.locator(".export-in-hand p"), page.locator(".export-in-hand progress")
    expect(told).to_have_text("The file is begun…")
    assert bar.evaluate("bar => bar.position") == -1

    put_export(own_demo, ids[0], OPERATOR, 410_000, 1_000_000)
    expect(told).to_have_text("410,000 of 1,000,000 refunds written")
    assert bar.evaluate("bar => bar.position") == 0.41
    expect(page.locator("#announcer")).to_have_text("410,000 of 1,000,000 refunds written")

    with books_of(own_demo) as books:
        books.execute(update(Export).where(Export.id == ids[0]).values(rows_done=420_000))
    expect(told).to_have_text("420,000 of 1,000,000 refunds written")
    expect(page.locator("#announcer")).to_have_text("410,000 of 1,000,000 refunds written")

    with books_of(own_demo) as books:
        end = {"how": "broken_off", "ended_at": datetime.now(UTC)}
        books.execute(update(Export).where(Export.id == ids[0]).values(end))
    words = "Broken off. The file is not whole: take it again. Refunds written: 420,000."
    expect(told).to_have_text(words)
    expect(page.locator("#announcer")).to_have_text(words)
    assert bar.evaluate("bar => bar.position") == 0.42
