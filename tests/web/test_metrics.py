"""Figures for whoever watches the desk: true, from the database, and nobody else's business."""

import re
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import event

from dashboard import collector, mail, sending, worker
from dashboard.db import db
from dashboard.models import Mail
from tests.bench import reviews
from tests.bench.databases import on_sqlite
from tests.bench.refund_desk import RefundDesk
from tests.bench.wire import REFUND, answered, lose_request
from tests.web.browser import Answer, Browser

TOKEN = "a token for whoever watches: 0123456789 abcdefghij"
Figures = dict[tuple[str, str], float]


def figures(client: Browser) -> Figures:
    """By name and label's value, without the prefix that all have."""
    answer = client.get("/metrics")
    assert (answer.status, answer.response.mimetype) == (200, "text/plain")
    return {
        (sample.name.removeprefix("refund_desk_"), "".join(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def test_a_new_desk_has_nothing_to_tell(client: Browser) -> None:
    found = figures(client)
    assert {
        found[name, ""]
        for name in ("anomalies_open", "refunds_under_review", "webhooks_pending", "webhooks_lag_seconds")
    } == {0}
    assert (found["sending_paused", ""], found["journal_entries", ""]) == (0, 0)
    assert ("worker_beat_age_seconds", "") not in found
    assert ("webhook_age_seconds", "") not in found
    assert not [label for name, label in found if name == "refund_oldest_age_seconds"]


def test_it_tells_what_becomes_of_refunds(client: Browser, refund_desk: RefundDesk) -> None:
    refund_desk.ask_and_send(refund_desk.paid_session(100_00), 10_00)
    refund_desk.run_for(hours=1)
    refund_desk.wire.next(REFUND, lose_request)
    refund_desk.ask_and_send(refund_desk.paid_session(100_00), 10_00)
    refund_desk.clock.advance(100)
    refund_desk.ask(refund_desk.paid_session(100_00), 10_00)
    refund_desk.clock.advance(7)
    found = figures(client)
    assert {label: count for (name, label), count in found.items() if name == "refunds_open" and count} == {
        "unknown": 1,
        "queued": 1,
    }
    assert found["refunds_ended_of_last_day", "accepted"] == 1
    assert (found["refund_oldest_age_seconds", "queued"], found["refund_oldest_age_seconds", "unknown"]) == (7, 112)
    assert found["journal_entries", ""] == refund_desk.journal()[-1].seq
    refund_desk.clock.advance(days=1)
    assert figures(client)["refunds_ended_of_last_day", "accepted"] == 0


def test_it_tells_what_needs_somebody(client: Browser, refund_desk: RefundDesk) -> None:
    refund, _elsewhere = reviews.with_stranger(refund_desk)
    sending.pause(refund_desk.desk, "test", "a look around")
    worker.beat(refund_desk.desk, "worker-1")
    refund_desk.clock.advance(12)
    found = figures(client)
    assert found["refunds_under_review", ""] == 1
    assert found["anomalies_open", ""] == len(refund_desk.anomalies(refund.session_id))
    assert (found["sending_paused", ""], found["worker_beat_age_seconds", ""]) == (1, 12)


@on_sqlite
def test_it_tells_how_the_bank_took_the_latest_sends(client: Browser, refund_desk: RefundDesk) -> None:
    assert ("send_duration_seconds", "0.5") not in figures(client), "nothing was sent yet"
    session_id = refund_desk.paid_session(100_00)
    refund_desk.ask_and_send(session_id, 10_00)
    refund_desk.wire.next(REFUND, answered(503, b""))
    refund_desk.ask_and_send(session_id, 10_00)
    found = figures(client)
    outcomes = {label: value for (name, label), value in found.items() if name == "last_200_sends"}
    assert outcomes == {"answered": 1, "unclear": 1}
    assert found["send_duration_seconds", "1"] == 0


def test_it_tells_of_webhooks_that_are_not_applied(
    client: Browser, refund_desk: RefundDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    session_id = refund_desk.paid_session(100_00)
    refund_desk.read(session_id)
    monkeypatch.setattr("dashboard.webhook_inbox._take_in", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        refund_desk.deliver(refund_desk.wire.webhook_now(session_id))
    refund_desk.clock.advance(3)
    found = figures(client)
    assert (found["webhooks_pending", ""], found["webhooks_failed", ""], found["webhook_age_seconds", ""]) == (1, 1, 3)
    assert found["webhooks_lag_seconds", ""] == 3


def test_it_tells_of_mails_by_kind(client: Browser, refund_desk: RefundDesk) -> None:
    person, now = refund_desk.person(), refund_desk.clock.now()
    ways: list[dict[str, Any]] = [
        {"next_try_at": now},
        {"sent_at": now},
        {"problem": "550 nobody of that name"},
        {"problem": mail.TOO_LATE},
        {"problem": mail.REPLACED},
    ]
    with refund_desk.desk.write() as tx:
        for way in ways:
            tx.add(Mail(person_id=person.id, kind=mail.NOTICES, queued_at=now, holds_until=now, **way))
    found = figures(client)
    assert {kind: found["mails_waiting", kind] for kind in mail.KINDS} == {"password_link": 0, "notices": 1}
    assert {kind: found["mails_failed", kind] for kind in mail.KINDS} == {"password_link": 0, "notices": 2}


@on_sqlite
def test_nothing_in_it_is_secret_or_of_a_customer(client: Browser, refund_desk: RefundDesk) -> None:
    """Names and labels are words of ours; a label is a state, an outcome, a quantile or the version."""
    refund_desk.ask_and_send(refund_desk.paid_session(100_00), 10_00)
    reviews.with_stranger(refund_desk)
    lines = [line for line in client.get("/metrics").text.splitlines() if not line.startswith("#")]
    assert lines
    for line in lines:
        assert re.fullmatch(
            r'refund_desk_[a-z_0-9]+({(state|outcome|kind)="[a-z_]+"}|{(version|quantile)="[0-9.]+"})? [0-9.e+-]+',
            line,
        ), line


@on_sqlite
def test_no_table_is_read_as_a_whole(app: Flask, client: Browser) -> None:
    asked: list[tuple[str, object]] = []

    def note(_connection: object, _cursor: object, statement: str, parameters: object, *_: object) -> None:
        if (
            "refunds" in statement
            or "webhook_deliveries" in statement
            or "anomalies" in statement
            or "mails" in statement
        ):
            asked.append((statement, parameters))

    with app.app_context():
        engine = db.engine
    event.listen(engine, "before_cursor_execute", note)
    client.get("/metrics")
    event.remove(engine, "before_cursor_execute", note)
    assert len(asked) > 8
    with engine.connect() as connection:
        for statement, parameters in asked:
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).fetchall()  # type: ignore[call-overload]
            assert "USING" in str(plan[0][-1]), (statement, plan)


# Who may


def from_afar(client: Browser, address: str = "203.0.113.7", **headers: str) -> Answer:
    return client.get("/metrics", environ_overrides={"REMOTE_ADDR": address}, headers=headers)


@on_sqlite
@pytest.mark.parametrize("address", ["127.0.0.1", "127.9.9.9", "::1"])
def test_this_machine_may(client: Browser, address: str) -> None:
    assert from_afar(client, address).status == 200


@on_sqlite
@pytest.mark.parametrize("headers", [{}, {"Authorization": f"Bearer {TOKEN}"}, {"Authorization": "Bearer "}])
def test_without_a_token_in_the_settings_no_other_machine_may(client: Browser, headers: dict[str, str]) -> None:
    answer = from_afar(client, **headers)
    assert (answer.status, "refund_desk_" in answer.text) == (404, False)


@on_sqlite
@pytest.mark.parametrize("header", ["X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP", "Forwarded", "Via"])
def test_a_proxy_that_the_settings_do_not_tell_of_is_not_this_machine(client: Browser, header: str) -> None:
    assert from_afar(client, "127.0.0.1", **{header: "127.0.0.1"}).status == 404


@pytest.fixture
def with_token(environ: dict[str, str]) -> None:
    environ["DASHBOARD_METRICS_TOKEN"] = TOKEN


@on_sqlite
@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (f"Bearer {TOKEN}", 200),
        (f"bearer {TOKEN}", 200),
        (f"Bearer {TOKEN}x", 404),
        (f"Bearer {TOKEN[:-1]}", 404),
        ("Bearer", 404),
        ("Bearer \u00e9", 404),
        (f"Basic {TOKEN}", 404),
        (TOKEN, 404),
        ("", 404),
    ],
)
def test_the_token_opens_it_to_others(with_token: None, client: Browser, sent: str, status: int) -> None:
    assert from_afar(client, Authorization=sent).status == status


@pytest.fixture
def behind_a_proxy(environ: dict[str, str]) -> None:
    environ["DASHBOARD_PROXY_HOPS"] = "1"


@on_sqlite
@pytest.mark.parametrize(
    ("forwarded", "status"),
    [
        ("203.0.113.7", 404),
        ("127.0.0.1, 203.0.113.7", 404),
        ("203.0.113.7, 127.0.0.1", 200),
        ("127.0.0.1", 200),
        ("", 404),
        (None, 200),
    ],
)
def test_behind_a_proxy_the_client_counts(
    behind_a_proxy: None, client: Browser, forwarded: str | None, status: int
) -> None:
    headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
    assert from_afar(client, "127.0.0.1", **headers).status == status


@pytest.fixture
def behind_two(environ: dict[str, str]) -> None:
    environ["DASHBOARD_PROXY_HOPS"] = "2"


@on_sqlite
def test_behind_fewer_proxies_than_told_nobody_is_this_machine(behind_two: None, client: Browser) -> None:
    assert from_afar(client, "127.0.0.1", **{"X-Forwarded-For": "203.0.113.7"}).status == 404


def test_it_tells_what_waits_for_the_log_system_where_there_is_one(
    client: Browser, refund_desk: RefundDesk, app: Flask
) -> None:
    assert ("collector_waiting_entries", "") not in figures(client)
    app.extensions["desk"] = desk = replace(
        refund_desk.desk, config=replace(refund_desk.desk.config, collector_url="https://logs.example.com")
    )
    refund_desk.ask(refund_desk.paid_session(100_00), 10_00)
    refund_desk.clock.advance(100)
    found = figures(client)
    waiting = refund_desk.journal()[-1].seq
    assert waiting > 0
    assert (found["collector_waiting_entries", ""], found["collector_oldest_age_seconds", ""]) == (waiting, 100)
    while collector.send_next(desk, lambda *_: None):
        pass
    found = figures(client)
    assert (found["collector_waiting_entries", ""], found["collector_oldest_age_seconds", ""]) == (0, 0)
