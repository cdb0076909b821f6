"""Guards in the pure rules of one refund."""

from tests.mutation.mutant import Edit, without

RULES = "dashboard/refund_rules.py"

ANSWERS = "core/test_answers.py"
RECOVER = "core/test_recover.py"
PURE = "core/test_refund_rules.py"
REQUEST = "core/test_request.py"
RESTORED = "core/test_restored.py"
SEND = "core/test_send.py"
SNAPSHOTS = "core/test_snapshots.py"

_STATES = (
    without(
        "ranks only rise",
        "a webhook that comes late takes an accepted refund back to in progress",
        Edit(RULES, "BankWord(bank_status if RANK[bank_status] > RANK[state] else state)", "BankWord(bank_status)"),
        f"{SNAPSHOTS}::test_a_status_that_comes_late_changes_nothing",
    ),
    without(
        "accepted and declined never change",
        "a declined that follows an accepted frees money that has left",
        Edit(RULES, "return BankWord(state, contradiction=True)", "return BankWord(bank_status, contradiction=True)"),
        f"{SNAPSHOTS}::test_a_contradiction_keeps_the_state_and_holds_the_money",
    ),
    without(
        "a contradiction is noticed",
        "accepted against declined is passed over in silence",
        Edit(RULES, "if {state, bank_status} == FINAL:", "if False:"),
        f"{SNAPSHOTS}::test_a_contradiction_keeps_the_state_and_holds_the_money",
    ),
    without(
        "our ends give way to the bank",
        "a refund that the bank made is shown as refused or cancelled",
        Edit(RULES, "return BankWord(bank_status, after_end=True)", "return BankWord(state, after_end=True)"),
        f"{SNAPSHOTS}::test_what_the_bank_made_after_our_end_is_taken_in",
    ),
    without(
        "own moves are those of the table",
        "a defect of ours moves a refund where it cannot be",
        Edit(RULES, "if new not in _OWN_MOVES.get(old, set()):", "if False:"),
        f"{PURE}::test_only_the_known_moves_are_our_own",
    ),
    without(
        "what was contradicted counts for good",
        "money that may have left is free again",
        Edit(
            RULES,
            "return contradicted or (state not in ENDS and state != DECLINED)",
            "return state not in ENDS and state != DECLINED",
        ),
        f"{SNAPSHOTS}::test_a_contradiction_keeps_the_state_and_holds_the_money",
        f"{PURE}::test_what_holds_money",
    ),
    without(
        "an unknown outcome holds its money",
        "what may have left is offered a second time",
        Edit(
            RULES,
            "return contradicted or (state not in ENDS and state != DECLINED)",
            "return contradicted or (state not in ENDS and state not in {DECLINED, UNKNOWN})",
        ),
        f"{RECOVER}::test_it_stays_committed",
    ),
)

_MONEY = (
    without(
        "at most the largest single remainder",
        "one refund is to take more than any payment brought",
        Edit(RULES, "return max(0, min(left, largest))", "return max(0, left)"),
        f"{REQUEST}::test_the_largest_remainder_is_all_that_one_refund_of_several_payments_takes",
    ),
    without(
        "at most what is left of all payments",
        "one overdrawn payment is forgotten because another is untouched",
        Edit(RULES, "return max(0, min(left, largest))", "return max(0, largest)"),
        f"{PURE}::test_what_is_left",
    ),
    without(
        "what may fall on any payment is taken off",
        "a refund whose payment is not known yet is refunded again",
        Edit(
            RULES,
            "by_payment[part.payment_id] for part in paid) - elsewhere",
            "by_payment[part.payment_id] for part in paid)",
        ),
        f"{PURE}::test_what_is_left",
    ),
    without(
        "nothing is refundable in mixed currencies",
        "minor units of two currencies are added up",
        Edit(RULES, "if not paid or len({part.currency for part in paid}) > 1:", "if not paid:"),
        f"{REQUEST}::test_mixed_currencies_leave_nothing_to_refund",
    ),
    without(
        "in full only with nothing committed",
        "an order without an amount pays back what was paid back before",
        Edit(RULES, "return len(paid) == 1 and committed_minor == 0", "return len(paid) == 1"),
        f"{REQUEST}::test_all_that_is_left_goes_with_its_amount",
    ),
    without(
        "in full only for one payment",
        "an order without an amount pays back several payments",
        Edit(RULES, "return len(paid) == 1 and committed_minor == 0", "return bool(paid) and committed_minor == 0"),
        f"{REQUEST}::test_the_largest_remainder_is_all_that_one_refund_of_several_payments_takes",
    ),
    without(
        "in full is what was asked for",
        "the payment has grown, and the bank pays back more than anybody asked for",
        Edit(
            RULES,
            "return may_send_without_amount(paid, held_minor) and amount_minor == paid[0].amount_minor",
            "return may_send_without_amount(paid, held_minor)",
        ),
        f"{SEND}::test_in_full_is_not_sent_when_it_would_mean_something_else",
    ),
)

