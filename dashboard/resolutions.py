"""Two people decide what became of a refund that the protocol hands to them.

Each decision rests on a fresh read, made outside any transaction and taken in under the session's lock: what the
rules allow is looked at again there, for the one who proposes and for the one who confirms.
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from sqlalchemy import func, select, update

from dashboard import anomalies, ledger, reads, refund_rules, restore, rights, roles, search, snapshots, two_people
from dashboard.bank131.client import BankError, Reading
from dashboard.desk import Books, Desk
from dashboard.journal import WriteSession, canonical
from dashboard.models import Anomaly, Person, Refund, Resolution
from dashboard.models.resolutions import CONFIRMED, OUTDATED, PROPOSED, REJECTED, WITHDRAWN
from dashboard.snapshots import Merge

Outcome = TypeVar("Outcome")


class ResolutionRefused(Exception):
    """Nothing was decided. `code`: `not_in_review`, `choice_not_open`, `not_whole`, `not_open_yet` (it is after
    `since`), `other_bank`, `proposal_open`, `same_person`, `not_yours`, `outdated`, `proposer_gone`, `no_right`,
    `decided`, `comment_missing`, `not_two_people` (see there).
    """

    def __init__(self, code: str, since: datetime | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.since = since


@dataclass(frozen=True)
class Candidate:
    """A refund at the bank that could be ours: `reference` is that of the row made elsewhere that holds it."""

    bank_id: str
    reference: str
    state: str
    amount_minor: int
    currency: str
    made_at: datetime

    @property
    def told(self) -> dict[str, str | int]:
        """What of it decides what becomes of the money."""
        return {"state": self.state, "amount_minor": self.amount_minor, "currency": self.currency}


@dataclass(frozen=True)
class Look:
    """What the bank shows right now about a refund, and what two people may decide on it.

    `never_made_from`: that it was never made can be decided by a read that starts after this moment (None: by any).
    `is_shown`: the bank shows our reference. `strangers`: bank ids of what came up there since the first send and is
    not known as ours; of one never sent, all but what the bank made more than CLOCK_SKEW before it was asked
    for. Those of them that could be ours are the `candidates`. `is_other_bank`: the refund was made for another server
    or project than the one that was read.
    """

    choices: tuple[str, ...]
    read_at: datetime
    is_whole: bool
    is_shown: bool
    is_other_bank: bool
    never_made_from: datetime | None
    candidates: tuple[Candidate, ...]
    strangers: tuple[str, ...]

    def candidate(self, bank_id: str | None) -> dict[str, str | int] | None:
        """What one of the candidates looks like, as proposals keep it; None where there is none."""
        return next((each.told for each in self.candidates if each.bank_id == bank_id), None)

    def objection(self, choice: str, bank_id: str | None) -> ResolutionRefused | None:
        """What stands in the way of a choice; None: nothing."""
        if not self.choices:
            return ResolutionRefused("not_in_review")
        if choice not in self.choices or (choice == refund_rules.THAT_ONE) != (bank_id is not None):
            return ResolutionRefused("choice_not_open")
        if choice == refund_rules.STANDS:
            return None
        if self.is_other_bank:
            return ResolutionRefused("other_bank")
        if not self.is_whole:
            return ResolutionRefused("not_whole")
        if choice == refund_rules.THAT_ONE:
            known = {candidate.bank_id for candidate in self.candidates}
            return None if bank_id in known else ResolutionRefused("choice_not_open")
        if self.is_shown:
            return ResolutionRefused("choice_not_open")
        if self.never_made_from is not None and self.read_at <= self.never_made_from:
            return ResolutionRefused("not_open_yet", self.never_made_from)
        return None

    def came_up_since(self, choice: str, strangers: Iterable[str]) -> tuple[str, ...]:
        """Bank ids that nobody knew of as a choice was proposed beside these strangers: one may be that in question."""
        return () if choice == refund_rules.STANDS else tuple(sorted({*self.strangers} - {*strangers}))


# Looking


def look(desk: Desk, reference: str, timeout_s: float | None = None) -> Look:
    """Read the bank and say what can be decided about a refund. Raises LookupError, BankError.

    `timeout_s` can shorten the deadline of the call.
    """
    session_id = _session_of(desk, reference)
    return _under_fresh_read(
        desk, session_id, lambda merge: _look_at(merge, _find(merge, reference)), timeout_s=timeout_s
    )


def _session_of(desk: Desk, reference: str) -> str:
    with desk.read() as session:
        found = session.scalars(select(Refund.session_id).where(Refund.reference == reference)).one_or_none()
    if found is None:
        raise LookupError(reference)
    return found


def _under_fresh_read(
    desk: Desk,
    session_id: str,
    act: Callable[[Merge], Outcome],
    *,
    once_more: bool = True,
    timeout_s: float | None = None,
) -> Outcome:
    """Read the session, and act under its lock on what that shows; read again where the first look is not whole."""
    started_at = desk.clock.now()
    reading = _ask_bank(desk, session_id, timeout_s)
    with desk.write() as tx:
        merge = reads.take_read(tx, desk, reading, started_at)
        if merge.is_whole or not once_more:
            return act(merge)
    return _under_fresh_read(desk, session_id, act, once_more=False, timeout_s=timeout_s)


def _ask_bank(desk: Desk, session_id: str, timeout_s: float | None) -> Reading:
    try:
        return desk.bank.status(session_id, timeout_s)
    except BankError as problem:
        reads.note_failed_read(desk, session_id, problem)
        raise


def _find(merge: Merge, reference: str) -> Refund:
    found = next((refund for refund in merge.refunds if refund.reference == reference), None)
    if found is None:
        raise LookupError(reference)
    return found


def _look_at(merge: Merge, refund: Refund) -> Look:
    strangers = reads.strangers_to(merge, refund)
    may_be_it = {shown.id for shown in strangers if shown.reference in {None, refund.reference}}
    return Look(
        choices=refund_rules.choices_of(refund.state, refund.review),
        read_at=merge.seen.at,
        is_whole=merge.is_whole,
        is_shown=any(shown.reference == refund.reference for shown in strangers),
        is_other_bank=not snapshots.is_of_this_bank(merge.desk, refund),
        never_made_from=_never_made_from(merge, refund),
        candidates=tuple(_candidate(one) for one in merge.refunds if _could_be(one, refund, may_be_it)),
        strangers=tuple(shown.id for shown in strangers),
    )


def _could_be(elsewhere: Refund, refund: Refund, may_be_it: set[str]) -> bool:
    same_currency = (elsewhere.bank_currency or elsewhere.currency) == refund.currency
    return elsewhere.origin == "bank" and elsewhere.bank_id in may_be_it and same_currency


def _candidate(elsewhere: Refund) -> Candidate:
    return Candidate(
        bank_id=elsewhere.bank_id or "",
        reference=elsewhere.reference,
        state=elsewhere.state,
        amount_minor=elsewhere.bank_amount_minor or elsewhere.amount_minor,
        currency=elsewhere.bank_currency or elsewhere.currency,
        made_at=elsewhere.asked_at,
    )


def _never_made_from(merge: Merge, refund: Refund) -> datetime | None:
    facts, config = ledger.facts_of(merge.attempts.get(refund.id, ())), merge.desk.config
    lease_until = None
    if refund.review == refund_rules.RESTORED:
        lease_until = restore.last_send_until(merge.tx, config)
    return refund_rules.never_made_from(facts, config.quiet, lease_until)


# Proposing


def propose(desk: Desk, person: Person, reference: str, choice: str, bank_id: str | None, comment: str) -> str:
    """One person says what became of a refund; answers with the proposal's id, which a second person decides on.

    The same proposal made twice by one person is one. Raises ResolutionRefused, LookupError, BankError.
    """
    comment = _needed(comment)
    session_id = _session_of(desk, reference)
    return _or_refused(
        _under_fresh_read(
            desk, session_id, lambda merge: _propose(merge, person, reference, (choice, bank_id), comment)
        )
    )


def _needed(comment: str) -> str:
    if not comment.strip():
        raise ResolutionRefused("comment_missing")
    return comment.strip()


def _or_refused(outcome: Outcome | ResolutionRefused) -> Outcome:
    """Refusals are raised after the commit: what the read showed is kept."""
    if isinstance(outcome, ResolutionRefused):
        raise outcome
    return outcome


def _propose(
    merge: Merge, person: Person, reference: str, what: tuple[str, str | None], comment: str
) -> str | ResolutionRefused:
    tx, refund = merge.tx, _find(merge, reference)
    seen = _look_at(merge, refund)
    open_one = _open_proposal(tx, refund)
    if open_one is not None:
        is_same = (open_one.proposed_by_id, open_one.choice, open_one.bank_id) == (person.id, *what)
        return open_one.id if is_same else ResolutionRefused("proposal_open")
    objection = seen.objection(*what)
    if objection is not None:
        return objection
    proposal = Resolution(
        id=merge.desk.new_id(),
        refund_id=refund.id,
        session_id=refund.session_id,
        choice=what[0],
        bank_id=what[1],
        strangers=canonical(sorted(seen.strangers)),
        candidate=canonical(seen.candidate(what[1])),
        proposed_by_id=person.id,
        proposed_at=tx.clock.now(),
        propose_comment=comment,
        state=PROPOSED,
    )
    tx.add(proposal)
    tx.flush()
    told = {"resolution": proposal.id, "choice": proposal.choice, "bank_id": proposal.bank_id, "comment": comment}
    evidence = {
        "strangers": sorted(seen.strangers),
        "candidate": seen.candidate(what[1]),
        **merge.seen.evidence,
    }
    tx.record(person.email, f"resolution:{PROPOSED}", ledger.subject_of(refund), **told, **evidence)
    return proposal.id


def _open_proposal(tx: WriteSession, refund: Refund) -> Resolution | None:
    query = select(Resolution).where(Resolution.refund_id == refund.id, Resolution.state == PROPOSED)
    return tx.scalars(query.with_for_update().execution_options(populate_existing=True)).one_or_none()


# Deciding


def confirm(desk: Desk, person: Person, resolution_id: str, comment: str = "") -> None:
    """A second person agrees, and what was proposed is done. Confirming twice is confirming once.

    Raises ResolutionRefused (`outdated`: what the proposal rests on has changed), LookupError, BankError.
    """
    with desk.read() as session:
        proposal = session.get(Resolution, resolution_id)
    if proposal is None:
        raise LookupError(resolution_id)
    problem = _not_to_be_confirmed(proposal, person)
    if problem is None:
        session_id = proposal.session_id
        problem = _under_fresh_read(desk, session_id, lambda merge: _confirm(merge, person, resolution_id, comment))
    if problem is not None and not _is_done_by(problem, person):
        raise problem


class _Decided(ResolutionRefused):
    """Somebody has decided already: who, and what."""

    def __init__(self, state: str, by_id: str | None) -> None:
        super().__init__("outdated" if state == OUTDATED else "decided")
        self.what = (state, by_id)


def _not_to_be_confirmed(proposal: Resolution, person: Person) -> ResolutionRefused | None:
    if proposal.proposed_by_id == person.id:
        return ResolutionRefused("same_person")
    return None if proposal.state == PROPOSED else _Decided(proposal.state, proposal.decided_by_id)


def _is_done_by(problem: ResolutionRefused, person: Person) -> bool:
    return isinstance(problem, _Decided) and problem.what == (CONFIRMED, person.id)


def _confirm(merge: Merge, person: Person, resolution_id: str, comment: str) -> ResolutionRefused | None:
    tx = merge.tx
    proposal = _locked(tx, resolution_id)
    problem = _not_to_be_confirmed(proposal, person)
    if problem is not None:
        return problem
    refund = next(one for one in merge.refunds if one.id == proposal.refund_id)
    if not rights.still_hold(tx, person.id, roles.RESOLVE):
        return ResolutionRefused("no_right")
    if not two_people.are_two(tx, person.id, proposal.proposed_by_id, tx.clock.now()):
        return ResolutionRefused("not_two_people")
    if not rights.still_hold(tx, proposal.proposed_by_id, roles.RESOLVE):
        ledger.end_proposal(tx, refund, proposal, OUTDATED, ledger.WORKER, why="proposer_gone")
        return ResolutionRefused("proposer_gone")
    seen = _look_at(merge, refund)
    objection = seen.objection(proposal.choice, proposal.bank_id)
    if objection is not None and objection.code in {"other_bank", "not_whole", "not_open_yet"}:
        return objection
    evidence: dict[str, str | list[str]] = {"strangers": sorted(seen.strangers), **merge.seen.evidence}
    if objection is not None or _has_changed(proposal, seen):
        ledger.end_proposal(tx, refund, proposal, OUTDATED, ledger.WORKER, **evidence)
        return ResolutionRefused("outdated")
    _decide(tx, refund, proposal, CONFIRMED, person, comment, **evidence)
    _carry_out(merge, refund, proposal, person)
    return None


def _has_changed(proposal: Resolution, seen: Look) -> bool:
    """The bank's refund is not what it was as this was proposed, or another came up, which may be the one meant."""
    if seen.candidate(proposal.bank_id) != json.loads(proposal.candidate):
        return True
    return bool(seen.came_up_since(proposal.choice, json.loads(proposal.strangers)))


