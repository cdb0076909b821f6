"""The data folder of a sandbox: two key pairs, made on the first start and kept from then on."""

import os
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from dashboard.bank131.signature import load_private_key
from dashboard.sandbox.bank import PROJECT

KEY_BITS = 2048


@dataclass(frozen=True)
class SandboxKeys:
    """The merchant signs calls with its private key and checks webhooks with the bank's public one."""

    project: str
    merchant_private_path: Path
    merchant_public_path: Path
    bank_private_path: Path
    bank_public_path: Path


def prepare_data_dir(data_dir: Path) -> SandboxKeys:
    """Make the folder (0700) and what keys are missing (private ones 0600); keep those that are there.

    A merchant with a key pair of its own puts `merchant_public.pem` there and needs no private one.
    Raises OSError and dashboard.bank131.signature.KeyFormatError.
    """
    data_dir = data_dir.absolute()
    data_dir.mkdir(parents=True, exist_ok=True)
    data_dir.chmod(0o700)
    keys = SandboxKeys(
        project=PROJECT,
        merchant_private_path=data_dir / "merchant_private.pem",
        merchant_public_path=data_dir / "merchant_public.pem",
        bank_private_path=data_dir / "bank_private.pem",
        bank_public_path=data_dir / "bank_public.pem",
    )
    if not keys.merchant_public_path.exists():
        _make_pair(keys.merchant_private_path, keys.merchant_public_path)
    if not (keys.bank_private_path.exists() and keys.bank_public_path.exists()):
        _make_pair(keys.bank_private_path, keys.bank_public_path)
    return keys


def _make_pair(private_path: Path, public_path: Path) -> None:
    if private_path.exists():
        key = load_private_key(private_path.read_bytes())
    else:
        key = rsa.generate_private_key(public_exponent=65537, key_size=KEY_BITS)
        _write(private_path, _private_pem(key), 0o600)
    public_pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    _write(public_path, public_pem, 0o644)


def _private_pem(key: RSAPrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _write(path: Path, content: bytes, mode: int) -> None:
    """All of it or nothing: a start that is killed half-way leaves no half a key."""
    unfinished = path.with_suffix(".new")
    unfinished.unlink(missing_ok=True)
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    unfinished.replace(path)
