"""Card numbers in text: every one is found, other numbers are left alone."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.bank131.card_numbers import mask_card_numbers, passes_luhn


def check_digit(digits: str) -> str:
    return next(digit for digit in "0123456789" if passes_luhn(digits + digit))


card_numbers = st.text("0123456789", min_size=12, max_size=18).map(lambda digits: digits + check_digit(digits))


@st.composite
def spaced_card_numbers(draw: st.DrawFn) -> str:
    """A card number with single spaces or dashes anywhere between its digits."""
    number = draw(card_numbers)
    gaps = draw(st.lists(st.sampled_from(["", "", "", " ", "-", "\u00a0", "–"]), min_size=19, max_size=19))
    return "".join(digit + gap for digit, gap in zip(number, gaps, strict=False)).rstrip(" -\u00a0–")


@pytest.mark.parametrize(
    ("digits", "passes"),
    [("4242424242424242", True), ("4242424242424241", False), ("378282246310005", True), ("79927398713", True)],
)
def test_luhn(digits: str, passes: bool) -> None:
    assert passes_luhn(digits) is passes


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("4242424242424242", "•••• 4242"),
        ("4242 4242 4242 4242", "•••• 4242"),
        ("4242-4242-4242-4242", "•••• 4242"),
        ("4242\u00a04242\u00a04242\u00a04242", "•••• 4242"),
        ("4242 - 4242 - 4242 - 4242", "•••• 4242"),
        ("4242–4242–4242–4242", "•••• 4242"),
        ("4242\u200b4242\u200b4242\u200b4242", "•••• 4242"),
        ("4242\u00ad4242\u034f4242\ufe0f4242", "•••• 4242"),
        ('{"pan":"4242\\u00a04242\\u20114242\\u200B4242"}', '{"pan":"•••• 4242"}'),
        ("4242\u202e4242\u20664242\ufffd4242", "•••• 4242"),
        ("3782 822463 10005", "•••• 0005"),
        ("6304000000000000000", "•••• 0000"),
        ("4222222222222", "•••• 2222"),
        ("card 4242424242424242, thanks", "card •••• 4242, thanks"),
        ("card:4242424242424242;exp=1226", "card:•••• 4242;exp=1226"),
        ("pan4242424242424242x", "pan•••• 4242x"),
        ("4242 4242 4242 4242 12/26", "•••• 4242 12/26"),
        ("1 4242 4242 4242 4242", "1 •••• 4242"),
        ("4242424242424242 4000056655665556", "•••• 4242 •••• 5556"),
        ("4242 4242 4242 4242 4000 0566 5566 5556", "•••• 4242 •••• 5556"),
        ("4242 4242 4242 4242 1234567897", "•••• •••• 7897"),
        ("４２４２４２４２４２４２４２４２", "•••• ４２４２"),
        ('{"pan": 4242424242424242}', '{"pan": •••• 4242}'),
    ],
)
def test_card_numbers_are_masked(text: str, masked: str) -> None:
    assert mask_card_numbers(text) == masked


@pytest.mark.parametrize(
    "text",
    [
        "",
        "order 55",
        "4242424242424241",
        "4242 4242",
        "424242424242",
        "123456789012",
        "24011346294000100000001",
        "2026-03-01T09:00:00.000000Z",
        "2026-03-01 09:00:00",
        "+7 916 123-45-67",
        "42424242-4242-4424-8242-424242424242",
        "reference 42424242-4242-4242-8242-424242424242.",
        "4242.4242.4242.4242",
    ],
)
def test_other_numbers_are_left_alone(text: str) -> None:
    assert mask_card_numbers(text) == text


def test_what_only_looks_like_a_uuid_is_masked() -> None:
    assert "4242424242424242" not in mask_card_numbers("a42424242-4242-4242-8242-4242424242424242")


@given(st.text("ab: ,", max_size=3), spaced_card_numbers(), st.text("ab: ,", max_size=3))
def test_no_card_number_survives(before: str, number: str, after: str) -> None:
    masked = mask_card_numbers(f"{before}x{number}x{after}")
    assert len(re.findall(r"\d", masked)) == 4


@given(st.text("0123456789 -x", max_size=80))
def test_masking_what_is_masked_changes_nothing(text: str) -> None:
    masked = mask_card_numbers(text)
    assert mask_card_numbers(masked) == masked
    assert not any(passes_luhn(run) for run in re.findall(r"(?<!\d)\d{13,19}(?!\d)", masked))


@pytest.mark.parametrize("unit", ["4242424242424242 ", "4 ", "42-", "4242 x", "0", "42424242-4242-", "-"])
def test_a_long_text_is_soon_done(unit: str) -> None:
    text = unit * (200_000 // len(unit))
    started_s = time.process_time()
    mask_card_numbers(text)
    assert time.process_time() - started_s < 2
