"""How long a code of an authenticator app lives, and what is said of one that has just ended."""

import json

import pytest

from tests.bench.databases import on_sqlite
from tests.bench.refund_desk import RefundDesk
from tests.web.browser import Browser
from tests.web.second_factors import Added, App, add_app, begin, finish

OPERATOR = "operator@desk.test"
RAN_OUT = "That code has just run out: type the next one. If this goes on, the clock of your device is behind: set it."
WRONG = "This code is not right. Codes of an app change every half minute; a recovery code works once."
WRONG_TO_ADD = "This is not the code that the app shows now. Look at its clock if it goes on."

pytestmark = on_sqlite


@pytest.fixture
def grace_s() -> str:
    return "0"


@pytest.fixture
def environ(environ: dict[str, str], grace_s: str) -> dict[str, str]:
    return {**environ, "DASHBOARD_APP_CODE_GRACE_SECONDS": grace_s}


@pytest.fixture
def added(operator: Browser, refund_desk: RefundDesk) -> Added:
    return add_app(operator, refund_desk.clock)


def code_after(added: Added, refund_desk: RefundDesk, after_s: float) -> str:
    """A code, so long after its half minute has begun; before it, with a minus."""
    clock = refund_desk.clock
    clock.advance(60)
    assert clock.now().timestamp() % 30 == 0
    code = added.app.code()
    clock.shift(after_s)
    return code


def typed(client: Browser, code: str) -> str:
    begin(client, OPERATOR)
    answer = finish(client, code)
    return "" if answer.status == 303 else " ".join(answer.page.notices)


@pytest.mark.parametrize(
    ("after_s", "said"),
    [(-30, WRONG), (-0.001, WRONG), (0, ""), (15, ""), (29.999, ""), (30, RAN_OUT), (59.999, RAN_OUT), (60, WRONG)],
)
def test_without_grace_a_code_lives_for_thirty_seconds(
    client: Browser, added: Added, refund_desk: RefundDesk, after_s: float, said: str
) -> None:
    assert typed(client, code_after(added, refund_desk, after_s)) == said


@pytest.mark.parametrize(
    ("grace_s", "after_s", "said"),
    [
        *(("10", -10.001, WRONG), ("10", -10, ""), ("10", 0, ""), ("10", 39.999, ""), ("10", 40, RAN_OUT)),
        *(("30", -30.001, WRONG), ("30", -30, ""), ("30", 0, ""), ("30", 59.999, ""), ("30", 60, WRONG)),
    ],
)
def test_with_grace_it_lives_so_much_longer_on_either_side(
    client: Browser, added: Added, refund_desk: RefundDesk, after_s: float, said: str
) -> None:
    assert typed(client, code_after(added, refund_desk, after_s)) == said


def test_one_that_has_just_run_out_is_no_guess_and_on_record(
    client: Browser, added: Added, refund_desk: RefundDesk
) -> None:
    code = code_after(added, refund_desk, 31)
    assert [typed(client, code) for _ in range(6)] == [RAN_OUT] * 6
    assert typed(client, added.app.code()) == ""
    reasons = [json.loads(entry.data)["why"] for entry in refund_desk.journal() if entry.action == "factor:failed"]
    assert reasons == ["ran_out"] * 6


def test_the_code_that_comes_next_is_a_guess_like_any_other(
    client: Browser, added: Added, refund_desk: RefundDesk
) -> None:
    """It will open something: nobody is told that it is the one."""
    code = code_after(added, refund_desk, -1)
    assert [typed(client, code) for _ in range(5)] == [WRONG] * 5
    assert "Too many attempts." in typed(client, code)


@pytest.mark.parametrize(("after_s", "error"), [(-1, WRONG_TO_ADD), (30, RAN_OUT), (60, WRONG_TO_ADD)])
def test_the_first_code_of_an_app_lives_as_long(
    operator: Browser, refund_desk: RefundDesk, after_s: float, error: str
) -> None:
    page = operator.page("/factors/app/new")
    app = App(page.one(data_secret=True).text.replace(" ", ""), refund_desk.clock)
    code = code_after(Added(app, []), refund_desk, after_s)
    answer = operator.post("/factors/app", {**page.form("/factors/app").fields, "code": code})
    assert (answer.status, answer.page.field_errors) == (422, [error])
    again = {**answer.page.form("/factors/app").fields, "code": app.code()}
    assert operator.post("/factors/app", again).status == 200
