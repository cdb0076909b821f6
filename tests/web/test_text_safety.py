"""Whatever text customers and banks come up with: shown as text, keeping its place, never a card number."""

import json
from collections.abc import Iterator

import pytest

from dashboard import anomalies, people, resolutions
from dashboard.sandbox import scenes
from tests.bench.databases import on_sqlite
from tests.bench.refund_desk import RefundDesk
from tests.bench.reviews import STANDS, contradicted, first, odd_fact_of
from tests.bench.wire import REFUND, error
from tests.web.browser import Browser
from tests.web.page import Element
from tests.web.tables import dump

HTML = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&</td>"
TURNED = "\u202egnp.exe\u202c \u2066x\u2069 \u200fסוף"
HIDDEN = "cli\u200bent\u200d-\ufeff1\u00ad7"
UNSEEN = (
    "\u200b", "\u200d", "\u2060", "\ufeff", "\u00ad", "\u034f", "\u3164", "\uffa0", "\u115f", "\u2800", "\ufe0f",
    "\u180e", "\U000e0101", "\U000e0041", "\u202d", "\u2069", "\u200e", "\x07", "\x7f", "\ue000", "\u061c",
)  # fmt: skip
LONG = "order-" + "x" * 5000
CARD = "4242424242424242"
CARDS = (CARD, "4242 4242 4242 4242", "4242-4242-4242-4242", "5555555555554444", "2200700000000007703"[:16])


def paths(session_id: str, reference: str) -> Iterator[str]:
    yield from (
        "/",
        "/sessions/",
        "/refunds/",
        "/review/",
        "/journal/",
        "/refunds/rows?since=0",
        f"/sessions/?q={session_id}",
    )
    yield from (f"/sessions/{session_id}", f"/sessions/{session_id}/refund", f"/refunds/{reference}")


def set_up(refund_desk: RefundDesk, customer: str, metadata: object) -> tuple[str, str]:
    """A session with this customer and metadata, and a refund of it whose comment says the same."""
    scene = scenes.Scene(1, customer, 100_000, metadata=metadata)
    session_id = scenes.add_scene(refund_desk.bank, scene).id
    refund_desk.wire.next(REFUND, error("too_much", description=customer[:200]))
    return session_id, refund_desk.ask_and_send(session_id, 10_00)


@on_sqlite
def test_markup_is_text(operator: Browser, refund_desk: RefundDesk) -> None:
    session_id, reference = set_up(refund_desk, HTML, {"note": HTML, HTML: 1})
    shown = 0
    for path in paths(session_id, reference):
        page = operator.get(path).page
        assert [one for one in page.all("script") if not one.get("src")] == [], path
        assert [one for one in page.all() if one.get("onerror") is not None] == [], path
        shown += "<script>alert(1)</script>" in page.text
    assert shown >= 6, "it is shown as it is"


@on_sqlite
def test_text_that_turns_or_hides_is_shown_without_doing_either(operator: Browser, refund_desk: RefundDesk) -> None:
    session_id, reference = set_up(refund_desk, f"{TURNED} {HIDDEN}", {"note": TURNED, "id": HIDDEN})
    for path in ("/", "/sessions/", "/refunds/", "/refunds/rows?since=0", f"/refunds/{reference}"):
        answer = operator.get(path)
        assert not {"\u202e", "\u2066", "\u200b", "\ufeff"} & set(answer.text), path
    page = operator.page(f"/sessions/{session_id}")
    metadata = page.one("section", aria_labelledby="payments-title")
    assert not {"\u202e", "\u2066", "\u200b", "\ufeff"} & set(metadata.text)
    assert "\\u202egnp.exe" in metadata.text
    (fold,) = [one.text for one in page.all("details") if "As the bank sent it" in one.text]
    assert "\\u202egnp.exe" in fold
    assert "\u202e" not in fold
    assert "\\u200b" in fold


@on_sqlite
def test_two_customers_never_look_the_same(operator: Browser, refund_desk: RefundDesk) -> None:
    """Where money is decided, what nobody would see leaves a mark, wherever it stands."""
    names = ["client-17", *(name for one in UNSEEN for name in (f"client-17{one}", f"client{one}-17"))]
    session_id = refund_desk.paid_session()
    path = f"/sessions/{session_id}/refund"
    fields = {**operator.page(path).form(path).fields, "reason": "other"}
    shown = []
    for name in names:
        refund_desk.bank_payments(session_id)[0].customer = {"reference": name}
        shown.append(operator.post(path, fields).page.one("p", _class="sentence").one("bdi").text)
    assert shown.count("client-17") == 1
    assert set(shown) == {"client-17", "client-17\ufffd", "client\ufffd-17"}


@on_sqlite
def test_no_two_accounts_look_the_same(refund_desk: RefundDesk) -> None:
    """The second of two people is another one."""
    for hidden in ("\u3164", "\u034f", "\ufe0f", "\u200b", "\u00ad"):
        with pytest.raises(people.BadAccount, match="is no e-mail address"):
            people.add(refund_desk.desk, f"approver{hidden}@desk.test", "approver", "a long password", actor="test")


