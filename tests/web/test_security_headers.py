"""What goes with every answer: a strict policy, no storing, cookies as closed as they can be, compression."""

import gzip
from collections.abc import Iterator
from http.cookies import SimpleCookie

import pytest
from flask import Flask

from tests.bench.databases import on_sqlite
from tests.bench.refund_desk import PASSWORD, RefundDesk
from tests.web import test_url_map
from tests.web.browser import Answer, Browser
from tests.web.conftest import Auth
from tests.web.test_url_map import Target

pytestmark = on_sqlite
targets = test_url_map.targets

HTTPS_COOKIE = "__Host-refund_desk"
HTTPS_KNOWN = "__Host-refund_desk_known"
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
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["Referrer-Policy"] == "same-origin"
        assert headers["Cross-Origin-Opener-Policy"] == headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert {"camera=()", "payment=()", "usb=()"} <= set(headers["Permissions-Policy"].split(", "))
        assert "Access-Control-Allow-Origin" not in headers
        assert "Strict-Transport-Security" not in headers, "over plain HTTP it means nothing"
        is_kept = (answer.response.request.path or "").startswith("/static/")
        assert is_kept or headers["Cache-Control"] == "no-store"
        answer.response.close()
    assert seen == {200, 302, 308, 400, 401, 404, 405, 503}


def test_every_answer_says_what_it_is_and_in_which_letters(
    client: Browser, operator: Browser, refund_desk: RefundDesk
) -> None:
    for answer in answers(client, operator, refund_desk.paid_session()):
        kind = answer.response.headers["Content-Type"]
        assert kind == "application/json" or kind.endswith("; charset=utf-8"), kind
        answer.response.close()


def test_static_files_may_be_kept(client: Browser) -> None:
    answer = client.get("/static/app.css")
    assert "no-store" not in answer.response.headers["Cache-Control"]
    assert "Set-Cookie" not in answer.response.headers
    answer.response.close()


def test_no_page_has_script_or_style_inside_or_anything_from_elsewhere(
    targets: list[Target], auth: Auth, app: Flask
) -> None:
    """Every page of the URL map, as somebody who may see all of them, and the one that signs in."""
    admin, seen = auth.login("admin"), 0
    paths = {target.path for target in targets if target.method == "GET" and target.is_routed and is_page(target)}
    pages = [*(admin.get(path) for path in sorted(paths)), Browser(app).get("/login"), admin.get("/nowhere")]
    for answer in pages:
        if answer.status in {302, 303, 308}:
            continue
        seen += 1
        for one in answer.page.walk():
            assert one.tag not in {"style", "iframe", "object", "embed", "base"}, answer.response.request.path
            assert one.get("style") is None
            assert not any(name.startswith("on") for name in one.attributes), one.attributes
            assert one.tag != "script" or (one["src"].startswith("/") and not one.text)
            for name in ("src", "href", "action", "formaction", "data-live-url", "data-rows-url", "data-parts-url"):
                is_drawn = one.tag == "img" and (one.get(name) or "").startswith("data:image/svg+xml")
                assert is_drawn or (one.get(name) or "/").startswith(("/", "#")), one.attributes
                assert not (one.get(name) or "/").startswith("//"), one.attributes
    assert seen > 12


def is_page(target: Target) -> bool:
    return target.endpoint not in {"static", "bootstrap.static", "live.stream", "health.healthz", "health.readyz"}


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


def test_behind_a_proxy_that_says_https_it_is_and_bound_to_its_host(proxied: None, client: Browser, auth: Auth) -> None:
    page = client.get("/login", headers=OVER_HTTPS)
    assert set_cookies(page)[HTTPS_COOKIE]["secure"]
    fields = page.page.form("/login").fields
    # The test client keeps a Secure cookie to HTTPS itself.
    answer = client.post(
        "/login",
        {**fields, "email": auth.person().email, "password": PASSWORD},
        headers=OVER_HTTPS,
        base_url="https://localhost",
    )
    assert answer.status == 303
    assert set(set_cookies(answer)) == {HTTPS_COOKIE, HTTPS_KNOWN}
    known = set_cookies(answer)[HTTPS_KNOWN]
    assert known["secure"]
    assert known["httponly"]
    assert (known["samesite"], known["path"], known["domain"]) == ("Lax", "/", "")
    cookie = set_cookies(answer)[HTTPS_COOKIE]
    assert cookie["secure"]
    assert cookie["httponly"]
    assert (cookie["samesite"], cookie["path"], cookie["domain"], cookie["expires"]) == ("Lax", "/", "", "")
    assert client.get("/refunds/", headers=OVER_HTTPS, base_url="https://localhost").status == 200


def test_over_https_the_browser_is_told_to_stay_there(proxied: None, client: Browser) -> None:
    for path in ("/login", "/nowhere", "/static/app.css", "/healthz"):
        answer = client.get(path, headers=OVER_HTTPS)
        assert answer.response.headers["Strict-Transport-Security"] == "max-age=31536000; includeSubDomains"
        answer.response.close()


def test_a_cookie_of_plain_http_signs_nobody_in_over_https(proxied: None, operator: Browser) -> None:
    """Whoever can put a cookie there from outside HTTPS could put their own sign-in under somebody's forms."""
    assert operator.get("/refunds/").status == 200
    answer = operator.get("/refunds/", headers={"X-Forwarded-Proto": "https"})
    assert (answer.location or "").startswith("/login")


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
