"""Every text that people see is in the catalogue of texts to translate."""

from collections.abc import Iterator
from pathlib import Path

from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

ROOT = Path(__file__).parent.parent
TEMPLATE = ROOT / "dashboard" / "translations" / "messages.pot"
METHODS = {
    "dashboard/web": [("**.py", "python")],
    "templates": [("sandbox/**", "ignore"), ("**.html", "jinja2"), ("**.txt", "jinja2")],
}
KEYWORDS = {"_": None, "_l": None, "gettext": None, "ngettext": (1, 2), "lazy_gettext": None}


Text = str | tuple[str, ...]


def texts_of_the_tree() -> Iterator[tuple[str, Text]]:
    """File and text, or texts in singular and plural."""
    for folder, methods in METHODS.items():
        for file, _line, message, *_ in extract_from_dir(ROOT / folder, methods, keywords=KEYWORDS):
            yield f"{folder}/{file}", message


def test_catalogue_holds_every_text() -> None:
    texts = {message if isinstance(message, str) else message[0] for _, message in texts_of_the_tree()}
    assert {"Refund desk", "Accepted by the bank", "Outcome unknown"} <= texts
    with TEMPLATE.open("rb") as file:
        catalogue = {
            message.id if isinstance(message.id, str) else message.id[0] for message in read_po(file) if message.id
        }
    assert texts == catalogue, "run: python -m tests.extract_texts"
