"""The web app on a fresh database, its desk and its clock in the test's hands, the bank faked at the wire alone."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskCliRunner
from jinja2 import BytecodeCache, FileSystemBytecodeCache
from sqlalchemy import Engine
from werkzeug.routing import Rule

from dashboard import sign_ins
from dashboard.app import create_app
from dashboard.bank131.client import BankClient
from dashboard.config import Config
from dashboard.db import db
from dashboard.desk import Desk
from dashboard.models import Person
from tests.bench.databases import lay_aside
from tests.bench.refund_desk import RefundDesk
from tests.bench.simulated import CountedIds, SimulatedClock
from tests.web.browser import Browser
from tests.web.made_up import MadeUp


@pytest.fixture(scope="session", autouse=True)
def _addresses_compiled_once() -> Iterator[None]:
    """Werkzeug writes and compiles a function for each address of each app: half of what making one takes."""
    compile_one, compiled = Rule._compile_builder, {}

    def compile_once(rule: Rule, append_unknown: bool = True) -> Callable[..., tuple[str, str]]:
        key = (rule.rule, repr(rule.defaults), append_unknown)
        if key not in compiled:
            compiled[key] = compile_one(rule, append_unknown)
        return compiled[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Rule, "_compile_builder", compile_once)
        yield


@pytest.fixture(autouse=True)
def _engines_used_again(monkeypatch: pytest.MonkeyPatch, engines: dict[str, Engine]) -> None:
    """An engine remembers how it put statements into SQL: apps on the same database share one."""
    make = db._make_engine

    def make_once(bind_key: str | None, options: dict[str, Any], app: Flask) -> Engine:
        url = str(options["url"])
        if url not in engines:
            engines[url] = make(bind_key, options, app)
        return engines[url]

    monkeypatch.setattr(db, "_make_engine", make_once)


@pytest.fixture
def environ(environ: dict[str, str]) -> dict[str, str]:
    """Hours go by while somebody looks at a page: who is idle is tried where `as_idle_as_usual` is asked for."""
    return {**environ, "DASHBOARD_IDLE_MINUTES": "720"}


@pytest.fixture
def as_idle_as_usual(environ: dict[str, str]) -> None:
    """Sign-ins end after the usual time. Ask for it before the app."""
    del environ["DASHBOARD_IDLE_MINUTES"]


@pytest.fixture(scope="session")
def compiled_templates(tmp_path_factory: pytest.TempPathFactory) -> BytecodeCache:
    """Templates are compiled once, not once a test."""
    return FileSystemBytecodeCache(str(tmp_path_factory.mktemp("templates")))


@pytest.fixture
def app(
    config: Config,
    clock: SimulatedClock,
    new_id: CountedIds,
    bank_client: BankClient,
    compiled_templates: BytecodeCache,
) -> Iterator[Flask]:
    app = create_app(config, clock=clock, new_id=new_id, bank=bank_client)
    app.testing = True
    app.jinja_env.bytecode_cache = compiled_templates
    yield app
    if thread := app.extensions["head_watch"]._thread:
        thread.join()
    with app.app_context():
        db.session.remove()
        lay_aside(db.engine)


@pytest.fixture
def desk(app: Flask) -> Desk:
    """The desk behind the app, so that tests and pages share one."""
    desk: Desk = app.extensions["desk"]
    return desk


@pytest.fixture
def runner(app: Flask) -> FlaskCliRunner:
    return app.test_cli_runner()


@pytest.fixture
def client(app: Flask) -> Browser:
    """A browser in which nobody is signed in."""
    return Browser(app)


class Auth:
    """Signs people in, each in a browser of their own."""

    def __init__(self, app: Flask, refund_desk: RefundDesk) -> None:
        self._app = app
        self._refund_desk = refund_desk

    def person(self, role: str = "operator", email: str = "") -> Person:
        return self._refund_desk.person(role, email)

    def login(self, role: str = "operator", email: str = "") -> Browser:
        """A browser in which somebody of this role has signed in, by a short cut past the form."""
        browser, person = Browser(self._app), self.person(role, email)
        with self._refund_desk.desk.write() as tx:
            token = sign_ins.start(tx, person)
            tx.record(person.email, "login:succeeded", f"person:{person.id}", address="127.0.0.1")
        browser.be(token)
        return browser


@pytest.fixture
def auth(app: Flask, refund_desk: RefundDesk) -> Auth:
    return Auth(app, refund_desk)


@pytest.fixture
def operator(auth: Auth) -> Browser:
    return auth.login("operator")


@pytest.fixture
def viewer(auth: Auth) -> Browser:
    return auth.login("viewer")


@pytest.fixture
def sign(refund_desk: RefundDesk) -> Callable[[bytes], str]:
    """The bank's signature."""
    return refund_desk.bank._outbox._sign


@pytest.fixture
def made_up(refund_desk: RefundDesk) -> MadeUp:
    refund_desk.is_made_up = True
    return MadeUp(refund_desk)


@pytest.fixture
def in_berlin(environ: dict[str, str]) -> None:
    """The dashboard's zone is one with summer time. Ask for it before the app."""
    environ["DASHBOARD_TIMEZONE"] = "Europe/Berlin"
