"""Colours are named once, in the palette at the top of the style sheet, and everything else uses the names."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
STYLE = ROOT / "static" / "app.css"
TEMPLATES = sorted(file for file in (ROOT / "templates").rglob("*.html") if file.parent.name != "sandbox")
# `color: red` or `fill="#fff"`; not `&#160;`, nor the `#id` of a link.
COLOUR = re.compile(r"#[0-9a-fA-F]{3,8}\b(?!;)|\b(?:rgb|rgba|hsl|hsla|oklch|oklab|lab|lch|color)\(", re.ASCII)
PAINTED = re.compile(r"""\b(?:fill|stroke|color|bgcolor|stop-color)\s*=\s*["'](?!none|currentColor)""")


def rest_of_the_style() -> str:
    """The style sheet after its palette, without drawings that stand in addresses."""
    palette, rest = STYLE.read_text().split("\n}\n", 1)
    assert "--ink:" in palette
    return re.sub(r'url\("data:.*?"\)', "", rest)


def test_the_style_uses_names_alone() -> None:
    assert COLOUR.findall(rest_of_the_style().replace("--page: #ffffff", "")) == []


def test_every_name_that_is_used_is_in_the_palette() -> None:
    style = STYLE.read_text()
    defined, used = set(re.findall(r"(--[\w-]+):", style)), set(re.findall(r"var\((--[\w-]+)", style))
    assert {name for name in used - defined if not name.startswith("--bs-")} == set()


@pytest.mark.parametrize("file", TEMPLATES, ids=lambda file: str(file.relative_to(ROOT / "templates")))
def test_a_template_paints_nothing_by_itself(file: Path) -> None:
    source = file.read_text()
    assert "style=" not in source
    assert PAINTED.findall(source) == []
    assert re.findall(r"(?<![&\w'\"/])#[0-9a-fA-F]{3,8}\b", source) == []
