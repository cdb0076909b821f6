"""The sandbox bank over HTTP: the bank's own API, the control calls and the control page. Wiring only."""

import socket
from pathlib import Path

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException

from dashboard.clock import Clock
from dashboard.sandbox import wire
from dashboard.sandbox.bank import SandboxBank
from dashboard.sandbox.control import ControlError
from dashboard.sandbox.control_api import control_calls
from dashboard.sandbox.courier import Gate
from dashboard.sandbox.desk import EXTENSION, Desk, desk, the_bank
from dashboard.sandbox.faults import Answer
from dashboard.sandbox.keys import SandboxKeys
from dashboard.sandbox.page import control_page

PACKAGE_DIR = Path(__file__).parent.parent
MAX_BODY_BYTES = 1024 * 1024

_CONTROL_CODES = {400: "bad_request", 403: "forbidden", 404: "not_found", 409: "conflict"}


def create_sandbox_app(bank: SandboxBank, *, gate: Gate, clock: Clock, keys: SandboxKeys | None = None) -> Flask:
    """The WSGI app; `keys` are only told on the page.

    Nothing happens by itself: a Courier with the same gate ends refunds and posts webhooks.
    """
    app = Flask("dashboard.sandbox", root_path=str(PACKAGE_DIR), template_folder="templates", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    app.extensions[EXTENSION] = Desk(bank, gate, clock, keys)
    app.add_url_rule("/api/v<int:version>/<path:method>", view_func=call, methods=["POST"])
    app.register_blueprint(control_calls)
    app.register_blueprint(control_page)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(ControlError, _control_error)
    return app


def call(version: int, method: str) -> Response:
    """`POST /api/v1/session/refund` and its like."""
    if version not in wire.PAYMENT_LIST:
        return _json(404, wire.error_answer("unknown_version", "There are /api/v1 and /api/v2"))
    body = request.get_data()
    with the_bank() as bank:
        answer = bank.call(version, method, dict(request.headers.items()), body)
    return _sent(answer, desk().clock)


def _sent(answer: Answer, clock: Clock) -> Response:
    if answer.delay_s:
        clock.sleep(answer.delay_s)
    if answer.dropped:
        _hang_up()
    return Response(answer.body, answer.status, content_type=answer.content_type)


def _hang_up() -> None:
    """End the TCP connection before a byte has been sent; what the server writes afterwards goes nowhere."""
    connection = request.environ.get("werkzeug.socket")
    if not isinstance(connection, socket.socket):
        raise ConnectionAbortedError("the server hands out no connection to drop")
    connection.shutdown(socket.SHUT_RDWR)


def _json(status: int, body: bytes) -> Response:
    return Response(body, status, content_type="application/json")


def _http_error(fault: HTTPException) -> Response:
    status = fault.code or 500
    return _json(status, wire.error_answer(fault.name.lower().replace(" ", "_"), fault.description or ""))


def _control_error(fault: ControlError) -> Response:
    return _json(fault.http_status, wire.error_answer(_CONTROL_CODES[fault.http_status], str(fault)))
