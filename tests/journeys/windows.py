"""Browser windows under guard: whatever a page asks of another host, or complains of, fails the test."""

import math
import re
import time
from collections.abc import Sequence
from typing import Any

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, Response

from tests.journeys import steps
from tests.journeys.commands import Installation

PATIENCE_MS = 15_000
# Whoever signed in five minutes ago is asked once more who they are, for what is large.
SIGNED_IN_FOR_S = 180.0
_LOAD_FAILED = "Failed to load resource: the server responded with a status of"


class Guard:
    """Watches every page of a test's windows."""

    def __init__(self) -> None:
        self._allowed_hosts: set[str] = set()
        self._strange: list[str] = []
        self._complaints: list[tuple[str, str]] = []
        self._refused_pages: set[str] = set()
        self._forgiven: list[re.Pattern[str]] = []

    def watch(self, context: BrowserContext, hosts: Sequence[str]) -> None:
        self._allowed_hosts.update(hosts)
        context.on("request", self._note_request)
        context.on("response", self._note_response)
        context.on("console", self._note_console)
        context.on("weberror", lambda error: self._complaints.append((str(error.error), "")))

    def forgive(self, pattern: str) -> None:
        """Let complaints pass that a test brings about on purpose."""
        self._forgiven.append(re.compile(pattern))

    def check(self) -> None:
        """Fail if something was wrong. A page that answers 4xx is always a complaint of Chromium's own."""
        assert not self._strange, f"asked of another host: {self._strange}"
        assert not (found := [*filter(self._counts, self._complaints)]), f"the console says: {found}"

    def _counts(self, complaint: tuple[str, str]) -> bool:
        text, url = complaint
        is_refused_page = text.startswith(_LOAD_FAILED) and url in self._refused_pages
        return not is_refused_page and not any(pattern.search(text) for pattern in self._forgiven)

    def _note_request(self, request: Request) -> None:
        if not request.url.startswith((*(f"{host}/" for host in self._allowed_hosts), "data:")):
            self._strange.append(request.url)

    def _note_response(self, response: Response) -> None:
        if response.status >= 400 and response.request.is_navigation_request():
            self._refused_pages.add(response.url)

    def _note_console(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self._complaints.append((message.text, message.location["url"]))


class Windows:
    """Opens windows for one test. Each has cookies of its own; its further tabs are `page.context.new_page()`."""

    def __init__(self, browser: Browser, signed_in: dict[tuple[str, str], tuple[Any, float]]) -> None:
        self.guard = Guard()
        self._browser = browser
        self._signed_in = signed_in
        self._contexts: list[BrowserContext] = []

    def anonymous(self, installation: Installation, **options: Any) -> Page:
        """A window of somebody who is not signed in."""
        context = self._browser.new_context(
            base_url=installation.url, viewport={"width": 1440, "height": 900}, **options
        )
        context.set_default_timeout(PATIENCE_MS)
        self._contexts.append(context)
        self.guard.watch(context, [installation.url, installation.bank.url])
        return context.new_page()

    def of(self, installation: Installation, email: str, **options: Any) -> Page:
        """A window of a person. They sign in once in a while; windows in between bring the cookie along."""
        key = (installation.url, email)
        cookie, at_s = self._signed_in.get(key, (None, -math.inf))
        if time.monotonic() - at_s > SIGNED_IN_FOR_S:
            page = self.just_signed_in(installation, email)
            cookie = page.context.storage_state()
            self._signed_in[key] = cookie, time.monotonic()
            page.context.close()
        return self.anonymous(installation, storage_state=cookie, **options)

    def just_signed_in(self, installation: Installation, email: str) -> Page:
        """A window of a person who is not asked once more, in the next five minutes, who is there."""
        page = self.anonymous(installation)
        steps.sign_in(page, email)
        return page

    def close(self) -> None:
        for context in self._contexts:
            context.close()
        self.guard.check()
