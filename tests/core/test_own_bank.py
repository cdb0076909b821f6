"""The books are about one bank: who comes with another one does not start before the move is said to be meant."""

import json
from dataclasses import replace

import pytest
from click.testing import CliRunner
from sqlalchemy import Engine, update
from sqlalchemy.orm import Session

from dashboard import cli, doctor, own_bank
from dashboard.desk import Desk
from dashboard.models import Installation, Refund
from tests.bench.databases import on_sqlite
from tests.bench.refund_desk import RefundDesk

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
    monkeypatch.setattr(cli, "_config", lambda: desk.config)
    monkeypatch.setattr(cli.server, "run_worker", lambda _config: None)
    assert CliRunner().invoke(cli.main, ["worker"]).exit_code == 0
    monkeypatch.setattr(cli, "_config", lambda: elsewhere(desk).config)
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
    }


@on_sqlite
def test_a_bank_under_another_name_keeps_its_refunds(refund_desk: RefundDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = refund_desk.desk
    own_bank.claim(desk)
    reference = refund_desk.ask(refund_desk.paid_session(100_00), 10_00)
    with desk.write() as tx:
        tx.execute(update(Refund).values(bank_url="https://a-third-one.test"))
    other = refund_desk.ask(refund_desk.paid_session(100_00), 10_00)
    monkeypatch.setattr(cli, "_config", lambda: elsewhere(desk).config)
    assert CliRunner().invoke(cli.main, ["bank", "move", "--same-bank", "--yes"]).exit_code == 0
    assert refund_desk.refund(other).bank_url == ELSEWHERE
    assert refund_desk.refund(reference).bank_url == "https://a-third-one.test", "that one is still another bank"
    [moved] = [one for one in refund_desk.journal("installation") if one.action == "installation:bank_moved"]
    assert json.loads(moved.data)["same_bank"] is True
