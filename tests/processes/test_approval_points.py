"""The real commands die while limits are set and a second person decides; everything is done exactly once."""

from pathlib import Path
from random import Random

from sqlalchemy import select

from dashboard import people
from dashboard.models import JournalEntry, Refund
from tests.journeys.commands import PASSWORD
from tests.processes.calm import judge, settle
from tests.processes.dying import life_of
from tests.processes.installation import Installation, running_bank
from tests.processes.operators import SHORTEST_PAUSE_S, Operator, Told
from tests.processes.points import APPROVAL_POINTS

ASKER, APPROVER, ADMIN = "asker@points.test", "approver@points.test", "admin@points.test"
ROLES = {ASKER: "operator", APPROVER: "approver", ADMIN: "admin"}
DONE, DECIDED_ALREADY = 303, 409


class Team:
    """One who asks, one who approves, one who sets the limits; they press again until there is an answer."""

    def __init__(self, installation: Installation) -> None:
        self.installation = installation
        self.told = Told()
        for email, role in ROLES.items():
            people.add(installation.books, email, role, PASSWORD, actor="tests")
        self.asker, self.approver, self.admin = (
            Operator(email, installation.urls, self.told, Random(number), SHORTEST_PAUSE_S)
            for number, email in enumerate(ROLES)
        )

    def set_limit(self) -> None:
        """Up to 5.00 alone."""
        assert self.admin.send("/limits/new", {"currency": "rub", "at_once_up_to": "5.00"}) == DONE

    def ask(self) -> str:
        """A refund of 10.00 in a session of its own; its reference."""
        session_id = self.installation.bank.call("sessions", amount=100_00, customer="points")["id"]
        return self.asker.refund(str(session_id), 10_00)

    def decide(self, verb: str, reference: str, who: Operator) -> int:
        return who.send(f"/refunds/{reference}/{verb}", {"comment": "looked at it"})

    def state(self, reference: str) -> str:
        with self.installation.books.read() as session:
            return session.scalars(select(Refund.state).where(Refund.reference == reference)).one()

    def record(self, subject: str) -> list[tuple[str, str]]:
        """Who did what, by the journal."""
        query = select(JournalEntry).where(JournalEntry.subject == subject).order_by(JournalEntry.seq)
        with self.installation.books.read() as session:
            return [(entry.actor, entry.action) for entry in session.scalars(query)]


def test_wherever_it_is_killed_an_approval_is_given_once(database: str, tmp_path: Path) -> None:
    with running_bank(tmp_path, database, DASHBOARD_UNDO_SECONDS="0") as installation:
        team = Team(installation)
        with life_of(installation, "web", APPROVAL_POINTS) as web:
            team.set_limit()
            approved, rejected = team.ask(), team.ask()
            assert {team.state(approved), team.state(rejected)} == {"awaiting_approval"}
            assert team.decide("approve", approved, team.approver) == DONE
            assert team.decide("reject", rejected, team.approver) == DONE
            assert team.decide("approve", rejected, team.admin) == DECIDED_ALREADY
            assert team.admin.send("/limits/rub/remove", {}) == DONE
            at_once = team.ask()
            assert team.state(at_once) == "queued"
            assert [str(point) for point in APPROVAL_POINTS if not web.has_come_to(point)] == []

        with life_of(installation, "web"), life_of(installation, "worker"):
            assert settle(installation) == []
        assert judge(installation, team.told) == []
        states = [team.state(reference) for reference in (approved, rejected, at_once)]
        assert states == ["accepted", "rejected", "accepted"]
        assert team.record(f"refund:{approved}")[:3] == [
            (ASKER, "refund:requested"),
            (APPROVER, "refund:queued"),
            ("worker", "refund:sending"),
        ]
        assert team.record(f"refund:{rejected}") == [(ASKER, "refund:requested"), (APPROVER, "refund:rejected")]
        assert team.record("limit:rub") == [(ADMIN, "limit:set"), (ADMIN, "limit:removed")]
