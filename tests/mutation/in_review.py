"""Guards around what people decide, and after a restore."""

from tests.mutation.mutant import POSTGRESQL, Edit, without, without_both

ANOMALIES = "dashboard/anomalies.py"
LEDGER = "dashboard/ledger.py"
RESOLUTIONS = "dashboard/resolutions.py"
REFUNDS = "dashboard/refunds.py"
RESTORE = "dashboard/restore.py"
SENDING = "dashboard/sending.py"
VIEWS = "dashboard/web/review.py"
TABLE = "dashboard/models/resolutions.py"
SECOND_SHAPE = "dashboard/migrations/versions/0002_review.py"

NEVER_MADE = "core/test_resolve_never_made.py"
THAT_ONE = "core/test_resolve_that_one.py"
SEND = "core/test_send.py"
RESTORED = "core/test_restored.py"
ACKNOWLEDGE = "core/test_acknowledge.py"
TEST_DB = "core/test_db.py"
STANDS = "core/test_resolve_stands.py"

_SAME_PERSON = Edit(
    RESOLUTIONS,
    '    if proposal.proposed_by_id == person.id:\n        return ResolutionRefused("same_person")\n',
    "",
)
_CHECK = (
    Edit(TABLE, " OR (decided_by_id IS NOT NULL AND decided_by_id <> proposed_by_id)", " OR decided_by_id IS NOT NULL"),
    Edit(
        SECOND_SHAPE,
        " OR (decided_by_id IS NOT NULL AND decided_by_id <> proposed_by_id)",
        " OR decided_by_id IS NOT NULL",
    ),
)

