"""A second person confirms or rejects what was proposed; the first may take it back."""

from dashboard import refund_rules
from tests.bench.databases import on_sqlite
from tests.bench.refund_desk import RefundDesk
from tests.bench.reviews import (
    NEVER_MADE,
    STANDS,
    THAT_ONE,
    contradicted,
    not_found,
    propose,
    resolution,
    resolutions_of,
    with_stranger,
)
from tests.bench.wire import STATUS, refuse_connection
from tests.web.browser import Answer, Browser
from tests.web.conftest import Auth
from tests.web.page import Element


def decide(browser: Browser, resolution_id: str, verb: str, comment: str = "") -> Answer:
    return browser.post(f"/resolutions/{resolution_id}/{verb}", {"comment": comment})


def decision(browser: Browser, reference: str, status: int = 200) -> Element:
    return browser.page(f"/refunds/{reference}/review", status).one(id="decision")


def buttons(element: Element) -> list[str]:
    return [one.text for one in element.all("button")]


def test_the_second_person_sees_who_said_what_and_confirms(operator: Browser, refund_desk: RefundDesk) -> None:
    lost = not_found(refund_desk)
    resolution_id = propose(refund_desk, lost, NEVER_MADE)
    shown = decision(operator, lost.reference)
    for said in (
        "The bank never made it.",
        "10.00 RUB is free again",
        "first@desk.test · 1 Mar 10:00:05",
        "the bank's support says so",
        "Nothing happens before you confirm: the amount stays held.",
    ):
        assert said in shown.text
    assert buttons(shown) == ["Confirm", "Reject"]
    assert shown.one("button", formaction=True)["formaction"] == f"/resolutions/{resolution_id}/confirm"
    assert refund_desk.session(lost.session_id).committed_minor == 10_00
    answer = decide(operator, resolution_id, "confirm", "asked them too")
    assert (answer.status, answer.location) == (303, f"/refunds/{lost.reference}")
    page = operator.page(f"/refunds/{lost.reference}")
    assert page.one(id="refund-detail")["data-status"] == "abandoned"
    assert page.notices == ["Decided: two people agree. What it means for the money stands below."]
    assert refund_desk.session(lost.session_id).committed_minor == 0
    assert resolution(refund_desk, resolution_id).decide_comment == "asked them too"
    assert decide(operator, resolution_id, "confirm").status == 303, "a second click changes nothing"


def test_that_one_takes_its_place(operator: Browser, refund_desk: RefundDesk) -> None:
    refund, elsewhere = with_stranger(refund_desk)
    resolution_id = propose(refund_desk, refund, THAT_ONE, elsewhere.bank_id)
    assert f"It is {elsewhere.bank_id} at the bank." in decision(operator, refund.reference).text
    assert decide(operator, resolution_id, "confirm").location == f"/refunds/{refund.reference}"
    detail = operator.page(f"/refunds/{refund.reference}").one(id="refund-detail")
    assert detail["data-status"] == "accepted"
    assert elsewhere.bank_id in detail.text


def test_rejecting_needs_a_reason_and_leaves_everything_as_it_was(operator: Browser, refund_desk: RefundDesk) -> None:
    lost = not_found(refund_desk)
    resolution_id = propose(refund_desk, lost, NEVER_MADE)
    answer = decide(operator, resolution_id, "reject")
    assert (answer.status, answer.page.field_errors) == (422, ["Write down why."])
    assert answer.page.one(data_address=True)["data-address"] == f"/refunds/{lost.reference}/review", (
        "for Back and reload"
    )
    assert answer.page.one("textarea", autofocus=True)["name"] == "comment"
    assert resolutions_of(refund_desk, lost) == ["proposed"]
    answer = decide(operator, resolution_id, "reject", "they are not sure")
    assert (answer.status, answer.location) == (303, f"/refunds/{lost.reference}/review")
    page = operator.page(f"/refunds/{lost.reference}/review")
    assert "Rejected: nothing was decided." in page.notices[0]
    assert buttons(page.one(id="decision")) == ["Propose"]
    assert resolutions_of(refund_desk, lost) == ["rejected"]
    assert refund_desk.session(lost.session_id).committed_minor == 10_00
    assert "operator@desk.test does not agree; nothing was decided" in page.timeline


@on_sqlite
def test_the_proposer_takes_it_back_and_confirms_nothing(auth: Auth, refund_desk: RefundDesk) -> None:
    lost = not_found(refund_desk)
    proposer = auth.login("operator", "first@desk.test")
    resolution_id = propose(refund_desk, lost, NEVER_MADE)
    shown = decision(proposer, lost.reference)
    assert buttons(shown) == ["Withdraw the proposal"]
    assert "This is your own proposal" in shown.text
    for verb in ("confirm", "reject"):
        answer = decide(proposer, resolution_id, verb, "me again")
        assert answer.status == 409
        assert "it takes two different people, and this is your own proposal" in answer.page.notices[0]
    assert decide(proposer, resolution_id, "withdraw").status == 303
    assert resolutions_of(refund_desk, lost) == ["withdrawn"]


@on_sqlite
def test_nobody_takes_back_what_somebody_else_proposed(operator: Browser, refund_desk: RefundDesk) -> None:
    lost = not_found(refund_desk)
    answer = decide(operator, propose(refund_desk, lost, NEVER_MADE), "withdraw", "no")
    assert answer.status == 403
    assert "only the one who proposed it can withdraw it" in answer.page.notices[0]
    assert resolutions_of(refund_desk, lost) == ["proposed"]


