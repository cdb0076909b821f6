"""Reading a session at the bank, and what a read proves about a refund whose outcome is not known.

No database transaction is open while the bank is called.
"""

import hashlib
from collections.abc import Iterable
from datetime import datetime, timedelta

from dashboard import ledger, refund_rules, snapshots
from dashboard.bank131 import objects as bank
from dashboard.bank131.client import BankError, HttpAnswer, NotAsked, Reading, Refused
from dashboard.config import Config
from dashboard.desk import Desk
from dashboard.journal import WriteSession
from dashboard.models import PaymentSession, Refund
from dashboard.snapshots import READ, Merge, Seen

# Of an outage; of answers that are of no use, and would be so at every read.
LONGEST_BACKOFF_S = 60
LONGEST_USELESS_S = 3600
# A night without the bank is part of life.
LONGEST_OUTAGE = timedelta(days=1)
OTHER_BANK = "its refunds were made for another bank server or project"
AUTH_CODES = frozenset({"authentication_error", "authorization_error"})


def read_session(desk: Desk, session_id: str, timeout_s: float | None = None) -> bool:
    """Read a session at the bank, take in what it shows, and weigh what that proves. Raises BankError.

    `timeout_s`: a shorter deadline than the client's. Answers whether all that was shown can be relied on: with a
    part unreadable or out of date, what is left would be a guess.
    """
    started_at = desk.clock.now()
    try:
        reading = desk.bank.status(session_id, timeout_s)
    except BankError as problem:
        note_failed_read(desk, session_id, problem)
        raise
    with desk.write() as tx:
        return take_read(tx, desk, reading, started_at).is_whole


def read_whole_session(desk: Desk, session_id: str, timeout_s: float | None = None) -> bool:
    """The same, looking a second time where the first look was overtaken by what happened meanwhile."""
    return read_session(desk, session_id, timeout_s) or read_session(desk, session_id, timeout_s)


def take_read(tx: WriteSession, desk: Desk, reading: Reading, started_at: datetime) -> Merge:
    """Merge a read that started then, weigh what it proves, and plan the next one."""
    seen = Seen(READ, started_at, digest_of(reading.answer), reading.raw)
    session = snapshots.open_session(tx, reading.session, desk.clock.now())
    merge = snapshots.merge(tx, desk, session, reading.session, seen)
    for refund in merge.refunds:
        if refund.state == refund_rules.UNKNOWN and not refund.review:
            _weigh_read(merge, refund)
    if merge.is_foreign:
        _tell_unread(tx, desk, session, merge.refunds)
        _note_failure(session, desk.clock.now(), OTHER_BANK, LONGEST_USELESS_S)
        _stop_reading(session, merge.refunds, desk.clock.now())
        return merge
    ledger.end_anomalies(tx, session, refund_rules.UNREAD, ())
    ledger.recount(tx, session, merge.refunds)
    snapshots.schedule(merge)
    return merge


def is_denial(problem: BankError) -> bool:
    """Whether the bank said that it does not know the session, rather than that it does not know us."""
    return isinstance(problem, Refused) and problem.code not in AUTH_CODES


def note_failed_read(desk: Desk, session_id: str, problem: BankError) -> None:
    """Plan the next try; a session known from hearsay alone that the bank denies is laid aside.

    Where nobody could ask, the bank has not failed: nothing is noted.
    People have to look at a refund of unknown outcome when all that the bank has answered for long is of no use, or
    when it was out of reach for longer still.
    """
    if isinstance(problem, NotAsked):
        return
    with desk.write() as tx:
        session = ledger.lock_session(tx, session_id)
        if session is None:
            return
        now = desk.clock.now()
        refunds = ledger.refunds_of(tx, session_id)
        _note_failure(session, now, str(problem), LONGEST_USELESS_S if problem.is_answered else LONGEST_BACKOFF_S)
        if is_denial(problem):
            _stop_reading(session, refunds, now)
            _tell_unread(tx, desk, session, refunds)
            if session.confirmed_at is None:
                session.denied_at, session.next_read_at = now, None
        if problem.is_answered:
            _give_up_waiting(tx, desk, refunds, now)
        else:
            _give_up_outage(tx, session, refunds, now)


def _note_failure(session: PaymentSession, now: datetime, problem: str, longest_s: int) -> None:
    session.read_failures += 1
    session.read_problem = problem
    if session.next_read_at is not None:
        session.next_read_at = now + backoff(session.read_failures, longest_s)


def _stop_reading(session: PaymentSession, refunds: Iterable[Refund], now: datetime) -> None:
    """The bank does not show the session as ours, and would say so for ever: read it when somebody asks anew."""
    is_needed = any(
        one.review or one.state in refund_rules.OPEN or _has_looks_to_come(session, one, now) for one in refunds
    )
    if not is_needed and session.read_wanted_at is None:
        session.next_read_at = None


def _has_looks_to_come(session: PaymentSession, refund: Refund, now: datetime) -> bool:
    """It has ended, and a look that was to be made since then has not been; for a day after the last of them."""
    if refund.ended_at is None or now > refund.ended_at + refund_rules.LAST_LOOKS[-1] + LONGEST_OUTAGE:
        return False
    return refund_rules.next_last_look(refund.ended_at, session.read_at) is not None


def _give_up_waiting(tx: WriteSession, desk: Desk, refunds: Iterable[Refund], now: datetime) -> None:
    for refund in refunds:
        if refund.state != refund_rules.UNKNOWN:
            continue
        if not snapshots.is_of_this_bank(desk, refund):
            ledger.flag_review(tx, refund, "other_bank")
        elif refund.sent_at is not None and proves_nothing_for_long(desk.config, refund.sent_at, now):
            ledger.flag_review(tx, refund, "no_proof")


