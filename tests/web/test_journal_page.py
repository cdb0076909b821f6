"""The journal as a page: everything that happened, newest first."""

import csv
import json
from datetime import UTC, datetime
from io import StringIO
from urllib.parse import urlencode

import pytest
from sqlalchemy import text

from dashboard import audit, guessing, journal_file
from dashboard.desk import journal_key
from tests.bench.databases import on_sqlite
from tests.bench.refund_desk import RefundDesk
from tests.bench.simulated import SimulatedClock
from tests.web.browser import Browser
from tests.web.conftest import Auth
from tests.web.page import Element


def cells(row: Element) -> dict[str, str]:
    names = ("seq", "when", "action", "by", "subject", "data")
    shown = {name: row.one("td", _class=row_class(row, f"col-{name}")).text for name in names}
    return {**shown, "action": row.one("span", _class="action-code mono").text, "words": shown["action"]}


def row_class(row: Element, name: str) -> str:
    return next(one["class"] for one in row.all("td") if name in one["class"].split())


def entries(page: Element) -> list[dict[str, str]]:
    return [cells(row) for row in page.one("main").one("tbody").all("tr")]


@on_sqlite
def test_it_shows_who_did_what_to_what_and_when(operator: Browser, refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    reference = refund_desk.ask(session_id, 10_50)
    page = operator.page("/journal/")
    newest = entries(page)[0]
    assert newest["seq"] == str(refund_desk.journal()[-1].seq)
    assert newest["when"] == "1 Mar 09:00:00"
    assert (newest["action"], newest["by"]) == ("refund:requested", "operator@desk.test")
    assert newest["subject"] == f"refund:{reference}"
    assert "amount_minor 1050" in newest["data"]
    assert refund_desk.journal()[-1].hash in newest["data"]
    assert page.one("a", href=f"/refunds/{reference}")
    assert page.all("a", href=f"/sessions/{session_id}")


def test_every_entry_is_there_as_it_was_written(operator: Browser, refund_desk: RefundDesk) -> None:
    refund_desk.ask_and_send(refund_desk.paid_session(100_00), 10_00)
    refund_desk.run_for(minutes=5)
    written = [(str(entry.seq), entry.action, entry.actor, entry.subject) for entry in refund_desk.journal()]
    shown = [(one["seq"], one["action"], one["by"], one["subject"]) for one in entries(operator.page("/journal/"))]
    assert shown == list(reversed(written))


def test_pages_hold_every_entry_once(
    operator: Browser, refund_desk: RefundDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "PAGE_SIZE", 4)
    refund_desk.ask_and_send(refund_desk.paid_session(100_00), 10_00)
    seen: list[int] = []
    path = "/journal/"
    while path:
        page = operator.page(path)
        seen += [int(entry["seq"]) for entry in entries(page)]
        older = page.all("a", rel="next")
        path = older[0]["href"] if older else ""
    assert seen == list(range(refund_desk.journal()[-1].seq, 0, -1))


@on_sqlite
def test_every_action_stands_there_in_words_beside_its_code(operator: Browser, refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    refund_desk.ask(session_id, 10_50)
    refund_desk.bank.charge_back(session_id, 95_00)
    refund_desk.read(session_id)
    with refund_desk.desk.write() as tx:
        tx.record("somebody", "refund:of_another_time", "refund:none")
    shown = [entry["words"] for entry in entries(operator.page("/journal/"))]
    assert shown[0] == "refund:of_another_time"
    assert "Refund asked for refund:requested" in shown
    assert "More than was paid anomaly:over_captured" in shown
    choices = {one["value"]: one.get("label") for one in operator.page("/journal/").all("option")}
    assert choices["refund:requested"] == "Refund asked for"
    assert choices["refund:of_another_time"] is None


@on_sqlite
@pytest.mark.parametrize("before", ["x", "-1", "1.5", "9" * 19, "1e3"])
def test_a_page_that_does_not_exist_is_told(operator: Browser, before: str) -> None:
    page = operator.page(f"/journal/?before={before}", 400)
    assert "This page of the list does not exist." in page.one("main").text


@on_sqlite
def test_before_the_first_entry_there_is_nothing(operator: Browser) -> None:
    assert "The journal is empty" in operator.page("/journal/?before=1").one("main").text


@on_sqlite
def test_a_viewer_may_read_it(viewer: Browser) -> None:
    assert entries(viewer.page("/journal/"))[0]["action"] == "login:succeeded"


# Filters


@pytest.fixture
def filed(refund_desk: RefundDesk, clock: SimulatedClock) -> RefundDesk:
    """Entries of several people about several things on three days."""
    for day, actor, action, subject in (
        (3, "anna@desk.test", "refund:requested", "refund:r-1"),
        (3, "anna@desk.test", "login:ended", "person:p-1"),
        (4, "boris@desk.test", "refund:requested", "refund:r-2"),
        (4, "bank", "refund:accepted", "refund:r-1"),
        (5, "worker", "session:read", "session:r-1"),
    ):
        clock.advance_to(datetime(2026, 3, day, 23, 30, tzinfo=UTC))
        with refund_desk.desk.write() as tx:
            tx.record(actor, action, subject)
    refund_desk.is_tampered = True
    return refund_desk


def found(browser: Browser, **filters: str) -> list[str]:
    page = browser.page(f"/journal/?{urlencode(filters)}")
    rows = entries(page) if page.one("main").all("tbody") else []
    return [f"{row['by']} {row['action']} {row['subject']}" for row in rows if row["action"] != "login:succeeded"]


ANNA_ASKED = "anna@desk.test refund:requested refund:r-1"
ANNA_LEFT = "anna@desk.test login:ended person:p-1"
BORIS_ASKED = "boris@desk.test refund:requested refund:r-2"
ACCEPTED = "bank refund:accepted refund:r-1"
READ = "worker session:read session:r-1"


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({}, [READ, ACCEPTED, BORIS_ASKED, ANNA_LEFT, ANNA_ASKED]),
        ({"actor": "anna@desk.test"}, [ANNA_LEFT, ANNA_ASKED]),
        ({"actor": " Anna@Desk.test "}, [ANNA_LEFT, ANNA_ASKED]),
        ({"actor": "nobody"}, []),
        ({"action": "refund:requested"}, [BORIS_ASKED, ANNA_ASKED]),
        ({"action": "refund:requested", "actor": "boris@desk.test"}, [BORIS_ASKED]),
        ({"subject": "refund:r-1"}, [ACCEPTED, ANNA_ASKED]),
        ({"subject": "r-1"}, [READ, ACCEPTED, ANNA_ASKED]),
        ({"subject": "r-1", "actor": "bank", "action": "refund:accepted"}, [ACCEPTED]),
        ({"from": "2026-03-04"}, [READ, ACCEPTED, BORIS_ASKED]),
        ({"to": "2026-03-03"}, [ANNA_LEFT, ANNA_ASKED]),
        ({"from": "2026-03-04", "to": "2026-03-04"}, [ACCEPTED, BORIS_ASKED]),
        ({"from": "2026-03-06"}, []),
        ({"to": "2026-02-28"}, []),
        ({"from": "2026-03-04", "actor": "anna@desk.test"}, []),
    ],
)
def test_filters_narrow_it(filed: RefundDesk, operator: Browser, filters: dict[str, str], expected: list[str]) -> None:
    assert found(operator, **filters) == expected


