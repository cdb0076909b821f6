"""Refunds: the history, one refund, undoing one."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any
from urllib.parse import parse_qsl

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from sqlalchemy import select
from sqlalchemy.orm import Session

from dashboard import (
    history,
    journal,
    keyset,
    money,
    pauses,
    refund_rules,
    refunds,
    review_queue,
    roles,
    saved_views,
    search,
    search_language,
)
from dashboard.db import TookTooLong, db, within
from dashboard.history import Row
from dashboard.history_filters import BadFilter, Filters, NoDay, conditions
from dashboard.models import Attempt, JournalEntry, PaymentSession, Refund, SavedView
from dashboard.refunds import CannotCancel
from dashboard.search_language import BadTerm
from dashboard.web import positions, timeline, wording
from dashboard.web.access import desk, needs, person, visitor
from dashboard.web.days import BadDay, day_in
from dashboard.web.pagination import pager_urls
from dashboard.web.reader import zone
from dashboard.web.status_tabs import Tab, status_tabs

bp = Blueprint("refunds", __name__)

# The history


@dataclass(frozen=True)
class ShownFilters:
    """The filters as the page needs them: texts, tabs and addresses."""

    session: str
    status: str
    date_from: str
    date_to: str
    q: str
    operator: str
    origin: str
    is_narrowed: bool
    problem: str | None
    views: list[tuple[int, str, str, bool]]
    tabs: list[Tab]
    live_url: str
    rows_url: str
    cursor: int
    older_url: str | None
    newest_url: str | None


@bp.get("/refunds/")
@needs(roles.SEE)
def index() -> ResponseReturnValue:
    filters, problem = _read(request.args)
    cursor = journal.head_seq(db.session())
    try:
        page = history.Page([], "") if problem else list_page(filters)
    except TookTooLong:
        page, problem = history.Page([], ""), wording.too_slow_search()
    arguments = arguments_of(filters)
    older_url, newest_url = pager_urls("refunds.index", page.older, **arguments)
    shown = ShownFilters(
        **_texts(filters),
        is_narrowed=bool(filters),
        problem=problem,
        views=_views(arguments),
        tabs=status_tabs(db.session(), filters, arguments),
        live_url=url_for("live.stream", **arguments),
        rows_url=url_for("refunds.rows", **arguments),
        cursor=cursor,
        older_url=older_url,
        newest_url=newest_url,
    )
    is_in_vain = not (page.rows or problem)
    shown_page = render_template(
        "refunds/index.html",
        rows=page.rows,
        filters=shown,
        search_terms=list(wording.terms()),
        unknown_names=wording.unknown_names(filters.q) if is_in_vain else "",
        as_amount=_as_amount(filters.q, arguments) if is_in_vain else None,
    )
    return shown_page, 400 if problem else 200


def _as_amount(q: str, arguments: Mapping[str, Any]) -> tuple[str, str] | None:
    """The term for a number that may be meant as an amount, and where it is looked for among the same refunds."""
    if amount := search_language.plain_amount(q):
        term = wording.amount_term(amount)
        return term, url_for("refunds.index", **{**arguments, "q": term})
    return None


def list_page(filters: Filters) -> history.Page:
    """The page of the history that the address asks for; 400 for one that does not exist. Raises TookTooLong."""
    try:
        with within(db.session(), search.LONGEST_S):
            return history.page(db.session(), filters, zone(), request.args.get("before", ""))
    except keyset.BadCursor:
        abort(400, _("This page of the list does not exist."))


def filters_of(arguments: Mapping[str, str]) -> Filters:
    """The filters in an address; 400 for those that cannot be used."""
    filters, problem = _read(arguments)
    if problem:
        abort(400, problem)
    return filters


def _read(arguments: Mapping[str, str]) -> tuple[Filters, str | None]:
    """The filters in an address, and why they cannot be used, for people. What is no day is left out of them."""
    names = ("session", "status", "q", "operator", "origin")
    given: dict[str, Any] = {name: arguments.get(name, "").strip() for name in names}
    bad_day = None
    for field_name, name in (("date_from", "from"), ("date_to", "to")):
        try:
            given[field_name] = day_in(arguments, name)
        except BadDay as problem:
            bad_day = wording.bad_day(str(problem))
    today = desk().clock.now().astimezone(zone()).date()
    filters = Filters(**given, today=today, me=person().email)
    return filters, bad_day or _problem_of(filters)


def _problem_of(filters: Filters) -> str | None:
    """Why they cannot be used, for people."""
    try:
        conditions(filters, zone())
    except NoDay as problem:
        return wording.no_day(problem.first.isoformat(), problem.last.isoformat())
    except BadFilter as problem:
        return _("This filter cannot be used: %(name)s.", name=problem.field)
    except BadTerm as problem:
        return wording.bad_term(problem.name, problem.value, problem.why)
    return None


def _texts(filters: Filters) -> dict[str, str]:
    chosen = {each.name: getattr(filters, each.name) for each in fields(filters) if each.compare}
    return {name: str(value) if value else "" for name, value in chosen.items()}


def arguments_of(filters: Filters) -> dict[str, Any]:
    """The filters as they stand in an address."""
    names = {"date_from": "from", "date_to": "to"}
    return {names.get(name, name): text for name, text in _texts(filters).items() if text}


def _views(arguments: dict[str, Any]) -> list[tuple[int, str, str, bool]]:
    """The searches that the reader keeps: id, name, address, and whether it is the one shown."""
    kept: list[tuple[SavedView, dict[str, Any]]]
    kept = [(one, dict(parse_qsl(one.arguments))) for one in saved_views.of_person(db.session(), person())]
    return [(one.id, one.name, url_for("refunds.index", **its), its == arguments) for one, its in kept]


@bp.get("/refunds/rows")
@needs(roles.SEE)
def rows() -> ResponseReturnValue:
    filters = filters_of(request.args)
    since = positions.position()
    if since is None:
        abort(400, _("The position in the journal is missing."))
    changes = history.changes(db.session(), filters, zone(), since)
    if changes.is_too_much or since > journal.head_seq(db.session()):
        return "", 205
    return render_template("refunds/_rows.html", rows=changes.rows, gone=changes.gone, cursor=changes.cursor)


# One refund


@bp.get("/refunds/<reference>")
@needs(roles.SEE)
def show(reference: str) -> ResponseReturnValue:
    if into := merged_into(reference):
        return redirect(url_for("refunds.show", reference=into))
    return _show(reference)


def merged_into(reference: str) -> str | None:
    """The refund that took the place of this one, a row made elsewhere that two people knew again."""
    if history.one(db.session(), reference) is not None:
        return None
    query = select(JournalEntry.data).where(
        JournalEntry.subject == f"refund:{reference}", JournalEntry.action == "refund:merged"
    )
    data = db.session.scalars(query).first()
    return str(json.loads(data)["into"]) if data else None


def _show(reference: str) -> str:
    cursor = journal.head_seq(db.session())
    live_url = url_for("live.stream", of_refund=reference)
    return render_template("refunds/show.html", **_page_of(db.session(), reference), live_url=live_url, cursor=cursor)


def refund_parts(session: Session, reference: str) -> dict[str, str]:
    """The parts of a refund's page that change by themselves, by their ids."""
    page = _page_of(session, reference)
    return {
        "refund-detail": render_template("refunds/_detail.html", **page),
        "timeline": render_template("refunds/_timeline.html", **page),
    }


