"""Signing in."""

import json
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import func, select

from dashboard import guessing, people
from dashboard.models import Guess, SignIn
from dashboard.web.access import safe_target
from tests.bench.databases import on_sqlite
from tests.bench.refund_desk import PASSWORD, RefundDesk
from tests.web.browser import Browser
from tests.web.conftest import Auth

WRONG = "The e-mail address or the password is not right."
FOREIGN = (
    "https://evil.test/",
    "//evil.test/",
    "///evil.test/",
    "/\\evil.test/",
    "\\\\evil.test/",
    "/\t/evil.test/",
    "/\n/evil.test/",
    "/\x00/evil.test/",
    "javascript:alert(1)",
    "evil.test",
    " /refunds/",
    "http:refunds",
)


@on_sqlite
def test_the_page_asks_for_address_and_password(client: Browser) -> None:
    form = client.page("/login").form("/login")
    assert set(form.fields) == {"csrf_token", "next", "email", "password"}
    assert form.one("input", name="email")["autocomplete"] == "username"
    assert form.one("input", name="password")["type"] == "password"


def test_signing_in_leads_to_the_overview(client: Browser, auth: Auth) -> None:
    answer = client.sign_in(auth.person().email, PASSWORD)
    assert (answer.status, answer.location) == (303, "/")
    assert "operator@desk.test" in client.page("/").form("/logout").text


def test_the_address_is_taken_in_any_case_and_with_spaces_around(client: Browser, auth: Auth) -> None:
    auth.person()
    assert client.sign_in("  Operator@DESK.test ", PASSWORD).status == 303


@on_sqlite
def test_it_leads_back_to_the_page_that_was_asked_for(client: Browser, auth: Auth) -> None:
    asked_for = "/refunds/?session=ps_1&status=accepted"
    to_login = client.get(asked_for).location or ""
    form = client.page(to_login).form("/login")
    answer = client.post("/login", {**form.fields, "email": auth.person().email, "password": PASSWORD})
    assert (answer.status, answer.location) == (303, asked_for)


@on_sqlite
def test_a_refund_form_sent_while_signed_out_leads_back_to_it(client: Browser) -> None:
    answer = client.post("/sessions/ps_1/refund", {"kind": "full"})
    assert answer.location == "/login?next=/sessions/ps_1/refund"
    unsent = "You were signed out before this was sent: nothing was sent or changed."
    assert unsent in client.page(answer.location).notices
    client.post("/logout")
    client.get("/refunds/")
    assert client.page("/login").notices == []


@on_sqlite
def test_who_is_signed_in_already_is_sent_on(operator: Browser) -> None:
    assert operator.get("/login").location == "/"
    assert operator.get("/login?next=/journal/").location == "/journal/"


def test_no_target_leads_out_of_the_app() -> None:
    assert [target for target in FOREIGN if safe_target(target) is not None] == []


@on_sqlite
@pytest.mark.parametrize("target", ["//evil.test/", "https://evil.test/", "/\\evil.test"])
def test_a_foreign_target_leads_to_the_overview(client: Browser, auth: Auth, target: str) -> None:
    form = client.get("/login", query_string={"next": target}).page.form("/login")
    answer = client.post("/login", {**form.fields, "email": auth.person().email, "password": PASSWORD})
    assert (answer.status, answer.location) == (303, "/")
    assert client.get("/login", query_string={"next": target}).location == "/"


@pytest.mark.parametrize(
    ("email", "password"),
    [
        ("operator@desk.test", "not the password"),
        ("nobody@desk.test", PASSWORD),
        ("operator@desk.test", PASSWORD + " "),
    ],
)
def test_wrong_ones_get_one_and_the_same_answer(client: Browser, auth: Auth, email: str, password: str) -> None:
    auth.person()
    answer = client.sign_in(email, password, "/journal/")
    assert answer.status == 422
    assert answer.page.notices == [WRONG]
    assert answer.page.form("/login").fields["email"] == email, "what was typed is kept"
    assert answer.page.form("/login").fields["next"] == "/journal/"
    assert password not in answer.text
    assert (client.get("/").location or "").startswith("/login")


