"""Payment sessions: the local index and one session, fresh from the bank."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NoReturn

from flask import Blueprint, abort, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from sqlalchemy import select
from sqlalchemy.orm import Session

from dashboard import (
    history,
    journal,
    keyset,
    reads,
    refund_rules,
    review_queue,
    roles,
    search,
    search_language,
    session_index,
)
from dashboard.bank131.client import BankError, Refused
from dashboard.bank131.hidden_characters import escaped
from dashboard.bank131.objects import is_identifier
from dashboard.db import TookTooLong, db, within
from dashboard.history_filters import Filters
from dashboard.models import Payment, PaymentSession
from dashboard.web import timeline, wording
from dashboard.web.access import desk, needs, visitor
from dashboard.web.bank_seats import PAGE_TIMEOUT_S, bank_seat
from dashboard.web.pagination import pager_urls
from dashboard.web.reader import zone

bp = Blueprint("sessions", __name__, url_prefix="/sessions")


@bp.get("/")
@needs(roles.SEE)
def index() -> ResponseReturnValue:
    q, status = request.args.get("q", "").strip(), request.args.get("status", "")
    if len(q) > search_language.LONGEST:
        abort(400, wording.too_long_search())
    if status and not session_index.is_status(status):
        abort(400, _("There is no session status of this name."))
    found = _page(q, status)
    unreachable = False
    if _looks_like_session(q) and not _is_known(q):
        if (problem := look_at_bank(q).problem) is None:
            return redirect(url_for("sessions.show", session_id=q))
        unreachable = not reads.is_denial(problem)
    as_amount = _as_amount(q)
    is_all_there_is = not (found.figures or status or request.args.get("before"))
    if as_amount and is_all_there_is:
        as_amount = _tried(as_amount)
        if as_amount.tried == _SOME:
            return redirect(url_for("refunds.index", q=as_amount.term))
    older_url, newest_url = pager_urls("sessions.index", found.older, q=q, status=status)
    return render_template(
        "sessions/index.html",
        sessions=found.figures,
        q=q,
        status=status,
        older_url=older_url,
        newest_url=newest_url,
        unreachable=unreachable,
        as_amount=as_amount,
        unknown_names=wording.unknown_names(q) if not found.figures else "",
        search_terms=list(wording.terms()),
    )


def _page(q: str, status: str) -> session_index.Page:
    try:
        with within(db.session(), search.LONGEST_S):
            return session_index.page(db.session(), q, status, request.args.get("before", ""))
    except keyset.BadCursor:
        abort(400, _("This page of the list does not exist."))


# What came of looking for refunds of an amount; empty: nobody looked.
_SOME, _NONE, _TOO_SLOW = "some", "none", "too_slow"


@dataclass(frozen=True)
class _AsAmount:
    """A number that may be meant as an amount: the term that finds refunds of it, and whether it was tried."""

    term: str
    tried: str = ""

    @property
    def among_latest(self) -> str:
        return wording.among_latest(self.term)


def _as_amount(q: str) -> _AsAmount | None:
    amount = search_language.plain_amount(q)
    return _AsAmount(wording.amount_term(amount)) if amount else None


def _tried(as_amount: _AsAmount) -> _AsAmount:
    try:
        with within(db.session(), search.LONGEST_S):
            is_any = history.is_any(db.session(), Filters(q=as_amount.term), zone())
    except TookTooLong:
        return replace(as_amount, tried=_TOO_SLOW)
    return replace(as_amount, tried=_SOME if is_any else _NONE)


def _looks_like_session(q: str) -> bool:
    return q.startswith("ps_") and is_identifier(q)


def _is_known(session_id: str) -> bool:
    found = db.session.get(PaymentSession, session_id)
    return found is not None and found.denied_at is None


@dataclass(frozen=True)
class Look:
    """What came of asking the bank: the problem there was, and whether all that it showed could be relied on."""

    problem: BankError | None
    is_whole: bool


def look_at_bank(session_id: str) -> Look:
    """Read a session at the bank. What this request reads from here on is not older than that. 404 for no id."""
    if not is_identifier(session_id):
        _explain_unknown(None)
    db.session.rollback()
    try:
        with bank_seat():
            return Look(None, reads.read_whole_session(desk(), session_id, PAGE_TIMEOUT_S))
    except BankError as problem:
        return Look(problem, is_whole=False)
    finally:
        db.session.rollback()


@bp.get("/<session_id>")
@needs(roles.SEE)
def show(session_id: str) -> ResponseReturnValue:
    problem = look_at_bank(session_id).problem
    cursor = journal.head_seq(db.session())
    payment_session = find_or_explain(session_id, problem)
    figures = session_index.figures_of(db.session(), [payment_session])[0]
    rows = history.of_session(db.session(), session_id)
    is_old = payment_session.read_failures > 0
    can_refund, why_not = (False, "") if is_old else _may_refund(figures, rows)
    return render_template(
        "sessions/show.html",
        s=figures,
        payments=_payments(payment_session),
        rows=rows,
        entries=timeline.of_session(db.session(), session_id, rows),
        can_refund=can_refund,
        why_not=why_not,
        read_at=payment_session.read_at or payment_session.found_at,
        stale=problem is not None or is_old,
        is_foreign=problem is None and is_old,
        refusal=refusal_of(problem),
        can_acknowledge=visitor().may(roles.RESOLVE),
        odd_facts=review_queue.odd_facts_of_session(db.session(), session_id),
        bank_json=_indented(payment_session.fields),
        live_url=url_for("live.stream", of_session=session_id),
        cursor=cursor,
    )


def find_or_explain(session_id: str, problem: BankError | None) -> PaymentSession:
    """The session's row; 404 when nobody knows it, 503 when the bank could not be asked about it."""
    found = db.session.get(PaymentSession, session_id)
    if found is None or (found.denied_at is not None and problem is not None and reads.is_denial(problem)):
        _explain_unknown(problem)
    return found


