"""What kept the bank from answering, as attempts have it on record in English, in the reader's words."""

import re

from flask_babel import gettext as _


def N_(english: str) -> str:  # noqa: N802
    """Marks a text for translators where it is not yet said."""
    return english


# Said in the sentence around it already.
_SAID = ("the bank did not answer: ", "the bank was not reached: ")

# As the modules of `bank131` and `sending` write them; test_bank_troubles.py holds both together.
_SENTENCES = (
    N_("no whole answer within %(seconds)s s"),
    N_("not connected within %(seconds)s s"),
    N_("the connection was refused"),
    N_("the connection was not made in time"),
    N_("the connection was lost"),
    N_("the connection failed: %(why)s"),
    N_("the TLS connection failed: the server could not prove who it is, or broke off"),
    N_("no address is known for %(host)s"),
    N_("the answer is longer than %(bytes)s bytes"),
    N_("the commit took too long; nothing was sent"),
    N_("HTTP %(status)s with a body that cannot be read: %(why)s"),
    N_("HTTP %(status)s without a JSON object"),
    N_("HTTP %(status)s with neither a session nor an error"),
    N_("HTTP %(status)s with an error that has no readable code"),
    N_("HTTP %(status)s with the error %(code)s"),
    N_("the answer's session cannot be read: %(why)s"),
    N_("the answer is about another session: %(session)s"),
    N_("the bank has seen this idempotency key before"),
)


def _pattern_of(english: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"%\\\((\w+)\\\)s", r"(?P<\1>.+)", re.escape(english)), re.DOTALL)


_PATTERNS = {english: _pattern_of(english) for english in _SENTENCES}


def told(problem: str) -> str:
    """`problem` in the reader's language, as far as it is known; what is not stays as it is."""
    for said in _SAID:
        problem = problem.removeprefix(said)
    for english, pattern in _PATTERNS.items():
        if match := pattern.fullmatch(problem):
            return _(english, **match.groupdict())
    return problem
