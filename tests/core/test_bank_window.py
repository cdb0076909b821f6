"""Pages look at the bank through a worker, which has the key: they can ask one thing, and nobody else can answer."""

import json
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from dashboard import bank_window
from dashboard.app import create_app
from dashboard.bank131.client import BankClient, NeverReached, OutcomeUnknown, Refused
from dashboard.bank_window import UnusableFolder, Window
from dashboard.config import Config
from tests.bench.refund_desk import RefundDesk
from tests.bench.wire import REFUND, STATUS, Wire, lose_answer, lose_request, refuse_connection


@pytest.fixture
def database() -> str:
    """Nothing here is about the kind of database."""
    return "sqlite"


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short name: that of a socket may have a hundred characters."""
    with TemporaryDirectory(prefix="window-") as name:
        yield Path(name)


@pytest.fixture
def window(folder: Path, config: Config) -> Window:
    return bank_window.of(replace(config, run_folder=folder))


@pytest.fixture
def open_window(window: Window, folder: Path, bank_client: BankClient) -> Iterator[Window]:
    with bank_window.open_to_pages(bank_client, folder):
        yield window


def sockets(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.suffix == ".sock"]


def say(folder: Path, question: bytes) -> bytes:
    """What a worker answers to anything at all."""
    (path,) = sockets(folder)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(5)
        connection.connect(str(path))
        connection.sendall(question)
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(4096), b""))


@contextmanager
def false_worker(folder: Path, answer: Callable[[socket.socket], None]) -> Iterator[None]:
    """Somebody at a socket who does something else."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(folder / "false.sock"))
        listener.listen()

        def take() -> None:
            connection, _ = listener.accept()
            with connection:
                answer(connection)

        thread = threading.Thread(target=take)
        thread.start()
        yield
        thread.join()


def test_what_the_bank_says_comes_through_byte_for_byte(
    open_window: Window, bank_client: BankClient, refund_desk: RefundDesk
) -> None:
    session_id = refund_desk.paid_session(70_00, 30_00)
    assert open_window.status(session_id) == bank_client.status(session_id)


def test_it_is_the_same_bank(window: Window, bank_client: BankClient) -> None:
    assert (window.url, window.project) == (bank_client.url, bank_client.project)


def test_what_the_bank_refuses_is_told_in_its_words(open_window: Window, bank_client: BankClient) -> None:
    with pytest.raises(Refused) as through:
        open_window.status("ps_0")
    with pytest.raises(Refused) as directly:
        bank_client.status("ps_0")
    assert (through.value.code, through.value.answer) == (directly.value.code, directly.value.answer)


@pytest.mark.parametrize(
    ("fault", "told"),
    [(refuse_connection, NeverReached), (lose_request, OutcomeUnknown), (lose_answer, OutcomeUnknown)],
)
def test_where_the_bank_is_away_it_is_told_how(
    open_window: Window, refund_desk: RefundDesk, wire: Wire, fault: object, told: type[Exception]
) -> None:
    session_id = refund_desk.paid_session()
    wire.next(STATUS, fault)
    with pytest.raises(told, match="the bank"):
        open_window.status(session_id)


def test_the_time_there_is_goes_with_the_question(open_window: Window, refund_desk: RefundDesk, wire: Wire) -> None:
    session_id = refund_desk.paid_session()
    open_window.status(session_id, 1.25)
    assert wire.calls[-1].timeout_s == 1.25


def test_without_a_worker_nothing_is_reached(config: Config, folder: Path) -> None:
    for name in (folder, folder / "missing"):
        with pytest.raises(NeverReached, match="no worker"):
            bank_window.of(replace(config, run_folder=name)).status("ps_1")


