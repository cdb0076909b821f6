"""What the control calls may ask for: settings and faults with their limits, and one error for people."""

from collections.abc import Mapping
from dataclasses import fields, replace

from dashboard.sandbox.ledger import Fault, Settings
from dashboard.sandbox.wire import MAX_AMOUNT_MINOR

METHODS = (
    "session/create",
    "session/init/payment",
    "session/start/payment",
    "session/capture",
    "session/confirm",
    "session/cancel",
    "session/status",
    "session/refund",
    "session/chargeback",
)
FAULT_KINDS = ("drop_request", "drop_response", "http_500", "html_502", "truncate", "slow", "forget_key")
DECISIONS = ("accepted", "declined", "error")
CHOICES = {
    "decide": (*DECISIONS, "manual"),
    "webhooks": ("on", "off", "twice", "late", "reversed"),
    "payments": ("finish", "confirm", "capture"),
}
LIMITS = {"decide_after_ms": 86_400_000, "webhook_late_ms": 86_400_000, "lose_next": 1000}
MAX_TIMES = 1_000_000
MAX_DELAY_MS = 600_000


class ControlError(Exception):
    """A control call that cannot be carried out; `http_status` is 400, 404 or 409. The text is for people."""

    def __init__(self, http_status: int, text: str) -> None:
        super().__init__(text)
        self.http_status = http_status


def changed_settings(settings: Settings, changes: Mapping[str, object]) -> Settings:
    """The settings with what is named changed and the rest kept. Raises ControlError."""
    for name, value in changes.items():
        _check_setting(name, value)
    return replace(settings, **dict(changes))  # type: ignore[arg-type]


def _check_setting(name: str, value: object) -> None:
    if name in CHOICES:
        one_of(name, value, CHOICES[name])
    elif name in LIMITS:
        whole_number(name, value, 0, LIMITS[name])
    else:
        known = ", ".join(sorted(field.name for field in fields(Settings)))
        raise ControlError(400, f"There is no setting {name}; there are {known}")


def checked_fault(document: Mapping[str, object]) -> Fault:
    """`{"method", "session", "kind", "times", "delay_ms"}`; method and kind are needed. Raises ControlError."""
    unknown = set(document) - {field.name for field in fields(Fault)}
    if unknown:
        raise ControlError(400, f"A fault has no field {', '.join(sorted(unknown))}")
    session = document.get("session")
    if session is not None and not isinstance(session, str):
        raise ControlError(400, "session is a session id or null")
    return Fault(
        method=one_of("method", document.get("method"), METHODS),
        kind=one_of("kind", document.get("kind"), FAULT_KINDS),
        session=session,
        times=whole_number("times", document.get("times", 1), 1, MAX_TIMES),
        delay_ms=whole_number("delay_ms", document.get("delay_ms", 0), 0, MAX_DELAY_MS),
    )


def amount_minor(value: object) -> int:
    return whole_number("amount", value, 1, MAX_AMOUNT_MINOR)


def one_of(name: str, value: object, choices: tuple[str, ...]) -> str:
    if not isinstance(value, str) or value not in choices:
        raise ControlError(400, f"{name} is one of {', '.join(choices)}")
    return value


def whole_number(name: str, value: object, least: int, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise ControlError(400, f"{name} is a whole number from {least} to {most}")
    return value
