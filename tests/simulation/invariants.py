"""What has to be true at every moment, and what has to be true once everything has settled.

The tables are read with plain SQL, and sums are added up anew here: nothing of the desk's own arithmetic is trusted.
"""

import json
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, Protocol

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from dashboard import journal, refund_rules, replay
from dashboard.resolutions import Look
from dashboard.sandbox.bank import SandboxBank
from dashboard.sandbox.ledger import Payment as BankPayment
from dashboard.sandbox.ledger import Refund as BankRefund
from tests.simulation.second_person import LIMITS, SecondPerson, WordRow

A_MILLISECOND = timedelta(milliseconds=1)


class Violation(AssertionError):
    """Something that must never be true is."""


class RefundCall(Protocol):
    @property
    def headers(self) -> Mapping[str, str]: ...

    @property
    def body(self) -> bytes: ...


class RefundRow(NamedTuple):
    id: int
    reference: str
    session_id: str
    origin: str
    state: str
    review: str
    counts: bool
    contradicted: bool
    amount_minor: int
    currency: str
    bank_id: str | None
    bank_amount_minor: int | None
    bank_currency: str | None
    body: bytes | None

    @property
    def held_minor(self) -> int:
        if self.bank_currency != self.currency or self.bank_amount_minor is None:
            return self.amount_minor
        return max(self.amount_minor, self.bank_amount_minor)


class SessionRow(NamedTuple):
    id: str
    captured_minor: int
    committed_minor: int
    confirmed_at: str | None


class Entry(NamedTuple):
    """A journal entry, as `replay` takes it."""

    seq: int
    actor: str
    action: str
    subject: str
    data: str
    at: str


_DUE = """
    SELECT min(moment) FROM (
        SELECT next_try_at AS moment FROM webhook_deliveries WHERE next_try_at IS NOT NULL
        UNION ALL SELECT next_send_at FROM refunds WHERE next_send_at IS NOT NULL AND review = ''
            AND (SELECT sending_paused_at FROM installation) IS NULL
        UNION ALL SELECT next_read_at FROM payment_sessions WHERE next_read_at IS NOT NULL
    ) WHERE moment > ?
"""
_WORDS = """
    SELECT reference, refunds.state, decision, decided_by_id <> refunds.asked_by_id,
        approvals.asked_by_id = refunds.asked_by_id AND approvals.session_id = refunds.session_id
            AND approvals.amount_minor = refunds.amount_minor AND approvals.currency = refunds.currency,
        EXISTS (
            SELECT 1 FROM attempts WHERE attempts.refund_id = refunds.id
            AND (decision IS NOT 'approved' OR started_at < decided_at)
        )
    FROM approvals JOIN refunds ON refunds.id = approvals.refund_id
"""
_LEASE_ENDS = """
    SELECT min(lease_ends) FROM (
        SELECT max(lease_until) AS lease_ends FROM attempts JOIN refunds ON refunds.id = refund_id
        WHERE state = 'sending' GROUP BY refund_id
    )
"""


