"""Searches of the history that somebody keeps under a name, beside its tabs."""

from flask import Blueprint, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from dashboard import roles, saved_views
from dashboard.db import db
from dashboard.saved_views import BadView
from dashboard.web import wording
from dashboard.web.access import desk, needs, person
from dashboard.web.refunds import arguments_of, filters_of

bp = Blueprint("saved_views", __name__, url_prefix="/views")


@bp.post("/")
@needs(roles.SEE)
def keep() -> ResponseReturnValue:
    arguments = arguments_of(filters_of(request.form))
    there = url_for("refunds.index", **arguments)
    name = request.form.get("name", "")
    db.session.rollback()
    try:
        in_place_of_another = saved_views.keep(desk(), person(), name, arguments)
    except BadView as problem:
        flash(wording.bad_view(problem.code), "warn")
        return redirect(there, 303)
    flash(_kept(in_place_of_another=in_place_of_another), "ok")
    return redirect(there, 303)


def _kept(*, in_place_of_another: bool) -> str:
    if in_place_of_another:
        return _("Kept. It takes the place of the search that had this name before, which is kept no longer.")
    return _("Kept. It stands above the list from now on.")


@bp.post("/<int:view_id>/forget")
@needs(roles.SEE)
def forget(view_id: int) -> ResponseReturnValue:
    """Leads to the search itself, where it can be kept anew."""
    db.session.rollback()
    arguments = saved_views.forget(desk(), person(), view_id)
    if arguments is None:
        flash(_("That search was kept no longer already."), "info")
        return redirect(url_for("refunds.index"), 303)
    flash(_("That search is kept no longer."), "info")
    return redirect(f"{url_for('refunds.index')}?{arguments}", 303)
