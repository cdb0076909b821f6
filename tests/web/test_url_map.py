"""A sweep over every route and method: sign-in, role and CSRF, also for routes that are still to come."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, url_for
from werkzeug.routing import Rule

from dashboard import anomalies, limits, roles
from dashboard.app import create_app
from dashboard.config import Config
from dashboard.limit_rules import NO_LIMIT
from dashboard.web import access
from tests import access_table
from tests.bench import reviews
from tests.bench.databases import on_sqlite
from tests.bench.refund_desk import RefundDesk
from tests.web.browser import Answer, Browser
from tests.web.conftest import Auth
from tests.web.tables import dump

PUBLIC = {
    "static",
    "bootstrap.static",
    "people.login",
    "single_sign_on.begin",
    "single_sign_on.finish",
    "second_step.ask",
    "links.show",
    "links.look",
    "links.use",
    "webhooks.receive",
    "health.healthz",
    "health.readyz",
    "metrics.show",
}
# About nobody but whoever asks, whatever their role.
ONES_OWN = {"people.logout", "single_sign_on.again"} | {
    f"account.{name}"
    for name in ("index", "change_password", "end", "end_others", "hear", "left", "prefer", "stay", "keep", "give_back")
}
# What is proposed is taken back by the one who proposed it alone.
SOMEBODY_ELSE_S = {"review.withdraw"}
# Everybody looks after what they sign in with themselves; the sweep brings nothing that could be added or removed.
OWN = {
    "saved_views.forget",
    "saved_views.keep",
    "factors.new_app",
    "factors.add_app",
    "factors.remove_app",
    "factors.new_passkey",
    "factors.add_passkey",
    "factors.remove_passkey",
    "factors.new_codes",
    "people.logout",
}
# Without half a sign-in there is no second step.
LEAD_TO_THE_SIGN_IN = {"webhooks.receive", "people.logout", "second_step.ask"}
WITHOUT_CSRF = {"webhooks.receive"}
# Whoever may see the journal may take it along; only that they did is written down.
TAKEN_ALONG = {
    "journal.export_csv",
    "journal.export_proof",
    "evidence.take",
    "receipts.show",
    "refund_files.export_csv",
    "refund_files.export_xlsx",
}
SAFE = {"GET", "HEAD", "OPTIONS"}
EVERY_METHOD = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")


@dataclass(frozen=True)
class Target:
    """One method of one route, with real things in the place of its variables."""

    endpoint: str
    method: str
    path: str
    rule: str
    is_routed: bool

    def ask(self, browser: Browser, *, csrf: bool = True) -> Answer:
        data = {"csrf_token": browser.csrf_token()} if csrf and self.method not in SAFE else None
        answer = browser.ask(self.method, self.path, data=data)
        answer.response.close()
        return answer


@pytest.fixture
def targets(app: Flask, refund_desk: RefundDesk) -> list[Target]:
    refund, elsewhere = reviews.with_stranger(refund_desk)
    limits.put(refund_desk.desk, "usd", NO_LIMIT, actor="admin@desk.test")
    values = {
        "currency": "usd",
        "session_id": refund.session_id,
        "reference": refund.reference,
        "resolution_id": str(reviews.propose(refund_desk, refund, reviews.THAT_ONE, elsewhere.bank_id)),
        "name": anomalies.name_of(reviews.odd_fact_of(refund_desk, refund)),
        "filename": "app.css",
        "person_id": refund_desk.person("viewer", "somebody@desk.test").id,
        "passkey_id": "somebody-elses",
        "reset_id": "none",
        "view_id": "1",
        "export_id": "8a6f2c1e-0d3b-4c5a-9e7f-1b2c3d4e5f60",
    }
    rules = list(app.url_map.iter_rules())
    with app.test_request_context():
        return [target for rule in rules for target in _targets(rule, rules, values)]


def _targets(rule: Rule, rules: list[Rule], values: dict[str, str]) -> Iterator[Target]:
    """Each method of an address stands under the view that takes it."""
    unknown = rule.arguments - set(values)
    assert not unknown, f"say here what stands for {unknown} in {rule}"
    path = url_for(rule.endpoint, **{name: values[name] for name in rule.arguments})
    elsewhere = {method for one in rules if one.rule == rule.rule and one is not rule for method in one.methods or ()}
    for method in EVERY_METHOD:
        if method in elsewhere and method not in (rule.methods or ()):
            continue
        yield Target(rule.endpoint, method, path, rule.rule, method in (rule.methods or ()))


def closed(targets: list[Target]) -> list[Target]:
    return [target for target in targets if target.endpoint not in PUBLIC]


def test_the_sweep_sees_the_routes(targets: list[Target]) -> None:
    routes = {(target.method, target.endpoint) for target in targets if target.is_routed}
    assert {
        ("POST", "refund_form.new"),
        ("POST", "refunds.cancel"),
        ("POST", "review.propose"),
        ("GET", "live.stream"),
    } <= routes


@on_sqlite
def test_public_are_these_and_no_others(app: Flask) -> None:
    assert {endpoint for endpoint in app.view_functions if access.open_to(app, endpoint) == "everybody"} == PUBLIC


@on_sqlite
def test_a_view_that_does_not_say_who_may_use_it_stops_the_start(app: Flask) -> None:
    app.add_url_rule("/forgotten", "forgotten", lambda: "secrets")
    with pytest.raises(RuntimeError, match="nobody said who may use forgotten"):
        access.check_views(app)


@on_sqlite
def test_the_app_checks_that_of_itself(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    said = access.open_to
    monkeypatch.setattr(
        access, "open_to", lambda app, endpoint: "" if endpoint == "live.stream" else said(app, endpoint)
    )
    with pytest.raises(RuntimeError, match=r"live\.stream"):
        create_app(config)


@on_sqlite
def test_every_permission_named_on_a_view_is_one_that_some_role_holds(app: Flask) -> None:
    held = {*roles.PERMISSIONS["admin"], "everybody", "signed in"}
    assert {access.open_to(app, endpoint) for endpoint in app.view_functions} <= held


def test_signed_out_nobody_sees_anything(targets: list[Target], client: Browser, refund_desk: RefundDesk) -> None:
    before = dump(refund_desk.desk)
    for target in closed(targets):
        answer = target.ask(client)
        assert answer.status == 401 or (answer.location or "").startswith("/login"), f"{target}: {answer.status}"
        assert "Refund desk" not in answer.text or "Error 401" in answer.text, target
    assert dump(refund_desk.desk) == before


def test_signed_out_unknown_addresses_look_like_known_ones(client: Browser) -> None:
    assert client.get("/no/such/page").location == "/login?next=/no/such/page"


def test_a_viewer_changes_nothing_by_any_request(
    targets: list[Target], viewer: Browser, refund_desk: RefundDesk
) -> None:
    before = dump(refund_desk.desk)
    for target in closed(targets):
        if target.method not in SAFE and target.endpoint not in {*ONES_OWN, *TAKEN_ALONG}:
            answer = target.ask(viewer)
            expected = {200, 303, 404, 422} if target.endpoint in OWN else {403}
            assert answer.status in (expected if target.is_routed else {405}), f"{target}: {answer.status}"
    assert dump(refund_desk.desk) == before


def _expect(cell: str, target: Target, answer: Answer) -> None:
    to_sign_in = answer.status == 401 or (answer.location or "").startswith("/login")
    if cell == "sign in":
        assert to_sign_in, f"{target}: {answer.status}"
    elif cell == "no":
        assert answer.status == 403, f"{target}: {answer.status}"
    else:
        assert answer.status != 403 or target.endpoint in SOMEBODY_ELSE_S, f"{target}: {answer.status}"
        assert not to_sign_in or target.endpoint in LEAD_TO_THE_SIGN_IN, f"{target}: {answer.status}"


@pytest.mark.parametrize("visitor", access_table.VISITORS)
def test_every_cell_of_the_access_table_is_true(
    app: Flask, targets: list[Target], auth: Auth, client: Browser, visitor: str
) -> None:
    """Signing out comes last, or nobody would be there for the rest."""
    cells = {(line.method, line.endpoint, line.address): line.cells[visitor] for line in access_table.lines(app)}
    browser = client if visitor == access_table.SIGNED_OUT else auth.login(visitor)
    tried = set()
    for target in sorted(targets, key=lambda target: target.endpoint == "people.logout" and target.is_routed):
        key = (target.method, target.endpoint, target.rule)
        if key in cells:
            _expect(cells[key], target, target.ask(browser))
            tried.add(key)
        elif target.endpoint not in PUBLIC and not target.is_routed:
            status = target.ask(browser).status
            assert status == (302 if visitor == access_table.SIGNED_OUT else 405), f"{target}: {status}"
    assert tried == set(cells)


@on_sqlite
def test_the_access_table_is_the_apps(app: Flask) -> None:
    assert access_table.TABLE.read_text() == access_table.as_text(app), "run: python -m tests.access_table"


@on_sqlite
def test_a_role_that_no_table_knows_opens_nothing(targets: list[Target], auth: Auth) -> None:
    browser = auth.login("janitor")
    for target in closed(targets):
        if target.is_routed and target.endpoint not in ONES_OWN:
            assert target.ask(browser).status == 403, target


@on_sqlite
def test_what_every_role_may_is_about_oneself(app: Flask) -> None:
    assert {endpoint for endpoint in app.view_functions if access.open_to(app, endpoint) == "signed in"} == ONES_OWN


def test_every_change_needs_a_csrf_token(targets: list[Target], operator: Browser, refund_desk: RefundDesk) -> None:
    before = dump(refund_desk.desk)
    unsafe = [target for target in targets if target.is_routed and target.method not in SAFE]
    assert unsafe
    for target in unsafe:
        expected = 401 if target.endpoint in WITHOUT_CSRF else 400
        assert target.ask(operator, csrf=False).status == expected, target
    assert dump(refund_desk.desk) == before


@pytest.mark.parametrize("token", ["", "nonsense", "someone else's"])
def test_a_csrf_token_of_somebody_else_is_none(auth: Auth, operator: Browser, token: str) -> None:
    given: dict[str, Any] = {"csrf_token": auth.login("viewer").csrf_token() if token == "someone else's" else token}
    answer = operator.post("/logout", given)
    assert (answer.status, answer.page.one("h1").text) == (400, "This form is too old or was not ours")
    assert operator.get("/refunds/").status == 200, "nobody was signed out"


def test_options_tell_strangers_nothing(targets: list[Target], client: Browser) -> None:
    for target in closed(targets):
        assert client.ask("OPTIONS", target.path).status in {302, 401}, target


def test_every_address_is_in_the_manual(app: Flask) -> None:
    manual = (Path(__file__).parents[2] / "README.md").read_text()
    rules = {rule.rule for rule in app.url_map.iter_rules() if rule.endpoint not in {"static", "bootstrap.static"}}
    assert [rule for rule in sorted(rules) if f"`{rule}`" not in manual] == []


@on_sqlite
def test_the_manual_names_every_way_in(app: Flask) -> None:
    """What is open without a sign-in, with what is asked for there instead."""
    manual = (Path(__file__).parents[2] / "README.md").read_text()
    told = manual.partition("\n**Ways in.**")[2].partition("\n**")[0]
    named = {name for row in re.findall(r"^\|([^|]+)\|", told, re.MULTILINE) for name in re.findall("`(/[^`]*)`", row)}
    open_ones = {
        rule.rule
        for rule in app.url_map.iter_rules()
        if access.open_to(app, rule.endpoint) == "everybody" and rule.endpoint not in {"static", "bootstrap.static"}
    }
    assert named == open_ones
