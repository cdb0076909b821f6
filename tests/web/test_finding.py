"""What the screens show, typed or pasted into the box of every page, leads to what it is of."""

from collections.abc import Callable
from urllib.parse import urlencode

import pytest
from sqlalchemy import func, literal, select, update
from sqlalchemy.orm import Session

from dashboard import history, search
from dashboard.models import Payment, PaymentSession, Refund
from tests.bench.databases import on_sqlite
from tests.bench.refund_desk import RefundDesk
from tests.web.browser import Answer, Browser
from tests.web.made_up import MadeUp

RRN = "612345678901"
UUID = "0a1b2c3d-1111-4222-8333-444455556666"


def led_to(browser: Browser, text: str) -> str:
    answer = browser.get(f"/find?{urlencode({'q': text})}")
    assert answer.status == 302
    return str(answer.location).replace("%3A", ":")


# Ids


def test_ids_in_other_letters_and_with_blanks_around_them(made_up: MadeUp, operator: Browser) -> None:
    made_up.session("ps_3226")
    reference = made_up.refund("ps_3226")
    renamed(made_up, reference, reference=UUID, bank_id="rf_77")
    for text in (UUID.upper(), "rf_77", "RF_77", f"\u00a0{UUID}\t", " Rf_77 "):
        assert led_to(operator, text) == f"/refunds/{UUID}", text
    assert led_to(operator, " PS_3226\u202f") == "/sessions/ps_3226"


@on_sqlite
def test_two_sessions_whose_ids_differ_in_their_letters_alone_are_told_apart(
    made_up: MadeUp, operator: Browser
) -> None:
    made_up.session("ps_a")
    made_up.session("ps_A")
    assert [led_to(operator, text) for text in ("ps_a", "ps_A")] == ["/sessions/ps_a", "/sessions/ps_A"]
    assert led_to(operator, "PS_A") == "/sessions/?q=PS_A"


def renamed(made_up: MadeUp, was: str, **columns: str) -> None:
    """A refund with other ids than it was made up with, and the words by which it is found then."""
    with made_up.refund_desk.desk.write() as tx:
        refund = tx.query(Refund).filter_by(reference=was).one()
        for name, value in columns.items():
            setattr(refund, name, value)
        search.keep_terms(tx, refund.session_id, (refund.reference, refund.bank_id, refund.rrn), refund.id)


def test_the_short_reference_leads_to_the_only_one_that_begins_so(made_up: MadeUp, operator: Browser) -> None:
    made_up.session("ps_1")
    renamed(made_up, made_up.refund("ps_1"), reference=UUID)
    renamed(made_up, made_up.refund("ps_1"), reference="0a1b2c3e-0000-4000-8000-000000000001")
    for text in ("0a1b2c3d", " 0A1B2C3D ", "0a1b2c3d-1111-42"):
        assert led_to(operator, text) == f"/refunds/{UUID}", text
    assert led_to(operator, "0a1b2c3f") == "/sessions/?q=0a1b2c3f"
    assert led_to(operator, "0a1b2c3") == "/sessions/?q=0a1b2c3", "shorter than screens show it"


def test_a_short_reference_of_several_lists_them(made_up: MadeUp, operator: Browser) -> None:
    made_up.session("ps_1")
    several = {UUID, "0a1b2c3d-ffff-4fff-bfff-ffffffffffff"}
    for reference in several:
        renamed(made_up, made_up.refund("ps_1"), reference=reference)
    made_up.refund("ps_1")
    assert led_to(operator, "0a1b2c3d") == "/refunds/?q=0a1b2c3d"
    assert set(operator.get("/refunds/?q=0a1b2c3d").references) == several


# RRN


@pytest.fixture
def paid(refund_desk: RefundDesk) -> str:
    """A session that the bank has shown, with a refund; its id."""
    session_id = refund_desk.paid_session(100_00)
    refund_desk.ask_and_send(session_id, 10_00)
    refund_desk.run_for(minutes=5)
    return session_id


def test_an_rrn_leads_to_its_refund_or_to_the_session_of_its_payment(
    operator: Browser, refund_desk: RefundDesk, paid: str
) -> None:
    [refund], [payment] = refund_desk.refunds(paid), refund_desk.bank_payments(paid)
    assert refund.rrn
    assert payment.rrn
    assert led_to(operator, f" {refund.rrn} ") == f"/refunds/{refund.reference}"
    assert led_to(operator, payment.rrn) == f"/sessions/{paid}"
    assert led_to(operator, payment.id.upper()) == f"/sessions/{paid}"


