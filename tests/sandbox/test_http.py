"""The bank over a real socket: both versions, dropped connections, delays, and errors that are always JSON."""

import http.client
import json
import socket
import subprocess
import threading
import time

import pytest
import requests


@pytest.fixture
def host(server):
    return server.url.removeprefix("http://")


@pytest.fixture
def control(server):
    def post(path, document):
        return requests.post(f"{server.url}/control/{path}", json=document, timeout=10)

    return post


@pytest.fixture
def call(server, signed_headers):
    def post(method, document, version=1, **headers):
        body = json.dumps(document).encode()
        return requests.post(
            f"{server.url}/api/v{version}/{method}",
            data=body,
            headers=signed_headers(server, body) | headers,
            timeout=10,
        )

    return post


@pytest.fixture
def session_id(control):
    return control("sessions", {"amount": 100_000}).json()["id"]


def test_a_merchant_with_openssl_and_nothing_of_ours_is_served(server, session_id, host, tmp_path):
    body = json.dumps({"session_id": session_id, "amount_details": {"amount": 1050, "currency": "rub"}}).encode()
    (tmp_path / "request").write_bytes(body)
    signing = ["openssl", "dgst", "-sha256", "-sign", server.keys.merchant_private_path, tmp_path / "request"]
    signature = subprocess.run(signing, capture_output=True, check=True).stdout
    encoded = subprocess.run(["base64", "-w0"], input=signature, capture_output=True, check=True).stdout

    connection = http.client.HTTPConnection(host, timeout=10)
    headers = {"X-PARTNER-PROJECT": "demo_project", "X-PARTNER-SIGN": encoded.decode()}
    connection.request("POST", "/api/v2/session/refund", body, headers)
    answer = connection.getresponse()
    data = json.loads(answer.read())
    connection.close()

    assert answer.status == 200
    assert data["session"]["payment_list"][0]["refunds"][0]["amount_details"]["amount"] == 1050


@pytest.mark.parametrize(("version", "name"), [(1, "acquiring_payments"), (2, "payment_list")])
def test_both_versions(call, session_id, version, name):
    answer = call("session/status", {"session_id": session_id}, version)

    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.json()["session"][name]


def test_http_statuses_of_errors(call, session_id):
    refused = call("session/status", {"session_id": session_id}, **{"X-PARTNER-SIGN": "AAAA"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (401, "authentication_error")
    business = call("session/status", {"session_id": "ps_1"})
    assert (business.status_code, business.json()["error"]["code"]) == (200, "session_not_found")


@pytest.mark.parametrize(
    ("verb", "path", "status"),
    [
        ("GET", "/api/v1/session/status", 405),
        ("POST", "/api/v3/session/status", 404),
        ("POST", "/api/session/status", 404),
        ("GET", "/nowhere", 404),
    ],
)
def test_other_addresses_are_json_errors_too(server, verb, path, status):
    answer = requests.request(verb, server.url + path, timeout=10)

    assert answer.status_code == status
    assert answer.json()["status"] == "error"


def test_too_large_a_body_is_refused(server):
    answer = requests.post(f"{server.url}/api/v1/session/status", data=b" " * (1024 * 1024 + 1), timeout=10)

    assert (answer.status_code, answer.json()["status"]) == (413, "error")


@pytest.mark.parametrize(("kind", "refunds"), [("drop_request", 0), ("drop_response", 1)])
def test_a_dropped_connection_really_ends_without_a_byte(server, control, session_id, signed_headers, kind, refunds):
    control("faults", {"method": "session/refund", "kind": kind})
    body = json.dumps({"session_id": session_id, "amount_details": {"amount": 1, "currency": "rub"}}).encode()
    lines = [f"{name}: {value}" for name, value in signed_headers(server, body).items()]
    head = [
        "POST /api/v1/session/refund HTTP/1.1",
        "Host: localhost",
        f"Content-Length: {len(body)}",
        *lines,
        "",
        "",
    ]

    port = int(server.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall("\r\n".join(head).encode() + body)
        received = connection.recv(1024)

    assert received == b""
    shown = requests.get(f"{server.url}/control/ledger", timeout=10).json()["sessions"][0]
    assert len(shown["acquiring_payments"][0].get("refunds", [])) == refunds


def test_a_client_library_sees_no_answer(call, control, session_id):
    control("faults", {"method": "session/status", "kind": "drop_response"})

    with pytest.raises(requests.ConnectionError, match="without response"):
        call("session/status", {"session_id": session_id})
    assert call("session/status", {"session_id": session_id}).status_code == 200


def test_a_cut_answer_arrives_cut(call, control, session_id):
    control("faults", {"method": "session/status", "kind": "truncate"})

    answer = call("session/status", {"session_id": session_id})

    assert answer.status_code == 200
    with pytest.raises(requests.JSONDecodeError):
        answer.json()


def test_a_slow_answer_delays_no_other(call, control, session_id, eventually):
    control("faults", {"method": "session/refund", "kind": "slow", "delay_ms": 700})
    slow = {}

    def refund():
        started = time.monotonic()
        answer = call("session/refund", {"session_id": session_id})
        slow.update(answer=answer, took_s=time.monotonic() - started)

    waiting = threading.Thread(target=refund)
    waiting.start()

    def refund_is_made():
        session = call("session/status", {"session_id": session_id}).json()["session"]
        return "refunds" in session["acquiring_payments"][0]

    eventually(refund_is_made, 0.6, "the refund is made before its answer comes")
    assert not slow
    waiting.join(5)
    assert slow["answer"].status_code == 200
    assert 0.7 <= slow["took_s"] < 2


def test_many_callers_at_once_get_no_more_than_there_is(control, call):
    session_id = control("sessions", {"amount": 500}).json()["id"]
    answers = []

    def refund():
        request = {"session_id": session_id, "amount_details": {"amount": 100, "currency": "rub"}}
        answers.append(call("session/refund", request).json())

    threads = [threading.Thread(target=refund) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)

    assert [answer["status"] for answer in answers].count("ok") == 5
    assert len(answers) == 12
