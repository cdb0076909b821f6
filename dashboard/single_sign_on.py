"""Signing in through an OpenID provider: whose account it is, and what role the provider's groups give."""

import json
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from dashboard import factors, people, rights, roles, sealing, sign_ins, signing_in
from dashboard.desk import Books
from dashboard.journal import WriteSession
from dashboard.models import FederatedIdentity, KeptForm, Person
from dashboard.openid import LONGEST_VISIT, Identity
from dashboard.proving import NotProved, Over
from dashboard.signing import token_digest

ACTOR = "oidc"
# A kind of proof, beside those of `proving`.
PROVIDER = "provider"
# The provider's clock may be behind.
PROVED_EARLIER = timedelta(seconds=30)


class NotLetIn(Exception):
    """The provider knows them, and this desk does not let them in.

    `why`: `no_role`, `unverified`, `disabled`, `other_identity`, `bad_address` or `last_admin`.
    """

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


def sign_in(books: Books, identity: Identity, address: str, browser: str = "") -> str:
    """Answers with the token of a new sign-in; the account is made, and given its role, on the way.

    Raises NotLetIn, signing_in.FactorNeeded.
    """
    try:
        role = role_of(identity, books.config.oidc_roles)
        person = _account(books, identity, role)
        _give_role(books, person, role)
    except NotLetIn as problem:
        _record_refusal(books, identity, problem, address)
        raise
    with books.write() as tx:
        person = people.locked(tx, person.email)
        # Looked at once more, now that nobody can change it.
        known = tx.get(FederatedIdentity, (identity.issuer, identity.subject))
        if person.disabled_at is not None or person.role != role or known is None:
            raise NotLetIn("disabled")
        if factors.has_any(tx, person.id):
            half_token = signing_in.start_half(tx, person, address)
        else:
            half_token = None
            token = sign_ins.start(tx, person, address, browser)
            tx.record(person.email, "login:succeeded", f"person:{person.id}", address=address, by=ACTOR)
    if half_token is not None:
        raise signing_in.FactorNeeded(half_token)
    return token


def role_of(identity: Identity, mapping: Mapping[str, str]) -> str:
    """The highest role that a group of theirs has here. Raises NotLetIn."""
    held = {mapping[group] for group in identity.groups if group in mapping}
    if not held:
        raise NotLetIn("no_role")
    return max(held, key=roles.ROLES.index)


def is_bound(session: Session, issuer: str, person_id: str) -> bool:
    """Whether this account belongs to somebody at the provider."""
    theirs = (FederatedIdentity.issuer == issuer, FederatedIdentity.person_id == person_id)
    return session.scalar(select(FederatedIdentity.subject).where(*theirs)) is not None


def bound(session: Session, issuer: str) -> set[str]:
    """The ids of all accounts that belong to somebody at the provider."""
    return set(session.scalars(select(FederatedIdentity.person_id).where(FederatedIdentity.issuer == issuer)))


def _account(books: Books, identity: Identity, role: str) -> Person:
    """See `_account_or_collision`; of two first sign-ins at once, the later one finds what the other has made."""
    try:
        return _account_or_collision(books, identity, role)
    except IntegrityError:
        return _account_or_collision(books, identity, role)


def _account_or_collision(books: Books, identity: Identity, role: str) -> Person:
    """The account bound to them, whatever their address is now; else the one of that address, or a new one.

    Raises NotLetIn.
    """
    with books.write() as tx:
        known = tx.get(FederatedIdentity, (identity.issuer, identity.subject))
        person = tx.get_one(Person, known.person_id) if known else _bind(books, tx, identity, role)
        if person.disabled_at is not None:
            raise NotLetIn("disabled")
        return person


def _bind(books: Books, tx: WriteSession, identity: Identity, role: str) -> Person:
    if not identity.email:
        raise NotLetIn("unverified")
    try:
        person = people.locked(tx, identity.email)
    except people.BadAccount:
        person = _made(books, tx, identity, role)
    if person.disabled_at is not None:
        raise NotLetIn("disabled")
    if is_bound(tx, identity.issuer, person.id):
        raise NotLetIn("other_identity")
    now = tx.clock.now()
    tx.add(FederatedIdentity(issuer=identity.issuer, subject=identity.subject, person_id=person.id, bound_at=now))
    tx.flush()
    told = {"issuer": identity.issuer, "identity": identity.subject}
    tx.record(ACTOR, "person:identity_bound", f"person:{person.id}", email=person.email, **told)
    return person


