"""The two calls: what is sent, and what each answer is taken for."""

import json
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from hypothesis import given
from hypothesis import strategies as st

from dashboard.bank131.client import (
    BankClient,
    BankError,
    HttpAnswer,
    KeyAlreadyUsed,
    NeverConnected,
    NeverReached,
    NoAnswer,
    OutcomeUnknown,
    Reading,
    Refused,
    RequestsTransport,
    refund_body,
)
from dashboard.bank131.objects import Amount, parse_session
from dashboard.bank131.signature import verify

Json = dict[str, Any]

REFERENCE = "5f0c7a31-93b4-4a44-8f27-3d8b1d1f2a10"
BODY = refund_body("ps_7001", Amount(1050, "rub"), REFERENCE)


class Bank:
    """A transport that keeps what it was given and answers, or raises, what it was told to."""

    def __init__(self, outcome: HttpAnswer | Exception) -> None:
        self.outcome = outcome
        self.calls: list[tuple[str, dict[str, str], bytes, float]] = []

    def __call__(self, url: str, headers: Mapping[str, str], body: bytes, timeout_s: float) -> HttpAnswer:
        self.calls.append((url, dict(headers), body, timeout_s))
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome


def answer(status: int, content: object) -> HttpAnswer:
    return HttpAnswer(status, content if isinstance(content, bytes) else json.dumps(content).encode())


def error(code: object = "account_not_found", **more: object) -> Json:
    return {"status": "error", "error": {"code": code, "description": "no such account", **more}}


@pytest.fixture
def client_of(private_key: RSAPrivateKey) -> Callable[..., BankClient]:
    def client(bank: Bank, **settings: Any) -> BankClient:
        given_settings = {"url": "https://bank.test", "project": "shop_1", **settings}
        return BankClient(private_key=private_key, transport=bank, **given_settings)

    return client


@pytest.fixture
def outcome_of(client_of: Callable[..., BankClient]) -> Callable[..., BankError | Reading]:
    """What a refund ends in when the bank answers so; a status call has to end in the same."""

    def outcome(told: HttpAnswer | Exception) -> BankError | Reading:
        client = client_of(Bank(told))
        of_refund = _outcome(lambda: client.refund(BODY, REFERENCE))
        of_status = _outcome(lambda: client.status("ps_7001"))
        assert (type(of_refund), str(of_refund)) == (type(of_status), str(of_status))
        return of_refund

    return outcome


def _outcome(call: Callable[[], Reading]) -> BankError | Reading:
    try:
        return call()
    except BankError as ended:
        return ended


def test_the_body_of_a_refund_is_canonical() -> None:
    assert BODY == (
        b'{"session_id":"ps_7001","amount_details":{"amount":1050,"currency":"rub"},'
        b'"metadata":{"reference":"5f0c7a31-93b4-4a44-8f27-3d8b1d1f2a10"}}'
    )


def test_a_full_refund_goes_without_an_amount() -> None:
    assert refund_body("ps_1", None, "r") == b'{"session_id":"ps_1","metadata":{"reference":"r"}}'


@pytest.mark.parametrize(
    ("session_id", "amount", "reference"),
    [
        ("", None, REFERENCE),
        ("ps 1", None, REFERENCE),
        ("ps_é", None, REFERENCE),
        ("ps_1", None, ""),
        ("ps_1", None, "a\nb"),
        ("ps_1", Amount(0, "rub"), REFERENCE),
        ("ps_1", Amount(-1, "rub"), REFERENCE),
        ("ps_1", Amount(True, "rub"), REFERENCE),
        ("ps_1", Amount(10.0, "rub"), REFERENCE),  # type: ignore[arg-type]
    ],
)
def test_what_no_refund_can_be_made_of(session_id: str, amount: Amount | None, reference: str) -> None:
    with pytest.raises(ValueError, match=r"ha(s|ve) to be"):
        refund_body(session_id, amount, reference)


@given(st.integers(1, 10**15 - 1), st.sampled_from(["rub", "USD"]), st.uuids().map(str))
def test_a_refund_says_what_was_asked(amount_minor: int, currency: str, reference: str) -> None:
    body = refund_body("ps_1", Amount(amount_minor, currency), reference)
    assert body.isascii()
    assert b" " not in body
    assert json.loads(body) == {
        "session_id": "ps_1",
        "amount_details": {"amount": amount_minor, "currency": currency.lower()},
        "metadata": {"reference": reference},
    }


