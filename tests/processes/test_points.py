"""The real commands die at each named point of a refund's life, are started again, and the books are right."""

import ast
import itertools
import random
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import dashboard
from dashboard import people, reads, refunds, webhook_inbox, wiring
from dashboard.config import read_config
from dashboard.models import PaymentSession
from tests.journeys.waiting import eventually
from tests.processes.calm import judge, settle
from tests.processes.dying import MET_WITHIN_S, STATUS, Point, life_of
from tests.processes.installation import Installation, running_bank
from tests.processes.operators import Operator, Told, add_operator
from tests.processes.points import APPROVAL_POINTS, NO_MONEY_IN, POINTS, RESTORE_POINTS, REVIEW_POINTS, WITHOUT_A_POINT

A_PART_MINOR = 10_00
OPERATOR = "operator@points.test"


class Errands:
    """What makes each point be met: in a worker by things that are left for it to do, in a web server by people."""

    def __init__(self, installation: Installation) -> None:
        self.installation = installation
        self.told = Told()
        patient = {**installation.settings, "BANK131_TIMEOUT_SECONDS": "20"}
        config = read_config(patient)
        self._desk = wiring.create_desk(config, installation.books.engine, wiring.bank_client(config))
        add_operator(installation.books, OPERATOR)
        self._operator = Operator(OPERATOR, installation.urls, self.told, random.Random(131))

    def leave_to_worker(self, point: Point) -> None:
        session_id = self._paid_session()
        if point.place == "webhook_inbox.apply":
            webhooks = self.installation.bank.get("webhooks")["webhooks"]
            (body,) = [each["body"] for each in webhooks if each["session_id"] == session_id]
            webhook_inbox.store(self._desk, body.encode())
            return
        self._ask_for_a_part(session_id)
        if point.place in {"sending._send_later", "reads.note_failed_read"}:
            self.installation.bank.fail_next("http_500", session_id, STATUS)

    def ask_web(self, point: Point) -> None:
        session_id = self._paid_session()
        if not point.place.startswith("webhook_inbox"):
            reference = self._operator.refund(session_id, A_PART_MINOR)
            if point.place == "refunds.cancel":
                self._operator.undo(reference)

    def _paid_session(self) -> str:
        return str(self.installation.bank.call("sessions", amount=100_00, customer="points")["id"])

    def _ask_for_a_part(self, session_id: str) -> None:
        desk = self._desk
        reads.read_session(desk, session_id)
        with desk.read() as session:
            person = people.find(session, OPERATOR)
            offer = refunds.offer_of(session, session.get_one(PaymentSession, session_id))
        assert person is not None
        token = refunds.new_form_token(desk, person.id, session_id, offer)
        order = refunds.RefundOrder("partial", A_PART_MINOR, "other", "")
        self.told.made[refunds.request(desk, person, session_id, token, order)] = A_PART_MINOR


def die_in_worker(errands: Errands, point: Point) -> None:
    """It has died before the next one starts."""
    errands.leave_to_worker(point)
    with life_of(errands.installation, "worker", [point]) as life:
        life.process.join(MET_WITHIN_S)
        assert life.has_come_to(point), f"it never came {point}"
        assert life.was_killed, f"it survived {point}"


def die_in_web(errands: Errands, points: Sequence[Point]) -> None:
    """Its own process dies at one after the other, the server starts another one, and people ask again."""
    with life_of(errands.installation, "web", points) as life:
        for point in points:
            errands.ask_web(point)
            eventually(partial(life.has_come_to, point), MET_WITHIN_S, f"it comes {point}")


def test_wherever_it_is_killed_nothing_is_lost_and_nothing_doubled(database: str, tmp_path: Path) -> None:
    with running_bank(tmp_path, database, DASHBOARD_UNDO_SECONDS="0") as installation:
        errands = Errands(installation)
        for command, points in itertools.groupby(POINTS, lambda point: point.command):
            if command == "web":
                die_in_web(errands, list(points))
            else:
                for point in points:
                    die_in_worker(errands, point)

        with life_of(installation, "web"), life_of(installation, "worker"):
            assert settle(installation) == []
        assert judge(installation, errands.told) == []
        assert len(errands.told.made) > len(POINTS) / 2


def write_transactions() -> Iterator[str]:
    """Every function of ours that writes, as `module.function`."""
    package = Path(dashboard.__file__).parent
    for file in {*package.glob("*.py"), *package.glob("web/*.py")}:
        for function in [node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.FunctionDef)]:
            withs = [node for node in ast.walk(function) if isinstance(node, ast.With)]
            if any(".write(" in ast.unparse(item) for each in withs for item in each.items):
                yield f"{file.stem}.{function.name}"


def test_every_write_transaction_has_its_points() -> None:
    with_money = {place for place in write_transactions() if place.partition(".")[0] not in NO_MONEY_IN}
    named = {point.place for point in (*POINTS, *REVIEW_POINTS, *APPROVAL_POINTS, *RESTORE_POINTS)}
    assert with_money - named == set(WITHOUT_A_POINT)
