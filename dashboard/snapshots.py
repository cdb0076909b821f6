"""The one door for bank truth, pulled or pushed: a session as the bank showed it -> payments, refunds, anomalies.

Everything here runs inside a write transaction that holds the session's lock. Only what differs is recorded.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from sqlalchemy import select, update

from dashboard import ledger, refund_rules, restore, search
from dashboard.bank131 import objects as bank
from dashboard.bank131.allowlist import masked
from dashboard.db import insert_unless_there
from dashboard.desk import Desk
from dashboard.journal import WriteSession, canonical
from dashboard.models import Attempt, Installation, Payment, PaymentSession, Refund

READ = "read"
WEBHOOK = "webhook"
ANSWER = "answer"

READ_AGAIN = timedelta(seconds=1)
# Of metadata, so many characters can be searched for.
LONGEST_METADATA = 2000
# Of what cannot be read, so many parts are told of one by one.
MOST_UNREADABLE = 50
MORE_UNREADABLE = f"more than {MOST_UNREADABLE} parts"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# It is changed by a statement of its own alone: what else is not written yet can wait.
_ECHOES = select(Installation.bank_echoes_reference).execution_options(autoflush=False)


@dataclass(frozen=True)
class Seen:
    """How a snapshot came here: by a read, a webhook or the direct answer to a send; when; and its digest.

    `at` is the start of the read or of the send, or the arrival of the webhook. `raw` is the bank's JSON object.
    `sent`: the refund whose direct answer this is, and its attempt.
    """

    source: str
    at: datetime
    digest: str
    raw: object
    sent: tuple[int, int] | None = None

    @property
    def evidence(self) -> dict[str, str]:
        return {"source": self.source, "digest": self.digest}


@dataclass
class Merge:
    """One snapshot being merged. Afterwards: the session's rows and whether the snapshot can prove an absence.

    `is_newest`: no later one has been seen, as far as dates can tell; it is for what is shown, never for a decision.
    """

    tx: WriteSession
    desk: Desk
    session: PaymentSession
    snapshot: bank.PaymentSession
    seen: Seen
    refunds: list[Refund]
    attempts: dict[int, list[Attempt]]
    payments: dict[str, Payment]
    is_stale: bool = False
    is_foreign: bool = False
    is_newest: bool = True
    touched: list[str] = field(default_factory=list)

    @property
    def is_whole(self) -> bool:
        """Wholly readable, not stale, of the right bank: what it does not show, the bank did not have."""
        return not (self.snapshot.unreadable or self.is_stale or self.is_foreign)

    @property
    def from_ourselves(self) -> bool:
        """Pulled by our own call rather than pushed."""
        return self.seen.source != WEBHOOK

    @property
    def paid(self) -> list[refund_rules.PaidPart]:
        """What our own reads have shown captured, this one included."""
        return ledger.paid_parts_of(self.payments.values())


def open_session(tx: WriteSession, snapshot: bank.PaymentSession, now: datetime) -> PaymentSession:
    """The session's row, locked; made first where it is not known yet (as hearsay: nothing is confirmed here)."""
    known = ledger.lock_session(tx, snapshot.id)
    if known is not None:
        return known
    values = {
        "id": snapshot.id,
        "status": snapshot.status,
        "created_at": snapshot.created_at or now,
        "found_at": now,
        "fields": "{}",
        "shown_at": EPOCH,
        "captured_minor": 0,
        "committed_minor": 0,
        "read_failures": 0,
    }
    insert_unless_there(tx, PaymentSession, values)
    made = ledger.lock_session(tx, snapshot.id)
    if made is None:
        raise LookupError(f"session {snapshot.id} vanished between two statements")
    return made


