"""Asking once more who is there: the very same request goes on afterwards, and nothing typed is lost."""

import json

import pytest
from flask import Flask, request
from flask.typing import ResponseReturnValue

from dashboard import people, roles
from dashboard.web import step_up
from dashboard.web.access import needs
from tests.bench.authenticator import Authenticator
from tests.bench.databases import on_sqlite
from tests.bench.refund_desk import PASSWORD, RefundDesk
from tests.web.browser import Browser
from tests.web.conftest import Auth
from tests.web.second_factors import add_app, add_passkey

ADDRESS = "/dangerous?where=here&where=there"
SENT = {"amount": "1 000,50", "comment": "two\r\nlines & <b>more</b> \u201c\u20bd", "confirm": "yes", "empty": ""}
OPERATOR = "operator@desk.test"


@pytest.fixture
def environ(environ: dict[str, str]) -> dict[str, str]:
    return {**environ, "DASHBOARD_PUBLIC_URL": "http://localhost:8131"}


@pytest.fixture
def done(app: Flask) -> list[dict[str, list[str]]]:
    """What the verb of a dangerous view was called with."""
    calls: list[dict[str, list[str]]] = []

    @needs(roles.REQUEST_REFUND)
    def dangerous() -> tuple[str, int]:
        answer = step_up.ask_unless_fresh("You are about to do something.")
        if answer is not None:
            return answer  # type: ignore[return-value]
        calls.append({**request.args.to_dict(flat=False), **request.form.to_dict(flat=False)})
        return "", 204

    app.add_url_rule("/dangerous", "dangerous", dangerous, methods=["POST"])
    return calls


@pytest.fixture
def stale(done: object, operator: Browser, refund_desk: RefundDesk) -> Browser:
    """A browser in which somebody signed in five minutes ago."""
    refund_desk.clock.advance(minutes=5)
    return operator


def token_of(browser: Browser) -> str:
    with browser.client.session_transaction() as cookie:
        return str(cookie["_user_id"])


def test_whoever_has_just_signed_in_is_not_asked(
    done: list[object], operator: Browser, refund_desk: RefundDesk
) -> None:
    refund_desk.clock.advance(59, minutes=4)
    assert operator.post(ADDRESS, SENT).status == 204
    assert len(done) == 1


def test_the_same_request_goes_on_with_all_that_was_posted(stale: Browser, done: list[dict[str, list[str]]]) -> None:
    answer = stale.post(ADDRESS, SENT)
    assert (answer.status, done) == (200, [])
    assert "You are about to do something." in answer.page.one("main").text
    form = answer.page.form(ADDRESS)
    assert form.all("input", name="proof_password", type="password")
    assert not form.all("input", name="proof_code")
    assert stale.post(ADDRESS, {**form.fields, "proof_password": PASSWORD}).status == 204
    [called] = done
    assert called["where"] == ["here", "there"]
    assert {name: values[0] for name, values in called.items() if name in SENT} == SENT


@on_sqlite
def test_a_form_to_go_back_to_takes_the_place_of_the_answer(app: Flask, stale: Browser) -> None:
    @needs(roles.REQUEST_REFUND)
    def dear() -> ResponseReturnValue:
        return step_up.ask_unless_fresh("", "/dear?typed=1") or ""

    app.add_url_rule("/dear", "dear", dear, methods=["POST"])
    for sent in ({}, {"proof_password": "wrong"}):
        page = stale.post("/dear", sent).page
        assert page.one(data_address=True)["data-address"] == "/dear?typed=1"
        assert page.all("a", href="/dear?typed=1")
    assert not stale.post(ADDRESS, SENT).page.all(data_address=True)


@on_sqlite
def test_only_what_is_named_as_a_proof_is_kept_back(stale: Browser, done: list[object]) -> None:
    carried = stale.post(ADDRESS, {"proofs": "yes"}).page.form(ADDRESS)
    assert carried.fields["proofs"] == "yes"


def test_proving_makes_a_new_token_and_the_old_one_is_dead(
    stale: Browser, done: list[object], app: Flask, refund_desk: RefundDesk
) -> None:
    before = token_of(stale)
    assert stale.post(ADDRESS, {**SENT, "proof_password": PASSWORD}).status == 204
    assert token_of(stale) != before
    assert stale.get("/refunds/").status == 200
    thief = Browser(app)
    thief.be(before)
    assert (thief.get("/refunds/").location or "").startswith("/login")
    refund_desk.clock.advance(59, minutes=4)
    assert stale.post(ADDRESS, SENT).status == 204, "asked anew after five minutes, not before"
    refund_desk.clock.advance(1)
    assert stale.post(ADDRESS, SENT).status == 200


def test_a_sign_in_does_not_last_longer_for_it(stale: Browser, done: list[object], refund_desk: RefundDesk) -> None:
    refund_desk.clock.advance(hours=11)
    stale.post(ADDRESS, {**SENT, "proof_password": PASSWORD})
    refund_desk.clock.advance(hours=1)
    assert (stale.get("/refunds/").location or "").startswith("/login")


