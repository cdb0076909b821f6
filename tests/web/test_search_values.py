"""What a search box takes for a value is what the screens call it, in every language of theirs."""

import pytest
from flask import Flask, get_template_attribute
from flask_babel import force_locale, gettext

from dashboard import languages, search_language, search_values
from dashboard.web import finding, wording
from tests.bench.databases import on_sqlite


@on_sqlite
@pytest.mark.parametrize("language", languages.LANGUAGES)
def test_the_names_are_those_of_the_screens(app: Flask, language: str) -> None:
    with app.test_request_context(), force_locale(language):
        word = get_template_attribute("_macros.html", "status_word")
        shown = [
            (search_values.STATUSES, finding.status_names()),
            (search_values.STATUSES, {"unknown": gettext("Unknown"), "queued": str(word("waiting"))}),
            (search_values.REASONS, wording.REASONS),
            (search_values.ORIGINS, wording.TERM_VALUES["made"]),
        ]
        for names, said in shown:
            for value, name in said.items():
                assert str(name) in names[value]
                assert search_values.meant(str(name), names) == value


@on_sqlite
def test_cards_are_known_by_what_stands_before_their_digits(app: Flask) -> None:
    with app.test_request_context():
        paid_with = get_template_attribute("_macros.html", "paid_with")
        for language in languages.LANGUAGES:
            for brand in (*search_values.BRANDS, None):
                with force_locale(language):
                    shown = str(paid_with({"card_brand": brand, "card_last4": "4242"}))
                assert search_language.with_plain_cards(shown) == "4242", shown
                if brand:
                    assert search_values.meant(shown.removesuffix(" ··4242"), search_values.BRANDS) == brand


def test_nothing_else_is_named() -> None:
    assert set(search_values.STATUSES) == set(search_language.STATUSES)
    assert set(search_values.REASONS) == set(wording.REASONS)
    assert set(search_values.ORIGINS) == set(search_language.ORIGINS)