def _give_up_outage(tx: WriteSession, session: PaymentSession, refunds: Iterable[Refund], now: datetime) -> None:
    for refund in refunds:
        if refund.state == refund_rules.UNKNOWN and refund.sent_at is not None:
            last_word_at = max(refund.sent_at, session.read_at or refund.sent_at)
            if now - last_word_at > LONGEST_OUTAGE:
                ledger.flag_review(tx, refund, "no_proof")


def _tell_unread(tx: WriteSession, desk: Desk, session: PaymentSession, refunds: Iterable[Refund]) -> None:
    """The bank does not show what it has accepted or reported an error of; nobody could decide anything by that."""
    is_out = any(one.state in {refund_rules.IN_PROGRESS, refund_rules.ERROR} for one in refunds)
    if is_out and proves_nothing_for_long(desk.config, session.read_at or session.found_at, desk.clock.now()):
        ledger.note_anomaly(tx, session, None, refund_rules.UNREAD, "")


def backoff(failures: int, longest_s: int = LONGEST_BACKOFF_S) -> timedelta:
    """The pause after so many failures in a row: 1, 2, 4, … seconds, so long at most."""
    return timedelta(seconds=min(2 ** min(failures - 1, 20), longest_s))


def digest_of(answer: HttpAnswer) -> str:
    """SHA-256 of an answer's body, as the journal keeps it."""
    return hashlib.sha256(answer.body).hexdigest()


# What a read proves about a refund of unknown outcome


def _weigh_read(merge: Merge, refund: Refund) -> None:
    """What a read proves about a refund that it does not show; of one made for another bank, nothing ever will."""
    if snapshots.is_of_this_bank(merge.desk, refund):
        _weigh_absence(merge, refund)
    else:
        ledger.flag_review(merge.tx, refund, "other_bank", **merge.seen.evidence)


def _weigh_absence(merge: Merge, refund: Refund) -> None:
    stranger = new_since_first_send(merge, refund)
    if stranger is not None:
        ledger.flag_review(merge.tx, refund, "stranger", bank_id=stranger)
        return
    config, read_at = merge.desk.config, merge.seen.at
    quiet = config.quiet
    facts = ledger.facts_of(merge.attempts.get(refund.id, ()))
    provable_from = refund_rules.absence_provable_from(facts, quiet)
    if not merge.is_whole:
        if refund.sent_at is not None and proves_nothing_for_long(config, refund.sent_at, read_at):
            ledger.flag_review(merge.tx, refund, "no_proof", **merge.seen.evidence)
        return
    if provable_from is not None and read_at <= provable_from:
        return
    if refund.absence_1_at is None:
        refund.absence_1_at = read_at
        _record_absence(merge, refund, 1)
    elif refund.absence_2_at is None and read_at >= refund_rules.second_absence_from(refund.absence_1_at, facts, quiet):
        refund.absence_2_at = read_at
        _record_absence(merge, refund, 2)
        _decide_after_absences(merge, refund)


def proves_nothing_for_long(config: Config, since: datetime, at: datetime) -> bool:
    """Whether a read that is not whole, or failed, comes so long after that people have to look, not wait on."""
    return at - since > max(timedelta(seconds=config.resend_max_s), 2 * config.quiet)


def _record_absence(merge: Merge, refund: Refund, number: int) -> None:
    subject = ledger.subject_of(refund)
    merge.tx.record(ledger.WORKER, "refund:absent", subject, number=number, **merge.seen.evidence)


def new_since_first_send(merge: Merge, refund: Refund) -> str | None:
    """The first of the strangers to a refund that may have reached the bank; None for one that never can have."""
    if ledger.baseline_of(merge.attempts.get(refund.id, ())) is None:
        return None
    return next((shown.id for shown in strangers_to(merge, refund)), None)


def strangers_to(merge: Merge, refund: Refund) -> list[bank.Refund]:
    """What came up at the bank since the refund's first attempt and is neither a chargeback nor known as ours.

    Of a refund never sent, all but what the bank made more than CLOCK_SKEW before it was asked for.
    """
    ours = {one.bank_id for one in merge.refunds if one.origin == "here"}
    known_before = ledger.baseline_of(merge.attempts.get(refund.id, ()))
    return [
        shown
        for _, shown in merge.snapshot.refunds
        if not shown.is_chargeback and shown.id not in ours and not _was_before(shown, refund, known_before)
    ]


def _was_before(shown: bank.Refund, refund: Refund, known_before: frozenset[str] | None) -> bool:
    """It was at the bank before ours can have been; without a baseline the bank's own date tells."""
    if known_before is not None:
        return shown.id in known_before
    if shown.reference == refund.reference or shown.created_at is None:
        return False
    return shown.created_at < refund.asked_at - refund_rules.CLOCK_SKEW


def _decide_after_absences(merge: Merge, refund: Refund) -> None:
    verdict = verdict_on(merge, refund)
    if verdict == refund_rules.REFUSED:
        ledger.own_move(merge.tx, refund, refund_rules.REFUSED, ledger.WORKER, **merge.seen.evidence)
    elif verdict == refund_rules.REVIEW:
        ledger.flag_review(merge.tx, refund, "not_found")
    else:
        refund.next_send_at = merge.desk.clock.now()
        merge.tx.record(ledger.WORKER, "refund:resend_planned", ledger.subject_of(refund))


def verdict_on(merge: Merge, refund: Refund) -> str:
    """What two proofs of absence lead to: REFUSED, RESEND or REVIEW."""
    facts = ledger.facts_of(merge.attempts.get(refund.id, ()))
    resend_max = timedelta(seconds=merge.desk.config.resend_max_s)
    now = merge.desk.clock.now()
    return refund_rules.after_two_absences(facts, refund.sent_at or now, now, resend_max)
