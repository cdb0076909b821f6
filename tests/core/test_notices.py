"""Whoever chose to hear of it hears once of what is wrong or waits, by mail; nobody hears of anything else."""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from email.message import EmailMessage
from typing import Any

import pytest
from sqlalchemy import event, select

from dashboard import anomalies, approvals, limits, mail, notice_rules, notices, retention, sending, worker
from dashboard.app import letter_writer
from dashboard.limit_rules import Limit
from dashboard.models import Mail, Notice, Person
from tests.bench import reviews
from tests.bench.databases import on_both, on_sqlite
from tests.bench.mail_server import ACCEPTED, MailServer
from tests.bench.refund_desk import RefundDesk, order
from tests.bench.simulated import SimulatedClock
from tests.bench.wire import REFUND, error, lose_request
from tests.core.test_mail import send_all
from tests.web.made_up import MadeUp

DESK_URL = "https://refunds.example.com"


@pytest.fixture
def environ(environ: dict[str, str], server: MailServer) -> dict[str, str]:
    more = {"DASHBOARD_MAIL_SERVER": server.url, "DASHBOARD_MAIL_FROM": "Refund desk <desk@example.com>"}
    return {**environ, **more, "DASHBOARD_PUBLIC_URL": DESK_URL}


@pytest.fixture
def write(refund_desk: RefundDesk) -> notices.LetterWriter:
    return letter_writer(refund_desk.desk)


class Post:
    """Rounds of the worker's, and what came out of them: who got a mail, and what it says."""

    def __init__(self, refund_desk: RefundDesk, server: MailServer, write: notices.LetterWriter) -> None:
        self.refund_desk, self.server, self.write = refund_desk, server, write

    def round(self) -> dict[str, EmailMessage]:
        """One round; answers with the mails that came since the last one, by their recipients."""
        notices.tell(self.refund_desk.desk, self.write)
        send_all(self.refund_desk.desk)
        came = {str(got["To"]).partition("@")[0]: got for got in self.server.mails}
        assert len(came) == len(self.server.mails), "somebody got two mails at once"
        self.server.mails.clear()
        return came

    def later(self, duration_s: float = 0.0, **parts: float) -> dict[str, EmailMessage]:
        self.refund_desk.clock.advance(duration_s, **parts)
        return self.round()


@pytest.fixture
def post(refund_desk: RefundDesk, server: MailServer, write: notices.LetterWriter) -> Post:
    return Post(refund_desk, server, write)


@pytest.fixture(autouse=True)
def _staff(refund_desk: RefundDesk) -> None:
    """One of each role, and another operator."""
    for role in ("viewer", "operator", "approver", "admin"):
        refund_desk.person(role)
    refund_desk.person("operator", "other@desk.test")


def person(refund_desk: RefundDesk, name: str) -> Person:
    with refund_desk.desk.read() as session:
        return session.scalars(select(Person).where(Person.email == f"{name}@desk.test")).one()


def choose(refund_desk: RefundDesk, name: str, *choices: str) -> None:
    notices.choose(refund_desk.desk, person(refund_desk, name), choices)


def waiting(refund_desk: RefundDesk, amount_minor: int = 60_00, name: str = "operator") -> str:
    limits.put(refund_desk.desk, "rub", Limit(50_00), actor="admin@desk.test")
    return refund_desk.ask(refund_desk.paid_session(100_00), amount_minor, person(refund_desk, name))


def refused(refund_desk: RefundDesk) -> str:
    refund_desk.wire.next(REFUND, error("invalid_request", 400))
    reference = refund_desk.ask_and_send(refund_desk.paid_session(100_00), 10_00)
    refund_desk.run_for(minutes=5)
    assert refund_desk.refund(reference).state == "refused"
    return reference


def unknown(refund_desk: RefundDesk) -> str:
    refund_desk.wire.next(REFUND, lose_request)
    return refund_desk.ask_and_send(refund_desk.paid_session(100_00), 10_00)


def text(got: EmailMessage) -> str:
    return str(got.get_content()).replace("\r\n", "\n")


# Silence


