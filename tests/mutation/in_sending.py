"""Guards around the one moment at which money moves, and what its answer is evidence of."""

from tests.mutation.mutant import POSTGRESQL, Edit, without, without_both

LEDGER = "dashboard/ledger.py"
READS = "dashboard/reads.py"
REFUNDS = "dashboard/refunds.py"
RULES = "dashboard/refund_rules.py"
SENDING = "dashboard/sending.py"
WORKER = "dashboard/worker.py"
TABLE = "dashboard/models/refunds.py"
FIRST_SHAPE = "dashboard/migrations/versions/0001_start.py"

ANSWERS = "core/test_answers.py"
RECOVER = "core/test_recover.py"
RESTORED = "core/test_restored.py"
SEND = "core/test_send.py"

_WITHOUT_A_READ = """\
        with desk.write() as tx:
            session, refunds, attempts = ledger.lock_by_reference(tx, reference)
            merge = Merge(tx, desk, session, None, None, refunds, attempts, {})
            opened = _insert_attempt(merge, ledger.the_refund(refunds, reference))
        _take_answer(desk, opened, _call_bank(desk, opened))
        return
    opened_at_s"""

_IN_TWO_TABLES = (
    Edit(
        TABLE,
        """where="state IN ('sending', 'unknown')", unique=True)""",
        """where="state IN ('sending', 'unknown')")""",
    ),
    Edit(
        FIRST_SHAPE,
        '        "uq_refunds_one_open_send",\n        "refunds",\n        ["session_id"],\n        unique=True,',
        '        "uq_refunds_one_open_send",\n        "refunds",\n        ["session_id"],\n        unique=False,',
    ),
)
_ONE_AT_A_TIME = Edit(
    SENDING,
    "return any(one.review or one.state in refund_rules.OPEN_SEND for one in others)",
    "return any(one.review for one in others)",
)
_IS_TO_BE_SENT = Edit(SENDING, "    if not _is_to_be_sent(merge, refund):\n        return None\n", "")
_WAITS_FOR_THE_REST = Edit(
    SENDING, "    if merge.is_whole:\n        return False\n", "    if True:\n        return False\n"
)
_NEVER_WITHOUT_THE_REST = Edit(SENDING, '    if not merge.is_whole:\n        return "not_whole"\n', "")
_UNDER_REVIEW = Edit(SENDING, "if refund.review or refund.bank_id is not None", "if refund.bank_id is not None")

