"""How the bank fails on request: which fault waits for a call, and what it makes of the answer."""

from dataclasses import dataclass, replace

from dashboard.sandbox import wire
from dashboard.sandbox.ledger import Fault, Ledger

_BAD_GATEWAY = b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>Bad Gateway</body>\r\n</html>\r\n"


@dataclass(frozen=True)
class Answer:
    """What goes back after `delay_s`; `dropped` means that the connection ends without a single byte."""

    status: int
    body: bytes
    delay_s: float = 0.0
    dropped: bool = False
    content_type: str = "application/json"


def take(ledger: Ledger, method: str, body: bytes) -> Fault | None:
    """The fault that waits for this call, one of its times used up; None where there is none."""
    for fault in ledger.faults:
        if fault.method == method and fault.session in {None, wire.peek_session_id(body)}:
            fault.times -= 1
            if fault.times < 1:
                ledger.faults.remove(fault)
            ledger.changed()
            return fault
    return None


def spoilt(answer: Answer, fault: Fault) -> Answer:
    """What comes back of an answer under this fault."""
    delayed = replace(answer, delay_s=fault.delay_ms / 1000)
    if fault.kind in {"drop_request", "drop_response"}:
        return replace(delayed, status=0, body=b"", dropped=True)
    if fault.kind == "html_502":
        return replace(delayed, status=502, body=_BAD_GATEWAY, content_type="text/html")
    if fault.kind == "truncate":
        return replace(delayed, body=answer.body[: len(answer.body) // 2])
    return delayed
