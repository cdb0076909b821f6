"""Refunds that the protocol has handed to people, and what two people do about them, in the tests' shorthand."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import select

from dashboard import resolutions, sending
from dashboard.anomalies import NotAcknowledged
from dashboard.models import Anomaly, Person, Refund, Resolution
from dashboard.resolutions import ResolutionRefused
from tests.bench.refund_desk import RefundDesk
from tests.bench.wire import REFUND, STATUS, Crash, Json, crash_after, edited, error, lose_request

WHY = "the bank's support says so"
NEVER_MADE, THAT_ONE, STANDS = "never_made", "that_one", "stands"


def first(refund_desk: RefundDesk) -> Person:
    """The one who proposes."""
    return refund_desk.person(email="first@desk.test")


def second(refund_desk: RefundDesk) -> Person:
    """The one who decides."""
    return refund_desk.person(email="second@desk.test")


def sending_one(refund_desk: RefundDesk, session_id: str) -> str:
    """A refund whose sender died when the bank had carried it out."""
    reference = refund_desk.ask(session_id, 10_00)
    refund_desk.clock.advance(5)
    refund_desk.wire.next(REFUND, crash_after)
    with pytest.raises(Crash):
        sending.send(refund_desk.desk, reference)
    return reference


def not_found(refund_desk: RefundDesk, session_id: str = "", amount_minor: int = 10_00) -> Refund:
    """A refund that the bank does not show although it knows its key; long enough ago to be sure."""
    session_id = session_id or refund_desk.paid_session(100_00)
    refund_desk.wire.next(REFUND, error("idempotency_key_already_exists", 400))
    reference = refund_desk.ask_and_send(session_id, amount_minor)
    refund_desk.run_for(hours=1)
    refund = refund_desk.refund(reference)
    assert (refund.state, refund.review) == ("unknown", "not_found")
    return refund


def with_stranger(
    refund_desk: RefundDesk, session_id: str = "", amount_minor: int = 10_00, status: str = "accepted"
) -> tuple[Refund, Refund]:
    """A refund whose send got lost, and the row made elsewhere that came up at the bank meanwhile."""
    session_id = session_id or refund_desk.paid_session(100_00)
    reference = refund_desk.ask(session_id, 10_00)
    refund_desk.clock.advance(5)
    refund_desk.wire.next(REFUND, lose_request)
    sending.send(refund_desk.desk, reference)
    refund_desk.bank.refund_here(session_id, amount_minor)
    refund_desk.bank_refunds(session_id)[-1].status = status
    refund_desk.read(session_id)
    refund = refund_desk.refund(reference)
    assert (refund.state, refund.review) == ("unknown", "stranger")
    return refund, refund_desk.refunds(session_id)[-1]


def contradicted(
    refund_desk: RefundDesk,
    session_id: str = "",
    amount_minor: int = 10_00,
    words: tuple[str, str] = ("declined", "accepted"),
) -> Refund:
    """A refund of which the bank said one final word, and the other afterwards."""
    session_id = session_id or refund_desk.paid_session(100_00)
    reference = refund_desk.ask_and_send(session_id, amount_minor)
    bank_refund = refund_desk.bank_refunds(session_id)[-1]
    for status in words:
        refund_desk.bank.decide_refund(bank_refund.id, status, force=True)
        refund_desk.read(session_id)
    return refund_desk.refund(reference)


def shows_another_amount(refund_desk: RefundDesk, session_id: str, amount_minor: int) -> None:
    """One read shows another amount of the session's first refund than the bank's ledger has."""

    def change(session: Json) -> None:
        session["acquiring_payments"][0]["refunds"][0]["amount_details"]["amount"] = amount_minor

    refund_desk.wire.next(STATUS, edited(change))
    refund_desk.read(session_id)


def odd_fact_of(refund_desk: RefundDesk, refund: Refund) -> Anomaly:
    """The one fact about a refund that fits no rule."""
    with refund_desk.desk.read() as session:
        return session.scalars(select(Anomaly).where(Anomaly.refund_id == refund.id)).one()


def propose(
    refund_desk: RefundDesk, refund: Refund, choice: str, bank_id: str | None = None, person: Person | None = None
) -> str:
    who = person or first(refund_desk)
    return resolutions.propose(refund_desk.desk, who, refund.reference, choice, bank_id, WHY)


def confirm(refund_desk: RefundDesk, resolution_id: str, person: Person | None = None) -> None:
    resolutions.confirm(refund_desk.desk, person or second(refund_desk), resolution_id, "so do I")


def decide(refund_desk: RefundDesk, refund: Refund, choice: str, bank_id: str | None = None) -> Refund:
    """Two people decide; answers with the refund's row."""
    confirm(refund_desk, propose(refund_desk, refund, choice, bank_id))
    return refund_desk.refund(refund.reference)


def resolution(refund_desk: RefundDesk, resolution_id: str) -> Resolution:
    with refund_desk.desk.read() as session:
        return session.get_one(Resolution, resolution_id)


def resolutions_of(refund_desk: RefundDesk, refund: Refund) -> list[str]:
    """The states of a refund's resolutions, oldest first."""
    query = (
        select(Resolution.state)
        .where(Resolution.refund_id == refund.id)
        .order_by(Resolution.proposed_at, Resolution.id)
    )
    with refund_desk.desk.read() as session:
        return list(session.scalars(query))


def refused(verb: Callable[[], object]) -> ResolutionRefused:
    """What the verb refuses with."""
    with pytest.raises(ResolutionRefused) as caught:
        verb()
    return caught.value


def at_once(*verbs: Callable[[], Any]) -> list[Any]:
    """Run them at the same time; answers with what each returned, or the code of its refusal."""
    start = threading.Barrier(len(verbs))

    def run(verb: Callable[[], Any]) -> Any:
        start.wait(10)
        try:
            return verb()
        except (ResolutionRefused, NotAcknowledged) as problem:
            return problem.code

    with ThreadPoolExecutor(len(verbs)) as pool:
        return [future.result(60) for future in [pool.submit(run, verb) for verb in verbs]]
