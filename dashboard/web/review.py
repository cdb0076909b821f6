"""What waits for people: the queue, one refund under review, what two people decide on it, facts that fit no rule."""

from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import NoReturn

from flask import Blueprint, Flask, abort, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from sqlalchemy import select

from dashboard import anomalies, history, refund_rules, resolutions, review_queue, roles
from dashboard.anomalies import NotAcknowledged
from dashboard.bank131.client import BankError
from dashboard.db import db
from dashboard.models import PaymentSession, Refund, Resolution
from dashboard.resolutions import Candidate, Look, ResolutionRefused
from dashboard.review_queue import OddFact, Proposal
from dashboard.web import timeline, wording
from dashboard.web.access import desk, needs, person, visitor
from dashboard.web.bank_seats import PAGE_TIMEOUT_S, bank_seat
from dashboard.web.formats import amount_with_currency, moment_seconds
from dashboard.web.forms import DecisionForm, ProposalForm, ReasonedForm
from dashboard.web.refunds import merged_into
from dashboard.web.sessions import refusal_of

bp = Blueprint("review", __name__)

_STATUS_OF = {
    "comment_missing": HTTPStatus.UNPROCESSABLE_ENTITY,
    "not_yours": HTTPStatus.FORBIDDEN,
    "no_right": HTTPStatus.FORBIDDEN,
}


def init_app(app: Flask) -> None:
    """Offer the number of things that wait to the navigation, which counts only where it is shown."""
    app.jinja_env.globals["waiting_count"] = lambda: review_queue.count(db.session())


@bp.get("/review/")
@needs(roles.SEE)
def index() -> ResponseReturnValue:
    return render_template("review/index.html", queue=review_queue.queue(db.session()))


# One refund under review

_Form = ReasonedForm | DecisionForm


@bp.get("/refunds/<reference>/review")
@needs(roles.SEE)
def show(reference: str) -> ResponseReturnValue:
    if into := merged_into(reference):
        return redirect(url_for("refunds.show", reference=into))
    look, problem = _look(reference)
    refund = _refund(reference)
    if not refund.review:
        flash(wording.nothing_to_decide(refund.state), "info")
        return redirect(url_for("refunds.show", reference=reference), 303)
    status = HTTPStatus.SERVICE_UNAVAILABLE if problem else HTTPStatus.OK
    return _page(reference, look, problem, ProposalForm(formdata=None)), status


def _look(reference: str) -> tuple[Look | None, BankError | None]:
    """What the bank shows right now, or why it could not be asked. No transaction of ours is open meanwhile."""
    db.session.rollback()
    try:
        with bank_seat():
            return resolutions.look(desk(), reference, PAGE_TIMEOUT_S), None
    except LookupError:
        abort(404, _("No refund has this reference."))
    except BankError as problem:
        return None, problem
    finally:
        db.session.rollback()


def _refund(reference: str) -> Refund:
    found = db.session.scalars(select(Refund).where(Refund.reference == reference)).one_or_none()
    if found is None:
        abort(404, _("No refund has this reference."))
    return found


@dataclass(frozen=True)
class _Choice:
    """A line to choose. `value`: in the form. `closed`: why it cannot be chosen now, or nothing."""

    value: str
    name: str
    effect: str
    candidate: Candidate | None
    closed: str


def _page(reference: str, look: Look | None, problem: BankError | None, form: _Form, blame: str = "") -> str:
    refund = _refund(reference)
    (row,) = history.rows_of(db.session(), [refund.id])
    proposal = review_queue.open_proposal(db.session(), refund.id)
    form = _fitting(form, proposal)
    return render_template(
        "review/refund.html",
        r=row,
        why=wording.review(refund.review) if refund.review else "",
        step=wording.review_step(refund.review) if refund.review else "",
        nothing_to_decide=wording.nothing_to_decide(refund.state),
        bank_status=refund.bank_status,
        look=look,
        refusal=refusal_of(problem),
        read_at=db.session.get_one(PaymentSession, refund.session_id).read_at,
        choices=[] if look is None or proposal else _choices(refund, look),
        proposal=proposal,
        proposed_effect=_effect_of(refund, proposal, look) if proposal else "",
        objection=_objection(look, proposal.choice, proposal.bank_id) if look and proposal else "",
        is_another=bool(look and proposal and look.candidate(proposal.bank_id) not in (None, proposal.candidate)),
        came_up=look.came_up_since(proposal.choice, proposal.strangers) if look and proposal else (),
        is_decidable=bool(refund_rules.choices_of(refund.state, refund.review)),
        can_resolve=visitor().may(roles.RESOLVE),
        is_mine=proposal is not None and proposal.by_id == person().id,
        form=form,
        chosen=form.choice.data if isinstance(form, ProposalForm) else "",
        blame=blame,
        entries=timeline.of_refund(db.session(), row),
    )


