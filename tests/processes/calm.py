"""The calm after the storm: no more faults, a wait until everything has come to its end, then the judgement."""

import time

import requests

from tests.journeys.commands import dashboard
from tests.journeys.waiting import ANSWERS_WITHIN_S
from tests.processes.installation import Installation
from tests.processes.judgement import Json, Tables, tables_of, unsettled, violations
from tests.processes.operators import Told

SETTLES_WITHIN_S = 150.0
LOOK_EVERY_S = 0.2


def settle(installation: Installation) -> list[str]:
    """Let the bank do everything right, and wait. Answers with what has not come to its end, one line each."""
    installation.await_ready()
    requests.delete(f"{installation.bank.url}/control/faults", timeout=ANSWERS_WITHIN_S).raise_for_status()
    installation.bank.call("settings", webhooks="on", decide="accepted", decide_after_ms=50)
    ends_at_s = time.monotonic() + SETTLES_WITHIN_S
    while left := left_over(installation):
        if time.monotonic() > ends_at_s:
            return [f"not settled within {SETTLES_WITHIN_S:g} s: {line}" for line in left]
        installation.revive()
        time.sleep(LOOK_EVERY_S)
    return []


def left_over(installation: Installation) -> list[str]:
    """What has not come to its end yet, one line each."""
    return unsettled(_tables(installation), _at_bank(installation))


def judge(installation: Installation, told: Told) -> list[str]:
    """Compare the bank with the tables, and check the journal by its own command. Answers with what must never be."""
    found = violations(_tables(installation), _at_bank(installation), told)
    verified = dashboard(installation.settings, "journal", "verify")
    return found + [verified.stdout + verified.stderr] * (verified.returncode != 0)


def _tables(installation: Installation) -> Tables:
    return tables_of(installation.books, installation.samples)


def _at_bank(installation: Installation) -> list[Json]:
    """All but the sessions that the bank had from the beginning."""
    sessions = installation.bank.get("ledger")["sessions"]
    return [session for session in sessions if session["id"] not in installation.samples]