_LAST_LOOK = (
    without(
        "no good read, no send",
        "a refund goes out though nobody knows what the bank has",
        Edit(SENDING, "        return\n    opened_at_s", _WITHOUT_A_READ),
        f"{SEND}::test_without_a_good_read_nothing_is_sent",
    ),
    without_both(
        "no send on a look that is not whole",
        "a refund that could not be read, or that a stale copy lacks, is paid back twice",
        (_WAITS_FOR_THE_REST, _NEVER_WITHOUT_THE_REST),
        f"{SEND}::test_a_read_that_is_not_wholly_readable_is_no_good_read",
        f"{SEND}::test_a_stale_read_is_no_good_read",
    ),
    without(
        "a look that is not whole is made again first",
        "people are troubled by every hiccup",
        _WAITS_FOR_THE_REST,
        f"{SEND}::test_a_read_that_is_not_wholly_readable_is_no_good_read",
    ),
    without(
        "what stays shown in part goes to people, unsent",
        "after hours of waiting it goes out though nobody knows what the bank has",
        _NEVER_WITHOUT_THE_REST,
        f"{SEND}::test_a_session_that_is_shown_in_part_only_holds_a_refund_up_and_in_the_end_goes_to_people",
    ),
    without(
        "pause stops sending",
        "in an incident refunds go on leaving",
        Edit(SENDING, "if pauses.is_paused(tx) or _is_blocked(merge, refund)", "if _is_blocked(merge, refund)"),
        f"{SEND}::test_while_sending_is_paused_nothing_goes_out",
    ),
    without(
        "what no longer fits is not sent",
        "a chargeback came between, and more is paid back than was captured",
        Edit(SENDING, "return None if fits(refund.amount_minor, merge.paid, held) else", "return None if fits else"),
        f"{SEND}::test_what_no_longer_fits_is_for_people_to_look_at",
    ),
    without(
        "another bank or project is never sent to",
        "a restored or re-pointed desk refunds at the wrong bank",
        Edit(SENDING, "if not snapshots.is_of_this_bank(desk, refund):", "if False:"),
        f"{SEND}::test_what_was_asked_of_another_bank_is_never_sent",
    ),
    without(
        "another bank's word proves nothing",
        "a refund sent elsewhere is taken for absent because this bank does not know it",
        Edit(READS, "    if snapshots.is_of_this_bank(merge.desk, refund):\n", "    if True:\n"),
        "core/test_recover.py::test_another_banks_word_proves_nothing",
    ),
    without(
        "a refund of another bank is for people",
        "a refund of another bank stays unknown in silence",
        Edit(
            READS,
            '        ledger.flag_review(merge.tx, refund, "other_bank", **merge.seen.evidence)\n',
            "        return\n",
        ),
        "core/test_recover.py::test_another_banks_word_proves_nothing",
    ),
    without(
        "a denial says nothing of a refund made for another bank",
        "a refund of another bank stays unknown in silence",
        Edit(READS, "        if not snapshots.is_of_this_bank(desk, refund):\n", "        if False:\n"),
        "core/test_recover.py::test_a_bank_that_knows_nothing_of_it_leaves_another_banks_refund_to_people",
    ),
    without(
        "answers that are of no use bring people in at last",
        "a refund stays unknown in silence while every read of it is answered with an error",
        Edit(READS, "            _give_up_waiting(tx, desk, refunds, now)\n", "            pass\n"),
        "core/test_recover.py::test_reads_that_are_answered_but_never_good_leave_it_to_people_in_the_end",
    ),
    without(
        "an outage brings nobody in",
        "a bank that is down for a night makes people decide on what it would have told in the morning",
        Edit(READS, "    if problem.is_answered:\n            _give_up", "    if True:\n            _give_up"),
        "core/test_recover.py::test_an_outage_alone_brings_nobody_in",
    ),
    without(
        "an outage of more than a day brings people in",
        "a refund stays unknown in silence while the bank is out of reach",
        Edit(READS, "            if now - last_word_at > LONGEST_OUTAGE:\n", "            if False:\n"),
        f"{RECOVER}::test_an_outage_of_more_than_a_day_does",
    ),
    without_both(
        "a refund whose session is not shown is told of",
        "a refund hangs in progress at a bank that denies its session, and nobody sees it",
        (
            Edit(READS, "        _tell_unread(tx, desk, session, merge.refunds)\n", ""),
            Edit(READS, "            _tell_unread(tx, desk, session, refunds)\n", ""),
        ),
        f"{RECOVER}::test_a_refund_whose_session_is_not_shown_for_long_is_told_of_until_it_is",
    ),
    without(
        "that a session is not shown is over once it is",
        "a fact that holds no longer goes on being told",
        Edit(READS, "    ledger.end_anomalies(tx, session, refund_rules.UNREAD, ())\n", ""),
        f"{RECOVER}::test_a_refund_whose_session_is_not_shown_for_long_is_told_of_until_it_is",
    ),
    without(
        "last looks that are of no use bring people in at last",
        "a refund stays queued in silence while every look at its session is answered with an error",
        Edit(
            SENDING,
            "        if problem.is_answered and refund.next_send_at",
            "        if False and refund.next_send_at",
        ),
        f"{SEND}::test_a_session_that_is_never_shown_goes_to_people_in_the_end_unless_the_bank_is_down",
    ),
    without(
        "a session that is not shown as ours is not read for ever",
        "each session that the bank denies, or another bank's, costs a read a minute for good",
        Edit(READS, "    if not is_needed and session.read_wanted_at is None:\n", "    if False:\n"),
        f"{RECOVER}::test_a_session_that_the_bank_does_not_show_as_ours_is_read_when_somebody_asks_anew",
    ),
    without(
        "a denied read costs no look at what has ended",
        "the bank takes an acceptance back without a webhook, and nobody is ever asked",
        Edit(READS, " or _has_looks_to_come(session, one, now) for one in refunds", " for one in refunds"),
        f"{RECOVER}::test_a_denied_read_costs_no_look_at_what_has_ended",
    ),
    without(
        "a read asked for meanwhile outlives a denied one",
        "a webhook's question is forgotten",
        Edit(READS, "    if not is_needed and session.read_wanted_at is None:\n", "    if not is_needed:\n"),
        f"{RECOVER}::test_a_read_that_somebody_asked_for_meanwhile_is_not_dropped_with_a_denied_one",
    ),
    without(
        "answers of no use are asked for less and less often",
        "thousands of sessions that the bank denies are read once a minute",
        Edit(READS, "LONGEST_USELESS_S = 3600", "LONGEST_USELESS_S = 60"),
        f"{RECOVER}::test_answers_of_no_use_are_asked_for_once_an_hour_and_an_outage_ends_unnoticed_for_a_minute",
    ),
    without(
        "no process starts with another bank",
        "a worker with another server's settings mixes two banks' facts",
        Edit("dashboard/own_bank.py", "        if problem is not None:\n", "        if False:\n"),
        "core/test_own_bank.py::test_a_process_set_to_another_bank_does_not_start_before_the_move_is_meant",
    ),
    without(
        "a bank is renamed only while nothing may be under way",
        "a refund that the old project has made is sent again to the new one",
        Edit("dashboard/own_bank.py", "if in_the_way and not is_sure:", "if False:"),
        "core/test_own_bank.py::test_what_may_be_under_way_is_never_sent_again_under_another_name",
    ),
    without(
        "nothing open is left at another bank by mistake",
        "refunds hang for ever at a bank that nobody asks any more",
        Edit("dashboard/own_bank.py", "if in_the_way and not leave_open:", "if False:"),
        "core/test_own_bank.py::test_what_is_open_at_the_old_bank_is_named_and_left_only_on_purpose",
    ),
    without(
        "no worker goes on for a bank that the books have left",
        "a worker that nobody stopped mixes two banks' facts and sends to the old one",
        Edit(WORKER, ").where(_IS_OUR_BANK)\n", ")\n"),
        "core/test_own_bank.py::test_who_still_runs_for_the_old_bank_does_nothing_any_more",
    ),
    without(
        "nothing is asked for with a bank that the books have left",
        "a web server that nobody stopped makes refunds that are sent nowhere",
        Edit(REFUNDS, "    if is_left:\n", "    if False:\n"),
        "core/test_own_bank.py::test_who_still_runs_for_the_old_bank_does_nothing_any_more",
    ),
    without(
        "the bytes say what was asked for",
        "whoever edits the stored body decides what is paid",
        Edit(SENDING, "if not _is_what_was_asked_for(refund):", "if False:"),
        f"{SEND}::test_bytes_that_do_not_say_what_was_asked_for_are_never_sent",
    ),
    without(
        "a replacement goes only while the first stays away",
        "both the refund that two people gave up and the one in its place are paid",
        Edit(SENDING, "if _replaced_one_may_be_there(merge, refund):", "if False:"),
        "core/test_replace.py::test_a_replacement_is_not_sent_once_the_first_one_has_turned_up",
    ),
    without(
        "what may be the first keeps its replacement back",
        "with a bank that gives no reference back, the first and the one in its place are both paid",
        Edit(SENDING, "any(one.counts or _has_new_stranger(merge, one) for", "any(one.counts for"),
        "core/test_replace.py::test_a_replacement_is_not_sent_once_something_came_up_that_may_be_the_first_one",
    ),
    without(
        "what two people knew of keeps no replacement back",
        "a refund made elsewhere blocks a replacement for ever",
        Edit(SENDING, "<= set(json.loads(known))", "<= set()"),
        "core/test_replace.py::test_what_was_known_when_it_was_closed_does_not_keep_its_replacement_back",
    ),
    without(
        "of a whole family of replacements one is paid",
        "a refund is asked for again twice, through two of those that it replaced",
        Edit(RULES, "        if family & set(pair):", "        if start in pair:"),
        "core/test_replace.py::test_a_replacement_of_a_replacement_leaves_nothing_to_replace",
    ),
    without_both(
        "a stranger keeps a refund from going out",
        "a second send, though the first may be what came up at the bank (looked at by the read, and again after it)",
        (
            Edit(SENDING, "if reads.new_since_first_send(merge, refund) is not None:", "if False:"),
            Edit(READS, "if stranger is not None:", "if False:"),
        ),
        f"{RECOVER}::test_the_conditions_are_looked_at_again_right_before",
    ),
)

