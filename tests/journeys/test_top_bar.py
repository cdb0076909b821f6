"""The bar above every page has room for all of it, whoever looks, in either language, however wide the window is."""

import pytest
from playwright.sync_api import Page, expect

from tests.journeys.commands import ADMIN, APPROVER, OPERATOR, Installation
from tests.journeys.windows import Windows

WIDTHS = (1440, 1361, 1321, 1241, 1101, 1024, 960, 720, 560, 559, 390, 320)
NARROWEST_SEARCH_PX = 180
TOO_WIDE_PX = "document.documentElement.scrollWidth - window.innerWidth"


def search_px(page: Page) -> float:
    box = page.locator("[data-finder]").bounding_box()
    assert box is not None
    return box["width"]


@pytest.mark.parametrize("language", ["en", "ru"])
@pytest.mark.parametrize("who", [OPERATOR, APPROVER, ADMIN])
def test_nothing_is_pushed_out(demo: Installation, windows: Windows, who: str, language: str) -> None:
    page = windows.just_signed_in(demo, who)
    page.set_extra_http_headers({"Accept-Language": language})
    page.goto("/refunds/")
    expect(page.locator("html")).to_have_attribute("lang", language)
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate(TOO_WIDE_PX) <= 0, f"scrolls sideways at {width}"
        assert search_px(page) >= NARROWEST_SEARCH_PX, f"no room to search at {width}"
        expect(page.locator(".account a")).to_be_visible()
        if width < 560:
            assert search_px(page) >= width - 40, f"the search has a line of its own at {width}"
