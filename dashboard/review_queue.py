"""What waits for people: refunds under review, what was proposed for them, and facts that fit no rule.

Lists are short and oldest first, and counting ends early, so that a page costs the same however much piles up.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Select, literal_column, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from dashboard import anomalies, counting, history
from dashboard.counting import Count
from dashboard.history import Row
from dashboard.models import Anomaly, Person, Refund, Resolution
from dashboard.models.refunds import NEEDS_SOMEBODY, OPEN_ANOMALY
from dashboard.models.resolutions import IS_PROPOSED

MOST_SHOWN = 50

Id = TypeVar("Id", int, str)

# The ids of what waits, in the words of the indexes that have them in their order.
_IS_PROPOSED: ColumnElement[bool] = literal_column(IS_PROPOSED)
_PROPOSED = select(Resolution.id).where(_IS_PROPOSED)
_UNDER_REVIEW = select(Refund.id).where(literal_column(f"({NEEDS_SOMEBODY})"), Refund.review != "")
_UNPROPOSED = _UNDER_REVIEW.where(Refund.id.not_in(select(Resolution.refund_id).where(_IS_PROPOSED)))
_NOT_LOOKED_AT = select(Anomaly.id).where(literal_column(OPEN_ANOMALY))
# Each page asks for both.
_WAITING = counting.counting([_UNDER_REVIEW, _NOT_LOOKED_AT])


@dataclass(frozen=True)
class Proposal:
    """What one person proposed for a refund, and nobody has decided on. Codes and ids: see `models.Resolution`."""

    id: str
    refund_id: int
    choice: str
    bank_id: str | None
    by_id: str
    by: str
    at: datetime
    comment: str
    strangers: tuple[str, ...]
    candidate: dict[str, str | int] | None


@dataclass(frozen=True)
class Waiting:
    """A refund under review, with the open proposal if there is one."""

    refund: Row
    proposal: Proposal | None


@dataclass(frozen=True)
class OddFact:
    """A fact that fits no rule. `name`: see `anomalies.name_of`.

    `reference`: of the refund it is about; None for one of the session itself.
    `seen_at`, `seen_by`, `comment`: when somebody looked at it, who, and what they said. `over_at`: it has not held
    since then.
    """

    name: str
    kind: str
    detail: str
    session_id: str
    reference: str | None
    found_at: datetime
    seen_at: datetime | None
    seen_by: str | None
    comment: str | None
    over_at: datetime | None


@dataclass(frozen=True)
class Queue:
    """What waits, oldest first: for a second person, for a first one, and facts that nobody has looked at.

    `*_count`: how many there are altogether.
    """

    proposed: list[Waiting]
    proposed_count: Count
    waiting: list[Waiting]
    waiting_count: Count
    anomalies: list[OddFact]
    anomalies_count: Count


def count(session: Session) -> Count:
    """How many refunds are under review and facts not looked at."""
    under_review, not_looked_at = counts(session)
    return under_review + not_looked_at


def counts(session: Session) -> tuple[Count, Count]:
    """The two of them apart."""
    under_review, not_looked_at = counting.count_each(session, _WAITING)
    return under_review, not_looked_at


def queue(session: Session) -> Queue:
    """The whole queue, each of its lists cut at MOST_SHOWN."""
    oldest = _oldest(session, _PROPOSED, Resolution.proposed_at, Resolution.id)
    proposals = _proposals(session, Resolution.id.in_(oldest))
    by_refund = {each.refund_id: each for each in proposals}
    unproposed = _oldest(session, _UNPROPOSED, Refund.asked_at, Refund.id)
    return Queue(
        proposed=[Waiting(row, by_refund[row.id]) for row in history.rows_of(session, list(by_refund))],
        proposed_count=counting.count(session, _PROPOSED),
        waiting=[Waiting(row, None) for row in history.rows_of(session, unproposed)],
        waiting_count=counting.count(session, _UNPROPOSED),
        anomalies=_odd_facts(session, Anomaly.id.in_(_oldest(session, _NOT_LOOKED_AT, Anomaly.id))),
        anomalies_count=counting.count(session, _NOT_LOOKED_AT),
    )


def _oldest(session: Session, ids: Select[Id], *order: InstrumentedAttribute[Any]) -> Sequence[Id]:
    return session.scalars(ids.order_by(*order).limit(MOST_SHOWN)).all()


# Proposals


def open_proposal(session: Session, refund_id: int) -> Proposal | None:
    """The proposal for a refund that nobody has decided on yet."""
    return next(iter(_proposals(session, Resolution.refund_id == refund_id, _IS_PROPOSED)), None)


def _proposals(session: Session, *conditions: ColumnElement[bool]) -> list[Proposal]:
    query = select(Resolution, Person.email).join(Person, Person.id == Resolution.proposed_by_id)
    return [
        Proposal(
            id=each.id,
            refund_id=each.refund_id,
            choice=each.choice,
            bank_id=each.bank_id,
            by_id=each.proposed_by_id,
            by=email,
            at=each.proposed_at,
            comment=each.propose_comment,
            strangers=tuple(json.loads(each.strangers)),
            candidate=json.loads(each.candidate),
        )
        for each, email in session.execute(query.where(*conditions).order_by(Resolution.proposed_at, Resolution.id))
    ]


# Facts that fit no rule


def odd_facts_of_refund(session: Session, refund_id: int) -> list[OddFact]:
    """Of one refund, in the order in which they were found."""
    return _odd_facts(session, Anomaly.refund_id == refund_id)


def odd_facts_of_session(session: Session, session_id: str) -> list[OddFact]:
    """Of a session itself, in the order in which they were found."""
    return _odd_facts(session, Anomaly.session_id == session_id, Anomaly.refund_id == 0)


def odd_fact(session: Session, name: str) -> OddFact | None:
    """One of them."""
    found = anomalies.find(session, name)
    return next(iter(_odd_facts(session, Anomaly.id == found.id)), None) if found else None


def _odd_facts(session: Session, *conditions: ColumnElement[bool]) -> list[OddFact]:
    query = select(Anomaly, Refund.reference, Person.email).outerjoin(Refund, Refund.id == Anomaly.refund_id)
    query = query.outerjoin(Person, Person.id == Anomaly.acknowledged_by_id)
    return [
        OddFact(
            name=anomalies.name_of(each),
            kind=each.kind,
            detail=each.detail,
            session_id=each.session_id,
            reference=reference,
            found_at=each.found_at,
            seen_at=each.acknowledged_at,
            seen_by=email,
            comment=each.comment,
            over_at=each.over_at,
        )
        for each, reference, email in session.execute(query.where(*conditions).order_by(Anomaly.found_at, Anomaly.id))
    ]
