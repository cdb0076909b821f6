"""Wiring, nothing else: settings and a desk -> a Flask app."""

import uuid
from collections.abc import Callable, Sequence

from flask import Flask, Response
from flask_bootstrap import Bootstrap5
from flask_compress import Compress
from flask_wtf.csrf import CSRFProtect
from werkzeug.middleware.proxy_fix import ProxyFix

from dashboard import bank_window, db, mail, notices, wiring
from dashboard.bank131.client import Bank
from dashboard.clock import Clock
from dashboard.config import Config
from dashboard.desk import Desk
from dashboard.models import Person
from dashboard.web import (
    access,
    account,
    accounts,
    approvals,
    bank_seats,
    errors,
    evidence,
    factor_resets,
    factors,
    finding,
    formats,
    hardening,
    health,
    journal,
    letters,
    limits,
    links,
    live,
    metrics,
    overview,
    people,
    reader,
    receipts,
    refund_files,
    refund_form,
    refunds,
    refusals,
    request_ids,
    review,
    rows,
    saved_views,
    second_step,
    sessions,
    single_sign_on,
    webhooks,
)


def create_app(
    config: Config,
    *,
    clock: Clock | None = None,
    new_id: Callable[[], str] = lambda: str(uuid.uuid4()),
    bank: Bank | None = None,
) -> Flask:
    """The web app; without a `bank` it looks at the bank through a worker.

    Raises OSError, KeyFormatError, ValueError for keys or an address that cannot be used.
    """
    app = errors.DiscreetApp(__name__)
    app.config.update(
        SECRET_KEY=config.secret_key,
        SECRET_KEY_FALLBACKS=list(config.secret_keys[1:]),
        # Of this list the last one signs.
        WTF_CSRF_SECRET_KEY=list(reversed(config.secret_keys)),
        SQLALCHEMY_DATABASE_URI=config.database_url,
        SQLALCHEMY_ENGINE_OPTIONS=db.engine_options(config.database_url),
        MAX_CONTENT_LENGTH=hardening.MAX_FORM_BYTES,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        WTF_CSRF_TIME_LIMIT=None,
        BOOTSTRAP_SERVE_LOCAL=True,
        COMPRESS_MIMETYPES=["text/html", "text/css", "text/javascript", "image/svg+xml", "application/json"],
        COMPRESS_ALGORITHM_STREAMING=["zstd", "br", "gzip", "deflate"],
        COMPRESS_STREAMING_ENDPOINT_CONDITIONAL=["static", "bootstrap.static"],
    )
    hardening.init_app(app, config)
    app.extensions["bank_keys"] = wiring.bank_keys(config)
    db.db.init_app(app)
    with app.app_context():
        db.install_hooks(db.db.engine)
        desk = wiring.create_desk(config, db.db.engine, bank or bank_window.Window(config), clock=clock, new_id=new_id)
    app.extensions["desk"] = desk
    refusals.init_app(app, desk.clock)
    _add_parts(app, desk)
    add_pages(app)
    app.after_request(_close_with_answer)
    if config.proxy_hops:
        hops = config.proxy_hops
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops)  # type: ignore[method-assign]
    return app


def _add_parts(app: Flask, desk: Desk) -> None:
    request_ids.init_app(app)
    reader.init_app(app, desk)
    Bootstrap5(app)
    Compress(app)
    csrf = CSRFProtect(app)
    csrf.exempt(webhooks.bp)
    access.init_app(app)
    formats.init_app(app)
    errors.init_app(app)
    rows.init_app(app)
    live.init_app(app, desk)
    bank_seats.init_app(app, desk.config)
    review.init_app(app)
    single_sign_on.init_app(app, desk)
    approvals.init_app(app)


def add_pages(app: Flask) -> None:
    """Every address of the app."""
    of_people = (people, single_sign_on, second_step, account, factors, accounts, links, factor_resets)
    of_refunds = (
        sessions,
        refunds,
        saved_views,
        refund_form,
        approvals,
        limits,
        review,
        evidence,
        receipts,
        refund_files,
    )
    for_machines = (webhooks, health, metrics)
    for part in (*of_people, overview, finding, *of_refunds, live, journal, *for_machines):
        app.register_blueprint(part.bp)
    access.check_views(app)


def letter_writer(desk: Desk) -> notices.LetterWriter:
    """What writes mails where there is no request, in the words of the pages and with their addresses."""
    app = Flask(__name__)
    app.extensions["desk"] = desk
    reader.init_app(app, desk)
    formats.init_app(app)
    add_pages(app)

    def write(person: Person, sections: Sequence[notices.Section]) -> mail.Letter:
        with app.test_request_context():
            return letters.notices(person, sections)

    return write


def _close_with_answer(response: Response) -> Response:
    """Compressing puts another stream in the place of a file's, which nobody would close then."""
    if response.direct_passthrough and (close := getattr(response.response, "close", None)):
        response.call_on_close(close)
    return response
