"""Why nothing is being sent at the moment, in words."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from dashboard import sending
from dashboard.models import Installation
from dashboard.web import wording


def why_paused(session: Session) -> str:
    """The reason; empty while refunds are sent."""
    installation = session.scalars(select(Installation)).one()
    if installation.sending_paused_at is None:
        return ""
    left = len(sending.unread_since_restore(session)) if installation.sending_paused_why == "restored" else 0
    return wording.pause(installation.sending_paused_why or "", left)
