"""Two weeks of amounts, durations and reasons in pictures on the overview."""

from datetime import date, timedelta

import pytest

from dashboard.figures import Group, Times
from dashboard.web import charts
from dashboard.web.charts import Part
from tests.bench.databases import on_sqlite
from tests.web.browser import Browser
from tests.web.made_up import START, MadeUp
from tests.web.page import Element

TODAY = date(2026, 3, 1)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def links(page: Element, picture: str) -> list[Element]:
    return page.one("ol", id=picture).all("a")


def spaced(text: str) -> str:
    return text.replace("\u00a0", " ").replace("\u202f", " ")


def table(page: Element, title: str) -> list[list[str]]:
    """The figures below a picture, as a table: its lines."""
    body = page.one("section", aria_labelledby=title).one("table").one("tbody")
    return [[cell.text for cell in line.children if isinstance(cell, Element)] for line in body.all("tr")]


# Amounts


@pytest.fixture
def amounts(made_up: MadeUp) -> dict[str, list[str]]:
    """Refunds in four currencies, by their currencies; of roubles those of the day, and of the day before."""
    made_up.session("ps_1")
    of_day = [made_up.refund("ps_1", amount_minor=minor) for minor in (1000_00, 500_00)]
    of_day.append(made_up.refund("ps_1", state="declined", amount_minor=500_00))
    before = [made_up.refund("ps_1", state="queued", amount_minor=10_00, at=START - timedelta(days=1))]
    yen = [made_up.refund("ps_1", amount_minor=1500, currency="jpy") for _ in range(2)]
    euros = [made_up.refund("ps_1", currency="eur")]
    kzt = [made_up.refund("ps_1", currency="kzt", state="queued")]
    return {"rub": of_day, "rub before": before, "jpy": yen, "eur": euros, "kzt": kzt}


@on_sqlite
def test_amounts_of_the_two_currencies_most_used_have_pictures(
    operator: Browser, amounts: dict[str, list[str]]
) -> None:
    page = operator.page("/")
    roubles = links(page, "amounts-rub")
    assert len(roubles) == 14
    assert roubles[-1]["aria-label"] == "1 Mar: 1,500.00 of 2,000.00 RUB accepted, 75%"
    assert roubles[-1].one("b").text == "75%"
    assert roubles[-2]["aria-label"] == "28 Feb: 0.00 of 10.00 RUB accepted, 0%"
    assert roubles[-3]["aria-label"] == "27 Feb: nothing asked for in RUB"
    assert sorted(operator.get(roubles[-1]["href"]).references) == sorted(amounts["rub"])
    assert operator.get(roubles[-2]["href"]).references == amounts["rub before"]
    yen = links(page, "amounts-jpy")[-1]
    assert yen["aria-label"] == "1 Mar: 3,000 of 3,000 JPY accepted, 100%"
    assert sorted(operator.get(yen["href"]).references) == sorted(amounts["jpy"])
    assert page.all("ol", id="amounts-eur") == []


@on_sqlite
def test_further_currencies_are_named_beside_them_and_never_added(
    operator: Browser, amounts: dict[str, list[str]]
) -> None:
    others = operator.page("/").one("p", class_="faint other-money")
    assert others.text == "And other currencies: 1 refund in EUR, 1 refund in KZT"
    led_to = [operator.get(one["href"]).references for one in others.all("a")]
    assert led_to == [amounts["eur"], amounts["kzt"]]


@on_sqlite
def test_amounts_stand_there_as_a_table(operator: Browser, amounts: dict[str, list[str]]) -> None:
    lines = table(operator.page("/"), "money-title-rub")
    assert lines[:3] == [
        ["1 Mar", "2,000.00", "1,500.00", "75%"],
        ["28 Feb", "10.00", "0.00", "0%"],
        ["27 Feb", "0.00", "0.00", "–"],
    ]
    assert len(lines) == 14


