"""A button that copies says whether it could; where it could not, the text is selected, to be copied by hand."""

import pytest

from tests.journeys.commands import OPERATOR, Installation
from tests.journeys.windows import Windows

PRESSED = """async (allows) => {
  navigator.clipboard.writeText = async (text) => {
    if (!allows) throw new DOMException("no", "NotAllowedError");
    window.copied = text;
  };
  document.execCommand = () => false;
  const place = document.createElement("div");
  place.innerHTML = "<p><b id=words>To the customer</b></p>" +
    "<button data-copy='#words' data-copied=Copied data-refused=Selected>Copy</button>";
  document.body.append(place);
  await import("/static/copy.js");
  place.lastChild.click();
  await new Promise((done) => setTimeout(done));
  return [place.lastChild.textContent, window.copied ?? "", String(getSelection())];
}"""


@pytest.mark.parametrize(
    ("allows", "expected"),
    [(True, ["Copied", "To the customer", ""]), (False, ["Selected", "", "To the customer"])],
    ids=["allowed", "refused"],
)
def test_it_says_whether_it_copied(demo: Installation, windows: Windows, allows: bool, expected: list[str]) -> None:
    page = windows.of(demo, OPERATOR)
    page.goto("/refunds/")
    assert page.evaluate(PRESSED, allows) == expected
