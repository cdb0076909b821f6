"""Approvals in the browser: asking, the queue, the fresh look, a second person's word."""

import pytest
from sqlalchemy import select

from dashboard import limits
from dashboard.limit_rules import Limit
from dashboard.models import Approval
from tests.bench.databases import on_sqlite
from tests.bench.refund_desk import PASSWORD, RefundDesk
from tests.bench.wire import STATUS, lose_request
from tests.web.browser import Answer, Browser
from tests.web.conftest import Auth
from tests.web.page import Element


@pytest.fixture
def approver(auth: Auth) -> Browser:
    return auth.login("approver")


@pytest.fixture
def waiting(refund_desk: RefundDesk) -> str:
    """A refund of 60.00 out of 100.00 that an operator asked for and somebody else has to approve; its reference."""
    limits.put(refund_desk.desk, "rub", Limit(50_00, 80_00), actor="admin@desk.test")
    return refund_desk.ask(refund_desk.paid_session(100_00), 60_00)


def ask(browser: Browser, session_id: str, amount: str, **more: str) -> Answer:
    form = browser.page(f"/sessions/{session_id}/refund")
    token = form.one("input", name="form_token")["value"]
    fields = {"kind": "partial", "amount": amount, "reason": "other", "comment": "", "form_token": token, **more}
    return browser.post(f"/sessions/{session_id}/refund", fields)


def state_of(refund_desk: RefundDesk, reference: str) -> str:
    return refund_desk.refund(reference).state


def test_who_asks_is_told_before_and_after(operator: Browser, refund_desk: RefundDesk, waiting: str) -> None:
    session_id = refund_desk.paid_session(100_00)
    confirmation = ask(operator, session_id, "60")
    assert confirmation.status == 200
    assert "somebody else has to approve it before anything is sent" in confirmation.text
    assert confirmation.page.one("button", name="confirm").text == "Ask for approval of 60.00 RUB"
    made = ask(operator, session_id, "60", confirm="yes")
    assert made.status == 303
    page = operator.page(made.location or "")
    assert page.one("section", id="refund-detail")["data-status"] == "awaiting_approval"
    assert page.one("button", id="undo").text == "Undo"
    assert "Somebody else has to approve it before it is sent" in page.text
    assert page.all("a", href=f"{made.location}/approval") == []


@on_sqlite
def test_within_the_limit_nothing_is_said_of_approval(operator: Browser, refund_desk: RefundDesk, waiting: str) -> None:
    confirmation = ask(operator, refund_desk.paid_session(100_00), "50")
    assert confirmation.page.one("button", name="confirm").text == "Refund 50.00 RUB"
    assert "approve" not in confirmation.text


@pytest.mark.parametrize("confirm", [{}, {"confirm": "yes"}])
def test_above_the_highest_limit_it_is_refused_with_what_is_allowed(
    operator: Browser, refund_desk: RefundDesk, waiting: str, confirm: dict[str, str]
) -> None:
    session_id = refund_desk.paid_session(100_00)
    answer = ask(operator, session_id, "80.01", **confirm)
    assert answer.status == 422
    assert "no single refund above 80.00\u00a0RUB" in answer.text
    assert answer.page.one("input", name="amount")["value"] == "80.01"
    assert refund_desk.refunds(session_id) == []


def test_an_approver_finds_it_and_lets_it_go(approver: Browser, refund_desk: RefundDesk, waiting: str) -> None:
    assert approver.page("/").all("a", href="/approvals/")[0].text == "Approvals 1"
    assert approver.get("/approvals/").references == [waiting]
    assert approver.page(f"/refunds/{waiting}").one("a", href=f"/refunds/{waiting}/approval").text == "Look at it"
    page = approver.page(f"/refunds/{waiting}/approval")
    assert page.one("button", formaction=f"/refunds/{waiting}/approve").text == "Approve 60.00 RUB"
    answer = approver.post(f"/refunds/{waiting}/approve", {"comment": "seen the invoice"})
    assert (answer.status, answer.location) == (303, f"/refunds/{waiting}")
    assert state_of(refund_desk, waiting) == "queued"
    assert "Approved. It is sent to the bank" in approver.page(f"/refunds/{waiting}").text
    assert approver.get("/approvals/").references == []
    assert refund_desk.send(waiting).state == "in_progress"
    timeline = approver.page(f"/refunds/{waiting}").one("section", id="timeline").text
    assert "approver@desk.test approved it" in timeline
    assert "seen the invoice" in timeline


