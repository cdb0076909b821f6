"""Six processes refund the same sessions at once, on both databases."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from dashboard import limits, people, reads, refund_rules, refunds, wiring
from dashboard.config import read_config
from dashboard.desk import Desk
from dashboard.limit_rules import Limit
from dashboard.models import PaymentSession
from tests.bench.databases import on_both
from tests.journeys.waiting import eventually
from tests.processes.calm import judge, left_over
from tests.processes.installation import Installation, running_bank
from tests.processes.judgement import at_bank, tables_of
from tests.processes.operators import Told, add_operator
from tests.processes.racing import OPERATOR, RACERS, Ask, Racers, Undo, Work, racing

pytestmark = on_both

ROUNDS = 4
SETTLES_WITHIN_S = 60.0
CAPTURED_MINOR = 100_00
A_PART_MINOR = 40_00
A_SMALL_PART_MINOR = 20_00


class Track:
    """An installation without processes of its own but the bank's, and the racers on it."""

    def __init__(self, installation: Installation, racers: Racers) -> None:
        self.installation = installation
        self.racers = racers
        self.told = Told()
        config = read_config(installation.settings)
        self.desk: Desk = wiring.create_desk(config, installation.books.engine, wiring.bank_client(config))
        add_operator(installation.books, OPERATOR)
        with self.desk.read() as session:
            self.person = people.find(session, OPERATOR)

    def paid_session(self) -> str:
        return str(self.installation.bank.call("sessions", amount=CAPTURED_MINOR, customer="races")["id"])

    def forms(self, session_id: str, number: int) -> list[str]:
        """So many forms, all opened now."""
        reads.read_session(self.desk, session_id)
        with self.desk.read() as session:
            offer = refunds.offer_of(session, session.get_one(PaymentSession, session_id))
        return [refunds.new_form_token(self.desk, self.person.id, session_id, offer) for _ in range(number)]

    def queued_refund(self, session_id: str) -> str:
        (token,) = self.forms(session_id, 1)
        order = refunds.RefundOrder("partial", A_PART_MINOR, "other", "")
        reference = refunds.request(self.desk, self.person, session_id, token, order)
        self.told.made[reference] = A_PART_MINOR
        return reference

    def rows(self, session_id: str) -> dict[str, str]:
        """States by reference."""
        tables = tables_of(self.installation.books)
        return {refund.reference: refund.state for refund in tables.refunds if refund.session_id == session_id}

    def race(self, *turns: Ask | Undo | Work) -> list[str]:
        """What came of it; nothing unexpected may have happened to anybody."""
        said = self.racers.race(*turns)
        assert not [line for line in said if line.startswith("DEFECT")], said
        for turn, line in zip(turns, said, strict=True):
            if isinstance(turn, Ask) and not line.startswith("refused"):
                self.told.made[line] = turn.amount_minor
            if isinstance(turn, Undo) and line == "undone":
                self.told.undone.add(turn.reference)
        return said

    def finish(self) -> None:
        """Let all that was made be sent and decided, then compare the bank with the tables."""

        def is_settled() -> bool:
            self.race(*[Work()] * RACERS)
            return not left_over(self.installation)

        eventually(is_settled, SETTLES_WITHIN_S, "everything has settled")
        assert judge(self.installation, self.told) == []


@pytest.fixture
def track(database: str, tmp_path: Path) -> Iterator[Track]:
    with running_bank(tmp_path, database, DASHBOARD_UNDO_SECONDS="0", BANK131_TIMEOUT_SECONDS="20") as installation:
        installation.bank.call("settings", decide_after_ms=0)
        with racing(installation.settings) as racers:
            track = Track(installation, racers)
            yield track
            track.finish()


def race_with_forms_of_their_own(track: Track) -> None:
    """All were opened when there was no refund yet: one goes through, and the others are told what has changed."""
    session_id = track.paid_session()
    said = track.race(*(Ask(session_id, token, A_PART_MINOR) for token in track.forms(session_id, RACERS)))
    assert sorted(said)[1:] == ["refused outdated"] * (RACERS - 1)
    assert len(track.rows(session_id)) == 1


def race_with_one_form(track: Track) -> None:
    """One refund, and everybody lands on it."""
    session_id = track.paid_session()
    (token,) = track.forms(session_id, 1)
    said = track.race(*[Ask(session_id, token, None)] * RACERS)
    assert said == [said[0]] * RACERS
    assert [*track.rows(session_id)] == [said[0]]


def race_to_undo_and_to_send(track: Track) -> None:
    """What was said to be undone is not sent, and the rest is not over what was captured."""
    session_id = track.paid_session()
    both = [track.queued_refund(session_id), track.queued_refund(session_id)]
    more = [Ask(session_id, token, A_SMALL_PART_MINOR, in_step=False) for token in track.forms(session_id, 2)]
    said = track.race(*map(Undo, both), *more, Work(), Work())
    rows = track.rows(session_id)
    were_undone = [line == "undone" for line in said[:2]]
    assert [rows[reference] == refund_rules.CANCELLED for reference in both] == were_undone
    assert len(rows) <= len(both) + 1


def race_to_send(track: Track) -> None:
    """Six workers, three sessions with two refunds each."""
    sessions = [track.paid_session() for _ in range(3)]
    references = [track.queued_refund(session_id) for session_id in [*sessions, *sessions]]
    track.race(*[Work()] * RACERS)
    made = at_bank(track.installation.bank.get("ledger")["sessions"])
    assert all(sum(refund.reference == reference for refund in made) <= 1 for reference in references)


def test_nothing_is_doubled_and_nothing_overdrawn(track: Track) -> None:
    for _ in range(ROUNDS):
        race_with_forms_of_their_own(track)
        race_with_one_form(track)
        race_to_undo_and_to_send(track)
        race_to_send(track)


def test_two_at_once_do_not_both_fit_into_the_day(track: Track) -> None:
    """Refunds of different sessions meet only in the person who asks for them."""
    limits.put(track.desk, "rub", Limit(alone_a_day_minor=A_PART_MINOR), actor="admin@races.test")
    sessions = [track.paid_session() for _ in range(RACERS)]
    asked = [Ask(each, track.forms(each, 1)[0], A_PART_MINOR) for each in sessions]
    said = track.race(*asked)
    states = {reference: track.rows(each)[reference] for each, reference in zip(sessions, said, strict=True)}
    waiting = [reference for reference, state in states.items() if state == refund_rules.AWAITING_APPROVAL]
    assert (len(waiting), len(states)) == (RACERS - 1, RACERS)
    for reference in waiting:
        refunds.cancel(track.desk, track.person, reference)
    track.told.undone.update(waiting)
