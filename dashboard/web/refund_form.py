"""Asking for a refund: the form, the last look before it is sent, and what is said to what cannot be taken."""

from datetime import datetime
from typing import Any

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from sqlalchemy import select

from dashboard import (
    drafts,
    history,
    limit_rules,
    limits,
    money,
    open_forms,
    refund_rules,
    refunds,
    restore,
    roles,
    session_index,
)
from dashboard.bank131.client import BankError
from dashboard.db import db
from dashboard.models import PaymentSession, Refund
from dashboard.refunds import Offer, RefundOrder, RequestRefused
from dashboard.web import step_up, wording
from dashboard.web.access import desk, needs, person
from dashboard.web.bank_seats import bank_seat
from dashboard.web.formats import amount_with_currency, moment, moment_seconds
from dashboard.web.forms import FULL, LONGEST_COMMENT, RefundForm
from dashboard.web.pause import why_paused
from dashboard.web.second_ones import second_ones
from dashboard.web.sessions import find_or_explain, look_at_bank, refusal_of

bp = Blueprint("refund_form", __name__)

_SEALED = "typed"
_OPENED = "of_form"


@bp.route("/sessions/<session_id>/refund", methods=["GET", "POST"])
@needs(roles.REQUEST_REFUND)
def new(session_id: str) -> ResponseReturnValue:
    form = RefundForm()
    if reference := _made_before(form):
        return _to_refund(form, reference)
    if _is_confirmed() and (known := db.session.get(PaymentSession, session_id)):
        return _take(form, known, refunds.offer_of(db.session(), known))
    look = look_at_bank(session_id)
    payment_session = find_or_explain(session_id, look.problem)
    offer = refunds.offer_of(db.session(), payment_session)
    if look.problem is not None:
        return _answer_unreachable(form, payment_session, offer, look.problem)
    if not look.is_whole:
        return _answer_later(form, payment_session, offer, wording.refusal("not_whole")), 409
    if too_early := _why_too_early(restore.may_arrive_until(db.session(), desk().config, desk().clock.now())):
        return _answer_later(form, payment_session, offer, too_early), 409
    if request.method != "POST":
        return _answer_new_form(form, payment_session, offer)
    return _take(form, payment_session, offer)


def _made_before(form: RefundForm) -> str | None:
    """By the form that was sent, or by the one that somebody goes back to."""
    token = form.form_token.data or request.args.get(_OPENED)
    return refunds.made_with(db.session(), token) if token else None


def _to_refund(form: RefundForm, reference: str) -> ResponseReturnValue:
    """A form makes one refund; whoever went back to it or changed it is told that this made no second one."""
    if request.method != "POST":
        flash(
            _(
                "This form has made the refund below already; nothing more was sent. For another refund start from "
                "the session."
            ),
            "info",
        )
        return redirect(url_for("refunds.show", reference=reference), 303)
    made = db.session.scalars(select(Refund).where(Refund.reference == reference)).one()
    if form.asks_for_another(made.amount_minor, made.currency, made.reason, made.comment):
        flash(
            _(
                "This form had made the refund below already. What was changed in it since was not asked for, and "
                "nothing more was sent. For another refund start from the session."
            ),
            "warn",
        )
    return redirect(url_for("refunds.show", reference=reference), 303)


def _is_confirmed() -> bool:
    return request.form.get("confirm") == "yes"


def _answer_new_form(form: RefundForm, payment_session: PaymentSession, offer: Offer) -> ResponseReturnValue:
    _give_token(form, payment_session.id, offer)
    _fill_in(form)
    if answer := _answer_not_replaced(form, payment_session, offer):
        return answer
    blocked = _why_blocked(offer)
    page = _show_form(form, payment_session, offer, blocked)
    if blocked:
        return page, 409
    session_id = payment_session.id
    db.session.rollback()
    open_forms.note(desk(), session_id, person())
    return page


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
    if request.method != "POST":
        _fill_in(form)
    form.blame(sentence)
    return _show_form(form, payment_session, offer)


def _why_blocked(offer: Offer) -> str:
    if offer.unknown_open:
        return wording.refusal("unknown_open")
    return "" if offer.refundable_minor else wording.refusal("nothing_left")


def _answer_not_replaced(form: RefundForm, payment_session: PaymentSession, offer: Offer) -> tuple[str, int] | None:
    """Where the refund that this one is to replace cannot be, that and what can be done; the verb looks again."""
    if not form.replaces.data:
        return None
    of_session = db.session.scalars(select(Refund).where(Refund.session_id == payment_session.id)).all()
    replaced = next((one for one in of_session if one.reference == form.replaces.data), None)
    if replaced is not None and refunds.can_be_replaced(replaced, of_session):
        return None
    successor = refunds.replacement_of(replaced, of_session) if replaced else None
    why = wording.refusal("replaced_already" if successor else "cannot_replace")
    more = {
        "replaced": replaced and replaced.reference,
        "replaced_by": successor and successor.reference,
        "ordinary_url": None if _why_blocked(offer) else _url_with_typed(form, payment_session.id),
    }
    return _show_form(form, payment_session, offer, why, **more), 409


