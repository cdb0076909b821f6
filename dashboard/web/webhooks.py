"""The bank's way in: no sign-in, a signature."""

import itertools
import logging

from flask import Blueprint, abort, current_app, request
from flask.typing import ResponseReturnValue
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from dashboard import webhook_inbox
from dashboard.bank131 import signature
from dashboard.web import refusals
from dashboard.web.access import desk, public

log = logging.getLogger(__name__)

MAX_BODY_BYTES = 1024 * 1024

_bad_signatures = itertools.count(1)

bp = Blueprint("webhooks", __name__)


@bp.post("/webhooks/bank131")
@public
def receive() -> ResponseReturnValue:
    """413: too long. 401: bad signature. 503: it could not be kept, the bank sends it again. 200: it is kept."""
    # One byte more than is taken: a chunked body is cut off there, without a word.
    request.max_content_length = MAX_BODY_BYTES + 1
    body = request.get_data(cache=False, parse_form_data=False)
    if len(body) > MAX_BODY_BYTES:
        abort(413)
    if not signature.verify(current_app.extensions["bank_keys"], body, request.headers.get("X-PARTNER-SIGN")):
        refusals.tell("webhook with a bad signature from %s, number %d", request.remote_addr, next(_bad_signatures))
        return "bad signature\n", 401, {"Content-Type": "text/plain; charset=utf-8"}
    try:
        delivery_id = webhook_inbox.store(desk(), body)
    except SQLAlchemyError as problem:
        _note_not_kept(problem)
        return "not kept, send it again\n", 503, {"Content-Type": "text/plain; charset=utf-8"}
    _apply(delivery_id)
    return "", 200


def _note_not_kept(problem: SQLAlchemyError) -> None:
    """A lock that took too long, or a database that is away, is a line in the log; anything else is a defect."""
    if isinstance(problem, OperationalError):
        log.warning("a webhook could not be kept, the bank sends it again: %s", problem.orig)
    else:
        log.error("a webhook could not be kept", exc_info=problem)


def _apply(delivery_id: int) -> None:
    """At once if it can be; what fails is left to the worker."""
    try:
        webhook_inbox.apply(desk(), delivery_id)
    except OperationalError as problem:
        log.warning("webhook delivery %d is left to the worker: %s", delivery_id, problem.orig)
    except Exception:
        log.exception("webhook delivery %d is left to the worker", delivery_id)
