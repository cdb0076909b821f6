"""Where the views find the bank: one caller at a time."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from flask import current_app

from dashboard.clock import Clock
from dashboard.sandbox.bank import SandboxBank
from dashboard.sandbox.courier import Gate
from dashboard.sandbox.keys import SandboxKeys

EXTENSION = "sandbox"


@dataclass(frozen=True)
class Desk:
    bank: SandboxBank
    gate: Gate
    clock: Clock
    keys: SandboxKeys | None


def desk() -> Desk:
    found: Desk = current_app.extensions[EXTENSION]
    return found


@contextmanager
def the_bank() -> Iterator[SandboxBank]:
    """The bank, alone with it while the block runs. Never wait for anything inside."""
    at = desk()
    with at.gate:
        yield at.bank