@on_both
def test_where_nothing_is_wrong_nobody_hears_anything(refund_desk: RefundDesk, post: Post) -> None:
    for name in ("viewer", "operator", "approver", "admin"):
        choose(refund_desk, name, *notice_rules.NEEDS)
    assert post.round() == {}
    session_id = refund_desk.paid_session(100_00)
    refund_desk.ask_and_send(session_id, 10_00)
    for _ in range(5):
        assert post.later(30) == {}
    refund_desk.run_for(hours=1)
    refund_desk.deliver(refund_desk.wire.webhook_now(session_id))
    assert [refund.state for refund in refund_desk.refunds(session_id)] == ["accepted"]
    cancelled = refund_desk.ask(session_id, 10_00)
    refund_desk.cancel(cancelled)
    for _ in range(3):
        assert post.later(days=3) == {}
    with refund_desk.desk.read() as session:
        assert session.scalars(select(Notice)).all() == []
        assert session.scalars(select(Mail)).all() == []


def test_whoever_chose_nothing_hears_nothing(refund_desk: RefundDesk, post: Post) -> None:
    for name in ("operator", "approver", "admin"):
        choose(refund_desk, name)
    waiting(refund_desk)
    refused(refund_desk)
    sending.pause(refund_desk.desk, "somebody", "look")
    assert post.round() == {}


def test_whoever_is_disabled_hears_nothing(refund_desk: RefundDesk, post: Post) -> None:
    with refund_desk.desk.write() as tx:
        tx.get_one(Person, person(refund_desk, "approver").id).disabled_at = refund_desk.clock.now()
    waiting(refund_desk)
    assert set(post.round()) == {"admin"}


def test_whoever_is_disabled_while_it_is_written_hears_nothing(
    refund_desk: RefundDesk, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    who = notices._who_has_to_hear

    def and_then_disable(*given: object) -> Sequence[str]:
        found = who(*given)  # type: ignore[arg-type]
        with refund_desk.desk.write() as tx:
            tx.get_one(Person, person(refund_desk, "approver").id).disabled_at = refund_desk.clock.now()
        return found

    waiting(refund_desk)
    monkeypatch.setattr(notices, "_who_has_to_hear", and_then_disable)
    assert set(post.round()) == {"admin"}
    with refund_desk.desk.read() as session:
        assert len(session.scalars(select(Mail)).all()) == 1


# An approval


@on_both
def test_a_refund_that_waits_for_approval_is_told_to_approvers_and_not_to_its_asker(
    refund_desk: RefundDesk, post: Post
) -> None:
    refund_desk.person("approver", "second@desk.test")
    reference = waiting(refund_desk, name="approver")
    came = post.round()
    assert set(came) == {"admin", "second"}
    got = came["second"]
    assert got["Subject"] == "Refund desk: 1 refund waits for approval"
    session_id = refund_desk.refund(reference).session_id
    assert text(got) == (
        "1 refund waits for approval\n"
        "The amount is held, and nothing is sent before somebody approves it.\n\n"
        f"- 60.00\u00a0RUB, Awaiting approval, session {session_id}, refund {reference}\n"
        f"  {DESK_URL}/refunds/{reference}/approval\n\n"
        f"How many there are now: 1. All of them: {DESK_URL}/approvals/\n\n"
        "--\n"
        "You hear of each once, and of nothing while nothing is wrong. "
        f"What you hear of you choose here: {DESK_URL}/account/#notices\n"
    )


def test_it_says_neither_comments_nor_anything_of_the_customer(refund_desk: RefundDesk, post: Post) -> None:
    limits.put(refund_desk.desk, "rub", Limit(50_00), actor="admin@desk.test")
    session_id = refund_desk.paid_session(100_00, customer="Ivan Ivanovich")
    token = refund_desk.form(session_id)
    refund_desk.submit(session_id, token, order(60_00, comment="he shouted"))
    got = text(post.round()["approver"])
    card = refund_desk.session(session_id).card_last4
    assert card
    assert not [word for word in ("Ivan", "shouted", f"{card}\n", f" {card}", "operator@") if word in got]


# Once


@on_both
def test_each_is_told_once_however_many_rounds_there_are(refund_desk: RefundDesk, post: Post) -> None:
    choose(refund_desk, "operator", *notice_rules.NEEDS)
    waiting(refund_desk, name="other")
    unknown(refund_desk)
    sending.pause(refund_desk.desk, "somebody", "look")
    first = post.later(minutes=11)
    assert set(first) == {"operator", "approver", "admin"}
    for _ in range(20):
        assert post.later(minutes=6) == {}


@on_both
def test_two_workers_tell_it_once(refund_desk: RefundDesk, write: notices.LetterWriter, server: MailServer) -> None:
    waiting(refund_desk)
    together = threading.Barrier(4)

    def work(_number: int) -> int:
        together.wait()
        return notices.tell(refund_desk.desk, write)

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(work, range(4))) == 2
    assert send_all(refund_desk.desk) == 2
    assert sorted(server.recipients) == ["admin@desk.test", "approver@desk.test"]


