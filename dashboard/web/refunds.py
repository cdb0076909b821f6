"""Refunds: the history, one refund, asking for one, undoing one."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from sqlalchemy import select
from sqlalchemy.orm import Session

from dashboard import history, journal, keyset, money, refund_rules, refunds, roles, sending, session_index
from dashboard.bank131.client import BankError
from dashboard.db import db
from dashboard.history import Filters
from dashboard.models import Anomaly, Attempt, PaymentSession, Refund
from dashboard.refunds import CannotCancel, Offer, RefundOrder, RequestRefused
from dashboard.web import timeline, wording
from dashboard.web.access import desk, needs, person, visitor, zone
from dashboard.web.bank_seats import bank_seat
from dashboard.web.formats import amount_with_currency
from dashboard.web.forms import FULL, RefundForm
from dashboard.web.pagination import pager_urls
from dashboard.web.sessions import find_or_explain, look_at_bank, refusal_of

bp = Blueprint("refunds", __name__)

FIRST_YEAR, LAST_YEAR = 1970, 2999

# The history


@dataclass(frozen=True)
class ShownFilters:
    """The filters as the page needs them: texts, tabs and addresses."""

    session: str
    status: str
    date_from: str
    date_to: str
    q: str
    operator: str
    origin: str
    tabs: list[tuple[str, str, int | None, bool]]
    live_url: str
    rows_url: str
    cursor: int
    older_url: str | None
    newest_url: str | None


@bp.get("/refunds/")
@needs(roles.SEE)
def index() -> ResponseReturnValue:
    filters = filters_of(request.args)
    cursor = journal.head_seq(db.session())
    page = _page(filters)
    arguments = arguments_of(filters)
    older_url, newest_url = pager_urls("refunds.index", page.older, **arguments)
    shown = ShownFilters(
        **_texts(filters),
        tabs=_tabs(filters.status),
        live_url=url_for("live.stream", **arguments),
        rows_url=url_for("refunds.rows", **arguments),
        cursor=cursor,
        older_url=older_url,
        newest_url=newest_url,
    )
    return render_template("refunds/index.html", rows=page.rows, filters=shown)


def _page(filters: Filters) -> history.Page:
    try:
        return history.page(db.session(), filters, zone(), request.args.get("before", ""))
    except keyset.BadCursor:
        abort(400, _("This page of the list does not exist."))


def filters_of(arguments: Mapping[str, str]) -> Filters:
    """The filters in an address; 400 for those that cannot be read."""
    names = ("session", "status", "q", "operator", "origin")
    texts = {name: arguments.get(name, "").strip()[:200] for name in names}
    filters = Filters(date_from=_day(arguments, "from"), date_to=_day(arguments, "to"), **texts)
    try:
        history.conditions(filters, zone())
    except history.BadFilter as problem:
        abort(400, _("This filter cannot be used: %(name)s.", name=problem.field))
    return filters


def _day(arguments: Mapping[str, str], name: str) -> date | None:
    text = arguments.get(name, "").strip()
    if not text:
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = date.min
    if day.isoformat() != text or not FIRST_YEAR <= day.year <= LAST_YEAR:
        abort(400, _("%(text)s is no date. Write it like 2026-03-31.", text=text[:40]))
    return day


def _texts(filters: Filters) -> dict[str, str]:
    return {name: str(value) if value else "" for name, value in asdict(filters).items()}


def arguments_of(filters: Filters) -> dict[str, Any]:
    """The filters as they stand in an address."""
    names = {"date_from": "from", "date_to": "to"}
    return {names.get(name, name): text for name, text in _texts(filters).items() if text}


def _tabs(status: str) -> list[tuple[str, str, int | None, bool]]:
    counted = history.counts(db.session(), history.NEEDS_PEOPLE, history.OPEN, refund_rules.UNKNOWN)
    tabs = (
        (_("All"), ""),
        (_("Needs you"), history.NEEDS_PEOPLE),
        (_("Open"), history.OPEN),
        (_("Accepted"), refund_rules.ACCEPTED),
        (_("Declined"), refund_rules.DECLINED),
        (_("Unknown"), refund_rules.UNKNOWN),
    )
    return [(label, value, counted.get(value), value == status) for label, value in tabs]


@bp.get("/refunds/rows")
@needs(roles.SEE)
def rows() -> ResponseReturnValue:
    filters = filters_of(request.args)
    since = request.args.get("since", "")
    if not since.isdecimal() or len(since) > 18:
        abort(400, _("The position in the journal is missing."))
    changes = history.changes(db.session(), filters, zone(), int(since))
    if changes.is_too_much or int(since) > journal.head_seq(db.session()):
        return "", 205
    return render_template("refunds/_rows.html", rows=changes.rows, gone=changes.gone, cursor=changes.cursor)


# One refund


@bp.get("/refunds/<reference>")
@needs(roles.SEE)
def show(reference: str) -> ResponseReturnValue:
    return _show(reference)


def _show(reference: str) -> str:
    cursor = journal.head_seq(db.session())
    live_url = url_for("live.stream", of_refund=reference)
    return render_template("refunds/show.html", **_page_of(db.session(), reference), live_url=live_url, cursor=cursor)


def refund_parts(session: Session, reference: str) -> dict[str, str]:
    """The parts of a refund's page that change by themselves, by their ids."""
    page = _page_of(session, reference)
    return {
        "refund-detail": render_template("refunds/_detail.html", **page),
        "timeline": render_template("refunds/_timeline.html", **page),
    }


