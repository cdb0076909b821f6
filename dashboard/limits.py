"""The limits of what one person may refund alone: looking them up, setting them."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from dashboard import limit_rules, two_people
from dashboard.db import insert_unless_there
from dashboard.desk import Books
from dashboard.journal import timestamp
from dashboard.limit_rules import ANY_CURRENCY, DAY, NO_LIMIT, Limit
from dashboard.models import Approval, JournalEntry, Refund, RefundLimit


def all_of_them(session: Session) -> Sequence[tuple[str, Limit]]:
    """Every currency that has limits, in the order of their names; those of all others first."""
    rows = session.scalars(select(RefundLimit).order_by(RefundLimit.currency))
    return [(row.currency, _limit(row)) for row in rows]


def of_currency(session: Session, currency: str) -> Limit:
    """What holds for refunds in this currency."""
    own = session.get(RefundLimit, currency) or session.get(RefundLimit, ANY_CURRENCY)
    return _limit(own) if own else NO_LIMIT


def of_person(session: Session, person_id: str, currency: str, now: datetime) -> Limit:
    """What holds for this person: for a day also what they, or somebody who may be the same person, have loosened."""
    before = _changed_by(session, person_id, currency, now)
    # Whoever has just given a currency limits of its own may have loosened those that held for it till then.
    if before or session.get(RefundLimit, currency) is None:
        before += _changed_by(session, person_id, ANY_CURRENCY, now)
    return limit_rules.strictest([of_currency(session, currency), *before])


def _changed_by(session: Session, person_id: str, currency: str, now: datetime) -> list[Limit]:
    """The limits as they were before each change within the last day that this person may have made."""
    query = select(JournalEntry.actor, JournalEntry.data).where(
        JournalEntry.subject == f"limit:{currency}",
        JournalEntry.action.in_(["limit:set", "limit:removed"]),
        JournalEntry.at > timestamp(now - DAY),
    )
    changes = session.execute(query).all()
    theirs = {actor for actor, _ in changes if two_people.may_have_been(session, person_id, actor, now)}
    return [Limit(**json.loads(data)["was"]) for actor, data in changes if actor in theirs]


def sent_alone_minor(session: Session, person_id: str, currency: str, now: datetime) -> int:
    """What a person has asked for within the last day that nobody had to approve and that is not undone."""
    query = select(func.coalesce(func.sum(Refund.amount_minor), 0)).where(
        Refund.asked_by_id == person_id,
        Refund.asked_at > now - DAY,
        Refund.currency == currency,
        Refund.counts,
        Refund.id.not_in(select(Approval.refund_id).where(Approval.asked_by_id == person_id)),
    )
    return int(session.scalars(query).one())


def verdict(session: Session, person_id: str, currency: str, amount_minor: int, now: datetime) -> str:
    """What the limits say to a refund that this person asks for; see `limit_rules.verdict`."""
    limit = of_person(session, person_id, currency, now)
    is_counted = limit.alone_a_day_minor is not None
    sent_minor = sent_alone_minor(session, person_id, currency, now) if is_counted else 0
    return limit_rules.verdict(limit, amount_minor, sent_minor)


def put(books: Books, currency: str, limit: Limit, *, actor: str) -> bool:
    """Set the limits of a currency, or of all others (`*`); answers with whether that is a change. Raises BadLimit."""
    limit_rules.check(currency, limit)
    with books.write() as tx:
        is_new, held = tx.get(RefundLimit, currency) is None, of_currency(tx, currency)
        # Of two at once that set the first ones the later finds those of the other.
        insert_unless_there(tx, RefundLimit, {"currency": currency})
        row = tx.get_one(RefundLimit, currency, with_for_update=True, populate_existing=True)
        was = held if is_new else _limit(row)
        if was == limit and not is_new:
            return False
        for name, amount_minor in asdict(limit).items():
            setattr(row, name, amount_minor)
        tx.flush()
        tx.record(actor, "limit:set", f"limit:{currency}", was=asdict(was), now=asdict(limit))
    return True


def remove(books: Books, currency: str, *, actor: str) -> bool:
    """Let those of all others hold for a currency again; answers with whether it had any."""
    with books.write() as tx:
        row = tx.get(RefundLimit, currency, with_for_update=True)
        if row is None:
            return False
        was = asdict(_limit(row))
        tx.delete(row)
        tx.record(actor, "limit:removed", f"limit:{currency}", was=was)
    return True


def _limit(row: RefundLimit) -> Limit:
    return Limit(row.at_once_up_to_minor, row.approved_up_to_minor, row.alone_a_day_minor, row.proof_above_minor)