@on_sqlite
def test_days_begin_and_end_in_the_dashboards_zone(in_berlin: None, filed: RefundDesk, operator: Browser) -> None:
    assert found(operator, **{"from": "2026-03-05", "to": "2026-03-05"}) == [ACCEPTED, BORIS_ASKED]


def test_a_clock_that_was_behind_hides_nothing(filed: RefundDesk, operator: Browser, clock: SimulatedClock) -> None:
    """Hosts with clocks of their own write in turns."""
    clock.shift(-21.5 * 3600)
    with filed.desk.write() as tx:
        tx.record("late", "refund:queued", "refund:r-9")
    assert found(operator, to="2026-03-05")[0] == "late refund:queued refund:r-9"
    assert "late refund:queued refund:r-9" in found(operator, **{"from": "2026-03-05"})


@on_sqlite
def test_a_person_is_found_by_address_too(operator: Browser, refund_desk: RefundDesk) -> None:
    subject = f"person:{refund_desk.person('operator').id}"
    rows = entries(operator.page("/journal/?subject=operator@desk.test"))
    assert [(row["action"], row["subject"]) for row in rows] == [("login:succeeded", subject)]


@on_sqlite
def test_older_pages_keep_the_filters(filed: RefundDesk, operator: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "PAGE_SIZE", 1)
    page = operator.page("/journal/?action=refund:requested&from=2026-03-01")
    (older,) = page.all("a", rel="next")
    (row,) = entries(operator.page(older["href"]))
    assert (row["by"], row["action"]) == ("anna@desk.test", "refund:requested")