def merge(tx: WriteSession, desk: Desk, session: PaymentSession, snapshot: bank.PaymentSession, seen: Seen) -> Merge:
    """Take in one snapshot of a locked session; of one that is another bank's (`is_foreign`) nothing is taken in."""
    refunds, attempts = ledger.refunds_of(tx, session.id), ledger.attempts_of(tx, session.id)
    payments = {payment.id: payment for payment in ledger.payments_of(tx, session.id)}
    m = Merge(tx, desk, session, snapshot, seen, refunds, attempts, payments)
    _ = session.anomalies  # read before anything is changed, or that would have to be written first
    m.is_foreign = _is_foreign(m)
    if m.is_foreign:
        return m
    _describe(m)
    if m.from_ourselves:
        _confirm(m)
    if session.confirmed_at is not None:
        for payment, shown in snapshot.refunds:
            _take_in(m, payment, shown)
        _look_for_missing(m)
        _look_at_unreadable(m)
        ledger.recount(tx, session, m.refunds)
    return m


def is_of_this_bank(desk: Desk, refund: Refund) -> bool:
    """Whether the refund was made for the server and project that the desk talks to: another's word proves nothing.

    One made elsewhere was made for no other: it was seen here.
    """
    return refund.origin != "here" or (refund.bank_url, refund.project) == (desk.bank.url, desk.bank.project)


def _is_foreign(m: Merge) -> bool:
    """The session has refunds made for another server or project, and shows none of them.

    Banks number their sessions alike. Our reference in it shows that it is the same one, under another name. What came
    to nothing before that bank had it ties the session to nobody.
    """
    tied = (one for one in m.refunds if one.origin == "here" and (one.counts or one.bank_id))
    others = {one.reference for one in tied if not is_of_this_bank(m.desk, one)}
    return bool(others) and others.isdisjoint(shown.reference for _, shown in m.snapshot.refunds)


# The session and its payments


def _describe(m: Merge) -> None:
    """Descriptive fields follow the newest snapshot: by the bank's `updated_at`, then by when it was seen.

    Our first own look outranks whatever webhooks have said before.
    """
    session, snapshot = m.session, m.snapshot
    was_hearsay = session.confirmed_at is None and m.from_ourselves
    shown_last = (session.shown_updated_at or EPOCH, session.shown_at)
    updated_at = _updated_at(m)
    if shown_last > (updated_at or EPOCH, m.seen.at) and not was_hearsay:
        m.is_newest = False
        return
    session.status = snapshot.status
    session.shown_updated_at, session.shown_at = updated_at, m.seen.at
    session.created_at = snapshot.created_at or session.created_at
    fields_before, session.fields = session.fields, canonical(bank.allowlisted(m.seen.raw))
    for payment in snapshot.payments:
        _keep_payment(m, payment)
    main = _main_payment(snapshot.payments)
    if main is not None:
        session.currency = main.amount.currency
        session.customer_reference, session.method = main.customer_reference, main.method
        session.card_brand, session.card_last4, session.rrn = main.card_brand, main.card_last4, main.rrn
    if session.fields != fields_before:
        search.keep_terms(m.tx, session.id, _session_texts(snapshot))


def _updated_at(m: Merge) -> datetime | None:
    """When the bank says that it changed this; a moment still to come is none, or nothing would be newer for years."""
    updated_at = m.snapshot.updated_at
    is_to_come = updated_at is not None and updated_at > m.seen.at + refund_rules.CLOCK_SKEW
    return None if is_to_come else updated_at


def _main_payment(payments: Iterable[bank.Payment]) -> bank.Payment | None:
    """The payment that stands for the session in lists: the first that succeeded, else the first."""
    return min(payments, key=lambda payment: payment.status != "succeeded", default=None)


def _session_texts(snapshot: bank.PaymentSession) -> Iterable[str | None]:
    yield snapshot.id
    for payment in snapshot.payments:
        yield from (payment.id, payment.customer_reference, payment.card_last4, payment.rrn, payment.arn)
        yield _flat_text(masked(payment.metadata))[:LONGEST_METADATA]


def _flat_text(value: object) -> str:
    """All strings and numbers of a JSON value, one after another."""
    if isinstance(value, dict):
        return " ".join(f"{key} {_flat_text(part)}" for key, part in value.items())
    if isinstance(value, list):
        return " ".join(_flat_text(part) for part in value)
    return "" if value is None else str(value)


