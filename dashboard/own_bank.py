"""The one bank server and project that an installation's books are about.

Banks number their sessions alike, so that a process set to another one would mix two banks' facts.
"""

from sqlalchemy import select
from sqlalchemy.orm import Session

from dashboard.desk import Books, Desk
from dashboard.models import Installation


class OtherBank(Exception):
    """The settings name another bank server or project than the books are about; str() says what to do, in one line."""


def objection(session: Session, url: str, project: str) -> str | None:
    """Why these books must not be used with a bank; None: nothing is against it."""
    kept = session.execute(select(Installation.bank_url, Installation.project)).one()
    if kept.bank_url is None or (kept.bank_url, kept.project) == (url, project):
        return None
    return (
        f"This database is about {kept.bank_url}, project {kept.project}, but the settings name {url}, "
        f"project {project}. Put BANK131_URL and BANK131_PROJECT right; if the move is meant, run `dashboard bank move`"
    )


def claim(desk: Desk) -> None:
    """What every process that talks to the bank does first: the first one says which it is. Raises OtherBank."""
    url, project = desk.bank.url, desk.bank.project
    with desk.write() as tx:
        installation = tx.get_one(Installation, 1, with_for_update=True)
        problem = objection(tx, url, project)
        if problem is not None:
            raise OtherBank(problem)
        if installation.bank_url is None:
            installation.bank_url, installation.project = url, project


def move(books: Books, actor: str, url: str, project: str) -> None:
    """From now on the books are about this one, on record; what is open elsewhere is for people."""
    with books.write() as tx:
        installation = tx.get_one(Installation, 1, with_for_update=True)
        was = {"was_url": installation.bank_url, "was_project": installation.project}
        if (installation.bank_url, installation.project) == (url, project):
            return
        installation.bank_url, installation.project = url, project
        tx.record(actor, "installation:bank_moved", "installation", url=url, project=project, **was)