def _locked(tx: WriteSession, resolution_id: str) -> Resolution:
    query = select(Resolution).where(Resolution.id == resolution_id).with_for_update()
    return tx.scalars(query.execution_options(populate_existing=True)).one()


def _decide(
    tx: WriteSession,
    refund: Refund,
    proposal: Resolution,
    state: str,
    person: Person,
    comment: str,
    **evidence: str | list[str],
) -> None:
    proposal.decided_by_id, proposal.decide_comment = person.id, comment.strip()
    ledger.end_proposal(tx, refund, proposal, state, person.email, comment=comment.strip(), **evidence)
    tx.flush()


def reject(books: Books, person: Person, resolution_id: str, comment: str) -> None:
    """A second person disagrees: nothing is done, and the refund stays under review. Raises as `confirm` does."""
    _end_undone(books, person, resolution_id, REJECTED, _needed(comment))


def withdraw(books: Books, person: Person, resolution_id: str, comment: str = "") -> None:
    """Whoever proposed takes it back. Raises as `confirm` does, and `not_yours`."""
    _end_undone(books, person, resolution_id, WITHDRAWN, comment)


def _end_undone(books: Books, person: Person, resolution_id: str, state: str, comment: str) -> None:
    with books.write() as tx:
        found = tx.get(Resolution, resolution_id)
        if found is None:
            raise LookupError(resolution_id)
        ledger.lock_session(tx, found.session_id)
        refunds = ledger.refunds_of(tx, found.session_id)
        proposal = _locked(tx, resolution_id)
        if (proposal.proposed_by_id == person.id) != (state == WITHDRAWN):
            raise ResolutionRefused("not_yours" if state == WITHDRAWN else "same_person")
        if proposal.state != PROPOSED:
            raise _Decided(proposal.state, proposal.decided_by_id)
        refund = next(one for one in refunds if one.id == proposal.refund_id)
        _decide(tx, refund, proposal, state, person, comment)


