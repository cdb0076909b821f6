"""Taking refunds along, as somebody does who has a month to close."""

import csv
from pathlib import Path

import openpyxl
from playwright.sync_api import Page, expect

from tests.journeys import steps
from tests.journeys.commands import OPERATOR, Installation
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