_TWO_PEOPLE = (
    without(
        "two different people, by the rule",
        "one person gives money away",
        _SAME_PERSON,
        f"{NEVER_MADE}::test_one_person_cannot_do_it_alone",
    ),
    without_both(
        "two different people, by the table",
        "a defect in the rule lets one person decide alone",
        _CHECK,
        f"{NEVER_MADE}::test_the_database_itself_takes_no_confirmation_by_one_person",
    ),
    without_both(
        "two different people, by rule and table",
        "one person gives money away",
        (_SAME_PERSON, *_CHECK),
        f"{NEVER_MADE}::test_one_person_cannot_do_it_alone",
    ),
    without(
        "nobody rejects what they proposed themselves",
        "one person plays both parts",
        Edit(RESOLUTIONS, "if (proposal.proposed_by_id == person.id) != (state == WITHDRAWN):", "if False:"),
        f"{NEVER_MADE}::test_a_second_person_disagrees",
        f"{NEVER_MADE}::test_whoever_proposed_takes_it_back",
    ),
    without(
        "with an end of ours nobody has to look any more",
        "a refused refund waits for people who cannot decide on it, and blocks its session for ever",
        Edit(LEDGER, "    if state in refund_rules.ENDS:\n        end_review(tx, refund, actor)\n", ""),
        f"{RESTORED}::test_one_that_is_refused_meanwhile_needs_nobody",
    ),
    without(
        "a confirmer's right is looked up under the lock",
        "an account that was taken away goes on deciding",
        Edit(RESOLUTIONS, "if not rights.still_hold(tx, person.id, roles.RESOLVE):", "if False:"),
        f"{NEVER_MADE}::test_whoever_may_not_decide_any_more_confirms_nothing",
    ),
    without(
        "whoever proposed may still decide",
        "a stolen account that was taken away is one of the two",
        Edit(RESOLUTIONS, "if not rights.still_hold(tx, proposal.proposed_by_id, roles.RESOLVE):", "if False:"),
        f"{NEVER_MADE}::test_one_who_may_not_decide_any_more_is_none_of_the_two",
    ),
    without(
        "a contradiction behind another review is looked at next",
        "the bank took its word back, and nobody is ever asked",
        Edit(
            RESOLUTIONS,
            "if why != refund_rules.CONTRADICTION and _is_contradiction_open(merge.tx, refund, proposal):",
            "if False:",
        ),
        f"{STANDS}::test_a_contradiction_behind_another_review_is_looked_at_next_and_once",
    ),
    without(
        "what was over of the other row is over of ours",
        "what somebody saw come back vanishes for good, in silence",
        Edit("dashboard/anomalies.py", "    ours.over_at = fact.over_at\n", ""),
        f"{THAT_ONE}::test_what_was_over_of_the_other_row_is_told_again_of_ours_when_it_comes_back",
    ),
    without(
        "what is true of the other row alone is not told of ours",
        "people look for money that is not missing",
        Edit(RESOLUTIONS, "        if not _is_our_amount(fact, refund):\n    ", ""),
        f"{THAT_ONE}::test_an_amount_that_differed_from_the_other_row_alone_is_not_told_of_ours",
    ),
    without(
        "what was let stand is not looked at again",
        "people decide the same thing over and over",
        Edit(
            RESOLUTIONS,
            "return refund.contradicted and tx.scalars(stands).first() is None",
            "return refund.contradicted",
        ),
        f"{STANDS}::test_a_contradiction_behind_another_review_is_looked_at_next_and_once",
    ),
    without(
        "what is decided is decided once",
        "what was taken back is carried out all the same",
        Edit(
            RESOLUTIONS,
            "    problem = _not_to_be_confirmed(proposal, person)\n"
            "    if problem is not None:\n        return problem\n    refund",
            "    refund",
        ),
        f"{NEVER_MADE}::test_taken_back_while_the_second_asks_the_bank_it_is_not_carried_out",
    ),
    without(
        "one proposal at a time",
        "two people propose different ends of one refund",
        Edit(RESOLUTIONS, "    if open_one is not None:\n", "    if False:\n"),
        f"{NEVER_MADE}::test_a_second_proposal_waits_until_the_first_is_decided",
    ),
    without_both(
        "one proposal at a time, by the table",
        "a defect in the rule lets two people decide on different ends",
        (
            Edit(
                TABLE,
                '            "uq_resolutions_one_proposed",\n            "refund_id",\n            unique=True,',
                '            "uq_resolutions_one_proposed",\n            "refund_id",\n            unique=False,',
            ),
            Edit(
                SECOND_SHAPE,
                '"resolutions", "refund_id", _PROPOSED, unique=True)',
                '"resolutions", "refund_id", _PROPOSED)',
            ),
        ),
        "core/test_migrations.py::test_the_database_itself_refuses_a_decision_that_is_none",
    ),
    without(
        "a proposal's name is never given again",
        "after a restore a page that was open confirms what its reader never saw",
        Edit(RESOLUTIONS, "id=merge.desk.new_id(),", "id=str(sum(1 for _ in tx.scalars(select(Resolution.id)))),"),
        f"{RESTORED}::test_what_was_proposed_after_the_backup_names_nothing_any_more",
    ),
    without_both(
        "a fact is acknowledged by what it says",
        "a page kept open acknowledges another fact, of the same number (looked at before and under the lock)",
        (
            Edit(ANOMALIES, "anomaly is not None and name_of(anomaly) == name else", "anomaly is not None else"),
            Edit(ANOMALIES, "if anomaly is None or name_of(anomaly) != name:", "if anomaly is None:"),
        ),
        "core/test_acknowledge.py::test_a_page_kept_open_means_no_fact_that_got_the_same_number_since",
    ),
    without(
        "a proposal that was waited for is read again",
        "what was decided while somebody waited is decided again",
        Edit(
            RESOLUTIONS,
            "return tx.scalars(query.execution_options(populate_existing=True)).one()",
            "return tx.scalars(query).one()",
        ),
        f"{NEVER_MADE}::test_a_rejection_that_waited_sees_what_was_decided_meanwhile",
        database=POSTGRESQL,
    ),
)