# What a decision does


def _carry_out(merge: Merge, refund: Refund, proposal: Resolution, person: Person) -> None:
    if proposal.choice == refund_rules.THAT_ONE:
        elsewhere = next(one for one in merge.refunds if one.bank_id == proposal.bank_id)
        _take_place(merge, refund, elsewhere, proposal, person)
    else:
        why = refund.review
        ledger.end_review(merge.tx, refund, person.email, resolution=proposal.id)
        if why != refund_rules.CONTRADICTION and _is_contradiction_open(merge.tx, refund, proposal):
            ledger.flag_review(merge.tx, refund, refund_rules.CONTRADICTION, bank_status=refund.bank_status)
    if proposal.choice == refund_rules.NEVER_MADE:
        evidence = {"resolution": proposal.id, **merge.seen.evidence}
        ledger.own_move(merge.tx, refund, refund_rules.ABANDONED, person.email, **evidence)
    ledger.recount(merge.tx, merge.session, merge.refunds)
    snapshots.schedule(merge)


def _is_contradiction_open(tx: WriteSession, refund: Refund, proposal: Resolution) -> bool:
    """The bank contradicted itself while people looked at something else, and has not been let stand since then.

    What was decided just now was about the other thing.
    """
    of_it = (Anomaly.refund_id == refund.id, Anomaly.kind == refund_rules.CONTRADICTION)
    told = select(func.min(Anomaly.found_at)).where(*of_it)
    stands = select(Resolution.id).where(
        Resolution.refund_id == refund.id,
        Resolution.id != proposal.id,
        Resolution.choice == refund_rules.STANDS,
        Resolution.state == CONFIRMED,
        Resolution.decided_at >= told.scalar_subquery(),
    )
    return refund.contradicted and tx.scalars(stands).first() is None


