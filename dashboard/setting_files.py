"""Settings that are files: how systemd, containers and vaults hand over secrets, which then stand in no environment."""

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from dashboard.config import FOLDER_OF_SYSTEMD, SECRETS_FOLDER, SETTINGS, BadSettings


def with_files(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment, and each file of the secrets' folder that is called like a setting. Raises BadSettings.

    The line's end after a value is no part of it. Other files are let be.
    """
    named = environ.get(SECRETS_FOLDER, environ.get(FOLDER_OF_SYSTEMD, ""))
    if not named.strip():
        return dict(environ)
    folder = Path(named.strip()).expanduser().resolve()
    problem = _unusable(folder)
    if problem is not None:
        raise BadSettings([problem])
    return {**environ, **_read(folder, environ), SECRETS_FOLDER: str(folder)}


def _unusable(folder: Path) -> str | None:
    """In one line. Who may add files to the folder may set anything."""
    try:
        mode = folder.stat().st_mode
        # Kubernetes mounts it with all rights, and read-only.
        is_fixed = bool(os.statvfs(folder).f_flag & os.ST_RDONLY)
    except OSError as problem:
        return f"{SECRETS_FOLDER}: {folder} cannot be used: {problem.strerror}."
    if not stat.S_ISDIR(mode):
        return f"{SECRETS_FOLDER}: {folder} is no folder."
    if not os.access(folder, os.X_OK):
        return f"{SECRETS_FOLDER}: {folder} cannot be used: this user may not look into it."
    if mode & stat.S_IWOTH and not is_fixed:
        return f"{SECRETS_FOLDER}: everybody on this machine may write into {folder}: chmod 750 or less."
    return None


def _read(folder: Path, environ: Mapping[str, str]) -> dict[str, str]:
    files = [folder / setting.name for setting in SETTINGS if setting.name != SECRETS_FOLDER]
    values: dict[str, str] = {}
    problems: list[str] = []
    for file in filter(Path.exists, files):
        try:
            values[file.name] = _value(file, environ)
        except ValueError as problem:
            problems.append(f"{file.name}{problem}.")
    if problems:
        raise BadSettings(problems)
    return values


def _value(file: Path, environ: Mapping[str, str]) -> str:
    """Raises ValueError with a reason that goes behind the setting's name."""
    if file.name in environ:
        raise ValueError(f" is set twice: in the environment, and as the file {file}")
    if file.stat().st_mode & stat.S_IRWXO and file.parent.stat().st_mode & stat.S_IXOTH:
        raise ValueError(f": {file} is open to everybody on this machine: chmod 640 or less")
    try:
        return file.read_text(encoding="utf-8").rstrip("\r\n")
    except OSError as problem:
        raise ValueError(f": {file} cannot be read: {problem.strerror}") from problem
    except UnicodeDecodeError:
        raise ValueError(f": {file} is no text") from None
