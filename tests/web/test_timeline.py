"""What happened, from the journal, in words: every kind of event, none of its codes."""

import ast
import re
from pathlib import Path

import pytest
from sqlalchemy import select

import dashboard
from dashboard import anomalies, refund_exports, refund_rules, replay, resolutions, sending
from dashboard.models import Anomaly
from dashboard.models.resolutions import RESOLUTION_STATES
from dashboard.refunds import RefundOrder
from dashboard.web import timeline, wording
from tests.bench.databases import on_sqlite
from tests.bench.refund_desk import RefundDesk
from tests.bench.reviews import (
    NEVER_MADE,
    THAT_ONE,
    decide,
    first,
    not_found,
    propose,
    second,
    shows_another_amount,
    with_stranger,
)
from tests.bench.wire import (
    REFUND,
    Fault,
    answered,
    bad_gateway,
    error,
    lose_request,
    refuse_connection,
)
from tests.web.browser import Browser
from tests.web.page import Element

SOURCES = sorted(Path(dashboard.__file__).parent.glob("*.py"))
# About the desk and its people; they stand on the journal's page alone.
NOT_OF_A_REFUND = re.compile(r"(login|person|factor|limit|sending|webhook|installation|mail|export):")


def literals_of(verb: str) -> set[str]:
    """Every text that stands in a call of this verb, in all modules that write the journal."""
    found: set[str] = set()
    for source in SOURCES:
        for node in ast.walk(ast.parse(source.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) == verb:
                found |= {
                    one.value for one in node.args if isinstance(one, ast.Constant) and isinstance(one.value, str)
                }
    return found


def kinds_noted() -> set[str]:
    """Every kind of fact that `note_anomaly` is called with, wherever it stands by its name in the rules."""
    calls = [
        node
        for source in SOURCES
        for node in ast.walk(ast.parse(source.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in {"note_anomaly", "ledger.note_anomaly"}
    ]
    kinds = [ast.unparse(call.args[3]) for call in calls]
    named = [kind.removeprefix("refund_rules.") for kind in kinds if kind != "fact.kind"]
    assert len(named) >= len(kinds) - 1, "all but the facts that a row passes on to another"
    return {getattr(refund_rules, name) for name in named}


def test_every_event_of_a_refund_or_a_session_has_words() -> None:
    events = {text for text in literals_of("record") if ":" in text and not NOT_OF_A_REFUND.match(text)}
    assert {"refund:requested", "attempt:ended", "session:captured"} <= events
    states = {f"refund:{state}" for state in refund_rules.STATES} - {"refund:awaiting_approval"}
    resolutions = {f"resolution:{state}" for state in RESOLUTION_STATES}
    assert events | states | resolutions | {"webhook:applied"} <= set(timeline.TELLERS)


def test_every_action_of_the_journal_has_a_name() -> None:
    """Also those that are put together, each with all that it can end in."""
    whole = {text for text in literals_of("record") if re.fullmatch(r"[a-z_]+:[a-z_]+", text)}
    put_together = {
        "refund": set(refund_rules.STATES) - {refund_rules.AWAITING_APPROVAL},
        "resolution": set(RESOLUTION_STATES),
        "anomaly": set(refund_rules.ANOMALIES),
        "export": {refund_exports.FINISHED, refund_exports.BROKEN_OFF},
        "retention": literals_of("remove"),
    }
    assert {one.partition(":")[0] for one in beginnings_recorded()} == set(put_together)
    assert len(whole) > 50
    assert put_together["retention"] >= {"sign_ins", "webhook_bodies"}
    actions = whole | {f"{kind}:{end}" for kind, ends in put_together.items() for end in ends}
    assert [action for action in sorted(actions) if not wording.action(action)] == []
    assert set(wording._ACTIONS) <= actions, "no words for what is never recorded"
    assert wording.action("over_captured") == wording.action("refund:of_another_time") == ""


def beginnings_recorded() -> set[str]:
    """What the actions begin with that are put together where they are recorded."""
    return {
        ast.unparse(node.args[1].values[0]).strip("'")
        for source in SOURCES
        for node in ast.walk(ast.parse(source.read_text()))
        if isinstance(node, ast.Call) and len(node.args) > 1 and isinstance(node.args[1], ast.JoinedStr)
        if getattr(node.func, "attr", "") == "record"
    }


def test_every_anomaly_and_every_review_has_words() -> None:
    assert kinds_noted() == set(refund_rules.ANOMALIES) == set(wording.ANOMALIES)
    assert {f"anomaly:{kind}" for kind in refund_rules.ANOMALIES} <= set(replay._TELLERS)
    reviews = literals_of("flag_review") | {
        "other_bank",
        "no_longer_fits",
        "not_whole",
        "body_changed",
        "replaced_one_made",
        "stranger",
        "not_found",
    }
    assert reviews == set(wording.REVIEWS)


def timeline_of(browser: Browser, reference: str) -> list[str]:
    """The sentences, oldest first; no code may stand in them or in what folds out."""
    page = browser.page(f"/refunds/{reference}")
    check_words(page)
    return list(reversed(page.timeline))


def check_words(page: Element) -> None:
    for entry in page.one(id="timeline").all("li"):
        words = re.sub(r"\b(ps|pm|rf)_\d+", "", entry.text)
        assert not re.search(r"\b[a-z]+_[a-z_]+\b(?! No\b)", words.replace("payment_refunded", "")), entry.text
        assert not re.search(r"\b(was|source|known_by|outcome|state): ", words), entry.text


def ask_and(refund_desk: RefundDesk, *faults: Fault) -> tuple[str, str]:
    """A refund that met these faults when it was sent: its session and its reference."""
    session_id = refund_desk.paid_session(100_00)
    refund_desk.wire.next(REFUND, *faults)
    return session_id, refund_desk.ask_and_send(session_id, 10_00)


@pytest.fixture(autouse=True)
def _a_reason_with_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wording, "REASONS", {**wording.REASONS, "customer_request": "The customer asked for it"})


def test_a_refund_that_goes_well(operator: Browser, refund_desk: RefundDesk) -> None:
    session_id, reference = ask_and(refund_desk)
    refund_desk.bank.advance(refund_desk.bank.next_due() or refund_desk.clock.now())
    refund_desk.deliver(refund_desk.wire.last_webhook(session_id))
    (bank_refund,) = refund_desk.bank_refunds(session_id)
    assert timeline_of(operator, reference) == [
        "What was paid was read from the bank",
        "Asked by operator@desk.test: 10.00 RUB, The customer asked for it",
        "Being sent to the bank",
        "The bank answered",
        f"The bank has it as {bank_refund.id}, in its answer",
        "In progress at the bank, in its answer",
        "Accepted by the bank, by webhook, its signature verified",
        "Webhook payment_refunded, its signature verified",
    ]


@on_sqlite
def test_what_each_line_rests_on_folds_out_below_it(operator: Browser, refund_desk: RefundDesk) -> None:
    _, reference = ask_and(refund_desk)
    page = operator.page(f"/refunds/{reference}")
    folded = [one.one("pre").text for one in reversed(page.one(id="timeline").all("details"))]
    digest = r"[0-9a-f]{64}"
    assert re.fullmatch(f"SHA-256 of what came: {digest}", folded[0])
    assert re.fullmatch(f"SHA-256 of what is sent: {digest}", folded[1])
    assert re.fullmatch(f"SHA-256 of what is sent: {digest}", folded[2])
    assert re.fullmatch(f"HTTP status: 200 SHA-256 of what came: {digest}", folded[3])


@on_sqlite
def test_a_declined_one(operator: Browser, refund_desk: RefundDesk) -> None:
    session_id, reference = ask_and(refund_desk)
    refund_desk.bank.decide_refund(refund_desk.bank_refunds(session_id)[0].id, "declined")
    refund_desk.read(session_id)
    assert timeline_of(operator, reference)[-1] == "Declined by the bank, read from the bank"


@on_sqlite
def test_one_with_an_error_that_is_not_final(operator: Browser, refund_desk: RefundDesk) -> None:
    session_id, reference = ask_and(refund_desk)
    refund_desk.bank.decide_refund(refund_desk.bank_refunds(session_id)[0].id, "error")
    refund_desk.read(session_id)
    assert timeline_of(operator, reference)[-1] == ("The bank reports an error; that is not final, read from the bank")


@on_sqlite
def test_an_undone_one(operator: Browser, refund_desk: RefundDesk) -> None:
    reference = refund_desk.ask(refund_desk.paid_session(100_00), 10_00)
    refund_desk.cancel(reference)
    assert timeline_of(operator, reference)[-1] == "Undone by operator@desk.test before it was sent"


@on_sqlite
def test_a_bank_that_is_not_reached(operator: Browser, refund_desk: RefundDesk) -> None:
    _, reference = ask_and(refund_desk, refuse_connection)
    assert timeline_of(operator, reference)[-2:] == [
        "The bank was not reached, nothing was sent: the connection was refused",
        "Back in the queue, to be sent once the bank can be reached",
    ]
    refund_desk.run_for(minutes=5)
    assert timeline_of(operator, reference).count("Being sent to the bank") == 2


@on_sqlite
def test_a_refusal_is_made_sure_of(operator: Browser, refund_desk: RefundDesk) -> None:
    _, reference = ask_and(refund_desk, error("too_much", description="No"))
    refund_desk.run_for(minutes=5)
    assert timeline_of(operator, reference)[3:] == [
        "The bank said no: too_much No",
        "The outcome is not known; the amount stays held while the bank is asked",
        "The bank does not have it, proved by a read (1 of 2)",
        "The bank does not have it, proved by a read (2 of 2)",
        "Refused: the bank said no and made no refund; the amount is free again",
    ]


@on_sqlite
def test_wrong_keys(operator: Browser, refund_desk: RefundDesk) -> None:
    _, reference = ask_and(refund_desk, error("authentication_error", 401, "Wrong signature"))
    assert "The bank said no: authentication_error Wrong signature" in [
        re.sub(r"\s+", " ", line) for line in operator.page(f"/refunds/{reference}").timeline
    ]
    sending.resume(refund_desk.desk, "test")


@on_sqlite
def test_one_that_got_lost_is_sent_once_more(operator: Browser, refund_desk: RefundDesk) -> None:
    _, reference = ask_and(refund_desk, lose_request, lose_request)
    refund_desk.run_for(hours=2)
    lines = timeline_of(operator, reference)
    assert "No answer that can be relied on: no whole answer within 30 s" in lines
    assert "It will be sent once more, the same bytes under the same key" in lines
    assert lines[-1] == "Needs you: The bank does not show it, and it was sent as often as is safe."


@on_sqlite
def test_a_key_that_the_bank_knows(operator: Browser, refund_desk: RefundDesk) -> None:
    _, reference = ask_and(refund_desk, error("idempotency_key_already_exists", 400))
    assert "The bank says that it knows this refund's key already" in timeline_of(operator, reference)


@on_sqlite
def test_an_answer_from_something_in_between(operator: Browser, refund_desk: RefundDesk) -> None:
    _, reference = ask_and(refund_desk, bad_gateway)
    lines = timeline_of(operator, reference)
    assert any(line.startswith("No answer that can be relied on: HTTP 502") for line in lines)
    assert any(re.fullmatch(r"The bank has it as rf_\d+, read from the bank", line) for line in lines)


@on_sqlite
def test_one_told_from_others_by_its_amount_alone(operator: Browser, refund_desk: RefundDesk) -> None:
    refund_desk.wire.echo = "nothing"
    _, reference = ask_and(refund_desk)
    lines = timeline_of(operator, reference)
    assert any(line.endswith(", in its answer; it is the only new one of this amount") for line in lines)


@on_sqlite
def test_a_stranger(operator: Browser, refund_desk: RefundDesk) -> None:
    session_id, reference = ask_and(refund_desk, lose_request)
    refund_desk.bank.refund_here(session_id, 10_00)
    refund_desk.read(session_id)
    lines = timeline_of(operator, reference)
    assert any(line.startswith("Needs you: Another refund appeared at the bank") for line in lines)
    assert any("the two may be the same" in line for line in lines)


@on_sqlite
def test_the_end_of_a_doubt(operator: Browser, refund_desk: RefundDesk) -> None:
    session_id, reference = ask_and(refund_desk, lose_request, lose_request)
    refund_desk.run_for(hours=2)
    assert refund_desk.refund(reference).review == "not_found"
    refund_desk.bank.refund_here(session_id, 10_00, {"reference": reference})
    refund_desk.read(session_id)
    lines = timeline_of(operator, reference)
    assert lines[-2:] == [
        "Does not need anybody any more: it turned up at the bank",
        "Accepted by the bank, read from the bank",
    ]


@on_sqlite
def test_two_under_one_reference(operator: Browser, refund_desk: RefundDesk) -> None:
    session_id, reference = ask_and(refund_desk)
    refund_desk.bank.refund_here(session_id, 10_00, {"reference": reference})
    refund_desk.read(session_id)
    lines = timeline_of(operator, reference)
    assert any("A second refund of the bank's bears the same reference: rf_" in line for line in lines)
    assert "Needs you: The bank made two refunds under one reference of ours." in lines


@on_sqlite
def test_made_after_it_had_ended_here(operator: Browser, refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    reference = refund_desk.ask(session_id, 10_00)
    refund_desk.cancel(reference)
    refund_desk.bank.refund_here(session_id, 10_00, {"reference": reference})
    refund_desk.read(session_id)
    lines = timeline_of(operator, reference)
    assert "The bank made it after all, although it had ended here." in lines
    assert lines[-1] == "Accepted by the bank, read from the bank"


@on_sqlite
def test_accepted_and_declined(operator: Browser, refund_desk: RefundDesk) -> None:
    session_id, reference = ask_and(refund_desk)
    (bank_refund,) = refund_desk.bank_refunds(session_id)
    refund_desk.bank.decide_refund(bank_refund.id, "accepted")
    refund_desk.read(session_id)
    refund_desk.bank.decide_refund(bank_refund.id, "declined", force=True)
    refund_desk.read(session_id)
    assert timeline_of(operator, reference)[-2:] == [
        "Needs you: The bank said both accepted and declined.",
        "The bank said both accepted and declined. Shown is what it said first.",
    ]


@on_sqlite
def test_another_amount(operator: Browser, refund_desk: RefundDesk) -> None:
    session_id, reference = ask_and(refund_desk)
    shows_another_amount(refund_desk, session_id, 20_00)
    assert timeline_of(operator, reference)[-1] == "The bank's amount is not the one that was asked for: 20.00 RUB."


@on_sqlite
@pytest.mark.parametrize(
    ("kind", "sentence"),
    [("refund_here", "Made at the bank: 5.00 RUB, rf_"), ("charge_back", "Chargeback of 5.00 RUB, rf_")],
)
def test_one_made_elsewhere(operator: Browser, refund_desk: RefundDesk, kind: str, sentence: str) -> None:
    session_id = refund_desk.paid_session(100_00)
    getattr(refund_desk.bank, kind)(session_id, 5_00)
    refund_desk.read(session_id)
    (refund,) = refund_desk.refunds(session_id)
    assert any(line.startswith(sentence) for line in timeline_of(operator, refund.reference))


@on_sqlite
def test_an_unreadable_answer_is_quoted(operator: Browser, refund_desk: RefundDesk) -> None:
    _, reference = ask_and(refund_desk, answered(200, b'{"status": "ok"}'))
    assert any(
        line.startswith("No answer that can be relied on: the answer's") for line in timeline_of(operator, reference)
    )


@on_sqlite
def test_two_people_decide_that_it_was_never_made(operator: Browser, refund_desk: RefundDesk) -> None:
    refund = not_found(refund_desk)
    resolutions.reject(refund_desk.desk, second(refund_desk), propose(refund_desk, refund, NEVER_MADE), "not sure yet")
    resolutions.withdraw(refund_desk.desk, first(refund_desk), propose(refund_desk, refund, NEVER_MADE))
    decide(refund_desk, refund, NEVER_MADE)
    form = refund_desk.form(refund.session_id)
    again = RefundOrder("partial", 10_00, "customer_request", "", refund.reference)
    refund_desk.submit(refund.session_id, form, again)
    assert timeline_of(operator, refund.reference)[-9:] == [
        "first@desk.test says: the bank never made it. Somebody else has to agree",
        "second@desk.test does not agree; nothing was decided",
        "first@desk.test says: the bank never made it. Somebody else has to agree",
        "first@desk.test takes the proposal back; nothing was decided",
        "first@desk.test says: the bank never made it. Somebody else has to agree",
        "second@desk.test agrees: the bank never made it",
        "Does not need anybody any more: two people have decided",
        "Closed as never made: two people decided so. The amount is free again",
        "operator@desk.test asked for a new refund in its place",
    ]


@on_sqlite
def test_two_people_decide_that_it_is_that_one(operator: Browser, refund_desk: RefundDesk) -> None:
    refund, elsewhere = with_stranger(refund_desk)
    decide(refund_desk, refund, THAT_ONE, elsewhere.bank_id)
    bank_id = elsewhere.bank_id
    may_be_ours = f"It came up without a reference after we had sent one; the two may be the same: {bank_id}."
    assert timeline_of(operator, refund.reference)[-6:] == [
        f"first@desk.test says: it is {bank_id} at the bank. Somebody else has to agree",
        f"second@desk.test agrees: it is {bank_id} at the bank",
        f"second@desk.test has looked at it: {may_be_ours}",
        f"The bank has it as {bank_id}: two people decided so",
        "Does not need anybody any more: two people have decided",
        "Accepted by the bank, read from the bank",
    ]


@on_sqlite
def test_who_had_looked_at_a_fact_before_the_two_became_one(operator: Browser, refund_desk: RefundDesk) -> None:
    refund, elsewhere = with_stranger(refund_desk)
    shows_another_amount(refund_desk, refund.session_id, 11_00)
    with refund_desk.desk.read() as session:
        query = select(Anomaly).where(Anomaly.refund_id == elsewhere.id, Anomaly.kind == "amount_differs")
        fact = session.scalars(query).one()
    anomalies.acknowledge(refund_desk.desk, first(refund_desk), anomalies.name_of(fact), "a fee")
    decide(refund_desk, refund, THAT_ONE, elsewhere.bank_id)
    assert timeline_of(operator, refund.reference)[-1] == (
        "first@desk.test had looked at it before the two became one: "
        "The bank's amount is not the one that was asked for: 11.00 RUB."
    )


@on_sqlite
def test_a_proposal_that_the_facts_overtake(operator: Browser, refund_desk: RefundDesk) -> None:
    refund = not_found(refund_desk)
    propose(refund_desk, refund, NEVER_MADE)
    refund_desk.bank.refund_here(refund.session_id, 10_00, {"reference": refund.reference})
    refund_desk.read(refund.session_id)
    assert timeline_of(operator, refund.reference)[-3:] == [
        "Does not need anybody any more: it turned up at the bank",
        "The proposal is over, because what it rested on has changed; nothing was decided by it",
        "Accepted by the bank, read from the bank",
    ]


# The same of a session


def test_a_sessions_lines_say_which_refund_they_are_about(operator: Browser, refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    first, second = refund_desk.ask(session_id, 10_00), refund_desk.ask(session_id, 20_00)
    refund_desk.cancel(second)
    page = operator.page(f"/sessions/{session_id}")
    check_words(page)
    entries = page.one(id="timeline").one("ol").all("li")
    told = [(entry.one("p").text, [(one["href"], one.text) for one in entry.all("a")]) for entry in entries]
    assert told[0] == (
        "Undone by operator@desk.test before it was sent",
        [(f"/refunds/{second}", "20.00 RUB")],
    )
    assert (f"/refunds/{first}", "10.00 RUB") in [link for _, links in told for link in links]
    assert told[-1] == ("What was paid was read from the bank", [])


@on_sqlite
def test_with_one_refund_there_is_nothing_to_tell_apart(operator: Browser, refund_desk: RefundDesk) -> None:
    session_id, _ = ask_and(refund_desk)
    page = operator.page(f"/sessions/{session_id}")
    assert page.one(id="timeline").all("a") == []
    assert len(page.timeline) == 6


def test_a_session_tells_of_every_webhook_and_a_refund_of_its_own(operator: Browser, refund_desk: RefundDesk) -> None:
    session_id, reference = ask_and(refund_desk)
    other = refund_desk.ask(session_id, 5_00)
    refund_desk.deliver(refund_desk.wire.webhook_now(session_id))
    sentence = "Webhook payment_refunded, its signature verified"
    assert sentence in operator.page(f"/sessions/{session_id}").timeline
    assert sentence in operator.page(f"/refunds/{reference}").timeline
    assert sentence not in operator.page(f"/refunds/{other}").timeline
