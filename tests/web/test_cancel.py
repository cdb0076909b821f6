"""Undoing a refund before it is sent."""

import pytest

from tests.bench.databases import on_sqlite
from tests.bench.refund_desk import RefundDesk
from tests.bench.wire import REFUND, lose_request
from tests.web.browser import Browser
from tests.web.conftest import Auth
from tests.web.tables import dump


def test_undone_it_is_never_sent(operator: Browser, refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    reference = refund_desk.ask(session_id, 10_00)
    answer = operator.post(f"/refunds/{reference}/cancel")
    assert (answer.status, answer.location) == (303, f"/refunds/{reference}")
    page = operator.page(f"/refunds/{reference}")
    assert page.notices == ["Undone. Nothing was sent to the bank, and the amount is free again."]
    assert page.one(id="refund-detail")["data-status"] == "cancelled"
    refund_desk.run_for(minutes=5)
    assert refund_desk.wire.sent(reference) == []
    assert refund_desk.session(session_id).committed_minor == 0
    assert operator.page(f"/refunds/{reference}").notices == [], "said once"


@on_sqlite
def test_the_button_is_there_as_long_as_it_works(operator: Browser, refund_desk: RefundDesk) -> None:
    reference = refund_desk.ask(refund_desk.paid_session(100_00), 10_00)
    page = operator.page(f"/refunds/{reference}")
    button = page.one("button", id="undo")
    assert page.one("form", id=button["form"])["action"] == f"/refunds/{reference}/cancel"
    assert "It can be undone until 1 Mar 09:00:05." in page.one("main").text
    assert page.one(data_seconds_left=True)["data-seconds-left"] == "5"
    refund_desk.send(reference)
    page = operator.page(f"/refunds/{reference}")
    assert page.all("button", id="undo") == []


def test_anybody_who_may_refund_can_undo(auth: Auth, refund_desk: RefundDesk) -> None:
    reference = refund_desk.ask(refund_desk.paid_session(100_00), 10_00)
    assert auth.login("approver").post(f"/refunds/{reference}/cancel").status == 303
    assert refund_desk.journal(f"refund:{reference}")[-1].actor == "approver@desk.test"


def test_one_that_waits_behind_an_unknown_one_can_be_undone(operator: Browser, refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    first, waiting = refund_desk.ask(session_id, 10_00), refund_desk.ask(session_id, 20_00)
    refund_desk.wire.next(REFUND, lose_request)
    refund_desk.send(first)
    assert refund_desk.refund(waiting).state == "queued"
    page = operator.page(f"/refunds/{waiting}")
    assert "Queued, waiting" in page.one(id="refund-detail").text
    assert page.one(id="refund-detail")["data-status"] == "queued"
    assert operator.post(f"/refunds/{waiting}/cancel").status == 303
    assert refund_desk.refund(waiting).state == "cancelled"


@pytest.mark.parametrize("state", ["accepted", "unknown", "cancelled"])
def test_too_late_is_said(operator: Browser, refund_desk: RefundDesk, state: str) -> None:
    reference = refund_desk.ask(refund_desk.paid_session(100_00), 10_00)
    if state == "accepted":
        refund_desk.run_for(minutes=5)
    elif state == "unknown":
        refund_desk.wire.next(REFUND, lose_request)
        refund_desk.send(reference)
    else:
        refund_desk.cancel(reference)
    operator.get("/")
    before = dump(refund_desk.desk)
    answer = operator.post(f"/refunds/{reference}/cancel")
    assert answer.status == 409
    assert answer.page.notices == ["Too late to undo: it is already on its way to the bank or has ended."]
    assert answer.page.one(id="refund-detail")["data-status"] == state
    assert answer.page.one(data_live_url=True)["data-live-url"] == f"/live?of_refund={reference}"
    assert dump(refund_desk.desk) == before


def test_a_refund_made_at_the_bank_cannot_be_undone_here(operator: Browser, refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    refund_desk.bank.refund_here(session_id, 10_00)
    refund_desk.read(session_id)
    (refund,) = refund_desk.refunds(session_id)
    assert operator.post(f"/refunds/{refund.reference}/cancel").status == 409


@on_sqlite
def test_what_does_not_exist_cannot_be_undone(operator: Browser) -> None:
    answer = operator.post("/refunds/00000000-0000-4000-8000-00000000ffff/cancel")
    assert answer.status == 404
    assert "No refund has this reference." in answer.page.one("main").text


def test_a_viewer_sees_no_button_and_cannot_do_it_without(viewer: Browser, refund_desk: RefundDesk) -> None:
    reference = refund_desk.ask(refund_desk.paid_session(100_00), 10_00)
    assert viewer.page(f"/refunds/{reference}").all("button", id="undo") == []
    assert viewer.post(f"/refunds/{reference}/cancel").status == 403
    assert refund_desk.refund(reference).state == "queued"
