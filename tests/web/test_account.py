"""One's own account: open sign-ins, another password, and what was done to it."""

import pytest

from dashboard import links, people
from tests.bench.databases import on_sqlite
from tests.bench.refund_desk import PASSWORD, RefundDesk
from tests.web.browser import Browser
from tests.web.conftest import Auth
from tests.web.second_factors import add_app
from tests.web.tables import dump

EMAIL = "operator@desk.test"
NEW = "quite another one"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
EDGE = "Mozilla/5.0 (Windows NT 10.0; Win64) AppleWebKit/537.36 Chrome/140.0 Safari/537.36 Edg/140.0"
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) Version/18.5 Mobile/15E148 Safari/604.1"


@pytest.fixture
def elsewhere(client: Browser, auth: Auth) -> Browser:
    """The same person in another browser."""
    client.environ = {"HTTP_USER_AGENT": IPHONE, "REMOTE_ADDR": "192.0.2.7"}
    assert client.sign_in(auth.person().email, PASSWORD).status == 303
    return client


def sign_ins(browser: Browser) -> dict[str, str]:
    """What the page says of each, by its name in addresses."""
    return {
        row["data-sign-in-name"]: row.text
        for row in browser.page("/account/").all("li")
        if row.get("data-sign-in-name")
    }


def change(browser: Browser, old: str = PASSWORD, new: str = NEW):
    return browser.post("/account/password", {"old": old, "password": new})


# Where one is signed in


def test_it_says_who_one_is_and_where_one_is_signed_in(
    operator: Browser, elsewhere: Browser, auth: Auth, refund_desk: RefundDesk
) -> None:
    auth.login("viewer")
    refund_desk.clock.advance(minutes=3)
    page = elsewhere.page("/account/")
    assert EMAIL in page.one("main").one("dl").text
    assert "Operator" in page.one("main").one("dl").text
    [there] = [text for text in sign_ins(operator).values() if "This one" not in text]
    for words in ("Safari on iPhone", "192.0.2.7", "since 1 Mar 09:00", "last active 1 Mar 09:03"):
        assert words in there
    assert len(sign_ins(operator)) == 2
    assert page.one("a", href="/account/").text.startswith(EMAIL), "every page leads there"


@on_sqlite
def test_it_says_whether_the_password_alone_is_enough(operator: Browser, refund_desk: RefundDesk) -> None:
    alone = "none yet: the password alone opens your account"
    assert alone in operator.page("/account/").one("main").one("dl").text
    add_app(operator, refund_desk.clock)
    said = operator.page("/account/").one("main").one("dl").text
    assert "recovery codes In use" in said
    assert alone not in said


def test_one_of_them_can_be_ended(operator: Browser, elsewhere: Browser, refund_desk: RefundDesk) -> None:
    [there] = [name for name, text in sign_ins(operator).items() if "This one" not in text]
    assert operator.post(f"/account/sign-ins/{there}/end").location == "/account/"
    assert elsewhere.get("/").status == 302
    assert operator.page("/account/").notices == ["That sign-in has ended."]
    last = refund_desk.journal()[-1]
    assert (last.actor, last.action) == (EMAIL, "login:ended")
    operator.post(f"/account/sign-ins/{there}/end")
    assert operator.page("/account/").notices == ["That sign-in had ended already."]


@on_sqlite
def test_nobody_ends_another_persons(auth: Auth, operator: Browser) -> None:
    [name] = sign_ins(operator)
    auth.login("admin").post(f"/account/sign-ins/{name}/end")
    assert operator.get("/").status == 200


def test_all_others_can_be_ended_at_once(operator: Browser, elsewhere: Browser, refund_desk: RefundDesk) -> None:
    assert operator.post("/account/sign-ins/end").status == 303
    assert elsewhere.get("/").status == 302
    assert operator.get("/").status == 200
    assert refund_desk.journal()[-1].action == "person:others_signed_out"
    operator.post("/account/sign-ins/end")
    assert "You were signed in nowhere else." in operator.page("/account/").notices


@pytest.mark.parametrize("path", ["/account/sign-ins/end", "/account/sign-ins/{there}/end"])
def test_ending_them_asks_once_more_who_is_there(
    operator: Browser, elsewhere: Browser, refund_desk: RefundDesk, path: str
) -> None:
    """Whoever finds a browser that is signed in does not shut its owner out of all others."""
    [there] = [name for name, text in sign_ins(operator).items() if "This one" not in text]
    refund_desk.clock.advance(minutes=5)
    answer = operator.post(path.format(there=there))
    assert answer.status == 200
    assert elsewhere.get("/").status == 200
    fields = answer.page.form(path.format(there=there)).fields
    assert operator.post(path.format(there=there), {**fields, "proof_password": PASSWORD}).status == 303
    assert elsewhere.get("/").status == 302
    assert operator.get("/").status == 200


