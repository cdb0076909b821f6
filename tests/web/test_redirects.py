"""Every redirect stays on the address that the browser is at: relative, whatever host a request names."""

import pytest

from dashboard.web.access import safe_target
from tests.bench.databases import on_sqlite
from tests.bench.refund_desk import PASSWORD, RefundDesk
from tests.web.browser import Browser
from tests.web.conftest import Auth

# A name under which the app answers, though nobody has said that it is its own.
EVIL = "127.13.1.31"


def led_astray(browser: Browser) -> Browser:
    """The same browser, taken to the app under a name that is not its own, with the cookies it has."""
    browser.csrf_token()
    cookie = browser.client.get_cookie("refund_desk")
    assert cookie is not None
    browser.client.set_cookie("refund_desk", cookie.value, domain=EVIL)
    browser.environ["HTTP_HOST"] = EVIL
    return browser


@on_sqlite
@pytest.mark.parametrize(
    ("asked", "location"),
    [
        ("/refunds", "/refunds/"),
        ("/sessions?q=one%20two&status=accepted", "/sessions/?q=one%20two&status=accepted"),
        ("/journal", "/journal/"),
        ("/refunds//x", "/refunds/x"),
    ],
)
def test_the_routers_own_redirects_are_relative(operator: Browser, asked: str, location: str) -> None:
    path, _, query = asked.partition("?")
    answer = led_astray(operator).get("/", environ_overrides={"PATH_INFO": path, "QUERY_STRING": query})
    assert (answer.status, answer.location) == (308, location)


@on_sqlite
def test_the_way_to_the_sign_in_page_is_relative(client: Browser) -> None:
    answer = led_astray(client).get("/refunds/?q=1")
    assert (answer.status, answer.location) == (302, "/login?next=/refunds/?q%3D1")


@on_sqlite
def test_an_address_that_begins_like_another_host_is_not_come_back_to(client: Browser) -> None:
    answer = client.get("/", environ_overrides={"PATH_INFO": "//evil.test/"})
    assert answer.location in {"/login?next=/evil.test/", "/login?next=//evil.test/"}
    assert safe_target("//evil.test/") is None


def test_signing_in_and_out_are_relative(client: Browser, auth: Auth) -> None:
    browser = led_astray(client)
    assert browser.sign_in(auth.person().email, PASSWORD).location == "/"
    assert browser.post("/logout", browser.page("/").form("/logout").fields).location == "/login"


def test_a_refund_and_its_undoing_are_relative(operator: Browser, refund_desk: RefundDesk) -> None:
    path = f"/sessions/{refund_desk.paid_session()}/refund"
    browser = led_astray(operator)
    fields = {**browser.page(path).form(path).fields, "reason": "other", "confirm": "yes"}
    made = browser.post(path, fields)
    again = browser.post(path, fields)
    undone = browser.post(f"{made.location}/cancel")
    assert [made.status, again.status, undone.status] == [303, 303, 303]
    assert (made.location or "").startswith("/refunds/")
    assert again.location == undone.location == made.location


@on_sqlite
def test_no_page_names_the_host_that_a_request_named(operator: Browser, refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session()
    browser = led_astray(operator)
    for path in ("/", "/refunds/", "/sessions/", f"/sessions/{session_id}", f"/sessions/{session_id}/refund"):
        answer = browser.get(path)
        assert answer.status == 200
        assert EVIL not in f"{answer.text} {answer.response.headers}", path


@on_sqlite
@pytest.mark.parametrize(
    "host", ["evil.test:99999999", "evil.test/path", "a b", "evil.test\\@x", "[::1", "[::1]x]", "é.test"]
)
def test_an_odd_host_gets_no_redirect_to_it(client: Browser, host: str) -> None:
    answer = client.get("/refunds", environ_overrides={"HTTP_HOST": host})
    assert (answer.status, answer.location) == (400, None)
