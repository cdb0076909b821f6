"""Guards at the one door for bank truth, and in what a read proves."""

from tests.mutation.mutant import Edit, without, without_both

LEDGER = "dashboard/ledger.py"
OBJECTS = "dashboard/bank131/objects.py"
READS = "dashboard/reads.py"
SNAPSHOTS_PY = "dashboard/snapshots.py"
TABLE = "dashboard/models/refunds.py"
FIRST_SHAPE = "dashboard/migrations/versions/0001_start.py"

ANSWERS = "core/test_answers.py"
INBOX = "core/test_webhook_inbox.py"
RECOVER = "core/test_recover.py"
SNAPSHOTS = "core/test_snapshots.py"

_HEARSAY = (
    without(
        "an unconfirmed session ignores a webhook's refunds",
        "another merchant's webhook changes our refunds",
        Edit(
            SNAPSHOTS_PY,
            "    if session.confirmed_at is not None:\n        for payment",
            "    if True:\n        for payment",
        ),
        f"{INBOX}::test_an_unconfirmed_session_changes_no_refund",
    ),
    without(
        "a webhook confirms and captures nothing",
        "a session of another merchant's can be refunded here",
        Edit(SNAPSHOTS_PY, "    if m.from_ourselves:\n        _confirm(m)", "    if True:\n        _confirm(m)"),
        f"{SNAPSHOTS}::test_a_webhook_confirms_and_captures_nothing",
    ),
    without(
        "what is captured stays as our own read showed it",
        "a webhook claims that more was paid, and more is refunded",
        Edit(SNAPSHOTS_PY, "if m.from_ourselves or not payment.confirmed:", "if True:"),
        f"{SNAPSHOTS}::test_a_webhook_does_not_change_what_was_captured",
    ),
    without(
        "captured is only what our own reads showed",
        "a payment that only a webhook tells of is refunded",
        Edit(
            LEDGER,
            "for payment in payments if payment.confirmed]",
            'for payment in payments if payment.status == "succeeded"]',
        ),
        f"{SNAPSHOTS}::test_a_payment_that_only_a_webhook_tells_of_is_not_captured",
    ),
    without(
        "a payment once succeeded stays succeeded",
        "a chargeback under way makes a payment vanish, and refunds with it",
        Edit(
            SNAPSHOTS_PY,
            'if not payment.confirmed and (m.from_ourselves or payment.status != "succeeded"):',
            "if True:",
        ),
        f"{SNAPSHOTS}::test_a_payment_once_succeeded_stays_succeeded",
    ),
    without(
        "a webhook alone never makes a row",
        "a row for a refund that our own read cannot find",
        Edit(SNAPSHOTS_PY, "if m.seen.source != READ:\n        ledger.ask_read", "if False:\n        ledger.ask_read"),
        f"{SNAPSHOTS}::test_a_webhook_never_makes_a_row_but_asks_for_a_read",
    ),
    without(
        "a confirmed session is not laid aside for a denial",
        "one wrong answer of the bank, and nobody looks at an open refund any more",
        Edit(READS, "            if session.confirmed_at is None:\n", "            if True:\n"),
        f"{SNAPSHOTS}::test_a_denied_read_of_a_confirmed_session_is_tried_again",
    ),
)

