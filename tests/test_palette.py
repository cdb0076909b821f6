"""Colours are named once, in the palette at the top of the style sheet, and everything else uses the names."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
STYLE = ROOT / "static" / "app.css"
TEMPLATES = sorted(file for file in (ROOT / "templates").rglob("*.html") if file.parent.name != "sandbox")
# `fill="#fff"` or `color: rgb(…)`; not `&#160;`, nor the `#id` of a link.
COLOUR = re.compile(r"#[0-9a-fA-F]{3,8}\b(?!;)|\b(?:rgba?|hsla?|hwb|oklch|oklab|lab|lch|color)\(", re.ASCII)
# `color: red`: whatever paints takes a name of the palette, or one of the words that name no colour.
PAINTS = re.compile(r"(?<![\w-])(?:[\w-]*color|background|fill|stroke|border[\w-]*|outline|box-shadow)\s*:\s*([^;}]+)")
WORDS_OF_NO_COLOUR = {"none", "transparent", "inherit", "currentcolor", "solid", "dashed", "inset", "separate"}
# Bootstrap's own colours, which the palette does not know.
FOREIGN = re.compile(
    r"\b(?:text|bg|text-bg|border|link|btn|btn-outline|alert|badge|table|list-group-item)-"
    r"(?:secondary|success|danger|warning|info|light|dark|white|black|muted|body)\b"
)
PAINTED = re.compile(r"""\b(?:fill|stroke|color|bgcolor|stop-color)\s*=\s*["'](?!none|currentColor)""")


def rest_of_the_style() -> str:
    """The style sheet after its palette, without drawings that stand in addresses."""
    palette, rest = STYLE.read_text().split("\n}\n", 1)
    assert "--ink:" in palette
    return re.sub(r'url\("data:.*?"\)', "", rest)


def test_the_style_uses_names_alone() -> None:
    assert COLOUR.findall(rest_of_the_style().replace("--page: #ffffff", "")) == []


def words_that_paint(style: str) -> set[str]:
    """The words that stand where a colour could, without names of the palette, numbers and what is computed."""
    values = " ".join(PAINTS.findall(re.sub(r"/\*.*?\*/", "", style, flags=re.DOTALL)))
    while values != (inner := re.sub(r"[\w-]+\([^()]*\)", "", values)):
        values = inner
    return {word.lower() for word in re.findall(r"(?<![\w.#-])[A-Za-z]+(?![\w-])", values)}


def test_nothing_is_painted_by_the_name_of_a_colour() -> None:
    assert words_that_paint(rest_of_the_style()) - WORDS_OF_NO_COLOUR == set()
    assert words_that_paint(".x { color: red; background: hotpink }") == {"red", "hotpink"}


def test_every_name_that_is_used_is_in_the_palette() -> None:
    style = STYLE.read_text()
    defined, used = set(re.findall(r"(--[\w-]+):", style)), set(re.findall(r"var\((--[\w-]+)", style))
    assert {name for name in used - defined if not name.startswith("--bs-")} == set()


def test_foreign_colours_would_be_found() -> None:
    assert FOREIGN.findall('<b class="text-danger bg-warning">') == ["text-danger", "bg-warning"]


@pytest.mark.parametrize("file", TEMPLATES, ids=lambda file: str(file.relative_to(ROOT / "templates")))
def test_a_template_paints_nothing_by_itself(file: Path) -> None:
    source = file.read_text()
    assert "style=" not in source
    assert PAINTED.findall(source) == []
    assert FOREIGN.findall(source) == []
    assert re.findall(r"(?<![&\w'\"/])#[0-9a-fA-F]{3,8}\b", source) == []
