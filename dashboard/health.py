"""Whether the parts of an installation are there and at work."""

from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from dashboard.models import WebhookDelivery, WorkerBeat

# A worker at work gives a sign of life every few seconds.
ALIVE_FOR = timedelta(seconds=30)


def worker_is_alive(session: Session, now: datetime, within: timedelta) -> bool:
    """Whether some worker has left a sign of life lately."""
    last = session.scalars(select(func.max(WorkerBeat.at))).one()
    return last is not None and last > now - within


def since_last_beat(session: Session, now: datetime) -> timedelta | None:
    """How far from now some worker's nearest sign of life is; None: there is none.

    One of another host's clock, or in a backup, may lie ahead: it is as far away as one of the past.
    """
    return min((abs(now - at) for at in session.scalars(select(WorkerBeat.at))), default=None)


def webhook_age_s(session: Session, now: datetime) -> int | None:
    """Seconds since the last webhook; None when there never was one."""
    last: datetime | None = session.scalars(select(func.max(WebhookDelivery.last_seen_at))).one()
    return None if last is None else max(0, int((now - last).total_seconds()))