def _page_of(session: Session, reference: str) -> dict[str, Any]:
    row = history.one(session, reference)
    refund = session.scalars(select(Refund).where(Refund.reference == reference)).one_or_none()
    if row is None or refund is None:
        abort(404, _("No refund has this reference."))
    anomalies = select(Anomaly).where(Anomaly.refund_id == refund.id).order_by(Anomaly.id)
    return {
        "r": row,
        "next_step": _next_step(session, row, refund),
        "can_undo": refund_rules.may_undo(refund.state, refund.review) and visitor().may(roles.CANCEL_REFUND),
        "undo_until": refund.undo_until,
        "now": desk().clock.now(),
        "anomalies": [wording.anomaly(each.kind, each.detail) for each in session.scalars(anomalies)],
        "entries": timeline.of_refund(session, row),
    }


def _next_step(session: Session, row: history.Row, refund: Refund) -> str:
    """What happens next, or what to do, in a sentence."""
    if row.review:
        return wording.review(row.review)
    if row.status == refund_rules.UNKNOWN:
        return _unknown_step(session, refund)
    if row.status == refund_rules.QUEUED and sending.is_paused(session):
        return wording.next_step("paused")
    if row.status == refund_rules.QUEUED and session.get_one(PaymentSession, refund.session_id).read_failures:
        return wording.next_step("unread")
    return wording.next_step(row.status)


def _unknown_step(session: Session, refund: Refund) -> str:
    query = select(Attempt).where(Attempt.refund_id == refund.id).order_by(Attempt.number.desc())
    last = session.scalars(query).first()
    if last is not None and last.error_code:
        said = f"{last.error_code} {last.error_description or ''}".strip()
        return _(
            "The bank answered: %(answer)s. Two reads will make sure that it made no refund; "
            "the amount stays held till then.",
            answer=said,
        )
    return wording.next_step(refund_rules.UNKNOWN)


@bp.post("/refunds/<reference>/cancel")
@needs(roles.CANCEL_REFUND)
def cancel(reference: str) -> ResponseReturnValue:
    try:
        refunds.cancel(desk(), person(), reference)
    except LookupError:
        abort(404, _("No refund has this reference."))
    except CannotCancel:
        flash(_("Too late to undo: it is already on its way to the bank or has ended."), "warn")
        return _show(reference), 409
    flash(_("Undone. Nothing was sent to the bank, and the amount is free again."), "ok")
    return redirect(url_for("refunds.show", reference=reference), 303)


# Asking for one


