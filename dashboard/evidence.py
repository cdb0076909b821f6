"""All that the desk knows of one refund, as one archive that can be checked without the desk.

Of what the bank has sent it holds only what may be shown: documented fields, card numbers masked. Where a webhook's
body has more than that, the archive has the reduced form and the digest of the raw bytes, and says so.
"""

import hashlib
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import IO, Any
from zipfile import ZIP_DEFLATED, BadZipFile, ZipFile, ZipInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from dashboard import journal, journal_file, refund_rules
from dashboard.bank131.allowlist import allowlisted, masked
from dashboard.bank131.objects import UnreadableObject, read_json
from dashboard.desk import Desk, journal_key
from dashboard.journal import canonical, is_same, keyed_hash, timestamp
from dashboard.journal_file import FileVerdict
from dashboard.models import (
    Anomaly,
    Approval,
    Attempt,
    JournalEntry,
    Payment,
    PaymentSession,
    Person,
    Refund,
    Resolution,
    WebhookDelivery,
)

FORMAT = "refund-desk-evidence/1"
MANIFEST = "manifest.json"
JOURNAL = "journal.jsonl"
LARGEST_MANIFEST = 4 * 1024 * 1024

Json = dict[str, Any]


@dataclass(frozen=True)
class File:
    """One file of the archive, and what it is, in a sentence for whoever reads the manifest."""

    content: bytes
    what: str


@dataclass(frozen=True)
class Facts:
    """What was known of a refund at one moment, with the journal's head (seq, hash) of that moment."""

    reference: str
    files: Mapping[str, File]
    entries: Sequence[JournalEntry]
    head: tuple[int, str]


# Collecting


def facts_of(session: Session, reference: str) -> Facts:
    """Everything of one refund; give it a transaction that sees one moment. Raises LookupError."""
    refund = session.scalars(select(Refund).where(Refund.reference == reference)).one_or_none()
    if refund is None:
        raise LookupError(reference)
    deliveries = _deliveries(session, refund.session_id)
    subjects = [f"refund:{reference}", f"session:{refund.session_id}"]
    subjects += [f"webhook:{delivery.digest}" for delivery in deliveries]
    query = select(JournalEntry).where(JournalEntry.subject.in_(subjects)).order_by(JournalEntry.seq)
    entries = session.scalars(query).all()
    files = {
        **_about_refund(session, refund),
        **_about_webhooks(deliveries),
        "statuses.json": _json_file(_statuses(entries, reference), "The refund's states over time, by the journal."),
    }
    return Facts(reference, files, entries, journal.last_entry(session))


def _deliveries(session: Session, session_id: str) -> Sequence[WebhookDelivery]:
    query = select(WebhookDelivery).where(WebhookDelivery.session_id == session_id)
    return session.scalars(query.order_by(WebhookDelivery.first_seen_at, WebhookDelivery.id)).all()


def _about_refund(session: Session, refund: Refund) -> dict[str, File]:
    people: dict[str | None, str] = {row.id: row.email for row in session.execute(select(Person.id, Person.email))}
    files = {
        "refund.json": _json_file(_refund(session, refund, people), "The refund: who asked, for what, and its state."),
        "decisions.json": _json_file(_decisions(session, refund, people), "What people proposed, decided and said."),
        "attempts.json": _json_file(_attempts(session, refund), "Each attempt to send it, and what came back."),
        "session.json": _json_file(_session(session, refund), "Its payment session, as the bank showed it last."),
    }
    if refund.body is not None:
        files["request.json"] = File(refund.body, "The exact bytes that are signed and sent to the bank.")
    return files


_OF_REFUND = (
    "reference session_id origin state review counts contradicted amount_minor currency in_full bank_id bank_status "
    "bank_amount_minor bank_currency bank_finished_at payment_id rrn asked_at reason comment bank_url project "
    "undo_until sent_at absence_1_at absence_2_at ended_at"
)
_OF_ATTEMPT = (
    "number is_resend started_at lease_until baseline outcome answered_at http_status answer_digest error_code "
    "error_description"
)
_OF_RESOLUTION = "id choice bank_id strangers candidate state proposed_at propose_comment decided_at decide_comment"
_OF_APPROVAL = "session_id amount_minor currency decision decided_at comment"
_OF_PAYMENT = (
    "id status confirmed amount_minor currency created_at finished_at customer_reference method card_brand card_last4 "
    "rrn arn auth_code"
)
_OF_DELIVERY = "digest first_seen_at last_seen_at times_seen type applied_at failures problem"


def _columns(row: object, names: str) -> Json:
    return {name: _plain(getattr(row, name)) for name in names.split()}


def _plain(value: object) -> object:
    return timestamp(value) if isinstance(value, datetime) else value