def _keep_payment(m: Merge, shown: bank.Payment) -> None:
    payment = m.payments.get(shown.id)
    if payment is None:
        payment = Payment(session_id=m.session.id, id=shown.id, status=shown.status, confirmed=False)
        m.payments[shown.id] = payment
        m.tx.add(payment)
    if not payment.confirmed and (m.from_ourselves or payment.status != "succeeded"):
        payment.status = shown.status
    if m.from_ourselves or not payment.confirmed:
        payment.amount_minor, payment.currency = shown.amount.amount_minor, shown.amount.currency
    payment.created_at, payment.finished_at = shown.created_at, shown.finished_at
    payment.customer_reference, payment.method = shown.customer_reference, shown.method
    payment.card_brand, payment.card_last4 = shown.card_brand, shown.card_last4
    payment.rrn, payment.arn, payment.auth_code = shown.rrn, shown.arn, shown.auth_code


def _confirm(m: Merge) -> None:
    """Our own call has shown the session: it is ours, and what succeeded in it is captured."""
    m.session.confirmed_at = m.session.confirmed_at or m.seen.at
    m.session.denied_at = None
    for shown in m.snapshot.payments:
        if shown.status == "succeeded":
            if shown.id not in m.payments:
                _keep_payment(m, shown)
            payment = m.payments[shown.id]
            if not payment.confirmed:
                payment.amount_minor, payment.currency = shown.amount.amount_minor, shown.amount.currency
            payment.status, payment.confirmed = "succeeded", True
    captured_minor = sum(part.amount_minor for part in m.paid)
    if captured_minor != m.session.captured_minor:
        was, m.session.captured_minor = m.session.captured_minor, captured_minor
        subject = f"session:{m.session.id}"
        m.tx.record(ledger.BANK, "session:captured", subject, was=was, now=captured_minor, **m.seen.evidence)


# Refunds


def _take_in(m: Merge, payment: bank.Payment, shown: bank.Refund) -> None:
    """Find or make the row of one refund that the bank shows, and let the bank's word about it in."""
    refund = _known(m, shown) or _ours_by_reference(m, shown) or _ours_by_answer(m, shown)
    if refund is None:
        refund = _new_to_us(m, payment, shown)
    if refund is not None:
        m.touched.append(refund.reference)
        _hear(m, refund, payment, shown)


def _known(m: Merge, shown: bank.Refund) -> Refund | None:
    refund = next((refund for refund in m.refunds if refund.bank_id == shown.id), None)
    if refund is not None and refund.reference == shown.reference:
        _note_echo(m.tx)
    return refund


def _ours_by_reference(m: Merge, shown: bank.Refund) -> Refund | None:
    if shown.reference is None:
        return None
    for refund in m.refunds:
        if refund.bank_id is None and refund.reference == shown.reference:
            _note_echo(m.tx)
            return _adopt(m, refund, shown, "reference")
    return None


def _ours_by_answer(m: Merge, shown: bank.Refund) -> Refund | None:
    """A bank that never showed a reference of ours: its direct answer shows our refund as the one new match."""
    if m.seen.sent is None or m.snapshot.unreadable:
        return None
    refund = next(refund for refund in m.refunds if refund.id == m.seen.sent[0])
    if refund.bank_id is not None or _bank_echoes_reference(m.tx):
        return None
    attempt = next(one for one in m.attempts[refund.id] if one.number == m.seen.sent[1])
    matches = [one for _, one in m.snapshot.refunds if _may_be(one, refund, attempt)]
    return _adopt(m, refund, shown, "answer") if matches == [shown] else None


def _may_be(shown: bank.Refund, refund: Refund, attempt: Attempt) -> bool:
    return (
        shown.id not in json.loads(attempt.baseline)
        and not shown.is_chargeback
        and shown.metadata is None
        and (shown.amount.amount_minor, shown.amount.currency) == (refund.amount_minor, refund.currency)
    )


def _note_echo(tx: WriteSession) -> None:
    """The bank has shown a reference of ours."""
    if not _bank_echoes_reference(tx):
        tx.execute(update(Installation).values(bank_echoes_reference=True))


