"""A browser that is not there is a failure with its remedy, never a skipped test."""

from pathlib import Path

import pytest

from tests.journeys.chromium import find_chromium


def test_a_missing_chromium_names_the_package(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"^Chromium is missing: install the Debian package") as caught:
        find_chromium({"PATH": str(tmp_path)})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("variable", ["", "CHROMIUM"])
def test_it_is_found_by_name_and_by_the_variable(tmp_path: Path, variable: str) -> None:
    program = tmp_path / "google-chrome"
    program.touch(mode=0o755)

    environ = {"PATH": str(tmp_path)} if not variable else {"PATH": "", variable: str(program)}

    assert find_chromium(environ) == str(program)