@on_sqlite
def test_what_was_decided_meanwhile_is_said(operator: Browser, auth: Auth, refund_desk: RefundDesk) -> None:
    lost = not_found(refund_desk)
    resolution_id = propose(refund_desk, lost, NEVER_MADE)
    assert decide(auth.login("admin"), resolution_id, "reject", "no").status == 303
    answer = decide(operator, resolution_id, "confirm", "yes")
    assert answer.status == 409
    assert "somebody has decided on this meanwhile" in answer.page.notices[0]
    assert buttons(answer.page.one(id="decision")) == ["Propose"]
    assert answer.page.one("textarea", name="comment").text == "yes"


def test_facts_that_changed_close_the_proposal(operator: Browser, refund_desk: RefundDesk) -> None:
    refund, elsewhere = with_stranger(refund_desk)
    resolution_id = propose(refund_desk, refund, THAT_ONE, elsewhere.bank_id)
    another = "5f0c7a31-93b4-4a44-8f27-3d8b1d1f2a10"
    refund_desk.bank_refunds(refund.session_id)[0].metadata = {"reference": another}
    answer = decide(operator, resolution_id, "confirm")
    assert answer.status == 409
    assert resolutions_of(refund_desk, refund) == ["outdated"]
    assert "what the proposal rested on has changed" in answer.page.notices[0]


def test_what_came_up_since_is_said_instead_of_offering_to_confirm(
    operator: Browser, auth: Auth, refund_desk: RefundDesk
) -> None:
    lost = not_found(refund_desk)
    resolution_id = propose(refund_desk, lost, NEVER_MADE)
    refund_desk.bank.refund_here(lost.session_id, 10_00)
    (stranger,) = refund_desk.bank_refunds(lost.session_id)
    shown = decision(operator, lost.reference)
    assert f"It cannot be confirmed any more {stranger.id} came up at the bank after this was proposed" in shown.text
    assert "Reject the proposal, or have it withdrawn; it has to be made anew" in shown.text
    assert buttons(shown) == ["Reject"]
    own = decision(auth.login("admin", "first@desk.test"), lost.reference)
    assert "Withdraw the proposal and make it anew" in own.text
    assert buttons(own) == ["Withdraw the proposal"]
    assert decide(operator, resolution_id, "reject", "another one came up").status == 303
    assert resolutions_of(refund_desk, lost) == ["rejected"]


@on_sqlite
def test_what_came_up_since_takes_nothing_from_facts_that_stand(operator: Browser, refund_desk: RefundDesk) -> None:
    refund = contradicted(refund_desk)
    propose(refund_desk, refund, STANDS)
    refund_desk.bank.refund_here(refund.session_id, 10_00)
    assert buttons(decision(operator, refund.reference)) == ["Confirm", "Reject"]


@on_sqlite
def test_without_the_bank_nothing_is_confirmed_but_all_else_works(operator: Browser, refund_desk: RefundDesk) -> None:
    lost = not_found(refund_desk)
    resolution_id = propose(refund_desk, lost, NEVER_MADE)
    refund_desk.wire.next(STATUS, refuse_connection, refuse_connection)
    assert buttons(decision(operator, lost.reference, 503)) == ["Reject"]
    assert decide(operator, resolution_id, "confirm", "kept").status == 503
    assert refund_desk.refund(lost.reference).state == refund_rules.UNKNOWN
    assert decide(operator, resolution_id, "reject", "not now").status == 303


@on_sqlite
def test_what_the_bank_says_of_it_meanwhile_is_shown_instead_of_a_confirmation(
    operator: Browser, refund_desk: RefundDesk
) -> None:
    refund, elsewhere = with_stranger(refund_desk, status="in_progress")
    propose(refund_desk, refund, THAT_ONE, elsewhere.bank_id)
    refund_desk.bank_refunds(refund.session_id)[-1].status = "declined"
    shown = decision(operator, refund.reference)
    assert f"{elsewhere.bank_id} has another status or amount now than when this was proposed." in shown.text
    assert buttons(shown) == ["Reject"]


@on_sqlite
def test_a_viewer_decides_nothing(viewer: Browser, refund_desk: RefundDesk) -> None:
    lost = not_found(refund_desk)
    resolution_id = propose(refund_desk, lost, NEVER_MADE)
    assert buttons(decision(viewer, lost.reference)) == []
    calls = len(refund_desk.wire.calls)
    for verb in ("confirm", "reject", "withdraw"):
        assert decide(viewer, resolution_id, verb, "x").status == 403
    assert len(refund_desk.wire.calls) == calls, "the bank is asked for nobody who may not decide"


@on_sqlite
def test_whoever_proposed_and_has_become_a_viewer_takes_nothing_back(viewer: Browser, refund_desk: RefundDesk) -> None:
    lost = not_found(refund_desk)
    resolution_id = propose(refund_desk, lost, NEVER_MADE, None, refund_desk.person("viewer"))
    assert decide(viewer, resolution_id, "withdraw").status == 403
    assert resolutions_of(refund_desk, lost) == ["proposed"]


@on_sqlite
def test_proposals_that_do_not_exist_are_not_found(operator: Browser) -> None:
    for number in ("1", "0", "-1", "x", "²", "9" * 30):
        assert operator.post(f"/resolutions/{number}/confirm").status == 404


@on_sqlite
def test_what_cannot_be_confirmed_now_says_why(operator: Browser, refund_desk: RefundDesk) -> None:
    refund, elsewhere = with_stranger(refund_desk)
    propose(refund_desk, refund, THAT_ONE, elsewhere.bank_id)
    another = "5f0c7a31-93b4-4a44-8f27-3d8b1d1f2a10"
    refund_desk.bank_refunds(refund.session_id)[0].metadata = {"reference": another}
    shown = decision(operator, refund.reference)
    assert "It cannot be confirmed now What the bank shows now does not allow it." in shown.text
    assert buttons(shown) == ["Reject"]