def _bank_echoes_reference(tx: WriteSession) -> bool:
    return tx.scalars(_ECHOES).one()


def _adopt(m: Merge, refund: Refund, shown: bank.Refund, known_by: str) -> Refund:
    refund.bank_id = shown.id
    refund.absence_1_at = refund.absence_2_at = None
    _keep_terms(m, refund)
    subject = ledger.subject_of(refund)
    evidence = m.seen.evidence
    m.tx.record(ledger.BANK, "refund:adopted", subject, bank_id=shown.id, known_by=known_by, **evidence)
    ledger.settle_review(m.tx, refund)
    return refund


def _new_to_us(m: Merge, payment: bank.Payment, shown: bank.Refund) -> Refund | None:
    """A refund that no row here stands for: a row made elsewhere, or a question to ask first."""
    if m.seen.source != READ:
        ledger.ask_read(m.session, m.desk.clock.now())
        return None
    if shown.reference is None and not shown.is_chargeback and _may_be_under_way(m, shown):
        now = m.desk.clock.now()
        ledger.ask_read(m.session, now, now + READ_AGAIN)
        return None
    return _insert(m, payment, shown)


def _may_be_under_way(m: Merge, shown: bank.Refund) -> bool:
    """A refund of the session is being sent right now, and this could be it, not yet told apart."""
    for refund in m.refunds:
        if refund.state == refund_rules.SENDING:
            baseline = ledger.baseline_of(m.attempts.get(refund.id, ()))
            return baseline is not None and shown.id not in baseline
    return False


def _insert(m: Merge, payment: bank.Payment, shown: bank.Refund) -> Refund:
    original = next((one for one in m.refunds if shown.reference and one.reference == shown.reference), None)
    refund = Refund(
        reference=m.desk.new_id(),
        session_id=m.session.id,
        origin="chargeback" if shown.is_chargeback else "bank",
        state=shown.status,
        review="",
        counts=refund_rules.counts(shown.status, contradicted=False),
        contradicted=False,
        amount_minor=shown.amount.amount_minor,
        currency=shown.amount.currency,
        in_full=False,
        bank_id=shown.id,
        asked_at=shown.created_at or m.seen.at,
        reason="",
        comment="",
        send_failures=0,
    )
    if shown.status in refund_rules.FINAL:
        refund.ended_at = m.desk.clock.now()
    m.tx.add(refund)
    m.tx.flush()
    m.refunds.append(refund)
    m.tx.record(
        ledger.BANK,
        "refund:found",
        ledger.subject_of(refund),
        session=m.session.id,
        origin=refund.origin,
        state=refund.state,
        amount_minor=refund.amount_minor,
        currency=refund.currency,
        bank_id=shown.id,
        **m.seen.evidence,
    )
    _keep_terms(m, refund)
    _doubt_new_row(m, refund, shown, original)
    return refund


def _doubt_new_row(m: Merge, new: Refund, shown: bank.Refund, original: Refund | None) -> None:
    """A second refund under one of our references, or one that may be ours, is for people to look at."""
    if original is not None:
        for refund in (original, new):
            ledger.note_anomaly(m.tx, m.session, refund, refund_rules.DUPLICATE, shown.id)
            ledger.flag_review(m.tx, refund, "duplicate", bank_id=shown.id)
    elif twin := _forgotten_twin(m, shown):
        for refund in (twin, new):
            ledger.note_anomaly(m.tx, m.session, refund, refund_rules.DUPLICATE, shown.id)
    elif shown.reference is None and not shown.is_chargeback:
        for refund in [one for one in m.refunds if _outside_any_baseline(m, one, shown)]:
            ledger.note_anomaly(m.tx, m.session, refund, refund_rules.MAY_BE_OURS, shown.id)
            ledger.note_anomaly(m.tx, m.session, new, refund_rules.MAY_BE_OURS, refund.reference)


def _forgotten_twin(m: Merge, shown: bank.Refund) -> Refund | None:
    """Another that the bank made under the same reference, which may be ours, forgotten with a restored database."""
    alike = (one.id for _, one in m.snapshot.refunds if one.reference == shown.reference and one.id != shown.id)
    twins = set(alike) if shown.reference else set()
    return next((one for one in m.refunds if one.bank_id in twins), None)


