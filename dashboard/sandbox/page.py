"""The control page: what the bank holds, and a button for everything that a bank does by itself."""

from datetime import datetime
from json import dumps, loads
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit

from flask import Blueprint, Response, redirect, render_template, request, send_from_directory, url_for
from werkzeug.wrappers import Response as BaseResponse

from dashboard.money import BadAmount, exponent, format_amount, parse_amount
from dashboard.sandbox import control, limits, wire
from dashboard.sandbox.bank import SandboxBank
from dashboard.sandbox.control import ControlError, checked_fault
from dashboard.sandbox.control_api import refuse_strangers
from dashboard.sandbox.desk import desk, the_bank
from dashboard.sandbox.ledger import Delivery, JsonObject, Payment, Refund, Session
from dashboard.sandbox.scenes import METHODS, SESSION_STATUSES, new_session

MOST_SESSIONS = 50
MOST_WEBHOOKS = 8
MOST_DIGITS = 20
STATIC_DIR = Path(__file__).parent.parent / "static"

NOTICES = {
    "decided": "Decided.",
    "charged_back": "Charged back.",
    "refunded": "Refunded at the bank, without the API.",
    "losing": "The next webhook will be lost.",
    "resent": "The webhook is on its way again.",
    "settings": "Settings saved.",
    "fault": "The next matching call will fail so.",
    "faults_cleared": "No faults wait any more.",
    "created": "Session created.",
}
BAD_AMOUNTS = {
    "empty": "nothing was typed",
    "not_a_number": "it is not a number",
    "too_many_decimals": "it has too many decimals",
    "not_positive": "it is not more than nothing",
    "too_large": "it is too large",
    "no_major_units": "its decimals are not known, type whole minor units",
}
CSP = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none';"
    " frame-ancestors 'none'"
)

control_page = Blueprint("page", __name__)
control_page.before_request(refuse_strangers)


@control_page.after_request
def harden(response: Response) -> Response:
    response.headers["Content-Security-Policy"] = CSP
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "same-origin"
    response.headers["Cache-Control"] = "no-store"
    return response


@control_page.get("/")
def index() -> str:
    return _page(notice=NOTICES.get(request.args.get("note", ""), ""))


@control_page.get("/sandbox.css")
def style() -> Response:
    return send_from_directory(STATIC_DIR, "sandbox.css")


@control_page.post("/page/refunds/<refund_id>/decide")
def decide(refund_id: str) -> BaseResponse:
    with the_bank() as bank:
        bank.decide_refund(refund_id, request.form.get("status"))
    return _back("decided")


@control_page.post("/page/sessions/<session_id>/chargeback")
def chargeback(session_id: str) -> BaseResponse:
    with the_bank() as bank:
        bank.charge_back(session_id, _amount_of(bank, session_id))
    return _back("charged_back")


@control_page.post("/page/sessions/<session_id>/refund")
def refund(session_id: str) -> BaseResponse:
    with the_bank() as bank:
        bank.refund_here(session_id, _amount_of(bank, session_id))
    return _back("refunded")


@control_page.post("/page/webhooks/lose-next")
def lose_next() -> BaseResponse:
    with the_bank() as bank:
        bank.change_settings({"lose_next": 1})
    return _back("losing")


@control_page.post("/page/webhooks/resend")
def resend() -> BaseResponse:
    with the_bank() as bank:
        bank.resend_webhook(request.form.get("session"))
    return _back("resent")


@control_page.post("/page/settings")
def settings() -> BaseResponse:
    changes: JsonObject = {name: request.form[name] for name in control.CHOICES if name in request.form}
    numbers = {name: _number(name) for name in control.LIMITS if name in request.form}
    with the_bank() as bank:
        bank.change_settings({**changes, **numbers})
    return _back("settings")


@control_page.post("/page/faults")
def add_fault() -> BaseResponse:
    with the_bank() as bank:
        bank.add_fault(
            checked_fault(
                {
                    "method": request.form.get("method"),
                    "kind": request.form.get("kind"),
                    "session": request.form.get("session", "").strip() or None,
                    "times": _number("times"),
                    "delay_ms": _number("delay_ms"),
                }
            )
        )
    return _back("fault")


@control_page.post("/page/faults/clear")
def clear_faults() -> BaseResponse:
    with the_bank() as bank:
        bank.clear_faults()
    return _back("faults_cleared")


@control_page.post("/page/sessions")
def create_session() -> BaseResponse:
    currency = request.form.get("currency", "").strip()
    given = {name: request.form.get(name, "").strip() for name in ("customer", "status", "method", "metadata")}
    with the_bank() as bank:
        amount = _amount_minor(request.form.get("amount", ""), currency)
        filled = {name: value for name, value in given.items() if value}
        new_session(bank, {**filled, "amount": amount, "currency": currency})
    return _back("created")


