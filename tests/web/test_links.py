"""Links that set a password: an invitation and a reset, once, within an hour, and never unnoticed."""

import json
import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from dashboard import links, passwords, people
from dashboard.models import Link, Person
from tests.bench.databases import on_both, on_sqlite
from tests.bench.refund_desk import PASSWORD, RefundDesk
from tests.web.browser import Answer, Browser
from tests.web.conftest import Auth
from tests.web.tables import dump

ANNA = "anna@desk.test"
NEW = "quite another one"
OVER = "This link does not work any more"


@pytest.fixture
def admin(auth: Auth) -> Browser:
    return auth.login("admin")


@pytest.fixture
def anna(auth: Auth) -> Person:
    return auth.person("operator", ANNA)


def reset(admin: Browser, person: Person) -> str:
    """Start a reset; the code of the link."""
    return code_of(admin.post(f"/people/{person.id}/reset-password"))


def code_of(answer: Answer) -> str:
    assert answer.status == 200
    link = answer.page.one("input", id="link")["value"]
    assert link.startswith("http://127.0.0.1:8131/link#")
    return link.removeprefix("http://127.0.0.1:8131/link#")


def look(browser: Browser, code: str, **options: Any) -> Answer:
    return browser.post("/link/open", {"code": code}, **options)


def use(browser: Browser, code: str, password: str = NEW, **options: Any) -> Answer:
    return browser.post("/link/password", {"code": code, "password": password}, **options)


def expect_over(answer: Answer) -> None:
    assert (answer.status, answer.page.one("h1").text) == (410, OVER)
    assert "ask an admin for a new link" in answer.page.one("main").text


def told(refund_desk: RefundDesk, action: str) -> list[tuple[str, dict[str, object]]]:
    return [(one.actor, json.loads(one.data)) for one in refund_desk.journal() if one.action == action]


# Invitations


def test_who_is_invited_sets_a_password_and_signs_in(admin: Browser, client: Browser, refund_desk: RefundDesk) -> None:
    code = code_of(admin.post("/people/invite", {"email": " Anna@desk.test", "role": "viewer"}))
    assert (
        "Invited"
        in {row["data-person"]: row.text for row in admin.page("/people/").all("tr") if row.get("data-person")}[ANNA]
    )
    assert client.sign_in(ANNA, "").status == 422
    assert f"For {ANNA}." in look(client, code).page.one("main").text
    answer = use(client, code)
    assert (answer.status, answer.location) == (303, "/login")
    assert client.page("/login").notices == ["Your password is set. Sign in with it."]
    assert client.sign_in(ANNA, NEW).status == 303
    assert client.page("/journal/").notices == []
    assert told(refund_desk, "person:invited") == [("admin@desk.test", {"email": ANNA, "role": "viewer"})]
    assert "Enabled" in admin.page("/people/").one("tr", **{"data-person": ANNA}).text


@on_sqlite
@pytest.mark.parametrize(
    ("email", "role", "error"),
    [
        ("", "viewer", "Type an e-mail address."),
        ("nonsense", "viewer", "This is no e-mail address, or it has an account already."),
        ("admin@desk.test", "viewer", "This is no e-mail address, or it has an account already."),
        (ANNA, "janitor", "Choose a role."),
    ],
)
def test_an_invitation_that_cannot_be_made_says_why_and_keeps_what_was_typed(
    admin: Browser, refund_desk: RefundDesk, email: str, role: str, error: str
) -> None:
    before = dump(refund_desk.desk)
    answer = admin.post("/people/invite", {"email": email, "role": role})
    assert (answer.status, answer.page.field_errors) == (422, [error])
    assert answer.page.one("input", name="email")["value"] == email
    assert dump(refund_desk.desk) == before


def test_an_admin_who_has_not_set_a_password_is_none_who_can_sign_in(admin: Browser, refund_desk: RefundDesk) -> None:
    links.invite(refund_desk.desk, ANNA, "admin", actor="test")
    with pytest.raises(people.LastAdmin):
        people.disable(refund_desk.desk, "admin@desk.test", actor="test")


# Resets


def test_a_lost_password_is_reset_with_a_link(
    admin: Browser, auth: Auth, anna: Person, client: Browser, refund_desk: RefundDesk
) -> None:
    open_one = auth.login("operator", ANNA)
    code = reset(admin, anna)
    assert client.sign_in(ANNA, PASSWORD).status == 303, "until it is used the old one is good"
    other = Browser(client.client.application)
    assert use(other, code).status == 303
    for browser in (open_one, client):
        assert browser.get("/").status == 302, "all sign-ins end"
    assert client.sign_in(ANNA, PASSWORD).status == 422
    assert client.sign_in(ANNA, NEW).status == 303
    assert told(refund_desk, "person:reset_started") == [("admin@desk.test", {"email": ANNA})]
    assert told(refund_desk, "person:password_set_by_link") == [(ANNA, {"started_by": "admin@desk.test"})]


