"""Passwords: how long, and how they are kept."""

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError

SHORTEST = 10
LONGEST = 1000

_hasher = PasswordHasher()
# Checked for unknown accounts, so that they take the same time as known ones.
_NOBODY = _hasher.hash("nobody has this password")


class BadPassword(ValueError):
    """It cannot be used; str() says why in one line."""


def hash_of(password: str) -> str:
    """What is kept of a password. Raises BadPassword."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise BadPassword(f"the password needs {SHORTEST} to {LONGEST} characters")
    return _hasher.hash(password)


def fits(password: str, password_hash: str | None) -> bool:
    """Whether this is the password behind the hash; where there is none it takes the same time and never is."""
    try:
        return _hasher.verify(password_hash or _NOBODY, password[:LONGEST]) and password_hash is not None
    except (VerifyMismatchError, VerificationError, InvalidHashError):
        return False
