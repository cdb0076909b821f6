"""Proving who one is: the second step of signing in, and once more before something that matters."""

from collections.abc import Sequence
from dataclasses import dataclass

from dashboard import factors, guessing, passkeys, passwords, recovery_codes, rights, sealing, sign_ins
from dashboard.desk import Books
from dashboard.guessing import Limit
from dashboard.journal import WriteSession
from dashboard.models import Person

APP_DIGITS = 6
APP, PASSKEY, RECOVERY_CODE = "app", "passkey", "recovery_code"
PASSWORD = "password"  # noqa: S105 (a kind of proof)
_NO_GUESSES = frozenset({"too_late", "key_changed", "bad_passkey", "copied_key", "used_code", "ran_out"})


@dataclass(frozen=True)
class Proof:
    """What somebody typed, or what their browser answered (`challenge`, `answer`: see `passkeys`)."""

    code: str = ""
    password: str = ""
    challenge: str = ""
    answer: str = ""


class NotProved(Exception):
    """It does not count.

    `why`: `wrong_code`, `ran_out`, `used_code`, `wrong_password`, `bad_passkey`, `copied_key`, `too_late` or
    `key_changed`.
    """

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class Over(Exception):
    """The sign-in, half or whole, has ended: it begins anew with the password."""


def finish_sign_in(
    books: Books, half_token: str, proof: Proof, address: str, browser: str = "", known_as: str = ""
) -> str:
    """The second step: answers with the token of a new sign-in. Raises NotProved, Over, TooManyAttempts.

    `known_as`: the name of a browser in which this account was signed in to before; it is limited for itself.
    """
    refusal: NotProved
    with books.write() as tx:
        person = _half_signed_in(tx, half_token)
        where = guessing.by_proof("browser", known_as) if known_as else guessing.by_proof("account", person.id)
        limits = _limits(proof, where, address)
        _check_limits(tx, books, limits)
        try:
            how = _prove(tx, books, person, proof, bound_to=half_token)
        except NotProved as problem:
            _count_failure(tx, person, problem, limits, actor="nobody", address=address)
            refusal = problem
        else:
            if not sign_ins.end_half(tx, half_token):
                raise Over
            token = sign_ins.start(tx, person, address, browser)
            guessing.forgive(tx, where)
            tx.record(person.email, "login:succeeded", f"person:{person.id}", address=address, factor=how)
            return token
    raise refusal


def prove_again(books: Books, token: str, person_id: str, proof: Proof, address: str) -> str:
    """Before something that matters: answers with the sign-in's new token. Raises NotProved, Over, TooManyAttempts.

    Whoever has no second factor proves it with the password.
    """
    with books.read() as session:
        known = session.get_one(Person, person_id)
    is_password = (
        bool(proof.password) and not books.config.oidc_only and passwords.fits(proof.password, known.password_hash)
    )
    refusal: NotProved
    with books.write() as tx:
        person = rights.hold(tx, person_id)
        # Whoever tries codes elsewhere must not keep out a sign-in that is open.
        where = guessing.by_proof("sign-in", sign_ins.name_of_token(token))
        limits = _limits(proof, where, address)
        _check_limits(tx, books, limits)
        try:
            if factors.has_any(tx, person_id):
                how = _prove(tx, books, person, proof, bound_to=token)
            else:
                how = _prove_by_password(is_right=is_password and person.password_hash == known.password_hash)
        except NotProved as problem:
            _count_failure(tx, person, problem, limits, actor=person.email, address=address)
            refusal = problem
        else:
            renewed = sign_ins.renew(tx, token, books.config.idle, is_proved=True)
            if renewed is None:
                raise Over
            guessing.forgive(tx, where)
            tx.record(person.email, "factor:proved", f"person:{person.id}", factor=how, address=address)
            return renewed
    raise refusal


def _limits(proof: Proof, where: Limit, address: str) -> list[Limit]:
    """Nobody guesses a passkey's answer or a recovery code: whoever tries codes must not keep out who has one."""
    # Where there is no factor the answer counts for nothing, and the password beside it does.
    if proof.answer and not proof.password:
        return []
    by_address = guessing.by_address("proof", address)
    return [where, by_address] if proof.password or _is_of_app(factors.plain(proof.code)) else [by_address]


def _is_of_app(code: str) -> bool:
    return code.isascii() and code.isdecimal() and len(code) == APP_DIGITS


def _check_limits(tx: WriteSession, books: Books, limits: Sequence[Limit]) -> None:
    for limit in limits:
        guessing.turn_away_if_full(tx, books, limit)


def _half_signed_in(tx: WriteSession, half_token: str) -> Person:
    found = sign_ins.whose_half(tx, half_token, tx.clock.now())
    if found is None:
        raise Over
    person = rights.hold(tx, found.id)
    if person.disabled_at is not None:
        raise Over
    return person


def _prove(tx: WriteSession, books: Books, person: Person, proof: Proof, *, bound_to: str) -> str:
    """What proved it."""
    if proof.answer:
        _prove_by_passkey(tx, books, person, proof, bound_to)
        return PASSKEY
    code = factors.plain(proof.code)
    if _is_of_app(code):
        _prove_by_app(tx, books, person, code)
        return APP
    if not recovery_codes.use(tx, person.id, code):
        raise NotProved("wrong_code")
    left = recovery_codes.left(tx, [person.id]).get(person.id, 0)
    tx.record(person.email, "factor:code_used", f"person:{person.id}", left=left)
    return RECOVERY_CODE


def _prove_by_app(tx: WriteSession, books: Books, person: Person, code: str) -> None:
    app = factors.of(tx, person.id).app
    try:
        why = factors.use_code(tx, books, app, code) if app else "wrong_code"
    except sealing.CannotUnseal as problem:
        raise NotProved("key_changed") from problem
    if why is not None:
        raise NotProved(why)


def _prove_by_passkey(tx: WriteSession, books: Books, person: Person, proof: Proof, bound_to: str) -> None:
    try:
        factors.use_passkey(tx, books, person.id, bound_to, proof.challenge, proof.answer)
    except passkeys.TooLate as problem:
        raise NotProved("too_late") from problem
    except passkeys.CopiedKey as problem:
        raise NotProved("copied_key") from problem
    except passkeys.BadPasskey as problem:
        raise NotProved("bad_passkey") from problem


def _prove_by_password(*, is_right: bool) -> str:
    if not is_right:
        raise NotProved("wrong_password")
    return PASSWORD


def _count_failure(
    tx: WriteSession, person: Person, problem: NotProved, limits: Sequence[Limit], *, actor: str, address: str
) -> None:
    if problem.why not in _NO_GUESSES:
        for limit in limits:
            guessing.count(tx, limit)
    tx.record(actor, "factor:failed", f"person:{person.id}", why=problem.why, address=address)
