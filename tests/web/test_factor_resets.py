"""Resetting somebody's second factors: two admins, or the server's command line."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError

from dashboard import factor_resets, links, people
from dashboard.models import FactorReset, Person
from tests.bench.databases import on_both, on_sqlite
from tests.bench.refund_desk import PASSWORD, RefundDesk
from tests.web.browser import Answer, Browser
from tests.web.conftest import Auth
from tests.web.second_factors import add_app

ANNA = "anna@desk.test"
SECOND = "second-admin@desk.test"
WHY = "lost the phone, called back"


@pytest.fixture
def admin(auth: Auth) -> Browser:
    return auth.login("admin")


@pytest.fixture
def second(auth: Auth) -> Browser:
    return auth.login("admin", SECOND)


@pytest.fixture
def anna(auth: Auth) -> Person:
    return auth.person("operator", ANNA)


@pytest.fixture
def annas(auth: Auth, anna: Person, refund_desk: RefundDesk) -> Browser:
    """Anna's browser; she has an app."""
    browser = auth.login("operator", ANNA)
    add_app(browser, refund_desk.clock)
    return browser


def ask(admin: Browser, person: Person, why: str = WHY) -> Answer:
    return admin.post(f"/people/{person.id}/factors/reset", {"comment": why})


def address_of(refund_desk: RefundDesk, what: str) -> str:
    with refund_desk.desk.read() as session:
        reset = session.scalars(select(FactorReset)).all()[-1]
    return f"/people/{reset.person_id}/factors/resets/{reset.id}/{what}"


def told(refund_desk: RefundDesk) -> list[tuple[str, str]]:
    return [(one.actor, one.action) for one in refund_desk.journal() if one.action.startswith("factor:reset")]


def has_app(second: Browser, anna: Person) -> bool:
    return "Recovery codes" in second.page(f"/people/{anna.id}").one("main").text


def test_two_admins_together_take_it_away(
    admin: Browser, second: Browser, annas: Browser, anna: Person, client: Browser, refund_desk: RefundDesk
) -> None:
    assert "App" in admin.page("/people/").one("tr", data_person=ANNA).text
    assert ask(admin, anna).location == f"/people/{anna.id}"
    assert "Reset asked for" in second.page("/people/").one("tr", data_person=ANNA).text
    page = second.page(f"/people/{anna.id}").one("main")
    assert WHY in page.text
    assert "admin@desk.test asked for it" in page.text
    assert annas.get("/refunds/").status == 200
    assert second.post(address_of(refund_desk, "confirm")).location == f"/people/{anna.id}"
    assert (annas.get("/refunds/").location or "").startswith("/login"), "signed out everywhere"
    assert client.sign_in(ANNA, PASSWORD).location == "/", "the password alone, until she adds one anew"
    assert told(refund_desk) == [("admin@desk.test", "factor:reset_asked"), (SECOND, "factor:reset")]
    [why] = [json.loads(one.data)["why"] for one in refund_desk.journal() if one.action == "factor:reset_asked"]
    assert why == WHY


def test_whoever_asked_cannot_confirm(
    admin: Browser, second: Browser, annas: Browser, anna: Person, refund_desk: RefundDesk
) -> None:
    ask(admin, anna)
    confirm = address_of(refund_desk, "confirm")
    assert not admin.page(f"/people/{anna.id}").all("form", action=confirm)
    admin.post(confirm)
    assert admin.page(f"/people/{anna.id}").notices[0].startswith("You have asked for it yourself")
    assert annas.get("/refunds/").status == 200
    assert has_app(second, anna)


def test_nobody_confirms_for_themselves(admin: Browser, second: Browser, auth: Auth, refund_desk: RefundDesk) -> None:
    add_app(second, refund_desk.clock)
    me = auth.person("admin", SECOND)
    auth.person("admin", "third@desk.test")
    ask(admin, me)
    confirm = address_of(refund_desk, "confirm")
    assert not second.page(f"/people/{me.id}").all("form", action=confirm)
    second.post(confirm)
    assert second.page(f"/people/{me.id}").notices[0].startswith("It is about your own account")
    assert has_app(second, me)


@pytest.mark.parametrize("how", ["asker lets in", "lets the asker in", "by way of a third"])
def test_an_admin_whom_the_asker_may_have_made_confirms_nothing(
    admin: Browser, second: Browser, annas: Browser, anna: Person, refund_desk: RefundDesk, how: str
) -> None:
    desk, asker = refund_desk.desk, "admin@desk.test"
    if how == "lets the asker in":
        links.start_reset(desk, asker, actor=SECOND)
    elif how == "asker lets in":
        links.start_reset(desk, SECOND, actor=asker)
    else:
        links.invite(desk, "third@desk.test", "admin", actor=asker)
        links.start_reset(desk, SECOND, actor="third@desk.test")
    ask(admin, anna)
    second.post(address_of(refund_desk, "confirm"))
    assert second.page(f"/people/{anna.id}").notices[0].startswith("Nothing was reset: within the last 24 hours")
    assert annas.get("/refunds/").status == 200
    assert has_app(second, anna)


@pytest.mark.parametrize("how", ["disabled", "made less"])
def test_whoever_is_no_admin_any_more_confirms_nothing(
    admin: Browser, annas: Browser, anna: Person, auth: Auth, refund_desk: RefundDesk, how: str
) -> None:
    desk, decider = refund_desk.desk, auth.person("admin", SECOND)
    ask(admin, anna)
    reset_id = address_of(refund_desk, "confirm").split("/")[-2]
    if how == "disabled":
        people.disable(desk, SECOND, actor="test")
    else:
        people.change_role(desk, SECOND, "operator", actor="test")
    with pytest.raises(factor_resets.CannotReset) as refused:
        factor_resets.confirm(desk, decider, anna.id, reset_id)
    assert refused.value.why == "no_right"
    assert annas.get("/refunds/").status == 200