@on_sqlite
@pytest.mark.parametrize(
    ("user_agent", "words"),
    [
        (FIREFOX, "Firefox on Linux"),
        (EDGE, "Edge on Windows"),
        (IPHONE, "Safari on iPhone"),
        ("curl/8.5", "curl/8.5"),
        ("<b>" + "x" * 100, "<b>" + "x" * 57),
        ("", "A browser that does not say its name"),
    ],
)
def test_a_browser_is_told_in_plain_words(client: Browser, auth: Auth, user_agent: str, words: str) -> None:
    client.environ["HTTP_USER_AGENT"] = user_agent
    client.sign_in(auth.person().email, PASSWORD)
    [text] = sign_ins(client).values()
    assert text.startswith(words)


# Another password


def test_it_ends_all_other_sign_ins_and_goes_on_with_another_cookie(
    operator: Browser, elsewhere: Browser, auth: Auth, refund_desk: RefundDesk
) -> None:
    thief = Browser(operator.client.application)
    thief.be(auth_token(operator))
    assert thief.get("/").status == 200
    answer = change(operator)
    assert (answer.status, answer.location) == (303, "/account/")
    page = operator.page("/account/")
    assert page.notices == ["Your password is changed. You are signed out everywhere else."]
    assert "1 Mar 09:00:00" in page.one("main").one("dl").text
    assert "Password changed · operator@desk.test" in page.one("main").text
    assert elsewhere.get("/").status == 302
    assert thief.get("/").status == 302, "a copy of the old cookie"
    assert refund_desk.journal()[-1].action == "person:password_changed"
    assert Browser(operator.client.application).sign_in(EMAIL, PASSWORD).status == 422
    assert Browser(operator.client.application).sign_in(EMAIL, NEW).status == 303


def auth_token(browser: Browser) -> str:
    with browser.client.session_transaction() as cookie:
        return str(cookie["_user_id"])


@on_sqlite
@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        ("", NEW, "Type your password."),
        ("not my password", NEW, "This is not your password."),
        (PASSWORD, "", "Type a new password."),
        (PASSWORD, "short", "At least 8 characters."),
        (PASSWORD, "x" * 1001, "At most 1000 characters."),
        (PASSWORD, "12345678", "This is one of the passwords that are tried first everywhere. Take another one."),
        (PASSWORD, "operator 131", "This is little more than your address or words of this desk. Take another one."),
    ],
)
def test_what_cannot_be_taken_changes_nothing_and_says_why(
    operator: Browser, refund_desk: RefundDesk, old: str, new: str, error: str
) -> None:
    before = dump(refund_desk.desk)["people"]
    answer = change(operator, old, new)
    assert (answer.status, answer.page.field_errors) == (422, [error])
    assert dump(refund_desk.desk)["people"] == before
    assert "not my password" not in answer.text
    assert Browser(operator.client.application).sign_in(EMAIL, PASSWORD).status == 303


def test_the_old_one_cannot_be_guessed_with_a_stolen_cookie(operator: Browser, refund_desk: RefundDesk) -> None:
    for _ in range(10):
        assert change(operator, "not my password").status == 422
    answer = change(operator)
    tried = [(one.actor, one.data) for one in refund_desk.journal() if one.action == "person:password_not_changed"]
    assert tried == [(EMAIL, '{"why":"wrong_password"}')] * 10
    assert (answer.status, answer.response.headers["Retry-After"]) == (429, "300")
    assert answer.page.notices == ["Too many attempts. Try again in 5 minutes."]
    assert Browser(operator.client.application).sign_in(EMAIL, PASSWORD).status == 303, "nobody is shut out by it"
    refund_desk.clock.advance(minutes=5)
    assert change(operator).status == 303


# What was done to it


def test_it_tells_what_was_done_to_the_account_and_by_whom(
    auth: Auth, operator: Browser, refund_desk: RefundDesk
) -> None:
    desk, admin = refund_desk.desk, "admin@desk.test"
    links.start_reset(desk, EMAIL, actor=admin)
    people.change_role(desk, EMAIL, "approver", actor=admin)
    browser = auth.login()
    main = browser.page("/account/").one("main").text
    assert f"Role changed from Operator to Approver · {admin}" in main
    assert f"A link to set another password was given out · {admin}" in main
    assert main.index("Role changed") < main.index("A link to set"), "the newest first"
