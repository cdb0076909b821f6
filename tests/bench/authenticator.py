"""A device that makes passkeys and signs with them, as a browser hands its answers on."""

import hashlib
import json
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

ORIGIN = "http://localhost:8131"
PRESENT, VERIFIED, WITH_KEY = 0x01, 0x04, 0x40


def as_text(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def as_bytes(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


class Authenticator:
    """Holds one key. `sign_count` rises with every signature unless the test sets it."""

    def __init__(self, origin: str = ORIGIN) -> None:
        self.origin = origin
        self.credential_id = secrets.token_bytes(16)
        self.sign_count = 0
        self.flags = PRESENT | VERIFIED
        self._key = ec.generate_private_key(ec.SECP256R1())

    def make(self, options: str) -> str:
        """The answer to a page's question for a new passkey."""
        asked = json.loads(options)
        data = self._data(asked["rp"]["id"], WITH_KEY) + bytes(16) + len(self.credential_id).to_bytes(2, "big")
        data += self.credential_id + cbor2.dumps(self._public_key())
        attestation = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
        client_data = self._client_data("webauthn.create", asked["challenge"])
        response = {"clientDataJSON": as_text(client_data), "attestationObject": as_text(attestation)}
        return self._answer({**response, "transports": ["internal"]})

    def sign(self, options: str) -> str:
        """The answer to a page's question for a signature."""
        asked = json.loads(options)
        self.sign_count += 1
        data = self._data(asked["rpId"], 0)
        client_data = self._client_data("webauthn.get", asked["challenge"])
        signature = self._key.sign(data + hashlib.sha256(client_data).digest(), ec.ECDSA(SHA256()))
        response = {"clientDataJSON": client_data, "authenticatorData": data, "signature": signature}
        return self._answer({name: as_text(part) for name, part in response.items()})

    def _answer(self, response: dict[str, Any]) -> str:
        name = as_text(self.credential_id)
        return json.dumps({"id": name, "rawId": name, "type": "public-key", "response": response})

    def _client_data(self, kind: str, challenge: str) -> bytes:
        return json.dumps({"type": kind, "challenge": challenge, "origin": self.origin}).encode()

    def _data(self, party: str, more_flags: int) -> bytes:
        flags = (self.flags | more_flags).to_bytes(1, "big")
        return hashlib.sha256(party.encode()).digest() + flags + self.sign_count.to_bytes(4, "big")

    def _public_key(self) -> dict[int, Any]:
        point = self._key.public_key().public_numbers()
        return {1: 2, 3: -7, -1: 1, -2: point.x.to_bytes(32, "big"), -3: point.y.to_bytes(32, "big")}
