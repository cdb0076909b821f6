"""The journal as a page: everything that happened, newest first."""

import pytest

from dashboard.web import journal as journal_page
from tests.bench.databases import on_sqlite
from tests.bench.refund_desk import RefundDesk
from tests.web.browser import Browser
from tests.web.page import Element


def cells(row: Element) -> dict[str, str]:
    names = ("seq", "when", "action", "by", "subject", "data")
    return {name: row.one("td", _class=row_class(row, f"col-{name}")).text for name in names}


def row_class(row: Element, name: str) -> str:
    return next(one["class"] for one in row.all("td") if name in one["class"].split())


def entries(page: Element) -> list[dict[str, str]]:
    return [cells(row) for row in page.one("main").one("tbody").all("tr")]


@on_sqlite
def test_it_shows_who_did_what_to_what_and_when(operator: Browser, refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    reference = refund_desk.ask(session_id, 10_50)
    page = operator.page("/journal/")
    newest = entries(page)[0]
    assert newest["seq"] == str(refund_desk.journal()[-1].seq)
    assert newest["when"] == "1 Mar 09:00:00"
    assert (newest["action"], newest["by"]) == ("refund:requested", "operator@desk.test")
    assert newest["subject"] == f"refund:{reference}"
    assert '"amount_minor":1050' in newest["data"]
    assert page.one("a", href=f"/refunds/{reference}")
    assert page.all("a", href=f"/sessions/{session_id}")


def test_every_entry_is_there_as_it_was_written(operator: Browser, refund_desk: RefundDesk) -> None:
    refund_desk.ask_and_send(refund_desk.paid_session(100_00), 10_00)
    refund_desk.run_for(minutes=5)
    written = [(str(entry.seq), entry.action, entry.actor, entry.subject) for entry in refund_desk.journal()]
    shown = [(one["seq"], one["action"], one["by"], one["subject"]) for one in entries(operator.page("/journal/"))]
    assert shown == list(reversed(written))


def test_pages_hold_every_entry_once(
    operator: Browser, refund_desk: RefundDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_page, "PAGE_SIZE", 4)
    refund_desk.ask_and_send(refund_desk.paid_session(100_00), 10_00)
    seen: list[int] = []
    path = "/journal/"
    while path:
        page = operator.page(path)
        seen += [int(entry["seq"]) for entry in entries(page)]
        older = page.all("a", rel="next")
        path = older[0]["href"] if older else ""
    assert seen == list(range(refund_desk.journal()[-1].seq, 0, -1))


@on_sqlite
@pytest.mark.parametrize("before", ["x", "-1", "1.5", "9" * 19, "1e3"])
def test_a_page_that_does_not_exist_is_told(operator: Browser, before: str) -> None:
    page = operator.page(f"/journal/?before={before}", 400)
    assert "This page of the list does not exist." in page.one("main").text


@on_sqlite
def test_before_the_first_entry_there_is_nothing(operator: Browser) -> None:
    assert "The journal is empty" in operator.page("/journal/?before=1").one("main").text


@on_sqlite
def test_a_viewer_may_read_it(viewer: Browser) -> None:
    assert entries(viewer.page("/journal/"))[0]["action"] == "login:succeeded"