_MATCHING = (
    without(
        "the bank's id is looked at before the reference",
        "a row that stands for a refund is passed over, and another takes its bank id",
        Edit(
            SNAPSHOTS_PY,
            "_known(m, shown) or _ours_by_reference(m, shown) or",
            "_ours_by_reference(m, shown) or _known(m, shown) or",
        ),
        "core/test_resolve_never_made.py"
        "::test_what_bears_our_reference_forbids_it_even_where_it_was_taken_for_another_s",
    ),
    without(
        "our reference is adopted",
        "our own refund is a stranger",
        Edit(
            SNAPSHOTS_PY,
            "    if shown.reference is None:\n        return None\n",
            "    if True:\n        return None\n",
        ),
        f"{ANSWERS}::test_an_answer_that_shows_our_reference_is_adopted",
        f"{RECOVER}::test_a_refund_that_was_made_is_found_by_its_reference_and_never_sent_again",
    ),
    without(
        "a second one with our reference is not ours too",
        "a duplicate hides behind the first",
        Edit(
            SNAPSHOTS_PY,
            "if refund.bank_id is None and refund.reference == shown.reference:",
            "if refund.reference == shown.reference:",
        ),
        f"{SNAPSHOTS}::test_a_second_refund_under_our_reference_counts_and_is_for_people",
    ),
    without(
        "an answer adopts only for a bank that never echoed",
        "somebody else's refund is taken for ours",
        Edit(
            SNAPSHOTS_PY,
            "if refund.bank_id is not None or _bank_echoes_reference(m.tx):",
            "if refund.bank_id is not None:",
        ),
        f"{ANSWERS}::test_a_bank_that_has_shown_a_reference_always_will",
    ),
    without(
        "an answer adopts only the one match",
        "of two refunds of one amount the wrong one is taken for ours",
        Edit(SNAPSHOTS_PY, "if matches == [shown] else None", "if shown in matches else None"),
        f"{ANSWERS}::test_only_one_new_match_in_a_direct_answer_is_ours",
    ),
    without(
        "what could not be read may be the second match",
        "the only match that could be read is taken for ours",
        Edit(SNAPSHOTS_PY, "if m.seen.sent is None or m.snapshot.unreadable:", "if m.seen.sent is None:"),
        f"{ANSWERS}::test_where_something_could_not_be_read_no_match_is_the_only_one",
    ),
    without(
        "what was there before the send is no match",
        "an old refund of the same amount is taken for ours",
        Edit(
            SNAPSHOTS_PY,
            "        shown.id not in json.loads(attempt.baseline)\n        and not shown.",
            "        not shown.",
        ),
        f"{ANSWERS}::test_the_direct_answer_of_a_bank_that_gives_no_reference_back_is_adopted",
    ),
    without(
        "a chargeback is no match",
        "a chargeback of the same amount is taken for our refund",
        Edit(
            SNAPSHOTS_PY,
            "        and not shown.is_chargeback\n        and shown.metadata",
            "        and shown.metadata",
        ),
        f"{ANSWERS}::test_only_one_new_match_in_a_direct_answer_is_ours",
    ),
    without(
        "what has metadata is no match",
        "a refund that somebody made by hand is taken for ours",
        Edit(SNAPSHOTS_PY, "        and shown.metadata is None\n", ""),
        f"{ANSWERS}::test_only_one_new_match_in_a_direct_answer_is_ours",
    ),
    without(
        "a match has our amount and currency",
        "a refund of another amount is taken for ours",
        Edit(
            SNAPSHOTS_PY,
            "and (shown.amount.amount_minor, shown.amount.currency) == (refund.amount_minor, refund.currency)",
            "and shown.amount",
        ),
        f"{ANSWERS}::test_only_one_new_match_in_a_direct_answer_is_ours",
    ),
    without_both(
        "a bank id is unique in its session",
        "one refund at the bank has two rows, and its money is held twice",
        (
            Edit(TABLE, '        UniqueConstraint("session_id", "bank_id"),\n', ""),
            Edit(
                FIRST_SHAPE,
                '        sa.UniqueConstraint("session_id", "bank_id", name=op.f("uq_refunds_session_id_bank_id")),\n',
                "",
            ),
        ),
        f"{SNAPSHOTS}::test_the_database_itself_takes_one_row_of_a_refund",
    ),
    without_both(
        "a reference is unique",
        "two refunds go out under one key",
        (
            Edit(TABLE, "reference: Mapped[str] = mapped_column(unique=True)", "reference: Mapped[str]"),
            Edit(FIRST_SHAPE, '        sa.UniqueConstraint("reference", name=op.f("uq_refunds_reference")),\n', ""),
        ),
        f"{SNAPSHOTS}::test_the_database_itself_takes_one_row_of_a_refund",
    ),
    without(
        "while one is being sent, what may be it waits",
        "our own refund gets a second row, and its money is held twice",
        Edit(
            SNAPSHOTS_PY,
            "if shown.reference is None and not shown.is_chargeback and _may_be_under_way(m, shown):",
            "if False:",
        ),
        f"{SNAPSHOTS}::test_while_one_is_being_sent_a_refund_without_reference_has_to_wait",
    ),
)

