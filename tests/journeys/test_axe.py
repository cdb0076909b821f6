"""What can be found by rule that keeps somebody out, is on no page, in light and in dark."""

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.journeys.commands import Installation
from tests.journeys.families import FAMILIES, Family, make_something, opened
from tests.journeys.windows import Windows


@pytest.fixture(scope="module")
def made() -> dict[str, str]:
    """What the pages show, made once by the first that is looked at."""
    return {}


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_axe_finds_nothing(demo: Installation, windows: Windows, made: dict[str, str], family: Family) -> None:
    if not made:
        made.update(make_something(demo, windows))
    with opened(demo, windows, family, made, color_scheme="light") as page:
        in_light = Axe().run(page)
        page.emulate_media(color_scheme="dark")
        in_dark = Axe().run(page)
    assert in_light.violations_count == 0, in_light.generate_report()
    assert in_dark.violations_count == 0, in_dark.generate_report()


def test_axe_would_find_something(demo: Installation, windows: Windows) -> None:
    page = windows.anonymous(demo)
    page.goto("/login")
    page.evaluate("document.querySelector('label').remove()")
    assert "label" in {one["id"] for one in Axe().run(page).response["violations"]}
