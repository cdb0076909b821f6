"""The second page of signing in: the password was right, and the account has a second factor."""

from functools import partial

from flask import Blueprint, flash, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from dashboard import proving, sign_ins
from dashboard.models import Person
from dashboard.proving import Proof
from dashboard.web import people, proof_form
from dashboard.web.access import desk, public, safe_target
from dashboard.web.forms import ProofForm

bp = Blueprint("second_step", __name__)


@bp.route("/login/second-step", methods=["GET", "POST"])
@public
def ask() -> ResponseReturnValue:
    token, target = str(session.get(people.HALF, "")), safe_target(request.values.get("next"))
    somebody = _half_signed_in(token)
    if somebody is None:
        return _begin_anew(target)
    form = ProofForm()
    if request.method != "POST":
        return _page(form, somebody, token, target)
    try:
        done = proof_form.attempt(form, partial(_finish, token, somebody.email))
    except proving.Over:
        return _begin_anew(target)
    if isinstance(done, proof_form.Refused):
        return _page(form, somebody, token, target), done.status, done.headers
    return people.enter(done, target or url_for("overview.index"))


def _finish(token: str, email: str, proof: Proof) -> str:
    address, browser = request.remote_addr or "", request.user_agent.string
    return proving.finish_sign_in(desk(), token, proof, address, browser, known_as=people.known_as(email))


def _half_signed_in(token: str) -> Person | None:
    with desk().read() as reading:
        return sign_ins.whose_half(reading, token, desk().clock.now())


def _begin_anew(target: str | None) -> ResponseReturnValue:
    if session.pop(people.HALF, None) is not None:
        flash(_("That took too long, or was done already. Sign in once more."), "warn")
    return redirect(url_for("people.login", next=target), 303)


def _page(form: ProofForm, somebody: Person, token: str, target: str | None) -> str:
    asking = proof_form.asking(form, somebody.id, token)
    return render_template("factors/second_step.html", asking=asking, email=somebody.email, next=target)
