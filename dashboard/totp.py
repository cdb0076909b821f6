"""The codes of an authenticator app."""

import secrets
from datetime import datetime

import pyotp

ISSUER = "Refund desk"
STEP_S = 30
# Clocks differ, and typing takes time: a code counts for one step more on either side.
DRIFT_STEPS = 1


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
