"""Mail to people: written down together with what it tells of, handed to the mail server by the workers.

A worker that dies in between hands it over a second time, under the same Message-ID.
"""

import json
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.errors import HeaderParseError
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from urllib.parse import urlsplit

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from dashboard import ledger, sealing, smtp
from dashboard.config import BooksConfig
from dashboard.desk import Books
from dashboard.journal import WriteSession
from dashboard.models import Mail, Person

log = logging.getLogger(__name__)

PASSWORD_LINK = "password_link"  # noqa: S105
NOTICES = "notices"
KINDS = (PASSWORD_LINK, NOTICES)

# Why a mail was given up, where it was not the server's word.
REPLACED = "replaced"
TOO_LATE = "too_late"
DISABLED = "disabled"
CANNOT_READ = "cannot_read"
BAD_ADDRESS = "bad_address"

LOOK_EVERY_S = 1.0
FIRST_PAUSE = timedelta(seconds=30)
LONGEST_PAUSE = timedelta(minutes=15)
# A claim outlives a conversation with the server in which every step takes as long as it may.
CLAIM = timedelta(seconds=12 * smtp.TIMEOUT_S + 2 * smtp.TAKING_TIMEOUT_S)

Send = Callable[[str, EmailMessage], None]


@dataclass(frozen=True)
class Letter:
    """What a mail says."""

    subject: str
    text: str


def put(
    tx: WriteSession, config: BooksConfig, person: Person, kind: str, letter: Letter, holds_until: datetime
) -> Mail:
    """Write a mail down to be sent; it takes the place of one of its kind that still waits."""
    now = tx.clock.now()
    drop(tx, person, kind)
    text = json.dumps([letter.subject, letter.text])
    sealed = sealing.seal(text, config.secret_keys, sealed_to(person.id))
    mail = Mail(person_id=person.id, kind=kind, letter=sealed, queued_at=now, holds_until=holds_until, next_try_at=now)
    tx.add(mail)
    tx.flush()
    return mail


def drop(tx: WriteSession, person: Person, kind: str) -> None:
    """What still waits of this kind is of no use any more."""
    waiting = (Mail.person_id == person.id, Mail.kind == kind, Mail.next_try_at.is_not(None))
    for older in tx.scalars(select(Mail).where(*waiting).with_for_update()):
        _end(older, problem=REPLACED)


def last_of(session: Session, person_id: str, kind: str) -> Mail | None:
    """The person's newest mail of this kind."""
    query = select(Mail).where(Mail.person_id == person_id, Mail.kind == kind)
    return session.scalars(query.order_by(Mail.id.desc()).limit(1)).one_or_none()


# Sending


def run(books: Books, stop: threading.Event, send: Send = smtp.send) -> None:
    """Send what is due until told to stop."""
    while not stop.is_set():
        try:
            is_more = send_next(books, send)
        except Exception:
            log.exception("a mail could not be sent, it will be tried again")
            is_more = False
        if not is_more:
            stop.wait(LOOK_EVERY_S)


def send_next(books: Books, send: Send = smtp.send) -> bool:
    """Send the mail that has been due for longest; whether there was one."""
    with books.read() as session:
        if session.scalars(_due(books.clock.now())).one_or_none() is None:
            return False
    mail_id = _claim(books)
    if mail_id is None:
        return False
    try:
        message = _message(books, mail_id)
    except _OfNoUse as why:
        _note_of_no_use(books, mail_id, str(why))
        return True
    _hand_over(books, mail_id, message, send)
    return True


class _OfNoUse(Exception):
    """Nobody is to get it any more; str() is the code of why."""


def _due(now: datetime) -> Select[int]:
    return select(Mail.id).where(Mail.next_try_at <= now).order_by(Mail.next_try_at, Mail.id).limit(1)


