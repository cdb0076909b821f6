"""What is refused is in the log, with who, what and from where, and nobody can flood it."""

from datetime import timedelta

import pytest

from dashboard.web.refusals import MOST_LINES
from tests.bench.databases import on_sqlite
from tests.bench.refund_desk import PASSWORD, RefundDesk
from tests.web.browser import Browser
from tests.web.conftest import Auth

pytestmark = on_sqlite


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "dashboard.web.refusals"]


def test_values_and_rules_that_refuse_are_told(
    operator: Browser, refund_desk: RefundDesk, caplog: pytest.LogCaptureFixture
) -> None:
    path = f"/sessions/{refund_desk.paid_session()}/refund"
    form = operator.page(path).form(path).fields
    assert operator.post(path, {**form, "kind": "partial", "amount": "a secret", "reason": "nonsense"}).status == 422
    assert operator.get("/refunds/?status=nonsense").status == 400
    assert operator.ask("POST", path, json={}).status == 415
    assert operator.get("/logout").status == 405
    assert lines(caplog) == [
        f"422 for POST {path} by operator@desk.test from 127.0.0.1",
        "400 for GET /refunds/ by operator@desk.test from 127.0.0.1",
        f"415 for POST {path} by nobody from 127.0.0.1",
        "405 for GET /logout by operator@desk.test from 127.0.0.1",
    ]


def test_limits_that_are_reached_are_told(client: Browser, auth: Auth, caplog: pytest.LogCaptureFixture) -> None:
    email = auth.person().email
    statuses = {client.sign_in(email, "wrong password").status for _ in range(11)}
    assert statuses == {422, 429}
    assert lines(caplog)[-2:] == [f"{status} for POST /login by nobody from 127.0.0.1" for status in (422, 429)]


def test_what_is_done_is_not_told(client: Browser, auth: Auth, caplog: pytest.LogCaptureFixture) -> None:
    client.sign_in(auth.person().email, PASSWORD)
    assert client.get("/nowhere").status == 404
    assert client.get("/refunds/").status == 200
    assert lines(caplog) == []


def test_nobody_floods_the_log(client: Browser, refund_desk: RefundDesk, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(MOST_LINES + 7):
        client.post("/webhooks/bank131", csrf=False)
        client.post("/login", csrf=False)
    assert len(lines(caplog)) == MOST_LINES
    refund_desk.clock.advance(59)
    client.get("/login?x=%00")
    assert len(lines(caplog)) == MOST_LINES
    caplog.clear()
    refund_desk.clock.advance(1)
    client.get("/login?x=%00")
    client.get("/login?x=%00")
    assert lines(caplog) == [
        f"{MOST_LINES + 15} more were refused in the minute before",
        *["400 for GET /login by nobody from 127.0.0.1"] * 2,
    ]


def test_a_clock_that_is_put_back_silences_nothing(
    client: Browser, refund_desk: RefundDesk, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(MOST_LINES + 1):
        client.get("/login?x=%00")
    caplog.clear()
    refund_desk.clock._at -= timedelta(hours=1)
    client.get("/login?x=%00")
    assert lines(caplog)[0] == "1 more were refused in the minute before"
    assert len(lines(caplog)) == 2
