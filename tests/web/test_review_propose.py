"""One person says what became of a refund under review."""

import ast
import inspect

import pytest

from dashboard import resolutions, restore
from dashboard.models import Refund
from dashboard.web import wording
from dashboard.web.bank_seats import PAGE_TIMEOUT_S
from tests.bench.databases import on_sqlite
from tests.bench.refund_desk import RefundDesk
from tests.bench.reviews import (
    NEVER_MADE,
    STANDS,
    THAT_ONE,
    contradicted,
    decide,
    not_found,
    resolutions_of,
    with_stranger,
)
from tests.bench.wire import REFUND, STATUS, edited, lose_request, refuse_connection
from tests.web.browser import Answer, Browser
from tests.web.conftest import Auth
from tests.web.page import Element


def path_of(reference: str) -> str:
    return f"/refunds/{reference}/review"


def send(browser: Browser, reference: str, choice: str, comment: str = "the bank's support says so") -> Answer:
    return browser.post(path_of(reference), {"choice": choice, "comment": comment})


def choices(page: Element) -> dict[str, bool]:
    """What can be chosen, and whether it is open."""
    return {one["value"]: one.get("disabled") is None for one in page.all("input", name="choice")}


def test_it_shows_what_the_bank_shows_now_and_what_each_choice_does(operator: Browser, refund_desk: RefundDesk) -> None:
    lost = not_found(refund_desk, amount_minor=25_00)
    calls = len(refund_desk.wire.calls)
    page = operator.page(path_of(lost.reference))
    assert len(refund_desk.wire.calls) == calls + 1, "the bank is asked as it is shown"
    words = page.one("main").text
    for said in (
        "Not found at the bank. The bank does not show it, and it was sent as often as is safe.",
        "The bank does not show it",
        "25.00 RUB is free again and can be refunded anew.",
        "The amount stays held until a second person has confirmed it.",
        "The bank says that it knows this refund's key already",
    ):
        assert said in words
    assert choices(page) == {"never_made": True}
    operator.page(f"/refunds/{lost.reference}")
    assert len(refund_desk.wire.calls) == calls + 1, "the refund's own page does not ask"


def test_a_proposal_changes_nothing_and_waits_for_somebody_else(operator: Browser, refund_desk: RefundDesk) -> None:
    lost = not_found(refund_desk)
    answer = send(operator, lost.reference, NEVER_MADE)
    assert (answer.status, answer.location) == (303, path_of(lost.reference))
    assert refund_desk.refund(lost.reference).state == "unknown"
    assert refund_desk.session(lost.session_id).committed_minor == 10_00
    page = operator.page(path_of(lost.reference))
    assert "Proposed. A second person has to agree" in page.notices[0]
    assert "operator@desk.test" in page.one(id="decision").text
    assert [one.text for one in page.one(id="decision").all("button")] == ["Withdraw the proposal"]
    box = operator.page(f"/refunds/{lost.reference}").one("div", _class="decide").text
    assert "operator@desk.test proposes: The bank never made it." in box
    assert "the amount stays held till then" in box


def test_proposing_the_same_again_does_not_seem_to_keep_the_new_comment(
    operator: Browser, refund_desk: RefundDesk
) -> None:
    lost = not_found(refund_desk)
    for comment, said in (
        ("support says so", "Proposed. A second person has to agree"),
        (" support says so ", "Proposed. A second person has to agree"),
        ("and by phone", "You have proposed this already; your first comment stands."),
    ):
        assert send(operator, lost.reference, NEVER_MADE, comment).status == 303
        page = operator.page(path_of(lost.reference))
        assert page.notices[0].startswith(said)
        assert page.one("dd", _class="said").text == "support says so"
    assert resolutions_of(refund_desk, lost) == ["proposed"]


@on_sqlite
def test_the_refunds_page_leads_there(viewer: Browser, refund_desk: RefundDesk) -> None:
    lost = not_found(refund_desk)
    box = viewer.page(f"/refunds/{lost.reference}").one("div", _class="decide")
    assert "Two people have to decide what became of it; the amount stays held till then." in box.text
    assert box.one("a")["href"] == path_of(lost.reference)


@on_sqlite
def test_before_its_time_never_made_cannot_be_chosen_and_says_from_when(
    operator: Browser, refund_desk: RefundDesk
) -> None:
    refund, elsewhere = with_stranger(refund_desk)
    page = operator.page(path_of(refund.reference))
    assert choices(page) == {"never_made": False, f"that_one:{elsewhere.bank_id}": True}
    assert "Not before 1 Mar 09:20:40: until then the bank may still carry it out." in page.text
    assert "Something came up at the bank since this was first sent" in page.one("main").text
    answer = send(operator, refund.reference, NEVER_MADE)
    assert answer.status == 409
    assert "until 1 Mar 09:20:40 the bank may still carry this refund out" in answer.page.notices[0]
    assert answer.page.one("textarea", name="comment").text == "the bank's support says so"


