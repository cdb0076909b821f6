"""How somebody wants to see the desk: language, time zone, colours."""

from datetime import timedelta

import pytest

from dashboard import links
from tests.bench.databases import on_sqlite
from tests.bench.refund_desk import PASSWORD, RefundDesk
from tests.web.browser import Answer, Browser
from tests.web.conftest import Auth
from tests.web.made_up import MadeUp

RUSSIAN = {"HTTP_ACCEPT_LANGUAGE": "ru-RU,ru;q=0.9,en;q=0.5"}
SOMETHING_ELSE = {"HTTP_ACCEPT_LANGUAGE": "fi,sv;q=0.8"}

pytestmark = on_sqlite


def choose(browser: Browser, language: str = "", timezone: str = "", theme: str = "", keys: str = "") -> Answer:
    chosen = {"language": language, "timezone": timezone, "theme": theme, "keys": keys}
    return browser.post("/account/preferences", chosen)


def language(browser: Browser, path: str = "/account/") -> str:
    return browser.page(path).one("html")["lang"]


# Language


def test_the_browser_s_language_is_spoken_until_one_is_chosen(operator: Browser) -> None:
    operator.environ.update(RUSSIAN)
    assert language(operator) == "ru"
    assert operator.page("/refunds/").one("h1").text == "Возвраты"
    assert choose(operator, language="en").location == "/account/"
    assert language(operator) == "en"
    assert operator.page("/refunds/").one("h1").text == "Refunds"
    choose(operator)
    assert language(operator) == "ru", "nothing chosen: the browser's again"


def test_what_is_said_about_the_choice_is_in_the_chosen_language(operator: Browser) -> None:
    choose(operator, language="ru")
    assert "Страницы показаны так, как вы выбрали." in operator.page("/account/").text


def test_whoever_is_not_signed_in_is_spoken_to_as_their_browser_asks(client: Browser) -> None:
    assert language(client, "/login") == "en"
    client.environ.update(RUSSIAN)
    assert language(client, "/login") == "ru"
    assert language(client, "/login?next=/nowhere") == "ru"


def test_the_words_on_signing_in_are_the_person_s_own(operator: Browser, client: Browser, auth: Auth) -> None:
    choose(operator, language="ru")
    assert client.page("/login").one("html")["lang"] == "en"
    person = auth.person()
    assert client.sign_in(person.email, PASSWORD).status == 303
    assert language(client, "/") == "ru"


class TestADeskInRussian:
    @pytest.fixture
    def environ(self, environ: dict[str, str]) -> dict[str, str]:
        return {**environ, "DASHBOARD_LANGUAGE": "ru"}

    def test_a_browser_that_asks_for_neither_is_answered_in_it(self, client: Browser) -> None:
        client.environ.update(SOMETHING_ELSE)
        assert language(client, "/login") == "ru"

    def test_a_browser_that_takes_any_is_answered_in_it(self, client: Browser) -> None:
        client.environ["HTTP_ACCEPT_LANGUAGE"] = "de, *;q=0.5"
        assert language(client, "/login") == "ru"

    def test_a_browser_that_asks_for_another_one_gets_that(self, client: Browser) -> None:
        client.environ["HTTP_ACCEPT_LANGUAGE"] = "en-GB"
        assert language(client, "/login") == "en"


def test_amounts_and_counts_are_written_as_the_language_does(operator: Browser, made_up: MadeUp) -> None:
    made_up.refund(made_up.session("ps_1"), amount_minor=123_456_789)
    assert "1,234,567.89" in operator.get("/refunds/").text
    choose(operator, language="ru")
    assert "1\u202f234\u202f567,89" in operator.get("/refunds/").text


# Time zone


def test_times_and_days_are_those_of_the_chosen_zone(
    operator: Browser, made_up: MadeUp, refund_desk: RefundDesk
) -> None:
    """It is 1 March 09:00 UTC; in Vladivostok 19:00, and the day after begins five hours from now."""
    session_id = made_up.session("ps_1")
    made_up.refund(session_id)
    assert "1 Mar 09:00" in operator.get("/refunds/").text
    choose(operator, timezone="Asia/Vladivostok")
    page = operator.page("/refunds/")
    assert "1 Mar 19:00" in page.text
    assert "Times are those of Asia/Vladivostok, UTC+10:00." in page.text
    [time] = {one["title"] for one in page.all("time") if "19:00" in one.text}
    assert time.endswith("09:00:00 UTC"), "whoever points at it sees UTC"
    made_up.refund(session_id, at=refund_desk.clock.now() + timedelta(hours=6))
    assert len(operator.get("/refunds/?from=2026-03-02").references) == 1, "a day begins at the reader's midnight"


def test_a_zone_that_this_system_no_longer_knows_gives_way_to_the_desk_s(
    operator: Browser, auth: Auth, refund_desk: RefundDesk
) -> None:
    with refund_desk.desk.write() as tx:
        tx.get_one(type(auth.person()), auth.person().id).timezone = "Mars/Olympus"
    assert "Times are those of UTC" in operator.page("/account/").text


# Colours


def test_colours_are_the_system_s_until_chosen(operator: Browser) -> None:
    page = operator.page("/account/")
    assert page.one("html").get("data-theme") is None
    assert page.one("meta", name="color-scheme")["content"] == "light dark"
    choose(operator, theme="dark")
    page = operator.page("/account/")
    assert page.one("html")["data-theme"] == "dark"
    assert page.one("meta", name="color-scheme")["content"] == "dark"


# Keys of one letter


def test_keys_of_one_letter_can_be_switched_off(operator: Browser) -> None:
    page = operator.page("/account/")
    assert page.one("body").get("data-keys") is None
    assert page.all("dialog", **{"data-keys-overview": ""})
    choose(operator, keys="off")
    page = operator.page("/account/")
    assert page.one("body")["data-keys"] == "off"
    assert not page.all("dialog")


# All four


def test_the_form_shows_what_was_chosen(operator: Browser) -> None:
    choose(operator, "ru", "Europe/Moscow", "light", "off")
    form = operator.page("/account/").one("form", action="/account/preferences")
    chosen = {select["name"]: select.one("option", selected="").get("value") for select in form.all("select")}
    assert chosen == {"language": "ru", "timezone": "Europe/Moscow", "theme": "light", "keys": "off"}


@pytest.mark.parametrize(
    "choice",
    [("fi",), ("", "Mars/Olympus"), ("", "../../etc/passwd"), ("", "", "pink"), ("", "", "", "loud")],
)
def test_nothing_is_kept_of_what_there_is_not(operator: Browser, choice: tuple[str, ...]) -> None:
    choose(operator, "en", "Europe/Moscow", "light")
    answer = choose(operator, *choice)
    assert answer.status == 400
    assert "There is no such language, time zone, colours or keys." in answer.text
    page = operator.page("/account/")
    assert (page.one("html")["lang"], page.one("html")["data-theme"]) == ("en", "light")
    assert "Times are those of Europe/Moscow" in page.text


def test_a_choice_is_one_s_own(operator: Browser, viewer: Browser) -> None:
    choose(operator, "ru", "Asia/Tokyo", "dark")
    page = viewer.page("/account/")
    assert page.one("html")["lang"] == "en"
    assert page.one("html").get("data-theme") is None
    assert "Times are those of UTC" in page.text


def test_a_link_knows_the_language_of_whoever_will_read_its_mail(
    operator: Browser, auth: Auth, refund_desk: RefundDesk
) -> None:
    choose(operator, language="ru")
    assert links.start_reset(refund_desk.desk, auth.person().email, actor="admin@desk.test").language == "ru"
