"""The refund form: what it offers, what it takes, what it says to what it does not take."""

from collections.abc import Callable

import pytest

from dashboard import restore, signing_in
from tests.bench.databases import on_sqlite
from tests.bench.refund_desk import PASSWORD, RefundDesk
from tests.bench.wire import REFUND, STATUS, edited, error, lose_request, refuse_connection
from tests.web.browser import Answer, Browser
from tests.web.conftest import Auth
from tests.web.page import Element

NARROW = "\u202f"
UNBROKEN = "\u00a0"


def path_of(session_id: str) -> str:
    return f"/sessions/{session_id}/refund"


@pytest.fixture
def ask(operator: Browser) -> Callable[..., Answer]:
    """Open the form of a session, fill in fields, send it."""

    def ask(session_id: str, **fields: str) -> Answer:
        path = path_of(session_id)
        form = operator.page(path).form(path)
        return operator.post(path, {**form.fields, "kind": "partial", "reason": "other", **fields})

    return ask


Ask = Callable[..., Answer]


def kept(answer: Answer, session_id: str) -> dict[str, str]:
    """What stands in the fields of the form that came back, but for the CSRF token."""
    fields = answer.page.form(path_of(session_id)).fields
    assert fields.pop("csrf_token")
    return fields


# What it shows


