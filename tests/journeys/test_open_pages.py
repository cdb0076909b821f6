"""The overview and an approval stay open and follow, and take nothing from under who is at work on them."""

from itertools import pairwise

from playwright.sync_api import Page, expect

from tests.journeys import steps
from tests.journeys.commands import APPROVER, OPERATOR, Installation
from tests.journeys.test_approvals import TOO_MUCH_MINOR, ask
from tests.journeys.test_no_stream import every_stream_taken
from tests.journeys.waiting import eventually
from tests.journeys.windows import Windows

WITHIN_S = 20.0
AT_MOST_EVERY_MS = 5000


def asked_for_itself(page: Page) -> list[tuple[str, float]]:
    """What a page has asked for by itself, and when, in ms."""
    found = page.evaluate(
        "performance.getEntriesByType('resource').filter(one => one.initiatorType === 'fetch')"
        ".map(one => [new URL(one.name).pathname, one.startTime])"
    )
    return [(str(path), float(at_ms)) for path, at_ms in found]


def waits(overview: Page) -> int:
    return int(overview.evaluate("document.querySelector('#needs a[href=\"/approvals/\"] b')?.textContent ?? 0"))


def waiting_in_the_bar(page: Page) -> int:
    return int(page.evaluate("document.querySelector('#topnav a[href=\"/approvals/\"] .count')?.textContent ?? 0"))


def undo(page: Page) -> None:
    page.bring_to_front()
    page.get_by_role("button", name="Undo").click()
    steps.expect_status(steps.subject(page), "cancelled")


def test_the_overview_follows_and_keeps_focus_folds_and_selection(demo: Installation, windows: Windows) -> None:
    session_id = demo.bank.paid_session("open-overview", TOO_MUCH_MINOR)
    operator, overview = windows.of(demo, OPERATOR), windows.of(demo, APPROVER)
    earlier = steps.refund(operator, session_id, "7")
    steps.expect_status(steps.subject(operator), "accepted")
    overview.goto("/")
    steps.expect_live(overview)
    expect(overview.locator("[data-freshness]")).to_contain_text("last webhook")
    steps.mark(overview)
    before = waits(overview)
    overview.locator("#pictures summary").first.click()
    link = overview.locator(f"#latest tr[data-refund='{earlier}'] .row-link")
    link.focus()
    # Told from now on to who sees only what is read out.
    overview.evaluate("new MutationObserver(() => window.said = true).observe(announcer, { childList: true })")

    reference = ask(operator, session_id)
    row = overview.locator(f"#latest tr[data-refund='{reference}']")
    expect(row).to_be_visible()
    assert waits(overview) == waiting_in_the_bar(overview) == before + 1
    expect(link).to_be_focused()
    expect(overview.locator("#pictures details").first).to_have_attribute("open", "")
    assert not overview.evaluate("window.said")

    overview.evaluate("getSelection().selectAllChildren(document.querySelector('#needs-title'))")
    undo(operator)
    steps.expect_status(row, "cancelled")
    assert overview.evaluate("String(getSelection())") == "Needs attention"
    assert waits(overview) == before + 1, "it is left alone"
    overview.evaluate("getSelection().removeAllRanges()")
    eventually(lambda: waits(overview) == before, WITHIN_S, "what nobody has selected any more follows")
    paths, at_ms = zip(*asked_for_itself(overview), strict=True)
    assert set(paths) == {"/"}
    assert all(later - sooner > AT_MOST_EVERY_MS - 100 for sooner, later in pairwise(at_ms)), at_ms
    steps.expect_not_reloaded(overview)


def test_the_overview_catches_up_without_a_stream(demo: Installation, windows: Windows) -> None:
    windows.guard.forgive("status of 503")
    session_id = demo.bank.paid_session("overview-without-a-stream")
    operator = windows.of(demo, OPERATOR)
    overview = operator.context.new_page()
    with every_stream_taken(demo, operator):
        overview.goto("/")
        steps.mark(overview)
        reference = steps.refund(operator, session_id, "3")
        expect(overview.locator("[data-freshness]")).to_contain_text("Checked every few seconds")
        steps.expect_status(overview.locator(f"#latest tr[data-refund='{reference}']"), "accepted")
        steps.expect_not_reloaded(overview)


def test_an_open_approval_keeps_what_is_typed_and_then_says_what_became_of_it(
    demo: Installation, windows: Windows
) -> None:
    session_id = demo.bank.paid_session("open-approval", TOO_MUCH_MINOR)
    operator, approver = windows.of(demo, OPERATOR), windows.of(demo, APPROVER)
    reference = ask(operator, session_id)
    approver.goto(f"/refunds/{reference}/approval")
    steps.expect_live(approver)
    steps.mark(approver)
    waited = waiting_in_the_bar(approver)
    comment = approver.get_by_label("Comment")
    comment.fill("They came back")
    comment.evaluate("box => box.setSelectionRange(5, 9)")
    beside = operator.context.new_page()
    steps.refund(beside, session_id, "70")
    expect(approver.locator("#payment-identity")).to_contain_text("12,430.00")
    expect(approver.locator("#approval-refund")).to_contain_text("there is more of this session")
    assert comment.evaluate("box => [box.value, box.selectionStart]") == ["They came back", 5]
    expect(comment).to_be_focused()

    undo(operator)

    steps.expect_status(approver.locator("#approval-refund"), "cancelled")
    expect(approver.locator("#approval-decision")).to_contain_text("It was undone. Nothing was sent")
    expect(approver.get_by_role("button", name="Approve")).to_have_count(0)
    expect(approver.locator("#announcer")).to_contain_text("It was undone.")
    assert waiting_in_the_bar(approver) == waited - 1
    expect(approver.locator("#approval-decision").get_by_role("link", name="To the refund")).to_be_focused()
    steps.expect_not_reloaded(approver)


# Fed by hand, by a clock that is moved by hand.
A_PART_WITH_ROWS = """async () => {
  const { calmParts } = await import("/static/anew.js");
  const part = (word) => `<div id="fed"><table data-live-rows><tbody><tr><td>${word}</td></tr></tbody></table></div>`;
  document.querySelector("main").innerHTML = part("old");
  const take = calmParts(["fed"]);
  window.feed = (word) => take(word && part(word), 1);
  window.aim = () => document.querySelector("#fed td")
    .dispatchEvent(new PointerEvent("pointermove", { pointerType: "mouse", bubbles: true }));
}"""


def test_rows_stay_under_the_mouse_until_it_rests_but_not_for_ever(demo: Installation, windows: Windows) -> None:
    """That nothing moved is answered with nothing, which takes nothing away from what has still to come."""
    page = windows.of(demo, OPERATOR)
    page.clock.install()
    page.goto("/account/")
    page.clock.pause_at(page.evaluate("Date.now() + 1000"))
    page.evaluate(A_PART_WITH_ROWS)
    shown = page.locator("#fed")
    page.evaluate("feed('first')")
    assert shown.inner_text() == "first", "nobody aims"
    page.evaluate("aim()")
    page.evaluate("feed('second')")
    page.clock.run_for(1400)
    assert shown.inner_text() == "first"
    page.evaluate("feed('third')")
    page.clock.run_for(1600)
    assert shown.inner_text() == "third"
    page.evaluate("aim()")
    page.evaluate("feed('fourth')")
    page.evaluate("feed('')")
    for _ in range(29):
        page.clock.run_for(1000)
        page.evaluate("aim()")
    assert shown.inner_text() == "third"
    page.clock.run_for(1500)
    assert shown.inner_text() == "fourth"