def _outside_any_baseline(m: Merge, refund: Refund, shown: bank.Refund) -> bool:
    return any(
        attempt.outcome != refund_rules.NEVER_CONNECTED and shown.id not in json.loads(attempt.baseline)
        for attempt in m.attempts.get(refund.id, ())
    )


def _hear(m: Merge, refund: Refund, payment: bank.Payment, shown: bank.Refund) -> None:
    """Take the bank's amount, details and status of a refund."""
    _take_amount(m, refund, shown)
    if shown.rrn is not None and shown.rrn != refund.rrn:
        refund.rrn = shown.rrn
        _keep_terms(m, refund)
    refund.payment_id = payment.id
    refund.bank_finished_at = shown.finished_at or refund.bank_finished_at
    word = refund_rules.hear_bank(refund.state, shown.status)
    if word.after_end:
        ledger.note_anomaly(m.tx, m.session, refund, refund_rules.MADE_AFTER_END, f"{refund.state}>{shown.status}")
    if word.state != refund.state:
        refund.bank_status = shown.status
        evidence = m.seen.evidence
        ledger.change_state(m.tx, refund, word.state, ledger.BANK, bank_id=shown.id, **evidence)
    else:
        _take_last_word(m, refund, shown)
    if word.contradiction:
        _contradict(m, refund, shown)


def _take_last_word(m: Merge, refund: Refund, shown: bank.Refund) -> None:
    """Keep what the bank says of a refund whose state stays; a word of lower rank is one that came late."""
    before, now = refund.bank_status, shown.status
    if before is None:
        refund.bank_status = now
    elif m.is_newest and now != before and refund_rules.RANK[now] >= refund_rules.RANK[before]:
        refund.bank_status = now
        if refund.contradicted:
            m.tx.record(ledger.BANK, "refund:bank_word", ledger.subject_of(refund), status=now, **m.seen.evidence)


def _keep_terms(m: Merge, refund: Refund) -> None:
    texts = (refund.reference, refund.comment, refund.bank_id, refund.rrn)
    search.keep_terms(m.tx, m.session.id, texts, refund.id)


def _take_amount(m: Merge, refund: Refund, shown: bank.Refund) -> None:
    """Until the journal says otherwise, the bank's amount is ours."""
    ours = (refund.amount_minor, refund.currency)
    shown_before = (refund.bank_amount_minor, refund.bank_currency)
    theirs = (shown.amount.amount_minor, shown.amount.currency)
    refund.bank_amount_minor, refund.bank_currency = theirs
    if theirs != (ours if shown_before == (None, None) else shown_before):
        evidence = {"amount_minor": theirs[0], "currency": theirs[1], **m.seen.evidence}
        m.tx.record(ledger.BANK, "refund:bank_amount", ledger.subject_of(refund), **evidence)
    differs = {f"{theirs[0]} {theirs[1]}"} if theirs != ours else set()
    if m.seen.source == READ:
        ledger.end_anomalies(m.tx, m.session, refund_rules.AMOUNT_DIFFERS, differs, refund)
    for detail in differs:
        ledger.note_anomaly(m.tx, m.session, refund, refund_rules.AMOUNT_DIFFERS, detail)


def _contradict(m: Merge, refund: Refund, shown: bank.Refund) -> None:
    """Accepted against declined: keep ours, show both, hold the money, let people look."""
    if not refund.contradicted:
        ledger.flag_review(m.tx, refund, "contradiction", bank_status=shown.status)
    refund.contradicted, refund.counts = True, True
    ledger.note_anomaly(m.tx, m.session, refund, refund_rules.CONTRADICTION, f"{refund.state}>{shown.status}")


