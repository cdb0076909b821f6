"""One mail handed to the mail server. Its words and its refusals are those of RFC 5321."""

import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from email.message import EmailMessage
from typing import Any
from urllib.parse import unquote, urlsplit

from dashboard.config import is_loopback

TIMEOUT_S = 30.0
# Before a mail's first line and after its last, while the server looks through it: as RFC 5321, 4.5.3.2, asks.
TAKING_TIMEOUT_S = 600.0
_PORTS = {"smtp": 587, "smtps": 465}
# A server may go on for ever; people read the beginning.
_LONGEST_REASON = 300


class NotTaken(Exception):
    """The server has not taken the mail; str() is the reason in one line. `is_final`: it never will."""

    def __init__(self, reason: str, *, is_final: bool = False) -> None:
        visible = "".join(sign if sign.isprintable() else " " for sign in reason)
        super().__init__(" ".join(visible.split())[:_LONGEST_REASON])
        self.is_final = is_final


class _Server(smtplib.SMTP):
    """It waits long for what takes long, and for nothing else."""

    def data(self, msg: Any) -> tuple[int, bytes]:
        if self.sock is not None:
            self.sock.settimeout(TAKING_TIMEOUT_S)
        return super().data(msg)


class _TlsServer(_Server, smtplib.SMTP_SSL):
    pass


def send(server_url: str, message: EmailMessage) -> None:
    """Hand a mail to the server, which has taken it when this comes back. Raises NotTaken."""
    with _signed_in(server_url) as server:
        try:
            server.send_message(message)
        except smtplib.SMTPRecipientsRefused as refused:
            code, reason = next(iter(refused.recipients.values()))
            raise NotTaken(_told(code, reason), is_final=code >= 500) from refused
        except smtplib.SMTPDataError as refused:
            told = _told(refused.smtp_code, refused.smtp_error)
            raise NotTaken(told, is_final=refused.smtp_code >= 500) from refused


def greet(server_url: str) -> None:
    """Reach the server and sign in, without a mail. Raises NotTaken."""
    with _signed_in(server_url) as server:
        server.noop()


@contextmanager
def _signed_in(server_url: str) -> Iterator[smtplib.SMTP]:
    """A connection, and what it fails with as NotTaken."""
    try:
        with _connected(server_url) as server:
            yield server
    except smtplib.SMTPResponseException as refused:
        # Of the sender or of ourselves: whoever looks after the desk can mend that.
        raise NotTaken(_told(refused.smtp_code, refused.smtp_error)) from refused
    except (smtplib.SMTPException, OSError, UnicodeError) as problem:
        raise NotTaken(str(problem) or type(problem).__name__) from problem


@contextmanager
def _connected(server_url: str) -> Iterator[smtplib.SMTP]:
    """A connection that nobody on the way reads along: by TLS, unless the server is on this machine."""
    parts = urlsplit(server_url)
    host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
    server = (
        _TlsServer(host, port, timeout=TIMEOUT_S, context=ssl.create_default_context())
        if parts.scheme == "smtps"
        else _Server(host, port, timeout=TIMEOUT_S)
    )
    try:
        if parts.scheme == "smtp" and not is_loopback(host):
            server.starttls(context=ssl.create_default_context())
        if parts.username:
            server.login(unquote(parts.username), unquote(parts.password or ""))
        yield server
    finally:
        # What the server has taken it has taken, however it says goodbye.
        with suppress(smtplib.SMTPException, OSError):
            server.quit()


def _told(code: int, reason: bytes | str) -> str:
    text = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else reason
    return f"{code} {text}"
