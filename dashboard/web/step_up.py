"""Asking once more who is there, before something that matters."""

from functools import partial
from urllib.parse import urlsplit

from flask import Response, make_response, redirect, render_template, request, url_for
from flask_login import login_user, logout_user

from dashboard import proving, sign_ins
from dashboard.proving import Proof
from dashboard.web import proof_form
from dashboard.web.access import Visitor, desk, person, safe_target, visitor
from dashboard.web.forms import ProofForm


def ask_unless_fresh(what: str = "", back: str = "") -> Response | None:
    """None if the person has proved who they are in the last five minutes, or does so with this very request.

    Otherwise a page that asks for it, to be returned by the view. For a view that was posted to, after its guards and
    before its verb. The page's form goes to the same address and carries all that was posted, so that the view is
    called again with the very same fields; those named `proof_…` are read here. `what`: a sentence for the page that
    says what will be done. `back`: the address of a form that holds all of it, to which whoever goes back comes;
    without one they come to the page they were on.

    The page answers 200, as the confirmation of a refund does: nothing is wrong with what was sent, it is a step on
    its way; what changes something answers 303 when it is done. A proof that does not work is 422, too many are 429.
    """
    if sign_ins.is_proved(desk(), visitor().token):
        return None
    form = ProofForm()
    if not proof_form.was_sent():
        return make_response(_page(form, what, back))
    try:
        done = proof_form.attempt(form, partial(_prove, visitor().token))
    except proving.Over:
        logout_user()
        return make_response(redirect(url_for("people.login"), 303))
    if isinstance(done, proof_form.Refused):
        return make_response(_page(form, what, back), done.status, done.headers)
    found = sign_ins.find(desk(), done)
    if found is None:
        return make_response(redirect(url_for("people.login"), 303))
    login_user(Visitor(found.person, done, found.sign_in))
    return None


def _prove(token: str, proof: Proof) -> str:
    return proving.prove_again(desk(), token, person().id, proof, request.remote_addr or "")


def _page(form: ProofForm, what: str, back: str) -> str:
    return render_template(
        "factors/step_up.html",
        asking=proof_form.asking(form, person().id, visitor().token),
        what=what,
        address=request.full_path.rstrip("?"),
        carried=proof_form.carried(),
        back=back or _way_back(),
        instead=back,
    )


def _way_back() -> str:
    """The page from which it was sent."""
    parts = urlsplit(request.referrer or "")
    came_from = safe_target(f"{parts.path}?{parts.query}".rstrip("?"))
    is_here = parts.netloc == request.host and parts.path != request.path
    return came_from if came_from and is_here else url_for("overview.index")