def test_that_it_is_one_of_the_banks_names_which(operator: Browser, refund_desk: RefundDesk) -> None:
    refund, elsewhere = with_stranger(refund_desk, amount_minor=15_00)
    page = operator.page(path_of(refund.reference))
    assert "15.00 RUB counts once instead of twice" in page.text
    assert send(operator, refund.reference, f"that_one:{elsewhere.bank_id}").status == 303
    assert resolutions_of(refund_desk, refund) == ["proposed"]
    assert f"It is {elsewhere.bank_id} at the bank." in operator.page(path_of(refund.reference)).text


@on_sqlite
def test_one_that_the_bank_declined_holds_nothing_any_more(operator: Browser, refund_desk: RefundDesk) -> None:
    refund, _ = with_stranger(refund_desk, status="declined")
    assert "The bank declined it, so nothing is held for it any more" in operator.page(path_of(refund.reference)).text


@on_sqlite
@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"choice": NEVER_MADE, "comment": "  "}, "Write down why."),
        ({"choice": "", "comment": "because"}, "Choose what became of it."),
        ({"choice": NEVER_MADE, "comment": "x" * 501}, "At most 500 characters."),
    ],
)
def test_what_is_missing_is_said_and_the_rest_kept(
    operator: Browser, refund_desk: RefundDesk, fields: dict[str, str], sentence: str
) -> None:
    lost = not_found(refund_desk)
    answer = operator.post(path_of(lost.reference), fields)
    assert answer.status == 422
    assert answer.page.field_errors == [sentence]
    assert answer.page.one("textarea", name="comment").text == fields["comment"].strip()
    assert len(answer.page.all("input", checked=True)) == bool(fields["choice"])
    assert resolutions_of(refund_desk, lost) == []


@on_sqlite
@pytest.mark.parametrize("choice", ["accepted", "stands", "that_one", "that_one:rf_9", "never_made:rf_1", ":"])
def test_what_is_not_offered_is_not_taken(operator: Browser, refund_desk: RefundDesk, choice: str) -> None:
    lost = not_found(refund_desk)
    assert send(operator, lost.reference, choice).status in {409, 422}
    assert resolutions_of(refund_desk, lost) == []


@on_sqlite
def test_a_bank_that_cannot_be_asked_leaves_no_choice(operator: Browser, refund_desk: RefundDesk) -> None:
    lost = not_found(refund_desk)
    refund_desk.wire.next(STATUS, refuse_connection, refuse_connection)
    page = operator.page(path_of(lost.reference), 503)
    assert "Nothing can be decided before it answers, and the amount stays held." in page.notices[0]
    assert "Below stands what was known at" in page.notices[0]
    assert choices(page) == {}
    answer = send(operator, lost.reference, NEVER_MADE)
    assert answer.status == 503
    assert "the bank could not be asked. The amount stays held." in answer.page.notices[0]


@on_sqlite
def test_an_answer_that_is_not_whole_proves_nothing(operator: Browser, refund_desk: RefundDesk) -> None:
    refund, _ = with_stranger(refund_desk)
    refund_desk.clock.advance(3600)

    def garble(session: dict[str, object]) -> None:
        session["acquiring_payments"][0]["refunds"][0]["status"] = "sideways"  # type: ignore[index]

    refund_desk.wire.next(STATUS, edited(garble), edited(garble), edited(garble), edited(garble))
    page = operator.page(path_of(refund.reference))
    assert not any(choices(page).values())
    assert "Not everything could be read" in page.notices[0]


def test_a_second_proposal_waits_for_the_first(operator: Browser, auth: Auth, refund_desk: RefundDesk) -> None:
    lost = not_found(refund_desk)
    send(operator, lost.reference, NEVER_MADE)
    answer = send(auth.login("approver"), lost.reference, NEVER_MADE, "I think so too")
    assert answer.status == 409
    assert "there is another proposal for this refund" in answer.page.notices[0]
    assert answer.page.one("textarea", name="comment").text == "I think so too"
    assert resolutions_of(refund_desk, lost) == ["proposed"]


@on_sqlite
def test_the_facts_stand_is_what_can_be_said_of_a_contradiction(operator: Browser, refund_desk: RefundDesk) -> None:
    refund = contradicted(refund_desk)
    page = operator.page(path_of(refund.reference))
    assert choices(page) == {"stands": True}
    assert f"known at the bank as {refund.bank_id} The bank's last word Accepted 10.00 RUB" in page.text
    assert send(operator, refund.reference, STANDS).status == 303