def test_a_status_call_is_signed_and_names_the_project(
    client_of: Callable[..., BankClient], public_key: RSAPublicKey, session_json: Json
) -> None:
    bank = Bank(answer(200, {"status": "ok", "session": session_json}))
    reading = client_of(bank, timeout_s=7).status("ps_7001")
    [(url, headers, body, timeout_s)] = bank.calls
    assert (url, body, timeout_s) == ("https://bank.test/api/v1/session/status", b'{"session_id":"ps_7001"}', 7)
    assert verify([public_key], body, headers.pop("X-PARTNER-SIGN"))
    assert headers == {
        "Content-Type": "application/json",
        "Accept": "application/json",
        "User-Agent": "bank131-refund-desk",
        "X-PARTNER-PROJECT": "shop_1",
    }
    assert reading == Reading(parse_session(session_json), session_json, bank.outcome)  # type: ignore[arg-type]


def test_a_refund_call_sends_the_bytes_it_is_given(
    client_of: Callable[..., BankClient], public_key: RSAPublicKey, session_json: Json
) -> None:
    bank = Bank(answer(200, {"status": "ok", "session": session_json}))
    body = b'{ "metadata": {},\n "session_id" : "ps_7001" }'
    client_of(bank, version=2, submerchant="sub_1").refund(body, REFERENCE)
    [(url, headers, sent, timeout_s)] = bank.calls
    assert (url, sent, timeout_s) == ("https://bank.test/api/v2/session/refund", body, 30)
    assert verify([public_key], body, headers["X-PARTNER-SIGN"])
    assert headers["X-PARTNER-IDEMPOTENCY-KEY"] == REFERENCE
    assert headers["X-PARTNER-SUBMERCHANT"] == "sub_1"


def test_a_status_call_has_no_idempotency_key(client_of: Callable[..., BankClient]) -> None:
    bank = Bank(NoAnswer())
    with pytest.raises(OutcomeUnknown):
        client_of(bank).status("ps_7001")
    assert "X-PARTNER-IDEMPOTENCY-KEY" not in bank.calls[0][1]


@pytest.mark.parametrize(
    ("body", "key"),
    [
        (b"", REFERENCE),
        (b"[]", REFERENCE),
        (b"{}", REFERENCE),
        (b'{"session_id": 7}', REFERENCE),
        (b'{"session_id": ""}', REFERENCE),
        (BODY, ""),
        (BODY, "a b"),
        (BODY, "a\r\nX-PARTNER-PROJECT: other"),
    ],
)
def test_a_refund_that_makes_no_sense_is_not_sent(client_of: Callable[..., BankClient], body: bytes, key: str) -> None:
    bank = Bank(NoAnswer())
    with pytest.raises(ValueError, match=r"\w"):
        client_of(bank).refund(body, key)
    assert bank.calls == []


def test_never_connected_is_never_reached(outcome_of: Callable[..., Any]) -> None:
    ended = outcome_of(NeverConnected("the connection was refused"))
    assert type(ended) is NeverReached
    assert str(ended) == "the bank was not reached: the connection was refused"
    assert ended.answer is None


def test_no_answer_is_unknown(outcome_of: Callable[..., Any]) -> None:
    ended = outcome_of(NoAnswer("no whole answer within 30 s"))
    assert type(ended) is OutcomeUnknown
    assert str(ended) == "the bank did not answer: no whole answer within 30 s"
    assert ended.answer is None


@pytest.mark.parametrize("status", [200, 400, 401, 403, 404, 422, 451, 499])
def test_a_well_formed_error_is_a_refusal(outcome_of: Callable[..., Any], status: int) -> None:
    ended = outcome_of(answer(status, error()))
    assert type(ended) is Refused
    assert (ended.code, ended.description) == ("account_not_found", "no such account")
    assert str(ended) == "the bank refused: account_not_found (no such account)"
    assert ended.answer == answer(status, error())


@pytest.mark.parametrize("description", [None, ""])
def test_a_refusal_needs_no_description(outcome_of: Callable[..., Any], description: str | None) -> None:
    ended = outcome_of(answer(200, error(description=description)))
    assert type(ended) is Refused
    assert (ended.description, str(ended)) == (None, "the bank refused: account_not_found")


