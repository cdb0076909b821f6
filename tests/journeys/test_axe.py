"""What can be found by rule that keeps somebody out, or is cut off, is on no page: light, dark, English or Russian."""

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.journeys.commands import Installation
from tests.journeys.families import FAMILIES, Family, make_something, opened
from tests.journeys.windows import Windows


@pytest.fixture(scope="module")
def made() -> dict[str, str]:
    """What the pages show, made once by the first that is looked at."""
    return {}


LOOKS = ({"color_scheme": "light", "locale": "en-GB"}, {"color_scheme": "dark", "locale": "ru-RU"})
WIDTHS = (1440, 1024, 390)
# What can be pressed or typed into and reaches out of the window, but for what scrolls sideways by itself; words above
# columns and statuses that do not fit.
CUT_OFF = """() => {
  const inSight = (one) => one.checkVisibility({ visibilityProperty: true }) && !one.closest(".tabs, .skip");
  const reachesOut = (one) => {
    const { left, right } = one.getBoundingClientRect();
    return left < -1 || right > innerWidth + 1;
  };
  const doesNotFit = (one) => one.scrollWidth > one.clientWidth + 1;
  return [
    ...[...document.querySelectorAll("a, button, input, select, textarea")].filter(reachesOut),
    ...[...document.querySelectorAll("th, td.col-status, td.col-money")].filter(doesNotFit),
  ].filter(inSight).map((one) => one.outerHTML.slice(0, 200));
}"""


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_axe_finds_nothing_and_nothing_is_cut_off(
    demo: Installation, windows: Windows, made: dict[str, str], family: Family
) -> None:
    if not made:
        made.update(make_something(demo, windows))
    for look in LOOKS:
        with opened(demo, windows, family, made, **look) as page:
            found = Axe().run(page)
            assert found.violations_count == 0, found.generate_report()
            for width in WIDTHS:
                page.set_viewport_size({"width": width, "height": 900})
                assert page.evaluate(CUT_OFF) == [], width


def test_axe_would_find_something(demo: Installation, windows: Windows) -> None:
    page = windows.anonymous(demo)
    page.goto("/login")
    page.evaluate("document.querySelector('label').remove()")
    assert "label" in {one["id"] for one in Axe().run(page).response["violations"]}
