"""One's own account: who one is, where one is signed in, another password."""

from flask import Blueprint, abort, flash, jsonify, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import login_user
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]

from dashboard import (
    drafts,
    factors,
    guessing,
    notice_rules,
    notices,
    own_account,
    passwords,
    preferences,
    sign_ins,
)
from dashboard.db import db
from dashboard.models import Person
from dashboard.web import reader, step_up, wording
from dashboard.web.access import Visitor, any_role, desk, person, visitor
from dashboard.web.forms import ChangePasswordForm, NoticesForm, PreferencesForm

bp = Blueprint("account", __name__, url_prefix="/account")


@bp.get("/")
@any_role
def index() -> ResponseReturnValue:
    return _page(ChangePasswordForm(formdata=None))


@bp.post("/password")
@any_role
def change_password() -> ResponseReturnValue:
    form = ChangePasswordForm()
    if not form.validate_on_submit():
        return _page(form), 422
    try:
        token = own_account.change_password(
            desk(), person(), visitor().token, form.old.data or "", form.password.data or ""
        )
    except own_account.WrongPassword:
        form.old.errors = [_("This is not your password.")]
        return _page(form), 422
    except passwords.BadPassword as problem:
        form.password.errors = [wording.bad_password(problem.code)]
        return _page(form), 422
    except guessing.TooManyAttempts as problem:
        form.form_errors = [wording.too_many_attempts(problem.retry_after_s)]
        return _page(form), 429, {"Retry-After": str(problem.retry_after_s)}
    _go_on(token or "")
    flash(_("Your password is changed. You are signed out everywhere else."), "ok")
    return redirect(url_for("account.index"), 303)


def _go_on(token: str) -> None:
    """The same sign-in under another token: the old cookie is worth nothing any more."""
    found = sign_ins.find(desk(), token)
    session.clear()
    if found is not None:
        login_user(Visitor(found.person, token, found.sign_in))


@bp.post("/preferences")
@any_role
def prefer() -> ResponseReturnValue:
    form = _preferences_form()
    db.session.rollback()
    try:
        preferences.choose(
            desk(),
            person(),
            language=form.language.data or "",
            timezone=form.timezone.data or "",
            theme=form.theme.data or "",
            keys=form.keys.data or "",
        )
    except preferences.BadPreference:
        abort(400, _("There is no such language, time zone, colours or keys."))
    reader.welcome(db.session.get_one(Person, person().id, populate_existing=True))
    flash(_("Your pages are as you chose."), "ok")
    return redirect(url_for("account.index"), 303)


def _preferences_form() -> PreferencesForm:
    form = PreferencesForm(obj=person())
    unset = SelectChoice("", _("As the desk has it (%(zone)s)", zone=desk().config.timezone.key))
    form.timezone.choices = [unset, *(SelectChoice(name, name) for name in preferences.zones())]
    return form


@bp.post("/notices")
@any_role
def hear() -> ResponseReturnValue:
    """Choose what one hears of by mail."""
    if not desk().config.has_mail:
        abort(404)
    form = NoticesForm()
    db.session.rollback()
    notices.choose(desk(), person(), form.chosen())
    flash(_("You hear of what you chose."), "ok")
    return redirect(url_for("account.index"), 303)


def _notices_form() -> NoticesForm:
    """What this person may choose, as it is at the moment."""
    choices = notice_rules.chosen(person().role, person().notices)
    form = NoticesForm(formdata=None, data={choice: choice in choices for choice in notice_rules.NEEDS})
    for choice in set(notice_rules.NEEDS).difference(notice_rules.open_to(person().role)):
        delattr(form, choice)
    return form


@bp.post("/sign-ins/end")
@any_role
def end_others() -> ResponseReturnValue:
    if answer := step_up.ask_unless_fresh(_("You are signing yourself out everywhere else.")):
        return answer
    db.session.rollback()
    ended = own_account.end_others(desk(), person(), visitor().token)
    flash(_("You are signed out everywhere else.") if ended else _("You were signed in nowhere else."), "ok")
    return redirect(url_for("account.index"), 303)


@bp.post("/sign-ins/<name>/end")
@any_role
def end(name: str) -> ResponseReturnValue:
    """End one; this one ends with signing out."""
    if answer := step_up.ask_unless_fresh(_("You are ending one of your sign-ins.")):
        return answer
    db.session.rollback()
    ended = sign_ins.end_one(desk(), person(), name)
    flash(_("That sign-in has ended.") if ended else _("That sign-in had ended already."), "ok" if ended else "info")
    return redirect(url_for("account.index"), 303)


def _page(form: ChangePasswordForm) -> str:
    now = desk().clock.now()
    return render_template(
        "account/index.html",
        account=person(),
        has_factors=factors.has_any(db.session(), person().id),
        form=form,
        preferences=_preferences_form(),
        notices=_notices_form() if desk().config.has_mail else None,
        sign_ins=[
            {
                "name": sign_ins.name_of(one),
                "started_at": one.started_at,
                "last_seen_at": one.last_seen_at,
                "address": one.address,
                "browser": one.browser,
                "is_this": sign_ins.is_of(one, visitor().token),
            }
            for one in sign_ins.open_ones(db.session(), person().id, now, desk().config.idle)
        ],
        told=own_account.told(db.session(), person()),
    )


# For the page that is open


@bp.get("/left")
@any_role
def left() -> ResponseReturnValue:
    """How long the sign-in holds: asking does not prolong it."""
    return jsonify(visitor().hold())


@bp.post("/stay")
@any_role
def stay() -> ResponseReturnValue:
    """Somebody is there. As with every request of a person's, that has been noted already."""
    return jsonify(visitor().hold())


@bp.post("/kept")
@any_role
def keep() -> ResponseReturnValue:
    """What stands in the page's forms, sealed: for the browser, should the sign-in end before it is sent."""
    typed = request.form.get("text", "")
    if len(typed.encode()) > drafts.MOST_BYTES:
        abort(413)
    return jsonify(text=drafts.seal(desk(), person(), typed))


@bp.post("/kept/open")
@any_role
def give_back() -> ResponseReturnValue:
    """The same in clear, for whoever typed it."""
    try:
        return jsonify(text=drafts.unseal(desk(), person(), request.form.get("text", "")))
    except drafts.DraftOver:
        abort(410)
