"""Mail goes out once, to whom it is for, while it is of use; what it says is kept from everybody else."""

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from email.message import EmailMessage
from functools import partial
from pathlib import Path
from urllib.parse import quote

import pytest

from dashboard import mail, smtp
from dashboard.config import BadSettings, read_config
from dashboard.desk import Books
from dashboard.models import Mail, Person
from tests.bench.databases import on_both
from tests.bench.mail_server import ACCEPTED, MailServer, running_mail_server
from tests.bench.refund_desk import RefundDesk
from tests.bench.simulated import SimulatedClock
from tests.bench.tls import server_context, write_certificate
from tests.journeys.commands import free_port

LETTER = mail.Letter("Ваша ссылка", "A link with a secret: 8e1f\n\nДо встречи\n")


@pytest.fixture
def server() -> Iterator[MailServer]:
    with running_mail_server(free_port()) as server:
        yield server


@pytest.fixture
def environ(environ: dict[str, str], server: MailServer) -> dict[str, str]:
    more = {"DASHBOARD_MAIL_SERVER": server.url, "DASHBOARD_MAIL_FROM": "Refund desk <desk@example.com>"}
    return {**environ, **more, "DASHBOARD_PUBLIC_URL": "https://refunds.example.com"}


@pytest.fixture
def anna(refund_desk: RefundDesk) -> Person:
    return refund_desk.person("operator", "anna@desk.test")


def put(refund_desk: RefundDesk, person: Person, letter: mail.Letter = LETTER, hours: int = 1) -> None:
    books = refund_desk.desk
    with books.write() as tx:
        holds_until = books.clock.now() + timedelta(hours=hours)
        mail.put(tx, books.config, person, mail.PASSWORD_LINK, letter, holds_until)


def send_all(books: Books) -> int:
    """Send what is due; how many mails that was."""
    count = 0
    while mail.send_next(books):
        count += 1
    return count


def rows(refund_desk: RefundDesk) -> list[Mail]:
    with refund_desk.desk.read() as session:
        return list(session.query(Mail).order_by(Mail.id))


def told(refund_desk: RefundDesk) -> list[tuple[str, dict[str, object]]]:
    entries = [entry for entry in refund_desk.journal() if entry.action.startswith("mail:")]
    return [(entry.action, json.loads(entry.data)) for entry in entries]


# One mail


@on_both
def test_a_mail_arrives_as_it_was_written_once_and_on_record(
    refund_desk: RefundDesk, server: MailServer, anna: Person
) -> None:
    put(refund_desk, anna)
    assert send_all(refund_desk.desk) == 1
    [got] = server.mails
    assert (got["From"], got["To"]) == ("Refund desk <desk@example.com>", "anna@desk.test")
    assert server.recipients == ["anna@desk.test"]
    assert (got["Subject"], got.get_content().splitlines()) == (LETTER.subject, LETTER.text.splitlines())
    assert got["Date"] == "Sun, 01 Mar 2026 09:00:00 +0000"
    assert got["Message-ID"].endswith("@refunds.example.com>")
    assert got["Auto-Submitted"] == "auto-generated"
    [row] = rows(refund_desk)
    assert (row.sent_at, row.next_try_at, row.problem) == (refund_desk.clock.now(), None, None)
    assert told(refund_desk) == [("mail:sent", {"kind": "password_link", "mail": row.id})]
    assert send_all(refund_desk.desk) == 0
    assert len(server.mails) == 1


def test_nobody_reads_in_the_database_what_it_says_and_it_does_not_outlive_its_sending(
    refund_desk: RefundDesk, anna: Person
) -> None:
    put(refund_desk, anna)
    [waiting] = rows(refund_desk)
    assert waiting.letter is not None
    assert b"8e1f" not in waiting.letter
    send_all(refund_desk.desk)
    assert rows(refund_desk)[0].letter is None


@on_both
def test_of_two_workers_one_sends_it(refund_desk: RefundDesk, server: MailServer, anna: Person) -> None:
    for _ in range(3):
        put(refund_desk, refund_desk.person("viewer", f"v{_}@desk.test"))
    together = threading.Barrier(4)

    def work(_number: int) -> int:
        together.wait()
        return send_all(refund_desk.desk)

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(work, range(4))) == 3
    assert sorted(server.recipients) == ["v0@desk.test", "v1@desk.test", "v2@desk.test"]