def _take_place(merge: Merge, refund: Refund, elsewhere: Refund, proposal: Resolution, person: Person) -> None:
    """Our row takes the bank id, and all that the bank has said, of the row made elsewhere, which goes."""
    tx, evidence, still_odd = merge.tx, merge.seen.evidence, elsewhere.review
    told_of_it = _remove(merge, elsewhere, refund, proposal, person)
    refund.bank_id, refund.payment_id, refund.rrn = elsewhere.bank_id, elsewhere.payment_id, elsewhere.rrn
    refund.bank_amount_minor, refund.bank_currency = elsewhere.bank_amount_minor, elsewhere.bank_currency
    refund.bank_status, refund.bank_finished_at = elsewhere.bank_status, elsewhere.bank_finished_at
    refund.contradicted = elsewhere.contradicted
    refund.absence_1_at = refund.absence_2_at = None
    subject, adopted = ledger.subject_of(refund), {"bank_id": refund.bank_id, "resolution": proposal.id}
    tx.record(person.email, "refund:adopted", subject, known_by="people", **adopted, **evidence)
    ledger.end_review(tx, refund, person.email, **adopted)
    _compare_amounts(merge, refund)
    state = refund_rules.hear_bank(refund.state, elsewhere.state).state
    ledger.change_state(tx, refund, state, ledger.BANK, bank_id=refund.bank_id, **evidence)
    for fact in told_of_it:
        if not _is_our_amount(fact, refund):
            anomalies.inherit(tx, merge.session, refund, fact, person, is_same=_is_same(fact, refund, elsewhere))
    if still_odd:
        ledger.flag_review(tx, refund, still_odd, bank_id=refund.bank_id)
    search.keep_terms(tx, refund.session_id, (refund.reference, refund.comment, refund.bank_id, refund.rrn), refund.id)