@on_sqlite
def test_one_that_turned_up_meanwhile_needs_nobody(operator: Browser, refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    reference = refund_desk.ask(session_id, 10_00)
    refund_desk.send(reference)
    assert operator.get(path_of(reference)).location == f"/refunds/{reference}"
    assert operator.page(f"/refunds/{reference}").notices == ["This refund does not need a decision any more."]
    answer = send(operator, reference, NEVER_MADE)
    assert (answer.status, "does not need a decision now" in answer.page.notices[0]) == (409, True)


@on_sqlite
def test_one_of_unknown_outcome_may_need_a_decision_later(operator: Browser, refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    queued = refund_desk.ask(session_id, 10_00)
    assert operator.get(path_of(queued)).location == f"/refunds/{queued}"
    waits = "There is nothing to decide about this refund: it waits to be sent."
    assert operator.page(f"/refunds/{queued}").notices == [waits]
    refund_desk.wire.next(REFUND, lose_request)
    refund_desk.send(queued)
    answer = operator.get(path_of(queued))
    assert (answer.status, answer.location) == (303, f"/refunds/{queued}")
    [said] = operator.page(f"/refunds/{queued}").notices
    assert said.startswith("The outcome of this refund is not known yet: the desk is still asking the bank. A decision")
    assert said in send(operator, queued, NEVER_MADE).page.one("main").text


@on_sqlite
def test_a_viewer_looks_and_chooses_nothing(viewer: Browser, refund_desk: RefundDesk) -> None:
    lost = not_found(refund_desk)
    page = viewer.page(path_of(lost.reference))
    assert "Your role does not allow it." in page.one(id="decision").text
    assert choices(page) == {}
    assert send(viewer, lost.reference, NEVER_MADE).status == 403


@on_sqlite
def test_after_a_restore_a_queued_one_is_decided_and_not_undone(auth: Auth, refund_desk: RefundDesk) -> None:
    reference = refund_desk.ask(refund_desk.paid_session(100_00), 10_00)
    restore.after_restore(refund_desk.desk, "command line")
    operator = auth.login()
    page = operator.page(path_of(reference))
    assert "Put back from a backup." in page.one("main").text
    assert choices(page) == {"never_made": False}
    assert operator.page(f"/refunds/{reference}").all(id="undo") == []
    answer = operator.post(f"/refunds/{reference}/cancel")
    assert answer.status == 409
    assert answer.page.notices[0] == (
        "Not undone: the database was put back from a backup, and this refund may have been sent before. "
        "Its amount stays held until two people have decided what became of it."
    )


@on_sqlite
def test_unknown_refunds_are_not_found(operator: Browser) -> None:
    assert operator.get(path_of("no-such")).status == 404
    assert send(operator, "no-such", NEVER_MADE).status == 404


def test_every_refusal_has_words() -> None:
    tree = ast.parse(inspect.getsource(resolutions))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    raised = {
        one.value
        for call in calls
        if isinstance(call.func, ast.Name) and call.func.id == "ResolutionRefused"
        for one in ast.walk(call.args[0])
        if isinstance(one, ast.Constant) and isinstance(one.value, str)
    }
    assert {"same_person", "not_open_yet", "comment_missing"} <= raised
    assert raised | {"outdated", "decided"} == set(wording._NOT_DECIDED)


def test_a_row_that_was_taken_in_leads_to_the_one_that_took_it(operator: Browser, refund_desk: RefundDesk) -> None:
    refund, elsewhere = with_stranger(refund_desk)
    decide(refund_desk, refund, THAT_ONE, elsewhere.bank_id)
    for path in (f"/refunds/{elsewhere.reference}", path_of(elsewhere.reference)):
        answer = operator.get(path)
        assert (answer.status, answer.location) == (302, f"/refunds/{refund.reference}")
    assert operator.get("/refunds/00000000-0000-4000-8000-00000000ffff").status == 404


@on_sqlite
def test_the_page_waits_for_the_bank_no_longer_than_any_page(operator: Browser, refund_desk: RefundDesk) -> None:
    lost = not_found(refund_desk)
    operator.page(path_of(lost.reference))
    assert refund_desk.wire.calls[-1].timeout_s == PAGE_TIMEOUT_S
    send(operator, lost.reference, NEVER_MADE)
    assert refund_desk.wire.calls[-1].timeout_s > PAGE_TIMEOUT_S, "what decides has the whole deadline"


@on_sqlite
def test_what_people_write_is_shown_as_text_without_card_numbers(
    operator: Browser, auth: Auth, refund_desk: RefundDesk
) -> None:
    lost = not_found(refund_desk)
    send(operator, lost.reference, NEVER_MADE, "<b>paid</b> to 4242 4242 4242 4242\nyesterday")
    said = auth.login("approver").page(path_of(lost.reference)).one("dd", _class="said")
    assert said.text == "<b>paid</b> to •••• 4242 yesterday"
    assert said.all("b") == []


@on_sqlite
def test_a_read_of_another_bank_says_that_it_proves_nothing(operator: Browser, refund_desk: RefundDesk) -> None:
    lost = not_found(refund_desk)
    with refund_desk.desk.write() as tx:
        tx.get_one(Refund, lost.id).project = "another project"
    page = operator.page(path_of(lost.reference))
    (notice,) = page.notices
    assert notice.startswith("This is another bank server or project The refund was asked for with another one")
    closed = "The desk has to be set to that one again first."
    assert closed in page.one(id="decision").text
    answer = send(operator, lost.reference, NEVER_MADE, "not there")
    assert answer.status == 409
    assert "Have BANK131_URL, BANK131_PROJECT and the keys set to that one again" in answer.page.notices[0]


@on_sqlite
def test_whoever_was_signed_out_meanwhile_comes_back_to_the_page(client: Browser, refund_desk: RefundDesk) -> None:
    lost = not_found(refund_desk)
    assert send(client, lost.reference, NEVER_MADE).location == f"/login?next={path_of(lost.reference)}"
