"""Taking somebody's second factors away: one admin asks, another one confirms."""

from collections.abc import Callable, Mapping

from flask import Blueprint, flash, redirect, url_for
from flask.typing import ResponseReturnValue
from flask_babel import LazyString
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from dashboard import factor_resets, roles
from dashboard.db import db
from dashboard.models import Person
from dashboard.web import accounts, step_up
from dashboard.web.access import desk, needs, person
from dashboard.web.forms import ReasonedForm, RoleForm

bp = Blueprint("factor_resets", __name__, url_prefix="/people/<person_id>/factors")

_WHY_NOT: Mapping[str, LazyString] = {
    "nothing": _l("There is nothing to reset: this account has no second factor."),
    "asked_already": _l("A reset is asked for already: another admin can confirm it."),
    "decided": _l("This reset is decided, called off or has lapsed. Look at what is there now."),
    "same_person": _l("You have asked for it yourself: another admin has to confirm it."),
    "for_oneself": _l("It is about your own account: another admin has to confirm it."),
    "no_right": _l("Nothing was reset: your account may not do this any more."),
    "not_two_people": _l(
        "Nothing was reset: within the last 24 hours one of you has let the other in, or somebody has let in both, so "
        "you do not count as two people yet. Another admin has to confirm it."
    ),
    "outdated": _l("Nothing was changed: whoever asked is no admin any more, or there is nothing left to reset."),
}


@bp.post("/reset")
@needs(roles.MANAGE_PEOPLE)
def ask(person_id: str) -> ResponseReturnValue:
    account, form = accounts.account_of(person_id), ReasonedForm()
    if not form.validate_on_submit():
        return accounts.page(account, RoleForm(formdata=None, role=account.role), form), 422
    what = _("You are asking to reset the second factors of %(person)s.", person=account.email)
    answer = step_up.ask_unless_fresh(what)
    if answer is not None:
        return answer
    return _change(
        account,
        lambda: factor_resets.ask(desk(), person(), account.id, form.comment.data or ""),
        _("The reset is asked for. Another admin has to confirm it."),
    )


@bp.post("/resets/<reset_id>/confirm")
@needs(roles.MANAGE_PEOPLE)
def confirm(person_id: str, reset_id: str) -> ResponseReturnValue:
    account = accounts.account_of(person_id)
    answer = step_up.ask_unless_fresh(_("You are resetting the second factors of %(person)s.", person=account.email))
    if answer is not None:
        return answer
    return _change(
        account,
        lambda: factor_resets.confirm(desk(), person(), account.id, reset_id),
        _("%(person)s has no second factor any more and is signed out everywhere.", person=account.email),
    )


@bp.post("/resets/<reset_id>/withdraw")
@needs(roles.MANAGE_PEOPLE)
def withdraw(person_id: str, reset_id: str) -> ResponseReturnValue:
    account = accounts.account_of(person_id)
    return _change(
        account,
        lambda: factor_resets.withdraw(desk(), person(), account.id, reset_id),
        _("The reset is called off."),
    )


def _change(account: Person, change: Callable[[], None], done: str) -> ResponseReturnValue:
    address = url_for("accounts.show", person_id=account.id)
    db.session.rollback()
    try:
        change()
    except factor_resets.CannotReset as problem:
        flash(_WHY_NOT[problem.why], "bad")
    else:
        flash(done, "ok")
    return redirect(address, 303)