@on_sqlite
def test_what_can_be_chosen_is_what_is_there(filed: RefundDesk, operator: Browser) -> None:
    page = operator.page("/journal/?actor=bank")
    assert [one["value"] for one in page.one(id="known-action").all("option")] == sorted(
        {entry.action for entry in filed.journal()}
    )
    assert "anna@desk.test" in [one["value"] for one in page.one(id="known-actor").all("option")]
    assert page.one(id="filter-actor")["value"] == "bank"


@on_sqlite
def test_what_acts_by_itself_is_called_by_a_word(filed: RefundDesk, operator: Browser) -> None:
    page = operator.get("/journal/?actor=bank", headers={"Accept-Language": "ru"}).page
    assert {row["by"] for row in entries(page)} == {"банк"}
    labels = {one["value"]: one.get("label") for one in page.one(id="known-actor").all("option")}
    assert (labels["bank"], labels["anna@desk.test"]) == ("банк", None)


@on_sqlite
@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("action=refunds", "refunds is no action. Write one like refund:requested."),
        ("action=%27;--:x", "is no action"),
        ("from=2026-13-01", "2026-13-01 is no date. Write it like 2026-03-31."),
        ("to=yesterday", "yesterday is no date."),
        ("from=2026-03-05&to=2026-03-04", "The first day, 2026-03-05, is after the last one, 2026-03-04."),
        (f"subject={'x' * 201}", "This filter cannot be used: subject."),
    ],
)
def test_a_filter_that_cannot_be_used_is_told(operator: Browser, query: str, said: str) -> None:
    assert said in operator.page(f"/journal/?{query}", 400).one("main").text


@on_sqlite
def test_only_those_who_look_after_accounts_are_led_to_one(auth: Auth) -> None:
    address = f"/people/{auth.person('viewer').id}"
    viewer, admin = auth.login("viewer"), auth.login("admin")
    assert admin.page("/journal/").all("a", href=address)
    assert not viewer.page("/journal/").all("a", href=address)


@on_sqlite
def test_no_text_in_it_turns_or_hides_another(operator: Browser, refund_desk: RefundDesk) -> None:
    with refund_desk.desk.write() as tx:
        tx.record(
            "a\u202eb", "login:failed", "person:\u200bx", email="<b>\u2066x</b>", parts=["\u202e"], many="x" * 900
        )
    page = operator.page("/journal/")
    assert not {"\u202e", "\u2066", "\u200b"} & set(page.text)
    row = entries(page)[0]
    assert (row["by"], row["subject"]) == ("a\\u202eb", "person:\\u200bx")
    assert "<b>\\u2066x</b>" in row["data"]
    assert "x" * 900 in row["data"]


@on_sqlite
def test_an_entry_that_somebody_has_spoilt_is_still_shown(operator: Browser, refund_desk: RefundDesk) -> None:
    refund_desk.is_tampered = True
    with refund_desk.desk.write() as tx:
        tx.execute(text("DROP TRIGGER journal_no_update"))
        tx.execute(text("UPDATE journal SET data = 'no longer JSON', at = 'some day' WHERE seq = 1"))
    page = operator.page("/journal/")
    assert "no longer JSON" in entries(page)[-1]["data"]
    assert "some day" in page.one("main").text


