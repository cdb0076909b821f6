"""Calls to the Bank 131 API: read a payment session, ask for a refund.

Every way a call can end is one of these: a `Reading`; `NeverReached`, where nothing was sent; `Refused`, where
the bank said no in so many words; `OutcomeUnknown`, which is everything else.
Source: the bank's documentation, "Refunds" and "Error codes"; the idempotency key is its PHP SDK's.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Address, ip_address
from typing import Protocol
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from dashboard.bank131.objects import (
    Amount,
    PaymentSession,
    UnreadableObject,
    is_identifier,
    one_line,
    parse_session,
    read_json,
)
from dashboard.bank131.signature import sign
from dashboard.bank131.transport import HttpAnswer, NeverConnected, NoAnswer, RequestsTransport, Transport

__all__ = [
    "Bank",
    "BankClient",
    "BankError",
    "HttpAnswer",
    "KeyAlreadyUsed",
    "NeverConnected",
    "NeverReached",
    "NoAnswer",
    "NotAsked",
    "OutcomeUnknown",
    "Reading",
    "Refused",
    "RequestsTransport",
    "Transport",
    "reading",
    "refund_body",
    "server_url",
]

API_VERSIONS = (1, 2)
MAX_TIMEOUT_S = 600
USER_AGENT = "bank131-refund-desk"

_UNDECIDED_STATUSES = frozenset({408, 409, 425, 429})
_KEY_ALREADY_USED = "idempotency_key_already_exists"


class BankError(Exception):
    """A call did not end in a good answer. str() is one line; `answer` is what came back, if anything did."""

    def __init__(self, message: str, answer: HttpAnswer | None = None) -> None:
        super().__init__(message)
        self.answer = answer

    @property
    def is_answered(self) -> bool:
        """Whether the bank itself said something, be it of no use, and is not merely out of reach or out of order."""
        return self.answer is not None and _is_decided(self.answer.status)


class NeverReached(BankError):
    """No connection was made and nothing was sent: refused, no such name, or not connected in time."""


class NotAsked(NeverReached):
    """Nobody set out for the bank: what stands in between is out of order, which says nothing about the bank."""


class Refused(BankError):
    """The bank answered with a well-formed error. `code` and `description` are the bank's own words."""

    def __init__(self, code: str, description: str | None, answer: HttpAnswer) -> None:
        super().__init__(f"the bank refused: {code}" + (f" ({description})" if description else ""), answer)
        self.code = code
        self.description = description


class OutcomeUnknown(BankError):
    """The call may or may not have had an effect: no answer, or none that can be relied on."""


class KeyAlreadyUsed(OutcomeUnknown):
    """The idempotency key was used before; what became of that earlier call has to be read."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A payment session from a good answer: as an object, as the bank's own JSON, and the answer itself.

    `raw` and `answer` hold all the bank sent, personal data included: keep and show only `allowlisted(raw)`.
    """

    session: PaymentSession
    raw: dict[str, object]
    answer: HttpAnswer


def refund_body(session_id: str, amount: Amount | None, reference: str) -> bytes:
    """The body of a refund request: to be stored, signed and sent exactly as it is.

    Without an amount the bank refunds in full. The reference comes back in the metadata of the refund.
    Raises ValueError for an identifier or an amount that the bank could not take.
    """
    if not is_identifier(session_id) or not is_identifier(reference):
        raise ValueError("session and reference have to be 1 to 100 printable ASCII characters")
    fields: dict[str, object] = {"session_id": session_id}
    if amount is not None:
        if type(amount.amount_minor) is not int or amount.amount_minor <= 0:
            raise ValueError("the amount has to be a whole number of minor units above zero")
        fields["amount_details"] = {"amount": amount.amount_minor, "currency": amount.currency.lower()}
    return _json({**fields, "metadata": {"reference": reference}})


class Bank(Protocol):
    """What a desk asks of its bank."""

    url: str
    project: str

    def status(self, session_id: str, timeout_s: float | None = None) -> Reading: ...

    def refund(self, body: bytes, idempotency_key: str) -> Reading: ...


