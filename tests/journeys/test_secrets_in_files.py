"""A whole installation whose secrets are files, as a vault or systemd hands them over."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
import pytest

from dashboard.config import SECRETS_FOLDER
from tests.journeys.commands import Installation, Service, dashboard, free_port
from tests.journeys.waiting import answers

SECRET = (
    *("DASHBOARD_SECRET_KEY", "DASHBOARD_JOURNAL_KEY", "DASHBOARD_DATABASE_URL", "DASHBOARD_METRICS_TOKEN"),
    "DASHBOARD_MAIL_SERVER",
)


def handed_over(folder: Path, values: dict[str, str]) -> dict[str, str]:
    """The secrets among them put into a folder; answers with what is left for the environment."""
    folder.mkdir(mode=0o700)
    for name in SECRET:
        (folder / name).write_text(f"{values[name]}\n")
    (folder / "private.pem").write_bytes(Path(values["BANK131_PRIVATE_KEY_FILE"]).read_bytes())
    (folder / "private.pem").chmod(0o440)
    left = {name: value for name, value in values.items() if name not in SECRET}
    return {**left, SECRETS_FOLDER: str(folder), "BANK131_PRIVATE_KEY_FILE": str(folder / "private.pem")}


def environment_of(process: psutil.Process) -> bytes:
    return Path(f"/proc/{process.pid}/environ").read_bytes()


@pytest.fixture
def run_folder() -> Iterator[str]:
    """With a name short enough for a socket in it."""
    with TemporaryDirectory(prefix="desk-") as folder:
        yield folder


def test_it_starts_and_works_with_no_secret_in_the_environment_of_any_process(
    demo: Installation, tmp_path: Path, run_folder: str
) -> None:
    values = {
        **demo.settings,
        "DASHBOARD_DATABASE_URL": f"sqlite:///{tmp_path / 'desk.sqlite3'}",
        "DASHBOARD_JOURNAL_KEY": "a journal key that is told to nobody: 0123456789",
        "DASHBOARD_METRICS_TOKEN": "a token that is told to nobody: 0123456789 abcdefg",
        "DASHBOARD_RUN_FOLDER": run_folder,
    }
    settings = handed_over(tmp_path / "secrets", values)
    assert dashboard(settings, "db", "upgrade").returncode == 0
    port = free_port()
    with Service.started(settings, tmp_path / "serve.log", "serve", "--bind", f"127.0.0.1:{port}") as service:
        service.wait_until(lambda: answers(f"http://127.0.0.1:{port}/readyz"), "an answer from /readyz")
        family = service.family()
        assert len(family) >= 3, "serve, web, worker"
        for process in family:
            found = environment_of(process)
            assert SECRETS_FOLDER.encode() in found
            assert [name for name in SECRET if name.encode() in found or values[name].encode() in found] == []
        checked = dashboard(settings, "check")
        assert service.stop() == 0
    assert checked.returncode == 0, checked.stdout
    assert "answers and accepts our signature" in checked.stdout
    assert "open to" not in checked.stdout, "as systemd hands over a key"