_IN_TURN = (
    without(
        "one open send of a session, by the rule",
        "two refunds go out at once, and nobody can tell whose answer is whose",
        _ONE_AT_A_TIME,
        f"{SEND}::test_a_session_has_one_refund_under_way_at_most",
    ),
    without_both(
        "one open send of a session, by the index",
        "a defect in the rule sends two at once",
        _IN_TWO_TABLES,
        f"{SEND}::test_the_database_itself_takes_one_open_send_of_a_session",
    ),
    without_both(
        "one open send of a session, by rule and index",
        "two refunds go out at once",
        (_ONE_AT_A_TIME, *_IN_TWO_TABLES),
        f"{SEND}::test_a_session_has_one_refund_under_way_at_most",
    ),
    without(
        "review blocks its session",
        "money goes on leaving a session that people have to look at",
        Edit(
            SENDING,
            "return any(one.review or one.state in refund_rules.OPEN_SEND for one in others)",
            "return any(one.state in refund_rules.OPEN_SEND for one in others)",
        ),
        f"{SEND}::test_nothing_of_a_session_is_sent_while_people_have_to_look_at_it",
    ),
    without(
        "review blocks the refund itself",
        "one that came under review after a worker had claimed it goes out",
        _UNDER_REVIEW,
        f"{SEND}::test_what_came_under_review_after_it_was_claimed_is_not_sent",
    ),
    without_both(
        "restored refunds are not sent",
        "what was sent after the backup goes out again",
        (_UNDER_REVIEW, Edit(WORKER, 'Refund.review == "", ~_IN_THE_WAY', "~_IN_THE_WAY")),
        f"{RESTORED}::test_nothing_of_it_is_sent_even_when_sending_goes_on",
    ),
    without(
        "what is claimed is claimed for a while",
        "two workers carry out the same work, again and again",
        Edit(WORKER, "            refund.next_send_at = until\n", ""),
        "core/test_worker.py::test_what_is_claimed_is_not_claimed_again_until_the_claim_lapses",
    ),
    without(
        "a worker skips what another is claiming",
        "workers wait for each other, and send twice what both have seen",
        Edit(WORKER, "_SENDS.with_for_update(skip_locked=True, of=Refund)", "_SENDS"),
        "core/test_worker.py::test_two_workers_share_what_is_due",
        database=POSTGRESQL,
    ),
    without(
        "what was unsent is compared before it is sent",
        "a refund that was undone, or sent by another worker, during the last look goes out",
        _IS_TO_BE_SENT,
        "core/test_cancel.py::test_undone_during_the_last_look_it_is_not_sent",
        f"{SEND}::test_sending_one_refund_twice_at_once_sends_it_once",
    ),
    without_both(
        "compare-and-set, with the table of moves behind it",
        "what was undone during the last look goes out",
        (_IS_TO_BE_SENT, Edit(RULES, "if new not in _OWN_MOVES.get(old, set()):", "if False:")),
        "core/test_cancel.py::test_undone_during_the_last_look_it_is_not_sent",
    ),
    without(
        "the time for undoing is kept",
        "a refund has left before its operator could take it back",
        Edit(
            SENDING,
            "return refund.undo_until is not None and refund.undo_until <= merge.desk.clock.now()",
            "return refund.undo_until is not None",
        ),
        f"{SEND}::test_it_is_not_sent_before_the_time_for_undoing_is_over",
    ),
    without_both(
        "only what was never sent is undone",
        "a refund that may have arrived is called cancelled (the rule, and the table of moves behind it)",
        (
            Edit(REFUNDS, "if not refund_rules.may_undo(refund.state, refund.review):", "if False:"),
            Edit(RULES, "if new not in _OWN_MOVES.get(old, set()):", "if False:"),
        ),
        "core/test_cancel.py::test_an_unknown_outcome_cannot_be_undone",
    ),
    without(
        "no second send without two absences",
        "what may have been made is made again",
        Edit(SENDING, "        and refund.absence_2_at is not None\n", ""),
        f"{RECOVER}::test_without_two_proofs_it_is_not_sent_again_whatever_the_plan_says",
    ),
    without(
        "the conditions of a second send are checked again",
        "the time for it has run out while sending was paused",
        Edit(SENDING, "        and _still_worth_resending(merge, refund)\n", ""),
        f"{RECOVER}::test_the_time_for_it_can_run_out_while_sending_is_paused",
    ),
)

