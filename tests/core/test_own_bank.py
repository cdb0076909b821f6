"""The books are about one bank: who comes with another one does not start before the move is said to be meant."""

import json
from collections.abc import Callable
from dataclasses import replace

import pytest
from click.testing import CliRunner
from sqlalchemy import Engine, func, select, update
from sqlalchemy.orm import Session

from dashboard import cli, demo, doctor, own_bank, worker
from dashboard.desk import Desk
from dashboard.models import Installation, Refund, WorkerBeat
from dashboard.refunds import RequestRefused
from tests.bench.command_line import set_to
from tests.bench.databases import on_sqlite
from tests.bench.refund_desk import RefundDesk, order
from tests.bench.reviews import not_found, sending_one
from tests.bench.wire import REFUND, lose_request

ELSEWHERE = "http://127.0.0.1:2"


def kept(engine: Engine) -> tuple[str | None, str | None]:
    with Session(engine) as session:
        installation = session.get_one(Installation, 1)
        return installation.bank_url, installation.project


def elsewhere(desk: Desk) -> Desk:
    return replace(desk, config=replace(desk.config, bank_url=ELSEWHERE))


def test_the_first_process_says_which_it_is_and_all_others_have_to_agree(desk: Desk, engine: Engine) -> None:
    assert kept(engine) == (None, None)
    own_bank.claim(desk)
    assert kept(engine) == (desk.bank.url, desk.bank.project)
    own_bank.claim(desk)
    for url, project in ((ELSEWHERE, desk.bank.project), (desk.bank.url, "another")):
        with Session(engine) as session:
            assert url in str(own_bank.objection(session, url, project))
    own_bank.move(desk, "a@desk.test", ELSEWHERE, "another")
    with pytest.raises(own_bank.OtherBank, match="if the move is meant, run `dashboard bank move`"):
        own_bank.claim(desk)
    assert kept(engine) == (ELSEWHERE, "another")


