"""One's own second factors: adding, looking, taking away."""

import json

import pytest
from flask import Flask
from sqlalchemy import func, select

from dashboard import passkeys
from dashboard.config import Config
from dashboard.models import AuthenticatorApp, Passkey, RecoveryCode
from tests.bench.authenticator import Authenticator
from tests.bench.databases import on_sqlite
from tests.bench.refund_desk import PASSWORD, RefundDesk
from tests.web.browser import Browser
from tests.web.conftest import Auth
from tests.web.second_factors import add_app, add_passkey, begin, codes_on, finish

OPERATOR = "operator@desk.test"


@pytest.fixture
def environ(environ: dict[str, str]) -> dict[str, str]:
    return {**environ, "DASHBOARD_PUBLIC_URL": "http://localhost:8131"}


def told(refund_desk: RefundDesk) -> list[tuple[str, str, dict[str, object]]]:
    entries = [entry for entry in refund_desk.journal() if entry.action.startswith("factor:")]
    return [(entry.actor, entry.action, json.loads(entry.data)) for entry in entries]


def count(refund_desk: RefundDesk, table: type) -> int:
    with refund_desk.desk.read() as session:
        return int(session.execute(select(func.count()).select_from(table)).scalar_one())


@on_sqlite
def test_who_has_none_is_told_so_and_finds_both_ways(viewer: Browser) -> None:
    page = viewer.page("/factors/")
    assert page.notices[0].startswith("You sign in with the password alone.")
    for way in ("app", "passkeys"):
        answer = viewer.post(f"/factors/{way}/new")
        assert (answer.status, answer.location) == (303, f"/factors/{way}/new")
        assert viewer.get(f"/factors/{way}/new").status == 200
    assert viewer.page("/account/").all("a", href="/factors/")


def test_the_first_one_brings_ten_codes_that_are_shown_once(operator: Browser, refund_desk: RefundDesk) -> None:
    added = add_app(operator, refund_desk.clock)
    assert len(set(added.codes)) == 10
    page = operator.page("/factors/")
    assert "10 of 10 left" in page.one("main").text
    assert not any(code in operator.get("/factors/").text for code in added.codes)
    assert told(refund_desk) == [
        (OPERATOR, "factor:app_added", {}),
        (OPERATOR, "factor:codes_made", {"number": 10}),
    ]
    assert add_passkey(operator, Authenticator()).location == "/factors/", "a second one brings none"
    assert count(refund_desk, RecoveryCode) == 10


@on_sqlite
def test_the_picture_and_the_text_say_the_same_secret(operator: Browser) -> None:
    page = operator.page("/factors/app/new")
    assert len(page.one(data_secret=True).text.replace(" ", "")) == 32
    picture = page.one("img", class_="qr")
    assert picture["src"].startswith("data:image/svg+xml")
    assert picture["alt"]
    assert "style" not in picture.attributes


@on_sqlite
def test_a_wrong_first_code_keeps_the_secret(operator: Browser, refund_desk: RefundDesk) -> None:
    page = operator.page("/factors/app/new")
    secret, fields = page.one(data_secret=True).text, page.form("/factors/app").fields
    wrong = "This is not the code that the app shows now."
    for code, error in (("000000", wrong), ("", "Type the code."), ("１２３４５６", wrong), ("ж" * 6, wrong)):
        answer = operator.post("/factors/app", {**fields, "code": code})
        assert answer.status == 422
        assert answer.page.field_errors[0].startswith(error)
        assert answer.page.one(data_secret=True).text == secret
        assert answer.page.form("/factors/app").fields["sealed"] == fields["sealed"]
    assert count(refund_desk, AuthenticatorApp) == 0


@on_sqlite
@pytest.mark.parametrize("sealed", ["", "rubbish", "\u00e4", "QUJD" * 30])
def test_a_secret_that_was_not_shown_to_this_person_is_none(
    operator: Browser, auth: Auth, refund_desk: RefundDesk, sealed: str
) -> None:
    answer = operator.post("/factors/app", {"sealed": sealed, "code": "123456"})
    assert answer.status in {303, 422}
    other = auth.login("viewer").page("/factors/app/new").form("/factors/app").fields["sealed"]
    assert operator.post("/factors/app", {"sealed": other, "code": "123456"}).location == "/factors/"
    assert count(refund_desk, AuthenticatorApp) == 0


