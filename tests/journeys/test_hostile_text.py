"""What customers and their shops come up with, on a page as narrow as a phone: nothing runs, nothing falls out."""

import pytest

from tests.journeys import steps
from tests.journeys.commands import OPERATOR, Installation
from tests.journeys.windows import Windows

HOSTILE = {
    "markup": "<img src=x onerror=\"document.title='run'\"><script>document.title='run'</script></td></table>",
    "long": "x" * 5000,
    "turned": "\u202egnp.exe \u2067طلب\u2069 סוף",
    "hidden": "client\u200b-\u034f1\ufeff7" + "\u0301" * 40,
}
WIDEST = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_on_a_narrow_page(demo: Installation, windows: Windows, text: str) -> None:
    metadata = {"note": text, text[:200]: [text]}
    session_id = demo.bank.paid_session(text[:200], metadata=metadata)
    page = windows.of(demo, OPERATOR)
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"/sessions/{session_id}/refund")
    steps.fill_and_check(page, "1", comment=text[:400])
    assert page.evaluate(WIDEST) <= 0, "the confirmation"
    steps.confirm_button(page).click()
    reference = steps.reference_of(page)
    for path in (
        "/",
        "/refunds/",
        f"/refunds/{reference}",
        f"/sessions/{session_id}",
        f"/sessions/{session_id}/refund",
        f"/sessions/?q={session_id}",
    ):
        page.goto(path)
        assert page.evaluate(WIDEST) <= 0, path
        assert page.locator("[style], main script, img[src='x']").count() == 0
        assert page.title() != "run"
        box = page.locator("main").bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 390
