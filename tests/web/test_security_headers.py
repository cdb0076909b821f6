"""What goes with every answer: a strict policy, no storing, cookies as closed as they can be, compression."""

import gzip
from collections.abc import Iterator
from http.cookies import SimpleCookie

import pytest

from tests.bench.databases import on_sqlite
from tests.bench.refund_desk import PASSWORD, RefundDesk
from tests.web.browser import Answer, Browser
from tests.web.conftest import Auth

pytestmark = on_sqlite

OVER_HTTPS = {"X-Forwarded-Proto": "https", "Referer": "https://localhost/login"}


@pytest.fixture
def proxied(environ: dict[str, str]) -> None:
    """One reverse proxy stands in front. Ask for it before the app."""
    environ["DASHBOARD_PROXY_HOPS"] = "1"


def answers(client: Browser, operator: Browser, session_id: str) -> Iterator[Answer]:
    """Answers of every kind."""
    paths = ("/", f"/sessions/{session_id}", f"/sessions/{session_id}/refund", "/refunds/", "/journal/")
    yield from (operator.get(path) for path in paths)
    yield from (operator.get(path) for path in ("/nowhere", "/refunds", "/refunds/?status=x", "/logout", "/healthz"))
    yield client.get("/login")
    yield client.get("/refunds/")
    yield client.get("/refunds/rows")
    yield client.get("/readyz")
    yield client.post("/logout", csrf=False)
    yield client.post("/webhooks/bank131", csrf=False)
    for path in ("/static/app.css", "/static/favicon.svg", "/static/live.js"):
        yield client.get(path)


def test_every_answer_carries_the_policy(client: Browser, operator: Browser, refund_desk: RefundDesk) -> None:
    seen = set()
    for answer in answers(client, operator, refund_desk.paid_session()):
        headers = answer.response.headers
        seen.add(answer.status)
        policy = dict(part.strip().partition(" ")[::2] for part in headers["Content-Security-Policy"].split(";"))
        assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
        assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == policy["form-action"] == "'self'"
        assert "unsafe" not in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "same-origin"
        answer.response.close()
    assert seen == {200, 302, 308, 400, 401, 404, 405, 503}


def test_no_page_is_stored_by_anybody(operator: Browser) -> None:
    for path in ("/", "/refunds/", "/login", "/nowhere"):
        assert operator.get(path).response.headers["Cache-Control"] == "no-store", path


def test_static_files_may_be_kept(client: Browser) -> None:
    answer = client.get("/static/app.css")
    assert "no-store" not in answer.response.headers["Cache-Control"]
    assert "Set-Cookie" not in answer.response.headers
    answer.response.close()


def test_no_page_has_script_or_style_inside_or_anything_from_elsewhere(
    operator: Browser, refund_desk: RefundDesk
) -> None:
    session_id = refund_desk.paid_session()
    reference = refund_desk.ask(session_id, 10_00)
    pages = ("/", "/refunds/", f"/refunds/{reference}", f"/sessions/{session_id}", f"/sessions/{session_id}/refund")
    for path in pages:
        for one in operator.page(path).walk():
            assert one.tag != "style"
            assert one.get("style") is None
            assert not any(name.startswith("on") for name in one.attributes), one.attributes
            assert one.tag != "script" or (one["src"].startswith("/") and not one.text)
            for name in ("src", "href", "action"):
                assert (one.get(name) or "/").startswith(("/", "#")), one.attributes


def set_cookies(answer: Answer) -> SimpleCookie:
    cookies = SimpleCookie()
    for header in answer.response.headers.getlist("Set-Cookie"):
        cookies.load(header)
    return cookies


def test_over_plain_http_the_cookie_is_not_secure(client: Browser, auth: Auth) -> None:
    cookie = set_cookies(client.sign_in(auth.person().email, PASSWORD))["refund_desk"]
    assert cookie["httponly"]
    assert not cookie["secure"]
    assert (cookie["samesite"], cookie["path"], cookie["domain"], cookie["expires"]) == ("Lax", "/", "", "")


def test_behind_a_proxy_that_says_https_it_is(proxied: None, client: Browser, auth: Auth) -> None:
    page = client.get("/login", headers=OVER_HTTPS)
    assert set_cookies(page)["refund_desk"]["secure"]
    fields = page.page.form("/login").fields
    # The test client keeps a Secure cookie to HTTPS itself.
    answer = client.post(
        "/login",
        {**fields, "email": auth.person().email, "password": PASSWORD},
        headers=OVER_HTTPS,
        base_url="https://localhost",
    )
    assert answer.status == 303
    cookie = set_cookies(answer)["refund_desk"]
    assert cookie["secure"]
    assert cookie["httponly"]


def test_behind_a_proxy_that_says_http_it_is_not(proxied: None, client: Browser) -> None:
    cookie = set_cookies(client.get("/login", headers={"X-Forwarded-Proto": "http"}))["refund_desk"]
    assert not cookie["secure"]


def test_a_stranger_who_says_https_is_not_believed(client: Browser) -> None:
    assert not set_cookies(client.get("/login", headers=OVER_HTTPS))["refund_desk"]["secure"]


def test_over_https_a_form_from_elsewhere_is_refused(proxied: None, client: Browser) -> None:
    fields = client.get("/login", headers=OVER_HTTPS).page.form("/login").fields
    elsewhere = {**OVER_HTTPS, "Referer": "https://evil.test/"}
    answer = client.post("/login", fields, headers=elsewhere, base_url="https://localhost")
    assert answer.status == 400


@pytest.mark.parametrize(("encoding", "expected"), [("gzip", "gzip"), ("br, gzip", "br"), ("identity", None)])
def test_pages_are_compressed_as_the_browser_likes(operator: Browser, encoding: str, expected: str | None) -> None:
    answer = operator.get("/refunds/", headers={"Accept-Encoding": encoding})
    assert answer.response.headers.get("Content-Encoding") == expected
    assert "Accept-Encoding" in answer.response.headers["Vary"]
    if expected == "gzip":
        assert b"Refund desk" in gzip.decompress(answer.response.data)


STATIC = ("/static/app.css", "/static/live.js", "/bootstrap/static/css/bootstrap.min.css")


@pytest.mark.parametrize("path", STATIC)
@pytest.mark.parametrize("encoding", ["gzip", "br"])
def test_style_and_scripts_are_compressed_and_looked_up_again_without_being_sent(
    client: Browser, path: str, encoding: str
) -> None:
    first = client.get(path, headers={"Accept-Encoding": encoding})
    assert first.response.headers.get("Content-Encoding") == encoding
    first.response.close()
    known = {"Accept-Encoding": encoding, "If-None-Match": first.response.headers["ETag"]}
    again = client.get(path, headers=known)
    assert (again.status, again.response.data) == (304, b"")
    again.response.close()
