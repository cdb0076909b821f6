"""The main job: find a payment, refund it, undo, see it happen. On every kind of installation."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.bench.postgresql import PostgresqlServer
from tests.journeys import steps
from tests.journeys.commands import OPERATOR, Installation, running_demo, running_server
from tests.journeys.windows import Windows

CALM = {"DASHBOARD_UNDO_SECONDS": "2", "DASHBOARD_POLL_SECONDS": "1"}
# Where the machine is slow, a read comes as soon as the bank's webhook.
ACCEPTED_ON_EVIDENCE = re.compile(r"Accepted by the bank, (by webhook, its signature verified|read from the bank)")
MOST_OF_A_WEB_PROCESS = 165 * 2**20
MOST_OF_A_DEMO = 650 * 2**20


@pytest.fixture(scope="session", params=["demo", "PostgreSQL, two web processes, API v2"])
def installation(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("installation")
    if request.param == "demo":
        running = running_demo(folder, **CALM)
    else:
        server: PostgresqlServer = request.getfixturevalue("postgresql")
        server.run("postgres", 'CREATE DATABASE "journeys"')
        more = {"DASHBOARD_WEB_PROCESSES": "2", "BANK131_API_VERSION": "2"}
        running = running_server(folder, server.url("journeys"), **more, **CALM)
    with running as installation:
        yield installation


def test_find_a_payment_refund_a_part_undo_one_and_refund_the_rest(
    installation: Installation, windows: Windows
) -> None:
    session_id = installation.bank.paid_session("main-job-customer", 100_050, card={"brand": "mir", "last4": "7703"})
    page = windows.anonymous(installation)
    steps.sign_in(page, OPERATOR)
    history = page.context.new_page()
    history.goto("/refunds/")
    steps.expect_live(history)
    steps.mark(history)

    open_form(page, session_id)
    steps.fill_and_check(page, "10.50", reason="wrong_amount", comment="one item was broken")
    expect_everything_repeated(page, session_id)
    steps.confirm_button(page).click()
    first = follow_until_accepted(page, history)
    second = refund_and_undo(page, history, session_id)
    third = refund_the_rest(page, history, session_id)

    steps.expect_not_reloaded(history)
    assert steps.references(history)[:3] == [third, second, first]
    assert installation.bank.amounts_of(session_id) == [(1_050, "accepted"), (99_000, "accepted")]
    expect_small(installation)


def open_form(page: Page, session_id: str) -> None:
    found = steps.search(page, "main-job-customer")
    expect(found).to_have_text([session_id])
    found.click()
    expect(page.locator("main")).to_contain_text("1,000.50")
    page.get_by_role("link", name="Refund", exact=True).click()
    page.wait_for_url(f"**/sessions/{session_id}/refund")


def expect_everything_repeated(page: Page, session_id: str) -> None:
    repeated = (session_id, "main-job-customer", "Mir ··7703", "10.50", "990.00", "Wrong amount", "one item was broken")
    for text in repeated:
        expect(page.locator("main")).to_contain_text(text)
    expect(steps.confirm_button(page)).to_contain_text("10.50 RUB")


def follow_until_accepted(page: Page, history: Page) -> str:
    """The refund's page goes from queued to accepted by itself, and so does its row in the other tab."""
    reference = steps.reference_of(page)
    steps.expect_status(steps.subject(page), "queued")
    steps.mark(page)
    steps.expect_status(steps.row(history, reference), "queued", "accepted")
    steps.expect_status(steps.subject(page), "accepted")
    expect(page.locator("#timeline")).to_contain_text(ACCEPTED_ON_EVIDENCE)
    expect(page.locator("#timeline")).to_contain_text("Webhook payment_refunded, its signature verified")
    steps.expect_not_reloaded(page, history)
    return reference


def refund_and_undo(page: Page, history: Page, session_id: str) -> str:
    reference = steps.refund(page, session_id, "5")
    page.get_by_role("button", name="Undo").click()
    steps.expect_status(steps.subject(page), "cancelled")
    expect(page.locator("main")).to_contain_text("Undone. Nothing was sent to the bank")
    steps.expect_status(steps.row(history, reference), "cancelled")
    return reference


