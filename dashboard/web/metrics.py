"""Figures for Prometheus: for this machine, or for whoever has the token."""

import hmac

from flask import Blueprint, Response, abort, request
from flask.typing import ResponseReturnValue
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4

from dashboard import metrics
from dashboard.config import is_loopback
from dashboard.db import db
from dashboard.web.access import desk, public

bp = Blueprint("metrics", __name__)

_FORWARDED = ("X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-IP", "Forwarded", "Via")


@bp.get("/metrics")
@public
def show() -> ResponseReturnValue:
    """Of nobody else's business: 404, as if it were not there."""
    if not (_has_token() or _is_local()):
        abort(404)
    figures = metrics.text(db.session(), desk().clock.now(), has_collector=desk().config.has_collector)
    return Response(figures, content_type=CONTENT_TYPE_PLAIN_0_0_4)


def _has_token() -> bool:
    token, sent = desk().config.metrics_token, request.authorization
    if not token or sent is None or sent.type != "bearer" or not sent.token:
        return False
    return hmac.compare_digest(sent.token.encode(), token.encode())


def _is_local() -> bool:
    """Whether the client is on this machine. What came through a proxy is as far away as the proxy says that it is.

    Where the desk was told of fewer or more proxies than there are, it cannot know, so it is not.
    """
    return is_loopback(request.remote_addr) and (not _was_forwarded() or _is_believed())


def _was_forwarded() -> bool:
    return any(name in request.headers for name in _FORWARDED)


def _is_believed() -> bool:
    """Whether each of the proxies that the settings name has put down where the request came from."""
    hops = desk().config.proxy_hops
    named = [one for one in request.headers.get("X-Forwarded-For", "").split(",") if one.strip()]
    return 0 < hops <= len(named)
