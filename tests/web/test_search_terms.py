"""The search box: terms narrow the history, ids lead to what bears them, and mistakes are explained where they are."""

from datetime import timedelta
from urllib.parse import urlencode

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from dashboard import search_language
from tests.bench.databases import on_sqlite
from tests.bench.simulated import START
from tests.web.browser import Browser
from tests.web.made_up import MadeUp


class Refunds:
    """A few refunds by their names, and which of them the history shows for what is typed."""

    def __init__(self, made_up: MadeUp, browser: Browser) -> None:
        made_up.session("ps_lucky", customer="Lucky Goods 7", last4="4242")
        made_up.session("ps_udacha", customer="Удача", last4="1111")
        day = timedelta(days=1)
        self.browser = browser
        self.names = {
            made_up.refund("ps_lucky", state="declined", amount_minor=15_000_00, by="ann@desk.test", at=START): "first",
            made_up.refund("ps_lucky", amount_minor=150_00, by="bob@desk.test", at=START + day): "second",
            made_up.refund(
                "ps_udacha", amount_minor=150, currency="jpy", by="ann@desk.test", at=START + 2 * day
            ): "yen",
            made_up.refund("ps_udacha", state="accepted", origin="bank", amount_minor=20_000_01, at=START): "bank's",
        }

    def found_by(self, text: str) -> set[str]:
        return {
            self.names[reference] for reference in self.browser.get(f"/refunds/?{urlencode({'q': text})}").references
        }


@pytest.fixture
def refunds(made_up: MadeUp, operator: Browser) -> Refunds:
    return Refunds(made_up, operator)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("status:declined", {"first"}),
        ("status:declined,accepted", {"first", "second", "yen", "bank's"}),
        ("status:open", set()),
        ("amount:150", {"second", "yen"}),
        ("150.00", {"second", "yen"}),
        ("amount:150 currency:jpy", {"yen"}),
        ("amount:>15000", {"bank's"}),
        ("amount:>=15000", {"first", "bank's"}),
        ("amount:<150.01", {"second", "yen"}),
        ("amount:<150", set()),
        ("amount:<=150", {"second", "yen"}),
        ("amount:149.9950..150.0050", {"second", "yen"}),
        ("amount:150.0050", set()),
        ("amount:20000.01", {"bank's"}),
        ("amount:<99999999999999999999", {"first", "second", "yen", "bank's"}),
        ("by:ann", {"first", "yen"}),
        ("by:bob@desk.test", {"second"}),
        ("by:a%", set()),
        ("customer:lucky", {"first", "second"}),
        ('customer:"lucky goods"', {"first", "second"}),
        ('customer:"goods lucky"', {"first", "second"}),
        ('customer:"goods unlucky"', set()),
        ("customer:удача", {"yen", "bank's"}),
        ("card:4242", {"first", "second"}),
        ("card:VISA", {"first", "second", "yen", "bank's"}),
        ("card:maestro", set()),
        ("made:bank", {"bank's"}),
        ("reason:other made:here", {"first", "second", "yen"}),
        ("session:ps_udacha", {"yen", "bank's"}),
        ("since:2026-03-02", {"second", "yen"}),
        ("until:2026-03-01", {"first", "bank's"}),
        ("since:2026-03 until:2026-03", {"first", "second", "yen", "bank's"}),
        ("lucky status:accepted by:bob amount:100..200 card:4242 since:2026-03-02 until:2026-03-02", {"second"}),
    ],
)
def test_each_term_finds_exactly_its_refunds(refunds: Refunds, text: str, found: set[str]) -> None:
    assert refunds.found_by(text) == found


def test_a_name_of_two_words_is_found_and_a_currency_of_no_list_counts_as_it_is_shown(
    made_up: MadeUp, operator: Browser
) -> None:
    made_up.session("ps_1", customer="ООО Ромашка")
    reference = made_up.refund("ps_1", amount_minor=77, currency="usdt")
    for text_typed, found in (('customer:"ооо ромашка"', [reference]), ("amount:77", [reference]), ("amount:0.77", [])):
        assert operator.get(f"/refunds/?{urlencode({'q': text_typed})}").references == found


@on_sqlite
def test_days_are_those_of_today_and_me_is_the_reader(made_up: MadeUp, operator: Browser) -> None:
    made_up.session("ps_1")
    now = made_up.refund_desk.desk.clock.now()
    made_up.refund("ps_1", by="ann@desk.test", at=now)
    made_up.refund("ps_1", by="operator@desk.test", at=now - timedelta(days=2))
    mine = made_up.refund("ps_1", by="operator@desk.test", at=now)
    assert operator.get("/refunds/?q=by:me+since:today").references == [mine]