@bp.route("/sessions/<session_id>/refund", methods=["GET", "POST"])
@needs(roles.REQUEST_REFUND)
def new(session_id: str) -> ResponseReturnValue:
    form = RefundForm()
    if request.method == "POST" and (reference := _made_before(form)):
        return redirect(url_for("refunds.show", reference=reference), 303)
    if _is_confirmed() and (known := db.session.get(PaymentSession, session_id)):
        return _take(form, known, refunds.offer_of(db.session(), known))
    look = look_at_bank(session_id)
    payment_session = find_or_explain(session_id, look.problem)
    offer = refunds.offer_of(db.session(), payment_session)
    if look.problem is not None:
        return _answer_unreachable(form, payment_session, offer, look.problem)
    if not look.is_whole:
        return _answer_later(form, payment_session, offer, wording.refusal("not_whole")), 409
    if request.method == "GET":
        return _answer_new_form(form, payment_session, offer)
    return _take(form, payment_session, offer)


def _made_before(form: RefundForm) -> str | None:
    token = form.form_token.data
    return refunds.made_with(db.session(), token) if token else None


def _is_confirmed() -> bool:
    return request.form.get("confirm") == "yes"


def _answer_new_form(form: RefundForm, payment_session: PaymentSession, offer: Offer) -> ResponseReturnValue:
    _give_token(form, payment_session.id, offer)
    form.fill_in(request.args)
    blocked = _why_blocked(offer)
    return _show_form(form, payment_session, offer, blocked), 409 if blocked else 200


def _give_token(form: RefundForm, session_id: str, offer: Offer) -> None:
    form.form_token.data = refunds.new_form_token(desk(), person().id, session_id, offer)


def _answer_unreachable(
    form: RefundForm, payment_session: PaymentSession, offer: Offer, problem: BankError
) -> ResponseReturnValue:
    if said := refusal_of(problem):
        why = _("The bank refuses to show this session (%(answer)s), so nothing was asked for.", answer=said)
    else:
        why = _("The bank cannot be reached right now, so nothing was asked for.")
    sentence = f"{why} {_('What you typed is kept; try again in a minute.')}"
    return _answer_later(form, payment_session, offer, sentence), 503


def _answer_later(form: RefundForm, payment_session: PaymentSession, offer: Offer, sentence: str) -> str:
    """The form with all that was typed, for what may be over in a minute."""
    if not form.form_token.data:
        _give_token(form, payment_session.id, offer)
    if request.method == "GET":
        form.fill_in(request.args)
    form.blame(sentence)
    return _show_form(form, payment_session, offer)


def _why_blocked(offer: Offer) -> str:
    if offer.unknown_open:
        return wording.refusal("unknown_open")
    return "" if offer.refundable_minor else wording.refusal("nothing_left")


def _show_form(form: RefundForm, payment_session: PaymentSession, offer: Offer, blocked: str = "", **more: Any) -> str:
    return render_template(
        "refunds/form.html",
        form=form,
        s=session_index.figures_of(db.session(), [payment_session])[0],
        takes_full=offer.in_full,
        takes_amounts=money.exponent(offer.currency) is not None,
        blocked=blocked,
        changes=more.get("changes", []),
        warnings=_warnings(payment_session.id),
    )


def _warnings(session_id: str) -> list[str]:
    """What would keep a new refund of this session from being sent for now."""
    warnings = []
    if any(row.review for row in history.of_session(db.session(), session_id)):
        warnings.append(_("Another refund of this session needs somebody. A new one waits until that is settled."))
    if sending.is_paused(db.session()):
        warnings.append(_("Sending is paused. A new refund waits until somebody resumes it."))
    return warnings


def _take(form: RefundForm, payment_session: PaymentSession, offer: Offer) -> ResponseReturnValue:
    if not form.check(offer.currency, is_confirmed=_is_confirmed()):
        return _show_form(form, payment_session, offer), 422
    order = RefundOrder(form.kind.data, form.amount_minor, form.reason.data, form.comment.data or "")
    token_text = form.form_token.data or ""
    session_id = payment_session.id
    try:
        if _is_confirmed():
            reference = _request(session_id, token_text, order)
            return redirect(url_for("refunds.show", reference=reference), 303)
        token = refunds.open_form(desk(), token_text, person().id, session_id)
        amount_minor = refunds.check_order(offer, token, order)
    except RequestRefused as refusal:
        return _answer_refused(form, session_id, refusal)
    except BankError as problem:
        return _answer_unreachable(form, payment_session, offer, problem)
    return _show_confirmation(form, payment_session, offer, amount_minor)