@on_sqlite
def test_a_second_app_is_not_added(operator: Browser, refund_desk: RefundDesk) -> None:
    page = operator.page("/factors/app/new")
    first = add_app(operator, refund_desk.clock)
    fields = page.form("/factors/app").fields
    secret = page.one(data_secret=True).text.replace(" ", "")
    code = type(first.app)(secret, refund_desk.clock).code()
    assert operator.post("/factors/app", {**fields, "code": code}).location == "/factors/"
    assert operator.page("/factors/").notices == ["It is there already: nothing was added."]


def test_several_passkeys_with_names_and_when_they_were_used(operator: Browser, refund_desk: RefundDesk) -> None:
    for name in ("Laptop", "Phone", "  "):
        assert add_passkey(operator, Authenticator(), name).status in {200, 303}
    page = operator.page("/factors/")
    assert [one["data-passkey-name"] for one in page.all("li", data_passkey_name=True)] == [
        "Laptop",
        "Phone",
        "Passkey",
    ]
    assert "last used 1 Mar 09:00" in page.one("li", data_passkey_name="Phone").text
    names = [data.get("name") for _, action, data in told(refund_desk) if action == "factor:passkey_added"]
    assert names == ["Laptop", "Phone", "Passkey"]


@on_sqlite
def test_a_passkey_is_added_once_and_at_this_desk_alone(operator: Browser, auth: Auth, refund_desk: RefundDesk) -> None:
    device = Authenticator()
    add_passkey(operator, device)
    assert add_passkey(operator, device).page.notices == ["It is there already: nothing was added."]
    assert add_passkey(auth.login("viewer"), device).status == 422, "nor by anybody else"
    assert add_passkey(operator, Authenticator("https://evil.test")).status == 422
    assert count(refund_desk, Passkey) == 1


@on_sqlite
def test_the_question_for_a_passkey_holds_for_five_minutes_and_one_person(
    operator: Browser, auth: Auth, refund_desk: RefundDesk
) -> None:
    form = operator.page("/factors/passkeys/new").form("/factors/passkeys")
    fields = {**form.fields, "name": "x", "answer": Authenticator().make(form["data-options"])}
    del fields["csrf_token"]
    assert auth.login("viewer").post("/factors/passkeys", fields).status == 422
    refund_desk.clock.advance(minutes=5)
    fields["proof_password"] = PASSWORD
    answer = operator.post("/factors/passkeys", fields)
    assert (answer.status, answer.page.notices) == (422, ["This page had waited too long. Begin anew."])
    assert count(refund_desk, Passkey) == 0


@on_sqlite
def test_one_can_have_twenty_passkeys(operator: Browser, refund_desk: RefundDesk) -> None:
    for _ in range(20):
        add_passkey(operator, Authenticator())
    assert add_passkey(operator, Authenticator()).status == 422
    assert count(refund_desk, Passkey) == 20


# Taking away


def test_removing_needs_a_fresh_proof(operator: Browser, refund_desk: RefundDesk) -> None:
    added = add_app(operator, refund_desk.clock)
    refund_desk.clock.advance(minutes=5)
    answer = operator.post("/factors/app/remove")
    assert answer.status == 200
    assert "You are removing your authenticator app." in answer.page.one("main").text
    assert count(refund_desk, AuthenticatorApp) == 1
    assert operator.post("/factors/app/remove", {"proof_code": "000000"}).status == 422
    assert operator.post("/factors/app/remove", {"proof_password": PASSWORD}).status == 422, "no longer enough"
    assert count(refund_desk, AuthenticatorApp) == 1
    assert operator.post("/factors/app/remove", {"proof_code": added.app.code()}).location == "/factors/"
    assert count(refund_desk, AuthenticatorApp) == count(refund_desk, RecoveryCode) == 0


def test_with_the_last_one_the_codes_go_and_the_password_is_enough(
    operator: Browser, client: Browser, refund_desk: RefundDesk
) -> None:
    add_app(operator, refund_desk.clock)
    add_passkey(operator, Authenticator(), "Phone")
    operator.post("/factors/app/remove")
    assert count(refund_desk, RecoveryCode) == 10
    [passkey] = operator.page("/factors/").all("li", data_passkey_name="Phone")
    address = passkey.one("form")["action"]
    assert operator.post(address).location == "/factors/"
    assert count(refund_desk, RecoveryCode) == 0
    assert [action for _, action, _ in told(refund_desk)][-2:] == ["factor:app_removed", "factor:passkey_removed"]
    assert operator.post("/factors/app/remove").location == "/factors/"
    said = ["It is removed.", "It was so already: nothing was changed."]
    assert operator.page("/factors/").notices[:2] == said
    assert operator.post(address).status == 404
    assert client.sign_in(OPERATOR, PASSWORD).location == "/"


