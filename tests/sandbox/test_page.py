"""The control page: every button without JavaScript, and no HTML on it that a customer wrote."""

import re

import pytest

from dashboard.sandbox.app import create_sandbox_app
from dashboard.sandbox.courier import Gate
from dashboard.sandbox.page import CSP
from dashboard.sandbox.scenes import seed_scenes


@pytest.fixture
def client(bank, clock):
    return create_sandbox_app(bank, gate=Gate(), clock=clock).test_client()


@pytest.fixture
def page(client):
    return lambda path="/": client.get(path).get_data(as_text=True)


def only_refund(bank):
    (found,) = bank.ledger.refunds()
    return found[2]


def press(client, path, **fields):
    answer = client.post(f"/page/{path}", data=fields)
    assert answer.status_code == 303
    assert answer.headers["Location"].startswith("/?note=")
    assert 'role="status"' in client.get(answer.headers["Location"]).get_data(as_text=True)


def test_every_sample_session_stands_on_it(bank, page):
    seed_scenes(bank)

    html = page()

    assert re.findall(r'<article [^>]*data-session="(ps_\d+)"', html) != []
    assert set(re.findall(r'<article [^>]*data-session="(ps_\d+)"', html)) == set(bank.ledger.sessions)
    assert "1,000.50 RUB" in html
    assert "18,000 JPY" in html
    assert "350,000,000 TONC minor units" in html
    assert "5,500.00 RUB left" in html


def test_metadata_is_text_not_html(bank, page):
    seed_scenes(bank)

    html = page()

    assert "<img" not in html
    assert "&lt;img src=x onerror=alert(1)&gt;" in html


def test_it_runs_no_script_and_takes_no_inline_style(bank, client):
    seed_scenes(bank)
    answer = client.get("/")

    assert answer.headers["Content-Security-Policy"] == CSP
    assert "script" not in CSP
    assert "unsafe" not in CSP
    html = answer.get_data(as_text=True)
    assert not re.search(r"<script|<style|\sstyle=|\son\w+=\"", html)
    with client.get("/sandbox.css") as style:
        assert style.content_type.startswith("text/css")


@pytest.mark.parametrize("status", ["accepted", "declined", "error"])
def test_a_refund_is_decided_with_a_button(bank, client, page, merchant, paid, webhooks, status):
    bank.change_settings({"decide": "manual"})
    merchant.refund(paid(), 1_050)
    refund = only_refund(bank)
    row = re.search(rf'<li [^>]*data-refund="{refund.id}".*?</li>', page(), re.S)[0]
    assert f'value="{status}"' in row

    press(client, f"refunds/{refund.id}/decide", status=status)

    assert refund.status == status
    assert len(webhooks()) == 1
    assert f'data-refund="{refund.id}" data-status="{status}"' in page()
    assert ("Accept</button>" in page()) is (status == "error")


def test_charge_back_with_an_amount_as_people_write_it(bank, client, paid):
    session_id = paid(100_000)

    press(client, f"sessions/{session_id}/chargeback", amount="12,50")

    assert only_refund(bank).is_chargeback
    assert only_refund(bank).amount_minor == 1_250


def test_refund_at_the_bank(bank, client, paid):
    session_id = paid(100_000, "tonc")

    press(client, f"sessions/{session_id}/refund", amount="1250")

    assert not only_refund(bank).is_chargeback
    assert only_refund(bank).amount_minor == 1_250


def test_lose_the_next_webhook_and_send_the_last_again(bank, client, paid, webhooks):
    session_id = paid()
    press(client, "webhooks/lose-next")
    bank.charge_back(session_id, 1)
    assert webhooks() == []

    press(client, "webhooks/resend")
    press(client, "webhooks/resend", session=session_id)

    assert len(webhooks()) == 2


def test_settings_form(bank, client, page):
    press(client, "settings", decide="declined", decide_after_ms="5", webhooks="twice", webhook_late_ms="7")

    settings = bank.ledger.settings
    assert (settings.decide, settings.decide_after_ms, settings.webhooks) == ("declined", 5, "twice")
    assert (settings.webhook_late_ms, settings.payments) == (7, "finish")
    assert '<option value="declined" selected>' in page()


def test_faults_form(bank, client, page):
    press(client, "faults", kind="html_502", method="session/refund", session=" ", times="2", delay_ms="0")

    (fault,) = bank.ledger.faults
    assert (fault.kind, fault.method, fault.session, fault.times) == ("html_502", "session/refund", None, 2)
    assert 'data-fault="html_502"' in page()

    press(client, "faults/clear")
    assert bank.ledger.faults == []


