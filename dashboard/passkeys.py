"""Passkeys (WebAuthn): what the browser is asked, and what its answer proves.

A challenge carries under an HMAC what it is for, for whom, and since when it holds: nothing is kept of it here.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address
from typing import TypeVar
from urllib.parse import urlsplit

import webauthn
from itsdangerous import BadData
from webauthn.helpers import base64url_to_bytes, bytes_to_base64url, parse_registration_credential_json
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    AuthenticatorTransport,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from dashboard.config import BooksConfig
from dashboard.models import Passkey
from dashboard.signing import serializer

HOLDS = timedelta(minutes=5)
LONGEST_CREDENTIAL = 16 * 1024
ADD = "add"
PROVE = "prove"
_SALT = "passkey-challenge"
# The password stands beside it, so a key that cannot ask for a finger or a PIN is enough; one that can, does.
_VERIFICATION = UserVerificationRequirement.PREFERRED

Verified = TypeVar("Verified")


class BadPasskey(Exception):
    """The browser's answer proves nothing."""


class CopiedKey(BadPasskey):
    """The signature is good, but the key's count of signatures did not rise: somebody may have a copy of it."""


class TooLate(BadPasskey):
    """It is the answer to a question that was asked too long ago, or elsewhere."""


@dataclass(frozen=True)
class RelyingParty:
    """Whom passkeys are made for: `id` is the desk's host, `origin` its address without a path."""

    id: str
    origin: str


@dataclass(frozen=True)
class Question:
    """What the browser is asked: `challenge` goes back with the answer, `options` is JSON as WebAuthn has it."""

    challenge: str
    options: str
    origin: str


@dataclass(frozen=True)
class NewPasskey:
    """What is kept of a passkey that was just made; `transports` is a JSON list."""

    credential_id: str
    public_key: bytes
    sign_count: int
    transports: str


def relying_party(config: BooksConfig) -> RelyingParty | None:
    """From the desk's public address; None where browsers make no passkeys: for an IP address, or plain HTTP."""
    parts = urlsplit(config.public_url)
    host = parts.hostname or ""
    is_local = host == "localhost" or host.endswith(".localhost")
    if _is_ip_address(host) or (parts.scheme != "https" and not is_local):
        return None
    usual_port = {"http": 80, "https": 443}[parts.scheme]
    port = f":{parts.port}" if parts.port not in (None, usual_port) else ""
    return RelyingParty(host, f"{parts.scheme}://{host}{port}")


def ask_to_add(
    config: BooksConfig, person_id: str, email: str, known: Sequence[Passkey], now: datetime, nonce: str
) -> Question | None:
    """Ask the browser for a new passkey, on a device that has none yet."""
    party = relying_party(config)
    if party is None:
        return None
    challenge = _seal(config, ADD, person_id, now, nonce)
    options = webauthn.generate_registration_options(
        rp_id=party.id,
        rp_name="Refund desk",
        user_id=person_id.encode(),
        user_name=email,
        challenge=challenge.encode(),
        exclude_credentials=[_descriptor(passkey) for passkey in known],
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.PREFERRED, user_verification=_VERIFICATION
        ),
    )
    return Question(challenge, webauthn.options_to_json(options), party.origin)


def ask_to_prove(
    config: BooksConfig, bound_to: str, known: Sequence[Passkey], now: datetime, nonce: str
) -> Question | None:
    """Ask the browser to sign with one of these. The answer counts for `bound_to` alone: a sign-in's token."""
    party = relying_party(config)
    if party is None or not known:
        return None
    challenge = _seal(config, PROVE, bound_to, now, nonce)
    options = webauthn.generate_authentication_options(
        rp_id=party.id,
        challenge=challenge.encode(),
        allow_credentials=[_descriptor(passkey) for passkey in known],
        user_verification=_VERIFICATION,
    )
    return Question(challenge, webauthn.options_to_json(options), party.origin)


def read_added(config: BooksConfig, person_id: str, challenge: str, answer: str, now: datetime) -> NewPasskey:
    """The passkey that the browser made. Raises BadPasskey."""
    party = _check(config, ADD, person_id, challenge, answer, now)

    def verify() -> NewPasskey:
        credential = parse_registration_credential_json(answer)
        verified = webauthn.verify_registration_response(
            credential=credential,
            expected_challenge=challenge.encode(),
            expected_rp_id=party.id,
            expected_origin=party.origin,
        )
        return NewPasskey(
            bytes_to_base64url(verified.credential_id),
            verified.credential_public_key,
            verified.sign_count,
            json.dumps([transport.value for transport in credential.response.transports or []]),
        )

    return _verified(verify)


def read_proof(config: BooksConfig, bound_to: str, passkey: Passkey, challenge: str, answer: str, now: datetime) -> int:
    """The key's new count of signatures; keys that do not count say 0 for ever. Raises BadPasskey, CopiedKey."""
    party = _check(config, PROVE, bound_to, challenge, answer, now)
    sign_count = _verified(
        lambda: (
            webauthn.verify_authentication_response(
                credential=answer,
                expected_challenge=challenge.encode(),
                expected_rp_id=party.id,
                expected_origin=party.origin,
                credential_public_key=passkey.public_key,
                credential_current_sign_count=0,
            ).new_sign_count
        )
    )
    if sign_count <= passkey.sign_count and (sign_count, passkey.sign_count) != (0, 0):
        raise CopiedKey
    return sign_count


def credential_id_in(answer: str) -> str:
    """Which passkey the browser says has signed; nothing where it says none. Not proved yet."""
    try:
        said = json.loads(answer).get("id")
    except (ValueError, AttributeError, RecursionError):
        return ""
    return said if isinstance(said, str) and said.isascii() and said.isprintable() else ""


def _check(
    config: BooksConfig, purpose: str, bound_to: str, challenge: str, answer: str, now: datetime
) -> RelyingParty:
    party = relying_party(config)
    if party is None or len(answer) > LONGEST_CREDENTIAL:
        raise BadPasskey
    try:
        told_purpose, told_bound, told_at, _nonce = serializer(config.secret_keys, _SALT).loads(challenge)
    except (BadData, ValueError, TypeError) as problem:
        raise BadPasskey from problem
    if (told_purpose, told_bound) != (purpose, _mark(bound_to)):
        raise TooLate
    if not timedelta(0) <= now - datetime.fromisoformat(told_at) < HOLDS:
        raise TooLate
    return party


def _verified(verify: Callable[[], Verified]) -> Verified:
    """Whatever a stranger's bytes make the library raise: they prove nothing."""
    try:
        return verify()
    except Exception as problem:
        raise BadPasskey(str(problem)) from problem


def _seal(config: BooksConfig, purpose: str, bound_to: str, now: datetime, nonce: str) -> str:
    fields = [purpose, _mark(bound_to), now.isoformat(), nonce]
    return str(serializer(config.secret_keys, _SALT).dumps(fields))


def _mark(bound_to: str) -> str:
    """A token does not go into a page."""
    return hashlib.sha256(bound_to.encode()).hexdigest()


def _descriptor(passkey: Passkey) -> PublicKeyCredentialDescriptor:
    transports = [AuthenticatorTransport(transport) for transport in json.loads(passkey.transports)]
    return PublicKeyCredentialDescriptor(base64url_to_bytes(passkey.credential_id), transports=transports or None)


def _is_ip_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
