"""Pages of the history: every row exactly once, in order, however many share a moment."""

from datetime import UTC, datetime, timedelta

import pytest

from dashboard import history
from tests.bench.simulated import START, SimulatedClock
from tests.web.browser import Browser
from tests.web.conftest import Auth
from tests.web.made_up import MadeUp


@pytest.fixture(autouse=True)
def _small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history.page, "__defaults__", ("", 7))


def walk(browser: Browser, path: str) -> list[list[str]]:
    """The references on each page, from the newest to the oldest by the links between them."""
    pages = []
    while path:
        page = browser.page(path)
        pages.append(page.references)
        links = page.all("a", rel="next")
        assert bool(page.all(data_has_older=True)) == bool(links)
        path = links[0]["href"] if links else ""
        assert len(pages) < 30
    return pages


def test_every_row_comes_once_though_many_share_a_moment(operator: Browser, made_up: MadeUp) -> None:
    made_up.session("ps_1")
    expected = [made_up.refund("ps_1", at=START + timedelta(seconds=number // 10)) for number in range(24)]
    pages = walk(operator, "/refunds/")
    assert [len(page) for page in pages] == [7, 7, 7, 3]
    assert [reference for page in pages for reference in page] == list(reversed(expected))


def test_a_page_that_is_just_full_has_no_older_one(operator: Browser, made_up: MadeUp) -> None:
    made_up.session("ps_1")
    for _ in range(7):
        made_up.refund("ps_1")
    assert [len(page) for page in walk(operator, "/refunds/")] == [7]


def test_filters_stay_in_force_from_page_to_page(operator: Browser, made_up: MadeUp) -> None:
    made_up.session("ps_1")
    made_up.session("ps_2")
    wanted = [made_up.refund(f"ps_{1 + number % 2}", state="declined") for number in range(20)][::2]
    pages = walk(operator, "/refunds/?session=ps_1&status=declined&from=2026-03-01&q=client-1")
    assert [reference for page in pages for reference in page] == list(reversed(wanted))


def test_what_comes_meanwhile_shifts_nothing(operator: Browser, made_up: MadeUp) -> None:
    made_up.session("ps_1")
    old = [made_up.refund("ps_1") for _ in range(10)]
    older = operator.page("/refunds/").one("a", rel="next")["href"]
    made_up.refund("ps_1", at=START + timedelta(hours=1))
    assert operator.get(older).references == list(reversed(old[:3]))


def test_an_older_page_leads_back_to_the_newest(operator: Browser, made_up: MadeUp) -> None:
    made_up.session("ps_1")
    for _ in range(10):
        made_up.refund("ps_1")
    first = operator.page("/refunds/?session=ps_1")
    assert "Newest" not in [one.text for one in first.all("a")]
    older = operator.page(first.one("a", rel="next")["href"])
    assert [one["href"] for one in older.all("a") if one.text == "Newest"] == ["/refunds/?session=ps_1"]
    assert older.all(data_older_page=True)


def test_the_cursor_says_the_row_before_it_even_when_that_is_gone(operator: Browser, made_up: MadeUp) -> None:
    made_up.session("ps_1")
    made_up.refund("ps_1", at=START)
    assert operator.get("/refunds/?before=20260301090000000001-000000000001").references != []
    assert operator.get("/refunds/?before=20260301090000000000-000000000001").references == []


def test_a_row_gets_its_year_when_another_one_begins(auth: Auth, made_up: MadeUp, clock: SimulatedClock) -> None:
    made_up.refund(made_up.session("ps_1"), at=datetime(2026, 3, 1, 9, 30, tzinfo=UTC))

    def shown() -> str:
        [row] = auth.login().page("/refunds/").rows
        return row.all("td")[0].text

    assert shown() == "1 Mar 09:30"
    clock.advance_to(datetime(2027, 1, 1, tzinfo=UTC))
    assert shown() == "1 Mar 2026 09:30"
