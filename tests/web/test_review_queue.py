"""The queue: what waits for people, oldest first, and its number in the navigation of every page."""

from datetime import timedelta

import pytest

from dashboard import anomalies, review_queue
from tests.bench.databases import on_sqlite
from tests.bench.refund_desk import RefundDesk
from tests.bench.reviews import NEVER_MADE, decide, first, not_found, odd_fact_of, propose, with_stranger
from tests.bench.simulated import START
from tests.web.browser import Browser
from tests.web.made_up import MadeUp
from tests.web.page import Element


def in_navigation(page: Element) -> str:
    return page.one("nav", _class="topnav").one("a", href="/review/").text


def cells(row: Element) -> list[str]:
    return [cell.text for cell in row.all("td")]


def test_what_waits_stands_in_it_with_why_and_what_was_proposed(operator: Browser, refund_desk: RefundDesk) -> None:
    lost = not_found(refund_desk, refund_desk.paid_session(100_00), 25_00)
    doubted, _elsewhere = with_stranger(refund_desk)
    propose(refund_desk, lost, NEVER_MADE)
    page = operator.page("/review/")
    assert page.one(id="proposed").references == [lost.reference]
    (row,) = page.one(id="proposed").rows
    assert cells(row)[1:] == [
        "Outcome unknown",
        "25.00 RUB",
        lost.session_id,
        "Not found at the bank",
        "first@desk.test: The bank never made it",
    ]
    assert row.one("a", _class="row-link")["href"] == f"/refunds/{lost.reference}/review"
    (row,) = page.one(id="waiting").rows
    assert (row["data-refund"], cells(row)[4:]) == (doubted.reference, ["Not clear which is ours", "nothing yet"])
    facts = [cells(row) for row in page.one(id="odd").one("tbody").all("tr")]
    assert [fact[1] for fact in facts] == ["May be the same refund", "May be the same refund"]


def test_what_is_done_leaves_it(operator: Browser, refund_desk: RefundDesk) -> None:
    lost = not_found(refund_desk)
    doubted, elsewhere = with_stranger(refund_desk)
    assert in_navigation(operator.page("/")) == "Review 4"
    decide(refund_desk, lost, NEVER_MADE)
    for refund in (doubted, elsewhere):
        anomalies.acknowledge(
            refund_desk.desk, first(refund_desk), anomalies.name_of(odd_fact_of(refund_desk, refund)), "seen"
        )
    page = operator.page("/review/")
    assert in_navigation(page) == "Review 1"
    assert page.references == [doubted.reference]
    assert page.all(id="odd") == []


def test_an_empty_queue_says_so(operator: Browser) -> None:
    page = operator.page("/review/")
    assert "Nothing waits for a decision" in page.text
    assert in_navigation(page) == "Review"


@on_sqlite
def test_the_oldest_come_first_and_it_says_how_many_there_are(
    operator: Browser, made_up: MadeUp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(review_queue, "MOST_SHOWN", 3)
    made_up.session("ps_1")
    made = [
        made_up.refund("ps_1", at=START - timedelta(hours=number), review="contradiction", state="accepted")
        for number in range(5)
    ]
    made_up.refund("ps_1", state="unknown")
    page = operator.page("/review/")
    assert page.references == list(reversed(made))[:3]
    assert "the oldest 3 of 5" in page.text
    assert in_navigation(page) == "Review 5", "an unknown outcome alone needs no decision"


@on_sqlite
def test_a_viewer_sees_it(viewer: Browser, refund_desk: RefundDesk) -> None:
    lost = not_found(refund_desk)
    assert viewer.page("/review/").references == [lost.reference]