def test_a_refusal_without_a_description_at_all(outcome_of: Callable[..., Any]) -> None:
    assert type(outcome_of(answer(400, {"status": "error", "error": {"code": "x"}}))) is Refused


def test_the_words_of_a_refusal_are_made_fit_to_show(outcome_of: Callable[..., Any]) -> None:
    ended = outcome_of(answer(200, error(" 3DS\nerror ", description="4242424242424242\n" + "x" * 999)))
    assert (ended.code, len(ended.description)) == ("3DS error", 255)
    assert ended.description.startswith("•••• 4242 xxx")
    assert "\n" not in str(ended)


@pytest.mark.parametrize(
    "status", [408, 409, 425, 429, 500, 502, 503, 504, 201, 202, 204, 301, 302, 307, 308, 100, 600]
)
def test_a_well_formed_error_with_any_other_status_is_unknown(outcome_of: Callable[..., Any], status: int) -> None:
    assert type(outcome_of(answer(status, error()))) is OutcomeUnknown


@pytest.mark.parametrize("status", [200, 202, 302, 400, 401, 409, 422, 429, 500, 503])
def test_a_key_used_before_is_unknown_whatever_the_status(outcome_of: Callable[..., Any], status: int) -> None:
    ended = outcome_of(answer(status, error("idempotency_key_already_exists")))
    assert type(ended) is KeyAlreadyUsed
    assert isinstance(ended, OutcomeUnknown)
    assert not isinstance(ended, Refused)


@pytest.mark.parametrize("status", [200, 400, 401, 404, 500])
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html>502 Bad Gateway</html>",
        b'{"status": "error", "error": {"code": "authentication_er',
        b'{"status": "error", "error": {"code": "\xff"}}',
        b'{"status": "error", "error": {"code": "a", "code": "b"}}',
        b'{"status": "ok", "status": "error", "error": {"code": "x"}}',
        b"null",
        [],
        [error()],
        "error",
        {},
        {"status": "error"},
        {"status": "error", "error": None},
        {"status": "error", "error": "account_not_found"},
        {"status": "error", "error": []},
        {"status": "error", "error": {}},
        {"error": {"code": "account_not_found"}},
        {"status": "ERROR", "error": {"code": "account_not_found"}},
        {"status": ["error"], "error": {"code": "account_not_found"}},
        error(""),
        error(" "),
        error(None),
        error(401),
        error(["account_not_found"]),
        error(description=7),
        error(description={"text": "no"}),
        {"status": "ok"},
        {"status": "ok", "session": None},
        {"status": "ok", "session": []},
        {"status": "ok", "session": {"id": "ps_7001"}},
        {"status": "ok", "session": {"id": "ps_7001", "status": "paid"}},
        {"status": "ok", "session": {"status": "accepted"}},
        {"status": "ok", "session": {"id": "ps_7002", "status": "accepted"}},
        {"status": "ok", "session": {"id": "PS_7001", "status": "accepted"}},
        {"session": {"id": "ps_7001", "status": "accepted"}},
        {"status": "pending", "session": {"id": "ps_7001", "status": "accepted"}},
    ],
)
def test_anything_else_is_unknown(outcome_of: Callable[..., Any], status: int, content: object) -> None:
    told = answer(status, content)
    ended = outcome_of(told)
    assert type(ended) is OutcomeUnknown
    assert ended.answer == told
    assert str(ended)
    assert "\n" not in str(ended)


@pytest.mark.parametrize("status", [201, 202, 204, 206, 301, 302, 400, 404, 409, 500, 503])
def test_a_good_session_with_another_status_than_200_is_unknown(
    outcome_of: Callable[..., Any], session_json: Json, status: int
) -> None:
    assert type(outcome_of(answer(status, {"status": "ok", "session": session_json}))) is OutcomeUnknown


def test_a_session_with_an_unreadable_refund_is_an_answer_all_the_same(
    outcome_of: Callable[..., Any], with_refund: Callable[..., Json]
) -> None:
    ended = outcome_of(answer(200, {"status": "ok", "session": with_refund(status="reversed")}))
    assert ended.session.unreadable == ("refund rf_301: unknown status: 'reversed'",)