_RIGHTS = tuple(
    without(
        f"a right is needed to {view}",
        "whoever may look decides what becomes of the money",
        Edit(VIEWS, f"@needs(roles.RESOLVE)\ndef {view}(", f"@needs(roles.SEE)\ndef {view}("),
        test,
    )
    for view, test in (
        ("propose", "web/test_review_propose.py::test_a_viewer_looks_and_chooses_nothing"),
        ("confirm", "web/test_review_decide.py::test_a_viewer_decides_nothing"),
        ("reject", "web/test_review_decide.py::test_a_viewer_decides_nothing"),
        ("withdraw", "web/test_review_decide.py::test_whoever_proposed_and_has_become_a_viewer_takes_nothing_back"),
        ("acknowledge", "web/test_acknowledge.py::test_a_viewer_reads_what_it_means_and_acknowledges_nothing"),
    )
)

_ACKNOWLEDGED = (
    without(
        "what was looked at of the other row stays looked at",
        "people are asked again about what they have answered",
        Edit(ANOMALIES, "if not is_same or fact.acknowledged_at is None or", "if True or"),
        f"{THAT_ONE}::test_what_somebody_had_looked_at_there_stays_looked_at",
    ),
    without(
        "what compares with another amount is looked at anew",
        "a difference that nobody has seen counts as seen",
        Edit(ANOMALIES, "if not is_same or fact.acknowledged_at is None or", "if fact.acknowledged_at is None or"),
        f"{THAT_ONE}::test_what_compares_with_another_amount_is_another_fact",
    ),
    without(
        "whoever comes second is told so",
        "somebody thinks that their comment is kept, and it is not",
        Edit(
            ANOMALIES,
            'raise NotAcknowledged("acknowledged", by, anomaly.acknowledged_at)',
            "pass",
        ),
        f"{ACKNOWLEDGE}::test_once_is_enough_and_nobody_s_second_comment_seems_kept",
    ),
    without_both(
        "a fact is acknowledged once",
        "the second comment wipes out the first (looked at by the verb, and where it is written)",
        (
            Edit(ANOMALIES, "        if anomaly.acknowledged_at is None:\n", "        if True:\n"),
            Edit(ANOMALIES, "    if anomaly.acknowledged_at is not None:\n        return\n", ""),
        ),
        f"{ACKNOWLEDGE}::test_once_is_enough_and_nobody_s_second_comment_seems_kept",
    ),
    without(
        "a decision leaves what somebody had said",
        "what one person said about a fact is gone, and another seems to have said something else",
        Edit(ANOMALIES, "    if anomaly.acknowledged_at is not None:\n        return\n", ""),
        f"{ACKNOWLEDGE}::test_a_decision_leaves_what_somebody_had_said",
    ),
    without(
        "whoever acknowledges locks the session",
        "two acknowledge at once, and each thinks to be the first",
        Edit(ANOMALIES, "        ledger.lock_session(tx, found.session_id)\n        anomaly = ", "        anomaly = "),
        f"{TEST_DB}::test_what_people_end_without_a_read_is_ended_with_the_session_locked",
        database=POSTGRESQL,
    ),
)

_LOCKS = (
    without(
        "whoever ends a proposal locks its session",
        "a proposal is taken back and carried out at once",
        Edit(
            RESOLUTIONS, "        ledger.lock_session(tx, found.session_id)\n        refunds = ", "        refunds = "
        ),
        f"{TEST_DB}::test_what_people_end_without_a_read_is_ended_with_the_session_locked",
        database=POSTGRESQL,
    ),
    without(
        "lock order: the session before its proposals",
        "two wait for each other, and one of them fails",
        Edit(
            RESOLUTIONS,
            "        ledger.lock_session(tx, found.session_id)\n        refunds = ",
            "        _locked(tx, resolution_id)\n        ledger.lock_session(tx, found.session_id)\n        refunds = ",
        ),
        f"{TEST_DB}::test_what_people_decide_takes_its_locks_in_the_same_order",
        database=POSTGRESQL,
    ),
    without(
        "lock order: the session before its refunds, in ends",
        "two wait for each other, and one of them fails",
        Edit(
            RESOLUTIONS,
            "        ledger.lock_session(tx, found.session_id)\n        refunds = ",
            "        ledger.refunds_of(tx, found.session_id)\n"
            "        ledger.lock_session(tx, found.session_id)\n"
            "        refunds = ",
        ),
        f"{TEST_DB}::test_what_people_decide_takes_its_locks_in_the_same_order",
        database=POSTGRESQL,
    ),
)

