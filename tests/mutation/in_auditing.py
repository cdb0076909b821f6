"""Guards around what auditors take along, what is kept for a time only, and who may do what to the database."""

from tests.mutation.mutant import POSTGRESQL, Edit, without

AUDIT = "dashboard/audit.py"
EVIDENCE = "dashboard/evidence.py"
JOURNAL_FILE = "dashboard/journal_file.py"
METRICS = "dashboard/web/metrics.py"
RETENTION = "dashboard/retention.py"
ROLES = "dashboard/database_roles.py"

TEST_FILE = "core/test_journal_file.py"
TEST_EVIDENCE = "web/test_evidence.py"
TEST_METRICS = "web/test_metrics.py"
TEST_RETENTION = "core/test_retention.py"
TEST_ROLES = "core/test_database_roles.py"
REFUND_EXPORTS = "dashboard/refund_exports.py"
REFUND_FILES = "dashboard/web/refund_files.py"
TEST_REFUND_FILES = "web/test_refund_files.py"

MUTANTS = (
    without(
        "who takes the journal along is on record",
        "the journal leaves the house, and nobody knows by whom",
        Edit(
            AUDIT,
            '        tx.record(actor, "export:made"',
            '        str((actor, "export:made")) or tx.record(actor, ""',
        ),
        f"{TEST_FILE}::test_who_takes_it_is_on_record_and_not_in_the_file",
    ),
    without(
        "an entry in a file is as it was written",
        "an auditor is handed an edited entry, and verify finds nothing",
        Edit(JOURNAL_FILE, "if not is_as_written(entry, self.key) or (", "if ("),
        f"{TEST_FILE}::test_any_edit_shows",
    ),
    without(
        "a file is sealed",
        "an entry is taken out of an auditor's file, and verify finds nothing",
        Edit(JOURNAL_FILE, "if not is_same(seal, _seal(self.key, self.digest.hexdigest(), values)):", "if False:"),
        f"{TEST_FILE}::test_an_entry_left_out_of_a_part_shows_by_the_seal",
    ),
    without(
        "a file has its end",
        "half a file is taken for a whole one",
        Edit(JOURNAL_FILE, "        if not self.is_over:\n", "        if False:\n"),
        f"{TEST_FILE}::test_whatever_is_done_to_it_shows",
    ),
    without(
        "a file that was to have all has all",
        "a journal that was cut before it was taken along looks whole",
        Edit(JOURNAL_FILE, "if self.has_all and (", "if False and ("),
        f"{TEST_FILE}::test_a_journal_that_was_cut_before_shows",
    ),
    without(
        "evidence shows no more of a webhook than may be shown",
        "a customer's card number or address leaves the house in an archive",
        Edit(EVIDENCE, "if canonical(shown) != canonical(whole):", "if False:"),
        f"{TEST_EVIDENCE}::test_a_webhook_is_shown_as_it_came_only_if_nothing_else_is_in_it",
    ),
    without(
        "evidence is as its manifest says",
        "a file of the archive is edited, and verify finds nothing",
        Edit(EVIDENCE, '!= expected["sha256"]:', '== "":'),
        f"{TEST_EVIDENCE}::test_whatever_is_done_to_it_shows",
    ),
    without(
        "a manifest is sealed",
        "file and manifest are edited together, and verify finds nothing",
        Edit(EVIDENCE, "if not is_same(seal, _seal(key, manifest)):", "if False:"),
        f"{TEST_EVIDENCE}::test_whatever_is_done_to_it_shows",
    ),
    without(
        "a webhook that is not applied keeps its body",
        "what the bank told is forgotten before anybody took it in",
        Edit(RETENTION, ".where(is_old, is_done)", ".where(is_old)"),
        f"{TEST_RETENTION}::test_one_that_is_not_applied_keeps_its_body",
    ),
    without(
        "what is forgotten is on record",
        "bodies are gone, and nobody knows why",
        Edit(
            RETENTION,
            "            tx.record(ledger.WORKER",
            "            str((ledger.WORKER, day)) or tx.record(ledger.WORKER",
        ),
        f"{TEST_RETENTION}::test_a_body_goes_when_its_days_are_over",
    ),
    without(
        "the product can only add to the journal",
        "whoever gets hold of the product's password rewrites what happened",
        Edit(ROLES, '"journal": "SELECT, INSERT"', '"journal": "SELECT, INSERT, UPDATE, DELETE"'),
        f"{TEST_ROLES}::test_it_cannot_touch_what_is_in_the_journal_nor_what_guards_it",
        database=POSTGRESQL,
    ),
    without(
        "figures are for this machine",
        "everybody on the network sees how many refunds are under way",
        Edit(METRICS, "    if not (_has_token() or _is_local()):", "    if False:"),
        f"{TEST_METRICS}::test_without_a_token_in_the_settings_no_other_machine_may",
    ),
    without(
        "a client behind a proxy is not this machine",
        "everybody on the internet sees how many refunds are under way",
        Edit(METRICS, " and (not _was_forwarded() or _is_believed())", ""),
        f"{TEST_METRICS}::test_a_proxy_that_the_settings_do_not_tell_of_is_not_this_machine",
        f"{TEST_METRICS}::test_behind_fewer_proxies_than_told_nobody_is_this_machine",
    ),
    without(
        "who takes refunds along is on record",
        "somebody takes every customer along and nobody knows",
        Edit(
            REFUND_EXPORTS,
            '        tx.record(taken.actor, "export:made", "refunds", kind=kind, filters=arguments)\n',
            "",
        ),
        f"{TEST_REFUND_FILES}::test_who_takes_it_is_on_record_at_its_beginning_and_at_its_end",
    ),
    without(
        "files of refunds are counted",
        "whoever came to a sign-in empties the desk",
        Edit(REFUND_FILES, "    count_file()\n", ""),
        f"{TEST_REFUND_FILES}::test_no_more_than_some_files_a_person",
    ),
    without(
        "a file of refunds goes on where it stopped",
        "all but the newest are left out of it, and it is said to be whole",
        Edit(REFUND_EXPORTS, "before, is_more = page.older, bool(page.older)", "before, is_more = page.older, False"),
        f"{TEST_REFUND_FILES}::test_it_holds_what_the_page_shows_each_once_in_the_same_order",
    ),
    without(
        "a file of refunds is whole when its last byte was sent",
        "somebody closes a month on a file whose end never came",
        Edit(
            REFUND_EXPORTS,
            "        before, is_more = page.older, bool(page.older)\n",
            "        before, is_more = page.older, bool(page.older)\n        is_more or _end(books, taken, FINISHED)\n",
        ),
        f"{TEST_REFUND_FILES}::test_it_is_whole_when_the_last_byte_was_taken_and_not_before",
    ),
    without(
        "a file of refunds that breaks off is told to have",
        "the page goes on saying that it is being written, and half of it is taken for all",
        Edit(REFUND_FILES, "    answer.call_on_close(partial(refund_exports.break_off, desk(), taken))\n", ""),
        f"{TEST_REFUND_FILES}::test_one_whose_connection_is_closed_is_broken_off",
    ),
    without(
        "how far a file is is told to whoever takes it",
        "anybody learns what others take along, and how much of it",
        Edit(REFUND_EXPORTS, " or found.person_id != person.id", ""),
        f"{TEST_REFUND_FILES}::test_nobody_else_learns_how_far_it_is",
    ),
    without(
        "a page that asks how far a file is is nobody who is there",
        "a desk that was left alone with a long file stays signed in",
        Edit("dashboard/web/access.py", '        "refund_files.progress",\n', ""),
        "web/test_sign_ins.py::test_what_an_open_page_asks_for_by_itself_keeps_nobody_signed_in",
    ),
    without(
        "a text in Excel's file stays a text",
        "what a customer typed is calculated on somebody's computer",
        Edit(
            "dashboard/xlsx.py",
            "    if isinstance(cell, str):\n",
            """    if isinstance(cell, str) and cell.startswith("="):
        return f'<c r="{place}"><f>{_text(cell[1:])}</f></c>'
    if isinstance(cell, str):\n""",
        ),
        "core/test_xlsx.py::test_texts_are_texts",
    ),
)
