"""What goes out to a browser and has to come back unchanged: under an HMAC with a salt for each use, or a token."""

import hashlib

from itsdangerous import URLSafeSerializer


def serializer(secret_keys: tuple[str, ...], salt: str) -> URLSafeSerializer:
    """Signs with the first of the keys, and takes what any of them has signed."""
    return URLSafeSerializer(list(reversed(secret_keys)), salt=salt)


def token_digest(token: str) -> str:
    """What is kept of a token that opens something: who reads the tables cannot use it. SHA-256, hexadecimal."""
    return hashlib.sha256(token.encode()).hexdigest()
