"""The history's filters: each alone and with others shows exactly the rows it should."""

from datetime import UTC, datetime, timedelta
from itertools import combinations
from urllib.parse import urlencode

import pytest

from dashboard import counting, refund_rules
from tests.bench.databases import on_sqlite
from tests.bench.refund_desk import RefundDesk
from tests.bench.simulated import START
from tests.bench.wire import STATUS, Json, edited, refunds_in
from tests.web.browser import Browser
from tests.web.made_up import MadeUp

DAY = timedelta(days=1)
A_MICROSECOND = timedelta(microseconds=1)


class Shelf:
    """A few refunds that differ in everything that can be filtered by, and what each filter should find of them."""

    def __init__(self, made_up: MadeUp) -> None:
        self.rows: list[dict[str, str]] = []
        sessions = {
            "ps_1": made_up.session("ps_1", customer="anna", last4="1111"),
            "ps_10": made_up.session("ps_10", customer="boris", last4="2222"),
            "ps_2": made_up.session("ps_2", customer="anna-maria", last4="1111"),
        }
        states = [state for state in refund_rules.STATES if state not in refund_rules.OPEN_SEND]
        for number in range(24):
            session_id = list(sessions)[number % 3]
            origin = ("here", "bank", "here", "chargeback", "here")[number % 5]
            state = "accepted" if origin == "chargeback" else states[number % len(states)]
            self._add(made_up, session_id, state, origin, number)
        for number, session_id in enumerate(sessions):
            self._add(made_up, session_id, ("sending", "unknown", "unknown")[number], "here", number)
        self._add(made_up, "ps_1", "accepted", "here", 0, review="contradiction")

    def _add(self, made_up: MadeUp, session_id: str, state: str, origin: str, number: int, review: str = "") -> None:
        by = ("ann@desk.test", "bob@desk.test")[number % 2]
        at = START + number % 4 * DAY
        comment = ("by phone", "letter", "")[number % 3]
        reference = made_up.refund(session_id, state=state, origin=origin, at=at, by=by, review=review, comment=comment)
        self.rows.append(
            {
                "reference": reference,
                "session": session_id,
                "status": state,
                "origin": origin,
                "operator": by if origin == "here" else "",
                "day": f"{at:%Y-%m-%d}",
                "review": review,
                "words": f"{session_id} {comment} {made_up.refund_desk.session(session_id).customer_reference}",
            }
        )

    def expected(self, filters: dict[str, str]) -> set[str]:
        return {row["reference"] for row in self.rows if all(fits(row, *one) for one in filters.items())}


def fits(row: dict[str, str], name: str, value: str) -> bool:
    if name == "status" and value == "open":
        return row["status"] in refund_rules.OPEN
    if name == "status" and value == "needs_you":
        return row["status"] == "unknown" or bool(row["review"])
    if name == "from":
        return row["day"] >= value
    if name == "to":
        return row["day"] <= value
    if name == "q":
        return any(word.startswith(value) for word in row["words"].split())
    return row[name] == value


EACH = [
    *(("status", status) for status in (*refund_rules.STATES, "open", "needs_you")),
    ("session", "ps_1"),
    ("session", "ps_10"),
    ("session", "ps_none"),
    ("origin", "here"),
    ("origin", "bank"),
    ("origin", "chargeback"),
    ("operator", "ann@desk.test"),
    ("operator", "nobody@desk.test"),
    ("from", "2026-03-02"),
    ("to", "2026-03-02"),
    ("q", "anna"),
    ("q", "phone"),
    ("q", "nothing"),
]
PAIRED = [
    ("status", "accepted"),
    ("status", "open"),
    ("status", "needs_you"),
    ("session", "ps_1"),
    ("origin", "here"),
    ("origin", "bank"),
    ("operator", "ann@desk.test"),
    ("from", "2026-03-02"),
    ("to", "2026-03-03"),
    ("q", "anna"),
]


def test_without_a_filter_there_is_everything_newest_first(operator: Browser, made_up: MadeUp) -> None:
    shelf = Shelf(made_up)
    page = operator.page("/refunds/")
    assert sorted(page.references) == sorted(row["reference"] for row in shelf.rows)
    moments = [row["data-at"] for row in page.rows]
    assert moments == sorted(moments, reverse=True)


