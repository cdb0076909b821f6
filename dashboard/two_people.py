"""Whether two accounts stand for two people, wherever it takes two: one person with two accounts does not."""

from datetime import datetime

from sqlalchemy import literal, select
from sqlalchemy.orm import Session

from dashboard.journal import timestamp
from dashboard.limit_rules import DAY
from dashboard.models import JournalEntry, Person

# What lets somebody into an account, or makes it one that may do more.
_LETTING_IN = (
    *("person:added", "person:invited", "person:role_changed", "person:enabled", "person:reset_started"),
    *("factor:reset_asked", "factor:reset"),
)


def are_two(session: Session, one_id: str | None, other_id: str | None, now: datetime) -> bool:
    """Neither has let the other in within the last day, nor has somebody let in both, be it by way of others.

    After a day everybody has had the time to see it in the journal.
    """
    return behind(session, one_id, now).isdisjoint(behind(session, other_id, now))


def behind(session: Session, person_id: str | None, now: datetime) -> set[str]:
    """Addresses: the account's, whoever's has let it in within the last day, whoever's has let in those, and so on."""
    return _led_back(session, session.get_one(Person, person_id).email, now)


def may_have_been(session: Session, person_id: str, email: str, now: datetime) -> bool:
    """Whether what was done under an address may have been done by this person: it stands for no second one."""
    return not _led_back(session, email, now).isdisjoint(behind(session, person_id, now))


def _led_back(session: Session, email: str, now: datetime) -> set[str]:
    since = timestamp(now - DAY)
    found, to_ask = set[str](), {email}
    while to_ask:
        found |= to_ask
        to_ask = _who_let_in(session, to_ask, since) - found
    return found


def _who_let_in(session: Session, emails: set[str], since: str) -> set[str]:
    """People alone: what is done with the server's command line is done by whoever runs the desk."""
    subjects = select(literal("person:") + Person.id).where(Person.email.in_(emails))
    query = select(JournalEntry.actor).where(
        JournalEntry.subject.in_(subjects),
        JournalEntry.action.in_(_LETTING_IN),
        JournalEntry.at > since,
        JournalEntry.actor.in_(select(Person.email)),
    )
    return set(session.scalars(query.distinct()))
