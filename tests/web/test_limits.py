"""The limits in the browser: everybody sees them, an admin sets them."""

import pytest

from dashboard import limits
from dashboard.limit_rules import ANY_CURRENCY, NO_LIMIT, Limit
from tests.bench.databases import on_sqlite
from tests.bench.refund_desk import PASSWORD, RefundDesk
from tests.web.browser import Browser
from tests.web.conftest import Auth

FIELDS = {"at_once_up_to": "1 000.50", "approved_up_to": "", "alone_a_day": "0", "asked_above": "20"}


@pytest.fixture
def admin(auth: Auth) -> Browser:
    return auth.login("admin")


def known(refund_desk: RefundDesk) -> dict[str, Limit]:
    with refund_desk.desk.read() as session:
        return dict(limits.all_of_them(session))


def test_an_admin_sets_changes_and_removes_them(admin: Browser, refund_desk: RefundDesk) -> None:
    assert admin.post("/limits/new", {"currency": " RUB ", **FIELDS}).location == "/limits/"
    assert known(refund_desk) == {"rub": Limit(1000_50, None, 0, 20_00)}
    form = admin.page("/limits/rub")
    assert [form.one("input", name=name)["value"] for name in FIELDS] == ["1000.50", "", "0.00", "20.00"]
    assert admin.post("/limits/rub", {**FIELDS, "approved_up_to": "5000"}).location == "/limits/"
    assert known(refund_desk) == {"rub": Limit(1000_50, 5000_00, 0, 20_00)}
    row = admin.page("/limits/").one("tr", **{"data-currency": "rub"}).text
    assert "1,000.50 RUB" in row
    assert "5,000.00 RUB" in row
    assert admin.post("/limits/rub/remove").location == "/limits/"
    assert known(refund_desk) == {}
    assert [entry.actor for entry in refund_desk.journal("limit:rub")] == ["admin@desk.test"] * 3


@on_sqlite
def test_all_other_currencies_can_be_stopped(admin: Browser, refund_desk: RefundDesk) -> None:
    nothing = {"at_once_up_to": "0", "approved_up_to": "", "alone_a_day": "", "asked_above": ""}
    assert admin.post("/limits/new", {"currency": "*", **nothing}).status == 303
    assert known(refund_desk) == {ANY_CURRENCY: Limit(0)}
    assert "All others" in admin.page("/limits/").text
    assert admin.page("/limits/*").one("h1").text == "Limits for all other currencies"


@on_sqlite
@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"currency": ""}, "Type a currency"),
        ({"currency": "roubles"}, "Type a currency"),
        ({"currency": "rub", "at_once_up_to": "ten"}, "This is not an amount"),
        ({"currency": "rub", "at_once_up_to": "-5"}, "more than zero"),
        ({"currency": "jpy", "at_once_up_to": "1.50"}, "Too many digits"),
        ({"currency": "rub", "at_once_up_to": "10", "approved_up_to": "9"}, "is more than what may be sent with"),
        ({"currency": "*", "at_once_up_to": "10"}, "cannot be typed"),
    ],
)
def test_what_cannot_be_set_is_said_and_kept(
    admin: Browser, refund_desk: RefundDesk, fields: dict[str, str], said: str
) -> None:
    answer = admin.post("/limits/new", {**dict.fromkeys(FIELDS, ""), **fields})
    assert answer.status == 422
    assert said in answer.text
    typed = fields.get("at_once_up_to", "")
    assert answer.page.one("input", name="at_once_up_to")["value"] == typed
    assert known(refund_desk) == {}


@on_sqlite
def test_nothing_typed_is_no_limit(admin: Browser, refund_desk: RefundDesk) -> None:
    assert admin.post("/limits/new", {"currency": "usd", **dict.fromkeys(FIELDS, "")}).status == 303
    assert known(refund_desk) == {"usd": NO_LIMIT}
    assert admin.get("/limits/eur").status == 404


@on_sqlite
@pytest.mark.parametrize("role", ["viewer", "operator", "approver"])
def test_others_see_them_only(auth: Auth, refund_desk: RefundDesk, role: str) -> None:
    limits.put(refund_desk.desk, "rub", Limit(10_00), actor="admin@desk.test")
    browser = auth.login(role)
    page = browser.page("/limits/")
    assert "10.00 RUB" in page.text
    assert page.all("a", href="/limits/rub") == page.all("a", href="/limits/new") == []
    assert browser.post("/limits/rub", {"at_once_up_to": ""}).status == 403
    assert known(refund_desk) == {"rub": Limit(10_00)}


@on_sqlite
def test_a_proof_that_is_asked_for_never_or_always_is_no_limit(admin: Browser, refund_desk: RefundDesk) -> None:
    for above_minor, shown in ((None, "never"), (0, "always"), (20_00, "20.00 RUB")):
        limits.put(refund_desk.desk, "rub", Limit(10_00, proof_above_minor=above_minor), actor="admin@desk.test")
        [cell] = admin.page("/limits/").all("td", data_label="Shows who they are, above")
        assert cell.text == shown


@on_sqlite
def test_without_any_the_page_says_what_that_means(viewer: Browser) -> None:
    assert "Every refund is sent at once, whatever its amount" in viewer.page("/limits/").text


def test_setting_them_asks_once_more_who_is_there(admin: Browser, refund_desk: RefundDesk) -> None:
    refund_desk.clock.advance(minutes=6)
    asked = admin.post("/limits/new", {"currency": "rub", **FIELDS})
    assert asked.status == 200
    assert known(refund_desk) == {}
    fields = asked.page.form("/limits/new").fields
    assert admin.post("/limits/new", {**fields, "proof_password": PASSWORD}).location == "/limits/"
    assert "rub" in known(refund_desk)
    refund_desk.clock.advance(minutes=6)
    assert admin.post("/limits/rub/remove").status == 200
    assert "rub" in known(refund_desk)


@on_sqlite
def test_new_ones_do_not_take_the_place_of_those_that_are_there(admin: Browser, refund_desk: RefundDesk) -> None:
    admin.post("/limits/new", {"currency": "rub", **FIELDS})
    before = known(refund_desk)
    answer = admin.post("/limits/new", {"currency": "RUB", **dict.fromkeys(FIELDS, ""), "at_once_up_to": "5"})
    assert answer.status == 422
    assert answer.page.one("main").all("a", href="/limits/rub")
    assert known(refund_desk) == before


@on_sqlite
def test_whoever_got_no_answer_and_sends_new_ones_again_is_told_that_they_are_set(
    admin: Browser, refund_desk: RefundDesk
) -> None:
    assert [admin.post("/limits/new", {"currency": "rub", **FIELDS}).status for _ in range(2)] == [303, 303]
    assert list(known(refund_desk)) == ["rub"]
