"""The token of one refund form: who opened it, for which session, and which refunds the session had then."""

from dataclasses import dataclass

from itsdangerous import BadData

from dashboard.signing import serializer

_SALT = "refund-form"


class ForgedToken(ValueError):
    """The token was not made here, or was cut or changed on its way."""


@dataclass(frozen=True)
class FormToken:
    """`refunds_known` says how many refunds were shown, `refunds_mark` which. `nonce` makes two forms differ."""

    person_id: str
    session_id: str
    refunds_known: int
    refunds_mark: str
    nonce: str


def seal(token: FormToken, secret_keys: tuple[str, ...]) -> str:
    """The token as text under an HMAC."""
    fields = [token.person_id, token.session_id, token.refunds_known, token.refunds_mark, token.nonce]
    return str(serializer(secret_keys, _SALT).dumps(fields))


def unseal(text: str, secret_keys: tuple[str, ...]) -> FormToken:
    """The token behind the text. Raises ForgedToken."""
    try:
        fields = serializer(secret_keys, _SALT).loads(text)
        person_id, session_id, refunds_known, refunds_mark, nonce = fields
    except (BadData, ValueError, TypeError) as problem:
        raise ForgedToken(str(problem)) from problem
    return FormToken(person_id, session_id, refunds_known, refunds_mark, nonce)
