"""Which refunds one person may send alone."""

import pytest

from dashboard import limit_rules
from dashboard.limit_rules import ANY_CURRENCY, AT_ONCE, NEEDS_APPROVAL, NO_LIMIT, NOT_ALLOWED, BadLimit, Limit


@pytest.mark.parametrize(
    ("limit", "amount_minor", "sent_alone_minor", "expected"),
    [
        (NO_LIMIT, 10**12, 10**12, AT_ONCE),
        (Limit(100), 100, 0, AT_ONCE),
        (Limit(100), 101, 0, NEEDS_APPROVAL),
        (Limit(0), 1, 0, NEEDS_APPROVAL),
        (Limit(100, 500), 500, 0, NEEDS_APPROVAL),
        (Limit(100, 500), 501, 0, NOT_ALLOWED),
        (Limit(None, 500), 500, 0, AT_ONCE),
        (Limit(None, 0), 1, 0, NOT_ALLOWED),
        (Limit(100, None, 250), 50, 200, AT_ONCE),
        (Limit(100, None, 250), 51, 200, NEEDS_APPROVAL),
        (Limit(None, None, 0), 1, 0, NEEDS_APPROVAL),
        (Limit(100, 500, 250), 501, 0, NOT_ALLOWED),
    ],
)
def test_what_the_limits_say(limit: Limit, amount_minor: int, sent_alone_minor: int, expected: str) -> None:
    assert limit_rules.verdict(limit, amount_minor, sent_alone_minor) == expected


def test_proof_is_asked_for_above_its_limit_alone() -> None:
    limit = Limit(proof_above_minor=100)
    assert [limit_rules.needs_proof(limit, amount_minor) for amount_minor in (99, 100, 101)] == [False, False, True]
    assert not limit_rules.needs_proof(NO_LIMIT, 10**12)


@pytest.mark.parametrize(
    ("currency", "limit", "code"),
    [
        ("rub", Limit(-1), "negative"),
        ("rub", Limit(alone_a_day_minor=-1), "negative"),
        ("rub", Limit(101, 100), "crossed"),
        (ANY_CURRENCY, Limit(1), "any_currency"),
        (ANY_CURRENCY, Limit(proof_above_minor=5), "any_currency"),
    ],
)
def test_limits_that_mean_nothing_are_refused(currency: str, limit: Limit, code: str) -> None:
    with pytest.raises(BadLimit) as caught:
        limit_rules.check(currency, limit)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("currency", "limit"),
    [("rub", NO_LIMIT), ("rub", Limit(100, 100)), (ANY_CURRENCY, Limit(0, None, 0, 0)), (ANY_CURRENCY, Limit(0, 0))],
)
def test_others_are_not(currency: str, limit: Limit) -> None:
    limit_rules.check(currency, limit)
