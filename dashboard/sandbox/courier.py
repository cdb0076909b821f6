"""Runs the bank in real time: ends what is due and posts webhooks, a few milliseconds after the event."""

import threading
from collections.abc import Callable
from datetime import timedelta
from types import TracebackType

import requests

from dashboard.clock import Clock
from dashboard.sandbox.bank import SandboxBank
from dashboard.sandbox.outbox import OutgoingWebhook

POST_TIMEOUT_S = 10
MOST_AT_ONCE = 16
LONGEST_NAP_S = 60.0

Post = Callable[[OutgoingWebhook], int | None]


class Gate:
    """One caller at a time at the ledger. Whoever leaves it wakes those who wait for a change."""

    def __init__(self) -> None:
        self._condition = threading.Condition()

    def __enter__(self) -> None:
        self._condition.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._condition.notify_all()
        self._condition.release()

    def wait(self, timeout_s: float) -> None:
        """Called inside the gate: let others in until one has left or the time is over."""
        self._condition.wait(timeout_s)


def post_webhook(webhook: OutgoingWebhook) -> int | None:
    """POST it once, following no redirect and no proxy setting: the HTTP status, or None for no answer."""
    with requests.Session() as http:
        http.trust_env = False
        try:
            answer = http.post(
                webhook.url,
                data=webhook.body,
                headers=dict(webhook.headers),
                timeout=POST_TIMEOUT_S,
                allow_redirects=False,
            )
        except requests.RequestException:
            return None
    return answer.status_code


class Courier:
    """A thread that waits for `next_due`, and one short-lived thread for each webhook under way."""

    def __init__(self, bank: SandboxBank, gate: Gate, *, clock: Clock, post: Post = post_webhook) -> None:
        self._bank = bank
        self._gate = gate
        self._clock = clock
        self._post = post
        self._under_way = 0
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="sandbox-courier", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout_s: float = 1.0) -> None:
        """Start nothing more; a webhook still under way is posted again after the next start."""
        with self._gate:
            self._stopped = True
        self._thread.join(timeout_s)

    def _run(self) -> None:
        with self._gate:
            while not self._stopped:
                webhooks = self._take_due()
                for webhook in webhooks:
                    self._under_way += 1
                    threading.Thread(target=self._deliver, args=(webhook,), daemon=True).start()
                if not webhooks:
                    self._gate.wait(self._nap_s())

    def _take_due(self) -> list[OutgoingWebhook]:
        now = self._clock.now()
        self._bank.advance(now)
        return self._bank.take_due_webhooks(now, MOST_AT_ONCE - self._under_way)

    def _nap_s(self) -> float:
        due = self._bank.next_due()
        if due is None or self._under_way >= MOST_AT_ONCE:
            return LONGEST_NAP_S
        return min(max((due - self._clock.now()) / timedelta(seconds=1), 0.0), LONGEST_NAP_S)

    def _deliver(self, webhook: OutgoingWebhook) -> None:
        http_status = self._post(webhook)
        with self._gate:
            self._under_way -= 1
            if not self._stopped:
                self._bank.webhook_done(webhook.id, http_status)
