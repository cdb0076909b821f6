"""Browsers that an account was signed in to before. They have a limit of their own against guessing.

So nobody can keep somebody out by guessing at their account. A browser is known by a signed cookie, for which it
has a name for each account; the name is worth nothing without the password.
"""

import hashlib
import secrets

from itsdangerous import BadData

from dashboard.signing import serializer

MOST_ACCOUNTS = 5
_SALT = "known-browser"


def name_of(cookie: str, email: str, secret_keys: tuple[str, ...]) -> str:
    """The name that a browser has for an account; empty: it does not know it."""
    return _names(cookie, secret_keys).get(_account(email), "")


def remember(cookie: str, email: str, secret_keys: tuple[str, ...]) -> str:
    """The cookie of a browser that has just signed in to this account, and which knew those of `cookie` before."""
    names = _names(cookie, secret_keys)
    name = names.pop(_account(email), "") or secrets.token_urlsafe(16)
    latest = [*names.items(), (_account(email), name)][-MOST_ACCOUNTS:]
    return str(serializer(secret_keys, _SALT).dumps(dict(latest)))


def _names(cookie: str, secret_keys: tuple[str, ...]) -> dict[str, str]:
    try:
        return dict(serializer(secret_keys, _SALT).loads(cookie))
    except (BadData, ValueError, TypeError):
        return {}


def _account(email: str) -> str:
    return hashlib.sha256(email.strip().lower().encode()).hexdigest()[:16]
