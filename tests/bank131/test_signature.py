"""Signing and verifying, compared with the openssl program."""

import base64
import re
import subprocess
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from hypothesis import given
from hypothesis import strategies as st

from dashboard.bank131.signature import KeyFormatError, load_private_key, load_public_key, sign, verify

SIGNATURE_OF_EMPTY_OBJECT = (
    "ZpMQr0U8qxKPUrc44Lpc5QdVzBIqFHewJcbatbTAkgaONPZq9ix3i4y2kzdkcRI/y53D3JDINfJUCL9L2r+NBE"
    "kkzeZYWNhGcenxTMdNQuCCRy6+oPjkKIR5GbtPT2woQ6+GYR6pQ7ZN60fAV3XfZwkg/gmbUMc4fweRf3sox0bt"
    "kkIndubHjr/TKpTCPHnBZ1V66Zew21fIOou573zy8YXCPU8p2h30YQ6M5d9kvswh/NCtF7mjtkme20K08bY/9U"
    "2hXMPQkhvbd+yaobOMU7guQsI+Of9ZRpG2WwpYWeortDfA1zbNms3Q4TpVBez//gGvRySCq2JS9MPdLipyyw=="
)


@pytest.fixture(scope="module")
def other_key() -> RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def pem_of(key: RSAPrivateKey | ec.EllipticCurvePrivateKey, *, passphrase: bytes | None = None) -> bytes:
    encryption = serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)


def public_pem_of(
    key: RSAPublicKey | ec.EllipticCurvePublicKey,
    form: serialization.PublicFormat = serialization.PublicFormat.SubjectPublicKeyInfo,
) -> bytes:
    return key.public_bytes(serialization.Encoding.PEM, form)


def test_the_signature_of_two_bytes_is_a_known_one(private_key: RSAPrivateKey) -> None:
    assert sign(private_key, b"{}") == SIGNATURE_OF_EMPTY_OBJECT


@pytest.mark.parametrize("body", [b"{}", b"", b'{"session_id":"ps_1"}\n', bytes(range(256)) * 50])
def test_openssl_makes_the_same_signature(private_key: RSAPrivateKey, key_file: Path, body: bytes) -> None:
    made = subprocess.run(
        ["openssl", "dgst", "-sha256", "-sign", str(key_file)], input=body, capture_output=True, check=True
    )
    assert sign(private_key, body) == base64.b64encode(made.stdout).decode()


def test_openssl_verifies_our_signature(private_key: RSAPrivateKey, public_key: RSAPublicKey, tmp_path: Path) -> None:
    body = b'{"session_id":"ps_7001"}'
    (tmp_path / "public.pem").write_bytes(public_pem_of(public_key))
    (tmp_path / "signature").write_bytes(base64.b64decode(sign(private_key, body)))
    command = ["openssl", "dgst", "-sha256", "-verify", "public.pem", "-signature", "signature"]
    good = subprocess.run(command, input=body, capture_output=True, cwd=tmp_path, check=False)
    bad = subprocess.run(command, input=body + b" ", capture_output=True, cwd=tmp_path, check=False)
    assert (good.returncode, bad.returncode) == (0, 1)


def test_a_signature_verifies_over_its_own_bytes_only(private_key: RSAPrivateKey, public_key: RSAPublicKey) -> None:
    signature = sign(private_key, b'{"amount": 1}')
    assert verify([public_key], b'{"amount": 1}', signature)
    assert not verify([public_key], b'{"amount": 2}', signature)
    assert not verify([public_key], b'{"amount":1}', signature)


@given(position=st.integers(0, 255), bit=st.integers(0, 7))
def test_one_flipped_bit_anywhere_in_the_body_is_noticed(
    private_key: RSAPrivateKey, public_key: RSAPublicKey, position: int, bit: int
) -> None:
    body = bytes(range(256))
    flipped = bytearray(body)
    flipped[position] ^= 1 << bit
    assert not verify([public_key], bytes(flipped), sign(private_key, body))


def test_any_key_of_several_will_do(
    private_key: RSAPrivateKey, public_key: RSAPublicKey, other_key: RSAPrivateKey
) -> None:
    other_public_key = other_key.public_key()
    signature = sign(other_key, b"{}")
    assert verify([public_key, other_public_key], b"{}", signature)
    assert verify([other_public_key, public_key], b"{}", signature)
    assert not verify([public_key], b"{}", signature)
    assert not verify([], b"{}", signature)