def test_after_the_first_mail_what_comes_up_is_gathered_for_a_quarter_of_an_hour(
    refund_desk: RefundDesk, post: Post
) -> None:
    waiting(refund_desk)
    assert set(post.round()) == {"approver", "admin"}
    news = [waiting(refund_desk, 61_00), waiting(refund_desk, 62_00)]
    assert post.later(minutes=14) == {}
    got = text(post.later(minutes=1)["approver"])
    assert got.startswith("2 refunds wait for approval\n")
    assert all(reference in got for reference in news)
    assert got.count("/approval\n") == 2, "the first one was told"
    assert f"How many there are now: 3. All of them: {DESK_URL}/approvals/" in got
    assert post.later(minutes=15) == {}


def test_what_is_over_before_its_mail_is_told_to_nobody(refund_desk: RefundDesk, post: Post) -> None:
    waiting(refund_desk)
    post.round()
    reference = waiting(refund_desk)
    refund_desk.cancel(reference, person(refund_desk, "operator"))
    assert post.later(minutes=15) == {}


def test_several_kinds_stand_in_one_mail_each_under_its_heading(refund_desk: RefundDesk, post: Post) -> None:
    waiting(refund_desk)
    sending.pause(refund_desk.desk, "somebody", "a secret reason")
    got = post.round()["admin"]
    assert got["Subject"] == "Refund desk: Several things need attention"
    assert [
        line for line in text(got).splitlines() if line in {"Sending is paused", "1 refund waits for approval"}
    ] == [
        "Sending is paused",
        "1 refund waits for approval",
    ]
    assert "secret reason" not in text(got)


def test_many_at_once_are_named_in_part_and_counted(refund_desk: RefundDesk, post: Post, made_up: MadeUp) -> None:
    session_id = made_up.session("ps_1")
    for _ in range(23):
        made_up.refund(session_id, state="in_progress")
    got = text(post.later(days=6)["admin"])
    assert got.startswith("23 refunds have been open for long (days: over 5)\n")
    assert got.count("\n- ") == 21
    assert "- and 3 more\n" in got
    assert f"How many there are now: 23. All of them: {DESK_URL}/refunds/?status=open" in got


@pytest.fixture
def made_up(refund_desk: RefundDesk) -> MadeUp:
    refund_desk.is_made_up = True
    return MadeUp(refund_desk)


# What there is to tell


def test_what_did_not_go_through_is_told_to_its_asker(refund_desk: RefundDesk, post: Post) -> None:
    choose(refund_desk, "viewer", "failed_of_all")
    reference = refused(refund_desk)
    came = post.round()
    assert set(came) == {"operator", "viewer"}, "not the admin, not another operator"
    for got in came.values():
        assert got["Subject"] == "Refund desk: 1 refund did not go through"
        assert f"Refused, session {refund_desk.refund(reference).session_id}, refund {reference}" in text(got)
        assert f"{DESK_URL}/refunds/{reference}\n" in text(got)
    assert post.later(minutes=20) == {}