def refund_the_rest(page: Page, history: Page, session_id: str) -> str:
    page.goto(f"/sessions/{session_id}/refund")
    steps.fill_and_check(page, None)
    expect(steps.confirm_button(page)).to_contain_text("990.00 RUB")
    steps.confirm_button(page).click()
    reference = follow_until_accepted(page, history)
    page.goto(f"/sessions/{session_id}")
    expect(page.locator("#session-summary")).to_contain_text("Can still be refunded0.00 RUB")
    expect(page.get_by_role("link", name="Refund", exact=True)).to_have_count(0)
    return reference


def test_what_the_bank_decides_shows_in_open_pages(installation: Installation, windows: Windows) -> None:
    session_id = installation.bank.paid_session("decided-customer")
    page = windows.of(installation, OPERATOR)
    history, session = page.context.new_page(), page.context.new_page()
    history.goto("/refunds/")
    with installation.bank.behaving(decide="manual"):
        reference = steps.refund(page, session_id, "20")
        session.goto(f"/sessions/{session_id}")
        steps.expect_live(session)
        steps.mark(page, history, session)
        steps.expect_status(steps.subject(page), "in_progress")
        decline_on_the_control_page(windows, installation, session_id)
    for refund in (steps.subject(page), steps.row(history, reference), steps.row(session, reference)):
        steps.expect_status(refund, "declined")

    charge_back_on_the_control_page(windows, installation, session_id)

    for table in (history, session):
        chargeback = table.locator(f"tr[data-session='{session_id}']:not([data-refund='{reference}'])")
        steps.expect_status(chargeback, "accepted")
        expect(chargeback).to_contain_text("70.25")
        expect(chargeback).to_contain_text("Chargeback")
    expect(session.locator("#session-summary")).to_contain_text("Can still be refunded929.75 RUB")
    steps.expect_not_reloaded(page, history, session)
    expect_whole_journal(installation)
    expect_small(installation)


def decline_on_the_control_page(windows: Windows, installation: Installation, session_id: str) -> None:
    control = windows.anonymous(installation)
    control.goto(f"{installation.bank.url}/?q={session_id}")
    control.get_by_role("button", name="Decline").click()
    expect(control.get_by_role("status")).to_contain_text("Decided")


def charge_back_on_the_control_page(windows: Windows, installation: Installation, session_id: str) -> None:
    control = windows.anonymous(installation)
    control.goto(f"{installation.bank.url}/?q={session_id}")
    control.get_by_label(f"Amount for {session_id}").fill("70,25")
    control.get_by_role("button", name="Charge back").click()
    expect(control.get_by_role("status")).to_contain_text("Charged back")


def expect_whole_journal(installation: Installation) -> None:
    assert installation.run("journal", "verify").stdout.startswith("The journal is whole: ")


def expect_small(installation: Installation) -> None:
    """Resident memory of each process that serves pages and, in a demo, of everything together."""
    family = installation.family()
    web = [process.memory_info().rss for process in family if "web" in process.cmdline()]
    assert len(web) > 1
    assert max(web) < MOST_OF_A_WEB_PROCESS, web
    if installation.is_demo:
        assert sum(process.memory_info().rss for process in family) < MOST_OF_A_DEMO


def test_the_text_for_the_customer_is_copied(demo: Installation, windows: Windows) -> None:
    session_id = demo.bank.paid_session("to-be-told")
    page = windows.of(demo, OPERATOR, permissions=["clipboard-read", "clipboard-write"])
    reference = steps.refund(page, session_id, "15")
    steps.expect_status(steps.subject(page), "accepted")
    page.get_by_text("Text for the customer").click()

    page.get_by_role("button", name="Copy").click()

    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    expect(page.locator("#announcer")).to_have_text("Copied")
    text = page.evaluate("navigator.clipboard.readText()")
    assert text.startswith("We have returned 15.00\u00a0RUB to you (Visa ··4242)")
    assert text.endswith(f"Our number of this refund: {reference}.")