def test_each_filter_and_every_pair_show_exactly_their_rows(operator: Browser, made_up: MadeUp) -> None:
    shelf = Shelf(made_up)
    pairs = [dict(pair) for pair in combinations(PAIRED, 2) if pair[0][0] != pair[1][0]]
    everything = {"session": "ps_1", "status": "accepted", "origin": "here", "operator": "ann@desk.test", "q": "phone"}
    found_some = 0
    for filters in [dict([one]) for one in EACH] + pairs + [everything | {"from": "2026-03-01", "to": "2026-03-31"}]:
        answer = operator.get(f"/refunds/?{urlencode(filters)}")
        expected = shelf.expected(filters)
        assert sorted(answer.references) == sorted(expected), filters
        found_some += bool(expected)
    assert found_some > 40, "filters that find nothing prove little"


@on_sqlite
def test_rows_carry_reference_status_and_session(operator: Browser, made_up: MadeUp) -> None:
    made_up.session("ps_1")
    reference = made_up.refund("ps_1", state="in_progress", amount_minor=1_234_567_89)
    (row,) = operator.page("/refunds/").rows
    assert (row["data-refund"], row["data-status"], row["data-session"]) == (reference, "in_progress", "ps_1")
    amount = row.all("td")[2].one("b")
    assert amount.children == ["1,234,567.89"], "an amount is one unbroken run of text"
    assert row.one("a", href=f"/refunds/{reference}")
    assert row.one("a", href="/sessions/ps_1")


@on_sqlite
def test_a_row_says_its_status_in_words(operator: Browser, made_up: MadeUp) -> None:
    for number, state in enumerate(refund_rules.STATES):
        made_up.refund(made_up.session(f"ps_{number}"), state=state)
    page = operator.page("/refunds/")
    words = {row["data-status"]: row.all("td")[1].text for row in page.rows}
    assert set(words) == set(refund_rules.STATES)
    assert words["awaiting_approval"] == "Awaiting approval"
    assert words["unknown"] == "Outcome unknown"
    assert words["abandoned"] == "Never made"
    for state, word in words.items():
        assert "_" not in word
        assert word[0].isupper(), state


@on_sqlite
def test_the_filters_in_force_are_shown_and_each_can_be_taken_off(operator: Browser, made_up: MadeUp) -> None:
    Shelf(made_up)
    asked = (
        "/refunds/?session=ps_1&status=declined&from=2026-03-01&to=2026-03-04&q=anna&operator=ann@desk.test&origin=here"
    )
    page = operator.page(asked)
    form = page.one("form", action="/refunds/")
    assert {name: value for name, value in form.fields.items() if value} == {
        "session": "ps_1",
        "status": "declined",
        "from": "2026-03-01",
        "to": "2026-03-04",
        "q": "anna",
        "operator": "ann@desk.test",
        "origin": "here",
    }
    without_session = next(one["href"] for one in page.all("a", _class="filter-off") if "Session" in one["aria-label"])
    assert "session" not in without_session
    assert "status=declined" in without_session
    assert page.one(data_live_url=True)["data-live-url"].startswith("/live?session=ps_1&status=declined&")


def test_tabs_count_what_waits(operator: Browser, made_up: MadeUp) -> None:
    made_up.refund(made_up.session("ps_1"), state="unknown")
    made_up.refund("ps_1", state="queued")
    made_up.refund(made_up.session("ps_2"), state="accepted", review="contradiction")
    tabs = operator.page("/refunds/?status=open").one("nav", _class="tabs").all("a")
    assert [tab.text for tab in tabs] == ["All 3", "Needs you 2", "Open 2", "Accepted 1", "Declined 0", "Unknown 1"]
    assert [tab.text for tab in tabs if tab.get("aria-current")] == ["Open 2"]


def tabs_of(client: Browser, address: str) -> list[str]:
    return [tab.text for tab in client.page(address).one("nav", _class="tabs").all("a")]


def test_tabs_count_what_they_lead_to(operator: Browser, made_up: MadeUp) -> None:
    """Within the other filters; and nothing where it would take long."""
    made_up.refund(made_up.session("ps_1"), state="unknown")
    made_up.refund("ps_1", state="accepted", origin="bank")
    made_up.refund(made_up.session("ps_2"), state="accepted")
    nothing = ["Needs you 0", "Open 0"]
    assert tabs_of(operator, "/refunds/?session=ps_2") == ["All 1", *nothing, "Accepted 1", "Declined 0", "Unknown 0"]
    assert tabs_of(operator, "/refunds/?origin=bank&status=unknown")[0] == "All 1"
    assert tabs_of(operator, "/refunds/?from=2026-03-02")[0] == "All 0"
    assert tabs_of(operator, "/refunds/?q=client-1")[0] == "All"
    assert tabs_of(operator, "/refunds/?q=amount:>1")[0] == "All"
    assert tabs_of(operator, "/refunds/?q=status:unknown,accepted+made:here")[:2] == ["All 2", "Needs you 1"]


