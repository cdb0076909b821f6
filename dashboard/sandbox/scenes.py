"""Ready-made sessions: one at a time for the control call, and a believable month for a new sandbox."""

import json
import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from dashboard.sandbox import control
from dashboard.sandbox.bank import SandboxBank
from dashboard.sandbox.control import ControlError
from dashboard.sandbox.ledger import JsonObject, Payment, Session

PAYMENT_STATUS = {
    "accepted": "succeeded",
    "in_progress": "in_progress",
    "cancelled": "failed",
    "error": "in_progress",
}
WEBHOOK_TYPE = {
    "accepted": "payment_finished",
    "cancelled": "payment_finished",
    "error": "payment_finished",
    "in_progress": "action_required",
}
SESSION_STATUSES = ("created", *PAYMENT_STATUS)
METHODS = ("card", "faster_payment_system", "internet_banking", "wallet", "recurrent")
NEW_SESSION_FIELDS = {"amount", "currency", "customer", "status", "method", "card", "metadata", "email"}
PAYMENT_TAKES_S = 4

_LIMIT_REACHED = {"code": "activity_count_exceeded", "description": "The activity limit of the card is exceeded"}
_UNEXPECTED = {"code": "internal_error", "description": "The outcome is not known, please ask support"}


@dataclass(frozen=True)
class Scene:
    """One session to set up: how long ago, who paid how much and how, and what the bank gave back already."""

    hours_ago: float
    customer: str
    amount_minor: int
    currency: str = "rub"
    status: str = "accepted"
    details: JsonObject = field(default_factory=lambda: card("visa", "4242", "424242"))
    metadata: object = None
    email: str | None = None
    second_amount_minor: int = 0
    refunded_minor: int = 0
    charged_back_minor: int = 0


def card(brand: str, last4: str, bank_number: str) -> JsonObject:
    return {"type": "card", "card": {"brand": brand, "last4": last4, "bin": bank_number}}


def fast_payment(phone_end: str) -> JsonObject:
    return {"type": "faster_payment_system", "faster_payment_system": {"phone": f"+7******{phone_end}"}}


def wallet(kind: str, account: str) -> JsonObject:
    return {"type": "wallet", "wallet": {"type": kind, kind: {"account": account}}}


_VISA, _VISA_OTHER = card("visa", "4242", "424242"), card("visa", "1881", "401288")
_MIR, _MIR_OTHER = card("mir", "7703", "220070"), card("mir", "0019", "220220")
_MASTERCARD, _JCB = card("mastercard", "4444", "555555"), card("jcb", "0505", "353011")
_BANKING: JsonObject = {"type": "internet_banking", "internet_banking": {"type": "sber_pay", "sber_pay": {}}}
_RECURRENT: JsonObject = {"type": "recurrent", "recurrent": {"initiator": "merchant"}}

SCENES = (
    Scene(690, "client-3", 250_000, details=_MIR, metadata="order 1001", email="client3@example.org"),
    Scene(640, "client-8", 49_900, details=_VISA_OTHER, metadata={"order": "1002", "shop": "north"}),
    Scene(588, "client-21", 1_299_000, details=_MIR, metadata='{"order":"1003"}', charged_back_minor=1_299_000),
    Scene(520, "client-3", 99_000, details=fast_payment("44"), metadata="order 1004"),
    Scene(466, "client-12", 18_950, "usd", details=_VISA, metadata={"order": "1005", "ticket": 7}),
    Scene(410, "client-30", 7_500_00, details=_MIR_OTHER, metadata="order 1006", refunded_minor=2_000_00),
    Scene(365, "client-5", 12_000, details=_BANKING, metadata="order 1007"),
    Scene(301, "client-9", 64_000, details=_VISA, status="cancelled", metadata="order 1008"),
    Scene(240, "client-17", 30_000_00, details=_MASTERCARD, metadata={"order": "1009", "delivery": "courier"}),
    Scene(196, "client-41", 45_990, "eur", details=_MASTERCARD, metadata="order 1010", email="k.lang@example.org"),
    Scene(150, "client-2", 5_400, details=wallet("yoomoney", "4100***8712"), metadata="order 1011"),
    Scene(121, "client-18", 18_000, "jpy", details=_JCB, metadata="order 1012"),
    Scene(97, "client-27", 350_000_000, "tonc", details=wallet("ton", "UQ…x7Ka"), metadata="order 1013"),
    Scene(74, "client-6", 89_900, details=_RECURRENT, metadata={"subscription": "plus", "month": "2026-11"}),
    Scene(52, "client-11", 1_000_00, details=_MIR, metadata="order 1014", second_amount_minor=2_500_00),
    Scene(47, "client-14", 220_000, details=_VISA, status="error", metadata="order 1015"),
    Scene(30, "client-33", 15_000, details=_MIR, metadata='<b>order</b> 1016 <img src=x onerror=alert(1)> & "'),
    Scene(26, "client-29", 27_300, details=fast_payment("07"), metadata="طلب رقم 1017 \u200f(توصيل)"),
    Scene(20, "client-19", 3_300, "usd", details=_VISA_OTHER, metadata=1018),
    Scene(9, "client-8", 77_700, details=_MIR_OTHER, metadata={"order": "1019", "comment": "Заказ, самовывоз"}),
    Scene(5, "client-22", 40_000, status="created"),
    Scene(3, "client-17", 1_234_56, details=_MIR, metadata="order 1020", email="client17@example.org"),
    Scene(1.5, "client-4", 560_000, details=_VISA, status="in_progress", metadata="order 1021"),
    Scene(0.4, "client-17", 1_000_50, metadata="order 1022", email="client17@example.org"),
)


