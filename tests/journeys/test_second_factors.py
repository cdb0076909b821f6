"""Second factors in a real browser: passkeys of a virtual device, an app's codes without JavaScript, recovery codes."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import pyotp
import pytest
from playwright.sync_api import Page, expect

from tests.journeys import steps
from tests.journeys.commands import ADMIN, PASSWORD, Installation
from tests.journeys.windows import Windows


@pytest.fixture
def desk(demo: Installation) -> Installation:
    """By its name: browsers make no passkeys for an address of numbers."""
    return replace(demo, url=demo.url.replace("127.0.0.1", "localhost"))


@pytest.fixture
def nobody_enrolled(demo: Installation) -> Iterator[None]:
    """The demo's own people sign in with the password alone in other tests."""
    yield
    demo.run("user", "reset-factors", ADMIN)


def add_person(desk: Installation, email: str, role: str = "operator") -> None:
    desk.run("user", "add", email, "--role", role, "--password-stdin", stdin=PASSWORD + "\n")


def with_device(page: Page) -> None:
    """A device with a finger on it belongs to this window."""
    cdp = page.context.new_cdp_session(page)
    cdp.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    cdp.send("WebAuthn.addVirtualAuthenticator", {"options": options})


def let_time_pass(desk: Installation) -> None:
    """As if minutes had gone by: proofs are old, and apps show codes that were not used yet."""
    file = desk.settings["DASHBOARD_DATABASE_URL"].removeprefix("sqlite:///")
    with closing(sqlite3.connect(file, timeout=10)) as database, database:
        database.execute("UPDATE sign_ins SET proved_at = '2020-01-01 00:00:00.000000'")
        database.execute("UPDATE authenticator_apps SET last_step = 0")


def give_password(page: Page, email: str) -> None:
    page.goto("/login")
    steps.fill_sign_in(page, email)
    expect(page).to_have_title("Second step · Refund desk")


def add_app(page: Page) -> pyotp.TOTP:
    """From one's own page to the recovery codes."""
    page.goto("/factors/")
    page.get_by_role("button", name="Add an app").click()
    app = pyotp.TOTP(page.locator("[data-secret]").inner_text().replace(" ", ""))
    page.get_by_label("Code that the app shows").fill(app.now())
    page.get_by_role("button", name="Add the app").click()
    expect(page.locator("[data-codes] li")).to_have_count(10)
    return app


def test_a_passkey_is_made_signs_in_and_proves_it_again(desk: Installation, windows: Windows) -> None:
    add_person(desk, "passkey@demo.test")
    page = windows.anonymous(desk, permissions=["clipboard-read", "clipboard-write"])
    with_device(page)
    steps.sign_in(page, "passkey@demo.test")
    page.goto("/factors/")
    page.get_by_role("button", name="Add a passkey").click()
    page.get_by_label("What to call it").fill("A laptop")
    page.get_by_role("button", name="Make the passkey").click()
    expect(page.locator("[data-codes] li")).to_have_count(10)
    codes = page.locator("[data-codes] li").all_inner_texts()
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()").split() == codes
    page.get_by_role("link", name="I have put them away").click()
    expect(page.locator("[data-passkey-name='A laptop']")).to_be_visible()

    page.get_by_role("button", name="Sign out").click()
    page.goto("/refunds/?status=declined")
    steps.fill_sign_in(page, "passkey@demo.test")
    page.get_by_role("button", name="Use a passkey").click()
    page.wait_for_url("**/refunds/?status=declined")

    let_time_pass(desk)
    page.goto("/factors/")
    page.get_by_role("button", name="Make new codes").click()
    expect(page.get_by_role("heading", name="Is it you?")).to_be_visible()
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.locator("[data-codes] li")).to_have_count(10)
    assert not set(codes) & set(page.locator("[data-codes] li").all_inner_texts())