def _fitting(form: _Form, proposal: Proposal | None) -> _Form:
    """The form for what is to be done now. What was typed for something else is kept."""
    if isinstance(form, ProposalForm) == (proposal is None):
        return form
    fitting = DecisionForm(formdata=None) if proposal else ProposalForm(formdata=None)
    fitting.comment.data = form.comment.data
    return fitting


def _choices(refund: Refund, look: Look) -> list[_Choice]:
    choices = []
    for code in look.choices:
        candidates = look.candidates if code == refund_rules.THAT_ONE else (None,)
        choices += [_choice(refund, look, code, candidate) for candidate in candidates]
    return choices


def _choice(refund: Refund, look: Look, code: str, candidate: Candidate | None) -> _Choice:
    bank_id = candidate.bank_id if candidate else None
    return _Choice(
        value=f"{code}:{bank_id}" if bank_id else code,
        name=wording.choice_name(code, bank_id),
        effect=_effect(refund, code, candidate),
        candidate=candidate,
        closed=_objection(look, code, bank_id),
    )


def _objection(look: Look, code: str, bank_id: str | None) -> str:
    objection = look.objection(code, bank_id)
    return wording.closed_choice(objection.code, _since(objection)) if objection else ""


def _since(problem: ResolutionRefused) -> str:
    return moment_seconds(problem.since) if problem.since else ""


def _effect_of(refund: Refund, proposal: Proposal, look: Look | None) -> str:
    """What the proposal would do; nothing where the bank's refund that it names is not to be seen."""
    candidates = {one.bank_id: one for one in look.candidates} if look else {}
    candidate = candidates.get(proposal.bank_id or "")
    return "" if proposal.bank_id and candidate is None else _effect(refund, proposal.choice, candidate)


def _effect(refund: Refund, code: str, candidate: Candidate | None) -> str:
    amount = amount_with_currency(refund.amount_minor, refund.currency)
    if candidate is None:
        return wording.effect(code, amount)
    if candidate.state == refund_rules.DECLINED:
        return wording.effect("that_one_declined", amount)
    held_minor = max(refund.amount_minor, candidate.amount_minor)
    return wording.effect(code, amount, amount_with_currency(held_minor, refund.currency))


# Two people decide


@bp.post("/refunds/<reference>/review")
@needs(roles.RESOLVE)
def propose(reference: str) -> ResponseReturnValue:
    form = ProposalForm()
    _refund(reference)
    if not form.validate_on_submit() or form.what[0] not in refund_rules.CHOICES:
        return _page(reference, *_look(reference), form), HTTPStatus.UNPROCESSABLE_ENTITY
    choice, bank_id = form.what
    comment = form.comment.data or ""
    answer = _try(reference, form, lambda: resolutions.propose(desk(), person(), reference, choice, bank_id, comment))
    if answer is not None:
        return answer
    _flash_proposed(reference, comment)
    return redirect(url_for("review.show", reference=reference), 303)


def _flash_proposed(reference: str, comment: str) -> None:
    """Proposing the same again changes nothing, so what was written this time must not seem kept."""
    proposal = review_queue.open_proposal(db.session(), _refund(reference).id)
    if proposal is not None and proposal.by_id == person().id and proposal.comment != comment.strip():
        flash(_("You have proposed this already; your first comment stands."), "info")
    else:
        flash(_("Proposed. A second person has to agree; until then the amount stays held and nothing is sent."), "ok")


def _try(reference: str, form: _Form, verb: Callable[[], object]) -> ResponseReturnValue | None:
    """Do it; where it is refused or the bank cannot be asked, the page as it is now with what was typed."""
    db.session.rollback()
    try:
        with bank_seat():
            verb()
    except ResolutionRefused as refusal:
        db.session.rollback()
        said = wording.not_decided(refusal.code, _since(refusal))
        return _page(reference, *_look(reference), form, said), _status_of(refusal)
    except LookupError:
        abort(404, _("No refund has this reference."))
    except BankError as problem:
        db.session.rollback()
        blame = _("Nothing was decided: the bank could not be asked. The amount stays held. Try again in a minute.")
        return _page(reference, None, problem, form, blame), HTTPStatus.SERVICE_UNAVAILABLE
    db.session.rollback()
    return None


