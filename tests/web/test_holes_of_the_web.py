"""The usual holes of the web, one by one: forged hosts and addresses, other methods, doubled fields, files, JSON."""

import re
from io import BytesIO

import pytest
from flask import Flask

from dashboard import guessing
from dashboard.web import access
from tests.bench.databases import on_sqlite
from tests.bench.refund_desk import PASSWORD, RefundDesk
from tests.web import test_url_map
from tests.web.browser import Browser
from tests.web.conftest import Auth
from tests.web.tables import dump
from tests.web.test_url_map import Target

pytestmark = on_sqlite
targets = test_url_map.targets

PUBLIC_HOST = "refunds.example.com"
FORGED = "evil.test"


# Under which name


@pytest.fixture
def public(environ: dict[str, str]) -> None:
    """The desk has a public address. Ask for it before the app."""
    environ["DASHBOARD_PUBLIC_URL"] = f"https://{PUBLIC_HOST}/"


@pytest.fixture
def proxied(environ: dict[str, str]) -> None:
    """Two reverse proxies stand in front. Ask for it before the app."""
    environ["DASHBOARD_PROXY_HOPS"] = "2"


def asked_as(browser: Browser, path: str, host: str, **headers: str) -> tuple[int, str]:
    """The status of an answer, and all of it as text."""
    answer = browser.get(path, environ_overrides={"HTTP_HOST": host}, headers=headers)
    whole = (answer.status, f"{answer.text} {answer.response.headers}")
    answer.response.close()
    return whole


def test_the_desk_answers_under_its_own_name_and_those_of_this_machine(public: None, client: Browser) -> None:
    for host in (PUBLIC_HOST, f"{PUBLIC_HOST}:8443", "localhost:8131", "127.0.0.1", "[::1]:8131", PUBLIC_HOST.upper()):
        assert asked_as(client, "/login", host)[0] == 200, host


def test_under_another_name_it_answers_nothing_and_does_not_repeat_it(public: None, client: Browser) -> None:
    others = (FORGED, f"{PUBLIC_HOST}.evil.test", f"evil.test.{PUBLIC_HOST}", "127.0.0.1.evil.test", "10.0.0.1", "")
    for host in others:
        for path in ("/login", "/", "/refunds", "/nowhere", "/static/app.css", "/live"):
            status, whole = asked_as(client, path, host or "x")
            assert (status, FORGED in whole) == (400, False), (host, path)


def test_machines_may_use_any_name_and_are_told_nothing_of_it(
    public: None, client: Browser, refund_desk: RefundDesk
) -> None:
    for path, status in (("/healthz", 200), ("/readyz", 503)):
        answers = [asked_as(client, path, host) for host in (f"{FORGED}:8131", PUBLIC_HOST)]
        forged, own = (re.sub("X-Request-Id: [0-9a-f]+", "", whole) for _, whole in answers)
        assert (answers[0][0], forged) == (status, own)
    answer = client.post("/webhooks/bank131", csrf=False, environ_overrides={"HTTP_HOST": FORGED})
    assert (answer.status, FORGED in answer.text) == (401, False)


def test_a_name_in_the_header_of_a_proxy_counts_only_with_a_proxy(client: Browser) -> None:
    for header in ("X-Forwarded-Host", "X-Host", "Forwarded", "X-Original-Url", "X-Rewrite-Url", "X-Forwarded-Prefix"):
        status, whole = asked_as(client, "/login", "localhost", **{header: FORGED})
        assert (status, FORGED in whole) == (200, False), header


def test_the_name_that_the_nearest_proxies_were_asked_for_counts(public: None, proxied: None, client: Browser) -> None:
    for given, status in (
        (f"{FORGED}, {PUBLIC_HOST}, inner.test", 200),
        (f"{PUBLIC_HOST}, {FORGED}, inner.test", 400),
    ):
        assert asked_as(client, "/login", "127.0.0.1", **{"X-Forwarded-Host": given})[0] == status


# From which address


def attempt(client: Browser, number: int, forwarded_for: str) -> int:
    """A sign-in that must fail, each time to another account."""
    headers = {"X-Forwarded-For": forwarded_for}
    return client.post("/login", {"email": f"{number}@desk.test", "password": "wrong"}, headers=headers).status


@pytest.fixture
def strict(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guessing, "ADDRESS_FAILURES", 3)


def test_without_a_proxy_nobody_chooses_an_address(strict: None, client: Browser) -> None:
    assert [attempt(client, number, f"192.0.2.{number}") for number in range(4)] == [422, 422, 422, 429]