def test_what_is_accepted_stands_at_the_foot_of_what_was_asked_for() -> None:
    def group(state: str, minor: int, currency: str = "rub") -> Group:
        return Group(state, currency, "here", "other", 1, minor)

    days = {
        TODAY: [group("accepted", 300), group("queued", 100), group("cancelled", 50), group("accepted", 9000, "jpy")],
        TODAY + timedelta(1): [group("refused", 200)],
        TODAY + timedelta(2): [],
    }
    first, second, empty = charts.money(days, "rub").bars
    assert first.parts == [Part("ok", 25, 75), Part("rest", 0, 25)]
    assert second.parts == [Part("rest", 50, 50)]
    assert (empty.parts, empty.percent) == ([], None)
    assert charts.money(days, "rub").lines == [(200, 50), (400, 0)]


@pytest.mark.parametrize(
    ("highest", "steps"),
    [
        (1, [1]),
        (4, [2, 4]),
        (7, [2, 4, 6]),
        (99, [50]),
        (100, [50, 100]),
        (1234, [500, 1000]),
        (3_999_999, [1_000_000, 2_000_000, 3_000_000]),
        (6 * 10**14, [2 * 10**14, 4 * 10**14, 6 * 10**14]),
    ],
)
def test_lines_stand_for_round_amounts(highest: int, steps: list[int]) -> None:
    assert charts.round_steps(highest) == steps


def test_a_share_is_not_whole_before_all_of_it_is_there() -> None:
    assert [charts.percent(*each) for each in ((9_999, 10_000), (10_000, 10_000), (0, 3), (0, 0))] == [99, 100, 0, None]


# Durations


@on_sqlite
def test_the_time_to_accepted_is_told_by_the_day_of_the_request(operator: Browser, made_up: MadeUp) -> None:
    made_up.session("ps_1")
    made = [made_up.refund("ps_1", took=took) for took in (2 * MINUTE, 3 * MINUTE, 30 * HOUR)]
    made_up.refund("ps_1", state="declined", took=MINUTE)
    made_up.refund("ps_1", origin="bank", took=timedelta(days=90))
    page = operator.page("/")
    shown = links(page, "times-by-day")
    assert len(shown) == 14
    assert shown[-1]["aria-label"] == "1 Mar: median 3 min, slowest 1 day 6 hr, of 3 accepted"
    assert [one["class"] for one in shown[-1].all("rect")] == ["bar-span", "bar-slowest", "bar-median"]
    assert shown[-2]["aria-label"] == "28 Feb: none accepted that was asked for here"
    assert sorted(operator.get(shown[-1]["href"]).references) == sorted(made)
    lines = table(page, "times-title")
    assert lines[:2] == [["1 Mar", "3", "3 min", "1 day 6 hr"], ["28 Feb", "0", "–", "–"]]
    assert len(lines) == 14
    (slowest,) = page.one("section", aria_labelledby="times-title").one("table").all("a")
    assert slowest["href"] == f"/refunds/{made[-1]}"


def picture(*pairs: tuple[timedelta, timedelta]) -> charts.TimePicture:
    times = (Times(2, median, slowest, "") for median, slowest in pairs)
    return charts.durations({TODAY + timedelta(number): each for number, each in enumerate(times)})


def test_each_line_stands_for_many_times_the_one_below() -> None:
    shown = picture((MINUTE, HOUR), (10 * MINUTE, 10 * MINUTE))
    assert [line for line, _top in shown.lines] == [MINUTE, 10 * MINUTE, HOUR]
    (_, first), (_, middle), (_, last) = shown.lines
    assert (first, last) == (100, 0)
    span, slowest, median = shown.bars[0].parts
    assert (span.top, span.height) == (0, 100)
    assert (slowest.top, median.top) == (0, 100 - charts.MARK_HEIGHT)
    assert [part.top for part in shown.bars[1].parts[1:]] == [round(middle - charts.MARK_HEIGHT / 2, 2)] * 2