def _refund(session: Session, refund: Refund, people: Mapping[str | None, str]) -> Json:
    replaced = session.get(Refund, refund.replaces_id) if refund.replaces_id else None
    replacing = session.scalars(select(Refund.reference).where(Refund.replaces_id == refund.id)).all()
    return {
        **_columns(refund, _OF_REFUND),
        "asked_by": people.get(refund.asked_by_id),
        "request_sha256": None if refund.body is None else _digest(refund.body),
        "replaces": None if replaced is None else replaced.reference,
        "replaced_by": sorted(replacing),
    }


def _decisions(session: Session, refund: Refund, people: Mapping[str | None, str]) -> Json:
    resolutions = session.scalars(
        select(Resolution).where(Resolution.refund_id == refund.id).order_by(Resolution.proposed_at, Resolution.id)
    )
    facts = session.scalars(
        select(Anomaly)
        .where(Anomaly.session_id == refund.session_id, Anomaly.refund_id.in_([refund.id, 0]))
        .order_by(Anomaly.id)
    )
    approval = session.get(Approval, refund.id)
    return {
        "approval": None
        if approval is None
        else {
            **_columns(approval, _OF_APPROVAL),
            "asked_by": people.get(approval.asked_by_id),
            "decided_by": people.get(approval.decided_by_id),
        },
        "resolutions": [
            {
                **_columns(one, _OF_RESOLUTION),
                "proposed_by": people.get(one.proposed_by_id),
                "decided_by": people.get(one.decided_by_id),
            }
            for one in resolutions
        ],
        "facts_that_do_not_fit": [
            {
                **_columns(one, "kind detail found_at acknowledged_at comment over_at"),
                "of": "refund" if one.refund_id else "session",
                "acknowledged_by": people.get(one.acknowledged_by_id),
            }
            for one in facts
        ],
    }


def _attempts(session: Session, refund: Refund) -> list[Json]:
    query = select(Attempt).where(Attempt.refund_id == refund.id).order_by(Attempt.number)
    return [
        {**_columns(attempt, _OF_ATTEMPT), "error_description": masked(attempt.error_description)}
        for attempt in session.scalars(query)
    ]


def _session(session: Session, refund: Refund) -> Json:
    found = session.get_one(PaymentSession, refund.session_id)
    query = select(Payment).where(Payment.session_id == found.id).order_by(Payment.id)
    return {
        **_columns(found, "id status currency captured_minor committed_minor shown_at read_at"),
        "payments": [_columns(payment, _OF_PAYMENT) for payment in session.scalars(query)],
        "as_the_bank_showed_it": json.loads(found.fields),
    }


def _statuses(entries: Sequence[JournalEntry], reference: str) -> list[Json]:
    return list(_told_states(entry for entry in entries if entry.subject == f"refund:{reference}"))


def _told_states(entries: Iterator[JournalEntry]) -> Iterator[Json]:
    for entry in entries:
        data = json.loads(entry.data)
        state = entry.action.removeprefix("refund:")
        now = state if state in refund_rules.STATES else data.get("state")
        if now is not None and entry.action.startswith("refund:"):
            yield {"at": entry.at, "state": now, "was": data.get("was"), "by": entry.actor, "entry": entry.seq}


# Webhooks


def _about_webhooks(deliveries: Sequence[WebhookDelivery]) -> dict[str, File]:
    bodies = [(delivery, *_shown_body(delivery)) for delivery in deliveries]
    listed = [{**_columns(delivery, _OF_DELIVERY), "body": how} for delivery, how, _file in bodies]
    files = {f"webhooks/{delivery.digest}.json": file for delivery, _how, file in bodies if file is not None}
    return {
        "webhooks.json": _json_file(listed, "The webhooks of its session, with the digests of their bodies."),
        **files,
    }


RAW = "raw: the very bytes, whose SHA-256 is the digest"
MASKED = "masked: the body without the card numbers that stood in it; the digest is that of what came"
REDUCED = "reduced: the raw body has more than may be shown, so here are its documented fields, card numbers masked"
NOT_KEPT = "not kept: the time for which raw bodies are kept is over; the digest stays"
UNREADABLE = "not shown: it cannot be read, so nothing can be said of what is in it"


def _shown_body(delivery: WebhookDelivery) -> tuple[str, File | None]:
    """What of a body may be shown, in words, and the file."""
    if delivery.body is None:
        return NOT_KEPT, None
    try:
        whole = read_json(delivery.body)
    except UnreadableObject:
        return UNREADABLE, None
    shown = allowlisted(whole)
    if canonical(shown) != canonical(whole):
        return REDUCED, _json_file(shown, f"The body of a webhook, {REDUCED}.")
    how = RAW if _digest(delivery.body) == delivery.digest else MASKED
    return how, File(delivery.body, f"The body of a webhook, {how}.")


# The archive


