"""Passwords: which ones are taken, and how they are kept."""

import logging
import re
from functools import cache
from importlib import import_module
from pathlib import Path

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError

from dashboard import leaked_passwords

log = logging.getLogger(__name__)

SHORTEST = 8
LONGEST = 1000
# What is tried first at a desk like this, beside the parts of the person's own address.
CONTEXT_WORDS = (
    *("bank131", "bank", "refund", "refunds", "desk", "dashboard", "payment", "payments", "finance"),
    *("viewer", "operator", "approver", "admin"),
)
# So many letters and digits have to be left without them.
FEWEST_BESIDE_CONTEXT = 6
_SHORTEST_CONTEXT_WORD = 3

_hasher = PasswordHasher()
# Checked where there is no password, so that it takes the same time. Of a password that was thrown away; to make one
# takes a tenth of a second, which no process has to spend at its start.
_NOBODY = "$argon2id$v=19$m=65536,t=3,p=4$DbweTj3dIr6dbfqKN5A9MA$BwENL7vbFOCK3Ut6RK2SrFAOoTKtjcTT6iDcENaoHj0"


class BadPassword(ValueError):
    """It cannot be used; str() says why in one line.

    `code`: too_short, too_long, common, guessable, leaked or unchecked.
    """

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code


def check_length(password: str, _email: str, _leaked_file: Path | None) -> None:
    """Raises BadPassword for what is too short or too long."""
    if len(password) < SHORTEST:
        raise BadPassword("too_short", f"the password needs {SHORTEST} characters or more")
    if len(password) > LONGEST:
        raise BadPassword("too_long", f"the password has more than {LONGEST} characters")


def check(password: str, email: str, leaked_file: Path | None) -> None:
    """Raises BadPassword for what is too short or too long, is among the most common ones, is easily guessed here, or
    stands in the installation's list of leaked ones, if it has one. What cannot be looked up there is not taken.

    Any characters in any mixture are taken.
    """
    check_length(password, email, leaked_file)
    plain = password.casefold()
    if plain in _common():
        raise BadPassword("common", "the password is one of the most common ones")
    beside = _beside_context(plain, email)
    if beside != plain and len(re.sub(r"[\W_]+", "", beside)) < FEWEST_BESIDE_CONTEXT:
        raise BadPassword("guessable", "the password is hardly more than the e-mail address or words of this desk")
    if leaked_file is not None:
        _check_leaked(password, leaked_file)


def _check_leaked(password: str, file: Path) -> None:
    try:
        has_leaked = leaked_passwords.has(file, password)
    except leaked_passwords.UnusableList as problem:
        log.warning("no password can be set: %s", problem)
        raise BadPassword("unchecked", f"it cannot be looked up among leaked ones: {problem}") from problem
    if has_leaked:
        raise BadPassword("leaked", "the password stands in the list of leaked ones")


@cache
def _common() -> frozenset[str]:
    """Read when somebody chooses a password: the lists take 13 MB, and most processes never need them."""
    lists = import_module("zxcvbn.frequency_lists").FREQUENCY_LISTS
    return frozenset(word for word in lists["passwords"] if len(word) >= SHORTEST)


def _beside_context(plain: str, email: str) -> str:
    """What is left without words that everybody knows; all of it where there are none."""
    own = [part for part in re.split(r"[\W_]+", email.casefold()) if len(part) >= _SHORTEST_CONTEXT_WORD]
    for word in sorted({email.casefold(), *own, *CONTEXT_WORDS}, key=lambda word: (-len(word), word)):
        plain = plain.replace(word, " ")
    return plain


def hash_of(password: str) -> str:
    """What is kept of a password."""
    return _hasher.hash(password)


def is_outdated(password_hash: str) -> bool:
    """Whether the same password would be kept in another way today."""
    return _hasher.check_needs_rehash(password_hash)


def fits(password: str, password_hash: str) -> bool:
    """Whether this is the password behind the hash. Where there is none (empty) it takes the same time and never is."""
    try:
        return _hasher.verify(password_hash or _NOBODY, password[:LONGEST]) and password_hash != ""
    except (VerifyMismatchError, VerificationError, InvalidHashError):
        return False
