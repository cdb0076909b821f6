"""Choosing what one hears of by mail, and mail in the language of whoever reads it."""

import pytest

from dashboard import limits, mail, notices
from dashboard.app import letter_writer
from dashboard.limit_rules import Limit
from tests.bench.mail_server import MailServer
from tests.bench.refund_desk import RefundDesk
from tests.web.browser import Browser
from tests.web.conftest import Auth


@pytest.fixture
def with_mail(environ: dict[str, str], server: MailServer) -> None:
    environ["DASHBOARD_MAIL_SERVER"], environ["DASHBOARD_MAIL_FROM"] = server.url, "Refund desk <desk@example.com>"
    environ["DASHBOARD_PUBLIC_URL"] = "https://refunds.example.com"


def ticks(browser: Browser) -> dict[str, bool]:
    """What is offered, and whether it is ticked."""
    form = browser.page("/account/").one("form", action="/account/notices")
    return {box["name"]: box.get("checked") is not None for box in form.all("input", type="checkbox")}


def ticked(browser: Browser) -> set[str]:
    return {name for name, is_ticked in ticks(browser).items() if is_ticked}


@pytest.mark.usefixtures("with_mail")
@pytest.mark.parametrize(
    ("role", "offered", "at_first"),
    [
        ("viewer", "review unknown failed_of_all ageing desk", ""),
        ("operator", "review unknown failed failed_of_all ageing desk", "failed"),
        ("approver", "approval review unknown failed failed_of_all ageing desk", "approval failed"),
        (
            "admin",
            "approval review unknown failed failed_of_all ageing desk",
            "approval review unknown failed ageing desk",
        ),
    ],
)
def test_each_role_chooses_from_what_it_may_hear(auth: Auth, role: str, offered: str, at_first: str) -> None:
    browser = auth.login(role)
    assert list(ticks(browser)) == offered.split()
    assert ticked(browser) == set(at_first.split())


@pytest.mark.usefixtures("with_mail")
def test_what_was_chosen_is_kept_and_is_one_s_own(operator: Browser, auth: Auth) -> None:
    answer = operator.post("/account/notices", {"review": "y", "desk": "y"})
    assert (answer.status, answer.location) == (303, "/account/")
    page = operator.page("/account/")
    assert page.notices == ["You hear of what you chose."]
    assert ticked(operator) == {"review", "desk"}
    assert ticked(auth.login("operator", "other@desk.test")) == {"failed"}
    operator.post("/account/notices", {})
    assert ticked(operator) == set()


@pytest.mark.usefixtures("with_mail")
def test_what_the_role_may_not_hear_is_not_chosen_by_asking_for_it(operator: Browser) -> None:
    operator.post("/account/notices", {"approval": "y", "ageing": "y"})
    assert ticked(operator) == {"ageing"}


def test_where_no_mail_is_set_up_there_is_nothing_to_choose(operator: Browser) -> None:
    assert "by mail" not in operator.page("/account/").one("main").text
    assert operator.post("/account/notices", {"review": "y"}).status == 404


@pytest.mark.usefixtures("with_mail")
def test_it_comes_in_the_reader_s_language_and_its_links_lead_to_pages(
    auth: Auth, refund_desk: RefundDesk, server: MailServer
) -> None:
    approver = auth.login("approver")
    approver.post("/account/preferences", {"language": "ru", "timezone": "", "theme": ""})
    limits.put(refund_desk.desk, "rub", Limit(50_00), actor="admin@desk.test")
    reference = refund_desk.ask(refund_desk.paid_session(1000_000_00), 123_456_00)
    assert notices.tell(refund_desk.desk, letter_writer(refund_desk.desk)) == 1
    assert mail.send_next(refund_desk.desk)
    [got] = server.mails
    text = got.get_content()
    assert (got["To"], got["Subject"]) == ("approver@desk.test", "Пульт возвратов: 1 возврат ждёт одобрения")
    assert "123\u202f456,00\u00a0RUB, Ждёт одобрения" in text
    assert "is held" not in text
    links = [word for word in text.split() if word.startswith("https://refunds.example.com/")]
    assert [link.removeprefix("https://refunds.example.com") for link in links] == [
        f"/refunds/{reference}/approval",
        "/approvals/",
        "/account/#notices",
    ]
    for link in links:
        assert approver.get(link.removeprefix("https://refunds.example.com")).status == 200, link


@pytest.mark.usefixtures("with_mail")
def test_the_page_of_a_person_does_not_take_it_for_a_mail_with_a_link(auth: Auth, refund_desk: RefundDesk) -> None:
    limits.put(refund_desk.desk, "rub", Limit(50_00), actor="admin@desk.test")
    person = auth.person("approver")
    refund_desk.ask(refund_desk.paid_session(100_00), 60_00)
    notices.tell(refund_desk.desk, letter_writer(refund_desk.desk))
    admin = auth.login("admin")
    assert "The last mail" not in admin.page(f"/people/{person.id}").one("main").text
