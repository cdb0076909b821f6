"""Why nothing is being sent at the moment, in words."""

from sqlalchemy.orm import Session

from dashboard import pauses, restore
from dashboard.web import wording
from dashboard.web.access import desk
from dashboard.web.formats import moment_seconds


def why_paused(session: Session) -> str:
    """Every reason that stands; empty while refunds are sent."""
    return " · ".join(_in_words(session, why) for why in pauses.reasons(session))


def _in_words(session: Session, why: str) -> str:
    if why != pauses.RESTORED:
        return wording.pause(why)
    since = restore.may_arrive_until(session, desk().config, desk().clock.now())
    return wording.restored(len(restore.unread(session)), moment_seconds(since) if since else "")
