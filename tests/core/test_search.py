"""The words by which sessions and refunds are found: split, kept in step."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sqlalchemy import select

from dashboard import search
from dashboard.desk import Desk
from dashboard.models import SearchTerm
from tests.bench.refund_desk import RefundDesk


def terms(desk: Desk, session_id: str, refund_id: int | None = None) -> set[str]:
    """The terms of a session and all its refunds, or of one refund alone (0: of the session alone)."""
    query = select(SearchTerm.term).where(SearchTerm.session_id == session_id)
    with desk.read() as session:
        return set(session.scalars(query if refund_id is None else query.where(SearchTerm.refund_id == refund_id)))


@pytest.mark.parametrize(
    ("texts", "found"),
    [
        ([], set()),
        ([None, "", "  "], set()),
        (["Client-17"], {"client-17", "client", "17"}),
        (["order 55"], {"order", "55"}),
        (['{"order": "1009"}'], {"order", "1009", 'order": "1009'} - {'order": "1009'}),
        (["ЗАКАЗ №5"], {"заказ", "№5", "5"}),
        (["ps_3201"], {"ps_3201"}),
        (["k.lang@example.org"], {"k.lang@example.org", "k", "lang", "example", "org"}),
        (["..."], set()),
        (["x" * 200], {"x" * 100}),
    ],
)
def test_terms_are_whole_pieces_and_the_words_in_them(texts: list[str | None], found: set[str]) -> None:
    assert search.terms_of(texts) == found


@given(st.text(max_size=60))
@example("\x00\x1b")
def test_whatever_was_written_is_found_by_the_same_words(text: str) -> None:
    terms = search.terms_of([text])
    for word in search.words_of(text):
        assert any(term.startswith(word) for term in terms)


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("", []),
        ("  Order   55 ", ["order", "55"]),
        ('"client-17",', ["client-17"]),
        ("... !? ()", []),
        ("a\x00b", ["a", "b"]),
        ("\x00", []),
        ("a b c d e f g h i j", ["a", "b", "c", "d", "e", "f", "g", "h"]),
        ("y" * 200, ["y" * 100]),
    ],
)
def test_words_of_a_query(query: str, words: list[str]) -> None:
    assert search.words_of(query) == words


def test_terms_are_kept_in_step(desk: Desk) -> None:
    for texts in (["order 55", "client-1"], ["order 56", "client-1"]):
        with desk.write() as tx:
            search.keep_terms(tx, "ps_1", texts)
            search.keep_terms(tx, "ps_1", ["mine"], refund_id=7)
            search.keep_terms(tx, "ps_2", ["other"])
    assert terms(desk, "ps_1", 0) == {"order", "56", "client-1", "client", "1"}
    assert terms(desk, "ps_1", 7) == {"mine"}
    assert terms(desk, "ps_2") == {"other"}


@pytest.mark.parametrize("word", ["pay", "Pay", "pay_", "плат"])
def test_a_beginning_is_enough(desk: Desk, word: str) -> None:
    with desk.write() as tx:
        search.keep_terms(tx, "ps_1", ["payment", "Pay_1", "платёж"])
        search.keep_terms(tx, "ps_2", ["pa", "paz", "repay", "плаха"])
    with desk.read() as session:
        found = session.scalars(select(SearchTerm.session_id).where(search.begins_with(word.lower())))
        assert set(found) == {"ps_1"}


def test_a_session_is_known_by_ids_customer_card_and_metadata(refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00, customer="client-17")
    payment = refund_desk.bank_payments(session_id)[0]
    payment.metadata = {"order": "1009", "by": ["courier", 7]}
    refund_desk.bank.refund_here(session_id, 1_00)
    refund_desk.read(session_id)
    [refund] = refund_desk.bank_refunds(session_id)
    known = terms(refund_desk.desk, session_id)
    assert {session_id, payment.id, "client-17", "4242", payment.rrn, payment.arn} <= known
    assert {"order", "1009", "courier", "7", refund.id, refund.rrn} <= known


def test_a_card_number_in_metadata_is_not_to_be_found(refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session()
    refund_desk.bank_payments(session_id)[0].metadata = "card 4242 4242 4242 4242, or 4000056655665556"
    refund_desk.read(session_id)
    known = terms(refund_desk.desk, session_id)
    assert "card" in known
    assert not any("424242" in term or "400005" in term for term in known)


def test_a_refund_is_known_by_its_reference_and_comment(refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session()
    reference = refund_desk.ask(session_id, 1_00)
    assert reference in terms(refund_desk.desk, session_id, refund_desk.refund(reference).id)
