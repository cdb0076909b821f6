"""Searches kept under a name: beside the tabs of whoever keeps them, and nobody else's."""

from urllib.parse import unquote

import pytest
from sqlalchemy import select

from dashboard.models import SavedView
from dashboard.saved_views import MOST
from tests.bench.databases import on_sqlite
from tests.bench.refund_desk import RefundDesk
from tests.web.browser import Browser
from tests.web.made_up import MadeUp

SEARCH = {"q": "status:declined since:monday", "operator": "ann@desk.test"}


def names(browser: Browser, address: str = "/refunds/") -> list[str]:
    return [view.one("a").text for view in browser.page(address).all("form", class_="view")]


def shown(browser: Browser, address: str) -> list[str]:
    return [view.one("a").text for view in browser.page(address).all("form", class_="view view-shown")]


def test_one_that_is_kept_leads_to_the_same_search(operator: Browser, made_up: MadeUp) -> None:
    answer = operator.post("/views/", {"name": "  Declined \n this week ", **SEARCH})
    address = str(answer.location)
    assert answer.status == 303
    assert "Kept." in operator.get(address).text
    assert shown(operator, address) == ["Declined this week"]
    assert names(operator) == ["Declined this week"], "also where another search is shown"
    [view] = operator.page("/refunds/").all("form", class_="view")
    assert view.one("a")["href"] == address


@on_sqlite
def test_it_is_nobody_elses(operator: Browser, viewer: Browser, refund_desk: RefundDesk) -> None:
    kept_at = str(operator.post("/views/", {"name": "Mine", **SEARCH}).location)
    assert names(viewer) == []
    with refund_desk.desk.read() as session:
        [view_id] = session.scalars(select(SavedView.id)).all()
    viewer.post(f"/views/{view_id}/forget")
    assert names(operator) == ["Mine"]
    answer = operator.post(f"/views/{view_id}/forget")
    assert names(operator) == []
    [keep] = operator.page(str(answer.location)).all("details", class_="view-new")
    assert keep.one("summary").text == "Keep this search", "it can be kept anew"
    assert unquote(str(answer.location)) == kept_at
    assert "no longer already" in operator.get(str(operator.post(f"/views/{view_id}/forget").location)).text


@on_sqlite
def test_the_same_name_takes_the_newer_search(operator: Browser) -> None:
    first = str(operator.post("/views/", {"name": "Mine", **SEARCH}).location)
    assert "takes the place" not in operator.get(first).text
    address = str(operator.post("/views/", {"name": "Mine", "status": "open"}).location)
    assert "Kept. It takes the place of the search that had this name before" in operator.get(address).text
    again = str(operator.post("/views/", {"name": "Mine", "status": "open"}).location)
    assert "Kept. It stands above" in operator.get(again).text, "nothing was lost by keeping the same once more"
    assert address == "/refunds/?status=open"
    assert names(operator) == ["Mine"]
    assert shown(operator, address) == ["Mine"]


@on_sqlite
@pytest.mark.parametrize(("name", "why"), [("", "give it a name"), (" \n", "give it a name"), ("x" * 41, "too long")])
def test_a_name_that_is_none_keeps_nothing(operator: Browser, name: str, why: str) -> None:
    assert why in operator.get(str(operator.post("/views/", {"name": name, **SEARCH}).location)).text
    assert names(operator) == []


@on_sqlite
def test_there_is_an_end_to_how_many(operator: Browser) -> None:
    for number in range(MOST + 1):
        answer = operator.post("/views/", {"name": f"View {number:02d}", "status": "open"})
    assert "twenty are the most" in operator.get(str(answer.location)).text
    assert names(operator) == [f"View {number:02d}" for number in range(MOST)]


@on_sqlite
def test_a_search_that_cannot_be_is_not_kept(operator: Browser) -> None:
    assert operator.post("/views/", {"name": "Bad", "q": "status:gone"}).status == 400
    assert names(operator) == []
