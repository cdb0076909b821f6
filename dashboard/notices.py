"""Mail to staff about what needs them: found in the books, told once to each who chose it, else silence.

What is told and that it was told are written in one transaction, in which one worker has the person's row: two workers
tell nobody twice, and one that dies in between has told nothing. The cost is that of what is open, not of the tables.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Select, and_, delete, func, literal_column, or_, select
from sqlalchemy.orm import Session

from dashboard import anomalies, audit, journal, mail, notice_rules, refund_rules, retention
from dashboard.desk import Books
from dashboard.journal import WriteSession
from dashboard.models import (
    Anomaly,
    Installation,
    JournalEntry,
    Mail,
    Notice,
    Person,
    Refund,
    Resolution,
    WebhookDelivery,
)
from dashboard.models.refunds import IS_OPEN, NEEDS_SOMEBODY, OPEN_ANOMALY
from dashboard.models.resolutions import IS_PROPOSED
from dashboard.notice_rules import Matter

log = logging.getLogger(__name__)

# Of each kind the newest so many are looked at. Of what piles up beyond that people hear as a number.
MOST_FOUND = 500

_NOT_MADE = (refund_rules.DECLINED, refund_rules.REFUSED, refund_rules.REJECTED)
_NEWEST_FIRST = (Refund.asked_at.desc(), Refund.id.desc())
# In the very words of the partial indexes, which serve nothing else.
_IS_OPEN: ColumnElement[bool] = literal_column(IS_OPEN)
_NEEDS_SOMEBODY: ColumnElement[bool] = literal_column(f"({NEEDS_SOMEBODY})")
_IS_PROPOSED: ColumnElement[bool] = literal_column(IS_PROPOSED)


@dataclass(frozen=True)
class Section:
    """What a mail tells of one kind. `new`: what the person was not told before. `count`: with what they were.

    `is_more`: there is more than was counted.
    """

    what: str
    new: Sequence[Matter]
    count: int
    is_more: bool


# Writes the mail, in the person's language.
LetterWriter = Callable[[Person, Sequence[Section]], mail.Letter]


def choose(books: Books, person: Person, choices: Iterable[str]) -> None:
    """Keep what somebody chose to hear of; what their role may not hear of is not kept."""
    with books.write() as tx:
        account = _locked(tx, person.id)
        kept = notice_rules.kept(set(choices).intersection(notice_rules.open_to(account.role)))
        if account.notices != kept:
            account.notices = kept
            tx.record(account.email, "person:notices_chosen", f"person:{account.id}", choices=kept.split())


def _locked(tx: WriteSession, person_id: str) -> Person:
    """So that what somebody was told, and chose, changes in one transaction after the other."""
    query = select(Person).where(Person.id == person_id).with_for_update(key_share=True)
    return tx.scalars(query.execution_options(populate_existing=True)).one()


# Telling


def tell(books: Books, write: LetterWriter) -> int:
    """Write a mail to everybody who has to hear of something new; how many. It is handed over as every mail is."""
    with books.read() as session:
        matters = find(session, books.clock.now(), books.config.ageing)
        people = _who_has_to_hear(session, matters, books.clock.now()) if matters else []
    _forget(books, matters)
    return sum(_try_one(books, person_id, matters, write) for person_id in people)


def _who_has_to_hear(session: Session, matters: Sequence[Matter], now: datetime) -> list[str]:
    people = session.scalars(select(Person).where(Person.disabled_at.is_(None)).order_by(Person.id))
    return [person.id for person in people if _new_to(session, person, _theirs(person, matters), now)]


def _try_one(books: Books, person_id: str, matters: Sequence[Matter], write: LetterWriter) -> bool:
    """Whoever cannot be told keeps nobody else from hearing."""
    try:
        return _tell_one(books, person_id, matters, write)
    except Exception:
        log.exception("person %s could not be told what is wrong, it will be tried again", person_id)
        return False


def _tell_one(books: Books, person_id: str, matters: Sequence[Matter], write: LetterWriter) -> bool:
    with books.write() as tx:
        now = tx.clock.now()
        person = _locked(tx, person_id)
        theirs = _theirs(person, matters)
        new = _new_to(tx, person, theirs, now)
        if not new:
            return False
        letter = write(person, _sections(matters, theirs, new))
        written = mail.put(tx, books.config, person, mail.NOTICES, letter, now + notice_rules.HOLDS_FOR)
        _note_told(tx, person, new, written)
    return True


def _theirs(person: Person, matters: Sequence[Matter]) -> list[Matter]:
    """What somebody hears of, be it for the first time or not."""
    if person.disabled_at is not None:
        return []
    choices = notice_rules.chosen(person.role, person.notices)
    return [matter for matter in matters if notice_rules.hears(person.id, choices, matter)]


def _new_to(session: Session, person: Person, theirs: Sequence[Matter], now: datetime) -> list[Matter]:
    """Of these, what is to be told now: nothing yet, soon after the last mail."""
    if not theirs or not _is_time(session, person, now):
        return []
    told = _told(session, person, theirs, now)
    return [matter for matter in theirs if (matter.what, matter.name) not in told]


def _is_time(session: Session, person: Person, now: datetime) -> bool:
    last = mail.last_of(session, person.id, mail.NOTICES)
    is_waiting = last is not None and last.next_try_at is not None
    return notice_rules.is_time(last.queued_at if last else None, now, is_waiting=is_waiting)


def _told(session: Session, person: Person, matters: Sequence[Matter], now: datetime) -> set[tuple[str, str]]:
    """Those that somebody was told, by what and name; not those in a mail that never got through in its time."""
    never_sent = and_(Mail.sent_at.is_(None), Mail.next_try_at.is_(None), Mail.holds_until <= now)
    query = select(Notice.what, Notice.name).outerjoin(Mail, Mail.id == Notice.mail_id)
    query = query.where(_about(person, matters), or_(Mail.id.is_(None), ~never_sent))
    return {(what, name) for what, name in session.execute(query)}


def _about(person: Person, matters: Sequence[Matter]) -> ColumnElement[bool]:
    return and_(Notice.person_id == person.id, Notice.name.in_({matter.name for matter in matters}))


def _note_told(tx: WriteSession, person: Person, new: Sequence[Matter], written: Mail) -> None:
    known = {(row.what, row.name): row for row in tx.scalars(select(Notice).where(_about(person, new)))}
    for matter in new:
        row = known.get((matter.what, matter.name)) or Notice(person_id=person.id, what=matter.what, name=matter.name)
        row.told_at, row.mail_id = tx.clock.now(), written.id
        tx.add(row)


def _sections(matters: Sequence[Matter], theirs: Sequence[Matter], new: Sequence[Matter]) -> list[Section]:
    """Of kinds of which there is nothing new nothing is said."""
    return [
        Section(
            what,
            new=_of(what, new),
            count=len(_of(what, theirs)),
            is_more=len(_of(what, matters)) >= MOST_FOUND,
        )
        for what in notice_rules.CHOSEN_BY
        if _of(what, new)
    ]


def _of(what: str, matters: Sequence[Matter]) -> list[Matter]:
    return [matter for matter in matters if matter.what == what]


def _forget(books: Books, matters: Sequence[Matter]) -> None:
    """What is over for long is not told again in any case."""
    before = retention.first_day_kept(books, books.config.keep_sign_ins_days)
    is_over = Notice.name.not_in([matter.name for matter in matters])
    old = select(Notice.id).where(Notice.told_at < before, is_over).limit(retention.BATCH)
    retention.remove(books, "notices", before, old, _remove_all)


def _remove_all(tx: WriteSession, ids: Sequence[int]) -> None:
    tx.execute(delete(Notice).where(Notice.id.in_(ids)))


# Finding what there is to tell


def find(session: Session, now: datetime, ageing: timedelta) -> list[Matter]:
    """All that anybody may want to hear of at this moment, whoever was told of it already."""
    return [
        *_of_the_desk(session, now),
        *_for_people(session),
        *_refunds(session, notice_rules.AWAITING_APPROVAL, Refund.state == refund_rules.AWAITING_APPROVAL),
        *_refunds(
            session,
            notice_rules.OUTCOME_UNKNOWN,
            _NEEDS_SOMEBODY,
            Refund.state == refund_rules.UNKNOWN,
            Refund.sent_at <= now - notice_rules.UNKNOWN_FOR,
        ),
        *_not_made(session, now),
        *_refunds(session, notice_rules.OPEN_FOR_LONG, _IS_OPEN, Refund.asked_at < now - ageing),
    ]


def _refunds(session: Session, what: str, *conditions: ColumnElement[bool]) -> list[Matter]:
    """Those on which people have to decide are told of as such, and as nothing else."""
    query = select(Refund).where(*conditions, Refund.review == "")
    return [_of_refund(what, refund) for refund in session.scalars(_newest(query))]


def _newest(query: Select[Refund]) -> Select[Refund]:
    return query.order_by(*_NEWEST_FIRST).limit(MOST_FOUND)


def _of_refund(what: str, refund: Refund, name: str = "", by_id: str | None = None) -> Matter:
    return Matter(
        what,
        name or refund.reference,
        subject=refund.reference,
        session_id=refund.session_id,
        amount_minor=refund.amount_minor,
        currency=refund.currency,
        state=refund.state,
        asked_by_id=refund.asked_by_id,
        by_id=refund.asked_by_id if what == notice_rules.AWAITING_APPROVAL else by_id,
    )


# On which people decide


def _for_people(session: Session) -> Iterator[Matter]:
    """A proposal is told of in the place of its refund, and a refund in the place of its session's odd facts."""
    proposals = {each.refund_id: each for each in session.scalars(select(Resolution).where(_IS_PROPOSED))}
    under_review = select(Refund).where(_NEEDS_SOMEBODY, Refund.review != "", Refund.id.not_in(proposals))
    for refund in session.scalars(_newest(under_review)):
        yield _of_refund(notice_rules.UNDER_REVIEW, refund)
    # Apart, since SQLite would rather go through all refunds than look these up.
    for refund in session.scalars(_newest(select(Refund).where(Refund.id.in_(proposals)))) if proposals else ():
        proposal = proposals[refund.id]
        yield _of_refund(notice_rules.PROPOSED, refund, name=proposal.id, by_id=proposal.proposed_by_id)
    yield from _odd_facts(session)


