"""Pages look at the bank through a worker, which has the key: they can ask one thing, and nobody else can answer."""

import json
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from dashboard import bank_window, reads
from dashboard.app import create_app
from dashboard.bank131.client import BankClient, NeverReached, NotAsked, OutcomeUnknown, Refused
from dashboard.bank_window import UnusableFolder, Window, open_to_pages
from dashboard.config import Config
from tests.bench.refund_desk import RefundDesk
from tests.bench.wire import REFUND, STATUS, Fault, Wire, lose_answer, lose_request, meanwhile, refuse_connection
from tests.journeys.waiting import eventually


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
def environ(environ: dict[str, str], folder: Path) -> dict[str, str]:
    return {**environ, "DASHBOARD_RUN_FOLDER": str(folder)}


@pytest.fixture
def window(config: Config) -> Window:
    return bank_window.Window(config)


@pytest.fixture
def open_window(window: Window, config: Config, bank_client: BankClient) -> Iterator[Window]:
    with open_to_pages(bank_client, config):
        yield window


def sockets(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.suffix == ".sock"]


def killed(folder: Path, config: Config, name: str) -> Path:
    """The socket of a worker that was killed."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(folder / f"{bank_window._name(config)}-{name}.sock"))
        listener.listen()
        return Path(listener.getsockname())


def say(folder: Path, question: bytes) -> bytes:
    """What a worker answers to anything at all."""
    (path,) = sockets(folder)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(5)
        connection.connect(str(path))
        with suppress(BrokenPipeError):
            connection.sendall(question)
            connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(4096), b""))


@contextmanager
def false_worker(config: Config, answer: Callable[[socket.socket], None]) -> Iterator[None]:
    """Somebody at a socket who hears the question and does something else."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(bank_window.folder_of(config) / f"{bank_window._name(config)}-false.sock"))
        listener.listen()

        def take() -> None:
            connection, _ = listener.accept()
            with connection:
                while connection.recv(4096):
                    pass
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


def test_without_a_worker_nobody_is_asked(config: Config, folder: Path) -> None:
    for name in (folder, folder / "missing"):
        with pytest.raises(NotAsked, match="no worker"):
            bank_window.Window(replace(config, run_folder=name)).status("ps_1")


def test_that_it_could_not_be_asked_says_nothing_of_the_bank(refund_desk: RefundDesk, window: Window) -> None:
    session_id = refund_desk.paid_session()
    before = refund_desk.read(session_id)
    desk = replace(refund_desk.desk, bank=window)
    with pytest.raises(NotAsked):
        reads.read_session(desk, session_id)
    after = refund_desk.session(session_id)
    assert (after.read_failures, after.next_read_at) == (before.read_failures, before.next_read_at)


def test_what_a_killed_worker_left_is_in_nobodys_way(
    window: Window, config: Config, folder: Path, bank_client: BankClient, refund_desk: RefundDesk
) -> None:
    long_ago = killed(folder, config, "long ago")
    os.utime(long_ago, (0, 0))
    just_now = killed(folder, config, "just now")
    with open_to_pages(bank_client, config), open_to_pages(bank_client, config):
        assert not long_ago.exists()
        assert len(sockets(folder)) == 3
        session_id = refund_desk.paid_session()
        assert {window.status(session_id).session.id for _ in range(20)} == {session_id}
    assert sockets(folder) == [just_now]


def test_a_worker_of_another_bank_is_not_asked(
    window: Window, config: Config, bank_client: BankClient, refund_desk: RefundDesk
) -> None:
    session_id = refund_desk.paid_session()
    for other in (
        replace(config, bank_url="http://127.0.0.1:2"),
        replace(config, project="another"),
        replace(config, submerchant="another"),
    ):
        with open_to_pages(bank_client, other), pytest.raises(NotAsked, match="no worker"):
            window.status(session_id)
    with open_to_pages(bank_client, config):
        window.status(session_id)


