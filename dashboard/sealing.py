"""What is kept or sent along encrypted, with a key made of the secret key: an app's secret, a form, a mail to come."""

import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_NONCE_BYTES = 12


class CannotUnseal(Exception):
    """It was sealed with another secret key or for somebody else, or was changed."""


def seal(text: str, secret_key: str, purpose: str) -> bytes:
    """The text encrypted; it can be unsealed for the same purpose alone."""
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return nonce + AESGCM(_key(secret_key)).encrypt(nonce, text.encode(), purpose.encode())


def unseal(sealed: bytes, secret_key: str, purpose: str) -> str:
    """Raises CannotUnseal."""
    nonce, encrypted = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
    try:
        return AESGCM(_key(secret_key)).decrypt(nonce, encrypted, purpose.encode()).decode()
    except (InvalidTag, ValueError) as problem:
        raise CannotUnseal from problem


def seal_as_text(text: str, secret_key: str, purpose: str) -> str:
    """The same for a form's hidden field."""
    return urlsafe_b64encode(seal(text, secret_key, purpose)).decode()


def unseal_text(text: str, secret_key: str, purpose: str) -> str:
    """Raises CannotUnseal."""
    try:
        sealed = urlsafe_b64decode(text.encode("ascii"))
    except ValueError as problem:
        raise CannotUnseal from problem
    return unseal(sealed, secret_key, purpose)


def _key(secret_key: str) -> bytes:
    # One key for all uses: every purpose must be unlike every other. Its name is older than most of them.
    return HKDF(SHA256(), 32, salt=None, info=b"authenticator apps").derive(secret_key.encode())
