"""The rows that changed since a position in the journal, within the filters: what live pages catch up with."""

import pytest

from dashboard import history
from tests.bench.databases import on_sqlite
from tests.bench.refund_desk import RefundDesk
from tests.bench.wire import REFUND, lose_request
from tests.web.browser import Answer, Browser


def head(refund_desk: RefundDesk) -> int:
    return refund_desk.journal()[-1].seq


def shown(answer: Answer) -> dict[str, str]:
    """Reference -> status of the rows that changed, `gone` for those that left the filter."""
    rows = answer.page.rows
    return {row["data-refund"]: "gone" if row.get("data-gone") is not None else row["data-status"] for row in rows}


def test_a_new_refund_and_its_changes_come(operator: Browser, refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    refund_desk.read(session_id)
    start = head(refund_desk)
    reference = refund_desk.ask(session_id, 10_00)
    answer = operator.get(f"/refunds/rows?since={start}")
    assert shown(answer) == {reference: "queued"}
    cursor = answer.page.one("tbody")["data-cursor"]
    assert int(cursor) == head(refund_desk)
    assert shown(operator.get(f"/refunds/rows?since={cursor}")) == {}
    refund_desk.send(reference)
    assert shown(operator.get(f"/refunds/rows?since={cursor}")) == {reference: "in_progress"}


@on_sqlite
def test_a_row_is_the_same_as_in_the_history(operator: Browser, refund_desk: RefundDesk) -> None:
    refund_desk.ask(refund_desk.paid_session(100_00), 10_00)
    (row,) = operator.get("/refunds/rows?since=0").page.rows
    assert row == operator.page("/refunds/").rows[0]


def test_what_leaves_the_filter_is_named(operator: Browser, refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    reference = refund_desk.ask(session_id, 10_00)
    start = head(refund_desk)
    refund_desk.cancel(reference)
    assert shown(operator.get(f"/refunds/rows?since={start}&status=queued")) == {reference: "gone"}
    assert shown(operator.get(f"/refunds/rows?since={start}&status=cancelled")) == {reference: "cancelled"}
    assert shown(operator.get(f"/refunds/rows?since={start}&session=ps_other")) == {reference: "gone"}


def test_one_that_begins_to_wait_comes_with_the_one_it_waits_for(operator: Browser, refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    first, second = refund_desk.ask(session_id, 10_00), refund_desk.ask(session_id, 20_00)
    start = head(refund_desk)
    refund_desk.wire.next(REFUND, lose_request)
    refund_desk.send(first)
    page = operator.get(f"/refunds/rows?since={start}").page
    words = {row["data-refund"]: row.all("td")[1].text for row in page.rows}
    assert words == {first: "Outcome unknown", second: "Queued, waiting"}
    assert {row["data-status"] for row in page.rows} == {"unknown", "queued"}


def test_a_position_beyond_the_head_means_reload(operator: Browser, refund_desk: RefundDesk) -> None:
    answer = operator.get(f"/refunds/rows?since={head(refund_desk) + 1}")
    assert (answer.status, answer.text) == (205, "")


def test_too_much_at_once_means_reload(
    operator: Browser, refund_desk: RefundDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "MOST_CHANGES", 2)
    session_id = refund_desk.paid_session(100_00)
    for _ in range(2):
        refund_desk.ask(session_id, 10_00)
    assert operator.get("/refunds/rows?since=0").status == 200
    refund_desk.ask(session_id, 10_00)
    assert operator.get("/refunds/rows?since=0").status == 205


def test_without_a_position_there_is_no_answer(operator: Browser) -> None:
    for since in ("", "x", "-1", "1.5", "1e3", "9" * 19, "٣x"):
        answer = operator.get(f"/refunds/rows?since={since}")
        assert (since, answer.status) == (since, 400)
        assert "The position in the journal is missing." in answer.page.one("main").text


@on_sqlite
def test_a_signed_out_script_is_told_so(client: Browser) -> None:
    assert client.get("/refunds/rows?since=0").status == 401