@control_page.errorhandler(ControlError)
def refused(fault: ControlError) -> tuple[str, int]:
    if fault.http_status == 403:
        return render_template("sandbox/refused.html", text=str(fault)), 403
    return _page(alert=str(fault)), fault.http_status


def _back(note: str) -> BaseResponse:
    """To the page as it was, with its search and its refreshing, and a word on what was done."""
    before = parse_qsl(urlsplit(request.referrer or "").query)
    kept = [(name, value) for name, value in before if name in {"q", "watch"}]
    return redirect(f"{url_for('page.index')}?{urlencode([('note', note), *kept])}", 303)


def _amount_of(bank: SandboxBank, session_id: str) -> int:
    session = bank.ledger.sessions.get(session_id)
    currency = session.payments[0].currency if session and session.payments else "rub"
    return _amount_minor(request.form.get("amount", ""), currency)


def _amount_minor(text: str, currency: str) -> int:
    try:
        if exponent(currency) is None and text.strip().isdecimal() and len(text) < MOST_DIGITS:
            return int(text)
        return parse_amount(text, currency)
    except BadAmount as fault:
        why = BAD_AMOUNTS[fault.code]
        raise ControlError(400, f"“{text}” is no amount of {currency.upper()}: {why}") from fault


def _number(name: str) -> object:
    text = request.form.get(name, "").strip()
    return int(text) if text.isdecimal() and len(text) < MOST_DIGITS else text


def _page(*, notice: str = "", alert: str = "") -> str:
    query = request.args.get("q", "").strip()
    with the_bank() as bank:
        found = [session for session in reversed(bank.ledger.sessions.values()) if _matches(session, query)]
        found.sort(key=_last_event, reverse=True)
        view = {
            "sessions": [_session_view(session) for session in found[:MOST_SESSIONS]],
            "webhooks": [_webhook_view(d) for d in list(bank.ledger.deliveries.values())[: -MOST_WEBHOOKS - 1 : -1]],
            "settings": bank.ledger.settings,
            "faults": list(bank.ledger.faults),
            "open_count": sum(refund.status == "in_progress" for _, _, refund in bank.ledger.refunds()),
            "bank": bank,
        }
    return render_template(
        "sandbox/index.html",
        **view,
        found_count=len(found),
        query=query,
        notice=notice,
        alert=alert,
        watch="watch" in request.args,
        keys=desk().keys,
        control=control,
        statuses=SESSION_STATUSES,
        payment_methods=METHODS,
    )


def _matches(session: Session, query: str) -> bool:
    return query.casefold() in dumps(wire.shown_session(session, 1), ensure_ascii=False).casefold()


def _last_event(session: Session) -> datetime:
    times = [refund.finished_at or refund.created_at for payment in session.payments for refund in payment.refunds]
    return max([session.updated_at, *times])


def _session_view(session: Session) -> JsonObject:
    shown = wire.shown_session(session, 1)
    return {
        "id": session.id,
        "status": shown["status"],
        "at": session.created_at,
        "next_action": session.next_action,
        "payments": [_payment_view(payment) for payment in session.payments],
        "paid": any(payment.status == "succeeded" for payment in session.payments),
        "announced": session.last_webhook is not None,
    }


def _payment_view(payment: Payment) -> JsonObject:
    return {
        "id": payment.id,
        "status": payment.status,
        "amount": amount_text(payment.amount_minor, payment.currency),
        "left": amount_text(limits.left_of(payment), payment.currency),
        "customer": payment.customer["reference"],
        "method": _method_text(payment.details),
        "metadata": _plain(payment.metadata),
        "refunds": [_refund_view(refund) for refund in payment.refunds],
    }


def _refund_view(refund: Refund) -> JsonObject:
    return {
        "id": refund.id,
        "status": refund.status,
        "amount": amount_text(refund.amount_minor, refund.currency),
        "at": refund.created_at,
        "is_chargeback": refund.is_chargeback,
        "metadata": _plain(refund.metadata),
        "is_open": refund.status in {"in_progress", "error"},
        "decide_at": refund.decide_at,
    }


def _webhook_view(delivery: Delivery) -> JsonObject:
    return {
        "id": delivery.id,
        "session_id": delivery.session_id,
        "type": loads(delivery.body)["type"],
        "state": delivery.state,
        "at": delivery.created_at,
        "attempts": delivery.attempts,
        "http_status": delivery.http_status,
    }


def _method_text(details: JsonObject) -> str:
    if details["type"] == "card":
        return f"{details['card']['brand']} •••• {details['card']['last4']}"
    return str(details["type"]).replace("_", " ")


def _plain(metadata: object) -> str:
    if metadata is None:
        return ""
    return metadata if isinstance(metadata, str) else dumps(metadata, ensure_ascii=False)


def amount_text(amount_minor: int, currency: str) -> str:
    """`1,000.50 RUB`; currencies without known decimals are said to be in minor units."""
    unit = currency.upper() if exponent(currency) is not None else f"{currency.upper()} minor units"
    return f"{format_amount(amount_minor, currency)} {unit}"
