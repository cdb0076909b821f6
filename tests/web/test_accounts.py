"""Looking after accounts: who sees it, what it does, and that nobody is left without an admin."""

import json

import pytest

from dashboard.models import Person
from tests.bench.databases import on_sqlite
from tests.bench.refund_desk import RefundDesk
from tests.web.browser import Answer, Browser
from tests.web.conftest import Auth

ANNA = "anna@desk.test"


@pytest.fixture
def admin(auth: Auth) -> Browser:
    return auth.login("admin")


@pytest.fixture
def anna(auth: Auth) -> Person:
    return auth.person("operator", ANNA)


def change(admin: Browser, person: Person, what: str, **fields: str) -> Answer:
    return admin.post(f"/people/{person.id}/{what}", fields)


def told(refund_desk: RefundDesk, person: Person) -> list[tuple[str, str, dict[str, object]]]:
    entries = refund_desk.journal(f"person:{person.id}")
    return [(one.actor, one.action, json.loads(one.data)) for one in entries if one.action.startswith("person:")]


@on_sqlite
def test_the_list_says_who_may_sign_in_and_as_what(admin: Browser, auth: Auth, anna: Person) -> None:
    auth.login("viewer", "boris@desk.test")
    change(admin, anna, "disable")
    rows = {row["data-person"]: row.text for row in admin.page("/people/").one("tbody").all("tr")}
    assert list(rows) == sorted(rows)
    assert "Operator" in rows[ANNA]
    assert "Disabled" in rows[ANNA]
    assert "–" in rows[ANNA], "never signed in"
    assert "Viewer" in rows["boris@desk.test"]
    assert "1 Mar 09:00" in rows["boris@desk.test"]


@on_sqlite
@pytest.mark.parametrize(("role", "is_there"), [("viewer", False), ("approver", False), ("admin", True)])
def test_only_an_admin_finds_the_way_there(auth: Auth, role: str, is_there: bool) -> None:
    assert bool(auth.login(role).page("/").all("a", href="/people/")) == is_there


@pytest.mark.parametrize(
    ("what", "fields", "action", "details"),
    [
        ("disable", {}, "person:disabled", {"email": ANNA}),
        ("role", {"role": "viewer"}, "person:role_changed", {"email": ANNA, "was": "operator", "now": "viewer"}),
        ("sign-out", {}, "person:signed_out", {"email": ANNA, "ended": 1}),
    ],
)
def test_it_takes_effect_at_once_and_is_on_record(
    admin: Browser,
    auth: Auth,
    anna: Person,
    refund_desk: RefundDesk,
    what: str,
    fields: dict[str, str],
    action: str,
    details: dict[str, object],
) -> None:
    browser = auth.login("operator", ANNA)
    assert browser.get("/refunds/").status == 200
    for is_first in (True, False):
        answer = change(admin, anna, what, **fields)
        assert (answer.status, answer.location) == (303, f"/people/{anna.id}")
        [notice] = admin.page(f"/people/{anna.id}").notices
        assert (ANNA in notice) == is_first
        assert ("It was so already" in notice) != is_first
    assert (browser.get("/refunds/").location or "").startswith("/login")
    assert told(refund_desk, anna) == [("admin@desk.test", action, details)]


@on_sqlite
def test_a_disabled_account_can_be_enabled_again(admin: Browser, anna: Person, refund_desk: RefundDesk) -> None:
    assert not admin.page(f"/people/{anna.id}").all("form", action=f"/people/{anna.id}/enable")
    change(admin, anna, "disable")
    page = admin.page(f"/people/{anna.id}")
    assert "Nobody can sign in to it." in page.one("main").text
    assert not page.all("form", action=f"/people/{anna.id}/disable")
    change(admin, anna, "enable")
    assert [action for _, action, _ in told(refund_desk, anna)] == ["person:disabled", "person:enabled"]
    assert "Enabled" in admin.page(f"/people/{anna.id}").one("main").text


@pytest.mark.parametrize(("what", "fields"), [("disable", {}), ("role", {"role": "viewer"})])
def test_the_last_admin_stays_one(
    admin: Browser, auth: Auth, refund_desk: RefundDesk, what: str, fields: dict[str, str]
) -> None:
    myself = auth.person("admin")
    assert change(admin, myself, what, **fields).status == 303
    assert "nobody else could look after accounts" in admin.page(f"/people/{myself.id}").notices[0]
    assert told(refund_desk, myself) == []
    auth.person("admin", "second-admin@desk.test")
    assert change(admin, myself, what, **fields).location == "/login"
    assert (admin.get("/people/").location or "").startswith("/login")


@on_sqlite
def test_a_role_that_there_is_not_is_refused(admin: Browser, anna: Person, refund_desk: RefundDesk) -> None:
    for role in ("", "janitor"):
        answer = change(admin, anna, "role", role=role)
        assert (answer.status, "Choose a role." in answer.page.one("main").text) == (422, True)
    assert told(refund_desk, anna) == []


@on_sqlite
def test_an_account_that_there_is_not_says_so(admin: Browser) -> None:
    assert "There is no such account." in admin.page("/people/nobody", status=404).one("main").text
