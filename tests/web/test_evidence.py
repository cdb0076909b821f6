"""The evidence of a refund: all that is known of it, nothing that may not be shown, and proof that holds offline."""

import hashlib
import json
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

import pytest
from sqlalchemy import text

from dashboard import approvals, evidence, limits
from dashboard.desk import journal_key
from dashboard.evidence import Spoilt
from dashboard.journal import GENESIS
from dashboard.limit_rules import Limit
from tests.bench import reviews
from tests.bench.command_line import run
from tests.bench.databases import on_sqlite
from tests.bench.refund_desk import RefundDesk
from tests.bench.wire import REFUND, error
from tests.conftest import JOURNAL_KEY
from tests.web.browser import Browser

CARD = "4242424242424242"
Files = dict[str, bytes]


def take(browser: Browser, reference: str) -> Files:
    page = browser.page(f"/refunds/{reference}")
    address = f"/refunds/{reference}/evidence.zip"
    answer = browser.post(address, page.form(address).fields)
    assert (answer.status, answer.response.headers["Content-Type"]) == (200, "application/zip")
    with ZipFile(BytesIO(answer.response.data)) as packed:
        assert packed.testzip() is None
        return {name: packed.read(name) for name in packed.namelist()}


def read(files: Files, name: str) -> object:
    return json.loads(files[name])


def kept(files: Files, folder: Path) -> Path:
    """The files as an archive again."""
    file = folder / "evidence.zip"
    with ZipFile(file, "w", ZIP_DEFLATED) as packed:
        for name, content in files.items():
            packed.writestr(name, content)
    return file


@pytest.fixture
def reference(refund_desk: RefundDesk) -> str:
    """A refund that was asked for, sent, and told of by a webhook."""
    session_id = refund_desk.paid_session(100_00)
    reference = refund_desk.ask_and_send(session_id, 10_50)
    refund_desk.deliver(refund_desk.wire.webhook_now(session_id))
    refund_desk.run_for(minutes=5)
    return reference


# What is in it


def test_it_has_all_that_is_known(operator: Browser, refund_desk: RefundDesk, reference: str) -> None:
    files = take(operator, reference)
    refund, row = read(files, "refund.json"), refund_desk.refund(reference)
    assert isinstance(refund, dict)
    assert (refund["reference"], refund["amount_minor"], refund["state"]) == (reference, 10_50, row.state)
    assert (refund["asked_by"], refund["reason"]) == ("operator@desk.test", "customer_request")
    assert files["request.json"] == row.body
    assert refund["request_sha256"] == hashlib.sha256(files["request.json"]).hexdigest()
    [attempt] = refund_desk.attempts(reference)
    [told] = json.loads(files["attempts.json"])
    assert (told["outcome"], told["http_status"], told["answer_digest"]) == ("answered", 200, attempt.answer_digest)
    states = [(one["state"], one["was"]) for one in json.loads(files["statuses.json"])]
    assert states[:3] == [("queued", None), ("sending", "queued"), ("in_progress", "sending")]
    assert "form_token" not in refund


def test_the_journal_s_entries_are_those_of_the_refund_and_its_session(
    operator: Browser, refund_desk: RefundDesk, reference: str
) -> None:
    row = refund_desk.refund(reference)
    other = refund_desk.ask(refund_desk.paid_session(50_00), 1_00)
    files = take(operator, reference)
    entries = [json.loads(line) for line in files["journal.jsonl"].splitlines()[1:-1]]
    expected = [
        entry
        for entry in refund_desk.journal()
        if entry.subject in {f"refund:{reference}", f"session:{row.session_id}"}
    ]
    told = expected.pop()
    assert (told.action, told.actor) == ("export:made", "operator@desk.test")
    assert [entry["hash"] for entry in entries if not entry["subject"].startswith("webhook:")] == [
        entry.hash for entry in expected
    ]
    assert other not in files["journal.jsonl"].decode()
    assert json.loads(told.data)["rows"] == len(entries)
    assert json.loads(told.data)["manifest_digest"] == hashlib.sha256(files["manifest.json"]).hexdigest()


def test_what_people_decided_and_said_is_in_it(operator: Browser, refund_desk: RefundDesk) -> None:
    refund = reviews.not_found(refund_desk)
    reviews.propose(refund_desk, refund, reviews.NEVER_MADE)
    files = take(operator, refund.reference)
    decisions = read(files, "decisions.json")
    assert isinstance(decisions, dict)
    [resolution] = decisions["resolutions"]
    assert (resolution["choice"], resolution["proposed_by"]) == ("never_made", "first@desk.test")
    assert (resolution["propose_comment"], resolution["decided_by"]) == (reviews.WHY, None)


