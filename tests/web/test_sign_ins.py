"""How long somebody stays signed in, what counts as being there, and what a stolen cookie is worth."""

from collections.abc import Callable
from datetime import datetime

import pytest
from sqlalchemy import select

from dashboard import people, sign_ins
from dashboard.models import SignIn
from tests.bench.databases import on_sqlite
from tests.bench.refund_desk import PASSWORD, RefundDesk
from tests.web.browser import Browser
from tests.web.conftest import Auth

EMAIL = "operator@desk.test"
COOKIE = "refund_desk"

pytestmark = pytest.mark.usefixtures("as_idle_as_usual")


def is_signed_in(browser: Browser) -> bool:
    """Asked in a way that prolongs nothing."""
    return browser.get("/account/left").status == 200


def seen(refund_desk: RefundDesk) -> list[datetime]:
    with refund_desk.desk.read() as session:
        return list(session.scalars(select(SignIn.last_seen_at).where(SignIn.ended_at.is_(None))))


def copy_of(browser: Browser) -> Browser:
    """A thief's browser with the same cookie."""
    cookie = browser.client.get_cookie(COOKIE)
    assert cookie is not None
    thief = Browser(browser.client.application)
    thief.client.set_cookie(COOKIE, cookie.value)
    return thief


# Nobody is there


def test_after_fifteen_idle_minutes_one_has_to_sign_in_again(operator: Browser, refund_desk: RefundDesk) -> None:
    refund_desk.clock.advance(59, minutes=14)
    assert operator.get("/journal/").status == 200
    refund_desk.clock.advance(59, minutes=14)
    assert operator.get("/journal/").status == 200, "doing something prolongs it"
    refund_desk.clock.advance(minutes=15)
    assert operator.get("/journal/").location == "/login?next=/journal/"
    assert operator.get("/").status == 302
    [notice] = operator.page("/login").notices
    assert notice.startswith("You were signed out: nothing was done for a while, or your sign-in was ended.")


@pytest.fixture
def _half_a_minute(environ: dict[str, str], as_idle_as_usual: None) -> None:
    """Nobody may be idle for longer. Ask for it before the app."""
    environ["DASHBOARD_IDLE_MINUTES"] = "0.5"


@on_sqlite
@pytest.mark.usefixtures("_half_a_minute")
def test_the_idle_time_is_a_setting(operator: Browser, refund_desk: RefundDesk) -> None:
    refund_desk.clock.advance(29)
    assert operator.get("/journal/").status == 200
    refund_desk.clock.advance(29)
    assert operator.get("/journal/").status == 200
    refund_desk.clock.advance(30)
    assert operator.get("/journal/").status == 302


@pytest.mark.parametrize(
    ("path", "options"),
    [
        ("/refunds/rows?since=0", {}),
        ("/sessions/{session}/refund/left?kind=partial&amount=1", {}),
        ("/sessions/{session}/refund/others", {}),
        ("/account/left", {}),
        ("/exports/8a6f2c1e-0d3b-4c5a-9e7f-1b2c3d4e5f60?expected=yes", {}),
        ("/sessions/{session}", {"headers": {"X-Unattended": "yes"}}),
        ("/refunds/?unattended=yes", {}),
    ],
)
def test_what_an_open_page_asks_for_by_itself_keeps_nobody_signed_in(
    operator: Browser, refund_desk: RefundDesk, path: str, options: dict[str, dict[str, str]]
) -> None:
    session_id = refund_desk.paid_session()
    refund_desk.read(session_id)
    began = seen(refund_desk)
    for _ in range(3):
        refund_desk.clock.advance(50, minutes=4)
        assert operator.get(path.format(session=session_id), **options).status in {200, 204}
    assert seen(refund_desk) == began
    refund_desk.clock.advance(minutes=1)
    assert not is_signed_in(operator)


@on_sqlite
def test_the_way_back_does_not_say_that_a_page_was_loaded_by_itself(client: Browser) -> None:
    assert client.get("/refunds/?status=accepted&unattended=yes").location == "/login?next=/refunds/?status%3Daccepted"
    assert client.get("/refunds/?unattended=yes").location == "/login?next=/refunds/"


def test_it_is_noted_once_a_minute_that_somebody_is_there(operator: Browser, refund_desk: RefundDesk) -> None:
    began = refund_desk.clock.now()
    refund_desk.clock.advance(59)
    operator.get("/journal/")
    assert seen(refund_desk) == [began]
    refund_desk.clock.advance(1)
    operator.get("/journal/")
    assert seen(refund_desk) == [refund_desk.clock.now()]


@on_sqlite
def test_a_busy_database_keeps_nobody_waiting_for_that(operator: Browser, refund_desk: RefundDesk) -> None:
    refund_desk.clock.advance(minutes=2)
    before = seen(refund_desk)
    with refund_desk.desk.write() as tx:
        people.find(tx, EMAIL)
        assert operator.get("/journal/").status == 200
    assert seen(refund_desk) == before
    operator.get("/journal/")
    assert seen(refund_desk) == [refund_desk.clock.now()]


