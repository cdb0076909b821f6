"""Words by which sessions and refunds are found: split, kept in step, looked up."""

import re
from collections.abc import Iterable

from sqlalchemy import ColumnElement, Select, and_, delete, insert, or_, select
from sqlalchemy.orm import Session

from dashboard.models import Refund, SearchTerm

LONGEST_TERM = 100
MOST_WORDS = 8

_WORD = re.compile(r"\w+")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def terms_of(texts: Iterable[str | None]) -> set[str]:
    """Lower-case terms of these texts: each whole piece between spaces, and the words inside it."""
    terms: set[str] = set()
    for text in texts:
        for piece in (text or "").lower().split():
            bare = piece.strip("\"'()[]{},;:.!?")
            inner = [] if _UUID.fullmatch(bare) else _WORD.findall(piece)
            terms.update(term[:LONGEST_TERM] for term in (bare, *inner) if term)
    return terms


def keep_terms(session: Session, session_id: str, texts: Iterable[str | None], refund_id: int = 0) -> None:
    """Make these the terms of a session, or of one of its refunds."""
    owner = (SearchTerm.session_id == session_id, SearchTerm.refund_id == refund_id)
    known = set(session.scalars(select(SearchTerm.term).where(*owner)))
    terms = terms_of(texts)
    if known - terms:
        session.execute(delete(SearchTerm).where(*owner, SearchTerm.term.in_(known - terms)))
    added = [{"term": term, "session_id": session_id, "refund_id": refund_id} for term in sorted(terms - known)]
    if added:
        session.execute(insert(SearchTerm), added)


def words_of(query: str) -> list[str]:
    """The words that somebody looks for, each to be the beginning of a term."""
    return [word.strip("\"'()[]{},;:.!?")[:LONGEST_TERM] for word in query.lower().split()][:MOST_WORDS]


def begins_with(word: str) -> ColumnElement[bool]:
    """Terms that begin with the word, as a range that the index can serve on both databases."""
    return and_(SearchTerm.term >= word, SearchTerm.term < word + "\U0010ffff")


def sessions_with(word: str) -> Select[str]:
    """Ids of sessions that have the word, themselves or in one of their refunds."""
    return select(SearchTerm.session_id).where(begins_with(word))


def refund_matches(word: str) -> ColumnElement[bool]:
    """Whether a refund has the word, itself or by its session."""
    own = select(SearchTerm.refund_id).where(begins_with(word), SearchTerm.refund_id != 0)
    by_session = select(SearchTerm.session_id).where(begins_with(word), SearchTerm.refund_id == 0)
    return or_(Refund.id.in_(own), Refund.session_id.in_(by_session))
