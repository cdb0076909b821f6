"""A throwaway key pair, and the documented example of a payment session."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

from dashboard.bank131.signature import load_private_key

Json = dict[str, Any]

REFERENCE = "5f0c7a31-93b4-4a44-8f27-3d8b1d1f2a10"

SESSION: Json = {
    "id": "ps_7001",
    "status": "in_progress",
    "created_at": "2026-03-01T09:00:00.000000Z",
    "updated_at": "2026-03-01T09:00:00.000000Z",
    "acquiring_payments": [
        {
            "id": "pm_9001",
            "status": "succeeded",
            "created_at": "2026-03-01T09:00:00.000000Z",
            "finished_at": "2026-03-01T09:00:04.000000Z",
            "customer": {"reference": "client-17", "contacts": [{"email": "client@example.org"}]},
            "payment_details": {
                "type": "card",
                "card": {"brand": "visa", "last4": "4242", "bin": "424242", "card_id": "ab12"},
            },
            "amount_details": {"amount": 100050, "currency": "rub"},
            "amounts": {"fee": {"merchant_fee": {"amount": 1500, "currency": "rub"}}},
            "transaction_info": {"rrn": "123456789012", "arn": "24011346294000100000001", "auth_code": "A1B2C3"},
            "metadata": "order 55",
            "refunds": [
                {
                    "id": "rf_301",
                    "status": "in_progress",
                    "created_at": "2026-03-04T12:00:00.000000Z",
                    "amount_details": {"amount": 1050, "currency": "rub"},
                    "metadata": {"reference": REFERENCE},
                }
            ],
        }
    ],
}


@pytest.fixture(scope="session")
def key_file() -> Path:
    return Path(__file__).with_name("throwaway_key.pem")


@pytest.fixture(scope="session")
def private_key(key_file: Path) -> RSAPrivateKey:
    return load_private_key(key_file.read_bytes())


@pytest.fixture(scope="session")
def public_key(private_key: RSAPrivateKey) -> RSAPublicKey:
    return private_key.public_key()


@pytest.fixture
def session_json() -> Json:
    """The documented example: one succeeded card payment with one refund in progress."""
    return copy.deepcopy(SESSION)


@pytest.fixture
def with_refund(session_json: Json) -> Callable[..., Json]:
    """The example with fields of its refund changed; one set to None is left out."""

    def changed(**changes: object) -> Json:
        refund = session_json["acquiring_payments"][0]["refunds"][0]
        _change(refund, changes)
        return session_json

    return changed


@pytest.fixture
def with_payment(session_json: Json) -> Callable[..., Json]:
    """The example with fields of its payment changed; one set to None is left out."""

    def changed(**changes: object) -> Json:
        _change(session_json["acquiring_payments"][0], changes)
        return session_json

    return changed


def _change(fields: Json, changes: Json) -> None:
    for name, value in changes.items():
        fields.pop(name, None)
        if value is not None:
            fields[name] = value
