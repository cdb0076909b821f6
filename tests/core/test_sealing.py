"""What is kept encrypted is read with the same key and for the same purpose alone, and can be sealed in another way."""

from base64 import urlsafe_b64decode

import pytest

from dashboard import sealing

KEYS, PURPOSE = ("a secret key",), "to use:somebody"
TEXT = "JBSWY3DPEHPK3PXP"
# Sealed by a version of the desk that put no mark in front; the second one begins with the mark of a cipher by chance.
UNMARKED = (
    "gARac04ER14PMWeiWqHLmkZ9VxOhR2YQ1enldm2ax4rR2aVZNDvZkskhKaw=",
    "AQECAwQFBgcICQoLSLzLokB4CivdIYTdM3jDmjxs83WsYRwR2tJeXUDclus=",
)


def cannot(sealed: bytes, keys: tuple[str, ...] = KEYS, purpose: str = PURPOSE) -> None:
    with pytest.raises(sealing.CannotUnseal):
        sealing.unseal(sealed, keys, purpose)


def test_what_is_encrypted_is_opened_for_its_purpose_alone_and_never_changed() -> None:
    sealed = sealing.seal(TEXT, KEYS, PURPOSE)
    assert sealing.unseal(sealed, KEYS, PURPOSE) == TEXT
    assert TEXT.encode() not in sealed
    assert sealed[1:13] != sealing.seal(TEXT, KEYS, PURPOSE)[1:13], "a number used once"
    for at in range(len(sealed)):
        cannot(sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :])
        cannot(sealed[:at])
    cannot(sealed, purpose="to use:somebody else")
    cannot(sealed, ("another",))


def test_the_first_key_seals_and_any_opens() -> None:
    before, now = ("the old key",), ("the new key", "the old key")
    assert sealing.unseal(sealing.seal(TEXT, before, PURPOSE), now, PURPOSE) == TEXT
    sealed = sealing.seal(TEXT, now, PURPOSE)
    assert sealing.unseal(sealed, ("the new key",), PURPOSE) == TEXT
    cannot(sealed, before)


@pytest.mark.parametrize("text", UNMARKED)
def test_what_was_sealed_before_there_were_marks_still_opens(text: str) -> None:
    sealed = urlsafe_b64decode(text)
    assert sealing.unseal(sealed, KEYS, PURPOSE) == TEXT
    assert not sealing.is_up_to_date(sealed, KEYS, PURPOSE)


@pytest.mark.parametrize("other", [mark for mark in sealing.CIPHERS if mark != sealing.PRESENT])
def test_another_cipher_takes_over_and_what_the_old_one_sealed_still_opens(
    monkeypatch: pytest.MonkeyPatch, other: int
) -> None:
    before = sealing.seal(TEXT, KEYS, PURPOSE)
    assert sealing.is_up_to_date(before, KEYS, PURPOSE)
    monkeypatch.setattr(sealing, "PRESENT", other)
    sealed = sealing.seal(TEXT, KEYS, PURPOSE)
    assert (sealed[0], before[0]) == (other, 1)
    for each in (before, sealed):
        assert sealing.unseal(each, KEYS, PURPOSE) == TEXT
        cannot(each, purpose="to use:somebody else")
    assert [sealing.is_up_to_date(each, KEYS, PURPOSE) for each in (before, sealed)] == [False, True]


def test_no_two_ciphers_share_a_key() -> None:
    names = [cipher.name for cipher in sealing.CIPHERS.values()]
    assert len(set(names)) == len(names) > 1
