"""The real commands die while a database is put back and while two people decide; everything is done exactly once."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from sqlalchemy import select

from dashboard import pauses, review_queue
from dashboard.models import JournalEntry, PaymentSession, Refund
from tests.bench.refund_desk import check_session
from tests.journeys.waiting import eventually
from tests.processes.dying import BEFORE, MET_WITHIN_S, Life, life_of
from tests.processes.installation import Installation, running_bank
from tests.processes.operators import SHORTEST_PAUSE_S, Operator, Told, add_operator
from tests.processes.points import RESTORE_POINTS, REVIEW_POINTS

FIRST, SECOND, BY_HAND = "first@points.test", "second@points.test", "command line"
DONE, DECIDED_ALREADY = 303, 409


@dataclass(frozen=True)
class Case:
    """A refund that was queued when the database was put back, and the two people who decide on it."""

    installation: Installation
    first: Operator
    second: Operator
    session_id: str
    reference: str

    def refund(self) -> Refund:
        with self.installation.books.read() as session:
            return session.scalars(select(Refund).where(Refund.reference == self.reference)).one()

    def rows(self) -> list[tuple[str, str, str, int]]:
        """All that goes back in the session, and that its sum is what is committed."""
        query = select(Refund).where(Refund.session_id == self.session_id).order_by(Refund.id)
        with self.installation.books.read() as session:
            refunds = list(session.scalars(query))
            check_session(session.get_one(PaymentSession, self.session_id), refunds)
        return [(refund.origin, refund.state, refund.review, refund.amount_minor) for refund in refunds]

    def told(self, subject: str) -> list[tuple[str, str]]:
        """Who did what, by the journal."""
        query = select(JournalEntry).where(JournalEntry.subject == subject).order_by(JournalEntry.seq)
        with self.installation.books.read() as session:
            return [(entry.actor, entry.action) for entry in session.scalars(query)]

    def odd_facts(self) -> Sequence[review_queue.OddFact]:
        with self.installation.books.read() as session:
            return review_queue.odd_facts_of_session(session, self.session_id)

    def propose(self, bank_id: str) -> None:
        fields = {"choice": f"that_one:{bank_id}", "comment": "the bank's support says so"}
        assert self.first.send(f"/refunds/{self.reference}/review", fields) == DONE

    def decide(self, who: Operator, verb: str) -> int:
        with self.installation.books.read() as session:
            proposal = review_queue.open_proposal(session, self.refund().id)
        assert proposal is not None
        return who.send(f"/resolutions/{proposal.id}/{verb}", {"comment": "asked them too"})


def case_of(installation: Installation) -> Case:
    """The bank has made the refund already, and a chargeback: together more than was paid as long as nobody knows."""
    people = []
    for number, email in enumerate((FIRST, SECOND)):
        add_operator(installation.books, email)
        people.append(Operator(email, installation.urls, Told(), Random(number), SHORTEST_PAUSE_S))
    session_id = installation.bank.paid_session("points", 100_00)
    reference = people[0].refund(session_id, 10_00)
    installation.bank.call(f"sessions/{session_id}/refund", amount=10_00)
    installation.bank.charge_back(session_id, 85_00)
    return Case(installation, people[0], people[1], session_id, reference)


def die_while_restoring(case: Case) -> None:
    """Nothing is done before the commit, everything after it; saying it again does no harm."""
    for point in RESTORE_POINTS:
        with life_of(case.installation, "db", [point]) as life:
            life.process.join(MET_WITHIN_S)
            assert life.has_come_to(point), f"it never came {point}"
            assert life.was_killed, f"it survived {point}"
        is_done = point.when != BEFORE
        with case.installation.books.read() as session:
            assert pauses.is_paused(session) == is_done
        assert case.refund().review == ("restored" if is_done else "")
    assert runs_well(case.installation, "db", "restored"), "once more"


def runs_well(installation: Installation, command: str, argument: str) -> bool:
    with Life.begun(installation.settings, installation.folder, command, [argument]) as life:
        life.process.join(MET_WITHIN_S)
        return life.process.exitcode == 0


def die_while_deciding(case: Case, web: Life) -> None:
    """Each verb dies at all of its points, and people press again until there is an answer."""
    eventually(case.odd_facts, MET_WITHIN_S, "the worker has read the session")
    (fact,) = case.odd_facts()
    assert case.first.send(f"/anomalies/{fact.name}", {"comment": "the shop knows"}) == DONE
    bank_id = case.installation.bank.refunds_of(case.session_id)[0]["id"]
    for verb, who in (("withdraw", case.first), ("reject", case.second)):
        case.propose(bank_id)
        assert case.decide(who, verb) == DECIDED_ALREADY, "it was done before the death that hid it"
        assert case.refund().review == "restored"
    case.propose(bank_id)
    assert case.decide(case.second, "confirm") == DONE
    assert [str(point) for point in REVIEW_POINTS if not web.has_come_to(point)] == []


def test_wherever_it_is_killed_what_people_decide_is_done_once(database: str, tmp_path: Path) -> None:
    with running_bank(tmp_path, database, DASHBOARD_UNDO_SECONDS="0") as installation:
        with life_of(installation, "web", REVIEW_POINTS) as web:
            case = case_of(installation)
            die_while_restoring(case)
            with life_of(installation, "worker"):
                die_while_deciding(case, web)

        assert case.told(f"refund:{case.reference}") == [
            (FIRST, "refund:requested"),
            ("worker", "refund:review"),
            (FIRST, "resolution:proposed"),
            (FIRST, "resolution:withdrawn"),
            (FIRST, "resolution:proposed"),
            (SECOND, "resolution:rejected"),
            (FIRST, "resolution:proposed"),
            (SECOND, "resolution:confirmed"),
            (SECOND, "refund:adopted"),
            (SECOND, "refund:review_over"),
            ("bank", "refund:accepted"),
        ]
        assert case.told(f"session:{case.session_id}").count((FIRST, "anomaly:acknowledged")) == 1
        assert case.told("installation") == [(BY_HAND, "sending:paused"), (BY_HAND, "installation:restored")] * 2
        assert case.rows() == [("here", "accepted", "", 10_00), ("chargeback", "accepted", "", 85_00)]
        assert installation.bank.amounts_of(case.session_id) == [(10_00, "accepted"), (85_00, "accepted")]
        assert runs_well(installation, "journal", "verify")
