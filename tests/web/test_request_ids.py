"""What somebody saw can be found in the log: the same name in its lines, its answer and its error page."""

import logging
import re
from io import StringIO

import pytest
from flask import Flask

from dashboard import cli, server
from dashboard.config import Config
from dashboard.web import access, request_ids
from tests.bench.databases import on_sqlite
from tests.web.browser import Browser

NAME = re.compile(r"[0-9a-f]{10}")


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """As the command line writes them."""
    caplog.handler.addFilter(request_ids.Named())
    caplog.handler.setFormatter(logging.Formatter("%(name)s %(request_id)s%(message)s"))
    return caplog


@on_sqlite
def test_a_defect_is_told_under_the_name_that_its_page_shows(
    app: Flask, operator: Browser, lines: pytest.LogCaptureFixture
) -> None:
    app.add_url_rule("/broken", "broken", access.any_role(lambda: str(1 / 0)))
    app.testing = False
    answer = operator.get("/broken")
    name = answer.response.headers["X-Request-Id"]
    assert NAME.fullmatch(name)
    assert f"name request {name}: the log tells of it" in answer.page.text
    assert f" {name} GET /broken failed" in lines.text


@on_sqlite
def test_each_request_has_its_own_whatever_it_calls_itself(operator: Browser) -> None:
    sent = {"X-Request-Id": "mine"}
    names = {operator.get("/refunds/", headers=sent).response.headers["X-Request-Id"] for _ in range(3)}
    assert len(names) == 3
    assert all(map(NAME.fullmatch, names))


def test_the_web_server_gives_its_lines_one(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = logging.StreamHandler(StringIO())
    lines.setFormatter(cli.LOG_LINE)
    monkeypatch.setattr(logging.getLogger(), "handlers", [lines])
    monkeypatch.setattr(server._Gunicorn, "run", _write_in_a_request)
    server.serve_web(config, "127.0.0.1:1")
    assert re.search(rf" web {NAME.pattern} at work\n", lines.stream.getvalue())


def _write_in_a_request(_gunicorn: server._Gunicorn) -> None:
    with Flask(__name__).test_request_context():
        logging.getLogger("web").warning("at work")


def test_what_is_written_outside_of_a_request_has_none(lines: pytest.LogCaptureFixture) -> None:
    logging.getLogger("worker").warning("the bank could not be asked")
    assert "worker the bank could not be asked" in lines.text
