"""The codes of an authenticator app."""

import secrets
from datetime import datetime

import pyotp

ISSUER = "Refund desk"
STEP_S = 30


def new_secret() -> str:
    """160 bits of chance, in Base32 as apps take it."""
    return pyotp.random_base32()


def address_of(secret: str, email: str) -> str:
    """What the QR code says: an `otpauth:` address."""
    return pyotp.TOTP(secret, interval=STEP_S).provisioning_uri(name=email, issuer_name=ISSUER)


def step_of(secret: str, code: str, now: datetime, grace_s: float) -> int | None:
    """The time step whose code this is, if it is one that counts now.

    Clocks differ, and typing takes time: for `grace_s` a code counts before its step begins and after it has ended.
    """
    step_now, into_s = divmod(now.timestamp(), STEP_S)
    counting = [int(step_now) - 1] if into_s < grace_s else []
    counting.append(int(step_now))
    if STEP_S - into_s <= grace_s:
        counting.append(int(step_now) + 1)
    matching = [step for step in counting if _is_of(secret, step, code)]
    return matching[-1] if matching else None


def has_just_run_out(secret: str, code: str, now: datetime) -> bool:
    """Whether this was the code of the step before."""
    return _is_of(secret, int(now.timestamp()) // STEP_S - 1, code)


def _is_of(secret: str, step: int, code: str) -> bool:
    is_number = code.isascii() and code.isdecimal()
    return is_number and secrets.compare_digest(pyotp.TOTP(secret, interval=STEP_S).generate_otp(step), code)