def test_more_hops_than_believed_give_nobody_another_address(strict: None, proxied: None, client: Browser) -> None:
    """What is left of the addresses that our own proxies wrote is the client's to invent."""
    tries = [attempt(client, number, f"192.0.2.{number}, 203.0.113.7, 10.0.0.2") for number in range(4)]
    assert tries == [422, 422, 422, 429]
    assert attempt(client, 5, "192.0.2.5, 203.0.113.8, 10.0.0.2") == 422, "another client"


def test_fewer_hops_than_believed_leave_the_address_of_the_connection(
    strict: None, proxied: None, client: Browser
) -> None:
    """Somebody who goes round one of the proxies."""
    assert [attempt(client, number, f"192.0.2.{number}") for number in range(4)] == [422, 422, 422, 429]


# By which method


@pytest.mark.parametrize("method", ["TRACE", "TRACK", "CONNECT", "PROPFIND", "DEBUG"])
def test_methods_that_no_page_has_are_refused(operator: Browser, refund_desk: RefundDesk, method: str) -> None:
    session_id, before = refund_desk.paid_session(), dump(refund_desk.desk)
    for path in ("/", "/login", "/refunds/", f"/sessions/{session_id}/refund", "/logout", "/webhooks/bank131"):
        answer = operator.ask(method, path, environ_overrides={"REQUEST_METHOD": method}, headers={"X-Token": "echo?"})
        assert answer.status == 405, path
        assert "echo?" not in answer.text
    assert dump(refund_desk.desk) == before


def test_no_header_or_field_makes_one_method_into_another(operator: Browser, refund_desk: RefundDesk) -> None:
    for name in ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"):
        assert operator.get("/logout", headers={name: "POST"}).status == 405
    assert operator.get("/logout?_method=POST").status == 405
    assert operator.get("/refunds/").status == 200, "still signed in"


# In what form


def refund_form(browser: Browser, refund_desk: RefundDesk) -> tuple[str, dict[str, str]]:
    """The address of a refund form, and its fields filled in so that they would make a refund."""
    path = f"/sessions/{refund_desk.paid_session()}/refund"
    fields = {**browser.page(path).form(path).fields, "kind": "partial", "amount": "1.00", "reason": "other"}
    return path, {**fields, "confirm": "yes"}


@pytest.mark.parametrize("doubled", ["amount", "kind", "reason", "confirm", "form_token", "csrf_token"])
def test_a_field_that_comes_twice_is_refused(operator: Browser, refund_desk: RefundDesk, doubled: str) -> None:
    """Whoever looks at the first of them and whoever looks at the last would see two refunds."""
    path, fields = refund_form(operator, refund_desk)
    twice = {**fields, doubled: [fields[doubled], "50.00"]}
    assert operator.ask("POST", path, data=twice).status == 400
    assert refund_desk.refunds(path.split("/")[2]) == []
    assert operator.post(path, fields).status == 303


def test_what_stands_in_the_address_is_no_field_of_a_form(operator: Browser, refund_desk: RefundDesk) -> None:
    path, fields = refund_form(operator, refund_desk)
    confirm = fields.pop("confirm")
    assert operator.post(f"{path}?confirm={confirm}&amount=50.00", fields).status == 200, "only shown to be confirmed"
    assert refund_desk.refunds(path.split("/")[2]) == []
    token = fields.pop("csrf_token")
    assert operator.post(f"{path}?csrf_token={token}", {**fields, "confirm": confirm}, csrf=False).status == 400


def test_json_is_no_form(operator: Browser, refund_desk: RefundDesk) -> None:
    path, fields = refund_form(operator, refund_desk)
    token = {"X-CSRFToken": fields["csrf_token"]}
    for kind in ("application/json", "text/plain", "application/xml", "application/x-www-form-urlencoded-not"):
        answer = operator.ask("POST", path, json=fields, headers={**token, "Content-Type": kind})
        assert answer.status == 415, kind
    assert refund_desk.refunds(path.split("/")[2]) == []


def test_no_page_takes_files(targets: list[Target], auth: Auth, refund_desk: RefundDesk) -> None:
    admin, before = auth.login("admin"), dump(refund_desk.desk)
    pages = [target for target in targets if target.method == "POST" and target.is_routed]
    for target in pages:
        sent = {"csrf_token": admin.csrf_token(), "comment": (BytesIO(b"MZ"), "comment.exe")}
        status = admin.ask("POST", target.path, data=sent, content_type="multipart/form-data").status
        assert status == (401 if target.endpoint == "webhooks.receive" else 415), target
    assert len(pages) > 8
    assert dump(refund_desk.desk) == before


