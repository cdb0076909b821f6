"""Debian's Chromium."""

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright

# The same engine without all that makes a window takes a third of the work.
NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
HOW_TO_GET_IT = (
    "Chromium is missing: install the Debian package `chromium-headless-shell` or `chromium`, "
    "or name its program in the variable CHROMIUM"
)
_ARGUMENTS = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def find_chromium(environ: Mapping[str, str]) -> str:
    """The program's path. Raises RuntimeError with one clear line."""
    names = [environ["CHROMIUM"]] if environ.get("CHROMIUM") else NAMES
    found = (shutil.which(name, path=environ.get("PATH", "")) for name in names)
    program = next(filter(None, found), None)
    if program is None:
        raise RuntimeError(HOW_TO_GET_IT)
    return program


@contextmanager
def running_chromium() -> Iterator[Browser]:
    """A browser without a window while the block runs."""
    arguments = [*_ARGUMENTS, *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    program = find_chromium(os.environ)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=arguments)
        yield browser
        browser.close()