@pytest.mark.parametrize("signature", [None, "", " ", "=", "====", "подпись", "é", "\ud800", "A" * 100_000, "AA=="])
def test_what_is_no_signature_is_simply_wrong(public_key: RSAPublicKey, signature: str | None) -> None:
    assert verify([public_key], b"{}", signature) is False


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text + "\n",
        lambda text: " " + text,
        lambda text: text[:76] + "\n" + text[76:],
        lambda text: text.rstrip("="),
        lambda text: text + "=",
        lambda text: text + "AAAA",
        lambda text: text[4:],
        lambda text: text[:-3] + chr(ord(text[-3]) + 1) + "==",
        lambda text: text.replace("+", "-").replace("/", "_"),
        lambda text: text[:8] + "!" + text[8:],
        lambda text: "data:;base64," + text,
    ],
)
def test_another_spelling_of_a_good_signature_is_wrong(
    private_key: RSAPrivateKey, public_key: RSAPublicKey, spoil: Callable[[str], str]
) -> None:
    good = sign(private_key, b"{}")
    assert re.search("[+/]", good)
    assert verify([public_key], b"{}", good)
    assert spoil(good) != good
    assert not verify([public_key], b"{}", spoil(good))


def test_other_schemes_of_the_same_key_are_wrong(private_key: RSAPrivateKey, public_key: RSAPublicKey) -> None:
    pss = private_key.sign(b"{}", padding.PSS(padding.MGF1(SHA256()), padding.PSS.MAX_LENGTH), SHA256())
    sha1 = private_key.sign(b"{}", padding.PKCS1v15(), SHA1())  # noqa: S303
    for raw_signature in (pss, sha1):
        assert not verify([public_key], b"{}", base64.b64encode(raw_signature).decode())


@given(st.text(max_size=400))
def test_verifying_never_raises(public_key: RSAPublicKey, signature: str) -> None:
    assert verify([public_key], b"{}", signature) is False


def test_both_common_formats_of_a_private_key_are_read(private_key: RSAPrivateKey) -> None:
    pkcs1 = private_key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    assert b"RSA PRIVATE KEY" in pkcs1
    for pem in (pkcs1, pem_of(private_key), pkcs1.replace(b"\n", b"\r\n")):
        assert load_private_key(pem).private_numbers() == private_key.private_numbers()


def test_both_common_formats_of_a_public_key_are_read(public_key: RSAPublicKey) -> None:
    pkcs1 = public_pem_of(public_key, serialization.PublicFormat.PKCS1)
    assert b"RSA PUBLIC KEY" in pkcs1
    for pem in (pkcs1, public_pem_of(public_key)):
        assert load_public_key(pem).public_numbers() == public_key.public_numbers()


@pytest.mark.parametrize(
    "content", [b"", b"secret", b"\x30\x82\x04\xbd\x02\x01", b"-----BEGIN ", b"-----BEGIN \xff-----"]
)
def test_no_pem_file(content: bytes) -> None:
    for load in (load_private_key, load_public_key):
        with pytest.raises(KeyFormatError, match="not a PEM file"):
            load(content)


def test_the_other_half_of_the_pair(private_key: RSAPrivateKey, public_key: RSAPublicKey) -> None:
    with pytest.raises(KeyFormatError, match=r"a private key is wanted.*: PUBLIC KEY"):
        load_private_key(public_pem_of(public_key))
    with pytest.raises(KeyFormatError, match=r"a public key is wanted.*: PRIVATE KEY"):
        load_public_key(pem_of(private_key))


def test_an_encrypted_key(private_key: RSAPrivateKey) -> None:
    with pytest.raises(KeyFormatError, match="is encrypted"):
        load_private_key(pem_of(private_key, passphrase=b"open sesame"))


def test_a_key_that_is_not_rsa() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    with pytest.raises(KeyFormatError, match="not an RSA key"):
        load_private_key(pem_of(key))
    with pytest.raises(KeyFormatError, match="not an RSA key"):
        load_public_key(public_pem_of(key.public_key()))


def test_more_bits_can_be_asked_for(private_key: RSAPrivateKey, public_key: RSAPublicKey) -> None:
    """The keys of these tests have 2048. Never fewer are taken than are safe, whatever is asked for."""
    for load, pem in ((load_private_key, pem_of(private_key)), (load_public_key, public_pem_of(public_key))):
        assert load(pem, 1024).key_size == load(pem, 2048).key_size == 2048
        with pytest.raises(KeyFormatError, match="2048 bits; at least 3072 are wanted"):
            load(pem, 3072)


def test_a_key_that_is_too_short() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        key = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505
    with pytest.raises(KeyFormatError, match="1024 bits; at least 2048"):
        load_private_key(pem_of(key), 1024)
    with pytest.raises(KeyFormatError, match="1024 bits; at least 2048"):
        load_public_key(public_pem_of(key.public_key()))


def test_a_damaged_file(private_key: RSAPrivateKey, public_key: RSAPublicKey) -> None:
    damaged = [
        (load_private_key, pem_of(private_key)[:400] + pem_of(private_key)[500:]),
        (load_private_key, pem_of(private_key)[:200]),
        (load_private_key, b"-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n"),
        (load_public_key, public_pem_of(public_key)[:100]),
        (load_public_key, b"-----BEGIN PUBLIC KEY-----\n????\n-----END PUBLIC KEY-----\n"),
    ]
    for load, pem in damaged:
        with pytest.raises(KeyFormatError, match="cannot be read") as refused:
            load(pem)
        assert "\n" not in str(refused.value)
