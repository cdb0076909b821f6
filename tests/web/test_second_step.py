"""Signing in with a second factor."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from flask import Flask
from sqlalchemy import select, update

from dashboard import guessing, links, people, sealing
from dashboard.app import create_app
from dashboard.db import db
from dashboard.models import AuthenticatorApp, Guess, Passkey, RecoveryCode
from tests.bench.authenticator import Authenticator
from tests.bench.databases import on_both, on_sqlite
from tests.bench.refund_desk import PASSWORD, RefundDesk
from tests.web.browser import Browser
from tests.web.conftest import Auth
from tests.web.second_factors import (
    SECOND_STEP,
    Added,
    add_app,
    add_passkey,
    begin,
    finish,
    finish_with,
)

OPERATOR = "operator@desk.test"
WRONG = "This code is not right."


@pytest.fixture
def environ(environ: dict[str, str]) -> dict[str, str]:
    return {**environ, "DASHBOARD_PUBLIC_URL": "http://localhost:8131"}


@pytest.fixture
def added(operator: Browser, refund_desk: RefundDesk) -> Added:
    return add_app(operator, refund_desk.clock)


@pytest.fixture
def device(operator: Browser) -> Authenticator:
    device = Authenticator()
    assert add_passkey(operator, device).status == 200
    return device


def told(refund_desk: RefundDesk, *actions: str) -> list[tuple[str, str, dict[str, object]]]:
    entries = [entry for entry in refund_desk.journal() if entry.action in actions]
    return [(entry.actor, entry.action, json.loads(entry.data)) for entry in entries]


def is_signed_in(browser: Browser) -> bool:
    return browser.get("/refunds/").status == 200


def test_with_an_app_the_password_alone_opens_nothing(client: Browser, added: Added) -> None:
    page = begin(client, OPERATOR, "/journal/").page
    assert "operator@desk.test" in page.one("main").text
    assert not is_signed_in(client)
    fields = page.form(SECOND_STEP).fields
    answer = client.post(SECOND_STEP, {**fields, "proof_code": added.app.next_code()})
    assert (answer.status, answer.location) == (303, "/journal/")
    assert is_signed_in(client)


def test_it_is_on_record_with_what_proved_it(client: Browser, added: Added, refund_desk: RefundDesk) -> None:
    begin(client, OPERATOR)
    finish(client, "000000")
    finish(client, added.app.next_code())
    [asked, failed, succeeded] = told(refund_desk, "login:factor_asked", "factor:failed", "login:succeeded")[1:]
    assert asked == ("nobody", "login:factor_asked", {"email": OPERATOR, "address": "127.0.0.1"})
    assert failed == ("nobody", "factor:failed", {"why": "wrong_code", "address": "127.0.0.1"})
    assert succeeded == (OPERATOR, "login:succeeded", {"factor": "app", "address": "127.0.0.1"})


@on_sqlite
def test_nothing_secret_is_kept_as_it_is_or_recorded(client: Browser, added: Added, refund_desk: RefundDesk) -> None:
    begin(client, OPERATOR)
    finish(client, added.codes[0])
    with refund_desk.desk.read() as session:
        kept = session.scalars(select(AuthenticatorApp.secret)).one()
        digests = session.scalars(select(RecoveryCode.digest)).all()
    journal = " ".join(entry.data for entry in refund_desk.journal())
    for secret in (added.app.secret, *added.codes):
        assert secret.encode() not in kept
        assert secret not in journal
        assert not any(secret in digest for digest in digests)
    assert len(set(digests)) == 10


def test_a_code_works_once(client: Browser, added: Added, app: Flask) -> None:
    begin(client, OPERATOR)
    assert finish(client, added.app.code()).status == 422, "not even the one that the app was added with"
    code = added.app.next_code()
    assert finish(client, code).status == 303
    other = Browser(app)
    begin(other, OPERATOR)
    answer = finish(other, code)
    assert (answer.status, answer.page.notices) == (422, ["This code was used already. Wait for the next one."])
    assert not is_signed_in(other)


@on_sqlite
@pytest.mark.parametrize(("late_s", "status"), [(-90, 422), (-30, 303), (0, 303), (30, 303), (90, 422)])
def test_a_code_counts_for_one_step_more(
    client: Browser, added: Added, refund_desk: RefundDesk, late_s: int, status: int
) -> None:
    refund_desk.clock.advance(300)
    moment = refund_desk.clock.now()
    begin(client, OPERATOR)
    assert finish(client, added.app.code(moment + timedelta(seconds=late_s))).status == status


@on_sqlite
def test_spaces_in_a_code_do_not_matter(client: Browser, added: Added) -> None:
    code = added.app.next_code()
    begin(client, OPERATOR)
    assert finish(client, f" {code[:3]} {code[3:]} ").status == 303


@on_both
def test_of_two_who_send_the_same_code_at_once_one_is_signed_in(app: Flask, added: Added) -> None:
    """Real requests, each with half a sign-in of its own, let go together, again and again."""
    racers = 4
    browsers = [Browser(app) for _ in range(racers)]
    for _ in range(5):
        for browser in browsers:
            begin(browser, OPERATOR)
        code, gate = added.app.next_code(), Barrier(racers)

        def race(browser: Browser, code: str = code, gate: Barrier = gate) -> int:
            browser.csrf_token()
            gate.wait(30)
            return finish(browser, code).status

        with ThreadPoolExecutor(racers) as pool:
            statuses = sorted(pool.map(race, browsers))
        assert statuses == [303, *[422] * (racers - 1)]
        for browser in browsers:
            if is_signed_in(browser):
                browser.sign_out()


def test_a_recovery_code_works_once(client: Browser, added: Added, refund_desk: RefundDesk, app: Flask) -> None:
    typed = added.codes[3].lower().replace("-", " ")
    begin(client, OPERATOR)
    assert finish(client, typed).status == 303
    other = Browser(app)
    begin(other, OPERATOR)
    answer = finish(other, added.codes[3])
    assert answer.status == 422
    assert answer.page.notices[0].startswith(WRONG)
    assert finish(other, added.codes[4]).status == 303
    assert [data["left"] for _, _, data in told(refund_desk, "factor:code_used")] == [9, 8]


def test_somebody_elses_code_is_none(client: Browser, auth: Auth, added: Added, refund_desk: RefundDesk) -> None:
    other = add_app(auth.login("viewer"), refund_desk.clock)
    begin(client, "viewer@desk.test")
    for code in (added.codes[0], added.app.next_code()):
        assert finish(client, code).status == 422
    assert finish(client, other.codes[0]).status == 303


# Passkeys


def test_a_passkey_signs_in(client: Browser, device: Authenticator, refund_desk: RefundDesk) -> None:
    begin(client, OPERATOR)
    assert finish_with(client, device).status == 303
    assert is_signed_in(client)
    assert told(refund_desk, "login:succeeded")[-1][2]["factor"] == "passkey"
    with refund_desk.desk.read() as session:
        assert session.scalars(select(Passkey.sign_count)).one() == device.sign_count


Spoil = Callable[[Authenticator], None]


def elsewhere(device: Authenticator) -> None:
    device.origin = "http://evil.test"


def absent(device: Authenticator) -> None:
    device.flags = 0


def other_key(device: Authenticator) -> None:
    device._key = Authenticator()._key


def unknown(device: Authenticator) -> None:
    device.credential_id = b"somebody else's"


@on_sqlite
@pytest.mark.parametrize("spoil", [elsewhere, absent, other_key, unknown])
def test_an_answer_that_proves_nothing_is_refused(
    client: Browser, device: Authenticator, refund_desk: RefundDesk, spoil: Spoil
) -> None:
    begin(client, OPERATOR)
    spoil(device)
    answer = finish_with(client, device)
    assert answer.status == 422
    assert answer.page.notices[0].startswith("This passkey does not belong to your account")
    assert told(refund_desk, "factor:failed")[-1][2]["why"] == "bad_passkey"
    assert not is_signed_in(client)


@pytest.mark.parametrize("sign_count", [-1, 6, 5])
def test_a_key_that_counts_backwards_is_refused(
    client: Browser, device: Authenticator, refund_desk: RefundDesk, sign_count: int
) -> None:
    with refund_desk.desk.write() as tx:
        tx.execute(update(Passkey).values(sign_count=7))
    device.sign_count = sign_count
    begin(client, OPERATOR)
    answer = finish_with(client, device)
    assert answer.status == 422
    assert "somebody may have a copy of it" in answer.page.notices[0]
    assert told(refund_desk, "factor:failed")[-1][2]["why"] == "copied_key"
    device.sign_count = 7
    assert finish_with(client, device).status == 303


def test_whoever_tries_codes_does_not_keep_the_owner_of_a_passkey_out(
    client: Browser, device: Authenticator, app: Flask
) -> None:
    thief = Browser(app)
    begin(thief, OPERATOR)
    while finish(thief, "000000").status != 429:
        pass
    begin(client, OPERATOR)
    assert finish_with(client, device).status == 303


@on_sqlite
def test_a_key_that_does_not_count_signs_in_again_and_again(client: Browser, device: Authenticator) -> None:
    for _ in range(2):
        begin(client, OPERATOR)
        device.sign_count = -1
        assert finish_with(client, device).status == 303
        client.sign_out()


def test_an_answer_counts_for_the_sign_in_that_asked_alone(client: Browser, device: Authenticator, app: Flask) -> None:
    begin(client, OPERATOR)
    form = client.page(SECOND_STEP).form(SECOND_STEP)
    overheard = {**form.fields, "proof_answer": device.sign(form["data-options"])}
    other = Browser(app)
    begin(other, OPERATOR)
    answer = other.post(SECOND_STEP, {**overheard, "csrf_token": other.csrf_token()})
    assert answer.status == 422
    assert answer.page.notices == ["This page had waited too long. Try once more."]
    assert client.post(SECOND_STEP, overheard).status == 303
    client.forget_csrf_token()
    again = {**overheard, "csrf_token": client.csrf_token()}
    assert client.post(SECOND_STEP, again).location == "/login", "nor for a second time"


@on_sqlite
@pytest.mark.parametrize(
    "answer", ["{", "[]", '{"id": 3}', '{"id": "\\u0000"}', "x" * 20_000, '{"id":"\u00e4"}', "[" * 9_000]
)
def test_rubbish_is_refused(client: Browser, device: Authenticator, answer: str) -> None:
    begin(client, OPERATOR)
    fields = client.page(SECOND_STEP).form(SECOND_STEP).fields
    for challenge in (fields["proof_challenge"], "", "rubbish"):
        sent = {**fields, "proof_challenge": challenge, "proof_answer": answer}
        assert client.post(SECOND_STEP, sent).status in {422, 429}


# The half sign-in


def test_half_a_sign_in_holds_for_five_minutes(client: Browser, added: Added, refund_desk: RefundDesk) -> None:
    begin(client, OPERATOR)
    refund_desk.clock.advance(59, minutes=4)
    assert client.get(SECOND_STEP).status == 200
    refund_desk.clock.advance(1)
    assert finish(client, added.app.code()).location == "/login"
    assert client.page("/login").notices == ["That took too long, or was done already. Sign in once more."]
    assert not is_signed_in(client)


@on_sqlite
def test_without_the_password_there_is_no_second_step(client: Browser, added: Added) -> None:
    assert client.get(SECOND_STEP).location == "/login"
    assert finish(client, added.app.next_code()).location == "/login"


def test_both_tokens_of_before_are_dead_afterwards(client: Browser, added: Added, app: Flask) -> None:
    begin(client, OPERATOR)
    with client.client.session_transaction() as cookie:
        half = cookie["half_sign_in"]
    assert finish(client, added.app.next_code()).status == 303
    with client.client.session_transaction() as cookie:
        assert "half_sign_in" not in cookie
        whole = cookie["_user_id"]
    assert whole != half
    thief = Browser(app)
    thief.csrf_token()
    with thief.client.session_transaction() as cookie:
        cookie["half_sign_in"] = half
    assert finish(thief, added.app.next_code()).location == "/login"
    thief.be(half)
    assert not is_signed_in(thief)


@pytest.mark.parametrize("what", ["disabled", "another password"])
def test_it_ends_with_what_ends_every_sign_in(
    client: Browser, added: Added, refund_desk: RefundDesk, what: str
) -> None:
    begin(client, OPERATOR)
    if what == "disabled":
        people.disable(refund_desk.desk, OPERATOR, actor="test")
        people.enable(refund_desk.desk, OPERATOR, actor="test")
    else:
        people.set_password(refund_desk.desk, OPERATOR, "another password", actor="test")
    assert finish(client, added.app.next_code()).location == "/login"


@on_sqlite
def test_a_link_for_a_password_leads_past_no_factor(client: Browser, added: Added, refund_desk: RefundDesk) -> None:
    token = links.start_reset(refund_desk.desk, OPERATOR, actor="admin@desk.test").token
    used = client.post("/link/password", {"code": token, "password": "quite another one"})
    assert used.location == "/login"
    answer = client.sign_in(OPERATOR, "quite another one")
    assert (answer.status, (answer.location or "").partition("?")[0]) == (303, SECOND_STEP)
    assert not is_signed_in(client)
    assert finish(client, added.app.next_code()).status == 303


def test_a_foreign_target_leads_to_the_overview(client: Browser, added: Added) -> None:
    begin(client, OPERATOR)
    answer = client.post(SECOND_STEP, {"proof_code": added.app.next_code(), "next": "//evil.test/"})
    assert answer.location == "/"


@on_sqlite
def test_nothing_typed_is_said(client: Browser, added: Added) -> None:
    begin(client, OPERATOR)
    assert finish(client, " ").page.notices == ["Type the code, or use a passkey."]


# Too many attempts


def test_wrong_codes_are_counted_apart_from_passwords(client: Browser, added: Added, refund_desk: RefundDesk) -> None:
    begin(client, OPERATOR)
    for _ in range(5):
        assert finish(client, "000000").status == 422
    answer = finish(client, added.app.next_code())
    assert answer.status == 429, "not even with the right one"
    assert int(answer.response.headers["Retry-After"]) > 0
    with refund_desk.desk.read() as session:
        buckets = set(session.scalars(select(Guess.bucket).where(Guess.count > 0)))
    assert {bucket.partition(":")[0] for bucket in buckets} == {"proof"}
    begin(client, OPERATOR)
    refund_desk.clock.advance(59, minutes=4)
    assert finish(client, added.app.code()).status == 303


def fill(browser: Browser) -> None:
    """Guess codes until no more are looked at."""
    begin(browser, OPERATOR)
    for _ in range(5):
        assert finish(browser, "000000").status == 422
    assert finish(browser, "000000").status == 429


@on_sqlite
def test_whoever_guesses_codes_does_not_keep_out_a_recovery_code(client: Browser, added: Added) -> None:
    fill(client)
    assert finish(client, added.codes[0]).status == 303


@on_sqlite
def test_nor_a_browser_that_was_signed_in_to_before(client: Browser, added: Added, app: Flask) -> None:
    begin(client, OPERATOR)
    assert finish(client, added.app.next_code()).status == 303
    client.sign_out()
    client.forget_csrf_token()
    fill(Browser(app))
    begin(client, OPERATOR)
    assert finish(client, added.app.next_code()).status == 303


@on_sqlite
def test_nor_a_sign_in_that_is_open(client: Browser, operator: Browser, added: Added, refund_desk: RefundDesk) -> None:
    """It may have to prove once more who is there, to approve something."""
    fill(client)
    refund_desk.clock.advance(minutes=5)
    fill(client)
    answer = operator.post("/factors/codes", {"proof_code": added.app.code()})
    assert answer.status == 200
    assert "Put these codes away now" in answer.text


@on_sqlite
def test_one_address_guesses_only_so_often(client: Browser, added: Added, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guessing, "ADDRESS_FAILURES", 3)
    begin(client, OPERATOR)
    assert [finish(client, "AAAA-AAAA-AAAA-AAAA-AAAA").status for _ in range(4)] == [422, 422, 422, 429]
    client.environ["REMOTE_ADDR"] = "192.0.2.9"
    assert finish(client, added.codes[0]).status == 303


@on_sqlite
def test_a_right_code_sent_twice_is_no_guess(client: Browser, added: Added, app: Flask) -> None:
    code = added.app.next_code()
    begin(client, OPERATOR)
    assert finish(client, code).status == 303
    other = Browser(app)
    begin(other, OPERATOR)
    assert {finish(other, code).status for _ in range(6)} == {422}
    assert finish(other, added.app.next_code()).status == 303


def test_they_are_counted_across_processes(client: Browser, added: Added, app: Flask, refund_desk: RefundDesk) -> None:
    second = create_app(refund_desk.desk.config, clock=refund_desk.clock, new_id=refund_desk.desk.new_id)
    browsers = [client, Browser(second)]
    try:
        for browser in browsers:
            begin(browser, OPERATOR)
        for number in range(5):
            assert finish(browsers[number % 2], "000000").status == 422
        assert [finish(browser, added.app.code()).status for browser in browsers] == [429, 429]
    finally:
        with second.app_context():
            db.engine.dispose()


def test_many_guesses_at_once_are_no_more_than_one_after_the_other(app: Flask, added: Added) -> None:
    browsers = [Browser(app) for _ in range(8)]
    for browser in browsers:
        begin(browser, OPERATOR)
        browser.csrf_token()
    with ThreadPoolExecutor(len(browsers)) as pool:
        statuses = sorted(pool.map(lambda browser: finish(browser, "000000").status, browsers))
    assert statuses == [*[422] * 5, *[429] * 3]


# Another secret key


@on_sqlite
def test_an_app_whose_secret_cannot_be_read_any_more_says_so(
    client: Browser, added: Added, refund_desk: RefundDesk
) -> None:
    sealed = sealing.seal(added.app.secret, ("another secret key",), "to use:" + refund_desk.person().id)
    with refund_desk.desk.write() as tx:
        tx.execute(update(AuthenticatorApp).values(secret=sealed))
    begin(client, OPERATOR)
    answer = finish(client, added.app.next_code())
    assert answer.status == 422
    assert "the desk's secret key was changed" in answer.page.notices[0]
    assert finish(client, added.codes[0]).status == 303, "recovery codes go on"


@on_sqlite
def test_somebody_elses_sealed_secret_is_none(
    client: Browser, added: Added, auth: Auth, refund_desk: RefundDesk
) -> None:
    """Whoever can write into the table cannot give others the secret of an app of their own."""
    mine = add_app(auth.login("viewer"), refund_desk.clock)
    with refund_desk.desk.write() as tx:
        kept = select(AuthenticatorApp.secret).where(AuthenticatorApp.person_id == refund_desk.person("viewer").id)
        tx.execute(update(AuthenticatorApp).values(secret=kept.scalar_subquery()))
    begin(client, OPERATOR)
    assert finish(client, mine.app.next_code()).status == 422


def test_who_has_no_second_factor_signs_in_with_the_password_alone(client: Browser, auth: Auth, added: Added) -> None:
    assert client.sign_in(auth.person("viewer").email, PASSWORD).location == "/"