@on_sqlite
def test_of_a_payment_and_a_refund_with_one_rrn_the_refund_wins(
    operator: Browser, refund_desk: RefundDesk, paid: str
) -> None:
    """A payment's page does not show which refund was meant, and a refund's has its session on it."""
    [refund], [payment] = refund_desk.refunds(paid), refund_desk.bank_payments(paid)
    with refund_desk.desk.write() as tx:
        known = tx.query(Refund).filter_by(reference=refund.reference).one()
        known.rrn = payment.rrn
        search.keep_terms(tx, paid, (known.rrn,), known.id)
    assert led_to(operator, str(payment.rrn)) == f"/refunds/{refund.reference}"


@on_sqlite
def test_what_is_borne_by_several_lists_them(made_up: MadeUp, operator: Browser) -> None:
    made_up.session("ps_1", customer=RRN)
    made_up.session("ps_2", customer=RRN)
    with made_up.refund_desk.desk.write() as tx:
        add_payments(tx, "ps_1", "ps_2")
    assert led_to(operator, RRN) == f"/sessions/?q={RRN}"
    for session_id in ("ps_1", "ps_2"):
        renamed(made_up, made_up.refund(session_id), rrn=RRN)
    assert led_to(operator, RRN) == f"/refunds/?q={RRN}"
    assert len(operator.get(f"/refunds/?q={RRN}").references) == 2


@on_sqlite
def test_two_payments_of_one_session_with_one_rrn_lead_to_it(made_up: MadeUp, operator: Browser) -> None:
    made_up.session("ps_1", customer=RRN)
    with made_up.refund_desk.desk.write() as tx:
        add_payments(tx, "ps_1", "ps_1")
    assert led_to(operator, RRN) == "/sessions/ps_1"


def add_payments(tx: Session, *session_ids: str) -> None:
    for number, session_id in enumerate(session_ids):
        tx.add(
            Payment(
                session_id=session_id,
                id=f"pm_{number}",
                status="succeeded",
                confirmed=True,
                amount_minor=1,
                currency="rub",
                rrn=RRN,
            )
        )


@on_sqlite
def test_a_word_that_is_no_id_leads_nowhere_though_it_stands_beside_one(made_up: MadeUp, operator: Browser) -> None:
    made_up.session("ps_1", customer="client-7")
    made_up.refund("ps_1", comment=RRN)
    assert led_to(operator, RRN) == f"/sessions/?q={RRN}"
    assert led_to(operator, "client-7") == "/sessions/?q=client-7"


@on_sqlite
def test_a_common_word_is_not_looked_through(
    made_up: MadeUp, operator: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "MOST_BEARERS", 2)
    for number in range(3):
        renamed(made_up, made_up.refund(made_up.session(f"ps_{number}")), rrn=RRN)
        assert led_to(operator, RRN).startswith(("/refunds/", "/refunds/?q", "/sessions/?q")[number])


@on_sqlite
def test_a_session_that_the_bank_denies_is_not_led_to(made_up: MadeUp, operator: Browser) -> None:
    made_up.session("ps_1")
    with made_up.refund_desk.desk.write() as tx:
        tx.execute(update(PaymentSession).values(denied_at=made_up.refund_desk.desk.clock.now()))
    for text in ("ps_1", "PS_1"):
        assert led_to(operator, text) == f"/sessions/?q={text}"


# Addresses


ADDRESSES: dict[str, Callable[[str], str]] = {
    "this desk's": lambda path: f"https://desk.test{path}",
    "another host's": lambda path: f"HTTP://evil.example:8080{path}",
    "below a path": lambda path: f"https://desk.test/refund/desk{path}",
    "with a question and a place": lambda path: f"https://desk.test{path}?next=//evil.example#top",
    "with somebody's name": lambda path: f"https://desk.test@evil.example{path}",
    "with more of a path": lambda path: f"https://desk.test{path}/review",
}