@on_sqlite
def test_a_customer_stands_alone_in_its_element_on_every_page(operator: Browser, refund_desk: RefundDesk) -> None:
    """Letters that run from right to left turn what stands beside them in one element: amounts, names, ids."""
    customer = "طلب 17"
    session_id = scenes.add_scene(refund_desk.bank, scenes.Scene(1, customer, 100_000)).id
    reference, shown = refund_desk.ask_and_send(session_id, 10_00), 0
    for path in (*paths(session_id, reference), f"/refunds/{reference}/review"):
        answer = operator.get(path)
        for one in answer.page.walk() if answer.status == 200 else ():
            own_text = "".join(child for child in one.children if isinstance(child, str))
            if customer in own_text and one.tag != "pre":
                assert (one.tag in {"bdi", "td", "dd"}, own_text.strip()) == (True, customer), path
                shown += 1
    assert shown >= 8


@on_sqlite
def test_a_customer_written_from_right_to_left_keeps_to_its_place_in_a_sentence(
    operator: Browser, refund_desk: RefundDesk
) -> None:
    session_id = scenes.add_scene(refund_desk.bank, scenes.Scene(1, "طلب 17", 100_000)).id
    path = f"/sessions/{session_id}/refund"
    form = operator.page(path).form(path)
    page = operator.post(path, {**form.fields, "reason": "other"}).page
    assert page.one("p", _class="sentence").one("bdi").text == "طلب 17"


@on_sqlite
def test_what_people_write_turns_nothing_around_it(operator: Browser, refund_desk: RefundDesk) -> None:
    """Each comment stands in an element that isolates it, and what turns words in it is shown; its emoji stay whole."""
    family, session_id = "\U0001f469\u200d\U0001f467", refund_desk.paid_session(100_00)
    turned, shown = f"by \u202enohp {family}", f"by \\u202enohp {family}"
    path = f"/sessions/{session_id}/refund"
    form = operator.page(path).form(path)
    page = operator.post(path, {**form.fields, "reason": "other", "comment": turned}).page
    assert isolated(page) == ["client-1", shown]
    made = operator.post(path, {**page.form(path).fields, "confirm": "yes"})
    page = operator.page(made.location or "")
    assert shown in isolated(page.one(id="refund-detail"))
    assert shown in isolated(page.one(id="timeline"))
    doubtful = contradicted(refund_desk)
    fact = odd_fact_of(refund_desk, doubtful)
    operator.post(f"/anomalies/{anomalies.name_of(fact)}", {"comment": turned})
    assert isolated(operator.page(f"/anomalies/{anomalies.name_of(fact)}")) == [shown]
    assert isolated(operator.page(f"/refunds/{doubtful.reference}").one(id="refund-detail")) == [shown]
    resolutions.propose(refund_desk.desk, first(refund_desk), doubtful.reference, STANDS, None, turned)
    assert shown in isolated(operator.page(f"/refunds/{doubtful.reference}/review").one(id="decision"))


def isolated(element: Element) -> list[str]:
    return [one.text for one in element.all("bdi")]


def test_very_long_text_breaks_nothing(operator: Browser, refund_desk: RefundDesk) -> None:
    session_id, reference = set_up(refund_desk, LONG, {"note": LONG, LONG: [LONG]})
    for path in paths(session_id, reference):
        assert operator.get(path).status in {200, 302, 409}, path
    assert operator.get(f"/refunds/?q={LONG[:200]}").status == 200
    row = operator.page("/refunds/").rows[0]
    assert len(row.text) < 800, "cut where it is kept"


@pytest.mark.parametrize("character", ["\0", "\x07", "\ud800", "\uffff", "\x85"])
def test_characters_that_no_database_likes_come_in_all_the_same(
    operator: Browser, refund_desk: RefundDesk, character: str
) -> None:
    session_id, reference = set_up(refund_desk, "client-1", {f"na{character}me": f"or{character}der"})
    payment = refund_desk.bank_payments(session_id)[0]
    payment.customer = {"reference": f"cli{character}ent"}
    refund_desk.deliver(refund_desk.wire.webhook_now(session_id))
    for path in paths(session_id, reference):
        assert operator.get(path).status in {200, 302, 409}, path


def test_a_card_number_is_shown_and_kept_nowhere(operator: Browser, refund_desk: RefundDesk) -> None:
    metadata = {
        "text": f"paid with {CARDS[1]} and {CARDS[2]}",
        "number": int(CARD),
        CARDS[3]: "a name",
        "nested": [{"deep": json.dumps({"card": CARD})}],
        "digits apart": "4242\u00a04242\u20114242 4242",
    }
    session_id, reference = set_up(refund_desk, f"client {CARD}", metadata)
    body = refund_desk.wire.webhook_now(session_id)
    refund_desk.deliver(body)
    refund_desk.run_for(minutes=1)
    assert CARD in body.decode()
    for path in paths(session_id, reference):
        assert_no_card(operator.get(path).text, path)
    for name, rows in dump(refund_desk.desk, without=frozenset({"webhook_deliveries"})).items():
        assert_no_card(repr(rows), name)
    assert "•••• 4242" in operator.get(f"/sessions/{session_id}").text
    assert operator.get(f"/sessions/?q={CARD}").text.count(session_id) == 0, "it cannot be searched for either"
    assert operator.get("/sessions/?q=4242").text.count(session_id) > 0


def assert_no_card(text: str, where: str) -> None:
    digits = "".join(one for one in text if one.isdigit() or one not in " -\u00a0\u2011")
    for number in (CARD, CARDS[3]):
        assert number not in digits, where
