"""The judgement after a storm sees what it is there to see."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

from dashboard.models import Anomaly
from dashboard.sandbox.wire import shown_session
from tests.bench.databases import on_sqlite
from tests.bench.refund_desk import RefundDesk
from tests.processes.judgement import Tables, tables_of, unsettled, violations
from tests.processes.operators import Told

pytestmark = on_sqlite


@dataclass
class Case:
    """A refund of 10.00 out of 100.00 that was asked for, sent and accepted, on both sides."""

    tables: Tables
    sessions: list[dict[str, Any]]
    told: Told

    @property
    def row(self) -> Any:
        return self.tables.refunds[0]

    @property
    def at_bank(self) -> list[dict[str, Any]]:
        refunds: list[dict[str, Any]] = self.sessions[0]["acquiring_payments"][0]["refunds"]
        return refunds

    def violations(self) -> list[str]:
        return violations(self.tables, self.sessions, self.told)


@pytest.fixture
def case(refund_desk: RefundDesk) -> Case:
    session_id = refund_desk.paid_session(100_00)
    reference = refund_desk.ask_and_send(session_id, 10_00)
    refund_desk.run_until(lambda: refund_desk.refund(reference).ended_at, refund_desk.clock.now() + timedelta(hours=1))
    shown = json.loads(json.dumps(shown_session(refund_desk.bank.ledger.sessions[session_id], 1)))
    return Case(tables_of(refund_desk.desk), [shown], Told(made={reference: 10_00}))


def is_made_twice(case: Case) -> None:
    case.at_bank.append({**case.at_bank[0], "id": "rf_2"})


def is_lost_here(case: Case) -> None:
    case.row.bank_id = None


def is_not_at_the_bank(case: Case) -> None:
    case.at_bank.clear()


def has_another_amount_at_the_bank(case: Case) -> None:
    case.at_bank[0]["amount_details"]["amount"] += 1


def has_another_currency_here(case: Case) -> None:
    case.row.currency = "eur"


def has_another_end_here(case: Case) -> None:
    case.row.state = "declined"


def goes_over_what_was_captured(case: Case) -> None:
    case.sessions[0]["acquiring_payments"][0]["amount_details"]["amount"] = 9_99


def is_not_in_the_sum(case: Case) -> None:
    case.tables.sessions[0].committed_minor = 0


def was_never_to_be_sent(case: Case) -> None:
    case.tables = replace(case.tables, attempts=[])


def was_sent_three_times(case: Case) -> None:
    case.tables = replace(case.tables, attempts=[*case.tables.attempts] * 3)


def was_promised_beside_another(case: Case) -> None:
    case.told.made["another"] = 5_00


def was_promised_with_another_amount(case: Case) -> None:
    case.told.made[case.row.reference] = 5_00


def was_said_to_be_undone(case: Case) -> None:
    case.told.undone.add(case.row.reference)


def was_said_to_be_refused(case: Case) -> None:
    case.told.refused.add(case.row.form_token)


def is_a_stranger(case: Case) -> None:
    case.row.review = "stranger"


def is_an_anomaly(case: Case) -> None:
    case.tables = replace(case.tables, anomalies=[Anomaly(session_id="ps_1", kind="duplicate", detail="rf_1")])


WRONG = [
    is_made_twice,
    is_lost_here,
    is_not_at_the_bank,
    has_another_amount_at_the_bank,
    has_another_currency_here,
    has_another_end_here,
    goes_over_what_was_captured,
    is_not_in_the_sum,
    was_never_to_be_sent,
    was_sent_three_times,
    was_promised_beside_another,
    was_promised_with_another_amount,
    was_said_to_be_undone,
    was_said_to_be_refused,
    is_a_stranger,
    is_an_anomaly,
]


def test_nothing_is_wrong_with_what_went_well(case: Case) -> None:
    assert case.violations() == []
    assert unsettled(case.tables, case.sessions) == []


@pytest.mark.parametrize("happens", WRONG, ids=lambda happens: happens.__name__)
def test_what_is_wrong_is_seen(case: Case, happens: Callable[[Case], None]) -> None:
    happens(case)

    assert case.violations()


@pytest.mark.parametrize("state", ["queued", "sending", "unknown", "in_progress", "error"])
def test_what_has_not_ended_is_not_settled_unless_people_have_it(case: Case, state: str) -> None:
    case.row.state = state
    case.at_bank.clear()
    assert unsettled(case.tables, case.sessions) == [f"{case.row.reference} is {state}"]

    case.row.review = "not_found"
    assert unsettled(case.tables, case.sessions) == []


def test_what_the_bank_has_not_decided_is_not_settled(case: Case) -> None:
    case.at_bank[0]["status"] = "in_progress"

    assert unsettled(case.tables, case.sessions)
