"""What is kept or sent along encrypted, with a key made of the secret key: an app's secret, a form, a mail to come.

What is sealed begins with one byte that names the cipher, then comes the number used once, then what was encrypted.
"""

import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_NONCE_BYTES = 12


@dataclass(frozen=True)
class _Cipher:
    """`name` keeps the keys of two ciphers apart; that of the first is older than most of its uses."""

    name: bytes
    kind: type[AESGCM | ChaCha20Poly1305]

    def keyed(self, secret_key: str) -> AESGCM | ChaCha20Poly1305:
        # One key for all uses: every purpose must be unlike every other.
        return self.kind(HKDF(SHA256(), 32, salt=None, info=self.name).derive(secret_key.encode()))


# A cipher that is not to be trusted any more stays here until nothing is left that it has sealed.
CIPHERS = {1: _Cipher(b"authenticator apps", AESGCM), 2: _Cipher(b"chacha20-poly1305", ChaCha20Poly1305)}
PRESENT = 1
# What was sealed before there were marks has none, and may begin with any byte.
_BEFORE_MARKS = 1


class CannotUnseal(Exception):
    """It was sealed with another secret key or for somebody else, or was changed."""


def seal(text: str, secret_keys: tuple[str, ...], purpose: str) -> bytes:
    """The text encrypted with the first of the keys; it can be unsealed for the same purpose alone."""
    nonce = secrets.token_bytes(_NONCE_BYTES)
    encrypted = CIPHERS[PRESENT].keyed(secret_keys[0]).encrypt(nonce, text.encode(), purpose.encode())
    return bytes([PRESENT]) + nonce + encrypted


def unseal(sealed: bytes, secret_keys: tuple[str, ...], purpose: str) -> str:
    """What any of the keys has sealed. Raises CannotUnseal."""
    for mark, rest in _readings(sealed):
        for secret_key in secret_keys:
            text = _opened(CIPHERS[mark], rest, secret_key, purpose)
            if text is not None:
                return text
    raise CannotUnseal


def is_up_to_date(sealed: bytes, secret_keys: tuple[str, ...], purpose: str) -> bool:
    """Whether it was sealed as it would be now: with the first of the keys, by the present cipher, under its mark."""
    if sealed[:1] != bytes([PRESENT]):
        return False
    return _opened(CIPHERS[PRESENT], sealed[1:], secret_keys[0], purpose) is not None


def seal_as_text(text: str, secret_keys: tuple[str, ...], purpose: str) -> str:
    """The same for a form's hidden field."""
    return urlsafe_b64encode(seal(text, secret_keys, purpose)).decode()


def unseal_text(text: str, secret_keys: tuple[str, ...], purpose: str) -> str:
    """Raises CannotUnseal."""
    try:
        sealed = urlsafe_b64decode(text.encode("ascii"))
    except ValueError as problem:
        raise CannotUnseal from problem
    return unseal(sealed, secret_keys, purpose)


def _readings(sealed: bytes) -> Iterator[tuple[int, bytes]]:
    if sealed and sealed[0] in CIPHERS:
        yield sealed[0], sealed[1:]
    yield _BEFORE_MARKS, sealed


def _opened(cipher: _Cipher, rest: bytes, secret_key: str, purpose: str) -> str | None:
    nonce, encrypted = rest[:_NONCE_BYTES], rest[_NONCE_BYTES:]
    try:
        return cipher.keyed(secret_key).decrypt(nonce, encrypted, purpose.encode()).decode()
    except (InvalidTag, ValueError):
        return None
