"""Every text that people see is in the catalogue of texts to translate, and in every language that the desk speaks."""

import ast
import re
from collections.abc import Collection, Iterator
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path
from typing import IO, Any

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from dashboard.languages import LANGUAGES

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "dashboard" / "translations"
TEMPLATE = FOLDER / "messages.pot"
TRANSLATIONS = [FOLDER / language / "LC_MESSAGES" / "messages.po" for language in LANGUAGES if language != "en"]


def texts_in_python(
    file: IO[bytes], keywords: Collection[str], _comments: Any, options: Any
) -> Iterator[tuple[int, str, list[str | None], list[str]]]:
    """What Babel's own method finds, and what stands inside an f-string, which it does not see."""
    for node in ast.walk(ast.parse(file.read())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in keywords:
            yield node.lineno, node.func.id, [_text_in(argument) for argument in node.args], []


def _text_in(argument: ast.expr) -> str | None:
    is_text = isinstance(argument, ast.Constant) and isinstance(argument.value, str)
    return argument.value if is_text else None


METHODS = {
    "dashboard/web": [("**.py", texts_in_python)],
    "templates": [("sandbox/**", "ignore"), ("**.html", "jinja2"), ("**.txt", "jinja2")],
}
KEYWORDS = {"_": None, "_l": None, "gettext": None, "ngettext": (1, 2), "lazy_gettext": None, "N_": None}
PLACEHOLDER = re.compile(r"%\(\w+\)s|%%|\{\w+\}")
# Names, codes and marks that are the same in every language.
SAME_EVERYWHERE = {"CSV", "RRN", "ARN"}
READ_OUT = {"title", "alt", "placeholder", "aria-label", "aria-description", "label"}
LETTERS = re.compile(r"[^\W\d_]{2,}")

Text = str | tuple[str, ...]


def texts_of_the_tree() -> Iterator[tuple[str, Text]]:
    """File and text, or texts in singular and plural."""
    for folder, methods in METHODS.items():
        for file, _line, message, *_ in extract_from_dir(ROOT / folder, methods, keywords=KEYWORDS):
            yield f"{folder}/{file}", message


def read(file: Path) -> Catalog:
    with file.open("rb") as opened:
        return read_po(opened, locale=None if file == TEMPLATE else file.parent.parent.name)


def messages(catalogue: Catalog) -> list[Message]:
    return [message for message in catalogue if message.id]


def forms(text: Text) -> tuple[str, ...]:
    return (text,) if isinstance(text, str) else text


def test_catalogue_holds_every_text() -> None:
    texts = {forms(message)[0] for _, message in texts_of_the_tree()}
    # The last one stands inside an f-string.
    assert {"Refund desk", "Accepted by the bank", "Somebody else has to approve it"} <= texts
    in_catalogue = {forms(message.id)[0] for message in messages(read(TEMPLATE))}
    assert texts == in_catalogue, "run: python -m tests.extract_texts"


@pytest.mark.parametrize("file", TRANSLATIONS, ids=lambda file: file.parent.parent.name)
class TestEveryLanguage:
    def test_no_text_is_missing_and_none_is_left_over(self, file: Path) -> None:
        catalogue = read(file)
        missing = [one.id for one in messages(catalogue) if not all(forms(one.string or "")) or one.fuzzy]
        assert missing == [], "translate them in the .po file, then run: python -m tests.extract_texts"
        assert {one.id for one in messages(catalogue)} == {one.id for one in messages(read(TEMPLATE))}

    def test_every_count_has_all_forms_of_the_language(self, file: Path) -> None:
        catalogue = read(file)
        counted = [one for one in messages(catalogue) if one.pluralizable]
        assert counted
        assert {len(forms(one.string)) for one in counted} == {catalogue.num_plurals}

    def test_what_is_put_into_a_text_is_put_into_its_translation(self, file: Path) -> None:
        for one in messages(read(file)):
            wanted = {frozenset(PLACEHOLDER.findall(text)) for text in forms(one.id)}
            for text in forms(one.string):
                assert frozenset(PLACEHOLDER.findall(text)) in wanted, f"{one.id!r}: {text!r}"

    def test_a_translation_begins_and_ends_as_its_text(self, file: Path) -> None:
        for one in messages(read(file)):
            for text, translated in zip(forms(one.id), forms(one.string), strict=False):
                assert (text[:1].isspace(), text[-1:].isspace()) == (
                    translated[:1].isspace(),
                    translated[-1:].isspace(),
                ), one.id

    def test_what_the_desk_reads_is_made_of_what_people_edit(self, file: Path) -> None:
        compiled = BytesIO()
        write_mo(compiled, read(file))
        assert file.with_suffix(".mo").read_bytes() == compiled.getvalue(), "run: python -m tests.extract_texts"


# Templates


class Words(HTMLParser):
    """What a page says by itself, between its tags and in what is read out."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value for name, value in attrs if value and (name in READ_OUT or name.endswith("-words"))]

    handle_startendtag = handle_starttag

    def handle_data(self, data: str) -> None:
        self.found.append(data)


def words_outside_of_expressions(source: str) -> list[str]:
    """Of a template; statements, expressions and comments of Jinja's are left out."""
    words = Words()
    for no_text in (r"\{% block (?:frame|body_class) %\}.*?\{% endblock %\}", r"<code>.*?</code>"):
        source = re.sub(no_text, "", source)
    words.feed(re.sub(r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}", "", source, flags=re.DOTALL))
    words.close()
    texts = [text.strip(" \n·–—…:,.()/") for text in words.found]
    return [text for text in texts if LETTERS.search(text) and text not in SAME_EVERYWHERE]


TEMPLATES = sorted(
    file for file in (ROOT / "templates").rglob("*.html") if "sandbox" not in file.relative_to(ROOT).parts
)


@pytest.mark.parametrize("file", TEMPLATES, ids=lambda file: str(file.relative_to(ROOT / "templates")))
def test_a_template_says_nothing_that_cannot_be_translated(file: Path) -> None:
    assert words_outside_of_expressions(file.read_text()) == []


def test_texts_between_tags_and_in_attributes_would_be_found() -> None:
    source = '<p title="Hello there">{{ _("Fine") }}</p>{# no #}<b>Left over</b><i data-x-words="in {n}"></i>· CSV'
    assert words_outside_of_expressions(source) == ["Hello there", "Left over", "in {n}"]
