"""What is kept encrypted is read with the same key and for the same purpose alone."""

import pytest

from dashboard import sealing


def test_what_is_encrypted_is_opened_for_its_purpose_alone_and_never_changed() -> None:
    key, purpose = "a secret key", "to use:somebody"
    sealed = sealing.seal("JBSWY3DPEHPK3PXP", key, purpose)
    assert sealing.unseal(sealed, key, purpose) == "JBSWY3DPEHPK3PXP"
    assert b"JBSWY3DPEHPK3PXP" not in sealed
    assert sealed[:12] != sealing.seal("JBSWY3DPEHPK3PXP", key, purpose)[:12], "a number used once"
    for at in range(len(sealed)):
        changed = sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :]
        with pytest.raises(sealing.CannotUnseal):
            sealing.unseal(changed, key, purpose)
    for other_key, other_purpose in ((key, "to use:somebody else"), ("another", purpose)):
        with pytest.raises(sealing.CannotUnseal):
            sealing.unseal(sealed, other_key, other_purpose)
