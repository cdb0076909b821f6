"""Accounts are disabled, enabled and changed, on record; somebody can always sign in as admin."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from dashboard import passwords, people, sign_ins, signing_in
from dashboard.desk import Desk
from dashboard.models import FederatedIdentity
from tests.bench.blocked import wait_until_blocked
from tests.bench.databases import on_postgresql, on_sqlite
from tests.bench.refund_desk import PASSWORD, RefundDesk

BY = "command line"
ADDRESS = "127.0.0.1"
ANNA, BORIS = "anna@desk.test", "boris@desk.test"
Verb = Callable[[Desk, str], bool]

VERBS: dict[str, Verb] = {
    "disabled": lambda desk, email: people.disable(desk, email, actor=BY),
    "role_changed": lambda desk, email: people.change_role(desk, email, "viewer", actor=BY),
}


def told(refund_desk: RefundDesk, email: str) -> list[tuple[str, dict[str, object]]]:
    """What the journal says of the person that was not somebody's signing in."""
    with refund_desk.desk.read() as session:
        person = people.find(session, email)
    assert person is not None
    entries = refund_desk.journal(f"person:{person.id}")
    assert {entry.actor for entry in entries if entry.action.startswith("person:")} <= {BY}
    return [(one.action, json.loads(one.data)) for one in entries if one.action.startswith("person:")]


@pytest.mark.parametrize("what", VERBS)
def test_it_ends_the_sign_ins_is_on_record_and_happens_once(refund_desk: RefundDesk, what: str) -> None:
    desk = refund_desk.desk
    for email in (ANNA, BORIS):
        refund_desk.person(email=email)
    tokens = [signing_in.sign_in(desk, email, PASSWORD, ADDRESS) for email in (ANNA, BORIS)]
    assert VERBS[what](desk, ANNA.upper())
    assert not VERBS[what](desk, ANNA)
    details = {"disabled": {"email": ANNA}, "role_changed": {"email": ANNA, "was": "operator", "now": "viewer"}}
    assert told(refund_desk, ANNA) == [(f"person:{what}", details.get(what, {}))]
    assert sign_ins.whose(desk, tokens[0]) is None
    assert sign_ins.whose(desk, tokens[1]) is not None


@pytest.mark.parametrize("password", [PASSWORD, "another password"])
def test_a_password_set_ends_the_sign_ins_though_it_is_the_same(refund_desk: RefundDesk, password: str) -> None:
    desk = refund_desk.desk
    refund_desk.person(email=ANNA)
    token = signing_in.sign_in(desk, ANNA, PASSWORD, ADDRESS)
    people.set_password(desk, ANNA, password, actor=BY)
    assert sign_ins.whose(desk, token) is None
    assert sign_ins.whose(desk, signing_in.sign_in(desk, ANNA, password, ADDRESS)) is not None
    assert told(refund_desk, ANNA) == [("person:password_set", {})]


def test_who_is_disabled_cannot_sign_in_before_being_enabled_again(refund_desk: RefundDesk) -> None:
    desk = refund_desk.desk
    refund_desk.person(email=ANNA)
    token = signing_in.sign_in(desk, ANNA, PASSWORD, ADDRESS)
    assert not people.enable(desk, ANNA, actor=BY)
    people.disable(desk, ANNA, actor=BY)
    with pytest.raises(signing_in.WrongSignIn):
        signing_in.sign_in(desk, ANNA, PASSWORD, ADDRESS)
    assert people.enable(desk, ANNA, actor=BY)
    assert not people.enable(desk, ANNA, actor=BY)
    assert sign_ins.whose(desk, token) is None, "the old sign-in stays ended"
    assert sign_ins.whose(desk, signing_in.sign_in(desk, ANNA, PASSWORD, ADDRESS)) is not None
    assert [action for action, _ in told(refund_desk, ANNA)] == ["person:disabled", "person:enabled"]


@pytest.mark.parametrize("what", ["disabled", "role_changed"])
def test_the_last_admin_who_can_sign_in_stays_one(refund_desk: RefundDesk, what: str) -> None:
    desk = refund_desk.desk
    for email in (ANNA, BORIS):
        refund_desk.person("admin", email)
    people.disable(desk, BORIS, actor=BY)
    with pytest.raises(people.BadAccount, match=r"^anna@desk.test is the last admin who can sign in"):
        VERBS[what](desk, ANNA)
    assert told(refund_desk, ANNA) == []
    people.enable(desk, BORIS, actor=BY)
    assert VERBS[what](desk, ANNA)


@on_sqlite
def test_where_passwords_open_nothing_an_admin_with_one_alone_does_not_count(refund_desk: RefundDesk) -> None:
    """Only who is bound to somebody at the provider can sign in then."""
    desk = refund_desk.desk
    config = replace(desk.config, oidc_issuer="https://id.example.test", oidc_only=True)
    for email in (ANNA, BORIS):
        refund_desk.person("admin", email)
    with desk.write() as tx:
        anna = people.locked(tx, ANNA)
        tx.add(
            FederatedIdentity(issuer=config.oidc_issuer, subject="anna", person_id=anna.id, bound_at=desk.clock.now())
        )
    with pytest.raises(people.LastAdmin):
        people.disable(replace(desk, config=config), ANNA, actor=BY)
    assert people.disable(desk, ANNA, actor=BY)


@on_postgresql
def test_two_admins_cannot_disable_each_other_at_once(refund_desk: RefundDesk) -> None:
    desk = refund_desk.desk
    for email in (ANNA, BORIS):
        refund_desk.person("admin", email)
    with ThreadPoolExecutor(1) as pool:
        with desk.write() as tx:
            anna = people.locked(tx, ANNA)
            waits = pool.submit(people.disable, desk, BORIS, actor=BY)
            wait_until_blocked(desk)
            anna.disabled_at = desk.clock.now()
        with pytest.raises(people.BadAccount, match="last admin"):
            waits.result(60)


@on_sqlite
@pytest.mark.parametrize("verb", [*VERBS.values(), lambda desk, email: people.enable(desk, email, actor=BY)])
def test_an_unknown_address_is_one_clear_line(refund_desk: RefundDesk, verb: Verb) -> None:
    with pytest.raises(people.BadAccount, match=r"^'nobody@desk.test' has no account$"):
        verb(refund_desk.desk, "nobody@desk.test")


@on_sqlite
def test_an_unknown_role_and_a_short_password_change_nothing(refund_desk: RefundDesk) -> None:
    refund_desk.person(email=ANNA)
    with pytest.raises(people.BadAccount, match="is no role"):
        people.change_role(refund_desk.desk, ANNA, "boss", actor=BY)
    with pytest.raises(passwords.BadPassword, match="needs 8 characters or more"):
        people.set_password(refund_desk.desk, ANNA, "short", actor=BY)
    assert told(refund_desk, ANNA) == []


@on_sqlite
@pytest.mark.parametrize("email", ["anna", "anna@", "@desk.test", "an na@desk.test", "a" * 250 + "@d.test"])
def test_what_is_no_address_makes_no_account(refund_desk: RefundDesk, email: str) -> None:
    with pytest.raises(people.BadAccount, match="is no e-mail address"):
        people.add(refund_desk.desk, email, "viewer", "a long password", actor=BY)