_EVIDENCE = (
    without(
        "never made only when absence could be proved",
        "people close a refund that is still on its way",
        Edit(RESOLUTIONS, "if self.never_made_from is not None and self.read_at <= self.never_made_from:", "if False:"),
        f"{NEVER_MADE}::test_only_once_absence_could_be_proved",
    ),
    without(
        "nothing is decided on a look that is not whole",
        "the refund that could not be read is the one they close",
        Edit(RESOLUTIONS, '        if not self.is_whole:\n            return ResolutionRefused("not_whole")\n', ""),
        f"{NEVER_MADE}::test_a_read_that_is_not_whole_bears_nothing_out",
    ),
    without(
        "never made is not open when the bank shows our reference",
        "people close a refund that is there for all to see",
        Edit(RESOLUTIONS, "        if self.is_shown:\n", "        if False:\n"),
        f"{NEVER_MADE}::test_what_bears_our_reference_forbids_it_even_where_it_was_taken_for_another_s",
    ),
    without(
        "nothing is decided on another bank's word",
        "people close a refund because a bank that never had it does not show it",
        Edit(RESOLUTIONS, "        if self.is_other_bank:\n", "        if False:\n"),
        f"{NEVER_MADE}::test_nothing_is_decided_on_what_another_bank_shows",
    ),
    without(
        "that one is only a candidate",
        "a chargeback, or what was there before, is taken for ours",
        Edit(RESOLUTIONS, 'return None if bank_id in known else ResolutionRefused("choice_not_open")', "return None"),
        f"{THAT_ONE}::test_which_ones_may_be_it",
    ),
    without(
        "what bears another reference is no candidate",
        "another refund of ours is taken for this one",
        Edit(
            RESOLUTIONS,
            "for shown in strangers if shown.reference in {None, refund.reference}}",
            "for shown in strangers}",
        ),
        f"{THAT_ONE}::test_which_ones_may_be_it",
    ),
    without(
        "what is in another currency is no candidate",
        "a refund of another amount of money is taken for ours",
        Edit(RESOLUTIONS, "elsewhere.bank_id in may_be_it and same_currency", "elsewhere.bank_id in may_be_it"),
        f"{THAT_ONE}::test_another_currency_is_not_it",
    ),
    without(
        "only what needs people is decided by them",
        "a refund that is under way is closed",
        Edit(RESOLUTIONS, "        if not self.choices:\n", "        if False:\n"),
        f"{NEVER_MADE}::test_a_refund_that_needs_nobody_is_not_decided_on",
    ),
    without_both(
        "who confirms asks the bank anew",
        "the refund turned up since the proposal, and is closed as never made",
        (
            Edit(RESOLUTIONS, 'Outcome = TypeVar("Outcome")\n', 'Outcome = TypeVar("Outcome")\n_READ = {}\n'),
            Edit(
                RESOLUTIONS,
                "    reading = _ask_bank(desk, session_id, timeout_s)\n",
                "    reading = _READ[session_id] = _READ.get(session_id) or _ask_bank(desk, session_id, timeout_s)\n",
            ),
        ),
        f"{NEVER_MADE}::test_each_of_the_two_rests_on_a_fresh_read",
    ),
    without(
        "a look counts from when it set out",
        "an answer that was old when the quiet period ended proves that nothing came after it",
        Edit(
            RESOLUTIONS,
            "    started_at = desk.clock.now()\n    reading = _ask_bank(desk, session_id, timeout_s)\n",
            "    reading = _ask_bank(desk, session_id, timeout_s)\n    started_at = desk.clock.now()\n",
        ),
        f"{NEVER_MADE}::test_the_read_has_to_start_after_that_moment",
    ),
    without(
        "what a proposal rests on is looked at again",
        "the refund turned up, and is closed as never made",
        Edit(
            RESOLUTIONS,
            "if objection is not None or _has_changed(proposal, seen):",
            "if _has_changed(proposal, seen):",
        ),
        f"{NEVER_MADE}::test_what_bears_our_reference_forbids_it_even_where_it_was_taken_for_another_s",
        f"{THAT_ONE}::test_one_that_turns_out_to_be_another_s_is_not_taken",
    ),
    without(
        "what came up since the proposal ends it",
        "the lost request was carried out late, and is closed as never made and paid again",
        Edit(
            RESOLUTIONS,
            "return bool(seen.came_up_since(proposal.choice, json.loads(proposal.strangers)))",
            "return False",
        ),
        f"{NEVER_MADE}::test_a_stranger_comes_up_before_the_second_agrees",
        f"{THAT_ONE}::test_another_one_that_comes_up_before_the_second_agrees_may_be_it",
    ),
    without(
        "that one is what it was as it was proposed",
        "the bank declined it meanwhile, and confirming frees an amount that the first person meant to be held",
        Edit(RESOLUTIONS, "if seen.candidate(proposal.bank_id) != json.loads(proposal.candidate):", "if False:"),
        f"{THAT_ONE}::test_what_the_bank_says_of_it_between_the_two_ends_the_proposal",
    ),
    without(
        "what turns up settles the doubt about it",
        "a refund that was found blocks its session for good",
        Edit(LEDGER, "if refund.review in refund_rules.DOUBTS:", "if False:"),
        "core/test_recover.py::test_what_turns_up_in_the_end_settles_the_doubt",
    ),
    without(
        "facts that settle a review end its proposals",
        "people are asked about what is settled",
        Edit(
            LEDGER,
            '        refund.review = ""\n        _outdate_proposals(tx, refund)\n',
            '        refund.review = ""\n',
        ),
        f"{NEVER_MADE}::test_it_turns_up_before_the_second_agrees",
    ),
)