def test_a_declined_one_too(refund_desk: RefundDesk, post: Post) -> None:
    reference = refund_desk.ask_and_send(refund_desk.paid_session(100_00), 10_00)
    refund_desk.bank.decide_refund(refund_desk.bank_refunds(refund_desk.refund(reference).session_id)[0].id, "declined")
    refund_desk.run_for(minutes=5)
    assert refund_desk.refund(reference).state == "declined"
    assert "Declined" in text(post.round()["operator"])


def test_one_that_was_not_approved_is_told_to_its_asker_and_not_to_whoever_rejected_it(
    refund_desk: RefundDesk, post: Post
) -> None:
    choose(refund_desk, "approver", "failed_of_all")
    choose(refund_desk, "admin")
    reference = waiting(refund_desk)
    approvals.reject(refund_desk.desk, person(refund_desk, "approver"), reference, "no")
    came = post.round()
    assert set(came) == {"operator"}
    assert "Rejected" in text(came["operator"])


def test_what_ended_long_ago_is_no_news(refund_desk: RefundDesk, post: Post) -> None:
    refused(refund_desk)
    assert post.later(hours=25) == {}


def test_an_unknown_outcome_is_told_after_ten_minutes(refund_desk: RefundDesk, post: Post) -> None:
    reference = unknown(refund_desk)
    assert post.later(599) == {}
    came = post.later(1)
    assert set(came) == {"admin"}
    assert came["admin"]["Subject"] == "Refund desk: The outcome of 1 refund is unknown"
    assert f"{DESK_URL}/refunds/{reference}\n" in text(came["admin"])


@on_both
def test_a_refund_under_review_then_its_proposal_then_nothing(refund_desk: RefundDesk, post: Post) -> None:
    for name in ("operator", "other"):
        choose(refund_desk, name, "review")
    choose(refund_desk, "admin")
    refund, elsewhere = reviews.with_stranger(refund_desk)
    got = post.round()["other"]
    assert got["Subject"] == "Refund desk: 1 refund needs people"
    assert f"{DESK_URL}/refunds/{refund.reference}/review" in text(got)
    assert "does not fit" not in text(got), "its facts stand on the same page"
    proposal = reviews.propose(
        refund_desk, refund, reviews.THAT_ONE, elsewhere.bank_id, person(refund_desk, "operator")
    )
    came = post.later(minutes=15)
    assert set(came) == {"other"}, "not whoever proposed it"
    assert came["other"]["Subject"] == "Refund desk: 1 proposal waits for a second person"
    reviews.confirm(refund_desk, proposal, person(refund_desk, "other"))
    assert post.later(minutes=15) == {}


def test_a_fact_that_does_not_fit_is_told_and_again_when_it_holds_again(refund_desk: RefundDesk, post: Post) -> None:
    session_id = refund_desk.paid_session(100_00)
    refund_desk.ask_and_send(session_id, 10_00)
    refund_desk.run_for(minutes=5)
    reviews.shows_another_amount(refund_desk, session_id, 11_00)
    fact = reviews.odd_fact_of(refund_desk, refund_desk.refunds(session_id)[0])
    got = post.round()["admin"]
    assert got["Subject"] == "Refund desk: 1 fact does not fit"
    assert f"- Another amount at the bank, session {session_id}\n" in text(got)
    assert f"{DESK_URL}/anomalies/{anomalies.name_of(fact)}\n" in text(got)
    anomalies.acknowledge(refund_desk.desk, person(refund_desk, "admin"), anomalies.name_of(fact), "seen")
    refund_desk.read(session_id)
    assert post.later(minutes=20) == {}
    reviews.shows_another_amount(refund_desk, session_id, 11_00)
    assert set(post.later(minutes=20)) == {"admin"}


def test_one_that_is_open_for_days_is_told(refund_desk: RefundDesk, post: Post, made_up: MadeUp) -> None:
    reference = made_up.refund(made_up.session("ps_1"), state="in_progress")
    assert post.later(days=5) == {}
    got = text(post.later(1)["admin"])
    assert f"In progress, session ps_1, refund {reference}\n  {DESK_URL}/refunds/{reference}\n" in got


