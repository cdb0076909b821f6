"""What the overview's figures and pictures are made of, exactly, on both kinds of database."""

from datetime import date, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from dashboard import counting, figures, history_counts
from dashboard.counting import Count
from dashboard.figures import Group, Times
from dashboard.history_filters import Filters
from dashboard.models import Refund
from dashboard.search_language import OPEN
from tests.bench.databases import on_both
from tests.bench.refund_desk import RefundDesk
from tests.bench.simulated import START
from tests.web.made_up import MadeUp

UTC = ZoneInfo("UTC")
BERLIN = ZoneInfo("Europe/Berlin")
SECOND = timedelta(seconds=1)
YESTERDAY, TODAY = date(2026, 2, 28), date(2026, 3, 1)


def groups(refund_desk: RefundDesk, days: list[date], zone: ZoneInfo = UTC) -> dict[date, list[Group]]:
    with refund_desk.desk.read() as session:
        return figures.groups(session, days, zone)


def times(refund_desk: RefundDesk, days: list[date], zone: ZoneInfo = UTC) -> dict[date, Times]:
    with refund_desk.desk.read() as session:
        return figures.times(session, days, zone, 1)[0]


def together(refund_desk: RefundDesk, days: list[date], last: int) -> Times | None:
    with refund_desk.desk.read() as session:
        return figures.times(session, days, UTC, last)[1]


@on_both
def test_refunds_that_are_alike_are_counted_and_summed_by_day(refund_desk: RefundDesk, made_up: MadeUp) -> None:
    made_up.session("ps_1")
    for amount_minor in (3, 4):
        made_up.refund("ps_1", amount_minor=amount_minor)
    made_up.refund("ps_1", amount_minor=5, currency="jpy", reason="wrong_amount")
    made_up.refund("ps_1", state="declined", amount_minor=6, at=START - timedelta(days=1))
    made_up.refund("ps_1", origin="bank", amount_minor=2**40)
    assert groups(refund_desk, [YESTERDAY, TODAY]) == {
        YESTERDAY: [Group("declined", "rub", "here", "other", 1, 6)],
        TODAY: [
            Group("accepted", "jpy", "here", "wrong_amount", 1, 5),
            Group("accepted", "rub", "bank", "", 1, 2**40),
            Group("accepted", "rub", "here", "other", 2, 7),
        ],
    }


@on_both
def test_what_was_accepted_has_the_amount_that_the_bank_gave_back(refund_desk: RefundDesk, made_up: MadeUp) -> None:
    made_up.session("ps_1")
    told = {"bank_amount_minor": 4, "bank_currency": "rub"}
    for state, of_bank in (("accepted", told), ("accepted", {}), ("accepted", {**told, "bank_currency": "eur"})):
        put(refund_desk, made_up.refund("ps_1", state=state, amount_minor=10), **of_bank)
    put(refund_desk, made_up.refund("ps_1", state="declined", amount_minor=10), **told)
    assert [(one.state, one.amount_minor) for one in groups(refund_desk, [TODAY])[TODAY]] == [
        ("accepted", 4 + 10 + 10),
        ("declined", 10),
    ]


def put(refund_desk: RefundDesk, reference: str, **values: object) -> None:
    with refund_desk.desk.write() as tx:
        refund = tx.scalars(select(Refund).where(Refund.reference == reference)).one()
        for name, value in values.items():
            setattr(refund, name, value)


@on_both
def test_a_day_that_is_an_hour_short_has_its_own_refunds_alone(refund_desk: RefundDesk, made_up: MadeUp) -> None:
    """The night of 29 March: midnight is an hour nearer to the one before."""
    made_up.session("ps_1")
    short_day = date(2026, 3, 29)
    begins = START.replace(month=3, day=28, hour=23)
    ends = begins + timedelta(hours=23)
    for minor, at in enumerate((begins - SECOND, begins, ends - SECOND, ends), start=1):
        made_up.refund("ps_1", at=at, amount_minor=10**minor, took=minor * SECOND)
    days = [short_day + timedelta(days=number) for number in (-1, 0, 1)]
    found = groups(refund_desk, days, BERLIN)
    assert [[group.amount_minor for group in found[day]] for day in days] == [[10], [1100], [10_000]]
    assert [each.median for each in times(refund_desk, days, BERLIN).values()] == [SECOND, 2.5 * SECOND, 4 * SECOND]