def test_a_rejection_needs_a_reason(approver: Browser, refund_desk: RefundDesk, waiting: str) -> None:
    answer = approver.post(f"/refunds/{waiting}/reject", {"comment": " "})
    assert answer.status == 422
    assert "Write down why." in answer.text
    assert answer.page.one(data_address=True)["data-address"] == f"/refunds/{waiting}/approval", "for Back and reload"
    assert not approver.page(f"/refunds/{waiting}/approval").all(data_address=True)
    assert state_of(refund_desk, waiting) == "awaiting_approval"
    assert approver.post(f"/refunds/{waiting}/reject", {"comment": "asked for twice"}).status == 303
    assert state_of(refund_desk, waiting) == "rejected"
    page = approver.page(f"/refunds/{waiting}")
    assert "It was not approved. No money moved." in page.text
    assert "approver@desk.test rejected it" in page.one("section", id="timeline").text
    assert "asked for twice" in page.text


def test_rejecting_without_a_reason_what_went_out_meanwhile_says_so(
    approver: Browser, refund_desk: RefundDesk, waiting: str
) -> None:
    """In two tabs: whoever thinks to have stopped it has to know that it goes out."""
    approver.post(f"/refunds/{waiting}/approve", {"comment": ""})
    answer = approver.post(f"/refunds/{waiting}/reject", {"comment": ""})
    assert answer.status == 422
    assert "does not wait for approval any more" in answer.text


def test_nobody_approves_their_own(auth: Auth, refund_desk: RefundDesk, waiting: str) -> None:
    """Neither by the page nor by a request made up by hand."""
    admin = auth.login("admin")
    made = ask(admin, refund_desk.paid_session(100_00), "60", confirm="yes")
    reference = (made.location or "").rpartition("/")[2]
    page = admin.page(f"/refunds/{reference}/approval")
    assert page.all("form", action=f"/refunds/{reference}/reject") == []
    assert "You asked for it yourself" in page.text
    assert admin.page(f"/refunds/{reference}").all("a", href=f"/refunds/{reference}/approval") == []
    for what in ("approve", "reject"):
        answer = admin.post(f"/refunds/{reference}/{what}", {"comment": "mine"})
        assert answer.status == 403
        assert "you asked for this refund yourself" in answer.text
    assert state_of(refund_desk, reference) == "awaiting_approval"


@on_sqlite
@pytest.mark.parametrize("role", ["viewer", "operator"])
def test_others_see_it_and_cannot_decide(auth: Auth, refund_desk: RefundDesk, waiting: str, role: str) -> None:
    browser = auth.login(role, "somebody@desk.test")
    assert browser.page("/").all("a", href="/approvals/") == []
    page = browser.page(f"/refunds/{waiting}/approval")
    assert "Your role does not allow you to approve it" in page.text
    assert browser.post(f"/refunds/{waiting}/approve", {"comment": ""}).status == 403
    assert state_of(refund_desk, waiting) == "awaiting_approval"


def test_what_has_changed_since_stands_above_the_decision(
    approver: Browser, refund_desk: RefundDesk, waiting: str
) -> None:
    """The page asks the bank first, and says what came up since."""
    session_id = refund_desk.refund(waiting).session_id
    refund_desk.clock.advance(minutes=4)
    refund_desk.bank.refund_here(session_id, 50_00)
    page = approver.page(f"/refunds/{waiting}/approval")
    assert "Look twice: there is more of this session since it was asked for" in page.text
    assert "50.00" in page.text
    answer = approver.post(f"/refunds/{waiting}/approve", {"comment": "still right"})
    assert answer.status == 409
    assert "the session has less left than this refund asks for" in answer.text
    assert answer.page.one("textarea", name="comment").text.strip() == "still right"
    assert state_of(refund_desk, waiting) == "awaiting_approval"


def test_without_the_bank_it_can_be_rejected_but_not_approved(
    approver: Browser, refund_desk: RefundDesk, waiting: str
) -> None:
    refund_desk.wire.next(STATUS, lose_request)
    page = approver.page(f"/refunds/{waiting}/approval", status=503)
    assert page.all("button", formaction=f"/refunds/{waiting}/approve") == []
    refund_desk.wire.next(STATUS, lose_request)
    answer = approver.post(f"/refunds/{waiting}/approve", {"comment": ""})
    assert answer.status == 503
    assert "Nothing was decided: the bank could not be asked" in answer.text
    assert approver.post(f"/refunds/{waiting}/reject", {"comment": "too late"}).status == 303


