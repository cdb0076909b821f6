"""What the streams of one process share: asked once, never for somebody else, never longer than it holds."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select

from dashboard import people, sign_ins
from dashboard.models import LiveViewers
from dashboard.web.audience import MOST_ANSWERS, Audience, SharedAnswers
from tests.bench.databases import on_both, on_sqlite
from tests.bench.refund_desk import RefundDesk
from tests.web.browser import Browser
from tests.web.test_metrics import figures


def test_of_many_at_once_one_finds_it_out() -> None:
    answers, asked, go = SharedAnswers(), [], threading.Event()

    def find_out() -> int:
        asked.append(threading.get_ident())
        go.wait(5)
        return 7

    with ThreadPoolExecutor(8) as threads:
        found = [threads.submit(answers.get, "what", find_out) for _ in range(8)]
        go.set()
        assert [one.result(5) for one in found] == [7] * 8
    assert len(asked) == 1


def test_another_question_has_another_answer_and_the_oldest_are_forgotten() -> None:
    answers = SharedAnswers()
    assert [answers.get(number, lambda number=number: number) for number in range(MOST_ANSWERS + 1)] == [
        *range(MOST_ANSWERS + 1)
    ]
    assert answers.get(MOST_ANSWERS, lambda: "anew") == MOST_ANSWERS
    assert answers.get(0, lambda: "anew") == "anew"


def test_what_failed_is_tried_again() -> None:
    answers = SharedAnswers()
    with pytest.raises(ZeroDivisionError):
        answers.get("what", lambda: 1 / 0)
    assert answers.get("what", lambda: 7) == 7


def sign_in(refund_desk: RefundDesk, email: str) -> str:
    person = refund_desk.person(email=email)
    with refund_desk.desk.write() as tx:
        return sign_ins.start(tx, person)


def test_each_of_them_is_signed_in_as_long_as_its_own_sign_in_holds(refund_desk: RefundDesk) -> None:
    audience = Audience(refund_desk.desk)
    anna, boris = sign_in(refund_desk, "anna@desk.test"), sign_in(refund_desk, "boris@desk.test")
    with audience.joined(anna), audience.joined(boris):
        assert [audience.is_signed_in(token, 1) for token in (anna, boris, "nobody's")] == [True, True, False]
        people.disable(refund_desk.desk, "anna@desk.test", actor="test")
        assert [audience.is_signed_in(token, 2) for token in (anna, boris)] == [False, True]
        sign_ins.end(refund_desk.desk, boris)
        assert not audience.is_signed_in(boris, 3)


@on_sqlite
def test_an_idle_one_ends_without_a_move_of_the_journal(
    as_idle_as_usual: None, refund_desk: RefundDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    audience, token = Audience(refund_desk.desk), sign_in(refund_desk, "anna@desk.test")
    now_s = [100.0]
    monkeypatch.setattr("dashboard.web.audience.time.monotonic", lambda: now_s[0])
    with audience.joined(token):
        assert audience.is_signed_in(token, 1)
        refund_desk.clock.advance(minutes=16)
        now_s[0] += 1
        assert not audience.is_signed_in(token, 1)


@on_sqlite
def test_those_who_have_gone_are_not_asked_about(refund_desk: RefundDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    audience, token = Audience(refund_desk.desk), sign_in(refund_desk, "anna@desk.test")
    with audience.joined(token), audience.joined(token):
        pass
    asked: list[object] = []
    monkeypatch.setattr(sign_ins, "those_that_hold", lambda _books, tokens: asked.extend(tokens) or frozenset())
    assert audience.is_signed_in(token, 5), "asked for by itself"
    assert asked == []


@on_both
def test_how_many_watch_in_all_processes_is_told_and_forgotten(client: Browser, refund_desk: RefundDesk) -> None:
    desk, token = refund_desk.desk, sign_in(refund_desk, "anna@desk.test")
    here, there = Audience(desk), Audience(desk)
    with here.joined(token), here.joined(token), there.joined(token):
        here.note()
        there.note()
        assert figures(client)["live_viewers", ""] == 3
    here.note()
    assert figures(client)["live_viewers", ""] == 3, "each process says it once in some seconds"
    refund_desk.clock.advance(21)
    assert figures(client)["live_viewers", ""] == 0
    with desk.read() as session:
        assert len(session.scalars(select(LiveViewers)).all()) == 2


@on_sqlite
def test_a_store_that_is_busy_keeps_no_stream_waiting(
    client: Browser, refund_desk: RefundDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dashboard.live_viewers.LOCK_WAIT_MS", 1)
    audience = Audience(refund_desk.desk)
    with refund_desk.desk.write():
        audience.note()
    assert figures(client)["live_viewers", ""] == 0