_ODD_FACTS = (
    without(
        "a duplicate is told and reviewed",
        "the bank paid twice, in silence",
        Edit(SNAPSHOTS_PY, "    if original is not None:\n        for refund", "    if False:\n        for refund"),
        f"{SNAPSHOTS}::test_a_second_refund_under_our_reference_counts_and_is_for_people",
    ),
    without(
        "what may be ours is told",
        "a duplicate without a reference passes for one made elsewhere",
        Edit(SNAPSHOTS_PY, "    elif shown.reference is None and not shown.is_chargeback:", "    elif False:"),
        f"{SNAPSHOTS}::test_one_that_may_be_ours_marks_both",
    ),
    without(
        "what the bank made after an end of ours is told",
        "money moved that was said not to, in silence",
        Edit(SNAPSHOTS_PY, "if word.after_end:", "if False:"),
        f"{SNAPSHOTS}::test_what_the_bank_made_after_our_end_is_taken_in",
    ),
    without(
        "a contradiction holds the money",
        "money that may have left is offered again",
        Edit(
            SNAPSHOTS_PY,
            "refund.contradicted, refund.counts = True, True",
            "pass",
        ),
        f"{SNAPSHOTS}::test_a_contradiction_keeps_the_state_and_holds_the_money",
    ),
    without(
        "a contradiction is for people to look at",
        "the session goes on as if nothing had happened",
        Edit(
            SNAPSHOTS_PY,
            "    if not refund.contradicted:\n        ledger.flag_review",
            "    if False:\n        ledger.flag_review",
        ),
        f"{SNAPSHOTS}::test_a_contradiction_keeps_the_state_and_holds_the_money",
    ),
    without(
        "another amount is told",
        "the bank pays back something else, in silence",
        Edit(SNAPSHOTS_PY, " if theirs != ours else set()\n", " if False else set()\n"),
        f"{SNAPSHOTS}::test_the_larger_amount_is_held_when_the_banks_differs",
    ),
    without(
        "another amount is over once it is ours again",
        "people ask the bank about an amount that it put right long ago",
        Edit(
            SNAPSHOTS_PY,
            "        ledger.end_anomalies(m.tx, m.session, refund_rules.AMOUNT_DIFFERS, differs, refund)\n",
            "        pass\n",
        ),
        f"{SNAPSHOTS}::test_an_amount_that_is_ours_again_differs_no_longer",
    ),
    without(
        "what the bank does not show any more is told",
        "a refund vanishes at the bank, in silence",
        Edit(
            SNAPSHOTS_PY,
            "if bank_id in gone and m.seen.at - known_since > m.desk.config.quiet:",
            "if False:",
        ),
        f"{SNAPSHOTS}::test_what_stays_missing_is_an_anomaly",
    ),
    without(
        "a read from before a second send misses nothing",
        "people ask the bank where a refund is that it made a moment later",
        Edit(
            SNAPSHOTS_PY,
            "yield refund, refund.bank_id, _last_sent_at(m, refund)",
            "yield refund, refund.bank_id, refund.asked_at",
        ),
        f"{RECOVER}::test_a_read_that_began_before_the_second_send_misses_nothing",
    ),
    without(
        "what is dated far ahead is not the newest",
        "one webhook with a wrong date freezes what is shown of a session for good",
        Edit(SNAPSHOTS_PY, "return None if is_to_come else updated_at", "return updated_at"),
        f"{SNAPSHOTS}::test_what_is_dated_far_ahead_is_no_newer_than_what_we_read",
    ),
    without(
        "two that share a forgotten reference are told",
        "a restored database lets what the bank paid twice look like two refunds made at the bank",
        Edit(SNAPSHOTS_PY, "    elif twin := _forgotten_twin(m, shown):\n", "    elif twin := None:\n"),
        "core/test_restored.py::test_what_was_made_twice_and_is_forgotten_is_told",
    ),
    without(
        "a word of lower rank is not the bank's last",
        "what came late is shown as what the bank says now",
        Edit(SNAPSHOTS_PY, " and refund_rules.RANK[now] >= refund_rules.RANK[before]:", ":"),
        f"{SNAPSHOTS}::test_a_word_of_lower_rank_that_comes_late_is_not_the_last",
    ),
    without(
        "a word from an older snapshot is not the bank's last",
        "an old copy is shown as what the bank says now",
        Edit(SNAPSHOTS_PY, "elif m.is_newest and now != before", "elif now != before"),
        f"{SNAPSHOTS}::test_a_word_from_an_older_snapshot_is_not_the_last",
    ),
    without(
        "only a read of ours tells what is missing",
        "a webhook that comes late cries wolf over every refund made since",
        Edit(SNAPSHOTS_PY, "    if m.seen.source != READ:\n        return\n    gone", "    gone"),
        f"{SNAPSHOTS}::test_a_webhook_that_comes_late_makes_nothing_missing",
    ),
    without(
        "what cannot be read is not told as gone",
        "people ask the bank where a refund is that it shows",
        Edit(SNAPSHOTS_PY, " - m.snapshot.named\n", "\n"),
        f"{SNAPSHOTS}::test_what_is_shown_but_cannot_be_read_is_not_gone",
    ),
    without(
        "what cannot be read is told",
        "a status of a new kind blocks a session, and nobody knows why",
        Edit(SNAPSHOTS_PY, "    for line in told:\n", "    for line in ():\n"),
        f"{SNAPSHOTS}::test_what_cannot_be_read_is_flagged_once",
    ),
    without(
        "what was over and acknowledged is told again",
        "a refund that came back vanishes for good, in silence",
        Edit(LEDGER, "if known is not None and not _holds_again(known):", "if known is not None:"),
        f"{SNAPSHOTS}::test_what_goes_a_second_time_is_told_again",
        f"{SNAPSHOTS}::test_what_cannot_be_read_a_second_time_is_told_again",
    ),
    without(
        "what was never over is not told again",
        "who says that they have seen it is asked again at every read",
        Edit(LEDGER, "if not was_over or anomaly.acknowledged_at is None:", "if anomaly.acknowledged_at is None:"),
        f"{SNAPSHOTS}::test_what_goes_a_second_time_is_told_again",
        f"{SNAPSHOTS}::test_what_cannot_be_read_a_second_time_is_told_again",
    ),
    without(
        "an old copy does not make readable what it lacks",
        "what cannot be read is told again after every answer that lags behind",
        Edit(SNAPSHOTS_PY, "if m.seen.source == READ and not m.is_stale:", "if m.seen.source == READ:"),
        f"{SNAPSHOTS}::test_what_an_old_copy_does_not_have_is_not_readable_again",
    ),
    without(
        "of what cannot be read not all is told one by one",
        "one webhook, and nobody can write for a quarter of a minute",
        Edit(SNAPSHOTS_PY, "    for line in told:\n", "    for line in lines:\n"),
        f"{SNAPSHOTS}::test_of_many_that_cannot_be_read_each_is_told_once_and_no_more_than_fifty",
    ),
    without(
        "a time of a year that nobody can show is none",
        "one odd date from the bank, and nobody can open the history",
        Edit(OBJECTS, "return in_utc if in_utc and in_utc.year in PLAUSIBLE_YEARS else None", "return in_utc"),
        "bank131/test_objects.py::test_times",
        "web/test_history_filters.py::test_a_date_that_no_zone_can_show_breaks_no_page",
    ),
)

