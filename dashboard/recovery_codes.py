"""Recovery codes: ten on paper, each for once."""

import hashlib
import secrets
from collections.abc import Sequence
from typing import Any

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from dashboard.journal import WriteSession
from dashboard.models import RecoveryCode

HOW_MANY = 10
# No 0 and O, no 1 and I: they are read off paper.
_LETTERS = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
_GROUPS, _GROUP_LENGTH = 6, 4


def issue(tx: WriteSession, person_id: str) -> list[str]:
    """Ten new codes, shown now and never again; those of before are worth nothing any more."""
    forget(tx, person_id)
    codes, now = [_new_code() for _ in range(HOW_MANY)], tx.clock.now()
    tx.add_all(RecoveryCode(digest=_digest(person_id, code), person_id=person_id, made_at=now) for code in codes)
    return codes


def use(tx: WriteSession, person_id: str, code: str) -> bool:
    """Use a code up; whether it was one that still could be."""
    unused = (RecoveryCode.digest == _digest(person_id, code), RecoveryCode.used_at.is_(None))
    result: Any = tx.execute(update(RecoveryCode).where(*unused).values(used_at=tx.clock.now()))
    return bool(result.rowcount == 1)


def forget(tx: WriteSession, person_id: str) -> None:
    """Keep none of somebody's codes."""
    tx.execute(delete(RecoveryCode).where(RecoveryCode.person_id == person_id))


def left(session: Session, person_ids: Sequence[str]) -> dict[str, int]:
    """By account, how many codes can still be used; nothing for those who have none."""
    unused = (RecoveryCode.person_id.in_(person_ids), RecoveryCode.used_at.is_(None))
    query = select(RecoveryCode.person_id, func.count().label("number")).where(*unused)
    return {row.person_id: row.number for row in session.execute(query.group_by(RecoveryCode.person_id))}


def _new_code() -> str:
    groups = ("".join(secrets.choice(_LETTERS) for _ in range(_GROUP_LENGTH)) for _ in range(_GROUPS))
    return "-".join(groups)


def _digest(person_id: str, code: str) -> str:
    """A code is 120 bits of chance, so that a quick digest is enough. Case, spaces and dashes do not matter."""
    typed = "".join(letter for letter in code.upper() if letter.isalnum())
    return hashlib.sha256(f"{person_id}:{typed}".encode()).hexdigest()