def test_what_a_killed_worker_left_is_in_nobodys_way(
    window: Window, folder: Path, bank_client: BankClient, refund_desk: RefundDesk
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as killed:
        killed.bind(str(folder / "killed.sock"))
        killed.listen()
    with bank_window.open_to_pages(bank_client, folder), bank_window.open_to_pages(bank_client, folder):
        assert len(sockets(folder)) == 2, "the next worker took away what was left"
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as killed:
            killed.bind(str(folder / "killed_too.sock"))
            killed.listen()
        session_id = refund_desk.paid_session()
        assert {window.status(session_id).session.id for _ in range(20)} == {session_id}
    assert [path.name for path in sockets(folder)] == ["killed_too.sock"]


QUESTIONS = {
    "nothing": b"",
    "no line": b"{",
    "no session": b'{"timeout_s": 1}\n',
    "no time": b'{"session_id": "ps_1"}\n',
    "no time left": b'{"session_id": "ps_1", "timeout_s": 0}\n',
    "not a number": b'{"session_id": "ps_1", "timeout_s": NaN}\n',
    "another thing": b'["session_id", "timeout_s"]\n',
    "no identifier": b'{"session_id": "ps_1/../refund", "timeout_s": 1}\n'.replace(b"/", b"\\u0020"),
    "a list": b'{"session_id": ["ps_1"], "timeout_s": 1}\n',
    "too long": b'{"session_id": "ps_1", "timeout_s": 1, "more": "' + b"x" * 2000 + b'"}\n',
}


@pytest.mark.parametrize("question", QUESTIONS.values(), ids=QUESTIONS)
def test_what_is_no_question_is_not_asked(open_window: Window, folder: Path, wire: Wire, question: bytes) -> None:
    assert json.loads(say(folder, question)) == {"unclear": "the worker did not understand the question"}
    assert wire.calls == []


def test_no_refund_can_be_asked_for(open_window: Window, folder: Path, refund_desk: RefundDesk, wire: Wire) -> None:
    session_id = refund_desk.paid_session()
    with pytest.raises(PermissionError):
        open_window.refund(b"{}", "a reference")
    fields = {"session_id": session_id, "timeout_s": 1, "method": REFUND, "amount_details": {"amount": 1}}
    say(folder, json.dumps(fields).encode() + b"\n")
    assert [(call.method, json.loads(call.body)) for call in wire.calls] == [(STATUS, {"session_id": session_id})]
    assert refund_desk.bank_refunds(session_id) == []


def test_a_worker_that_says_nothing_is_not_waited_for_longer_than_the_bank(
    window: Window, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bank_window, "WAY_S", 0.05)
    over = threading.Event()
    with false_worker(folder, lambda _connection: over.wait(5) and None):
        try:
            with pytest.raises(OutcomeUnknown, match="timed out"):
                window.status("ps_1", 0.05)
        finally:
            over.set()


@pytest.mark.parametrize(
    "answer", [b"", b'{"status": 200', b"[]\n", b'{"status": "ok"}\n', b'{"status": 200}\n{"session"', b"{}\n"]
)
def test_half_an_answer_is_none(window: Window, folder: Path, answer: bytes) -> None:
    with false_worker(folder, lambda connection: connection.sendall(answer)), pytest.raises(OutcomeUnknown):
        window.status("ps_1")


def test_an_endless_answer_ends(window: Window, folder: Path) -> None:
    def flood(connection: socket.socket) -> None:
        with pytest.raises(OSError, match=r"ipe|reset"):
            connection.sendall(b"x" * 2**24)

    with false_worker(folder, flood), pytest.raises(OutcomeUnknown, match="too much"):
        window.status("ps_1")


def test_too_many_at_once_are_turned_away(
    open_window: Window, refund_desk: RefundDesk, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threading.BoundedSemaphore, "acquire", lambda _seats, **_how: False)
    with pytest.raises(NeverReached, match="too many"):
        open_window.status(refund_desk.paid_session())
    assert wire.calls == []


@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o702])
def test_a_folder_for_everybody_is_not_trusted(
    window: Window, folder: Path, bank_client: BankClient, mode: int
) -> None:
    with bank_window.open_to_pages(bank_client, folder):
        folder.chmod(mode)
        with pytest.raises(NeverReached, match="everybody"):
            window.status("ps_1")
    with pytest.raises(UnusableFolder, match="everybody"), bank_window.open_to_pages(bank_client, folder):
        pass


@pytest.mark.parametrize(("mode", "is_trusted"), [(0o770, False), (0o2770, True), (0o2777, False)])
def test_another_users_folder_is_trusted_if_it_is_kept_for_a_group(
    folder: Path, monkeypatch: pytest.MonkeyPatch, mode: int, is_trusted: bool
) -> None:
    folder.chmod(mode)
    owner = os.stat(folder).st_uid
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    monkeypatch.setattr(bank_window, "ROOT", owner + 2)
    if is_trusted:
        bank_window.check_folder(folder)
    else:
        with pytest.raises(UnusableFolder):
            bank_window.check_folder(folder)


def test_a_link_to_a_folder_is_none(folder: Path) -> None:
    (folder / "real").mkdir()
    (folder / "link").symlink_to(folder / "real")
    with pytest.raises(UnusableFolder, match="no folder"):
        bank_window.check_folder(folder / "link")


def test_by_itself_it_is_a_folder_of_this_user_for_this_database(config: Config) -> None:
    other = replace(config, database_url="sqlite:///another.sqlite3")
    folders = {bank_window.folder_of(each) for each in (config, config, other)}
    assert len(folders) == 2
    assert all(str(os.geteuid()) in folder.name for folder in folders)


def test_the_folder_is_made_for_its_user_alone(folder: Path, bank_client: BankClient) -> None:
    with bank_window.open_to_pages(bank_client, folder / "new"):
        assert (folder / "new").stat().st_mode & 0o777 == 0o700


def test_a_name_too_long_for_a_socket_is_told(folder: Path, bank_client: BankClient) -> None:
    with pytest.raises(UnusableFolder, match="too long"), bank_window.open_to_pages(bank_client, folder / ("x" * 120)):
        pass


def test_the_web_app_reads_no_private_key(config: Config, tmp_path: Path) -> None:
    app = create_app(replace(config, private_key_file=tmp_path / "not for the web server"))
    assert isinstance(app.extensions["desk"].bank, Window)