@on_sqlite
@pytest.mark.parametrize("name", ADDRESSES)
def test_an_address_leads_to_the_page_of_the_id_in_it_and_never_elsewhere(operator: Browser, name: str) -> None:
    whole = ADDRESSES[name]
    assert led_to(operator, whole(f"/refunds/{UUID.upper()}")) == f"/refunds/{UUID}"
    assert led_to(operator, whole("/sessions/ps_3226")) == "/sessions/ps_3226"


@on_sqlite
@pytest.mark.parametrize(
    "text",
    [
        "https://evil.example/",
        "https://evil.example/refunds/rows",
        "https://evil.example/sessions/",
        "https://evil.example/sessions/ps_1%2F..%2Fx",
        f"https://evil.example/?to=/refunds/{UUID}",
        f"https://evil.example/refunds/{UUID}0",
        "//evil.example/sessions/ps_1",
        "javascript:alert(1)//x/sessions/ps_1",
        "https://evil.example\\@desk.test/x y",
    ],
)
def test_any_other_address_is_but_words(operator: Browser, text: str) -> None:
    assert led_to(operator, text).startswith("/sessions/?q=")


# Amounts and cards


@on_sqlite
@pytest.mark.parametrize("text", ["··4242", "•• 4242", "Visa ··4242", "Карта\u00a0··4242"])
def test_a_card_as_screens_show_it_finds_what_its_digits_find(made_up: MadeUp, operator: Browser, text: str) -> None:
    made_up.refund(made_up.session("ps_other", last4="1111"))
    reference = made_up.refund(made_up.session("ps_1", last4="4242"))
    led = led_to(operator, text)
    assert led.startswith("/sessions/?q=")
    page = operator.get(led).page.one("main")
    assert [link.text for link in page.all("a", _class="row-link row-link-id id-link")] == ["ps_1"]
    for narrowed in (text, f'card:"{text}"', f"карта:{text}"):
        assert operator.get(f"/refunds/?{urlencode({'q': narrowed})}").references == [reference]


@on_sqlite
@pytest.mark.parametrize("language", ["en", "ru"])
def test_an_amount_as_the_list_shows_it_finds_its_refund(made_up: MadeUp, operator: Browser, language: str) -> None:
    made_up.session("ps_1")
    reference = made_up.refund("ps_1", amount_minor=1_234_567_89)
    made_up.refund("ps_1", amount_minor=1_234_567_89, currency="usd")
    operator.post("/account/preferences", {"language": language, "timezone": "", "theme": ""})
    shown = next(each.text for each in operator.get("/refunds/?q=currency:rub").page.all("span", _class="amount"))
    assert shown.endswith("RUB")
    led = led_to(operator, shown)
    assert led.startswith("/refunds/?q=")
    assert operator.get(led).references == [reference]


def landed(browser: Browser, text: str) -> Answer:
    """The page that comes of what was typed, with the redirects to it followed."""
    answer = browser.get(f"/find?{urlencode({'q': text})}")
    while answer.location:
        answer = browser.get(answer.location)
    return answer


@pytest.mark.parametrize("text", ["12990", "12 990", "12,990", "12\u202f990", " 12990 "])
def test_a_whole_amount_that_nothing_bears_leads_to_its_refunds_in_any_currency(
    made_up: MadeUp, operator: Browser, text: str
) -> None:
    made_up.session("ps_1")
    both = [made_up.refund("ps_1", amount_minor=12_990_00, currency=currency) for currency in ("rub", "usd")]
    made_up.refund("ps_1", amount_minor=129_90)
    page = landed(operator, text)
    assert set(page.references) == set(both)
    assert {each["value"] for each in page.page.all("input", name="q")} == {"amount:12990"}


@on_sqlite
def test_the_term_is_written_in_the_readers_language(made_up: MadeUp, operator: Browser) -> None:
    reference = made_up.refund(made_up.session("ps_1"), amount_minor=12_990_00)
    operator.post("/account/preferences", {"language": "ru", "timezone": "", "theme": ""})
    page = landed(operator, "12990")
    assert page.references == [reference]
    assert {each["value"] for each in page.page.all("input", name="q")} == {"сумма:12990"}