def _made(books: Books, tx: WriteSession, identity: Identity, role: str) -> Person:
    try:
        person = people.make(tx, books.new_id(), identity.email, role, password_hash="")
    except people.BadAccount as problem:
        raise NotLetIn("bad_address") from problem
    tx.flush()
    tx.record(ACTOR, "person:added", f"person:{person.id}", email=person.email, role=role)
    return person


def _give_role(books: Books, person: Person, role: str) -> None:
    try:
        people.change_role(books, person.email, role, actor=ACTOR)
    except people.LastAdmin as problem:
        raise NotLetIn("last_admin") from problem


def _record_refusal(books: Books, identity: Identity, problem: NotLetIn, address: str) -> None:
    with books.write() as tx:
        known = tx.get(FederatedIdentity, (identity.issuer, identity.subject))
        subject = f"person:{known.person_id}" if known else "person:unknown"
        told = {"email": identity.email[:254], "identity": identity.subject, "why": problem.why, "by": ACTOR}
        tx.record("nobody", "login:failed", subject, address=address, **told)


# Who is there, proved once more


def prove_again(books: Books, token: str, person: Person, identity: Identity, begun_at: datetime, address: str) -> str:
    """Before something that matters: answers with the sign-in's new token. Raises NotProved, Over.

    `begun_at`: when they were sent to the provider. What they proved there before counts for nothing.
    """
    with books.write() as tx:
        if rights.hold(tx, person.id).disabled_at is not None:
            raise Over
        refusal = _why_not_proved(tx, person, identity, begun_at)
        if refusal is None:
            renewed = sign_ins.renew(tx, token, books.config.idle, is_proved=True)
            if renewed is None:
                raise Over
            tx.record(person.email, "factor:proved", f"person:{person.id}", factor=PROVIDER, address=address)
            return renewed
        tx.record(person.email, "factor:failed", f"person:{person.id}", why=refusal, address=address)
    raise NotProved(refusal)


def _why_not_proved(session: Session, person: Person, identity: Identity, begun_at: datetime) -> str | None:
    known = session.get(FederatedIdentity, (identity.issuer, identity.subject))
    if factors.has_any(session, person.id):
        return "use_factor"
    if known is None or known.person_id != person.id:
        return "somebody_else"
    if identity.proved_at is None or identity.proved_at < begun_at - PROVED_EARLIER:
        return "not_now"
    return None


def keep_form(books: Books, person: Person, address: str, fields: Sequence[tuple[str, str]]) -> str:
    """Keep what somebody has sent while they are at the provider; answers with the token that gives it back, once."""
    token, now = secrets.token_urlsafe(32), books.clock.now()
    text = json.dumps([address, list(fields)])
    sealed = sealing.seal(text, books.config.secret_keys, kept_for(person.id))
    with books.write() as tx:
        tx.execute(delete(KeptForm).where(KeptForm.kept_at <= now - LONGEST_VISIT))
        tx.add(KeptForm(token_digest=token_digest(token), person_id=person.id, fields=sealed, kept_at=now))
    return token


def take_form(books: Books, person: Person, token: str) -> tuple[str, list[tuple[str, str]]] | None:
    """The address and the fields that this person had sent; None: they are not kept any more."""
    with books.write() as tx:
        kept = tx.get(KeptForm, token_digest(token))
        if kept is None or kept.person_id != person.id:
            return None
        tx.delete(kept)
    try:
        address, fields = json.loads(sealing.unseal(kept.fields, books.config.secret_keys, kept_for(person.id)))
    except sealing.CannotUnseal:
        return None
    return address, [(name, value) for name, value in fields]


def kept_for(person_id: str) -> str:
    """For what a form of this person is sealed."""
    return f"kept form:{person_id}"


# What the command line does


def unbind(books: Books, email: str, *, actor: str) -> bool:
    """Let whoever has this address at the provider be bound to the account anew. Raises BadAccount."""
    with books.write() as tx:
        person = people.locked(tx, email)
        theirs = tx.scalars(select(FederatedIdentity).where(FederatedIdentity.person_id == person.id)).all()
        for one in theirs:
            tx.delete(one)
        if theirs:
            sign_ins.end_all(tx, person, books.config.idle)
            tx.record(actor, "person:identity_unbound", f"person:{person.id}", email=person.email)
    return bool(theirs)
