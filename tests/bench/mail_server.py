"""A real mail server on loopback that keeps what it takes, and refuses what a test tells it to."""

import asyncio
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

ACCEPTED = "250 OK"


class MailServer:
    """What came in is in `mails`; a test sets what is said to a recipient, to a mail, to a goodbye, and who may."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.to_recipient = self.to_mail = ACCEPTED
        self.to_goodbye = "221 Bye"
        self.looks_at_recipient_for_s = self.looks_at_mail_for_s = 0.0
        self.recipients: list[str] = []
        self.signed_in: list[tuple[bytes, bytes]] = []
        self.url = ""

    async def handle_RCPT(  # noqa: N802
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        await asyncio.sleep(self.looks_at_recipient_for_s)
        if self.to_recipient == ACCEPTED:
            envelope.rcpt_tos.append(address)
        return self.to_recipient

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        await asyncio.sleep(self.looks_at_mail_for_s)
        if self.to_mail == ACCEPTED:
            content = envelope.original_content or b""
            self.mails.append(message_from_bytes(content, policy=default))  # type: ignore[arg-type]
            self.recipients += envelope.rcpt_tos
        return self.to_mail

    async def handle_QUIT(self, _server: SMTP, _session: Session, _envelope: Envelope) -> str:  # noqa: N802
        return self.to_goodbye

    def authenticate(self, _server: SMTP, _session: Session, _envelope: Envelope, _kind: str, data: Any) -> AuthResult:
        assert isinstance(data, LoginPassword)
        self.signed_in.append((data.login, data.password))
        return AuthResult(success=data.password == b"right: @/%", handled=False)


@contextmanager
def running_mail_server(
    port: int, *, tls: ssl.SSLContext | None = None, starttls: ssl.SSLContext | None = None, must_sign_in: bool = False
) -> Iterator[MailServer]:
    """It listens on this port of 127.0.0.1; with `tls` from the first byte on."""
    server = MailServer()
    options: dict[str, Any] = {"auth_require_tls": False, "auth_required": must_sign_in, "tls_context": starttls}
    if must_sign_in:
        options["authenticator"] = server.authenticate
    controller = Controller(server, hostname="127.0.0.1", port=port, ssl_context=tls, **options)
    controller.start()
    try:
        server.url = f"{'smtps' if tls else 'smtp'}://127.0.0.1:{port}"
        yield server
    finally:
        controller.stop(no_assert=True)