_ABSENCE = (
    without(
        "absence only from what is wholly readable",
        "the refund that could not be read counts as absent",
        Edit(SNAPSHOTS_PY, "not (self.snapshot.unreadable or self.is_stale", "not (self.is_stale"),
        f"{RECOVER}::test_only_a_good_whole_read_proves_absence",
    ),
    without(
        "absence only from what is not stale",
        "an old copy proves that a new refund is not there",
        Edit(SNAPSHOTS_PY, "not (self.snapshot.unreadable or self.is_stale", "not (self.snapshot.unreadable"),
        f"{RECOVER}::test_only_a_good_whole_read_proves_absence",
    ),
    without(
        "absence only from what shows every known payment",
        "a bank that shows no payments proves that there are no refunds, and pays twice",
        Edit(SNAPSHOTS_PY, "if part.payment_id not in payments:", "if False:"),
        f"{RECOVER}::test_a_read_that_lacks_a_known_payment_proves_no_absence",
        "core/test_resolve_never_made.py::test_a_read_that_lacks_the_payment_decides_nothing",
    ),
    without_both(
        "proof of absence",
        "not having seen a refund once is taken for its not being there",
        (
            Edit(
                READS,
                "    if not merge.is_whole:\n        if refund.sent_at",
                "    if False:\n        if refund.sent_at",
            ),
            Edit(READS, "if provable_from is not None and read_at <= provable_from:", "if False:"),
        ),
        f"{RECOVER}::test_a_read_within_the_lease_and_the_quiet_period_proves_nothing",
        f"{RECOVER}::test_only_a_good_whole_read_proves_absence",
    ),
    without(
        "what can never be proved goes to people",
        "a refund of unknown outcome stays so in silence",
        Edit(
            READS,
            "if refund.sent_at is not None and proves_nothing_for_long(config, refund.sent_at, read_at):",
            "if False:",
        ),
        f"{RECOVER}::test_a_session_that_stays_in_part_unreadable_leaves_it_to_people_in_the_end",
    ),
    without(
        "two absences, not one",
        "one look decides about money",
        Edit(
            READS,
            "        _record_absence(merge, refund, 1)\n",
            "        _record_absence(merge, refund, 1)\n        _decide_after_absences(merge, refund)\n",
        ),
        f"{RECOVER}::test_after_a_definite_error_ten_seconds_are_enough",
    ),
    without(
        "a read counts from its start",
        "an answer made up before the request arrived proves that it did not",
        Edit(READS, "seen = Seen(READ, started_at, digest_of", "seen = Seen(READ, desk.clock.now(), digest_of"),
        f"{RECOVER}::test_a_read_counts_from_its_start",
    ),
    without(
        "a stranger means review, not absence",
        "what came up at the bank may be ours, and ours is sent again",
        Edit(READS, "if stranger is not None:", "if False:"),
        f"{RECOVER}::test_a_stranger_means_review_and_no_second_send",
    ),
    without(
        "a row made elsewhere is still a stranger",
        "once it has a row here, what may be ours is ours no more",
        Edit(
            READS,
            'for one in merge.refunds if one.origin == "here"}\n    known_before',
            "for one in merge.refunds}\n    known_before",
        ),
        f"{RECOVER}::test_a_stranger_means_review_and_no_second_send",
    ),
    without(
        "another bank's facts are not taken in",
        "a desk set to another server takes that bank's session of the same number for ours",
        Edit(SNAPSHOTS_PY, "    m.is_foreign = _is_foreign(m)\n", ""),
        "core/test_recover.py::test_what_another_bank_shows_under_the_same_number_is_not_taken_in",
    ),
    without(
        "under review no absence is weighed",
        "a refund that people have to decide on is decided without them",
        Edit(
            READS,
            "        if refund.state == refund_rules.UNKNOWN and not refund.review:\n            _weigh_read",
            "        if refund.state == refund_rules.UNKNOWN:\n            _weigh_read",
        ),
        "core/test_restored.py::test_one_that_was_being_sent_and_is_not_found_waits_for_people",
    ),
)