def _odd_facts(session: Session) -> Iterator[Matter]:
    under_review = select(Refund.id).where(Refund.session_id == Anomaly.session_id, Refund.review != "")
    query = select(Anomaly).where(literal_column(OPEN_ANOMALY), ~under_review.exists())
    for fact in session.scalars(query.order_by(Anomaly.id.desc()).limit(MOST_FOUND)):
        name = anomalies.name_of(fact)
        yield Matter(notice_rules.ODD_FACT, name, subject=name, session_id=fact.session_id, state=fact.kind)


# What did not go through


def _not_made(session: Session, now: datetime) -> Iterator[Matter]:
    """Those asked for here alone; found along the journal, since no index of the refunds knows when one ended."""
    ended = _ended_by(session, now - notice_rules.NOT_MADE_WITHIN)
    wanted = (Refund.reference.in_(ended), Refund.state.in_(_NOT_MADE), Refund.origin == "here", Refund.review == "")
    for refund in session.scalars(_newest(select(Refund).where(*wanted))) if ended else ():
        yield _of_refund(notice_rules.NOT_MADE, refund, by_id=ended[refund.reference])


def _ended_by(session: Session, since: datetime) -> dict[str, str | None]:
    """References of what did not go through since then, each with the person whose doing it was."""
    query = select(JournalEntry.subject, Person.id).outerjoin(Person, Person.email == JournalEntry.actor)
    is_end = JournalEntry.action.in_([f"refund:{state}" for state in _NOT_MADE])
    query = query.where(is_end, JournalEntry.seq >= audit.first_since(session, since))
    newest = session.execute(query.order_by(JournalEntry.seq.desc()).limit(MOST_FOUND))
    return {subject.removeprefix("refund:"): person_id for subject, person_id in newest}


