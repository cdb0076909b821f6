"""One refund on paper says what is sure and no more, and who took it is on record."""

import pytest

from tests.bench.databases import on_both, on_sqlite
from tests.bench.refund_desk import RefundDesk
from tests.web.browser import Browser
from tests.web.made_up import MadeUp


def on_paper(browser: Browser, reference: str) -> str:
    return browser.post(f"/refunds/{reference}/paper").page.one("article").text


@on_both
def test_a_receipt_is_given_for_what_was_returned(viewer: Browser, made_up: MadeUp, refund_desk: RefundDesk) -> None:
    reference = made_up.refund(made_up.session("ps_1", customer="anna"), amount_minor=12_500_50)
    told = on_paper(viewer, reference)
    assert told.startswith("Receipt of a refund")
    for fact in (
        "12,500.50",
        "twelve thousand, five hundred RUB 50/100",
        "anna",
        "ps_1",
        reference,
        "viewer@desk.test",
    ):
        assert fact in told
    assert "no proof" not in told
    [entry] = [each for each in refund_desk.journal(f"refund:{reference}") if each.action == "export:made"]
    assert (entry.actor, entry.data) == ("viewer@desk.test", '{"kind":"paper"}')


@on_sqlite
@pytest.mark.parametrize("state", ["in_progress", "unknown", "declined", "queued", "cancelled"])
def test_anything_else_is_called_no_proof(viewer: Browser, made_up: MadeUp, state: str) -> None:
    told = on_paper(viewer, made_up.refund(made_up.session("ps_1"), state=state))
    assert told.startswith("State of a refund")
    assert "This is no proof that money was returned" in told


@on_sqlite
def test_nor_is_an_accepted_one_that_people_have_to_look_at(viewer: Browser, made_up: MadeUp) -> None:
    told = on_paper(viewer, made_up.refund(made_up.session("ps_1"), review="contradiction"))
    assert told.startswith("State of a refund")


@on_sqlite
def test_what_there_is_not_is_neither_shown_nor_on_record(viewer: Browser, refund_desk: RefundDesk) -> None:
    assert viewer.post("/refunds/nothing/paper").status == 404
    assert [each for each in refund_desk.journal() if each.action.startswith("export:")] == []


@on_sqlite
def test_a_large_amount_is_spelled_out_in_the_readers_language(viewer: Browser, made_up: MadeUp) -> None:
    reference = made_up.refund(made_up.session("ps_1"), amount_minor=2_000)
    viewer.post("/account/preferences", {"language": "ru", "timezone": "", "theme": "", "keys": ""})
    assert "двадцать RUB 00/100" in on_paper(viewer, reference)