@pytest.mark.parametrize("is_chunked", [False, True])
def test_a_body_larger_than_any_form_is_refused(operator: Browser, refund_desk: RefundDesk, is_chunked: bool) -> None:
    path, fields = refund_form(operator, refund_desk)
    body = "&".join(f"{name}={value}" for name, value in fields.items()).encode()
    for size, status in ((64 * 1024 + 1, 413), (len(body), 303)):
        sent = body if size == len(body) else (body + b"&filler=").ljust(size, b"x")
        options = {"data": sent, "content_type": "application/x-www-form-urlencoded"}
        if is_chunked:
            raw = {"wsgi.input": BytesIO(sent), "wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"}
            options = {"environ_overrides": raw, "content_type": "application/x-www-form-urlencoded"}
        assert operator.ask("POST", path, **options).status == status


def test_a_folder_is_no_page(client: Browser, operator: Browser) -> None:
    for path in ("/static/", "/static", "/bootstrap/static/css/", "/static/../dashboard/app.py", "/.git/config"):
        for browser in (client, operator):
            answer = browser.get(path)
            assert answer.status in {302, 308, 404}, path
            assert answer.status == 404 or (answer.location or "").startswith(("/login", "/static/")), path


A_LINE = "x\n2026-01-01 00:00:00,000 INFO dashboard.people admin signed in\x1b[2J"


def test_what_a_stranger_says_makes_no_line_of_the_log(client: Browser, caplog: pytest.LogCaptureFixture) -> None:
    for host in (f"evil.test{A_LINE}", "evil.test\x85\x1b[2J", "evil.test"):
        client.get("/login", environ_overrides={"HTTP_HOST": host})
    client.post("/webhooks/bank131", csrf=False, headers={"X-PARTNER-SIGN": A_LINE.replace("\n", " ")})
    client.post("/", csrf=False, environ_overrides={"PATH_INFO": f"/refunds/{A_LINE}/cancel"})
    lines = [record.getMessage() for record in caplog.records]
    assert any(line.startswith("a form without a good token") for line in lines), lines
    assert all(line.isprintable() for line in lines), lines


def test_a_defect_is_told_in_a_line_of_its_own(app: Flask, client: Browser, caplog: pytest.LogCaptureFixture) -> None:
    app.testing = False
    app.add_url_rule("/broken/<what>", "broken", access.public(lambda what: 1 / 0))
    answer = client.get("/", environ_overrides={"PATH_INFO": f"/broken/{A_LINE}"})
    [record] = caplog.records
    assert (answer.status, record.exc_info is not None, record.getMessage().isprintable()) == (500, True, True)


def test_who_tries_what_they_may_not_is_in_the_log(
    viewer: Browser, refund_desk: RefundDesk, caplog: pytest.LogCaptureFixture
) -> None:
    path = f"/sessions/{refund_desk.paid_session()}/refund"
    assert viewer.post(path, {"kind": "full"}).status == 403
    assert viewer.post("/logout", csrf=False).status == 400
    assert [record.getMessage() for record in caplog.records] == [
        f"viewer@desk.test may not POST {path}",
        "a form without a good token from 127.0.0.1 for /logout",
    ]


# Where it leads

ELSEWHERE = (
    "//evil.test", "/\\evil.test", "\\\\evil.test", "/%2F/evil.test", "/%5Cevil.test", "/\t/evil.test",
    "/%09/evil.test", "https:evil.test", "///evil.test", "/\u2028/evil.test", "/.//evil.test", "javascript:alert(1)",
    "/login?next=//evil.test", "/@evil.test", "/%2e%2e//evil.test", "/\r\nLocation: https://evil.test",
)  # fmt: skip


@pytest.mark.parametrize("target", ELSEWHERE)
def test_signing_in_never_leads_to_another_host(app: Flask, client: Browser, auth: Auth, target: str) -> None:
    form = client.get("/login", query_string={"next": target}).page.form("/login")
    answer = client.post("/login", {**form.fields, "email": auth.person().email, "password": PASSWORD})
    assert leads_within(answer.location)
    assert leads_within(client.get("/login", query_string={"next": target}).location)
    assert "evil.test" not in answer.response.headers.get("Refresh", "")


def leads_within(location: str | None) -> bool:
    """As a browser reads it: it drops tabs and line breaks, and takes a backslash for a slash."""
    assert location is not None
    read = "".join(one for one in location if one not in "\t\r\n").replace("\\", "/")
    return read.startswith("/") and not read.startswith("//") and location.isprintable()
