"""Signing in and out."""

from flask import Blueprint, Response, flash, make_response, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import current_user, login_user, logout_user

from dashboard import guessing, known_browsers, own_account, sign_ins, signing_in
from dashboard.db import db
from dashboard.models import Person
from dashboard.web import hardening, reader, wording
from dashboard.web.access import Visitor, any_role, desk, public, safe_target, visitor
from dashboard.web.formats import moment_seconds
from dashboard.web.forms import SignInForm

KNOWN = "refund_desk_known"
KNOWN_FOR_S = 365 * 24 * 60 * 60

bp = Blueprint("people", __name__)

# Where the cookie keeps the token of half a sign-in.
HALF = "half_sign_in"


@bp.route("/login", methods=["GET", "POST"])
@public
def login() -> ResponseReturnValue:
    form = SignInForm(next=request.args.get("next"))
    target = safe_target(form.next.data) or url_for("overview.index")
    if request.method != "POST":
        if current_user.is_authenticated:
            return redirect(target)
        return page(form, was_signed_in="_user_id" in session)
    if desk().config.oidc_only:
        form.form_errors = [_("Passwords do not open this desk. Use single sign-on.")]
        return page(form), 403
    if not form.validate_on_submit():
        return page(form), 422
    return _sign_in(form, target)


def page(form: SignInForm, *, was_signed_in: bool = False) -> str:
    """The page that people sign in on; the form may hold what was typed, and what is wrong."""
    return render_template("login.html", form=form, was_signed_in=was_signed_in, config=desk().config)


def _sign_in(form: SignInForm, target: str) -> ResponseReturnValue:
    email = form.email.data or ""
    try:
        token = signing_in.sign_in(
            desk(),
            email,
            form.password.data or "",
            request.remote_addr or "",
            browser=request.user_agent.string,
            known_as=known_as(email),
        )
    except signing_in.WrongSignIn:
        form.form_errors = [_("The e-mail address or the password is not right.")]
        return page(form), 422
    except guessing.TooManyAttempts as problem:
        form.form_errors = [wording.too_many_attempts(problem.retry_after_s)]
        return page(form), 429, {"Retry-After": str(problem.retry_after_s)}
    except signing_in.FactorNeeded as half:
        session[HALF] = half.half_token
        return redirect(url_for("second_step.ask", next=safe_target(form.next.data)), 303)
    return enter(token, target)


def enter(token: str, target: str) -> ResponseReturnValue:
    """Be signed in with this token, and go on to the target; the cookie of before opens nothing any more.

    Pages that are open in other tabs stay good for whoever comes back, and for nobody else.
    """
    found, response = sign_ins.find(desk(), token), make_response(redirect(target, 303))
    session.pop(HALF, None)
    if current_user.is_authenticated:
        sign_ins.end(desk(), visitor().token)
    if found is None or sign_ins.was_of(db.session(), session.get("_user_id", "")) != found.person.id:
        session.clear()
    if found is not None:
        login_user(Visitor(found.person, token, found.sign_in))
        reader.welcome(found.person)
        _tell_of_resets(found.person)
        know_browser(response, found.person.email)
    return response


def _tell_of_resets(person: Person) -> None:
    """Nobody gets into an account without its owner being told."""
    for one in reversed(own_account.since_last_sign_in(db.session(), person)):
        what = wording.told(one.action, one.data)
        flash(
            _(
                "Since you last signed in: %(what)s (%(actor)s, %(time)s). If you do not know why, tell an admin.",
                what=what,
                actor=one.actor,
                time=moment_seconds(one.at),
            ),
            "warn",
        )


def know_browser(response: Response, email: str) -> None:
    """Remember that this account was signed in to here: nobody else's guessing keeps its owner out then."""
    cookie = known_browsers.remember(_known(), email, desk().config.secret_keys)
    name = hardening.cookie_name(KNOWN)
    response.set_cookie(name, cookie, KNOWN_FOR_S, secure=request.is_secure, httponly=True, samesite="Lax")


def known_as(email: str) -> str:
    """The name of this browser, where the account was signed in to in it before; else nothing."""
    return known_browsers.name_of(_known(), email, desk().config.secret_keys)


def _known() -> str:
    return request.cookies.get(hardening.cookie_name(KNOWN), "")


@bp.post("/logout")
@any_role
def logout() -> ResponseReturnValue:
    sign_ins.end(desk(), visitor().token)
    logout_user()
    return redirect(url_for("people.login"), 303)
