"""Who may see and do what. Everything needs a sign-in unless it is marked public; changes name their permission."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import ParamSpec, TypeVar, cast
from zoneinfo import ZoneInfo

from flask import Flask, abort, current_app, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import LoginManager, current_user

from dashboard import people, roles
from dashboard.desk import Desk
from dashboard.models import Person

P = ParamSpec("P")
R = TypeVar("R")

# Asked by scripts, which can make nothing of a sign-in page.
_FOR_SCRIPTS = frozenset({"live.stream", "refunds.rows", "refunds.left"})
_PUBLIC = "_is_public"


@dataclass(frozen=True)
class Visitor:
    """The signed-in person behind a request, as Flask-Login wants it."""

    person: Person
    token: str

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


def desk() -> Desk:
    """The desk behind this app."""
    return cast(Desk, current_app.extensions["desk"])


def zone() -> ZoneInfo:
    """The zone in which dates are shown and filtered."""
    return desk().config.timezone


def person() -> Person:
    """The signed-in person."""
    return visitor().person


def visitor() -> Visitor:
    """The signed-in visitor."""
    return cast(Visitor, current_user)


def init_app(app: Flask) -> None:
    """Require a sign-in for every endpoint that is not marked public."""
    login = LoginManager(app)
    login.session_protection = None
    login.user_loader(_load)
    app.before_request(_require_sign_in)


def _load(token: str) -> Visitor | None:
    found = people.signed_in(desk(), token)
    return Visitor(found, token) if found else None


def public(view: Callable[P, R]) -> Callable[P, R]:
    """Mark a view that needs no sign-in."""
    setattr(view, _PUBLIC, True)
    return view


def needs(permission: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Let a view be used only by those whose role holds the permission; 403 otherwise."""

    def guard(view: Callable[P, R]) -> Callable[P, R]:
        @wraps(view)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
            if not visitor().may(permission):
                abort(403)
            return view(*args, **kwargs)

        return guarded

    return guard


def _require_sign_in() -> ResponseReturnValue | None:
    if current_user.is_authenticated or is_public(request.endpoint):
        return None
    if request.endpoint in _FOR_SCRIPTS:
        abort(401)
    target = request.full_path.rstrip("?") if request.method == "GET" else None
    return redirect(url_for("people.login", next=target))


def is_public(endpoint: str | None) -> bool:
    """Static files and the views marked public; an unknown address is as closed as a known one."""
    if endpoint in {"static", "bootstrap.static"}:
        return True
    view = current_app.view_functions.get(endpoint or "")
    return bool(view and getattr(view, _PUBLIC, False))


def safe_target(target: str | None) -> str | None:
    """A path inside this app to go to after signing in; None for anything that leads elsewhere."""
    if not target or not target.startswith("/") or target.startswith(("//", "/\\")) or not target.isprintable():
        return None
    return target