@pytest.mark.parametrize(("password", "notice"), [("wrong", "The password is not right."), ("", "Type your password.")])
def test_what_proves_nothing_does_nothing_and_keeps_all(
    stale: Browser, done: list[object], password: str, notice: str
) -> None:
    before = token_of(stale)
    answer = stale.post(ADDRESS, {**SENT, "proof_password": password})
    assert (answer.status, answer.page.notices, done) == (422, [notice], [])
    kept = answer.page.form(ADDRESS).fields
    assert {name: kept[name] for name in SENT} == SENT
    assert token_of(stale) == before


def test_whoever_has_a_factor_is_asked_for_it_and_not_for_the_password(
    done: list[object], operator: Browser, refund_desk: RefundDesk
) -> None:
    added = add_app(operator, refund_desk.clock)
    refund_desk.clock.advance(minutes=5)
    form = operator.post(ADDRESS, SENT).page.form(ADDRESS)
    assert not form.all("input", name="proof_password")
    assert operator.post(ADDRESS, {**SENT, "proof_password": PASSWORD}).status == 422
    assert done == []
    assert operator.post(ADDRESS, {**SENT, "proof_code": added.app.code()}).status == 204
    refund_desk.clock.advance(minutes=5)
    assert operator.post(ADDRESS, {**SENT, "proof_code": added.codes[0]}).status == 204
    assert len(done) == 2


def test_a_passkey_proves_it(done: list[object], operator: Browser, refund_desk: RefundDesk) -> None:
    device = Authenticator()
    add_passkey(operator, device)
    refund_desk.clock.advance(minutes=5)
    form = operator.post(ADDRESS, SENT).page.form(ADDRESS)
    sent = {**form.fields, "proof_answer": device.sign(form["data-options"])}
    assert operator.post(ADDRESS, sent).status == 204
    refund_desk.clock.advance(minutes=5)
    assert operator.post(ADDRESS, sent).status == 422, "once"
    assert len(done) == 1


def test_it_is_on_record(stale: Browser, done: list[object], refund_desk: RefundDesk) -> None:
    stale.post(ADDRESS, {"proof_password": "wrong password"})
    stale.post(ADDRESS, {"proof_password": PASSWORD})
    told = [(entry.actor, entry.action, json.loads(entry.data)) for entry in refund_desk.journal()][-2:]
    assert told == [
        (OPERATOR, "factor:failed", {"why": "wrong_password", "address": "127.0.0.1"}),
        (OPERATOR, "factor:proved", {"factor": "password", "address": "127.0.0.1"}),
    ]


def test_too_many_attempts_have_to_wait_and_nobody_is_signed_out(stale: Browser, done: list[object]) -> None:
    for _ in range(5):
        assert stale.post(ADDRESS, {**SENT, "proof_password": "wrong password"}).status == 422
    answer = stale.post(ADDRESS, {**SENT, "proof_password": PASSWORD})
    assert (answer.status, done) == (429, [])
    assert {name: answer.page.form(ADDRESS).fields[name] for name in SENT} == SENT
    assert stale.get("/refunds/").status == 200


def test_a_password_beside_an_answer_that_counts_for_nothing_is_counted(stale: Browser, done: list[object]) -> None:
    sent = {"proof_password": "wrong", "proof_answer": "x", "proof_challenge": "x"}
    assert [stale.post(ADDRESS, sent).status for _ in range(6)] == [422] * 5 + [429]


@on_sqlite
def test_a_sign_in_that_ends_meanwhile_is_not_brought_back(
    stale: Browser, done: list[object], refund_desk: RefundDesk
) -> None:
    people.sign_out_everywhere(refund_desk.desk, OPERATOR, actor="test")
    assert (stale.post(ADDRESS, {**SENT, "proof_password": PASSWORD}).location or "").startswith("/login")
    assert done == []


@on_sqlite
def test_who_may_not_do_it_is_not_asked(done: list[object], auth: Auth, refund_desk: RefundDesk) -> None:
    viewer = auth.login("viewer")
    refund_desk.clock.advance(minutes=5)
    assert viewer.post(ADDRESS, SENT).status == 403


@on_sqlite
@pytest.mark.parametrize(
    ("referrer", "back"),
    [
        ("http://localhost/refunds/?q=x", "/refunds/?q=x"),
        ("http://localhost/dangerous", "/"),
        ("http://evil.test/refunds/", "/"),
        ("http://localhost//evil.test/", "/"),
        ("", "/"),
    ],
)
def test_going_back_leads_to_the_page_before(stale: Browser, referrer: str, back: str) -> None:
    page = stale.post(ADDRESS, SENT, headers={"Referer": referrer}).page
    assert page.one("a", href=back).text == "Go back, and do nothing"
