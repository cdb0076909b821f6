"""Facts that fit no rule: shown where they belong, acknowledged with a comment, and never gone."""

from dashboard import anomalies
from dashboard.web import wording
from tests.bench.databases import on_sqlite
from tests.bench.refund_desk import RefundDesk
from tests.bench.reviews import THAT_ONE, decide, odd_fact_of, second, with_stranger
from tests.web.browser import Browser
from tests.web.conftest import Auth


def test_it_is_acknowledged_with_a_comment_and_stays(operator: Browser, refund_desk: RefundDesk) -> None:
    refund, elsewhere = with_stranger(refund_desk)
    fact = odd_fact_of(refund_desk, refund)
    path = f"/anomalies/{anomalies.name_of(fact)}"
    (notice,) = operator.page(f"/refunds/{refund.reference}").notices
    assert notice == (
        "Does not fit May be the same refund. It came up without a reference after we had sent one; "
        f"the two may be the same: {elsewhere.bank_id}. Acknowledge"
    )
    page = operator.page(path)
    assert page.one("h1").text == "May be the same refund"
    assert wording.anomaly_step("may_be_ours") in page.text
    answer = operator.post(path, {"comment": "the shop made it"})
    assert (answer.status, answer.location) == (303, f"/refunds/{refund.reference}")
    page = operator.page(f"/refunds/{refund.reference}")
    assert page.notices[1] == (
        "Does not fit, acknowledged May be the same refund · operator@desk.test · 1 Mar 09:00 · the shop made it"
    )
    page = operator.page(path)
    assert "operator@desk.test" in page.one("main").text
    assert page.all("textarea") == []


def test_one_of_a_session_stands_on_its_page(operator: Browser, refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    refund_desk.bank.refund_here(session_id, 60_00)
    refund_desk.bank.charge_back(session_id, 60_00)
    page = operator.page(f"/sessions/{session_id}")
    assert page.notices[0].startswith("Does not fit More than was paid. More is refunded")
    link = next(one["href"] for one in page.all("a") if one["href"].startswith("/anomalies/"))
    assert operator.post(link, {"comment": "known"}).location == f"/sessions/{session_id}"
    page = operator.page(f"/sessions/{session_id}")
    assert any(notice.startswith("Does not fit, acknowledged More than was paid") for notice in page.notices)


@on_sqlite
def test_without_a_comment_it_is_not(operator: Browser, refund_desk: RefundDesk) -> None:
    refund, _ = with_stranger(refund_desk)
    fact = odd_fact_of(refund_desk, refund)
    answer = operator.post(f"/anomalies/{anomalies.name_of(fact)}", {"comment": " "})
    assert (answer.status, answer.page.field_errors) == (422, ["Write down why."])
    answer = operator.post(f"/anomalies/{anomalies.name_of(fact)}", {"comment": "x" * 501})
    assert answer.page.one("textarea").text == "x" * 501, "what was typed is kept"
    assert odd_fact_of(refund_desk, refund).acknowledged_at is None


@on_sqlite
def test_somebody_else_was_first(operator: Browser, refund_desk: RefundDesk) -> None:
    refund, _ = with_stranger(refund_desk)
    fact = odd_fact_of(refund_desk, refund)
    anomalies.acknowledge(refund_desk.desk, second(refund_desk), anomalies.name_of(fact), "mine")
    answer = operator.post(f"/anomalies/{anomalies.name_of(fact)}", {"comment": "late"})
    assert answer.status == 409
    assert answer.page.notices[0] == (
        "Nothing was changed: second@desk.test has acknowledged it already, at 1 Mar 09:00:05, with the comment below. "
        "Only the first comment is kept, so yours was not added. You wrote: late"
    )
    assert answer.page.one("main").one("dl").one("bdi").text == "mine"
    assert odd_fact_of(refund_desk, refund).comment == "mine"


@on_sqlite
def test_a_second_press_is_one_and_a_second_thought_is_not_kept(operator: Browser, refund_desk: RefundDesk) -> None:
    refund, _ = with_stranger(refund_desk)
    path = f"/anomalies/{anomalies.name_of(odd_fact_of(refund_desk, refund))}"
    assert [operator.post(path, {"comment": "mine"}).status for _press in range(2)] == [303, 303]
    answer = operator.post(path, {"comment": "and by phone"})
    assert answer.status == 409
    assert "operator@desk.test has acknowledged it already" in answer.page.notices[-1]
    assert answer.page.notices[-1].endswith("You wrote: and by phone")


@on_sqlite
def test_a_viewer_reads_what_it_means_and_acknowledges_nothing(auth: Auth, refund_desk: RefundDesk) -> None:
    refund, _ = with_stranger(refund_desk)
    fact, viewer = odd_fact_of(refund_desk, refund), auth.login("viewer")
    assert viewer.page(f"/refunds/{refund.reference}").notices[0].endswith("What it means")
    assert viewer.page(f"/anomalies/{anomalies.name_of(fact)}").all("textarea") == []
    assert viewer.post(f"/anomalies/{anomalies.name_of(fact)}", {"comment": "x"}).status == 403


@on_sqlite
def test_one_that_went_with_its_refund_is_not_there_any_more(operator: Browser, refund_desk: RefundDesk) -> None:
    refund, elsewhere = with_stranger(refund_desk)
    fact = odd_fact_of(refund_desk, elsewhere)
    decide(refund_desk, refund, THAT_ONE, elsewhere.bank_id)
    page = operator.page(f"/anomalies/{anomalies.name_of(fact)}", 404)
    assert "two people found to be another one" in page.text
    assert operator.get("/anomalies/x").status == 404


@on_sqlite
def test_what_is_over_is_not_said_to_hold_still(operator: Browser, refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    refund_desk.bank.refund_here(session_id, 60_00)
    refund_desk.read(session_id)
    [payment] = refund_desk.bank_payments(session_id)
    gone = payment.refunds.pop()
    refund_desk.clock.advance(hours=1)
    [refund] = refund_desk.refunds(session_id)
    refund_desk.read(session_id)
    [notice] = operator.page(f"/refunds/{refund.reference}").notices
    assert f"The bank does not show it any more: {gone.id}." in notice
    path = f"/anomalies/{anomalies.name_of(odd_fact_of(refund_desk, refund))}"
    payment.refunds.append(gone)
    refund_desk.clock.advance(hours=1)
    refund_desk.read(session_id)
    [notice] = operator.page(f"/refunds/{refund.reference}").notices
    assert f"For a time the bank did not show it: {gone.id}. It shows it again. Over since 1 Mar 11:00:00." in notice
    page = operator.page(path).text
    assert "does not show it any more" not in page
    assert wording.anomaly_step("missing") not in page
    assert "It holds nothing up any more." in page
    operator.post(path, {"comment": "back again"})
    notice = operator.page(f"/refunds/{refund.reference}").notices[-1]
    assert "Over since 1 Mar 11:00:00." in notice
