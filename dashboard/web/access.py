"""Who may see and do what. Everything needs a sign-in unless it is marked public; changes name their permission."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import ParamSpec, TypeVar, cast

from flask import Flask, abort, current_app, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import LoginManager, current_user

from dashboard import factors, roles, sign_ins
from dashboard.db import db
from dashboard.desk import Desk
from dashboard.models import Person, SignIn
from dashboard.web import reader, refusals

P = ParamSpec("P")
R = TypeVar("R")

# Asked by scripts, which can make nothing of a sign-in page.
_FOR_SCRIPTS = frozenset(
    {
        "live.stream",
        "refunds.rows",
        "refund_files.progress",
        "refund_form.left",
        "refund_form.others",
        "account.left",
        "account.stay",
        "account.keep",
        "account.give_back",
    }
)
_FOR_ADDING = frozenset({"factors", "account"})
_LEAVE = "people.logout"
# Asked without anybody doing anything; other addresses are when a script says so, in a header or in the address.
_UNATTENDED = _FOR_SCRIPTS - {"account.stay"}
_UNATTENDED_HEADER = "X-Unattended"
_UNATTENDED_PARAMETER = "unattended"
_WARN_S = 60.0
_STATIC = frozenset({"static", "bootstrap.static"})
# Who may use a view stands on the view itself.
_OPEN_TO = "_open_to"
_EVERYBODY = "everybody"
_SIGNED_IN = "signed in"


@dataclass(frozen=True)
class Visitor:
    """The signed-in person behind a request, as Flask-Login wants it."""

    person: Person
    token: str
    sign_in: SignIn

    is_authenticated = True
    is_active = True
    is_anonymous = False

    @property
    def email(self) -> str:
        return self.person.email

    def get_id(self) -> str:
        return self.token

    def may(self, permission: str) -> bool:
        return roles.may(self.person.role, permission)

    def hold(self) -> dict[str, float | bool]:
        """In seconds: until when the sign-in holds, since when nobody did anything, from when on its page warns of the
        end, and how often it is told that somebody is there; and whether doing something prolongs it."""
        now, idle = desk().clock.now(), desk().config.idle
        ends_at = sign_ins.ends_at(self.sign_in, idle)
        return {
            "left_s": max(0.0, (ends_at - now).total_seconds()),
            "seen_s": (now - self.sign_in.last_seen_at).total_seconds(),
            "warn_s": min(_WARN_S, idle.total_seconds() / 2),
            "step_s": sign_ins.seen_step(idle).total_seconds(),
            "can_stay": ends_at < self.sign_in.started_at + sign_ins.LONGEST,
        }


def desk() -> Desk:
    """The desk behind this app."""
    return cast(Desk, current_app.extensions["desk"])


def person() -> Person:
    """The signed-in person."""
    return visitor().person


def visitor() -> Visitor:
    """The signed-in visitor."""
    return cast(Visitor, current_user)


def init_app(app: Flask) -> None:
    """Require a sign-in for every endpoint that is not marked public."""
    login = LoginManager()
    # Looked up only by pages that show who is there: an error page has to stand without a database.
    login.init_app(app, add_context_processor=False)
    app.jinja_env.globals.update(current_user=current_user, way_back=way_back)
    login.session_protection = None
    login.user_loader(_load)
    app.before_request(_require_sign_in)


def _load(token: str) -> Visitor | None:
    found = sign_ins.find(desk(), token)
    return Visitor(found.person, token, found.sign_in) if found else None


def public(view: Callable[P, R]) -> Callable[P, R]:
    """Mark a view that needs no sign-in."""
    setattr(view, _OPEN_TO, _EVERYBODY)
    return view


def any_role(view: Callable[P, R]) -> Callable[P, R]:
    """Mark a view that needs a sign-in and nothing else."""
    setattr(view, _OPEN_TO, _SIGNED_IN)
    return view


def needs(permission: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Let a view be used only by those whose role holds the permission; 403 otherwise."""

    def guard(view: Callable[P, R]) -> Callable[P, R]:
        @wraps(view)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
            if not visitor().may(permission):
                refusals.tell("%s may not %s %s", visitor().email, request.method, refusals.path())
                abort(403)
            return view(*args, **kwargs)

        setattr(guarded, _OPEN_TO, permission)
        return guarded

    return guard


def check_views(app: Flask) -> None:
    """Raise RuntimeError for views that do not say who may use them."""
    forgotten = [endpoint for endpoint in app.view_functions if not open_to(app, endpoint)]
    if forgotten:
        raise RuntimeError(f"nobody said who may use {', '.join(forgotten)}: mark them with needs, any_role or public")


def open_to(app: Flask, endpoint: str) -> str:
    """The permission that an endpoint needs, `everybody`, `signed in`, or nothing where its view does not say.

    Static files are open to everybody.
    """
    return _EVERYBODY if endpoint in _STATIC else getattr(app.view_functions.get(endpoint), _OPEN_TO, "")


def _require_sign_in() -> ResponseReturnValue | None:
    """An unknown address is as closed as a known one."""
    is_public = open_to(current_app, request.endpoint or "") == _EVERYBODY
    if is_public:
        return None
    if current_user.is_authenticated:
        reader.welcome(person())
        if _is_attended():
            sign_ins.note_seen(desk(), visitor().sign_in)
        return _require_factor()
    if request.endpoint in _FOR_SCRIPTS:
        abort(401)
    if request.method == "POST" and request.endpoint != _LEAVE:
        flash(_("You were signed out before this was sent: nothing was sent or changed."), "warn")
    return redirect(url_for("people.login", next=way_back()))


def _require_factor() -> ResponseReturnValue | None:
    """Where second factors are demanded, whoever has none finds the pages to add one and to leave, and no others."""
    is_on_the_way = request.blueprint in _FOR_ADDING or request.endpoint == _LEAVE
    if not desk().config.require_factors or is_on_the_way or factors.has_any(db.session(), person().id):
        return None
    if request.endpoint in _FOR_SCRIPTS or request.method != "GET":
        abort(403, _("Add a second factor first: this desk demands one."))
    return redirect(url_for("factors.index"))


def _is_attended() -> bool:
    """Whether somebody asked for this, and not a page by itself."""
    said = _UNATTENDED_HEADER in request.headers or _UNATTENDED_PARAMETER in request.args
    return request.endpoint not in _UNATTENDED and not said


def way_back() -> str | None:
    """Where to go after signing in: the page that was asked for, or the one that holds the form that was sent."""
    if request.method != "POST":
        asked = request.query_string.decode(errors="replace").split("&")
        kept = "&".join(part for part in asked if part.partition("=")[0] != _UNATTENDED_PARAMETER)
        return f"{request.path}?{kept}" if kept else request.path
    addresses = current_app.create_url_adapter(request)
    has_page = addresses is not None and "GET" in addresses.allowed_methods()
    return request.path if has_page else None


def safe_target(target: str | None) -> str | None:
    """A path inside this app to go to after signing in; None for anything that leads elsewhere."""
    if not target or not target.startswith("/") or target.startswith(("//", "/\\")) or not target.isprintable():
        return None
    return target
