"""The secret key is changed while people work: nobody is signed out, and nothing that is kept is lost."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from email.message import EmailMessage

import pytest
from flask import Flask

from dashboard import known_browsers, mail, resealing
from dashboard.app import create_app
from dashboard.bank131.client import BankClient
from dashboard.config import Config
from dashboard.desk import Desk
from tests.bench.authenticator import Authenticator
from tests.bench.databases import on_both, on_sqlite
from tests.bench.refund_desk import RefundDesk
from tests.bench.simulated import CountedIds, SimulatedClock
from tests.web.browser import Browser
from tests.web.second_factors import SECOND_STEP, add_app, add_passkey, begin, finish
from tests.web.test_refund_resubmit import filled_in

NEW = "another secret key: 9876543210 zyxwvutsrq"
OPERATOR = "operator@desk.test"
Restarted = Callable[..., Flask]


@pytest.fixture
def environ(environ: dict[str, str]) -> dict[str, str]:
    more = {"DASHBOARD_MAIL_SERVER": "smtp://127.0.0.1:25", "DASHBOARD_MAIL_FROM": "desk@example.com"}
    return {**environ, **more, "DASHBOARD_PUBLIC_URL": "http://localhost:8131"}


@pytest.fixture
def restarted(config: Config, clock: SimulatedClock, new_id: CountedIds, bank_client: BankClient) -> Restarted:
    """The app as it is started with other settings; browsers given to it go on with it."""

    def start(*browsers: Browser, **settings: str) -> Flask:
        app = create_app(replace(config, **settings), clock=clock, new_id=new_id, bank=bank_client)
        app.testing = True
        for browser in browsers:
            browser.client.application = app
        return app

    return start


def desk_of(app: Flask) -> Desk:
    desk: Desk = app.extensions["desk"]
    return desk


def have_a_mail_wait(refund_desk: RefundDesk, text: str) -> None:
    desk = refund_desk.desk
    with desk.write() as tx:
        holds_until = desk.clock.now() + timedelta(hours=1)
        letter = mail.Letter("Your link", text)
        mail.put(tx, desk.config, refund_desk.person("viewer"), mail.PASSWORD_LINK, letter, holds_until)


def send_all(desk: Desk) -> list[str]:
    sent: list[str] = []

    def send(_server: str, message: EmailMessage) -> None:
        sent.append(message.get_content().strip())

    while mail.send_next(desk, send):
        pass
    return sent


@on_both
def test_everything_goes_on_while_the_key_before_is_set_and_what_is_kept_goes_on_afterwards(
    operator: Browser, restarted: Restarted, refund_desk: RefundDesk, config: Config
) -> None:
    added = add_app(operator, refund_desk.clock)
    session_id = refund_desk.paid_session(100_00)
    fields = filled_in(operator, session_id)
    have_a_mail_wait(refund_desk, "first")

    between = restarted(operator, secret_key=NEW, secret_key_before=config.secret_key)
    sent = operator.post(f"/sessions/{session_id}/refund", fields)
    assert (sent.status, len(refund_desk.refunds(session_id))) == (303, 1), "the form of before"
    assert operator.page("/refunds/")
    assert send_all(desk_of(between)) == ["first"]
    have_a_mail_wait(refund_desk, "second")
    later = Browser(between)
    begin(later, OPERATOR)
    assert finish(later, added.app.next_code()).status == 303

    assert [one.count for one in resealing.reseal(desk_of(between), "test")] == [1, 1, 0]
    after = restarted(operator, later, secret_key=NEW)
    assert later.page("/refunds/"), "signed in with the new key"
    assert send_all(desk_of(after)) == ["second"]
    client = Browser(after)
    begin(client, OPERATOR)
    assert finish(client, added.app.next_code()).status == 303
    assert (operator.get("/refunds/").location or "").startswith("/login"), "a cookie of the key that is gone"


@on_sqlite
def test_without_the_key_before_forms_and_sign_ins_are_over(
    operator: Browser, restarted: Restarted, refund_desk: RefundDesk
) -> None:
    session_id = refund_desk.paid_session(100_00)
    fields = filled_in(operator, session_id)
    restarted(operator, secret_key=NEW)
    assert operator.post(f"/sessions/{session_id}/refund", fields).status == 400
    assert (operator.get("/refunds/").location or "").startswith("/login")
    assert refund_desk.refunds(session_id) == []


@on_sqlite
def test_a_question_for_a_passkey_and_a_known_browser_go_on_too(
    operator: Browser, client: Browser, restarted: Restarted, config: Config, refund_desk: RefundDesk
) -> None:
    device = Authenticator()
    assert add_passkey(operator, device).status == 200
    form = begin(client, OPERATOR).page.form(SECOND_STEP)
    cookie = known_browsers.remember("", OPERATOR, config.secret_keys)
    between = desk_of(restarted(client, secret_key=NEW, secret_key_before=config.secret_key)).config
    answer = client.post(SECOND_STEP, {**form.fields, "proof_answer": device.sign(form["data-options"])})
    assert answer.status == 303
    name = known_browsers.name_of(cookie, OPERATOR, config.secret_keys)
    assert known_browsers.name_of(cookie, OPERATOR, between.secret_keys) == name != ""
    renewed = known_browsers.remember(cookie, OPERATOR, between.secret_keys)
    assert known_browsers.name_of(renewed, OPERATOR, (NEW,)) == name