def test_who_approved_is_in_it(operator: Browser, refund_desk: RefundDesk) -> None:
    limits.put(refund_desk.desk, "rub", Limit(0), actor="admin@desk.test")
    reference = refund_desk.ask(refund_desk.paid_session(100_00), 10_50)
    approvals.approve(refund_desk.desk, refund_desk.person("approver"), reference, "seen")
    files = take(operator, reference)
    decisions = read(files, "decisions.json")
    assert isinstance(decisions, dict)
    approval = decisions["approval"]
    assert (approval["asked_by"], approval["decided_by"]) == ("operator@desk.test", "approver@desk.test")
    assert (approval["decision"], approval["amount_minor"], approval["comment"]) == ("approved", 10_50, "seen")
    assert "approver@desk.test approved it\n" in files["summary.txt"].decode()


@on_sqlite
def test_the_summary_tells_it_in_words(operator: Browser, reference: str) -> None:
    summary = take(operator, reference)["summary.txt"].decode()
    assert f"Evidence of refund {reference}\n" in summary
    assert "Amount: 10.50\u00a0RUB\n" in summary
    assert "Status: Accepted\n" in summary
    assert "By: operator@desk.test\n" in summary
    lines = [line.strip() for line in summary.splitlines() if " UTC  " in line]
    assert lines[0].startswith("2026-03-01 09:00:00 UTC  ")
    moments = [line[:19] for line in lines]
    assert moments == sorted(moments)
    assert moments[0] < moments[-1]
    assert "http" not in summary


def test_one_made_elsewhere_has_no_request(operator: Browser, refund_desk: RefundDesk) -> None:
    _ours, elsewhere = reviews.with_stranger(refund_desk)
    files = take(operator, elsewhere.reference)
    assert "request.json" not in files
    assert json.loads(files["refund.json"])["asked_by"] is None
    assert "By: Not asked for here" in files["summary.txt"].decode()


# What may not be shown is not


def listed(files: Files) -> list[dict[str, str]]:
    found: list[dict[str, str]] = json.loads(files["webhooks.json"])
    return found


def deliver(refund_desk: RefundDesk, reference: str, body: bytes) -> str:
    with refund_desk.desk.write() as tx:
        tx.execute(text("DELETE FROM webhook_deliveries"))
    refund_desk.deliver(body)
    with refund_desk.desk.write() as tx:
        tx.execute(
            text("UPDATE webhook_deliveries SET session_id = :session"),
            {"session": refund_desk.refund(reference).session_id},
        )
    return hashlib.sha256(body).hexdigest()


@pytest.mark.parametrize(
    ("more", "how"),
    [
        ({}, evidence.RAW),
        ({"payout_list": [{"holder": "Anna"}]}, evidence.REDUCED),
        ({"acquiring_payments": [{"metadata": {"note": f"paid with {CARD}"}}]}, evidence.MASKED),
        (
            {"acquiring_payments": [{"customer": {"reference": "c", "contacts": [{"email": "x@y.test"}]}}]},
            evidence.REDUCED,
        ),
    ],
)
def test_a_webhook_is_shown_as_it_came_only_if_nothing_else_is_in_it(
    operator: Browser, refund_desk: RefundDesk, reference: str, more: dict[str, object], how: str
) -> None:
    session_id = refund_desk.refund(reference).session_id
    body = json.dumps(
        {"type": "payment_refunded", "session": {"id": session_id, "status": "accepted", **more}}
    ).encode()
    digest = deliver(refund_desk, reference, body)
    files = take(operator, reference)
    [told] = listed(files)
    assert (told["digest"], told["body"]) == (digest, how)
    shown = files[f"webhooks/{digest}.json"]
    assert (shown == body) is (how == evidence.RAW)
    manifest = json.loads(files["manifest.json"])
    assert how.partition(":")[0] in manifest["files"][f"webhooks/{digest}.json"]["what"]
    everything = b"".join(files.values()).decode()
    assert CARD not in everything
    assert "x@y.test" not in everything
    assert "Anna" not in everything


@on_sqlite
@pytest.mark.parametrize(
    ("body", "said"), [(None, evidence.NOT_KEPT), (b"not JSON 4242424242424242", evidence.UNREADABLE)]
)
def test_of_a_webhook_without_a_body_that_can_be_shown_there_is_the_digest(
    operator: Browser, refund_desk: RefundDesk, reference: str, body: bytes | None, said: str
) -> None:
    digest = deliver(refund_desk, reference, b"not JSON 4242424242424242")
    with refund_desk.desk.write() as tx:
        tx.execute(text("UPDATE webhook_deliveries SET body = :body"), {"body": body})
    files = take(operator, reference)
    assert [(one["digest"], one["body"]) for one in listed(files)] == [(digest, said)]
    assert [name for name in files if name.startswith("webhooks/")] == []
    assert CARD not in b"".join(files.values()).decode()


@on_sqlite
def test_what_the_bank_said_of_an_error_shows_no_card_number(operator: Browser, refund_desk: RefundDesk) -> None:
    refund_desk.wire.next(REFUND, error("too_much", description=f"card {CARD}"))
    reference = refund_desk.ask_and_send(refund_desk.paid_session(100_00), 10_00)
    files = take(operator, reference)
    assert json.loads(files["attempts.json"])[0]["error_description"].startswith("card ")
    assert CARD not in files["attempts.json"].decode()
    assert CARD not in files["journal.jsonl"].decode()