def test_whoever_is_concerned_is_told_who_started_it(admin: Browser, auth: Auth, client: Browser) -> None:
    other = auth.person("admin", ANNA)
    client.sign_in(ANNA, PASSWORD)
    code = reset(admin, other)
    client.sign_in(ANNA, PASSWORD)
    [notice] = client.page("/journal/").notices
    assert "A link to set another password was given out (admin@desk.test, 1 Mar 09:00:00)" in notice
    use(client, code)
    client.page("/login")
    client.sign_in(ANNA, NEW)
    [notice] = client.page("/journal/").notices
    assert "Password set with a link that admin@desk.test gave out" in notice
    main = client.page("/account/").one("main").text
    assert "Password set with a link that admin@desk.test gave out" in main
    assert "A link to set another password was given out · admin@desk.test" in main
    client.sign_in(ANNA, NEW)
    assert client.page("/journal/").notices == [], "once is enough"


@on_sqlite
def test_an_admins_own_password_is_not_reset_without_knowing_it(admin: Browser, auth: Auth) -> None:
    myself = auth.person("admin")
    assert admin.post(f"/people/{myself.id}/reset-password").location == f"/people/{myself.id}"
    page = admin.page(f"/people/{myself.id}")
    assert page.notices == ["Change your own password on the page of your account."]
    assert not page.all("form", action=f"/people/{myself.id}/reset-password")


@on_sqlite
def test_for_a_disabled_account_there_is_no_link(admin: Browser, anna: Person, client: Browser) -> None:
    code = reset(admin, anna)
    admin.post(f"/people/{anna.id}/disable")
    expect_over(look(client, code))
    assert admin.post(f"/people/{anna.id}/reset-password").status == 303
    assert any("Enable it first." in notice for notice in admin.page(f"/people/{anna.id}").notices)


# The link


@on_sqlite
@pytest.mark.parametrize("before", ["", "http://127.0.0.1:8131/link#", " #"])
def test_without_a_script_one_pastes_the_link_or_its_code(
    admin: Browser, anna: Person, client: Browser, before: str
) -> None:
    page = client.page("/link")
    field = page.one("input", name="code")
    assert (field["type"], field["autocomplete"], field["value"]) == ("text", "off", "")
    assert "Paste the link that you were given, or what stands behind the # in it." in page.one("main").text
    assert look(client, "").page.field_errors == ["Paste your link."]
    code = reset(admin, anna)
    opened = client.post("/link/open", {**page.form("/link/open").fields, "code": f"{before}{code} "})
    form = opened.page.form("/link/password")
    assert (opened.status, form.fields["code"], form.fields["email"]) == (200, code, ANNA)
    assert client.post("/link/password", {**form.fields, "password": NEW}).status == 303


@on_sqlite
def test_a_code_that_was_mistyped_stands_there_to_be_mended(admin: Browser, anna: Person, client: Browser) -> None:
    code = reset(admin, anna)
    answer = look(client, code[:-1])
    expect_over(answer)
    assert answer.page.form("/link/open").fields["code"] == code[:-1]
    assert look(client, code).status == 200


def test_looking_at_it_changes_nothing(admin: Browser, anna: Person, client: Browser, refund_desk: RefundDesk) -> None:
    code = reset(admin, anna)
    before = dump(refund_desk.desk)
    for _ in range(2):
        for answer in (client.get("/link"), look(client, code)):
            assert answer.status == 200
            assert answer.response.headers["Cache-Control"] == "no-store"
    assert client.ask("HEAD", "/link").status == 200
    assert dump(refund_desk.desk) == before


def test_only_a_digest_of_it_is_kept(admin: Browser, anna: Person, refund_desk: RefundDesk) -> None:
    token = reset(admin, anna)
    assert len(token) >= 43
    assert token not in str(dump(refund_desk.desk))
    with refund_desk.desk.read() as session:
        assert len(session.scalars(select(Link.token_digest)).one()) == 64