@on_sqlite
def test_the_page_knows_when_it_ends_and_staying_prolongs_it(operator: Browser, refund_desk: RefundDesk) -> None:
    refund_desk.clock.advance(30, minutes=14)
    left = operator.get("/account/left").response.json
    assert left == {"left_s": 30.0, "seen_s": 870.0, "warn_s": 60.0, "step_s": 60.0, "can_stay": True}
    assert operator.get("/account/stay").status == 405
    assert operator.post("/account/stay").response.json == {**left, "left_s": 900.0, "seen_s": 0.0}
    refund_desk.clock.advance(minutes=15)
    assert operator.post("/account/stay").status == 401


@on_sqlite
def test_near_the_twelfth_hour_staying_is_not_offered(operator: Browser, refund_desk: RefundDesk) -> None:
    for _ in range(71):
        refund_desk.clock.advance(minutes=10)
        assert operator.post("/account/stay").status == 200
    left = operator.get("/account/left").response.json
    assert (left["left_s"], left["can_stay"]) == (600.0, False)


# A stolen cookie


def test_a_stolen_cookie_is_worth_nothing_after_signing_out(auth: Auth, client: Browser) -> None:
    assert client.sign_in(auth.person().email, PASSWORD).status == 303
    thief = copy_of(client)
    assert thief.get("/refunds/").status == 200
    client.sign_out()
    assert thief.get("/refunds/").location == "/login?next=/refunds/"


@pytest.mark.parametrize(
    "verb",
    [
        lambda desk: people.disable(desk, EMAIL, actor="test"),
        lambda desk: people.change_role(desk, EMAIL, "admin", actor="test"),
        lambda desk: people.set_password(desk, EMAIL, "another password", actor="test"),
    ],
    ids=["disabled", "another role", "another password"],
)
def test_a_stolen_cookie_is_worth_nothing_once_the_account_is_changed(
    auth: Auth, client: Browser, refund_desk: RefundDesk, verb: Callable[[object], object]
) -> None:
    assert client.sign_in(auth.person().email, PASSWORD).status == 303
    thief = copy_of(client)
    assert thief.get("/refunds/").status == 200
    verb(refund_desk.desk)
    assert thief.get("/refunds/").location == "/login?next=/refunds/"
    assert thief.post("/account/stay", {}, csrf=False).status in {400, 401}
    assert thief.get("/live").status == 401


def test_a_cookie_planted_before_the_sign_in_is_worth_nothing(auth: Auth, client: Browser) -> None:
    planted_token = client.page("/login").form("/login").fields["csrf_token"]
    thief = copy_of(client)
    assert client.sign_in(auth.person().email, PASSWORD).status == 303
    assert thief.get("/refunds/").status == 302
    sent = client.post("/account/stay", {"csrf_token": planted_token})
    assert sent.status == 400, "the thief knows the token that forms had before"


def test_signing_in_again_ends_the_sign_in_of_before(operator: Browser) -> None:
    thief = copy_of(operator)
    assert operator.sign_in(EMAIL, PASSWORD).status == 303
    assert operator.get("/refunds/").status == 200
    assert thief.get("/refunds/").status == 302


@on_sqlite
def test_forms_in_other_tabs_stay_good_for_whoever_comes_back_alone(
    operator: Browser, auth: Auth, refund_desk: RefundDesk
) -> None:
    token = operator.csrf_token()
    refund_desk.clock.advance(minutes=20)
    assert operator.sign_in(EMAIL, PASSWORD).status == 303
    assert operator.post("/account/stay", {"csrf_token": token}).status == 200
    refund_desk.clock.advance(minutes=20)
    assert operator.sign_in(auth.person("viewer").email, PASSWORD).status == 303
    assert operator.post("/account/stay", {"csrf_token": token}).status == 400


def test_another_token_goes_on_with_the_same_sign_in(auth: Auth, refund_desk: RefundDesk) -> None:
    person, desk = auth.person(), refund_desk.desk
    with desk.write() as tx:
        old = sign_ins.start(tx, person, "192.0.2.7", "Firefox")
    refund_desk.clock.advance(minutes=5)
    with desk.write() as tx:
        fresh = sign_ins.renew(tx, old, desk.config.idle, is_proved=False)
    assert fresh is not None
    assert sign_ins.find(desk, old) is None
    found = sign_ins.find(desk, fresh)
    assert found is not None
    assert (found.person.id, found.sign_in.address, found.sign_in.browser) == (person.id, "192.0.2.7", "Firefox")
    refund_desk.clock.advance(minutes=10)
    assert sign_ins.find(desk, fresh) is None, "it is no reason to stay longer"


@on_sqlite
def test_it_is_kept_where_somebody_signed_in(auth: Auth, client: Browser, refund_desk: RefundDesk) -> None:
    client.environ["HTTP_USER_AGENT"] = "Mozilla/5.0 " + "x" * 1000
    client.sign_in(auth.person().email, PASSWORD)
    with refund_desk.desk.read() as session:
        kept = session.scalars(select(SignIn)).one()
    assert (kept.address, kept.browser[:11], len(kept.browser)) == ("127.0.0.1", "Mozilla/5.0", 300)
