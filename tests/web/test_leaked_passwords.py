"""Nobody chooses a password that has leaked, wherever passwords are set."""

from pathlib import Path

import pytest

from dashboard import links
from tests.bench.command_line import run, set_to
from tests.bench.databases import on_sqlite
from tests.bench.leaked import write_list
from tests.bench.refund_desk import PASSWORD, RefundDesk
from tests.web.browser import Answer, Browser
from tests.web.conftest import Auth
from tests.web.tables import dump

EMAIL = "operator@desk.test"
LEAKED, NEW = "blue heron over fog", "quite another one"
SENTENCE = "This password has leaked somewhere, so others may try it. Take another one."
NO_LIST = (
    "The list of leaked passwords cannot be read just now, so no password can be set. "
    "Ask whoever runs the desk to mend it."
)


@pytest.fixture
def leaked_file(tmp_path: Path) -> Path:
    return write_list(tmp_path / "leaked.txt", [LEAKED, "one more"])


@pytest.fixture
def environ(environ: dict[str, str], leaked_file: Path) -> dict[str, str]:
    return {**environ, "DASHBOARD_LEAKED_PASSWORDS_FILE": str(leaked_file)}


@pytest.fixture
def operator(auth: Auth) -> Browser:
    return auth.login("operator")


def by_oneself(operator: Browser, password: str) -> Answer:
    return operator.post("/account/password", {"old": PASSWORD, "password": password})


def by_link(operator: Browser, refund_desk: RefundDesk, password: str) -> Answer:
    token = links.start_reset(refund_desk.desk, EMAIL, actor="admin@desk.test").token
    return operator.post("/link/password", {"code": token, "password": password})


def test_it_is_refused_on_the_pages_with_a_plain_sentence(operator: Browser, refund_desk: RefundDesk) -> None:
    before = dump(refund_desk.desk)["people"]
    for answer in (by_oneself(operator, LEAKED), by_link(operator, refund_desk, LEAKED)):
        assert (answer.status, answer.page.field_errors) == (422, [SENTENCE])
    assert dump(refund_desk.desk)["people"] == before


def test_any_other_is_taken(operator: Browser, refund_desk: RefundDesk) -> None:
    assert by_oneself(operator, NEW).status == 303
    operator.forget_csrf_token()
    assert by_link(operator, refund_desk, LEAKED.upper()).location == "/login"


@on_sqlite
def test_it_is_refused_at_the_command_line(refund_desk: RefundDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    set_to(monkeypatch, refund_desk.desk.config)
    refund_desk.person(email=EMAIL)
    for command, refused in (
        (["user", "add", "new@desk.test", "--role", "viewer", "--password-stdin"], "No account was made"),
        (["user", "password", EMAIL, "--password-stdin"], "Nothing was changed"),
    ):
        result = run(*command, stdin=f"{LEAKED}\n")
        assert result.exit_code == 1
        assert result.output.splitlines()[1:] == [f"{refused}: the password stands in the list of leaked ones."]
        assert run(*command, stdin=f"{NEW}\n").exit_code == 0


@on_sqlite
@pytest.mark.parametrize("is_gone", [True, False])
def test_what_cannot_be_looked_up_is_not_taken(
    operator: Browser,
    refund_desk: RefundDesk,
    leaked_file: Path,
    is_gone: bool,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if is_gone:
        leaked_file.unlink()
    else:
        leaked_file.write_text("half a download")
    answer = by_oneself(operator, NEW)
    assert (answer.status, answer.page.field_errors) == (422, [NO_LIST])
    assert str(leaked_file) not in answer.text, "that is for the log"
    assert f"no password can be set: DASHBOARD_LEAKED_PASSWORDS_FILE: {'there is' if is_gone else leaked_file}" in (
        caplog.text
    )
    set_to(monkeypatch, refund_desk.desk.config)
    result = run("user", "password", EMAIL, "--password-stdin", stdin=f"{NEW}\n")
    assert "Nothing was changed: it cannot be looked up among leaked ones: DASHBOARD_LEAKED" in result.output
    assert operator.get("/refunds/").status == 200, "all else goes on"
