"""Error pages: what happened, what it means for the money, what to do next."""

import logging
from typing import Any

from flask import Flask, render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_wtf.csrf import CSRFError
from sqlalchemy import exc
from werkzeug.exceptions import BadRequest, HTTPException, MethodNotAllowed

from dashboard.db import TookTooLong
from dashboard.guessing import TooManyAttempts
from dashboard.web import refusals, wording

log = logging.getLogger(__name__)

_OWN_WORDS = frozenset({400, 404})


class DiscreetApp(Flask):
    """A defect is told in the log, and its address makes no further line of it."""

    def log_exception(self, *told: Any) -> None:
        """The last of what Flask tells is the exception, in each of its versions."""
        self.logger.error("%s %s failed", request.method, refusals.path(), exc_info=told[-1])


def init_app(app: Flask) -> None:
    """Show our own pages for every HTTP error."""
    app.register_error_handler(HTTPException, _show)
    app.register_error_handler(CSRFError, _show)
    app.register_error_handler(TooManyAttempts, _show_limit)
    app.register_error_handler(TookTooLong, lambda _: _show(BadRequest(wording.too_slow_search())))
    for kind in (exc.OperationalError, exc.InterfaceError, exc.TimeoutError):
        app.register_error_handler(kind, _show_database_trouble)


def _show(error: HTTPException) -> ResponseReturnValue:
    code = error.code or 500
    if code < 400:
        return error.get_response()
    if isinstance(error, CSRFError):
        refusals.tell("a form without a good token from %s for %s", request.remote_addr, refusals.path())
    title, message, next_step = _words(code, error)
    headers = {"Allow": ", ".join(error.valid_methods or ())} if isinstance(error, MethodNotAllowed) else {}
    if request.path.startswith("/webhooks/"):
        return f"{title}\n", code, {**headers, "Content-Type": "text/plain; charset=utf-8"}
    page = render_template("error.html", code=code, title=title, message=message, next_step=next_step)
    return page, code, headers


def _show_limit(problem: TooManyAttempts) -> ResponseReturnValue:
    page = render_template(
        "error.html",
        code=429,
        title=_("Too often in a short time"),
        message=_("Nothing was done and no money has moved."),
        next_step=wording.too_many_attempts(problem.retry_after_s),
    )
    return page, 429, {"Retry-After": str(problem.retry_after_s)}


def _show_database_trouble(problem: exc.SQLAlchemyError) -> ResponseReturnValue:
    """The database is away or busy: an outage, not a defect. What was to be written is not told."""
    log.error("the database could not be used: %s", getattr(problem, "orig", None) or problem)
    page = render_template(
        "error.html",
        code=503,
        title=_("This desk cannot reach its database right now"),
        message=_("Refunds that were made before are safe. If you had just sent one, look at the history first."),
        next_step=_("Try again in a minute; if it stays so, tell whoever runs this desk."),
    )
    return page, 503, {"Retry-After": "10"}


def _words(code: int, error: HTTPException) -> tuple[str, str, str]:
    nothing_moved = _("No money has moved.")
    if isinstance(error, CSRFError):
        return (
            _("This form is too old or was not ours"),
            nothing_moved,
            _("Go back, reload the page and send it again."),
        )
    said = str(error.description) if code in _OWN_WORDS and "description" in vars(error) else ""
    words = {
        400: (_("This request cannot be used"), said or nothing_moved, _("Check the address or go back.")),
        401: (_("You are signed out"), nothing_moved, _("Sign in again.")),
        403: (_("Your role does not allow this"), nothing_moved, _("Ask an admin if you should be able to.")),
        404: (_("Not found"), said or nothing_moved, _("Check the address or search for it.")),
        405: (_("This address does not take this kind of request"), nothing_moved, ""),
        413: (_("Too much was sent at once"), nothing_moved, _("Shorten it and send it again.")),
        415: (_("Only what a form of this desk sends can be taken"), nothing_moved, _("Go back and use the form.")),
        503: (
            _("The bank cannot be reached right now"),
            _("Nothing was sent, no money has moved."),
            _("Try again in a minute."),
        ),
    }
    otherwise = (
        _("Something went wrong here"),
        _("If you had sent a refund, look at the history before you do it again: it shows what was kept."),
        _("Try again; if it stays so, tell whoever runs this desk."),
    )
    return words.get(code, otherwise if code >= 500 else (error.name, nothing_moved, ""))
