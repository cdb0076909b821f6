"""The limits of what one person may refund alone: everybody sees them, whoever may sets them."""

from flask import Blueprint, abort, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from dashboard import limits, roles
from dashboard.db import db
from dashboard.limit_rules import BadLimit
from dashboard.web import step_up, wording
from dashboard.web.access import desk, needs, person, visitor
from dashboard.web.forms import LimitForm, NewLimitForm

bp = Blueprint("limits", __name__, url_prefix="/limits")


@bp.get("/")
@needs(roles.SEE)
def index() -> ResponseReturnValue:
    return render_template(
        "limits/index.html", limits=limits.all_of_them(db.session()), can_set=visitor().may(roles.SET_LIMITS)
    )


@bp.route("/new", methods=["GET", "POST"])
@needs(roles.SET_LIMITS)
def new() -> ResponseReturnValue:
    form = NewLimitForm()
    if not form.is_submitted():
        return _page(form)
    currency = form.currency.data or ""
    known = dict(limits.all_of_them(db.session())).get(currency)
    # The same once more is no mistake: whoever got no answer presses again.
    if known is not None and form.limit(currency) != known:
        form.currency.errors = [_("This currency has limits already. Change them on their own page.")]
        return _page(form, edit_url=url_for("limits.edit", currency=currency)), 422
    return _put(form, currency)


@bp.route("/<currency>", methods=["GET", "POST"])
@needs(roles.SET_LIMITS)
def edit(currency: str) -> ResponseReturnValue:
    known = dict(limits.all_of_them(db.session())).get(currency)
    if known is None:
        abort(404, _("This currency has no limits of its own."))
    form = LimitForm()
    if form.is_submitted():
        return _put(form, currency, edited=currency)
    form.fill_in(currency, known)
    return _page(form, edited=currency)


def _put(form: LimitForm, currency: str, edited: str = "") -> ResponseReturnValue:
    limit = form.limit(currency) if form.validate() else None
    if limit is None:
        return _page(form, edited), 422
    if answer := step_up.ask_unless_fresh(_("You are about to set limits for refunds.")):
        return answer
    who = person().email
    db.session.rollback()
    try:
        limits.put(desk(), currency, limit, actor=who)
    except BadLimit as problem:
        form.blame(wording.bad_limit(problem.code))
        return _page(form, edited), 422
    flash(
        _("Set. It holds for every refund that is asked for from now on; above the second amount nothing is approved."),
        "ok",
    )
    return redirect(url_for("limits.index"), 303)


@bp.post("/<currency>/remove")
@needs(roles.SET_LIMITS)
def remove(currency: str) -> ResponseReturnValue:
    if answer := step_up.ask_unless_fresh(_("You are about to remove limits for refunds.")):
        return answer
    who = person().email
    db.session.rollback()
    if limits.remove(desk(), currency, actor=who):
        flash(_("Removed. What is set for all other currencies holds for this one now."), "ok")
    return redirect(url_for("limits.index"), 303)


def _page(form: LimitForm, edited: str = "", edit_url: str | None = None) -> str:
    return render_template("limits/limit.html", form=form, edited=edited, edit_url=edit_url)