def _url_with_typed(form: RefundForm, session_id: str, **more: Any) -> str:
    """The address of a form with all that was typed; the comment, which nobody else is to read there, is sealed."""
    typed: dict[str, Any] = {name: form[name].data or None for name in ("kind", "amount", "reason")}
    if comment := form.comment.data:
        typed[_SEALED] = drafts.seal(desk(), person(), comment)
    return url_for("refund_form.new", session_id=session_id, **typed, **more)


def _url_to_come_back_to(form: RefundForm, session_id: str) -> str:
    """For Back and reload where the page is an answer: the form as it was typed, or the refund that it has made."""
    more = {_OPENED: form.form_token.data or None, "replaces": form.replaces.data or None}
    return _url_with_typed(form, session_id, **more)


def _has_an_address(form: RefundForm) -> bool:
    """Whether the page answers what was typed, and that is not too long for an address."""
    return request.method == "POST" and len(form.comment.data or "") <= LONGEST_COMMENT


def _fill_in(form: RefundForm) -> None:
    """With what the address says. A comment that was sealed too long ago, or for somebody else, is left out."""
    form.fill_in(request.args)
    try:
        form.comment.data = drafts.unseal(desk(), person(), request.args.get(_SEALED, ""))
    except drafts.DraftOver:
        form.comment.data = ""
        if _SEALED in request.args:
            flash(_("The comment could not be brought back: write it anew."), "warn")


def _show_form(form: RefundForm, payment_session: PaymentSession, offer: Offer, blocked: str = "", **more: Any) -> str:
    return render_template(
        "refunds/form.html",
        form=form,
        s=session_index.figures_of(db.session(), [payment_session])[0],
        takes_full=offer.in_full,
        takes_amounts=money.exponent(offer.currency) is not None,
        **_left_after(form.kind.data, form.amount.data, offer),
        blocked=blocked,
        warnings=_warnings(payment_session.id),
        others=_who_has_it_open(payment_session.id),
        others_url=_url_of_others(payment_session.id, offer),
        address=_url_to_come_back_to(form, payment_session.id) if _has_an_address(form) else None,
        **more,
    )


def _warnings(session_id: str) -> list[str]:
    """What would keep a new refund of this session from being sent for now."""
    warnings = []
    if any(row.review for row in history.of_session(db.session(), session_id)):
        warnings.append(_("Another refund of this session needs somebody. A new one waits until that is settled."))
    if why := why_paused(db.session()):
        warnings.append(f"{_('Sending is paused. A new refund waits until somebody resumes it.')} {why}")
    return warnings


def _who_has_it_open(session_id: str) -> list[str]:
    """Who may be about to ask for a refund of this session, too."""
    return [
        _(
            "%(person)s opened the refund form of this session at %(time)s and has not sent it. Ask them first.",
            person=other.email,
            time=moment(other.at),
        )
        for other in open_forms.of_others(db.session(), session_id, person(), desk().clock.now())
    ]


def _take(form: RefundForm, payment_session: PaymentSession, offer: Offer) -> ResponseReturnValue:
    if not form.check(offer.currency, is_confirmed=_is_confirmed()):
        return _show_form(form, payment_session, offer), 422
    if not _is_confirmed() and (answer := _answer_not_replaced(form, payment_session, offer)):
        return answer
    order = RefundOrder(
        form.kind.data, form.amount_minor, form.reason.data, form.comment.data or "", form.replaces.data or None
    )
    token_text = form.form_token.data or ""
    session_id = payment_session.id
    try:
        if _is_confirmed():
            if question := _ask_who_is_there(offer, order, _url_to_come_back_to(form, session_id)):
                return question
            reference = _request(session_id, token_text, order)
            return _to_refund(form, reference)
        token = refunds.open_form(desk(), token_text, person().id, session_id)
        amount_minor = refunds.check_order(offer, token, order)
        needs_approval = refunds.check_limits(db.session(), desk(), person(), offer.currency, amount_minor)
    except RequestRefused as refusal:
        return _answer_refused(form, session_id, refusal)
    except BankError as problem:
        return _answer_unreachable(form, payment_session, offer, problem)
    return _show_confirmation(form, payment_session, offer, amount_minor, needs_approval=needs_approval)


