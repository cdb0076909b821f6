"""Signatures of the Bank 131 API: RSA PKCS#1 v1.5 over SHA-256, in Base64, over the exact bytes of a body.

The merchant signs requests with its private key; the bank signs webhooks with its own. Both travel in the
header `X-PARTNER-SIGN`. The scheme is deterministic: one key and one body give one signature.
Source: the bank's documentation, "API request format" and "Webhooks".
"""

import base64
from collections.abc import Sequence

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

MIN_KEY_BITS = 2048


class KeyFormatError(ValueError):
    """The bytes are not a key of the kind that is wanted; str() says why in one line."""


def load_private_key(pem: bytes, min_bits: int = MIN_KEY_BITS) -> RSAPrivateKey:
    """The RSA private key of a PEM file (PKCS#1 or PKCS#8, without a passphrase, 2048 bits or more).

    Raises KeyFormatError.
    """
    label = _pem_label(pem)
    if "PRIVATE KEY" not in label:
        raise KeyFormatError(f"a private key is wanted, this is a PEM file of another kind: {label}")
    try:
        key = load_pem_private_key(pem, password=None)
    except TypeError:
        raise KeyFormatError("the private key is encrypted; a key without a passphrase is wanted") from None
    except (ValueError, UnsupportedAlgorithm):
        raise KeyFormatError(f"the private key cannot be read: damaged PEM file ({label})") from None
    if not isinstance(key, RSAPrivateKey):
        raise KeyFormatError("the private key is not an RSA key")
    _check_length(key.key_size, min_bits)
    return key


def load_public_key(pem: bytes, min_bits: int = MIN_KEY_BITS) -> RSAPublicKey:
    """The RSA public key of a PEM file (PKCS#1 or SubjectPublicKeyInfo, 2048 bits or more).

    Raises KeyFormatError.
    """
    label = _pem_label(pem)
    if "PUBLIC KEY" not in label:
        raise KeyFormatError(f"a public key is wanted, this is a PEM file of another kind: {label}")
    try:
        key = load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm):
        raise KeyFormatError(f"the public key cannot be read: damaged PEM file ({label})") from None
    if not isinstance(key, RSAPublicKey):
        raise KeyFormatError("the public key is not an RSA key")
    _check_length(key.key_size, min_bits)
    return key


def sign(private_key: RSAPrivateKey, body: bytes) -> str:
    """The Base64 signature of exactly these bytes."""
    signature = private_key.sign(body, padding.PKCS1v15(), hashes.SHA256())
    return base64.b64encode(signature).decode("ascii")


def verify(public_keys: Sequence[RSAPublicKey], body: bytes, signature: str | None) -> bool:
    """Whether one of the keys made this Base64 signature over exactly these bytes; never raises.

    Several keys are handed in while the bank changes from one to the next. The Base64 is taken strictly:
    no whitespace, full padding, one spelling only.
    """
    raw_signature = _strict_base64(signature or "")
    return any(_verifies(key, body, raw_signature) for key in public_keys)


def _verifies(public_key: RSAPublicKey, body: bytes, raw_signature: bytes) -> bool:
    try:
        public_key.verify(raw_signature, body, padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        return False
    return True


def _strict_base64(text: str) -> bytes:
    """The bytes, or none at all when the text is not their one canonical spelling."""
    try:
        decoded = base64.b64decode(text, validate=True)
    except ValueError:
        return b""
    return decoded if base64.b64encode(decoded).decode("ascii") == text else b""


def _pem_label(pem: bytes) -> str:
    """`RSA PRIVATE KEY` of `-----BEGIN RSA PRIVATE KEY-----`, the first one in the file."""
    _, begin, rest = pem.partition(b"-----BEGIN ")
    label, end, _ = rest.partition(b"-----")
    if not begin or not end or len(label) > 60 or not label.isascii():
        raise KeyFormatError("not a PEM file: it has no line -----BEGIN …-----")
    return label.decode("ascii")


def _check_length(bits: int, min_bits: int) -> None:
    if bits < max(min_bits, MIN_KEY_BITS):
        raise KeyFormatError(f"the RSA key has {bits} bits; at least {max(min_bits, MIN_KEY_BITS)} are wanted")
