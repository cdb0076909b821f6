"""What people do with second factors on the pages."""

from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus

import pyotp

from tests.bench.authenticator import Authenticator
from tests.bench.refund_desk import PASSWORD
from tests.bench.simulated import SimulatedClock
from tests.web.browser import Answer, Browser

SECOND_STEP = "/login/second-step"


@dataclass
class App:
    """Somebody's authenticator app."""

    secret: str
    clock: SimulatedClock

    def code(self, at: datetime | None = None) -> str:
        return pyotp.TOTP(self.secret).at(at or self.clock.now())

    def next_code(self) -> str:
        """A code that was not used yet: half a minute passes."""
        self.clock.advance(30)
        return self.code()


@dataclass
class Added:
    app: App
    codes: list[str]


def codes_on(answer: Answer) -> list[str]:
    return [one.text for one in answer.page.one("ol", data_codes=True).all("li")]


def add_app(browser: Browser, clock: SimulatedClock) -> Added:
    """From the page with the secret to the recovery codes."""
    page = browser.page("/factors/app/new")
    app = App(page.one(data_secret=True).text.replace(" ", ""), clock)
    answer = browser.post("/factors/app", {**page.form("/factors/app").fields, "code": app.code()})
    assert answer.status == 200, answer.page.one("main").text
    return Added(app, codes_on(answer))


def add_passkey(browser: Browser, device: Authenticator, name: str = "Laptop") -> Answer:
    form = browser.page("/factors/passkeys/new").form("/factors/passkeys")
    answer = device.make(form["data-options"])
    return browser.post("/factors/passkeys", {**form.fields, "name": name, "answer": answer})


def begin(browser: Browser, email: str, next_target: str = "", password: str = PASSWORD) -> Answer:
    """The password; the page that asks for the second factor."""
    answer = browser.sign_in(email, password, next_target)
    assert (answer.status, (answer.location or "").partition("?")[0]) == (303, SECOND_STEP)
    return browser.get(answer.location or "")


def finish(browser: Browser, code: str) -> Answer:
    return _entered(browser, browser.post(SECOND_STEP, {"proof_code": code}))


def finish_with(browser: Browser, device: Authenticator) -> Answer:
    form = browser.page(SECOND_STEP).form(SECOND_STEP)
    answer = browser.post(SECOND_STEP, {**form.fields, "proof_answer": device.sign(form["data-options"])})
    return _entered(browser, answer)


def _entered(browser: Browser, answer: Answer) -> Answer:
    """Forms from before a sign-in are good no more."""
    if answer.status == HTTPStatus.SEE_OTHER:
        browser.forget_csrf_token()
    return answer
