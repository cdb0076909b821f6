"""Whether anything is sent at the moment, and each reason why not: one pause does not hide another."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from dashboard.journal import WriteSession
from dashboard.models import Installation

RESTORED = "restored"

_PAUSED_AT = select(Installation.sending_paused_at)


def is_paused(session: Session) -> bool:
    """Whether nothing is to be sent at the moment."""
    return session.scalars(_PAUSED_AT).one() is not None


def reasons(session: Session) -> list[str]:
    """Why nothing is to be sent, the oldest first: texts of people, `keys:CODE` and RESTORED. Empty: it is sent."""
    return _reasons_of(session.scalars(select(Installation)).one())


def _reasons_of(installation: Installation) -> list[str]:
    return [] if installation.sending_paused_at is None else (installation.sending_paused_why or "").split("\n")


def add(tx: WriteSession, actor: str, why: str, *, once: bool = False) -> None:
    """Pause for one more reason, and record it; `once`: nothing happens where that reason stands already."""
    why = " ".join(why.split())
    installation = _locked(tx)
    standing = _reasons_of(installation)
    if once and why in standing:
        return
    installation.sending_paused_at = installation.sending_paused_at or tx.clock.now()
    installation.sending_paused_why = "\n".join(dict.fromkeys([*standing, why]))
    tx.record(actor, "sending:paused", "installation", why=why)


def end(tx: WriteSession) -> list[str]:
    """End all of them; answers with the reasons that stood. The record is the caller's."""
    installation = _locked(tx)
    standing = _reasons_of(installation)
    installation.sending_paused_at = installation.sending_paused_why = None
    return standing


def _locked(tx: WriteSession) -> Installation:
    return tx.scalars(select(Installation).with_for_update().execution_options(populate_existing=True)).one()
