"""One's own second factors: adding, looking, taking away."""

from collections.abc import Callable, Mapping

import segno
from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import LazyString
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from dashboard import factors, passkeys, recovery_codes, roles, totp
from dashboard.db import db
from dashboard.models import Passkey
from dashboard.web import step_up, wording
from dashboard.web.access import desk, needs, person
from dashboard.web.forms import AppForm, PasskeyForm

bp = Blueprint("factors", __name__, url_prefix="/factors")

_WHY_NOT_ADDED: Mapping[str, LazyString] = {
    "wrong_code": _l("This is not the code that the app shows now. Look at its clock if it goes on."),
    "ran_out": wording.CODE_RAN_OUT,
    "too_late": _l("This page had waited too long. Begin anew."),
    "there_already": _l("It is there already: nothing was added."),
    "too_many": _l("There are too many passkeys already: remove one first."),
    "not_good": _l("The browser's answer could not be used: nothing was added. Try once more."),
}


@bp.get("/")
@needs(roles.SEE)
def index() -> ResponseReturnValue:
    mine = factors.of(db.session(), person().id)
    party = passkeys.relying_party(desk().config)
    return render_template(
        "factors/index.html",
        mine=mine,
        most_codes=recovery_codes.HOW_MANY,
        party=party,
        is_required=desk().config.require_factors,
    )


# An authenticator app


@bp.route("/app/new", methods=["GET", "POST"])
@needs(roles.SEE)
def new_app() -> ResponseReturnValue:
    return _begin("factors.new_app") or _app_page(AppForm(formdata=None))


@bp.post("/app")
@needs(roles.SEE)
def add_app() -> ResponseReturnValue:
    form = AppForm()
    answer = step_up.ask_unless_fresh(_("You are adding an authenticator app."))
    if answer is not None:
        return answer
    if not form.validate_on_submit():
        return _app_page(form), 422
    try:
        codes = factors.add_app(desk(), person(), form.sealed.data or "", form.code.data or "")
    except factors.CannotAdd as problem:
        if problem.why not in {"wrong_code", "ran_out"}:
            flash(_WHY_NOT_ADDED[problem.why], "bad")
            return redirect(url_for("factors.index"), 303)
        form.code.errors = [_WHY_NOT_ADDED[problem.why]]
        return _app_page(form), 422
    return _added(codes, _("The app is added: from now on you sign in with its codes too."))


@bp.post("/app/remove")
@needs(roles.SEE)
def remove_app() -> ResponseReturnValue:
    return _remove(lambda: factors.remove_app(desk(), person()), _("You are removing your authenticator app."))


def _app_page(form: AppForm) -> str:
    """The secret as a picture and as text; after a wrong code the same one again."""
    secret = _known_secret(form.sealed.data)
    if secret is None:
        secret, form.sealed.data = factors.new_app_secret(desk(), person())
    picture = segno.make(totp.address_of(secret, person().email), error="m", micro=False)
    return render_template(
        "factors/app.html",
        form=form,
        secret=" ".join(secret[start : start + 4] for start in range(0, len(secret), 4)),
        picture=picture.svg_data_uri(scale=5, border=4, light="#fff"),
    )


def _known_secret(sealed: str | None) -> str | None:
    try:
        return factors.app_secret(desk(), person(), sealed) if sealed else None
    except factors.CannotAdd:
        return None


# Passkeys


@bp.route("/passkeys/new", methods=["GET", "POST"])
@needs(roles.SEE)
def new_passkey() -> ResponseReturnValue:
    return _begin("factors.new_passkey") or _passkey_page(PasskeyForm(formdata=None))


@bp.post("/passkeys")
@needs(roles.SEE)
def add_passkey() -> ResponseReturnValue:
    form = PasskeyForm()
    answer = step_up.ask_unless_fresh(_("You are adding a passkey."))
    if answer is not None:
        return answer
    if not form.validate_on_submit():
        return _passkey_page(form), 422
    name = form.name.data or _("Passkey")
    try:
        codes = factors.add_passkey(desk(), person(), name, form.challenge.data or "", form.answer.data or "")
    except factors.CannotAdd as problem:
        form.form_errors = [_WHY_NOT_ADDED[problem.why]]
        return _passkey_page(form), 422
    return _added(codes, _("The passkey is added: from now on you sign in with it too."))


@bp.post("/passkeys/<passkey_id>/remove")
@needs(roles.SEE)
def remove_passkey(passkey_id: str) -> ResponseReturnValue:
    found = db.session.get(Passkey, passkey_id)
    if found is None or found.person_id != person().id:
        abort(404, _("There is no such passkey."))
    return _remove(
        lambda: factors.remove_passkey(desk(), person(), passkey_id),
        _("You are removing the passkey “%(name)s”.", name=found.name),
    )


def _passkey_page(form: PasskeyForm) -> str:
    here, me = desk(), person()
    known = factors.of(db.session(), me.id).passkeys
    question = passkeys.ask_to_add(here.config, me.id, me.email, known, here.clock.now(), here.new_id())
    return render_template("factors/passkey.html", form=form, question=question, public_url=here.config.public_url)


# Recovery codes


@bp.post("/codes")
@needs(roles.SEE)
def new_codes() -> ResponseReturnValue:
    answer = step_up.ask_unless_fresh(_("You are making new recovery codes; those you have stop working."))
    if answer is not None:
        return answer
    codes = factors.new_codes(desk(), person())
    if not codes:
        flash(_("Recovery codes come with the first passkey or app: add one."), "info")
        return redirect(url_for("factors.index"), 303)
    return _codes_page(codes)


def _codes_page(codes: list[str]) -> str:
    return render_template("factors/codes.html", codes=codes, email=person().email)


# In common


def _begin(endpoint: str) -> ResponseReturnValue | None:
    """The button that leads to a page asks first who is there, so that nothing comes between the page and its end."""
    if request.method != "POST":
        return None
    return step_up.ask_unless_fresh() or redirect(url_for(endpoint), 303)


def _added(codes: list[str], done: str) -> ResponseReturnValue:
    """The first one brings recovery codes along, which are shown at once and never again."""
    if codes:
        return render_template("factors/codes.html", codes=codes, email=person().email, done=done)
    flash(done, "ok")
    return redirect(url_for("factors.index"), 303)


def _remove(remove: Callable[[], bool], what: str) -> ResponseReturnValue:
    answer = step_up.ask_unless_fresh(what)
    if answer is not None:
        return answer
    if remove():
        flash(_("It is removed."), "ok")
    else:
        flash(_("It was so already: nothing was changed."), "info")
    return redirect(url_for("factors.index"), 303)
