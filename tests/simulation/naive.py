"""The kind of client that costs money: after a timeout it sends the refund again, under a fresh key."""

import uuid

from dashboard.bank131.client import BankClient, OutcomeUnknown, Reading

MOST_TRIES = 3


class NaiveClient(BankClient):
    """Takes silence for a failure, as retrying middleware does."""

    def refund(self, body: bytes, idempotency_key: str) -> Reading:
        for _ in range(MOST_TRIES - 1):
            try:
                return super().refund(body, idempotency_key)
            except OutcomeUnknown:
                idempotency_key = str(uuid.UUID(int=int(idempotency_key.replace("-", ""), 16) ^ (1 << 120)))
        return super().refund(body, idempotency_key)
