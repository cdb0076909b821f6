"""Which passwords are taken."""

import pytest
from argon2 import extract_parameters
from zxcvbn.frequency_lists import FREQUENCY_LISTS

from dashboard import demo, passwords
from dashboard.passwords import BadPassword, check

EMAIL = "anna.petrova@finance.example.com"


@pytest.mark.parametrize(
    "password",
    [
        "correct horse",
        "8 spaces",
        "жуткий пароль",
        "ALLUPPERCASE",
        "82619403",
        "пароль с пробелами и 64 знаками или даже больше, если кому-нибудь так надо",
        "the refund took 3 days",
        "!?%&/()=-_:;",
        "🔑 keys 🔑",
        " leading and trailing ",
        "x" * 5 + "y" * 995,
    ],
)
def test_any_characters_in_any_mixture_are_taken(password: str) -> None:
    check(password, EMAIL, None)
    assert passwords.fits(password, passwords.hash_of(password))


@pytest.mark.parametrize(
    ("password", "code"),
    [
        ("", "too_short"),
        ("7 chars", "too_short"),
        ("x" * 1001, "too_long"),
        ("12345678", "common"),
        ("TrustNo1", "common"),
        ("bank131refund", "guessable"),
        ("Refund-Desk-2026", "guessable"),
        ("approver", "guessable"),
        ("Operator123!", "guessable"),
        ("anna.petrova@finance.example.com", "guessable"),
        ("annapetrova1", "guessable"),
        ("PETROVA!!!!!!!!", "guessable"),
        (demo.PASSWORD, "guessable"),
    ],
)
def test_what_would_be_guessed_first_is_refused(password: str, code: str) -> None:
    with pytest.raises(BadPassword) as refused:
        check(password, EMAIL, None)
    assert refused.value.code == code
    assert "\n" not in str(refused.value)


def test_the_three_thousand_most_common_ones_of_that_length_are_refused() -> None:
    common = [word for word in FREQUENCY_LISTS["passwords"] if len(word) >= passwords.SHORTEST]
    assert len(common) > 3000
    assert set(common) == passwords._common()


@pytest.mark.parametrize("password", ["Passw0rd with a tail", "correct horsE", "correct horse "])
def test_it_is_verified_exactly_as_it_was_typed(password: str) -> None:
    assert passwords.fits(password, passwords.hash_of(password))
    assert not passwords.fits(password, passwords.hash_of("correct horse"))


@pytest.mark.usefixtures("slow_hashes")
def test_where_there_is_no_password_to_look_takes_the_same_work() -> None:
    assert extract_parameters(passwords._NOBODY) == extract_parameters(passwords.hash_of("any password"))


def test_nothing_fits_where_there_is_no_password() -> None:
    assert not passwords.fits("nobody has this password", "")
    assert not passwords.fits("", "")
