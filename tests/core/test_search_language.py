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
        ("card:american_express", Asked(card="american_express")),
        ('card:"american express"', Asked(card="american express")),
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
    ],
)
def test_what_cannot_be_meant_is_refused_by_its_name(text: str, name: str, value: str) -> None:
    with pytest.raises(BadTerm) as refused:
        parse(text, FRIDAY)
    assert (refused.value.name, refused.value.value) == (name, value)


def test_terms_are_told_from_words() -> None:
    assert search_language.has_terms("status:open anna")
    assert search_language.has_terms("1500.00")
    assert search_language.has_terms("since:7d")
    assert search_language.has_terms("status:gone"), "what cannot be meant is explained where refunds are"
    assert not search_language.has_terms("anna order:12 ps_1")


def test_currencies_are_told_apart_by_their_digits() -> None:
    listed = [(digits, code) for digits, codes in money.currencies_by_exponent().items() for code in codes]
    assert len(listed) > 150
    assert all(money.exponent(code) == digits for digits, code in listed)


def test_what_can_only_be_asked_for_once_is_not_silently_asked_for_another_time() -> None:
    with pytest.raises(BadTerm) as refused:
        parse("currency:rub currency:usd", FRIDAY)
    assert (refused.value.name, refused.value.value, refused.value.is_twice) == ("currency", "usd", True)