# Who may


@on_sqlite
def test_who_took_it_stands_on_the_refund_s_page(viewer: Browser, reference: str) -> None:
    take(viewer, reference)
    assert "viewer@desk.test took the evidence along" in viewer.page(f"/refunds/{reference}").timeline


@on_sqlite
def test_it_is_not_taken_by_a_link(operator: Browser, refund_desk: RefundDesk, reference: str) -> None:
    address = f"/refunds/{reference}/evidence.zip"
    assert operator.get(address).status == 405
    assert operator.post(address, csrf=False).status == 400
    assert operator.post("/refunds/no-such/evidence.zip").status == 404
    assert "export:made" not in {entry.action for entry in refund_desk.journal()}


@on_sqlite
def test_nobody_else_names_the_file(operator: Browser, refund_desk: RefundDesk, reference: str) -> None:
    address, day = f"/refunds/{reference}/evidence.zip", f"{refund_desk.clock.now():%Y-%m-%d}"
    wished = {"filename": "evil.html", "name": "evil.html"}
    answer = operator.post(address, wished, query_string=wished)
    assert answer.response.headers["Content-Disposition"] == f'attachment; filename="{day}-refund-{reference}.zip"'
    for forged in ('x";evil.html', "x%0d%0aSet-Cookie: a=b", "..%2f..%2fx"):
        answer = operator.post(f"/refunds/{forged}/evidence.zip")
        assert (answer.status, "Content-Disposition" in answer.response.headers) == (404, False)


# The proof


def test_it_is_checked_offline(
    operator: Browser, refund_desk: RefundDesk, reference: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refund_desk.ask(refund_desk.paid_session(50_00), 1_00)
    take(operator, reference)
    files = take(operator, reference)
    file = kept(files, tmp_path)
    monkeypatch.setenv("DASHBOARD_JOURNAL_KEY", JOURNAL_KEY)
    monkeypatch.delenv("DASHBOARD_DATABASE_URL", raising=False)
    result = run("journal", "verify", "--file", str(file))
    assert result.exit_code == 0
    assert result.output.splitlines()[0] == (
        f"The evidence of refund {reference} is as the desk made it: {len(files) - 1} files."
    )
    assert "each as it was written" in result.output
    head = json.loads(files["manifest.json"])["head"]
    assert run("journal", "verify", "--file", str(file), "--expect", head).exit_code == 0
    refused = run("journal", "verify", "--file", str(file), "--expect", f"1:{GENESIS}")
    assert (refused.exit_code, "the expected head is not in it" in refused.output) == (1, True)


Spoil = Callable[[Files], Files]


@on_sqlite
@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda files: {**files, "summary.txt": files["summary.txt"] + b"!"}, "summary.txt was changed"),
        (lambda files: {**files, "refund.json": files["refund.json"].replace(b"1050", b"9050")}, "refund.json was"),
        (lambda files: {**files, "extra.txt": b"x"}, "not the files that it was made with: extra.txt"),
        (lambda files: {name: one for name, one in files.items() if name != "attempts.json"}, "attempts.json"),
        (lambda files: {name: one for name, one in files.items() if name != "manifest.json"}, "it cannot be read"),
        (lambda files: {**files, "manifest.json": b"[]"}, "none that the desk has made"),
        (
            lambda files: {**files, "manifest.json": files["manifest.json"].replace(b"operator@", b"somebody@")},
            "manifest.json was changed",
        ),
    ],
)
def test_whatever_is_done_to_it_shows(
    operator: Browser, refund_desk: RefundDesk, reference: str, tmp_path: Path, spoil: Spoil, said: str
) -> None:
    files = take(operator, reference)
    key = journal_key(refund_desk.desk.config)
    assert evidence.verify(kept(files, tmp_path), key).reference == reference
    with pytest.raises(Spoilt, match=said):
        evidence.verify(kept(spoil(files), tmp_path), key)


@on_sqlite
def test_an_entry_that_was_changed_in_the_database_shows(
    operator: Browser, refund_desk: RefundDesk, reference: str, tmp_path: Path
) -> None:
    refund_desk.is_tampered = True
    with refund_desk.desk.write() as tx:
        tx.execute(text("DROP TRIGGER journal_no_update"))
        tx.execute(text("UPDATE journal SET actor = 'somebody' WHERE action = 'refund:requested'"))
    file = kept(take(operator, reference), tmp_path)
    with pytest.raises(Spoilt, match="was changed, or the journal key"):
        evidence.verify(file, journal_key(refund_desk.desk.config))


@on_sqlite
def test_half_an_archive_is_none(operator: Browser, reference: str, tmp_path: Path) -> None:
    file = kept(take(operator, reference), tmp_path)
    content = bytearray(file.read_bytes())
    content[200:260] = bytes(60)
    file.write_bytes(content)
    with pytest.raises(Spoilt):
        evidence.verify(file, JOURNAL_KEY)