def _page_of(session: Session, reference: str) -> dict[str, Any]:
    row = history.one(session, reference)
    refund = session.scalars(select(Refund).where(Refund.reference == reference)).one_or_none()
    if row is None or refund is None:
        abort(404, _("No refund has this reference."))
    return {
        "r": row,
        "next_step": _next_step(session, row, refund),
        "for_customer": sureness(row),
        "can_undo": refund_rules.may_undo(refund.state, refund.review) and visitor().may(roles.CANCEL_REFUND),
        "undo_until": refund.undo_until,
        "now": desk().clock.now(),
        "odd_facts": review_queue.odd_facts_of_refund(session, refund.id),
        "can_acknowledge": visitor().may(roles.RESOLVE),
        "can_approve": _can_approve(refund),
        "is_undecided": bool(refund_rules.choices_of(refund.state, refund.review)),
        "proposal": review_queue.open_proposal(session, refund.id) if refund.review else None,
        "entries": timeline.of_refund(session, row),
        **_replacements(session, refund),
    }


# Nothing is on its way, or it may still be undone.
_NOTHING_TO_TELL = refund_rules.UNDOABLE | {refund_rules.CANCELLED, refund_rules.REJECTED, refund_rules.ABANDONED}


def sureness(row: Row) -> str | None:
    """What can be said of it outside: `returned`, `not_returned`, `in_hand`; None where there is nothing to say.

    What is not sure is never called done.
    """
    if row.origin == "chargeback" or row.contradicted or row.status in _NOTHING_TO_TELL:
        return None
    of_bank = (row.bank_amount_minor, row.bank_currency)
    is_sure = not row.review and of_bank in {(None, None), (row.amount_minor, row.currency)}
    if is_sure and row.status == refund_rules.ACCEPTED:
        return "returned"
    if is_sure and row.status in {refund_rules.DECLINED, refund_rules.REFUSED}:
        return "not_returned"
    return "in_hand"


