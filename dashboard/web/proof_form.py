"""The part of a page that asks somebody to prove who they are, and what is said when it did not work."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from flask import request
from flask_babel import LazyString, ngettext
from flask_babel import lazy_gettext as _l

from dashboard import factors, guessing, passkeys, single_sign_on
from dashboard.models import Person
from dashboard.proving import NotProved, Proof
from dashboard.web import wording
from dashboard.web.access import desk
from dashboard.web.forms import ProofForm

PREFIX = "proof_"

_WORDS: Mapping[str, LazyString] = {
    "nothing": _l("Type the code, or use a passkey."),
    "no_password": _l("Type your password."),
    "wrong_code": _l("This code is not right. Codes of an app change every half minute; a recovery code works once."),
    "ran_out": wording.CODE_RAN_OUT,
    "used_code": _l("This code was used already. Wait for the next one."),
    "wrong_password": _l("The password is not right."),
    "bad_passkey": _l("This passkey does not belong to your account here. Use another one, or a code."),
    "copied_key": _l(
        "This passkey was refused: it has signed less often than it had before, so somebody may have a copy of it. "
        "Use something else, remove it, and tell an admin."
    ),
    "too_late": _l("This page had waited too long. Try once more."),
    "key_changed": _l(
        "Codes of your app cannot be checked any more: the desk's secret key was changed. Use a passkey or a "
        "recovery code and add the app anew, or ask an admin to reset your second factors."
    ),
}


@dataclass
class Asking:
    """What the page shows: `question` is for the browser, where there is a passkey to ask for.

    Without a factor it asks for the password (`by_password`), or leads to the OpenID provider (`by_provider`).
    """

    form: ProofForm
    factors: factors.Factors
    question: passkeys.Question | None
    by_provider: bool
    by_password: bool


@dataclass(frozen=True)
class Refused:
    """How a proof that did not work is answered; the form has the words."""

    status: int
    headers: dict[str, str]


def was_sent() -> bool:
    """Whether the request brings a proof."""
    return any(name.startswith(PREFIX) for name in request.form)


def asking(form: ProofForm, person_id: str, bound_to: str) -> Asking:
    """What to ask of this account; a passkey's answer will count for the token `bound_to` alone."""
    here = desk()
    with here.read() as session:
        theirs = factors.of(session, person_id)
    form.proof_code.label.text = _l("Code from your app") if theirs.app else _l("A recovery code")
    question = passkeys.ask_to_prove(here.config, bound_to, theirs.passkeys, here.clock.now(), here.new_id())
    by_provider = is_by_provider(person_id)
    by_password = not (theirs.is_any or here.config.oidc_only or (by_provider and not _has_password(person_id)))
    return Asking(form, theirs, question, by_provider, by_password)


def is_by_provider(person_id: str) -> bool:
    """Whether this person proves at the OpenID provider who they are, for want of a factor here."""
    here = desk()
    with here.read() as session:
        is_bound = here.config.has_oidc and single_sign_on.is_bound(session, here.config.oidc_issuer, person_id)
        return is_bound and not factors.has_any(session, person_id)


def _has_password(person_id: str) -> bool:
    with desk().read() as session:
        return session.get_one(Person, person_id).password_hash != ""


def carried() -> list[tuple[str, str]]:
    """What was sent beside the proof, to go on with afterwards."""
    return [
        (name, value) for name, value in request.form.items() if name != "csrf_token" and not name.startswith(PREFIX)
    ]


def attempt(form: ProofForm, prove: Callable[[Proof], str]) -> str | Refused:
    """Try what was typed, or answered by the browser: the new token, or how to refuse."""
    if not form.validate_on_submit():
        return Refused(422, {})
    proof = Proof(
        code=form.proof_code.data or "",
        password=form.proof_password.data or "",
        challenge=form.proof_challenge.data or "",
        answer=form.proof_answer.data or "",
    )
    if not (proof.code.strip() or proof.password or proof.answer):
        return _refused(form, "no_password" if "proof_password" in request.form else "nothing")
    try:
        return prove(proof)
    except NotProved as problem:
        return _refused(form, problem.why)
    except guessing.TooManyAttempts as problem:
        minutes = -(-problem.retry_after_s // 60)
        form.form_errors = [
            ngettext(
                "Too many attempts. Try again in %(num)d minute.",
                "Too many attempts. Try again in %(num)d minutes.",
                minutes,
            )
        ]
        return Refused(429, {"Retry-After": str(problem.retry_after_s)})


def _refused(form: ProofForm, why: str) -> Refused:
    form.form_errors = [_WORDS[why]]
    return Refused(422, {})