def test_a_worker_that_dies_before_it_notes_that_it_was_taken_sends_the_same_mail_again(
    refund_desk: RefundDesk, server: MailServer, anna: Person, clock: SimulatedClock
) -> None:
    class Killed(BaseException):
        pass

    def send_and_die(url: str, message: EmailMessage) -> None:
        smtp.send(url, message)
        raise Killed

    put(refund_desk, anna)
    with pytest.raises(Killed):
        mail.send_next(refund_desk.desk, send_and_die)
    clock.advance(mail.CLAIM.total_seconds() - 1)
    assert send_all(refund_desk.desk) == 0, "another one may still be at it"
    clock.advance(1)
    assert send_all(refund_desk.desk) == 1
    first, second = server.mails
    assert first["Message-ID"] == second["Message-ID"]


# A server that does not take it


def test_what_is_put_off_is_tried_again_at_growing_intervals(
    refund_desk: RefundDesk, server: MailServer, anna: Person, clock: SimulatedClock
) -> None:
    put(refund_desk, anna)
    server.to_recipient = "451 4.7.1 come back later"
    begun_at, tried_after_s = clock.now(), []
    for _ in range(45 * 60 // 5):
        if send_all(refund_desk.desk):
            tried_after_s.append((clock.now() - begun_at).total_seconds())
        clock.advance(5)
    assert tried_after_s == [0, 30, 90, 210, 450, 930, 1830]
    [row] = rows(refund_desk)
    assert row.problem == "451 4.7.1 come back later"
    assert told(refund_desk) == []
    server.to_recipient = ACCEPTED
    clock.advance(minutes=10)
    assert send_all(refund_desk.desk) == 1
    assert len(server.mails) == 1
    assert rows(refund_desk)[0].problem is None


def test_what_no_server_takes_while_it_is_of_use_is_given_up_with_the_servers_last_word(
    refund_desk: RefundDesk, server: MailServer, anna: Person, clock: SimulatedClock
) -> None:
    put(refund_desk, anna)
    server.to_mail = "452 4.3.1 no room"
    send_all(refund_desk.desk)
    server.to_mail = ACCEPTED
    clock.advance(minutes=60)
    assert send_all(refund_desk.desk) == 1
    assert server.mails == []
    [row] = rows(refund_desk)
    assert (row.letter, row.next_try_at, row.problem) == (None, None, "452 4.3.1 no room")
    assert told(refund_desk) == [("mail:failed", {"kind": "password_link", "mail": row.id, "why": "452 4.3.1 no room"})]


@pytest.mark.parametrize("at", ["to_recipient", "to_mail"])
def test_what_a_server_refuses_for_good_is_not_tried_again(
    refund_desk: RefundDesk, server: MailServer, anna: Person, clock: SimulatedClock, at: str
) -> None:
    put(refund_desk, anna)
    setattr(server, at, "550 5.1.1 nobody of that name")
    assert send_all(refund_desk.desk) == 1
    setattr(server, at, ACCEPTED)
    clock.advance(minutes=30)
    assert send_all(refund_desk.desk) == 0
    assert [(row.letter, row.problem) for row in rows(refund_desk)] == [(None, "550 5.1.1 nobody of that name")]
    assert [action for action, _ in told(refund_desk)] == ["mail:failed"]


def test_a_server_that_is_not_there_is_waited_for(
    refund_desk: RefundDesk, server: MailServer, anna: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(refund_desk, anna)
    url = f"smtp://127.0.0.1:{free_port()}"
    with pytest.raises(smtp.NotTaken, match="Connection refused"):
        smtp.greet(url)
    mail.send_next(refund_desk.desk, lambda _url, message: smtp.send(url, message))
    [row] = rows(refund_desk)
    assert "Connection refused" in (row.problem or "")
    assert row.next_try_at == refund_desk.clock.now() + mail.FIRST_PAUSE


def test_a_rude_goodbye_changes_nothing_of_what_was_taken(
    refund_desk: RefundDesk, server: MailServer, anna: Person
) -> None:
    put(refund_desk, anna)
    server.to_goodbye = "500 never heard of it"
    assert send_all(refund_desk.desk) == 1
    assert rows(refund_desk)[0].sent_at is not None
    assert len(server.mails) == 1


def test_one_that_breaks_does_not_stop_the_others(
    refund_desk: RefundDesk, server: MailServer, anna: Person, caplog: pytest.LogCaptureFixture
) -> None:
    def send(url: str, message: EmailMessage) -> None:
        if message["To"] == anna.email:
            raise UnicodeError("no such password")
        smtp.send(url, message)
        stop.set()

    stop = threading.Event()
    put(refund_desk, anna)
    put(refund_desk, refund_desk.person("viewer"))
    mail.run(refund_desk.desk, stop, send)
    assert server.recipients == ["viewer@desk.test"]
    assert "a mail could not be sent, it will be tried again" in caplog.text


# Mail that is of no use any more


def given_up(refund_desk: RefundDesk) -> list[str | None]:
    send_all(refund_desk.desk)
    return [row.problem for row in rows(refund_desk) if row.sent_at is None and row.letter is None]


def test_who_is_disabled_gets_none(refund_desk: RefundDesk, server: MailServer, anna: Person) -> None:
    put(refund_desk, anna)
    with refund_desk.desk.write() as tx:
        tx.get_one(Person, anna.id).disabled_at = refund_desk.clock.now()
    assert given_up(refund_desk) == [mail.DISABLED]
    assert server.mails == []


def test_a_newer_one_takes_the_place_of_one_that_waits(
    refund_desk: RefundDesk, server: MailServer, anna: Person
) -> None:
    put(refund_desk, anna)
    put(refund_desk, refund_desk.person("viewer"))
    put(refund_desk, anna, mail.Letter("Newer", "newer"))
    assert given_up(refund_desk) == [mail.REPLACED]
    assert sorted(got["Subject"] for got in server.mails) == ["Newer", LETTER.subject]


def test_another_secret_key_reads_none(refund_desk: RefundDesk, server: MailServer, anna: Person) -> None:
    put(refund_desk, anna)
    changed = replace(refund_desk.desk, config=replace(refund_desk.desk.config, secret_key="another secret key " * 3))
    assert mail.send_next(changed)
    assert given_up(refund_desk) == [mail.CANNOT_READ]
    assert server.mails == []


def test_one_persons_mail_is_not_sent_to_another(refund_desk: RefundDesk, server: MailServer, anna: Person) -> None:
    put(refund_desk, anna)
    with refund_desk.desk.write() as tx:
        tx.query(Mail).one().person_id = refund_desk.person("viewer").id
    assert given_up(refund_desk) == [mail.CANNOT_READ]
    assert server.mails == []


@pytest.mark.parametrize(
    "address",
    [
        "anna@desk.test,eve@evil.test",
        "anna@@desk.test",
        "@desk.test",
        "anna@",
        "a@[",
        "a(b)@desk.test",
        "a@=?utf-8?q?b?=",
    ],
)
def test_an_address_that_is_two_or_none_gets_nothing(
    refund_desk: RefundDesk, server: MailServer, anna: Person, address: str
) -> None:
    """And nobody waits behind it."""
    put(refund_desk, refund_desk.person("viewer", address))
    put(refund_desk, anna)
    assert given_up(refund_desk) == [mail.BAD_ADDRESS]
    assert server.recipients == [anna.email]


# On the way to the server


@pytest.fixture
def message() -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"] = "desk@example.com", "anna@desk.test"
    message.set_content("text")
    return message


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    return write_certificate(tmp_path)


def test_by_tls_a_server_that_nobody_vouches_for_gets_nothing(
    message: EmailMessage, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running_mail_server(free_port(), tls=server_context(certificate)) as server:
        with pytest.raises(smtp.NotTaken, match="certificate verify failed"):
            smtp.send(server.url, message)
        assert server.mails == []
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        smtp.send(server.url, message)
        assert len(server.mails) == 1


def test_starttls_with_a_server_that_nobody_vouches_for_goes_no_further(
    message: EmailMessage, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smtp, "is_loopback", lambda _host: False)
    with running_mail_server(free_port(), starttls=server_context(certificate)) as server:
        with pytest.raises(smtp.NotTaken, match="certificate verify failed"):
            smtp.send(server.url, message)
        assert server.mails == []
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        smtp.send(server.url, message)
        assert len(server.mails) == 1


def test_a_server_elsewhere_that_offers_no_tls_gets_nothing(
    message: EmailMessage, server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smtp, "is_loopback", lambda _host: False)
    with pytest.raises(smtp.NotTaken, match="STARTTLS extension not supported"):
        smtp.send(server.url, message)
    assert server.mails == []


@pytest.mark.filterwarnings("ignore:Requiring AUTH:UserWarning")
@pytest.mark.filterwarnings("ignore:Requiring AUTH:UserWarning")
def test_a_password_that_cannot_be_said_is_no_defect(message: EmailMessage, server: MailServer) -> None:
    for url in (server.url.replace("//", "//desk:p%C3%A9ss@"), "smtp://mail..example.com"):
        for try_it in (partial(smtp.send, url, message), partial(smtp.greet, url)):
            with pytest.raises(smtp.NotTaken):
                try_it()


def test_a_server_that_looks_long_at_a_mail_gets_it_once(
    refund_desk: RefundDesk, server: MailServer, anna: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smtp, "TIMEOUT_S", 0.3)
    server.looks_at_mail_for_s = 0.6
    put(refund_desk, anna)
    assert send_all(refund_desk.desk) == 1
    assert len(server.mails) == 1
    assert rows(refund_desk)[0].sent_at is not None


def test_nothing_else_is_waited_for_so_long(
    server: MailServer, message: EmailMessage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A claim has to outlive it."""
    monkeypatch.setattr(smtp, "TIMEOUT_S", 0.3)
    server.looks_at_recipient_for_s = 1.0
    with pytest.raises(smtp.NotTaken, match="timed out"):
        smtp.send(server.url, message)


@pytest.mark.filterwarnings("ignore:Requiring AUTH:UserWarning")
def test_it_signs_in_with_whatever_stands_in_the_address(message: EmailMessage) -> None:
    with running_mail_server(free_port(), must_sign_in=True) as server:

        def url(password: str) -> str:
            return server.url.replace("//", f"//desk%40here:{quote(password, safe='')}@")

        smtp.send(url("right: @/%"), message)
        smtp.greet(url("right: @/%"))
        assert set(server.signed_in) == {(b"desk@here", b"right: @/%")}
        for try_it in (lambda: smtp.send(url("wrong"), message), lambda: smtp.greet(url("wrong"))):
            with pytest.raises(smtp.NotTaken, match="535") as refused:
                try_it()
            assert not refused.value.is_final, "whoever runs the desk can mend that"
        assert len(server.mails) == 1


def test_a_long_word_of_the_servers_is_cut_and_put_in_one_line() -> None:
    problem = smtp.NotTaken("554 no\r\n\tnever\0 " + "x" * 5000)
    assert str(problem).startswith("554 no never x")
    assert len(str(problem)) == 300


# Settings


@pytest.mark.parametrize(
    ("server_url", "sender", "problem"),
    [
        ("smtp://mail.example.com", "", "DASHBOARD_MAIL_FROM must be set as well"),
        ("http://mail.example.com", "a@b.example", "must look like smtp://"),
        ("smtp://", "a@b.example", "must look like smtp://"),
        ("smtp://mail.example.com/path", "a@b.example", "must look like smtp://"),
        ("smtp://user:p:ss@mail.example.com:mail", "a@b.example", "has no port that can be read"),
        ("smtp://mail.example.com", "nobody", "must look like Refund desk <"),
        ("smtp://mail.example.com", "a@b.example, c@d.example", "must look like Refund desk <"),
        ("smtp://mail.example.com", "a@b.example\nBcc: c@d.example", "must look like Refund desk <"),
    ],
)
def test_a_mail_server_or_sender_that_cannot_be_used_stops_the_start(
    environ: dict[str, str], server_url: str, sender: str, problem: str
) -> None:
    settings = {**environ, "DASHBOARD_MAIL_SERVER": server_url, "DASHBOARD_MAIL_FROM": sender}
    with pytest.raises(BadSettings, match=problem):
        read_config(settings)


def test_the_servers_password_stands_in_no_text_of_the_settings(environ: dict[str, str]) -> None:
    config = read_config({**environ, "DASHBOARD_MAIL_SERVER": "smtps://desk:s3cret@mail.example.com"})
    assert config.has_mail
    assert "s3cret" not in repr(config)
