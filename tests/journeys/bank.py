"""The sandbox bank from outside: its control calls."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import requests

from tests.journeys.waiting import ANSWERS_WITHIN_S, eventually

ANNOUNCED_WITHIN_S = 20.0


class Bank:
    """One running sandbox bank."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"

    def paid_session(self, customer: str, amount_minor: int = 100_000, **rest: object) -> str:
        """A session that was paid, once its webhook has arrived; its id."""
        made = self.call("sessions", amount=amount_minor, customer=customer, **rest)
        self.await_webhooks(made["id"])
        return str(made["id"])

    def await_webhooks(self, *session_ids: str) -> None:
        """Wait until every webhook of these sessions was taken."""

        def are_taken() -> bool:
            webhooks = self.get("webhooks")["webhooks"]
            return all(each["state"] == "delivered" for each in webhooks if each["session_id"] in session_ids)

        eventually(are_taken, ANNOUNCED_WITHIN_S, f"the webhooks of {' and '.join(session_ids)} are delivered")

    def refunds_of(self, session_id: str) -> list[dict[str, Any]]:
        """The refunds and chargebacks of a session as the bank holds them, oldest first."""
        (session,) = [each for each in self.get("ledger")["sessions"] if each["id"] == session_id]
        return [refund for payment in session["acquiring_payments"] for refund in payment.get("refunds", [])]

    def amounts_of(self, session_id: str) -> list[tuple[int, str]]:
        """(minor units, status) of everything that goes back."""
        refunds = self.refunds_of(session_id)
        return [(refund["amount_details"]["amount"], refund["status"]) for refund in refunds]

    def await_refund(self, session_id: str) -> str:
        """Wait until the bank holds a refund of a session; the id of the newest."""
        eventually(lambda: self.refunds_of(session_id), ANNOUNCED_WITHIN_S, f"a refund of {session_id} at the bank")
        return str(self.refunds_of(session_id)[-1]["id"])

    def decide(self, refund_id: str, status: str) -> None:
        self.call(f"refunds/{refund_id}/decide", status=status)

    def charge_back(self, session_id: str, amount_minor: int) -> None:
        self.call(f"sessions/{session_id}/chargeback", amount=amount_minor)

    def fail_next(self, kind: str, session_id: str, method: str = "session/refund", times: int = 1) -> None:
        """Let the next calls of that session fail so."""
        self.call("faults", method=method, session=session_id, kind=kind, times=times)

    @contextmanager
    def behaving(self, **settings: object) -> Iterator[None]:
        """Let it behave so (`decide="manual"`: refunds do not end by themselves) while the block runs."""
        before = self.get("settings")
        self.call("settings", **settings)
        try:
            yield
        finally:
            self.call("settings", **{name: before[name] for name in settings})

    def get(self, path: str) -> dict[str, Any]:
        return _checked(requests.get(f"{self.url}/control/{path}", timeout=ANSWERS_WITHIN_S))

    def call(self, path: str, **document: object) -> dict[str, Any]:
        """POST one control call."""
        return _checked(requests.post(f"{self.url}/control/{path}", json=document, timeout=ANSWERS_WITHIN_S))


def _checked(answer: requests.Response) -> dict[str, Any]:
    assert answer.ok, f"{answer.request.method} {answer.url}: {answer.status_code} {answer.text}"
    return dict(answer.json())
