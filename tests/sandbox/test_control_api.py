"""The control calls over HTTP: what they do, and whom they refuse."""

import pytest

from dashboard.sandbox.app import create_sandbox_app
from dashboard.sandbox.courier import Gate


@pytest.fixture
def client(bank, clock):
    return create_sandbox_app(bank, gate=Gate(), clock=clock).test_client()


@pytest.fixture
def session_id(client):
    return client.post("/control/sessions", json={"amount": 1_000}).get_json()["id"]


def refunds(session):
    return session["acquiring_payments"][0]["refunds"]


def test_a_session_comes_back_bare_and_is_announced(client, webhooks):
    document = {"amount": 100_000, "currency": "rub", "customer": "client-1", "status": "accepted"}

    session = client.post("/control/sessions", json=document).get_json()

    assert session["status"] == "accepted"
    assert session["acquiring_payments"][0]["customer"] == {"reference": "client-1"}
    assert webhooks() == [{"type": "payment_finished", "session": session}]


def test_the_ledger_shows_every_session(client, session_id):
    other = client.post("/control/sessions", json={"status": "created"}).get_json()["id"]

    shown = client.get("/control/ledger").get_json()["sessions"]
    assert [session["id"] for session in shown] == [session_id, other]
    assert "payment_list" in client.get("/control/ledger?version=2").get_json()["sessions"][0]
    assert client.get("/control/ledger?version=3").status_code == 400


def test_settings(client):
    assert client.post("/control/settings", json={"decide": "manual"}).get_json()["decide"] == "manual"
    assert client.get("/control/settings").get_json()["decide"] == "manual"
    assert client.get("/control/settings").get_json()["decide_after_ms"] == 800


def test_decide(client, merchant, session_id):
    client.post("/control/settings", json={"decide": "manual"})
    refund_id = refunds(merchant.refund(session_id, 1).data["session"])[0]["id"]

    session = client.post(f"/control/refunds/{refund_id}/decide", json={"status": "declined"}).get_json()

    assert refunds(session)[0]["status"] == "declined"
    again = client.post(f"/control/refunds/{refund_id}/decide", json={"status": "accepted"})
    assert again.status_code == 409
    forced = client.post(f"/control/refunds/{refund_id}/decide", json={"status": "accepted", "force": True})
    assert refunds(forced.get_json())[0]["status"] == "accepted"


def test_chargeback_and_refund_at_the_bank(client, session_id):
    client.post(f"/control/sessions/{session_id}/chargeback", json={"amount": 300})
    session = client.post(f"/control/sessions/{session_id}/refund", json={"amount": 200}).get_json()

    shown = [(r["amount_details"]["amount"], r.get("is_chargeback", False)) for r in refunds(session)]
    assert shown == [(300, True), (200, False)]


def test_faults(client, merchant, session_id):
    fault = {"method": "session/status", "session": None, "kind": "http_500", "times": 2, "delay_ms": 0}

    assert client.post("/control/faults", json=fault).get_json() == {"faults": [fault]}
    assert merchant.call("session/status", {"session_id": session_id}).status == 500
    assert client.get("/control/faults").get_json() == {"faults": [{**fault, "times": 1}]}
    assert client.delete("/control/faults").get_json() == {"faults": []}


def test_resend(client, session_id, webhooks):
    (first,) = webhooks()

    answer = client.post("/control/webhooks/resend", json={"session": session_id})

    assert answer.get_json()["state"] == "waiting"
    assert webhooks() == [first]
    states = [webhook["state"] for webhook in client.get("/control/webhooks").get_json()["webhooks"]]
    assert states == ["delivered", "delivered"]


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("sessions", b"", 400),
        ("sessions", b"[]", 400),
        ("sessions", b'{"amount": -1}', 400),
        ("settings", b'{"decide": "maybe"}', 400),
        ("settings", b"{", 400),
        ("faults", b'{"kind": "slow"}', 400),
        ("refunds/rf_9/decide", b'{"status": "accepted"}', 404),
        ("refunds/rf_9/decide", b'{"state": "accepted"}', 400),
        ("sessions/ps_9/chargeback", b'{"amount": 1}', 404),
        ("sessions/ps_9/chargeback", b"{}", 404),
        ("webhooks/resend", b'{"session": 7}', 400),
        ("webhooks/resend", b'{"session": "ps_9"}', 404),
        ("nothing", b"{}", 404),
    ],
)
def test_bad_input_is_a_json_error(bank, client, path, body, status):
    answer = client.post(f"/control/{path}", data=body)

    assert answer.status_code == status
    assert answer.get_json()["status"] == "error"
    assert answer.get_json()["error"]["description"]
    assert not bank.ledger.sessions


@pytest.mark.parametrize("path", ["/control/ledger", "/"])
def test_other_machines_are_refused(client, path):
    for address in ("192.0.2.7", "10.0.0.1", "2001:db8::1"):
        assert client.get(path, environ_base={"REMOTE_ADDR": address}).status_code == 403
    for address in ("127.0.0.1", "127.9.9.9", "::1"):
        assert client.get(path, environ_base={"REMOTE_ADDR": address}).status_code == 200


@pytest.mark.parametrize("path", ["/control/ledger", "/"])
def test_other_names_of_this_machine_are_refused(client, path):
    for host in ("evil.test", "localhost.evil.test", "127.0.0.1.evil.test:8132", "192.0.2.7"):
        assert client.get(path, headers={"Host": host}).status_code == 403
    for host in ("localhost", "localhost:8132", "127.0.0.1:8132", "[::1]:8132"):
        assert client.get(path, headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.test"},
        {"Origin": "http://localhost:1"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "http://localhost", "Sec-Fetch-Site": "cross-site"},
    ],
)
@pytest.mark.parametrize("path", ["/control/sessions", "/page/sessions"])
def test_other_sites_change_nothing(bank, client, path, headers):
    data = {"amount": "1.00", "currency": "rub"} if path.startswith("/page") else b"{}"

    assert client.post(path, data=data, headers=headers).status_code == 403
    assert not bank.ledger.sessions


def test_the_page_of_this_server_may(bank, client):
    headers = {"Origin": "http://localhost", "Sec-Fetch-Site": "same-origin"}

    assert client.post("/control/sessions", json={}, headers=headers).status_code == 200
    assert len(bank.ledger.sessions) == 1


def test_the_banks_own_api_is_open_to_other_machines(client, merchant, session_id):
    body = f'{{"session_id": "{session_id}"}}'.encode()

    answer = client.post(
        "/api/v1/session/status",
        data=body,
        headers={**merchant.signed(body), "Host": "bank.test"},
        environ_base={"REMOTE_ADDR": "192.0.2.7"},
    )

    assert answer.status_code == 200