class BankClient:
    """The bank's API for one project.

    `url` is the server alone: `https://host[:port]`, or plain `http` on loopback. `timeout_s` bounds a whole
    call, from looking up the name to the last byte of the answer. Raises ValueError, with one line that says
    what is wrong, for a setting that cannot work.
    """

    def __init__(
        self,
        *,
        url: str,
        project: str,
        private_key: RSAPrivateKey,
        version: int = 1,
        timeout_s: float = 30,
        submerchant: str | None = None,
        transport: Transport,
    ) -> None:
        if version not in API_VERSIONS:
            raise ValueError(f"the API version has to be 1 or 2, not {version}")
        if not 0 < timeout_s <= MAX_TIMEOUT_S:
            raise ValueError(f"the timeout has to be above 0 s and at most {MAX_TIMEOUT_S} s, not {timeout_s:g}")
        if not is_identifier(project):
            raise ValueError("the project has to be 1 to 100 printable ASCII characters, without spaces")
        if submerchant is not None and not is_identifier(submerchant):
            raise ValueError("the submerchant has to be 1 to 100 printable ASCII characters, without spaces")
        self.url = server_url(url)
        self.project = project
        self._private_key = private_key
        self._version = version
        self._timeout_s = timeout_s
        self._submerchant = submerchant
        self._transport = transport

    def status(self, session_id: str, timeout_s: float | None = None) -> Reading:
        """The payment session as the bank has it now. Raises BankError.

        `timeout_s` can shorten the client's own deadline for this call.
        """
        return reading(self.ask_status(session_id, timeout_s), session_id)

    def ask_status(self, session_id: str, timeout_s: float | None = None) -> HttpAnswer:
        """The answer to `status` as it came, whatever it says. Raises NeverReached, OutcomeUnknown."""
        return self._call("session/status", _json({"session_id": session_id}), timeout_s=timeout_s)

    def refund(self, body: bytes, idempotency_key: str) -> Reading:
        """Ask for a refund with the bytes of `refund_body`, sent as they are. Raises BankError.

        A good answer shows the session with the new refund in it. Call it once a decision: only a read can
        tell what became of a call that ended in OutcomeUnknown.
        """
        session_id = _session_of(body)
        if not is_identifier(idempotency_key):
            raise ValueError("the idempotency key has to be 1 to 100 printable ASCII characters")
        answer = self._call("session/refund", body, {"X-PARTNER-IDEMPOTENCY-KEY": idempotency_key})
        return reading(answer, session_id)

    def _call(
        self,
        method: str,
        body: bytes,
        extra_headers: Mapping[str, str] | None = None,
        timeout_s: float | None = None,
    ) -> HttpAnswer:
        url = f"{self.url}/api/v{self._version}/{method}"
        headers = {**self._headers(body), **(extra_headers or {})}
        try:
            return self._transport(url, headers, body, min(timeout_s or self._timeout_s, self._timeout_s))
        except NeverConnected as error:
            raise NeverReached(f"the bank was not reached: {error}") from error
        except NoAnswer as error:
            raise OutcomeUnknown(f"the bank did not answer: {error}") from error

    def _headers(self, body: bytes) -> dict[str, str]:
        headers = {
            "Content-Type": "application/json",
            "Accept": "application/json",
            "User-Agent": USER_AGENT,
            "X-PARTNER-PROJECT": self.project,
            "X-PARTNER-SIGN": sign(self._private_key, body),
        }
        if self._submerchant is not None:
            headers["X-PARTNER-SUBMERCHANT"] = self._submerchant
        return headers


def reading(answer: HttpAnswer, session_id: str) -> Reading:
    """What an answer says about the session that was asked for. Raises Refused or OutcomeUnknown."""
    try:
        fields = read_json(answer.body)
    except UnreadableObject as problem:
        raise OutcomeUnknown(f"HTTP {answer.status} with a body that cannot be read: {problem}", answer) from None
    if not isinstance(fields, dict):
        raise OutcomeUnknown(f"HTTP {answer.status} without a JSON object", answer)
    if fields.get("status") == "error":
        raise _bank_error(answer, fields.get("error"))
    if answer.status != 200 or fields.get("status") != "ok":
        raise OutcomeUnknown(f"HTTP {answer.status} with neither a session nor an error", answer)
    return _good_reading(answer, fields.get("session"), session_id)


def _good_reading(answer: HttpAnswer, raw: object, session_id: str) -> Reading:
    try:
        session = parse_session(raw)
    except UnreadableObject as problem:
        raise OutcomeUnknown(f"the answer's session cannot be read: {problem}", answer) from None
    if session.id != session_id or not isinstance(raw, dict):
        raise OutcomeUnknown(f"the answer is about another session: {session.id}", answer)
    return Reading(session, raw, answer)


def _bank_error(answer: HttpAnswer, error: object) -> BankError:
    fields = error if isinstance(error, dict) else {}
    code, description = fields.get("code"), fields.get("description")
    if not isinstance(code, str) or not code.strip() or not isinstance(description, str | None):
        return OutcomeUnknown(f"HTTP {answer.status} with an error that has no readable code", answer)
    code = one_line(code)
    if code == _KEY_ALREADY_USED:
        return KeyAlreadyUsed("the bank has seen this idempotency key before", answer)
    if not _is_decided(answer.status):
        return OutcomeUnknown(f"HTTP {answer.status} with the error {code}", answer)
    return Refused(code, one_line(description) if description else None, answer)


def _is_decided(status: int) -> bool:
    """Whether an error with this HTTP status is the bank's decision and not a hiccup on the way."""
    return status == 200 or (400 <= status < 500 and status not in _UNDECIDED_STATUSES)


def _session_of(body: bytes) -> str:
    fields = read_json(body)
    session_id = fields.get("session_id") if isinstance(fields, dict) else None
    if not isinstance(session_id, str) or not session_id:
        raise ValueError("the refund request names no session")
    return session_id


def _json(fields: Mapping[str, object]) -> bytes:
    return json.dumps(fields, ensure_ascii=True, separators=(",", ":")).encode("ascii")


def server_url(text: str) -> str:
    """The address of a server as `scheme://host[:port]`. Raises ValueError with one line."""
    if not text.isascii() or not text.isprintable() or " " in text or "\\" in text:
        raise ValueError("the bank's URL holds characters that no URL may hold")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise ValueError("the bank's URL cannot be read") from None
    if parts.scheme not in {"https", "http"} or not parts.hostname or port == 0:
        raise ValueError("the bank's URL has to be https://host or https://host:port")
    if parts.path not in {"", "/"} or parts.query or parts.fragment or "@" in parts.netloc:
        raise ValueError("the bank's URL has to be the server alone, without a path, a query or a user")
    if parts.scheme == "http" and not _is_loopback(parts.hostname):
        raise ValueError("the bank's URL has to begin with https://; plain http:// is for loopback alone")
    return f"{parts.scheme}://{parts.netloc.lower()}"


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    return address in IPv4Network("127.0.0.0/8") if address.version == 4 else address == IPv6Address("::1")
