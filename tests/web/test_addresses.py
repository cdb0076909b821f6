"""What stands in addresses: nothing that opens something, and nothing that people have written."""

import re
from urllib.parse import unquote_plus

import pytest
from flask import Flask, Response, request

from dashboard import anomalies, limits
from dashboard.limit_rules import Limit
from tests.bench import reviews
from tests.bench.refund_desk import PASSWORD, RefundDesk
from tests.bench.simulated import SimulatedClock
from tests.web.browser import Browser
from tests.web.conftest import Auth
from tests.web.second_factors import add_app, begin, finish

ANNA = "anna@desk.test"
NEW = "quite another one"
WRONG = "not this one"
COMMENT = "Mrs Smith has moved"
CUSTOMER = "client-17-of-the-shop"
_IN_PAGES = re.compile(r'\s(?:href|action|formaction|src|data-[a-z-]*url|data-keep)="([^"]*)"')


@pytest.fixture
def addresses(app: Flask) -> list[str]:
    """Every address that was asked for, or that an answer leads to, as people read it."""
    seen: list[str] = []

    def note(response: Response) -> Response:
        told = [request.full_path, response.headers.get("Location", "")]
        if response.mimetype == "text/html" and not response.direct_passthrough:
            told += _IN_PAGES.findall(response.get_data(as_text=True))
        seen.extend(unquote_plus(one) for one in told)
        return response

    app.after_request_funcs.setdefault(None, []).append(note)
    return seen


def expect_none(addresses: list[str], *secrets: str) -> None:
    """None of these stands in an address; `addresses` is not empty for want of looking."""
    assert len(addresses) > 20
    assert [(secret, one) for secret in secrets for one in addresses if secret in one] == []


def test_no_code_no_password_and_no_token_of_who_comes_in(
    auth: Auth, app: Flask, addresses: list[str], clock: SimulatedClock
) -> None:
    invited = auth.login("admin").post("/people/invite", {"email": ANNA, "role": "operator"})
    code = invited.page.one("input", id="link")["value"].partition("#")[2]
    assert len(code) == 43
    browser = Browser(app)
    typed = {**browser.page("/link").form("/link/open").fields, "code": code}
    form = browser.post("/link/open", typed).page.form("/link/password")
    statuses = [browser.post("/link/password", {**form.fields, "password": one}).status for one in ("short", NEW)]
    assert statuses == [422, 303]
    assert [browser.sign_in(ANNA, password, "/account/").status for password in (WRONG, NEW)] == [422, 303]
    added = add_app(browser, clock)
    browser.sign_out()
    browser.forget_csrf_token()
    begin(browser, ANNA, password=NEW)
    proof = added.app.next_code()
    assert finish(browser, proof).status == 303
    browser.page("/account/")
    expect_none(addresses, code, WRONG, NEW, added.app.secret, proof, *added.codes, *_tokens(browser))


def _tokens(browser: Browser) -> list[str]:
    with browser.client.session_transaction() as cookie:
        return [str(cookie["_user_id"]), str(cookie["csrf_token"]), browser.csrf_token()]


def test_no_comment_of_a_refund(
    as_idle_as_usual: None, operator: Browser, auth: Auth, refund_desk: RefundDesk, addresses: list[str]
) -> None:
    limits.put(refund_desk.desk, "rub", Limit(50_00, 80_00, proof_above_minor=10_00), actor="admin@desk.test")
    path = f"/sessions/{refund_desk.paid_session(100_00, customer=CUSTOMER)}/refund"
    typed = {"kind": "partial", "amount": "60", "reason": "other", "comment": COMMENT}
    fields = {**operator.page(path).form(path).fields, **typed}
    assert operator.post(path, {**fields, "amount": "ten"}).status == 422
    (back,) = [link["href"] for link in operator.post(path, fields).page.all("a") if link.text == "Go back"]
    page = operator.page(back)
    assert page.form(path).fields["comment"].strip() == COMMENT
    confirmation = operator.post(path, page.form(path).fields).page.form(path)
    refund_desk.clock.advance(minutes=6)
    asked = operator.post(
        path, {**confirmation.fields, "confirm": "yes"}, headers={"Referer": f"http://localhost{path}"}
    )
    made = operator.post(path, {**asked.page.form(path).fields, "proof_password": PASSWORD})
    assert made.status == 303
    operator.page(made.location or "")
    approver = auth.login("approver")
    reject = f"{made.location}/reject"
    assert [approver.post(reject, {"comment": one}).status for one in (COMMENT * 50, COMMENT)] == [422, 303]
    refund_desk.clock.advance(minutes=16)
    assert operator.post(path, fields).location == f"/login?next={path}"
    expect_none(addresses, COMMENT, CUSTOMER)


def test_no_comment_on_what_people_decide(
    operator: Browser, auth: Auth, refund_desk: RefundDesk, addresses: list[str]
) -> None:
    refund, _ = reviews.with_stranger(refund_desk)
    fact = f"/anomalies/{anomalies.name_of(reviews.odd_fact_of(refund_desk, refund))}"
    lost = reviews.not_found(refund_desk)
    review = f"/refunds/{lost.reference}/review"
    choice = {"choice": "never_made"}
    assert [operator.post(review, {**choice, "comment": one}).status for one in (COMMENT * 50, COMMENT)] == [422, 303]
    second = auth.login("approver")
    [reject] = [
        one["action"] for one in second.page(review).all("form", method="post") if one["action"].endswith("/reject")
    ]
    rejections = [second.post(reject, {"comment": one}).status for one in (COMMENT * 50, COMMENT)]
    assert rejections == [422, 303]
    assert [operator.post(fact, {"comment": one}).status for one in (COMMENT * 50, COMMENT)] == [422, 303]
    admin, lost_phone = auth.login("admin"), auth.login("viewer")
    add_app(lost_phone, refund_desk.clock)
    reset = f"/people/{auth.person('viewer').id}/factors/reset"
    assert [admin.post(reset, {"comment": one}).status for one in (COMMENT * 50, COMMENT)] == [422, 303]
    operator.page("/journal/")
    expect_none(addresses, COMMENT)