def test_a_count_that_ended_early_says_so(operator: Browser, made_up: MadeUp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "MOST_COUNTED", 2)
    for number, said in enumerate(("All 1", "All 2", "All 2+"), 1):
        made_up.refund(made_up.session(f"ps_{number}"), state="unknown")
        assert tabs_of(operator, "/refunds/?origin=here")[0] == said
    assert tabs_of(operator, "/refunds/")[0] == "All 3"
    assert tabs_of(operator, "/refunds/")[1] == "Needs you 2+"


def test_no_row_fits(operator: Browser, made_up: MadeUp) -> None:
    assert "No refunds yet" in operator.page("/refunds/").one(data_empty=True).text
    made_up.refund(made_up.session("ps_1"))
    empty = operator.page("/refunds/?session=ps_2").one(data_empty=True)
    assert "No refund fits these filters" in empty.text
    assert empty.one("a")["href"] == "/refunds/"
    assert operator.page("/refunds/").one(data_empty=True).get("hidden") is not None


# Dates


@pytest.mark.parametrize(
    ("day", "first", "last"),
    [
        ("2026-03-29", datetime(2026, 3, 28, 23, tzinfo=UTC), datetime(2026, 3, 29, 22, tzinfo=UTC)),
        ("2026-10-25", datetime(2026, 10, 24, 22, tzinfo=UTC), datetime(2026, 10, 25, 23, tzinfo=UTC)),
        ("2026-07-01", datetime(2026, 6, 30, 22, tzinfo=UTC), datetime(2026, 7, 1, 22, tzinfo=UTC)),
    ],
)
def test_days_begin_and_end_in_the_dashboards_zone(
    in_berlin: None, operator: Browser, made_up: MadeUp, day: str, first: datetime, last: datetime
) -> None:
    """Both days are included: 23 hours when the clocks go forward, 25 when they go back."""
    made_up.session("ps_1")
    before, start, end, after = (
        made_up.refund("ps_1", at=at) for at in (first - A_MICROSECOND, first, last - A_MICROSECOND, last)
    )
    assert operator.get(f"/refunds/?from={day}&to={day}").references == [end, start]
    assert operator.get(f"/refunds/?from={day}").references == [after, end, start]
    assert operator.get(f"/refunds/?to={day}").references == [end, start, before]


@on_sqlite
def test_moments_are_shown_in_the_dashboards_zone(in_berlin: None, operator: Browser, made_up: MadeUp) -> None:
    made_up.session("ps_1")
    for at in (datetime(2026, 3, 29, 0, 59, tzinfo=UTC), datetime(2026, 3, 29, 1, 0, tzinfo=UTC)):
        made_up.refund("ps_1", at=at)
    made_up.refund("ps_1", at=datetime(2025, 12, 31, 22, 59, tzinfo=UTC))
    shown = [row.one("time") for row in operator.page("/refunds/").rows]
    assert [one.text for one in shown] == ["29 Mar 03:00", "29 Mar 01:59", "31 Dec 2025 23:59"]
    assert shown[0]["title"] == "2026-03-29 01:00:00 UTC"
    assert shown[0]["datetime"] == "2026-03-29T01:00:00+00:00"


@on_sqlite
@pytest.mark.parametrize("made", ["9999-12-31T23:59:59.000000Z", "0001-01-01T00:00:00.000000Z"])
def test_a_date_that_no_zone_can_show_breaks_no_page(
    in_berlin: None, operator: Browser, refund_desk: RefundDesk, made: str
) -> None:
    session_id = refund_desk.paid_session(100_00)
    refund_desk.bank.refund_here(session_id, 10_00)

    def change(session: Json) -> None:
        refunds_in(session)[0].update(created_at=made, finished_at=made)

    refund_desk.wire.next(STATUS, edited(change), edited(change))
    refund_desk.read(session_id)
    [refund] = refund_desk.refunds(session_id)
    assert (refund.asked_at, refund.bank_finished_at) == (refund_desk.clock.now(), None)
    pages = ("/refunds/", f"/sessions/{session_id}", f"/refunds/{refund.reference}")
    assert [operator.get(url).status for url in pages] == [200, 200, 200]
    assert operator.get("/refunds/").references == [refund.reference]


# What cannot be used