@on_sqlite
def test_the_form_has_these_fields(operator: Browser, refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(1_000_50, customer="client-17")
    page = operator.page(path_of(session_id))
    form = page.form(path_of(session_id))
    names = {one["name"] for one in form.walk() if one.get("name")}
    assert names == {"csrf_token", "form_token", "kind", "amount", "reason", "comment"}
    assert [one["value"] for one in form.all("input", name="kind")] == ["full", "partial"]
    assert form.fields["kind"] == "full"
    assert form.one("input", name="form_token")["type"] == "hidden"
    assert form.one("textarea", name="comment")["maxlength"] == "500"
    shown = page.one("main").text
    for words in (session_id, "client-17", "Visa ··4242", "1,000.50 RUB"):
        assert words in shown


def test_a_payment_never_touched_is_offered_in_full(operator: Browser, refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    assert "In full" in operator.page(path_of(session_id)).one("fieldset").text
    refund_desk.ask(session_id, 30_00)
    everything, part = (one.text for one in operator.page(path_of(session_id)).one("fieldset").all("label"))
    assert everything.startswith("Everything that is left")
    assert everything.endswith("70.00 RUB")
    assert part == "A part"


@on_sqlite
def test_all_that_goes_stands_in_the_place_of_the_amount(operator: Browser, refund_desk: RefundDesk) -> None:
    """The style sheet shows one of the two, by what is chosen."""
    page = operator.page(f"/sessions/{refund_desk.paid_session(100_00)}/refund")
    whole = [one.text for one in page.all() if "amount-whole" in (one.get("class") or "").split()]
    assert whole == ["Amount", "100.00 RUB", "All that can still be refunded."]
    typed = [one for one in page.all() if "amount-typed" in (one.get("class") or "").split()]
    assert [one.tag for one in typed] == ["label", "div", "p"]
    assert typed[1].all("input", name="amount")


def test_every_form_has_a_token_of_its_own(operator: Browser, refund_desk: RefundDesk) -> None:
    path = path_of(refund_desk.paid_session())
    tokens = {operator.page(path).form(path).fields["form_token"] for _ in range(3)}
    assert len(tokens) == 3


def test_opening_the_form_asks_the_bank(operator: Browser, refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    operator.page(path_of(session_id))
    refund_desk.bank.refund_here(session_id, 25_00)
    assert "75.00 RUB" in operator.page(path_of(session_id)).one("fieldset").text


# Amounts as people type them


UNDERSTOOD = (
    ("1234.56", "1234.56"),
    ("1234,56", "1234.56"),
    ("1 234,56", "1234.56"),
    (f"1{NARROW}234,56", "1234.56"),
    (f"1{UNBROKEN}234,56", "1234.56"),
    ("1,234.56", "1234.56"),
    ("1.234,56", "1234.56"),
    ("1'234.56", "1234.56"),
    ("  10.50  ", "10.50"),
    ("10.5", "10.50"),
    ("10,", "10.00"),
    ("0.01", "0.01"),
    ("0,30", "0.30"),
    ("007", "7.00"),
    ("1,234,567.89", "1234567.89"),
)
NOT_UNDERSTOOD = (
    ("", "Type the amount to refund."),
    ("   ", "Type the amount to refund."),
    ("ten", "This is not an amount."),
    ("10 50", "This is not an amount."),
    ("1e3", "This is not an amount."),
    ("0x10", "This is not an amount."),
    ("10 RUB", "This is not an amount."),
    ("1.2.3", "This is not an amount."),
    ("１２.５０", "This is not an amount."),
    ("١٢", "This is not an amount."),
    ("NaN", "This is not an amount."),
    ("Infinity", "This is not an amount."),
    ("+5", "This is not an amount."),
    ("5%", "This is not an amount."),
    ("<b>5</b>", "This is not an amount."),
    ("-5", "The amount must be more than zero."),
    ("−5.00", "The amount must be more than zero."),
    ("0", "The amount must be more than zero."),
    ("0.00", "The amount must be more than zero."),
    ("10.505", "Too many digits after the decimal mark for this currency."),
    ("1,234", "Too many digits after the decimal mark for this currency."),
    ("9" * 20, "This amount is too large."),
    ("9" * 5000, "This amount is too large."),
)


@on_sqlite
def test_amounts_are_understood_as_people_type_them(operator: Browser, refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(2_000_000_00)
    path = path_of(session_id)
    fields = operator.page(path).form(path).fields
    for typed, shown in UNDERSTOOD:
        answer = operator.post(path, {**fields, "kind": "partial", "reason": "other", "amount": typed})
        assert (typed, answer.status, kept(answer, session_id)["amount"]) == (typed, 200, shown)


@on_sqlite
def test_what_is_no_amount_is_said_and_kept(operator: Browser, refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(2_000_000_00)
    path = path_of(session_id)
    fields = operator.page(path).form(path).fields
    del fields["csrf_token"]
    for typed, sentence in NOT_UNDERSTOOD:
        sent = {**fields, "kind": "partial", "reason": "other", "amount": typed, "comment": "by phone"}
        answer = operator.post(path, sent)
        assert (typed, answer.status) == (typed, 422)
        assert [sentence in error for error in answer.page.field_errors] == [True], typed
        assert kept(answer, session_id) == sent
        assert answer.page.one("input", id="amount", autofocus=True)["aria-invalid"] == "true"
    assert refund_desk.refunds(session_id) == []


@on_sqlite
def test_more_than_what_is_left_is_told_with_what_is(ask: Ask, refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    refund_desk.ask(session_id, 30_00)
    answer = ask(session_id, amount="70.01")
    assert answer.status == 422
    assert answer.page.field_errors == ["That is more than can still be refunded: at most 70.00 RUB. Nothing was sent."]
    assert kept(answer, session_id)["amount"] == "70.01"


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("", "0.00 RUB"),
        ("?kind=partial&amount=30.01", "69.99 RUB"),
        ("?kind=partial", "–"),
        ("?kind=partial&amount=100.01", "More than can still be refunded."),
        ("?kind=partial&amount=a+lot", "This is not an amount."),
    ],
)
def test_what_is_left_after_it_is_on_the_form_as_it_comes(
    operator: Browser, refund_desk: RefundDesk, typed: str, said: str
) -> None:
    session_id = refund_desk.paid_session(100_00)
    form = operator.page(f"{path_of(session_id)}{typed}")
    assert form.one("output").one("span", _class="with-script").text == said
    assert operator.page(f"{path_of(session_id)}/left{typed or '?kind=full'}").text == said


@pytest.mark.parametrize("total_minor", [30, 1_10, 4_35, 19_99, 1_000_50, 2_97])
@on_sqlite
def test_exactly_what_is_left_is_taken(ask: Ask, refund_desk: RefundDesk, total_minor: int) -> None:
    """0.10 + 0.20 of 0.30, and whatever else a float would get wrong."""
    session_id = refund_desk.paid_session(total_minor)
    first = total_minor // 3
    assert ask(session_id, amount=f"{first // 100}.{first % 100:02}", confirm="yes").status == 303
    left = total_minor - first
    assert ask(session_id, amount=f"{left // 100},{left % 100:02}", confirm="yes").status == 303
    assert refund_desk.session(session_id).committed_minor == total_minor


@on_sqlite
def test_yen_have_no_decimals(ask: Ask, operator: Browser, refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(18_000, currency="jpy")
    assert "18,000 JPY" in operator.page(path_of(session_id)).one("fieldset").text
    assert ask(session_id, amount="10.50").page.field_errors == [
        "Too many digits after the decimal mark for this currency."
    ]
    answer = ask(session_id, amount="5000")
    assert kept(answer, session_id)["amount"] == "5000"
    assert "5,000 JPY goes back" in answer.page.one("main").text


@on_sqlite
def test_a_currency_that_nobody_lists_takes_everything_or_nothing(
    ask: Ask, operator: Browser, refund_desk: RefundDesk
) -> None:
    session_id = refund_desk.paid_session(350_000_000, currency="tonc")
    page = operator.page(path_of(session_id))
    assert page.one("input", value="partial").get("disabled") is not None
    assert page.one("input", id="amount").get("disabled") is not None
    typed = ask(session_id, amount="3")
    assert (typed.status, typed.page.field_errors) == (
        422,
        ["Amounts of this currency cannot be typed. Refund all that is left instead."],
    )
    confirm = ask(session_id, kind="full")
    assert confirm.status == 200
    form = confirm.page.form(path_of(session_id))
    made = operator.post(path_of(session_id), {**form.fields, "confirm": "yes"})
    assert made.status == 303
    assert [refund.amount_minor for refund in refund_desk.refunds(session_id)] == [350_000_000]


# The other fields


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"kind": ""}, "Choose how much to refund."),
        ({"kind": "half"}, "Choose how much to refund."),
        ({"reason": ""}, "Choose a reason."),
        ({"reason": "because"}, "Choose a reason."),
        ({"comment": "x" * 501}, "At most 500 characters."),
    ],
)
@on_sqlite
def test_what_is_missing_or_wrong_is_said_at_its_field(
    ask: Ask, refund_desk: RefundDesk, fields: dict[str, str], sentence: str
) -> None:
    session_id = refund_desk.paid_session(100_00)
    sent = {"amount": "10.50", "comment": "by phone", **fields}
    answer = ask(session_id, **sent)
    assert (answer.status, answer.page.field_errors) == (422, [sentence])
    assert kept(answer, session_id)["amount"] == "10.50"
    assert kept(answer, session_id)["comment"] == sent["comment"]
    assert refund_desk.refunds(session_id) == []


@on_sqlite
def test_a_form_without_its_kind_is_not_guessed_at(operator: Browser, refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    fields = operator.page(path_of(session_id)).form(path_of(session_id)).fields
    del fields["kind"]
    answer = operator.post(path_of(session_id), {**fields, "reason": "other", "confirm": "yes"})
    assert (answer.status, answer.page.field_errors) == (422, ["Choose how much to refund."])
    assert refund_desk.refunds(session_id) == []


@on_sqlite
def test_everything_wrong_is_said_at_once(ask: Ask, refund_desk: RefundDesk) -> None:
    answer = ask(refund_desk.paid_session(), amount="ten", reason="", comment="x" * 501)
    assert len(answer.page.field_errors) == 3


def test_a_comment_of_several_lines_of_any_writing_is_kept(ask: Ask, refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    comment = 'Клиент "сам"\r\n<script>alert(1)</script>\r\n返金 & done'
    answer = ask(session_id, amount="1", comment=comment)
    answer = ask(session_id, **kept(answer, session_id), confirm="yes")
    assert answer.status == 303
    assert refund_desk.refunds(session_id)[0].comment == comment.replace("\r\n", "\n")


@on_sqlite
def test_a_card_number_in_a_comment_is_masked(ask: Ask, refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    answer = ask(session_id, amount="1", comment="card 4242 4242 4242 4242, by phone")
    assert kept(answer, session_id)["comment"] == "card •••• 4242, by phone"


@on_sqlite
def test_choosing_everything_after_having_typed_a_part_means_everything(ask: Ask, refund_desk: RefundDesk) -> None:
    """The amount box keeps what was typed in it; the choice above it is what counts until it was confirmed."""
    session_id = refund_desk.paid_session(100_00)
    for typed in ("10.50", "ten"):
        answer = ask(session_id, kind="full", amount=typed)
        assert answer.status == 200
        assert kept(answer, session_id)["amount"] == "100.00"


# Nothing can be asked for


def blocked(page: Element) -> str:
    """The notice that stands in the place of the form."""
    assert not page.all("input", name="form_token")
    (notice,) = page.notices
    return notice


def test_nothing_left(operator: Browser, refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    refund_desk.ask(session_id)
    notice = blocked(operator.page(path_of(session_id), 409))
    assert "Nothing is left to refund in this session." in notice


def test_nothing_left_when_it_is_sent(operator: Browser, refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    form = operator.page(path_of(session_id)).form(path_of(session_id))
    refund_desk.bank.refund_here(session_id, 100_00)
    for confirm in ("", "yes"):
        answer = operator.post(path_of(session_id), {**form.fields, "reason": "other", "confirm": confirm})
        assert answer.status == 409
        assert "Nothing is left to refund" in blocked(answer.page)


def test_an_earlier_refund_of_unknown_outcome(operator: Browser, refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    form = operator.page(path_of(session_id)).form(path_of(session_id))
    refund_desk.wire.next(REFUND, lose_request)
    refund_desk.ask_and_send(session_id, 10_00)
    assert "The outcome of an earlier refund" in blocked(operator.page(path_of(session_id), 409))
    answer = operator.post(path_of(session_id), {**form.fields, "reason": "other", "confirm": "yes"})
    assert answer.status == 409
    assert "The outcome of an earlier refund" in blocked(answer.page)


@on_sqlite
def test_a_session_without_a_payment(operator: Browser, refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session()
    refund_desk.bank_payments(session_id)[0].status = "failed"
    assert "Nothing is left to refund" in blocked(operator.page(path_of(session_id), 409))


def test_part_of_what_the_bank_shows_cannot_be_read(operator: Browser, refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    refund_desk.bank.refund_here(session_id, 10_00)
    path = path_of(session_id)
    fields = operator.page(path).form(path).fields
    del fields["csrf_token"]
    fields |= {"kind": "partial", "amount": "10,50", "reason": "other", "comment": "by phone"}

    def garble(session: dict[str, object]) -> None:
        session["acquiring_payments"][0]["refunds"][0]["status"] = "sideways"  # type: ignore[index]

    for confirm in ("", "yes"):
        refund_desk.wire.next(STATUS, edited(garble), edited(garble))
        answer = operator.post(path, {**fields, "confirm": confirm})
        assert answer.status == 409
        assert "could not be read" in answer.page.notices[0]
        assert kept(answer, session_id) == fields
    refund_desk.wire.next(STATUS, edited(garble), edited(garble))
    assert "could not be read" in operator.page(path, 409).notices[0]
    assert len(refund_desk.refunds(session_id)) == 1
    assert operator.post(path, {**kept(answer, session_id), "confirm": "yes"}).status == 303


# The bank is away


def test_opening_it_while_the_bank_is_away(operator: Browser, refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    refund_desk.read(session_id)
    refund_desk.wire.next(STATUS, refuse_connection)
    page = operator.page(path_of(session_id), 503)
    assert "The bank cannot be reached right now" in page.notices[0]
    assert page.form(path_of(session_id)).fields["form_token"]


@pytest.mark.parametrize("confirm", ["", "yes"])
def test_sending_it_while_the_bank_is_away_keeps_what_was_typed(
    operator: Browser, refund_desk: RefundDesk, confirm: str
) -> None:
    session_id = refund_desk.paid_session(100_00)
    path = path_of(session_id)
    fields = operator.page(path).form(path).fields
    del fields["csrf_token"]
    fields |= {"kind": "partial", "amount": "10,50", "reason": "other", "comment": "by phone"}
    refund_desk.wire.next(STATUS, refuse_connection)
    answer = operator.post(path, {**fields, "confirm": confirm})
    assert answer.status == 503
    assert "What you typed is kept" in answer.page.notices[0]
    assert kept(answer, session_id) == fields
    assert refund_desk.refunds(session_id) == []
    again = operator.post(path, {**kept(answer, session_id), "confirm": "yes"})
    assert again.status == 303, "the same form works once the bank is back"


def test_a_bank_that_does_not_take_our_signature_is_not_away(operator: Browser, refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    path = path_of(session_id)
    form = operator.page(path).form(path)
    refund_desk.wire.next(STATUS, error("authentication_error", 401, "Wrong signature"))
    answer = operator.post(path, {**form.fields, "reason": "other"})
    assert answer.status == 503
    assert "authentication_error Wrong signature" in answer.page.notices[0]
    assert "nothing was asked for" in answer.page.notices[0]


@on_sqlite
def test_a_session_that_nobody_knows(operator: Browser, refund_desk: RefundDesk) -> None:
    for session_id, fault, status in (
        ("ps_999999", None, 404),
        ("ps_999999", refuse_connection, 503),
        ("ps_999999", error("authentication_error", 401), 503),
        ("ps%20x", None, 404),
        ("x" * 101, None, 404),
    ):
        refund_desk.wire.next(STATUS, *([fault] if fault else []))
        assert operator.get(path_of(session_id)).status == status, session_id


# Who may, and with what


def test_a_viewer_gets_neither_form_nor_refund(auth: Auth, viewer: Browser, refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    assert viewer.get(path_of(session_id)).status == 403
    token = refund_desk.form(session_id, auth.person("viewer"))
    fields = {"form_token": token, "kind": "full", "reason": "other", "confirm": "yes"}
    assert viewer.post(path_of(session_id), fields).status == 403
    assert refund_desk.refunds(session_id) == []


@on_sqlite
def test_without_a_csrf_token_nothing_is_asked_for(auth: Auth, operator: Browser, refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    token = refund_desk.form(session_id, auth.person())
    fields = {"form_token": token, "kind": "full", "reason": "other", "confirm": "yes"}
    assert operator.post(path_of(session_id), fields, csrf=False).status == 400
    assert refund_desk.refunds(session_id) == []


def test_a_token_that_was_not_made_for_this_is_refused(auth: Auth, operator: Browser, refund_desk: RefundDesk) -> None:
    session_id, other = refund_desk.paid_session(100_00), refund_desk.paid_session(100_00)
    tokens = {
        "forged": refund_desk.form(session_id, auth.person())[:-1] + "x",
        "nobody's": "",
        "somebody else's": refund_desk.form(session_id, auth.person("approver")),
        "another session's": refund_desk.form(other, auth.person()),
    }
    for whose, token in tokens.items():
        fields = {"form_token": token, "kind": "partial", "amount": "10", "reason": "other", "comment": "x"}
        for confirm in ("", "yes"):
            answer = operator.post(path_of(session_id), {**fields, "confirm": confirm})
            assert (whose, answer.status) == (whose, 422)
            assert "This form was not made for you and this session" in answer.page.notices[0]
            again = kept(answer, session_id)
            assert again["form_token"] != token
            assert {**again, "form_token": token} == fields
    assert refund_desk.refunds(session_id) == []


def test_right_after_a_restore_nobody_is_offered_a_refund(operator: Browser, refund_desk: RefundDesk, ask: Ask) -> None:
    """What was typed is kept."""
    session_id = refund_desk.paid_session(100_00)
    path = path_of(session_id)
    fields = operator.page(path).form(path).fields
    restore.after_restore(refund_desk.desk, "command line")
    operator.be(signing_in.sign_in(refund_desk.desk, "operator@desk.test", PASSWORD, "127.0.0.1"))
    del fields["csrf_token"]
    early = operator.get(path)
    assert early.status == 409
    assert "none can be asked for before" in early.page.one("main").text
    typed = {"kind": "partial", "reason": "other", "amount": "12.34", "comment": "a plate"}
    for confirmed in ({}, {"confirm": "yes"}):
        answer = operator.post(path, {**fields, **typed, **confirmed})
        assert (answer.status, kept(answer, session_id).items() >= typed.items()) == (409, True)
        assert "none can be asked for before" in answer.page.one("main").text
    assert refund_desk.refunds(session_id) == []
    refund_desk.clock.advance(minutes=20)
    operator.be(signing_in.sign_in(refund_desk.desk, "operator@desk.test", PASSWORD, "127.0.0.1"))
    assert ask(session_id, **typed).status == 200


# A form that has made its refund


ALREADY = (
    "This form had made the refund below already. What was changed in it since was not asked for, and nothing more "
    "was sent. For another refund start from the session."
)


@on_sqlite
@pytest.mark.parametrize(
    ("changed", "confirm", "notices"),
    [
        ({}, "", []),
        ({}, "yes", []),
        ({"amount": "9.99"}, "", [ALREADY]),
        ({"amount": "9.99"}, "yes", [ALREADY]),
        ({"amount": "a lot"}, "yes", [ALREADY]),
        ({"reason": "other"}, "yes", [ALREADY]),
        ({"comment": "and shipping"}, "yes", [ALREADY]),
        ({"kind": "full", "amount": ""}, "", []),
    ],
)
def test_whoever_goes_back_and_changes_the_form_is_told_that_it_made_no_second_refund(
    auth: Auth,
    operator: Browser,
    refund_desk: RefundDesk,
    changed: dict[str, str],
    confirm: str,
    notices: list[str],
) -> None:
    session_id = refund_desk.paid_session(100_00)
    fields = {
        "form_token": refund_desk.form(session_id, auth.person()),
        "kind": "partial",
        "amount": "10",
        "reason": "duplicate_payment",
        "comment": "",
    }
    first = operator.post(path_of(session_id), {**fields, "confirm": "yes"})
    again = operator.post(path_of(session_id), {**fields, **changed, "confirm": confirm})
    assert (again.status, again.location) == (303, first.location)
    assert operator.page(str(again.location)).notices == notices
    assert len(refund_desk.refunds(session_id)) == 1