def archive(desk: Desk, actor: str, facts: Facts, summary: str) -> bytes:
    """The archive's bytes; that somebody takes it is put on record first, with the digest of its manifest.

    `summary`: the refund's story in words, for people.
    """
    key, made_at = journal_key(desk.config), desk.clock.now()
    origin: Json = {"project": desk.bank.project, "made_at": timestamp(made_at), "made_by": actor}
    about = {**origin, "filters": {"subject": f"refund:{facts.reference}, with its session and its webhooks"}}
    lines = b"".join(journal_file.lines(key, about, facts.entries, facts.head))
    files = {
        "summary.txt": File(summary.encode("utf-8", "replace"), "What happened, in words."),
        JOURNAL: File(lines, "The journal's entries about the refund, its session and its webhooks, and the head."),
        **facts.files,
    }
    manifest = _manifest(key, {"format": FORMAT, "reference": facts.reference, **origin, "head": _head(facts)}, files)
    with desk.write() as tx:
        rows, digest = len(facts.entries), _digest(manifest)
        about_it = {"rows": rows, "up_to": facts.head[0], "manifest_digest": digest}
        tx.record(actor, "export:made", f"refund:{facts.reference}", kind="evidence", **about_it)
    return _zipped({MANIFEST: manifest, **{name: file.content for name, file in files.items()}}, made_at)


def _head(facts: Facts) -> str:
    return f"{facts.head[0]}:{facts.head[1]}"


def _manifest(key: str, about: Json, files: Mapping[str, File]) -> bytes:
    listed = {
        name: {"sha256": _digest(file.content), "bytes": len(file.content), "what": file.what}
        for name, file in files.items()
    }
    manifest = {**about, "files": listed}
    return _json_bytes({**manifest, "seal": _seal(key, manifest)})


def _seal(key: str, manifest: Json) -> str:
    return keyed_hash(key, canonical(["evidence", manifest]))


def _zipped(files: Mapping[str, bytes], made_at: datetime) -> bytes:
    out = BytesIO()
    with ZipFile(out, "w", ZIP_DEFLATED) as packed:
        for name, content in files.items():
            info = ZipInfo(name, made_at.timetuple()[:6])
            info.external_attr = 0o644 << 16
            packed.writestr(info, content, ZIP_DEFLATED)
    return out.getvalue()


def _json_file(value: object, what: str) -> File:
    return File(_json_bytes(value), what)


def _json_bytes(value: object) -> bytes:
    return f"{json.dumps(value, indent=2, sort_keys=True, ensure_ascii=True, allow_nan=False)}\n".encode("ascii")


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


# Checking it, without the desk


class Spoilt(Exception):
    """The archive is not as the desk made it; str() says what is wrong."""


@dataclass(frozen=True)
class Checked:
    """A good archive: whose evidence it is, how many files it has, and what its part of the journal proves."""

    reference: str
    files: int
    journal: FileVerdict


def verify(path: Path, key: str, expect: tuple[int, str] | None = None) -> Checked:
    """Check an archive: its manifest's seal, each file's digest, its part of the journal. Raises Spoilt."""
    try:
        with ZipFile(path) as packed:
            manifest = _read_manifest(packed, key)
            _check_files(packed, manifest["files"])
            with packed.open(JOURNAL) as lines:
                found = journal_file.verify(lines, key, expect)
    except (BadZipFile, KeyError, NotImplementedError, RuntimeError, EOFError, OSError, zlib.error) as problem:
        raise Spoilt(f"it cannot be read: {problem}") from None
    if found.problem is not None:
        raise Spoilt(f"{JOURNAL}, {found.problem}")
    return Checked(str(manifest["reference"]), len(manifest["files"]), found)


def _read_manifest(packed: ZipFile, key: str) -> Json:
    with packed.open(MANIFEST) as file:
        content = file.read(LARGEST_MANIFEST)
    try:
        manifest = json.loads(content)
        seal = str(manifest.pop("seal"))
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError):
        raise Spoilt(f"{MANIFEST} is none that the desk has made") from None
    if not is_same(seal, _seal(key, manifest)):
        raise Spoilt(f"{MANIFEST} was changed, or the journal key is another one")
    return dict(manifest)


def _check_files(packed: ZipFile, listed: Mapping[str, Json]) -> None:
    names = [info.filename for info in packed.infolist()]
    if sorted(names) != sorted([MANIFEST, *listed]):
        differ = sorted(set(names) ^ {MANIFEST, *listed})
        raise Spoilt(f"it has not the files that it was made with: {', '.join(differ) or 'one stands there twice'}")
    for name, expected in listed.items():
        with packed.open(name) as file:
            if _digest_of(file, expected["bytes"]) != expected["sha256"]:
                raise Spoilt(f"{name} was changed")


def _digest_of(file: IO[bytes], size: int) -> str:
    """The digest of a file of that size; of one that is longer, never mind how much, another one."""
    digest, left = hashlib.sha256(), size + 1
    while left > 0 and (piece := file.read(min(left, 1 << 20))):
        digest.update(piece)
        left -= len(piece)
    return digest.hexdigest()