def test_one_huge_outlier_leaves_the_others_to_be_seen() -> None:
    shown = picture((2 * MINUTE, 3 * MINUTE), (4 * MINUTE, timedelta(days=300)))
    (_, _, calm), (_, _, other) = (bar.parts for bar in shown.bars)
    assert 2 < calm.top - other.top < 20


@pytest.mark.parametrize("length", [timedelta(0), timedelta(microseconds=1), timedelta(days=5000), -HOUR])
def test_a_duration_beyond_the_scale_stays_in_the_picture(length: timedelta) -> None:
    shown = picture((length, length))
    assert all(0 <= part.top <= part.top + part.height <= 100 for part in shown.bars[0].parts)
    tops = [top for _line, top in shown.lines]
    assert tops == sorted(set(tops), reverse=True)


def test_days_without_any_have_no_marks() -> None:
    shown = charts.durations({TODAY: None})
    assert list(shown.bars[0].parts) == []


# Reasons


@on_sqlite
def test_each_reason_has_a_bar_that_leads_to_its_refunds(operator: Browser, made_up: MadeUp) -> None:
    made_up.session("ps_1")
    first_day = START - timedelta(days=13, hours=9)
    made = {
        "Wrong amount: 3 refunds": [made_up.refund("ps_1", reason="wrong_amount", at=first_day) for _ in range(3)],
        "At the bank: 1 refund": [made_up.refund("ps_1", origin="bank")],
        "Chargeback: 1 refund": [made_up.refund("ps_1", origin="chargeback")],
        "Other: 1 refund": [made_up.refund("ps_1", state="declined")],
    }
    made_up.refund("ps_1", reason="wrong_amount", at=first_day - timedelta(seconds=1))
    page = operator.page("/")
    shown = links(page, "reasons")
    assert [one["aria-label"] for one in shown] == list(made)
    assert [one.one("rect")["width"] for one in shown] == ["100.0", "33.33", "33.33", "33.33"]
    for one, expected in zip(shown, made.values(), strict=True):
        assert sorted(operator.get(one["href"]).references) == sorted(expected)
    assert table(page, "reasons-title") == [
        ["Wrong amount", "3"],
        ["At the bank", "1"],
        ["Chargeback", "1"],
        ["Other", "1"],
    ]


@on_sqlite
def test_a_reason_that_cannot_be_searched_for_has_a_bar_without_a_link(operator: Browser, made_up: MadeUp) -> None:
    made_up.session("ps_1")
    made_up.refund("ps_1", reason="")
    made_up.refund("ps_1", reason="of_before")
    shown = links(operator.page("/"), "reasons")
    assert [one["aria-label"] for one in shown] == ["Here: 1 refund", "of_before: 1 refund"]
    assert all("href" not in one.attributes for one in shown)


# In words


@on_sqlite
@pytest.mark.parametrize("picture_of", ["refunds-by-day", "amounts-rub", "times-by-day", "reasons"])
def test_every_bar_has_a_name_and_its_drawing_is_left_unread(
    operator: Browser, made_up: MadeUp, picture_of: str
) -> None:
    made_up.refund(made_up.session("ps_1"), took=MINUTE)
    for one in links(operator.page("/"), picture_of):
        assert one["aria-label"] == one["title"] != ""
        assert one.one("svg")["aria-hidden"] == "true"
        assert operator.get(one["href"]).status == 200


@on_sqlite
def test_in_russian_figures_read_as_russians_write_them(operator: Browser, made_up: MadeUp) -> None:
    made_up.refund(made_up.session("ps_1"), took=timedelta(days=2, hours=3), amount_minor=12_345_678_00)
    operator.post("/account/preferences", {"language": "ru", "timezone": "", "theme": ""})
    page = operator.page("/")
    assert "2 дн. 3 ч" in spaced(page.one("table", id="figures").text)
    words = [one.text for one in page.one("section", aria_labelledby="money-title-rub").all("text")]
    assert [spaced(word) for word in words] == ["5 млн", "10 млн"]
