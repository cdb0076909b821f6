"""The one bank server and project that an installation's books are about.

Banks number their sessions alike, so that a process set to another one would mix two banks' facts.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, exists, or_, select, update
from sqlalchemy.orm import Session

from dashboard import refund_rules
from dashboard.desk import Books, Desk
from dashboard.journal import WriteSession
from dashboard.models import Installation, Refund


class OtherBank(Exception):
    """The settings name another bank server or project than the books are about; str() says what to do, in one line."""


@dataclass(frozen=True)
class InTheWay:
    """A refund that keeps the books from moving. `review`: why people have to look at it, or empty."""

    reference: str
    session_id: str
    state: str
    review: str


class CannotMove(Exception):
    """Refunds are in the way of a move, nothing was changed: `refunds`, oldest first."""

    def __init__(self, refunds: Sequence[InTheWay]) -> None:
        super().__init__(f"{len(refunds)} refunds are in the way")
        self.refunds = refunds


def is_about(url: ColumnElement[str], project: ColumnElement[str]) -> ColumnElement[bool]:
    """Whether the books are about this one, or nobody has said yet: a condition for a statement about other things."""
    is_it = and_(Installation.bank_url == url, Installation.project == project)
    return exists().where(or_(Installation.bank_url.is_(None), is_it))


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


def move(books: Books, actor: str, url: str, project: str, *, leave_open: bool = False) -> None:
    """From now on the books are about another bank, on record. Raises CannotMove.

    Nothing that is open at the old one, or under review, would be settled from here any more: `leave_open` says that
    it is to be left so.
    """
    with books.write() as tx:
        installation = tx.get_one(Installation, 1, with_for_update=True)
        made_elsewhere = and_(Refund.bank_url.is_(None), Refund.origin != "here")
        is_open = or_(Refund.state.in_(refund_rules.OPEN), Refund.review != "")
        if (installation.bank_url, installation.project) == (url, project):
            return
        in_the_way = _those(tx, or_(_is_of(installation), made_elsewhere), is_open)
        if in_the_way and not leave_open:
            raise CannotMove(in_the_way)
        _go_over(tx, actor, installation, url, project, same_bank=False, left_open=len(in_the_way))


def rename(books: Books, actor: str, url: str, project: str, *, is_sure: bool = False) -> None:
    """Only the address or the project's name has changed, on record: all refunds made there were made here.

    One that may be under way could be sent again to whoever bears the new name, and be paid twice if that is not the
    same bank after all. Raises CannotMove while there is one, unless the caller `is_sure`.
    """
    with books.write() as tx:
        installation = tx.get_one(Installation, 1, with_for_update=True)
        if (installation.bank_url, installation.project) == (url, project):
            return
        of_it = _is_of(installation)
        in_the_way = _those(tx, of_it, Refund.state.in_(refund_rules.OPEN_SEND))
        if in_the_way and not is_sure:
            raise CannotMove(in_the_way)
        rewrite = update(Refund).where(of_it).values(bank_url=url, project=project)
        tx.execute(rewrite.execution_options(synchronize_session=False))
        _go_over(tx, actor, installation, url, project, same_bank=True)


def _is_of(installation: Installation) -> ColumnElement[bool]:
    return and_(Refund.bank_url == installation.bank_url, Refund.project == installation.project)


def _those(tx: WriteSession, *conditions: ColumnElement[bool]) -> list[InTheWay]:
    query = select(Refund.reference, Refund.session_id, Refund.state, Refund.review).where(*conditions)
    return [InTheWay(*found) for found in tx.execute(query.order_by(Refund.id))]


def _go_over(tx: WriteSession, actor: str, installation: Installation, url: str, project: str, **how: int) -> None:
    was = {"was_url": installation.bank_url, "was_project": installation.project}
    installation.bank_url, installation.project = url, project
    tx.record(actor, "installation:bank_moved", "installation", url=url, project=project, **was, **how)