@on_both
@pytest.mark.parametrize("decided_by", ["asker", "person", "nobody"])
def test_the_database_itself_refuses_what_is_not_two_people(
    admin: Browser, annas: Browser, anna: Person, auth: Auth, refund_desk: RefundDesk, decided_by: str
) -> None:
    who = {"asker": auth.person("admin").id, "person": anna.id, "nobody": None}[decided_by]
    now = refund_desk.clock.now()
    row = {"id": "x", "person_id": anna.id, "asked_by_id": auth.person("admin").id, "asked_at": now, "why": "w"}
    with pytest.raises(IntegrityError), refund_desk.desk.write() as tx:
        tx.execute(insert(FactorReset).values(**row, state="confirmed", decided_by_id=who, decided_at=now))


def test_it_is_asked_for_once_at_a_time_and_with_a_reason(
    admin: Browser, second: Browser, annas: Browser, anna: Person, refund_desk: RefundDesk
) -> None:
    answer = ask(admin, anna, "  ")
    assert (answer.status, answer.page.field_errors) == (422, ["Write down why."])
    ask(admin, anna)
    ask(second, anna)
    assert second.page(f"/people/{anna.id}").notices[0].startswith("A reset is asked for already")
    second.post(address_of(refund_desk, "withdraw"))
    assert second.page(f"/people/{anna.id}").notices == ["The reset is called off."]
    second.post(address_of(refund_desk, "confirm"))
    assert has_app(admin, anna)
    assert told(refund_desk) == [("admin@desk.test", "factor:reset_asked"), (SECOND, "factor:reset_withdrawn")]
    ask(second, anna)
    assert admin.post(address_of(refund_desk, "confirm")).status == 303
    assert not has_app(admin, anna)


def test_it_lapses_after_a_day(
    admin: Browser, second: Browser, annas: Browser, anna: Person, auth: Auth, refund_desk: RefundDesk
) -> None:
    ask(admin, anna)
    refund_desk.clock.advance(hours=24)
    later = auth.login("admin", SECOND)
    later.post(address_of(refund_desk, "confirm"))
    assert later.page(f"/people/{anna.id}").notices[0].startswith("This reset is decided, called off or has lapsed")
    assert has_app(later, anna)
    ask(later, anna)
    assert auth.login("admin").post(address_of(refund_desk, "confirm")).status == 303
    assert not has_app(later, anna)


def test_what_somebody_asked_who_is_no_admin_any_more_cannot_be_confirmed(
    admin: Browser, second: Browser, annas: Browser, anna: Person, refund_desk: RefundDesk
) -> None:
    ask(admin, anna)
    people.change_role(refund_desk.desk, "admin@desk.test", "viewer", actor="test")
    second.post(address_of(refund_desk, "confirm"))
    assert second.page(f"/people/{anna.id}").notices[0].startswith("Nothing was changed: whoever asked is no admin")
    assert has_app(second, anna)
    assert told(refund_desk)[-1] == (SECOND, "factor:reset_outdated")


@on_both
def test_of_two_who_confirm_at_once_one_does(
    admin: Browser, second: Browser, annas: Browser, anna: Person, auth: Auth, refund_desk: RefundDesk
) -> None:
    ask(admin, anna)
    confirm = address_of(refund_desk, "confirm")
    both = [second, auth.login("admin", "third@desk.test")]
    with ThreadPoolExecutor(2) as pool:
        assert [answer.status for answer in pool.map(lambda browser: browser.post(confirm), both)] == [303, 303]
    assert [action for _, action in told(refund_desk)] == ["factor:reset_asked", "factor:reset"]


@on_sqlite
def test_asking_and_confirming_need_a_fresh_proof(
    admin: Browser, second: Browser, annas: Browser, anna: Person, auth: Auth, refund_desk: RefundDesk
) -> None:
    refund_desk.clock.advance(minutes=5)
    assert ask(admin, anna).status == 200
    assert told(refund_desk) == []
    ask(auth.login("admin"), anna)
    assert second.post(address_of(refund_desk, "confirm")).status == 200
    assert has_app(second, anna)


# Where there is nobody for the second step


@on_sqlite
def test_a_single_admin_is_told_the_command(admin: Browser, annas: Browser, anna: Person) -> None:
    page = admin.page(f"/people/{anna.id}")
    assert not page.all("form", action=f"/people/{anna.id}/factors/reset")
    assert page.one("pre").text == f"dashboard user reset-factors {ANNA}"


def test_the_command_line_does_it_alone(
    annas: Browser, anna: Person, admin: Browser, second: Browser, client: Browser, refund_desk: RefundDesk
) -> None:
    ask(admin, anna)
    assert factor_resets.by_command(refund_desk.desk, ANNA.upper(), actor="command line")
    assert not factor_resets.by_command(refund_desk.desk, ANNA, actor="command line")
    assert (annas.get("/refunds/").location or "").startswith("/login")
    assert client.sign_in(ANNA, PASSWORD).location == "/"
    assert told(refund_desk)[-1] == ("command line", "factor:reset")
    with pytest.raises(people.BadAccount, match="has no account"):
        factor_resets.by_command(refund_desk.desk, "nobody@desk.test", actor="command line")
    second.post(address_of(refund_desk, "confirm"))
    assert second.page(f"/people/{anna.id}").notices[0].startswith("This reset is decided")


@on_sqlite
def test_there_is_nothing_to_reset_without_a_factor(admin: Browser, second: Browser, anna: Person) -> None:
    ask(admin, anna)
    assert admin.page(f"/people/{anna.id}").notices[0].startswith("There is nothing to reset")