class Books:
    """The tables, read beside the desk and not through it."""

    def __init__(self, engine: Engine) -> None:
        self._connection = sqlite3.connect(engine.url.database or "", isolation_level=None)
        self._due: tuple[object, datetime | None] = (None, None)

    def close(self) -> None:
        self._connection.close()

    def back_up(self) -> sqlite3.Connection:
        """A copy of everything as it is now."""
        copy = sqlite3.connect(":memory:")
        self._connection.backup(copy)
        return copy

    def put_back(self, copy: sqlite3.Connection) -> None:
        copy.backup(self._connection)
        self._due = (None, None)

    def refunds(self) -> list[RefundRow]:
        columns = ", ".join(RefundRow._fields)
        return [RefundRow(*row) for row in self._connection.execute(f"SELECT {columns} FROM refunds ORDER BY id")]  # noqa: S608

    def sessions(self) -> list[SessionRow]:
        columns = ", ".join(SessionRow._fields)
        return [SessionRow(*row) for row in self._connection.execute(f"SELECT {columns} FROM payment_sessions")]  # noqa: S608

    def entries_after(self, seq: int) -> list[Entry]:
        columns = ", ".join(Entry._fields)
        query = f"SELECT {columns} FROM journal WHERE seq > ? ORDER BY seq"  # noqa: S608
        return [Entry(*row) for row in self._connection.execute(query, (seq,))]

    def attempts(self) -> dict[tuple[str, int], str | None]:
        query = "SELECT reference, number, outcome FROM attempts JOIN refunds ON refunds.id = refund_id"
        return {(reference, number): outcome for reference, number, outcome in self._connection.execute(query)}

    def anomalies(self) -> set[tuple[str, str]]:
        """Pairs of what it is about, a reference or a session, and its kind."""
        query = """
            SELECT coalesce(reference, anomalies.session_id), kind
            FROM anomalies LEFT JOIN refunds ON refunds.id = refund_id
        """
        return set(self._connection.execute(query))

    def words(self) -> list[WordRow]:
        """Every refund that needs a second person's word, and that word."""
        return [
            WordRow(reference, state, decision, *map(bool, facts))
            for reference, state, decision, *facts in self._connection.execute(_WORDS)
        ]

    def waiting(self) -> list[tuple[str, str]]:
        """References of refunds that wait for approval, and the ids of those who asked for them."""
        query = "SELECT reference, asked_by_id FROM refunds WHERE state = 'awaiting_approval' ORDER BY id"
        return self._connection.execute(query).fetchall()

    def limits(self) -> dict[str, dict[str, int | None]]:
        """By currency."""
        names = (*LIMITS, "proof_above_minor")
        rows = self._connection.execute(f"SELECT currency, {', '.join(names)} FROM refund_limits")  # noqa: S608
        return {currency: dict(zip(names, amounts, strict=True)) for currency, *amounts in rows}

    def decided_alone(self) -> list[tuple[int]]:
        query = "SELECT id FROM resolutions WHERE state = 'confirmed' AND decided_by_id = proposed_by_id"
        return self._connection.execute(query).fetchall()

    def started_in_a_pause(self) -> list[tuple[int]]:
        """Attempts that were committed to while nothing was to be sent."""
        query = """
            SELECT attempts.id FROM attempts, installation
            WHERE sending_paused_at IS NOT NULL AND started_at > sending_paused_at
        """
        return self._connection.execute(query).fetchall()

    def open_proposals(self) -> dict[str, tuple[str, str]]:
        """By the refund's reference: the proposal's id, and the id of the person who made it."""
        query = """
            SELECT reference, resolutions.id, proposed_by_id
            FROM resolutions JOIN refunds ON refunds.id = refund_id WHERE resolutions.state = 'proposed'
        """
        return {reference: (number, by_id) for reference, number, by_id in self._connection.execute(query)}

    def open_anomalies(self) -> list[int]:
        """Those that nobody has acknowledged."""
        query = "SELECT id FROM anomalies WHERE acknowledged_at IS NULL"
        return [number for (number,) in self._connection.execute(query)]

    def next_due(self, now: datetime, after: datetime) -> datetime | None:
        """When a worker has something to do next, of all that has fallen due after a moment."""
        (version,) = self._connection.execute("PRAGMA data_version").fetchone()
        if self._due[0] != (version, after):
            self._due = (version, after), self._first_due(after)
        first = self._due[1]
        return first and max(now, first)

    def _first_due(self, after: datetime) -> datetime | None:
        (due,) = self._connection.execute(_DUE, (f"{after:%Y-%m-%d %H:%M:%S.%f}",)).fetchone()
        (lease_ends,) = self._connection.execute(_LEASE_ENDS).fetchone()
        moments = [_moment(due)] if due else []
        if lease_ends:
            moments.append(_moment(lease_ends) + A_MILLISECOND)
        return min((moment for moment in moments if moment > after), default=None)


