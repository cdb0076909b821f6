"""Signing in through an OpenID provider, and proving there once more who one is."""

import logging
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any, cast
from urllib.parse import urlsplit

from flask import Blueprint, Flask, abort, current_app, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_babel import LazyString
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_login import current_user, login_user

from dashboard import guessing, openid, proving, sign_ins, signing_in, single_sign_on
from dashboard.desk import Desk
from dashboard.openid import NotBelieved, OutOfReach, Provider, Visit
from dashboard.single_sign_on import NotLetIn
from dashboard.web import people, proof_form, wording
from dashboard.web.access import Visitor, any_role, desk, person, public, safe_target, visitor
from dashboard.web.forms import SignInForm

log = logging.getLogger(__name__)

bp = Blueprint("single_sign_on", __name__)

# Where the cookie keeps what the browser has to bring back from the provider.
VISIT = "provider_visit"

_WORDS: Mapping[str, LazyString] = {
    "too_old": _l("That took too long, or was begun in another window. Nothing was done: try once more."),
    "denied": _l("The sign-in service did not let you through. Try once more, or ask whoever runs it."),
    "no_proof": _l("What the sign-in service answered proves nothing, so nothing was done. Try once more; if it stays "
                   "so, tell whoever runs this desk."),
    "no_role": _l("You are known to the sign-in service, but none of your groups there has a role at this desk. Ask "
                  "whoever looks after groups."),
    "unverified": _l("The sign-in service has not verified your e-mail address, so nobody knows whose account is "
                     "yours. Ask whoever runs it."),
    "disabled": _l("Your account at this desk is disabled. Ask an admin."),
    "other_identity": _l("The account with your e-mail address belongs to somebody else at the sign-in service. Ask "
                         "whoever runs this desk."),
    "bad_address": _l("Your e-mail address at the sign-in service cannot be used here. Ask whoever runs it."),
    "last_admin": _l("Your groups would make you less than an admin, and you are the last admin of this desk. Nothing "
                     "was changed: somebody else has to be made an admin first."),
    "somebody_else": _l("Somebody else has signed in at the sign-in service. Nothing was done yet."),
    "use_factor": _l("Your account has a second factor by now, and that is what is asked for. Nothing was done yet."),
    "not_now": _l("The sign-in service did not ask you to sign in afresh, so this proves nothing. Nothing was done "
                  "yet. Tell whoever runs this desk, or add a second factor to your account."),
}  # fmt: skip


def init_app(app: Flask, here: Desk) -> None:
    """Have a provider, if the settings name one."""
    if here.config.has_oidc:
        app.extensions["openid"] = Provider(here.config, here.clock)


def provider() -> Provider:
    """The provider, or 404."""
    found = current_app.extensions.get("openid")
    if found is None:
        abort(404)
    return cast(Provider, found)


@bp.post("/login/sso")
@public
def begin() -> ResponseReturnValue:
    """A page that goes on to the provider by itself: a redirect of a form is one that the browser would not follow."""
    target = safe_target(request.form.get("next"))
    try:
        url, visit = provider().begin()
    except OutOfReach as problem:
        return _out_of_reach(problem, target)
    session[VISIT] = {"visit": asdict(visit), "next": target}
    return _leave(url)


@bp.get(openid.CALLBACK)
@public
def finish() -> ResponseReturnValue:
    """Back from the provider."""
    here, brought = provider(), _brought_back()
    if "again" in brought:
        return _finish_again(here, brought)
    target = safe_target(brought.get("next"))
    limit = guessing.by_address("sso", request.remote_addr or "")
    try:
        guessing.reserve(desk(), limit)
        identity = here.finish(_visit(brought), request.args)
        token = single_sign_on.sign_in(desk(), identity, request.remote_addr or "", request.user_agent.string)
    except OutOfReach as problem:
        return _out_of_reach(problem, target)
    except NotBelieved as problem:
        log.warning("a sign-in through the provider was refused: %s", problem)
        return _sign_in_page(str(_WORDS[problem.why]), target, 422)
    except NotLetIn as problem:
        return _sign_in_page(str(_WORDS[problem.why]), target, 403)
    except guessing.TooManyAttempts as problem:
        page = _sign_in_page(wording.too_many_attempts(problem.retry_after_s), target, 429)
        return *page, {"Retry-After": str(problem.retry_after_s)}
    except signing_in.FactorNeeded as half:
        _give_back(limit)
        session[people.HALF] = half.half_token
        return redirect(url_for("second_step.ask", next=target), 303)
    _give_back(limit)
    return people.enter(token, target or url_for("overview.index"))