def seed_scenes(bank: SandboxBank) -> int:
    """Fill an empty ledger with the sample sessions, oldest first, announcing each; how many were made."""
    if bank.ledger.sessions:
        return 0
    for scene in SCENES:
        add_scene(bank, scene)
    return len(SCENES)


def add_scene(bank: SandboxBank, scene: Scene) -> Session:
    session = _session(bank, scene)
    bank.add_session(session, announce=WEBHOOK_TYPE.get(scene.status))
    later = session.created_at + (bank.now() - session.created_at) / 20
    if scene.refunded_minor:
        bank.refund_here(session.id, scene.refunded_minor, at=later)
    if scene.charged_back_minor:
        bank.charge_back(session.id, scene.charged_back_minor, at=later)
    return session


def new_session(bank: SandboxBank, document: JsonObject) -> Session:
    """The control call: `amount`, `currency`, `customer`, `status`, and more for choosers; all may be left out.

    `method` is a type of payment, `card` is `{"brand", "last4"}`, `metadata` anything. Raises ControlError.
    """
    if unknown := set(document) - NEW_SESSION_FIELDS:
        known = ", ".join(sorted(NEW_SESSION_FIELDS))
        raise ControlError(400, f"There is no field {', '.join(sorted(unknown))}; there are {known}")
    scene = Scene(
        hours_ago=0,
        customer=_text(document, "customer", "client-1", r".{1,200}"),
        amount_minor=control.amount_minor(document.get("amount", 100_000)),
        currency=_text(document, "currency", "rub", r"[A-Za-z]{3,5}").lower(),
        status=control.one_of("status", document.get("status", "accepted"), SESSION_STATUSES),
        details=_details(document),
        metadata=document.get("metadata"),
        email=_text(document, "email", "", r".{0,200}") or None,
    )
    return add_scene(bank, scene)


def _details(document: JsonObject) -> JsonObject:
    kind = control.one_of("method", document.get("method", "card"), METHODS)
    if kind != "card":
        return {"type": kind, kind: {}}
    shown = document.get("card", {})
    if not isinstance(shown, dict):
        raise ControlError(400, 'card is {"brand": "visa", "last4": "4242"}')
    last4 = _text(shown, "last4", "4242", r"[0-9]{4}")
    return card(_text(shown, "brand", "visa", r"[a-z_]{2,20}"), last4, "424242")


def _text(document: JsonObject, name: str, default: str, pattern: str) -> str:
    value = document.get(name, default)
    if not isinstance(value, str) or not re.fullmatch(pattern, value):
        raise ControlError(400, f"{name} is text like {json.dumps(default)}")
    return value


def _session(bank: SandboxBank, scene: Scene) -> Session:
    started = bank.now() - timedelta(hours=scene.hours_ago, seconds=PAYMENT_TAKES_S)
    finished = started + timedelta(seconds=PAYMENT_TAKES_S)
    done = scene.status in {"accepted", "cancelled"}
    session = Session(
        id=bank.new_id("ps"),
        status=scene.status,
        created_at=started,
        updated_at=finished if done else started,
        finished_at=finished if done else None,
        error=_UNEXPECTED if scene.status == "error" else None,
    )
    if scene.status != "created":
        amounts = [scene.amount_minor, scene.second_amount_minor]
        session.payments = [_payment(bank, scene, amount, started) for amount in amounts if amount]
    return session


def _payment(bank: SandboxBank, scene: Scene, amount_minor: int, started: datetime) -> Payment:
    contacts = {"contacts": [{"email": scene.email}]} if scene.email else {}
    status = PAYMENT_STATUS[scene.status]
    payment = Payment(
        id=bank.new_id("pm"),
        status=status,
        amount_minor=amount_minor,
        currency=scene.currency,
        created_at=started,
        customer={"reference": scene.customer, **contacts},
        details=scene.details,
        metadata=scene.metadata,
        error=_LIMIT_REACHED if status == "failed" else None,
    )
    if status in {"succeeded", "failed"}:
        payment.finished_at = started + timedelta(seconds=PAYMENT_TAKES_S)
    if status == "succeeded":
        bank.give_numbers(payment)
    return payment