def test_a_pause_is_told_once_and_another_one_again(refund_desk: RefundDesk, post: Post) -> None:
    sending.pause(refund_desk.desk, "somebody", "look")
    got = post.round()["admin"]
    assert got["Subject"] == "Refund desk: Sending is paused"
    assert f"More stands on the overview: {DESK_URL}/\n" in text(got)
    sending.pause(refund_desk.desk, "somebody", "and look")
    assert post.later(minutes=20) == {}
    sending.resume(refund_desk.desk, "somebody")
    assert post.later(minutes=20) == {}
    sending.pause(refund_desk.desk, "somebody", "look")
    assert set(post.later(minutes=20)) == {"admin"}


# Webhooks


def accepted(refund_desk: RefundDesk) -> str:
    """Known from a read; answers with its session."""
    session_id = refund_desk.paid_session(100_00)
    refund_desk.ask_and_send(session_id, 10_00)
    refund_desk.run_for(minutes=5)
    assert [refund.state for refund in refund_desk.refunds(session_id)] == ["accepted"]
    return session_id


def test_webhooks_that_stopped_are_told_once_three_refunds_should_have_had_one(
    refund_desk: RefundDesk, post: Post
) -> None:
    refund_desk.deliver(refund_desk.wire.webhook_now(accepted(refund_desk)))
    for _ in range(3):
        assert post.later(hours=2) == {}, "nobody refunds anything: there is nothing to tell of"
        accepted(refund_desk)
    assert post.later(minutes=20) == {}, "they may be late"
    assert post.later(minutes=10)["admin"]["Subject"] == "Refund desk: The bank’s webhooks do not arrive"
    accepted(refund_desk)
    assert post.later(hours=1) == {}
    refund_desk.deliver(refund_desk.wire.webhook_now(accepted(refund_desk)))
    for _ in range(3):
        refund_desk.clock.advance(1)
        accepted(refund_desk)
    assert set(post.later(minutes=30)) == {"admin"}, "they came back, and stopped again"


def test_one_webhook_among_them_shows_that_they_arrive(refund_desk: RefundDesk, post: Post) -> None:
    for number in range(6):
        session_id = accepted(refund_desk)
        if number % 2:
            refund_desk.deliver(refund_desk.wire.webhook_now(session_id))
        assert post.later(minutes=40) == {}


# A mail server that does not take it


def test_while_a_mail_waits_no_other_is_written_and_nothing_is_lost(
    refund_desk: RefundDesk, post: Post, server: MailServer
) -> None:
    choose(refund_desk, "admin")
    first = waiting(refund_desk)
    server.to_recipient = "451 4.7.1 come back later"
    assert post.round() == {}
    second = waiting(refund_desk)
    for _ in range(6):
        assert post.later(minutes=15) == {}
    server.to_recipient = ACCEPTED
    came = text(post.later(minutes=15)["approver"])
    assert (first in came, second in came) == (True, False)
    assert second in text(post.later(minutes=1)["approver"])
    assert post.later(minutes=20) == {}


def test_what_is_a_day_old_is_not_sent_late_and_what_is_still_true_is_told_anew(
    refund_desk: RefundDesk, post: Post, server: MailServer
) -> None:
    choose(refund_desk, "admin")
    over, still = waiting(refund_desk), waiting(refund_desk)
    server.to_recipient = "451 4.7.1 come back later"
    assert post.round() == {}
    refund_desk.cancel(over, person(refund_desk, "operator"))
    refund_desk.clock.advance(days=1)
    server.to_recipient = ACCEPTED
    assert post.round() == {}
    with refund_desk.desk.read() as session:
        [row] = session.scalars(select(Mail))
        assert (row.kind, row.letter, row.sent_at) == ("notices", None, None)
    came = text(post.later(minutes=1)["approver"])
    assert (over in came, still in came) == (False, True)
    assert post.later(minutes=20) == {}