_ATTEMPT = (
    without_both(
        "the attempt is committed before the call",
        "the process dies with the request on its way, and nobody knows that it was sent",
        (
            Edit(
                SENDING,
                "opened = _open_attempt(tx, desk, reference, reading, started_at)\n",
                "opened = _open_attempt(tx, desk, reference, reading, started_at)\n"
                "        ended = _call_bank(desk, opened) if opened else None\n",
            ),
            Edit(SENDING, "    else:\n        ended = _call_bank(desk, opened)\n", ""),
        ),
        f"{SEND}::test_the_attempt_is_committed_before_the_call",
        f"{SEND}::test_no_transaction_is_open_while_the_bank_is_called",
    ),
    without(
        "no transaction is open while the bank is called",
        "one slow answer holds up all that write",
        Edit(
            SENDING,
            "    else:\n        ended = _call_bank(desk, opened)\n",
            "    else:\n        with desk.read() as session:\n            pauses.is_paused(session)\n"
            "            ended = _call_bank(desk, opened)\n",
        ),
        f"{SEND}::test_no_transaction_is_open_while_the_bank_is_called",
    ),
    without_both(
        "a commit that raised sends nothing",
        "the request goes out, and the attempt was never kept",
        (
            Edit(SENDING, "import hashlib\n", "import contextlib\nimport hashlib\n"),
            Edit(
                SENDING,
                "    with desk.write() as tx:\n        opened = _open_attempt(",
                "    with contextlib.suppress(Exception), desk.write() as tx:\n        opened = _open_attempt(",
            ),
        ),
        f"{SEND}::test_after_a_commit_that_raised_nothing_is_sent",
    ),
    without(
        "the grace after the commit",
        "a request sets out so late that others take it for lost",
        Edit(SENDING, "if _took_too_long(desk, opened, opened_at_s):", "if False:"),
        f"{SEND}::test_after_a_slow_commit_nothing_is_sent",
    ),
    without(
        "the grace while the host was suspended",
        "a host that wakes up sends what another has meanwhile proved absent",
        Edit(
            SENDING,
            "max(desk.clock.monotonic() - opened_at_s, waited_s) > GRACE_S",
            "desk.clock.monotonic() - opened_at_s > GRACE_S",
        ),
        f"{SEND}::test_after_the_host_was_suspended_nothing_is_sent",
    ),
    without(
        "the grace when the clock is set back",
        "a request sets out so late that others take it for lost",
        Edit(SENDING, "max(desk.clock.monotonic() - opened_at_s, waited_s) > GRACE_S", "waited_s > GRACE_S"),
        f"{SEND}::test_after_a_commit_during_which_the_clock_was_set_back_nothing_is_sent",
    ),
    without(
        "an attempt has a lease",
        "a request still on its way is taken for lost",
        Edit(SENDING, "lease_until=now + config.lease,", "lease_until=now,"),
        f"{SEND}::test_the_attempt_is_committed_before_the_call",
    ),
    without(
        "the lease is over before an outcome is unknown",
        "a refund that is being sent is taken away from its sender",
        Edit(SENDING, "if attempt.lease_until < desk.clock.now():", "if True:"),
        f"{SEND}::test_a_process_that_died_while_sending_leaves_an_unknown_outcome",
    ),
    without(
        "an outlived lease makes an outcome unknown",
        "a refund whose sender died stays in sending for good",
        Edit(SENDING, "if attempt.lease_until < desk.clock.now():", "if False:"),
        f"{SEND}::test_a_process_that_died_while_sending_leaves_an_unknown_outcome",
    ),
    without(
        "only what is being sent outlives its lease",
        "an old expiry makes an accepted refund unknown",
        Edit(SENDING, "        if refund.state != refund_rules.SENDING:\n            return\n", ""),
        f"{SEND}::test_expiring_leaves_alone_what_is_no_longer_being_sent",
    ),
    without(
        "the baseline holds all bank ids known",
        "an old refund of the same amount is taken for the new one",
        Edit(LEDGER, "return canonical(sorted(refund.bank_id for refund in refunds if refund.bank_id))", 'return "[]"'),
        f"{SEND}::test_the_attempt_is_committed_before_the_call",
    ),
    without(
        "a new attempt discards earlier absences",
        "one more look, and a refund that is on its way is sent again",
        Edit(SENDING, "    refund.absence_1_at = refund.absence_2_at = None\n", ""),
        f"{RECOVER}::test_a_new_attempt_discards_earlier_proofs",
    ),
    without(
        "a second send is known as one",
        "a third follows",
        Edit(SENDING, "is_resend=refund.state == refund_rules.UNKNOWN,", "is_resend=False,"),
        f"{RECOVER}::test_how_it_ends",
    ),
    without(
        "the time for a second send counts from the first",
        "each send gives the next one more time",
        Edit(SENDING, "refund.sent_at = refund.sent_at or now", "refund.sent_at = now"),
        f"{RECOVER}::test_the_time_for_a_second_send_counts_from_the_first_one",
    ),
    without(
        "the stored bytes are what is sent",
        "the bank gets something else than what was asked for and journalled",
        Edit(
            SENDING,
            'return _Opened(refund.reference, attempt.number, refund.body or b"", attempt.started_at)',
            'return _Opened(refund.reference, attempt.number, (refund.body or b"") + b" ", attempt.started_at)',
        ),
        f"{SEND}::test_the_stored_bytes_go_out_with_the_reference_as_key",
    ),
    without(
        "the reference is the idempotency key",
        "a second send under a new key is a second refund",
        Edit(
            SENDING,
            "desk.bank.refund(opened.body, opened.reference)",
            'desk.bank.refund(opened.body, f"{opened.reference}-{opened.number}")',
        ),
        f"{RECOVER}::test_it_is_sent_once_more_with_the_same_bytes_and_key",
        f"{SEND}::test_the_stored_bytes_go_out_with_the_reference_as_key",
    ),
)