_SCHEDULE = (
    without(
        "absences are read as soon as they can be proved",
        "money stays held for hours longer than it has to",
        Edit(SNAPSHOTS_PY, "yield from _absence_reads(m, refund, read_at)", "yield from ()"),
        f"{RECOVER}::test_both_proofs_are_read_as_soon_as_they_can_be_had",
    ),
    without(
        "a read asked for meanwhile is made",
        "the webhook that came during a read is forgotten",
        Edit(
            SNAPSHOTS_PY,
            "if session.read_wanted_at is not None and session.read_wanted_at >= m.seen.at:",
            "if False:",
        ),
        f"{SNAPSHOTS}::test_a_read_asked_for_while_another_is_under_way_is_made",
    ),
    without(
        "what is in progress is read",
        "a lost webhook leaves a refund in progress for good",
        Edit(
            SNAPSHOTS_PY,
            "in {refund_rules.IN_PROGRESS, refund_rules.UNKNOWN, refund_rules.ERROR}:",
            "in {refund_rules.UNKNOWN, refund_rules.ERROR}:",
        ),
        f"{SNAPSHOTS}::test_an_open_refund_is_read_ever_more_rarely",
    ),
    without(
        "what is unknown is read, under review too",
        "a refund that turns up late is never seen",
        Edit(
            SNAPSHOTS_PY,
            "in {refund_rules.IN_PROGRESS, refund_rules.UNKNOWN, refund_rules.ERROR}:",
            "in {refund_rules.IN_PROGRESS, refund_rules.ERROR}:",
        ),
        f"{RECOVER}::test_under_review_it_is_still_read",
    ),
)

MUTANTS = (*_HEARSAY, *_MATCHING, *_ODD_FACTS, *_ABSENCE, *_SCHEDULE)
