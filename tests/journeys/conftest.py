"""A browser, and desks at work to look at with it. All of it is real; none of it is shared with another test run."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from tests.bench.mail_server import MailServer, running_mail_server
from tests.journeys.chromium import running_chromium
from tests.journeys.commands import Installation, free_port, running_demo
from tests.journeys.windows import PATIENCE_MS, Windows

QUICK = {
    "DASHBOARD_UNDO_SECONDS": "0.5",
    "DASHBOARD_POLL_SECONDS": "1",
    "DASHBOARD_QUIET_SECONDS": "0.5",
    "BANK131_TIMEOUT_SECONDS": "2",
}

expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with running_chromium() as browser:
        yield browser


@pytest.fixture(scope="session")
def mail_server() -> Iterator[MailServer]:
    """Where the mails of `demo` arrive."""
    with running_mail_server(free_port()) as server:
        yield server


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory, mail_server: MailServer) -> Iterator[Installation]:
    """A demo with short waits, for every test that makes a session of its own in it."""
    mail = {"DASHBOARD_MAIL_SERVER": mail_server.url, "DASHBOARD_MAIL_FROM": "Refund desk <desk@demo.test>"}
    with running_demo(tmp_path_factory.mktemp("demo"), **QUICK, **mail) as installation:
        installation.bank.call("settings", decide_after_ms=100)
        yield installation


@pytest.fixture(scope="session")
def signed_in() -> dict[tuple[str, str], tuple[Any, float]]:
    """Cookies of those who have signed in, and when, by installation and person."""
    return {}


@pytest.fixture
def windows(browser: Browser, signed_in: dict[tuple[str, str], tuple[Any, float]]) -> Iterator[Windows]:
    """Opens windows; at the end nothing strange may have happened in any of them."""
    opened = Windows(browser, signed_in)
    yield opened
    opened.close()