_RESTORED = (
    without(
        "after a restore people look at what was queued",
        "what was sent after the backup is sent again",
        Edit(
            RESTORE,
            "refund_rules.QUEUED, refund_rules.SENDING, refund_rules.UNKNOWN}",
            "refund_rules.SENDING, refund_rules.UNKNOWN}",
        ),
        f"{RESTORED}::test_a_refund_that_was_sent_after_the_backup_is_never_sent_again",
    ),
    without(
        "after a restore people look at what was unknown",
        "what was sent a second time after the backup is sent a third time",
        Edit(
            RESTORE,
            "refund_rules.QUEUED, refund_rules.SENDING, refund_rules.UNKNOWN}",
            "refund_rules.QUEUED, refund_rules.SENDING}",
        ),
        f"{RESTORED}::test_nothing_of_it_is_sent_even_when_sending_goes_on",
    ),
    without(
        "after a restore sending is paused",
        "refunds leave before anybody has looked at the bank again",
        Edit(
            RESTORE,
            "    pauses.add(tx, actor, pauses.RESTORED)\n",
            "",
        ),
        f"{RESTORED}::test_what_it_does",
    ),
    without(
        "after a restore no proposal is open",
        "what was taken back after the backup is confirmed all the same",
        Edit(RESTORE, "        outdated = _outdate_proposals(tx, actor)\n", "        outdated = 0\n"),
        f"{RESTORED}::test_what_was_proposed_in_the_backup_is_decided_by_nobody",
    ),
    without(
        "after a restore everybody signs in again",
        "a browser that was signed out after the backup is in again",
        Edit(RESTORE, "        _end_sign_ins(tx)\n", ""),
        f"{RESTORED}::test_whoever_signed_out_after_the_backup_is_not_signed_in_again",
    ),
    without_both(
        "one pause hides no other",
        "keys are changed and sending goes on in the middle of an incident",
        (Edit("dashboard/pauses.py", "dict.fromkeys([*standing, why])", "dict.fromkeys([why])"),),
        f"{SEND}::test_every_reason_for_a_pause_stands_until_it_is_resumed",
        f"{RESTORED}::test_an_incident_is_still_one_after_the_restore",
    ),
    without(
        "after a restore other sessions are read too",
        "what was asked for after the backup is found only where somebody happens to look",
        Edit(RESTORE, "        read_later = _plan_reads(tx, not_before)\n", "        read_later = 0\n"),
        f"{RESTORED}::test_what_was_asked_for_after_the_backup_is_found_wherever_it_is",
    ),
    without(
        "a row made elsewhere is no other bank's",
        "the review page says that the bank cannot tell anything of what it has just shown",
        Edit("dashboard/snapshots.py", 'return refund.origin != "here" or (refund', "return (refund"),
        f"{NEVER_MADE}::test_a_row_made_elsewhere_is_no_other_bank_s",
    ),
    without(
        "after a restore sessions are read too that nobody had paid",
        "the likeliest to have been refunded after the backup are never looked at",
        Edit(
            RESTORE,
            "created_at > start - _YOUNG, may_be_ours",
            "created_at > start - _YOUNG, PaymentSession.captured_minor > 0",
        ),
        f"{RESTORED}::test_what_was_asked_for_in_a_session_that_was_paid_after_the_backup_is_found_too",
    ),
    without(
        "who was read early after a restore is read again",
        "what arrives late is never found, and the money it took seems to be left",
        Edit("dashboard/snapshots.py", "    if arrives_until is not None:\n", "    if False:\n"),
        f"{RESTORED}::test_whoever_was_read_while_calls_from_before_could_arrive_is_read_again",
    ),
    without(
        "sessions are locked before the installation",
        "a restore and a worker wait for each other",
        Edit(
            RESTORE,
            "        read_later = _plan_reads(tx, not_before)\n        _pause(tx, actor, now)\n",
            "        _pause(tx, actor, now)\n        read_later = _plan_reads(tx, not_before)\n",
        ),
        f"{RESTORED}::test_it_locks_sessions_before_the_installation",
    ),
    without(
        "after a restore open sessions are read again",
        "what happened after the backup stays unknown for hours",
        Edit(RESTORE, "            ledger.ask_read(session, now)\n", "            pass\n"),
        f"{RESTORED}::test_what_it_does",
    ),
    without(
        "no resume until all open sessions were read",
        "sending goes on beside a bank that nobody has looked at since the restore",
        Edit(SENDING, "if left or since is not None:", "if since is not None:"),
        f"{RESTORED}::test_sending_goes_on_only_when_every_open_session_was_read_again",
    ),
    without(
        "a session with a review counts as open",
        "sending goes on though a session under review was not read again",
        Edit(
            RESTORE,
            '_IS_OPEN = or_(Refund.state.in_(refund_rules.OPEN), Refund.review != "")',
            "_IS_OPEN = Refund.state.in_(refund_rules.OPEN)",
        ),
        f"{RESTORED}::test_a_session_whose_refunds_need_people_is_open_too",
    ),
    without(
        "no resume while calls from before the restore may arrive",
        "what the bank carries out late is not known as the next refund goes out",
        Edit(SENDING, "if left or since is not None:", "if left:"),
        f"{RESTORED}::test_sending_goes_on_only_when_nothing_sent_before_can_still_arrive",
    ),
    without(
        "no request while calls from before the restore may arrive",
        "what nobody here remembers is asked for again, and paid twice",
        Edit(REFUNDS, "if not_before is not None:", "if False:"),
        f"{RESTORED}::test_what_was_asked_for_after_the_backup_and_arrives_late_is_not_paid_twice",
    ),
    without(
        "only named sessions are left out when sending goes on",
        "one session that the bank does not show lets all others go unread",
        Edit(SENDING, "if each not in without_reading]", "if not without_reading]"),
        f"{RESTORED}::test_the_command_can_leave_out_what_the_bank_does_not_show",
    ),
)

MUTANTS = (*_TWO_PEOPLE, *_RIGHTS, *_LOCKS, *_EVIDENCE, *_ACKNOWLEDGED, *_RESTORED)
