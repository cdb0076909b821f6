"""Settings and parts -> a desk and its bank, for every process and command."""

import uuid
from collections.abc import Callable

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from sqlalchemy import Engine

from dashboard.bank131.client import Bank, BankClient, RequestsTransport, Transport
from dashboard.bank131.signature import load_private_key, load_public_key
from dashboard.clock import Clock, SystemClock
from dashboard.config import Config
from dashboard.desk import Desk


def bank_client(config: Config, transport: Transport | None = None) -> BankClient:
    """The bank that the settings name, and the key to sign with. Raises OSError, KeyFormatError, ValueError."""
    return BankClient(
        url=config.bank_url,
        project=config.project,
        private_key=load_private_key(config.private_key_file.read_bytes(), config.key_bits),
        version=config.api_version,
        timeout_s=config.timeout_s,
        submerchant=config.submerchant,
        transport=transport or RequestsTransport(),
    )


def create_desk(
    config: Config,
    engine: Engine,
    bank: Bank,
    *,
    clock: Clock | None = None,
    new_id: Callable[[], str] = lambda: str(uuid.uuid4()),
) -> Desk:
    """A desk on a database and a bank."""
    return Desk(config=config, clock=clock or SystemClock(), new_id=new_id, bank=bank, engine=engine)


def bank_keys(config: Config) -> list[RSAPublicKey]:
    """The bank's public keys, the current one first. Raises OSError, KeyFormatError."""
    files = [config.public_key_file, config.public_key_next_file]
    return [load_public_key(file.read_bytes(), config.key_bits) for file in files if file is not None]