@on_sqlite
def test_nobody_removes_somebody_elses(operator: Browser, auth: Auth, refund_desk: RefundDesk) -> None:
    add_passkey(operator, Authenticator())
    with refund_desk.desk.read() as session:
        [passkey_id] = session.scalars(select(Passkey.id))
    assert auth.login("admin").post(f"/factors/passkeys/{passkey_id}/remove").status == 404
    assert count(refund_desk, Passkey) == 1


def test_new_codes_put_an_end_to_the_old(
    operator: Browser, client: Browser, app: Flask, refund_desk: RefundDesk
) -> None:
    added = add_app(operator, refund_desk.clock)
    new = codes_on(operator.post("/factors/codes"))
    assert len(new) == 10
    assert not set(new) & set(added.codes)
    begin(client, OPERATOR)
    assert finish(client, added.codes[0]).status == 422
    assert finish(client, new[0]).status == 303
    assert "9 of 10 left" in operator.page("/factors/").one("main").text


@on_sqlite
def test_codes_come_with_a_factor(operator: Browser, refund_desk: RefundDesk) -> None:
    assert operator.post("/factors/codes").location == "/factors/"
    assert count(refund_desk, RecoveryCode) == 0


# Whom passkeys are made for


@on_sqlite
@pytest.mark.parametrize(
    ("public_url", "party"),
    [
        ("https://refunds.example.com", ("refunds.example.com", "https://refunds.example.com")),
        ("https://refunds.example.com:8443/", ("refunds.example.com", "https://refunds.example.com:8443")),
        ("https://refunds.example.com:443", ("refunds.example.com", "https://refunds.example.com")),
        ("https://Refunds.Example.com", ("refunds.example.com", "https://refunds.example.com")),
        ("http://localhost:8131", ("localhost", "http://localhost:8131")),
        ("http://127.0.0.1:8131", None),
        ("https://[::1]:8131", None),
        ("http://refunds.example.com", None),
    ],
)
def test_passkeys_are_made_for_the_public_address(config: Config, public_url: str, party: object) -> None:
    changed = type(config)(**{**vars(config), "public_url": public_url})
    found = passkeys.relying_party(changed)
    assert (found and (found.id, found.origin)) == party


class TestWhereBrowsersMakeNone:
    @pytest.fixture
    def environ(self, environ: dict[str, str]) -> dict[str, str]:
        return {**environ, "DASHBOARD_PUBLIC_URL": "http://127.0.0.1:8131"}

    @on_sqlite
    def test_the_page_says_so(self, operator: Browser) -> None:
        page = operator.page("/factors/")
        assert not page.all("form", action="/factors/passkeys/new")
        assert "Passkeys are not to be had here" in page.one("main").text
        page = operator.page("/factors/passkeys/new")
        assert not page.all("form", action="/factors/passkeys")
        assert "http://127.0.0.1:8131" in page.notices[0]
        assert operator.post("/factors/passkeys", {"challenge": "x", "answer": "{}"}).status == 422


# Demanded


@pytest.fixture
def demanded(environ: dict[str, str]) -> None:
    """Ask for it before the app."""
    environ["DASHBOARD_REQUIRE_FACTORS"] = "yes"


@pytest.mark.usefixtures("demanded")
def test_where_it_is_demanded_nothing_else_can_be_done_without_one(operator: Browser, refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    for path in ("/", "/refunds/", f"/sessions/{session_id}/refund"):
        assert operator.get(path).location == "/factors/"
    assert operator.post(f"/sessions/{session_id}/refund", {"kind": "full", "confirm": "yes"}).status == 403
    assert operator.get("/live").status == 403
    assert operator.page("/factors/").notices[0].startswith("This desk demands a second factor")
    add_app(operator, refund_desk.clock)
    assert operator.get("/refunds/").status == 200
    assert operator.get(f"/sessions/{session_id}/refund").status == 200


@on_sqlite
@pytest.mark.usefixtures("demanded")
def test_one_can_always_leave(operator: Browser) -> None:
    assert operator.post("/logout").location == "/login"
