"""What goes out to a browser under an HMAC and has to come back unchanged; every use has a salt of its own."""

from itsdangerous import URLSafeSerializer


def serializer(secret_keys: tuple[str, ...], salt: str) -> URLSafeSerializer:
    """Signs with the first of the keys, and takes what any of them has signed."""
    return URLSafeSerializer(list(reversed(secret_keys)), salt=salt)
