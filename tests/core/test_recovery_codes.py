"""Recovery codes and secrets of apps: nobody comes upon one by chance, nor changes what is encrypted."""

import math
import re
from random import SystemRandom

import pyotp

from dashboard import recovery_codes, totp
from dashboard.models import RecoveryCode
from tests.bench.databases import on_sqlite
from tests.bench.refund_desk import RefundDesk


@on_sqlite
def test_a_code_has_enough_chance_for_a_quick_digest(refund_desk: RefundDesk) -> None:
    """112 bits; with fewer, whoever has the table could try them all."""
    person = refund_desk.person("operator")
    with refund_desk.desk.write() as tx:
        codes = [code for _ in range(40) for code in recovery_codes.issue(tx, person.id)]
    signs = [code.replace("-", "") for code in codes]
    assert len(set(signs)) == len(signs) == 400
    alphabet = set("".join(signs))
    assert all(re.fullmatch(r"[2-9A-HJ-NP-Z]+", one) for one in signs)
    assert min(map(len, signs)) * math.log2(len(alphabet)) >= 112
    with refund_desk.desk.read() as session:
        assert {len(one.digest) for one in session.query(RecoveryCode)} == {64}


def test_an_apps_secret_has_160_bits_of_the_systems_chance() -> None:
    secrets = {totp.new_secret() for _ in range(100)}
    assert len(secrets) == 100
    assert {len(one) * 5 for one in secrets} == {160}
    assert isinstance(pyotp.random, SystemRandom)