def test_an_address_that_is_refused_is_tried_once_a_day(
    refund_desk: RefundDesk, post: Post, server: MailServer
) -> None:
    choose(refund_desk, "admin")
    waiting(refund_desk)
    server.to_recipient = "550 5.1.1 nobody of that name"
    for _ in range(30):
        post.later(hours=1)
    with refund_desk.desk.read() as session:
        assert len(session.scalars(select(Mail)).all()) == 2


def test_whoever_cannot_be_told_keeps_nobody_else_from_hearing(
    refund_desk: RefundDesk, post: Post, write: notices.LetterWriter, caplog: pytest.LogCaptureFixture
) -> None:
    def fail_for_the_approver(someone: Person, sections: Sequence[notices.Section]) -> mail.Letter:
        if someone.role == "approver":
            raise ZeroDivisionError
        return write(someone, sections)

    waiting(refund_desk)
    post.write = fail_for_the_approver
    assert set(post.round()) == {"admin"}
    assert "could not be told what is wrong, it will be tried again" in caplog.text
    post.write = write
    assert set(post.later(minutes=1)) == {"approver"}


# What is kept, and what it costs


def test_what_was_told_is_forgotten_when_it_is_long_over_and_not_before(
    refund_desk: RefundDesk, post: Post, clock: SimulatedClock
) -> None:
    choose(refund_desk, "admin")
    over, still = waiting(refund_desk), waiting(refund_desk)
    post.round()
    refund_desk.cancel(over, person(refund_desk, "operator"))
    clock.advance(days=92)
    retention.tidy(refund_desk.desk)
    assert post.round() == {}
    with refund_desk.desk.read() as session:
        assert session.scalars(select(Mail)).all() == []
        assert [row.name for row in session.scalars(select(Notice))] == [still]
    assert "retention:notices" in {entry.action for entry in refund_desk.journal()}


def test_a_choice_is_on_record_where_it_changes_something(refund_desk: RefundDesk) -> None:
    choose(refund_desk, "operator", "review", "approval", "nonsense")
    choose(refund_desk, "operator", "review")
    told = [entry.data for entry in refund_desk.journal() if entry.action == "person:notices_chosen"]
    assert told == ['{"choices":["review"]}']


# Small tables, and the indexes of what is open and of nothing else.
FEW = (
    *("people", "installation", "journal_head", "CONSTANT", "subquery"),
    *("ix_refunds_open", "ix_refunds_needs_people", "ix_anomalies_open", "uq_resolutions_one_proposed"),
    "ix_mails_next_try_at",
)


@on_sqlite
def test_no_table_is_read_as_a_whole(refund_desk: RefundDesk, post: Post, made_up: MadeUp) -> None:
    asked: list[tuple[str, Any]] = []

    def note(_connection: object, _cursor: object, statement: str, parameters: Any, *_: object) -> None:
        if statement.startswith("SELECT"):
            asked.append((statement, parameters))

    session_id = made_up.session("ps_1")
    made_up.refund(session_id, state="in_progress")
    waiting(refund_desk)
    refund, elsewhere = reviews.with_stranger(refund_desk)
    reviews.propose(refund_desk, refund, reviews.THAT_ONE, elsewhere.bank_id)
    engine = refund_desk.desk.engine
    event.listen(engine, "before_cursor_execute", note)
    post.later(days=6)
    event.remove(engine, "before_cursor_execute", note)
    assert len(asked) > 15
    with engine.connect() as connection:
        for statement, parameters in asked:
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).fetchall()
            scanned = [step[-1] for step in plan if step[-1].startswith("SCAN")]
            assert not [step for step in scanned if not any(one in step for one in FEW)], (statement, plan)


def test_the_loop_tells_it(refund_desk: RefundDesk, write: notices.LetterWriter, server: MailServer) -> None:
    waiting(refund_desk)
    told = threading.Event()

    def write_and_note(someone: Person, sections: Sequence[notices.Section]) -> mail.Letter:
        told.set()
        return write(someone, sections)

    stop = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        loop = pool.submit(worker.run, refund_desk.desk, stop, write_and_note)
        assert told.wait(30)
        stop.set()
        loop.result(30)
    assert send_all(refund_desk.desk) == 2
