"""What every verb needs from outside: settings, time, identifiers, the bank and the database."""

import hmac
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from dashboard.bank131.client import Bank
from dashboard.clock import Clock
from dashboard.config import BooksConfig, Config, KeyConfig
from dashboard.db import LOCK_WAIT_MS, writing_engine
from dashboard.journal import WriteSession


@dataclass(frozen=True, kw_only=True)
class Books:
    """A desk's database, with all that is needed to write in it. `new_id` makes UUID texts."""

    config: BooksConfig
    clock: Clock
    new_id: Callable[[], str]
    engine: Engine

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A transaction that can only read."""
        with Session(self.engine) as session:
            yield session

    @contextmanager
    def write(self, lock_wait_ms: int = LOCK_WAIT_MS) -> Iterator[WriteSession]:
        """A transaction that may write: committed at the end of the block, rolled back if it raises."""
        bind = writing_engine(self.engine, lock_wait_ms)
        session = WriteSession(bind=bind, journal_key=journal_key(self.config), clock=self.clock)
        with session, session.begin():
            yield session


@dataclass(frozen=True, kw_only=True)
class Desk(Books):
    """One refund desk at work: its books and its bank."""

    config: Config
    bank: Bank


def journal_key(config: KeyConfig) -> str:
    """The key of the journal's chain: the one set, or one derived from the secret key."""
    return journal_keys(config)[0]


def journal_keys(config: KeyConfig) -> tuple[str, ...]:
    """All that it can be: only while the secret key is being changed is that more than one."""
    if config.journal_key:
        return (config.journal_key,)
    return tuple(hmac.new(key.encode(), b"journal", "sha256").hexdigest() for key in config.secret_keys)
