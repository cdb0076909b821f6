"""Who may sign in, and as what: for those who look after accounts."""

from collections.abc import Callable
from typing import Any

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from dashboard import factor_resets, factors, links, mail, people, roles, sign_ins, single_sign_on
from dashboard.db import db
from dashboard.models import Person
from dashboard.web import letters, step_up
from dashboard.web.access import desk, needs, person
from dashboard.web.forms import InviteForm, ReasonedForm, RoleForm

bp = Blueprint("accounts", __name__, url_prefix="/people")


@bp.get("/")
@needs(roles.MANAGE_PEOPLE)
def index() -> ResponseReturnValue:
    return render_template(
        "people/index.html",
        people=people.everybody(db.session()),
        last_signed_in=sign_ins.last_started(db.session()),
        bound=single_sign_on.bound(db.session(), desk().config.oidc_issuer),
        factor_kinds=factors.kinds(db.session()),
        resets_asked={reset.person_id for reset in factor_resets.open_ones(db.session(), desk().clock.now())},
    )


@bp.get("/<person_id>")
@needs(roles.MANAGE_PEOPLE)
def show(person_id: str) -> ResponseReturnValue:
    account = account_of(person_id)
    return page(account, RoleForm(formdata=None, role=account.role))


@bp.post("/<person_id>/role")
@needs(roles.MANAGE_PEOPLE)
def change_role(person_id: str) -> ResponseReturnValue:
    account, form = account_of(person_id), RoleForm()
    if not form.validate_on_submit():
        return page(account, form), 422
    if answer := step_up.ask_unless_fresh(_("You are giving %(person)s another role.", person=account.email)):
        return answer
    role = form.role.data or ""
    return _change(
        account,
        lambda: people.change_role(desk(), account.email, role, actor=person().email),
        _("%(person)s has another role now, and has to sign in again.", person=account.email),
    )


@bp.post("/<person_id>/disable")
@needs(roles.MANAGE_PEOPLE)
def disable(person_id: str) -> ResponseReturnValue:
    account = account_of(person_id)
    return _change(
        account,
        lambda: people.disable(desk(), account.email, actor=person().email),
        _("%(person)s is signed out everywhere and cannot sign in any more.", person=account.email),
    )


@bp.post("/<person_id>/enable")
@needs(roles.MANAGE_PEOPLE)
def enable(person_id: str) -> ResponseReturnValue:
    account = account_of(person_id)
    if answer := step_up.ask_unless_fresh(_("You are letting %(person)s sign in again.", person=account.email)):
        return answer
    return _change(
        account,
        lambda: people.enable(desk(), account.email, actor=person().email),
        _("%(person)s can sign in again.", person=account.email),
    )


@bp.post("/<person_id>/sign-out")
@needs(roles.MANAGE_PEOPLE)
def sign_out(person_id: str) -> ResponseReturnValue:
    account = account_of(person_id)
    return _change(
        account,
        lambda: people.sign_out_everywhere(desk(), account.email, actor=person().email),
        _("%(person)s is signed out everywhere.", person=account.email),
    )


@bp.route("/invite", methods=["GET", "POST"])
@needs(roles.MANAGE_PEOPLE)
def invite() -> ResponseReturnValue:
    form = InviteForm(role="operator")
    if request.method != "POST":
        return _invite_page(form)
    if not form.validate_on_submit():
        return _invite_page(form), 422
    if answer := step_up.ask_unless_fresh(_("You are inviting %(person)s.", person=form.email.data)):
        return answer
    db.session.rollback()
    try:
        write = letters.invitation if _by_mail() else None
        started = links.invite(desk(), form.email.data or "", form.role.data or "", actor=person().email, write=write)
    except people.BadAccount:
        form.email.errors = [_("This is no e-mail address, or it has an account already.")]
        return _invite_page(form), 422
    return _mailed_or_shown(started)


def _invite_page(form: InviteForm) -> str:
    return render_template("people/invite.html", form=form, has_mail=desk().config.has_mail)


@bp.post("/<person_id>/reset-password")
@needs(roles.MANAGE_PEOPLE)
def reset_password(person_id: str) -> ResponseReturnValue:
    """One's own is changed by whoever knows it: a stolen sign-in of an admin's must not be enough."""
    account, address = account_of(person_id), url_for("accounts.show", person_id=person_id)
    if account.id == person().id:
        flash(_("Change your own password on the page of your account."), "bad")
        return redirect(address, 303)
    if answer := step_up.ask_unless_fresh(
        _("You are giving out a link to %(person)s's account.", person=account.email)
    ):
        return answer
    db.session.rollback()
    try:
        started = links.start_reset(
            desk(), account.email, actor=person().email, write=letters.reset if _by_mail() else None
        )
    except people.BadAccount:
        flash(_("Nothing was started: the account is disabled. Enable it first."), "bad")
        return redirect(address, 303)
    return _mailed_or_shown(started)


def _by_mail() -> bool:
    """Whether a link goes by mail, so that the admin does not see it."""
    return desk().config.has_mail and not request.form.get("by_hand")


def _mailed_or_shown(started: links.Started) -> ResponseReturnValue:
    if _by_mail():
        flash(_("A link is on its way to %(person)s by mail.", person=started.email), "ok")
        return redirect(url_for("accounts.show", person_id=started.person_id), 303)
    return render_template("people/link.html", link=letters.address_of(started), started=started)


def account_of(person_id: str) -> Person:
    """The account, or 404."""
    found = db.session.get(Person, person_id)
    if found is None:
        abort(404, _("There is no such account."))
    return found


def _change(account: Person, change: Callable[[], bool], done: str) -> ResponseReturnValue:
    """Do it, say so, and show the account as it is then."""
    is_self, address = account.id == person().id, url_for("accounts.show", person_id=account.id)
    db.session.rollback()
    try:
        is_changed = change()
    except people.LastAdmin:
        flash(_("Nothing was changed: nobody else could look after accounts. Make somebody an admin first."), "bad")
        return redirect(address, 303)
    flash(done if is_changed else _("It was so already: nothing was changed."), "ok" if is_changed else "info")
    return redirect(url_for("people.login") if is_self and is_changed else address, 303)


def page(account: Person, form: RoleForm, reset_form: ReasonedForm | None = None) -> str:
    """An account and what can be done about it; the forms may hold what was typed and is wrong."""
    return render_template(
        "people/person.html",
        account=account,
        form=form,
        is_bound=single_sign_on.is_bound(db.session(), desk().config.oidc_issuer, account.id),
        sign_ins=sign_ins.open_ones(db.session(), account.id, desk().clock.now(), desk().config.idle),
        is_self=account.id == person().id,
        has_mail=desk().config.has_mail,
        mailed=mail.last_of(db.session(), account.id, mail.PASSWORD_LINK),
        second=_second_factors(account, reset_form or ReasonedForm(formdata=None)),
    )


def _second_factors(account: Person, form: ReasonedForm) -> dict[str, Any]:
    session, me = db.session(), person()
    reset = factor_resets.open_one(session, account.id, desk().clock.now())
    asker = session.get_one(Person, reset.asked_by_id) if reset else me
    return {
        "theirs": factors.of(session, account.id),
        "reset": reset,
        "asked_by": asker.email,
        "is_mine_to_confirm": reset is not None and me.id not in {reset.asked_by_id, account.id},
        "may_anybody_confirm": factor_resets.may_anybody_confirm(session, account.id, asker.id),
        "form": form,
    }
