"""Amounts: what people type, what is stored, what is shown."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.money import MAX_AMOUNT_MINOR, BadAmount, exponent, format_amount, major, parse_amount

amounts = st.integers(min_value=1, max_value=MAX_AMOUNT_MINOR)
currencies = st.sampled_from(["rub", "usd", "jpy", "kwd", "RSD", "IQD"])


@pytest.mark.parametrize(
    ("currency", "digits"),
    [("rub", 2), ("RUB", 2), ("usd", 2), ("eur", 2), ("jpy", 0), ("kwd", 3), ("rsd", 2), ("iqd", 3)],
)
def test_decimals_come_from_the_standard(currency: str, digits: int) -> None:
    assert exponent(currency) == digits


@pytest.mark.parametrize("currency", ["tonc", "xau", "", "zzz", "ру́б"])
def test_a_currency_the_standard_gives_no_decimals_for(currency: str) -> None:
    assert exponent(currency) is None
    assert major(1000, currency) == "1000"
    with pytest.raises(BadAmount) as refused:
        parse_amount("10", currency)
    assert refused.value.code == "no_major_units"


@pytest.mark.parametrize(
    ("text", "currency", "amount_minor"),
    [
        ("1234.56", "rub", 123456),
        ("1234,56", "rub", 123456),
        ("1 234,56", "rub", 123456),
        ("1\u00a0234,56", "rub", 123456),
        ("1\u202f234\u202f567,89", "rub", 123456789),
        ("1,234.56", "rub", 123456),
        ("1.234,56", "rub", 123456),
        ("1'234.56", "rub", 123456),
        ("1,234,567", "rub", 123456700),
        ("1.234.567,8", "rub", 123456780),
        ("  10.5 ", "rub", 1050),
        ("10.", "rub", 1000),
        ("10", "rub", 1000),
        ("0010", "rub", 1000),
        ("0.01", "rub", 1),
        ("1,234", "kwd", 1234),
        ("500", "jpy", 500),
        ("1 500", "jpy", 1500),
        ("18,000", "jpy", 18000),
        ("1.500", "jpy", 1500),
        ("1,234,567", "jpy", 1234567),
        ("9999999999999.99", "rub", MAX_AMOUNT_MINOR),
    ],
)
def test_amounts_as_people_type_them(text: str, currency: str, amount_minor: int) -> None:
    assert parse_amount(text, currency) == amount_minor


@pytest.mark.parametrize(
    ("text", "currency", "code"),
    [
        ("", "rub", "empty"),
        (" \u00a0 ", "rub", "empty"),
        ("0", "rub", "not_positive"),
        ("0.00", "rub", "not_positive"),
        ("-5", "rub", "not_positive"),
        ("−5,00", "rub", "not_positive"),
        ("-", "rub", "not_a_number"),
        ("-five", "rub", "not_a_number"),
        ("five", "rub", "not_a_number"),
        ("+5", "rub", "not_a_number"),
        ("5 rub", "rub", "not_a_number"),
        ("1e3", "rub", "not_a_number"),
        (".50", "rub", "not_a_number"),
        ("NaN", "rub", "not_a_number"),
        ("Infinity", "rub", "not_a_number"),
        ("٣", "rub", "not_a_number"),
        ("10 50", "rub", "not_a_number"),
        ("1 2 3", "rub", "not_a_number"),
        ("12 34,50", "rub", "not_a_number"),
        ("1 234 56", "rub", "not_a_number"),
        ("1,234,56", "rub", "not_a_number"),
        ("1.234.56", "rub", "not_a_number"),
        ("1,234 567", "rub", "not_a_number"),
        ("1.2.3", "rub", "not_a_number"),
        ("10\n50", "rub", "not_a_number"),
        ("1,234", "rub", "too_many_decimals"),
        ("10.505", "rub", "too_many_decimals"),
        ("1.23", "jpy", "too_many_decimals"),
        ("1.2345", "jpy", "too_many_decimals"),
        ("10000000000000", "rub", "too_large"),
        ("9" * 5000, "rub", "too_large"),
    ],
)
def test_what_is_no_amount(text: str, currency: str, code: str) -> None:
    with pytest.raises(BadAmount) as refused:
        parse_amount(text, currency)
    assert refused.value.code == code


@pytest.mark.parametrize(
    ("amount_minor", "currency", "plain", "grouped"),
    [
        (100050, "rub", "1000.50", "1,000.50"),
        (123456789, "RUB", "1234567.89", "1,234,567.89"),
        (5, "rub", "0.05", "0.05"),
        (0, "rub", "0.00", "0.00"),
        (-50, "rub", "-0.50", "-0.50"),
        (-100050, "rub", "-1000.50", "-1,000.50"),
        (1500, "jpy", "1500", "1,500"),
        (1234, "kwd", "1.234", "1.234"),
        (1000, "tonc", "1000", "1,000"),
    ],
)
def test_amounts_on_screen(amount_minor: int, currency: str, plain: str, grouped: str) -> None:
    assert major(amount_minor, currency) == plain
    assert format_amount(amount_minor, currency) == grouped


def test_an_amount_with_the_marks_of_another_language() -> None:
    assert format_amount(123456789, "rub", group="\u00a0", point=",") == "1\u00a0234\u00a0567,89"


@given(amounts, currencies)
def test_what_is_shown_plainly_reads_back_as_the_same_amount(amount_minor: int, currency: str) -> None:
    assert parse_amount(major(amount_minor, currency), currency) == amount_minor


@given(amounts, st.sampled_from(["rub", "usd"]), st.sampled_from([(",", "."), (".", ","), (" ", ","), ("'", ".")]))
def test_what_is_shown_grouped_reads_back_as_the_same_amount(
    amount_minor: int, currency: str, marks: tuple[str, str]
) -> None:
    assert parse_amount(format_amount(amount_minor, currency, *marks), currency) == amount_minor


@given(st.text(alphabet="0123456789.,-+ '_e\u00a0٣", max_size=30), currencies)
def test_anything_typed_is_an_amount_or_a_reason(text: str, currency: str) -> None:
    assert _amount_or_reason(text, currency)


def _amount_or_reason(text: str, currency: str) -> int | str:
    try:
        amount_minor = parse_amount(text, currency)
    except BadAmount as refused:
        return refused.code
    return amount_minor if 0 < amount_minor <= MAX_AMOUNT_MINOR else ""
