"""The one bank server and project that an installation's books are about.

Banks number their sessions alike, so that a process set to another one would mix two banks' facts.
"""

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from dashboard.desk import Books, Desk
from dashboard.models import Installation, Refund


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


def move(books: Books, actor: str, url: str, project: str, *, same_bank: bool = False) -> None:
    """From now on the books are about this one, on record; what is open elsewhere is for people.

    `same_bank`: it is the old one under another name, and all that was made for that was made for this.
    """
    with books.write() as tx:
        installation = tx.get_one(Installation, 1, with_for_update=True)
        was_url, was_project = installation.bank_url, installation.project
        if (was_url, was_project) == (url, project):
            return
        installation.bank_url, installation.project = url, project
        if same_bank:
            of_it = update(Refund).where(Refund.bank_url == was_url, Refund.project == was_project)
            tx.execute(of_it.values(bank_url=url, project=project).execution_options(synchronize_session=False))
        names = {"url": url, "project": project, "was_url": was_url, "was_project": was_project}
        tx.record(actor, "installation:bank_moved", "installation", **names, same_bank=same_bank)