def _brought_back() -> dict[str, Any]:
    """What this browser was given when it left for the provider; once, and for that visit alone."""
    brought: dict[str, Any] = session.get(VISIT) or {}
    if brought and brought["visit"]["state"] == request.args.get("state"):
        session.pop(VISIT)
        return brought
    return {}


def _visit(brought: Mapping[str, Any]) -> Visit | None:
    return Visit(**brought["visit"]) if brought else None


def _give_back(limit: guessing.Limit) -> None:
    with desk().write() as tx:
        guessing.give_back(tx, limit)


def _leave(url: str) -> str:
    return render_template("single_sign_on/leaving.html", url=url, host=urlsplit(url).netloc)


def _out_of_reach(problem: OutOfReach, target: str | None) -> ResponseReturnValue:
    _log(problem)
    said = _(
        "The sign-in service cannot be reached right now. Nothing is wrong with your account: try again in a minute."
    )
    return *_sign_in_page(said, target, 503), {"Retry-After": "60"}


def _log(problem: OutOfReach) -> None:
    log.error("the OpenID provider cannot be used: %s", problem)


def _sign_in_page(problem: str, target: str | None, status: int) -> tuple[str, int]:
    form = SignInForm(formdata=None, next=target)
    form.form_errors = [problem]
    return people.page(form), status


# Proving it once more


@bp.post("/login/sso/again")
@any_role
def again() -> ResponseReturnValue:
    """Go to the provider with all that was sent to another address, `to`; it is there again afterwards."""
    address = safe_target(request.args.get("to"))
    here, somebody = provider(), person()
    if address is None or not proof_form.is_by_provider(somebody.id):
        abort(404)
    fields = proof_form.carried()
    try:
        url, visit = here.begin(again=True)
    except OutOfReach as problem:
        return _go_on(address, fields, _unreachable(problem)), 503
    kept = single_sign_on.keep_form(desk(), somebody, address, fields)
    session[VISIT] = {"visit": asdict(visit), "again": kept}
    return _leave(url)


def _finish_again(here: Provider, brought: Mapping[str, Any]) -> ResponseReturnValue:
    """Whatever the provider says, what was typed is given back to whoever typed it."""
    if not current_user.is_authenticated:
        return redirect(url_for("people.login"), 303)
    kept = single_sign_on.take_form(desk(), person(), str(brought["again"]))
    if kept is None:
        return redirect(url_for("overview.index"), 303)
    problem = _prove_again(here, brought)
    return _go_on(*kept, problem), 422 if problem else 200


def _prove_again(here: Provider, brought: Mapping[str, Any]) -> str:
    """Empty if it is them; else what is wrong."""
    visit = Visit(**brought["visit"])
    begun_at, address = datetime.fromisoformat(visit.begun_at), request.remote_addr or ""
    try:
        identity = here.finish(visit, request.args)
        token = single_sign_on.prove_again(desk(), visitor().token, person(), identity, begun_at, address)
    except OutOfReach as problem:
        return _unreachable(problem)
    except (NotBelieved, proving.NotProved) as problem:
        log.warning("a proof through the provider was refused: %s", problem)
        return str(_WORDS[problem.why])
    except proving.Over:
        return str(_WORDS["too_old"])
    found = sign_ins.find(desk(), token)
    if found is not None:
        login_user(Visitor(found.person, token, found.sign_in))
    return ""


def _unreachable(problem: OutOfReach) -> str:
    _log(problem)
    return _("The sign-in service cannot be reached right now. Nothing was done yet.")


def _go_on(address: str, fields: list[tuple[str, str]], problem: str = "") -> str:
    return render_template("single_sign_on/go_on.html", address=address, carried=fields, problem=problem)