@dataclass(frozen=True)
class AtBank:
    """One refund as the bank holds it, with the reference of ours that it bears."""

    session_id: str
    payment: BankPayment
    refund: BankRefund

    @property
    def reference(self) -> str | None:
        metadata = self.refund.metadata
        return metadata.get("reference") if isinstance(metadata, dict) else None


class Invariants:
    """`outside_minor`: by session, what moved there that nobody asked for here. `promised`: references that people
    were told. `to_arrive`: the calls that the bank has not got yet. `hidden`: refunds that it does not show. `echoes`:
    it gives references back.

    `misjudged`: references about which people have proposed what is not true. `duplicates`: references that the bank
    holds more than once, which only a run `beyond` may see.
    """

    def __init__(self, bank: SandboxBank, engine: Engine, key: str, *, beyond: bool) -> None:
        self.books = Books(engine)
        self.replay = replay.Replay()
        self.second_person = SecondPerson()
        self.outside_minor: Counter[str] = Counter()
        self.promised: set[str] = set()
        self.duplicates: set[str] = set()
        self.misjudged: set[str] = set()
        self.is_due = True
        self.to_arrive: Callable[[], Iterable[RefundCall]] = tuple
        self.hidden: set[str] = set()
        self.echoes = True
        self._proved_absent: list[str] = []
        self._before_restore: set[str] = set()
        self._judged_until = 0
        self._bank, self._engine, self._key, self._beyond = bank, engine, key, beyond
        self._seq = 0
        self._tries: dict[str, list[bytes]] = defaultdict(list)
        self._decided: dict[str, set[str]] = defaultdict(set)

    def forget(self) -> None:
        """The database was put back from a backup: the journal is read from its beginning again."""
        self._before_restore |= self.promised | self._tries.keys()
        self.replay, self._seq, self.is_due = replay.Replay(), 0, True
        self._judged_until = self.books.entries_after(0)[-1].seq
        self._proved_absent.clear()
        self.second_person.forget()
        self.promised &= {row.reference for row in self.books.refunds()}

    # At the wire

    def check_call(self, call: RefundCall) -> None:
        """A refund call sets out: it was committed to before, and its bytes are those of every other try."""
        reference = _reference_in(call) or ""
        row = next((row for row in self.books.refunds() if row.reference == reference), None)
        _must_not(self.second_person.check_call(reference, self.books.words()))
        _must(reference not in self._before_restore, f"{reference} is sent after a restore")
        rows = {row.reference for row in self.books.refunds()}
        on_their_way = {_reference_in(other) for other in self.to_arrive() if _session_in(other) == _session_in(call)}
        unheard = on_their_way - rows - {None}
        _must(self._beyond or not unheard, f"{reference} is sent while {unheard} may still arrive, which are forgotten")
        tries = self._tries[reference]
        tries.append(call.body)
        _must(call.headers["X-PARTNER-IDEMPOTENCY-KEY"] == reference, "the key is not the reference")
        _must(row is not None and row.body == call.body, "what is sent is not what was asked for")
        _must(len(set(tries)) == 1, "two tries of one refund differ")
        outcomes = [outcome for (of, _), outcome in sorted(self.books.attempts().items()) if of == reference]
        is_committed = len(outcomes) >= len(tries) and outcomes[-1] is None
        _must(is_committed, f"try {len(tries)} of {reference} was not committed to before")
        _must(not self.books.started_in_a_pause(), f"{reference} is sent though sending was paused before")
        connected = [outcome for outcome in outcomes if outcome != refund_rules.NEVER_CONNECTED]
        _must(len(connected) <= 2, f"{reference} is sent a third time")

    # At every moment

    def check(self) -> None:
        self.is_due = False
        refunds, at_bank = self.books.refunds(), list(self.at_bank())
        self._check_journal(refunds)
        self._check_absences(at_bank)
        anomalies = self.books.anomalies()
        for session in self.books.sessions():
            self._check_money(session, [row for row in refunds if row.session_id == session.id], anomalies)
        self._check_truth(refunds, at_bank, anomalies)
        _must_not(self.second_person.check_tables(self.books.words(), self.books.limits()))
        self._check_days(at_bank)
        lost = self.promised - {row.reference for row in refunds}
        _must(not lost, f"people were told of {lost}, which are gone")

    def see_bank(self) -> None:
        """Look at the bank after every step, and note what it has ever said of each refund."""
        for _, _, refund in self._bank.ledger.refunds():
            self._decided[refund.id].add(refund.status)
        self._check_bank(list(self.at_bank()))

    def at_bank(self) -> Iterator[AtBank]:
        """Every refund as the bank holds it."""
        for session, payment, refund in self._bank.ledger.refunds():
            yield AtBank(session.id, payment, refund)

    def truth_of(self, reference: str, look: Look) -> tuple[str, str | None] | None:
        """What people decide who know from the bank what it has; None where ours is there and turns up by itself."""
        if refund_rules.STANDS in look.choices:
            return refund_rules.STANDS, None
        made = {each.refund.id for each in self.at_bank() if each.reference == reference}
        bank_id = next((one.bank_id for one in look.candidates if one.bank_id in made), None)
        if bank_id is not None:
            return refund_rules.THAT_ONE, bank_id
        return None if made else (refund_rules.NEVER_MADE, None)

    def _check_journal(self, refunds: list[RefundRow]) -> None:
        """It replays to exactly the tables, ranks only rise in it, and every change rests on something."""
        for entry in self.books.entries_after(self._seq):
            _must(entry.seq == self._seq + 1, f"entry {self._seq + 1} is missing")
            self._seq = entry.seq
            self.replay.take(entry)  # type: ignore[arg-type]
            _check_entry(entry)
            self._note_absence(entry)
            facts = (entry.action, entry.subject, journal.read_timestamp(entry.at), entry.actor, entry.data)
            _must_not(self.second_person.take(*facts, self.replay))
        rows = {row.reference: row for row in refunds}
        _must(rows.keys() == self.replay.refunds.keys(), "the journal tells of other refunds than the tables")
        for reference, told in self.replay.refunds.items():
            row = rows[reference]
            facts = (row.state, row.review, bool(row.counts), bool(row.contradicted), row.amount_minor, row.bank_id)
            said = (told.state, told.review, told.counts, told.contradicted, told.amount_minor, told.bank_id)
            _must(facts == said, f"{reference} is {facts}, the journal says {said}")
            _must(
                (row.bank_amount_minor, row.bank_currency) == (told.bank_amount_minor, told.bank_currency),
                f"{reference}: the bank's amount is not what the journal says",
            )
        _must(self.books.attempts() == self.replay.attempts, "the attempts are not what the journal says")

    def _note_absence(self, entry: Entry) -> None:
        if entry.seq > self._judged_until and entry.action == "refund:absent" and json.loads(entry.data)["number"] == 2:
            self._proved_absent.append(entry.subject.removeprefix("refund:"))

    def _check_absences(self, at_bank: list[AtBank]) -> None:
        """What was just proved not to be there is not there, and is not on its way either."""
        there = {each.reference for each in at_bank} | {_reference_in(call) for call in self.to_arrive()}
        untrue = there & set(self._proved_absent)
        _must(self._beyond or not untrue, f"{untrue} are said to be absent, and are not")
        self._proved_absent.clear()

    def _check_bank(self, at_bank: list[AtBank]) -> None:
        """No reference twice, and no payment gives back more than it brought."""
        counted = Counter(each.reference for each in at_bank if each.reference)
        twice = {reference for reference, count in counted.items() if count > 1}
        _must(self._beyond or not twice, f"{twice} exist twice at the bank")
        self.duplicates |= twice
        _must_not(self.second_person.check_bank((each.reference, each.refund) for each in at_bank))
        live: Counter[tuple[str, str]] = Counter()
        for each in at_bank:
            if each.refund.status != "declined":
                live[each.session_id, each.payment.id] += each.refund.amount_minor
        for each in at_bank:
            most_minor = each.payment.amount_minor + self.outside_minor[each.session_id]
            is_over = live[each.session_id, each.payment.id] > most_minor
            _must(not is_over, f"{each.payment.id} gives back more than it brought")

    def _check_money(self, session: SessionRow, refunds: list[RefundRow], anomalies: set[tuple[str, str]]) -> None:
        held_minor = sum(row.held_minor for row in refunds if row.counts)
        _must(session.committed_minor == held_minor, f"{session.id} says {session.committed_minor}, not {held_minor}")
        if session.committed_minor > session.captured_minor:
            unsure = (row for row in refunds if row.counts and self._may_be_wrong(row))
            sure_minor = held_minor - sum(row.held_minor for row in unsure)
            most_minor = session.captured_minor + self.outside_minor[session.id]
            is_explained = self._beyond or sure_minor <= most_minor
            _must(is_explained, f"{session.id}: {session.committed_minor} of {session.captured_minor} are committed")
            _must((session.id, "over_captured") in anomalies, f"{session.id} is over, and nobody is told")
        open_sends = [row for row in refunds if row.state in refund_rules.OPEN_SEND]
        _must(len(open_sends) <= 1, f"{session.id}: several refunds are being sent")
        for row in refunds:
            _must(bool(row.counts) == _has_to_count(row), f"{row.reference} {row.state} counts: {row.counts}")

    def _check_days(self, at_bank: list[AtBank]) -> None:
        """Where the desk can know it: not after it forgot, people misjudged, or the bank took its word back."""
        if self.second_person.is_restored or self._beyond:
            return
        live_minor: Counter[str] = Counter()
        for each in at_bank:
            is_sure = not self._decided[each.refund.id] >= refund_rules.FINAL and each.reference not in self.misjudged
            if each.reference and is_sure and each.refund.status != "declined":
                live_minor[each.reference] += each.refund.amount_minor
        _must_not(self.second_person.check_days(live_minor))

    def _may_be_wrong(self, row: RefundRow) -> bool:
        """People have to say, or have said wrongly, which of the bank's refunds it is: its amount may be held twice."""
        may_be_out = row.state == refund_rules.UNKNOWN or row.review == refund_rules.RESTORED
        return (may_be_out and bool(row.review)) or row.reference in self.misjudged

    def _check_truth(self, refunds: list[RefundRow], at_bank: list[AtBank], anomalies: set[tuple[str, str]]) -> None:
        """Nothing is shown as something that it is not."""
        alive = {each.reference for each in at_bank}
        for row in refunds:
            if row.state in refund_rules.FINAL:
                _must(row.state in self._decided[row.bank_id or ""], f"{row.reference} is shown {row.state}, untrue")
            if row.state in refund_rules.ENDS and row.reference not in self.misjudged and not self._beyond:
                _must(row.reference not in alive, f"{row.reference} is {row.state}, and the bank has it")

    # In the end

    def check_settled(self) -> None:
        """Everything is over and decided, and the desk knows all that the bank has."""
        self.check()
        refunds, at_bank = self.books.refunds(), list(self.at_bank())
        anomalies = self.books.anomalies()
        undecidable = {each.session_id for each in at_bank if each.refund.id in self.hidden}
        for row in refunds:
            is_over = row.state in refund_rules.FINAL | refund_rules.ENDS and not row.review
            waits = row.session_id in undecidable and self._is_with_people(row, refunds)
            _must(is_over or waits, f"{row.reference} is stuck: {row.state} {row.review}")
        for each in at_bank:
            is_told = any(row.bank_id == each.refund.id and (row.reference, "missing") in anomalies for row in refunds)
            _must(each.refund.id not in self.hidden or is_told, f"{each.refund.id} is gone, and nobody is told")
        _must(not self.books.decided_alone(), "one person alone has decided")
        self._check_all_known(refunds, at_bank)
        for reference in self.duplicates:
            made = {each.refund.id for each in at_bank if each.reference == reference}
            names = {reference, *(row.reference for row in refunds if row.bank_id in made)}
            if reference not in {row.reference for row in refunds} and not self.echoes:
                continue  # forgotten with a restored database, and the bank does not say that the two are one
            about = {(name, kind) for name in names for kind in ("duplicate", "made_after_end", "may_be_ours")}
            _must(bool(about & anomalies), f"{reference} exists twice at the bank, and nobody is told")
        with Session(self._engine) as session:
            verdict = journal.verify(session, self._key)
            different = list(replay.differences(session, self.replay))
        _must(verdict.problem is None, f"the journal is broken: {verdict.problem}")
        _must(not different, f"the tables are not what the journal tells of: {different}")

    def _is_with_people(self, row: RefundRow, refunds: list[RefundRow]) -> bool:
        """Under review, or behind one of its session that is; or at the bank, whose word of it is hidden."""
        in_review = any(other.review for other in refunds if other.session_id == row.session_id)
        return in_review or row.bank_id in self.hidden

    def _check_all_known(self, refunds: list[RefundRow], at_bank: list[AtBank]) -> None:
        rows = Counter(row.bank_id for row in refunds if row.bank_id)
        _must(rows == Counter(each.refund.id for each in at_bank), "the desk does not have each refund once")
        by_id = {row.bank_id: row for row in refunds if row.bank_id}
        for each in at_bank:
            if each.refund.id in self.hidden:
                continue
            row = by_id[each.refund.id]
            shown, held = (row.bank_amount_minor, row.bank_currency), (each.refund.amount_minor, each.refund.currency)
            is_same = shown == held and (row.amount_minor == held[0] or row.reference in self.misjudged)
            _must(is_same, f"{row.reference} has another amount than {each.refund.id}")
            _must(
                row.state == each.refund.status or bool(row.contradicted),
                f"{row.reference} is shown {row.state}, the bank has it {each.refund.status}",
            )

    @property
    def reviews(self) -> Counter[str]:
        """How many refunds came under review, by the reason."""
        return Counter(
            json.loads(entry.data)["why"] for entry in self.books.entries_after(0) if entry.action == "refund:review"
        )


