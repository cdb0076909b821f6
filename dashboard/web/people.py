"""Signing in and out."""

from flask import Blueprint, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import ngettext
from flask_login import current_user, login_user, logout_user

from dashboard import guessing, sign_ins, signing_in
from dashboard.web.access import Visitor, any_role, desk, public, safe_target, visitor
from dashboard.web.forms import SignInForm

bp = Blueprint("people", __name__)

# Where the cookie keeps the token of half a sign-in.
HALF = "half_sign_in"


@bp.route("/login", methods=["GET", "POST"])
@public
def login() -> ResponseReturnValue:
    form = SignInForm(next=request.args.get("next"))
    target = safe_target(form.next.data) or url_for("overview.index")
    if request.method == "GET":
        return redirect(target) if current_user.is_authenticated else render_template("login.html", form=form)
    if not form.validate_on_submit():
        return render_template("login.html", form=form), 422
    return _sign_in(form, target)


def _sign_in(form: SignInForm, target: str) -> ResponseReturnValue:
    try:
        token = signing_in.sign_in(desk(), form.email.data or "", form.password.data or "", request.remote_addr or "")
    except signing_in.WrongSignIn:
        form.form_errors = [_("The e-mail address or the password is not right.")]
        return render_template("login.html", form=form), 422
    except guessing.TooManyAttempts as problem:
        minutes = -(-problem.retry_after_s // 60)
        form.form_errors = [
            ngettext(
                "Too many attempts. Try again in %(num)d minute.",
                "Too many attempts. Try again in %(num)d minutes.",
                minutes,
            )
        ]
        return render_template("login.html", form=form), 429, {"Retry-After": str(problem.retry_after_s)}
    except signing_in.FactorNeeded as half:
        session[HALF] = half.half_token
        return redirect(url_for("second_step.ask", next=safe_target(form.next.data)), 303)
    return enter(token, target)


def enter(token: str, target: str) -> ResponseReturnValue:
    """Be signed in with this token, in the place of whoever was before, and go on to the target."""
    session.pop(HALF, None)
    if current_user.is_authenticated:
        sign_ins.end(desk(), visitor().token)
    person = sign_ins.whose(desk(), token)
    if person is not None:
        login_user(Visitor(person, token))
    return redirect(target, 303)


@bp.post("/logout")
@any_role
def logout() -> ResponseReturnValue:
    sign_ins.end(desk(), visitor().token)
    logout_user()
    return redirect(url_for("people.login"), 303)
