"""Refunds that a second person has to approve: the queue, the fresh look, and what they say."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from flask import Blueprint, Flask, abort, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from sqlalchemy import select
from sqlalchemy.orm import Session

from dashboard import approvals, history, history_counts, journal, refund_rules, refunds, roles, session_index
from dashboard.approvals import ApprovalRefused
from dashboard.bank131.client import BankError
from dashboard.db import db
from dashboard.history_filters import Filters
from dashboard.models import PaymentSession, Person, Refund
from dashboard.models.approvals import REJECTED
from dashboard.web import positions, step_up, wording
from dashboard.web.access import desk, needs, person, visitor
from dashboard.web.bank_seats import bank_seat
from dashboard.web.formats import amount_with_currency
from dashboard.web.forms import DecisionForm, ReasonedForm
from dashboard.web.pagination import pager_urls
from dashboard.web.refunds import list_page
from dashboard.web.second_ones import second_ones
from dashboard.web.sessions import Look, look_at_bank, refusal_of

bp = Blueprint("approvals", __name__)

WAITING = Filters(status=refund_rules.AWAITING_APPROVAL)
_STATUS_OF = {
    "comment_missing": HTTPStatus.UNPROCESSABLE_ENTITY,
    "same_person": HTTPStatus.FORBIDDEN,
    "no_right": HTTPStatus.FORBIDDEN,
}

_Form = DecisionForm | ReasonedForm


def init_app(app: Flask) -> None:
    """Offer the number of refunds that wait to the navigation, which counts only for those who may approve."""
    app.jinja_env.globals["approvals_count"] = lambda: history_counts.of_status(
        db.session(), refund_rules.AWAITING_APPROVAL
    )


@bp.get("/approvals/")
@needs(roles.SEE)
def index() -> ResponseReturnValue:
    cursor = journal.head_seq(db.session())
    page = list_page(WAITING)
    older_url, newest_url = pager_urls("approvals.index", page.older)
    return render_template(
        "approvals/index.html",
        rows=page.rows,
        cursor=cursor,
        older_url=older_url,
        newest_url=newest_url,
        live_url=url_for("live.stream", status=WAITING.status),
        rows_url=url_for("refunds.rows", status=WAITING.status),
    )


@bp.get("/refunds/<reference>/approval")
@needs(roles.SEE)
def show(reference: str) -> ResponseReturnValue:
    if (since := positions.position()) is not None:
        return _parts(reference, since)
    refund = _refund(reference)
    if refund.state != refund_rules.AWAITING_APPROVAL:
        flash(_("This refund does not wait for anybody's approval."), "info")
        return redirect(url_for("refunds.show", reference=reference), 303)
    look = look_at_bank(refund.session_id)
    status = HTTPStatus.SERVICE_UNAVAILABLE if look.problem else HTTPStatus.OK
    return _page(reference, look, DecisionForm(formdata=None)), status


def _parts(reference: str, since: int) -> ResponseReturnValue:
    """What an open page shows anew, from what the desk knows: the bank is not asked."""
    if short := positions.in_short(since, journal.head_seq(db.session())):
        return short
    return render_template("approvals/_parts.html", **_shown(reference))


def _refund(reference: str) -> Refund:
    found = db.session.scalars(select(Refund).where(Refund.reference == reference)).one_or_none()
    if found is None:
        abort(404, _("No refund has this reference."))
    return found


def _page(reference: str, look: Look, form: _Form, blame: str = "") -> str:
    return render_template(
        "approvals/refund.html",
        **_shown(reference),
        is_fresh=look.problem is None and look.is_whole,
        refusal=refusal_of(look.problem),
        form=form,
        blame=blame,
    )


def _shown(reference: str) -> dict[str, Any]:
    session = db.session()
    cursor = journal.head_seq(session)
    refund = _refund(reference)
    payment_session = session.get_one(PaymentSession, refund.session_id)
    rows = history.of_session(session, refund.session_id)
    is_waiting = refund.state == refund_rules.AWAITING_APPROVAL
    return {
        "r": next(row for row in rows if row.reference == reference),
        "s": session_index.figures_of(session, [payment_session])[0],
        "others": [row for row in rows if row.reference != reference],
        "warnings": second_ones(payment_session, refund.amount_minor, refund.currency, beside=reference),
        "came_since": [row for row in rows if row.reference != reference and row.created_at > refund.asked_at],
        "left_minor": refunds.offer_of(session, payment_session).refundable_minor,
        "read_at": payment_session.read_at,
        "is_mine": refund.asked_by_id == person().id,
        "is_waiting": is_waiting,
        "can_approve": visitor().may(roles.APPROVE),
        "became": "" if is_waiting else _what_became_of(session, refund),
        "cursor": cursor,
    }


def _what_became_of(session: Session, refund: Refund) -> str:
    """One that was approved may have been undone after that."""
    approval = approvals.of_refund(session, refund.id)
    if refund.state == refund_rules.CANCELLED:
        return _("It was undone. Nothing was sent to the bank, and the amount is free again.")
    if approval is None or approval.decided_by_id is None:
        return wording.not_approved("not_waiting")
    who = session.get_one(Person, approval.decided_by_id).email
    if approval.decision == REJECTED:
        return _("%(who)s rejected it. Nothing was sent to the bank, and the amount is free again.", who=who)
    return _("%(who)s approved it.", who=who)


@bp.post("/refunds/<reference>/approve")
@needs(roles.APPROVE)
def approve(reference: str) -> ResponseReturnValue:
    def say_yes(who: Person, comment: str) -> None:
        approvals.approve(desk(), who, reference, comment)

    done = _("Approved. It is sent to the bank when the time to undo it is over.")
    return _decide(reference, DecisionForm(), say_yes, done, about=_about_to_approve(reference))


def _about_to_approve(reference: str) -> str:
    refund = _refund(reference)
    amount = amount_with_currency(refund.amount_minor, refund.currency)
    return _("You are about to approve a refund of %(amount)s.", amount=amount)


@bp.post("/refunds/<reference>/reject")
@needs(roles.APPROVE)
def reject(reference: str) -> ResponseReturnValue:
    def say_no(who: Person, comment: str) -> None:
        approvals.reject(desk(), who, reference, comment)

    done = _("Rejected. Nothing was sent to the bank, and the amount is free again.")
    return _decide(reference, ReasonedForm(), say_no, done)


def _decide(
    reference: str, form: _Form, decide: Callable[[Person, str], None], done: str, about: str = ""
) -> ResponseReturnValue:
    """Do it; where it is refused or the bank cannot be asked, the page as it is now with what was typed.

    `about`: what is said where somebody has to show first who they are; empty: nobody has to.
    """
    who, state = person(), _refund(reference).state
    if not form.validate_on_submit():
        blame = "" if state == refund_rules.AWAITING_APPROVAL else wording.not_approved("not_waiting")
        return _again(reference, form, blame), HTTPStatus.UNPROCESSABLE_ENTITY
    if about and (question := step_up.ask_unless_fresh(about)):
        return question
    db.session.rollback()
    try:
        with bank_seat():
            decide(who, form.comment.data or "")
    except LookupError:
        abort(404, _("No refund has this reference."))
    except ApprovalRefused as refusal:
        return _again(reference, form, wording.not_approved(refusal.code)), _status_of(refusal)
    except BankError:
        blame = _("Nothing was decided: the bank could not be asked. The amount stays held. Try again in a minute.")
        return _again(reference, form, blame), HTTPStatus.SERVICE_UNAVAILABLE
    flash(done, "ok")
    return redirect(url_for("refunds.show", reference=reference), 303)


def _again(reference: str, form: _Form, blame: str = "") -> str:
    db.session.rollback()
    return _page(reference, look_at_bank(_refund(reference).session_id), form, blame)


def _status_of(refusal: ApprovalRefused) -> HTTPStatus:
    return _STATUS_OF.get(refusal.code, HTTPStatus.CONFLICT)