@on_sqlite
def test_one_that_does_not_wait_leads_to_its_page(approver: Browser, refund_desk: RefundDesk, waiting: str) -> None:
    refund_desk.cancel(waiting)
    assert approver.get(f"/refunds/{waiting}/approval").location == f"/refunds/{waiting}"
    answer = approver.post(f"/refunds/{waiting}/approve", {"comment": ""})
    assert answer.status == 409
    assert "does not wait for approval any more" in answer.text
    assert approver.get("/refunds/00000000-0000-4000-8000-00000000ffff/approval").status == 404
    assert approver.post("/refunds/00000000-0000-4000-8000-00000000ffff/approve", {"comment": ""}).status == 404


@on_sqlite
def test_the_overview_counts_what_waits(approver: Browser, waiting: str) -> None:
    (need,) = approver.page("/").one("ul", id="needs").all("a", href="/approvals/")
    assert need.text == "1 Waiting for approval"


# While its page is open


def parts_of(browser: Browser, page: Element) -> Answer:
    """What the open page is answered when it asks for its parts."""
    return browser.get(page.one(data_parts=True)["data-parts-url"])


def test_while_it_waits_all_but_the_form_follows_and_the_bank_is_not_asked(
    approver: Browser, refund_desk: RefundDesk, waiting: str
) -> None:
    session_id = refund_desk.refund(waiting).session_id
    page = approver.page(f"/refunds/{waiting}/approval")
    assert page.one(data_parts=True)["data-live-url"] == f"/live?of_approval={waiting}"
    assert parts_of(approver, page).status == 204
    refund_desk.clock.advance(minutes=1)
    refund_desk.ask(session_id, 30_00)
    asked = len(refund_desk.wire.calls)
    answer = parts_of(approver, page)
    assert len(refund_desk.wire.calls) == asked
    assert "Can still be refunded 10.00" in answer.page.one(id="payment-identity").text
    refund = answer.page.one(id="approval-refund")
    assert refund["data-status"] == "awaiting_approval"
    assert "Look twice: there is more of this session" in refund.text
    assert answer.page.all("form") == answer.page.all(id="approval-decision") == answer.page.all("html") == []


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("approve", "approver@desk.test approved it."),
        ("reject", "approver@desk.test rejected it. Nothing was sent to the bank"),
        ("cancel", "It was undone. Nothing was sent to the bank"),
    ],
)
def test_when_it_waits_no_more_it_says_what_became_of_it_and_has_no_form(
    approver: Browser, auth: Auth, refund_desk: RefundDesk, waiting: str, what: str, said: str
) -> None:
    admin = auth.login("admin")
    page = admin.page(f"/refunds/{waiting}/approval")
    if what == "cancel":
        refund_desk.cancel(waiting)
    else:
        approver.post(f"/refunds/{waiting}/{what}", {"comment": "seen"})
    answer = parts_of(admin, page)
    decision = answer.page.one(id="approval-decision")
    assert said in decision.one(data_announce=True).text
    assert decision.all("form") == []
    assert decision.one("a")["href"] == f"/refunds/{waiting}"
    assert answer.page.one(id="approval-refund")["data-status"] == state_of(refund_desk, waiting)


@on_sqlite
def test_that_the_bank_did_not_answer_is_of_no_matter_when_it_waits_no_more(
    approver: Browser, refund_desk: RefundDesk, waiting: str
) -> None:
    refund_desk.wire.next(STATUS, lose_request)
    page = approver.page(f"/refunds/{waiting}/approval", status=503)
    assert "It cannot be approved before the bank answers" in page.one(id="approval-trouble").text
    refund_desk.cancel(waiting)
    trouble = parts_of(approver, page).page.one(id="approval-trouble")
    assert "hidden" in trouble.attributes
    assert trouble.text == ""


@on_sqlite
def test_parts_of_what_is_no_refund_or_from_no_position_are_none(approver: Browser, waiting: str) -> None:
    assert approver.get("/refunds/00000000-0000-4000-8000-00000000ffff/approval?since=0").status == 404
    assert approver.get(f"/refunds/{waiting}/approval?since=now").status == 400
    assert approver.get(f"/refunds/{waiting}/approval?since=999999").status == 205


