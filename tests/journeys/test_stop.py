"""Starting and stopping: ports that are taken, SIGTERM at any time, a kill, a second start on the same data."""

import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from playwright.sync_api import expect

from tests.journeys import steps
from tests.journeys.commands import (
    OPERATOR,
    PATIENCE_S,
    Installation,
    Service,
    dashboard,
    end,
    free_port,
    prepare_database,
    started_demo,
)
from tests.journeys.waiting import answers, eventually
from tests.journeys.windows import Windows

# What those who keep services alive wait for before they kill.
STOPS_WITHIN_S = 10.0


@contextmanager
def taken_port() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield str(server.getsockname()[1])


def are_gone(processes: list[psutil.Process]) -> bool:
    return not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in processes)


def test_sigterm_ends_everything_in_time_although_a_page_is_live(windows: Windows, tmp_path: Path) -> None:
    windows.guard.forgive("ERR_")
    with started_demo(tmp_path, DASHBOARD_UNDO_SECONDS="0") as demo:
        page = windows.of(demo, OPERATOR)
        reference = steps.refund(page, demo.bank.paid_session("before-the-stop"), "12")
        steps.expect_status(steps.subject(page), "accepted")
        steps.expect_live(page)
        family = demo.family()
        assert len(family) >= 5
        started_at_s = time.monotonic()

        end(demo)

        assert time.monotonic() - started_at_s < STOPS_WITHIN_S
        assert are_gone(family)
        expect(page.locator("[data-freshness]")).to_have_attribute("data-state", "reconnecting")
    expect_kept_and_killed(windows, tmp_path, reference)


def expect_kept_and_killed(windows: Windows, folder: Path, reference: str) -> None:
    """A second start on the same data has everything that the first one had. Killed, it leaves nothing behind."""
    with started_demo(folder) as again:
        page = windows.of(again, OPERATOR)
        page.goto(f"/refunds/{reference}")
        steps.expect_status(steps.subject(page), "accepted")
        family = again.family()
        (service,) = again.services

        service.process.kill()

        assert service.process.wait(PATIENCE_S) == -signal.SIGKILL
        eventually(lambda: are_gone(family), PATIENCE_S, "nothing of the demo is left")


def test_sigterm_while_it_starts(tmp_path: Path) -> None:
    places = ["--port", str(free_port()), "--bank-port", str(free_port()), "--data", str(tmp_path / "data")]
    with Service.started({}, tmp_path / "demo.log", "demo", *places) as service:
        eventually(lambda: len(service.family()) > 3, 30, "its parts are started")
        family = service.family()

        assert service.stop() == 0

        assert are_gone(family)
        assert "Traceback" not in service.log()


def test_a_server_has_a_worker_beside_it(demo: Installation, tmp_path: Path) -> None:
    port = free_port()
    settings = {**demo.settings, "DASHBOARD_DATABASE_URL": f"sqlite:///{tmp_path / 'desk.sqlite3'}"}
    prepare_database(settings)
    with Service.started(settings, tmp_path / "serve.log", "serve", "--bind", f"127.0.0.1:{port}") as service:
        service.wait_until(lambda: answers(f"http://127.0.0.1:{port}/readyz"), "an answer from /readyz")
        family = service.family()

        assert service.stop() == 0

        assert are_gone(family)


def test_a_part_that_dies_ends_the_whole(tmp_path: Path) -> None:
    with started_demo(tmp_path) as demo:
        family = demo.family()
        (worker,) = [process for process in family if process.cmdline()[-1] == "worker"]

        worker.kill()

        assert demo.services[0].process.wait(PATIENCE_S) == 1
        assert are_gone(family)


@pytest.mark.parametrize("what", ["the bank", "a server"])
def test_a_port_that_is_taken_has_one_line(demo: Installation, tmp_path: Path, what: str) -> None:
    data = ["--data", str(tmp_path / "data")]
    with taken_port() as port:
        command = {
            "the bank": ["demo", "--port", str(free_port()), "--bank-port", port, *data],
            "a server": ["serve", "--bind", f"127.0.0.1:{port}"],
        }[what]
        done = dashboard(demo.settings, *command)

    assert done.returncode == 1
    (line,) = (done.stdout + done.stderr).splitlines()
    assert port in line
    assert "listen on" in line
