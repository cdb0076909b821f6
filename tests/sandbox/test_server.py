"""The process: it says when it is ready, survives `kill -9`, and ends when it is told to."""

import json
import os
import signal
import subprocess
import sys
import time

import psutil
import pytest
import requests

from dashboard.sandbox.scenes import SCENES
from dashboard.sandbox.server import LEDGER_NAME, SandboxStartError, running_sandbox

PROGRAM = """
import sys
from pathlib import Path
from dashboard.sandbox.server import run_sandbox
run_sandbox(port=0, data_dir=Path(sys.argv[1]), webhook_url=None, announce=lambda line: print(line, flush=True))
"""


@pytest.fixture
def launch(tmp_path):
    processes = []

    def start():
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(tmp_path / "sandbox")],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        processes.append(process)
        lines = [process.stdout.readline() for _ in range(5)]
        return process, lines, lines[-1].split()[-1]

    yield start
    for process in processes:
        process.kill()
        process.wait(5)
        process.stdout.close()


def test_it_tells_project_paths_and_url(launch, tmp_path):
    _, lines, url = launch()

    text = "".join(lines)
    assert "demo_project" in text
    assert str(tmp_path / "sandbox" / "merchant_private.pem") in text
    assert str(tmp_path / "sandbox" / "bank_public.pem") in text
    assert "no webhook URL" in text
    assert requests.get(url, timeout=5).status_code == 200


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_within_two_seconds_even_in_the_middle_of_a_slow_call(launch, number):
    process, _, url = launch()
    fault = {"method": "session/status", "kind": "slow", "delay_ms": 60_000}
    requests.post(f"{url}/control/faults", json=fault, timeout=5)
    with pytest.raises(requests.ReadTimeout):
        requests.post(f"{url}/api/v1/session/status", data=b"{}", timeout=0.2)

    started = time.monotonic()
    process.send_signal(number)

    assert process.wait(5) == 0
    assert time.monotonic() - started < 2
    assert process.stdout.read() == ""


def test_what_was_answered_survives_a_kill(launch):
    process, _, url = launch()
    made = requests.post(f"{url}/control/sessions", json={"amount": 77, "customer": "survivor"}, timeout=5).json()
    requests.post(f"{url}/control/sessions/{made['id']}/chargeback", json={"amount": 7}, timeout=5)
    before = requests.get(f"{url}/control/ledger", timeout=5).json()
    process.kill()
    process.wait(5)

    _, _, url = launch()

    after = requests.get(f"{url}/control/ledger", timeout=5).json()
    assert after == before
    assert len(after["sessions"]) == len(SCENES) + 1
    assert '"survivor"' in json.dumps(after)


def test_it_is_small(launch):
    process, _, url = launch()
    for _ in range(20):
        requests.get(url, timeout=5)

    assert psutil.Process(process.pid).memory_info().rss < 80 * 2**20


def test_a_second_one_on_the_same_folder_is_refused(server, tmp_path):
    with (
        pytest.raises(SandboxStartError, match="Another sandbox is running"),
        running_sandbox(data_dir=tmp_path / "sandbox", webhook_url=None),
    ):
        pytest.fail("it started")


def test_a_port_in_use_is_said_so(server, tmp_path):
    port = int(server.url.rpartition(":")[2])
    with (
        pytest.raises(SandboxStartError, match=rf"cannot listen on 127.0.0.1:{port}: Address already in use"),
        running_sandbox(port=port, data_dir=tmp_path / "other", webhook_url=None),
    ):
        pytest.fail("it started")


@pytest.mark.parametrize(
    ("name", "content"), [(LEDGER_NAME, b"no ledger " * 500), ("bank_private.pem", b"no key"), (".", None)]
)
def test_a_damaged_folder_is_said_so_in_one_line(tmp_path, name, content):
    folder = tmp_path / "folder"
    if content is None:
        folder.write_bytes(b"a file, not a folder")
    else:
        folder.mkdir()
        (folder / name).write_bytes(content)

    with (
        pytest.raises(SandboxStartError, match="cannot use the folder") as caught,
        running_sandbox(data_dir=folder, webhook_url=None),
    ):
        pytest.fail("it started")
    assert "\n" not in str(caught.value)


def test_after_a_failed_start_the_next_one_works(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / LEDGER_NAME).write_bytes(b"no ledger " * 500)
    with pytest.raises(SandboxStartError), running_sandbox(data_dir=folder, webhook_url=None):
        pytest.fail("it started")
    (folder / LEDGER_NAME).unlink()

    with running_sandbox(data_dir=folder, webhook_url=None) as sandbox:
        assert requests.get(sandbox.url, timeout=5).status_code == 200
