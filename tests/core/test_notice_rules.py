"""Who hears of what by mail, and when."""

from datetime import UTC, datetime, timedelta

import pytest

from dashboard import notice_rules, roles
from dashboard.notice_rules import Matter, chosen, hears, is_time, kept, open_to

NOW = datetime(2026, 3, 1, 9, tzinfo=UTC)
ALL = frozenset(notice_rules.NEEDS)


def test_whoever_has_chosen_nothing_hears_what_goes_with_the_role() -> None:
    assert {role: chosen(role, None) for role in (*roles.ROLES, "janitor")} == {
        "viewer": frozenset(),
        "operator": {"failed"},
        "approver": {"approval", "failed"},
        "admin": ALL - {"failed_of_all"},
        "janitor": frozenset(),
    }


def test_nobody_hears_of_what_their_role_may_not_see_or_do() -> None:
    assert open_to("janitor") == ()
    assert set(open_to("viewer")) == ALL - {"approval", "failed"}
    assert set(open_to("operator")) == ALL - {"approval"}
    assert set(open_to("approver")) == set(open_to("admin")) == ALL
    assert chosen("operator", "approval ageing") == {"ageing"}, "another role was taken away since"


def test_nothing_chosen_is_a_choice() -> None:
    assert chosen("admin", "") == frozenset()
    assert chosen("admin", "desk nonsense") == {"desk"}


def test_choices_are_kept_in_one_order_and_unknown_ones_not_at_all() -> None:
    assert kept(["desk", "nonsense", "approval"]) == "approval desk"
    assert kept([]) == ""


@pytest.mark.parametrize("what", notice_rules.CHOSEN_BY)
def test_each_thing_is_told_to_whoever_chose_it_and_to_nobody_else(what: str) -> None:
    choice = notice_rules.CHOSEN_BY[what]
    assert hears("anna", frozenset({choice}), Matter(what, "1"))
    assert not hears("anna", ALL - {choice}, Matter(what, "1"))


@pytest.mark.parametrize("what", notice_rules.CHOSEN_BY)
def test_nobody_hears_of_what_they_did_themselves(what: str) -> None:
    assert not hears("anna", ALL, Matter(what, "1", asked_by_id="boris", by_id="anna"))
    assert hears("boris", ALL, Matter(what, "1", asked_by_id="boris", by_id="anna"))


def test_what_did_not_go_through_is_told_to_whoever_asked_for_it() -> None:
    of_anna = Matter(notice_rules.NOT_MADE, "1", asked_by_id="anna")
    assert hears("anna", frozenset({"failed"}), of_anna)
    assert not hears("boris", frozenset({"failed"}), of_anna)
    assert hears("boris", frozenset({"failed_of_all"}), of_anna)
    assert hears("anna", frozenset({"failed_of_all"}), of_anna)


def test_the_first_mail_goes_at_once_and_the_next_one_after_a_quarter_of_an_hour() -> None:
    assert is_time(None, NOW, is_waiting=False)
    assert not is_time(NOW - timedelta(minutes=15) + timedelta(seconds=1), NOW, is_waiting=False)
    assert is_time(NOW - timedelta(minutes=15), NOW, is_waiting=False)


def test_nothing_is_added_while_a_mail_still_waits_to_be_sent() -> None:
    assert not is_time(NOW - timedelta(hours=3), NOW, is_waiting=True)