@given(st.integers(100, 599), st.binary(max_size=40))
def test_no_answer_whatever_raises_anything_but_a_bank_error(
    private_key: RSAPrivateKey, status: int, body: bytes
) -> None:
    client = BankClient(
        url="https://bank.test", project="p", private_key=private_key, transport=Bank(HttpAnswer(status, body))
    )
    with pytest.raises(BankError):
        client.refund(BODY, REFERENCE)


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://demo.bank131.ru", "https://demo.bank131.ru"),
        ("https://demo.bank131.ru/", "https://demo.bank131.ru"),
        ("https://DEMO.bank131.ru:443", "https://demo.bank131.ru:443"),
        ("HTTPS://demo.bank131.ru", "https://demo.bank131.ru"),
        ("http://127.0.0.1:8132", "http://127.0.0.1:8132"),
        ("http://127.8.9.10", "http://127.8.9.10"),
        ("http://localhost:8132/", "http://localhost:8132"),
        ("http://[::1]:8132", "http://[::1]:8132"),
    ],
)
def test_servers_that_may_be_called(client_of: Callable[..., BankClient], url: str, kept: str) -> None:
    client = client_of(Bank(NoAnswer()), url=url)
    assert (client.url, client.project) == (kept, "shop_1")


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("", "has to be https://host"),
        ("demo.bank131.ru", "has to be https://host"),
        ("ftp://demo.bank131.ru", "has to be https://host"),
        ("https://", "has to be https://host"),
        ("https:///api", "has to be https://host"),
        ("https://demo.bank131.ru:0", "has to be https://host"),
        ("https://demo.bank131.ru:port", "cannot be read"),
        ("https://demo.bank131.ru:99999", "cannot be read"),
        ("https://[::1", "cannot be read"),
        ("https://demo.bank131.ru/api/v1", "the server alone"),
        ("https://demo.bank131.ru?x=1", "the server alone"),
        ("https://demo.bank131.ru#x", "the server alone"),
        ("https://user:secret@demo.bank131.ru", "the server alone"),
        ("http://localhost@demo.bank131.ru", "the server alone"),
        ("https://demo.bank131.ru\n", "characters"),
        ("https://demo bank131.ru", "characters"),
        ("https://банк.рф", "characters"),
        ("http://localhost\\@demo.bank131.ru", "characters"),
        ("http://demo.bank131.ru", "loopback alone"),
        ("http://128.0.0.1", "loopback alone"),
        ("http://10.0.0.1", "loopback alone"),
        ("http://0.0.0.0", "loopback alone"),
        ("http://[::]", "loopback alone"),
        ("http://[::ffff:127.0.0.1]", "loopback alone"),
        ("http://127.1", "loopback alone"),
        ("http://localhost.bank131.ru", "loopback alone"),
        ("http://127.0.0.1.bank131.ru", "loopback alone"),
    ],
)
def test_servers_that_may_not_be_called(client_of: Callable[..., BankClient], url: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason) as refused:
        client_of(Bank(NoAnswer()), url=url)
    assert "\n" not in str(refused.value)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"version": 0}, "version has to be 1 or 2"),
        ({"version": 3}, "version has to be 1 or 2"),
        ({"timeout_s": 0}, "timeout"),
        ({"timeout_s": -1}, "timeout"),
        ({"timeout_s": float("nan")}, "timeout"),
        ({"timeout_s": float("inf")}, "timeout"),
        ({"project": ""}, "project"),
        ({"project": "a\r\nb"}, "project"),
        ({"project": "магазин"}, "project"),
        ({"submerchant": ""}, "submerchant"),
        ({"submerchant": "a b"}, "submerchant"),
    ],
)
def test_settings_that_cannot_work(client_of: Callable[..., BankClient], settings: Json, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        client_of(Bank(NoAnswer()), **settings)


def test_over_the_wire(private_key: RSAPrivateKey, public_key: RSAPublicKey, session_json: Json) -> None:
    verified: list[bool] = []

    class Endpoint(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            verified.append(verify([public_key], body, self.headers["X-PARTNER-SIGN"]) and body == BODY)
            told = answer(200, {"status": "ok", "session": session_json})
            self.send_response(told.status)
            self.send_header("Content-Length", str(len(told.body)))
            self.end_headers()
            self.wfile.write(told.body)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Endpoint) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        client = BankClient(
            url=f"http://127.0.0.1:{server.server_port}",
            project="shop_1",
            private_key=private_key,
            timeout_s=5,
            transport=RequestsTransport(),
        )
        reading = client.refund(BODY, REFERENCE)
        server.shutdown()
    assert verified == [True]
    assert reading.session == parse_session(session_json)