UNUSABLE = (
    ("status=lost", "This filter cannot be used: status."),
    ("status=waiting", "This filter cannot be used: status."),
    ("origin=mars", "This filter cannot be used: origin."),
    ("from=yesterday", "yesterday is no date. Write it like 2026-03-31."),
    ("to=2026-02-30", "2026-02-30 is no date. Write it like 2026-03-31."),
    ("from=20260331", "20260331 is no date."),
    ("from=2026-W13-2", "2026-W13-2 is no date."),
    ("from=31.03.2026", "31.03.2026 is no date."),
    ("from=0001-01-01", "0001-01-01 is no date."),
    ("to=9999-12-31", "9999-12-31 is no date."),
    ("before=x", "This page of the list does not exist."),
    ("before=20260301090000000000-", "This page of the list does not exist."),
    ("before=20260301090000000000-x", "This page of the list does not exist."),
    ("before=20260301090000000000-99999999999999999999999", "This page of the list does not exist."),
    ("before=99999999999999999999-1", "This page of the list does not exist."),
    ("before=00010101000000000000-1", ""),
)


def test_what_cannot_be_used_is_told(operator: Browser) -> None:
    for query, sentence in UNUSABLE:
        answer = operator.get(f"/refunds/?{query}")
        assert (query, answer.status) == (query, 400 if sentence else 200)
        assert sentence in answer.page.one("main").text
        if "before" not in query:
            assert operator.get(f"/live?{query}").status == operator.get(f"/refunds/rows?since=0&{query}").status == 400


@on_sqlite
def test_what_is_no_day_loses_nothing_else(operator: Browser) -> None:
    page = operator.page("/refunds/?from=0026-11-01&session=ps_1&status=declined", 400)
    assert "0026-11-01 is no date." in page.one("main").text
    assert "session=ps_1" in page.one("nav", id="status-tabs").all("a")[0]["href"]
    assert page.one("input", id="filter-session")["value"] == "ps_1"


@pytest.mark.parametrize("path", ["/refunds/", "/sessions/", "/find"])
@on_sqlite
def test_a_search_that_is_too_long_is_told_and_not_cut(operator: Browser, path: str) -> None:
    """Its beginning may ask for something else: amount:>15 where amount:>15000 was typed."""
    typed = f"{'order ' * 31} amount:>15000"
    assert len(typed) == 200
    assert operator.get(f"{path}?{urlencode({'q': typed})}").status in (200, 302)
    answer = operator.get(f"{path}?{urlencode({'q': f'{typed}0'})}")
    assert (answer.status, "200 characters are the most" in answer.page.one("main").text) == (400, True)
    assert f"{typed}0" in [box["value"] for box in answer.page.all("input", type="search")]
    assert "maxlength" not in answer.page.all("input", type="search")[0].attributes


@on_sqlite
def test_no_word_means_anything_to_the_database(operator: Browser, made_up: MadeUp) -> None:
    made_up.refund(made_up.session("ps_1"))
    for word in ("%", "_", "\\", "a' OR 1=1 --", "ps%", "*", "\U0010ffff", "😀", "a" * 200):
        for name in ("q", "session", "operator"):
            answer = operator.get(f"/refunds/?{urlencode({name: word})}")
            assert (answer.status, answer.references) == (200, []), (name, word)


@on_sqlite
def test_marks_around_and_between_words_do_not_count(operator: Browser, made_up: MadeUp) -> None:
    reference = made_up.refund(made_up.session("ps_1"))
    for words in ("ps_1.", "(client-1)", '"ps_1", client-1!', "ps_1 , client-1"):
        assert operator.get(f"/refunds/?{urlencode({'q': words})}").references == [reference], words


def test_spaces_around_a_filter_do_not_count(operator: Browser, made_up: MadeUp) -> None:
    reference = made_up.refund(made_up.session("ps_1"))
    for query in ("session=%20ps_1%20", "operator=%20Operator@DESK.test", "q=%20client-1%20%20", "status=accepted%20"):
        assert operator.get(f"/refunds/?{query}").references == [reference], query


def test_words_find_whole_ids_and_beginnings(operator: Browser, refund_desk: RefundDesk) -> None:
    session_id = refund_desk.paid_session(100_00, customer="Анна-Мария Müller")
    reference = refund_desk.ask_and_send(session_id, 10_00)
    refund_desk.run_for(minutes=5)
    refund = refund_desk.refund(reference)
    payment = refund_desk.bank_payments(session_id)[0]
    words = [session_id, payment.id, refund.bank_id, reference, reference[:8], payment.rrn, refund.rrn, "4242"]
    for word in [*words, "анна", "МЮЛЛЕР".lower() and "müller", "MÜLL", f"4242 {session_id}", "мария 4242"]:
        assert operator.get(f"/refunds/?{urlencode({'q': word})}").references == [reference], word
    for word in ("nnа", f"4243 {session_id}", f"{reference}x"):
        assert operator.get(f"/refunds/?{urlencode({'q': word})}").references == [], word
