"""Words by which sessions and refunds are found: split, kept in step, looked up."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, and_, bindparam, delete, exists, false, func, insert, select, union
from sqlalchemy.orm import Session

from dashboard.models import PaymentSession, Refund, SearchTerm

LONGEST_TERM = 100
MOST_WORDS = 8
# A search of a page is broken off after this.
LONGEST_S = 5.0
# Words are rare up to so many terms; lists are walked through so far for a common one before anything else is tried;
# and up to so many terms their owners can be gathered in time.
MOST_RARE = 2_000
MOST_WALKED = 2_500
MOST_GATHERED = 20_000
# What more than so many bear is no id of one of them.
MOST_BEARERS = 100

_AROUND = "\"'()[]{},;:.!?"
_WORD = re.compile(r"\w+")
# Terms are kept by statements alone: what else is not written yet can wait.
_TERMS = (
    select(SearchTerm.term)
    .where(SearchTerm.session_id == bindparam("session_id"), SearchTerm.refund_id == bindparam("refund_id"))
    .execution_options(autoflush=False)
)
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def terms_of(texts: Iterable[str | None]) -> set[str]:
    """Lower-case terms of these texts: each whole piece between spaces, and the words inside it."""
    terms: set[str] = set()
    for text in texts:
        for piece in _pieces(text or ""):
            bare = piece.strip(_AROUND)
            inner = [] if _UUID.fullmatch(bare) else _WORD.findall(piece)
            terms.update(term[:LONGEST_TERM] for term in (bare, *inner) if term)
    return terms


def _pieces(text: str) -> list[str]:
    """What stands between spaces; no database keeps a NUL, so that one is a space too."""
    return text.lower().replace("\x00", " ").split()


def keep_terms(session: Session, session_id: str, texts: Iterable[str | None], refund_id: int = 0) -> None:
    """Make these the terms of a session, or of one of its refunds."""
    known = set(session.scalars(_TERMS, {"session_id": session_id, "refund_id": refund_id}))
    terms = terms_of(texts)
    if known - terms:
        owner = (SearchTerm.session_id == session_id, SearchTerm.refund_id == refund_id)
        session.execute(delete(SearchTerm).where(*owner, SearchTerm.term.in_(known - terms)))
    added = [{"term": term, "session_id": session_id, "refund_id": refund_id} for term in sorted(terms - known)]
    if added:
        session.execute(insert(SearchTerm), added)


def words_of(query: str) -> list[str]:
    """The words that somebody looks for, each to be the beginning of a term."""
    words = [piece.strip(_AROUND)[:LONGEST_TERM] for piece in _pieces(query)]
    return [word for word in words if word][:MOST_WORDS]


def begins_with(word: str) -> ColumnElement[bool]:
    """Terms that begin with the word, as a range that the index can serve on both databases; none for no word."""
    return false() if not word else and_(SearchTerm.term >= word, SearchTerm.term < word + "\U0010ffff")


def bearers(session: Session, text: str) -> list[tuple[str, int]]:
    """Sessions and refunds (0: the session itself) that have this whole term, by id; none where it is a common one."""
    words = words_of(text)
    if len(words) != 1:
        return []
    owners = select(SearchTerm.session_id, SearchTerm.refund_id).where(SearchTerm.term == words[0])
    found = [(session_id, refund_id) for session_id, refund_id in session.execute(owners.limit(MOST_BEARERS + 1))]
    return found if len(found) <= MOST_BEARERS else []


# Looking for words in a list


@dataclass(frozen=True)
class WordList:
    """A list, newest first by `moment` and `id`, in which words can be looked for.

    `has`: whether a row has the word, looked at row by row. `gathers`: conditions that together fetch all such rows.
    """

    moment: Any
    id: Any
    has: Callable[[str], ColumnElement[bool]]
    gathers: Callable[[str], list[ColumnElement[bool]]]


def newest(
    session: Session, rows: WordList, wanted: Sequence[ColumnElement[bool]], words: Sequence[str], limit: int
) -> list[Any]:
    """Ids of the newest rows that meet the conditions and have every word.

    Rows with a rare word are gathered and sorted. A common word is soon met on a walk through the list in its
    order; if not within the first few thousand rows, and it is not too common either, its rows are gathered too.
    """
    in_order = (rows.moment.desc(), rows.id.desc())
    walk = select(rows.id).where(*wanted, *map(rows.has, words)).order_by(*in_order).limit(limit)
    if not words:
        return list(session.scalars(walk))
    terms, rarest = min((_count_terms(session, word), word) for word in words)
    if terms > MOST_RARE:
        edge = select(rows.moment).where(*wanted).order_by(*in_order).offset(MOST_WALKED).limit(1)
        far = session.scalars(edge).one_or_none()
        found = list(session.scalars(walk if far is None else walk.where(rows.moment >= far)))
        if far is None or len(found) == limit:
            return found
    if terms > MOST_GATHERED:
        return list(session.scalars(walk))
    others = [rows.has(word) for word in words if word != rarest]
    parts = [select(rows.id, rows.moment).where(gather, *wanted, *others) for gather in rows.gathers(rarest)]
    # The offset keeps the database from walking through the whole list instead.
    row_id, moment = union(*parts).offset(0).subquery().c
    return list(session.scalars(select(row_id).order_by(moment.desc(), row_id.desc()).limit(limit)))


def _count_terms(session: Session, word: str) -> int:
    """How many terms begin with the word; counting ends when they are too many to be gathered."""
    some = select(SearchTerm.session_id).where(begins_with(word)).limit(MOST_GATHERED + 1).subquery()
    return session.execute(select(func.count()).select_from(some)).scalar_one()


def _refund_has(word: str) -> ColumnElement[bool]:
    """Whether a refund has the word, itself or by its session."""
    return _any_term(word, SearchTerm.session_id == Refund.session_id, SearchTerm.refund_id.in_((0, Refund.id)))


def _session_has(word: str) -> ColumnElement[bool]:
    """Whether a session has the word, itself or in one of its refunds."""
    return _any_term(word, SearchTerm.session_id == PaymentSession.id)


def _any_term(word: str, *owner: ColumnElement[bool]) -> ColumnElement[bool]:
    # The offset keeps PostgreSQL from gathering all owners of a common word first.
    return exists(select(SearchTerm.term).where(*owner, begins_with(word)).offset(0))


def _gathers_refunds(word: str) -> list[ColumnElement[bool]]:
    own = select(SearchTerm.refund_id).where(begins_with(word), SearchTerm.refund_id != 0)
    sessions = select(SearchTerm.session_id).where(begins_with(word), SearchTerm.refund_id == 0)
    return [Refund.id.in_(own), Refund.session_id.in_(sessions)]


def _gathers_sessions(word: str) -> list[ColumnElement[bool]]:
    return [PaymentSession.id.in_(select(SearchTerm.session_id).where(begins_with(word)))]


REFUNDS = WordList(Refund.asked_at, Refund.id, _refund_has, _gathers_refunds)
SESSIONS = WordList(PaymentSession.created_at, PaymentSession.id, _session_has, _gathers_sessions)
