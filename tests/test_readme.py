"""The README is the manual: every command, setting and address stands in it."""

import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path

import click
import pytest
from flask import Flask
from flask_babel import Babel

from dashboard import cli, refund_rules, replay
from dashboard.config import SETTINGS
from dashboard.web import wording

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def fenced_blocks() -> list[str]:
    return re.findall(r"^```\w*\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def commands(group: click.Group, prefix: str) -> Iterator[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, f"{prefix} {name}")
        else:
            yield f"{prefix} {name}", command


def test_first_block_is_one_line_that_ends_in_the_demo_command() -> None:
    assert fenced_blocks()[0].count("\n") == 1
    assert fenced_blocks()[0].endswith("dashboard demo\n")


def test_second_block_is_one_line_and_what_ci_runs() -> None:
    [line] = fenced_blocks()[1].splitlines()
    picks = re.search(r"^command=(.*)$", (ROOT / ".ci" / "run").read_text(), re.MULTILINE)
    assert picks
    ran = subprocess.run(["bash", "-c", f"echo {picks[1]}"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == " ".join(line.split())


@pytest.mark.parametrize(("name", "command"), list(commands(cli.main, "dashboard")))
def test_every_command_and_option_is_documented(name: str, command: click.Command) -> None:
    [row] = [line for line in README.splitlines() if line.startswith(f"| `{name}` |")]
    options = {text for parameter in command.params for text in parameter.opts if text.startswith("--")}
    assert options - set(re.findall(r"--[a-z-]+", row)) == set()


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_every_setting_is_documented_with_its_default(setting) -> None:
    row = next((line for line in README.splitlines() if line.startswith(f"| `{setting.name}`")), "")
    assert row, f"{setting.name} has no row"
    default = row.split("|")[2].strip()
    assert default == (f"`{setting.default}`" if setting.default else default)
    assert setting.default or default in {"–", "derived"}


def test_no_setting_is_documented_that_does_not_exist() -> None:
    documented = set(re.findall(r"`((?:DASHBOARD|BANK131)_[A-Z_]+)`", README))
    assert documented == {setting.name for setting in SETTINGS}


def runbook() -> str:
    return README.partition("\n## When something is unusual\n")[2].partition("\n## ")[0]


@pytest.fixture
def in_english() -> Iterator[None]:
    app = Flask(__name__)
    Babel(app)
    with app.test_request_context():
        yield


def test_the_runbook_speaks_of_states_as_the_screens_do() -> None:
    said = re.findall(
        r'^msgid "(.*)"$', (ROOT / "dashboard" / "translations" / "messages.pot").read_text(), re.MULTILINE
    )
    states = re.findall(r"^\| \*\*(.+?)\*\*", runbook().partition("**Refunds under review.**")[0], re.MULTILINE)
    assert len(states) > 8
    assert [state for state in states if not any(text.startswith(state) for text in said)] == []


@pytest.mark.parametrize("words", [wording.REVIEWS, wording.ANOMALIES], ids=["reviews", "facts"])
def test_every_reason_and_every_fact_that_does_not_fit_is_in_the_runbook_by_its_name(
    words: Mapping[str, wording.Words], in_english: None
) -> None:
    names = {str(name) for name, _sentence, _step in words.values()}
    assert len(names) == len(words)
    assert [name for name in names if f"\n| **{name}** |" not in runbook()] == []


def test_the_runbook_speaks_of_choices_as_the_screens_do(in_english: None) -> None:
    said = {wording.choice_name(choice, "rf_…") for choice in refund_rules.CHOICES}
    assert [words for words in said if f"*{words}*" not in runbook().replace("\n", " ")] == []


# Field of a refund or of a resolution -> how the manual calls it.
_COMPARED = {
    "session_id": "session",
    "amount_minor": "amount",
    "bank_amount_minor": "the bank's id, amount and currency",
    "bank_currency": "the bank's id, amount and currency",
    "bank_id": "bank",
    "body_digest": "the bytes that are sent",
    "contradicted": "contradicted",
    "counts": "count",
    "replaces": "replace",
    "reference": "refund",
    "proposed_by": "proposed",
    "decided_by": "decided",
}


@pytest.mark.parametrize(("what", "facts"), [("refunds", replay.RefundFacts), ("resolutions", replay.ResolutionFacts)])
def test_the_manual_names_every_field_that_the_journal_is_compared_in(what: str, facts: type) -> None:
    listed = README.partition("**What `dashboard journal verify` compares.**")[2].partition("Nothing else")[0]
    line = listed.partition(f"\n- {what}: ")[2].partition(";\n")[0]
    assert [one.name for one in fields(facts) if _COMPARED.get(one.name, one.name) not in " ".join(line.split())] == []


def test_a_restored_backup_is_brought_to_the_newest_shape_first() -> None:
    steps = README.partition("**Restoring a backup.**")[2].partition("\n## ")[0]
    assert 0 < steps.find("`dashboard db upgrade`") < steps.find("`dashboard db restored`")


def test_a_backup_is_put_back_without_what_killed_processes_have_left() -> None:
    steps = README.partition("**Restoring a backup.**")[2].partition("\n## ")[0]
    assert "remove `FILE-wal` and `FILE-shm` *before* you copy" in steps
    assert ".restore " in steps
    assert 0 < steps.find("FILE-wal") < steps.find("`dashboard db restored`") < steps.find("compare that time")


def test_every_command_that_the_runbook_tells_of_exists() -> None:
    names = {name.removeprefix("dashboard ") for name, _command in commands(cli.main, "dashboard")}
    told = re.findall(r"`(?:dashboard )?((?:user|db|journal|sending|bank) [a-z-]+)", README)
    assert set(told) - names == set()
    assert {"user disable", "user role", "user password"} <= set(
        re.findall(r"`(?:dashboard )?(user [a-z]+)", runbook())
    )


def test_the_tour_shows_how_commands_run_beside_the_demo() -> None:
    tour = README.partition("\n## A tour\n")[2].partition("\n## ")[0]
    assert "(. .demo/settings.env && .venv/bin/dashboard sending pause" in tour