@on_sqlite
def test_a_process_set_to_another_bank_does_not_start_before_the_move_is_meant(
    refund_desk: RefundDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = refund_desk.desk
    set_to(monkeypatch, desk.config)
    monkeypatch.setattr("dashboard.worker_process.run_worker", lambda *_arguments: None)
    assert CliRunner().invoke(cli.main, ["worker"]).exit_code == 0
    set_to(monkeypatch, elsewhere(desk).config)
    for command in (["worker"], ["web"], ["serve"]):
        result = CliRunner().invoke(cli.main, command)
        assert (result.exit_code, "but the settings name http://127.0.0.1:2" in result.output) == (1, True)
    told = [finding.line for finding in doctor.findings(elsewhere(desk).config) if finding.is_fatal]
    assert any("This database is about http://127.0.0.1:1, project " in line for line in told)
    result = CliRunner().invoke(cli.main, ["bank", "move"], input="n\n")
    assert (result.exit_code, kept(desk.engine)[0]) == (1, desk.bank.url)
    assert CliRunner().invoke(cli.main, ["bank", "move", "--yes"]).exit_code == 0
    assert CliRunner().invoke(cli.main, ["worker"]).exit_code == 0
    [moved] = [one for one in refund_desk.journal("installation") if one.action == "installation:bank_moved"]
    assert json.loads(moved.data) == {
        "url": ELSEWHERE,
        "project": desk.bank.project,
        "was_url": desk.bank.url,
        "was_project": desk.bank.project,
        "same_bank": False,
        "left_open": 0,
    }


@on_sqlite
def test_a_bank_under_another_name_keeps_its_refunds(refund_desk: RefundDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = refund_desk.desk
    own_bank.claim(desk)
    reference = refund_desk.ask(refund_desk.paid_session(100_00), 10_00)
    with desk.write() as tx:
        tx.execute(update(Refund).values(bank_url="https://a-third-one.test"))
    other = refund_desk.ask(refund_desk.paid_session(100_00), 10_00)
    set_to(monkeypatch, elsewhere(desk).config)
    assert CliRunner().invoke(cli.main, ["bank", "move", "--same-bank", "--yes"]).exit_code == 0
    assert refund_desk.refund(other).bank_url == ELSEWHERE
    assert refund_desk.refund(reference).bank_url == "https://a-third-one.test", "that one is still another bank"
    [moved] = [one for one in refund_desk.journal("installation") if one.action == "installation:bank_moved"]
    assert json.loads(moved.data)["same_bank"] is True


def being_sent(refund_desk: RefundDesk) -> str:
    return sending_one(refund_desk, refund_desk.paid_session(100_00))


def of_unknown_outcome(refund_desk: RefundDesk) -> str:
    refund_desk.wire.next(REFUND, lose_request)
    return refund_desk.ask_and_send(refund_desk.paid_session(100_00), 10_00)


@on_sqlite
@pytest.mark.parametrize("one_that_may_be_out", [being_sent, of_unknown_outcome])
def test_what_may_be_under_way_is_never_sent_again_under_another_name(
    refund_desk: RefundDesk, monkeypatch: pytest.MonkeyPatch, one_that_may_be_out: Callable[[RefundDesk], str]
) -> None:
    """Another project, or a server that forgot its keys, would pay it a second time."""
    desk = refund_desk.desk
    own_bank.claim(desk)
    reference, before = one_that_may_be_out(refund_desk), kept(desk.engine)
    set_to(monkeypatch, elsewhere(desk).config)
    result = CliRunner().invoke(cli.main, ["bank", "move", "--same-bank", "--yes"])
    assert (result.exit_code, kept(desk.engine)) == (1, before)
    assert "or whose outcome is not known: 1\n" in result.output
    assert reference in result.output
    assert refund_desk.refund(reference).bank_url == desk.bank.url
    refund_desk.run_for(hours=1)
    assert CliRunner().invoke(cli.main, ["bank", "move", "--same-bank", "--yes"]).exit_code == 0
    assert refund_desk.refund(reference).bank_url == ELSEWHERE


@on_sqlite
def test_another_bank_s_unknown_refund_keeps_no_bank_from_changing_its_name(refund_desk: RefundDesk) -> None:
    desk = refund_desk.desk
    own_bank.claim(desk)
    reference = of_unknown_outcome(refund_desk)
    own_bank.move(desk, "a@desk.test", ELSEWHERE, "another", leave_open=True)
    own_bank.rename(desk, "a@desk.test", ELSEWHERE, "a new name")
    assert kept(desk.engine) == (ELSEWHERE, "a new name")
    assert refund_desk.refund(reference).bank_url == desk.bank.url


@on_sqlite
def test_what_is_open_at_the_old_bank_is_named_and_left_only_on_purpose(
    refund_desk: RefundDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = refund_desk.desk
    own_bank.claim(desk)
    session_id = refund_desk.paid_session(100_00)
    done = refund_desk.ask_and_send(session_id, 10_00)
    refund_desk.run_for(minutes=5)
    doubtful = not_found(refund_desk).reference
    refund_desk.bank.change_settings({"decide": "manual"})
    refund_desk.bank.refund_here(session_id, 20_00)
    refund_desk.bank_refunds(session_id)[-1].status = "in_progress"
    refund_desk.read(session_id)
    elsewhere_made = refund_desk.refunds(session_id)[-1].reference
    queued = refund_desk.ask(session_id, 10_00)
    set_to(monkeypatch, elsewhere(desk).config)
    result = CliRunner().invoke(cli.main, ["bank", "move", "--yes"])
    assert (result.exit_code, kept(desk.engine)[0]) == (1, desk.bank.url)
    assert "open at the old bank or under review: 3\n" in result.output
    assert f"  {doubtful}  unknown, under review, session ps_" in result.output
    assert f"  {queued}  queued, session {session_id}\n" in result.output
    assert f"  {elsewhere_made}  in_progress, session {session_id}\n" in result.output
    assert done not in result.output
    both = CliRunner().invoke(cli.main, ["bank", "move", "--yes", "--leave-open", "--same-bank"])
    assert (both.exit_code, kept(desk.engine)[0]) == (2, desk.bank.url)
    assert CliRunner().invoke(cli.main, ["bank", "move", "--yes", "--leave-open"]).exit_code == 0
    assert (kept(desk.engine)[0], refund_desk.refund(queued).bank_url) == (ELSEWHERE, desk.bank.url)
    [moved] = [one for one in refund_desk.journal("installation") if one.action == "installation:bank_moved"]
    assert json.loads(moved.data)["left_open"] == 3


@on_sqlite
def test_a_demo_on_another_port_is_the_same_sandbox(refund_desk: RefundDesk) -> None:
    desk = refund_desk.desk
    own_bank.claim(desk)
    reference = of_unknown_outcome(refund_desk)
    demo._prepare_database(elsewhere(desk).config, demo.PASSWORD)
    assert kept(desk.engine)[0] == refund_desk.refund(reference).bank_url == ELSEWHERE


def test_who_still_runs_for_the_old_bank_does_nothing_any_more(
    refund_desk: RefundDesk, caplog: pytest.LogCaptureFixture
) -> None:
    """They cannot know that the books were moved while they ran."""
    desk = refund_desk.desk
    own_bank.claim(desk)
    session_id = refund_desk.paid_session(100_00)
    refund_desk.ask(session_id, 10_00)
    token = refund_desk.form(session_id)
    delivery = refund_desk.wire.webhook_now(session_id)
    own_bank.move(desk, "a@desk.test", desk.bank.url, "another", leave_open=True)
    refund_desk.deliver(delivery)
    refund_desk.clock.advance(hours=1)
    assert worker.due_work(desk, 10) == []
    asked = len(refund_desk.wire.calls)
    with pytest.raises(RequestRefused, match="other_bank"):
        refund_desk.submit(session_id, token, order(20_00))
    assert len(refund_desk.wire.calls) == asked, "the old bank's word would be taken for the new one's"
    worker.beat(desk, "the old one")
    with desk.read() as session:
        assert session.scalar(select(func.count()).select_from(WorkerBeat)) == 0, "so the overview says that none runs"
    assert "does nothing any more: This database is about" in caplog.text
    own_bank.move(desk, "a@desk.test", desk.bank.url, desk.bank.project, leave_open=True)
    assert len(worker.due_work(desk, 10)) == 2