def _ask_who_is_there(offer: Offer, order: RefundOrder, back: str) -> ResponseReturnValue | None:
    """Above the currency's limit whoever asks has to have shown a short time ago who they are."""
    amount_minor = order.amount_minor or offer.refundable_minor
    limit = limits.of_person(db.session(), person().id, offer.currency, desk().clock.now())
    is_open = order.amount_minor is None and limit.proof_above_minor is not None
    if not is_open and not limit_rules.needs_proof(limit, amount_minor):
        return None
    amount = amount_with_currency(amount_minor, offer.currency)
    return step_up.ask_unless_fresh(_("You are about to refund %(amount)s.", amount=amount), back)


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
    if answer := _answer_not_replaced(form, payment_session, offer):
        return answer
    if refusal.code == "too_much":
        left = amount_with_currency(refusal.left_minor, offer.currency)
        form.blame_amount(_("That is more than can still be refunded: at most %(left)s. Nothing was sent.", left=left))
        return _show_form(form, payment_session, offer), 422
    if refusal.code == "not_allowed":
        form.blame_amount(_why_not_allowed(refusal.left_minor, offer.currency))
        return _show_form(form, payment_session, offer), 422
    if refusal.code == "held_to_old_limit":
        form.blame_amount(wording.refusal(refusal.code))
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
    if refusal.code == "just_restored":
        return _answer_later(form, payment_session, offer, _why_too_early(refusal.since)), 409
    return _show_form(form, payment_session, offer, wording.refusal(refusal.code)), 409


def _why_not_allowed(most_minor: int, currency: str) -> str:
    if most_minor == 0:
        return _("The limits allow no refunds in this currency, whoever approves. Nothing was sent.")
    most = amount_with_currency(most_minor, currency)
    return _("The limits allow no single refund above %(most)s, whoever approves. Nothing was sent.", most=most)


def _why_too_early(since: datetime | None) -> str:
    return wording.refusal("just_restored", moment_seconds(since)) if since else ""


def _changes_since(token_text: str, session_id: str) -> list[str]:
    """What became of a session since a form was opened, in sentences."""
    known = refunds.open_form(desk(), token_text, person().id, session_id).refunds_known
    changes = _changes(session_id, known)
    return changes or [_("What can be refunded is not what it was when you opened the form.")]


def _changes(session_id: str, known: int) -> list[str]:
    """The refunds of a session beyond those that are known already."""
    rows = sorted(history.of_session(db.session(), session_id), key=lambda row: row.id)
    return [_change(row) for row in rows[known:]]


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
    form: RefundForm, payment_session: PaymentSession, offer: Offer, amount_minor: int, *, needs_approval: bool
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
        address=_url_to_come_back_to(form, payment_session.id),
        others=_who_has_it_open(payment_session.id),
        others_url=_url_of_others(payment_session.id, offer),
        back_url=_url_with_typed(form, payment_session.id, replaces=form.replaces.data or None),
        undo_s=round(desk().config.undo_s),
        needs_approval=needs_approval,
        warnings=[*_warnings(payment_session.id), *second_ones(payment_session, amount_minor, offer.currency)],
    )


def _url_of_others(session_id: str, offer: Offer) -> str:
    """Where a page asks what others do: it names how many refunds it knows."""
    return url_for("refund_form.others", session_id=session_id, refunds=offer.refunds_known)


@bp.get("/sessions/<session_id>/refund/others")
@needs(roles.REQUEST_REFUND)
def others(session_id: str) -> ResponseReturnValue:
    """What others do with this session while somebody has its form or confirmation in front of them."""
    if db.session.get(PaymentSession, session_id) is None:
        abort(404)
    changes = _changes(session_id, request.args.get("refunds", 0, int))
    page = render_template("refunds/_others.html", others=[*changes, *_who_has_it_open(session_id)])
    db.session.rollback()
    open_forms.note_still_open(desk(), session_id, person())
    return page


@bp.get("/sessions/<session_id>/refund/left")
@needs(roles.REQUEST_REFUND)
def left(session_id: str) -> ResponseReturnValue:
    """A hint while somebody types. A slip is no failed request, or every one would stand in the browser's console."""
    payment_session = db.session.get(PaymentSession, session_id)
    if payment_session is None:
        abort(404)
    offer = refunds.offer_of(db.session(), payment_session)
    typed = request.args.get("kind"), request.args.get("amount")
    return render_template("refunds/_left.html", **_left_after(*typed, offer))


def _left_after(kind: str | None, amount: str | None, offer: Offer) -> dict[str, Any]:
    """What is left after the refund as it is typed, for `_left.html`."""
    left_minor, error = None, ""
    try:
        amount_minor = offer.refundable_minor if kind == FULL else money.parse_amount(amount or "", offer.currency)
    except money.BadAmount as problem:
        error = "" if problem.code == "empty" else wording.bad_amount(problem.code)
    else:
        if amount_minor <= offer.refundable_minor:
            left_minor = offer.refundable_minor - amount_minor
        else:
            error = _("More than can still be refunded.")
    return {"left_minor": left_minor, "currency": offer.currency, "error": error}