@on_both
@pytest.mark.parametrize(
    ("took_s", "median_s"), [((4,), 4), ((1, 60), 30.5), ((9, 1, 5), 5), ((7, 1, 3, 86_400 * 999), 5)]
)
def test_the_median_and_the_slowest_are_exact(
    refund_desk: RefundDesk, made_up: MadeUp, took_s: tuple[int, ...], median_s: float
) -> None:
    made_up.session("ps_1")
    made = {took: made_up.refund("ps_1", took=timedelta(seconds=took)) for took in took_s}
    slowest = max(took_s)
    expected = Times(len(took_s), timedelta(seconds=median_s), timedelta(seconds=slowest), made[slowest])
    assert times(refund_desk, [YESTERDAY, TODAY]) == {TODAY: expected}
    assert together(refund_desk, [YESTERDAY, TODAY], 2) == expected
    assert together(refund_desk, [YESTERDAY, TODAY, TODAY + timedelta(1)], 1) is None


@on_both
def test_days_together_have_a_median_of_their_own(refund_desk: RefundDesk, made_up: MadeUp) -> None:
    made_up.session("ps_1")
    for took in (1, 2, 100):
        made_up.refund("ps_1", took=took * SECOND)
    for took in (90, 95):
        made_up.refund("ps_1", took=took * SECOND, at=START - timedelta(days=1))
    assert [each.median / SECOND for each in times(refund_desk, [YESTERDAY, TODAY]).values()] == [92.5, 2]
    found = together(refund_desk, [YESTERDAY - timedelta(1), YESTERDAY, TODAY], 2)
    assert found is not None
    assert (found.count, found.median, found.slowest) == (5, 90 * SECOND, 100 * SECOND)


@on_both
def test_times_are_those_of_refunds_made_here_and_accepted(refund_desk: RefundDesk, made_up: MadeUp) -> None:
    made_up.session("ps_1")
    made_up.refund("ps_1", took=3 * SECOND)
    made_up.refund("ps_1", origin="bank", took=timedelta(days=9))
    made_up.refund("ps_1", state="declined", took=timedelta(days=9))
    made_up.refund("ps_1", state="in_progress")
    assert [(each.count, each.slowest) for each in times(refund_desk, [YESTERDAY, TODAY]).values()] == [(1, 3 * SECOND)]


@on_both
def test_a_refund_that_the_bank_accepted_is_timed_from_its_request(refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00)
    reference = refund_desk.ask_and_send(session_id, 10_00)
    refund_desk.clock.advance(75)
    refund_desk.bank.advance(refund_desk.clock.now())
    refund_desk.clock.advance(60)
    refund_desk.work()
    with refund_desk.desk.read() as session:
        asked_at = session.scalars(select(Refund.asked_at)).one()
    expected = refund_desk.clock.now() - asked_at
    assert together(refund_desk, [YESTERDAY, TODAY], 1) == Times(1, expected, expected, reference)
    assert expected >= timedelta(seconds=135)


def test_counting_what_is_few_ends_early(
    refund_desk: RefundDesk, made_up: MadeUp, monkeypatch: pytest.MonkeyPatch
) -> None:
    made_up.session("ps_1")
    for _ in range(3):
        made_up.refund("ps_1", state="in_progress")
    monkeypatch.setattr(counting, "MOST_COUNTED", 2)
    with refund_desk.desk.read() as session:
        assert history_counts.within(session, Filters(status=OPEN), UTC) == Count(2, is_more=True)


def test_amounts_of_different_currencies_are_never_added_together() -> None:
    some = [
        Group("accepted", "rub", "here", "other", 2, 300),
        Group("accepted", "rub", "bank", "", 1, 50),
        Group("accepted", "jpy", "here", "other", 5, 7),
        Group("declined", "rub", "here", "other", 3, 1000),
    ]
    assert figures.amounts_of(some, "accepted") == {"rub": 350, "jpy": 7}
    assert figures.count_of(some, "accepted", "declined") == 11
    assert list(figures.counts_by_currency(some).items()) == [("rub", 6), ("jpy", 5)]
    assert list(figures.counts_by_reason(some).items()) == [(("other", ""), 10), (("", "bank"), 1)]