@on_sqlite
def test_what_is_missing_or_too_long_is_said_at_its_field(client: Browser, auth: Auth) -> None:
    auth.person()
    for email, password, error in (
        ("", PASSWORD, "Type your e-mail address."),
        ("operator@desk.test", "", "Type your password."),
        ("a" * 300, PASSWORD, "At most 254 characters."),
        ("operator@desk.test", "p" * 1001, "At most 1000 characters."),
    ):
        answer = client.sign_in(email, password)
        assert (answer.status, answer.page.field_errors) == (422, [error])


def test_a_disabled_account_signs_in_no_more_and_its_pages_are_closed(
    operator: Browser, client: Browser, refund_desk: RefundDesk
) -> None:
    with refund_desk.desk.write() as tx:
        found = people.find(tx, "operator@desk.test")
        assert found is not None
        found.disabled_at = refund_desk.clock.now()
    assert (operator.get("/").location or "").startswith("/login")
    assert client.sign_in("operator@desk.test", PASSWORD).page.notices == [WRONG]


def test_another_password_ends_every_sign_in(operator: Browser, refund_desk: RefundDesk) -> None:
    people.set_password(refund_desk.desk, "operator@desk.test", "another password", actor="test")
    assert (operator.get("/").location or "").startswith("/login")


@on_sqlite
def test_whatever_somebody_does_a_sign_in_ends_after_twelve_hours(operator: Browser, refund_desk: RefundDesk) -> None:
    for _ in range(12 * 6 - 1):
        refund_desk.clock.advance(minutes=10)
        assert operator.get("/journal/").status == 200
    refund_desk.clock.advance(minutes=9)
    assert operator.get("/").status == 200
    refund_desk.clock.advance(minutes=1)
    assert (operator.get("/").location or "").startswith("/login")


@on_sqlite
def test_only_a_digest_of_the_token_is_kept(operator: Browser, refund_desk: RefundDesk) -> None:
    with operator.client.session_transaction() as cookie:
        token = cookie["_user_id"]
    with refund_desk.desk.read() as session:
        kept = session.scalars(select(SignIn.token_digest)).one()
    assert token not in kept
    assert len(kept) == 64


def test_signing_in_again_in_the_same_browser_ends_the_sign_in_before(
    operator: Browser, auth: Auth, refund_desk: RefundDesk
) -> None:
    assert operator.sign_in(auth.person("viewer").email, PASSWORD).status == 303
    assert "viewer@desk.test" in operator.page("/").form("/logout").text
    with refund_desk.desk.read() as session:
        open_ones = select(func.count()).where(SignIn.ended_at.is_(None))
        assert session.execute(open_ones).scalar_one() == 1


# Too many attempts


def test_after_ten_wrong_passwords_an_account_has_to_wait(client: Browser, auth: Auth, refund_desk: RefundDesk) -> None:
    email = auth.person().email
    for _ in range(10):
        assert client.sign_in(email, "wrong password").status == 422
    answer = client.sign_in(email, PASSWORD)
    assert answer.status == 429, "not even with the right one"
    assert answer.page.notices == ["Too many attempts. Try again in 5 minutes."]
    assert 0 < int(answer.response.headers["Retry-After"]) <= 301
    assert client.sign_in(auth.person("viewer").email, PASSWORD).status == 303, "others are not held up"

    refund_desk.clock.advance(minutes=5)
    assert Browser(client.client.application).sign_in(email, PASSWORD).status == 303


@on_sqlite
def test_the_journal_is_not_flooded_by_attempts_over_the_limit(client: Browser, refund_desk: RefundDesk) -> None:
    for _ in range(15):
        client.sign_in("nobody@desk.test", "wrong password")
    assert [entry.action for entry in refund_desk.journal()].count("login:failed") == 10


@on_sqlite
def test_the_limit_holds_whatever_the_spelling_of_the_address(client: Browser, refund_desk: RefundDesk) -> None:
    for number in range(10):
        client.sign_in("Nobody@desk.test" if number % 2 else " nobody@DESK.test", "wrong password")
    assert client.sign_in("nobody@desk.test", "wrong password").status == 429


def test_a_right_password_forgives_the_wrong_ones(client: Browser, auth: Auth) -> None:
    email = auth.person().email
    for _ in range(9):
        client.sign_in(email, "wrong password")
    assert client.sign_in(email, PASSWORD).status == 303
    for _ in range(9):
        assert Browser(client.client.application).sign_in(email, "wrong password").status == 422


