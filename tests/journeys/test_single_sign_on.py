"""Single sign-on in a real browser, with a real provider beside a real desk."""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import pytest
from playwright.sync_api import Page, expect

from tests.bench.openid_provider import CLIENT_ID, CLIENT_SECRET, Provider, running_provider
from tests.journeys import steps
from tests.journeys.commands import Installation, free_port, running_demo
from tests.journeys.windows import Windows


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with running_provider(free_port()) as provider:
        yield provider


@pytest.fixture(scope="module")
def desk(provider: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """By the name that the provider sends people back to."""
    settings = {
        "DASHBOARD_OIDC_ISSUER": provider.url,
        "DASHBOARD_OIDC_CLIENT_ID": CLIENT_ID,
        "DASHBOARD_OIDC_CLIENT_SECRET": CLIENT_SECRET,
        "DASHBOARD_OIDC_ROLES": "finance-ops=operator,it=admin",
    }
    with running_demo(tmp_path_factory.mktemp("sso"), **settings) as demo:
        yield replace(demo, url=demo.url.replace("127.0.0.1", "localhost"))


def let_time_pass(desk: Installation) -> None:
    """As if minutes had gone by since anybody proved anything."""
    file = desk.settings["DASHBOARD_DATABASE_URL"].removeprefix("sqlite:///")
    with closing(sqlite3.connect(file, timeout=10)) as database, database:
        database.execute("UPDATE sign_ins SET proved_at = '2020-01-01 00:00:00.000000'")


def at_provider(page: Page, subject: str) -> None:
    page.wait_for_url("**/oauth2/authorize?**")
    page.locator("input[name=sub]").fill(subject)
    page.get_by_role("button", name="Authorize").first.click()


@pytest.mark.parametrize("has_script", [True, False])
def test_signing_in_and_proving_it_again_lose_nothing(
    desk: Installation, provider: Provider, windows: Windows, has_script: bool
) -> None:
    who = "script" if has_script else "plain"
    provider.person(who, groups=["it"])
    page = windows.anonymous(desk, java_script_enabled=has_script)
    windows.guard.watch(page.context, [provider.url])
    page.goto("/refunds/?status=declined")
    page.get_by_role("button", name="Single sign-on").click()
    at_provider(page, who)
    page.wait_for_url(f"{desk.url}/refunds/?status=declined")
    expect(page.locator(".account-name")).to_have_attribute("title", f"{who}@desk.test")

    let_time_pass(desk)
    page.goto("/people/invite")
    page.get_by_label("E-mail").fill(f"new-{who}@desk.test")
    page.get_by_role("button", name="Make the account").click()
    expect(page.get_by_role("heading", name="Is it you?")).to_be_visible()
    page.get_by_role("button", name="Sign in afresh with single sign-on").click()
    at_provider(page, who)
    expect(page.get_by_role("heading", name="Thank you, it is you")).to_be_visible()
    page.get_by_role("button", name="Go on").click()
    expect(page.locator("main")).to_contain_text(f"new-{who}@desk.test")
    expect(page.get_by_label("The link")).to_have_value(re.compile(f"{desk.url}/link#"))

    page.goto("/")
    page.get_by_role("button", name="Sign out").click()
    page.goto("/refunds/")
    expect(page).to_have_title("Sign in · Refund desk")


def test_somebody_without_a_role_is_told_so_and_a_password_still_does(
    desk: Installation, provider: Provider, windows: Windows
) -> None:
    provider.person("stranger", groups=["canteen"])
    page = windows.anonymous(desk)
    windows.guard.watch(page.context, [provider.url])
    page.goto("/login")
    page.get_by_role("button", name="Single sign-on").click()
    at_provider(page, "stranger")
    expect(page.get_by_role("alert")).to_contain_text("none of your groups there has a role")
    steps.fill_sign_in(page, "operator@demo.test")
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
