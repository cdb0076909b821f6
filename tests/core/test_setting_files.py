"""Each setting may be a file of one folder, so that no secret has to stand in an environment."""

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from dashboard.config import BadSettings, read_config
from dashboard.setting_files import with_files
from tests.bench.command_line import run

SECRET = "a secret key for tests: 0123456789 abcdefghij"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "secrets"
    folder.mkdir(mode=0o755)
    put(folder, "DASHBOARD_SECRET_KEY", f"{SECRET}\n")
    return folder


def put(folder: Path, name: str, text: str, mode: int = 0o640) -> Path:
    file = folder / name
    file.write_text(text)
    file.chmod(mode)
    return file


def problems(environ: dict[str, str]) -> list[str]:
    with pytest.raises(BadSettings) as caught:
        with_files(environ)
    return caught.value.problems


@pytest.mark.parametrize("name", ["DASHBOARD_SECRETS_FOLDER", "CREDENTIALS_DIRECTORY"])
def test_a_file_that_is_called_like_a_setting_is_it(folder: Path, environ: dict[str, str], name: str) -> None:
    put(folder, "BANK131_PROJECT", "a project\r\n")
    put(folder, "DASHBOARD_MAIL_SERVER", "")
    put(folder, "private.pem", "no setting")
    rest = {"PATH": "/bin", "BANK131_URL": "https://bank.test", name: str(folder)}
    assert with_files(rest) == {
        **rest,
        "DASHBOARD_SECRETS_FOLDER": str(folder),
        "DASHBOARD_SECRET_KEY": SECRET,
        "BANK131_PROJECT": "a project",
        "DASHBOARD_MAIL_SERVER": "",
    }
    del environ["DASHBOARD_SECRET_KEY"]
    (folder / "BANK131_PROJECT").unlink()
    config = read_config(with_files({**environ, name: str(folder)}))
    assert (config.secret_key, config.secrets_folder) == (SECRET, folder)


def test_only_the_line_s_end_is_no_part_of_a_value(folder: Path) -> None:
    put(folder, "DASHBOARD_JOURNAL_KEY", "  spaces stay \t\n\n")
    assert with_files({"DASHBOARD_SECRETS_FOLDER": str(folder)})["DASHBOARD_JOURNAL_KEY"] == "  spaces stay \t"


def test_a_folder_that_is_named_goes_before_systemd_s_and_empty_is_none(folder: Path) -> None:
    environ = {"CREDENTIALS_DIRECTORY": "/no/such/folder"}
    assert with_files({**environ, "DASHBOARD_SECRETS_FOLDER": str(folder)})["DASHBOARD_SECRET_KEY"] == SECRET
    for none in ({**environ, "DASHBOARD_SECRETS_FOLDER": ""}, {}, {"CREDENTIALS_DIRECTORY": ""}):
        assert with_files(none) == none


def test_files_may_be_links_as_kubernetes_makes_them(folder: Path, tmp_path: Path) -> None:
    data = tmp_path / "..data"
    data.mkdir()
    (folder / "BANK131_PROJECT").symlink_to(put(data, "BANK131_PROJECT", "a project"))
    assert with_files({"DASHBOARD_SECRETS_FOLDER": str(folder)})["BANK131_PROJECT"] == "a project"


# What is refused


def test_a_setting_in_both_places_is_refused_without_telling_either(folder: Path) -> None:
    environ = {"DASHBOARD_SECRETS_FOLDER": str(folder), "DASHBOARD_SECRET_KEY": "another"}
    [line] = problems(environ)
    file = folder / "DASHBOARD_SECRET_KEY"
    assert line == f"DASHBOARD_SECRET_KEY is set twice: in the environment, and as the file {file}."
    assert problems({**environ, "DASHBOARD_SECRET_KEY": ""}) == [line], "empty is a value too"


@pytest.mark.parametrize(("mode", "is_refused"), [(0o400, False), (0o660, False), (0o644, True), (0o602, True)])
def test_a_file_that_everybody_may_read_or_change_is_refused(folder: Path, mode: int, is_refused: bool) -> None:
    file = put(folder, "BANK131_PROJECT", "a project", mode)
    environ = {"DASHBOARD_SECRETS_FOLDER": str(folder)}
    if is_refused:
        [line] = problems(environ)
        assert line == f"BANK131_PROJECT: {file} is open to everybody on this machine: chmod 640 or less."
    else:
        assert with_files(environ)["BANK131_PROJECT"] == "a project"
    folder.chmod(0o750)
    assert with_files(environ)["BANK131_PROJECT"] == "a project", "nobody else comes to it"


def test_a_folder_into_which_everybody_may_write_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.chmod(0o1777)
    environ = {"DASHBOARD_SECRETS_FOLDER": str(folder)}
    assert problems(environ) == [
        f"DASHBOARD_SECRETS_FOLDER: everybody on this machine may write into {folder}: chmod 750 or less."
    ]
    monkeypatch.setattr(os, "statvfs", lambda _path: SimpleNamespace(f_flag=os.ST_RDONLY))
    assert with_files(environ)["DASHBOARD_SECRET_KEY"] == SECRET, "mounted so that nobody can"


def test_what_cannot_be_read_has_one_line(folder: Path, tmp_path: Path) -> None:
    (folder / "BANK131_URL").mkdir(mode=0o700)
    put(folder, "BANK131_PROJECT", "").write_bytes(b"\xff\xfe")
    environ = {"DASHBOARD_SECRETS_FOLDER": str(folder)}
    assert problems(environ) == [
        f"BANK131_URL: {folder / 'BANK131_URL'} cannot be read: Is a directory.",
        f"BANK131_PROJECT: {folder / 'BANK131_PROJECT'} is no text.",
    ]
    missing, file = tmp_path / "missing", put(tmp_path, "file", "")
    assert problems({"CREDENTIALS_DIRECTORY": str(missing)}) == [
        f"DASHBOARD_SECRETS_FOLDER: {missing} cannot be used: No such file or directory."
    ]
    assert problems({"DASHBOARD_SECRETS_FOLDER": str(file)}) == [f"DASHBOARD_SECRETS_FOLDER: {file} is no folder."]


@pytest.mark.parametrize(
    "command", [["check"], ["web"], ["user", "list"], ["journal", "key"], ["journal", "verify", "--file", __file__]]
)
def test_every_command_reads_them_and_says_what_is_wrong(
    folder: Path, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    file = put(folder, "DASHBOARD_SECRET_KEY", "short")
    monkeypatch.setenv("DASHBOARD_SECRETS_FOLDER", str(folder))
    result = run(*command)
    assert (result.exit_code, result.output.startswith("DASHBOARD_SECRET_KEY is weak: ")) == (1, True)
    file.chmod(0o644)
    assert run(*command).output.endswith("is open to everybody on this machine: chmod 640 or less.\n")
