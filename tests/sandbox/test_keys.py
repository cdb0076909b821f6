"""The data folder: key pairs made once, private ones for their owner alone."""

import stat

import pytest

from dashboard.bank131.signature import KeyFormatError, load_private_key, load_public_key, sign, verify
from dashboard.sandbox.keys import prepare_data_dir


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "new" / "sandbox"


def test_the_first_call_makes_two_pairs(folder):
    keys = prepare_data_dir(folder)

    for private_path, public_path in (
        (keys.merchant_private_path, keys.merchant_public_path),
        (keys.bank_private_path, keys.bank_public_path),
    ):
        private = load_private_key(private_path.read_bytes())
        public = load_public_key(public_path.read_bytes())
        assert verify([public], b"{}", sign(private, b"{}"))
    assert keys.merchant_public_path.read_bytes() != keys.bank_public_path.read_bytes()
    assert keys.project == "demo_project"
    assert sorted(path.name for path in folder.iterdir()) == [
        "bank_private.pem",
        "bank_public.pem",
        "merchant_private.pem",
        "merchant_public.pem",
    ]


def test_only_their_owner_may_read_them(folder):
    keys = prepare_data_dir(folder)

    assert mode(folder) == 0o700
    assert mode(keys.merchant_private_path) == mode(keys.bank_private_path) == 0o600


def test_the_second_call_keeps_them(folder):
    before = prepare_data_dir(folder)
    contents = {path: path.read_bytes() for path in folder.iterdir()}

    assert prepare_data_dir(folder) == before
    assert {path: path.read_bytes() for path in folder.iterdir()} == contents


def test_a_missing_public_key_is_made_from_the_private_one(folder):
    keys = prepare_data_dir(folder)
    before = keys.bank_public_path.read_bytes()
    keys.bank_public_path.unlink()

    prepare_data_dir(folder)

    assert keys.bank_public_path.read_bytes() == before


def test_a_merchants_own_public_key_is_kept(folder):
    keys = prepare_data_dir(folder)
    own = keys.bank_public_path.read_bytes()
    keys.merchant_public_path.write_bytes(own)
    keys.merchant_private_path.unlink()

    prepare_data_dir(folder)

    assert keys.merchant_public_path.read_bytes() == own
    assert not keys.merchant_private_path.exists()


def test_a_damaged_private_key_is_not_replaced(folder):
    keys = prepare_data_dir(folder)
    keys.bank_private_path.write_bytes(b"nonsense")
    keys.bank_public_path.unlink()

    with pytest.raises(KeyFormatError):
        prepare_data_dir(folder)
    assert keys.bank_private_path.read_bytes() == b"nonsense"