def _reference_in(call: RefundCall) -> str | None:
    """The reference of ours in a call; None for one that asks for no refund."""
    metadata = json.loads(call.body).get("metadata") or {}
    return metadata.get("reference")


def _session_in(call: RefundCall) -> str:
    return str(json.loads(call.body)["session_id"])


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def _must(is_true: bool, otherwise: str) -> None:
    if not is_true:
        raise Violation(otherwise)


def _must_not(wrong: Iterable[str]) -> None:
    for line in wrong:
        raise Violation(line)


def _has_to_count(row: RefundRow) -> bool:
    free = row.state in {"declined", "refused", "cancelled", "rejected", "abandoned"}
    return bool(row.contradicted) or not free


def _check_entry(entry: Entry) -> None:
    subject, _, state = entry.action.partition(":")
    if subject != "refund" or state not in refund_rules.STATES:
        return
    data: dict[str, Any] = json.loads(entry.data)
    _check_move(data["was"], state)
    rests_on_bank = {"source", "digest", "bank_id"} <= data.keys()
    rests_on_us = "outcome" in data or "attempt" in data or {"source", "digest"} <= data.keys()
    rests_on = {"bank": rests_on_bank, "worker": rests_on_us}.get(entry.actor, "@" in entry.actor)
    _must(rests_on, f"entry {entry.seq}: {entry.actor} made {entry.action} out of {data}")


def _check_move(old: str, new: str) -> None:
    ranks = refund_rules.RANK
    if old in refund_rules.ENDS:
        _must(new in refund_rules.BANK_STATES, f"{old} -> {new}")
    elif new in refund_rules.ENDS:
        _must(ranks[old] <= 1, f"{old} -> {new}")
    else:
        _must(ranks[new] >= ranks[old] and old not in refund_rules.FINAL, f"{old} -> {new}")