@on_sqlite
def test_whoever_may_not_approve_has_no_form_in_the_parts_and_a_stranger_gets_none(
    auth: Auth, client: Browser, refund_desk: RefundDesk, waiting: str
) -> None:
    viewer = auth.login("viewer")
    page = viewer.page(f"/refunds/{waiting}/approval")
    refund_desk.cancel(waiting)
    assert "It was undone." in parts_of(viewer, page).text
    assert (client.get(f"/refunds/{waiting}/approval?since=0").location or "").startswith("/login")


# Who is there


def test_approving_asks_once_more_who_is_there(approver: Browser, refund_desk: RefundDesk, waiting: str) -> None:
    """Five minutes after the last proof; what was written stays, and goes on with it."""
    refund_desk.clock.advance(minutes=6)
    asked = approver.post(f"/refunds/{waiting}/approve", {"comment": "seen"})
    assert asked.status == 200
    assert "You are about to approve a refund of 60.00" in asked.text
    assert state_of(refund_desk, waiting) == "awaiting_approval"
    form = asked.page.form(f"/refunds/{waiting}/approve")
    wrong = approver.post(f"/refunds/{waiting}/approve", {**form.fields, "proof_password": "not it at all"})
    assert wrong.status == 422
    assert state_of(refund_desk, waiting) == "awaiting_approval"
    right = approver.post(f"/refunds/{waiting}/approve", {**form.fields, "proof_password": PASSWORD})
    assert (right.status, right.location) == (303, f"/refunds/{waiting}")
    assert state_of(refund_desk, waiting) == "queued"
    with refund_desk.desk.read() as session:
        assert session.scalars(select(Approval.comment)).one() == "seen"


@on_sqlite
def test_rejecting_asks_nobody(approver: Browser, refund_desk: RefundDesk, waiting: str) -> None:
    refund_desk.clock.advance(minutes=6)
    assert approver.post(f"/refunds/{waiting}/reject", {"comment": "no"}).status == 303


def test_a_large_refund_asks_once_more_who_is_there(operator: Browser, refund_desk: RefundDesk) -> None:
    limits.put(refund_desk.desk, "rub", Limit(proof_above_minor=50_00), actor="admin@desk.test")
    session_id = refund_desk.paid_session(100_00)
    form = operator.page(f"/sessions/{session_id}/refund")
    token = form.one("input", name="form_token")["value"]
    fields = {"kind": "partial", "amount": "50.01", "reason": "other", "comment": "", "form_token": token}
    refund_desk.clock.advance(minutes=6)
    address = f"/sessions/{session_id}/refund"
    asked = operator.post(address, {**fields, "confirm": "yes"})
    assert asked.status == 200
    assert "You are about to refund 50.01" in asked.text
    assert refund_desk.refunds(session_id) == []
    carried = asked.page.form(address).fields
    made = operator.post(address, {**carried, "proof_password": PASSWORD})
    assert made.status == 303
    assert [refund.amount_minor for refund in refund_desk.refunds(session_id)] == [50_01]


def test_up_to_the_limit_it_asks_nobody(operator: Browser, refund_desk: RefundDesk) -> None:
    limits.put(refund_desk.desk, "rub", Limit(proof_above_minor=50_00), actor="admin@desk.test")
    session_id = refund_desk.paid_session(100_00)
    refund_desk.clock.advance(minutes=6)
    assert ask(operator, session_id, "50", confirm="yes").status == 303


@on_sqlite
def test_whoever_approves_sees_what_it_may_be_a_second_one_of_and_a_large_amount_in_words(
    approver: Browser, refund_desk: RefundDesk
) -> None:
    limits.put(refund_desk.desk, "rub", Limit(50_00, None), actor="admin@desk.test")
    session_id = refund_desk.paid_session(50_000_00)
    alone = refund_desk.ask(session_id, 12_500_00)
    page = approver.page(f"/refunds/{alone}/approval")
    assert "Before you approve it" not in page.text
    assert "twelve thousand, five hundred RUB 00/100" in page.text.casefold().replace("rub", "RUB")
    second = refund_desk.ask(session_id, 12_500_00)
    assert "The same amount of this session was refunded lately" in approver.page(f"/refunds/{second}/approval").text