_ANSWERS = (
    without(
        "never connected is queued again only if clean",
        "a second send that did not connect makes one that may have arrived unsent",
        Edit(RULES, "if clean and outcome == NEVER_CONNECTED:", "if outcome == NEVER_CONNECTED:"),
        f"{ANSWERS}::test_after_a_send_that_may_have_arrived_every_answer_leaves_it_unknown",
    ),
    without(
        "wrong keys refuse at once only if clean",
        "an earlier send that may have arrived is called refused",
        Edit(RULES, "if clean and outcome == AUTH_ERROR:", "if outcome == AUTH_ERROR:"),
        f"{ANSWERS}::test_after_a_send_that_may_have_arrived_every_answer_leaves_it_unknown",
    ),
    without(
        "a definite error refuses only after two absences",
        "an error that hides a refund made all the same frees the money",
        Edit(RULES, "if clean and outcome == AUTH_ERROR:", "if clean and outcome in _WELL_FORMED_ERRORS:"),
        f"{ANSWERS}::test_what_becomes_of_a_clean_attempt",
    ),
    without(
        "no answer is not a failure",
        "a refund whose answer was lost is queued, and sent again",
        Edit(RULES, "        return REFUSED\n    return UNKNOWN\n", "        return REFUSED\n    return QUEUED\n"),
        f"{ANSWERS}::test_what_becomes_of_a_clean_attempt",
    ),
)