def _request(session_id: str, token_text: str, order: RefundOrder) -> str:
    """The verb looks at the bank itself; no transaction of ours is open meanwhile."""
    db.session.rollback()
    with bank_seat():
        return refunds.request(desk(), person(), session_id, token_text, order)


def _answer_refused(form: RefundForm, session_id: str, refusal: RequestRefused) -> ResponseReturnValue:
    """Show the session again as it is now, with what was typed and what stands in the way."""
    db.session.rollback()
    payment_session = db.session.get_one(PaymentSession, session_id)
    offer = refunds.offer_of(db.session(), payment_session)
    if refusal.code == "too_much":
        left = amount_with_currency(refusal.left_minor, offer.currency)
        form.blame_amount(_("That is more than can still be refunded: at most %(left)s. Nothing was sent.", left=left))
        return _show_form(form, payment_session, offer), 422
    if refusal.code == "forged_form":
        _give_token(form, session_id, offer)
        form.blame(wording.refusal(refusal.code))
        return _show_form(form, payment_session, offer), 422
    if refusal.code == "outdated":
        changes = [*_changes_since(form.form_token.data or "", session_id), wording.refusal("outdated")]
        _give_token(form, session_id, offer)
        return _show_form(form, payment_session, offer, _why_blocked(offer), changes=changes), 409
    if refusal.code == "not_whole":
        return _answer_later(form, payment_session, offer, wording.refusal(refusal.code)), 409
    return _show_form(form, payment_session, offer, wording.refusal(refusal.code)), 409


def _changes_since(token_text: str, session_id: str) -> list[str]:
    """What became of a session since a form was opened, in sentences."""
    known = refunds.open_form(desk(), token_text, person().id, session_id).refunds_known
    rows = sorted(history.of_session(db.session(), session_id), key=lambda row: row.id)[known:]
    return [_change(row) for row in rows] or [_("What can be refunded is not what it was when you opened the form.")]


def _change(row: history.Row) -> str:
    amount = amount_with_currency(row.amount_minor, row.currency)
    if row.origin == "chargeback":
        return _("A chargeback of %(amount)s came in.", amount=amount)
    if row.origin == "bank":
        return _("A refund of %(amount)s was made at the bank.", amount=amount)
    if row.status == refund_rules.CANCELLED:
        return _("%(person)s asked for a refund of %(amount)s and undid it.", person=row.asked_by, amount=amount)
    return _("%(person)s asked for a refund of %(amount)s.", person=row.asked_by, amount=amount)


def _show_confirmation(
    form: RefundForm, payment_session: PaymentSession, offer: Offer, amount_minor: int
) -> ResponseReturnValue:
    form.amount.data = money.major(amount_minor, offer.currency)
    return render_template(
        "refunds/confirm.html",
        form=form,
        s=session_index.figures_of(db.session(), [payment_session])[0],
        amount_minor=amount_minor,
        currency=offer.currency,
        left_minor=offer.refundable_minor - amount_minor,
        reason_text=wording.reason(form.reason.data),
        is_full=amount_minor == offer.captured_minor,
        undo_s=round(desk().config.undo_s),
        warnings=_warnings(payment_session.id),
    )


@bp.get("/sessions/<session_id>/refund/left")
@needs(roles.REQUEST_REFUND)
def left(session_id: str) -> ResponseReturnValue:
    """A hint while somebody types. A slip is no failed request, or every one would stand in the browser's console."""
    payment_session = db.session.get(PaymentSession, session_id)
    if payment_session is None:
        abort(404)
    offer = refunds.offer_of(db.session(), payment_session)
    if request.args.get("kind") == FULL:
        return _show_left(0, offer)
    try:
        amount_minor = money.parse_amount(request.args.get("amount", ""), offer.currency)
    except money.BadAmount as problem:
        return _show_left(None, offer, "" if problem.code == "empty" else wording.bad_amount(problem.code))
    if amount_minor > offer.refundable_minor:
        return _show_left(None, offer, _("More than can still be refunded."))
    return _show_left(offer.refundable_minor - amount_minor, offer)


def _show_left(left_minor: int | None, offer: Offer, error: str = "") -> str:
    return render_template("refunds/_left.html", left_minor=left_minor, currency=offer.currency, error=error)
