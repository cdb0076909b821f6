"""Where mail is set up, a link that sets a password goes to the person alone."""

import re
from datetime import timedelta

import pytest

from dashboard import mail, people
from dashboard.models import Mail, Person
from tests.bench.mail_server import MailServer
from tests.bench.refund_desk import RefundDesk
from tests.bench.simulated import SimulatedClock
from tests.web.browser import Browser
from tests.web.conftest import Auth
from tests.web.tables import dump

ANNA = "anna@desk.test"
NEW = "quite another one"
LINK = re.compile(r"^https://refunds\.example\.com/link#(\S{43})\r?$", re.MULTILINE)


@pytest.fixture
def environ(environ: dict[str, str], server: MailServer) -> dict[str, str]:
    more = {"DASHBOARD_MAIL_SERVER": server.url, "DASHBOARD_MAIL_FROM": "Refund desk <desk@example.com>"}
    return {**environ, **more, "DASHBOARD_PUBLIC_URL": "https://refunds.example.com"}


@pytest.fixture
def admin(auth: Auth) -> Browser:
    return auth.login("admin")


@pytest.fixture
def anna(auth: Auth) -> Person:
    return auth.person("operator", ANNA)


def mailed_link(refund_desk: RefundDesk, server: MailServer) -> str:
    """The code of the link in the one mail that is due."""
    assert mail.send_next(refund_desk.desk)
    [got] = server.mails
    assert got["To"] == ANNA
    found = LINK.search(got.get_content())
    assert found, got.get_content()
    return found[1]


def told_on_page(admin: Browser, person: Person) -> str:
    return str(admin.page(f"/people/{person.id}").one("main").text)


def test_who_is_invited_gets_the_link_by_mail_and_nobody_else_sees_it(
    admin: Browser, client: Browser, refund_desk: RefundDesk, server: MailServer
) -> None:
    answer = admin.post("/people/invite", {"email": ANNA, "role": "viewer"})
    assert answer.status == 303
    after = admin.get(answer.location or "")
    assert after.page.notices == [f"A link is on its way to {ANNA} by mail."]
    assert "/link" not in after.text
    code = mailed_link(refund_desk, server)
    assert code not in dump(refund_desk.desk)
    text = " ".join(server.mails[0].get_content().split())
    assert server.mails[0]["Subject"] == "Your account at the refund desk"
    assert f"You have an account at the refund desk, {ANNA}." in text
    assert "It works once, until 1 Mar 10:00 (UTC)." in text
    assert client.post("/link/password", {"code": code, "password": NEW}).location == "/login"
    assert client.sign_in(ANNA, NEW).status == 303


def test_a_reset_goes_by_mail(
    admin: Browser, client: Browser, refund_desk: RefundDesk, server: MailServer, anna: Person
) -> None:
    answer = admin.post(f"/people/{anna.id}/reset-password")
    assert (answer.status, answer.location) == (303, f"/people/{anna.id}")
    code = mailed_link(refund_desk, server)
    assert server.mails[0]["Subject"] == "Another password for the refund desk"
    assert "If you have not asked for it, tell them." in server.mails[0].get_content()
    assert client.post("/link/password", {"code": code, "password": NEW}).status == 303


def test_an_admin_can_hand_it_over_all_the_same(admin: Browser, refund_desk: RefundDesk, anna: Person) -> None:
    for path, fields in (
        (f"/people/{anna.id}/reset-password", {}),
        ("/people/invite", {"email": "new@desk.test", "role": "viewer"}),
    ):
        answer = admin.post(path, {**fields, "by_hand": "yes"})
        assert answer.status == 200
        assert answer.page.one("input", id="link")["value"].startswith("https://refunds.example.com/link#")
    assert not mail.send_next(refund_desk.desk)


def test_a_link_handed_over_takes_the_place_of_one_on_its_way(
    admin: Browser, refund_desk: RefundDesk, server: MailServer, anna: Person
) -> None:
    admin.post(f"/people/{anna.id}/reset-password")
    admin.post(f"/people/{anna.id}/reset-password", {"by_hand": "yes"})
    assert not mail.send_next(refund_desk.desk)
    assert "The last mail with a link was not sent. Its link is over, or another one took its place." in told_on_page(
        admin, anna
    )


def test_a_link_that_is_over_is_not_mailed_any_more(admin: Browser, refund_desk: RefundDesk, anna: Person) -> None:
    admin.post(f"/people/{anna.id}/reset-password")
    people.set_password(refund_desk.desk, anna.email, NEW, actor="test")
    assert not mail.send_next(refund_desk.desk)
    assert "was not sent. Its link is over, or another one took its place." in told_on_page(admin, anna)


def test_the_page_of_the_person_says_what_became_of_it(
    admin: Browser, refund_desk: RefundDesk, server: MailServer, anna: Person, clock: SimulatedClock
) -> None:
    assert "The mail with" not in told_on_page(admin, anna)
    admin.post(f"/people/{anna.id}/reset-password")
    assert "The last mail with a link has been waiting since 1 Mar 09:00:00." in told_on_page(admin, anna)
    server.to_recipient = "450 4.2.1 <busy>"
    mail.send_next(refund_desk.desk)
    assert "waiting since 1 Mar 09:00:00. The mail server says: 450 4.2.1 <busy>" in told_on_page(admin, anna)
    server.to_recipient = "250 OK"
    clock.advance(30)
    mail.send_next(refund_desk.desk)
    assert "The last mail with a link went out 1 Mar 09:00:30." in told_on_page(admin, anna)


@pytest.mark.parametrize(
    ("problem", "words"),
    [
        (mail.TOO_LATE, "No mail server took it while the link held"),
        (mail.DISABLED, "The account was disabled."),
        (mail.CANNOT_READ, "It was written with another secret key"),
        (mail.BAD_ADDRESS, "No mail can be sent to this address."),
    ],
)
def test_every_reason_has_words(
    admin: Browser, refund_desk: RefundDesk, anna: Person, problem: str, words: str
) -> None:
    now = refund_desk.clock.now()
    with refund_desk.desk.write() as tx:
        row = Mail(person_id=anna.id, kind=mail.PASSWORD_LINK, queued_at=now, holds_until=now, problem=problem)
        tx.add(row)
    assert f"The last mail with a link was not sent. {words}" in told_on_page(admin, anna)


def test_a_step_up_in_between_forgets_neither_way(
    admin: Browser, refund_desk: RefundDesk, anna: Person, clock: SimulatedClock
) -> None:
    clock.advance(timedelta(minutes=6).total_seconds())
    asked = admin.post(f"/people/{anna.id}/reset-password", {"by_hand": "yes"})
    assert asked.status == 200
    assert asked.page.one("input", name="by_hand")["value"] == "yes"
