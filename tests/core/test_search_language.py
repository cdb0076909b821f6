"""What is typed into a search box: which terms there are, in both languages, and what cannot be meant."""

from datetime import date
from decimal import Decimal

import pytest

from dashboard import money, search_language
from dashboard.search_language import Asked, BadTerm, Bound, parse

FRIDAY = date(2026, 11, 27)


def bounds(*pairs: tuple[str, str]) -> tuple[Bound, ...]:
    return tuple(Bound(sign, Decimal(value)) for sign, value in pairs)


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("", Asked()),
        ("lucky goods", Asked(words="lucky goods")),
        ("order:12 12:30 ps_1", Asked(words="order:12 12:30 ps_1")),
        ('"status:declined"', Asked(words="status:declined")),
        ("status:declined", Asked(statuses=("declined",))),
        ("STATUS:Needs-You,open", Asked(statuses=("needs_you", "open"))),
        ("status:open status:accepted", Asked(statuses=("open", "accepted"))),
        ("amount:15000", Asked(bounds=bounds(("=", "15000")))),
        ("amount:>15000", Asked(bounds=bounds((">", "15000")))),
        ("amount:>=0.5", Asked(bounds=bounds((">=", "0.5")))),
        ("amount:<1,500 amount:<=1.500,25", Asked(bounds=bounds(("<", "1500"), ("<=", "1500.25")))),
        ("amount:=7", Asked(bounds=bounds(("=", "7")))),
        ("amount:100..2,000.50", Asked(bounds=bounds((">=", "100"), ("<=", "2000.50")))),
        ("1,500.00", Asked(bounds=bounds(("=", "1500")))),
        ("1500,00", Asked(bounds=bounds(("=", "1500")))),
        ("4242", Asked(words="4242")),
        ("12 500,50", Asked(bounds=bounds(("=", "12500.50")))),
        ("1\u202f234\u202f567,89", Asked(bounds=bounds(("=", "1234567.89")))),
        ("amount:>12 500 anna", Asked(words="anna", bounds=bounds((">", "12500")))),
        ("amount:1 000..12 500,50", Asked(bounds=bounds((">=", "1000"), ("<=", "12500.50")))),
        ("4242 500", Asked(words="4242 500")),
        ("2024.11.05 10.0.0.12 12.05.26 5.00.00", Asked(words="2024.11.05 10.0.0.12 12.05.26 5.00.00")),
        ("since:2026-03-31 until:2026-04-01", Asked(since=date(2026, 3, 31), until=date(2026, 4, 1))),
        ("since:2026-02 until:2026-02", Asked(since=date(2026, 2, 1), until=date(2026, 2, 28))),
        ("since:2026-12 until:2026-12", Asked(since=date(2026, 12, 1), until=date(2026, 12, 31))),
        ("since:monday until:friday", Asked(since=date(2026, 11, 23), until=FRIDAY)),
        ("since:saturday", Asked(since=date(2026, 11, 21))),
        ("since:7d until:yesterday", Asked(since=date(2026, 11, 20), until=date(2026, 11, 26))),
        ("since:today", Asked(since=FRIDAY)),
        ("by:me", Asked(by="anna@desk.test")),
        ("by:Boris", Asked(by="boris")),
        ('customer:"Lucky Goods" card:4242', Asked(customer="lucky goods", card="4242")),
        ("card:Visa currency:RUB", Asked(card="visa", currency="rub")),
        ("reason:duplicate", Asked(reason="duplicate")),
        ("reason:goods-returned", Asked(reason="goods_returned")),
        ("session:PS_1 made:bank", Asked(session="PS_1", made="bank")),
        ("card:american_express", Asked(card="amex")),
        ('card:"American Express"', Asked(card="amex")),
        ("card:AmEx", Asked(card="amex")),
        ("карта:мир", Asked(card="mir")),
        ("card:mc", Asked(card="mastercard")),
        ("card:maste", Asked(card="mastercard")),
        ('card:"union pay"', Asked(card="unionpay")),
        ("card:Diners", Asked(card="diners")),
        ('card:"American Express ··0005"', Asked(card="0005")),
        ("amount:>100 amount:<200 amount:150", Asked(bounds=bounds((">", "100"), ("<", "200"), ("=", "150")))),
        ("amount:>=100 amount:<=100", Asked(bounds=bounds((">=", "100"), ("<=", "100")))),
        # Amounts as screens show them, with the currency's code.
        ("1,234.56 RUB", Asked(bounds=bounds(("=", "1234.56")), currency="rub")),
        ("100 RUB", Asked(bounds=bounds(("=", "100")), currency="rub")),
        ("100 rub", Asked(bounds=bounds(("=", "100")), currency="rub")),
        ("anna 100 RUB", Asked(words="anna", bounds=bounds(("=", "100")), currency="rub")),
        ("anna 100.00 rub", Asked(words="anna", bounds=bounds(("=", "100")), currency="rub")),
        ("order 100 all", Asked(words="order 100 all")),
        ("100 RUBLES", Asked(words="100 RUBLES")),
        ("100 XYZ", Asked(words="100 XYZ")),
        ("12 345,00 RUB", Asked(bounds=bounds(("=", "12345")), currency="rub")),
        ("12\u202f345,00\u00a0RUB", Asked(bounds=bounds(("=", "12345")), currency="rub")),
        ("12\u00a0345,00\u202fRUB 4242", Asked(words="4242", bounds=bounds(("=", "12345")), currency="rub")),
        ("12 345 JPY", Asked(bounds=bounds(("=", "12345")), currency="jpy")),
        ("12,345 JPY", Asked(bounds=bounds(("=", "12345")), currency="jpy")),
        ("1.234 KWD", Asked(bounds=bounds(("=", "1.234")), currency="kwd")),
        ("amount:100 RUB", Asked(bounds=bounds(("=", "100")), currency="rub")),
        ("amount:100 rub", Asked(bounds=bounds(("=", "100")), currency="rub")),
        ("amount:100RUB", Asked(bounds=bounds(("=", "100")), currency="rub")),
        ("amount:100 all anna", Asked(words="all anna", bounds=bounds(("=", "100")))),
        ('amount:"12 345,00 rub" anna', Asked(words="anna", bounds=bounds(("=", "12345")), currency="rub")),
        ('amount:"12\u202f345,00\u00a0RUB"', Asked(bounds=bounds(("=", "12345")), currency="rub")),
        ("сумма:>12\u00a0345,00\u00a0RUB 4242", Asked(words="4242", bounds=bounds((">", "12345")), currency="rub")),
        ("amount:100 .. 1 200,50 RUB", Asked(bounds=bounds((">=", "100"), ("<=", "1200.50")), currency="rub")),
        ("amount: > 500", Asked(bounds=bounds((">", "500")))),
        ("100 RUB currency:rub", Asked(bounds=bounds(("=", "100")), currency="rub")),
        ('"100 RUB" "12 500,50" "··4242"', Asked(words="100 RUB 12 500,50 ··4242")),
        # Cards as screens show them.
        ("··4242", Asked(words="4242")),
        ("•• 4242", Asked(words="4242")),
        ("anna Visa\u00a0··4242", Asked(words="anna 4242")),
        ("American Express ··4242", Asked(words="4242")),
        ("карта ··4242", Asked(words="4242")),
        ("**** **** **** 4242", Asked(words="4242")),
        ("··42421 order·4242", Asked(words="··42421 order·4242")),
        ("card:··4242", Asked(card="4242")),
        ("карта:•• 4242 anna", Asked(card="4242", words="anna")),
        ('card:"Visa ··4242"', Asked(card="4242")),
        ("card:Visa ··4242", Asked(card="4242")),
        # Days as people write them.
        ("since:27.11.2026 until:27/11/2026", Asked(since=FRIDAY, until=FRIDAY)),
        ("since:1.2.26", Asked(since=date(2026, 2, 1))),
        ("since:2/3/2026", Asked(since=date(2026, 3, 2))),
        ("since:27 nov", Asked(since=FRIDAY)),
        ("since:28 nov", Asked(since=date(2025, 11, 28))),
        ("since:29 feb", Asked(since=date(2024, 2, 29))),
        (
            "since:3 March 2026 until:4 Sept 2026 anna",
            Asked(words="anna", since=date(2026, 3, 3), until=date(2026, 9, 4)),
        ),
        ("с:3 марта 2026 по:27 нояб.", Asked(since=date(2026, 3, 3), until=FRIDAY)),
        ("since:27 nov 4242", Asked(words="4242", since=FRIDAY)),
        ('since:"9 мая"', Asked(since=date(2026, 5, 9))),
        ("since:mon until:чет", Asked(since=date(2026, 11, 23), until=date(2026, 11, 26))),
        # Values in the words of the screens.
        ("status:отклонён,Отклонен", Asked(statuses=("declined", "declined"))),
        ("статус:неизвестен", Asked(statuses=("unknown",))),
        ('status:"Never made"', Asked(statuses=("abandoned",))),
        ("status:waiting,откр", Asked(statuses=("queued", "open"))),
        ("status:dec", Asked(statuses=("declined",))),
        ("reason:повторный", Asked(reason="duplicate_payment")),
        ('причина:"товар возвращен"', Asked(reason="goods_returned")),
        ("reason:платеж", Asked(reason="duplicate_payment")),
        ("reason:o", Asked(reason="o")),
        ("где:здесь", Asked(made="here")),
        ('made:"at the bank"', Asked(made="bank")),
        (
            "статус:declined сумма:>1 с:понедельник по:вчера кто:я клиент:Удача карта:4242 где:here",
            Asked(
                statuses=("declined",),
                bounds=bounds((">", "1")),
                since=date(2026, 11, 23),
                until=date(2026, 11, 26),
                by="anna@desk.test",
                customer="удача",
                card="4242",
                made="here",
            ),
        ),
    ],
)
def test_what_is_typed_is_understood(text: str, asked: Asked) -> None:
    assert parse(text, FRIDAY, "anna@desk.test") == asked


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("status:gone", "status", "gone"),
        ("status:open,", "status", "open,"),
        ("status:", "status", ""),
        ('customer:""', "customer", ""),
        ("amount:much", "amount", "much"),
        ("amount:=>5", "amount", "=>5"),
        ("amount:>>5", "amount", ">>5"),
        ("amount:-5", "amount", "-5"),
        ("amount:1..", "amount", "1.."),
        (f"amount:{'9' * 40}", "amount", "9" * 40),
        ("since:someday", "since", "someday"),
        ("until:2026-13", "until", "2026-13"),
        ("since:2026-02-30", "since", "2026-02-30"),
        ("since:0001-01-01", "since", "0001-01-01"),
        ("until:0001-01", "until", "0001-01"),
        ("since:9999-12", "since", "9999-12"),
        ("since:9999d until:x", "until", "x"),
        ("card:42", "card", "42"),
        ("card:42421", "card", "42421"),
        ("currency:roubles", "currency", "roubles"),
        ("reason:none", "reason", "none"),
        ("made:somewhere", "made", "somewhere"),
        ("amount:100xyz", "amount", "100xyz"),
        ("amount:rub", "amount", "rub"),
        ('amount:"1 00 rub"', "amount", "1 00 rub"),
        ("since:31.02.2026", "since", "31.02.2026"),
        ("since:11/27/2026", "since", "11/27/2026"),
        ("since:27 customers", "since", "27"),
        ("since:27.11-2026", "since", "27.11-2026"),
        ('since:"31 feb"', "since", "31 feb"),
        ("since:nov", "since", "nov"),
        ("status:declined,", "status", "declined,"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_its_name(text: str, name: str, value: str) -> None:
    with pytest.raises(BadTerm) as refused:
        parse(text, FRIDAY)
    assert (refused.value.name, refused.value.value) == (name, value)


def test_terms_are_told_from_words() -> None:
    assert search_language.has_terms("status:open anna")
    assert search_language.has_terms("1500.00")
    assert search_language.has_terms("100 RUB")
    assert search_language.has_terms("since:7d")
    assert search_language.has_terms("status:gone"), "what cannot be meant is explained where refunds are"
    assert not search_language.has_terms("anna order:12 ps_1")
    assert not search_language.has_terms("Visa ··4242")


def test_currencies_are_told_apart_by_their_digits() -> None:
    listed = [(digits, code) for digits, codes in money.currencies_by_exponent().items() for code in codes]
    assert len(listed) > 150
    assert all(money.exponent(code) == digits for digits, code in listed)


def test_what_can_only_be_asked_for_once_is_not_silently_asked_for_another_time() -> None:
    with pytest.raises(BadTerm) as refused:
        parse("currency:rub currency:usd", FRIDAY)
    assert (refused.value.name, refused.value.value, refused.value.why) == ("currency", "usd", "twice")


@pytest.mark.parametrize(
    ("text", "name", "value", "why"),
    [
        ("amount:120..100", "amount", "120..100", "backwards"),
        ("amount:1 200..100 RUB", "amount", "1 200..100 rub", "backwards"),
        ("amount:>200 amount:<100", "amount", ">200 <100", "apart"),
        ("amount:>=100 amount:<100", "amount", ">=100 <100", "apart"),
        ("amount:<=100 amount:>100", "amount", "<=100 >100", "apart"),
        ("amount:100 amount:200", "amount", "=100 =200", "apart"),
        ("amount:100..200 amount:>200", "amount", ">=100 <=200 >200", "apart"),
        ("amount:>100 amount:100", "amount", ">100 =100", "apart"),
        ("card:m", "card", "m", "several"),
        ("until:2026-03-01 since:2026-03-02", "since", "2026-03-02", "backwards"),
        ("с:сегодня по:вчера", "since", "2026-11-27", "backwards"),
        ("status:не", "status", "не", "several"),
        ("статус:ждёт", "status", "ждёт", "several"),
        ("since:t", "since", "t", ""),
        ("100 RUB currency:usd", "currency", "usd", "twice"),
        ("currency:usd 100 RUB", "currency", "rub", "twice"),
        ("since:27 nov since:28 nov", "since", '"28 nov"', "twice"),
    ],
)
def test_why_it_cannot_be_meant_is_told(text: str, name: str, value: str, why: str) -> None:
    with pytest.raises(BadTerm) as refused:
        parse(text, FRIDAY)
    assert (refused.value.name, refused.value.value, refused.value.why) == (name, value, why)


@pytest.mark.parametrize("text", ["status:принят", "status:made", "status:одобрен,", "reason:оказана", "reason:no"])
def test_a_word_behind_not_does_not_mean_its_opposite(text: str) -> None:
    with pytest.raises(BadTerm) as refused:
        parse(text, FRIDAY)
    assert refused.value.why == ""


def test_the_same_day_and_the_same_amount_twice_are_no_mistake() -> None:
    assert parse("since:today until:today", FRIDAY) == Asked(since=FRIDAY, until=FRIDAY)
    assert parse("amount:100..100", FRIDAY).bounds == bounds((">=", "100"), ("<=", "100"))


def test_long_rows_of_dots_and_digits_take_no_time() -> None:
    for text in ("*" * 200, "* " * 100, "1 000 " * 33, "1," * 100, "amount:" + "1.000" * 38, "a:" * 100):
        search_language.has_terms(text)
        search_language.with_plain_cards(text)


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("12990", "12990"),
        ("12 990", "12990"),
        ("12,990", "12990"),
        ("1,234,567", "1234567"),
        ("12\u202f990", "12990"),
        ("12990.5", "12990.5"),
        ("0.5", "0.5"),
        ("100", "100"),
        ("0042", None),
        ("0", None),
        ("12 99", None),
        ("12990 rub", None),
        ("12990 order", None),
        ("12-990", None),
        ("-5", None),
        ("१२", None),
        ("9" * 16, None),
        ("9" * 40, None),
        ("", None),
    ],
)
def test_a_number_alone_that_can_be_an_amount(text: str, amount: str | None) -> None:
    assert search_language.plain_amount(text) == amount
    assert amount is None or search_language.parse(f"amount:{amount}", FRIDAY).bounds
