"""The form's token: carries what it was given, and cannot be made or changed by others."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.form_token import ForgedToken, FormToken, seal, unseal

SECRETS = ("a secret key for tests: 0123456789 abcdefghij",)
TOKEN = FormToken("person", "ps_1", 3, "mark", "nonce")


@given(st.builds(FormToken, st.text(), st.text(), st.integers(min_value=0), st.text(), st.text()))
def test_it_carries_what_it_was_given(token: FormToken) -> None:
    assert unseal(seal(token, SECRETS), SECRETS) == token


def test_the_same_token_is_the_same_text() -> None:
    assert seal(TOKEN, SECRETS) == seal(TOKEN, SECRETS)
    assert seal(TOKEN, SECRETS) != seal(FormToken("person", "ps_1", 3, "mark", "another"), SECRETS)


def test_another_key_does_not_open_it() -> None:
    with pytest.raises(ForgedToken):
        unseal(seal(TOKEN, SECRETS), ("another key",))


@given(st.data())
def test_whatever_is_changed_it_says_nothing_else(data: st.DataObject) -> None:
    """Base64 leaves a few bits of the last sign unused; apart from them every change is noticed."""
    text = seal(TOKEN, SECRETS)
    place = data.draw(st.integers(0, len(text) - 1))
    sign = data.draw(st.characters(codec="ascii"))
    changed = text[:place] + sign + text[place + 1 :]
    try:
        assert unseal(changed, SECRETS) == TOKEN
    except ForgedToken:
        assert changed != text


@pytest.mark.parametrize("text", ["", ".", "a.b", "\u0416", "x" * 5000, seal(TOKEN, SECRETS)[:-5]])
def test_nonsense_is_refused(text: str) -> None:
    with pytest.raises(ForgedToken):
        unseal(text, SECRETS)