def _compare_amounts(merge: Merge, refund: Refund) -> None:
    theirs = refund.bank_amount_minor, refund.bank_currency
    if theirs != (refund.amount_minor, refund.currency):
        evidence = {"amount_minor": theirs[0], "currency": theirs[1], **merge.seen.evidence}
        merge.tx.record(ledger.BANK, "refund:bank_amount", ledger.subject_of(refund), **evidence)
        detail = f"{theirs[0]} {theirs[1]}"
        ledger.note_anomaly(merge.tx, merge.session, refund, refund_rules.AMOUNT_DIFFERS, detail)


def _is_our_amount(fact: Anomaly, refund: Refund) -> bool:
    """Whether all that is odd about it is that the row made elsewhere had another amount than the bank, and we."""
    return fact.kind == refund_rules.AMOUNT_DIFFERS and fact.detail == f"{refund.amount_minor} {refund.currency}"


def _is_same(fact: Anomaly, refund: Refund, elsewhere: Refund) -> bool:
    """Whether what was told of the row made elsewhere says the same of ours: amounts are compared with its own."""
    ours, its = (refund.amount_minor, refund.currency), (elsewhere.amount_minor, elsewhere.currency)
    return fact.kind != refund_rules.AMOUNT_DIFFERS or ours == its


def _remove(merge: Merge, elsewhere: Refund, into: Refund, proposal: Resolution, person: Person) -> list[Anomaly]:
    """Take the row made elsewhere and its anomalies out; answers with those of them that are now those of ours.

    That the two may be the same has been answered.
    """
    tx = merge.tx
    ledger.end_review(tx, elsewhere, person.email, resolution=proposal.id)
    of_it = anomalies.locked(tx, Anomaly.refund_id == elsewhere.id)
    for anomaly in of_it:
        tx.delete(anomaly)
    answered = (Anomaly.kind == refund_rules.MAY_BE_OURS, Anomaly.detail == elsewhere.bank_id)
    for anomaly in anomalies.locked(tx, Anomaly.session_id == into.session_id, *answered):
        anomalies.note_acknowledged(tx, anomaly, person, proposal.decide_comment or "")
    tx.execute(update(Resolution).where(Resolution.refund_id == elsewhere.id).values(refund_id=into.id))
    search.keep_terms(tx, elsewhere.session_id, (), elsewhere.id)
    evidence = {"into": into.reference, "bank_id": elsewhere.bank_id, "resolution": proposal.id}
    tx.record(person.email, "refund:merged", ledger.subject_of(elsewhere), **evidence)
    merge.refunds.remove(elsewhere)
    tx.delete(elsewhere)
    tx.flush()
    tx.expire(merge.session, ["anomalies"])
    return [one for one in of_it if one.kind != refund_rules.MAY_BE_OURS]
