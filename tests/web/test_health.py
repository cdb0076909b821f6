"""What machines that watch this one ask."""

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from flask import Flask
from sqlalchemy import text

from dashboard import bank_window, worker
from dashboard.bank131.client import BankClient
from dashboard.db import db, open_engine, writing_engine
from dashboard.desk import Desk
from tests.bench.databases import on_sqlite
from tests.bench.refund_desk import RefundDesk
from tests.web.browser import Browser


def test_a_process_that_answers_is_healthy(client: Browser) -> None:
    answer = client.get("/healthz")
    assert (answer.status, answer.response.json) == (200, {"status": "ok"})
    assert "Set-Cookie" not in answer.response.headers


def test_with_a_worker_it_is_ready(client: Browser, refund_desk: RefundDesk) -> None:
    worker.beat(refund_desk.desk, "worker-1")
    answer = client.get("/readyz")
    assert (answer.status, answer.response.json) == (200, {"status": "ok"})


def test_without_one_it_is_not(client: Browser, refund_desk: RefundDesk) -> None:
    assert client.get("/readyz").response.json == {"status": "not ready", "missing": ["worker"]}
    worker.beat(refund_desk.desk, "worker-1")
    refund_desk.clock.advance(31)
    answer = client.get("/readyz")
    assert (answer.status, answer.response.json) == (503, {"status": "not ready", "missing": ["worker"]})


def test_a_database_of_another_shape_is_not_ready(app: Flask, client: Browser, refund_desk: RefundDesk) -> None:
    worker.beat(refund_desk.desk, "worker-1")
    with app.app_context(), writing_engine(db.engine).connect() as connection:
        newest = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one()
        set_version = text("UPDATE alembic_version SET version_num = :version")
        connection.execute(set_version, {"version": "older"})
        connection.commit()
        answer = client.get("/readyz")
        connection.execute(set_version, {"version": newest})
        connection.commit()
    assert (answer.status, answer.response.json) == (503, {"status": "not ready", "missing": ["migrations"]})
    assert client.get("/readyz").status == 200


def test_a_database_that_is_not_there_is_not_ready(app: Flask, client: Browser, desk: Desk, database: str) -> None:
    elsewhere = "/no/such/folder/file" if database == "sqlite" else "no_such_database"
    url = desk.engine.url.set(database=elsewhere).render_as_string(hide_password=False)
    app.extensions["desk"] = replace(desk, engine=open_engine(url))
    answer = client.get("/readyz")
    assert (answer.status, answer.response.json) == (503, {"status": "not ready", "missing": ["database"]})
    assert client.get("/healthz").status == 200


@on_sqlite
def test_a_worker_elsewhere_does_not_make_it_ready(
    app: Flask, client: Browser, refund_desk: RefundDesk, bank_client: BankClient
) -> None:
    """Pages look at the bank through a worker of their own machine."""
    with TemporaryDirectory(prefix="window-") as folder:
        config = replace(refund_desk.desk.config, run_folder=Path(folder))
        app.extensions["desk"] = replace(refund_desk.desk, bank=bank_window.Window(config))
        worker.beat(refund_desk.desk, "worker-1")
        answer = client.get("/readyz")
        assert (answer.status, answer.response.json["missing"]) == (503, ["worker of this machine"])
        with bank_window.open_to_pages(bank_client, config):
            assert client.get("/readyz").status == 200


@on_sqlite
def test_a_page_without_a_worker_shows_what_is_known_and_says_so(
    app: Flask, operator: Browser, refund_desk: RefundDesk, bank_client: BankClient
) -> None:
    session_id = refund_desk.paid_session(100_00)
    refund_desk.read(session_id)
    with TemporaryDirectory(prefix="window-") as folder:
        config = replace(refund_desk.desk.config, run_folder=Path(folder))
        app.extensions["desk"] = replace(refund_desk.desk, bank=bank_window.Window(config))
        page = operator.page(f"/sessions/{session_id}")
        assert "The bank could not be asked just now" in page.notices[0]
        assert "100.00" in page.one("main").text
        assert operator.get("/sessions/ps_3299").status == 503
        with bank_window.open_to_pages(bank_client, config):
            assert operator.page(f"/sessions/{session_id}").notices == []
