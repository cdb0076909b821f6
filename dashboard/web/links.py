"""The pages behind a link with which somebody sets a password.

The link's code stands behind a `#`, which no browser sends: a script takes it into the form, or a person does.
"""

from flask import Blueprint, flash, make_response, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from dashboard import links, passwords
from dashboard.db import db
from dashboard.web import wording
from dashboard.web.access import desk, public
from dashboard.web.forms import LinkForm, LinkPasswordForm
from dashboard.web.people import know_browser

bp = Blueprint("links", __name__, url_prefix="/link")


@bp.get("")
@public
def show() -> ResponseReturnValue:
    """Changes nothing: programs look at links before people do."""
    return _code_page(LinkForm(formdata=None))


# Addresses of their own: a further link is no new page for a browser that stands on `/link` already.


@bp.post("/open")
@public
def look() -> ResponseReturnValue:
    """Whose link it is, and the form for the password; changes nothing either."""
    form = LinkForm()
    if not form.validate_on_submit():
        return _code_page(form), 422
    return _password_page(LinkPasswordForm(formdata=None, code=form.code.data), 200)


@bp.post("/password")
@public
def use() -> ResponseReturnValue:
    form = LinkPasswordForm()
    token = form.code.data or ""
    found = links.whose(db.session(), token, desk().clock.now())
    if found is None:
        return _over(token)
    if not form.validate_on_submit():
        return _password_page(form, 422)
    db.session.rollback()
    try:
        links.use(desk(), token, form.password.data or "")
    except links.LinkOver:
        return _over(token)
    except passwords.BadPassword as problem:
        form.password.errors = [wording.bad_password(problem.code)]
        return _password_page(form, 422)
    flash(_("Your password is set. Sign in with it."), "ok")
    response = make_response(redirect(url_for("people.login"), 303))
    know_browser(response, found.email)
    return response


def _password_page(form: LinkPasswordForm, status: int) -> ResponseReturnValue:
    token = form.code.data or ""
    found = links.whose(db.session(), token, desk().clock.now())
    if found is None:
        return _over(token)
    return render_template("links/password.html", form=form, email=found.email, is_new=not found.password_hash), status


def _over(code: str) -> ResponseReturnValue:
    """The same whether there never was one, or it was used, replaced or is too old."""
    return _code_page(LinkForm(formdata=None, code=code), is_over=True), 410


def _code_page(form: LinkForm, *, is_over: bool = False) -> str:
    return render_template("links/code.html", form=form, is_over=is_over)