def test_the_same_device_is_not_taken_twice_and_another_address_says_where_it_works(
    desk: Installation, demo: Installation, windows: Windows
) -> None:
    add_person(desk, "twice@demo.test")
    page = windows.anonymous(desk)
    with_device(page)
    steps.sign_in(page, "twice@demo.test")
    for made in ("[data-codes] >> nth=0", "[data-passkey-problem]"):
        page.goto("/factors/passkeys/new")
        page.get_by_label("What to call it").fill("The same")
        page.get_by_role("button", name="Make the passkey").click()
        expect(page.locator(made)).to_be_visible()
    expect(page.locator("[data-passkey-problem]")).to_contain_text("This device has a passkey of yours already.")

    elsewhere = windows.anonymous(demo)
    elsewhere.goto("/login")
    steps.fill_sign_in(elsewhere, "twice@demo.test")
    problem = elsewhere.locator("[data-passkey-problem]")
    expect(problem).to_contain_text(f"Passkeys work at this address alone: {desk.url}")
    expect(elsewhere.get_by_role("button", name="Use a passkey")).to_be_hidden()
    expect(elsewhere.get_by_label("A recovery code")).to_be_visible()


def test_an_app_needs_no_javascript(desk: Installation, windows: Windows) -> None:
    add_person(desk, "app@demo.test")
    page = windows.anonymous(desk, java_script_enabled=False)
    steps.sign_in(page, "app@demo.test")
    app = add_app(page)
    codes = page.locator("[data-codes] li").all_inner_texts()
    page.get_by_role("button", name="Sign out").click()

    let_time_pass(desk)
    give_password(page, "app@demo.test")
    page.get_by_label("Code from your app").fill("000000")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("This code is not right.")
    page.get_by_label("Code from your app").fill(app.now())
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()

    let_time_pass(desk)
    page.goto("/factors/")
    page.get_by_role("button", name="Remove").click()
    expect(page.get_by_role("heading", name="Is it you?")).to_be_visible()
    page.get_by_label("Code from your app").fill(codes[0])
    page.get_by_role("button", name="Go on").click()
    expect(page.locator(".notice").first).to_contain_text("It is removed.")
    expect(page.get_by_role("button", name="Add an app")).to_be_visible()


def test_a_window_beside_stays_live_while_somebody_proves_who_they_are(desk: Installation, windows: Windows) -> None:
    session_id = desk.bank.paid_session("beside")
    add_person(desk, "beside@demo.test")
    history = windows.anonymous(desk)
    steps.sign_in(history, "beside@demo.test")
    history.goto("/refunds/")
    steps.expect_live(history)
    steps.mark(history)
    let_time_pass(desk)

    page = history.context.new_page()
    page.goto("/factors/")
    page.get_by_role("button", name="Add an app").click()
    page.get_by_label("Your password").fill(PASSWORD)
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_role("heading", name="Add an app")).to_be_visible()
    reference = steps.refund(page, session_id, "1")

    history.bring_to_front()
    expect(steps.row(history, reference)).to_be_visible()
    steps.expect_not_reloaded(history)


def test_two_admins_reset_what_was_lost(desk: Installation, windows: Windows, nobody_enrolled: None) -> None:
    add_person(desk, "lost@demo.test")
    add_person(desk, "other-admin@demo.test", "admin")
    lost = windows.anonymous(desk)
    steps.sign_in(lost, "lost@demo.test")
    add_app(lost)
    asking, confirming = windows.anonymous(desk), windows.anonymous(desk)
    steps.sign_in(asking, ADMIN)
    app = add_app(asking)
    steps.sign_in(confirming, "other-admin@demo.test")

    let_time_pass(desk)
    asking.goto("/people/")
    asking.get_by_role("link", name="lost@demo.test").click()
    asking.get_by_label("Comment").fill("Lost in a train.\nCalled back.")
    asking.get_by_role("button", name="Ask for a reset").click()
    asking.get_by_label("Code from your app").fill(app.now())
    asking.get_by_role("button", name="Go on").click()
    expect(asking.locator("main")).to_contain_text("Another admin has to confirm it")

    confirming.goto("/people/")
    confirming.get_by_role("link", name="lost@demo.test").click()
    assert "Lost in a train.\nCalled back." in confirming.locator("bdi", has_text="train").evaluate(
        "e => e.textContent"
    )
    confirming.get_by_role("button", name="Confirm the reset").click()
    confirming.get_by_label("Your password").fill(PASSWORD)
    confirming.get_by_role("button", name="Go on").click()
    expect(confirming.locator(".notice").first).to_contain_text("has no second factor any more")

    lost.goto("/refunds/")
    expect(lost).to_have_title("Sign in · Refund desk")
    steps.fill_sign_in(lost, "lost@demo.test")
    expect(lost.get_by_role("heading", name="Refunds")).to_be_visible()