@on_sqlite
def test_no_line_of_the_log_tells_it(
    admin: Browser,
    anna: Person,
    client: Browser,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever reads the log could set the password before its owner does."""
    caplog.set_level(logging.DEBUG)
    code = reset(admin, anna)
    statuses = [
        client.post("/link/password", {"csrf_token": "", "code": code, "password": NEW}).status,
        use(client, code, "short").status,
        look(client, code[:-1]).status,
        client.ask("POST", "/link/open", json={"code": code}).status,
    ]
    client.client.application.testing = False
    monkeypatch.setattr(links, "whose", lambda *_: 1 / 0)
    assert [*statuses, look(client, code).status] == [400, 422, 410, 415, 500]
    assert "ZeroDivisionError" in caplog.text
    assert code[:-1] not in caplog.text


def test_unknown_used_replaced_and_old_ones_get_the_same_answer(
    admin: Browser, anna: Person, client: Browser, refund_desk: RefundDesk
) -> None:
    replaced, used = reset(admin, anna), reset(admin, anna)
    expect_over(look(client, replaced))
    assert use(client, used).status == 303
    old = reset(admin, anna)
    refund_desk.clock.advance(59, minutes=59)
    assert look(client, old).status == 200
    refund_desk.clock.advance(1)
    answers = []
    for code in ("unknown", replaced, used, old):
        for answer in (look(client, code), use(client, code, "one more password")):
            expect_over(answer)
            fields = answer.page.form("/link/open").fields
            assert (fields.pop("code"), list(fields)) == (code, ["csrf_token"])
            answers.append(answer.page.one("main").text)
    assert len(set(answers)) == 1
    assert client.sign_in(ANNA, NEW).status == 303


def test_a_link_for_one_person_does_not_end_another_persons(
    admin: Browser, anna: Person, auth: Auth, client: Browser
) -> None:
    code = reset(admin, anna)
    reset(admin, auth.person("viewer"))
    assert look(client, code).status == 200


@on_both
def test_of_two_at_once_one_is_taken(
    admin: Browser, anna: Person, refund_desk: RefundDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = reset(admin, anna)
    both_have_looked = threading.Barrier(2)

    def hash_of(password: str) -> str:
        both_have_looked.wait(10)
        return f"hash of {password}"

    monkeypatch.setattr(passwords, "hash_of", hash_of)

    def use(password: str) -> str:
        try:
            links.use(refund_desk.desk, token, password)
        except links.LinkOver:
            return ""
        return password

    with ThreadPoolExecutor(2) as pool:
        [winner] = filter(None, pool.map(use, ["the first password", "the second password"]))
    with refund_desk.desk.read() as session:
        assert session.get_one(Person, anna.id).password_hash == f"hash of {winner}"
    assert len(told(refund_desk, "person:password_set_by_link")) == 1


@on_sqlite
def test_it_works_over_https(admin: Browser, anna: Person, client: Browser) -> None:
    code = reset(admin, anna)
    secure: dict[str, Any] = {"base_url": "https://localhost", "headers": {"Referer": "https://localhost/link"}}
    form = client.get("/link", **secure).page.form("/link/open")
    opened = client.post("/link/open", {**form.fields, "code": code}, **secure).page.form("/link/password")
    assert use(client, code, csrf=False, **secure).status == 400
    assert client.post("/link/password", {**opened.fields, "password": NEW}, **secure).status == 303


@on_sqlite
def test_a_password_that_is_refused_leaves_the_link_good(admin: Browser, anna: Person, client: Browser) -> None:
    code = reset(admin, anna)
    for password in ("", "short", "12345678", "anna131"):
        answer = use(client, code, password)
        assert answer.status == 422
        assert len(answer.page.field_errors) == 1
        assert answer.page.form("/link/password").fields["code"] == code
    assert use(client, code).status == 303


@on_sqlite
def test_it_leads_to_the_public_address_whatever_host_was_asked(admin: Browser, anna: Person) -> None:
    answer = admin.post(f"/people/{anna.id}/reset-password")
    assert answer.response.request.host == "localhost"
    assert code_of(answer), "and not to localhost"


@on_sqlite
def test_whoever_used_one_is_not_shut_out_by_somebody_who_guesses(
    admin: Browser, anna: Person, client: Browser, app: Flask
) -> None:
    for _ in range(10):
        Browser(app).sign_in(ANNA, "wrong password")
    assert client.sign_in(ANNA, PASSWORD).status == 429
    use(client, reset(admin, anna))
    assert client.sign_in(ANNA, NEW).status == 303


@pytest.mark.parametrize("how", ["own", "command", "disabled"])
def test_what_closes_the_account_or_changes_its_password_ends_the_links(
    admin: Browser, anna: Person, client: Browser, refund_desk: RefundDesk, how: str
) -> None:
    """Whoever was given one must not come back with it after the owner has put things right."""
    code, desk = reset(admin, anna), refund_desk.desk
    if how == "own":
        client.sign_in(ANNA, PASSWORD)
        client.post("/account/password", {"old": PASSWORD, "password": NEW})
    elif how == "command":
        people.set_password(desk, ANNA, NEW, actor="command line")
    else:
        people.disable(desk, ANNA, actor="admin@desk.test")
        people.enable(desk, ANNA, actor="admin@desk.test")
    assert OVER in look(client, code).text