@on_sqlite
def test_a_term_narrows_with_the_other_filters_and_stays_in_every_address(refunds: Refunds) -> None:
    page = refunds.browser.page("/refunds/?q=amount:150&status=accepted&session=ps_lucky")
    assert [refunds.names[reference] for reference in page.references] == ["second"]
    panel = page.one("div", class_="panel rows-panel")
    assert all("q=amount:150" in panel[f"data-{name}-url"].replace("%3A", ":") for name in ("live", "rows"))


@on_sqlite
def test_the_chip_that_holds_it_says_what_it_is(refunds: Refunds) -> None:
    page = refunds.browser.page("/refunds/?q=amount:150")
    chips = [one.one("summary").text for one in page.one("div", class_="filters").all("details")]
    assert "Search amount:150" in chips
    assert page.all("a", aria_label="Clear: Search")
    label = page.one("label", _for="filter-q")
    assert label.text == "Customer, card, id, or terms such as amount:>15000"


@on_sqlite
@pytest.mark.parametrize(
    "text", ["status:gone", "amount:much", "since:someday", "card:x1", "made:there", "reason:no", "by:"]
)
def test_a_mistake_is_explained_and_nothing_typed_is_lost(refunds: Refunds, text: str) -> None:
    answer = refunds.browser.get(f"/refunds/?{urlencode({'q': text, 'session': 'ps_lucky'})}")
    assert answer.status == 400
    assert "This cannot be searched for" in answer.text
    assert text.partition(":")[2] in answer.text
    assert answer.page.one("input", name="session")["value"] == "ps_lucky"
    assert [each["value"] for each in answer.page.all("input", name="q")] == [text] * 2
    assert answer.references == []
    assert not any(each.get("data-live-url") for each in answer.page.all("div")), "nothing to wait for"


@on_sqlite
def test_what_excludes_itself_is_told(refunds: Refunds) -> None:
    answer = refunds.browser.get("/refunds/?q=amount:>200+amount:<100")
    assert answer.status == 400
    assert "No amount fits all that is asked for: “>200 <100”." in answer.page.one("main").text
    for query in ("from=2026-03-02&to=2026-03-01", "q=since:2026-03-02&to=2026-03-01"):
        answer = refunds.browser.get(f"/refunds/?{query}")
        assert answer.status == refunds.browser.get(f"/refunds/rows?since=0&{query}").status == 400
        assert "The first day, 2026-03-02, is after the last one, 2026-03-01." in answer.text
    assert refunds.browser.get("/refunds/?from=2026-03-01&to=2026-03-01").status == 200


@on_sqlite
@pytest.mark.parametrize("stored", ["amex", "AMEX", "American Express", "american_express"])
def test_a_card_is_found_by_every_name_of_its_brand(made_up: MadeUp, operator: Browser, stored: str) -> None:
    reference = made_up.refund(made_up.session("ps_1", brand=stored))
    for typed in ("amex", '"American Express"', "american", "амекс"):
        assert operator.get(f"/refunds/?{urlencode({'q': f'card:{typed}'})}").references == [reference], typed
    assert operator.get("/refunds/?q=card:visa").references == []


@on_sqlite
def test_what_stands_there_twice_is_told(refunds: Refunds) -> None:
    answer = refunds.browser.get("/refunds/?q=currency:rub+currency:jpy")
    assert answer.status == 400
    assert "“currency:” stands there twice" in answer.text


@pytest.mark.parametrize("path", ["/refunds/?q=anna", "/sessions/?q=anna"])
def test_what_goes_through_too_much_is_broken_off(refunds: Refunds, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    """As if the database had millions of rows: each look at it takes longer than is left."""
    monkeypatch.setattr("dashboard.search.LONGEST_S", 0.05)
    monkeypatch.setattr("dashboard.search.newest", look_at_millions)
    answer = refunds.browser.get(path)
    assert answer.status == 400
    assert "This goes through too much, and was broken off." in answer.text
    monkeypatch.undo()
    assert refunds.browser.get(path).status == 200, "the connection is as good as before"


def look_at_millions(session: Session, *_: object) -> list[int]:
    millions = (
        "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 50000000) SELECT count(*) FROM n"
    )
    return list(session.scalars(text(millions)))


@on_sqlite
def test_what_is_taken_along_is_refused_with_a_mistake_as_well(refunds: Refunds) -> None:
    answer = refunds.browser.post("/exports/refunds.csv", {"q": "status:gone"})
    assert (answer.status, "There is no status “gone”" in answer.text) == (400, True)


# Where the box of every page leads


@on_sqlite
def test_an_id_leads_to_what_bears_it(made_up: MadeUp, operator: Browser) -> None:
    made_up.session("ps_1")
    reference = made_up.refund("ps_1")
    assert led_to(operator, reference) == f"/refunds/{reference}"
    assert led_to(operator, f" rf_{reference[-6:]} ") == f"/refunds/{reference}"
    assert led_to(operator, "ps_1") == "/sessions/ps_1"


@on_sqlite
@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("", "/sessions/"),
        ("4242", "/sessions/?q=4242"),
        ("ps_nowhere", "/sessions/?q=ps_nowhere"),
        ("1500.00", "/refunds/?q=1500.00"),
        ("anna status:open", "/refunds/?q=anna+status:open"),
        ("status:gone", "/refunds/?q=status:gone"),
    ],
)
def test_terms_lead_to_the_refunds_and_words_to_the_sessions(operator: Browser, text: str, address: str) -> None:
    assert led_to(operator, text) == address


