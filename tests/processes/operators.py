"""People at the desk, as plain HTTP clients: they send refund forms and press again when no answer comes."""

import random
import re
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import requests

from dashboard import people
from dashboard.desk import Books
from tests.journeys.bank import Bank
from tests.journeys.commands import PASSWORD

ANSWER_WITHIN_S = 4.0
PRESSES_FOR_S = 90.0
SHORTEST_PAUSE_S = 0.05
LONGEST_PAUSE_S = 0.5
SESSIONS_AT_ONCE = 8
CAPTURED_MINOR = 100_000
_FORMS_OF_A_SESSION = (4, 10)
_CSRF = re.compile(r'name="csrf_token" value="([^"]+)"')
_FORM = re.compile(r'name="form_token" value="([^"]+)"')


@dataclass
class Told:
    """What the answers have said. `made`: amounts in minor units by reference, None for all that was left.

    `undone`: references. `refused`: tokens of forms that were refused, every answer to them having come.
    """

    made: dict[str, int | None] = field(default_factory=dict)
    undone: set[str] = field(default_factory=set)
    refused: set[str] = field(default_factory=set)
    lost_answers: int = 0


class Sessions:
    """The paid sessions that are being refunded. Each is laid aside after some forms, and a new one takes its place."""

    def __init__(self, bank: Bank, chance: random.Random) -> None:
        self._bank = bank
        self._chance = chance
        self._lock = threading.Lock()
        self._forms_left: dict[str, int] = {}

    def fill_up(self) -> None:
        """Have the bank make what is missing; it may be away right now."""
        try:
            while len(self._forms_left) < SESSIONS_AT_ONCE:
                made = self._bank.call("sessions", amount=CAPTURED_MINOR, customer="storm")
                with self._lock:
                    self._forms_left[str(made["id"])] = self._chance.randint(*_FORMS_OF_A_SESSION)
        except requests.RequestException:
            return

    def pick(self, chance: random.Random) -> str | None:
        with self._lock:
            if not self._forms_left:
                return None
            session_id = chance.choice(list(self._forms_left))
            self._forms_left[session_id] -= 1
            if not self._forms_left[session_id]:
                del self._forms_left[session_id]
            return session_id


def add_operator(books: Books, email: str) -> None:
    people.add(books, email, "operator", PASSWORD, actor="tests")


@dataclass(frozen=True)
class _Form:
    """A refund form as it was opened."""

    path: str
    token: str
    csrf_token: str


