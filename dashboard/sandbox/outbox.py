"""Webhooks on their way: what is sent, held, delayed, doubled or lost, and when the next attempt is due."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from dashboard.clock import Clock
from dashboard.sandbox import wire
from dashboard.sandbox.ledger import Delivery, Ledger, Session

LONGEST_WAIT_S = 900
GIVE_UP_S = 1800
HELD_S = 2


@dataclass(frozen=True)
class OutgoingWebhook:
    """One attempt: POST `body` with `headers` to `url`, then report under `id`."""

    id: str
    url: str
    body: bytes
    headers: Mapping[str, str]
    attempt: int


class Outbox:
    """The deliveries in the ledger. Without a URL nothing is queued; a session's last webhook is kept anyway."""

    def __init__(
        self,
        ledger: Ledger,
        *,
        clock: Clock,
        sign: Callable[[bytes], str],
        new_id: Callable[[str], str],
        url: str | None,
    ) -> None:
        self.url = url
        self._ledger = ledger
        self._clock = clock
        self._sign = sign
        self._new_id = new_id

    def announce(self, session: Session, kind: str) -> None:
        """Make the webhook of an event, showing the session as it is now, and queue it as the settings say."""
        body = wire.encoded({"type": kind, "session": wire.shown_session(session, session.version)})
        session.last_webhook = body.decode("ascii")
        self._ledger.last_announced = session.id
        self._ledger.changed(session)
        self._ledger.changed()
        if self.url:
            self._queue(session.id, session.last_webhook)

    def repeat(self, session: Session) -> Delivery:
        """The session's last webhook, byte for byte, at once and whatever the settings say."""
        return self._new_delivery(session.id, session.last_webhook or "", "waiting", self._clock.now())

    def send_now(self) -> None:
        """Bring everything that is held, delayed or waiting for another try forward to this moment."""
        for delivery in self._ledger.deliveries.values():
            if delivery.state in {"waiting", "held"} and not delivery.under_way:
                delivery.state, delivery.after, delivery.due_at = "waiting", None, self._clock.now()
                self._ledger.changed(delivery)

    def next_due(self) -> datetime | None:
        if not self.url:
            return None
        return min((due for d in self._ledger.deliveries.values() if (due := _due(d))), default=None)

    def take_due(self, now: datetime, at_most: int | None) -> list[OutgoingWebhook]:
        if not self.url:
            return []
        due = [(at, d) for d in self._ledger.deliveries.values() if (at := _due(d)) and at <= now]
        due.sort(key=lambda pair: pair[0])
        return [self._outgoing(delivery, self.url) for _, delivery in due[:at_most]]

    def done(self, delivery_id: str, http_status: int | None) -> None:
        delivery = self._ledger.deliveries.get(delivery_id)
        if delivery is None:
            return
        delivery.under_way, delivery.http_status = False, http_status
        if http_status == 200:
            delivery.state, delivery.due_at = "delivered", None
        else:
            _try_again(delivery, self._clock.now())
        self._ledger.changed(delivery)
        self._release(delivery.id)

    def _release(self, overtaking_id: str) -> None:
        for delivery in self._ledger.deliveries.values():
            if delivery.after == overtaking_id:
                delivery.after, delivery.due_at = None, self._clock.now()
                self._ledger.changed(delivery)

    def _queue(self, session_id: str, body: str) -> None:
        settings, now = self._ledger.settings, self._clock.now()
        if settings.lose_next or settings.webhooks == "off":
            settings.lose_next = max(settings.lose_next - 1, 0)
            self._new_delivery(session_id, body, "lost", None)
        elif settings.webhooks == "late":
            due = now + timedelta(milliseconds=settings.webhook_late_ms)
            self._new_delivery(session_id, body, "waiting", due)
        elif settings.webhooks == "reversed":
            self._queue_reversed(session_id, body)
        else:
            for _ in range(2 if settings.webhooks == "twice" else 1):
                self._new_delivery(session_id, body, "waiting", now)

    def _queue_reversed(self, session_id: str, body: str) -> None:
        now = self._clock.now()
        held = next((d for d in self._ledger.deliveries.values() if d.state == "held"), None)
        if held is None:
            self._new_delivery(session_id, body, "held", now + timedelta(seconds=HELD_S))
            return
        overtaking = self._new_delivery(session_id, body, "waiting", now)
        held.state, held.after, held.due_at = "waiting", overtaking.id, None
        self._ledger.changed(held)

    def _new_delivery(self, session_id: str, body: str, state: str, due_at: datetime | None) -> Delivery:
        delivery = Delivery(
            id=self._new_id("wh"),
            session_id=session_id,
            body=body,
            state=state,
            created_at=self._clock.now(),
            due_at=due_at,
        )
        self._ledger.deliveries[delivery.id] = delivery
        self._ledger.changed(delivery)
        self._ledger.forget_old_deliveries()
        return delivery

    def _outgoing(self, delivery: Delivery, url: str) -> OutgoingWebhook:
        delivery.under_way = True
        delivery.state = "waiting"
        delivery.attempts += 1
        body = delivery.body.encode("ascii")
        headers = {"Content-Type": "application/json", "X-PARTNER-SIGN": self._sign(body)}
        return OutgoingWebhook(delivery.id, url, body, headers, delivery.attempts)


def _due(delivery: Delivery) -> datetime | None:
    return None if delivery.under_way or delivery.state not in {"waiting", "held"} else delivery.due_at


def _try_again(delivery: Delivery, now: datetime) -> None:
    wait_s = min(2 ** (delivery.attempts - 1), LONGEST_WAIT_S)
    delivery.due_at = now + timedelta(seconds=wait_s)
    if delivery.due_at > delivery.created_at + timedelta(seconds=GIVE_UP_S):
        delivery.state, delivery.due_at = "given_up", None