# Files


def sent_by(page: Element, action: str) -> dict[str, str]:
    """What the export form sends."""
    form = page.form("/journal/export.csv")
    assert action in ("/journal/export.csv", *(one["formaction"] for one in form.all("button", formaction=True)))
    return form.fields


def test_a_table_has_what_the_filters_let_through(filed: RefundDesk, viewer: Browser) -> None:
    page = viewer.page("/journal/?action=refund:requested&to=2026-03-31")
    answer = viewer.post("/journal/export.csv", sent_by(page, "/journal/export.csv"))
    assert (answer.status, answer.response.headers["Content-Type"]) == (200, "text/csv; charset=utf-8")
    assert answer.response.headers["Content-Disposition"] == 'attachment; filename="2026-03-05-journal.csv"'
    rows = list(csv.DictReader(StringIO(answer.text, newline="")))
    assert [(row["actor"], row["subject"]) for row in rows] == [
        ("anna@desk.test", "refund:r-1"),
        ("boris@desk.test", "refund:r-2"),
    ]
    entry = filed.journal()[0]
    assert list(rows[0].values()) == [str(getattr(entry, name)) for name in journal_file.FIELDS]
    told = filed.journal()[-1]
    assert (told.actor, told.action, json.loads(told.data)["rows"]) == ("viewer@desk.test", "export:made", 2)


def test_a_file_with_its_proof_is_whole(operator: Browser, refund_desk: RefundDesk) -> None:
    refund_desk.ask_and_send(refund_desk.paid_session(100_00), 10_00)
    page = operator.page("/journal/")
    answer = operator.post("/journal/export.jsonl", sent_by(page, "/journal/export.jsonl"))
    key = journal_key(refund_desk.desk.config)
    found = journal_file.verify(answer.response.data.splitlines(keepends=True), key)
    assert (found.problem, found.is_whole) == (None, True)
    assert found.entries == len(refund_desk.journal()) - 1
    head = json.loads(answer.text.splitlines()[0])
    assert (head["made_by"], head["filters"]) == ("operator@desk.test", {})


@on_sqlite
@pytest.mark.parametrize("path", ["/journal/export.csv", "/journal/export.jsonl"])
def test_nothing_is_taken_by_a_link_or_with_bad_filters(operator: Browser, refund_desk: RefundDesk, path: str) -> None:
    assert operator.get(path).status == 405
    assert operator.post(path, {}, csrf=False).status == 400
    assert operator.post(path, {"from": "2026-99-01"}).status == 400
    assert "export:made" not in {entry.action for entry in refund_desk.journal()}


@on_sqlite
def test_so_many_files_are_taken_in_a_short_time_and_no_more(
    operator: Browser, viewer: Browser, refund_desk: RefundDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guessing, "FILES", 3)
    reference = refund_desk.ask(refund_desk.paid_session())
    evidence = f"/refunds/{reference}/evidence.zip"
    paths = ["/journal/export.csv", "/journal/export.jsonl", evidence, evidence, "/journal/export.csv"]
    assert [operator.post(path).status for path in paths] == [200, 200, 200, 429, 429]
    taken = [entry.action for entry in refund_desk.journal() if entry.action == "export:made"]
    assert len(taken) == 3
    answer = operator.post(evidence)
    assert int(answer.response.headers["Retry-After"]) > 0
    assert "no money has moved" in answer.page.one("main").text
    assert viewer.post("/journal/export.csv").status == 200, "it is counted by person"
    refund_desk.clock.advance(minutes=5)
    assert operator.post(evidence).status == 200


@on_sqlite
def test_no_cell_of_a_table_calculates(operator: Browser, refund_desk: RefundDesk) -> None:
    with refund_desk.desk.write() as tx:
        tx.record("=1+1", "login:failed", "@person", email="x")
    rows = list(csv.DictReader(StringIO(operator.post("/journal/export.csv").text, newline="")))
    assert (rows[-1]["actor"], rows[-1]["subject"]) == ("'=1+1", "'@person")
