"""Limits against guessing: failures are counted in the database, so that they hold across processes."""

import math
from collections.abc import Mapping
from datetime import timedelta

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from dashboard.desk import Books
from dashboard.journal import WriteSession
from dashboard.models import SignInFailure

WINDOW = timedelta(minutes=5)
ACCOUNT_FAILURES = 10
ADDRESS_FAILURES = 50
PROOF_FAILURES = 5


class TooManyAttempts(Exception):
    """Wait `retry_after_s` seconds before the next attempt."""

    def __init__(self, retry_after_s: int) -> None:
        super().__init__(f"too many attempts, wait {retry_after_s} s")
        self.retry_after_s = retry_after_s


def account_bucket(email: str) -> str:
    """Where failures for one account are counted."""
    return f"account:{email[:254]}"


def buckets_of(email: str, address: str) -> dict[str, int]:
    """Where a failed sign-in is counted, and how many each may hold: by account and by network address."""
    return {account_bucket(email): ACCOUNT_FAILURES, f"address:{address}": ADDRESS_FAILURES}


def proof_buckets(person_id: str) -> dict[str, int]:
    """Where a wrong second factor is counted, apart from passwords: whoever is asked for one knew the password."""
    return {f"proof:{person_id}": PROOF_FAILURES}


def check(session: Session, books: Books, buckets: Mapping[str, int]) -> None:
    """Turn away what is over a limit. Raises TooManyAttempts."""
    now = books.clock.now()
    for bucket, most in buckets.items():
        recent = (SignInFailure.bucket == bucket, SignInFailure.at > now - WINDOW)
        count, first_at = session.execute(select(func.count(), func.min(SignInFailure.at)).where(*recent)).one()
        if count >= most:
            raise TooManyAttempts(math.ceil((first_at + WINDOW - now).total_seconds()))


def count_failure(tx: WriteSession, buckets: Mapping[str, int]) -> None:
    """Count one failure in each bucket; what limits nothing any more is forgotten."""
    now = tx.clock.now()
    tx.execute(delete(SignInFailure).where(SignInFailure.at <= now - WINDOW))
    tx.add_all(SignInFailure(bucket=bucket, at=now) for bucket in buckets)


def forget_failures(tx: WriteSession, email: str) -> None:
    """An account that was signed in to starts anew; its address does not, or an own account would reset it."""
    tx.execute(delete(SignInFailure).where(SignInFailure.bucket == account_bucket(email)))


def forget_proof_failures(tx: WriteSession, person_id: str) -> None:
    """Whoever has proved who they are starts anew."""
    tx.execute(delete(SignInFailure).where(SignInFailure.bucket.in_(proof_buckets(person_id))))