# The desk itself


def _of_the_desk(session: Session, now: datetime) -> Iterator[Matter]:
    paused_at = session.scalars(select(Installation.sending_paused_at)).one()
    if paused_at is not None:
        yield Matter(notice_rules.PAUSED, journal.timestamp(paused_at))
    last: datetime | None = session.scalars(select(func.max(WebhookDelivery.last_seen_at))).one()
    if _webhooks_stopped(session, last, now):
        yield Matter(notice_rules.NO_WEBHOOKS, journal.timestamp(last) if last else "never")


def _webhooks_stopped(session: Session, last: datetime | None, now: datetime) -> bool:
    """Whether several refunds have been accepted since the last webhook of any kind, and for long enough.

    The bank tells of each, so none came on its way; that there is nothing to tell is no such sign.
    """
    wanted = [Refund.origin == "here", Refund.state == refund_rules.ACCEPTED]
    wanted += [Refund.ended_at <= now - notice_rules.WEBHOOK_WITHIN]
    wanted += [Refund.asked_at > last] if last else []
    some = select(Refund.id).where(*wanted).order_by(Refund.asked_at, Refund.id)
    few = some.limit(notice_rules.REFUNDS_WITHOUT_WEBHOOK)
    return len(session.scalars(few).all()) == notice_rules.REFUNDS_WITHOUT_WEBHOOK
