"""A name for each request, so that what somebody saw is found in the log: its lines, its answer, its error page."""

import logging
import secrets

from flask import Flask, Response, g, has_request_context

HEADER = "X-Request-Id"
_BYTES = 5


class Named(logging.Filter):
    """Gives each record the name of the request that it was written in, and a blank behind it; else nothing."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.request_id = f"{request_id()} " if has_request_context() else ""
        return True


def init_app(app: Flask) -> None:
    """Tell it with each answer, and to templates."""
    app.after_request(_tell)
    app.jinja_env.globals["request_id"] = request_id


def request_id() -> str:
    """The name of this request. What a client or a proxy calls it is not believed: it could be anybody's."""
    if "request_id" not in g:
        g.request_id = secrets.token_hex(_BYTES)
    return str(g.request_id)


def _tell(response: Response) -> Response:
    response.headers[HEADER] = request_id()
    return response
