"""What people see when something goes wrong: what happened, what it means for the money, what to do next."""

import pytest
from flask import Flask
from sqlalchemy.exc import OperationalError

from dashboard.web import access
from tests.bench.databases import on_sqlite
from tests.bench.refund_desk import RefundDesk
from tests.web.browser import Browser


def broken_view() -> str:
    raise ZeroDivisionError("a secret detail")


@pytest.fixture
def broken(app: Flask) -> Flask:
    """An app with a page that fails, answering as it does when it is not under test."""
    app.add_url_rule("/broken", "broken", access.any_role(broken_view))
    app.testing = False
    return app


ERRORS = (
    ("/no/such/page", 404, "Not found", "No money has moved."),
    ("/refunds/00000000-0000-4000-8000-00000000ffff", 404, "Not found", "No refund has this reference."),
    ("/sessions/ps_999", 404, "Not found", "Neither this desk nor the bank knows a session with this id."),
    ("/logout", 405, "This address does not take this kind of request", "No money has moved."),
    ("/refunds/rows?since=0&status=lost", 400, "This request cannot be used", "This filter cannot be used: status."),
)
NULL_IN_ADDRESS = (
    "/refunds/?q=%00",
    "/refunds/?session=%00",
    "/refunds/?operator=%00",
    "/refunds/%00",
    "/refunds/rows?since=0&q=%00",
    "/live?q=%00",
    "/sessions/?q=a%00b",
    "/sessions/?before=20260101000000000000-%00",
    "/sessions/ps_%00",
    "/sessions/ps_1%00/refund",
    "/sessions/ps_1%00/refund/left",
)


@on_sqlite
def test_an_error_is_told_in_words(operator: Browser) -> None:
    for path, status, title, money in ERRORS:
        page = operator.page(path, status)
        assert page.one("h1").text == title
        assert money in page.one("main").text
        assert page.one("a", href="/")
        assert bool(page.all("form", action="/find")) == (status == 404)


@on_sqlite
def test_a_wrong_method_says_which_ones_there_are(operator: Browser) -> None:
    assert set(operator.get("/logout").response.headers["Allow"].split(", ")) == {"OPTIONS", "POST"}


@on_sqlite
def test_a_defect_of_ours_tells_people_what_to_do_and_strangers_nothing(broken: Flask, operator: Browser) -> None:
    answer = operator.get("/broken")
    assert (answer.status, answer.page.one("h1").text) == (500, "Something went wrong here")
    assert "look at the history before you do it again" in answer.text
    assert "secret" not in answer.text
    assert "Content-Security-Policy" in answer.response.headers


@on_sqlite
def test_without_a_database_there_is_still_a_page(
    broken: Flask, operator: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OperationalError("SELECT 1", {}, Exception("a secret detail"))

    monkeypatch.setattr("dashboard.sign_ins.find", fail)
    answer = operator.get("/refunds/")
    assert (answer.status, answer.page.one("h1").text) == (503, "This desk cannot reach its database right now")
    assert "secret" not in answer.text
    assert operator.get("/healthz").status == 200, "who needs no sign-in is not looked up"


@on_sqlite
def test_a_form_as_large_as_nobody_types_is_refused(operator: Browser) -> None:
    answer = operator.post("/sessions/ps_1/refund", {"comment": "x" * 70_000})
    assert (answer.status, answer.page.one("h1").text) == (413, "Too much was sent at once")


def test_null_characters_in_an_address_are_refused(operator: Browser) -> None:
    for path in NULL_IN_ADDRESS:
        assert operator.get(path).status == 400, path


def test_null_characters_in_a_form_are_refused(operator: Browser, refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session()
    form = operator.page(f"/sessions/{session_id}/refund").form(f"/sessions/{session_id}/refund")
    fields = {**form.fields, "reason": "other", "confirm": "yes"}
    for name in ("comment", "form_token", "amount", "reason"):
        answer = operator.post(f"/sessions/{session_id}/refund", {**fields, name: f"{fields[name]}\0"})
        assert answer.status == 400, name
    assert refund_desk.refunds(session_id) == []


def test_null_characters_at_the_sign_in_are_refused(client: Browser) -> None:
    assert client.sign_in("a\0@desk.test", "password").status == 400