_ANSWER = (
    without(
        "an answer speaks for its own attempt",
        "the first attempt's late error ends the second one, which is on its way",
        Edit(SENDING, " and attempt is tries[-1]:", ":"),
        f"{ANSWERS}::test_a_late_answer_does_not_speak_for_the_attempt_under_way",
    ),
    without(
        "an answer after the lease changes no state",
        "what others already work on is queued again",
        Edit(
            SENDING,
            "if refund.state == refund_rules.SENDING and refund.bank_id is None and attempt",
            "if refund.bank_id is None and attempt",
        ),
        f"{ANSWERS}::test_any_other_answer_after_the_lease_leaves_it_unknown",
    ),
    without(
        "clean: every earlier attempt never connected",
        "an earlier send that may have arrived is forgotten",
        Edit(SENDING, "clean = all(one.outcome == refund_rules.NEVER_CONNECTED for one in tries[:-1])", "clean = True"),
        f"{ANSWERS}::test_after_a_send_that_may_have_arrived_every_answer_leaves_it_unknown",
    ),
    without(
        "key-exists is remembered as such",
        "a key that the bank knows is used again",
        Edit(
            SENDING,
            "return _Ended(refund_rules.KEY_EXISTS, None, problem",
            "return _Ended(refund_rules.UNCLEAR, None, problem",
        ),
        f"{RECOVER}::test_how_it_ends",
    ),
    without(
        "an unclear answer is not one that never connected",
        "a refund whose answer was lost is queued, and sent again at once",
        Edit(
            SENDING,
            "return _Ended(refund_rules.UNCLEAR, None, problem",
            "return _Ended(refund_rules.NEVER_CONNECTED, None, problem",
        ),
        f"{ANSWERS}::test_what_becomes_of_a_clean_attempt",
    ),
    without(
        "wrong keys pause sending",
        "one refund after another is refused while nobody notices",
        Edit(SENDING, "if ended.outcome == refund_rules.AUTH_ERROR:", "if False:"),
        f"{ANSWERS}::test_wrong_keys_pause_sending_with_an_alarm",
    ),
)

MUTANTS = (*_LAST_LOOK, *_IN_TURN, *_ATTEMPT, *_ANSWER)