@on_sqlite
def test_four_digits_are_a_cards_first_and_an_amount_where_no_card_ends_in_them(
    made_up: MadeUp, operator: Browser
) -> None:
    made_up.session("ps_1", last4="4242")
    four, other = made_up.refund("ps_1", amount_minor=4242_00), made_up.refund("ps_1", amount_minor=1500_00)
    page = landed(operator, "4242").page.one("main")
    assert [link.text for link in page.all("a", _class="row-link row-link-id id-link")] == ["ps_1"]
    [as_amount] = [link for link in page.all("a") if link.text == "amount:4242"]
    assert operator.get(as_amount["href"]).references == [four], "the other meaning is one click away"
    assert landed(operator, "1500").references == [other]


@on_sqlite
@pytest.mark.parametrize("text", ["12990", "12 990"])
def test_where_there_is_none_it_is_said_what_was_tried(made_up: MadeUp, operator: Browser, text: str) -> None:
    made_up.refund(made_up.session("ps_1"), amount_minor=12_991_00)
    told = landed(operator, text).page.one(data_empty=True).text
    assert "Nothing found" in told
    assert "No refund is of this amount either, in any currency." in told


@on_sqlite
@pytest.mark.parametrize("text", ["0042", "12990 and more", "12-990", "client 12990", "1" * 20, "0"])
def test_what_is_no_amount_is_not_said_to_be_tried(operator: Browser, text: str) -> None:
    page = landed(operator, text)
    assert "Nothing found" in page.page.one(data_empty=True).text
    assert "amount" not in page.page.one("main").text


@on_sqlite
def test_amounts_are_looked_for_only_where_nothing_else_was_found(
    made_up: MadeUp, operator: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_for = []
    monkeypatch.setattr(history, "is_any", lambda _session, filters, _zone: looked_for.append(filters.q))
    made_up.session("ps_1", last4="4242")
    for found_otherwise in ("4242", "client-1", "nobody", ""):
        landed(operator, found_otherwise)
    operator.get("/sessions/?q=12990&status=cancelled")
    assert looked_for == []
    landed(operator, "12990")
    assert looked_for == ["amount:12990"]


@on_sqlite
def test_an_amount_that_takes_too_long_is_broken_off_and_that_is_said(
    made_up: MadeUp, operator: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    made_up.session("ps_1")

    def slow(session: Session, *_: object) -> None:
        numbers = select(literal(1).label("n")).cte(recursive=True)
        numbers = numbers.union_all(select(numbers.c.n + 1).where(numbers.c.n < 5_000_000))
        session.execute(select(func.max(numbers.c.n)))

    monkeypatch.setattr(history, "is_any", slow)
    monkeypatch.setattr(search, "LONGEST_S", 0.2)
    told = landed(operator, "12990").page.one(data_empty=True)
    assert "was broken off" in told.text
    among_latest = operator.page(told.one("a")["href"])
    assert {each["value"] for each in among_latest.all("input", name="q")} == {"amount:12990 since:30d"}


@on_sqlite
@pytest.mark.parametrize(
    ("text", "told_en", "told_ru"),
    [
        ("amount:120..100", "Write the smaller one first", "Меньшую напишите первой"),
        ("since:today until:yesterday", "the first is after the last", "первый день позже последнего"),
        ("status:не", "begins several", "так начинается не одно"),
        ("since:31/31/2026", "the day first", "сначала день"),
        ("amount:much", "is no amount", "не сумма"),
    ],
)
def test_what_cannot_be_is_told_in_its_place(operator: Browser, text: str, told_en: str, told_ru: str) -> None:
    for language, told in (("en", told_en), ("ru", told_ru)):
        operator.post("/account/preferences", {"language": language, "timezone": "", "theme": ""})
        answer = operator.get(f"/refunds/?{urlencode({'q': text})}")
        assert answer.status == 400
        assert told in answer.text
        assert "without spaces" not in answer.text
        assert "без пробелов" not in answer.text
        assert [each["value"] for each in answer.page.all("input", name="q")] == [text] * 2


@on_sqlite
def test_words_of_both_languages_are_taken_in_either(made_up: MadeUp, operator: Browser) -> None:
    made_up.session("ps_1")
    declined = made_up.refund("ps_1", state="declined")
    doubled = made_up.refund("ps_1", reason="duplicate_payment")
    for text, found in (
        ("status:отклонён", declined),
        ("статус:отклонен", declined),
        ("status:declined", declined),
        ("reason:повторный", doubled),
        ("reason:duplicate", doubled),
    ):
        assert operator.get(f"/refunds/?{urlencode({'q': text})}").references == [found], text