def test_where_one_worker_ends_meanwhile_another_one_is_asked(
    window: Window, config: Config, bank_client: BankClient, refund_desk: RefundDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Window, "_sockets", lambda _window: sorted(bank_window.sockets_of(config), reverse=True))
    with open_to_pages(bank_client, config), false_worker(config, lambda _connection: None):
        session_id = refund_desk.paid_session()
        assert window.status(session_id).session.id == session_id


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
    "a deep one": b"[" * 1023,
    "a large number": b'{"session_id": "ps_1", "timeout_s": 1' + b"0" * 400 + b"}",
}


@pytest.mark.parametrize("question", QUESTIONS.values(), ids=QUESTIONS)
def test_what_is_no_question_is_not_asked(open_window: Window, folder: Path, wire: Wire, question: bytes) -> None:
    assert json.loads(say(folder, question)) == {"unclear": "the worker did not understand the question"}
    assert wire.calls == []


def test_a_question_that_is_too_long_gets_no_answer(open_window: Window, folder: Path, wire: Wire) -> None:
    question = json.dumps({"session_id": "ps_1", "timeout_s": 1, "more": "x" * bank_window.MAX_QUESTION_BYTES})
    assert say(folder, question.encode()) == b""
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
    window: Window, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bank_window, "WAY_S", 0.05)
    over = threading.Event()
    with false_worker(config, lambda _connection: over.wait(5) and None):
        try:
            with pytest.raises(NotAsked, match="timed out"):
                window.status("ps_1", 0.05)
        finally:
            over.set()


WHOLE = b'{"status": "ok", "session": {}}'
HALVES = {
    "nothing": b"",
    "half a head": b'{"status": 200, "byt',
    "a list": b"[]\n",
    "no length": b'{"status": 200}\n' + WHOLE,
    "half a body": b'{"status": 200, "bytes": 31}\n' + WHOLE[:-1],
    "more than a body": b'{"status": 200, "bytes": 31}\n' + WHOLE + b" ",
    "no status": b'{"bytes": 0}\n',
    "another status": b'{"status": "200", "bytes": 0}\n',
    "a deep one": b"[" * 4000,
    "none": b"{}\n",
}


@pytest.mark.parametrize("answer", HALVES.values(), ids=HALVES)
def test_half_an_answer_is_no_word_of_the_banks(window: Window, config: Config, answer: bytes) -> None:
    with false_worker(config, lambda connection: connection.sendall(answer)), pytest.raises(NotAsked) as told:
        window.status("ps_1")
    assert not told.value.is_answered


def test_an_endless_answer_ends(window: Window, config: Config) -> None:
    def flood(connection: socket.socket) -> None:
        with pytest.raises(OSError, match=r"ipe|reset"):
            connection.sendall(b"x" * 2**24)

    with false_worker(config, flood), pytest.raises(NotAsked, match="too much"):
        window.status("ps_1")


def test_a_question_that_does_not_end_is_not_waited_for(
    open_window: Window, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bank_window, "QUESTION_WITHIN_S", 0.05)
    (path,) = sockets(folder)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as slow:
        slow.settimeout(5)
        slow.connect(str(path))
        slow.sendall(b'{"session_id"')
        assert slow.recv(1) == b""


def test_too_many_at_once_are_turned_away_and_seats_are_given_back(
    window: Window, config: Config, bank_client: BankClient, refund_desk: RefundDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bank_window, "MOST_AT_ONCE", 1)
    session_id = refund_desk.paid_session()
    with open_to_pages(bank_client, config):
        for _ in range(3):
            eventually(lambda: was_answered(window, session_id), 5, "the seat of the one before is free")

        def ask_meanwhile() -> None:
            with pytest.raises(NotAsked):
                window.status(session_id)

        eventually(lambda: was_answered(window, session_id, meanwhile(ask_meanwhile), refund_desk.wire), 5, "a seat")


def was_answered(window: Window, session_id: str, fault: Fault | None = None, wire: Wire | None = None) -> bool:
    if fault and wire:
        wire.forget_faults()
        wire.next(STATUS, fault)
    try:
        return window.status(session_id).session.id == session_id
    except NotAsked:
        return False


