"""What kept the bank from answering is told in the reader's language, whatever it was."""

import ast
from pathlib import Path

import pytest
from flask import Flask
from flask_babel import force_locale

import dashboard
from dashboard.web import bank_troubles

DASHBOARD = Path(dashboard.__file__).parent
RAISED = ("NoAnswer", "NeverConnected", "OutcomeUnknown", "NeverReached", "KeyAlreadyUsed")


def sentence_of(argument: ast.expr) -> str:
    """What is raised with it, with 7 where something is put in."""
    if isinstance(argument, ast.Constant):
        return str(argument.value)
    if isinstance(argument, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "7" for part in argument.values)
    return ""


def raised_sentences() -> list[str]:
    """Each sentence that an exception on the way to the bank and back is made with, as the code has it."""
    return sorted(
        {
            sentence_of(call.args[0])
            for file in (DASHBOARD / "bank131").glob("*.py")
            for call in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in RAISED and call.args
        }
        - {"the bank did not answer: 7", "the bank was not reached: 7"}
    )


@pytest.mark.parametrize("sentence", [*raised_sentences(), "the commit took too long; nothing was sent"])
@pytest.mark.parametrize("before", ["", "the bank did not answer: ", "the bank was not reached: "])
def test_each_has_words_in_both_languages(app: Flask, before: str, sentence: str) -> None:
    with app.test_request_context():
        assert bank_troubles.told(before + sentence) == sentence
        with force_locale("ru"):
            told = bank_troubles.told(before + sentence)
    assert told != sentence
    assert ("7" in told) == ("7" in sentence)


def test_what_is_not_known_is_told_as_it_is(app: Flask) -> None:
    with app.test_request_context(), force_locale("ru"):
        assert bank_troubles.told("too_much 100% is too much") == "too_much 100% is too much"
