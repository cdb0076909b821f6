"""Why nothing is being sent at the moment, in words."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from dashboard import restore
from dashboard.models import Installation
from dashboard.web import wording
from dashboard.web.access import desk
from dashboard.web.formats import moment_seconds


def why_paused(session: Session) -> str:
    """The reason; empty while refunds are sent."""
    installation = session.scalars(select(Installation)).one()
    if installation.sending_paused_at is None:
        return ""
    if installation.sending_paused_why == "restored":
        since = restore.may_arrive_until(session, desk().config, desk().clock.now())
        return wording.restored(len(restore.unread(session)), moment_seconds(since) if since else "")
    return wording.pause(installation.sending_paused_why or "")