def _can_approve(refund: Refund) -> bool:
    """Whether it waits for the word of whoever is looking."""
    is_waiting = refund.state == refund_rules.AWAITING_APPROVAL and not refund.review
    return is_waiting and visitor().may(roles.APPROVE) and refund.asked_by_id != person().id


def _replacements(session: Session, refund: Refund) -> dict[str, Any]:
    """What it was asked for in place of, what was asked for in its place, and where to do that."""
    replaced = session.get(Refund, refund.replaces_id) if refund.replaces_id else None
    of_session = _of_session(session, refund)
    may_replace = visitor().may(roles.REQUEST_REFUND) and refunds.can_be_replaced(refund, of_session)
    return {
        "replaces": replaced and replaced.reference,
        "replaced_by": [one.reference for one in of_session if one.replaces_id == refund.id],
        "replace_url": _replace_url(refund) if may_replace else None,
        "again_url": _again_url(refund),
    }


def _again_url(refund: Refund) -> str | None:
    """The form for another one, where the bank made none of this."""
    is_over = refund.state in {refund_rules.DECLINED, refund_rules.REFUSED} and not refund.contradicted
    may = is_over and not refund.review and visitor().may(roles.REQUEST_REFUND)
    return url_for("refund_form.new", session_id=refund.session_id) if may else None


def _of_session(session: Session, refund: Refund) -> Sequence[Refund]:
    return session.scalars(select(Refund).where(Refund.session_id == refund.session_id).order_by(Refund.id)).all()


def _replace_url(refund: Refund) -> str:
    """The form, filled in as the refund was that is to be replaced."""
    amount = "" if refund.in_full else money.major(refund.amount_minor, refund.currency)
    return url_for(
        "refund_form.new",
        session_id=refund.session_id,
        kind="partial" if amount else "full",
        amount=amount or None,
        reason=refund.reason,
        replaces=refund.reference,
    )


def _next_step(session: Session, row: history.Row, refund: Refund) -> str:
    """What happens next, or what to do, in a sentence."""
    if row.review:
        return wording.review(row.review)
    if row.status == refund_rules.UNKNOWN:
        return _unknown_step(session, refund)
    if row.status == refund_rules.QUEUED and pauses.is_paused(session):
        return wording.next_step("paused")
    if row.status == refund_rules.QUEUED and session.get_one(PaymentSession, refund.session_id).read_failures:
        return wording.next_step("unread")
    if row.contradicted:
        return wording.next_step(f"{row.status}_contradicted")
    if row.status == refund_rules.ABANDONED and not refunds.can_be_replaced(refund, _of_session(session, refund)):
        return wording.next_step("replaced")
    return wording.next_step(row.status)


def _unknown_step(session: Session, refund: Refund) -> str:
    query = select(Attempt).where(Attempt.refund_id == refund.id).order_by(Attempt.number.desc())
    last = session.scalars(query).first()
    if last is not None and last.error_code:
        said = f"{last.error_code} {last.error_description or ''}".strip()
        return _(
            "The bank answered: %(answer)s. Two reads will make sure that it made no refund; "
            "the amount stays held till then.",
            answer=said,
        )
    return wording.next_step(refund_rules.UNKNOWN)


@bp.post("/refunds/<reference>/cancel")
@needs(roles.CANCEL_REFUND)
def cancel(reference: str) -> ResponseReturnValue:
    try:
        refunds.cancel(desk(), person(), reference)
    except LookupError:
        abort(404, _("No refund has this reference."))
    except CannotCancel as problem:
        flash(_why_not_undone(problem), "warn")
        return _show(reference), 409
    flash(_("Undone. Nothing was sent to the bank, and the amount is free again."), "ok")
    return redirect(url_for("refunds.show", reference=reference), 303)


def _why_not_undone(problem: CannotCancel) -> str:
    if problem.state == refund_rules.QUEUED:
        return _(
            "Not undone: the database was put back from a backup, and this refund may have been sent before. "
            "Its amount stays held until two people have decided what became of it."
        )
    return _("Too late to undo: it is already on its way to the bank or has ended.")