def test_a_session_is_created(bank, client, merchant):
    press(
        client,
        "sessions",
        amount="1 234,56",
        currency="rub",
        customer="client-9",
        status="accepted",
        method="wallet",
    )

    (session_id,) = bank.ledger.sessions
    payment = merchant.status(session_id)["acquiring_payments"][0]
    assert payment["amount_details"]["amount"] == 123_456
    assert payment["customer"]["reference"] == "client-9"
    assert payment["payment_details"]["type"] == "wallet"


@pytest.mark.parametrize(
    ("path", "fields", "status"),
    [
        ("refunds/rf_9/decide", {"status": "accepted"}, 404),
        ("refunds/rf_9/decide", {}, 400),
        ("sessions/{paid}/chargeback", {"amount": "ten"}, 400),
        ("sessions/{paid}/chargeback", {"amount": "-1"}, 400),
        ("sessions/{paid}/chargeback", {}, 400),
        ("sessions/{paid}/refund", {"amount": "9999999"}, 409),
        ("sessions/ps_9/chargeback", {"amount": "1"}, 404),
        ("webhooks/resend", {"session": "ps_9"}, 404),
        ("settings", {"decide": "maybe"}, 400),
        ("settings", {"decide_after_ms": "soon"}, 400),
        ("faults", {"kind": "slow"}, 400),
        ("sessions", {"amount": "1.00", "currency": "!"}, 400),
        ("sessions", {"amount": "<b>", "currency": "rub"}, 400),
        ("sessions", {"amount": "1.5", "currency": "tonc"}, 400),
        ("sessions", {"amount": "1.555", "currency": "rub"}, 400),
        ("sessions", {"amount": "9" * 40, "currency": "rub"}, 400),
        ("sessions", {"amount": "9" * 5000, "currency": "tonc"}, 400),
    ],
)
def test_bad_input_says_what_is_wrong_and_changes_nothing(bank, client, paid, path, fields, status):
    path = path.format(paid=paid())
    before = repr(bank.ledger.sessions), repr(bank.ledger.settings), repr(bank.ledger.faults)

    answer = client.post(f"/page/{path}", data=fields)

    assert answer.status_code == status
    html = answer.get_data(as_text=True)
    assert re.search(r'role="alert">[^<]+Nothing was changed', html)
    assert "<b></b>" not in html
    assert (repr(bank.ledger.sessions), repr(bank.ledger.settings), repr(bank.ledger.faults)) == before


def test_search_finds_ids_customers_and_metadata(bank, page):
    seed_scenes(bank)

    for query, count in (
        ("client-17", 3),
        ("طلب", 1),
        ("ЗАКАЗ", 1),
        ("ps_3204", 1),
        ("nothing like it", 0),
        ("", 24),
    ):
        assert len(re.findall(r"<article ", page(f"/?q={query}"))) == count


def test_only_the_latest_are_shown_of_many(paid, page):
    ids = [paid() for _ in range(53)]

    html = page()

    assert len(re.findall(r"<article ", html)) == 50
    assert "53 found, the 50 latest shown" in html
    assert f'data-session="{ids[-1]}"' in html


def test_a_session_moves_up_when_something_happens_to_it(bank, paid, page, clock):
    first = paid()
    clock.sleep(10)
    second = paid()
    assert re.findall(r'<article [^>]*data-session="(ps_\d+)"', page()) == [second, first]

    clock.sleep(10)
    bank.charge_back(first, 1)

    assert re.findall(r'<article [^>]*data-session="(ps_\d+)"', page()) == [first, second]


def test_it_refreshes_only_when_asked_to(client, page, paid):
    session_id = paid()
    assert 'http-equiv="refresh"' not in page()
    assert 'http-equiv="refresh"' in page("/?watch=1")

    referer = {"Referer": "http://localhost/?watch=1&q=client&note=decided"}
    answer = client.post(f"/page/sessions/{session_id}/chargeback", data={"amount": "1"}, headers=referer)
    assert answer.headers["Location"] == "/?note=charged_back&watch=1&q=client"


def test_another_address_sees_a_plain_refusal(client):
    answer = client.get("/", environ_base={"REMOTE_ADDR": "192.0.2.7"})

    assert answer.status_code == 403
    assert "this machine only" in answer.get_data(as_text=True)
