"""Signing out."""

from sqlalchemy import select

from dashboard.models import SignIn
from tests.bench.databases import on_sqlite
from tests.bench.refund_desk import RefundDesk
from tests.web.browser import Browser
from tests.web.conftest import Auth


def test_signing_out_leads_to_the_sign_in_page(operator: Browser) -> None:
    answer = operator.sign_out()
    assert (answer.status, answer.location) == (303, "/login")
    assert operator.get("/refunds/").location == "/login?next=/refunds/"


def test_a_copy_of_the_cookie_is_worth_nothing_afterwards(operator: Browser, app: object) -> None:
    cookie = operator.client.get_cookie("refund_desk")
    assert cookie is not None
    operator.sign_out()
    operator.client.set_cookie("refund_desk", cookie.value)
    assert (operator.get("/").location or "").startswith("/login")


def test_it_ends_this_sign_in_and_no_other(auth: Auth) -> None:
    here, there = auth.login(), auth.login()
    here.sign_out()
    assert there.get("/").status == 200


def test_it_is_on_record(operator: Browser, refund_desk: RefundDesk) -> None:
    operator.sign_out()
    last = refund_desk.journal()[-1]
    assert (last.actor, last.action) == ("operator@desk.test", "login:ended")
    with refund_desk.desk.read() as session:
        assert session.scalars(select(SignIn.ended_at)).all() == [refund_desk.clock.now()]


@on_sqlite
def test_a_link_does_not_sign_out(operator: Browser) -> None:
    assert operator.get("/logout").status == 405
    assert operator.get("/").status == 200


@on_sqlite
def test_every_page_has_a_form_for_it(operator: Browser, refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session()
    for path in ("/", "/sessions/", "/refunds/", "/journal/", f"/sessions/{session_id}"):
        form = operator.page(path).form("/logout")
        assert form.fields["csrf_token"], path