_ABSENCE = (
    without(
        "an attempt without an answer may have arrived",
        "a crash while sending is taken for a send that never happened",
        Edit(RULES, "return self.outcome != NEVER_CONNECTED", "return self.outcome not in (None, NEVER_CONNECTED)"),
        f"{PURE}::test_absence_can_be_proved_after_the_lease_and_the_quiet_period",
    ),
    without(
        "the quiet period",
        "a request still on its way counts as absent",
        Edit(RULES, "return attempt.lease_until + quiet", "return attempt.lease_until"),
        f"{RECOVER}::test_a_read_within_the_lease_and_the_quiet_period_proves_nothing",
    ),
    without(
        "only a well-formed error needs no quiet period",
        "after a gateway's error page the request may still be on its way",
        Edit(
            RULES,
            "if attempt.outcome in _WELL_FORMED_ERRORS and attempt.answered_at is not None:",
            "if attempt.answered_at is not None:",
        ),
        f"{RECOVER}::test_a_read_within_the_lease_and_the_quiet_period_proves_nothing",
    ),
    without(
        "absence is proved for every attempt",
        "the first attempt is past, the second is still on its way",
        Edit(
            RULES,
            "for attempt in attempts if attempt.may_have_connected]\n    return max(moments, default=None)",
            "for attempt in attempts if attempt.may_have_connected]\n    return min(moments, default=None)",
        ),
        f"{PURE}::test_absence_has_to_be_proved_for_every_attempt",
    ),
    without(
        "the second absence comes a good while later",
        "two looks at one stale copy prove an absence",
        Edit(RULES, "return first_at + (SHORT_ABSENCE_GAP if all_definite else quiet / 3)", "return first_at"),
        f"{RECOVER}::test_the_second_proof_takes_a_third_of_the_quiet_period",
    ),
    without(
        "ten seconds are enough only if all errors are definite",
        "one definite error hurries the proof about a send that was lost",
        Edit(RULES, "all_definite = all(", "all_definite = any("),
        f"{PURE}::test_the_second_absence_comes_later",
    ),
    without(
        "key-exists is never sent again",
        "the bank knows the key, and gets the refund a second time",
        Edit(RULES, "if KEY_EXISTS in outcomes:", "if False:"),
        f"{RECOVER}::test_how_it_ends",
    ),
    without(
        "a definite error is never sent again",
        "what the bank said no to goes out once more",
        Edit(RULES, "if outcomes & _WELL_FORMED_ERRORS:", "if False:"),
        f"{RECOVER}::test_a_definite_error_ends_by_itself_within_seconds_and_is_never_sent_again",
    ),
    without(
        "only two sends, ever",
        "one refund goes out again and again",
        Edit(RULES, "if sent_again or now - first_sent_at > resend_max:", "if now - first_sent_at > resend_max:"),
        f"{RECOVER}::test_how_it_ends",
    ),
    without(
        "no second send after too long",
        "the bank has forgotten the key, and pays twice",
        Edit(RULES, "if sent_again or now - first_sent_at > resend_max:", "if sent_again:"),
        f"{RECOVER}::test_it_is_not_sent_again_after_too_long",
    ),
)

_READS = (
    without(
        "open refunds are read 1, 2, 4, 10, 30 times p after",
        "a lost webhook shows late",
        Edit(RULES, "READ_STEPS = (1, 2, 4, 10, 30)", "READ_STEPS = (1, 2, 30)"),
        f"{SNAPSHOTS}::test_an_open_refund_is_read_ever_more_rarely",
    ),
    without(
        "open refunds are read for good",
        "after the first hour nobody looks any more",
        Edit(RULES, "READ_EVERY = 120", "READ_EVERY = 120_000"),
        f"{SNAPSHOTS}::test_an_open_refund_is_read_ever_more_rarely",
    ),
    without(
        "last looks at what has ended",
        "what changed after the end, and whose webhook was lost, is never seen",
        Edit(RULES, "LAST_LOOKS = (timedelta(minutes=35), timedelta(hours=24))", "LAST_LOOKS = ()"),
        f"{SNAPSHOTS}::test_what_has_ended_is_read_twice_more",
    ),
)

_PEOPLE = (
    without(
        "restored refunds are not undone by one person",
        "one that was sent after the backup is called undone",
        Edit(RULES, "return state in UNDOABLE and review != RESTORED", "return state in UNDOABLE"),
        f"{RESTORED}::test_it_cannot_be_undone_by_one_person",
    ),
    without(
        "nothing is decided while it is being sent",
        "people close a refund that is on its way",
        Edit(RULES, "(state == UNKNOWN and review in DOUBTS)", "(state in OPEN_SEND and review in DOUBTS)"),
        f"{RESTORED}::test_one_that_was_being_sent_and_is_not_found_waits_for_people",
    ),
    without(
        "a lost attempt from after the backup is waited for",
        "never made is decided while a send that the backup does not have is on its way",
        Edit(RULES, "for moment in (proved, last_lease_until and last_lease_until + quiet)", "for moment in (proved,)"),
        f"{RESTORED}::test_a_queued_one_was_never_made_once_the_last_send_before_the_restore_is_past",
    ),
)

MUTANTS = (*_STATES, *_MONEY, *_ANSWERS, *_ABSENCE, *_READS, *_PEOPLE)
