"""Two weeks of refunds in a picture on the overview."""

from datetime import date, timedelta

from dashboard.figures import Group
from dashboard.web import charts
from tests.bench.databases import on_sqlite
from tests.web.browser import Browser
from tests.web.made_up import START, MadeUp
from tests.web.page import Element

TODAY = date(2026, 3, 1)


def group(state: str, count: int, currency: str = "rub") -> Group:
    return Group(state, currency, "here", "other", count, count * 100)


def bars(browser: Browser) -> list[Element]:
    return browser.page("/").one("ol", id="refunds-by-day").all("a")


@on_sqlite
def test_each_day_has_a_bar_that_says_what_it_shows_and_leads_there(operator: Browser, made_up: MadeUp) -> None:
    session_id = made_up.session("ps_1")
    for state in ("accepted", "accepted", "declined", "unknown"):
        made_up.refund(session_id, state=state, review="")
    made_up.refund(session_id, at=START - timedelta(days=3))
    made_up.refund(session_id, at=START - timedelta(days=20))
    shown = bars(operator)
    assert len(shown) == 14
    assert shown[-1]["aria-label"] == "1 Mar: 4 refunds, accepted 2, unknown 1, declined 1"
    assert [one["class"] for one in shown[-1].all("rect")] == ["bar-ok", "bar-odd", "bar-bad"]
    assert shown[-4]["aria-label"] == "26 Feb: 1 refund, accepted 1"
    assert shown[0]["aria-label"] == "16 Feb: 0 refunds"
    assert len(operator.get(shown[-1]["href"]).references) == 4
    assert len(operator.get(shown[-4]["href"]).references) == 1


@on_sqlite
def test_a_day_begins_at_the_reader_s_midnight(operator: Browser, made_up: MadeUp) -> None:
    made_up.refund(made_up.session("ps_1"), at=START.replace(hour=1))
    operator.post("/account/preferences", {"language": "", "timezone": "America/New_York", "theme": ""})
    shown = bars(operator)
    assert [one["aria-label"] for one in shown if "1 refund" in one["aria-label"]] == ["28 Feb: 1 refund, accepted 1"]


@on_sqlite
def test_the_same_stands_there_as_a_table(operator: Browser, made_up: MadeUp) -> None:
    made_up.refund(made_up.session("ps_1"))
    table = operator.page("/").one("section", aria_labelledby="days-title").one("table")
    newest = table.one("tbody").all("tr")[0]
    assert newest.text.split() == ["1", "Mar", "1", "0", "0", "0", "0", "0", "1"]
    assert len(table.one("tbody").all("tr")) == 14


def test_the_busiest_day_is_as_high_as_the_picture_and_pieces_stand_on_each_other() -> None:
    busy = [group("accepted", 3), group("queued", 1)]
    calm = [group("accepted", 1), group("accepted", 1, "eur")]
    first, second, empty = charts.bars({TODAY: busy, TODAY + timedelta(1): calm, TODAY + timedelta(2): []})
    assert [(part.tone, part.top, part.height) for part in first.parts] == [("ok", 25, 75), ("wait", 0, 25)]
    assert [(part.tone, part.top, part.height) for part in second.parts] == [("ok", 50, 50)]
    assert (empty.total, empty.parts) == (0, [])
