"""Webhooks on their way from the bank to the desk, with everything that can happen to them."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable
from typing import TYPE_CHECKING

from dashboard import webhook_inbox
from dashboard.desk import Desk
from dashboard.sandbox.outbox import OutgoingWebhook
from tests.bench.wire import REFUND, refunds_in
from tests.simulation import plan as faults
from tests.simulation.schedule import WEBS, Process

if TYPE_CHECKING:
    from tests.simulation.world import World

A_DAY_S = 86_400.0
HELD_AT_MOST_S = 1800.0
LATE_S = 1500.0

Heard = Callable[[int | None], None]


def signature_of(body: bytes) -> str:
    """What the simulated bank signs a webhook with."""
    return hashlib.sha256(b"the bank's key" + body).hexdigest()


class Post:
    def __init__(self, world: "World") -> None:
        self._world = world
        self._lost: set[str] = set()
        self._held: dict[str, list[Callable[[], None]]] = defaultdict(list)

    def take(self, webhook: OutgoingWebhook) -> None:
        """The bank sends one attempt of a webhook."""
        world = self._world
        body = world.network.shown(webhook.body)
        session_id = json.loads(body)["session"]["id"]
        kind = faults.LOST if webhook.id in self._lost else world.plan.webhook_fault()

        def heard(http_status: int | None) -> None:
            world.bank.webhook_done(webhook.id, http_status)

        def deliver() -> None:
            self._deliver(body, signature_of(body), heard)
            self._let_go(session_id)

        if kind == faults.LOST:
            self._lose(webhook, heard)
        elif kind == faults.REVERSED and not self._held[session_id]:
            self._held[session_id].append(deliver)
            world.schedule.after(HELD_AT_MOST_S, lambda: self._let_go(session_id, is_overtaken=False))
        else:
            if kind == faults.LATE:
                world.plan.note_webhook(kind)
            world.schedule.after(LATE_S if kind == faults.LATE else world.chance.uniform(0.05, 2), deliver)
            self._besides(kind, body)

    def _lose(self, webhook: OutgoingWebhook, heard: Heard) -> None:
        if webhook.id not in self._lost:
            self._lost.add(webhook.id)
            self._world.plan.note_webhook(faults.LOST)
        self._world.schedule.after(5, lambda: heard(None))

    def _let_go(self, session_id: str, *, is_overtaken: bool = True) -> None:
        """A later webhook of the session has gone out: now those that were held follow it."""
        held = self._held.pop(session_id, [])
        for deliver in held:
            if is_overtaken:
                self._world.plan.note_webhook(faults.REVERSED)
            self._world.schedule.after(self._world.chance.uniform(0.1, 5), deliver)

    def _besides(self, kind: str, body: bytes) -> None:
        """What comes beside a webhook that goes through."""
        world, nobody = self._world, lambda _status: None
        if kind == faults.TWICE:
            again_s = world.chance.uniform(0, 60)
            world.schedule.after(again_s, lambda: self._deliver(body, signature_of(body), nobody))
        elif kind == faults.REPLAYED:
            world.schedule.after(A_DAY_S, lambda: self._deliver(body, signature_of(body), nobody))
        elif kind == faults.FORGED:
            forged = forge(body)
            world.schedule.after(world.chance.uniform(0, 5), lambda: self._deliver(forged, signature_of(body), nobody))
            foreign = body.replace(b'"ps_', b'"ps_99')
            world.schedule.after(
                world.chance.uniform(0, 5), lambda: self._deliver(foreign, signature_of(foreign), nobody)
            )
        else:
            return
        world.plan.note_webhook(kind)

    def _deliver(self, body: bytes, signature: str, heard: Heard) -> None:
        process = self._world.pick(WEBS)
        if process is None:
            heard(None)
            return
        self._note_if_early(body)
        answered: list[int] = []

        def receive(desk: Desk) -> None:
            answered.append(self._receive(desk, process, body, signature))

        self._world.start(process, "store", receive, lambda _problem: heard(answered[0] if answered else None))

    def _receive(self, desk: Desk, process: Process, body: bytes, signature: str) -> int:
        """As the web process does it: verify, store, answer whatever becomes of applying it."""
        if signature != signature_of(body):
            return 401
        delivery_id = webhook_inbox.store(desk, body)
        self._world.start(process, "apply", lambda desk: webhook_inbox.apply(desk, delivery_id))
        return 200

    def _note_if_early(self, body: bytes) -> None:
        """It tells of a refund whose direct answer is still on its way."""
        shown = {refund["id"] for refund in refunds_in(json.loads(body)["session"])}
        for call in self._world.network.under_way:
            if call.method == REFUND and call.made & shown:
                self._world.plan.note_webhook(faults.EARLY)


def forge(body: bytes) -> bytes:
    """The same webhook with every refund accepted, and of twice the amount."""
    data = json.loads(body)
    for refund in refunds_in(data["session"]):
        refund["status"] = "accepted"
        refund["amount_details"]["amount"] *= 2
    data["session"]["status"] = "accepted"
    return json.dumps(data).encode()