def _explain_unknown(problem: BankError | None) -> NoReturn:
    if problem is None or reads.is_denial(problem):
        abort(404, _("Neither this desk nor the bank knows a session with this id."))
    abort(503)


def refusal_of(problem: BankError | None) -> str:
    """The bank's words when it refused to show the session; empty when it did not."""
    return f"{problem.code} {problem.description or ''}".strip() if isinstance(problem, Refused) else ""


def _may_refund(figures: session_index.Figures, rows: Sequence[history.Row]) -> tuple[bool, str]:
    if not figures.is_confirmed or not visitor().may(roles.REQUEST_REFUND):
        return False, ""
    if any(row.status == refund_rules.UNKNOWN for row in rows):
        return False, _(
            "The outcome of an earlier refund is not known yet. A further one can be asked for once the bank has told."
        )
    return (True, "") if figures.refundable_minor > 0 else (False, _why_nothing_is_left(figures))


def _why_nothing_is_left(figures: session_index.Figures) -> str:
    if not figures.captured_minor:
        return _("Nothing was paid in this session, so nothing can be refunded.")
    if figures.refunded_minor + figures.on_its_way_minor < figures.captured_minor:
        return _("Its payments cannot be refunded from here: ask the bank.")
    return _("Nothing is left to refund: all of it was given back or is on its way.")


@dataclass(frozen=True)
class _ShownPayment:
    payment_id: str
    status: str
    amount_minor: int
    currency: str
    created_at: datetime
    card_brand: str | None
    card_last4: str | None
    method: str | None
    rrn: str | None
    arn: str | None
    auth_code: str | None
    metadata: str


def _payments(payment_session: PaymentSession) -> list[_ShownPayment]:
    metadata = _metadata_by_payment(json.loads(payment_session.fields))
    query = select(Payment).where(Payment.session_id == payment_session.id).order_by(Payment.created_at, Payment.id)
    return [
        _ShownPayment(
            payment_id=each.id,
            status=each.status,
            amount_minor=each.amount_minor,
            currency=each.currency,
            created_at=each.created_at or payment_session.created_at,
            card_brand=each.card_brand,
            card_last4=each.card_last4,
            method=each.method,
            rrn=each.rrn,
            arn=each.arn,
            auth_code=each.auth_code,
            metadata=metadata.get(each.id, ""),
        )
        for each in db.session.scalars(query)
    ]


def _metadata_by_payment(fields: dict[str, object]) -> dict[str, str]:
    shown: dict[str, str] = {}
    for name in ("acquiring_payments", "payment_list"):
        payments = fields.get(name)
        for payment in payments if isinstance(payments, list) else []:
            value = payment.get("metadata")
            if value is not None:
                text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
                shown[str(payment.get("id"))] = escaped(text)
    return shown


def _indented(fields: str) -> str:
    """JSON as people read it; what cannot be seen, or turns the line around, stands as its escape."""
    text = json.dumps(json.loads(fields), indent=2, ensure_ascii=False) if fields != "{}" else ""
    return escaped(text)


def session_parts(session: Session, session_id: str) -> dict[str, str]:
    """The parts of a session's page that change by themselves, by their ids."""
    figures = session_index.figures_of(session, [session.get_one(PaymentSession, session_id)])[0]
    entries = timeline.of_session(session, session_id, history.of_session(session, session_id))
    return {
        "session-summary": render_template("sessions/_summary.html", s=figures),
        "timeline": render_template("refunds/_timeline.html", entries=entries),
    }