def led_to(browser: Browser, text: str) -> str:
    answer = browser.get(f"/find?{urlencode({'q': text})}")
    assert answer.status == 302
    return str(answer.location).replace("%3A", ":")


@on_sqlite
def test_what_completes_a_term_is_in_the_readers_language(operator: Browser, made_up: MadeUp) -> None:
    made_up.refund(made_up.session("ps_1"))
    terms = {term["name"]: term for term in operator.get("/find/terms").response.json["terms"]}
    assert {"value": "declined", "word": "Declined"} in terms["status"]["values"]
    assert {"value": "operator@desk.test", "word": ""} in terms["by"]["values"]
    operator.post("/account/preferences", {"language": "ru", "timezone": "", "theme": ""})
    assert [term["name"] for term in operator.get("/find/terms").response.json["terms"]][:2] == ["статус", "сумма"]


@pytest.mark.parametrize("language", ["en", "ru"])
def test_each_example_of_the_help_can_be_searched_for(operator: Browser, language: str) -> None:
    spoken = {"headers": {"Accept-Language": language}}
    links = operator.get("/refunds/", **spoken).page.one("dl", _class="search-terms").all("a")
    assert len(links) == len(search_language.NAMES)
    for link in links:
        assert operator.get(link["href"], **spoken).status == 200, link.text
        assert (language == "ru") == (not link.text.split(":")[0].isascii()), link.text


# What looks like a term and is none


def hint(browser: Browser, address: str, q: str) -> str:
    return " ".join(browser.page(f"{address}?{urlencode({'q': q})}").notices)


@on_sqlite
@pytest.mark.parametrize("address", ["/sessions/", "/refunds/"])
@pytest.mark.parametrize(
    ("q", "names"),
    [
        ("state:declined", "“state:”"),
        ("id:rf_105", "“id:”"),
        ("от:вчера", "“от:”"),
        ('state:declined from:"last week" state:open', "“state:”, “from:”"),
    ],
)
def test_a_term_that_there_is_not_is_told_of_where_nothing_is_found(
    operator: Browser, address: str, q: str, names: str
) -> None:
    assert f"No term of a search is called {names}" in hint(operator, address, q)
    page = operator.page(f"{address}?{urlencode({'q': q})}")
    [help_fold] = page.all("details", class_="fold search-help", open=True)
    assert "status:" in help_fold.text
    operator.post("/account/preferences", {"language": "ru", "timezone": "", "theme": ""})
    assert names.replace("“", "«").replace("”", "»") in hint(operator, address, q)


@on_sqlite
@pytest.mark.parametrize("address", ["/sessions/", "/refunds/"])
def test_what_is_found_with_its_colon_is_found_without_a_hint(made_up: MadeUp, operator: Browser, address: str) -> None:
    made_up.refund(made_up.session("ps_1", customer="shop:lucky"))
    assert "ps_1" in operator.get(f"{address}?q=shop:lucky").text
    assert hint(operator, address, "shop:lucky") == ""
    assert "“shop:”" in hint(operator, address, "shop:unlucky")


@on_sqlite
@pytest.mark.parametrize("q", ["https://evil.example/", "12:30", '"state:declined"', "note: nobody", "a-b:c", "nobody"])
def test_other_colons_are_no_terms(operator: Browser, q: str) -> None:
    for address in ("/sessions/", "/refunds/"):
        assert hint(operator, address, q) == ""


@on_sqlite
def test_beside_a_term_that_there_is(operator: Browser, refunds: Refunds) -> None:
    assert "“state:”" in hint(operator, "/refunds/", "state:open amount:>1")
    problem = " ".join(operator.get("/refunds/?q=state:open+amount:nothing").page.notices)
    assert "is no amount" in problem
    assert "“state:”" not in problem, "one thing to mend at a time"


@on_sqlite
def test_a_number_that_no_refund_has_may_be_meant_as_an_amount(operator: Browser, refunds: Refunds) -> None:
    page = operator.page("/refunds/?q=15+000&status=declined")
    [link] = [each for each in page.one("main").all("a") if each.text == "amount:15000"]
    page = operator.get(link["href"])
    assert [refunds.names[each] for each in page.references] == ["first"]
    assert "status=declined" in link["href"]
    assert not [each for each in page.page.one("main").all("p") if "an amount is meant" in each.text]
