"""`dashboard` commands as real processes, and the installations that they make together."""

import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.journeys.bank import Bank
from tests.journeys.waiting import answers, eventually

PASSWORD = "a password of the tests"
OPERATOR = "operator@demo.test"
APPROVER = "approver@demo.test"
VIEWER = "viewer@demo.test"
ADMIN = "admin@demo.test"
READY_WITHIN_S = 60.0
PATIENCE_S = 30.0
_OURS = ("DASHBOARD_", "BANK131_")
_TROUBLE = re.compile(
    r"^(?:Traceback .*|.* (?:ERROR|CRITICAL) .*|.*\[(?:ERROR|CRITICAL)\].*|.*Warning: .*)$", re.MULTILINE
)


def environ_with(settings: Mapping[str, str]) -> dict[str, str]:
    """This machine's environment with these settings of ours and no others."""
    rest = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
    return {**rest, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **settings}


def dashboard(settings: Mapping[str, str], *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run one `dashboard` command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "dashboard.cli", *arguments],
        env=environ_with(settings),
        input=stdin,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Service:
    """A `dashboard` command that goes on until it is stopped; everything that it says goes to `log_file`."""

    def __init__(self, settings: Mapping[str, str], log_file: Path, *arguments: str) -> None:
        self.log_file = log_file
        with log_file.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "dashboard.cli", *arguments],
                env=environ_with(settings),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=log_file.parent,
            )

    @classmethod
    @contextmanager
    def started(cls, settings: Mapping[str, str], log_file: Path, *arguments: str) -> Iterator["Service"]:
        """It does not outlive the block, whatever happens there."""
        service = cls(settings, log_file, *arguments)
        try:
            yield service
        finally:
            service.process.kill()
            service.process.wait()

    def log(self) -> str:
        return self.log_file.read_text()

    def wait_until(self, is_ready: Callable[[], object], what: str) -> None:
        """Wait for it to be ready; it has to be alive till then."""
        eventually(lambda: is_ready() or self.process.poll() is not None, READY_WITHIN_S, what)
        if self.process.poll() is not None:
            raise AssertionError(f"it ended with {self.process.returncode} instead of: {what}\n{self.log()}")

    def wait_for_line(self, beginning: str) -> None:
        self.wait_until(lambda: f"\n{beginning}" in f"\n{self.log()}", f"a line with {beginning!r}")

    def family(self) -> list[psutil.Process]:
        """The process and everything that it started."""
        process = psutil.Process(self.process.pid)
        return [process, *process.children(recursive=True)]

    def stop(self) -> int:
        """End it as an init system does, and answer with its exit code."""
        self.process.terminate()
        return self.process.wait(PATIENCE_S)


@dataclass(frozen=True)
class Installation:
    """A desk at work: its address, its bank's, the settings for commands beside it, and its processes."""

    url: str
    bank: Bank
    settings: Mapping[str, str]
    folder: Path
    services: Sequence[Service]

    def run(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run a `dashboard` command on it, which has to succeed."""
        done = dashboard(self.settings, *arguments, stdin=stdin)
        assert done.returncode == 0, done.stdout + done.stderr
        return done

    @property
    def is_demo(self) -> bool:
        """Whether one command runs everything."""
        return len(self.services) == 1

    def log(self) -> str:
        return "\n".join(service.log() for service in self.services)

    def family(self) -> list[psutil.Process]:
        return [process for service in self.services for process in service.family()]


@contextmanager
def running_demo(folder: Path, **more_settings: str) -> Iterator[Installation]:
    """`dashboard demo` in a folder of its own. It has to end well and to have had nothing to complain about."""
    with started_demo(folder, **more_settings) as installation:
        yield installation
        end(installation)


@contextmanager
def started_demo(folder: Path, **more_settings: str) -> Iterator[Installation]:
    """`dashboard demo`, ready, on the data of an earlier one in the folder if there was one."""
    port, bank_port = free_port(), free_port()
    data = folder / "data"
    places = ["--port", str(port), "--bank-port", str(bank_port), "--data", str(data), "--password", PASSWORD]
    with Service.started(more_settings, folder / "demo.log", "demo", *places) as service:
        service.wait_for_line("Dashboard ")
        settings = {
            "DASHBOARD_DATABASE_URL": f"sqlite:///{data / 'refund-desk.sqlite3'}",
            "DASHBOARD_SECRET_KEY": (data / "secret.key").read_text(),
            **bank_settings(bank_port, data / "bank"),
            **more_settings,
        }
        yield Installation(f"http://127.0.0.1:{port}", Bank(bank_port), settings, folder, [service])


def bank_settings(bank_port: int, bank_folder: Path) -> dict[str, str]:
    """How to reach a sandbox bank that keeps its keys in this folder."""
    return {
        "BANK131_URL": f"http://127.0.0.1:{bank_port}",
        "BANK131_PROJECT": "demo_project",
        "BANK131_PRIVATE_KEY_FILE": str(bank_folder / "merchant_private.pem"),
        "BANK131_PUBLIC_KEY_FILE": str(bank_folder / "bank_public.pem"),
    }


@contextmanager
def running_server(folder: Path, database_url: str, **more_settings: str) -> Iterator[Installation]:
    """Bank, database, people, worker and web server one by one, as an installation for real is made.

    The web server has no private key.
    """
    port, bank_port = free_port(), free_port()
    url = f"http://127.0.0.1:{port}"
    settings = {
        "DASHBOARD_DATABASE_URL": database_url,
        "DASHBOARD_SECRET_KEY": "a secret key for journeys: 0123456789 abcdefghij",
        "DASHBOARD_PUBLIC_URL": url,
        **bank_settings(bank_port, folder / "bank"),
        **more_settings,
    }
    places = ["--port", str(bank_port), "--data", str(folder / "bank"), "--webhook-url", f"{url}/webhooks/bank131"]
    with Service.started({}, folder / "sandbox.log", "sandbox", *places) as bank:
        bank.wait_for_line("Sandbox bank ")
        prepare_database(settings)
        keyless = {**settings, "BANK131_PRIVATE_KEY_FILE": str(folder / "for the worker alone.pem")}
        with (
            Service.started(settings, folder / "worker.log", "worker") as worker,
            Service.started(keyless, folder / "web.log", "web", "--bind", f"127.0.0.1:{port}") as web,
        ):
            web.wait_until(lambda: answers(f"{url}/readyz"), "an answer from /readyz")
            installation = Installation(url, Bank(bank_port), settings, folder, [web, worker, bank])
            yield installation
            end(installation)


def prepare_database(settings: Mapping[str, str]) -> None:
    """Tables and people."""
    done = [dashboard(settings, "db", "upgrade")]
    for email, role in ((OPERATOR, "operator"), (VIEWER, "viewer")):
        done.append(
            dashboard(settings, "user", "add", email, "--role", role, "--password-stdin", stdin=f"{PASSWORD}\n")
        )
    assert [each.returncode for each in done] == [0, 0, 0], "".join(each.stderr for each in done)


def end(installation: Installation) -> None:
    """Stop everything; it has to end well and to have had nothing to complain about."""
    codes = [service.stop() for service in installation.services]
    log = installation.log()
    assert codes == [0] * len(codes), log
    assert not (found := _TROUBLE.findall(log)), f"{found}\n{log}"
