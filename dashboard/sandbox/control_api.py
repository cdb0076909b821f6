"""The control calls: JSON over HTTP beside the bank's API, for this machine only."""

from dataclasses import asdict
from ipaddress import ip_address
from urllib.parse import urlsplit

from flask import Blueprint, request

from dashboard.sandbox import wire
from dashboard.sandbox.control import ControlError, checked_fault
from dashboard.sandbox.desk import the_bank
from dashboard.sandbox.ledger import Delivery, JsonObject
from dashboard.sandbox.scenes import new_session

LOCAL_NAMES = {"localhost", "127.0.0.1", "::1"}

control_calls = Blueprint("control", __name__, url_prefix="/control")


@control_calls.before_request
def refuse_strangers() -> None:
    """Only this machine, under a name of this machine; nothing changed by a page of another site.

    Raises ControlError 403.
    """
    if not _is_loopback(request.remote_addr):
        raise ControlError(403, "The control calls answer this machine only")
    if urlsplit(f"//{request.host}").hostname not in LOCAL_NAMES:
        raise ControlError(403, "The control calls answer under localhost or 127.0.0.1 only")
    if request.method in {"GET", "HEAD"}:
        return
    origin, fetch_site = request.headers.get("Origin"), request.headers.get("Sec-Fetch-Site", "none")
    other_origin = origin is not None and urlsplit(origin).netloc != request.host
    if other_origin or fetch_site not in {"none", "same-origin"}:
        raise ControlError(403, "Another site asked for this")


def _is_loopback(address: str | None) -> bool:
    try:
        return ip_address(address or "").is_loopback
    except ValueError:
        return False


@control_calls.get("/ledger")
def ledger() -> JsonObject:
    version = request.args.get("version", 1, type=int)
    if version not in wire.PAYMENT_LIST:
        raise ControlError(400, "version is 1 or 2")
    with the_bank() as bank:
        return {"sessions": [wire.shown_session(s, version) for s in bank.ledger.sessions.values()]}


@control_calls.post("/sessions")
def sessions() -> JsonObject:
    document = _document()
    with the_bank() as bank:
        return wire.shown_session(new_session(bank, document), 1)


@control_calls.get("/settings")
def settings() -> JsonObject:
    with the_bank() as bank:
        return asdict(bank.ledger.settings)


@control_calls.post("/settings")
def change_settings() -> JsonObject:
    document = _document()
    with the_bank() as bank:
        return asdict(bank.change_settings(document))


@control_calls.post("/refunds/<refund_id>/decide")
def decide(refund_id: str) -> JsonObject:
    document = _document("status", "force")
    with the_bank() as bank:
        session = bank.decide_refund(refund_id, document.get("status"), force=document.get("force") is True)
        return wire.shown_session(session, 1)


@control_calls.post("/sessions/<session_id>/chargeback")
def chargeback(session_id: str) -> JsonObject:
    document = _document("amount")
    with the_bank() as bank:
        return wire.shown_session(bank.charge_back(session_id, document.get("amount")), 1)


@control_calls.post("/sessions/<session_id>/refund")
def refund(session_id: str) -> JsonObject:
    document = _document("amount", "metadata")
    with the_bank() as bank:
        session = bank.refund_here(session_id, document.get("amount"), document.get("metadata"))
        return wire.shown_session(session, 1)


@control_calls.get("/faults")
def faults() -> JsonObject:
    with the_bank() as bank:
        return {"faults": [asdict(fault) for fault in bank.ledger.faults]}


@control_calls.post("/faults")
def add_fault() -> JsonObject:
    fault = checked_fault(_document())
    with the_bank() as bank:
        bank.add_fault(fault)
    return faults()


@control_calls.delete("/faults")
def clear_faults() -> JsonObject:
    with the_bank() as bank:
        bank.clear_faults()
    return faults()


@control_calls.get("/webhooks")
def webhooks() -> JsonObject:
    with the_bank() as bank:
        return {"webhooks": [_shown(delivery) for delivery in bank.ledger.deliveries.values()]}


@control_calls.post("/webhooks/resend")
def resend() -> JsonObject:
    session_id = _document("session").get("session")
    if session_id is not None and not isinstance(session_id, str):
        raise ControlError(400, "session is a session id")
    with the_bank() as bank:
        return _shown(bank.resend_webhook(session_id))


def _document(*known: str) -> JsonObject:
    """The JSON object in the request; with `known` given, no other fields than these. Raises ControlError 400."""
    try:
        document = wire.read_request(request.get_data())
    except wire.Refusal as no:
        raise ControlError(400, no.description) from no
    unknown = set(document) - set(known) if known else set()
    if unknown:
        raise ControlError(400, f"There is no field {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    return document


def _shown(delivery: Delivery) -> JsonObject:
    return {
        name: wire.moment(value) if name.endswith("_at") and value else value
        for name, value in asdict(delivery).items()
    }