def _claim(books: Books) -> int | None:
    """A mail that no other worker sends meanwhile. Whatever breaks afterwards, the others have their turn."""
    now = books.clock.now()
    with books.write() as tx:
        mail_id: int | None = tx.scalars(_due(now).with_for_update(skip_locked=True)).one_or_none()
        if mail_id is None:
            return None
        mail = tx.get_one(Mail, mail_id)
        mail.next_try_at, mail.tries = now + CLAIM, mail.tries + 1
    return mail_id


def _message(books: Books, mail_id: int) -> EmailMessage:
    with books.read() as session:
        mail = session.get_one(Mail, mail_id)
        person = session.get_one(Person, mail.person_id)
    if person.disabled_at is not None:
        raise _OfNoUse(DISABLED)
    if mail.letter is None:
        raise _OfNoUse(REPLACED)
    if books.clock.now() >= mail.holds_until:
        raise _OfNoUse(TOO_LATE)
    try:
        letter = Letter(*json.loads(sealing.unseal(mail.letter, books.config.secret_keys, sealed_to(person.id))))
    except sealing.CannotUnseal as problem:
        raise _OfNoUse(CANNOT_READ) from problem
    return _written(books.config, mail, _address(person.email), letter)


def _address(email: str) -> Address:
    """This very address: what a mail program would read as another one, or as two, is none."""
    try:
        address = Address(addr_spec=email)
    except (HeaderParseError, ValueError, IndexError, AttributeError) as problem:
        # The last two are what the library's parser fails with.
        raise _OfNoUse(BAD_ADDRESS) from problem
    if address.addr_spec != email:
        raise _OfNoUse(BAD_ADDRESS)
    return address


def _written(config: BooksConfig, mail: Mail, to: Address, letter: Letter) -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = config.mail_from, to, letter.subject
    message["Date"] = format_datetime(mail.queued_at)
    # With its time, since numbers come again after a backup is restored.
    number = f"{mail.id}.{int(mail.queued_at.timestamp())}"
    message["Message-ID"] = f"<{mail.kind}.{number}@{urlsplit(config.public_url).hostname}>"
    # No answer comes back from somebody who is away.
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(letter.text)
    return message


def _hand_over(books: Books, mail_id: int, message: EmailMessage, send: Send) -> None:
    try:
        send(books.config.mail_server, message)
    except smtp.NotTaken as refused:
        log.warning("mail %s was not taken: %s", mail_id, refused)
        _note_refused(books, mail_id, refused)
        return
    with books.write() as tx:
        mail = tx.get_one(Mail, mail_id, with_for_update=True)
        mail.sent_at = tx.clock.now()
        _end(mail)
        tx.record(ledger.WORKER, "mail:sent", f"person:{mail.person_id}", kind=mail.kind, mail=mail.id)


def _note_of_no_use(books: Books, mail_id: int, why: str) -> None:
    with books.write() as tx:
        mail = tx.get_one(Mail, mail_id, with_for_update=True)
        if mail.next_try_at is not None:
            _give_up(tx, mail, why)


def _note_refused(books: Books, mail_id: int, refused: smtp.NotTaken) -> None:
    with books.write() as tx:
        mail = tx.get_one(Mail, mail_id, with_for_update=True)
        if mail.next_try_at is None:
            return
        if refused.is_final:
            _give_up(tx, mail, str(refused))
            return
        mail.problem = str(refused)
        pause = min(FIRST_PAUSE * 2 ** min(mail.tries - 1, 10), LONGEST_PAUSE)
        mail.next_try_at = tx.clock.now() + pause


def _give_up(tx: WriteSession, mail: Mail, problem: str) -> None:
    """It goes out no more. The server's last word says more than that it is too late."""
    _end(mail, problem=mail.problem if problem == TOO_LATE and mail.problem else problem)
    tx.record(ledger.WORKER, "mail:failed", f"person:{mail.person_id}", kind=mail.kind, mail=mail.id, why=mail.problem)


def _end(mail: Mail, problem: str | None = None) -> None:
    mail.letter, mail.next_try_at, mail.problem = None, None, problem


def sealed_to(person_id: str) -> str:
    """For what a letter to this person is sealed."""
    return f"mail:{person_id}"
