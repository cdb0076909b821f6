"""For machines that watch this one."""

from datetime import timedelta

from flask import Blueprint
from flask.typing import ResponseReturnValue
from sqlalchemy.exc import SQLAlchemyError

from dashboard import health, shape
from dashboard.bank_window import Window
from dashboard.web.access import desk, public

bp = Blueprint("health", __name__)


@bp.get("/healthz")
@public
def healthz() -> ResponseReturnValue:
    """200 as long as this process answers."""
    return {"status": "ok"}


@bp.get("/readyz")
@public
def readyz() -> ResponseReturnValue:
    """200 when database, schema, a worker, and one of this machine are there; else 503, with what is missing."""
    missing = _missing()
    return ({"status": "ok"}, 200) if not missing else ({"status": "not ready", "missing": missing}, 503)


def _missing() -> list[str]:
    try:
        if not shape.is_current(desk().engine):
            return ["migrations"]
        with desk().read() as session:
            alive = health.worker_is_alive(session, desk().clock.now(), timedelta(seconds=30))
    except SQLAlchemyError:
        return ["database"]
    if not alive:
        return ["worker"]
    bank = desk().bank
    return ["worker of this machine"] if isinstance(bank, Window) and bank.problem() else []