@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o702])
def test_a_folder_for_everybody_is_not_trusted(
    window: Window, config: Config, folder: Path, bank_client: BankClient, mode: int
) -> None:
    with open_to_pages(bank_client, config):
        folder.chmod(mode)
        with pytest.raises(NotAsked, match="everybody"):
            window.status("ps_1")
    with pytest.raises(UnusableFolder, match="everybody"), open_to_pages(bank_client, config):
        pass


@pytest.mark.parametrize(
    ("above", "is_trusted"), [(0o755, True), (0o2755, True), (0o775, False), (0o757, False), (0o1777, False)]
)
def test_another_users_folder_is_trusted_where_others_could_not_have_made_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch, above: int, is_trusted: bool
) -> None:
    (folder / "run").mkdir(mode=0o2750)
    folder.chmod(above)
    found = bank_window._folder
    monkeypatch.setattr(bank_window, "_folder", lambda path: owned(found(path), 4711 if path.name == "run" else None))
    if is_trusted:
        assert bank_window.check_folder(folder / "run") == 4711
    else:
        with pytest.raises(UnusableFolder, match="could have made it"):
            bank_window.check_folder(folder / "run")


def owned(found: os.stat_result, user: int | None) -> os.stat_result:
    """The same of another user."""
    return found if user is None else os.stat_result((*found[:4], user, *found[5:]))


def test_somebody_who_was_let_into_the_folder_is_no_worker(
    window: Window, config: Config, refund_desk: RefundDesk, bank_client: BankClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    session_id = refund_desk.paid_session()
    with open_to_pages(bank_client, config):
        window.status(session_id)
        monkeypatch.setattr(os, "geteuid", lambda: 4711)
        monkeypatch.setattr(bank_window, "ROOT", 4712)
        monkeypatch.setattr(bank_window, "check_folder", lambda _folder: 4713)
        with pytest.raises(NotAsked, match="no worker"):
            window.status(session_id)


def test_a_link_to_a_folder_is_none(folder: Path) -> None:
    (folder / "real").mkdir()
    (folder / "link").symlink_to(folder / "real")
    with pytest.raises(UnusableFolder, match="no folder"):
        bank_window.check_folder(folder / "link")


def test_by_itself_it_is_a_folder_of_this_users(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    unset = replace(config, run_folder=None)
    assert bank_window.folder_of(unset).name == f"refund-desk-{os.geteuid()}"

    def nowhere() -> str:
        raise FileNotFoundError(2, "No usable temporary directory found")

    monkeypatch.setattr(bank_window.tempfile, "gettempdir", nowhere)
    with pytest.raises(NotAsked, match="temporary"):
        bank_window.Window(unset).status("ps_1")


def test_its_folder_is_made_for_its_user_alone_and_its_socket_for_the_folders_group(
    config: Config, folder: Path, bank_client: BankClient
) -> None:
    with open_to_pages(bank_client, replace(config, run_folder=folder / "new")):
        assert (folder / "new").stat().st_mode & 0o777 == 0o700
        assert [path.stat().st_mode & 0o777 for path in sockets(folder / "new")] == [0o660]


def test_a_name_too_long_for_a_socket_is_told(config: Config, folder: Path, bank_client: BankClient) -> None:
    long = replace(config, run_folder=folder / ("x" * 120))
    with pytest.raises(UnusableFolder, match="too long"), open_to_pages(bank_client, long):
        pass


def test_a_socket_that_was_taken_away_is_told_of(
    open_window: Window, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for path in sockets(folder):
        path.unlink()
    eventually(lambda: "was taken away" in caplog.text, 5, "the worker has noticed")


def test_the_web_app_reads_no_private_key(config: Config, tmp_path: Path) -> None:
    app = create_app(replace(config, private_key_file=tmp_path / "not for the web server"))
    assert isinstance(app.extensions["desk"].bank, Window)
