"""What was typed and not sent: sealed for the browser, and opened for whoever typed it."""

import json

import pytest

from tests.bench.databases import on_sqlite
from tests.bench.refund_desk import RefundDesk
from tests.web.browser import Browser
from tests.web.conftest import Auth
from tests.web.tables import dump

pytestmark = on_sqlite

TYPED = json.dumps([{"fields": [["comment", "Mrs Smith \u2013 has \u0000 moved\n\ud83d"]]}])


def seal(browser: Browser, typed: str = TYPED) -> str:
    answer = browser.post("/account/kept", {"text": typed})
    assert answer.status == 200
    return str(json.loads(answer.text)["text"])


def opened(browser: Browser, sealed: str) -> tuple[int, str | None]:
    answer = browser.post("/account/kept/open", {"text": sealed})
    return answer.status, json.loads(answer.text)["text"] if answer.status == 200 else None


@pytest.mark.parametrize("role", ["viewer", "operator"])
def test_it_is_opened_in_another_sign_in_of_the_same_person(auth: Auth, refund_desk: RefundDesk, role: str) -> None:
    before, after = auth.login(role), auth.login(role)
    tables = dump(refund_desk.desk)
    sealed = seal(before)
    assert "Smith" not in sealed
    assert seal(before) != sealed
    assert opened(after, sealed) == (200, TYPED)
    assert dump(refund_desk.desk) == tables, "it is no act"


def test_nobody_else_opens_it_and_nothing_that_was_changed(auth: Auth, operator: Browser) -> None:
    sealed = seal(operator)
    assert opened(auth.login("admin"), sealed) == (410, None)
    assert opened(auth.login("operator", "another@desk.test"), sealed) == (410, None)
    other = "B" if sealed[40] == "A" else "A"
    for changed in (f"{sealed[:40]}{other}{sealed[41:]}", sealed[:-8], "", "nonsense", "\u20bd"):
        assert opened(operator, changed) == (410, None)
    assert opened(operator, sealed) == (200, TYPED)


def test_it_is_opened_for_twelve_hours(auth: Auth, operator: Browser, refund_desk: RefundDesk) -> None:
    sealed = seal(operator)
    refund_desk.clock.advance(59, hours=11, minutes=59)
    assert opened(auth.login(), sealed) == (200, TYPED)
    refund_desk.clock.advance(1)
    assert opened(auth.login(), sealed) == (410, None)


def test_no_more_than_fits_into_a_form_on_the_way_back(operator: Browser) -> None:
    longest, as_scripts_do = "\u20bd" * 10_922, {"content_type": "multipart/form-data"}
    answer = operator.post("/account/kept", {"text": longest}, **as_scripts_do)
    assert opened(operator, json.loads(answer.text)["text"]) == (200, longest)
    assert operator.post("/account/kept", {"text": f"{longest}abc"}, **as_scripts_do).status == 413


def test_a_page_that_asks_for_it_by_itself_keeps_nobody_signed_in(
    as_idle_as_usual: None, operator: Browser, refund_desk: RefundDesk
) -> None:
    sealed = seal(operator)
    refund_desk.clock.advance(minutes=14)
    assert opened(operator, seal(operator)) == (200, TYPED)
    refund_desk.clock.advance(minutes=1)
    assert operator.post("/account/kept", {"text": TYPED}).status == 401
    assert opened(operator, sealed) == (401, None)
