"""The pure rules: every state, every move, what is left, what an answer and an absence prove, when to read."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard import refund_rules
from dashboard.refund_rules import AttemptFacts, HeldPart, PaidPart

SENT = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
LEASE = SENT + timedelta(seconds=35)
QUIET = timedelta(seconds=900)
POLL = timedelta(seconds=30)
RESEND_MAX = timedelta(hours=6)

BANK_STATUSES = ("in_progress", "error", "accepted", "declined")
ENDS = ("refused", "cancelled", "rejected", "abandoned")


def attempt(outcome: str | None, number: int = 1, *, is_resend: bool = False, lease: datetime = LEASE) -> AttemptFacts:
    answered_at = None if outcome is None else SENT + timedelta(seconds=1)
    return AttemptFacts(number, lease, outcome, answered_at, is_resend)


# States


def test_states_and_their_ranks() -> None:
    assert refund_rules.RANK == {
        "awaiting_approval": 0,
        "queued": 1,
        "sending": 1,
        "unknown": 1,
        "in_progress": 2,
        "error": 3,
        "accepted": 4,
        "declined": 4,
    }
    assert set(refund_rules.STATES) == {*refund_rules.RANK, *ENDS}
    assert set(ENDS) == refund_rules.ENDS


OWN_MOVES = {
    ("awaiting_approval", "queued"),
    ("awaiting_approval", "cancelled"),
    ("awaiting_approval", "rejected"),
    ("awaiting_approval", "abandoned"),
    ("queued", "sending"),
    ("queued", "cancelled"),
    ("queued", "abandoned"),
    ("sending", "queued"),
    ("sending", "unknown"),
    ("sending", "refused"),
    ("unknown", "sending"),
    ("unknown", "refused"),
    ("unknown", "abandoned"),
}


@pytest.mark.parametrize(("old", "new"), sorted(product(refund_rules.STATES, repeat=2)))
def test_only_the_known_moves_are_our_own(old: str, new: str) -> None:
    if (old, new) in OWN_MOVES:
        refund_rules.check_own_move(old, new)
    else:
        with pytest.raises(refund_rules.ForbiddenMove):
            refund_rules.check_own_move(old, new)


@pytest.mark.parametrize(
    ("ours", "heard"),
    [
        ("awaiting_approval", BANK_STATUSES),
        ("queued", BANK_STATUSES),
        ("sending", BANK_STATUSES),
        ("unknown", BANK_STATUSES),
        ("in_progress", ("in_progress", "error", "accepted", "declined")),
        ("error", ("error", "error", "accepted", "declined")),
        ("accepted", ("accepted", "accepted", "accepted", "accepted")),
        ("declined", ("declined", "declined", "declined", "declined")),
        *((end, BANK_STATUSES) for end in ENDS),
    ],
)
def test_what_the_banks_word_makes_of_ours(ours: str, heard: tuple[str, ...]) -> None:
    assert tuple(refund_rules.hear_bank(ours, status).state for status in BANK_STATUSES) == heard


@pytest.mark.parametrize(("ours", "status"), sorted(product(refund_rules.STATES, BANK_STATUSES)))
def test_what_is_odd_about_the_banks_word(ours: str, status: str) -> None:
    word = refund_rules.hear_bank(ours, status)
    assert word.after_end == (ours in ENDS)
    assert word.contradiction == ((ours, status) in {("accepted", "declined"), ("declined", "accepted")})


@given(st.sampled_from(sorted(refund_rules.RANK)), st.lists(st.sampled_from(BANK_STATUSES), max_size=8))
def test_ranks_never_fall_and_final_states_never_change(first: str, statuses: list[str]) -> None:
    states = [first]
    for status in statuses:
        states.append(refund_rules.hear_bank(states[-1], status).state)
    for before, after in pairwise(states):
        assert refund_rules.RANK[after] >= refund_rules.RANK[before]
        assert after == before or before not in refund_rules.FINAL


@given(st.sampled_from(refund_rules.STATES), st.sampled_from(refund_rules.STATES), st.sampled_from(BANK_STATUSES))
def test_an_end_is_reached_from_rank_0_or_1_alone(old: str, new: str, status: str) -> None:
    if (old, new) in OWN_MOVES and new in ENDS:
        assert refund_rules.RANK[old] <= 1
    assert refund_rules.hear_bank(old, status).state not in ENDS


@pytest.mark.parametrize("state", refund_rules.STATES)
def test_what_holds_money(state: str) -> None:
    assert refund_rules.counts(state, contradicted=False) == (state not in {*ENDS, "declined"})
    assert refund_rules.counts(state, contradicted=True)


# Money


def paid(*amounts: int, currency: str = "rub") -> list[PaidPart]:
    return [PaidPart(f"pm_{number}", amount, currency) for number, amount in enumerate(amounts)]


@pytest.mark.parametrize(
    ("payments", "held", "left"),
    [
        ([], [], 0),
        (paid(100), [], 100),
        (paid(100), [HeldPart("pm_0", 30)], 70),
        (paid(100), [HeldPart(None, 30)], 70),
        (paid(100), [HeldPart("pm_0", 30), HeldPart(None, 70)], 0),
        (paid(100), [HeldPart("pm_0", 130)], 0),
        (paid(100, 250), [], 250),
        (paid(100, 250), [HeldPart("pm_1", 200)], 100),
        (paid(100, 250), [HeldPart("pm_0", 60)], 250),
        (paid(100, 250), [HeldPart(None, 60)], 190),
        (paid(100, 250), [HeldPart("pm_unknown", 60)], 190),
        (paid(100, 250), [HeldPart("pm_1", 250), HeldPart("pm_0", 100)], 0),
        (paid(100, 250), [HeldPart("pm_1", 330)], 20),
        ([*paid(100), PaidPart("pm_9", 100, "usd")], [], 0),
    ],
)
def test_what_is_left(payments: list[PaidPart], held: list[HeldPart], left: int) -> None:
    assert refund_rules.refundable_minor(payments, held) == left


amounts = st.integers(min_value=1, max_value=10**6)


@given(
    st.lists(amounts, min_size=1, max_size=4),
    st.lists(st.tuples(st.sampled_from([None, "pm_0", "pm_1", "pm_9"]), amounts), max_size=6),
)
def test_one_more_refund_of_what_is_left_always_fits(parts: list[int], held: list[tuple[str | None, int]]) -> None:
    left = refund_rules.refundable_minor(paid(*parts), [HeldPart(*one) for one in held])
    assert 0 <= left <= max(parts)
    if left:
        assert left <= sum(parts) - sum(amount for _, amount in held)
        assert any(left <= part - _may_fall_on(f"pm_{number}", len(parts), held) for number, part in enumerate(parts))


def _may_fall_on(payment_id: str, payments: int, held: list[tuple[str | None, int]]) -> int:
    """What is held of a payment, with all that is held nobody knows where."""
    others = {f"pm_{number}" for number in range(payments)} - {payment_id}
    return sum(amount for held_of, amount in held if held_of not in others)


@pytest.mark.parametrize(
    ("payments", "committed_minor", "may"),
    [(paid(100), 0, True), (paid(100), 1, False), (paid(100, 50), 0, False), ([], 0, False)],
)
def test_when_in_full_may_go_without_an_amount(payments: list[PaidPart], committed_minor: int, may: bool) -> None:
    assert refund_rules.may_send_without_amount(payments, committed_minor) is may


@pytest.mark.parametrize(
    ("amount_minor", "payments", "held", "fits", "fits_in_full"),
    [
        (100, paid(100), [], True, True),
        (40, paid(100), [], True, False),
        (100, paid(150), [], True, False),
        (100, paid(100, 100), [], True, False),
        (100, paid(100), [HeldPart("pm_0", 1)], False, False),
        (99, paid(100), [HeldPart("pm_0", 1)], True, False),
        (100, [], [], False, False),
    ],
)
def test_what_still_fits_right_before_it_is_sent(
    amount_minor: int, payments: list[PaidPart], held: list[HeldPart], fits: bool, fits_in_full: bool
) -> None:
    assert refund_rules.still_fits(amount_minor, payments, held) is fits
    assert refund_rules.still_fits_in_full(amount_minor, payments, held) is fits_in_full


# Answers


@pytest.mark.parametrize(
    ("outcome", "clean", "state"),
    [
        ("never_connected", True, "queued"),
        ("never_connected", False, "unknown"),
        ("auth_error", True, "refused"),
        ("auth_error", False, "unknown"),
        ("definite_error", True, "unknown"),
        ("definite_error", False, "unknown"),
        ("key_exists", True, "unknown"),
        ("key_exists", False, "unknown"),
        ("unclear", True, "unknown"),
        ("unclear", False, "unknown"),
        ("answered", True, "unknown"),
        ("answered", False, "unknown"),
    ],
)
def test_what_an_attempt_that_found_nothing_leaves(outcome: str, clean: bool, state: str) -> None:
    assert refund_rules.after_answer(outcome, clean=clean) == state


# Absence


def test_absence_can_be_proved_after_the_lease_and_the_quiet_period() -> None:
    for outcome in (None, "unclear", "key_exists", "answered"):
        assert refund_rules.absence_provable_from([attempt(outcome)], QUIET) == LEASE + QUIET


def test_absence_can_be_proved_right_after_a_well_formed_error() -> None:
    for outcome in ("definite_error", "auth_error"):
        assert refund_rules.absence_provable_from([attempt(outcome)], QUIET) == SENT + timedelta(seconds=1)


def test_absence_can_be_proved_at_any_time_when_no_attempt_connected() -> None:
    assert refund_rules.absence_provable_from([attempt("never_connected")], QUIET) is None


def test_absence_has_to_be_proved_for_every_attempt() -> None:
    second = attempt("unclear", 2, is_resend=True, lease=LEASE + timedelta(hours=1))
    facts = [attempt("definite_error"), attempt("never_connected"), second]
    assert refund_rules.absence_provable_from(facts, QUIET) == second.lease_until + QUIET


@pytest.mark.parametrize(
    ("outcomes", "gap"),
    [
        (["unclear"], QUIET / 3),
        ([None], QUIET / 3),
        (["key_exists"], QUIET / 3),
        (["definite_error"], timedelta(seconds=10)),
        (["auth_error", "definite_error"], timedelta(seconds=10)),
        (["never_connected", "definite_error"], timedelta(seconds=10)),
        (["definite_error", "unclear"], QUIET / 3),
    ],
)
def test_the_second_absence_comes_later(outcomes: list[str | None], gap: timedelta) -> None:
    facts = [attempt(outcome, number) for number, outcome in enumerate(outcomes, 1)]
    assert refund_rules.second_absence_from(SENT, facts, QUIET) == SENT + gap


@pytest.mark.parametrize(
    ("facts", "after", "verdict"),
    [
        ([attempt("unclear")], timedelta(0), "resend"),
        ([attempt(None)], RESEND_MAX, "resend"),
        ([attempt("answered")], timedelta(0), "resend"),
        ([attempt("never_connected"), attempt("unclear", 2)], timedelta(0), "resend"),
        ([attempt("unclear")], RESEND_MAX + timedelta(microseconds=1), "review"),
        ([attempt("unclear"), attempt("unclear", 2, is_resend=True)], timedelta(0), "review"),
        ([attempt("unclear"), attempt("never_connected", 2, is_resend=True)], timedelta(0), "resend"),
        ([attempt("key_exists")], timedelta(0), "review"),
        ([attempt("unclear"), attempt("key_exists", 2, is_resend=True)], timedelta(0), "review"),
        ([attempt("definite_error")], timedelta(0), "refused"),
        ([attempt("definite_error")], RESEND_MAX * 2, "refused"),
        ([attempt("unclear"), attempt("auth_error", 2, is_resend=True)], timedelta(0), "refused"),
        ([attempt("key_exists"), attempt("definite_error", 2)], timedelta(0), "review"),
    ],
)
def test_what_two_absences_lead_to(facts: list[AttemptFacts], after: timedelta, verdict: str) -> None:
    assert refund_rules.after_two_absences(facts, SENT, SENT + after, RESEND_MAX) == verdict


# When to read


def test_the_reads_of_an_open_refund_grow_rarer() -> None:
    last, steps = SENT, []
    for _ in range(8):
        last = refund_rules.next_open_read(SENT, last, POLL)
        steps.append((last - SENT) / POLL)
    assert steps == [1, 2, 4, 10, 30, 150, 270, 390]


def test_a_read_from_before_the_send_does_not_count() -> None:
    assert refund_rules.next_open_read(SENT, None, POLL) == SENT + POLL
    assert refund_rules.next_open_read(SENT, SENT - timedelta(days=1), POLL) == SENT + POLL


@given(st.floats(min_value=0, max_value=10**7), st.floats(min_value=0.05, max_value=3600))
def test_the_next_read_lies_ahead(read_after_s: float, poll_s: float) -> None:
    read_at = SENT + timedelta(seconds=read_after_s)
    poll = timedelta(seconds=poll_s)
    assert read_at < refund_rules.next_open_read(SENT, read_at, poll) <= read_at + 120 * poll


def test_what_has_ended_is_read_twice_more() -> None:
    assert refund_rules.next_last_look(SENT, None) == SENT + timedelta(minutes=35)
    assert refund_rules.next_last_look(SENT, SENT) == SENT + timedelta(minutes=35)
    assert refund_rules.next_last_look(SENT, SENT + timedelta(minutes=35)) == SENT + timedelta(hours=24)
    assert refund_rules.next_last_look(SENT, SENT + timedelta(hours=24)) is None


# What people may decide


def test_what_two_people_may_decide() -> None:
    doubts = {"stranger", "not_found", "other_bank", "no_longer_fits", "restored"}
    undoable = {"awaiting_approval", "queued"}
    reviews = (*doubts, "duplicate", "contradiction", "")
    for state, review in product(refund_rules.STATES, reviews):
        choices: tuple[str, ...] = ()
        if review in {"duplicate", "contradiction"}:
            choices = ("stands",)
        elif (state == "unknown" and review in doubts) or (state in undoable and review == "restored"):
            choices = ("never_made", "that_one")
        assert refund_rules.choices_of(state, review) == choices, (state, review)


def test_everything_that_can_wait_for_people_has_a_way_out() -> None:
    """Undone by one person, decided on by two, or it is being sent and will be of unknown outcome."""
    for state, review in product(
        ("awaiting_approval", "queued", "unknown"),
        ("stranger", "not_found", "other_bank", "no_longer_fits", "restored"),
    ):
        assert refund_rules.may_undo(state, review) != bool(refund_rules.choices_of(state, review)), (state, review)


@pytest.mark.parametrize("state", refund_rules.STATES)
def test_one_person_undoes_only_what_was_surely_never_sent(state: str) -> None:
    assert refund_rules.may_undo(state, "") == refund_rules.may_undo(state, "no_longer_fits")
    assert refund_rules.may_undo(state, "") == (state in {"awaiting_approval", "queued"})
    assert not refund_rules.may_undo(state, "restored")


def test_never_made_is_open_when_even_a_read_that_lags_behind_would_show_it() -> None:
    quiet, lag = timedelta(minutes=15), timedelta(minutes=5)
    lost = AttemptFacts(1, SENT, "unclear", SENT)
    not_sent = AttemptFacts(1, SENT, "never_connected", SENT)
    later = SENT + timedelta(hours=1)
    assert refund_rules.never_made_from([], quiet) is None
    assert refund_rules.never_made_from([not_sent], quiet) is None
    assert refund_rules.never_made_from([lost], quiet) == SENT + quiet + lag
    assert refund_rules.never_made_from([], quiet, later) == later + quiet + lag
    assert refund_rules.never_made_from([lost], quiet, later) == later + quiet + lag
    assert refund_rules.never_made_from([AttemptFacts(1, later, "unclear", None)], quiet, SENT) == later + quiet + lag


def test_what_replaces_each_other_hangs_together() -> None:
    replacements = [(1, None), (2, 1), (3, 2), (4, 1), (5, None), (6, 5)]
    for start in (1, 2, 3, 4):
        assert refund_rules.linked(start, replacements) == {1, 2, 3, 4}
    assert refund_rules.linked(6, replacements) == {5, 6}
    assert refund_rules.linked(7, replacements) == {7}
