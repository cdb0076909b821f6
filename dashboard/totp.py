"""The codes of an authenticator app, and how its secret is kept: encrypted, with a key made of the secret key."""

import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import datetime

import pyotp
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

ISSUER = "Refund desk"
STEP_S = 30
# Clocks differ, and typing takes time: a code counts for one step more on either side.
DRIFT_STEPS = 1
_NONCE_BYTES = 12


class CannotUnseal(Exception):
    """It was sealed with another secret key or for somebody else, or was changed."""


def new_secret() -> str:
    """160 bits of chance, in Base32 as apps take it."""
    return pyotp.random_base32()


def address_of(secret: str, email: str) -> str:
    """What the QR code says: an `otpauth:` address."""
    return pyotp.TOTP(secret, interval=STEP_S).provisioning_uri(name=email, issuer_name=ISSUER)


def step_of(secret: str, code: str, now: datetime) -> int | None:
    """The time step whose code this is, if it is one that counts now."""
    if not (code.isascii() and code.isdecimal()):
        return None
    totp, step_now = pyotp.TOTP(secret, interval=STEP_S), int(now.timestamp()) // STEP_S
    matching = [
        step
        for step in range(step_now - DRIFT_STEPS, step_now + DRIFT_STEPS + 1)
        if secrets.compare_digest(totp.generate_otp(step), code)
    ]
    return matching[-1] if matching else None


def seal(secret: str, secret_key: str, purpose: str) -> bytes:
    """The secret encrypted; it can be unsealed for the same purpose alone."""
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return nonce + AESGCM(_key(secret_key)).encrypt(nonce, secret.encode(), purpose.encode())


def unseal(sealed: bytes, secret_key: str, purpose: str) -> str:
    """Raises CannotUnseal."""
    nonce, encrypted = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
    try:
        return AESGCM(_key(secret_key)).decrypt(nonce, encrypted, purpose.encode()).decode()
    except (InvalidTag, ValueError) as problem:
        raise CannotUnseal from problem


def seal_as_text(secret: str, secret_key: str, purpose: str) -> str:
    """The same for a form's hidden field."""
    return urlsafe_b64encode(seal(secret, secret_key, purpose)).decode()


def unseal_text(text: str, secret_key: str, purpose: str) -> str:
    """Raises CannotUnseal."""
    try:
        sealed = urlsafe_b64decode(text.encode("ascii"))
    except ValueError as problem:
        raise CannotUnseal from problem
    return unseal(sealed, secret_key, purpose)


def _key(secret_key: str) -> bytes:
    return HKDF(SHA256(), 32, salt=None, info=b"authenticator apps").derive(secret_key.encode())