@bp.post("/resolutions/<resolution_id>/confirm")
@needs(roles.RESOLVE)
def confirm(resolution_id: str) -> ResponseReturnValue:
    def agree(comment: str) -> None:
        resolutions.confirm(desk(), person(), resolution_id, comment)

    done = _("Decided: two people agree. What it means for the money stands below.")
    return _decide(resolution_id, DecisionForm(), agree, done, "refunds.show")


@bp.post("/resolutions/<resolution_id>/reject")
@needs(roles.RESOLVE)
def reject(resolution_id: str) -> ResponseReturnValue:
    def disagree(comment: str) -> None:
        resolutions.reject(desk(), person(), resolution_id, comment)

    done = _("Rejected: nothing was decided. The refund stays under review and its amount stays held.")
    return _decide(resolution_id, ReasonedForm(), disagree, done, "review.show")


@bp.post("/resolutions/<resolution_id>/withdraw")
@needs(roles.RESOLVE)
def withdraw(resolution_id: str) -> ResponseReturnValue:
    def take_back(comment: str) -> None:
        resolutions.withdraw(desk(), person(), resolution_id, comment)

    done = _("Withdrawn: nothing was decided. The refund stays under review and its amount stays held.")
    return _decide(resolution_id, DecisionForm(), take_back, done, "review.show")


def _decide(resolution_id: str, form: _Form, verb: Callable[[str], None], done: str, then: str) -> ResponseReturnValue:
    reference = _reference_of(resolution_id)
    if not form.validate_on_submit():
        return _page(reference, *_look(reference), form), HTTPStatus.UNPROCESSABLE_ENTITY
    answer = _try(reference, form, lambda: verb(form.comment.data or ""))
    if answer is not None:
        return answer
    flash(done, "ok")
    return redirect(url_for(then, reference=reference), 303)


def _reference_of(resolution_id: str) -> str:
    query = select(Refund.reference).join(Resolution, Resolution.refund_id == Refund.id)
    found = db.session.scalars(query.where(Resolution.id == resolution_id)).one_or_none()
    if found is None:
        abort(404, _("There is no such proposal."))
    return found


def _status_of(refusal: ResolutionRefused | NotAcknowledged) -> HTTPStatus:
    return _STATUS_OF.get(refusal.code, HTTPStatus.CONFLICT)


# Facts that fit no rule


@bp.get("/anomalies/<name>")
@needs(roles.SEE)
def anomaly(name: str) -> ResponseReturnValue:
    return _anomaly_page(_odd_fact(name), ReasonedForm(formdata=None))


@bp.post("/anomalies/<name>")
@needs(roles.RESOLVE)
def acknowledge(name: str) -> ResponseReturnValue:
    form, fact = ReasonedForm(), _odd_fact(name)
    if not form.validate_on_submit():
        return _anomaly_page(fact, form), HTTPStatus.UNPROCESSABLE_ENTITY
    db.session.rollback()
    try:
        anomalies.acknowledge(desk(), person(), name, form.comment.data or "")
    except LookupError:
        _no_such_fact()
    except NotAcknowledged as refusal:
        blame = wording.not_acknowledged(refusal.code, refusal.by, moment_seconds(refusal.at) if refusal.at else "")
        return _anomaly_page(_odd_fact(name), form, blame), _status_of(refusal)
    flash(_("Acknowledged. It stays here with your name and comment; nothing changed for the money."), "ok")
    return redirect(_place_of(fact), 303)


def _odd_fact(name: str) -> OddFact:
    return review_queue.odd_fact(db.session(), name) or _no_such_fact()


def _no_such_fact() -> NoReturn:
    abort(404, _("It is not there, or not any more: it was about a refund that two people found to be another one."))


def _place_of(fact: OddFact) -> str:
    """The page of what it is about."""
    if fact.reference:
        return url_for("refunds.show", reference=fact.reference)
    return url_for("sessions.show", session_id=fact.session_id)


def _anomaly_page(fact: OddFact, form: ReasonedForm, blame: str = "") -> str:
    return render_template(
        "review/anomaly.html",
        fact=fact,
        step=wording.anomaly_step(fact.kind, is_over=fact.over_at is not None),
        r=history.one(db.session(), fact.reference) if fact.reference else None,
        place_url=_place_of(fact),
        can_resolve=visitor().may(roles.RESOLVE),
        form=form,
        blame=blame,
    )