@on_sqlite
def test_one_address_cannot_try_many_accounts(client: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guessing, "ADDRESS_FAILURES", 3)
    for number in range(3):
        assert client.sign_in(f"{number}@desk.test", "wrong password").status == 422
    assert client.sign_in("4@desk.test", "wrong password").status == 429
    other = client.post(
        "/login", {"email": "5@desk.test", "password": "wrong"}, environ_overrides={"REMOTE_ADDR": "192.0.2.7"}
    )
    assert other.status == 422


def test_nobody_is_shut_out_of_a_browser_that_is_known(client: Browser, auth: Auth, app: Flask) -> None:
    email = auth.person().email
    assert client.sign_in(email, PASSWORD).status == 303
    client.sign_out()
    cookie = client.client.get_cookie("refund_desk_known")
    assert cookie is not None
    assert (cookie.http_only, cookie.same_site, cookie.max_age) == (True, "Lax", 365 * 24 * 60 * 60)
    for _ in range(10):
        assert Browser(app).sign_in(email, "wrong password").status == 422
    assert Browser(app).sign_in(email, PASSWORD).status == 429
    assert client.sign_in(email, PASSWORD).status == 303
    client.sign_out()
    for _ in range(10):
        assert client.sign_in(email, "wrong password").status == 422
    assert client.sign_in(email, PASSWORD).status == 429, "it has a limit of its own"
    assert client.sign_in(auth.person("viewer").email, "wrong password").status == 422, "and is known for one account"


@on_sqlite
def test_success_takes_no_place_from_others_at_the_same_address(
    auth: Auth, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guessing, "ADDRESS_FAILURES", 3)
    for number in range(5):
        assert Browser(app).sign_in(auth.person("viewer", f"{number}@desk.test").email, PASSWORD).status == 303
    for _ in range(3):
        assert Browser(app).sign_in("nobody@desk.test", "wrong password").status == 422
    assert Browser(app).sign_in("nobody@desk.test", "wrong password").status == 429


def test_old_failures_are_forgotten(client: Browser, refund_desk: RefundDesk) -> None:
    client.sign_in("somebody@desk.test", "wrong password")
    refund_desk.clock.advance_to(refund_desk.clock.now() + timedelta(minutes=6))
    client.sign_in("nobody@desk.test", "wrong password")
    with refund_desk.desk.read() as session:
        kept = set(session.scalars(select(Guess.bucket)))
    assert kept == {"password:account:nobody@desk.test", "password:address:127.0.0.1"}


# The record


def test_success_and_failure_are_on_record(client: Browser, auth: Auth, refund_desk: RefundDesk) -> None:
    person = auth.person()
    client.sign_in(person.email, "wrong password")
    client.sign_in("nobody@desk.test", "wrong password")
    client.sign_in("My-Secret-Passw0rd!", "operator@desk.test")
    client.sign_in("4111111111111111@desk.test", "wrong password")
    client.sign_in(person.email, PASSWORD)
    told = [(entry.actor, entry.action, entry.subject, json.loads(entry.data)) for entry in refund_desk.journal()]
    assert told == [
        ("nobody", "login:failed", f"person:{person.id}", {"email": person.email, "address": "127.0.0.1"}),
        ("nobody", "login:failed", "person:unknown", {"email": "nobody@desk.test", "address": "127.0.0.1"}),
        ("nobody", "login:failed", "person:unknown", {"email": "", "address": "127.0.0.1"}),
        ("nobody", "login:failed", "person:unknown", {"email": "•••• 1111@desk.test", "address": "127.0.0.1"}),
        (person.email, "login:succeeded", f"person:{person.id}", {"address": "127.0.0.1"}),
    ]


@on_sqlite
def test_no_password_is_kept_or_recorded(client: Browser, auth: Auth, refund_desk: RefundDesk) -> None:
    client.sign_in(auth.person().email, "a secret that was mistyped")
    client.sign_in(auth.person().email, PASSWORD)
    texts = " ".join(f"{entry.data} {entry.actor}" for entry in refund_desk.journal())
    assert "mistyped" not in texts
    assert PASSWORD not in texts


@on_sqlite
def test_an_account_made_on_the_command_line_signs_in(client: Browser, app: Flask, refund_desk: RefundDesk) -> None:
    people.add(refund_desk.desk, "New@Desk.test", "operator", "a long password", actor="test")
    assert client.sign_in("new@desk.test", "a long password").status == 303