def _look_for_missing(m: Merge) -> None:
    """A snapshot without what the bank has shown before is an old one, or the bank has dropped it."""
    missing = list(_missing(m))
    m.is_stale = bool(missing)
    if m.seen.source != READ:
        return
    gone = {bank_id for _, bank_id, _ in missing} - m.snapshot.named
    ledger.end_anomalies(m.tx, m.session, refund_rules.MISSING, gone)
    for refund, bank_id, known_since in missing:
        if bank_id in gone and m.seen.at - known_since > m.desk.config.quiet:
            ledger.note_anomaly(m.tx, m.session, refund, refund_rules.MISSING, bank_id)


def _missing(m: Merge) -> Iterator[tuple[Refund | None, str, datetime]]:
    """What was known before and cannot be read here: a refund, or a captured payment (None), its id, since when."""
    payments = {payment.id for payment in m.snapshot.payments}
    for part in m.paid:
        if part.payment_id not in payments:
            yield None, part.payment_id, m.session.confirmed_at or m.seen.at
    refunds = {refund.id for _, refund in m.snapshot.refunds}
    for refund in m.refunds:
        if refund.bank_id and refund.bank_id not in refunds:
            yield refund, refund.bank_id, _last_sent_at(m, refund)


def _look_at_unreadable(m: Merge) -> None:
    lines = list(dict.fromkeys(m.snapshot.unreadable))
    told = lines[:MOST_UNREADABLE] + ([MORE_UNREADABLE] if len(lines) > MOST_UNREADABLE else [])
    if m.seen.source == READ and not m.is_stale:
        ledger.end_anomalies(m.tx, m.session, refund_rules.UNREADABLE, {*lines, *told})
    for line in told:
        ledger.note_anomaly(m.tx, m.session, None, refund_rules.UNREADABLE, line)


# When to read next


def schedule(m: Merge) -> None:
    """Set the session's next read after a good one of ours, unless somebody asked for another since it began."""
    session = m.session
    session.read_at = max(session.read_at or m.seen.at, m.seen.at)
    session.read_failures, session.read_problem = 0, None
    planned = min(_next_reads(m, session.read_at), default=None)
    if session.read_wanted_at is not None and session.read_wanted_at >= m.seen.at:
        wanted = [moment for moment in (session.next_read_at, planned) if moment is not None]
        session.next_read_at = min(wanted, default=m.desk.clock.now())
    else:
        session.next_read_at = planned


def _next_reads(m: Merge, read_at: datetime) -> Iterable[datetime]:
    arrives_until = restore.may_arrive_until(m.tx, m.desk.config, read_at)
    if arrives_until is not None:
        yield arrives_until + timedelta(milliseconds=1)
    poll = timedelta(seconds=m.desk.config.poll_s)
    for refund in m.refunds:
        if refund.state in {refund_rules.IN_PROGRESS, refund_rules.UNKNOWN, refund_rules.ERROR}:
            yield refund_rules.next_open_read(_last_sent_at(m, refund), read_at, poll)
        if refund.state == refund_rules.UNKNOWN and not refund.review:
            yield from _absence_reads(m, refund, read_at)
        if refund.ended_at and refund.state not in {refund_rules.CANCELLED, refund_rules.REJECTED}:
            look = refund_rules.next_last_look(refund.ended_at, read_at)
            if look is not None:
                yield look


def _last_sent_at(m: Merge, refund: Refund) -> datetime:
    """When it was sent last; for one made elsewhere, when the bank says it was made (its clock may be fast)."""
    attempts = m.attempts.get(refund.id, ())
    sent = [attempt.started_at for attempt in attempts if attempt.outcome != refund_rules.NEVER_CONNECTED]
    return max(sent, default=min(refund.asked_at, m.seen.at))


def _absence_reads(m: Merge, refund: Refund, read_at: datetime) -> Iterable[datetime]:
    """The first moments at which a read could prove the refund's absence, as far as they are still to come."""
    facts = ledger.facts_of(m.attempts.get(refund.id, ()))
    if refund.absence_1_at is None:
        moment = refund_rules.absence_provable_from(facts, m.desk.config.quiet)
    else:
        moment = refund_rules.second_absence_from(refund.absence_1_at, facts, m.desk.config.quiet)
    if moment is not None and moment >= read_at:
        yield moment + timedelta(milliseconds=1)
