"""A wheel built from the tree carries all it needs and works from an empty folder."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    return next(out.glob("*.whl"))


def test_wheel_carries_templates_static_files_translations_and_migrations(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {
        "dashboard/templates/base.html",
        "dashboard/templates/refunds/_row.html",
        "dashboard/templates/sandbox/base.html",
        "dashboard/static/app.css",
        "dashboard/static/live.js",
        "dashboard/translations/messages.pot",
        "dashboard/migrations/env.py",
        "dashboard/migrations/versions/0001_start.py",
    } <= names
    assert not [name for name in names if name.startswith(("tests/", "templates/", "static/"))]


def test_wheel_works_from_an_empty_folder(wheel: Path, tmp_path: Path) -> None:
    site, empty = tmp_path / "site", tmp_path / "empty"
    empty.mkdir()
    install = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(site), str(wheel)]
    subprocess.run(install, check=True, capture_output=True)
    probe = (
        "import dashboard, sys; from pathlib import Path; from dashboard import demo\n"
        "assert Path(dashboard.__file__).is_relative_to(sys.argv[1]), dashboard.__file__\n"
        "from dashboard.app import create_app; from dashboard.config import read_config\n"
        "keys = demo.prepare_data_dir(Path('bank'))\n"
        "config = read_config(demo._settings(Path.cwd(), keys, 8131, 8132))\n"
        "demo._prepare_database(config, demo.PASSWORD)\n"
        "client = create_app(config).test_client()\n"
        "assert b'Sign in' in client.get('/login').data\n"
        "assert client.get('/static/app.css').status_code == 200\n"
        "assert client.get('/bootstrap/static/css/bootstrap.min.css').status_code == 200\n"
        "print('it works')\n"
    )
    environ = {**os.environ, "PYTHONPATH": str(site)}
    done = subprocess.run(
        [sys.executable, "-c", probe, str(site)], cwd=empty, env=environ, capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == "it works", done.stderr
