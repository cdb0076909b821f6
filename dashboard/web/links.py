"""The page behind a link with which somebody sets a password."""

from flask import Blueprint, flash, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_wtf.csrf import CSRFError, validate_csrf
from wtforms.validators import ValidationError

from dashboard import links, passwords
from dashboard.db import db
from dashboard.web import wording
from dashboard.web.access import desk, public
from dashboard.web.forms import NewPasswordForm
from dashboard.web.people import know_browser

bp = Blueprint("links", __name__)


@bp.get("/link/<token>")
@public
def show(token: str) -> ResponseReturnValue:
    """Changes nothing: programs look at links before people do."""
    return _page(token, NewPasswordForm(formdata=None), 200)


@bp.post("/link/<token>")
@public
def use(token: str) -> ResponseReturnValue:
    _check_form()
    form = NewPasswordForm()
    found = links.whose(db.session(), token, desk().clock.now())
    if found is None:
        return _over()
    if not form.validate_on_submit():
        return _page(token, form, 422)
    db.session.rollback()
    try:
        links.use(desk(), token, form.password.data or "")
    except links.LinkOver:
        return _over()
    except passwords.BadPassword as problem:
        form.password.errors = [wording.bad_password(problem.code)]
        return _page(token, form, 422)
    flash(_("Your password is set. Sign in with it."), "ok")
    response = make_response(redirect(url_for("people.login"), 303))
    know_browser(response, found.email)
    return response


def _check_form() -> None:
    """As for every other form, but for the address of the page that it stood on: browsers are told to keep that."""
    try:
        validate_csrf(request.form.get("csrf_token"))
    except ValidationError as problem:
        raise CSRFError(str(problem)) from problem


def _page(token: str, form: NewPasswordForm, status: int) -> ResponseReturnValue:
    found = links.whose(db.session(), token, desk().clock.now())
    if found is None:
        return _over()
    page = render_template("link.html", form=form, email=found.email, token=token, is_new=not found.password_hash)
    return page, status, {"Referrer-Policy": "no-referrer"}


def _over() -> ResponseReturnValue:
    """The same whether there never was one, or it was used, replaced or is too old."""
    page = render_template(
        "error.html",
        code=410,
        title=_("This link does not work any more"),
        message=_("A link sets a password once, within an hour, and a newer one takes its place."),
        next_step=_("If you have set your password, sign in. Otherwise ask an admin for a new link."),
    )
    return page, 410, {"Referrer-Policy": "no-referrer"}