class Operator:
    """One person, who asks whichever web server comes to hand. `told` gathers what the answers say.

    `longest_pause_s`: before pressing again, when no answer came.
    """

    def __init__(
        self,
        email: str,
        urls: Sequence[str],
        told: Told,
        chance: random.Random,
        longest_pause_s: float = LONGEST_PAUSE_S,
    ) -> None:
        self._email = email
        self._urls = urls
        self._told = told
        self._chance = chance
        self._longest_pause_s = longest_pause_s
        self._csrf_token = ""
        self._http = requests.Session()
        self._http.trust_env = False

    def work(self, sessions: Sessions, stop: threading.Event, think_s: float) -> None:
        """Refund parts of sessions and undo some; once told to stop, end with the form in hand."""
        while not stop.is_set():
            session_id = sessions.pick(self._chance)
            if session_id:
                self._refund_some(session_id)
            stop.wait(self._chance.uniform(0, 2 * think_s))

    def _refund_some(self, session_id: str) -> None:
        form = self._open_form(session_id)
        if form is None:
            return
        amount_minor = None if self._chance.random() < 0.1 else self._chance.randint(1, CAPTURED_MINOR // 4)
        reference = self._send(form, amount_minor)
        if reference is not None and self._chance.random() < 0.1:
            self.undo(reference)

    def refund(self, session_id: str, amount_minor: int) -> str:
        """Refund a part, however often the form has to be asked for and sent; the refund's reference."""
        ends_at_s = time.monotonic() + PRESSES_FOR_S
        while time.monotonic() < ends_at_s:
            form = self._open_form(session_id)
            reference = self._send(form, amount_minor) if form else None
            if reference is not None:
                return reference
            time.sleep(SHORTEST_PAUSE_S)
        raise AssertionError(f"{session_id} could not be refunded")

    def _open_form(self, session_id: str) -> _Form | None:
        path = f"/sessions/{session_id}/refund"
        page = self._page(path)
        form_token, csrf_token = _FORM.search(page), _CSRF.search(page)
        return _Form(path, form_token[1], csrf_token[1]) if form_token and csrf_token else None

    def _send(self, form: _Form, amount_minor: int | None) -> str | None:
        """Send a form until it is answered; the reference of the refund that it made, if it did."""
        fields = {
            "csrf_token": form.csrf_token,
            "form_token": form.token,
            "kind": "full" if amount_minor is None else "partial",
            "amount": "" if amount_minor is None else f"{amount_minor // 100}.{amount_minor % 100:02d}",
            "reason": "other",
            "comment": "a storm",
            "confirm": "yes",
        }
        answer, lost = self._press(form.path, fields)
        self._csrf_token = form.csrf_token
        if answer is not None and answer.status_code == 303 and "/refunds/" in answer.headers["Location"]:
            reference = answer.headers["Location"].rpartition("/")[2]
            self._told.made[reference] = amount_minor
            return reference
        if answer is not None and 400 <= answer.status_code < 500 and not lost:
            self._told.refused.add(form.token)
        return None

    def undo(self, reference: str) -> None:
        answer, _ = self._press(f"/refunds/{reference}/cancel", {"csrf_token": self._csrf_token})
        if answer is not None and answer.status_code == 303 and "/refunds/" in answer.headers["Location"]:
            self._told.undone.add(reference)

    def send(self, path: str, fields: Mapping[str, str]) -> int:
        """Send any form until it is answered; the answer's status."""
        ends_at_s = time.monotonic() + PRESSES_FOR_S
        while time.monotonic() < ends_at_s:
            if csrf_token := _CSRF.search(self._page("/refunds/")):
                answer, _ = self._press(path, {"csrf_token": csrf_token[1], **fields})
                if answer is not None:
                    return answer.status_code
            time.sleep(SHORTEST_PAUSE_S)
        raise AssertionError(f"{path} was never answered")

    def _press(self, path: str, fields: Mapping[str, str]) -> tuple[requests.Response | None, int]:
        """Send a form until there is an answer that says what became of it; and how many answers were none."""
        lost, ends_at_s = 0, time.monotonic() + PRESSES_FOR_S
        while time.monotonic() < ends_at_s:
            answer = self._ask("POST", path, fields)
            if answer is not None and answer.status_code < 500:
                return answer, lost
            lost += 1
            self._told.lost_answers += 1
            time.sleep(self._chance.uniform(SHORTEST_PAUSE_S, self._longest_pause_s))
        return None, lost

    def _page(self, path: str) -> str:
        """A page if it can be had, by whoever is signed in; else nothing."""
        answer = self._ask("GET", path)
        if answer is not None and answer.status_code in {302, 303}:
            self._sign_in()
            answer = self._ask("GET", path)
        return answer.text if answer is not None and answer.status_code == 200 else ""

    def _sign_in(self) -> None:
        page = self._ask("GET", "/login")
        if page is not None and (csrf_token := _CSRF.search(page.text)):
            fields = {"csrf_token": csrf_token[1], "email": self._email, "password": PASSWORD}
            self._ask("POST", "/login", fields)

    def _ask(self, method: str, path: str, fields: Mapping[str, str] | None = None) -> requests.Response | None:
        url = f"{self._chance.choice(self._urls)}{path}"
        try:
            return self._http.request(method, url, data=fields, timeout=ANSWER_WITHIN_S, allow_redirects=False)
        except requests.RequestException:
            return None
